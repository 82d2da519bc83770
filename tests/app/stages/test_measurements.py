"""The measurement stage on a study with labels and maps."""

from dataclasses import replace

import numpy as np
import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput, StageOutput
from heliotrope.app.stages.measurements import STAGES
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.study import Study
from heliotrope.domain.units import Unit
from tests.app.examples import read_ones

GRID = Grid.from_spacing((40, 40, 4), (1.5, 1.5, 8.0))
STAGE = STAGES[0]


def labels() -> LabelMap:
    drawn = np.zeros(GRID.shape, np.uint16)
    drawn[5:35, 5:35] = 1
    return LabelMap(drawn, GRID, {1: Region("muscle", Side.LEFT)}, "test")


def flat(quantity: str, value: float, unit: Unit, grid: Grid = GRID) -> ParametricMap:
    return ParametricMap(
        quantity, np.full(grid.shape, value, np.float32), np.ones(grid.shape, dtype=bool), grid, unit, "test/1"
    )


def run(given_labels: LabelMap | None, *maps: ParametricMap) -> StageOutput:
    return STAGE.run(
        StageInput(
            study=Study("s", None, None, (), ()),
            series=(),
            options=AnalyzeOptions(),
            read_volume=read_ones,
            maps={item.quantity: item for item in maps},
            labels=given_labels,
        )
    )


def test_every_map_is_read_and_supporting_maps_are_not() -> None:
    output = run(labels(), flat("water_t2", 36.0, Unit.MILLISECOND), flat("water_t2_sd", 1.0, Unit.MILLISECOND))
    assert {item.quantity for item in output.measurements} >= {"water_t2", "volume", "cross_section"}
    assert "water_t2_sd" not in {item.quantity for item in output.measurements}


def test_labels_travel_to_a_map_on_another_grid() -> None:
    coarse = Grid.from_spacing((20, 20, 4), (3.0, 3.0, 8.0))
    output = run(labels(), flat("fat_fraction", 10.0, Unit.PERCENT, coarse))
    fat = next(item for item in output.measurements if item.quantity == "fat_fraction" and item.statistic == "median")
    assert fat.value == 10.0
    volume = next(item for item in output.measurements if item.quantity == "volume")
    lean = next(item for item in output.measurements if item.quantity == "contractile_volume")
    assert volume.value is not None
    # the coarse grid sees the square with a border uncertain by half of its pixel
    assert lean.value == pytest.approx(0.9 * volume.value, rel=0.08)


def test_a_map_of_another_frame_of_reference_is_not_assessed() -> None:
    other = replace(GRID, frame_of_reference_uid="1.2")
    drawn = labels()
    output = run(
        LabelMap(drawn.labels, replace(GRID, frame_of_reference_uid="1.3"), drawn.legend, "test"),
        flat("water_t2", 36.0, Unit.MILLISECOND, other),
    )
    assert [item.quantity for item in output.not_assessed] == ["water_t2"]


def test_without_labels_every_size_is_not_assessed_with_the_reason() -> None:
    output = run(None, flat("water_t2", 36.0, Unit.MILLISECOND))
    assert output.measurements == ()
    assert {item.missing.code for item in output.not_assessed} == {"M_NO_LABELS"}
    assert "volume" in {item.quantity for item in output.not_assessed}


def test_the_same_study_gives_the_same_intervals() -> None:
    noisy = ParametricMap(
        "water_t2",
        np.random.default_rng(0).normal(36.0, 2.0, GRID.shape).astype(np.float32),
        np.ones(GRID.shape, dtype=bool),
        GRID,
        Unit.MILLISECOND,
        "test/1",
    )
    assert run(labels(), noisy).measurements == run(labels(), noisy).measurements
