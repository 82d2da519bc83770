"""How edema changes along a limb: its fraction by height, and a robust slope from the distal to the proximal end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from heliotrope.domain.anatomy import STRUCTURES, BodyPart, Region
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.domain.whole_body import inventory_compartment
from heliotrope.measure.regions import index_regions
from heliotrope.measure.spatial_bootstrap import BLOCK_MM

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

METHOD = "profile-theil-sen/1"

FEWEST_HEIGHTS = 5
"""Heights at which a region must be assessable for a slope to be stated."""

FEWEST_VOXELS = 30
"""Assessable voxels at a height for its fraction to be stated."""

LEAST_BONE_MM = 40.0
"""Length over which a bone must be labeled for its axis to be taken. [mm]"""

_BONES = frozenset({"bone", "bone_cortex", "bone_marrow", "femur", "tibia"})
_ARM = frozenset({BodyPart.UPPER_ARM, BodyPart.FOREARM, BodyPart.HAND})
_HEAD = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class LimbAxis:
    """The line along which heights are taken.

    Parameters
    ----------
    point_mm, direction : arrays (3,)
        A point in LPS and a unit vector toward the head.
    from_bone : bool
        False where no bone was labeled and the patient's long axis stands for it.
    """

    point_mm: FloatArray
    direction: FloatArray
    from_bone: bool


@dataclass(frozen=True)
class Profile:
    """Fraction by height of one region.

    Parameters
    ----------
    heights_mm : tuple of floats
        Middle of each stretch above the distal end of the region. [mm]
    percents : tuple of floats
        Edema fraction of each. [%]
    slope_percent_per_cm, ci95 : float and tuple of 2 floats, or None
        Theil-Sen slope toward the head and its 95 % interval; None with too few heights. [%/cm]
    """

    heights_mm: tuple[float, ...]
    percents: tuple[float, ...]
    slope_percent_per_cm: float | None
    ci95: tuple[float, float] | None


def limb_axis(labels: LabelMap, region: Region) -> LimbAxis:
    """Axis of the labeled bone at the levels of a region, on its side; else the patient's long axis.

    The bone's middle is followed from level to level and a line is fitted to it, so that bone of joint ends does not
    turn the axis.
    """
    numbers = [n for n, known in labels.legend.items() if known.structure in _BONES and known.side == region.side]
    bone = labels.grid.positions_mm(np.argwhere(np.isin(labels.labels, numbers))) if numbers else np.zeros((0, 3))
    if len(bone) > 0:
        level = np.round(bone[:, 2] / BLOCK_MM).astype(int)
        middles = np.array([bone[level == k].mean(axis=0) for k in np.unique(level)])
        if np.ptp(middles[:, 2]) >= LEAST_BONE_MM:
            slopes = [stats.theilslopes(middles[:, a], middles[:, 2])[0] for a in (0, 1)]
            direction = np.array([slopes[0], slopes[1], 1.0])
            return LimbAxis(middles.mean(axis=0), direction / np.linalg.norm(direction), from_bone=True)
    return LimbAxis(np.zeros(3), _HEAD.copy(), from_bone=False)


def profile_of(share: ParametricMap, inside: BoolArray, axis: LimbAxis) -> Profile | None:
    """Edema fraction by height along an axis; None where nothing of the region can be judged.

    Stretches are as long as a slice is thick along the axis, and at least `BLOCK_MM`, within which voxels are alike.

    Parameters
    ----------
    share : ParametricMap
        Edema in each voxel [%], valid where it could be judged.
    inside : bool array (x, y, z)
        The region.
    """
    assessed = inside & share.valid
    if not assessed.any():
        return None
    heights = (share.grid.positions_mm(np.argwhere(assessed)) - axis.point_mm) @ axis.direction
    lowest = float(((share.grid.positions_mm(np.argwhere(inside)) - axis.point_mm) @ axis.direction).min())
    step = max(BLOCK_MM, _slice_step_mm(share.grid, axis))
    number = np.floor((heights - lowest) / step + 1e-6).astype(int)
    values = share.values[assessed].astype(np.float64)
    counts = np.bincount(number)
    sums = np.bincount(number, weights=values)
    kept = np.flatnonzero(counts >= FEWEST_VOXELS)
    if kept.size == 0:
        return None
    middles = (kept + 0.5) * step
    percents = sums[kept] / counts[kept]
    slope: float | None = None
    ci95: tuple[float, float] | None = None
    if kept.size >= FEWEST_HEIGHTS:
        found = stats.theilslopes(percents, middles / 10.0, 0.95)
        slope = float(found[0])
        ci95 = (float(min(found[2], slope)), float(max(found[3], slope)))
    return Profile(tuple(middles.tolist()), tuple(percents.tolist()), slope, ci95)


def body_part_levels(labels: LabelMap, region: Region) -> tuple[tuple[BodyPart, float], ...]:
    """Middle height of every part of the body that a region reaches over, distal first.

    Arms are left out: they hang beside the trunk and have no level of their own on its axis.

    Returns
    -------
    tuple of (BodyPart, float)
        Height above the distal end of the region, as `profile_of` takes it [mm]; empty where one part alone is labeled.
    """
    axis = limb_axis(labels, region)
    index = index_regions(labels)
    if region not in index.members:
        return ()
    heights: dict[BodyPart, list[float]] = {}
    ends: list[float] = []
    for number in index.members[region]:
        compartment = inventory_compartment(labels.legend[number].structure)
        where = np.argwhere(labels.labels == number)
        if len(where) == 0:
            continue
        found = (labels.grid.positions_mm(where) - axis.point_mm) @ axis.direction
        ends.append(float(found.min()))
        part = None if compartment is None else STRUCTURES[compartment].body_part
        if part is not None and part not in _ARM:
            heights.setdefault(part, []).extend((float(found.min()), float(found.max())))
    if len(heights) < 2:
        return ()
    middles = {part: (min(known) + max(known)) / 2.0 - min(ends) for part, known in heights.items()}
    return tuple(sorted(middles.items(), key=lambda item: item[1]))


def _slice_step_mm(grid: Grid, axis: LimbAxis) -> float:
    """Longest step of a voxel along the axis: the slice distance where slices lie across it. [mm]"""
    return float(np.abs(grid.matrix[:3, :3].T @ axis.direction).max())


def profile_measurements(region: Region, profile: Profile | None, axis: LimbAxis) -> tuple[Measurement, ...]:
    """Turn a profile into rows: ``edema_profile`` by height [%] and ``edema_slope`` [%/cm]."""
    note = "" if axis.from_bone else "No bone is labeled here: heights are along the patient's long axis."
    notes = (note,) if note else ()
    missing: Missing | None = None
    if profile is None:
        missing = Missing("M_NOT_ASSESSABLE", f"No voxel of the {region.title} can be judged.")
    elif profile.slope_percent_per_cm is None:
        missing = Missing(
            "M_TOO_SHORT",
            f"The {region.title} can be judged at {len(profile.heights_mm)} heights; {FEWEST_HEIGHTS} are needed for a "
            "slope.",
        )
    slope = Measurement(
        region,
        "edema_slope",
        "Theil-Sen",
        None if profile is None or missing else profile.slope_percent_per_cm,
        Unit.PERCENT_PER_CENTIMETER,
        METHOD,
        missing,
        None if profile is None or missing else profile.ci95,
        evidence=("limb-profile",),
        notes=notes,
    )
    if profile is None:
        return (slope,)
    levels = tuple(
        Measurement(
            Region(region.structure, region.side, f"{height:.0f} mm above its distal end"),
            "edema_profile",
            "fraction",
            percent,
            Unit.PERCENT,
            METHOD,
            evidence=("limb-profile",),
            notes=notes,
        )
        for height, percent in zip(profile.heights_mm, profile.percents, strict=True)
    )
    return (slope, *levels)
