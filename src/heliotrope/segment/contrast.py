"""From the signals of any MR series to what the anatomy needs: brightness, fat, and darkness of cortex."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from heliotrope.domain.errors import QualityRefusal
from heliotrope.segment.body import closed_slices

FAT_LIMIT = 0.5
"""Fat-like share at and above which a voxel counts as fat. Project rule after the 50 % of spec G1."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """What segmentation works on, in axial axes.

    Parameters
    ----------
    brightness : float32 array (x, y, z)
        Signal of any tissue divided by the local tissue level: near 1 in muscle or fat, near 0 in air and cortex.
    fat : float32 array (x, y, z)
        Share of fat, 0 to 1; only relative, not a calibrated fat fraction.
    body : bool array (x, y, z)
        Where there is tissue.
    void : bool array (x, y, z)
        Within the body, too dark for muscle or fat: cortical bone, tendon, flow, calcification.
    name : str
        What it was made from, for the methods text.
    bone : bool array (x, y, z) or None
        Bone where the signal itself tells (CT); None where it must be found by its ring.
    neutral : bool array (x, y, z) or None
        Voxels that are no evidence for or against a fascia: dense deposits on CT.
    marrow_ring : bool
        True where marrow is told from cortex; False in water images, where both are dark.
    fat_to_lean : float
        Brightness of fat over that of lean tissue in the image.
    gas : bool array (x, y, z) or None
        Gas within the body, where the modality shows it (CT).
    marrow : bool array (x, y, z) or None
        Part of `bone` that is marrow or spongy bone, where the signal itself tells (CT).
    vessel : bool array (x, y, z) or None
        Lumens full of contrast medium, where the modality shows them (CT); None where they must be found by shape.
    inflow : bool
        True where lean tissue brighter than muscle is blood: gradient echoes, on which edema is not bright.
    """

    brightness: NDArray[np.float32]
    fat: NDArray[np.float32]
    body: NDArray[np.bool_]
    void: NDArray[np.bool_]
    name: str
    bone: NDArray[np.bool_] | None = None
    neutral: NDArray[np.bool_] | None = None
    marrow_ring: bool = True
    fat_to_lean: float = 1.0
    gas: NDArray[np.bool_] | None = None
    marrow: NDArray[np.bool_] | None = None
    vessel: NDArray[np.bool_] | None = None
    inflow: bool = False


def smooth_within(
    image: NDArray[np.floating], weight: NDArray[np.floating] | NDArray[np.bool_], sigma_px: tuple[float, float]
) -> NDArray[np.float32]:
    """In-plane Gaussian mean of `image` where `weight` is positive (normalized convolution)."""
    sigma = (*sigma_px, 0.0)
    top = ndimage.gaussian_filter(np.asarray(image * weight, dtype=np.float32), sigma)
    bottom = ndimage.gaussian_filter(np.asarray(weight, dtype=np.float32), sigma)
    return np.asarray(top / np.maximum(bottom, 1e-6), dtype=np.float32)


def air_limit(signal: NDArray[np.floating]) -> float:
    """Signal that parts air from tissue, from the histogram of the logarithm.

    Raises
    ------
    QualityRefusal
        Everything is one level: an empty or constant image.
    """
    finite = signal[np.isfinite(signal) & (signal > 0)]
    if finite.size < 100 or (float(finite.max()) <= 1.05 * float(np.median(finite)) and float(finite.std()) == 0):
        raise QualityRefusal(
            "the image holds no tissue signal", hint="check that the series is not empty or constant", code="E_EMPTY"
        )
    top = float(np.percentile(finite, 99))
    logs = np.log(np.clip(finite, top * 1e-3, top))
    if float(np.ptp(logs)) < 1e-6:
        raise QualityRefusal(
            "the image is of one constant level", hint="check that the series holds an image", code="E_EMPTY"
        )
    return float(np.exp(threshold_otsu(logs.astype(np.float64), nbins=128)))


def body_of(signal: NDArray[np.float32], spacing_mm: tuple[float, float], *, share: float = 0.2) -> NDArray[np.bool_]:
    """Body in air, robust to coil shading and to faint ghosts.

    The limit is the larger of the histogram's own and a fifth of the tissue level around, so that a ghost of a bright
    limb
    does not pass where the coil is far.

    Parameters
    ----------
    signal : float32 array (x, y, z)
        In axial axes.
    spacing_mm : tuple of 2 floats
    share : float
        Share of the surrounding tissue level above which a voxel is body; less where fat is dark.
    """
    limit = air_limit(signal)
    _require_structure(signal)
    first = signal > limit
    sigma = (LEVEL_SIGMA_MM / spacing_mm[0], LEVEL_SIGMA_MM / spacing_mm[1])
    level = smooth_within(signal, first * np.maximum(signal, 0.0), sigma)
    smoothed = ndimage.gaussian_filter(signal, (0.4, 0.4, 0.0))
    body = (smoothed > limit) & (smoothed > share * level)
    return fill_slices(body)


def _require_structure(signal: NDArray[np.float32]) -> None:
    """Refuse an image whose neighboring voxels know nothing of one another."""
    near = np.log1p(np.maximum(signal, 0.0)).astype(np.float64)
    first, second = near[2:].ravel(), near[:-2].ravel()
    if first.size < 16 or first.std() == 0 or second.std() == 0:
        return
    likeness = float(np.corrcoef(first, second)[0, 1])
    if likeness < NEIGHBOR_LIKENESS:
        raise QualityRefusal(
            f"the image is noise: voxels two apart correlate by {likeness:.2f} (limit {NEIGHBOR_LIKENESS})",
            hint="check that the series is an image and its signal is not buried in noise",
            code="E_NOISE",
        )


NEIGHBOR_LIKENESS = 0.4
"""Correlation of log signal two voxels apart below which an image holds no anatomy. Project rule."""
LEVEL_SIGMA_MM = 25.0
"""Width over which the coil's shading is followed. Project rule. [mm]"""
VOID_SHARE = 0.42
"""Share of the expected tissue signal below which a voxel is a void. Project rule."""


def fill_slices(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill the holes of every slice."""
    return np.stack([ndimage.binary_fill_holes(mask[:, :, k]) for k in range(mask.shape[2])], axis=2)


def from_multi_echo(
    echoes: NDArray[np.floating], echo_times_ms: tuple[float, ...] | None, spacing_mm: tuple[float, float]
) -> Contrast:
    """Contrast from a multi-echo spin-echo series.

    Early echoes give the body and the darkness of cortex. Fat keeps its signal in a train of refocusing pulses where
    muscle
    loses it, and edematous muscle lies between, nearer to muscle: the decay alone, free of the coil's shading, tells
    fat from
    lean tissue. The two decays are taken from the image itself.

    Parameters
    ----------
    echoes : float array (x, y, z, n_echo)
        Magnitude, in axial axes, at least 3 echoes.
    echo_times_ms : tuple of n_echo floats or None
        Used only to leave out echoes after `LAST_ECHO_MS`, where muscle is noise. [ms]
    spacing_mm : tuple of 2 floats
    """
    data = np.asarray(echoes, dtype=np.float32)
    n = data.shape[3]
    if n < 3:
        raise QualityRefusal(
            f"multi-echo series of {n} echoes: at least 3 needed to part fat from muscle by decay",
            hint="use it as a T2 image",
            code="E_ECHOES",
        )
    last = n
    if echo_times_ms is not None and len(echo_times_ms) == n:
        last = max(3, int(np.searchsorted(echo_times_ms, LAST_ECHO_MS, side="right")))
    start = 1 if last > 4 else 0  # the first echo lacks the stimulated ones
    early_stop = start + max(1, min(3, (last - start) // 3))
    late_start = max(early_stop, last - max(1, (last - start) // 2))
    early = data[..., start:early_stop].mean(axis=3)
    late = data[..., late_start:last].mean(axis=3)
    body = body_of(early, spacing_mm)
    floor = float(np.median(late[~body])) if (~body).sum() > 500 else 0.0
    late = np.sqrt(np.maximum(late**2 - floor**2, 0.0))
    ratio = np.where(body, late / np.maximum(early, 1e-6), 0.0).astype(np.float32)
    bright_enough = body & (early > 0.5 * smooth_within(early, body, _sigma(spacing_mm)))
    lean, fat = two_modes(ratio[bright_enough])
    share = np.clip((ratio - lean) / (fat - lean), 0.0, 1.0)
    first = _with_voids(early, share, body, spacing_mm, "multi-echo spin echo")
    # what is mixed is signal; a voxel half of fat gives more than half of it where fat is the brighter of the two
    brighter = max(1.0, first.fat_to_lean)
    tissue = share / np.maximum(share + (1.0 - share) * brighter, 1e-6)
    return replace(first, fat=np.where(body, tissue, 0.0).astype(np.float32))


def from_fat_bright(signal: NDArray[np.floating], spacing_mm: tuple[float, float], name: str) -> Contrast:
    """Contrast from one image in which fat is brighter than muscle: T1, or T2 without fat suppression.

    The coil's shading and the two tissue levels are found together: the levels are the two modes of the image over
    the shading, the
    shading is the smoothed image over the level of each voxel's tissue.

    Parameters
    ----------
    signal : float array (x, y, z)
        Magnitude, in axial axes.
    spacing_mm : tuple of 2 floats
    name : str
    """
    image = np.asarray(signal, dtype=np.float32)
    body = body_of(image, spacing_mm)
    sigma = _sigma(spacing_mm)
    level = smooth_within(image, body, sigma)
    lit = body & (image > 0.25 * level)
    flat = image / np.maximum(level, 1e-6)
    low = high = 1.0
    for _ in range(6):
        low, high = two_modes(flat[lit])
        fatty = flat > 0.5 * (low + high)
        sure = lit & (np.abs(flat - 0.5 * (low + high)) > 0.2 * (high - low)) & (flat > 0.5 * low) & (flat < 1.6 * high)
        shading = smooth_within(image / np.where(fatty, high, low), sure, sigma)
        flat = image / np.maximum(shading, 1e-6)
    share = np.where(body, np.clip((flat - low) / (high - low), 0.0, 1.0), 0.0)
    void = body & (flat < VOID_SHARE * low)
    expected = low + (high - low) * share
    brightness = np.where(body, flat / np.maximum(expected, low), 0.0)
    return Contrast(brightness.astype(np.float32), share.astype(np.float32), body, void, name)


def from_dixon(water: NDArray[np.floating], fat: NDArray[np.floating], spacing_mm: tuple[float, float]) -> Contrast:
    """Contrast from a water and a fat image."""
    w, f = (np.abs(np.asarray(image)).astype(np.float32) for image in (water, fat))
    total = w + f
    return from_share(f / np.maximum(total, 1e-6), total, spacing_mm, "Dixon water and fat")


def from_share(
    share: NDArray[np.floating], signal: NDArray[np.floating], spacing_mm: tuple[float, float], name: str
) -> Contrast:
    """Contrast from a map of the share of fat (0 to 1) and any gray image of the same anatomy."""
    image = np.asarray(signal, dtype=np.float32)
    known = np.isfinite(share)
    fat = np.clip(np.where(known, share, 0.0), 0.0, 1.0)
    body = body_of(np.where(np.isfinite(image), image, 0.0), spacing_mm)
    return replace(_with_voids(image, fat, body, spacing_mm, name), inflow=True)


def from_water(signal: NDArray[np.floating], spacing_mm: tuple[float, float], name: str) -> Contrast:
    """Contrast from an image in which fat, marrow and cortex are dark: a water image, or fat suppression.

    Fat and cortex cannot be told apart; bone is found as a compact dark region.
    """
    image = np.asarray(signal, dtype=np.float32)
    outline = body_of(image, spacing_mm, share=0.04)
    # bone under the skin is as dark as air and opens the outline to the outside
    body = closed_slices(outline, WATER_CLOSING_MM, spacing_mm)
    level = _upper_level(image, body, spacing_mm)
    flat = image / np.maximum(level, 1e-6)
    _low, high = two_modes(flat[body])
    # fat keeps a little water signal; half way between it and muscle counts as half fat
    dark_level = float(np.median(flat[body & (flat < 0.5 * high)])) if (body & (flat < 0.5 * high)).any() else 0.0
    share = np.where(body, np.clip((high - flat) / (high - dark_level), 0.0, 1.0), 0.0).astype(np.float32)
    brightness = np.where(body, np.clip(flat / high, 0.0, 2.0), 0.0).astype(np.float32)
    return Contrast(brightness, share, outline, np.zeros_like(body), name, marrow_ring=False)


def _upper_level(
    image: NDArray[np.float32], body: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> NDArray[np.float32]:
    """Level of the brighter tissue around every voxel, which in a limb on a water image is muscle.

    An upper percentile of the neighborhood follows the coil's shading where a mean would be drawn down by fat.
    """
    step = max(1, round(COARSE_MM / max(spacing_mm)))
    width = max(3, 2 * round(WATER_REACH_MM / (step * max(spacing_mm))) + 1)
    level = np.empty(image.shape, dtype=np.float32)
    for k in range(image.shape[2]):
        here = body[::step, ::step, k]
        if not here.any():
            level[:, :, k] = 1.0
            continue
        nearest = ndimage.distance_transform_edt(~here, return_distances=False, return_indices=True)
        filled = image[::step, ::step, k][tuple(nearest)]
        upper = ndimage.percentile_filter(filled, WATER_PERCENTILE, size=width, mode="nearest")
        smooth = ndimage.gaussian_filter(upper, 0.25 * width)
        shape = [(n - 1) / max(m - 1, 1) for n, m in zip(image.shape[:2], smooth.shape, strict=True)]
        rows, columns = (np.arange(n) / s if s else np.zeros(n) for n, s in zip(image.shape[:2], shape, strict=True))
        grid = np.meshgrid(rows, columns, indexing="ij")
        level[:, :, k] = ndimage.map_coordinates(smooth, grid, order=1, mode="nearest")
    return np.maximum(level, 1e-6)


WATER_CLOSING_MM = 10.0
"""Gaps in the outline of a body on a water image up to twice this are closed. Project rule. [mm]"""
COARSE_MM, WATER_REACH_MM, WATER_PERCENTILE = 4.0, 20.0, 70.0
"""Pixel, reach and percentile of the level of muscle on a water image. Project rule. [mm, mm, %]"""
LAST_ECHO_MS = 125.0
"""Echoes later than this say little of muscle. Project rule. [ms]"""


def _sigma(spacing_mm: tuple[float, float]) -> tuple[float, float]:
    return (LEVEL_SIGMA_MM / spacing_mm[0], LEVEL_SIGMA_MM / spacing_mm[1])


def two_modes(values: NDArray[np.floating]) -> tuple[float, float]:
    """Centers of the low and the high class of a two-class histogram: the modes, not the means.

    Raises
    ------
    QualityRefusal
        The classes lie too close together to be told apart.
    """
    low_end, high_end = np.percentile(values, [0.5, 99.5])
    clipped = values[(values >= low_end) & (values <= high_end)].astype(np.float64)
    if clipped.size < 200 or high_end - low_end <= 0:
        raise QualityRefusal(
            "too few voxels to tell fat from muscle", hint="give an image that holds a limb", code="E_CONTRAST"
        )
    limit = float(threshold_otsu(clipped, nbins=256))
    modes = []
    for part in (clipped[clipped <= limit], clipped[clipped > limit]):
        counts, edges = np.histogram(part, bins=64)
        counts = ndimage.gaussian_filter1d(counts.astype(float), 2.0, mode="nearest")
        top = int(np.argmax(counts))
        near = part[np.abs(part - 0.5 * (edges[top] + edges[top + 1])) <= 0.15 * (high_end - low_end)]
        modes.append(float(np.median(near)))
    if modes[1] - modes[0] < 0.2 * (high_end - low_end):
        raise QualityRefusal(
            "fat and muscle cannot be told apart in this image",
            hint="give a Dixon, T1 or multi-echo series",
            code="E_CONTRAST",
        )
    return modes[0], modes[1]


def _with_voids(
    signal: NDArray[np.float32],
    fat: NDArray[np.floating],
    body: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    name: str,
) -> Contrast:
    sigma = _sigma(spacing_mm)
    share = fat.astype(np.float32)
    lit = body & (signal > 0.3 * smooth_within(signal, body, sigma))
    level = smooth_within(signal, lit, sigma)
    flat = signal / np.maximum(level, 1e-6)
    pure_lean, pure_fat = lit & (share < 0.25), lit & (share > 0.75)
    lean_level = float(np.median(flat[pure_lean])) if pure_lean.sum() > 200 else 1.0
    fat_level = float(np.median(flat[pure_fat])) if pure_fat.sum() > 200 else lean_level
    expected = lean_level + (fat_level - lean_level) * share
    # the coil's shading once more, now that the mixture of tissues is known
    shading = smooth_within(signal / expected, lit, sigma)
    brightness = np.where(body, signal / np.maximum(shading * expected, 1e-6), 0.0).astype(np.float32)
    floor = min(lean_level, fat_level) / expected
    void = body & (brightness < VOID_SHARE * np.maximum(floor, 0.6))
    return Contrast(
        brightness,
        np.where(body, share, 0.0).astype(np.float32),
        body,
        void,
        name,
        fat_to_lean=fat_level / max(lean_level, 1e-6),
    )
