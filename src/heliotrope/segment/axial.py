"""Every image as axial slices in patient axes, whatever the order in which it was stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid

_Scalar = TypeVar("_Scalar", bound=np.generic)
_POSITIVE = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}


@dataclass(frozen=True)
class AxialFrame:
    """The reordering that turns a grid's array into axes (toward left, toward posterior, toward superior).

    No voxel is interpolated: axes are exchanged and reversed, nothing else. An oblique grid keeps its obliquity.

    Parameters
    ----------
    grid : Grid
        As stored.
    order : tuple of 3 ints
        Stored axis that becomes x, y and z.
    flipped : tuple of 3 bools
        Whether that axis is reversed.

    Examples
    --------
    >>> frame = AxialFrame.of(Grid.from_spacing((4, 3, 2), (1.0, 1.0, 5.0)))
    >>> frame.order, frame.flipped
    ((0, 1, 2), (False, False, False))
    """

    grid: Grid
    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @classmethod
    def of(cls, grid: Grid) -> AxialFrame:
        """The axial frame of any grid."""
        order = [0, 0, 0]
        flipped = [False, False, False]
        for axis, code in enumerate(grid.axis_codes):
            order[_POSITIVE[code]] = axis
            flipped[_POSITIVE[code]] = code in "RAI"
        return cls(grid, (order[0], order[1], order[2]), (flipped[0], flipped[1], flipped[2]))

    def to_axial(self, array: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """View of an array (x, y, z[, n]) in axial axes."""
        turned = np.moveaxis(array, self.order, (0, 1, 2))
        slices = tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flipped)
        return turned[slices]

    def from_axial(self, array: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """Contiguous array in the stored order; the inverse of `to_axial`."""
        slices = tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flipped)
        return np.ascontiguousarray(np.moveaxis(array[slices], (0, 1, 2), self.order))

    @property
    def axial_grid(self) -> Grid:
        """Grid of the axial view."""
        matrix = self.grid.matrix
        turned = np.eye(4)
        origin = np.zeros(3)
        for position, (axis, flip) in enumerate(zip(self.order, self.flipped, strict=True)):
            turned[:3, position] = -matrix[:3, axis] if flip else matrix[:3, axis]
            origin[axis] = self.grid.shape[axis] - 1 if flip else 0
        turned[:3, 3] = self.grid.positions_mm(origin)
        shape = tuple(self.grid.shape[axis] for axis in self.order)
        return Grid.from_matrix(shape, turned, self.grid.frame_of_reference_uid)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel spacing toward left, posterior and superior. [mm]"""
        spacing = self.grid.spacing_mm
        return (spacing[self.order[0]], spacing[self.order[1]], spacing[self.order[2]])
