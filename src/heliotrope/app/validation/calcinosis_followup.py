"""Accuracy gates of followed calcifications, on pairs of digital CT whose every change and whose pose are known."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.calcium_followup import CalciumScan, follow_limb
from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.domain.lesions import Lesion, LesionChange, LimbFollowUp
from heliotrope.domain.units import Unit
from heliotrope.findings.change import REPEATABILITY
from heliotrope.measure.calcium import measure_calcium
from heliotrope.measure.calcium_change import LEAST_TRENDED_MM3, REACH_MM
from heliotrope.phantoms.ct_calcinosis import CtCalcinosisPhantom, CtCalcinosisSettings
from heliotrope.phantoms.ct_longitudinal import CtPair, TrueCourse, build_ct_pair
from heliotrope.physics.ct_attenuation import table_calibration
from heliotrope.segment.calcium.body import split_limbs
from heliotrope.segment.calcium.find import find_calcinosis

SEEDS = (2001, 2002, 2003, 2004)
"""Thighs that were not looked at while the rules were written."""

REDUCED_SETTINGS = CtCalcinosisSettings(shape=(172, 172, 72), voxel_mm=(1.1, 1.1, 1.3))
"""For CI: one thigh in fewer voxels."""

_KNOWN = REPEATABILITY["calcinosis_mass"]


@dataclass(frozen=True)
class Outcome:
    """One pair against its truth.

    Parameters
    ----------
    position_error_mm : float
        Root mean square of how far the registration puts calcified voxels from their true place. [mm]
    courses : tuple of bool
        Right or wrong, for every true course of at least 50 mm3.
    mass_error_points : float
        Measured minus true relative change of the total. [percentage points]
    """

    position_error_mm: float
    courses: tuple[bool, ...]
    mass_error_points: float


def assess_pair(pair: CtPair) -> Outcome:
    """Follow the calcifications of a pair as `heliotrope compare` does, and hold the answer against its truth."""
    scans = [_scan(phantom) for phantom in (pair.baseline, pair.followup)]
    found = follow_limb(scans[0], scans[1], 1, 1, _KNOWN, same_protocol=True)
    if found.alignment is None or found.total is None:
        return Outcome(float("nan"), (), float("nan"))
    points = pair.baseline.volume.grid.positions_mm(np.argwhere(scans[0].numbers > 0))
    moved = np.array(found.alignment.matrix) - pair.pose
    apart = points @ moved[:3, :3].T + moved[:3, 3]
    sums = [sum(getattr(course, name) for course in pair.courses) for name in ("mass_before_mg", "mass_after_mg")]
    measured = found.total.mass_after_mg / found.total.mass_before_mg
    return Outcome(
        float(np.sqrt((apart**2).sum(axis=1).mean())),
        _judged(pair, found, scans),
        100 * (measured - sums[1] / sums[0]),
    )


def _scan(phantom: CtCalcinosisPhantom) -> CalciumScan:
    grid = phantom.volume.grid
    found = find_calcinosis(phantom.volume, slice_thickness_mm=grid.spacing_mm[2])
    burdens = measure_calcium(found, table_calibration(phantom.settings.tube_voltage_kv))
    lesions = {
        b.number: Lesion(b.number, f"{c.plane} {c.shape}", b.mass_mg, b.mass_ci95_mg, b.volume_mm3)
        for c, b in zip(found.components, burdens, strict=True)
    }
    limbs = split_limbs(found.body, found.bone, grid.spacing_mm)
    return CalciumScan(found.numbers, found.body, found.bone, limbs, None, grid, lesions)


def _judged(pair: CtPair, found: LimbFollowUp, scans: list[CalciumScan]) -> tuple[bool, ...]:
    owners = [
        _owners(scan.numbers, phantom.labels.labels)
        for scan, phantom in zip(scans, (pair.baseline, pair.followup), strict=True)
    ]
    sizes = [
        {lesion.number: lesion.volume_mm3 for lesion in phantom.lesions} for phantom in (pair.baseline, pair.followup)
    ]
    out = []
    for truth in pair.courses:
        volumes = [
            sum(size[n] for n in numbers) for size, numbers in zip(sizes, (truth.before, truth.after), strict=True)
        ]
        if max(volumes) < LEAST_TRENDED_MM3:
            continue
        mine = [change for change in found.changes if _is_of(change, truth, owners)]
        heaviest = max(mine, key=lambda c: max(c.mass_before_mg, c.mass_after_mg), default=None)
        out.append(heaviest is not None and heaviest.course is truth.course)
    return tuple(out)


def _owners(numbers: NDArray[np.int32], truth: NDArray[np.uint16]) -> dict[int, int]:
    """True lesion in which most of each component lies."""
    both = (numbers > 0) & (truth > 0)
    counts = np.zeros((int(numbers.max()) + 1, int(truth.max()) + 1), np.int64)
    np.add.at(counts, (numbers[both], truth[both]), 1)
    return {n: int(row.argmax()) for n, row in enumerate(counts) if row.any()}


def _is_of(change: LesionChange, truth: TrueCourse, owners: list[dict[int, int]]) -> bool:
    held = [{owner.get(lesion.number, 0) for lesion in group} for owner, group in
            zip(owners, (change.before, change.after), strict=True)]  # fmt: skip
    return bool(held[0] & set(truth.before) or held[1] & set(truth.after))


@functools.cache
def _outcomes(effort: Effort) -> tuple[Outcome, ...]:
    if effort is Effort.REDUCED:
        return (assess_pair(build_ct_pair(SEEDS[0], settings=REDUCED_SETTINGS)),)
    return tuple(assess_pair(build_ct_pair(seed)) for seed in SEEDS)


def _position_error(effort: Effort) -> float:
    return max(one.position_error_mm for one in _outcomes(effort))


def _course_share(effort: Effort) -> float:
    rows = [right for one in _outcomes(effort) for right in one.courses]
    return 100 * float(np.mean(rows)) if rows else float("nan")


def _mass_error(effort: Effort) -> float:
    return max(abs(one.mass_error_points) for one in _outcomes(effort))


GATES: tuple[Gate, ...] = (
    Gate(
        "calcinosis-follow-up-position",
        "Where the registration of a limb laid down anew puts calcified voxels, root mean square, worst pair.",
        REACH_MM,
        Unit.MILLIMETER,
        Sense.AT_MOST,
        _position_error,
    ),
    Gate(
        "calcinosis-follow-up-course",
        "Calcifications from 50 mm3 called new, resolved, grown, shrunk, merged, split or unchanged as they are.",
        90.0,
        Unit.PERCENT,
        Sense.AT_LEAST,
        _course_share,
    ),
    Gate(
        "calcinosis-follow-up-mass",
        "Error of the relative change of total mass, in percentage points, worst pair; half the repeatability.",
        _KNOWN.coefficient / 2,
        Unit.PERCENT,
        Sense.AT_MOST,
        _mass_error,
    ),
)
