"""Calcifications of two timepoints find each other."""

import numpy as np
import pytest

from heliotrope.domain.change import ChangeVerdict, Repeatability
from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.lesions import Lesion, LesionChange, LesionCourse
from heliotrope.findings.change import REPEATABILITY
from heliotrope.measure.calcium_change import judge_lesion, judge_total, match_components

GRID = Grid.from_spacing((80, 20, 20), (1.0, 1.0, 1.0))
DEFAULT = REPEATABILITY["calcinosis_mass"]


def scan(*boxes: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Bars of 5 x 5 voxels along x."""
    out = np.zeros(GRID.shape, np.int32)
    for n, (start, stop) in enumerate(boxes, start=1):
        out[start:stop, 5:10, 5:10] = n
    return out


def lesions(*masses: float, volume_mm3: float = 150.0) -> dict[int, Lesion]:
    return {n: Lesion(n, "fascial sheet", mass, None, volume_mm3) for n, mass in enumerate(masses, start=1)}


def matched(
    before: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    after: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    first: dict[int, Lesion],
    second: dict[int, Lesion],
    *,
    same_protocol: bool = True,
    repeatability: Repeatability = DEFAULT,
    obstacle: str = "",
    outside: frozenset[int] = frozenset(),
) -> dict[tuple[tuple[int, ...], tuple[int, ...]], LesionChange]:
    found = match_components(
        before,
        after,
        first,
        second,
        GRID,
        repeatability=repeatability,
        same_protocol=same_protocol,
        obstacle=obstacle,
        outside_before=outside,
    )
    return {(tuple(i.number for i in c.before), tuple(i.number for i in c.after)): c for c in found}


def test_new_resolved_grown_and_unchanged_are_told_apart() -> None:
    before, after = scan((2, 8), (20, 26), (40, 46)), scan((20, 26), (40, 47), (60, 66))
    found = matched(before, after, lesions(50, 50, 50), lesions(52, 70, 40))
    assert {key: change.course for key, change in found.items()} == {
        ((1,), ()): LesionCourse.RESOLVED,
        ((2,), (1,)): LesionCourse.UNCHANGED,
        ((3,), (2,)): LesionCourse.GROWN,
        ((), (3,)): LesionCourse.NEW,
    }
    assert found[((3,), (2,))].error_limit_mg == pytest.approx(7.5)
    # centers of voxels 20..25 along x and 5..9 along the others
    assert found[((2,), (1,))].position_mm == pytest.approx((22.5, 7.0, 7.0))


def test_two_that_became_one_are_merged_and_its_reverse_is_split() -> None:
    two, one = scan((2, 8), (12, 18)), scan((2, 18))
    merged = matched(two, one, lesions(50, 50), lesions(130))[((1, 2), (1,))]
    assert (merged.course, merged.verdict) == (LesionCourse.MERGED, ChangeVerdict.INCREASE)
    split = matched(one, two, lesions(100), lesions(50, 49))[((1,), (1, 2))]
    assert (split.course, split.verdict) == (LesionCourse.SPLIT, ChangeVerdict.WITHIN)


def test_a_neighbor_within_reach_is_not_taken_for_a_piece_of_what_overlaps() -> None:
    found = matched(scan((2, 8)), scan((2, 8), (10, 16)), lesions(50), lesions(50, 50))
    assert set(found) == {((1,), (1,)), ((), (2,))}


def test_what_lies_two_millimeters_off_is_the_same_when_nothing_lies_nearer() -> None:
    assert set(matched(scan((2, 8)), scan((10, 16)), lesions(50), lesions(50))) == {((1,), (1,))}
    assert set(matched(scan((2, 8)), scan((12, 18)), lesions(50), lesions(50))) == {((1,), ()), ((), (1,))}


def test_twenty_percent_is_within_error_when_protocols_differ() -> None:
    found = matched(scan((2, 8)), scan((2, 8)), lesions(50), lesions(60), same_protocol=False)
    assert found[((1,), (1,))].course is LesionCourse.UNCHANGED
    assert found[((1,), (1,))].error_limit_mg == pytest.approx(15.0)


def test_below_fifty_cubic_millimeters_nothing_is_trended() -> None:
    small = lesions(9.0, volume_mm3=49.0)
    for pair in ((small, small), (small, {}), ({}, small)):
        arrays = [scan((2, 4)) if held else scan() for held in pair]
        (change,) = matched(arrays[0], arrays[1], pair[0], pair[1]).values()
        assert change.course is LesionCourse.TOO_SMALL


def test_the_sites_own_repeatability_replaces_the_default() -> None:
    own = Repeatability("calcinosis_mass", 40.0, True, "the site's own test-retest")
    found = matched(scan((2, 8)), scan((2, 8)), lesions(50), lesions(65), repeatability=own)
    assert found[((1,), (1,))].course is LesionCourse.UNCHANGED


def test_without_a_limit_across_scanners_masses_are_not_compared() -> None:
    own = Repeatability("calcinosis_mass", 10.0, True, "the site's own test-retest")
    (change,) = matched(
        scan((2, 8)), scan((2, 8)), lesions(50), lesions(65), repeatability=own, same_protocol=False
    ).values()
    assert change.course is LesionCourse.NOT_COMPARED


def test_an_obstacle_leaves_the_match_and_takes_the_difference() -> None:
    (change,) = matched(
        scan((2, 8)), scan((2, 8)), lesions(50), lesions(90), obstacle="tube voltage 80 and 120 kV"
    ).values()
    assert change.course is LesionCourse.NOT_COMPARED
    assert change.difference_mg is None
    assert change.reason == "tube voltage 80 and 120 kV"


def test_what_the_other_scan_does_not_hold_is_neither_resolved_nor_counted() -> None:
    found = matched(scan((2, 8), (20, 26)), scan((20, 26)), lesions(50, 50), lesions(50), outside=frozenset({1}))
    assert found[((1,), ())].course is LesionCourse.OUTSIDE
    total = judge_total(tuple(found.values()), repeatability=DEFAULT, same_protocol=True)
    assert total is not None
    assert (total.mass_before_mg, total.mass_after_mg) == (50.0, 50.0)


def test_an_error_both_scans_share_cancels_and_noise_does_not() -> None:
    # 15 % is the method's own error, common to both scans; what is beyond is noise
    def lesion(mass: float, noise: float) -> tuple[Lesion, ...]:
        half = float(np.hypot(0.15 * mass, noise))
        return (Lesion(1, "", mass, (mass - half, mass + half), 500.0),)

    def course(noise: float) -> LesionCourse:
        change = judge_lesion(
            lesion(100, noise), lesion(120, noise), (0.0, 0.0, 0.0), repeatability=DEFAULT, same_protocol=True
        )
        return change.course

    assert course(5.0) is LesionCourse.GROWN
    # 1.41 x 16 mg exceeds the 20 mg
    assert course(16.0) is LesionCourse.UNCHANGED


def test_scans_on_different_grids_are_refused() -> None:
    with pytest.raises(GeometryError):
        match_components(scan(), np.zeros((4, 4, 4), np.int32), {}, {}, GRID, repeatability=DEFAULT, same_protocol=True)


def test_what_lies_beyond_the_baseline_has_a_place_all_the_same() -> None:
    (change,) = match_components(
        scan(),
        scan(),
        {},
        lesions(60),
        GRID,
        repeatability=DEFAULT,
        same_protocol=True,
        outside_after=frozenset({1}),
        places_after={1: np.array([10.0, 8.0, 95.0])},
    )
    assert change.course is LesionCourse.OUTSIDE
    assert change.position_mm == (10.0, 8.0, 95.0)
