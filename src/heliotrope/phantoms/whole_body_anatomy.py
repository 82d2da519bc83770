"""A coarse whole body from ankle to neck: elliptic parts, muscles as cells around seeds, bones as circles.

Made for what is read over the whole body - stations, inventory, burden, profile along a limb - and not for the anatomy
of single muscles: every voxel holds one tissue, borders are straight, and joints, hands, feet and head are absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap

Seed = tuple[str, float, float]
"""Structure, and its place toward the outer side and toward the front, in radii of the part."""


@dataclass(frozen=True)
class BodySection:
    """A stretch of one part of the body.

    Parameters
    ----------
    low_mm, high_mm : float
        From and to, above the ankle. [mm]
    center_mm : float
        Distance of its middle from the midline; 0 for the trunk, which is split in the midline. [mm]
    radii_mm : tuple of 2 floats
        Across and front to back, in the middle of the stretch. [mm]
    growth : float
        Radius at the upper end over that in the middle. [1]
    subcutis_mm : float
    muscles : tuple of Seed
    bones : tuple of (str, float, float, float)
        Structure, place and radius, in radii of the part.
    cavity : float
        Inside this share of the radius lies no muscle but organs; 0 for limbs. [1]
    """

    low_mm: float
    high_mm: float
    center_mm: float
    radii_mm: tuple[float, float]
    growth: float
    subcutis_mm: float
    muscles: tuple[Seed, ...]
    bones: tuple[tuple[str, float, float, float], ...]
    cavity: float = 0.0


SECTIONS: tuple[BodySection, ...] = (
    BodySection(
        0.0,
        420.0,
        88.0,
        (48.0, 48.0),
        1.25,
        8.0,
        (
            ("tibialis_anterior", 0.45, 0.60),
            ("fibularis", 0.85, 0.0),
            ("tibialis_posterior", 0.15, -0.05),
            ("soleus", 0.1, -0.55),
            ("gastrocnemius", -0.35, -0.75),
        ),
        (("tibia", -0.25, 0.40, 0.26), ("fibula", 0.60, -0.15, 0.10)),
    ),
    BodySection(
        420.0,
        820.0,
        90.0,
        (72.0, 74.0),
        1.1,
        12.0,
        (
            ("quadriceps_femoris", 0.05, 0.65),
            ("quadriceps_femoris", 0.65, 0.20),
            ("adductor_magnus", -0.55, -0.05),
            ("biceps_femoris", 0.35, -0.65),
            ("semimembranosus", -0.25, -0.70),
        ),
        (("femur", 0.05, 0.05, 0.18),),
    ),
    BodySection(
        820.0,
        1000.0,
        0.0,
        (160.0, 105.0),
        1.0,
        15.0,
        (
            ("gluteus_maximus", 0.45, -0.80),
            ("gluteus_medius", 0.85, -0.05),
            ("iliopsoas", 0.50, 0.45),
            ("piriformis", 0.20, -0.50),
        ),
        (("ilium", 0.55, -0.15, 0.13),),
        0.32,
    ),
    BodySection(
        1000.0,
        1320.0,
        0.0,
        (150.0, 100.0),
        1.0,
        12.0,
        (
            ("erector_spinae", 0.25, -0.78),
            ("trunk_wall", 0.90, 0.0),
            ("trunk_wall", 0.60, 0.75),
            ("trunk_wall", 0.15, 0.95),
        ),
        (),
        0.74,
    ),
    BodySection(
        1320.0,
        1440.0,
        0.0,
        (195.0, 95.0),
        1.0,
        10.0,
        (("deltoid", 0.85, 0.0), ("trapezius", 0.30, -0.60), ("pectoralis_major", 0.40, 0.60)),
        (),
        0.35,
    ),
    BodySection(
        1440.0,
        1600.0,
        0.0,
        (62.0, 62.0),
        1.0,
        6.0,
        (("sternocleidomastoid", 0.50, 0.50), ("splenius_capitis", 0.50, -0.50)),
        (),
        0.3,
    ),
    BodySection(
        760.0,
        1040.0,
        206.0,
        (32.0, 32.0),
        1.1,
        5.0,
        (("forearm_flexors", -0.1, 0.55), ("forearm_extensors", 0.1, -0.55)),
        (("bone", -0.40, 0.0, 0.17), ("bone", 0.40, 0.0, 0.17)),
    ),
    BodySection(
        1040.0,
        1320.0,
        206.0,
        (42.0, 42.0),
        1.05,
        6.0,
        (("biceps_brachii", 0.0, 0.55), ("triceps_brachii", 0.0, -0.55)),
        (("bone", 0.0, 0.0, 0.24),),
    ),
)
"""From ankle to neck; arms hang beside the trunk."""

SEPTUM_MM = 1.2
"""Half width of the fat between muscles. [mm]"""

_FAT, _SEPTUM, _CAVITY = "subcutaneous_fat", "intermuscular_fat", "body_cavity"


def draw_body(grid: Grid, sections: Sequence[BodySection] = SECTIONS) -> LabelMap:
    """Label every voxel of an axial grid whose third axis runs toward the head.

    Parameters
    ----------
    grid : Grid
        LPS; height 0 is the ankle.
    sections : sequence of BodySection
    """
    legend = _legend(sections)
    numbers = {region: number for number, region in legend.items()}
    labels = np.zeros(grid.shape, dtype=np.uint16)
    x = grid.positions_mm(np.stack([np.arange(grid.shape[0]), *np.zeros((2, grid.shape[0]))], axis=1))[:, 0]
    y = grid.positions_mm(np.stack([np.zeros(grid.shape[1]), np.arange(grid.shape[1]), np.zeros(grid.shape[1])], 1))[
        :, 1
    ]
    for k in range(grid.shape[2]):
        height = float(grid.positions_mm([0, 0, k])[2])
        for section in sections:
            if section.low_mm <= height < section.high_mm:
                for side in Side:
                    _draw_side(labels[:, :, k], section, side, height, x[:, None], y[None, :], numbers)
    return LabelMap(labels, grid, legend, "phantom")


def _legend(sections: Sequence[BodySection]) -> dict[int, Region]:
    names = dict.fromkeys(
        name
        for section in sections
        for name in (_FAT, _SEPTUM, *(seed[0] for seed in section.muscles), *(bone[0] for bone in section.bones))
    )
    regions = [Region(_CAVITY), *(Region(name, side) for name in names for side in Side)]
    return dict(enumerate(regions, start=1))


def _draw_side(
    plane: NDArray[np.uint16],
    section: BodySection,
    side: Side,
    height_mm: float,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    numbers: dict[Region, int],
) -> None:
    sign = 1.0 if side is Side.LEFT else -1.0
    along = (height_mm - (section.low_mm + section.high_mm) / 2.0) / ((section.high_mm - section.low_mm) / 2.0)
    scale = 1.0 + (section.growth - 1.0) * along
    a, b = (radius * scale for radius in section.radii_mm)
    outward, forward = sign * x - section.center_mm, -y
    radius = np.hypot(outward / a, forward / b)
    mine = np.broadcast_to((outward >= 0.0) if section.center_mm == 0.0 else np.array(True), radius.shape)
    inner = np.hypot(outward / (a - section.subcutis_mm), forward / (b - section.subcutis_mm))
    plane[mine & (radius < 1.0)] = numbers[Region(_FAT, side)]
    inside = mine & (inner < 1.0)
    u, v = outward / (a - section.subcutis_mm), forward / (b - section.subcutis_mm)
    distances = np.stack([np.hypot(u - p, v - q) for _, p, q in section.muscles])
    names = [name for name, _, _ in section.muscles]
    nearest = distances.argmin(axis=0)
    muscle = np.zeros(radius.shape, dtype=np.uint16)
    for number, name in enumerate(names):
        muscle[nearest == number] = numbers[Region(name, side)]
    best = distances.min(axis=0)
    # the border to another muscle counts, not that between two seeds of one muscle
    cell = np.array([names.index(name) for name in names])
    own = cell[nearest]
    others = np.where(cell[:, None, None] == own, np.inf, distances).min(axis=0)
    septum = (others - best) * min(a, b) < 2.0 * SEPTUM_MM
    plane[inside] = np.where(septum, numbers[Region(_SEPTUM, side)], muscle)[inside]
    if section.cavity > 0.0:
        plane[inside & (inner < section.cavity)] = numbers[Region(_CAVITY)]
    for name, p, q, r in section.bones:
        plane[inside & (np.hypot(u - p, v - q) < r)] = numbers[Region(name, side)]
