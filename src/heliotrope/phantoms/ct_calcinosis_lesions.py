"""Calcifications of known plane and shape, laid out in a limb so that no two touch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import TissuePlane
from heliotrope.phantoms.ct_calcinosis_anatomy import SKIN_THICKNESS_MM, LimbAnatomy

N_PARAMETERS = 8


class Form(IntEnum):
    """Implicit function that bounds a part of a lesion."""

    SKIN_PATCH = 0
    FASCIA_PATCH = 1
    NET = 2
    SEPTUM_PATCH = 3
    BALL_IN_SUBCUTIS = 4
    BALL_IN_MUSCLE = 5
    LINE = 6
    ARTERY_WALL = 7


@dataclass(frozen=True)
class Lesion:
    """A calcification as it was put in.

    Parameters
    ----------
    plane : TissuePlane or None
        None for calcium of a vessel wall.
    shape : str
        ``"sheet"``, ``"linear"``, ``"nodular"``, ``"clump"``, ``"tumoral"``, ``"reticular"``, ``"vascular"``.
    attenuation_hu : float
        CT number of the calcified tissue, before its 15 % texture. [HU]
    parts : tuple of (Form, 8 floats)
        The lesion is the union of its parts; lengths in mm, angles in rad.
    """

    plane: TissuePlane | None
    shape: str
    attenuation_hu: float
    parts: tuple[tuple[Form, tuple[float, ...]], ...]

    def parameters(self) -> NDArray[np.float64]:
        """Rows of (form, 8 parameters), for the renderer."""
        rows = np.zeros((len(self.parts), N_PARAMETERS + 1))
        for row, (form, values) in zip(rows, self.parts, strict=True):
            row[0] = form
            row[1 : 1 + len(values)] = values
        return rows


def _wrap(angle: float) -> float:
    return float(np.arctan2(np.sin(angle), np.cos(angle)))


def draw_lesions(
    rng: np.random.Generator, limb: LimbAnatomy, *, length_mm: float, fine_net: bool = False
) -> tuple[Lesion, ...]:
    """Every plane and shape once or more: 3 skin plaques, up to 14 nodules, a net, 2 fascial and 2 septal sheets, ...

    Parameters
    ----------
    rng : Generator
        Positions, sizes and attenuations.
    limb : LimbAnatomy
        Where they go.
    length_mm : float
        Extent of the scan along z; lesions keep 5 mm from its ends. [mm]
    fine_net : bool
        Strands of the net thinner than a voxel and less dense, as the method's first study drew them.
    """
    # slots of the subcutis: 8 sectors by 3 levels; the mass takes the sector with the thickest fat
    sectors = limb.thickest_subcutis_rad + np.arange(8) * np.pi / 4
    levels = np.array([-1, 0, 1]) * length_mm * 0.31
    mass_level = int(rng.integers(3))
    slots = [(s, k) for s in range(1, 8) for k in range(3) if not (s in (1, 7) and k == mass_level)]
    rng.shuffle(slots)
    lesions = [_mass(rng, limb, float(sectors[0]), float(levels[mass_level]))]
    thick = [slot for slot in slots if _subcutis(limb, float(sectors[slot[0]]), float(levels[slot[1]])) > 9.0]
    if thick:
        slots.remove(thick[0])
        lesions.append(_net(rng, float(sectors[thick[0][0]]), float(levels[thick[0][1]]), fine=fine_net))
    for _ in range(3):
        s, k = slots.pop()
        lesions.append(_plaque(rng, float(sectors[s]), float(levels[k])))
    for _ in range(2):
        s, k = slots.pop()
        lesions.append(_fascial_sheet(rng, float(sectors[s]), float(levels[k])))
    for s, k in slots:
        nodule = _nodule(rng, limb, float(sectors[s] + rng.uniform(-0.2, 0.2)), float(levels[k] + rng.uniform(-5, 5)))
        if nodule is not None:
            lesions.append(nodule)
    lesions.extend(_deep(rng, limb, length_mm))
    lesions.append(artery_calcium(rng))
    return tuple(lesions)


def artery_calcium(rng: np.random.Generator) -> Lesion:
    """Tram-track calcium of the femoral artery's wall."""
    phase = float(rng.uniform(0, 2 * np.pi))
    return Lesion(None, "vascular", float(rng.uniform(300, 700)), ((Form.ARTERY_WALL, (phase,)),))


def _subcutis(limb: LimbAnatomy, angle: float, z: float) -> float:
    return float(limb.subcutis_mm[limb.row(z), limb.column(angle)])


def _skin(limb: LimbAnatomy, angle: float, z: float) -> float:
    return float(limb.skin_radius_mm[limb.row(z), limb.column(angle)])


def _plaque(rng: np.random.Generator, angle: float, z: float) -> Lesion:
    values = (_wrap(angle), z, float(rng.uniform(5, 10)), float(rng.uniform(5, 9)), SKIN_THICKNESS_MM)
    return Lesion(TissuePlane.CUTANEOUS, "sheet", float(rng.uniform(350, 700)), ((Form.SKIN_PATCH, values),))


def _fascial_sheet(rng: np.random.Generator, angle: float, z: float) -> Lesion:
    values = (_wrap(angle), z, float(rng.uniform(12, 18)), float(rng.uniform(11, 14)), float(rng.uniform(0.75, 0.9)))
    return Lesion(TissuePlane.FASCIAL, "sheet", float(rng.uniform(350, 700)), ((Form.FASCIA_PATCH, values),))


def _nodule(rng: np.random.Generator, limb: LimbAnatomy, angle: float, z: float) -> Lesion | None:
    thickness = _subcutis(limb, angle, z)
    radius = min(float(rng.uniform(1.5, 4.0)), (thickness - 3.5) / 2)
    if radius < 1.2:
        return None
    free = thickness - 2 * radius - 2.6
    depth = SKIN_THICKNESS_MM + radius + 1.3 + (float(rng.uniform(0, free)) if free > 0 else 0.0)
    r = _skin(limb, angle, z) - depth
    values = (r * np.cos(angle), r * np.sin(angle), z, radius, 0.8)
    part = (Form.BALL_IN_SUBCUTIS, tuple(float(v) for v in values))
    return Lesion(TissuePlane.SUBCUTANEOUS, "nodular", float(rng.uniform(250, 800)), (part,))


def _net(rng: np.random.Generator, angle: float, z: float, *, fine: bool) -> Lesion:
    period, strand, attenuation = (float(rng.uniform(*r)) for r in ((1.7, 2.0), (0.45, 0.6), (450, 700)))
    if fine:
        period, strand, attenuation = 1.5, 0.34, attenuation - 100.0
    values = (_wrap(angle), z, 20.0, 13.0, period, strand)
    return Lesion(TissuePlane.SUBCUTANEOUS, "reticular", attenuation, ((Form.NET, values),))


def _mass(rng: np.random.Generator, limb: LimbAnatomy, angle: float, z: float) -> Lesion:
    thickness = _subcutis(limb, angle, z)
    parts = []
    for _ in range(14):
        a = angle + float(rng.normal(0, 0.1))
        level = z + float(np.clip(rng.normal(0, 6), -10, 10))
        radius = float(rng.uniform(4.5, 7.5)) * min(1.0, thickness / 14)
        r = _skin(limb, a, level) - SKIN_THICKNESS_MM - thickness * float(rng.uniform(0.35, 0.65))
        parts.append((Form.BALL_IN_SUBCUTIS, (float(r * np.cos(a)), float(r * np.sin(a)), level, radius, 0.8)))
    return Lesion(TissuePlane.SUBCUTANEOUS, "tumoral", float(rng.uniform(450, 900)), tuple(parts))


def _level(rng: np.random.Generator, reach: float) -> float:
    return float(rng.uniform(-1, 1)) * max(reach, 0.0)


def _deep(rng: np.random.Generator, limb: LimbAnatomy, length_mm: float) -> list[Lesion]:
    lesions = []
    centers = limb.muscle_centers_mm
    ends = length_mm / 2 - 8
    # muscles 1..8 lie around; muscle 0 is the inner one. Their shared walls carry the septal sheets.
    order = rng.permutation(np.arange(1, 9))
    for wall in (int(order[0]), int(order[4])):
        neighbor = wall % 8 + 1
        half = min(float(rng.uniform(14, 20)), 0.8 * ends)
        values = (wall, neighbor, _level(rng, ends - half), half, 24.0, 56.0, 0.8)
        part = (Form.SEPTUM_PATCH, tuple(float(v) for v in values))
        lesions.append(Lesion(TissuePlane.INTERMUSCULAR, "sheet", float(rng.uniform(300, 650)), (part,)))
    for cell in order[1:4]:
        z0 = _level(rng, ends - 14)
        parts = []
        for _ in range(7):
            dx, dy, dz = rng.normal(0, (3.2, 3.2, 4.0))
            x, y = centers[cell, 0] + 0.05 * z0 + dx, centers[cell, 1] + dy
            radius = float(rng.uniform(1.8, 3.2))
            parts.append((Form.BALL_IN_MUSCLE, (float(x), float(y), float(z0 + dz), radius, 1.6)))
        lesions.append(Lesion(TissuePlane.INTRAMUSCULAR, "clump", float(rng.uniform(300, 900)), tuple(parts)))
    for cell in order[5:7]:
        half = min(float(rng.uniform(16, 24)), 0.8 * ends)
        z0 = _level(rng, ends - half)
        line = (centers[cell, 0] * 1.05, centers[cell, 1] * 1.05, z0, half, float(rng.uniform(1.2, 1.5)))
        part = (Form.LINE, tuple(float(v) for v in line))
        lesions.append(Lesion(TissuePlane.INTRAMUSCULAR, "linear", float(rng.uniform(400, 700)), (part,)))
    # a plaque close to the cortex, with a gap of 2 mm
    fx, fy = limb.femur_mm
    z0 = _level(rng, ends - 6)
    part = (Form.BALL_IN_MUSCLE, (fx - 14.5 - 5.2, fy, z0, 3.2, 1.2))
    lesions.append(Lesion(TissuePlane.INTRAMUSCULAR, "nodular", float(rng.uniform(400, 800)), (part,)))
    return lesions
