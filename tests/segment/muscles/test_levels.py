"""The level gate runs once from foot to head, and says what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.errors import EngineError
from heliotrope.segment.muscles.levels import (
    KNEE,
    RECESS,
    describe_refused,
    order_levels,
    show_femur,
    widen_toward_knee,
)

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


def discs(*radii_mm: tuple[float, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Slices of 1 mm pixels with bones side by side."""
    x, y = np.meshgrid(np.arange(120), np.arange(60), indexing="ij")
    slices = np.zeros((len(radii_mm), 120, 60), dtype=bool)
    for plane, radii in zip(slices, radii_mm, strict=True):
        for i, radius in enumerate(radii):
            plane |= np.hypot(x - 25 - 50 * i, y - 30) < radius
    return slices


def test_a_leg_with_two_bones_shows_no_femur() -> None:
    places = np.arange(5) * 6.0
    assert show_femur(discs(*5 * ((14.0,),)), 1.0, places).all()
    assert not show_femur(discs(*5 * ((14.0, 10.0),)), 1.0, places).any()
    assert not show_femur(discs(*5 * ((8.0,),)), 1.0, places).any()


def test_one_slice_with_one_bone_makes_no_thigh_of_a_leg() -> None:
    legs: list[tuple[float, ...]] = [(14.0, 10.0)] * 7
    legs[3] = (14.0,)
    assert not show_femur(discs(*legs), 1.0, np.arange(7) * 6.0).any()


def test_a_missed_bone_among_femora_is_forgiven() -> None:
    thighs: list[tuple[float, ...]] = [(14.0,)] * 7
    thighs[3] = ()
    assert show_femur(discs(*thighs), 1.0, np.arange(7) * 6.0).all()


def test_the_femur_widens_toward_the_knee_below_its_shaft_only() -> None:
    """Toward the hip it widens as well, and there is no recess."""
    line = np.arange(60) - 30
    x, y = np.meshgrid(line, line, indexing="ij")
    bone = np.stack([np.hypot(x, y) < radius for radius in (18.0, 15.0, 12.0, 11.5, 12.0, 18.0)])
    assert widen_toward_knee(bone, 1.0, RECESS).tolist() == [True, True, False, False, False, False]
    assert not widen_toward_knee(bone, 1.0, KNEE).any()
    assert not widen_toward_knee(np.zeros((3, 60, 60), bool), 1.0, RECESS).any()
