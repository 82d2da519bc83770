"""The deep fascia as a surface: one closed path per limb and slice, found where lean tissue meets the outer fat.

The fascia itself is thinner than a voxel of any whole-limb image; it is located, not painted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.segment.body import open_mask
from heliotrope.segment.polar import PolarFrame, cheapest_closed_path

FORBIDDEN_MM = 2.0
"""The outermost layer under the surface where no fascia runs: skin. Project rule. [mm]"""
SHORTEST_RADIUS_MM = 8.0
"""No fascia nearer to the center of the limb than this. Project rule. [mm]"""
LEAN_LIMIT = 0.5
"""Fat share below which tissue outside a path argues against it."""
LINKED_SLICES_MM = 12.0
"""Slices nearer than this steady one another. Project rule. [mm]"""


@dataclass(frozen=True, eq=False)
class FasciaSurface:
    """The fascia of one limb.

    Parameters
    ----------
    inside : bool array (x, y, z)
        Deep to the fascia, in axial axes.
    radii_mm : float array (z, angle)
        Distance of the fascia from `centers`; NaN in slices without the limb. [mm]
    centers : float array (z, 2)
        Pixel coordinates of the centers.
    confidence : float array (z,)
        Share of the angles at which a lean-to-fat edge supports the path, 0 to 1.
    skin_mm : float
        Median thickness from the surface to the first fat. [mm]
    """

    inside: NDArray[np.bool_]
    radii_mm: NDArray[np.float64]
    centers: NDArray[np.float64]
    confidence: NDArray[np.float64]
    skin_mm: float


def _center(limb: NDArray[np.bool_], lean: NDArray[np.bool_]) -> tuple[float, float]:
    weight = limb * 0.25 + (limb & lean)
    x, y = ndimage.center_of_mass(weight)
    return float(x), float(y)


@dataclass(frozen=True, eq=False)
class _Rays:
    frame: PolarFrame
    fat: NDArray[np.float32]
    neutral: NDArray[np.bool_]
    in_view: NDArray[np.bool_]
    surface: NDArray[np.int64]


def _without_strands(
    fat: NDArray[np.float32], limb: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> NDArray[np.float32]:
    """Share of fat with thin lean strands in fat counted as mostly fat: edema of the septa of the subcutis is no "
    "muscle.
    """
    sigma = (STRAND_MM / spacing_mm[0], STRAND_MM / spacing_mm[1])
    weight = ndimage.gaussian_filter(limb.astype(np.float32), sigma)
    around = ndimage.gaussian_filter(np.where(limb, fat, 0.0).astype(np.float32), sigma) / np.maximum(weight, 1e-3)
    strand = limb & (fat < LEAN_LIMIT) & (around > STRAND_FAT)
    return np.where(strand, fat + 0.75 * (1.0 - fat), fat).astype(np.float32)


STRAND_MM = 3.0
"""Width over which the surroundings of a strand are judged. Project rule. [mm]"""
STRAND_FAT = 0.48
"""Lean voxels whose surroundings hold more fat than this are strands. Project rule."""


def _rays(
    fat: NDArray[np.float32],
    limb: NDArray[np.bool_],
    neutral: NDArray[np.bool_] | None,
    center: tuple[float, float],
    spacing_mm: tuple[float, float],
) -> _Rays:
    x, y = np.nonzero(limb)
    reach = float(np.hypot((x - center[0]) * spacing_mm[0], (y - center[1]) * spacing_mm[1]).max())
    frame = PolarFrame(center, spacing_mm, n_radii=int(reach / 0.5) + 12)
    here = frame.unwrap(limb.astype(np.float32))
    present = here >= 0.5
    n = frame.n_radii
    surface = np.where(present.any(axis=1), n - 1 - np.argmax(present[:, ::-1], axis=1), 0).astype(np.int64)
    coordinates = frame.coordinates()
    in_view = np.all((coordinates >= -0.5) & (coordinates <= (np.asarray(limb.shape) - 0.5)[:, None, None]), axis=0)
    guard = np.zeros((frame.n_angles, n), dtype=bool)
    if neutral is not None and neutral.any():
        guard = frame.unwrap(neutral.astype(np.float32), order=0) > 0.5
    return _Rays(frame, frame.unwrap(fat), guard, in_view, surface)


def _forbidden_mm(spacing_mm: tuple[float, float]) -> float:
    """Depth of the layer without fascia: skin, and what a coarse pixel blurs of it. [mm]"""
    return max(FORBIDDEN_MM, 1.5 * max(spacing_mm))


def _cost(rays: _Rays) -> NDArray[np.float32]:
    """Cost of spec C8.4, with the share of fat in the place of Hounsfield units."""
    fat, n = rays.fat, rays.frame.n_radii
    index = np.arange(n)[None]
    skin = round(_forbidden_mm(rays.frame.spacing_mm) / rays.frame.step_mm)
    within = index <= rays.surface[:, None] - skin
    edge = np.clip(4.0 * np.gradient(ndimage.gaussian_filter1d(fat, 0.7, axis=1), axis=1), 0.0, 1.2)
    outer = ndimage.uniform_filter1d((fat > LEAN_LIMIT).astype(np.float32), 5, axis=1)
    outer = np.roll(outer, -4, axis=1)
    lean = np.where(within & ~rays.neutral & rays.in_view, np.clip(1.5 - 2.0 * fat, 0.0, 1.0), 0.0)
    beyond = lean[:, ::-1].cumsum(axis=1)[:, ::-1]
    beyond = np.roll(beyond, -4, axis=1)
    beyond[:, -4:] = 0
    cost = 1.5 - edge - 0.6 * outer + 0.10 * np.minimum(beyond, 25)
    guard = ndimage.binary_dilation(rays.neutral, structure=np.ones((1, 11), dtype=bool))
    cost[guard] = 0.55
    if rays.neutral.any():
        pull = ndimage.gaussian_filter1d(rays.neutral.astype(np.float32), 3, axis=1)
        cost[rays.neutral] = 0.5 - 0.10 * pull[rays.neutral]
    # where the field of view cuts the limb, the fascia may lie beyond it
    cut = ~rays.in_view[np.arange(rays.frame.n_angles), np.minimum(rays.surface + 2, n - 1)]
    near = index >= (rays.surface[:, None] - skin)
    cost = np.where(cut[:, None] & near & (index <= rays.surface[:, None] + 6), 0.9, cost)
    forbidden = np.where(cut[:, None], index > rays.surface[:, None] + 6, ~within)
    forbidden |= index < int(SHORTEST_RADIUS_MM / rays.frame.step_mm)
    return np.where(forbidden, 6.0, cost).astype(np.float32)


def _envelope(lean: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Closing of the muscles with a margin: the surface where the limb is not star-shaped (spec C8.4)."""
    thick = open_mask(lean, 2.0, spacing_mm)
    if not thick.any():
        return np.ones_like(lean)
    reach = int(np.ceil(CLOSING_MM / min(spacing_mm))) + 2
    padded = np.pad(thick, reach)
    wide = ndimage.distance_transform_edt(~padded, sampling=spacing_mm) <= CLOSING_MM
    closed = ndimage.distance_transform_edt(wide, sampling=spacing_mm) > CLOSING_MM - SHEET_REACH_MM
    return np.asarray(closed[reach:-reach, reach:-reach])


STAR_SHAPED = 0.75
"""Support of a path below which the surface is drawn from the closing of the muscles instead. Project rule."""
CLOSING_MM = 14.0
"""Gaps between muscles up to twice this are bridged. Project rule. [mm]"""


def _to_outer_sheet(rays: _Rays, path: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move a path from the surface of the muscles out to the thin sheet that bounds the subcutaneous fat.

    Fat may lie between muscle and fascia. Seen from the skin, the fascia is then the first lasting drop of fat: the
    outermost
    edge within `SHEET_REACH_MM` beyond which nothing but fat remains. Where no sheet is seen the path stays.
    """
    step, n = rays.frame.step_mm, rays.frame.n_radii
    half = max(1, round(0.6 * max(1.0, *rays.frame.spacing_mm) / step))
    lean = 1.0 - rays.fat
    lean[rays.neutral] = 0.5
    drop = np.zeros_like(lean)
    drop[:, half : n - half] = lean[:, : n - 2 * half] - lean[:, 2 * half :]
    index = np.arange(n)[None]
    skin = round((_forbidden_mm(rays.frame.spacing_mm) + 1.0) / step)
    counted = np.where(index <= rays.surface[:, None] - skin, lean, 0.0).astype(np.float32)
    width = round(3.5 / step)
    beyond = ndimage.maximum_filter1d(counted, width, axis=1, origin=-((width - 1) // 2))
    beyond = np.roll(beyond, -(half + 1), axis=1)
    cost = 1.0 - np.clip(drop / 0.5, 0.0, 1.0) + SHEET_BEYOND * np.clip((beyond - 0.2) / 0.25, 0.0, 1.0)
    reach = round(SHEET_REACH_MM / step)
    allowed = (index >= path[:, None] - 1) & (index <= path[:, None] + reach)
    allowed &= index <= rays.surface[:, None] - round(_forbidden_mm(rays.frame.spacing_mm) / step)
    stay = np.maximum(index - path[:, None], 0) * step
    cost = np.where(allowed | (index == path[:, None]), cost + SHEET_PULL_PER_MM * stay, 6.0)
    return cheapest_closed_path(cost.astype(np.float32), smoothness=0.1)


SHEET_REACH_MM = 4.5
"""How far outside the muscles the fascia is looked for; perimuscular fat is 0-3.5 mm (spec H1). [mm]"""


SHEET_PULL_PER_MM, SHEET_BEYOND = 0.1, 0.5
"""Cost of each millimeter away from the muscles, and of anything but fat further out. Project rule."""


def _skin_mm(rays: _Rays) -> NDArray[np.float64]:
    """Thickness from the surface to the first fat per angle; NaN where no fat lies within 6 mm."""
    n_angles, n = rays.fat.shape
    result = np.full(n_angles, np.nan)
    for angle in range(n_angles):
        top = int(rays.surface[angle])
        if not rays.in_view[angle, min(top + 2, n - 1)]:
            continue
        low = max(0, top - int(6.0 / rays.frame.step_mm))
        fatty = np.flatnonzero(rays.fat[angle, low : top + 1] > LEAN_LIMIT)
        if fatty.size:
            result[angle] = (top - low - int(fatty[-1])) * rays.frame.step_mm
    return result


def find_fascia(
    fat: NDArray[np.float32],
    limb: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    *,
    neutral: NDArray[np.bool_] | None = None,
    supple: bool = False,
) -> FasciaSurface:
    """Locate the deep fascia of one limb, slice by slice.

    Parameters
    ----------
    fat : float32 array (x, y, z)
        Share of fat 0 to 1 in axial axes: 1 in fat, 0 in muscle, cortex and air.
    limb : bool array (x, y, z)
    spacing_mm : tuple of 3 floats
    neutral : bool array (x, y, z) or None
        Voxels that are no evidence for or against a path: calcium on CT, dilated by its blur.
    supple : bool
        Let the path turn more sharply, as about a trunk, whose fat is far from evenly thick.

    Returns
    -------
    FasciaSurface

    Notes
    -----
    Closed minimal path in polar coordinates about the smoothed center of the limb. Holds where the limb is
    star-shaped about
    its lean center: thigh, leg, arm; at the groin and buttock it is an approximation and the confidence falls.
    """
    plane = (spacing_mm[0], spacing_mm[1])
    n_slices = limb.shape[2]
    slices = [k for k in range(n_slices) if np.count_nonzero(limb[:, :, k]) > 50]
    centers = np.full((n_slices, 2), np.nan)
    for k in slices:
        centers[k] = _center(limb[:, :, k], fat[:, :, k] < LEAN_LIMIT)
    linked = spacing_mm[2] <= LINKED_SLICES_MM
    if linked and len(slices) > 2:
        centers[slices] = ndimage.gaussian_filter1d(
            centers[slices], max(0.4, 5.0 / spacing_mm[2]), axis=0, mode="nearest"
        )
    radii = np.full((n_slices, 360), np.nan)
    confidence = np.zeros(n_slices)
    thickness: list[NDArray[np.float64]] = []
    all_rays: dict[int, _Rays] = {}
    prior: NDArray[np.float64] | None = None
    for k in slices:
        guard = None if neutral is None else neutral[:, :, k]
        rays = _rays(fat[:, :, k], limb[:, :, k], guard, (float(centers[k, 0]), float(centers[k, 1])), plane)
        solid = rays.frame.unwrap(_without_strands(fat[:, :, k], limb[:, :, k], plane))
        cost = _cost(replace(rays, fat=solid))
        if prior is not None and linked:
            steps = np.abs(np.arange(rays.frame.n_radii)[None] - prior[:, None] / rays.frame.step_mm)
            cost = (cost + 0.05 * np.minimum(steps, 12) * min(1.0, 3.0 / spacing_mm[2])).astype(np.float32)
        max_step, smoothness = (5, 0.02) if supple else (2, 0.15)
        path = _to_outer_sheet(rays, cheapest_closed_path(cost, max_step=max_step, smoothness=smoothness))
        radii[k] = path * rays.frame.step_mm
        prior = radii[k]
        thickness.append(_skin_mm(rays))
        all_rays[k] = rays
    radii[slices] = _steady(radii[slices], spacing_mm[2] if linked else np.inf)
    inside = np.zeros(limb.shape, dtype=bool)
    for k in slices:
        rays = all_rays[k]
        inside[:, :, k] = rays.frame.fill(radii[k], (limb.shape[0], limb.shape[1])) & limb[:, :, k]
        confidence[k] = _support(rays, radii[k])
        if confidence[k] < STAR_SHAPED:
            inside[:, :, k] &= _envelope(inside[:, :, k] & (fat[:, :, k] < LEAN_LIMIT), plane)
            # fat that muscle encloses lies deep to the fascia
            inside[:, :, k] = ndimage.binary_fill_holes(inside[:, :, k]) & limb[:, :, k]
    measured = np.concatenate(thickness) if thickness else np.array([np.nan])
    measured = measured[np.isfinite(measured)]
    skin = float(np.median(measured)) if measured.size > 20 else float("nan")
    return FasciaSurface(inside, radii, centers, confidence, skin)


def distance_to_fascia_mm(inside: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Signed distance within each slice to the surface around `inside`: negative deep to it, positive outside. [mm]

    Parameters
    ----------
    inside : bool array (x, y, z)
        Deep to the fascia, as in `FasciaSurface.inside`, in axial axes.
    spacing_mm : tuple of 3 floats

    Returns
    -------
    float32 array (x, y, z)
        NaN in slices that hold no part of `inside`. Exact to half a pixel.

    Examples
    --------
    >>> row = np.array([[[False], [True], [True], [True], [False], [False]]]).transpose(1, 0, 2)
    >>> distance_to_fascia_mm(np.repeat(row, 3, axis=1), (2.0, 2.0, 5.0))[:, 1, 0].tolist()
    [1.0, -1.0, -3.0, -1.0, 1.0, 3.0]
    """
    plane, half = spacing_mm[:2], 0.25 * (spacing_mm[0] + spacing_mm[1])
    distance = np.full(inside.shape, np.nan, dtype=np.float32)
    for k in np.flatnonzero(inside.any(axis=(0, 1))):
        deep = np.pad(inside[:, :, k], 1, mode="edge")
        within = ndimage.distance_transform_edt(deep, sampling=plane)[1:-1, 1:-1]
        beyond = ndimage.distance_transform_edt(~deep, sampling=plane)[1:-1, 1:-1]
        distance[:, :, k] = np.where(inside[:, :, k], half - within, beyond - half)
    return distance


def _steady(radii: NDArray[np.float64], slice_spacing_mm: float) -> NDArray[np.float64]:
    """Median and Gaussian over angle and, for near slices, along the limb."""
    if radii.shape[0] == 0:
        return radii
    wrapped = np.concatenate([radii[:, -12:], radii, radii[:, :12]], axis=1)
    along = 1 if not np.isfinite(slice_spacing_mm) else 2 * int(3.0 / slice_spacing_mm) + 1
    sigma = 0.0 if not np.isfinite(slice_spacing_mm) else min(1.5, 1.5 / slice_spacing_mm)
    smooth = ndimage.median_filter(wrapped, size=(along, 7), mode="nearest")
    smooth = ndimage.gaussian_filter(smooth, (sigma, 1.2), mode="nearest")
    return np.asarray(smooth[:, 12:-12])


def _support(rays: _Rays, radii_mm: NDArray[np.float64]) -> float:
    angles = np.arange(rays.frame.n_angles)

    def sample(offset_mm: float) -> NDArray[np.float32]:
        index = np.clip(np.round((radii_mm + offset_mm) / rays.frame.step_mm), 0, rays.frame.n_radii - 1)
        return np.asarray(rays.fat[angles, index.astype(np.int64)])

    step = max(1.5, 1.2 * max(rays.frame.spacing_mm))
    return float(np.mean(sample(step) - sample(-step) > 0.3))
