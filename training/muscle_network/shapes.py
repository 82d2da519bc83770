"""Label maps to tissue maps of one leg: skin, fat, fascia, bone and other muscle added around the labeled muscles.

Every leg is turned into one canonical leg: medial toward +x, anterior toward +y. Distances in millimeters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image, disk
from training.muscle_network.codes import (
    CANVAS,
    CORTEX,
    DEEP_FAT,
    MARROW,
    OTHER_LEG,
    OTHER_MUSCLE,
    PIXEL_MM,
    SKIN,
    SUBCUTANEOUS_FAT,
    VESSEL,
)

Mask = NDArray[np.bool_]
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Leg:
    """One leg in one slice.

    Parameters
    ----------
    muscles : uint8 (x, y)
        1-11 labeled muscles, 16-19 other labeled muscle.
    bone : bool (x, y) or None
        Labeled bone; None where the source has none and a femur must be placed.
    height : float
        0 at the knee end of the stack, 1 at its top.
    """

    muscles: Codes
    bone: Mask | None
    height: float


Pair = tuple[Leg | None, Leg | None]
"""Both legs in one slice, the patient's left first, on one padded grid (x to the right, y to anterior)."""


def distance_mm(mask: Mask) -> NDArray[np.float64]:
    """Distance from every pixel outside `mask` to it."""
    if not mask.any():
        return np.full(mask.shape, 999.0)
    return np.asarray(ndimage.distance_transform_edt(~mask)) * PIXEL_MM


def depth_mm(mask: Mask) -> NDArray[np.float64]:
    """Distance from every pixel inside `mask` to its edge."""
    return np.asarray(ndimage.distance_transform_edt(mask)) * PIXEL_MM


def closed(mask: Mask, radius_mm: float) -> Mask:
    """Morphological closing by a disk, unaffected by the array's edge."""
    margin = int(radius_mm / PIXEL_MM) + 2
    padded = distance_mm(np.pad(mask, margin)) <= radius_mm
    return np.asarray((depth_mm(padded) > radius_mm)[margin:-margin, margin:-margin])


def opened(mask: Mask, radius_mm: float) -> Mask:
    """Morphological opening by a disk."""
    core = depth_mm(mask) > radius_mm
    return np.asarray(distance_mm(core) <= radius_mm) if core.any() else np.zeros_like(mask)


def smooth_field(shape: tuple[int, int], scale: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Gaussian-like random field of unit deviation that varies over `scale` pixels."""
    coarse = rng.standard_normal((max(3, shape[0] // scale + 2), max(3, shape[1] // scale + 2)))
    field = ndimage.zoom(coarse, (scale, scale), order=3)[: shape[0], : shape[1]]
    return np.asarray(field / (field.std() + 1e-6))


def resample_labels(labels: Codes, spacing_mm: tuple[float, float]) -> Codes:
    """Labels on the network's pixel, by smoothed vote, so that edges are not staircases."""
    size = [max(1, round(labels.shape[axis] * spacing_mm[axis] / PIXEL_MM)) for axis in (0, 1)]
    axes = [(np.arange(size[a]) + 0.5) * PIXEL_MM / spacing_mm[a] - 0.5 for a in (0, 1)]
    grid = np.meshgrid(*axes, indexing="ij")
    result = np.zeros(size, np.uint8)
    best = np.full(size, -1.0)
    for label in np.unique(labels):
        soft = ndimage.gaussian_filter((labels == label).astype(np.float32), 0.5 * PIXEL_MM / spacing_mm[0])
        vote = ndimage.map_coordinates(soft, grid, order=1, mode="nearest")
        wins = vote > best
        result[wins], best[wins] = label, vote[wins]
    return result


def largest_pieces(labels: Codes) -> Codes:
    """Keep the largest piece of each of the eleven muscles, and all other codes."""
    kept = np.where(labels > 11, labels, 0).astype(np.uint8)
    for label in range(1, 12):
        pieces, count = ndimage.label(labels == label)
        if count:
            areas = ndimage.sum(labels == label, pieces, range(1, count + 1))
            kept[pieces == 1 + int(np.argmax(areas))] = label
    return kept


def _placed_femur(leg: Leg, muscles: Mask, rng: np.random.Generator) -> Mask | None:
    """A femur in the hole that the vasti leave, where the source labels none."""
    quadriceps = np.isin(leg.muscles, [3, 4, 5])
    quadriceps = quadriceps if quadriceps.any() else muscles
    near = distance_mm(convex_hull_image(quadriceps)) <= 5
    anchor = leg.muscles == 4 if (leg.muscles == 4).sum() > 20 else quadriceps
    away = distance_mm(anchor)
    room = np.asarray(ndimage.distance_transform_edt(~muscles)) * PIXEL_MM
    allowed = convex_hull_image(muscles) & near & ~muscles & (away < 24)
    if not allowed.any():
        return None
    center = np.unravel_index(np.where(allowed, np.minimum(room, 18) - 0.15 * away, -99).argmax(), muscles.shape)
    low = leg.height <= 0.3
    limit = rng.uniform(16, 25 + 40 * (0.3 - leg.height)) if low else rng.uniform(14, 17)
    radius = min(room[center] + rng.uniform(0.5, 3), limit)
    if radius <= 6:
        return None
    x, y = np.indices(muscles.shape)
    angle = np.arctan2(y - center[1], x - center[0])
    shape = 1 + rng.uniform(0, 0.08) * np.cos(2 * angle + rng.uniform(0, 6))
    shape += rng.uniform(0, 0.06) * np.cos(3 * angle + rng.uniform(0, 6))
    disk_mm = np.hypot(x - center[0], y - center[1]) * PIXEL_MM
    femur = opened((disk_mm < radius * shape) & ~muscles, 2)
    pieces, count = ndimage.label(femur)
    return np.asarray(pieces == pieces[center]) if count and pieces[center] else None


def _add_other_muscle(tissue: Codes, leg: Leg, gaps: Mask, rng: np.random.Generator) -> None:
    """Fill large unlabeled gaps under the fascia with other muscle: adductors and glutei above, calf heads below."""
    likely = float(np.clip((leg.height - 0.25) / 0.3, 0.04, 0.93))
    pieces, count = ndimage.label(opened(gaps & (depth_mm(gaps) > rng.uniform(0.5, 2.0)), 1.5))
    for piece in range(1, count + 1):
        points = np.argwhere(pieces == piece)
        area = len(points) * PIXEL_MM**2
        if area < 60 or rng.random() >= likely:
            continue
        n_parts = 1 + int(area > 500) + int(area > 1200) + int(rng.random() < 0.4)
        seeds = points[rng.choice(len(points), min(n_parts, len(points)), replace=False)]
        owner = ((points[None] - seeds[:, None]) ** 2).sum(2).argmin(0)
        tissue[points[:, 0], points[:, 1]] = OTHER_MUSCLE[0] + owner % len(OTHER_MUSCLE)


def _add_vessels(
    tissue: Codes, code: int, largest: int, radius_mm: tuple[float, float], rng: np.random.Generator
) -> None:
    room = depth_mm(tissue == code)
    candidates = np.argwhere(room > 2.0)
    x, y = np.indices(tissue.shape)
    for _ in range(int(rng.integers(0, largest))):
        if len(candidates) == 0:
            return
        center = candidates[rng.integers(len(candidates))]
        radius = rng.uniform(*radius_mm) / PIXEL_MM
        tissue[((x - center[0]) ** 2 + (y - center[1]) ** 2 < radius**2) & (tissue == code)] = VESSEL


def _under_fascia(leg: Leg, rng: np.random.Generator) -> tuple[Codes, Mask]:
    """Tissue under the fascia of one leg, and the region the fascia bounds."""
    occupied = np.argwhere(leg.muscles > 0 if leg.bone is None else (leg.muscles > 0) | leg.bone)
    low, high = np.maximum(occupied.min(0) - 14, 0), occupied.max(0) + 15
    window = (slice(low[0], high[0]), slice(low[1], high[1]))
    inner = Leg(leg.muscles[window], None if leg.bone is None else leg.bone[window], leg.height)
    muscles = inner.muscles > 0
    bone = inner.bone if inner.bone is not None else _placed_femur(inner, muscles, rng)
    full = muscles if bone is None else muscles | bone
    hull = convex_hull_image(full)
    snug = inner.height <= 0.45 and rng.random() >= 0.4
    bounded = closed(full, rng.uniform(12, 36)) & hull if snug else hull
    if rng.random() < 0.6:
        bounded = ndimage.binary_dilation(bounded, disk(1))
    bounded |= full
    tissue = inner.muscles.copy()
    tissue[bounded & (tissue == 0)] = DEEP_FAT
    if leg.bone is None:
        _add_other_muscle(tissue, inner, bounded & ~full, rng)
    if bone is not None and bone.any():
        tissue[bone] = MARROW
        thin = rng.uniform(3.5, 7) if inner.height > 0.3 else rng.uniform(1.2, 4)
        tissue[bone & (depth_mm(bone) <= thin)] = CORTEX
    _add_vessels(tissue, DEEP_FAT, 5, (1.5, 4.0), rng)
    whole = np.zeros(leg.muscles.shape, np.uint8)
    region = np.zeros(leg.muscles.shape, bool)
    whole[window], region[window] = tissue, bounded
    return whole, region


def tissue_map(legs: Pair, side: int, rng: np.random.Generator) -> Codes:
    """Draw one random variant of the tissues around both legs.

    Parameters
    ----------
    legs : pair of Leg or None
        The one of `side` must be there.
    side : 0 or 1
        The leg whose tissue keeps its code; `OTHER_LEG` is added to that of the other.

    Returns
    -------
    uint8 array of the legs' shape
        Codes of `training.muscle_network.codes`.
    """
    own = legs[side]
    assert own is not None
    shape = own.muscles.shape
    # drawn apart, so that slices sharing a seed share fat and skin whatever lies under their fascia
    deep, rng = rng.spawn(2)
    parts = [None if leg is None else _under_fascia(leg, deep) for leg in legs]
    distances = [np.full(shape, 999.0) if part is None else distance_mm(part[1]) for part in parts]
    fat_mm = rng.choice([rng.uniform(2.5, 9), rng.uniform(6, 18), rng.uniform(12, 40)], p=[0.35, 0.45, 0.2])
    body = np.zeros(shape, bool)
    for part, distance in zip(parts, distances, strict=True):
        if part is not None:
            local = fat_mm * (1 + np.clip(0.35 * smooth_field(shape, 50, rng), -0.6, 0.9))
            body |= distance < np.maximum(local, 1.5)
    body = closed(body, rng.uniform(1.5, 9))
    nearer = distances[side] <= distances[1 - side]
    touching = own.height > 0.85 and rng.random() < 0.7
    gap_mm = 0.0 if touching or rng.random() >= 0.7 else rng.uniform(0, 5)
    under = np.zeros(shape, bool)
    for part in parts:
        if part is not None:
            under |= part[0] > 0
    between = (np.abs(distances[0] - distances[1]) < gap_mm) & (np.minimum(*distances) < 200)
    body = (body & ~between) | under
    if gap_mm == 0:
        body = np.asarray(ndimage.binary_fill_holes(body))
    result = np.zeros(shape, np.uint8)
    result[body] = SUBCUTANEOUS_FAT
    if rng.random() < 0.8:
        result[body & (depth_mm(body) <= rng.uniform(1.2, 2.9))] = SKIN
    _add_vessels(result, SUBCUTANEOUS_FAT, 4, (1.0, 2.4), rng)
    result[body & ~nearer] += OTHER_LEG
    other, mine = parts[1 - side], parts[side]
    if other is not None:
        result[other[0] > 0] = other[0][other[0] > 0] + OTHER_LEG
    assert mine is not None
    result[mine[0] > 0] = mine[0][mine[0] > 0]
    return result


def center_of(tissue: Codes) -> tuple[int, int]:
    """Pixel at the center of the leg that keeps its codes, skin and fat included."""
    x, y = np.round(np.argwhere((tissue > 0) & (tissue < OTHER_LEG)).mean(0)).astype(int)
    return int(x), int(y)


def canonical(tissue: Codes, side: int, center: tuple[int, int]) -> Codes:
    """Tissue map (CANVAS, CANVAS) about a center, a right leg mirrored so that medial is at +x."""
    padded = np.pad(tissue, CANVAS)
    x, y = (place + CANVAS - CANVAS // 2 for place in center)
    crop = padded[x : x + CANVAS, y : y + CANVAS]
    return np.ascontiguousarray(crop[::-1] if side == 1 else crop)
