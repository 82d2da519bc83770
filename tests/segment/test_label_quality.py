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


@pytest.mark.parametrize(("number", "at"), [(3, (2, 2)), (13, (38, 2))])
def test_an_island_of_a_muscle_is_seen(number: int, at: tuple[int, int]) -> None:
    values = _values()
    values[at[0], at[1] : at[1] + 4, :] = number
    assert _checks(values)["label-islands"] is False


def test_a_hole_is_seen() -> None:
    values = _values()
    values[28:31, 9:12, :] = 0
    assert _checks(values)["label-holes"] is False


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
