"""Checks of label maps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.segment.label_quality import check_labels, cut_regions, unfinished_regions

LEGEND = {
    1: Region("skin", Side.LEFT),
    2: Region("subcutaneous_fat", Side.LEFT),
    3: Region("sartorius", Side.LEFT),
    13: Region("sartorius", Side.RIGHT),
}


def _values() -> NDArray[np.uint16]:
    """Left limb at high x with skin, fat and muscle; right limb of muscle alone at low x."""
    values = np.zeros((40, 20, 4), np.uint16)
    x, y = np.meshgrid(np.arange(40), np.arange(20), indexing="ij")
    left = np.hypot(x - 29, y - 10)
    for k in range(4):
        values[:, :, k][left < 9] = 1
        values[:, :, k][left < 8] = 2
        values[:, :, k][left < 5] = 3
        values[:, :, k][np.hypot(x - 9, y - 10) < 5] = 13
    return values


def _checks(values: NDArray[np.uint16], legend: dict[int, Region] | None = None) -> dict[str, bool | None]:
    shape = (values.shape[0], values.shape[1], values.shape[2])
    labels = LabelMap(values, Grid.from_spacing(shape, (1, 1, 5)), legend or LEGEND, "person")
    return {check.name: check.passed for check in check_labels(labels)}


def test_sound_labels_pass_every_check() -> None:
    assert set(_checks(_values()).values()) == {True}


def test_swapped_sides_are_seen() -> None:
    values = _values()
    turned = np.flip(values, axis=0)
    assert _checks(turned)["label-sides"] is False


def _two_limbs(**drawn: float) -> LabelMap:
    """Two limbs with fat, bone and muscle, and regions drawn as disks at a place toward the patient's left. [mm]"""
    sides = {Side.RIGHT: (10.0, 0), Side.LEFT: (40.0, 10)}
    x, y = np.meshgrid(np.arange(50), np.arange(20), indexing="ij")
    plane, legend = np.zeros((50, 20), np.uint16), {}
    for side, (middle, first) in sides.items():
        distance = np.hypot(x - middle, y - 10)
        for number, (structure, radius) in enumerate((("subcutaneous_fat", 9), ("muscle", 7), ("bone", 2)), 1):
            plane[distance < radius] = first + number
            legend[first + number] = Region(structure, side)
    for number, (name, place) in enumerate(drawn.items(), start=100):
        side_name, structure = name.split("_", 1)
        plane[np.hypot(x - place, y - 14) < 2.5] = number
        legend[number] = Region(structure, Side(side_name))
    values = np.repeat(plane[:, :, None], 3, axis=2)
    return LabelMap(values, Grid.from_spacing((50, 20, 3), (1, 1, 5)), legend, "person")


def _sides(labels: LabelMap) -> tuple[bool | None, str]:
    return next((check.passed, check.detail) for check in check_labels(labels) if check.name == "label-sides")


def test_a_muscle_drawn_in_the_other_limb_is_named() -> None:
    assert _sides(_two_limbs(left_vastus_lateralis=40.0, right_vastus_lateralis=10.0))[0] is True
    passed, detail = _sides(_two_limbs(left_vastus_lateralis=10.0))
    assert passed is False
    assert "left vastus lateralis" in detail
    assert "muscle" not in detail


def test_every_swapped_muscle_is_named_although_skin_and_fat_lie_right() -> None:
    passed, detail = _sides(_two_limbs(left_vastus_lateralis=7.0, right_vastus_lateralis=43.0, left_gracilis=13.0))
    assert passed is False
    for name in ("left vastus lateralis", "right vastus lateralis", "left gracilis"):
        assert name in detail


def test_the_only_region_of_a_side_amid_the_other_limb_is_named() -> None:
    labels = _two_limbs(left_vastus_lateralis=12.0)
    values = np.where(np.isin(labels.labels, [11, 12, 13]), 0, labels.labels).astype(np.uint16)
    legend = {n: region for n, region in labels.legend.items() if n not in (11, 12, 13)}
    passed, detail = _sides(LabelMap(values, labels.grid, legend, "person"))
    assert passed is False
    assert "left vastus lateralis" in detail


@pytest.mark.parametrize("codes", [(0, 1, 2), (2, 0, 1)])
def test_sides_are_told_on_any_order_of_the_stored_axes(codes: tuple[int, int, int]) -> None:
    labels = _two_limbs(right_gracilis=36.0)
    turned = labels.grid.matrix[:, [*codes, 3]]
    values = np.moveaxis(labels.labels, codes, (0, 1, 2))
    grid = Grid.from_matrix((values.shape[0], values.shape[1], values.shape[2]), turned)
    passed, detail = _sides(LabelMap(values, grid, labels.legend, "person"))
    assert passed is False
    assert "right gracilis" in detail


@pytest.mark.parametrize(("number", "at"), [(3, (2, 2)), (13, (38, 2))])
def test_an_island_of_a_muscle_is_seen(number: int, at: tuple[int, int]) -> None:
    values = _values()
    values[at[0], at[1] : at[1] + 4, :] = number
    assert _checks(values)["label-islands"] is False


def test_a_hole_is_seen() -> None:
    values = _values()
    values[28:31, 9:12, :] = 0
    assert _checks(values)["label-holes"] is False


def test_muscle_that_was_not_drawn_is_no_hole_but_a_hole_of_a_drawn_one_is() -> None:
    labels = _two_limbs(left_vastus_lateralis=40.0)
    values = np.where(labels.labels == 12, 0, labels.labels).astype(np.uint16)
    drawn = LabelMap(values, labels.grid, labels.legend, "person")
    holes = next(check for check in check_labels(drawn) if check.name == "label-holes")
    assert holes.passed is True
    assert holes.detail == "Voxels without a label inside what was drawn of the muscle: 0.0 % of the muscle."
    values[40, 14, :] = 0
    drawn = LabelMap(values, labels.grid, {**labels.legend}, "person")
    assert "0.0 %" not in next(check.detail for check in check_labels(drawn) if check.name == "label-holes")


def test_a_region_at_the_edge_of_the_image_is_cut() -> None:
    values = _values()
    values[9, :, 1] = 13
    assert _checks(values)["label-field-of-view"] is False


def test_a_muscle_three_times_the_other_is_implausible() -> None:
    values = _values()
    x, y = np.meshgrid(np.arange(40), np.arange(20), indexing="ij")
    values[(values == 13) & (np.hypot(x - 9, y - 10) > 2.5)[..., None]] = 0
    assert _checks(values)["label-sizes"] is False


def test_fat_inside_muscle_is_the_wrong_order() -> None:
    legend = {**LEGEND, 2: Region("sartorius", Side.LEFT), 3: Region("subcutaneous_fat", Side.LEFT)}
    assert _checks(_values(), legend)["label-order"] is False


def test_cut_and_unfinished_regions_are_named() -> None:
    values = _values()
    values[:, :, [0, 3]] = 0
    values[0:9, 10, 1] = 13
    values[29, 10, 3] = 3
    labels = LabelMap(values, Grid.from_spacing((40, 20, 4), (1, 1, 5)), LEGEND, "person")
    assert cut_regions(labels) == (Region("sartorius", Side.RIGHT),)
    assert unfinished_regions(labels) == (Region("sartorius", Side.LEFT),)
