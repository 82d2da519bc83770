"""The same calcifications at two timepoints: which are new, gone, grown, shrunk or merged, against error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import GeometryError
from heliotrope.segment.calcium.geometry import Spacing, dilate

MATCHED_PROTOCOL_LIMIT = 0.15
"""Relative mass change that measurement error can explain with one protocol; a project rule."""

OTHER_PROTOCOL_LIMIT = 0.30
"""The same with different protocols; a project rule."""

LEAST_TRENDED_MM3 = 50.0
"""Smaller calcifications are not trended. [mm3]"""

_REACH_MM = 3.0


class Course(StrEnum):
    """What became of a calcification."""

    NEW = "new"
    RESOLVED = "resolved"
    GROWN = "grown"
    SHRUNK = "shrunk"
    MERGED = "merged"
    UNCHANGED = "within measurement error"
    TOO_SMALL = "too small to trend"


@dataclass(frozen=True)
class ComponentChange:
    """One group of calcifications that overlap between timepoints.

    Parameters
    ----------
    before, after : tuple of int
        Components at baseline and follow-up.
    mass_before_mg, mass_after_mg : float
        [mg]
    course : Course
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    mass_before_mg: float
    mass_after_mg: float
    course: Course


def match_components(
    before: NDArray[np.int32],
    after: NDArray[np.int32],
    masses_before_mg: dict[int, float],
    masses_after_mg: dict[int, float],
    spacing: Spacing,
    *,
    same_protocol: bool,
) -> tuple[ComponentChange, ...]:
    """Components of two registered scans, grouped where they come within 3 mm of each other.

    Parameters
    ----------
    before, after : int32 arrays (x, y, z)
        Components on one grid; the follow-up registered on the bone of the baseline.
    masses_before_mg, masses_after_mg : dict
        Mass by component. [mg]
    spacing : tuple of 3 floats
        [mm]
    same_protocol : bool
        Same scanner, voltage, kernel and slice thickness.

    Raises
    ------
    GeometryError
        The arrays differ in shape.
    """
    if before.shape != after.shape:
        raise GeometryError(
            f"calcification of two timepoints: shapes {before.shape} and {after.shape} differ",
            hint="register the follow-up onto the baseline's grid",
        )
    limit = MATCHED_PROTOCOL_LIMIT if same_protocol else OTHER_PROTOCOL_LIMIT
    voxel = float(np.prod(spacing))
    pairs = set()
    for n in masses_before_mg:
        near = dilate(before == n, _REACH_MM, spacing)
        pairs |= {(n, int(m)) for m in np.unique(after[near & (after > 0)])}
    out = []
    for olds, news in _groups(set(masses_before_mg), set(masses_after_mg), pairs):
        first = sum(masses_before_mg[n] for n in olds)
        second = sum(masses_after_mg[n] for n in news)
        sizes = (float(np.isin(before, olds).sum()) * voxel, float(np.isin(after, news).sum()) * voxel)
        out.append(ComponentChange(olds, news, first, second, _course(olds, news, first, second, max(sizes), limit)))
    return tuple(out)


def _course(
    olds: tuple[int, ...], news: tuple[int, ...], first: float, second: float, size_mm3: float, limit: float
) -> Course:
    if not olds:
        return Course.NEW
    if not news:
        return Course.RESOLVED
    if size_mm3 < LEAST_TRENDED_MM3 or first <= 0:
        return Course.TOO_SMALL
    change = second / first - 1
    if len(news) < len(olds) and change > -limit:
        return Course.MERGED
    if abs(change) <= limit:
        return Course.UNCHANGED
    return Course.GROWN if change > 0 else Course.SHRUNK


def _groups(
    olds: set[int], news: set[int], pairs: set[tuple[int, int]]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Connected groups of the overlap graph."""
    left = {n: {m for a, m in pairs if a == n} for n in olds}
    seen: set[int] = set()
    out: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for start in sorted(olds):
        if start in seen:
            continue
        group, targets, open_ones = {start}, set(left[start]), [start]
        while open_ones:
            targets |= left[open_ones.pop()]
            more = {n for n in olds if left[n] & targets} - group
            group |= more
            open_ones.extend(more)
        seen |= group
        out.append((tuple(sorted(group)), tuple(sorted(targets))))
    matched = {m for _, targets in out for m in targets}
    out.extend(((), (m,)) for m in sorted(news - matched))
    return out
