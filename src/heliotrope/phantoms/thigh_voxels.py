"""From implicit anatomy to voxels: fractions of each component by supersampling, which is what makes partial volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numba
import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.phantoms.fields import cell_wall_distance, field_at, field_plane
from heliotrope.phantoms.lesions import LesionTables
from heliotrope.phantoms.thigh_anatomy import PackedThighs, locate


class Component(IntEnum):
    """What a fraction of a voxel is filled with; the first ten are `Tissue`."""

    AIR = 0
    SKIN = 1
    SUBCUTIS = 2
    FASCIA = 3
    DEEP_FAT = 4
    MUSCLE = 5
    CORTEX = 6
    MARROW = 7
    ARTERY = 8
    VEIN = 9
    EDEMA = 10
    FASCIAL_FLUID = 11
    SUBCUTIS_FLUID = 12


N_COMPONENTS = len(Component)


@dataclass(frozen=True, eq=False)
class ThighVoxels:
    """Composition of every voxel.

    Parameters
    ----------
    grid : Grid
    fractions : float32 array (x, y, z, N_COMPONENTS)
        Volume fractions; sum to 1.
    muscle : int8 array (x, y, z)
        Muscle that fills most of the voxel's muscle part; -1 where there is none.
    side : int8 array (x, y, z)
        0 left, 1 right.
    """

    grid: Grid
    fractions: NDArray[np.float32]
    muscle: NDArray[np.int8]
    side: NDArray[np.int8]


@numba.njit(cache=True)
def _in_arc(angle: float, start: float, stop: float) -> bool:
    width = stop - start
    return width > 0.0 and (angle - start) % (2.0 * math.pi) <= width


@numba.njit(cache=True)
def _fluid(
    kind: int,
    x: float,
    y: float,
    z: float,
    depth: float,
    limb: NDArray[np.float64],
    fascia: NDArray[np.float64],
    subcutis: NDArray[np.float64],
    seed: int,
) -> int:
    """Component after fluid along the fascia and subcutaneous strands have taken their place."""
    strands = kind == 2 and subcutis[2] > 0.0
    sheet = 3 <= kind <= 5 and 0.5 * limb[6] <= depth < limb[6] + fascia[2] and fascia[2] > 0.0
    if not (strands or sheet):
        return kind
    angle = math.atan2((x - limb[0]) * limb[2], limb[1] - y)
    if sheet and _in_arc(angle, fascia[0], fascia[1]):
        return 11
    if (
        strands
        and _in_arc(angle, subcutis[0], subcutis[1])
        and cell_wall_distance(x, y, z, subcutis[3], seed) < subcutis[2]
    ):
        return 12
    return kind


@numba.njit(cache=True)
def _is_edema(
    kind: int,
    limit: float,
    field: float,
    border: float,
    x: float,
    y: float,
    z: float,
    spot: NDArray[np.float64],
    cell: float,
    seed: int,
) -> bool:
    if kind == 1 or kind == 2:
        return field > limit
    if kind == 3:
        return border < limit
    if kind == 4:
        return bool(cell_wall_distance(x, y, z, cell, seed) < limit)
    if kind == 5:
        return bool((x - spot[0]) ** 2 + (y - spot[1]) ** 2 + ((z - spot[2]) / 2.0) ** 2 < limit**2)
    return False


@numba.njit(cache=True, parallel=True)
def _fill(
    starts: NDArray[np.float64],
    steps: NDArray[np.float64],
    shape: tuple[int, int, int],
    sub: tuple[int, int, int],
    thickness: float,
    limbs: NDArray[np.float64],
    seeds: NDArray[np.float64],
    seed_muscle: NDArray[np.int64],
    shrinkage: NDArray[np.float64],
    warps: NDArray[np.float64],
    pattern: NDArray[np.int64],
    limit: NDArray[np.float64],
    spot: NDArray[np.float64],
    waves: NDArray[np.float64],
    cell: NDArray[np.float64],
    fascia: NDArray[np.float64],
    subcutis: NDArray[np.float64],
    streaks: NDArray[np.float64],
    streak_limits: tuple[float, float],
) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]:
    nx, ny, nz = shape
    fractions = np.zeros((nx, ny, nz, 13), np.float32)
    muscle = np.full((nx, ny, nz), -1, np.int8)
    side = np.zeros((nx, ny, nz), np.int8)
    weight = np.float32(1.0 / (sub[0] * sub[1] * sub[2]))
    for row in numba.prange(nx * ny):
        i, j = row // ny, row % ny
        x0, y0 = starts[0] + i * steps[0], starts[1] + j * steps[1]
        leg = 0 if x0 > 0.0 else 1
        limb = limbs[leg]
        reach = limb[3] + limb[4] * 160.0 + 12.0
        near = math.hypot(x0 - limb[0], y0 - limb[1]) < reach
        deep = math.hypot(x0 - limb[0], y0 - limb[1]) < reach - limb[7] * 0.5
        counts = np.zeros(11, np.int64)
        for k in range(nz):
            side[i, j, k] = leg
            if not near:
                fractions[i, j, k, 0] = 1.0
                continue
            z0 = starts[2] + k * steps[2]
            counts[:] = 0
            for c in range(sub[2]):
                z = z0 + ((c + 0.5) / sub[2] - 0.5) * thickness
                # smooth fields once per column of sub-samples, then to first order within the pixel
                wu, wux, wuy = field_plane(warps[leg, 0], x0, y0, z) if deep else (0.0, 0.0, 0.0)
                wv, wvx, wvy = field_plane(warps[leg, 1], x0, y0, z) if deep else (0.0, 0.0, 0.0)
                streak = streak_x = streak_y = 0.0
                streaky = False
                known = -2
                ill, ill_x, ill_y = 0.0, 0.0, 0.0
                for a in range(sub[0]):
                    dx = ((a + 0.5) / sub[0] - 0.5) * steps[0]
                    x = x0 + dx
                    for b in range(sub[1]):
                        dy = ((b + 0.5) / sub[1] - 0.5) * steps[1]
                        y = y0 + dy
                        kind, m, border, depth = locate(
                            x,
                            y,
                            z,
                            limb,
                            seeds[leg],
                            seed_muscle,
                            shrinkage[leg],
                            wu + wux * dx + wuy * dy,
                            wv + wvx * dx + wvy * dy,
                        )
                        kind = _fluid(kind, x, y, z, depth, limb, fascia[leg], subcutis[leg], 17 + leg)
                        if kind == 5:
                            if known == -2 and streak_limits[1] > 0.0:
                                streaky = field_at(streaks[1], x0, y0, z) > streak_limits[0]
                                if streaky:
                                    streak, streak_x, streak_y = field_plane(streaks[0], x0, y0, z)
                            if streaky and abs(streak + streak_x * dx + streak_y * dy) < streak_limits[1]:
                                kind = 4
                                if known == -2:
                                    known = -1
                            else:
                                if known != m:
                                    known = m
                                    if pattern[leg, m] == 1 or pattern[leg, m] == 2:
                                        ill, ill_x, ill_y = field_plane(waves[leg, m], x0, y0, z)
                                field = ill + ill_x * dx + ill_y * dy
                                if _is_edema(
                                    pattern[leg, m],
                                    limit[leg, m],
                                    field,
                                    border,
                                    x,
                                    y,
                                    z,
                                    spot[leg, m],
                                    cell[leg, m],
                                    91 + m,
                                ):
                                    kind = 10
                                counts[m] += 1
                        fractions[i, j, k, kind] += weight
            best = int(np.argmax(counts))
            if counts[best] > 0:
                muscle[i, j, k] = best
    return fractions, muscle, side


def fill_voxels(
    grid: Grid,
    thighs: PackedThighs,
    lesions: LesionTables,
    *,
    streaks: NDArray[np.float64],
    streak_limits: tuple[float, float],
    slice_thickness_mm: float,
) -> ThighVoxels:
    """Composition of the voxels of an axis-aligned grid.

    Parameters
    ----------
    grid : Grid
        Axes along +x (left), +y (posterior), +z (superior).
    thighs : PackedThighs
    lesions : LesionTables
    streaks : array (2, n_waves, 4)
        The field whose zero level is a fatty streak, and the field that says where streaks occur.
    streak_limits : tuple of 2 floats
        Level of the second field above which streaks occur; half width of a streak in units of the first field.
    slice_thickness_mm : float
        May be less than the slice spacing.
    """
    steps = np.array(grid.spacing_mm)
    sub = (
        max(2, math.ceil(steps[0] / 0.45)),
        max(2, math.ceil(steps[1] / 0.45)),
        max(2, min(6, math.ceil(slice_thickness_mm / 2.0))),
    )
    fractions, muscle, side = _fill(
        grid.matrix[:3, 3],
        steps,
        grid.shape,
        sub,
        slice_thickness_mm,
        thighs.limbs,
        thighs.seeds,
        thighs.seed_muscle,
        thighs.shrinkage,
        thighs.warps,
        lesions.pattern,
        lesions.limit,
        lesions.spot_mm,
        lesions.waves,
        lesions.cell_mm,
        lesions.fascia,
        lesions.subcutis,
        streaks,
        streak_limits,
    )
    return ThighVoxels(grid, fractions, muscle, side)
