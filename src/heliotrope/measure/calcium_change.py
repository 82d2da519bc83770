"""The same calcifications at two timepoints: which are new, gone, grown, shrunk, merged or split, against error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.change import ChangeVerdict, Repeatability
from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.lesions import Lesion, LesionChange, LesionCourse
from heliotrope.measure.calcium import MODEL_ERROR
from heliotrope.measure.change import error_limit
from heliotrope.segment.calcium.geometry import Spacing, distance_to, grow_box

LEAST_TRENDED_MM3 = 50.0
"""Smaller calcifications are not trended. [mm3]"""

REACH_MM = 3.0
"""Calcifications of two visits that come nearer than this are one where neither overlaps another (spec C11). [mm]"""

OVERLAP_MM = 1.0
"""Gap below which two count as overlapping, since voxels round. Project rule. [mm]"""

LEAST_SEEN = 0.9
"""Share of a calcification that must lie in the other scan for it to be compared. Project rule."""

Position = tuple[float, float, float]


def match_components(
    before: NDArray[np.int32],
    after: NDArray[np.int32],
    lesions_before: Mapping[int, Lesion],
    lesions_after: Mapping[int, Lesion],
    grid: Grid,
    *,
    repeatability: Repeatability,
    same_protocol: bool,
    outside_before: frozenset[int] = frozenset(),
    outside_after: frozenset[int] = frozenset(),
    obstacle: str = "",
    places_after: Mapping[int, NDArray[np.float64]] | None = None,
) -> tuple[LesionChange, ...]:
    """Components of two registered scans, grouped where they come within 3 mm of each other.

    Parameters
    ----------
    before, after : int32 arrays (x, y, z)
        Components on one grid; the follow-up registered on the bone of the baseline.
    lesions_before, lesions_after : mapping of int to Lesion
        What each scan says of its components; components not named here are not matched.
    grid : Grid
        Of both arrays.
    repeatability : Repeatability
        Of the mass.
    same_protocol : bool
        Same scanner and kernel; otherwise the coefficient across scanners is used.
    outside_before, outside_after : frozenset of int
        Components that do not lie in the other scan.
    obstacle : str
        Why masses may not be compared at all, e.g. another tube voltage; empty when they may.
    places_after : mapping of int to array (3,) or None
        Centers of the follow-up's components in the baseline's space, also of those beyond `grid`; else from `after`.
        [mm]

    Returns
    -------
    tuple of LesionChange
        Heaviest first.

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
    pairs = _touching(before, after, set(lesions_before), set(lesions_after), grid.spacing_mm)
    centers = (component_centers(before, grid), places_after or component_centers(after, grid))
    out = []
    for olds, news in _groups(set(lesions_before), set(lesions_after), pairs):
        first, second = tuple(lesions_before[n] for n in olds), tuple(lesions_after[n] for n in news)
        seen = not (set(olds) & outside_before or set(news) & outside_after)
        places = [centers[0][n] for n in olds if n in centers[0]] or [centers[1][n] for n in news if n in centers[1]]
        at = np.mean(places, axis=0) if places else np.full(3, np.nan)
        change = judge_lesion(
            first,
            second,
            (float(at[0]), float(at[1]), float(at[2])),
            repeatability=repeatability,
            same_protocol=same_protocol,
            obstacle=obstacle,
            seen_in_both=seen,
        )
        out.append(change)
    return tuple(sorted(out, key=lambda change: -max(change.mass_before_mg, change.mass_after_mg)))


def judge_lesion(
    before: tuple[Lesion, ...],
    after: tuple[Lesion, ...],
    position_mm: Position,
    *,
    repeatability: Repeatability,
    same_protocol: bool,
    obstacle: str = "",
    seen_in_both: bool = True,
) -> LesionChange:
    """What became of one group of calcifications; see `match_components`."""
    first, second = sum(lesion.mass_mg for lesion in before), sum(lesion.mass_mg for lesion in after)

    def answer(
        course: LesionCourse,
        verdict: ChangeVerdict = ChangeVerdict.NOT_COMPARABLE,
        *,
        limit: float | None = None,
        reason: str = "",
    ) -> LesionChange:
        both = bool(before and after)
        return LesionChange(
            before,
            after,
            course,
            verdict,
            second - first if both and not obstacle and seen_in_both else None,
            _interval(before, after) if both and not obstacle and seen_in_both else None,
            limit,
            position_mm,
            reason,
        )

    if not seen_in_both:
        return answer(LesionCourse.OUTSIDE, reason="it does not lie wholly within both scans")
    if obstacle:
        return answer(LesionCourse.NOT_COMPARED, reason=obstacle)
    size = max(sum(lesion.volume_mm3 for lesion in group) for group in (before, after))
    if size < LEAST_TRENDED_MM3:
        return answer(LesionCourse.TOO_SMALL, ChangeVerdict.UNJUDGED, reason=f"below {LEAST_TRENDED_MM3:g} mm³")
    if not before:
        return answer(LesionCourse.NEW, ChangeVerdict.INCREASE)
    if not after:
        return answer(LesionCourse.RESOLVED, ChangeVerdict.DECREASE)
    limit = error_limit(repeatability, first, same_scanner=same_protocol)
    if limit is None:
        return answer(LesionCourse.NOT_COMPARED, reason="scanner or kernel changed and no limit across is known")
    interval = _interval(before, after)
    beyond = abs(second - first) > limit and not (interval is not None and interval[0] <= 0 <= interval[1])
    verdict = ChangeVerdict.WITHIN
    if beyond:
        verdict = ChangeVerdict.INCREASE if second > first else ChangeVerdict.DECREASE
    if len(before) != len(after):
        return answer(LesionCourse.MERGED if len(after) < len(before) else LesionCourse.SPLIT, verdict, limit=limit)
    if not beyond:
        return answer(LesionCourse.UNCHANGED, verdict, limit=limit)
    return answer(LesionCourse.GROWN if second > first else LesionCourse.SHRUNK, verdict, limit=limit)


def judge_total(
    changes: tuple[LesionChange, ...], *, repeatability: Repeatability, same_protocol: bool, obstacle: str = ""
) -> LesionChange | None:
    """All calcifications that lie in both scans taken together; None where there are none."""
    seen = [change for change in changes if change.course is not LesionCourse.OUTSIDE]
    before = tuple(lesion for change in seen for lesion in change.before)
    after = tuple(lesion for change in seen for lesion in change.after)
    if not before and not after:
        return None
    weights = [max(change.mass_before_mg, change.mass_after_mg) + 1e-9 for change in seen]
    at = np.average([change.position_mm for change in seen], axis=0, weights=weights)
    return judge_lesion(
        before,
        after,
        (float(at[0]), float(at[1]), float(at[2])),
        repeatability=repeatability,
        same_protocol=same_protocol,
        obstacle=obstacle,
    )


def _interval(before: tuple[Lesion, ...], after: tuple[Lesion, ...]) -> tuple[float, float] | None:
    """95 % interval of the difference of masses; what the method gets wrong in both scans alike cancels. [mg]"""
    own = 0.0
    for lesion in (*before, *after):
        if lesion.mass_ci95_mg is None:
            return None
        half = lesion.mass_ci95_mg[1] - lesion.mass_mg
        own += max(half**2 - (MODEL_ERROR * lesion.mass_mg) ** 2, 0.0)
    difference = sum(lesion.mass_mg for lesion in after) - sum(lesion.mass_mg for lesion in before)
    width = float(np.hypot(np.sqrt(own), MODEL_ERROR * difference))
    return difference - width, difference + width


def _touching(
    before: NDArray[np.int32], after: NDArray[np.int32], olds: set[int], news: set[int], spacing: Spacing
) -> set[tuple[int, int]]:
    """Pairs that overlap, and pairs within reach of each other where neither overlaps anything."""
    close: set[tuple[int, int]] = set()
    near: set[tuple[int, int]] = set()
    for n, box in enumerate(ndimage.find_objects(before), start=1):
        if box is None or n not in olds:
            continue
        around = grow_box((box[0], box[1], box[2]), before.shape, spacing, REACH_MM + max(spacing))
        numbers = after[around]
        distances = distance_to(before[around] == n, spacing)
        for m in np.unique(numbers[(distances <= REACH_MM) & (numbers > 0)]).tolist():
            if m in news:
                near.add((n, m))
                if float(distances[numbers == m].min()) <= OVERLAP_MM:
                    close.add((n, m))
    held = {n for n, _ in close}, {m for _, m in close}
    return close | {(n, m) for n, m in near if n not in held[0] and m not in held[1]}


def component_centers(numbers: NDArray[np.int32], grid: Grid) -> dict[int, NDArray[np.float64]]:
    """Middle of every component by its number. [mm]"""
    present = np.flatnonzero(np.bincount(numbers.ravel()))
    present = present[present > 0]
    middles = np.asarray(ndimage.center_of_mass(numbers > 0, numbers, present), dtype=np.float64).reshape(-1, 3)
    return {int(n): grid.positions_mm(middle) for n, middle in zip(present, middles, strict=True)}


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
