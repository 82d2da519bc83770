"""Renders limbs and lesions into voxels: eight sub-voxels a voxel, counted one by one, so that partial volume is
exact.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from heliotrope.phantoms.ct_calcinosis_anatomy import (
    FASCIA_THICKNESS_MM,
    FEMUR_RADII_MM,
    SKIN_THICKNESS_MM,
    VESSEL_RADII_MM,
)
from heliotrope.physics.ct_attenuation import AIR_HU, FAT_HU, MUSCLE_HU, SKIN_HU

FASCIA_HU = 45.0
_SEPTUM_HU = -75.0
MARROW_HU = -60.0
CORTEX_HU = 1150.0
_VESSEL_FAT_HU = -85.0
BLOOD_HU = 45.0
_LEAST_LESION_HU = 150.0

_SKIN = SKIN_THICKNESS_MM
_FASCIA = FASCIA_THICKNESS_MM
_MARROW, _CORTEX = FEMUR_RADII_MM
_ARTERY, _VEIN = VESSEL_RADII_MM


@numba.njit(cache=True)
def _part_holds(
    p: NDArray[np.float64],
    x: float,
    y: float,
    z: float,
    r: float,
    angle: float,
    depth: float,
    s: float,
    septum: float,
    cell: int,
    neighbor: int,
    in_muscle: bool,
    muscle_depth: float,
    artery: float,
    artery_angle: float,
) -> bool:
    """True where one part of a lesion holds the point."""
    form = int(p[0])
    if form == 4 or form == 5:  # balls
        d2 = (x - p[1]) ** 2 + (y - p[2]) ** 2 + (z - p[3]) ** 2
        if d2 >= p[4] * p[4]:
            return False
        if form == 4:
            return bool(depth > _SKIN + p[5] and s > p[5])
        return bool(in_muscle and septum > p[5] and muscle_depth > 2.0 and artery > 8.5)
    if form == 0 or form == 1 or form == 2:  # patches around an angle
        dz = z - p[2]
        if abs(dz) > p[4]:
            return False
        da = angle - p[1]
        if da > np.pi:
            da -= 2 * np.pi
        elif da < -np.pi:
            da += 2 * np.pi
        arc = abs(da) * r
        if form == 0:
            return bool(0.2 < depth < _SKIN - 0.1 and (arc / p[3]) ** 2 + (dz / p[4]) ** 2 < 1)
        if arc > p[3]:
            return False
        if form == 1:
            return bool(abs(s) < p[5])
        if depth < _SKIN + 1.5 or s < 2.5:
            return False
        u, v, w = x / p[5], y / p[5], z / p[5]
        g = np.sin(u) * np.cos(v) + np.sin(v) * np.cos(w) + np.sin(w) * np.cos(u)
        return bool(abs(g) < p[6])
    if form == 3:
        if not in_muscle or septum > p[7] or abs(z - p[3]) > p[4] or r < p[5] or r > p[6] or artery < 8.0:
            return False
        a, b = int(p[1]), int(p[2])
        return bool((cell == a and neighbor == b) or (cell == b and neighbor == a))
    if form == 6:
        dz = z - p[3]
        if abs(dz) > p[4] or not in_muscle or septum < 1.2 or artery < 8.0 or muscle_depth < 2.0:
            return False
        return bool((x - p[1] - 0.08 * dz) ** 2 + (y - p[2] - 2 * np.sin(dz / 14)) ** 2 < p[5] * p[5])
    if form == 7:
        tracks = np.cos(artery_angle + 0.15 * z + p[1]) > 0.2 and np.sin(z / 5 + p[1]) > -0.4
        return bool(abs(artery - _ARTERY) < 0.6 and tracks)
    return False


@numba.njit(parallel=True, cache=True)
def render(
    shape: tuple[int, int, int],
    voxel: tuple[float, float, float],
    origin: tuple[float, float, float],
    centers: NDArray[np.float64],
    level0: float,
    level_step: float,
    skin: NDArray[np.float32],
    fascia: NDArray[np.float32],
    muscle: NDArray[np.float32],
    sites: NDArray[np.float64],
    half_septum: float,
    femur: NDArray[np.float64],
    vessels: NDArray[np.float64],
    parts: NDArray[np.float64],
    part_lesion: NDArray[np.int32],
    part_limb: NDArray[np.int32],
    part_reach: NDArray[np.float64],
    lesion_hu: NDArray[np.float64],
    fused_above: float,
    texture: NDArray[np.float32],
    slope: float,
) -> tuple[Any, ...]:
    """Attenuation before calcium, mineral, calcified share, owner, fascia distance; volume and mass by lesion."""
    nx, ny, nz = shape
    before = np.empty(shape, np.float32)
    mineral = np.zeros(shape, np.float32)
    fraction = np.zeros(shape, np.float32)
    owner = np.zeros(shape, np.uint16)
    distance = np.full(shape, np.float32(99.0))
    n_levels, n_angles = skin.shape[1], skin.shape[2]
    n_limbs = centers.shape[0]
    n_lesions = lesion_hu.size
    volumes = np.zeros((nz, n_lesions + 1))
    masses = np.zeros((nz, n_lesions + 1))
    sub_volume = voxel[0] * voxel[1] * voxel[2] / 8.0
    for k in numba.prange(nz):
        bottom = origin[2] + k * voxel[2]
        active = np.flatnonzero((part_reach[:, 0] < bottom + voxel[2]) & (part_reach[:, 1] > bottom))
        for i in range(nx):
            for j in range(ny):
                total = 0.0
                minerals = 0.0
                calcified = 0
                who = 0
                signed = 0.0
                tex = texture[i, j, k]
                for sub in range(8):
                    X = origin[0] + (i + 0.25 + 0.5 * (sub & 1)) * voxel[0]
                    Y = origin[1] + (j + 0.25 + 0.5 * ((sub >> 1) & 1)) * voxel[1]
                    z = origin[2] + (k + 0.25 + 0.5 * ((sub >> 2) & 1)) * voxel[2]
                    row = int((z - level0) / level_step + 0.5)
                    row = min(max(row, 0), n_levels - 1)
                    best = -1.0e9
                    limb = -1
                    x = y = r = angle = 0.0
                    column = 0
                    for m in range(n_limbs):
                        lx, ly = X - centers[m, 0], Y - centers[m, 1]
                        lr = np.sqrt(lx * lx + ly * ly)
                        la = np.arctan2(ly, lx)
                        lc = int(la / (2 * np.pi) * n_angles + n_angles + 0.5) % n_angles
                        d = skin[m, row, lc] - lr
                        if d > best:
                            best, limb, x, y, r, angle, column = d, m, lx, ly, lr, la, lc
                    depth = best
                    if n_limbs == 2 and depth > 0 and z < fused_above:
                        depth = min(depth, abs(X) + 0.01)
                    if depth <= 0:
                        total += AIR_HU
                        signed += max(r - fascia[limb, row, column], 0.0)
                        continue
                    s = r - (fascia[limb, row, column] - _FASCIA / 2)
                    signed += s
                    muscle_depth = muscle[limb, row, column] - r
                    in_muscle = muscle_depth >= 0
                    septum = 99.0
                    cell = -1
                    neighbor = -1
                    artery = np.sqrt((x - vessels[limb, 0, 0]) ** 2 + (y - vessels[limb, 0, 1]) ** 2)
                    artery_angle = np.arctan2(y - vessels[limb, 0, 1], x - vessels[limb, 0, 0])
                    if in_muscle:
                        d1 = d2 = 1.0e9
                        for c in range(sites.shape[1]):
                            d = np.sqrt((x - sites[limb, c, 0] - 0.05 * z) ** 2 + (y - sites[limb, c, 1]) ** 2)
                            if d < d1:
                                d2, neighbor = d1, cell
                                d1, cell = d, c
                            elif d < d2:
                                d2, neighbor = d, c
                        septum = (d2 - d1) / 1.6
                    hu = FAT_HU + 6 * tex
                    if depth <= _SKIN:
                        hu = SKIN_HU
                    elif abs(s) <= _FASCIA / 2:
                        hu = FASCIA_HU
                    elif in_muscle:
                        hu = _SEPTUM_HU if septum < half_septum else MUSCLE_HU + 5 * tex
                    vein = np.sqrt((x - vessels[limb, 1, 0]) ** 2 + (y - vessels[limb, 1, 1]) ** 2)
                    if artery < 7.5:
                        hu = _VESSEL_FAT_HU
                    if artery < _ARTERY or vein < _VEIN:
                        hu = BLOOD_HU
                    rb = np.sqrt((x - femur[0]) ** 2 + (y - femur[1]) ** 2)
                    bone = rb <= _CORTEX
                    if bone:
                        hu = MARROW_HU if rb < _MARROW else CORTEX_HU
                    total += hu
                    if bone:
                        continue
                    for q in active:
                        if part_limb[q] != limb:
                            continue
                        if _part_holds(
                            parts[q], x, y, z, r, angle, depth, s, septum, cell, neighbor, in_muscle, muscle_depth,
                            artery, artery_angle,
                        ):  # fmt: skip
                            n = part_lesion[q]
                            after = max(lesion_hu[n] * (1 + 0.15 * tex), _LEAST_LESION_HU)
                            gain = max(after - hu, 0.0)
                            minerals += gain
                            calcified += 1
                            who = n + 1
                            volumes[k, n + 1] += sub_volume
                            masses[k, n + 1] += gain / slope * sub_volume / 1000.0
                            break
                before[i, j, k] = total / 8
                mineral[i, j, k] = minerals / 8 / slope
                fraction[i, j, k] = calcified / 8
                owner[i, j, k] = who
                distance[i, j, k] = signed / 8
    return before, mineral, fraction, owner, distance, volumes.sum(0), masses.sum(0)


def part_reach(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lowest and highest z of every part. [mm]"""
    reach = np.empty((len(parts), 2))
    for row, p in zip(reach, parts, strict=True):
        form = int(p[0])
        center, half = {7: (0.0, 1e6), 4: (p[3], p[4]), 5: (p[3], p[4]), 3: (p[3], p[4]), 6: (p[3], p[4])}.get(
            form, (p[2], p[4])
        )
        row[:] = center - half, center + half
    return reach
