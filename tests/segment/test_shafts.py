"""On a long stack of a water image only slices with the shaft of a long bone are labeled."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.segment.shafts import shaft_slices, slices_in_words

SPACING_MM = (2.0, 2.0, 6.0)


def _limb(bone_px: list[int], side_px: int = 40) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A square limb with a square of bone of so many pixels along one side in each slice."""
    bone = np.zeros((side_px, side_px, len(bone_px)), dtype=bool)
    for k, size in enumerate(bone_px):
        bone[10 : 10 + size, 10 : 10 + size, k] = True
    return bone, ~bone


def _found(bone_px: list[int], side_px: int = 40) -> str:
    return slices_in_words(shaft_slices(*_limb(bone_px, side_px), SPACING_MM))


def test_foot_knee_and_hip_are_left_out_and_both_shafts_stay() -> None:
    """Foot without a bone, leg (9 %), knee (39 %), thigh (6 %), hip without one."""
    assert _found([0] * 20 + [12] * 40 + [25] * 15 + [10] * 50 + [0] * 10) == "21-60 and 76-125"


def test_a_short_stretch_that_looks_like_a_shaft_is_none() -> None:
    assert _found([0] * 20 + [10] * 8 + [0] * 40) == "none"  # 48 mm, as between bones of a foot


@pytest.mark.parametrize(("missed", "stretches"), [(2, "11-52"), (4, "11-30 and 35-54")])
def test_bone_missed_in_a_slice_or_two_does_not_end_a_shaft(missed: int, stretches: str) -> None:
    assert _found([0] * 10 + [10] * 20 + [0] * missed + [10] * 20 + [0] * 10) == stretches


def test_a_section_as_small_as_a_foot_has_no_shaft() -> None:
    assert _found([6] * 40, side_px=24) == "none"  # 23 cm2, bone 6 %


def test_bone_that_jumps_from_slice_to_slice_is_no_shaft() -> None:
    bone, _ = _limb([10] * 40)
    bone[:, :, 1::2] = np.roll(bone[:, :, 1::2], 12, axis=0)
    assert not shaft_slices(bone, ~bone, SPACING_MM).any()


def test_nothing_labeled_gives_no_shaft() -> None:
    nothing = np.zeros((4, 4, 30), dtype=bool)
    assert slices_in_words(shaft_slices(nothing, nothing, SPACING_MM)) == "none"
