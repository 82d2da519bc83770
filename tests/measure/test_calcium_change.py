"""Calcifications of two timepoints find each other."""

import numpy as np

from heliotrope.measure.calcium_change import Course, match_components

SPACING = (1.0, 1.0, 1.0)


def scan(*boxes: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Bars of 5 x 5 voxels along x."""
    out = np.zeros((80, 20, 20), np.int32)
    for n, (start, stop) in enumerate(boxes, start=1):
        out[start:stop, 5:10, 5:10] = n
    return out


def test_new_resolved_grown_and_unchanged_are_told_apart() -> None:
    before, after = scan((2, 8), (20, 26), (40, 46)), scan((20, 26), (40, 47), (60, 66))
    found = match_components(
        before, after, {1: 50.0, 2: 50.0, 3: 50.0}, {1: 52.0, 2: 70.0, 3: 40.0}, SPACING, same_protocol=True
    )
    courses = {(c.before, c.after): c.course for c in found}
    assert courses[((1,), ())] is Course.RESOLVED
    assert courses[((2,), (1,))] is Course.UNCHANGED
    assert courses[((3,), (2,))] is Course.GROWN
    assert courses[((), (3,))] is Course.NEW


def test_two_that_became_one_are_merged() -> None:
    found = match_components(
        scan((2, 8), (12, 18)), scan((2, 18)), {1: 50.0, 2: 50.0}, {1: 130.0}, SPACING, same_protocol=True
    )
    assert [(c.before, c.after, c.course) for c in found] == [((1, 2), (1,), Course.MERGED)]


def test_twenty_percent_is_within_error_when_protocols_differ() -> None:
    found = match_components(scan((2, 8)), scan((2, 8)), {1: 50.0}, {1: 60.0}, SPACING, same_protocol=False)
    assert found[0].course is Course.UNCHANGED
