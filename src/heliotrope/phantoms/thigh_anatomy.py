"""Two thighs as implicit functions: every point belongs to one tissue and, in muscle, to one of eleven named muscles.

Dimensions follow the thigh of an adult: limb radius 80 mm, skin 1.8 mm, subcutis 4-22 mm, fascia lata 0.9 mm, femoral
cortex 8.2-14.5 mm about its center. Muscles are cells of a multiplicatively weighted power diagram around elliptic
seeds placed as on a textbook cross-section at mid-thigh; thin fat septa separate them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numba
import numpy as np
from numpy.typing import NDArray

from heliotrope.phantoms.fields import draw_field, field_at

MUSCLES = (
    "rectus_femoris",
    "vastus_intermedius",
    "vastus_lateralis",
    "vastus_medialis",
    "sartorius",
    "gracilis",
    "adductor_magnus",
    "biceps_femoris_short_head",
    "biceps_femoris_long_head",
    "semitendinosus",
    "semimembranosus",
)
"""Names of the muscle cells; the index is the number the kernels use."""

QUADRICEPS = MUSCLES[:4]
HAMSTRINGS = MUSCLES[7:]


class Tissue(IntEnum):
    """What a point is made of. Edema and fluid are told apart by the lesions, not here."""

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


# muscle, center (lateral, anterior), half axes, angle of the first axis from lateral [deg]; lengths in fascia radii.
# Then drift of the center and of the size per thigh length toward the hip.
_SEEDS = (
    (0, 0.06, 0.70, 0.27, 0.18, 0.0, 0.02, 0.02, 0.30),
    (1, 0.10, 0.42, 0.28, 0.13, 0.0, 0.0, 0.0, 0.05),
    (1, 0.38, 0.24, 0.15, 0.15, 0.0, 0.0, 0.0, 0.05),
    (1, -0.12, 0.30, 0.10, 0.12, 0.0, 0.0, 0.0, 0.05),
    (2, 0.52, 0.52, 0.22, 0.22, 0.0, 0.0, 0.0, 0.20),
    (2, 0.74, 0.18, 0.20, 0.30, 0.0, 0.0, 0.0, 0.20),
    (2, 0.58, -0.14, 0.22, 0.15, -20.0, 0.0, 0.0, 0.20),
    (3, -0.34, 0.56, 0.24, 0.24, 0.0, 0.04, 0.02, -0.55),
    (3, -0.26, 0.22, 0.13, 0.16, 0.0, 0.04, 0.02, -0.55),
    (4, -0.67, 0.46, 0.23, 0.08, 56.0, 0.50, 0.45, 0.05),
    (5, -0.86, -0.12, 0.24, 0.085, 98.0, 0.02, 0.10, 0.10),
    (6, -0.30, -0.14, 0.32, 0.20, 20.0, 0.0, 0.06, 0.50),
    (6, -0.56, -0.20, 0.22, 0.24, 0.0, 0.0, 0.10, 0.50),
    (6, -0.04, -0.22, 0.18, 0.12, 0.0, 0.0, 0.04, 0.40),
    (7, 0.26, -0.26, 0.17, 0.12, -30.0, 0.0, 0.0, -0.30),
    (8, 0.38, -0.60, 0.25, 0.24, -35.0, -0.10, 0.0, 0.10),
    (9, 0.00, -0.74, 0.23, 0.19, 0.0, 0.04, 0.0, 0.20),
    (10, -0.38, -0.60, 0.27, 0.20, 30.0, 0.04, 0.02, -0.40),
)
_SEED_MUSCLE = np.array([row[0] for row in _SEEDS], dtype=np.int64)
_SEED_VALUES = np.array(
    [(*row[1:5], math.cos(math.radians(row[5])), math.sin(math.radians(row[5])), *row[6:]) for row in _SEEDS]
)


@dataclass(frozen=True, eq=False)
class ThighShape:
    """One leg. Angles run from anterior toward lateral; harmonics are cosine and sine amplitudes.

    Parameters
    ----------
    center_mm : tuple of 2 floats
        LPS x and y of the limb axis.
    lateral_sign : float
        +1 where lateral is toward +x (left leg), -1 for the right leg.
    radius_mm : float
        Mean outer radius at the middle slice.
    outline_mm : array (3, 2)
        1st to 3rd harmonic of the outer radius.
    taper_per_mm : float
        Change of radius per mm toward the hip.
    skin_mm, fascia_mm : float
        Thickness.
    subcutis_mm : float
        Mean thickness.
    subcutis_harmonics_mm : array (2, 2)
    deep_fat_mm : float
        Mean thickness of the fat between fascia lata and muscle.
    septum_half_width_mm : float
        Mean half width of fat between muscles.
    shrinkage_mm : array (11,)
        How far each muscle has retreated from its borders (atrophy).
    seeds : array (n, 9)
        Centers, axes, cosine and sine of the tilt, drifts; lengths in fascia radii.
    warp_u, warp_v : arrays (n_waves, 4)
        Smooth displacement of septa.
    """

    center_mm: tuple[float, float]
    lateral_sign: float
    radius_mm: float
    outline_mm: NDArray[np.float64]
    taper_per_mm: float
    skin_mm: float
    fascia_mm: float
    subcutis_mm: float
    subcutis_harmonics_mm: NDArray[np.float64]
    deep_fat_mm: float
    septum_half_width_mm: float
    shrinkage_mm: NDArray[np.float64]
    seeds: NDArray[np.float64]
    warp_u: NDArray[np.float64]
    warp_v: NDArray[np.float64]

    def packed(self) -> NDArray[np.float64]:
        """The scalars in the order the kernels read them."""
        return np.concatenate(
            [
                [self.center_mm[0], self.center_mm[1], self.lateral_sign, self.radius_mm, self.taper_per_mm],
                [self.skin_mm, self.fascia_mm, self.subcutis_mm, self.deep_fat_mm, self.septum_half_width_mm],
                self.outline_mm.ravel(),
                self.subcutis_harmonics_mm.ravel(),
            ]
        )


@dataclass(frozen=True)
class BuildOfPerson:
    """What a phantom fixes about the person; the rest is drawn.

    Parameters
    ----------
    radius_mm : float
        Mean limb radius.
    subcutis_mm : float
        Mean thickness of subcutaneous fat.
    septum_half_width_mm : float
        Half of the fat between muscles; thin in lean people and children.
    atrophy_mm : mapping as tuple of (muscle, side sign, mm)
        Retreat of muscles from their borders.
    """

    radius_mm: float = 80.0
    subcutis_mm: float = 11.0
    septum_half_width_mm: float = 0.55
    atrophy_mm: tuple[tuple[str, float, float], ...] = ()


def draw_thighs(generator: np.random.Generator, build: BuildOfPerson | None = None) -> tuple[ThighShape, ThighShape]:
    """A left and a right thigh of one person: mirrored, with the small differences between sides that people have.

    Returns
    -------
    tuple of 2 ThighShape
        Left leg, then right leg.
    """
    build = build or BuildOfPerson()
    radius = build.radius_mm + generator.normal(0.0, 1.5)
    outline = generator.normal(0.0, 1.0, size=(3, 2)) * np.array([[0.5], [2.2], [1.2]])
    outline[:, 1] *= 0.5
    outline[1, 0] -= 2.5  # a thigh is a little wider than deep
    fat = generator.normal(0.0, 1.0, size=(2, 2)) * 0.08 * build.subcutis_mm
    fat[0, 0] -= 0.18 * build.subcutis_mm  # thinner in front, thicker behind and medially
    fat[0, 1] -= 0.22 * build.subcutis_mm
    seeds = _SEED_VALUES.copy()
    seeds[:, :2] += generator.normal(0.0, 0.012, size=(len(seeds), 2))
    seeds[:, 2:4] *= np.exp(generator.normal(0.0, 0.05, size=(len(seeds), 2)))
    legs = []
    for sign in (1.0, -1.0):
        own = seeds.copy()
        own[:, :2] += generator.normal(0.0, 0.006, size=(len(seeds), 2))
        own[:, 2:4] *= np.exp(generator.normal(0.0, 0.02, size=(len(seeds), 2)))
        shrinkage = np.zeros(len(MUSCLES))
        for muscle, side_sign, amount in build.atrophy_mm:
            if side_sign == sign:
                shrinkage[MUSCLES.index(muscle)] = amount
        legs.append(
            ThighShape(
                center_mm=(sign * (radius + 9.0), 0.0),
                lateral_sign=sign,
                radius_mm=radius + generator.normal(0.0, 0.4),
                outline_mm=outline + generator.normal(0.0, 0.25, size=(3, 2)),
                taper_per_mm=0.12,
                skin_mm=1.8,
                fascia_mm=0.9,
                subcutis_mm=build.subcutis_mm + generator.normal(0.0, 0.3),
                subcutis_harmonics_mm=fat + generator.normal(0.0, 0.2, size=(2, 2)),
                deep_fat_mm=0.9,
                septum_half_width_mm=build.septum_half_width_mm,
                shrinkage_mm=shrinkage,
                seeds=own,
                warp_u=draw_field(generator, 22.0)[:12],
                warp_v=draw_field(generator, 22.0)[:12],
            )
        )
    return legs[0], legs[1]


THIGH_LENGTH_MM = 300.0
"""Length over which seeds drift; slices lie within +-150 mm of the middle. [mm]"""

_FEMUR = (0.10, 0.10)
_CORTEX_MM, _MARROW_MM = 14.0, 8.2
_ARTERY, _ARTERY_MM = (-0.40, 0.13), 3.6
_VEIN, _VEIN_MM = (-0.43, 0.00), 4.0
_BUNDLE_MARGIN_MM = 2.0
_WARP_MM = 1.6


@numba.njit(cache=True, fastmath=True)
def locate(
    x: float,
    y: float,
    z: float,
    limb: NDArray[np.float64],
    seeds: NDArray[np.float64],
    seed_muscle: NDArray[np.int64],
    shrinkage: NDArray[np.float64],
    warp_u: float,
    warp_v: float,
) -> tuple[int, int, float, float]:
    """Tissue of a point of one limb; `warp_u`, `warp_v` are the values of the displacement fields there.

    Returns
    -------
    tissue : int
        Member of `Tissue`.
    muscle : int
        Index in `MUSCLES`, -1 outside muscle.
    border_mm : float
        In muscle: distance to the nearest border of that muscle; in the subcutis: to the nearer of skin and fascia.
    fascia_mm : float
        Depth under the outer face of the fascia lata; negative outside it.
    """
    u, v = (x - limb[0]) * limb[2], limb[1] - y
    r, angle = math.hypot(u, v), math.atan2(u, v)
    outer = limb[3] + limb[4] * z
    for n in range(3):
        outer += limb[10 + 2 * n] * math.cos((n + 1) * angle) + limb[11 + 2 * n] * math.sin((n + 1) * angle)
    if r > outer:
        return 0, -1, 0.0, -1e3
    subcutis = limb[7]
    for n in range(2):
        subcutis += limb[16 + 2 * n] * math.cos((n + 1) * angle) + limb[17 + 2 * n] * math.sin((n + 1) * angle)
    subcutis = max(subcutis, 2.5)
    fascia_radius = outer - limb[5] - subcutis
    depth = fascia_radius - r
    if r > outer - limb[5]:
        return 1, -1, 0.0, depth
    if depth < 0.0:
        return 2, -1, min(-depth, outer - limb[5] - r), depth
    if depth < limb[6]:
        return 3, -1, 0.0, depth
    scale = limb[3] + limb[4] * z - limb[5] - limb[7]
    t = z / 300.0
    fu, fv = u - _FEMUR[0] * scale, v - _FEMUR[1] * scale
    femur = math.hypot(fu, fv)
    back = math.atan2(fu, -fv)
    cortex = _CORTEX_MM + 3.0 * math.exp(-((back / 0.28) ** 2))  # the linea aspera
    if femur < _MARROW_MM:
        return 7, -1, 0.0, depth
    if femur < cortex:
        return 6, -1, 0.0, depth
    du = math.hypot(u - _ARTERY[0] * scale, v - _ARTERY[1] * scale)
    if du < _ARTERY_MM:
        return 8, -1, 0.0, depth
    dv = math.hypot(u - _VEIN[0] * scale, v - _VEIN[1] * scale)
    if dv < _VEIN_MM:
        return 9, -1, 0.0, depth
    bundle = min(du - _ARTERY_MM, dv - _VEIN_MM) - _BUNDLE_MARGIN_MM
    inner = depth - limb[6] - limb[8] * (1.0 + 0.6 * math.sin(3.0 * angle + 0.02 * z))
    if bundle < 0.0 or inner < 0.0:
        return 4, -1, 0.0, depth
    wu = (u + _WARP_MM * warp_u) / scale
    wv = (v + _WARP_MM * warp_v) / scale
    best, second = 1e30, 1e30
    best_u = best_v = second_u = second_v = 0.0
    muscle = -1
    for s in range(seeds.shape[0]):
        size = 1.0 + seeds[s, 8] * t
        a, b = seeds[s, 2] * size, seeds[s, 3] * size
        pu, pv = wu - seeds[s, 0] - seeds[s, 6] * t, wv - seeds[s, 1] - seeds[s, 7] * t
        cosine, sine = seeds[s, 4], seeds[s, 5]
        first, other = (pu * cosine + pv * sine) / a, (pv * cosine - pu * sine) / b
        q = first * first + other * other
        if q >= second:
            continue
        m = seed_muscle[s]
        if q >= best and m == muscle:
            continue
        g1, g2 = 2.0 * first / a, 2.0 * other / b
        gu, gv = g1 * cosine - g2 * sine, g1 * sine + g2 * cosine
        if q < best:
            if m != muscle:
                second, second_u, second_v = best, best_u, best_v
            best, best_u, best_v, muscle = q, gu, gv, m
        else:
            second, second_u, second_v = q, gu, gv
    septum = (second - best) / (math.hypot(second_u - best_u, second_v - best_v) + 1e-9) * scale
    half_width = limb[9] * (1.0 + 0.5 * math.sin(0.11 * u + 0.07 * v + 0.02 * z))
    border = min(septum - half_width, inner, bundle, femur - cortex) - shrinkage[muscle]
    if border < 0.0:
        return 4, -1, 0.0, depth
    return 5, muscle, border, depth


@numba.njit(cache=True, parallel=True)
def locate_many(
    points: NDArray[np.float64],
    limbs: NDArray[np.float64],
    seeds: NDArray[np.float64],
    seed_muscle: NDArray[np.int64],
    shrinkage: NDArray[np.float64],
    warps: NDArray[np.float64],
) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int8], NDArray[np.float64]]:
    """Tissue, muscle, side (0 left, 1 right) and border distance of points (n, 3)."""
    n = points.shape[0]
    tissue, muscle, side = np.zeros(n, np.int8), np.full(n, -1, np.int8), np.zeros(n, np.int8)
    border = np.zeros(n)
    for i in numba.prange(n):
        leg = 0 if points[i, 0] > 0.0 else 1
        t, m, b, _ = locate(
            points[i, 0],
            points[i, 1],
            points[i, 2],
            limbs[leg],
            seeds[leg],
            seed_muscle,
            shrinkage[leg],
            field_at(warps[leg, 0], points[i, 0], points[i, 1], points[i, 2]),
            field_at(warps[leg, 1], points[i, 0], points[i, 1], points[i, 2]),
        )
        tissue[i], muscle[i], side[i], border[i] = t, m, leg, b
    return tissue, muscle, side, border


@dataclass(frozen=True, eq=False)
class PackedThighs:
    """Both legs as the arrays the kernels read."""

    limbs: NDArray[np.float64]
    seeds: NDArray[np.float64]
    seed_muscle: NDArray[np.int64]
    shrinkage: NDArray[np.float64]
    warps: NDArray[np.float64]

    @classmethod
    def of(cls, legs: tuple[ThighShape, ThighShape]) -> PackedThighs:
        """Pack a left and a right leg."""
        return cls(
            limbs=np.stack([leg.packed() for leg in legs]),
            seeds=np.stack([leg.seeds for leg in legs]),
            seed_muscle=_SEED_MUSCLE,
            shrinkage=np.stack([leg.shrinkage_mm for leg in legs]),
            warps=np.stack([np.stack([leg.warp_u, leg.warp_v]) for leg in legs]),
        )

    def locate(
        self, points_mm: NDArray[np.float64]
    ) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int8], NDArray[np.float64]]:
        """Tissue, muscle, side and border distance of LPS points (n, 3). [mm]"""
        tissue, muscle, side, border = locate_many(
            points_mm, self.limbs, self.seeds, self.seed_muscle, self.shrinkage, self.warps
        )
        return tissue, muscle, side, border
