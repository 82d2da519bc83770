"""Edema by height: known fractions and slopes, along a tilted bone as well."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import BodyPart, Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.units import Unit
from heliotrope.measure.profile import body_part_levels, limb_axis, profile_measurements, profile_of

REGION = Region("anterior_thigh", Side.LEFT)
GRID = Grid.from_spacing((24, 24, 20), (2.0, 2.0, 10.0))


def _share(percent_by_slice: NDArray[np.floating], grid: Grid = GRID) -> ParametricMap:
    values = np.broadcast_to(percent_by_slice[None, None, :], grid.shape).astype(np.float32)
    return ParametricMap("edema_share", values, np.ones(grid.shape, dtype=bool), grid, Unit.PERCENT, "m/1")


def _labels(tilt_per_slice: float = 0.0) -> LabelMap:
    labels = np.ones(GRID.shape, dtype=np.uint16)
    for k in range(GRID.shape[2]):
        middle = round(6 + tilt_per_slice * k)
        labels[middle : middle + 3, 10:13, k] = 2
    return LabelMap(labels, GRID, {1: REGION, 2: Region("femur", Side.LEFT)}, "person")


def test_a_linear_rise_gives_its_slope_with_an_interval() -> None:
    """From 5 % at the bottom by 2 points per slice of 10 mm: 2 %/cm."""
    profile = profile_of(_share(5.0 + 2.0 * np.arange(20)), _labels().labels == 1, limb_axis(_labels(), REGION))
    assert profile is not None
    assert profile.percents == pytest.approx(tuple(5.0 + 2.0 * np.arange(20)))
    assert profile.heights_mm[:2] == pytest.approx((5.0, 15.0))
    assert profile.slope_percent_per_cm == pytest.approx(2.0)
    assert profile.ci95 == pytest.approx((2.0, 2.0))


def test_a_stretch_of_outliers_hardly_moves_the_slope() -> None:
    percents = 5.0 + 2.0 * np.arange(20)
    percents[3:6] = 95.0
    profile = profile_of(_share(percents), _labels().labels == 1, limb_axis(_labels(), REGION))
    assert profile is not None
    assert profile.slope_percent_per_cm == pytest.approx(2.0, abs=0.25)  # least squares: 0.7


def test_heights_follow_the_bone() -> None:
    axis = limb_axis(_labels(tilt_per_slice=0.5), REGION)
    assert axis.from_bone
    expected = np.array([1.0, 0.0, 10.0]) / np.hypot(1.0, 10.0)
    np.testing.assert_allclose(axis.direction, expected, atol=0.02)


def test_without_a_bone_the_long_axis_is_used_and_it_is_said() -> None:
    labels = LabelMap(np.ones(GRID.shape, dtype=np.uint16), GRID, {1: REGION}, "person")
    axis = limb_axis(labels, REGION)
    assert not axis.from_bone
    rows = profile_measurements(REGION, profile_of(_share(np.full(20, 8.0)), labels.labels == 1, axis), axis)
    assert "No bone is labeled" in rows[0].notes[0]


def test_too_few_heights_have_a_profile_and_no_slope() -> None:
    inside = np.zeros(GRID.shape, dtype=bool)
    inside[:, :, 4:8] = True
    axis = limb_axis(_labels(), REGION)
    rows = profile_measurements(REGION, profile_of(_share(np.full(20, 8.0)), inside, axis), axis)
    assert rows[0].missing is not None
    assert rows[0].missing.code == "M_TOO_SHORT"
    assert [row.value for row in rows[1:]] == pytest.approx([8.0] * 4)
    assert rows[1].region.level == "5 mm above its distal end"


def test_a_region_that_cannot_be_judged_has_no_profile() -> None:
    share = _share(np.full(20, 8.0))
    none = ParametricMap("edema_share", share.values, np.zeros(GRID.shape, bool), GRID, Unit.PERCENT, "m/1")
    axis = limb_axis(_labels(), REGION)
    (row,) = profile_measurements(REGION, profile_of(none, _labels().labels == 1, axis), axis)
    assert row.value is None


def test_parts_of_the_body_have_their_levels_along_all_muscle_and_arms_have_none() -> None:
    """Leg in slices 0-9, thigh in 10-19, slices of 10 mm; an arm beside the thigh."""
    labels = np.zeros(GRID.shape, dtype=np.uint16)
    labels[:10, :, :10], labels[:10, :, 10:], labels[14:, :, 10:] = 1, 2, 3
    legend = {
        1: Region("anterior_leg", Side.LEFT),
        2: Region("anterior_thigh", Side.LEFT),
        3: Region("forearm_flexors", Side.LEFT),
    }
    drawn = LabelMap(labels, GRID, legend, "person")
    levels = body_part_levels(drawn, Region("muscle", Side.LEFT))
    assert [part for part, _ in levels] == [BodyPart.LEG, BodyPart.THIGH]
    assert [height for _, height in levels] == pytest.approx([45.0, 145.0])
    assert body_part_levels(drawn, Region("anterior_thigh", Side.LEFT)) == ()
    assert body_part_levels(drawn, Region("muscle", Side.RIGHT)) == ()
