"""Calcium in real CT of soft-tissue tumors: found where it is, nothing called calcium where there is none."""

from pathlib import Path

import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput, StageOutput
from heliotrope.app.stages.calcinosis import STAGES
from heliotrope.domain.anatomy import Region
from heliotrope.domain.measurement import Missing
from heliotrope.io import read_study, read_volume

pytestmark = pytest.mark.real_data


def analyzed(folder: Path) -> StageOutput:
    study = read_study(folder)
    selected = STAGES[0].select(study)
    assert not isinstance(selected, Missing)
    return STAGES[0].run(StageInput(study, selected, AnalyzeOptions(), read_volume))


def total_ml(output: StageOutput) -> float:
    row = next(m for m in output.measurements if m.quantity == "calcinosis_volume" and m.region == Region("all"))
    assert row.value is not None
    return row.value


def test_calcified_tumor_is_found_and_its_plane_withheld(shared_data: Path) -> None:
    output = analyzed(shared_data / "limb-ct-mr" / "STS_028" / "CT" / "image")
    assert 0.4 < total_ml(output) < 2.0
    assert any("withheld" in limit for finding in output.findings for limit in finding.limits)


@pytest.mark.parametrize("case", ["STS_051", "STS_034"])
def test_no_calcinosis_where_none_is(shared_data: Path, case: str) -> None:
    assert total_ml(analyzed(shared_data / "limb-ct-mr" / case / "CT" / "image")) < 0.1
