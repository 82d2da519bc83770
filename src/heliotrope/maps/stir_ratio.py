"""STIR over Dixon water: signal without coil sensitivity and proton density."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import InputError, UnitError
from heliotrope.domain.geometry import Grid, require_same_grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit

METHOD = "stir-over-dixon-water/1"

SMALLEST_WATER_PART = 0.10
"""Water below this part of typical tissue gives no stable ratio. [1]"""

LARGEST_FAT_PERCENT = 50.0
"""Voxels with more fat are left out: there is too little water to speak of. [%]"""

MOST_SAMPLES = 8
"""Water samples per axis over one STIR voxel at most. [1]"""


def stir_water_ratio(stir: Volume, water: ParametricMap, fat_fraction: ParametricMap | None = None) -> ParametricMap:
    """Ratio of STIR to Dixon water on the STIR grid.

    Parameters
    ----------
    stir : Volume of shape (x, y, z)
        Magnitude. [arbitrary]
    water : ParametricMap
        Water signal of the same session and coil, on any grid. [arbitrary]
    fat_fraction : ParametricMap or None
        On the grid of `water`; voxels above 50 % are left out. [%]

    Returns
    -------
    ParametricMap
        ``stir_ratio`` [1]; higher is more edema. Comparable only within one protocol whose receiver gain is fixed or
        recorded.

    Raises
    ------
    InputError
        STIR not 3-D, not finite or all zero.
    GeometryError
        Fat fraction on another grid than water.

    Notes
    -----
    S_STIR / W leaves |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2) up to a protocol constant. Water is averaged over
    each STIR voxel; voxels less than half covered are left out.
    """
    data = np.asarray(stir.data, dtype=np.float64)
    if data.ndim != 3:
        raise InputError(f"STIR image of shape {data.shape}: three axes needed", hint="give one 3-D image")
    if not np.isfinite(data).all():
        raise InputError("STIR image: values are not finite", hint="repair the image")
    if not np.any(data):
        raise InputError("STIR image: all voxels are 0", hint="check that the right file was given")
    source_valid = water.valid
    if fat_fraction is not None:
        require_same_grid(water.grid, fat_fraction.grid, first_name="water map", second_name="fat-fraction map")
        if fat_fraction.unit is not Unit.PERCENT:
            raise UnitError(f"fat fraction in {fat_fraction.unit}: percent needed", hint="multiply by 100")
        too_fatty = fat_fraction.valid & (np.nan_to_num(fat_fraction.values) > LARGEST_FAT_PERCENT)
        lean, _ = _averaged(np.where(too_fatty, 0.0, 1.0), fat_fraction.valid, water.grid, stir.grid)
    else:
        lean = np.ones(stir.grid.shape)
    mean, covered = _averaged(np.nan_to_num(water.values), source_valid, water.grid, stir.grid)
    level = float(np.median(water.values[water.valid])) if water.valid.any() else 0.0
    outside = covered < 0.5
    weak = ~outside & ~(mean > SMALLEST_WATER_PART * level)
    fatty = ~outside & ~weak & (lean < 0.5)
    valid = ~(outside | weak | fatty)
    ratio = np.divide(data, mean, out=np.full(data.shape, np.nan), where=valid)
    reasons = {
        "not covered by the water image": int(outside.sum()),
        "water signal too low": int(weak.sum()),
        "fat fraction above 50 %": int(fatty.sum()),
    }
    return ParametricMap(
        "stir_ratio",
        ratio.astype(np.float32),
        valid,
        stir.grid,
        Unit.ONE,
        METHOD,
        ("comparable only with controls of the same protocol, coil and receiver gain",),
        {key: count for key, count in reasons.items() if count},
    )


def _averaged(
    values: NDArray[np.floating], valid: NDArray[np.bool_], source: Grid, target: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over each target voxel of the valid source, and the covered part of it."""
    to_source = np.linalg.inv(source.matrix) @ target.matrix
    counts = [int(np.clip(np.ceil(np.abs(to_source[:3, a]).max() - 1e-6), 1, MOST_SAMPLES)) for a in range(3)]
    weight = valid.astype(np.float64)
    weighted = np.where(valid, values, 0.0).astype(np.float64)
    total = np.zeros(target.shape)
    covered = np.zeros(target.shape)
    for step in np.ndindex(*counts):
        shift = (np.array(step) + 0.5) / np.array(counts) - 0.5
        offset = to_source[:3, 3] + to_source[:3, :3] @ shift
        total += _sampled(weighted, to_source, offset, target.shape)
        covered += _sampled(weight, to_source, offset, target.shape)
    n_samples = float(np.prod(counts))
    mean = np.divide(total, covered, out=np.zeros(target.shape), where=covered > 1e-6)
    return mean, covered / n_samples


def _sampled(
    array: NDArray[np.float64], matrix: NDArray[np.float64], offset: NDArray[np.float64], shape: tuple[int, int, int]
) -> NDArray[np.float64]:
    moved = ndimage.affine_transform(
        array, matrix[:3, :3], offset=offset, output_shape=shape, order=1, mode="constant", cval=0.0
    )
    return np.asarray(moved, dtype=np.float64)
