"""Long bones on MR: a fatty marrow inside a dark ring of cortex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max

from heliotrope.segment.body import depth_mm, open_mask
from heliotrope.segment.polar import PolarFrame, cheapest_closed_path

LARGEST_RADIUS_MM = 34.0
"""Largest outer radius of a bone shaft or metaphysis searched for. Project rule. [mm]"""
RING_SUPPORT = 0.62
"""Share of directions that must show a dark ring. Project rule."""
MAX_BONES = 2
"""Bones per limb cross-section: thigh and upper arm 1, leg and forearm 2."""


@dataclass(frozen=True, eq=False)
class Bone:
    """One bone in one slice.

    Parameters
    ----------
    outer, marrow : bool arrays (x, y)
    center : tuple of 2 floats
        Pixel coordinates.
    support : float
        Share of directions with a dark ring, 0 to 1.
    area_mm2 : float
        Of the outer contour. [mm2]
    """

    outer: NDArray[np.bool_]
    marrow: NDArray[np.bool_]
    center: tuple[float, float]
    support: float
    area_mm2: float


def _trace(
    brightness: NDArray[np.float32],
    fat: NDArray[np.float32],
    center: tuple[float, float],
    spacing_mm: tuple[float, float],
) -> Bone | None:
    step = 0.5
    frame = PolarFrame(center, spacing_mm, n_angles=120, step_mm=step, n_radii=int(LARGEST_RADIUS_MM / step) + 8)
    rays = frame.unwrap(brightness, outside=1.0)
    dark = np.clip((0.75 - rays) / 0.5, 0.0, 1.0)
    pixel = max(spacing_mm)
    # the first dark sample band met on the way out; what lies beyond it no longer counts
    met = np.maximum.accumulate(dark, axis=1)
    shade = ndimage.gaussian_filter1d(rays, max(0.7, 0.35 * pixel / step), axis=1)
    slope = np.gradient(shade, axis=1) / step * pixel
    width = round(max(2.5, 1.6 * pixel) / step)
    dark_inside = ndimage.maximum_filter1d(dark, width, axis=1, origin=(width - 1) // 2)
    passed = np.clip(np.cumsum(dark > 0.5, axis=1) * step - 1.0, 0.0, None)
    left = np.cumsum(((rays > 0.8) & (met > 0.5)), axis=1) * step
    cost = (
        2.0
        - np.clip(slope, 0.0, 1.0)
        - 0.8 * dark_inside
        + 0.12 * np.minimum(left, 10.0)
        - 0.02 * np.minimum(passed, 6)
    )
    cost[:, : int(3.0 / step)] = 6.0
    outer_path = cheapest_closed_path(cost.astype(np.float32), max_step=1, smoothness=0.1)
    outer_mm = ndimage.gaussian_filter1d(outer_path * step, 1.5, mode="wrap")
    index = np.arange(frame.n_radii)[None]
    allowed = (index <= outer_path[:, None] - 1) & (index >= outer_path[:, None] - int(12.0 / step))
    inner_cost = np.where(allowed, 1.5 + np.clip(slope, -1.0, 0.3), 4.0)
    inner_cost[:, :2] = 4.0
    inner_path = np.minimum(cheapest_closed_path(inner_cost.astype(np.float32), max_step=1), outer_path - 1)
    inner_mm = ndimage.gaussian_filter1d(inner_path * step, 1.5, mode="wrap")
    angles = np.arange(frame.n_angles)
    ring = np.stack(
        [rays[angles, np.clip(outer_path - offset, 0, frame.n_radii - 1)] for offset in range(1, width + 2)]
    ).min(axis=0)
    support = float(np.mean(ring < 0.55))
    shape = (brightness.shape[0], brightness.shape[1])
    outer = frame.fill(outer_mm, shape)
    marrow = frame.fill(inner_mm, shape)
    if not marrow.any() or float(np.mean(fat[marrow] > 0.4)) < 0.5:
        return None
    area = float(np.count_nonzero(outer)) * spacing_mm[0] * spacing_mm[1]
    spread = float(np.std(outer_mm) / np.mean(outer_mm))
    if spread > 0.38 or float(outer_mm.max()) > LARGEST_RADIUS_MM:
        return None
    return Bone(outer, marrow, center, support, area)


def find_bones(
    brightness: NDArray[np.float32],
    fat: NDArray[np.float32],
    void: NDArray[np.bool_],
    limb: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
) -> tuple[Bone, ...]:
    """Bones of one limb in one slice, best first.

    Parameters
    ----------
    brightness, fat : float32 arrays (x, y)
        As in `Contrast`.
    void, limb : bool arrays (x, y)
    spacing_mm : tuple of 2 floats

    Returns
    -------
    tuple of Bone
        At most `MAX_BONES`; empty when no ring is seen.
    """
    depth = depth_mm(limb, spacing_mm)
    fatty = (fat > 0.5) & ~void & (depth > 3.0)
    inner = depth_mm(fatty, spacing_mm, open_border=False)
    least = min(1.8, 1.01 * min(spacing_mm))
    spots = peak_local_max(
        ndimage.gaussian_filter(inner, 0.6),
        min_distance=max(1, round(3.0 / max(spacing_mm))),
        threshold_abs=least,
        num_peaks=24,
    )
    spots = np.concatenate([_middles_of_islands(fatty, inner, spacing_mm, least), spots])
    found: list[Bone] = []
    for x, y in spots:
        bone = _trace(brightness, fat, (float(x), float(y)), spacing_mm)
        if bone is None or bone.support < RING_SUPPORT:
            continue
        cx, cy = ndimage.center_of_mass(bone.outer)
        again = _trace(brightness, fat, (float(cx), float(cy)), spacing_mm)
        if again is not None and again.support >= bone.support - 0.02:
            bone = again
        if np.count_nonzero(bone.outer & limb) < 0.97 * np.count_nonzero(bone.outer):
            continue
        found.append(bone)
    found.sort(key=lambda bone: -bone.support * min(1.0, np.sqrt(bone.area_mm2 / 300.0)))
    chosen: list[Bone] = []
    for bone in found:
        if len(chosen) < MAX_BONES and not any((bone.outer & other.outer).any() for other in chosen):
            chosen.append(bone)
    return tuple(chosen)


def _middles_of_islands(
    fatty: NDArray[np.bool_], inner: NDArray[np.float32], spacing_mm: tuple[float, float], least_mm: float
) -> NDArray[np.int64]:
    """Deepest pixels (n, 2) of separate pieces of fat no larger than a bone, as marrow is, the thickest first.

    Thick subcutaneous fat has many places as deep as marrow and must not crowd it out.
    """
    pieces, count = ndimage.label(fatty)
    if count == 0:
        return np.zeros((0, 2), dtype=np.int64)
    numbers = np.arange(1, count + 1)
    areas = np.bincount(pieces.ravel())[1:] * spacing_mm[0] * spacing_mm[1]
    depths = np.asarray(ndimage.maximum(inner, pieces, numbers))
    fit = np.flatnonzero((areas <= np.pi * LARGEST_RADIUS_MM**2) & (depths > least_mm))
    chosen = numbers[fit[np.argsort(-depths[fit])][:MOST_ISLANDS]]
    if chosen.size == 0:
        return np.zeros((0, 2), dtype=np.int64)
    return np.asarray(ndimage.maximum_position(inner, pieces, chosen), dtype=np.int64).reshape(-1, 2)


MOST_ISLANDS = 6
"""Separate pieces of fat tried as marrow in a slice. Project rule."""


def find_dark_bones(
    brightness: NDArray[np.float32],
    fat: NDArray[np.float32],
    void: NDArray[np.bool_],
    limb: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
) -> tuple[Bone, ...]:
    """Bones on images where marrow and cortex are both dark: compact dark regions deep in the limb.

    Parameters and result are those of `find_bones`; `Bone.support` is the roundness of the region and its marrow is
    unknown (empty).
    """
    del fat
    dark = limb & ((brightness < 0.45) | void)
    skin_away = depth_mm(limb, spacing_mm) > 3.0
    core = depth_mm(dark & skin_away, spacing_mm, open_border=False) > DARK_BONE_CORE_MM
    labels, count = ndimage.label(core)
    pixel = spacing_mm[0] * spacing_mm[1]
    found: list[Bone] = []
    for i in range(1, count + 1):
        grown = ndimage.distance_transform_edt(labels != i, sampling=spacing_mm) <= DARK_BONE_CORE_MM
        outer = ndimage.binary_fill_holes(grown & limb)
        area = float(np.count_nonzero(outer)) * pixel
        x, y = np.nonzero(outer)
        cx, cy = float(x.mean()), float(y.mean())
        reach = float(np.hypot((x - cx) * spacing_mm[0], (y - cy) * spacing_mm[1]).max()) + 0.5 * min(spacing_mm)
        roundness = min(1.0, area / (np.pi * reach**2))
        if area < 120.0 or reach > LARGEST_RADIUS_MM or roundness < 0.5:
            continue
        found.append(Bone(outer, np.zeros_like(outer), (cx, cy), float(roundness), area))
    found.sort(key=lambda bone: -bone.area_mm2 * bone.support)
    return tuple(found[:MAX_BONES])


DARK_BONE_CORE_MM = 3.0
"""A dark bone holds a disc of this radius; septa and vessels do not. Project rule. [mm]"""


def marrow_like_share(fat: NDArray[np.float32], inside: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> float:
    """Largest compact piece of fat deep to the fascia, over all that lies there, as a median over slices.

    Parameters
    ----------
    fat : float32 array (x, y, z)
        As in `Contrast`.
    inside : bool array (x, y, z)
        Deep to the fascia.
    spacing_mm : tuple of 2 floats
    """
    shares = []
    for k in np.flatnonzero(inside.any(axis=(0, 1))):
        pieces, _ = ndimage.label(open_mask(inside[:, :, k] & (fat[:, :, k] > 0.5), DARK_BONE_CORE_MM, spacing_mm))
        largest = 0
        for number, box in enumerate(ndimage.find_objects(pieces), start=1):
            area = int(np.count_nonzero(pieces[box] == number))
            extent = max(n * s for n, s in zip(pieces[box].shape, spacing_mm, strict=True))
            if area * spacing_mm[0] * spacing_mm[1] > 0.5 * extent**2:
                largest = max(largest, area)
        shares.append(largest / int(np.count_nonzero(inside[:, :, k])))
    return float(np.median(shares)) if shares else 0.0


def has_bright_marrow(
    brightness: NDArray[np.float32], limb: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> bool:
    """Whether most slices show a round dark ring about a bright middle: cortex about marrow, as no water image has it.

    Parameters
    ----------
    brightness : float32 array (x, y, z)
        As in `Contrast`.
    limb : bool array (x, y, z)
    spacing_mm : tuple of 2 floats
    """
    slices = np.flatnonzero(limb.any(axis=(0, 1)))
    bright = [_bright_middle(brightness[:, :, k], limb[:, :, k], spacing_mm) for k in slices]
    return len(bright) > 0 and float(np.mean(bright)) > 0.5


def _bright_middle(brightness: NDArray[np.float32], limb: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> bool:
    deep = depth_mm(limb, spacing_mm) > RING_DEPTH_MM
    labels, _ = ndimage.label(deep & (brightness < 0.45))
    pixel = spacing_mm[0] * spacing_mm[1]
    for i, box in enumerate(ndimage.find_objects(labels), start=1):
        ring = np.pad(labels[box] == i, 1)
        whole = ndimage.binary_fill_holes(ring)
        middle = (whole & ~ring)[1:-1, 1:-1]
        area, inner = float(whole.sum()) * pixel, float(middle.sum()) * pixel
        extent = max(n * s for n, s in zip(middle.shape, spacing_mm, strict=True))
        round_enough = area > 0.5 * extent**2 and 150.0 < area < np.pi * LARGEST_RADIUS_MM**2
        if round_enough and inner > 0.1 * area and float(np.median(brightness[box][middle])) > BRIGHT_MARROW:
            return True
    return False


RING_DEPTH_MM, BRIGHT_MARROW = 10.0, 0.3
"""A bone lies this deep in a limb; brightness over muscle that fat of a water image does not reach. Project rule."""
