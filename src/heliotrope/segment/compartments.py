"""Anterior, medial and posterior compartment of the thigh from the septa around the femur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Side

COMPARTMENTS = ("anterior_thigh", "medial_thigh", "posterior_thigh")
"""Order of the codes 1, 2, 3 that `find_compartments` returns."""
LEAST_CONFIDENCE = 0.6
"""Below this only the whole muscle is reported (spec G1)."""
STEP_MM = 1.0
N_ANGLES = 360


@dataclass(frozen=True)
class Septum:
    """Where a septum is expected, as an angle about the femur, 0 in front, positive toward lateral.

    Parameters
    ----------
    inner_deg, outer_deg : float
        At 20 mm and at 60 mm from the center of the femur. [deg]
    spread_deg : float
        How far it may lie from there. [deg]
    """

    inner_deg: float
    outer_deg: float
    spread_deg: float

    def expected_deg(self, radii_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Angle at each radius. [deg]"""
        share = np.clip((radii_mm - 20.0) / 40.0, 0.0, 1.0)
        return np.asarray(self.inner_deg + share * (self.outer_deg - self.inner_deg))


LATERAL = Septum(148.0, 141.0, 18.0)
"""Between vastus lateralis and biceps femoris; ledger `septum-angles`."""
POSTEROMEDIAL = Septum(187.0, 223.0, 16.0)
"""Between the hamstrings and the adductors; ledger `septum-angles`."""
MEDIAL = Septum(260.0, 270.0, 20.0)
"""Between the adductors and vastus medialis with sartorius; ledger `septum-angles`."""
SEPTA = (LATERAL, POSTEROMEDIAL, MEDIAL)


@njit(cache=True)
def _radial_path(cost: NDArray[np.float64], steps: NDArray[np.int64]) -> NDArray[np.int64]:  # pragma: no cover
    """Cheapest path from the first to the last radius through cost (radius, angle); angles wrap."""
    n_radii, n_angles = cost.shape
    total = np.empty((n_radii, n_angles))
    back = np.zeros((n_radii, n_angles), dtype=np.int64)
    total[0] = cost[0]
    for r in range(1, n_radii):
        reach = steps[r]
        for a in range(n_angles):
            best, where = np.inf, a
            for d in range(-reach, reach + 1):
                q = (a + d) % n_angles
                value = total[r - 1, q] + 0.15 * abs(d) / (reach + 1e-9)
                if value < best:
                    best, where = value, q
            total[r, a] = best + cost[r, a]
            back[r, a] = where
    path = np.zeros(n_radii, dtype=np.int64)
    path[n_radii - 1] = np.argmin(total[n_radii - 1])
    for r in range(n_radii - 1, 0, -1):
        path[r - 1] = back[r, path[r]]
    return path


@dataclass(frozen=True, eq=False)
class SliceCompartments:
    """Compartments of one limb in one slice.

    Parameters
    ----------
    codes : uint8 array (x, y)
        1 anterior, 2 medial, 3 posterior within the muscle, 0 elsewhere.
    confidence : float
        Share of the septa that is seen times their agreement with the expected place, rescaled to 0 to 1.
    """

    codes: NDArray[np.uint8]
    confidence: float


def find_compartments(
    fat: NDArray[np.float32],
    muscle: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    femur_center: tuple[float, float],
    side: Side,
    spacing_mm: tuple[float, float],
) -> SliceCompartments:
    """Part the muscles of one thigh in one axial slice along three septa that run from femur to fascia.

    Parameters
    ----------
    fat : float32 array (x, y)
        Share of fat, in axial axes (x toward left, y toward posterior).
    muscle, inside : bool arrays (x, y)
        Muscle, and everything deep to the fascia.
    femur_center : tuple of 2 floats
        Pixel coordinates.
    side : Side
        Decides which way is lateral.
    spacing_mm : tuple of 2 floats

    Returns
    -------
    SliceCompartments

    Notes
    -----
    Each septum is the cheapest path from femur to fascia in polar coordinates: cheap in fat, dear far from the angle
    at which it
    is expected.
    """
    lateral = 1.0 if side is Side.LEFT else -1.0
    x = (np.arange(fat.shape[0])[:, None] - femur_center[0]) * spacing_mm[0] * lateral
    y = (np.arange(fat.shape[1])[None, :] - femur_center[1]) * spacing_mm[1]
    radius = np.hypot(x, y)
    angle = np.degrees(np.arctan2(x, -y)) % 360.0
    if not muscle.any():
        return SliceCompartments(np.zeros(fat.shape, dtype=np.uint8), 0.0)
    radii = np.arange(START_MM, max(START_MM + 5.0, float(radius[inside].max())), STEP_MM)
    angles = np.radians(np.arange(N_ANGLES))
    columns = femur_center[0] + lateral * np.sin(angles)[None] * radii[:, None] / spacing_mm[0]
    rows = femur_center[1] - np.cos(angles)[None] * radii[:, None] / spacing_mm[1]
    sheet = ndimage.gaussian_filter(np.where(inside, fat, 1.0), 0.5)
    values = ndimage.map_coordinates(sheet, [columns, rows], order=1, mode="nearest")
    within = ndimage.map_coordinates(inside.astype(np.float32), [columns, rows], order=0, mode="constant") > 0.5
    steps = np.minimum(12, np.ceil(np.degrees(1.5 * STEP_MM / radii))).astype(np.int64)
    paths, contrast, agreement = [], [], []
    for septum in SEPTA:
        expected = septum.expected_deg(radii)
        away = (np.arange(N_ANGLES)[None] - expected[:, None] + 180.0) % 360.0 - 180.0
        pull = np.minimum((away / septum.spread_deg) ** 2, 25.0)
        cost = np.where(within, 1.0 - values, 0.5) + 0.12 * pull
        path = _radial_path(np.ascontiguousarray(cost), steps)
        here = within[np.arange(radii.size), path]
        rows_of = np.arange(radii.size)
        on = values[rows_of, path]
        turn = np.maximum(2, np.round(np.degrees(BESIDE_MM / radii))).astype(np.int64)
        beside = np.maximum(values[rows_of, (path + turn) % N_ANGLES], values[rows_of, (path - turn) % N_ANGLES])
        lower = np.minimum(values[rows_of, (path + turn) % N_ANGLES], values[rows_of, (path - turn) % N_ANGLES])
        seen = (on > FATTY) | ((on - beside > RIDGE) & (on - lower > RIDGE))
        off = np.abs((path - expected + 180.0) % 360.0 - 180.0) / septum.spread_deg
        paths.append(path.astype(np.float64))
        contrast.append(float(np.mean(seen[here])) if here.any() else 0.0)
        agreement.append(float(np.exp(-0.25 * np.mean(off[here] ** 2))) if here.any() else 0.0)
    codes = np.zeros(fat.shape, dtype=np.uint8)
    first, second, third = (_at(radius, radii, path) for path in paths)
    codes[muscle] = 1
    posterior = _between(angle, first, second)
    medial = _between(angle, second, third)
    codes[muscle & posterior] = 3
    codes[muscle & medial & ~posterior] = 2
    found = float(np.mean([c * a for c, a in zip(contrast, agreement, strict=True)]))
    return SliceCompartments(codes, float(np.clip((found - CHANCE) / (CLEAR - CHANCE), 0.0, 1.0)))


def _at(radius: NDArray[np.float64], radii: NDArray[np.float64], path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle of a path at each pixel's radius."""
    turned = np.degrees(np.unwrap(np.radians(path)))
    return np.asarray(np.interp(radius, radii, turned))


def _between(angle: NDArray[np.float64], start: NDArray[np.float64], stop: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(((angle - start) % 360.0) < ((stop - start) % 360.0))


START_MM = 12.0
"""Septa are followed from here on: the surface of the femur. [mm]"""
BESIDE_MM = 3.5
"""Distance at which the muscle beside a septum is sampled. [mm]"""
CHANCE, CLEAR = 0.44, 0.80
"""Seen and expected share of the septa that fatty streaks give by chance, and that clear septa give. Project rule."""
FATTY, RIDGE = 0.35, 0.08
"""Share of fat, or its excess over both sides, from which a point lies on a septum. Project rule."""
