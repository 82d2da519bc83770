"""The level gate runs once from foot to head, and says what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.errors import EngineError
from heliotrope.segment.muscles.levels import describe_refused, order_levels

LEVELS = ("thigh", "hip", "knee_or_leg", "elsewhere")


def gate(*names: str, certain: float = 0.9) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rest = (1.0 - certain) / 3.0
    return np.array([[certain if level == name else rest for level in LEVELS] for name in names])


def test_one_stray_slice_does_not_break_a_thigh() -> None:
    found = order_levels(gate("knee_or_leg", "thigh", "thigh", "hip", "thigh", "thigh", "thigh", "hip"), LEVELS)
    assert found == ("knee_or_leg", *6 * ("thigh",), "hip")


def test_a_certain_stray_slice_is_still_one_slice() -> None:
    probability = gate("thigh", "thigh", "hip", "thigh", "thigh")
    probability[2] = [0.0, 1.0, 0.0, 0.0]
    assert order_levels(probability, LEVELS) == 5 * ("thigh",)


def test_what_lies_beyond_a_leg_may_be_at_either_end() -> None:
    found = order_levels(gate("elsewhere", "knee_or_leg", "thigh", "hip", "elsewhere"), LEVELS)
    assert found == ("elsewhere", "knee_or_leg", "thigh", "hip", "elsewhere")


def test_a_hip_never_lies_below_a_knee() -> None:
    found = order_levels(gate("hip", "knee_or_leg", certain=0.6), LEVELS)
    assert found != ("hip", "knee_or_leg")


def test_refused_slices_are_named_by_range_in_the_numbers_of_the_stack() -> None:
    levels = ("knee_or_leg", "thigh", "thigh", "hip", "hip")
    assert describe_refused(levels, (5, 4, 3, 2, 1)) == ("slice 5: knee or leg", "slices 1-2: hip or buttock")


def test_a_gate_of_other_levels_is_refused() -> None:
    with pytest.raises(EngineError, match="ankle"):
        order_levels(np.ones((1, 2)), ("thigh", "ankle"))
