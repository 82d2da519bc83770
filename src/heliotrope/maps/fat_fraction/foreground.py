"""Where there is tissue rather than air, and the limbs in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid

AIR_FRACTION_OF_TISSUE = 0.10
"""Signal below this fraction of typical tissue is air, cortical bone or void. [1]"""

SMALLEST_LIMB_CM2 = 8.0
"""Cross-sections smaller than this are not judged for swaps. [cm2]"""


def require_signal(data: NDArray[np.generic], name: str) -> None:
    """Raise `InputError` for NaN, infinite or all-zero images."""
    bad = int(np.count_nonzero(~np.isfinite(data)))
    if bad:
        raise InputError(f"{name}: {bad} voxels are not finite", hint="repair or mask the image before fitting")
    if not np.any(data):
        raise InputError(f"{name}: all voxels are 0", hint="check that the right file was given")


def tissue_mask(magnitude: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Voxels whose signal stands above air and noise.

    Parameters
    ----------
    magnitude : array (x, y, z)
        Root mean square over echoes, or water plus fat. [arbitrary]

    Returns
    -------
    bool array (x, y, z)
    """
    positive = magnitude[magnitude > 0]
    if positive.size < 8 or float(positive.min()) == float(positive.max()):
        return np.asarray(magnitude > 0)
    cut = float(threshold_otsu(np.sqrt(positive))) ** 2
    tissue_level = float(np.median(positive[positive > cut]))
    low = magnitude[magnitude <= cut]
    air_level = float(np.median(low)) if low.size > 0.05 * magnitude.size else 0.0
    limit = max(AIR_FRACTION_OF_TISSUE * tissue_level, min(2.5 * air_level, 0.3 * tissue_level))
    return np.asarray(magnitude > limit)


def axial_axis(grid: Grid) -> int:
    """Array axis that runs mainly head to foot."""
    return next(axis for axis, code in enumerate(grid.axis_codes) if code in "SI")


LimbSection: TypeAlias = tuple[tuple[slice | int, ...], NDArray[np.bool_], NDArray[np.float64]]
"""Index of the axial slice, the limb in it, and the depth below its skin. [-, -, mm]"""


def limb_cross_sections(mask: NDArray[np.bool_], grid: Grid) -> Iterator[LimbSection]:
    """Cross-sections of limbs, slice by slice.

    Yields
    ------
    index : tuple
        Selects the axial slice from a volume.
    section : bool array (2-D)
        One limb, holes filled.
    depth_mm : float array (2-D)
        Distance to the skin inside it; the image border does not count as skin. [mm]
    """
    axis = axial_axis(grid)
    spacing = tuple(s for a, s in enumerate(grid.spacing_mm) if a != axis)
    area_cm2 = spacing[0] * spacing[1] / 100.0
    for number in range(mask.shape[axis]):
        index: tuple[slice | int, ...] = tuple(number if a == axis else slice(None) for a in range(3))
        plane = ndimage.binary_fill_holes(ndimage.binary_opening(mask[index], iterations=1))
        if plane is None or plane.sum() * area_cm2 < SMALLEST_LIMB_CM2:
            continue
        for section, depth in _split_touching(plane, spacing):
            if section.sum() * area_cm2 >= SMALLEST_LIMB_CM2:
                yield index, section, depth


def _depth_mm(section: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.float64]:
    padded = np.pad(section, 1, mode="edge")
    return np.asarray(ndimage.distance_transform_edt(padded, sampling=spacing))[1:-1, 1:-1]


def _split_touching(
    plane: NDArray[np.bool_], spacing: tuple[float, ...]
) -> list[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """Connected parts of a plane and the depth in them, two limbs that touch along a neck cut apart at the neck."""
    labels, n_parts = ndimage.label(plane)
    parts: list[tuple[NDArray[np.bool_], NDArray[np.float64]]] = []
    for number in range(1, n_parts + 1):
        part = labels == number
        depth = _depth_mm(part, spacing)
        cores, n_cores = ndimage.label(depth > 0.55 * float(depth.max()))
        sizes = np.bincount(cores.ravel(), minlength=n_cores + 1)[1:]
        large = [int(i) + 1 for i in np.flatnonzero(sizes > 0.25 * sizes.max())]
        if len(large) < 2:
            parts.append((part, depth))
            continue
        distance = np.stack([ndimage.distance_transform_edt(cores != core, sampling=spacing) for core in large])
        nearest = distance.argmin(axis=0)
        halves = (part & (nearest == position) for position in range(len(large)))
        parts.extend((half, _depth_mm(half, spacing)) for half in halves)
    return parts
