"""Finds text and marks drawn into an ultrasound picture, which are sharper than the scanner can image.

Two signs: strokes of one gray level with hard edges, and clusters of pixels that stand out against their neighbors far
more than speckle does (smoothed or compressed text).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LEVEL_TOLERANCE = 0.016
"""Gray levels of one stroke differ by no more than this share of the picture's range (4 of 255). [1]"""
EDGE_JUMP = 0.3
"""Smallest step from a stroke to the pixels beside it, as a share of the range; speckle is smoother. [1]"""
STROKE_PIXELS = 4.0
"""Largest half width of a stroke. [pixels]"""
SIZE_PIXELS = (5, 60)
"""Least and greatest height of a character or mark. [pixels]"""
LEAST_PIXELS = 9
"""Fewest pixels of a character or mark."""
LEVELS_TRIED = 6
"""How many of the gray levels most often found in flat patches are tried as ink."""
SHARP_SHARE, SHARP_SIGMAS = 0.12, 6.0
"""A pixel of smoothed text rises above its neighbors by this share of the range, and by so many of the picture's own
standard deviations of such rises."""
NEIGHBORHOOD_PIXELS = 1.0
"""Standard deviation of the smoothing that gives a pixel's neighbors. [pixels]"""
LEAST_SHARP_PIXELS = 6
"""Fewest sharp pixels of a cluster."""

_NEIGHBORS = np.ones((3, 3), dtype=bool)


def find_screen_text(gray: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Pixels of burned-in characters, calipers and lines.

    Parameters
    ----------
    gray : array (x, y)
        Picture as shown.

    Returns
    -------
    bool array (x, y)
        Strokes only, without what lies between them.
    """
    picture = np.asarray(gray, dtype=np.float64)
    low, high = float(picture.min()), float(picture.max())
    out = np.zeros(picture.shape, dtype=bool)
    if not high > low:
        return out
    scaled = (picture - low) / (high - low)
    for level in _ink_levels(scaled):
        out |= _strokes(scaled, level)
    return out | _sharp_clusters(scaled)


def _sharp_clusters(scaled: NDArray[np.float64]) -> NDArray[np.bool_]:
    rise = scaled - ndimage.gaussian_filter(scaled, NEIGHBORHOOD_PIXELS, mode="nearest")
    positive = rise[rise > 0]
    if not positive.size:
        return np.zeros(scaled.shape, dtype=bool)
    spread = float(np.median(positive)) / 0.6745
    sharp = rise > max(SHARP_SHARE, SHARP_SIGMAS * spread)
    labels, count = ndimage.label(ndimage.binary_dilation(sharp, _NEIGHBORS, iterations=2), structure=_NEIGHBORS)
    sizes = ndimage.sum_labels(sharp, labels, np.arange(count + 1))
    return np.asarray(sharp & (sizes >= LEAST_SHARP_PIXELS)[labels])


def _ink_levels(scaled: NDArray[np.float64]) -> list[float]:
    """Gray levels of flat patches, the extremes first, then the most frequent."""
    steps = np.round(scaled * 255.0).astype(np.int64)
    flat = np.zeros(steps.shape, dtype=bool)
    flat[:-1, :] |= steps[:-1, :] == steps[1:, :]
    flat[:, :-1] |= steps[:, :-1] == steps[:, 1:]
    count = np.bincount(steps[flat], minlength=256)
    surprise = count - ndimage.median_filter(count, 9, mode="nearest")
    frequent = [int(level) for level in np.argsort(surprise)[::-1][:LEVELS_TRIED] if surprise[level] > 0]
    return [level / 255.0 for level in dict.fromkeys([255, 0, *frequent])]


def _strokes(scaled: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    ink = np.abs(scaled - level) <= LEVEL_TOLERANCE
    labels, _ = ndimage.label(ink, structure=_NEIGHBORS)
    out = np.zeros(ink.shape, dtype=bool)
    sizes = np.bincount(labels.ravel())
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        if sizes[number] < LEAST_PIXELS:
            continue
        extent = [part.stop - part.start for part in place]
        if max(extent) < SIZE_PIXELS[0] or max(extent) > SIZE_PIXELS[1]:
            continue
        around = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in place)
        member = np.pad(labels[around] == number, 1)
        if ndimage.distance_transform_edt(member).max() > STROKE_PIXELS:
            continue
        ring = (ndimage.binary_dilation(member) & ~member)[1:-1, 1:-1]
        if np.median(np.abs(scaled[around][ring] - level)) >= EDGE_JUMP:
            out[around] |= member[1:-1, 1:-1]
    return out
