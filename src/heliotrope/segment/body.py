"""The body in air, its limbs, and which side each one is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Side
from heliotrope.domain.geometry import Grid

SMALLEST_LIMB_CM2 = 8.0
"""Cross-sections below this are no limb: fingers, capsules, noise. Project rule; a wrist has about 15. [cm2]"""
SECOND_LIMB_SHARE = 0.30
"""A second cross-section counts as a limb from this share of the largest. Project rule."""
NECK_MM = 11.0
"""What hangs on a limb by a neck thinner than twice this is not the limb. Project rule. [mm]"""
FUSED_WIDTH_RATIO = 1.45
"""Width over depth from which one cross-section is two touching thighs. Project rule."""


@dataclass(frozen=True, eq=False)
class Limbs:
    """Limbs found in the body.

    Parameters
    ----------
    index : uint8 array (x, y, z)
        0 outside; 1 for the limb nearer the patient's right, 2 for the one nearer the left; 1 where there is one limb.
    sides : tuple of Side or None
        Side of limb 1, 2; None where geometry cannot tell.
    side_reason : str
        How the sides were decided.
    appendages : bool array (x, y, z)
        Body that belongs to no limb: capsules on the skin, hands, genitals.
    joined_slices : tuple of int
        Axial slices where the limbs touch and were parted by a path.
    """

    index: NDArray[np.uint8]
    sides: tuple[Side | None, ...]
    side_reason: str
    appendages: NDArray[np.bool_]
    joined_slices: tuple[int, ...] = ()


def disc(radius_mm: float, spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Disc as structuring element."""
    reach = [max(0, int(np.floor(radius_mm / s))) for s in spacing_mm]
    x = np.arange(-reach[0], reach[0] + 1)[:, None] * spacing_mm[0]
    y = np.arange(-reach[1], reach[1] + 1)[None, :] * spacing_mm[1]
    return np.asarray(np.hypot(x, y) <= radius_mm + 1e-6)


def depth_mm(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float], *, open_border: bool = True
) -> NDArray[np.float32]:
    """In-plane distance of each pixel of a slice to the nearest pixel outside `mask`.

    With `open_border` the image border is not an outside: what the field of view cuts goes on beyond it.
    """
    if not mask.any():
        return np.zeros(mask.shape, dtype=np.float32)
    padded = np.pad(mask, 1, mode="edge" if open_border else "constant")
    if padded.all():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    inner = ndimage.distance_transform_edt(padded, sampling=spacing_mm)[1:-1, 1:-1]
    return np.asarray(inner, dtype=np.float32)


def open_mask(mask: NDArray[np.bool_], radius_mm: float, spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Opening of a slice by a disc, by distance; the image border does not erode."""
    core = depth_mm(mask, spacing_mm) > radius_mm
    if not core.any():
        return core
    return np.asarray(ndimage.distance_transform_edt(~core, sampling=spacing_mm) <= radius_mm)


def closed_slices(mask: NDArray[np.bool_], radius_mm: float, spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Closing of every slice (x, y, z) by a disc, holes filled."""
    pad = int(np.ceil(radius_mm / min(spacing_mm))) + 2
    closed = np.zeros_like(mask)
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        near = ndimage.distance_transform_edt(~np.pad(mask[:, :, k], pad), sampling=spacing_mm) <= radius_mm
        inner = ndimage.distance_transform_edt(ndimage.binary_fill_holes(near), sampling=spacing_mm) > radius_mm
        closed[:, :, k] = inner[pad:-pad, pad:-pad] | mask[:, :, k]
    return closed


def close_limbs(limbs: Limbs, radius_mm: float, spacing_mm: tuple[float, float]) -> Limbs:
    """Every limb closed for itself: dark bone under the skin belongs to it, the gap between two limbs to none."""
    index = limbs.index.copy()
    for n in range(1, len(limbs.sides) + 1):
        index[closed_slices(limbs.index == n, radius_mm, spacing_mm) & (limbs.index == 0)] = n
    return replace(limbs, index=index, appendages=limbs.appendages & (index == 0))


def largest_components(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Connected parts of a slice, largest first."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return []
    sizes = np.bincount(labels.ravel())[1:]
    return [labels == 1 + int(i) for i in np.argsort(sizes)[::-1]]


def _part(body: NDArray[np.bool_], signal: NDArray[np.floating], spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Bool slice of the right-hand (low x) half of two touching limbs, along the cheapest front-to-back path."""
    depth = np.minimum(depth_mm(body, spacing_mm, open_border=False), 40.0) / 40.0
    columns = np.flatnonzero(body.any(axis=1))
    low, high = int(columns[0]), int(columns[-1])
    width = high - low + 1
    start, stop = low + int(0.3 * width), high + 1 - int(0.3 * width)
    level = float(np.median(signal[body]))
    bright = np.clip(signal / max(level, 1e-6), 0.0, 2.0)
    middle = 0.5 * (low + high)
    pull = np.abs(np.arange(body.shape[0]) - middle)[:, None] / width
    cost = (np.where(body, 0.3 + depth + 0.6 * bright, 0.15) + 0.4 * pull)[start:stop]
    total = np.array(cost)
    back = np.zeros(cost.shape, dtype=np.int64)
    n = cost.shape[0]
    for j in range(1, cost.shape[1]):
        padded = np.pad(total[:, j - 1], 1, constant_values=np.inf)
        choices = np.stack([padded[:n] + 0.05, padded[1 : n + 1], padded[2:] + 0.05])
        best = np.argmin(choices, axis=0)
        total[:, j] = cost[:, j] + choices[best, np.arange(n)]
        back[:, j] = best - 1
    path = np.zeros(cost.shape[1], dtype=np.int64)
    path[-1] = int(np.argmin(total[:, -1]))
    for j in range(cost.shape[1] - 1, 0, -1):
        path[j - 1] = path[j] + back[path[j], j]
    return np.asarray(np.arange(body.shape[0])[:, None] <= (path + start)[None, :])


def _is_broad(mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> bool:
    x, y = np.nonzero(mask)
    width = (int(x.max()) - int(x.min()) + 1) * spacing_mm[0]
    depth = (int(y.max()) - int(y.min()) + 1) * spacing_mm[1]
    return width > FUSED_WIDTH_RATIO * depth


def find_limbs(
    body: NDArray[np.bool_], signal: NDArray[np.floating], grid: Grid, *, single: bool | None = None
) -> Limbs:
    """Part the body into limbs and name their sides by geometry.

    Parameters
    ----------
    body : bool array (x, y, z)
        In axial axes.
    signal : float array (x, y, z)
        Any image; dark skin lines guide the path between touching thighs.
    grid : Grid
        Axial grid; its affine decides what is left.
    single : bool or None
        True when only one limb was imaged, None to find out.

    Returns
    -------
    Limbs
    """
    spacing = (grid.spacing_mm[0], grid.spacing_mm[1])
    smallest = SMALLEST_LIMB_CM2 * 100.0 / (spacing[0] * spacing[1])
    candidates: list[list[NDArray[np.bool_]]] = []
    broad: dict[int, NDArray[np.bool_]] = {}
    joined: list[int] = []
    for k in range(body.shape[2]):
        plane = body[:, :, k]
        core = open_mask(plane, NECK_MM, spacing)
        parts = [part for part in largest_components(core) if np.count_nonzero(part) >= smallest]
        if single is not True and parts:
            lobes = _lobes(parts[0], signal[:, :, k], spacing)
            if lobes:
                joined.append(k)
                parts = sorted([*lobes, *parts[1:]], key=lambda part: -int(np.count_nonzero(part)))
            elif _is_broad(parts[0], spacing):
                broad[k] = parts[0]
        candidates.append([p for p in parts if p.sum() >= SECOND_LIMB_SHARE * parts[0].sum()][:2])
    pairs = sum(1 for parts in candidates if len(parts) == 2)
    if single is False or pairs > 0.3 * sum(1 for k, parts in enumerate(candidates) if parts and k not in broad):
        for k, part in broad.items():
            right = _part(part, signal[:, :, k], spacing)
            halves = [largest_components(open_mask(part & half, NECK_MM, spacing)) for half in (right, ~right)]
            if all(halves):
                candidates[k] = [halves[0][0], halves[1][0]]
                joined.append(k)
    return _assemble(body, candidates, grid, tuple(sorted(joined)), single=single)


def _lobes(
    part: NDArray[np.bool_], signal: NDArray[np.floating], spacing_mm: tuple[float, float]
) -> list[NDArray[np.bool_]]:
    """The two limbs of a cross-section with a neck; empty when it has none."""
    depth = depth_mm(part, spacing_mm, open_border=False)
    for radius in NECK_RADII_MM:
        labels, count = ndimage.label(depth > radius)
        if count == 0:
            return []
        if count < 2:
            continue
        tops = ndimage.maximum(depth, labels, np.arange(1, count + 1))
        lobes = [i + 1 for i in np.argsort(tops)[::-1] if tops[i] > 1.35 * radius][:2]
        if len(lobes) < 2:
            continue
        centers = ndimage.center_of_mass(depth > radius, labels, lobes)
        apart = np.abs(np.subtract(*centers)) * np.asarray(spacing_mm)
        if apart[0] > apart[1]:
            right = _part(part, signal, spacing_mm)
            halves = [part & right, part & ~right]
        else:
            away = [ndimage.distance_transform_edt(labels != i, sampling=spacing_mm) for i in lobes]
            halves = [part & (away[0] <= away[1]), part & (away[0] > away[1])]
        found = [largest_components(open_mask(half, NECK_MM, spacing_mm)) for half in halves]
        return [pieces[0] for pieces in found if pieces] if all(found) else []
    return []


NECK_RADII_MM = (13.0, 16.0, 20.0, 25.0, 30.0)
"""Half widths of the neck between touching limbs that are tried, narrowest first. Project rule. [mm]"""


def _assemble(
    body: NDArray[np.bool_],
    candidates: list[list[NDArray[np.bool_]]],
    grid: Grid,
    joined: tuple[int, ...],
    *,
    single: bool | None,
) -> Limbs:
    spacing = (grid.spacing_mm[0], grid.spacing_mm[1])
    index = np.zeros(body.shape, dtype=np.uint8)
    pairs = [(k, parts) for k, parts in enumerate(candidates) if len(parts) == 2]
    two = single is not True and len(pairs) > 0.3 * sum(1 for parts in candidates if parts)
    middle = _middle_x_mm(grid, pairs) if two else None
    for k, parts in enumerate(candidates):
        chosen = parts if two else parts[:1]
        numbers = {}
        for part in chosen:
            x = _center_x_mm(grid, part, k)
            number = 1 if middle is None or x < middle else 2
            if number not in numbers:
                numbers[number] = part
        if not numbers:
            continue
        plane = body[:, :, k]
        reach = [(number, ndimage.distance_transform_edt(~part, sampling=spacing)) for number, part in numbers.items()]
        distance = np.min([d for _, d in reach], axis=0)
        owner = np.array([number for number, _ in reach], dtype=np.uint8)[np.argmin([d for _, d in reach], axis=0)]
        index[:, :, k] = np.where(plane & (distance <= 0.25 * NECK_MM), owner, 0)
    sides, reason = _name_sides(index, grid, two=two)
    return Limbs(index, sides, reason, body & (index == 0), joined if two else ())


def _center_x_mm(grid: Grid, part: NDArray[np.bool_], k: int) -> float:
    x, y = np.nonzero(part)
    return float(grid.positions_mm([x.mean(), y.mean(), k])[0])


def _middle_x_mm(grid: Grid, pairs: list[tuple[int, list[NDArray[np.bool_]]]]) -> float:
    centers = [[_center_x_mm(grid, part, k) for part in parts] for k, parts in pairs]
    return float(np.median([0.5 * (a + b) for a, b in centers]))


def _name_sides(index: NDArray[np.uint8], grid: Grid, *, two: bool) -> tuple[tuple[Side | None, ...], str]:
    if two:
        return (Side.RIGHT, Side.LEFT), "two limbs: the one toward +x of the patient is the left"
    if not index.any():
        return (None,), "no limb found"
    x, y, z = (float(np.mean(axis)) for axis in np.nonzero(index))
    position = float(grid.positions_mm([x, y, z])[0])
    if abs(position) < SIDE_OFFSET_MM:
        return (None,), f"one limb, {abs(position):.0f} mm from the midline of the scanner: its side is not known"
    side = Side.LEFT if position > 0 else Side.RIGHT
    return (side,), f"one limb, {abs(position):.0f} mm to the patient's {side} of the scanner's midline"


SIDE_OFFSET_MM = 40.0
"""A single limb nearer the scanner's midline than this gets no side from its position. Project rule. [mm]"""
