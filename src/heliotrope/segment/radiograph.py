"""Calcification on a plain radiograph: dense spots and lines of the soft tissue, without bone, markers and
collimation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import filters

from heliotrope.domain.errors import QualityRefusal
from heliotrope.physics.noise import GAUSSIAN_MAD

METHOD = "radiograph-calcinosis/2"

NOMINAL_PIXEL_MM = 0.2
"""Scale of the filters where no pixel size is stated; areas are then withheld. [mm]"""

CONTRAST_TO_NOISE = 3.0
"""A spot must rise so far above its surroundings, in local standard deviations."""

LEAST_OPACITY = 0.1
"""Somewhere it must rise by this share of the step from air to the densest soft tissue."""

EDGE_OPACITY = 0.04
"""To its edge it rises by at least this share of that step. Project rule."""

EDGE_SHARE = 0.4
"""And by this share of its summit, so that large and small spots lose alike at their rims. Project rule."""

LEAST_AREA_MM2 = 2.5
"""Smallest spot. [mm2]"""

_WORK_PIXEL_MM = 0.4
_BACKGROUND_MM = 15.0
_NOISE_MM = 20.0
_SUMMIT_MM = 8.0
_EDGE_MM = 5.0
_BONE_MARGIN_MM = 7.0
_BY_BONE_MM = 3.0

Gray = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RadiographCalcium:
    """Calcification of one radiograph, on a grid of 0.4 mm or the image's own if coarser.

    Parameters
    ----------
    opacity : float32 array (x, y)
        Rise above the surroundings, as a share of the step from air to soft tissue.
    numbers : int32 array (x, y)
        Spots, from 1.
    limb, bone : bool arrays (x, y)
    pixel_mm : float
        Of these arrays; nominal when `scale_known` is False. [mm]
    scale_known : bool
    """

    opacity: Gray
    numbers: NDArray[np.int32]
    limb: Mask
    bone: Mask
    pixel_mm: float
    scale_known: bool


def find_radiograph_calcium(gray: NDArray[np.generic], pixel_mm: float | None) -> RadiographCalcium:
    """Find calcification of the soft tissue.

    Parameters
    ----------
    gray : array (x, y)
        Gray levels with dense parts bright.
    pixel_mm : float or None
        Pixel size in the detector or stated plane; None when unknown. [mm]

    Raises
    ------
    QualityRefusal
        No limb, or dense parts are dark: the gray scale is reversed.
    """
    image, pixel = _working_image(gray, pixel_mm)
    limb, air, soft = _limb(image, pixel)
    opacity_scale = max(soft - air, 1e-3)
    bone = _bone(image, limb, pixel)
    interior = ndimage.distance_transform_edt(limb) * pixel > _EDGE_MM
    tissue = interior & ~bone
    size = max(3, int(_BACKGROUND_MM / pixel) | 1)
    background = _masked_median(image, limb & ~bone, size)
    rise = np.where(tissue, (image - background) / opacity_scale, 0.0).astype(np.float32)
    spots = tissue & (rise > np.maximum(CONTRAST_TO_NOISE * _local_noise(rise, tissue, pixel), EDGE_OPACITY))
    summit = ndimage.maximum_filter(rise, max(3, int(_SUMMIT_MM / pixel) | 1))
    spots &= rise > EDGE_SHARE * summit
    spots = ndimage.binary_opening(spots, structure=np.ones((2, 2), dtype=bool))
    numbers = np.zeros(spots.shape, np.int32)
    count = ndimage.label(spots, structure=np.ones((3, 3), dtype=bool), output=numbers)
    areas = np.bincount(numbers.ravel(), minlength=count + 1) * pixel * pixel
    peaks = np.zeros(count + 1)
    peaks[1:] = ndimage.maximum(rise, numbers, np.arange(1, count + 1)) if count else ()
    # what is densest where bone begins is bone that the mask missed
    by_bone = np.zeros(count + 1, dtype=bool)
    if count and bone.any():
        summits = np.array(ndimage.maximum_position(rise, numbers, np.arange(1, count + 1)))
        from_bone = ndimage.distance_transform_edt(~bone) * pixel
        by_bone[1:] = from_bone[summits[:, 0], summits[:, 1]] <= _BY_BONE_MM
    keep = np.zeros(count + 1, np.int32)
    fit = (areas >= LEAST_AREA_MM2) & (peaks > LEAST_OPACITY) & ~by_bone
    large = np.flatnonzero(fit[1:]) + 1
    keep[large] = np.arange(1, len(large) + 1)
    return RadiographCalcium(rise, keep[numbers], limb, bone, pixel, pixel_mm is not None)


def _local_noise(rise: Gray, tissue: Mask, pixel: float) -> Gray:
    """Standard deviation of the soft tissue around each pixel; what rises far is calcium, no noise."""
    if not tissue.any():
        return np.zeros_like(rise)
    usual = float(np.median(np.abs(rise[tissue]))) / GAUSSIAN_MAD
    window = max(3, int(_NOISE_MM / pixel) | 1)
    plain = tissue & (np.abs(rise) <= CONTRAST_TO_NOISE * usual)
    weight = ndimage.uniform_filter(plain.astype(np.float32), window)
    power = ndimage.uniform_filter(np.where(plain, rise**2, 0.0).astype(np.float32), window)
    return np.asarray(np.sqrt(np.maximum(power, 0.0) / np.maximum(weight, 1e-3)), dtype=np.float32)


def _working_image(gray: NDArray[np.generic], pixel_mm: float | None) -> tuple[Gray, float]:
    image = np.asarray(gray, dtype=np.float32)
    if image.ndim != 2 or min(image.shape) < 64:
        raise QualityRefusal(
            f"radiograph of shape {image.shape}: one image of at least 64 x 64 pixels is needed",
            hint="choose a single projection image",
        )
    pixel = NOMINAL_PIXEL_MM if pixel_mm is None else pixel_mm
    factor = max(1, round(_WORK_PIXEL_MM / pixel))
    rows, columns = (n // factor * factor for n in image.shape)
    small = image[:rows, :columns].reshape(rows // factor, factor, columns // factor, factor).mean((1, 3))
    return small.astype(np.float32), pixel * factor


def on_image(labels: NDArray[np.uint16], shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Labels of `find_radiograph_calcium`'s coarser grid on that of the image (x, y); 0 at what remains at its ends."""
    factor = max(1, shape[0] // labels.shape[0])
    out = np.zeros(shape, np.uint16)
    fine = np.repeat(np.repeat(labels, factor, axis=0), factor, axis=1)
    out[: fine.shape[0], : fine.shape[1]] = fine
    return out


def _limb(image: Gray, pixel: float) -> tuple[Mask, float, float]:
    """Middle gray between air and collimator; its level of air and its densest soft tissue."""
    low, high = (float(v) for v in np.percentile(image, [0.5, 99.5]))
    if high - low < 1e-3:
        raise QualityRefusal("radiograph: the image is flat", hint="check the file", code="E_FLAT_IMAGE")
    span = high - low
    middle = (image > low + 0.12 * span) & (image < high - 0.05 * span)
    middle = ndimage.binary_opening(middle, iterations=max(1, int(1.5 / pixel)))
    # bone as bright as the collimator lies between two parts of the limb
    pad = int(70.0 / pixel)
    line = np.ones((max(3, int(60.0 / pixel)), 1), dtype=bool)
    wide = np.pad(middle, pad, mode="edge")
    bridged = ndimage.binary_closing(wide, structure=line) | ndimage.binary_closing(wide, structure=line.T)
    middle |= bridged[pad:-pad, pad:-pad] & (image > low + 0.12 * span)
    numbers, count = ndimage.label(middle)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1).astype(float)
    sizes[0] = 0.0
    if count == 0 or sizes.max() < 0.01 * image.size:
        raise QualityRefusal("radiograph: no limb found between air and collimator", hint="check the image")
    limb = ndimage.binary_fill_holes(numbers == int(sizes.argmax()))
    depth = ndimage.distance_transform_edt(np.pad(limb, 1, mode="edge"))[1:-1, 1:-1]
    values, depths = image[limb], depth[limb]
    outer = float(np.median(values[depths <= np.quantile(depths, 0.2)]))
    inner = float(np.median(values[depths >= np.quantile(depths, 0.8)]))
    beside = ndimage.binary_dilation(limb, iterations=8) & ~ndimage.binary_dilation(limb, iterations=3)
    around = float(np.quantile(image[beside], 0.35)) if beside.any() else low
    if inner < outer - 0.05 * span or around > float(np.median(values)) + 0.1 * span:
        raise QualityRefusal(
            "radiograph: the limb is darker inside than at its edge: the gray scale is reversed",
            hint="correct the photometric interpretation (0028,0004), or invert the image so that bone is bright",
            code="E_REVERSED_GRAY",
        )
    return limb, low, float(np.quantile(values, 0.6))


def _bone(image: Gray, limb: Mask, pixel: float) -> Mask:
    """Brightest of three classes inside the limb, in parts wide enough for a bone."""
    even = ndimage.gaussian_filter(image, 1.0 / pixel)
    values = even[limb]
    limits = filters.threshold_multiotsu(values, classes=3, nbins=128)
    broad = _masked_median(even, limb, max(3, int(60.0 / pixel) | 1))
    bright = limb & ((even > limits[1]) | (even > np.maximum(limits[0], broad + 0.15 * float(np.ptp(limits)))))
    wide = ndimage.binary_opening(bright, iterations=max(1, int(2.5 / pixel)))
    numbers, count = ndimage.label(wide)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1) * pixel * pixel
    keep = sizes > 300.0
    keep[0] = False
    pad = int(60.0 / pixel)
    bone = np.pad(keep[numbers], pad, mode="edge")
    bone = ndimage.binary_closing(bone, iterations=max(1, int(14.0 / pixel)))
    # a bone goes on between two of its parts along the limb
    line = np.ones((max(3, int(50.0 / pixel)), 1), dtype=bool)
    for structure in (line, line.T):
        bone |= ndimage.binary_closing(bone, structure=structure)
    bone = bone[pad:-pad, pad:-pad]
    bone = ndimage.binary_fill_holes(bone)
    return np.asarray(ndimage.distance_transform_edt(~bone) * pixel <= _BONE_MARGIN_MM) & limb


def _masked_median(image: Gray, where: Mask, size: int) -> Gray:
    """Running median of the masked part, on a coarser grid, filled outward where the mask is empty."""
    step = max(1, size // 12)
    small, mask = image[::step, ::step], where[::step, ::step]
    if not mask.any():
        return np.full_like(image, float(np.median(image)))
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    filled = small[tuple(nearest)]
    smooth = ndimage.median_filter(filled, size=max(3, (size // step) | 1), mode="nearest")
    zoomed = ndimage.zoom(smooth, step, order=1, mode="nearest", grid_mode=True)
    out = np.empty_like(image)
    rows, columns = min(out.shape[0], zoomed.shape[0]), min(out.shape[1], zoomed.shape[1])
    out[:] = float(np.median(smooth))
    out[:rows, :columns] = zoomed[:rows, :columns]
    return out
