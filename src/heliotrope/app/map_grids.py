"""A map carried to another grid of the same patient, for use as a known quantity in another fit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap

LEAST_COVERAGE = 0.5
"""Least share of valid source under a target voxel. [1]"""

MOST_SAMPLES = 8
"""Samples per axis over one target voxel at most. [1]"""


def resample_map(source: ParametricMap, grid: Grid, *, thickness_mm: float | None = None) -> ParametricMap:
    """Mean of a map over each voxel of another grid.

    Each target voxel is sampled at points at most one source voxel apart, by linear interpolation between valid
    voxels; a voxel less than half covered by valid source is not valid.

    Parameters
    ----------
    source : ParametricMap
    grid : Grid
        Must not state another frame of reference.
    thickness_mm : float, optional
        Slice thickness of the target where slices do not touch; the slice spacing when not given. [mm]
    """
    if source.grid.is_same_as(grid):
        return source
    frames = {source.grid.frame_of_reference_uid, grid.frame_of_reference_uid} - {None}
    if len(frames) == 2:
        raise GeometryError(
            f"{source.quantity} map and target image: frames of reference differ",
            hint="use images of one session, or register them first",
        )
    extent = np.array(grid.spacing_mm)
    if thickness_mm is not None:
        extent[2] = min(extent[2], thickness_mm)
    directions = grid.matrix[:3, :3] / np.array(grid.spacing_mm)
    to_source = np.linalg.inv(source.grid.matrix)[:3, :3]
    counts = []
    for axis in range(3):
        crossed = float(np.abs(to_source @ (directions[:, axis] * extent[axis])).max())
        counts.append(min(MOST_SAMPLES, max(1, math.ceil(crossed - 1e-6))))
    weight = source.valid.astype(np.float32)
    values = np.where(source.valid, source.values, np.float32(0.0))
    total = np.zeros(grid.shape, dtype=np.float32)
    covered = np.zeros(grid.shape, dtype=np.float32)
    whole = np.linalg.inv(source.grid.matrix) @ grid.matrix
    for shift in np.ndindex(*counts):
        fraction = ((np.array(shift) + 0.5) / np.array(counts) - 0.5) * extent
        moved = whole[:3, 3] + to_source @ (directions @ fraction)
        total += _sampled(values, whole[:3, :3], moved, grid.shape)
        covered += _sampled(weight, whole[:3, :3], moved, grid.shape)
    n_samples = float(np.prod(counts))
    valid = covered >= LEAST_COVERAGE * n_samples
    mean = np.divide(total, covered, out=np.full(grid.shape, np.nan, dtype=np.float32), where=valid)
    return ParametricMap(
        source.quantity,
        mean,
        valid,
        grid,
        source.unit,
        source.method,
        (*source.flags, "Resampled onto another image's grid."),
        {"not covered by the source map": int(np.count_nonzero(~valid))},
    )


def _sampled(
    data: NDArray[np.float32], matrix: NDArray[np.float64], offset: NDArray[np.float64], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    moved = ndimage.affine_transform(
        data, matrix, offset=offset, output_shape=shape, order=1, mode="constant", cval=0.0
    )
    return np.asarray(moved, dtype=np.float32)
