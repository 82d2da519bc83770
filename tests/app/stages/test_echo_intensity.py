"""The ultrasound stage: regions come from a person, grades from a reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput, StageOutput
from heliotrope.app.stages.echo_intensity import QUANTITIES, STAGES
from heliotrope.domain.anatomy import Region
from heliotrope.domain.errors import OptionError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Acquisition, Modality, Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.io import nifti

GRID = Grid.from_spacing((60, 50, 1), (0.1, 0.1, 1.0))


def study(n_frames: int = 1, role: Role = Role.ULTRASOUND) -> Study:
    series = Series("s01", "1.2", 1, "", role, "", Acquisition(Modality.ULTRASOUND), GRID, n_frames, ())
    return Study("k", None, None, (series,), ())


def run(options: AnalyzeOptions) -> StageOutput:
    ramp = np.broadcast_to(np.arange(60, dtype=np.float32)[:, None, None], GRID.shape)
    chosen = STAGES[0].select(study())
    assert not isinstance(chosen, Missing)
    return STAGES[0].run(StageInput(study(), chosen, options, lambda _: Volume(np.array(ramp), GRID, Unit.GRAY_LEVEL)))


@pytest.fixture
def drawn(tmp_path: Path) -> str:
    labels = np.zeros(GRID.shape, np.uint16)
    labels[10:31, 5:45] = 1
    path, _ = nifti.write_labels(
        tmp_path / "drawn.nii.gz", LabelMap(labels, GRID, {1: Region("vastus_lateralis")}, "person")
    )
    return str(path)


def test_a_drawn_region_is_measured_on_the_picture(drawn: str) -> None:
    rows = {(m.quantity, m.statistic): m for m in run(AnalyzeOptions(labels=drawn)).measurements}
    assert rows["echo_intensity", "mean"].value == pytest.approx(20.0)
    assert rows["echo_intensity", "mean"].region == Region("vastus_lateralis")
    assert rows["echo_intensity_z", "mean"].value is None


def test_controls_of_the_preset_give_a_z_score(drawn: str) -> None:
    options = AnalyzeOptions(labels=drawn, echo_control_mean=15.0, echo_control_sd=2.5, echo_preset="A, muscle")
    rows = {m.quantity: m for m in run(options).measurements}
    assert rows["echo_intensity_z"].value == pytest.approx(2.0)


def test_without_a_region_every_quantity_is_not_assessed_with_the_reason() -> None:
    output = run(AnalyzeOptions())
    assert output.measurements == ()
    assert [item.quantity for item in output.not_assessed] == [quantity.key for quantity in QUANTITIES]
    assert {item.missing.code for item in output.not_assessed} == {"M_NO_REGION"}


def test_loops_and_other_images_are_not_selected() -> None:
    loop, other = STAGES[0].select(study(n_frames=30)), STAGES[0].select(study(role=Role.RADIOGRAPH))
    assert isinstance(loop, Missing)
    assert isinstance(other, Missing)
    assert (loop.code, other.code) == ("M_NO_STILL", "M_NO_SERIES")


def test_what_a_reader_entered_is_shown_as_entered() -> None:
    findings = run(AnalyzeOptions(heckmatt_grade=3, ultrasound_shadowing=False)).findings
    assert [finding.limits for finding in findings] == [("Entered, not computed.",)] * 2
    assert "not seen" in findings[1].statement


@pytest.mark.parametrize(
    "plan",
    [
        {"echo_control_mean": 40.0},
        {"echo_control_mean": 40.0, "echo_control_sd": 5.0, "echo_preset": " "},
        {"heckmatt_grade": 5},
        {"heckmatt_grade": True},
        {"ultrasound_shadowing": 1},
    ],
)
def test_half_or_impossible_entries_are_refused(plan: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        AnalyzeOptions.from_plan(plan)
