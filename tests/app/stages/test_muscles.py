"""The stage of single muscles: what it shows the network, and what it says when it cannot name any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.registry import STAGES
from heliotrope.app.stage import StageInput
from heliotrope.app.stages import muscles
from heliotrope.app.store import stage_key
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import EngineError, OptionError
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Acquisition, Modality, Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.measure.morphometry import measure_morphometry
from heliotrope.segment.label_quality import check_labels
from heliotrope.segment.muscles.label import label_muscles
from heliotrope.segment.muscles.network import MuscleNetwork
from heliotrope.segment.tissues import segment_tissues
from tests.segment import limbs
from tests.segment.muscles import oracle

THIGHS = limbs.draw(slices=3)
ECHOES = limbs.multi_echo(THIGHS)


@pytest.fixture(scope="module")
def tissues() -> LabelMap:
    return segment_tissues({Role.MULTI_ECHO_T2: ECHOES}, echo_times_ms=limbs.ECHO_TIMES_MS)


def series(role: Role = Role.MULTI_ECHO_T2, **changes: object) -> Series:
    acquisition = Acquisition(Modality.MR, echo_times_ms=limbs.ECHO_TIMES_MS if role is Role.MULTI_ECHO_T2 else ())
    made = Series("s01", "1", 1, "", role, "test", acquisition, THIGHS.grid, 1, ())
    return replace(made, **changes)  # type: ignore[arg-type]


def given(labels: LabelMap | None, **changes: object) -> StageInput:
    taken = (series(),)
    made = StageInput(
        Study("study", None, None, taken, ()), taken, AnalyzeOptions(), lambda _series: ECHOES, labels=labels
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def loading(network: MuscleNetwork) -> Callable[[], MuscleNetwork]:
    return lambda: network


def test_muscles_are_named_measured_and_described(tissues: LabelMap) -> None:
    output = muscles._run(given(tissues), loading(oracle.network()))
    assert output.labels is not None
    volumes = {row.region: row.value for row in measure_morphometry(output.labels) if row.quantity == "volume"}
    assert volumes[Region("vastus_lateralis", Side.LEFT)] is not None
    parts = sum(
        value or 0.0
        for region, value in volumes.items()
        if region.side is Side.LEFT and region.structure in oracle.MUSCLES
    )
    whole = volumes[Region("muscle", Side.LEFT)] or 0.0
    assert parts <= whole + 1e-6
    assert "not tested on inflamed muscle of patients" in output.sentence
    assert "echo 2" in output.sentence
    names = {check.name: check for check in output.quality}
    assert names["muscle-level"].passed
    # the labels with names are checked, and not only the tissues before them
    assert names["label-islands"].passed is not None
    assert "Muscles named: 8 left, 8 right" in names["muscle-certainty"].detail
    assert names["muscle-against-tissues"].passed is False  # the stand-in calls half of the limb muscle


def _uncertain() -> MuscleNetwork:
    generator = np.random.default_rng(3)

    def answer(batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        turned = oracle.sectors(generator.uniform(0.0, 360.0))
        return oracle.constant(change=lambda _: turned)(batch)

    return oracle.network(answer)


def test_checks_say_that_no_muscle_was_named_where_all_are_uncertain(tissues: LabelMap) -> None:
    output = muscles._run(given(tissues), loading(_uncertain()))
    assert output.labels is not None
    assert any("and none is named where more than 35 % are not" in note for note in output.labels.notes)
    checks = {check.name: check for check in output.quality}
    assert checks["muscle-level"].passed is None
    assert checks["muscle-level"].detail == "No single muscle was named in any slice."
    assert checks["muscle-certainty"].passed is False
    assert checks["muscle-certainty"].detail.startswith("No single muscle was named. Withheld: ")
    islands = next(check for check in check_labels(output.labels) if check.name == "label-islands")
    assert islands.passed is None
    assert islands.detail == "No single muscle is named, so none can lie in pieces."


def test_a_leg_of_which_no_muscle_is_named_counts_no_slice(tissues: LabelMap) -> None:
    named = label_muscles([ECHOES.frame(1)], oracle.network(), tissues)
    left, right = named.legs
    doubted = replace(right, withheld=dict.fromkeys(right.confidence, "unsure"), doubt="unsure")
    checks = muscles._checks(replace(named, legs=(left, doubted)))
    thigh = sum(level == "thigh" for level in left.levels)
    level = next(check for check in checks if check.name == "muscle-level")
    assert level.detail == f"Muscles are named in {thigh} slices of a leg; not in the {right.side} leg."


def test_without_weights_compartments_stay_and_the_reason_is_given(tissues: LabelMap) -> None:
    def absent() -> MuscleNetwork:
        raise EngineError("no network: model.onnx is needed", hint="name a folder")

    output = muscles._run(given(tissues), absent)
    assert output.labels is None
    (missing,) = output.not_assessed
    assert missing.quantity == "muscle_labels"
    assert "no network" in missing.missing.reason


def test_switched_off_in_the_plan_no_network_is_loaded(tissues: LabelMap) -> None:
    def never() -> MuscleNetwork:
        raise AssertionError("loaded")

    off = given(tissues, options=AnalyzeOptions.from_plan({"muscles": "none"}))
    (missing,) = muscles._run(off, never).not_assessed
    assert missing.missing.code == "M_SWITCHED_OFF"


def test_an_unknown_source_of_muscles_lists_what_exists() -> None:
    with pytest.raises(OptionError, match="magic") as caught:
        AnalyzeOptions(muscles="magic")
    assert "network" in caught.value.hint


def test_a_knee_is_not_assessed_rather_than_failed(tissues: LabelMap) -> None:
    output = muscles._run(given(tissues), loading(oracle.network(oracle.constant("knee_or_leg"))))
    assert output.not_assessed[0].missing.code == "E_NOT_A_THIGH"
    assert "knee or leg" in output.not_assessed[0].missing.reason


def test_fitted_water_and_fat_stand_for_scanner_images(tissues: LabelMap) -> None:
    grid = THIGHS.grid
    shown = np.ones(grid.shape, np.float32)
    maps = {
        f"{name}_signal": ParametricMap(f"{name}_signal", shown, shown > 0, grid, Unit.ARBITRARY, "fit/1")
        for name in ("water", "fat")
    }
    images = muscles._images(given(tissues, maps=maps), grid)
    assert [name for name, _ in images] == ["fitted water signal", "fitted fat signal", "multi echo t2 (echo 2)"]


def test_images_on_another_grid_are_not_shown(tissues: LabelMap) -> None:
    other = limbs.draw(slices=1).grid
    coarse = series(Role.STIR, key="s02", grid=other)
    both = given(tissues, series=(series(), coarse))
    assert all("stir" not in name for name, _ in muscles._images(both, THIGHS.grid))


def test_stir_alone_still_gets_muscles() -> None:
    stir = (series(Role.STIR),)
    alone = given(
        None,
        series=stir,
        study=Study("study", None, None, stir, ()),
        read_volume=lambda _s: Volume(ECHOES.frame(3).data, THIGHS.grid),
    )
    output = muscles._run(alone, loading(oracle.network()))
    assert output.labels is not None
    assert output.labels.mask_where(structure="vastus_lateralis").any()
    assert "labels" in output.backgrounds


def test_a_study_of_maps_alone_says_what_is_missing() -> None:
    missing = muscles._select(Study("study", None, None, (series(Role.T2_MAP),), ()))
    assert isinstance(missing, Missing)


def test_other_weights_make_another_stage_key() -> None:
    (stage,) = [stage for stage in STAGES if stage.name == "muscles"]
    taken = (series(),)
    keys = [
        stage_key(replace(stage, material=material), taken, AnalyzeOptions(), {}, "content")
        for material in (lambda: "a", lambda: "b", lambda: "a")
    ]
    assert keys[0] == keys[2] != keys[1]
