"""Labels travel, maps do not: label maps on other grids, eroded masks, cuts by the field of view."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap


def resample_labels(labels: LabelMap, grid: Grid) -> LabelMap:
    """Labels on another grid of the same patient space, by the nearest voxel in world coordinates.

    Each target voxel takes the label of the source voxel whose cell holds its center; outside the source it is 0.
    Where the target lies between thick, spaced slices of the source, the nearer slice answers, never more than half a
    slice spacing away.

    Parameters
    ----------
    labels : LabelMap
    grid : Grid
        Where the labels are wanted. Must not state another frame of reference.

    Returns
    -------
    LabelMap
        Same legend, confidence and source. The same object when the grids agree.

    Raises
    ------
    GeometryError
        The two grids state different frames of reference.
    """
    if labels.grid.is_same_as(grid):
        return labels
    if not labels.grid.shares_frame_with(grid):
        raise GeometryError(
            "labels and target image: frames of reference differ",
            hint="use images of one session, or register them first",
        )
    values = np.zeros(grid.shape, dtype=np.uint16)
    to_source = np.linalg.inv(labels.grid.matrix) @ grid.matrix
    first, second = np.meshgrid(np.arange(grid.shape[0]), np.arange(grid.shape[1]), indexing="ij")
    for k in range(grid.shape[2]):
        nearest, inside = [], np.ones(grid.shape[:2], dtype=bool)
        for axis in range(3):
            row = to_source[axis]
            position = row[0] * first + row[1] * second + row[2] * k + row[3]
            index = np.floor(position + 0.5 + 1e-6).astype(np.intp)
            inside &= (index >= 0) & (index < labels.grid.shape[axis])
            nearest.append(index)
        values[:, :, k][inside] = labels.labels[nearest[0][inside], nearest[1][inside], nearest[2][inside]]
    return LabelMap(values, grid, labels.legend, labels.source, labels.confidence, labels.notes)


def without_margin(mask: NDArray[np.bool_], grid: Grid, margin_mm: float) -> NDArray[np.bool_]:
    """Remove the margin that partial volume touches, in the plane of the slices.

    Only the two finest axes are eroded: thick slices would otherwise take the whole of a short mask. The image border
    does not erode.

    Parameters
    ----------
    mask : bool array (x, y, z)
        On the grid, or the box around what is to be eroded with one voxel more on every side that lies in the image.
    grid : Grid
        Gives the spacing along the axes of `mask`.
    margin_mm : float
        Voxels whose center lies no farther than this from a voxel outside the mask go. [mm]

    Returns
    -------
    bool array (x, y, z)
    """
    slice_axis = int(np.argmax(grid.spacing_mm))
    first, second = (axis for axis in range(3) if axis != slice_axis)
    reach = [int(margin_mm // grid.spacing_mm[axis]) for axis in (first, second)]
    kept = mask.copy()
    for i in range(-reach[0], reach[0] + 1):
        for j in range(-reach[1], reach[1] + 1):
            distance = math.hypot(i * grid.spacing_mm[first], j * grid.spacing_mm[second])
            if 0.0 < distance <= margin_mm:
                here, there = [slice(None)] * 3, [slice(None)] * 3
                for axis, step in ((first, i), (second, j)):
                    here[axis] = slice(max(0, -step), mask.shape[axis] - max(0, step))
                    there[axis] = slice(max(0, step), mask.shape[axis] - max(0, -step))
                kept[tuple(here)] &= mask[tuple(there)]
    return kept


def box_around(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice, slice]:
    """Smallest box around a mask that is not empty, with a margin of voxels."""
    ends = [np.flatnonzero(mask.any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
    x, y, z = (slice(max(0, int(e[0]) - margin), int(e[-1]) + 1 + margin) for e in ends)
    return x, y, z


def touches_border(mask: NDArray[np.bool_], *, axes: tuple[int, ...] = (0, 1, 2)) -> bool:
    """True when a mask reaches the first or last voxel along one of `axes`: its true extent is unknown."""
    return any(bool(np.take(mask, end, axis=axis).any()) for axis in axes for end in (0, -1))
