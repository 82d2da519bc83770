"""How edema lies within a region: clusters, patch size, rim against core, texture; descriptions without judgment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import perimeter_crofton

from heliotrope.domain.anatomy import Region
from heliotrope.domain.geometry import Grid
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.measure.edema_load import FEWEST_ASSESSED, EdemaImage
from heliotrope.measure.edema_mask import in_plane
from heliotrope.measure.morphometry import cuts_across, slice_axis
from heliotrope.segment.transfer import box_around

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

METHOD = "edema-distribution/1"

RIM_MM = 5.0
"""Rim of a muscle for the peripheral pattern. [mm]"""

HONEYCOMB_PIXEL_MM, HONEYCOMB_SLICE_MM = 1.0, 5.0
"""Coarsest pixel and slice at which a network of walls can be seen. [mm]"""

SHEET_SCALES_MM = (0.8, 1.2, 1.6)
"""Scales at which bright sheets are looked for. [mm]"""

FEWEST_PIXELS_OF_A_SHAPE = 20
"""A smaller cross-section has no shape on its pixels."""

_ENTROPY_BINS = 32


_KINDS = (
    ("edema_clusters", "per volume", Unit.PER_100_MILLILITER),
    ("edema_largest_cluster", "fraction", Unit.ONE),
    ("edema_boundary", "density", Unit.SQUARE_MILLIMETER_PER_MILLILITER),
    ("edema_range", "autocorrelation", Unit.MILLIMETER),
    ("edema_moran", "index", Unit.ONE),
    ("edema_entropy", "normalized", Unit.ONE),
    ("edema_lacunarity", "6 mm", Unit.ONE),
    ("edema_rim_index", "index", Unit.ONE),
    ("edema_honeycomb", "fraction", Unit.ONE),
    ("edema_roundness", "mean", Unit.ONE),
)


@dataclass(frozen=True)
class EdemaDistribution:
    """Descriptors of one region.

    Parameters
    ----------
    fraction : float
        Edema over assessed, 0 to 1.
    n_clusters : int
    clusters_per_100ml : float
    largest_share : float
        Of all edema in the largest cluster, 0 to 1.
    boundary_density : float
        Surface of edema per assessed volume. [mm2/mL]
    range_mm : float
        Distance at which neighbors are no longer alike (autocorrelation 1/e within slices). [mm]
    moran : float
        Moran's I of the signal over neighbors within slices, -1 to 1.
    entropy : float
        Normalized entropy of the signal over 0.5 to 3 times normal, 0 to 1.
    lacunarity : float
        Of the mask in boxes of about 6 mm; 1 is even, more is clumped.
    rim_index : float or None
        Mean rim minus mean core over their pooled standard deviation.
    rim_fraction, core_fraction : float or None
        0 to 1.
    mean_ratio : float or None
        Mean of edema over normal. [1]
    honeycomb : float or None
        Share of edema voxels that lie on bright sheets; None where the resolution cannot show it.
    fine_power : float or None
        Share of signal variance at wavelengths below 6 mm.
    roundness : float or None
        Mean over clusters, by area, of 4 pi area over squared perimeter where each is largest; 1 is a disc. None where
        no cluster is large enough on these pixels.
    """

    fraction: float
    n_clusters: int
    clusters_per_100ml: float
    largest_share: float
    boundary_density: float
    range_mm: float
    moran: float
    entropy: float
    lacunarity: float
    rim_index: float | None
    rim_fraction: float | None
    core_fraction: float | None
    mean_ratio: float | None
    honeycomb: float | None
    fine_power: float | None
    roundness: float | None = None


def describe_distribution(image: EdemaImage, inside: BoolArray) -> EdemaDistribution | None:
    """Descriptors of the edema in a region; None when too little of it can be judged."""
    mask = image.mask
    assessed = mask.assessed & inside
    n = int(np.count_nonzero(assessed))
    if n < FEWEST_ASSESSED:
        return None
    box = box_around(inside, 4)
    assessed, inside = assessed[box], inside[box]
    edema, values = mask.edema[box] & assessed, image.values[box] / image.normal
    grid = mask.grid
    cell_ml = grid.voxel_volume_mm3 / 1000.0
    # borders between muscles cannot be judged and must not cut one cluster in two
    bridged = ndimage.binary_dilation(edema, structure=in_plane(grid), iterations=2) & (inside | edema)
    labels, _ = ndimage.label(bridged, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels[edema], minlength=1)[1:]
    sizes = sizes[sizes * grid.voxel_volume_mm3 >= 60.0]
    n_edema = int(edema.sum())
    signal = np.where(np.isfinite(values), values, 1.0)
    moran, reach = _autocorrelation(signal, assessed, grid)
    rim_index, rim, core = _rim(signal, edema, assessed, inside, grid)
    return EdemaDistribution(
        fraction=float(mask.share[box][assessed].mean()),
        n_clusters=int(sizes.size),
        clusters_per_100ml=100.0 * sizes.size / (n * cell_ml),
        largest_share=float(sizes.max() / n_edema) if sizes.size and n_edema else 0.0,
        boundary_density=_surface_mm2(edema, grid) / (n * cell_ml),
        range_mm=reach,
        moran=moran,
        entropy=_entropy(signal[assessed]),
        lacunarity=_lacunarity(edema, assessed, grid),
        rim_index=rim_index,
        rim_fraction=rim,
        core_fraction=core,
        mean_ratio=float(signal[edema].mean()) if n_edema else None,
        honeycomb=_honeycomb(signal, edema, grid),
        fine_power=_fine_power(signal, assessed, grid),
        roundness=_roundness(labels * edema, grid),
    )


def measure_distribution(region: Region, found: EdemaDistribution | None) -> tuple[Measurement, ...]:
    """Turn the descriptors of a region into measurements; all missing where there are none."""
    values: tuple[float | None, ...] = (None,) * len(_KINDS)
    if found is not None:
        values = (
            found.clusters_per_100ml,
            found.largest_share,
            found.boundary_density,
            found.range_mm,
            found.moran,
            found.entropy,
            found.lacunarity,
            found.rim_index,
            found.honeycomb,
            found.roundness,
        )
    rows = [(*kind, value) for kind, value in zip(_KINDS, values, strict=True)]
    results = []
    for quantity, statistic, unit, value in rows:
        missing = None
        if value is None or not np.isfinite(value):
            coarse = quantity == "edema_honeycomb" and found is not None
            missing = (
                Missing(
                    "M_RESOLUTION", "Slices across the limb of at most 5 mm with pixels of at most 1 mm are needed."
                )
                if coarse
                else Missing("M_NOT_ASSESSABLE", f"Too little of the {region.title} can be judged.")
            )
        results.append(
            Measurement(
                region=region,
                quantity=quantity,
                statistic=statistic,
                value=None if missing else value,
                unit=unit,
                method=METHOD,
                missing=missing,
                evidence=("edema-descriptors",),
            )
        )
    return tuple(results)


def _surface_mm2(mask: BoolArray, grid: Grid) -> float:
    total = 0.0
    for axis in range(3):
        face = grid.voxel_volume_mm3 / grid.spacing_mm[axis]
        total += face * np.count_nonzero(np.diff(mask.astype(np.int8), axis=axis))
    return float(total)


def _autocorrelation(signal: FloatArray, assessed: BoolArray, grid: Grid) -> tuple[float, float]:
    """Moran's I over next neighbors within slices, and the lag at which the correlation falls to 1/e."""
    mean = float(signal[assessed].mean())
    variance = float(signal[assessed].var())
    if variance <= 0.0:
        return 0.0, 0.0
    centered = np.where(assessed, signal - mean, 0.0)
    axes = [axis for axis in range(3) if axis != slice_axis(grid)]
    step = min(grid.spacing_mm[axis] for axis in axes)
    lags = np.arange(1, max(2, int(40.0 / step)))
    correlation = []
    for lag in lags:
        products, pairs = 0.0, 0
        for axis in axes:
            if lag >= signal.shape[axis]:
                continue
            first = np.take(centered, range(signal.shape[axis] - lag), axis=axis)
            second = np.take(centered, range(lag, signal.shape[axis]), axis=axis)
            both = np.take(assessed, range(signal.shape[axis] - lag), axis=axis) & np.take(
                assessed, range(lag, signal.shape[axis]), axis=axis
            )
            products += float((first * second).sum())
            pairs += int(np.count_nonzero(both))
        correlation.append(products / pairs / variance if pairs > 20 else 0.0)
        if correlation[-1] < np.exp(-1.0):
            break
    below = next((i for i, value in enumerate(correlation) if value < np.exp(-1.0)), len(correlation) - 1)
    return correlation[0], float(lags[below] * step)


def _entropy(values: FloatArray) -> float:
    counts, _ = np.histogram(np.clip(values, 0.5, 3.0), bins=_ENTROPY_BINS, range=(0.5, 3.0))
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum() / np.log(_ENTROPY_BINS))


def _lacunarity(edema: BoolArray, assessed: BoolArray, grid: Grid) -> float:
    """Second over squared first moment of the mass of gliding boxes of about 6 mm that lie mostly in the region."""
    if not edema.any():
        return 1.0
    size = [max(1, round(6.0 / s)) for s in grid.spacing_mm]
    filled = ndimage.uniform_filter(assessed.astype(np.float64), size)
    mass = ndimage.uniform_filter(edema.astype(np.float64), size)
    inside = filled > 0.7
    if np.count_nonzero(inside) < FEWEST_ASSESSED:
        return 1.0
    density = mass[inside] / filled[inside]
    return float((density**2).mean() / max(density.mean() ** 2, 1e-12))


def _rim(
    signal: FloatArray, edema: BoolArray, assessed: BoolArray, inside: BoolArray, grid: Grid
) -> tuple[float | None, float | None, float | None]:
    axis = slice_axis(grid)
    depth = np.zeros(inside.shape)
    sampling = [s for a, s in enumerate(grid.spacing_mm) if a != axis]
    for k in range(inside.shape[axis]):
        index: list[slice | int] = [slice(None)] * 3
        index[axis] = k
        plane = np.pad(inside[tuple(index)], 1)
        depth[tuple(index)] = ndimage.distance_transform_edt(plane, sampling=sampling)[1:-1, 1:-1]
    rim, core = assessed & (depth <= RIM_MM), assessed & (depth > RIM_MM)
    if min(np.count_nonzero(rim), np.count_nonzero(core)) < FEWEST_ASSESSED:
        return None, None, None
    pooled = float(np.sqrt((signal[rim].var() + signal[core].var()) / 2.0))
    index_value = float(signal[rim].mean() - signal[core].mean()) / max(pooled, 1e-9)
    return index_value, float(edema[rim].mean()), float(edema[core].mean())


def sheetness(signal: FloatArray, grid: Grid) -> FloatArray:
    """How much each voxel lies on a bright sheet within its slice, 0 to 1 (Hessian eigenvalues, largest over scales).

    Slices are thick, so the sheet is looked for within the slice, where it is a ridge.
    """
    axis = slice_axis(grid)
    best = np.zeros(signal.shape)
    axes = [a for a in range(3) if a != axis]
    for scale in SHEET_SCALES_MM:
        sigma = [0.0 if a == axis else max(scale / grid.spacing_mm[a], 0.5) for a in range(3)]

        def second(i: int, j: int, sigma: list[float] = sigma) -> FloatArray:
            order = [0, 0, 0]
            order[axes[i]] += 1
            order[axes[j]] += 1
            return np.asarray(ndimage.gaussian_filter(signal, sigma, order=order))

        a, b, c = second(0, 0), second(0, 1), second(1, 1)
        middle, half = (a + c) / 2.0, np.sqrt(((a - c) / 2.0) ** 2 + b**2)
        low, high = middle - half, middle + half  # low is the most negative: across a bright ridge
        strength = np.hypot(low, high)
        ridge = np.abs(high) / np.maximum(np.abs(low), 1e-12)
        cut = 0.5 * float(strength.max(initial=0.0)) + 1e-12
        value = np.exp(-(ridge**2) / (2 * 0.5**2)) * (1.0 - np.exp(-(strength**2) / (2 * cut**2)))
        best = np.maximum(best, np.where((low < 0) & (np.abs(low) > np.abs(high)), value, 0.0))
    return best


def _honeycomb(signal: FloatArray, edema: BoolArray, grid: Grid) -> float | None:
    axis = slice_axis(grid)
    pixel = max(s for a, s in enumerate(grid.spacing_mm) if a != axis)
    too_coarse = pixel > HONEYCOMB_PIXEL_MM + 1e-6 or grid.spacing_mm[axis] > HONEYCOMB_SLICE_MM + 1e-6
    if too_coarse or not cuts_across(grid):
        return None
    if not edema.any():
        return 0.0
    return float((sheetness(np.clip(signal, 0.5, 3.0), grid)[edema] > 0.5).mean())


def _roundness(clusters: NDArray[np.integer], grid: Grid) -> float | None:
    axis = slice_axis(grid)
    across = tuple(a for a in range(3) if a != axis)
    areas, shapes = [], []
    for number in range(1, int(clusters.max(initial=0)) + 1):
        mask = clusters == number
        counts = mask.sum(axis=across)
        largest = int(np.argmax(counts))
        if counts[largest] < FEWEST_PIXELS_OF_A_SHAPE:
            continue
        plane = ndimage.binary_fill_holes(np.pad(np.take(mask, largest, axis=axis), 1))
        around = float(perimeter_crofton(plane, directions=4))
        shapes.append(min(1.0, 4.0 * np.pi * float(plane.sum()) / max(around, 1e-6) ** 2))
        areas.append(float(plane.sum()))
    return float(np.average(shapes, weights=areas)) if areas else None


def _fine_power(signal: FloatArray, assessed: BoolArray, grid: Grid) -> float | None:
    variance = float(signal[assessed].var())
    if variance <= 0.0:
        return None
    axis = slice_axis(grid)
    # a Gaussian of 6/(2 pi) * 1.18 mm passes half of the power at a wavelength of 6 mm
    sigma = [0.0 if a == axis else 1.12 / s for a, s in enumerate(grid.spacing_mm)]
    weight = np.maximum(ndimage.gaussian_filter(assessed.astype(np.float64), sigma), 1e-6)
    smooth = ndimage.gaussian_filter(np.where(assessed, signal, 0.0), sigma) / weight
    return float((signal - smooth)[assessed].var() / variance)
