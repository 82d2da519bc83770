"""Mean of a map in a region too thin for its margin to be taken off, freed of what its neighbors contribute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.images import ParametricMap
from heliotrope.measure.spatial_bootstrap import draw_weights, group_blocks, interval

BLUR_PIXELS = 0.5
"""Standard deviation of the blur that mixes neighbors, about one pixel wide at half height. Project rule. [pixels]"""
LEAST_SHARE = 0.03
"""A neighbor that contributes less than this in the mean is left out of the regression. Project rule. [1]"""
FEWEST_VOXELS = 24
"""Voxels with a value that a regression of up to three contributions needs. Project rule."""
LEAST_PURITY = 0.5
"""Somewhere the region must make up this share of a voxel; else nothing tells its value. Project rule. [1]"""


@dataclass(frozen=True)
class CorrectedMean:
    """Mean of a region without its neighbors.

    Parameters
    ----------
    value : float
        [unit of the map]
    ci95 : tuple of 2 floats or None
        From a bootstrap over blocks; None with too few blocks.
    n_voxels : int
        Voxels that took part.
    """

    value: float
    ci95: tuple[float, float] | None
    n_voxels: int


def corrected_mean(
    parametric: ParametricMap, region: NDArray[np.bool_], lean: NDArray[np.bool_], generator: np.random.Generator
) -> CorrectedMean | None:
    """Mean of a region by regression of each voxel's value on the shares of the region and its neighbors in it.

    Parameters
    ----------
    parametric : ParametricMap
    region : bool array (x, y, z)
        As drawn, its margin included.
    lean : bool array (x, y, z)
        All muscle; the part outside `region` is one neighbor, everything else the other.
    generator : numpy.random.Generator
        Draws the blocks behind the interval.

    Returns
    -------
    CorrectedMean or None
        None where too few voxels have a value, or no voxel is mainly of the region.

    Notes
    -----
    After the region-based voxel-wise correction (spec C12). Shares come from the labels blurred in the plane of the
    slices; the value of a mixed voxel is taken as the mean of its parts weighted by their shares, which holds for a fat
    fraction and only nearly for T2.
    """
    grid = parametric.grid
    across = int(np.argmax(grid.spacing_mm))
    sigma = [0.0 if axis == across else BLUR_PIXELS for axis in range(3)]

    def shares(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.asarray(ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="nearest"))

    own, muscle = shares(region), shares(lean & ~region)
    used = parametric.valid & (own > LEAST_SHARE)
    if int(np.count_nonzero(used)) < FEWEST_VOXELS or float(own[used].max()) < LEAST_PURITY:
        return None
    columns = np.stack([own[used], muscle[used], 1.0 - own[used] - muscle[used]], axis=1).astype(np.float64)
    kept = [0, *(i for i in (1, 2) if float(columns[:, i].mean()) >= LEAST_SHARE)]
    design = columns[:, kept] / columns[:, kept].sum(axis=1, keepdims=True)
    values = np.asarray(parametric.values[used], dtype=np.float64)
    blocks = group_blocks(used, grid)
    squares = np.zeros((blocks.n_blocks, len(kept), len(kept)))
    sides = np.zeros((blocks.n_blocks, len(kept)))
    np.add.at(squares, blocks.number, design[:, :, None] * design[:, None, :])
    np.add.at(sides, blocks.number, design * values[:, None])
    whole = squares.sum(axis=0)
    if np.linalg.cond(whole) > WORST_CONDITION:
        return None
    value = float(np.linalg.solve(whole, sides.sum(axis=0))[0])
    weights = draw_weights(blocks, generator)
    drawn = np.einsum("db,bij->dij", weights, squares)
    sound = np.linalg.cond(drawn) < WORST_CONDITION
    draws = np.linalg.solve(drawn[sound], np.einsum("db,bi->di", weights, sides)[sound][..., None])[:, 0, 0]
    return CorrectedMean(value, interval(value, draws, blocks.n_drawn), int(np.count_nonzero(used)))


WORST_CONDITION = 1e4
"""Condition of the normal equations beyond which contributions cannot be parted. Project rule. [1]"""
