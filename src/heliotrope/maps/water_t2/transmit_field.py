"""The transmit field of a slice from the pooled evidence of its voxels.

One voxel cannot tell a field of 0.8 from 1.17: both refocus almost alike, and at a signal-to-noise ratio of 60 their
misfits differ by 0.25 in chi-squared. Smoothing the voxels' own choices would average the two branches to a value that
fits neither. The field varies over centimeters, so the misfit curves themselves are added up over a Gaussian
neighborhood inside the body first, and a field that varies little from place to place is sought in the sums by
semi-global matching (Hirschmuller 2008, doi 10.1109/TPAMI.2007.1166) along the four grid directions.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Float32Array = NDArray[np.float32]

POOLING_SD_PIXELS = 5.0
"""Gaussian neighborhood, in pixels, and at least `POOLING_SD_MM`. [pixels]"""

POOLING_SD_MM = 6.0
"""[mm]"""

MISFIT_CAP = 12.0
"""A voxel's rise in chi-squared counts no further than this, so that a vessel cannot outvote its surroundings. [1]"""


STEEPEST_CHANGE_PER_MM = 0.02
"""The field changes no faster than this: at 3 T a thigh falls from 1 to 0.5 over four centimeters. [1/mm]"""

ROUGHNESS_PENALTY = 2.0
"""Mean rise in chi-squared per voxel that a change of the field by its nominal value must earn. [1]"""

SMALLEST_WEIGHT = 1e-4
"""Below this share of body in the neighborhood a place has no evidence of its own. [1]"""


@numba.njit(nogil=True, cache=True)
def _add_path_costs(cost: Float32Array, reach: int, penalty: float, total: Float32Array) -> None:
    """Add to `total` (n_line, n_step, n_node) the cheapest-path costs along the second axis, forth and back.

    A path moves by at most `reach` nodes per step and pays `penalty` for each.
    """
    n_lines, n_steps, n_nodes = cost.shape
    path = np.zeros(n_nodes, dtype=np.float32)
    before = np.zeros(n_nodes, dtype=np.float32)
    price = np.float32(penalty)
    for line in range(n_lines):
        for backward in range(2):
            path[:] = 0.0
            for n in range(n_steps):
                k = n_steps - 1 - n if backward else n
                before[:] = path
                lowest = before.min()
                for b in range(n_nodes):
                    least = before[b]
                    for d in range(1, reach + 1):
                        if b >= d:
                            least = min(least, before[b - d] + d * price)
                        if b + d < n_nodes:
                            least = min(least, before[b + d] + d * price)
                    path[b] = cost[line, k, b] + least - lowest
                    total[line, k, b] += path[b]


def pooled_transmit_field(
    misfit: Float32Array, mask: NDArray[np.bool_], nodes: NDArray[np.float64], spacing_mm: tuple[float, float]
) -> Float32Array:
    """Transmit field of one slice.

    Parameters
    ----------
    misfit : float32 array (n_voxel, n_node)
        Each voxel's chi-squared at each node.
    mask : bool array (x, y)
        The voxels of `misfit`, in C order.
    nodes : array (n_node,)
        Equally spaced transmit-field values. [1]
    spacing_mm : tuple of 2 floats
        [mm]

    Returns
    -------
    float32 array (x, y)
        Fraction of nominal; defined everywhere the neighborhood holds at least one voxel, else NaN.
    """
    if misfit.shape[0] == 0:
        return np.full(mask.shape, np.nan, dtype=np.float32)
    rise = np.minimum(misfit - misfit.min(axis=1, keepdims=True), np.float32(MISFIT_CAP))
    sd_pixels = [max(POOLING_SD_PIXELS, POOLING_SD_MM / step) for step in spacing_mm]
    block = [max(1, int(sd // 2.5)) for sd in sd_pixels]
    x, y = np.nonzero(mask)
    shape = [-(-size // b) for size, b in zip(mask.shape, block, strict=True)]
    cell = (x // block[0]) * shape[1] + y // block[1]
    order = np.argsort(cell, kind="stable")
    cells, first = np.unique(cell[order], return_index=True)
    pooled = np.zeros((shape[0] * shape[1], nodes.size), dtype=np.float32)
    pooled[cells] = np.add.reduceat(rise[order], first, axis=0)
    count = np.zeros(shape[0] * shape[1], dtype=np.float32)
    count[cells] = np.diff(np.append(first, cell.size))
    sums = pooled.reshape(*shape, nodes.size)
    weight = count.reshape(shape)
    for axis in (0, 1):
        sd = sd_pixels[axis] / block[axis]
        sums = ndimage.gaussian_filter1d(sums, sd, axis=axis, mode="constant", truncate=4.0)
        weight = ndimage.gaussian_filter1d(weight, sd, axis=axis, mode="constant", truncate=4.0)
    known = weight > SMALLEST_WEIGHT * block[0] * block[1]
    mean = np.where(known[..., None], sums / np.maximum(weight, 1e-12)[..., None], np.float32(0.0)).astype(np.float32)
    total = np.zeros_like(mean)
    step = float(nodes[1] - nodes[0])
    reach = [max(1, round(STEEPEST_CHANGE_PER_MM * b * mm / step)) for b, mm in zip(block, spacing_mm, strict=True)]
    _add_path_costs(mean, reach[1], ROUGHNESS_PENALTY * step, total)
    across = np.zeros((mean.shape[1], mean.shape[0], nodes.size), dtype=np.float32)
    _add_path_costs(np.ascontiguousarray(mean.transpose(1, 0, 2)), reach[0], ROUGHNESS_PENALTY * step, across)
    field = _minimum(total + across.transpose(1, 0, 2), nodes)
    # block centers to pixels; unknown blocks take their nearest neighbor so that edges interpolate cleanly
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    field = field[tuple(nearest)]
    where = [(np.arange(size) - (b - 1) / 2.0) / b for size, b in zip(mask.shape, block, strict=True)]
    grid = np.meshgrid(*where, indexing="ij")
    return np.asarray(ndimage.map_coordinates(field, grid, order=1, mode="nearest"), dtype=np.float32)


def _minimum(sums: NDArray[np.floating], nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Node of the least sum, refined by a parabola, (x, y)."""
    best = np.argmin(sums, axis=2)
    inner = np.clip(best, 1, nodes.size - 2)
    left, center, right = (
        np.take_along_axis(sums, (inner + shift)[..., None], axis=2)[..., 0].astype(np.float64) for shift in (-1, 0, 1)
    )
    curvature = left - 2.0 * center + right
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(curvature > 0.0, 0.5 * (left - right) / curvature, 0.0)
    offset = np.where(best == inner, np.clip(np.nan_to_num(offset), -0.5, 0.5), 0.0)
    return np.asarray(nodes[best] + offset * (nodes[1] - nodes[0]))
