"""What two neighboring stations tell about one another where they overlap: shift, gain, and roll-off of the coil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.physics.noise import robust_sd

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LARGEST_SHIFT_MM = 5.0
"""A patient who moved further between stations is not followed; evidence ``station-shift``. [mm]"""

LEAST_REMOVED = 0.2
"""Share of the unlikeness (1 - correlation) that a shift must remove before it is believed. [1]"""

LEAST_LIKENESS = 0.5
"""Correlation of two stations below which their overlap does not show the same anatomy. [1]"""

LARGEST_FALL = float(np.log(2.0))
"""Signal lost toward a station's end is restored up to this log factor. [1]"""

FALL_TERMS = slice(0, 3)
"""Terms of `field_terms` in which the fall toward a station's end may differ across the body: 1, x, y."""

NEIGHBORHOOD_MM = 15.0
"""Signals are compared as means over about this width, so that a step is seen and noise is not. [mm]"""

FOREGROUND = 0.15
"""Share of the bright level above which a voxel shows tissue. [1]"""

AROUND_VOXELS = 6
"""So many voxels around tissue take part in the likeness of two stations: its outline counts as well."""

SMALLEST_STEP = 0.5
"""A shift of less than this part of a voxel cannot be told from noise and is none. [voxel]"""

_FEWEST_VOXELS = 200
_LARGEST_SAMPLE = 40_000


@dataclass(frozen=True, eq=False)
class Overlap:
    """The same stretch of the body in two stations, on one lattice.

    Parameters
    ----------
    low, high : arrays (x, y, z)
        Signal of the lower and the upper station. [arb'U]
    spacing_mm : tuple of 3 floats
    axis : int
        Along which the stations follow one another.
    """

    low: FloatArray
    high: FloatArray
    spacing_mm: tuple[float, float, float]
    axis: int


@dataclass(frozen=True)
class Shift:
    """How far the anatomy of the upper station lies from that of the lower one.

    Parameters
    ----------
    voxels : tuple of 3 floats
        Index in `Overlap.high` minus index in `Overlap.low` of one point of the body.
    likeness_before, likeness_after : float
        Correlation of both signals, -1 to 1.
    beyond_limit : bool
        The best place lies at the edge of what is searched: nothing was moved.
    """

    voxels: tuple[float, float, float]
    likeness_before: float
    likeness_after: float
    beyond_limit: bool

    def length_mm(self, spacing_mm: Sequence[float]) -> float:
        """Length of the shift. [mm]"""
        return float(np.linalg.norm(np.asarray(self.voxels) * np.asarray(spacing_mm)))


def tissue(signal: NDArray[np.floating]) -> BoolArray:
    """Roughly where tissue is: above a share of the bright level."""
    bright = float(np.percentile(signal, 99.0)) if signal.size else 0.0
    return np.asarray(signal > FOREGROUND * bright) & (bright > 0)


def likeness(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Correlation of two signals on and around tissue, -1 to 1; 0 where there is none.

    Roots are compared, so that muscle counts beside bright vessels and fat, and dark surroundings are included, so that
    an ankle is known by its outline.
    """
    seen = tissue(first) | tissue(second)
    if np.count_nonzero(seen) < _FEWEST_VOXELS:
        return 0.0
    seen = ndimage.maximum_filter(seen, size=2 * AROUND_VOXELS + 1)
    a, b = (np.sqrt(np.maximum(np.asarray(item[seen], dtype=np.float64), 0.0)) for item in (first, second))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _cropped(overlap: Overlap, margin: int) -> Overlap:
    """The overlap around its tissue; the long axis stays whole."""
    seen = tissue(overlap.low) | tissue(overlap.high)
    if not seen.any():
        return overlap
    box = []
    for axis in range(3):
        filled = np.flatnonzero(seen.any(axis=tuple(a for a in range(3) if a != axis)))
        whole = axis == overlap.axis
        box.append(slice(None) if whole else slice(max(0, int(filled[0]) - margin), int(filled[-1]) + 1 + margin))
    return Overlap(overlap.low[tuple(box)], overlap.high[tuple(box)], overlap.spacing_mm, overlap.axis)


def find_shift(overlap: Overlap) -> Shift:
    """The translation of at most `LARGEST_SHIFT_MM` that makes both stations most alike.

    Along an axis whose voxels are longer than that, nothing is moved. Whole voxels are tried and the peak is refined by
    a parabola along each axis, so that no interpolation smooths one of the two images and draws the peak to a half
    voxel.
    """
    reach = [int(np.floor(LARGEST_SHIFT_MM / size + 1e-6)) for size in overlap.spacing_mm]
    reach[overlap.axis] = max(0, min(reach[overlap.axis], overlap.low.shape[overlap.axis] - 2))
    found: dict[tuple[int, int, int], float] = {}
    overlap = _cropped(overlap, AROUND_VOXELS + max(reach))

    def at(shift: tuple[int, int, int]) -> float:
        if shift not in found:
            found[shift] = likeness(*_moved(overlap, shift))
        return found[shift]

    best = (0, 0, 0)
    while True:  # climb: the likeness of anatomy has one peak within a few millimeters
        steps = [_stepped(best, axis, by) for axis in range(3) for by in (-1, 1)]
        inside = [step for step in steps if all(abs(n) <= r for n, r in zip(step, reach, strict=True))]
        top = max(inside, key=at, default=best)
        if 1.0 - at(top) > (1.0 - LEAST_REMOVED / 2.0) * (1.0 - at(best)):
            break  # a limb alike from level to level has no place along its axis
        best = top
    parts = [_peak(at, best, axis, reach[axis]) for axis in range(3)]
    exact = [float(n + part) for n, part in zip(best, parts, strict=True)]
    voxels = tuple(n if abs(n) >= SMALLEST_STEP else 0.0 for n in exact)
    before, after = at((0, 0, 0)), at(best)
    shift = Shift((voxels[0], voxels[1], voxels[2]), before, after, beyond_limit=False)
    if shift.length_mm(overlap.spacing_mm) > LARGEST_SHIFT_MM + 0.5 * min(overlap.spacing_mm):
        return Shift((0.0, 0.0, 0.0), before, before, beyond_limit=True)
    if best != (0, 0, 0) and after - before < LEAST_REMOVED * (1.0 - before):
        return Shift((0.0, 0.0, 0.0), before, before, beyond_limit=False)
    return shift


def _stepped(shift: tuple[int, int, int], axis: int, by: int) -> tuple[int, int, int]:
    moved = list(shift)
    moved[axis] += by
    return (moved[0], moved[1], moved[2])


def _peak(at: object, best: tuple[int, int, int], axis: int, reach: int) -> float:
    """Offset of the top of a parabola through the peak and its neighbors, -0.5 to 0.5 voxel."""
    assert callable(at)
    if reach == 0:
        return 0.0
    below, middle, above = (float(at(_stepped(best, axis, by))) for by in (-1, 0, 1))
    curvature = below - 2.0 * middle + above
    if curvature >= -1e-9:
        return 0.0
    return float(np.clip(0.5 * (below - above) / curvature, -0.5, 0.5))


def _moved(overlap: Overlap, shift: tuple[int, int, int]) -> tuple[FloatArray, FloatArray]:
    """Both signals cut to what they share when the upper one is moved by whole voxels."""
    low, high = [], []
    for n in shift:
        low.append(slice(max(0, -n), None if n <= 0 else -n))
        high.append(slice(max(0, n), None if n >= 0 else n))
    return overlap.low[tuple(low)], overlap.high[tuple(high)]


def aligned(overlap: Overlap, shift: Shift) -> Overlap:
    """The overlap with the upper station moved onto the lower one; border voxels repeat."""
    if not any(shift.voxels):
        return overlap
    moved = ndimage.shift(overlap.high, [-n for n in shift.voxels], order=1, mode="nearest", prefilter=False)
    return Overlap(overlap.low, moved, overlap.spacing_mm, overlap.axis)


def local_means(signal: FloatArray, inside: BoolArray, overlap: Overlap) -> FloatArray:
    """Mean of a signal over the tissue of its neighborhood within the slices across the long axis."""
    sigma = [0.0 if axis == overlap.axis else NEIGHBORHOOD_MM / 2.355 / overlap.spacing_mm[axis] for axis in range(3)]
    weight = ndimage.gaussian_filter(inside.astype(np.float64), sigma)
    held = ndimage.gaussian_filter(np.where(inside, signal, 0.0), sigma)
    return np.asarray(held / np.maximum(weight, 1e-6))


@dataclass(frozen=True, eq=False)
class SignalRatio:
    """Upper over lower station.

    Parameters
    ----------
    log_gain : float
        Robust median of the log ratio. [1]
    field : array (6,)
        Coefficients of the remaining log ratio over 1, x, y, x2, y2, xy; x and y run from -1 to 1 across the field of
        view in the two axes across the long one.
    end_fall : array (3,)
        Coefficients over 1, x, y of the log change of the ratio from the middle of the overlap to its ends: signal that
        both stations lose toward their ends, evenly shared. The first is 0 where the ratio changes the other way; the
        others tell on which side more is lost. [1]
    error : float
        Median absolute ratio error of local means, as it stands: ``median |high / low - 1|``. [1]
    n_voxels : int
    """

    log_gain: float
    field: FloatArray
    end_fall: FloatArray
    error: float
    n_voxels: int


def compare_signal(overlap: Overlap) -> SignalRatio | None:
    """Gain and roll-off between two stations; None where too little tissue lies in the overlap."""
    inside = tissue(overlap.low) & tissue(overlap.high)
    if np.count_nonzero(inside) < _FEWEST_VOXELS:
        return None
    low, high = (local_means(item, inside, overlap) for item in (overlap.low, overlap.high))
    where = np.argwhere(inside)
    where = where[:: max(1, len(where) // _LARGEST_SAMPLE)]
    index = tuple(where.T)
    logs = np.log(high[index] / low[index])
    log_gain = float(np.median(logs))
    terms = field_terms(where, overlap.low.shape, overlap.axis)
    # the fall toward the end of a station is odd about the middle of the overlap: it must not pass for a gain
    along = (where[:, overlap.axis] + 0.5) / overlap.low.shape[overlap.axis] * 2.0 - 1.0
    coefficients = _robust_fit(np.column_stack([terms, along[:, None] * terms[:, FALL_TERMS]]), logs - log_gain)
    error = float(np.median(np.abs(np.exp(logs) - 1.0)))
    fall = np.clip(coefficients[6:], [0.0, -LARGEST_FALL, -LARGEST_FALL], LARGEST_FALL)
    return SignalRatio(log_gain, coefficients[:6], fall, error, len(where))


def field_terms(index: NDArray[np.integer], shape: tuple[int, ...], axis: int) -> FloatArray:
    """Terms of the roll-off at voxel indices, (n, 6)."""
    first, second = (a for a in range(3) if a != axis)
    x, y = ((index[:, a] + 0.5) / shape[a] * 2.0 - 1.0 for a in (first, second))
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


def _robust_fit(terms: FloatArray, values: FloatArray) -> FloatArray:
    """Least squares without outliers beyond 2.5 robust standard deviations, three times over."""
    keep = np.ones(values.size, dtype=bool)
    coefficients = np.zeros(terms.shape[1])
    for _ in range(3):
        # a slight pull to zero holds terms that the tissue in this overlap does not determine
        penalty = 1e-3 * keep.sum() * np.eye(terms.shape[1])
        normal = terms[keep].T @ terms[keep] + penalty
        coefficients = np.linalg.solve(normal, terms[keep].T @ values[keep])
        residual = values - terms @ coefficients
        spread = robust_sd(residual[keep])
        keep = np.abs(residual) < 2.5 * max(spread, 1e-6)
        if np.count_nonzero(keep) < 10 * terms.shape[1]:
            break
    return np.asarray(coefficients, dtype=np.float64)
