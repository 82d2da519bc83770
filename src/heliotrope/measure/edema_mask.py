"""Which voxels are edema, and which cannot be judged: vessels, failed fat suppression, seams, partial volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.geometry import Grid
from heliotrope.measure.edema_reference import RelativeSignal
from heliotrope.measure.morphometry import slice_axis
from heliotrope.segment.transfer import box_around

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SMALLEST_RATIO = 1.25
"""STIR below this multiple of normal muscle is not edema. [1]"""

SPREADS_ABOVE = 2.5
"""Edema lies this many standard deviations of normal muscle above it. [1]"""

MOST_FAT_PERCENT = 50.0
"""Above this fat fraction a voxel is fat, whatever its water does. [%]"""

SMALLEST_CLUSTER_MM3 = 30.0
"""Smaller connected sets are noise. [mm3]"""

VESSEL_RATIO, VESSEL_LENGTH_MM, VESSEL_AREA_MM2 = 2.5, 15.0, 130.0
"""A vessel is brighter than this multiple of muscle, longer than this, and thinner than this within slices."""

FAILED_SUPPRESSION = "failed fat suppression"
"""Key in `EdemaMask.excluded`: it takes whole parts of one side, unlike margins and noise."""

_FAT_NEIGHBORHOOD_MM = 6.0
"""Standard deviation of the neighborhood in which fat is compared with itself. Project rule. [mm]"""

FAILED_FAT_RATIO = 1.6
"""Subcutaneous fat this many times brighter than elsewhere was not suppressed. [1]"""

UNEVEN_FAT = 0.20
"""Relative scatter of subcutaneous signal within about 6 mm above which it is strands, not failed suppression. [1]"""

DENSE_STRANDS = 0.32
"""Relative scatter up to which subcutaneous signal may be dense strands as well as failed suppression. [1]"""

FAILED_REACH_MM = 30.0
"""Muscle this near to unsuppressed fat is not judged. [mm]"""

SEAM_STEP = 0.25
"""Jump of log signal between neighboring slices, in normal muscle, that makes a seam. [1]"""


@dataclass(frozen=True, eq=False)
class EdemaMask:
    """Edema voxels among those that can be judged.

    Parameters
    ----------
    edema : bool array (x, y, z)
    share : array (x, y, z)
        Edema in each voxel of `edema`: 1 inside, at borders by signal between normal and the edema beside it. 0 to 1.
    assessed : bool array (x, y, z)
        Muscle that can be judged.
    limit : float
        In the unit of the image that was cut.
    excluded : mapping of reason to BoolArray
        ``"vessel"``, ``"failed fat suppression"``, ``"seam"``, ``"partial volume"``, ``"fat"``; may overlap.
    grid : Grid
    """

    edema: BoolArray
    share: FloatArray
    assessed: BoolArray
    limit: float
    excluded: Mapping[str, BoolArray]
    grid: Grid
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "excluded", MappingProxyType(dict(self.excluded)))

    def counts(self, within: BoolArray) -> dict[str, int]:
        """Voxels left out within a region, by reason."""
        return {reason: int(np.count_nonzero(mask & within)) for reason, mask in self.excluded.items()}


def ratio_limit(relative: RelativeSignal) -> float:
    """Multiple of normal muscle above which STIR is edema. [1]"""
    return max(SMALLEST_RATIO, 1.0 + SPREADS_ABOVE * relative.spread)


def mark_stir_edema(
    relative: RelativeSignal,
    muscle: BoolArray,
    *,
    subcutis: BoolArray,
    fat_percent: FloatArray | None,
    raw_signal: FloatArray,
) -> EdemaMask:
    """Edema on a STIR image relative to normal muscle.

    Parameters
    ----------
    relative : RelativeSignal
    muscle, subcutis : bool arrays (x, y, z)
    fat_percent : array or None
        On the same grid; NaN where invalid.
    raw_signal : array (x, y, z)
        The STIR image itself, for the check of fat suppression.
    """
    grid = relative.grid
    values = np.where(relative.valid, relative.values, 0.0)
    fatty = np.zeros(grid.shape, dtype=bool) if fat_percent is None else np.nan_to_num(fat_percent) > MOST_FAT_PERCENT
    vessel = find_vessels(values, muscle | fatty, grid, fatty)
    failed = find_failed_suppression(raw_signal, subcutis, muscle, grid)
    excluded = {
        "vessel": vessel & muscle,
        FAILED_SUPPRESSION: failed & muscle,
        "seam": find_seams(values, muscle, grid) & muscle,
        "partial volume": fat_interface(muscle, fatty, grid) & muscle,
        "fat": fatty & muscle,
        "no signal": muscle & ~relative.valid,
    }
    return _mark(values, muscle, excluded, ratio_limit(relative), 1.0, grid)


def mark_t2_edema(
    water_t2_ms: FloatArray,
    muscle: BoolArray,
    *,
    limit_ms: float,
    normal_ms: float,
    fat_percent: FloatArray | None,
    grid: Grid,
) -> EdemaMask:
    """Edema on a water-T2 map: above the upper limit of normal.

    Parameters
    ----------
    water_t2_ms : array (x, y, z)
        NaN where invalid. [ms]
    limit_ms : float
        Upper limit of normal of the site, or the named default. [ms]
    normal_ms : float
        Middle of normal. [ms]
    """
    fatty = np.zeros(grid.shape, dtype=bool) if fat_percent is None else np.nan_to_num(fat_percent) > MOST_FAT_PERCENT
    values = np.nan_to_num(water_t2_ms, nan=0.0)
    excluded = {
        "vessel": find_vessels(values / max(limit_ms, 1.0) * 1.2, muscle | fatty, grid, fatty) & muscle,
        "partial volume": fat_interface(muscle, fatty, grid) & muscle,
        "fat": fatty & muscle,
        "no value": muscle & ~np.isfinite(water_t2_ms),
    }
    return _mark(values, muscle, excluded, limit_ms, normal_ms, grid)


def _mark(
    values: FloatArray, muscle: BoolArray, excluded: dict[str, BoolArray], limit: float, normal: float, grid: Grid
) -> EdemaMask:
    left_out = np.zeros(grid.shape, dtype=bool)
    for mask in excluded.values():
        left_out |= mask
    assessed = muscle & ~left_out
    edema = drop_small(assessed & (values > limit), grid)
    return EdemaMask(edema, border_share(values, edema, normal, assessed), assessed, limit, excluded, grid)


def border_share(values: FloatArray, edema: BoolArray, normal: float, assessed: BoolArray) -> FloatArray:
    """Edema in every marked voxel, 0 to 1.

    A voxel at the border of edema counts by its signal between normal and the inner edema beside it; counting it whole
    would overstate small patches, whose border is most of them.
    """
    share = edema.astype(np.float64)
    if not edema.any():
        return share
    # what cannot be judged is no border of edema
    inner = edema & ndimage.binary_erosion(edema | ~assessed, border_value=1)
    border = edema & ~inner
    weight = ndimage.uniform_filter(inner.astype(np.float64), 3)
    level = ndimage.uniform_filter(np.where(inner, values, 0.0), 3) / np.maximum(weight, 1e-9)
    highest = ndimage.maximum_filter(np.where(edema, values, -np.inf), size=3)
    beside = np.where(weight > 0.5 / 27.0, level, highest)
    span = np.maximum(beside[border] - normal, 1e-9)
    share[border] = np.clip((values[border] - normal) / span, 0.0, 1.0)
    return share


def drop_small(mask: BoolArray, grid: Grid, smallest_mm3: float = SMALLEST_CLUSTER_MM3) -> BoolArray:
    """Remove 26-connected sets smaller than a volume, or than two voxels."""
    labels, n = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if n == 0:
        return mask
    fewest = max(2, int(np.ceil(smallest_mm3 / grid.voxel_volume_mm3)))
    large = np.bincount(labels.ravel()) >= fewest
    large[0] = False
    return np.asarray(large[labels])


def in_plane(grid: Grid) -> NDArray[np.bool_]:
    """Structuring element of a pixel and its four neighbors within a slice, (3, 3, 3)."""
    element = ndimage.generate_binary_structure(3, 1)
    index: list[slice | int] = [slice(None)] * 3
    for end in (0, 2):
        index[slice_axis(grid)] = end
        element[tuple(index)] = False
    return np.asarray(element, dtype=bool)


def fat_interface(muscle: BoolArray, fatty: BoolArray, grid: Grid) -> BoolArray:
    """Muscle within one pixel of what is not muscle, or of fat inside it."""
    core = ndimage.binary_erosion(muscle & ~fatty, structure=in_plane(grid), border_value=1)
    return np.asarray(muscle & ~core)


def find_vessels(values: FloatArray, within: BoolArray, grid: Grid, fatty: BoolArray) -> BoolArray:
    """Bright tubes across the slices: long, thin in every slice, and lying in fat where fat is known."""
    axis = slice_axis(grid)
    bright = within & (values > VESSEL_RATIO)
    labels, n = ndimage.label(bright, structure=np.ones((3, 3, 3)))
    found = np.zeros(grid.shape, dtype=bool)
    if n == 0:
        return found
    area = float(np.prod([s for a, s in enumerate(grid.spacing_mm) if a != axis]))
    others = tuple(a for a in range(3) if a != axis)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[box] == number
        per_slice = part.sum(axis=others) * area
        length = np.count_nonzero(per_slice) * grid.spacing_mm[axis]
        if length < VESSEL_LENGTH_MM or per_slice.max() > VESSEL_AREA_MM2 or per_slice.max() < 4.0:
            continue
        if fatty.any():
            grown = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
            tube = labels[grown] == number
            ring = ndimage.binary_dilation(tube, structure=in_plane(grid), iterations=2) & ~tube
            if np.count_nonzero(fatty[grown] & ring) < 0.25 * np.count_nonzero(ring):
                continue
        found[box] |= part
    return np.asarray(ndimage.binary_dilation(found, structure=in_plane(grid)) if found.any() else found)


def find_failed_suppression(signal: FloatArray, subcutis: BoolArray, muscle: BoolArray, grid: Grid) -> BoolArray:
    """Muscle near subcutaneous fat that was not suppressed."""
    failed = find_failed_fat(signal, subcutis, grid)
    if not failed.any():
        return failed
    near = ndimage.distance_transform_edt(~failed, sampling=grid.spacing_mm) <= FAILED_REACH_MM
    return np.asarray(near & muscle)


def find_failed_fat(
    signal: FloatArray, subcutis: BoolArray, grid: Grid, *, uneven_above: float = UNEVEN_FAT
) -> BoolArray:
    """Subcutaneous fat that is broadly and evenly brighter than the rest of it.

    Strands of edema are thin and do not raise the median of their surroundings; failed suppression raises all of it.
    With `uneven_above` at `DENSE_STRANDS`, fat between dense strands is taken too: what lies beside it cannot be
    told from them.
    """
    if np.count_nonzero(subcutis) < 50:
        return np.zeros(grid.shape, dtype=bool)
    failed_fat = np.zeros(grid.shape, dtype=bool)
    # a Gaussian is cut at four standard deviations
    box = box_around(subcutis, round(4.0 * _FAT_NEIGHBORHOOD_MM / min(grid.spacing_mm)) + 1)
    failed_fat[box] = _raised_evenly(signal[box], subcutis[box], grid, uneven_above)
    return drop_small(failed_fat, grid, 500.0)


def _raised_evenly(signal: FloatArray, subcutis: BoolArray, grid: Grid, uneven_above: float) -> BoolArray:
    axis = slice_axis(grid)
    sigma = [0.0 if a == axis else _FAT_NEIGHBORHOOD_MM / s for a, s in enumerate(grid.spacing_mm)]
    # failure raises all fat of a neighborhood evenly; strands of edema are uneven and are not failure
    inside = np.where(subcutis, signal, 0.0)
    weight = np.maximum(ndimage.gaussian_filter(subcutis.astype(np.float64), sigma), 1e-6)
    level = ndimage.gaussian_filter(inside, sigma) / weight
    scatter = ndimage.gaussian_filter(inside**2, sigma) / weight - level**2
    uneven = np.sqrt(np.maximum(scatter, 0.0)) > uneven_above * level
    usual = float(np.percentile(signal[subcutis], 30.0))
    raised = np.asarray(subcutis & ~uneven & (level > FAILED_FAT_RATIO * usual))
    if raised.any():
        size = [1 if a == axis else max(3, round(9.0 / s)) for a, s in enumerate(grid.spacing_mm)]
        # between strands fat keeps its usual signal, so the darker part of the neighborhood decides
        box = box_around(raised, max(size))
        fat = np.where(subcutis[box], signal[box], np.inf).astype(np.float32)
        raised[box] &= ndimage.percentile_filter(fat, 12, size=size) > 0.9 * FAILED_FAT_RATIO * usual
    return raised


def find_seams(values: FloatArray, muscle: BoolArray, grid: Grid) -> BoolArray:
    """Slices on both sides of a jump in the lower-quartile signal of muscle, as coil or station changes make."""
    axis = slice_axis(grid)
    n = grid.shape[axis]
    levels = np.full(n, np.nan)
    for k in range(n):
        inside = np.take(muscle, k, axis=axis)
        if np.count_nonzero(inside) > 50:
            levels[k] = np.log(max(float(np.percentile(np.take(values, k, axis=axis)[inside], 15.0)), 1e-6))
    seam = np.zeros(grid.shape, dtype=bool)
    steps = np.abs(np.diff(levels))
    usual = float(np.nanmedian(steps)) if np.isfinite(steps).any() else 0.0
    for after in np.flatnonzero(np.nan_to_num(steps) > max(SEAM_STEP, 4.0 * usual)):
        index: list[slice | int] = [slice(None)] * 3
        index[axis] = slice(int(after), int(after) + 2)
        seam[tuple(index)] = True
    return seam
