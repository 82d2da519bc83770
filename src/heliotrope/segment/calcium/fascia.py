"""Skin and deep fascia of a limb as closed surfaces around its axis, with calcium treated as unknown.

The fascia is thinner than a voxel: it is located as the outer border of the lean compartment, not segmented. Next to
calcium the image says nothing about it; there the surface is carried across by its neighborhood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.physics.ct_attenuation import AIR_HU
from heliotrope.segment.calcium.body import SKIN_LIMIT_HU
from heliotrope.segment.calcium.geometry import Mask, Spacing

N_ANGLES = 360
RADIAL_STEP_MM = 0.5

OUTER_FACE_MM = 0.55
"""From the middle of the deep fascia to the edge seen in CT; the fascia is 0.56 to 1.11 mm thick. [mm]"""

_GUARD_MM = 2.5
_SKIN_GUARD_MM = 3.0
_SHALLOW_MM = 5.0
_HARMONICS = 8
_INNERMOST_MM = 12.0
_LARGEST_STEP = 2
_STEP_COST = 0.15
_PRIOR_COST = 0.05
_GRADIENT_HU = 40.0
_DARK_FAT_HU = -55.0
_LEAN_HU = -30.0
_BARELY_LEAN_HU = (-85.0, -35.0)
_LEAN_BEYOND_COST = 0.2


@dataclass(frozen=True, eq=False)
class LimbSurfaces:
    """Skin and deep fascia of one limb.

    Parameters
    ----------
    center : float array (z, 2)
        Limb axis per slice. [voxel index]
    skin_radius_mm, fascia_radius_mm : float arrays (z, n_angles)
        Distances from the axis; NaN-free. [mm]
    skin_thickness_mm : float
        Median distance from air to subcutaneous fat. [mm]
    unsure : bool array (z,)
        Slices in which the outline is not star-shaped or leaves the image.
    """

    center: NDArray[np.float64]
    skin_radius_mm: NDArray[np.float64]
    fascia_radius_mm: NDArray[np.float64]
    skin_thickness_mm: float
    unsure: Mask

    def signed_distances(
        self, shape: tuple[int, int, int], spacing: Spacing
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Distance to the fascia (outside positive) and depth below the skin (outside negative), voxel by voxel.
        [mm]
        """
        distance, depth = np.empty(shape, np.float32), np.empty(shape, np.float32)
        _distances(
            self.center,
            self.fascia_radius_mm,
            self.skin_radius_mm,
            _slant(self.fascia_radius_mm, spacing[2]),
            _slant(self.skin_radius_mm, spacing[2]),
            spacing[0],
            spacing[1],
            distance,
            depth,
        )
        return distance, depth


def find_surfaces(
    smoothed: NDArray[np.float32], limb: Mask, calcium: Mask, bone: Mask, spacing: Spacing
) -> LimbSurfaces | None:
    """Skin and fascia by a minimal closed path per slice.

    Parameters
    ----------
    smoothed : float32 array (x, y, z)
        CT after 0.6 mm smoothing. [HU]
    limb, calcium, bone : bool arrays
        One limb; calcium widened by 1.2 mm; bone.
    spacing : tuple of 3 floats
        [mm]

    Returns
    -------
    LimbSurfaces or None
        None when the limb is empty in more than half of the slices.
    """
    levels = np.flatnonzero(limb.any(axis=(0, 1)))
    if levels.size < max(3, limb.shape[2] // 2):
        return None
    center = _axis(limb, levels)
    extent = np.hypot(limb.shape[0] * spacing[0], limb.shape[1] * spacing[1])
    radii = np.arange(int(min(extent, 220.0) / RADIAL_STEP_MM)) * RADIAL_STEP_MM
    angles = np.arange(N_ANGLES) * 2 * np.pi / N_ANGLES
    n = limb.shape[2]
    skin = np.zeros((n, N_ANGLES))
    fascia = np.zeros((n, N_ANGLES))
    thickness = np.full((n, N_ANGLES), np.nan)
    covered = np.zeros((n, N_ANGLES), dtype=bool)
    unsure = np.ones(n, dtype=bool)
    prior = np.full(N_ANGLES, -1.0)
    for k in levels:
        x = center[k, 0] + np.cos(angles)[:, None] * radii[None] / spacing[0]
        y = center[k, 1] + np.sin(angles)[:, None] * radii[None] / spacing[1]
        plane = np.where(
            limb[:, :, k] | ~_near(limb[:, :, k]), smoothed[:, :, k], np.minimum(smoothed[:, :, k], SKIN_LIMIT_HU)
        )
        polar = ndimage.map_coordinates(plane, [x, y], order=1, mode="constant", cval=AIR_HU)
        inside = ndimage.map_coordinates(limb[:, :, k].astype(np.float32), [x, y], order=0, mode="constant") > 0.5
        unknown = ndimage.map_coordinates(calcium[:, :, k].astype(np.float32), [x, y], order=0, mode="constant") > 0.5
        hard = ndimage.map_coordinates(bone[:, :, k].astype(np.float32), [x, y], order=0, mode="constant") > 0.5
        outer = radii.size - 1 - np.argmax(inside[:, ::-1], axis=1)
        outer[~inside.any(axis=1)] = 1
        skin[k] = _crossing(polar, outer)
        thickness[k] = _skin_thickness(polar, outer)
        index = np.arange(radii.size)[None, :]
        covered[k] = (unknown & (index > (outer - int(_SHALLOW_MM / RADIAL_STEP_MM))[:, None])).any(axis=1)
        holes = np.array([(~inside[t, : outer[t]]).mean() for t in range(N_ANGLES)])
        unsure[k] = (holes > 0.05).mean() > 0.03
        cost = _cost(polar, unknown, hard, outer)
        path = _closed_path(cost, prior)
        # the path follows the outer face; calcium pulls it to its own middle
        blind = unknown[np.arange(N_ANGLES), np.maximum(path - 1, 0)] | unknown[np.arange(N_ANGLES), path]
        fascia[k] = path * RADIAL_STEP_MM - np.where(blind, 0.0, OUTER_FACE_MM)
        prior = path.astype(np.float64)
    skin = _bridge_calcium(skin, covered, levels, spacing[2])
    skin, fascia = _carry(skin, levels), _carry(fascia, levels)
    wide = np.concatenate([fascia[:, -12:], fascia, fascia[:, :12]], axis=1)
    size = max(3, round(7.0 / spacing[2]) | 1)
    wide = ndimage.median_filter(wide, size=(size, 9), mode="nearest")
    fascia = ndimage.gaussian_filter(wide, [1.5 / spacing[2], 1.5], mode="nearest")[:, 12:-12]
    seen = thickness[np.isfinite(thickness) & (thickness < 5.0)]
    return LimbSurfaces(center, skin, fascia, float(np.median(seen)) if seen.size else 2.0, unsure)


def _axis(limb: Mask, levels: NDArray[np.intp]) -> NDArray[np.float64]:
    x = np.arange(limb.shape[0])
    y = np.arange(limb.shape[1])
    found = np.zeros((levels.size, 2))
    for row, k in zip(found, levels, strict=True):
        total = float(limb[:, :, k].sum())
        row[:] = (limb[:, :, k].sum(1) @ x) / total, (limb[:, :, k].sum(0) @ y) / total
    found = ndimage.gaussian_filter1d(found, 5, axis=0, mode="nearest")
    every = np.arange(limb.shape[2])
    return np.stack([np.interp(every, levels, found[:, a]) for a in (0, 1)], axis=1)


def _near(plane: Mask) -> Mask:
    return np.asarray(ndimage.binary_dilation(plane, iterations=3))


def _carry(rows: NDArray[np.float64], levels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Rows of empty slices take their nearest filled neighbor."""
    nearest = levels[np.abs(np.arange(rows.shape[0])[:, None] - levels[None, :]).argmin(1)]
    return np.asarray(rows[nearest])


def _crossing(polar: NDArray[np.float32], outer: NDArray[np.intp]) -> NDArray[np.float64]:
    """Radius at which the outermost edge falls below the skin limit, between samples. [mm]"""
    out = np.empty(len(outer))
    for t, end in enumerate(outer):
        j = min(int(end) + 3, polar.shape[1] - 2)
        while j > 1 and polar[t, j] < SKIN_LIMIT_HU:
            j -= 1
        high, low = float(polar[t, j]), float(polar[t, j + 1])
        part = (high - SKIN_LIMIT_HU) / (high - low) if high > SKIN_LIMIT_HU > low else 0.5
        out[t] = (j + part) * RADIAL_STEP_MM
    return out


def _bridge_calcium(
    skin: NDArray[np.float64], covered: Mask, levels: NDArray[np.intp], step_mm: float
) -> NDArray[np.float64]:
    """Skin over shallow calcium, whose brightness moves the edge outward, out of the skin around it."""
    if not covered.any():
        return skin
    hidden = ndimage.binary_dilation(np.concatenate([covered[:, -6:], covered, covered[:, :6]], 1), iterations=2)[
        :, 6:-6
    ]
    theta = np.arange(N_ANGLES) * 2 * np.pi / N_ANGLES
    design = np.stack(
        [np.ones(N_ANGLES), *(f(m * theta) for m in range(1, _HARMONICS + 1) for f in (np.cos, np.sin))], 1
    )
    base = skin.copy()
    for k in levels:
        seen = ~hidden[k]
        if seen.sum() > 4 * _HARMONICS:
            base[k] = design @ np.linalg.lstsq(design[seen], skin[k][seen], rcond=None)[0]
    weight = (~hidden).astype(np.float64)
    sigma = (5.0 / step_mm, 6.0)
    rest = ndimage.gaussian_filter((skin - base) * weight, sigma, mode=["nearest", "wrap"])
    total = ndimage.gaussian_filter(weight, sigma, mode=["nearest", "wrap"])
    filled = base + rest / np.maximum(total, 1e-3)
    return np.where(hidden, filled, skin)


def _skin_thickness(polar: NDArray[np.float32], outer: NDArray[np.intp]) -> NDArray[np.float64]:
    fat = (polar < _DARK_FAT_HU) & (polar > -250)
    fat &= np.arange(polar.shape[1])[None, :] < (outer - 1)[:, None]
    last = polar.shape[1] - 1 - np.argmax(fat[:, ::-1], axis=1)
    return np.where(fat.any(axis=1), (outer - last) * RADIAL_STEP_MM, np.nan)


def _cost(polar: NDArray[np.float32], unknown: Mask, hard: Mask, outer: NDArray[np.intp]) -> NDArray[np.float64]:
    """Low where lean tissue ends and fat begins, with no lean tissue farther out."""
    n_radii = polar.shape[1]
    index = np.arange(n_radii)[None, :]
    gradient = np.gradient(polar, axis=1)
    fat = ((polar < _DARK_FAT_HU) & (polar > -250)).astype(np.float64)
    fat_outside = np.roll(ndimage.uniform_filter1d(fat, 5, axis=1), -5, axis=1)
    lean = np.clip((polar - _BARELY_LEAN_HU[0]) / (_BARELY_LEAN_HU[1] - _BARELY_LEAN_HU[0]), 0, 1).astype(np.float64)
    lean[unknown] = 0
    lean *= index < (outer[:, None] - int(_SKIN_GUARD_MM / RADIAL_STEP_MM))
    beyond = lean[:, ::-1].cumsum(1)[:, ::-1]
    beyond = np.roll(beyond, -4, axis=1)
    beyond[:, -4:] = 0
    cost = (
        1.5 - np.clip(-gradient / _GRADIENT_HU, 0, 1.2) - 0.6 * fat_outside + _LEAN_BEYOND_COST * np.minimum(beyond, 12)
    )
    guard = int(_GUARD_MM / RADIAL_STEP_MM)
    cost[ndimage.binary_dilation(unknown, structure=np.ones((1, 2 * guard + 1), dtype=bool))] = 0.55
    pull = ndimage.gaussian_filter1d(unknown.astype(np.float64), 3, axis=1)
    cost[unknown] = 0.5 - 0.10 * pull[unknown]
    cost[hard] = 3.0
    cost[index >= outer[:, None] - int(_SKIN_GUARD_MM / RADIAL_STEP_MM)] = 6.0
    inner = np.minimum(int(_INNERMOST_MM / RADIAL_STEP_MM), (outer * 0.4).astype(int))
    cost[index < inner[:, None]] = 6.0
    return np.asarray(cost, dtype=np.float64)


@numba.njit(cache=True)
def _path_from(cost: NDArray[np.float64], start: int) -> NDArray[np.int64]:
    n, m = cost.shape
    total = np.full((n, m), 1e18)
    came = np.zeros((n, m), np.int8)
    if start < 0:
        total[0] = cost[0]
    else:
        total[0, start] = cost[0, start]
    for t in range(1, n):
        for j in range(m):
            best = 1e18
            step = 0
            for d in range(-_LARGEST_STEP, _LARGEST_STEP + 1):
                i = j - d
                if 0 <= i < m:
                    value = total[t - 1, i] + _STEP_COST * d * d
                    if value < best:
                        best, step = value, d
            total[t, j] = best + cost[t, j]
            came[t, j] = step
    end = 0
    if start < 0:
        end = int(np.argmin(total[n - 1]))
    else:
        low = max(0, start - _LARGEST_STEP)
        high = min(m, start + _LARGEST_STEP + 1)
        end = low + int(np.argmin(total[n - 1, low:high]))
    path = np.zeros(n, np.int64)
    path[n - 1] = end
    for t in range(n - 1, 0, -1):
        path[t - 1] = path[t] - came[t, path[t]]
    return path


def _closed_path(cost: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cheapest closed path: the radius at angle 0 is fixed where an open path crosses it half way round."""
    if prior[0] >= 0:
        away = np.abs(np.arange(cost.shape[1])[None, :] - prior[:, None])
        cost = cost + _PRIOR_COST * np.minimum(away, 12)
    half = cost.shape[0] // 2
    middle = _path_from(np.ascontiguousarray(np.roll(cost, -half, axis=0)), -1)[cost.shape[0] - half]
    return np.asarray(_path_from(np.ascontiguousarray(cost), int(middle)))


def _slant(radius: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """Cosine between a surface's normal and the ray from the axis."""
    smooth = ndimage.gaussian_filter(radius, [1.0, 2.0], mode=["nearest", "wrap"])
    around = (np.roll(smooth, -1, 1) - np.roll(smooth, 1, 1)) / (4 * np.pi / N_ANGLES) / np.maximum(smooth, 1.0)
    along = np.gradient(smooth, step_mm, axis=0) if smooth.shape[0] > 1 else np.zeros_like(smooth)
    return np.asarray(1 / np.sqrt(1 + around**2 + along**2))


@numba.njit(parallel=True, cache=True)
def _distances(
    center: NDArray[np.float64],
    fascia: NDArray[np.float64],
    skin: NDArray[np.float64],
    fascia_slant: NDArray[np.float64],
    skin_slant: NDArray[np.float64],
    dx: float,
    dy: float,
    distance: NDArray[np.float32],
    depth: NDArray[np.float32],
) -> None:
    nx, ny, nz = distance.shape
    n = fascia.shape[1]
    for k in numba.prange(nz):
        for i in range(nx):
            for j in range(ny):
                x, y = (i - center[k, 0]) * dx, (j - center[k, 1]) * dy
                r = np.sqrt(x * x + y * y)
                turn = np.arctan2(y, x) / (2 * np.pi) * n
                if turn < 0:
                    turn += n
                a = int(turn) % n
                b = (a + 1) % n
                w = turn - int(turn)
                f = (1 - w) * fascia[k, a] + w * fascia[k, b]
                s = (1 - w) * skin[k, a] + w * skin[k, b]
                distance[i, j, k] = (r - f) * fascia_slant[k, a]
                depth[i, j, k] = (s - r) * skin_slant[k, a]


def lean_compartment(smoothed: NDArray[np.float32], limb: Mask, calcium: Mask, bone: Mask, spacing: Spacing) -> Mask:
    """Everything below the deep fascia, as the closed outline of muscle and bone: for levels without a polar surface.

    Parameters
    ----------
    smoothed : float32 array (x, y, z)
        CT after smoothing. [HU]
    """
    lean = limb & (((smoothed > _LEAN_HU) & ~calcium) | bone)
    out = np.zeros_like(limb)
    for k in range(limb.shape[2]):
        if not lean[:, :, k].any():
            continue
        depth = ndimage.distance_transform_edt(np.pad(limb[:, :, k], 1, mode="edge"), sampling=spacing[:2])[1:-1, 1:-1]
        plane = lean[:, :, k] & (depth > 4.0)
        solid = ndimage.distance_transform_edt(np.pad(plane, 1, mode="edge"), sampling=spacing[:2])[1:-1, 1:-1] > 3.0
        if not solid.any():
            continue
        grown = ndimage.distance_transform_edt(~solid, sampling=spacing[:2]) <= 11.0
        closed = ndimage.distance_transform_edt(np.pad(grown, 1, mode="edge"), sampling=spacing[:2])[1:-1, 1:-1] > 8.0
        out[:, :, k] = ndimage.binary_fill_holes(closed) & limb[:, :, k]
    return out
