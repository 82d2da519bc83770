"""Fat fraction from images the scanner separated itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError, UnitError
from heliotrope.domain.geometry import require_same_grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.maps.fat_fraction.foreground import require_signal, tissue_mask
from heliotrope.maps.fat_fraction.result import FatFractionMaps, companion_map, count_invalid
from heliotrope.maps.fat_fraction.swaps import find_swaps
from heliotrope.maps.fat_fraction.t1_guard import T1Guard

WATER_FAT_METHOD = "fat-fraction-vendor-water-fat/1"
MAP_METHOD = "fat-fraction-vendor-map/1"

VENDOR_SCALES = ((1.0, "fractions 0-1"), (100.0, "percent"), (1000.0, "per mille"))
"""Full scale of a scanner's own fat-fraction image and its name."""

SCALE_TOLERANCE = 1.12
"""A map may overshoot its full scale by noise by this factor. [1]"""


def fit_vendor_water_fat(water: Volume, fat: Volume, *, guard: T1Guard) -> FatFractionMaps:
    """Fat fraction of the scanner's water and fat images, exchanged limbs repaired.

    Parameters
    ----------
    water, fat : Volume of shape (x, y, z)
        Magnitudes on one grid and one scale. [arbitrary]
    guard : T1Guard
        From `t1_guard`.

    Returns
    -------
    FatFractionMaps
        ``fat_fraction`` [%], ``water_signal``, ``fat_signal``.

    Raises
    ------
    GeometryError
        Grids differ.
    InputError
        Not three-dimensional, not finite, all zero or negative.

    Notes
    -----
    100 F / (W + F) of magnitudes: near 0 % and 100 % the noise floor of the smaller image pulls toward the middle.
    """
    require_same_grid(water.grid, fat.grid, first_name="water image", second_name="fat image")
    w, f = _magnitude(water, "water image"), _magnitude(fat, "fat image")
    total = w + f
    if not np.any(total):
        raise InputError("water and fat images: all voxels are 0", hint="check that the right files were given")
    mask = tissue_mask(total)
    percent = 100.0 * f / np.where(total > 0, total, 1.0)
    report = find_swaps(percent, mask, water.grid)
    swapped = report.swapped
    w, f = np.where(swapped, f, w), np.where(swapped, w, f)
    percent = np.where(swapped, 100.0 - percent, percent)
    percent = guard.apply(percent)
    actions = report.sentences()
    if report.n_swapped:
        actions = (*actions, "exchanged them back")
    flags = ("separated by the scanner with a method it does not state", guard.sentence, *report.sentences())
    reasons = count_invalid(signal_too_low=~mask)
    grid = water.grid
    result = ParametricMap(
        "fat_fraction", percent.astype(np.float32), mask, grid, Unit.PERCENT, WATER_FAT_METHOD, flags, reasons
    )
    return FatFractionMaps(
        result,
        companion_map("water_signal", w, mask, grid, Unit.ARBITRARY, WATER_FAT_METHOD),
        companion_map("fat_signal", f, mask, grid, Unit.ARBITRARY, WATER_FAT_METHOD),
        actions=(*actions, guard.sentence),
        quality={
            "limb_sections": float(report.n_sections),
            "swapped_sections": float(report.n_swapped),
            "uncertain_sections": float(report.n_uncertain),
        },
    )


def read_vendor_fat_fraction(image: Volume, *, guard: T1Guard | None = None) -> FatFractionMaps:
    """The scanner's own fat-fraction image in percent, its scale detected.

    Raises
    ------
    UnitError
        The range fits none of the known scales.
    """
    data = np.asarray(image.data, dtype=np.float64)
    if data.ndim != 3:
        raise InputError(f"fat-fraction image of shape {data.shape}: three axes needed", hint="give one 3-D image")
    require_signal(data, "fat-fraction image")
    top, scale, name = detect_percent_scale(data)
    percent = data * (100.0 / scale)
    valid = (percent >= 0) & (percent <= 100.0 * SCALE_TOLERANCE) & (data != 0)
    flags: tuple[str, ...] = (
        f"the scanner's own map, read as {name} (99.9th percentile {top:.4g})",
        "0 in the scanner's map means air or no fat: such voxels are left out",
    )
    if guard is not None and guard.gain is None:
        flags = (*flags, guard.sentence)
    reasons = count_invalid(
        zero_in_the_scanners_map=data == 0, outside_0_to_100_percent=(percent < 0) | (percent > 112)
    )
    result = ParametricMap(
        "fat_fraction", percent.astype(np.float32), valid, image.grid, Unit.PERCENT, MAP_METHOD, flags, reasons
    )
    return FatFractionMaps(result, actions=flags)


def detect_percent_scale(data: NDArray[np.floating]) -> tuple[float, float, str]:
    """99.9th percentile, full scale and name of the scale of a fat-fraction image.

    Examples
    --------
    >>> detect_percent_scale(np.array([0.0, 30.0, 940.0]))[1:]
    (1000.0, 'per mille')
    """
    positive = data[data > 0]
    if positive.size == 0:
        raise UnitError("fat-fraction image: no voxel above 0", hint="check the file")
    top = float(np.percentile(positive, 99.9))
    for scale, name in VENDOR_SCALES:
        # a limb always holds subcutaneous fat or marrow: the top of its range lies near full scale
        if 0.5 * scale <= top <= SCALE_TOLERANCE * scale:
            return top, scale, name
    raise UnitError(
        f"fat-fraction image: its largest values are near {top:.4g}; 1, 100 or 1000 expected for pure fat",
        hint="rescale the image to percent",
    )


def require_percent(fat_fraction: NDArray[np.floating], name: str = "fat fraction") -> None:
    """Raise `UnitError` when values look like 0-1 where percent is meant."""
    finite = fat_fraction[np.isfinite(fat_fraction)]
    if finite.size and float(finite.max()) <= 1.5 and float(finite.max()) > 0:
        raise UnitError(
            f"{name}: largest value {finite.max():.3g}, percent expected",
            hint="multiply a 0-1 fat fraction by 100",
        )


def _magnitude(volume: Volume, name: str) -> NDArray[np.float64]:
    if volume.data.ndim != 3:
        raise InputError(f"{name} of shape {volume.data.shape}: three axes needed", hint="give one 3-D image")
    if np.iscomplexobj(volume.data):
        raise InputError(f"{name} is complex: a magnitude is needed", hint="give the magnitude image")
    data = np.asarray(volume.data, dtype=np.float64)
    bad = int(np.count_nonzero(~np.isfinite(data)))
    if bad:
        raise InputError(f"{name}: {bad} voxels are not finite", hint="repair or mask the image before fitting")
    low = float(data.min())
    if low < 0:
        raise InputError(f"{name}: smallest value {low:.4g}, a magnitude is never negative", hint="give the magnitude")
    return data
