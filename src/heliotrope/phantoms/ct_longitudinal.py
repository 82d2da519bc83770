"""Two CT scans of one limb: calcium that grew, shrank, came, went, merged and came apart, in a limb laid down anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from heliotrope.domain.anatomy import TissuePlane
from heliotrope.domain.lesions import LesionCourse
from heliotrope.phantoms.ct_calcinosis import (
    CalcinosisVariant,
    CtCalcinosisPhantom,
    CtCalcinosisSettings,
    PlacedLesion,
    Scene,
    draw_scene,
    scan_scene,
)
from heliotrope.phantoms.ct_calcinosis_lesions import Form, Lesion

GROWTH = 1.2
"""Mineral of a grown lesion at the follow-up over that at the start."""

SHRINKAGE = 0.7
"""The same of a lesion that shrank."""

TURN_DEG = (2.0, -1.5, 6.0)
"""How the limb is turned at the follow-up, about left, posterior and superior. [deg]"""

SHIFT_MM = (5.0, -4.0, 6.0)
"""And shifted, toward left, posterior and superior. [mm]"""

_GAP_MM = 10.0
"""Between the two halves of a line that is in two pieces at one visit. [mm]"""

_SEED_OF_SECOND_NOISE = 104_729


@dataclass(frozen=True)
class TrueCourse:
    """What became of one calcification, by lesion numbers of the two scans.

    Parameters
    ----------
    before, after : tuple of int
    mass_before_mg, mass_after_mg : float
        [mg]
    course : LesionCourse
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    mass_before_mg: float
    mass_after_mg: float
    course: LesionCourse


@dataclass(frozen=True, eq=False)
class CtPair:
    """Two scans of one limb with their truth.

    Parameters
    ----------
    baseline, followup : CtCalcinosisPhantom
    courses : tuple of TrueCourse
        Of calcinosis; calcium of vessel walls has none.
    pose : float array (4, 4)
        Position at the baseline to position at the follow-up. [mm]
    """

    baseline: CtCalcinosisPhantom
    followup: CtCalcinosisPhantom
    courses: tuple[TrueCourse, ...]
    pose: NDArray[np.float64]


@dataclass(frozen=True)
class _Plan:
    before: tuple[PlacedLesion, ...]
    after: tuple[PlacedLesion, ...]
    course: LesionCourse


def build_ct_pair(seed: int, *, settings: CtCalcinosisSettings | None = None) -> CtPair:
    """Two scans of one limb.

    Parameters
    ----------
    seed : int
        Limb, lesions and noise.
    settings : CtCalcinosisSettings or None
        Of both scans.

    Returns
    -------
    CtPair
        One clump is new, one shrank, one fascial sheet resolved, one line merged out of two pieces and one came
        apart into two; of the others every second has 20 % more mineral and the rest is unchanged.
    """
    chosen = CtCalcinosisSettings() if settings is None else settings
    scene = draw_scene(seed, CalcinosisVariant.CALCINOSIS, chosen)
    plans = _plans(scene)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", TURN_DEG, degrees=True).as_matrix()
    pose[:3, 3] = SHIFT_MM
    visits = [[part for plan in plans for part in plan.before], [part for plan in plans for part in plan.after]]
    scans = [
        scan_scene(
            replace(scene, lesions=tuple(lesions)),
            chosen,
            variant=CalcinosisVariant.CALCINOSIS,
            seed=seed,
            noise_seed=seed + number * _SEED_OF_SECOND_NOISE,
            pose=pose if number else None,
        )
        for number, lesions in enumerate(visits)
    ]
    return CtPair(scans[0], scans[1], _courses(plans, scans[0], scans[1]), pose)


def _plans(scene: Scene) -> list[_Plan]:
    """What becomes of each lesion of a scene."""
    clumps = sheets = lines = others = 0
    plans: list[_Plan] = []
    for item in scene.lesions:
        lesion = item.lesion
        if lesion.plane is None:
            plans.append(_Plan((item,), (item,), LesionCourse.UNCHANGED))
        elif lesion.shape == "clump" and clumps < 2:
            course = (LesionCourse.NEW, LesionCourse.SHRUNK)[clumps]
            after = item if clumps == 0 else replace(item, mineral=SHRINKAGE)
            plans.append(_Plan(() if clumps == 0 else (item,), (after,), course))
            clumps += 1
        elif lesion.plane is TissuePlane.FASCIAL and sheets == 0:
            plans.append(_Plan((item,), (), LesionCourse.RESOLVED))
            sheets += 1
        elif lesion.shape == "linear" and lines < 2:
            pieces = tuple(replace(item, lesion=half) for half in _halves(lesion))
            merged = _Plan(pieces, (item,), LesionCourse.MERGED)
            plans.append(merged if lines == 0 else _Plan((item,), pieces, LesionCourse.SPLIT))
            lines += 1
        else:
            grown = others % 2 == 0
            after = replace(item, mineral=GROWTH) if grown else item
            plans.append(_Plan((item,), (after,), LesionCourse.GROWN if grown else LesionCourse.UNCHANGED))
            others += 1
    return plans


def _halves(line: Lesion) -> tuple[Lesion, Lesion]:
    """A line with its middle left out."""
    form, (x, y, middle, half, radius) = line.parts[0]
    assert form is Form.LINE
    length = (2 * half - _GAP_MM) / 2
    pieces = []
    for sign in (-1.0, 1.0):
        z = middle + sign * (_GAP_MM + length) / 2
        # a line leans and winds about its own middle; its halves lie within 3 mm of their place in the whole
        dz = z - middle
        values = (x + 0.08 * dz, y + 2 * float(np.sin(dz / 14)), z, length / 2, radius)
        pieces.append(replace(line, parts=((Form.LINE, values),)))
    return pieces[0], pieces[1]


def _courses(
    plans: list[_Plan], baseline: CtCalcinosisPhantom, followup: CtCalcinosisPhantom
) -> tuple[TrueCourse, ...]:
    masses = [{lesion.number: lesion.mass_mg for lesion in scan.calcinosis} for scan in (baseline, followup)]
    first = second = 0
    out = []
    for plan in plans:
        before = tuple(range(first + 1, first + 1 + len(plan.before)))
        after = tuple(range(second + 1, second + 1 + len(plan.after)))
        first, second = first + len(plan.before), second + len(plan.after)
        held = tuple(n for n in before if n in masses[0]), tuple(n for n in after if n in masses[1])
        if held[0] or held[1]:
            sums = [sum(mass[n] for n in numbers) for mass, numbers in zip(masses, held, strict=True)]
            out.append(TrueCourse(held[0], held[1], sums[0], sums[1], plan.course))
    return tuple(out)
