"""What the soft tissue of a CT reads, how noisy it is, and above what calcium stands out of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import QualityRefusal
from heliotrope.physics.ct_attenuation import CALCIUM_THRESHOLD_HU
from heliotrope.physics.noise import robust_sd
from heliotrope.segment.calcium.body import Body
from heliotrope.segment.calcium.bone import Skeleton
from heliotrope.segment.calcium.geometry import Mask, Spacing, smooth

NOISE_FACTOR = 4.0
"""Threshold above the muscle's median, in standard deviations; 6 where contrast was given."""

NOISE_FACTOR_CONTRAST = 6.0
"""As `NOISE_FACTOR`, with contrast medium."""

_FAT_RANGE_HU = (-220.0, -20.0)
_FAT_PEAK_HU = (-140.0, -60.0)
_LEAST_FAT_SHARE = 0.15
_LEAST_FAT_PIXELS = 500
_TRACE_OF_FAT = 0.01
_SKIN_LAYERS_MM = 4.0
_EXOSKELETON_HU = 350.0
_NEIGHBORHOOD_MM = 24.0
_SLAB = 16


@dataclass(frozen=True, eq=False)
class Tissue:
    """What the soft tissue reads and how noisy it is.

    Parameters
    ----------
    muscle_hu : float
        Median of lean tissue. [HU]
    noise_hu : float
        Standard deviation in lean tissue, robust. [HU]
    threshold : float32 array
        Local threshold for calcium. [HU]
    """

    muscle_hu: float
    noise_hu: float
    threshold: NDArray[np.float32]


def read_tissue(
    hu: NDArray[np.float32], body: Body, skeleton: Skeleton, cavity: Mask, spacing: Spacing, *, contrast: bool
) -> Tissue:
    """Muscle's attenuation, noise, and the local threshold for calcium.

    Raises
    ------
    QualityRefusal
        Too little lean tissue, or lean tissue that does not read like muscle: wrong rescale or no CT.
    """
    _require_hounsfield(hu, body)
    broad = smooth(hu, 1.6, spacing)
    lean = body.mask & ~skeleton.mask & ~cavity & (broad > -10) & (broad < 110) & (body.skin_depth_mm > 8.0)
    lean &= ~skeleton.rim
    del broad
    if float(lean.sum()) * float(np.prod(spacing)) < 2000.0:
        raise QualityRefusal(
            "CT: less than 2 mL of tissue reads between -10 and 110 HU below the skin",
            hint="check rescale slope and intercept: muscle must read about 50 HU",
            code="E_HOUNSFIELD",
        )
    values = hu[lean]
    muscle = float(np.median(values))
    noise = robust_sd(values)
    factor = NOISE_FACTOR_CONTRAST if contrast else NOISE_FACTOR
    threshold = np.empty(hu.shape, np.float32)
    reach = _neighborhood(spacing)[2] // 2
    # slab by slab, so that a long scan takes no more memory than a short one
    for first in range(0, hu.shape[2], _SLAB):
        last = min(first + _SLAB, hu.shape[2])
        low, high = max(first - reach, 0), min(last + reach, hu.shape[2])
        local = _local_noise(hu[:, :, low:high] - muscle, lean[:, :, low:high], noise, spacing)
        local = local[:, :, first - low : last - low]
        threshold[:, :, first:last] = np.maximum(CALCIUM_THRESHOLD_HU, muscle + factor * local)
    raise_in_skin(threshold, hu, body, factor * noise, min(spacing[:2]))
    return Tissue(muscle, noise, threshold)


def _neighborhood(spacing: Spacing) -> list[int]:
    """Voxels of a cube of 24 mm along every axis, odd."""
    return [max(3, int(_NEIGHBORHOOD_MM / s) | 1) for s in spacing]


def _local_noise(residual: NDArray[np.float32], lean: Mask, noise: float, spacing: Spacing) -> NDArray[np.float32]:
    """Spread of what reads above the median of lean tissue near every voxel, up to 2.5 times the scan's own. [HU]"""
    size = _neighborhood(spacing)
    above = lean & (residual > 0)
    residual = np.where(above, np.clip(residual, 0, 80), 0).astype(np.float32)
    # running sums leave tiny negative remainders
    power = np.maximum(ndimage.uniform_filter(residual * residual, size), 0.0)
    positive = ndimage.uniform_filter(above.astype(np.float32), size)
    weight = ndimage.uniform_filter(lean.astype(np.float32), size)
    local = np.where(weight > 0.05, np.sqrt(power / np.maximum(positive, 1e-3)), noise)
    return np.asarray(np.clip(local, noise, 2.5 * noise), dtype=np.float32)


def raise_in_skin(
    threshold: NDArray[np.float32], hu: NDArray[np.float32], body: Body, rise_hu: float, step_mm: float
) -> None:
    """Sharp kernels overshoot at the skin: there calcium must rise above the skin's own layer of equal depth.

    A layer that reads above 350 HU over half of the body is calcified itself and raises nothing.
    """
    shallow = body.mask & (body.skin_depth_mm <= _SKIN_LAYERS_MM)
    values, layers = hu[shallow], (body.skin_depth_mm[shallow] / step_mm).astype(np.int32)
    raised = threshold[shallow]
    for layer in np.unique(layers):
        here = layers == layer
        middle = float(np.median(values[here]))
        if middle < _EXOSKELETON_HU:
            raised[here] = np.maximum(raised[here], middle + rise_hu)
    threshold[shallow] = raised


def _require_hounsfield(hu: NDArray[np.float32], body: Body) -> None:
    """Body tissue must read like fat and muscle, and the air beside it like air."""
    beside = hu[~ndimage.binary_dilation(body.mask, iterations=3)]
    darkest = float(np.percentile(hu[::2, ::2, ::2], 0.5))
    air = -1000.0 if darkest > -250.0 else max(darkest, -1000.0)
    # the darkest tenth: cushions and sheets lie beside the body too
    air = float(np.percentile(beside, 10)) if beside.size > 500 else air
    if not -1150.0 < air < -700.0:
        raise QualityRefusal(
            f"CT: air beside the body reads {air:.0f} HU (-1150 to -700 HU needed)",
            hint="check rescale slope and intercept: air must read about -1000 HU",
            code="E_HOUNSFIELD",
        )
    values = hu[body.mask & ~body.gas]
    soft = float(((values > -190) & (values < 150)).mean())
    peak = _peak(values[(values > -25) & (values < 250)])
    if soft < 0.5 or not 5.0 <= peak <= 110.0:
        raise QualityRefusal(
            f"CT: {100 * soft:.0f} % of the body reads between -190 and 150 HU, lean tissue peaks at {peak:.0f} HU "
            "(at least 50 % and 5 to 110 HU needed)",
            hint="check rescale slope and intercept: fat must read about -100 HU, muscle about 50 HU",
            code="E_HOUNSFIELD",
        )
    unseen_air = beside.size <= 500
    if unseen_air and float(((values > _FAT_PEAK_HU[0]) & (values < _FAT_PEAK_HU[1])).mean()) < _TRACE_OF_FAT:
        raise QualityRefusal(
            "CT: neither air beside the body nor fat in it is seen",
            hint="check rescale slope and intercept: air must read about -1000 HU, fat about -100 HU",
            code="E_HOUNSFIELD",
        )
    fatty = body.mask & ~body.gas & (hu > _FAT_RANGE_HU[0]) & (hu < _FAT_RANGE_HU[1])
    # pixels that fat shares with skin or muscle read between the two
    fat = hu[_inside_in_plane(fatty)]
    enough = float(fatty.sum()) > _LEAST_FAT_SHARE * values.size and fat.size > _LEAST_FAT_PIXELS
    if enough and not _FAT_PEAK_HU[0] <= _peak(fat) <= _FAT_PEAK_HU[1]:
        raise QualityRefusal(
            f"CT: fat peaks at {_peak(fat):.0f} HU ({_FAT_PEAK_HU[0]:.0f} to {_FAT_PEAK_HU[1]:.0f} HU needed)",
            hint="check rescale slope and intercept: fat must read about -100 HU, muscle about 50 HU",
            code="E_HOUNSFIELD",
        )


def _inside_in_plane(mask: Mask) -> Mask:
    """Pixels whose eight neighbors in the slice belong too."""
    return np.asarray(ndimage.binary_erosion(mask, np.ones((3, 3, 1), dtype=bool)))


def _peak(values: NDArray[np.float32]) -> float:
    """Most frequent CT number of some values, 0 of none. [HU]"""
    counts, edges = np.histogram(values, bins=50)
    return float(edges[int(np.argmax(ndimage.uniform_filter1d(counts.astype(float), 3)))]) if values.size else 0.0
