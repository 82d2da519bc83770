"""Sizes of regions against cylinders of known size."""

import numpy as np
import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.units import Unit
from heliotrope.measure.morphometry import measure_morphometry

GRID = Grid.from_spacing((80, 80, 6), (1.0, 1.0, 10.0))
RADIUS_MM, FAT_MM = 25.0, 8.0
PIXEL_TOLERANCE = 0.02
"""A disc of 25 mm radius drawn in 1 mm pixels is within 2 % of its area."""


def limb(shift: float = 40.0) -> LabelMap:
    x, y = np.meshgrid(np.arange(80), np.arange(80), indexing="ij")
    r = np.hypot(x - shift, y - 40.0)
    plane = np.where(r <= RADIUS_MM, 1, np.where(r <= RADIUS_MM + FAT_MM, 2, 0)).astype(np.uint16)
    labels = np.zeros(GRID.shape, np.uint16)
    labels[:, :, 1:5] = plane[:, :, None]
    legend = {1: Region("muscle", Side.LEFT), 2: Region("subcutaneous_fat", Side.LEFT), 3: Region("bone", Side.LEFT)}
    return LabelMap(labels, GRID, legend, "person")


def pick(rows: tuple[Measurement, ...], region: Region, quantity: str) -> Measurement:
    return next(row for row in rows if row.region == region and row.quantity == quantity)


def test_volume_and_cross_section_of_a_cylinder() -> None:
    rows = measure_morphometry(limb())
    area = np.pi * RADIUS_MM**2
    volume = pick(rows, Region("muscle", Side.LEFT), "volume")
    assert volume.value == pytest.approx(area * 40.0 / 1000.0, rel=PIXEL_TOLERANCE)
    assert volume.unit is Unit.MILLILITER
    assert volume.notes == ()
    assert pick(rows, Region("muscle", Side.LEFT, "slice 3"), "cross_section").value == pytest.approx(
        area, rel=PIXEL_TOLERANCE
    )


def test_thickness_of_the_subcutis_is_that_of_the_ring() -> None:
    thickness = pick(measure_morphometry(limb()), Region("subcutaneous_fat", Side.LEFT), "thickness")
    assert thickness.value == pytest.approx(FAT_MM, abs=0.2)


def test_a_structure_that_touches_the_image_edge_has_no_volume_and_says_why() -> None:
    rows = measure_morphometry(limb(shift=20.0))
    cut = pick(rows, Region("muscle", Side.LEFT), "volume")
    assert cut.value is None
    assert cut.missing is not None
    assert cut.missing.code == "M_CUT_BY_FIELD_OF_VIEW"


def test_a_structure_that_leaves_through_the_last_slice_says_that_only_a_part_was_seen() -> None:
    plane = limb().labels[:, :, 1]
    through = LabelMap(np.repeat(plane[:, :, None], 6, axis=2), GRID, limb().legend, "person")
    volume = pick(measure_morphometry(through), Region("muscle", Side.LEFT), "volume")
    assert volume.value is not None
    assert "imaged 60 mm" in volume.notes[0]


def test_a_named_but_undrawn_structure_is_missing_not_zero() -> None:
    bone = pick(measure_morphometry(limb()), Region("bone", Side.LEFT), "volume")
    assert bone.value is None
    assert bone.missing is not None
    assert bone.missing.code == "M_EMPTY_REGION"


def test_contractile_size_is_what_is_left_after_fat() -> None:
    labels = limb()
    fat = ParametricMap(
        "fat_fraction",
        np.full(GRID.shape, 25.0, np.float32),
        np.ones(GRID.shape, dtype=bool),
        GRID,
        Unit.PERCENT,
        "test/1",
    )
    rows = measure_morphometry(labels, fat)
    whole = pick(rows, Region("muscle", Side.LEFT), "volume")
    lean = pick(rows, Region("muscle", Side.LEFT), "contractile_volume")
    assert whole.value is not None
    assert lean.value == pytest.approx(0.75 * whole.value)
