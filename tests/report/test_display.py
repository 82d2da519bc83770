"""Slices as a radiologist expects them, whatever the order of the array."""

import itertools

import numpy as np
import pytest

from heliotrope.domain.geometry import Grid
from heliotrope.report.display import (
    choose_slices,
    content_window,
    foreground,
    gray_window,
    scale_bar_cm,
    view_of,
)

ORIENTATIONS = [
    (order, flips) for order in itertools.permutations(range(3)) for flips in itertools.product((False, True), repeat=3)
]
SHAPE, SPACING = (7, 5, 4), (1.0, 1.5, 8.0)


def reordered(order: tuple[int, ...], flips: tuple[bool, ...]) -> tuple[np.ndarray, Grid]:
    """One image, x to the left, y to the back, z to the head, stored in another order of axes and directions."""
    original = Grid.from_spacing(SHAPE, SPACING)
    data = np.arange(np.prod(SHAPE), dtype=np.float64).reshape(SHAPE)
    matrix = original.matrix[:, [*order, 3]]
    data = np.transpose(data, order)
    for axis, flipped in enumerate(flips):
        if flipped:
            matrix[:3, 3] += matrix[:3, axis] * (data.shape[axis] - 1)
            matrix[:3, axis] *= -1
            data = np.flip(data, axis)
    return data, Grid.from_matrix(data.shape, matrix)


@pytest.mark.parametrize(("order", "flips"), ORIENTATIONS)
def test_the_picture_does_not_depend_on_how_the_array_is_stored(
    order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    data, grid = reordered(order, flips)
    view = view_of(grid)
    straight = np.arange(np.prod(SHAPE), dtype=np.float64).reshape(SHAPE)
    assert (view.plane, view.left_letter, view.right_letter, view.top_letter) == ("axial", "R", "L", "A")
    assert (view.column_mm, view.row_mm) == (1.0, 1.5)
    k = 1 if not flips[order.index(2)] else SHAPE[2] - 2
    np.testing.assert_array_equal(view.cut(data, k), straight[:, :, 1].T)


@pytest.mark.parametrize(("order", "flips"), ORIENTATIONS[::5])
def test_a_marked_voxel_is_marked_where_it_is_shown(order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    data, grid = reordered(order, flips)
    view = view_of(grid)
    index = (1, 2, 3) if order == (0, 1, 2) else (1, 1, 2)
    row, column = view.place((float(index[0]), float(index[1]), float(index[2])))
    assert view.cut(data, index[view.slice_axis])[int(row), int(column)] == data[index]


def test_a_coronal_stack_is_seen_from_the_front_with_the_head_up() -> None:
    matrix = np.array([[2.0, 0, 0, 0], [0, 0, 6.0, 0], [0, -2.0, 0, 0], [0, 0, 0, 1]])
    view = view_of(Grid.from_matrix((20, 30, 5), matrix))
    assert (view.plane, view.left_letter, view.top_letter) == ("coronal", "R", "S")


def test_an_isotropic_volume_is_shown_axially() -> None:
    matrix = np.array([[0, 0, 1.0, 0], [1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
    view = view_of(Grid.from_matrix((8, 9, 10), matrix))
    assert (view.plane, view.slice_axis) == ("axial", 1)


def test_a_single_slice_is_its_own_plane() -> None:
    assert view_of(Grid.from_spacing((40, 1, 60), (0.2, 1.0, 0.2))).plane == "coronal"


def test_slices_follow_the_content_and_include_the_fullest() -> None:
    weight = np.zeros((4, 4, 20))
    weight[..., 5:15] = 1.0
    weight[..., 14] = 5.0
    view = view_of(Grid.from_spacing((4, 4, 20), (1.0, 1.0, 5.0)))
    chosen = choose_slices(weight, view, 4)
    assert len(chosen) == 4
    assert 14 in chosen
    assert all(5 <= k < 15 for k in chosen)


def test_an_empty_content_shows_the_middle_slice() -> None:
    view = view_of(Grid.from_spacing((4, 4, 9), (1.0, 1.0, 5.0)))
    assert choose_slices(np.zeros((4, 4, 9)), view, 3) == (4,)


def test_the_window_keeps_a_margin_and_stays_inside_the_image() -> None:
    mask = np.zeros((60, 40, 3), dtype=bool)
    mask[20:30, 1:5, 1] = True
    view = view_of(Grid.from_spacing((60, 40, 3), (2.0, 2.0, 10.0)))
    window = content_window(mask, view, margin_mm=6.0)
    assert (window.left, window.right, window.top, window.bottom) == (17, 33, 0, 8)


def test_gray_levels_ignore_a_bright_marker() -> None:
    image = np.full((50, 50, 4), 100.0)
    image[:20] = 0.0
    image[25, 25, 0] = 1e6
    assert gray_window(image) == (0.0, 100.0)
    assert foreground(image)[30, 10, 1]
    assert not foreground(image)[5, 10, 1]


def test_an_image_without_a_finite_value_has_levels() -> None:
    assert gray_window(np.full((3, 3, 3), np.nan)) == (0.0, 1.0)


@pytest.mark.parametrize(("width_mm", "length_cm"), [(450.0, 10.0), (180.0, 5.0), (30.0, 0.5), (1800.0, 50.0)])
def test_the_scale_bar_has_a_round_length_near_a_fifth_of_the_width(width_mm: float, length_cm: float) -> None:
    assert scale_bar_cm(width_mm) == length_cm
