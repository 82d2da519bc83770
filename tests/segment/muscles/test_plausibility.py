"""Muscles of a thigh keep their order; a mirrored or mixed-up leg does not pass."""

from __future__ import annotations

import numpy as np

from heliotrope.domain.anatomy import STRUCTURES, StructureKind
from heliotrope.segment.muscles.plausibility import ANTERIOR_OF, LARGEST_SHARE, MEDIAL_OF, broken_order, implausible

CENTERS_MM = {
    "rectus_femoris": (0.0, 50.0),
    "sartorius": (40.0, 30.0),
    "gracilis": (60.0, -15.0),
    "adductor_magnus": (30.0, -20.0),
    "semimembranosus": (20.0, -45.0),
    "semitendinosus": (5.0, -55.0),
    "biceps_femoris_long_head": (-20.0, -50.0),
    "vastus_lateralis": (-45.0, 5.0),
    "vastus_intermedius": (-10.0, 15.0),
    "vastus_medialis": (25.0, 10.0),
}
NAMES = tuple(CENTERS_MM)


def rows(centers: dict[str, tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.full((2, len(NAMES)), 100.0), np.tile(np.array([centers[name] for name in NAMES]), (2, 1, 1))


def test_every_name_of_the_rules_is_a_muscle_with_a_compartment() -> None:
    named = {*MEDIAL_OF, *ANTERIOR_OF, *LARGEST_SHARE}
    named |= {name for relations in (MEDIAL_OF, ANTERIOR_OF) for others in relations.values() for name in others}
    assert len(named) == 11
    assert all(STRUCTURES[name].kind is StructureKind.MUSCLE and STRUCTURES[name].compartment for name in named)


def test_no_relation_contradicts_another() -> None:
    for relations in (MEDIAL_OF, ANTERIOR_OF):
        for first, others in relations.items():
            assert not any(first in relations.get(second, ()) for second in others)


def test_a_thigh_in_order_passes() -> None:
    assert implausible(*rows(CENTERS_MM), NAMES) == {}


def test_a_mirrored_thigh_is_found_out() -> None:
    mirrored = {name: (-medial, anterior) for name, (medial, anterior) in CENTERS_MM.items()}
    assert {"gracilis", "vastus_lateralis", "biceps_femoris_long_head"} <= set(implausible(*rows(mirrored), NAMES))


def test_one_misplaced_muscle_does_not_take_the_others_with_it() -> None:
    moved = {**CENTERS_MM, "sartorius": (-60.0, -30.0)}
    assert set(implausible(*rows(moved), NAMES)) == {"sartorius"}


def test_a_muscle_that_swallowed_the_thigh_is_too_large() -> None:
    areas, centers = rows(CENTERS_MM)
    areas[:, NAMES.index("gracilis")] = 3000.0
    reasons = implausible(areas, centers, NAMES)
    assert "too large" in reasons["gracilis"]


def test_two_muscles_say_nothing_of_order() -> None:
    assert broken_order({"rectus_femoris": (0.0, -50.0), "semitendinosus": (0.0, 50.0)}) == {}
