"""Places of one visit found again at another, from drawn limbs that were moved by a known amount."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.segment.position_match import match_positions
from tests.segment import limbs

STRUCTURES = {
    limbs.SKIN: "skin",
    limbs.FAT: "subcutaneous_fat",
    limbs.MUSCLE: "muscle",
    limbs.INTERMUSCULAR: "intermuscular_fat",
    limbs.CORTEX: "bone",
    limbs.MARROW: "bone",
}
LEVEL_TOLERANCE_MM = 2.0
"""A quarter of the distance of the slices."""


def drawn_labels(slices: range, move: NDArray[np.float64] | None = None, **drawing: float) -> LabelMap:
    """Labels of some slices of the drawn thighs, lying where a move takes them."""
    thighs = limbs.draw(spacing_mm=3.0, slices=slices.stop, **drawing)  # type: ignore[arg-type] # numbers of the drawing
    codes = thighs.tissue.astype(np.uint16) + 10 * (thighs.side == 1)
    codes[thighs.tissue == limbs.AIR] = 0
    kept = np.ascontiguousarray(codes[:, :, slices.start :])
    matrix = thighs.grid.matrix
    matrix[:3, 3] += slices.start * matrix[:3, 2]
    grid = Grid.from_matrix(kept.shape, matrix if move is None else move @ matrix)
    legend = {code + 10 * (side is Side.LEFT): Region(name, side) for code, name in STRUCTURES.items() for side in Side}
    return LabelMap(kept.astype(np.uint16), grid, legend, "drawn")


def moved_by(shift_mm: tuple[float, float, float], turn_deg: float = 0.0) -> NDArray[np.float64]:
    """A turn about the axis from front to back, then a shift."""
    angle = np.radians(turn_deg)
    move = np.eye(4)
    move[[0, 0, 2, 2], [0, 2, 0, 2]] = (np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle))
    move[:3, 3] = shift_mm
    return move


@pytest.mark.parametrize(
    ("slices", "move"),
    [
        (range(10), moved_by((0.0, 0.0, 0.0))),
        (range(10), moved_by((12.0, -9.0, 43.0))),
        (range(4, 12), moved_by((-7.0, 5.0, 120.0))),
        (range(10), moved_by((5.0, 0.0, -30.0), turn_deg=3.0)),
    ],
    ids=["unmoved", "shifted", "other part", "turned"],
)
def test_the_level_along_each_limb_is_found_again(slices: range, move: NDArray[np.float64]) -> None:
    first, second = drawn_labels(range(10)), drawn_labels(slices, move)
    matches = match_positions(first, second)
    assert [match.side for match in matches] == [Side.LEFT, Side.RIGHT]
    for match in matches:
        found = np.array(match.matrix)
        bone = first.grid.positions_mm(np.argwhere(first.mask_where(structure="bone", side=match.side))[::40])
        expected = bone @ move[:3, :3].T + move[:3, 3]
        reached = bone @ found[:3, :3].T + found[:3, 3]
        assert np.abs((reached - expected).mean(axis=0)).max() < LEVEL_TOLERANCE_MM
        assert match.surface_p95_mm <= 3.0


def test_the_same_labels_always_give_the_same_move() -> None:
    first, second = drawn_labels(range(8)), drawn_labels(range(2, 10), moved_by((3.0, 2.0, 9.0)))
    assert match_positions(first, second) == match_positions(first, second)


def test_a_limb_of_another_size_is_refused_with_the_distance() -> None:
    """A quarter larger: outlines and bone cannot lie on those of the first."""
    first = drawn_labels(range(8))
    swollen = drawn_labels(range(8))
    stretched = Grid.from_matrix(swollen.grid.shape, np.diag([1.25, 1.25, 1.0, 1.0]) @ swollen.grid.matrix)
    with pytest.raises(QualityRefusal, match="mm apart") as caught:
        match_positions(first, LabelMap(swollen.labels, stretched, swollen.legend, "drawn"))
    assert caught.value.code == "E_REGISTRATION"


def test_labels_without_a_common_limb_are_refused() -> None:
    first = drawn_labels(range(8))
    left = LabelMap(
        np.where(first.mask_where(side="left"), first.labels, 0).astype(np.uint16), first.grid, first.legend, "drawn"
    )
    right = LabelMap(
        np.where(first.mask_where(side="right"), first.labels, 0).astype(np.uint16), first.grid, first.legend, "drawn"
    )
    with pytest.raises(QualityRefusal, match="no limb is labeled on both"):
        match_positions(left, right)
