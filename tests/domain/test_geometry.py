"""Grids."""

import numpy as np
import pytest

from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid, require_same_grid


def test_affines_that_differ_are_named_with_their_distance() -> None:
    first = Grid.from_spacing((4, 4, 2), (1.0, 1.0, 5.0))
    moved = first.matrix
    moved[0, 3] += 1.9
    second = Grid.from_matrix((4, 4, 2), moved)
    with pytest.raises(GeometryError, match=r"T2 map and mask: affines differ by 1\.9 mm"):
        require_same_grid(first, second, first_name="T2 map", second_name="mask")


def test_axis_codes_name_the_direction_of_growing_index() -> None:
    assert Grid.from_spacing((2, 2, 2), (1.0, 1.0, 1.0)).axis_codes == ("L", "P", "S")


def test_positions_and_indices_are_inverse() -> None:
    rotation = np.array([[0.0, -2.0, 0.0, 7.0], [1.5, 0.0, 0.0, -3.0], [0.0, 0.0, 5.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    grid = Grid.from_matrix((5, 6, 7), rotation)
    index = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(grid.indices(grid.positions_mm(index)), index, atol=1e-12)


def test_a_singular_affine_is_refused() -> None:
    with pytest.raises(GeometryError, match="singular"):
        Grid.from_matrix((2, 2, 2), np.diag([1.0, 1.0, 0.0, 1.0]))
