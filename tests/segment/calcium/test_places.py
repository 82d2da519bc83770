"""Calcifications are named by the muscle or compartment they lie in, and by body region where no label says more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side, TissuePlane
from heliotrope.findings.calcinosis import patterns_by_region
from heliotrope.segment.calcium.components import CalciumShape, Component
from heliotrope.segment.calcium.places import Place, name_places

SHAPE, SPACING = (60, 40, 30), (1.0, 1.0, 2.0)
LEGEND = {
    1: Region("vastus_lateralis", Side.LEFT),
    2: Region("vastus_intermedius", Side.LEFT),
    3: Region("subcutaneous_fat", Side.LEFT),
}


def labels() -> NDArray[np.uint16]:
    """Vastus lateralis below x = 30, vastus intermedius from there on, fat in front of both."""
    out = np.zeros(SHAPE, np.uint16)
    out[:30], out[30:] = 1, 2
    out[:, :12] = 3
    return out


def component(
    number: int, x: int, y: int, plane: TissuePlane, *, shape: CalciumShape = CalciumShape.NODULAR, z: int = 10
) -> Component:
    box = (slice(x, x + 4), slice(y, y + 4), slice(z, z + 3))
    return Component(
        number=number,
        box=box,
        plane=plane,
        second_plane=None,
        plane_shares={plane: 1.0},
        shape=shape,
        side=None,
        volume_mm3=96.0,
        lengths_mm=(4.0, 4.0, 6.0),
        thickness_mm=4.0,
        euler_number=1,
        flatness=0.0,
        lineness=0.0,
        tangent_fat=None,
        fluid_level=False,
    )


def places(*components: Component, drawn: bool = True, cavity_from: int | None = None) -> dict[int, Place]:
    numbers = np.zeros(SHAPE, np.int32)
    for c in components:
        numbers[c.box] = c.number
    cavity = np.zeros(SHAPE, dtype=bool)
    if cavity_from is not None:
        cavity[20:30, 20:30, cavity_from:] = True
    return name_places(numbers, components, cavity, SPACING, labels() if drawn else None, LEGEND)


def test_calcium_inside_a_muscle_takes_its_name_side_and_body_part() -> None:
    place = places(component(1, 10, 24, TissuePlane.INTRAMUSCULAR))[1]
    assert (place.words, place.region_title) == ("in vastus lateralis", "left thigh")


def test_calcium_between_two_muscles_names_both() -> None:
    place = places(component(1, 28, 24, TissuePlane.INTERMUSCULAR))[1]
    assert place.words in (
        "between vastus lateralis and vastus intermedius",
        "between vastus intermedius and vastus lateralis",
    )


def test_superficial_calcium_lies_over_the_muscle_below() -> None:
    assert places(component(1, 8, 2, TissuePlane.SUBCUTANEOUS))[1].words == "over vastus lateralis"
    assert places(component(1, 45, 9, TissuePlane.FASCIAL))[1].words == "on the fascia of vastus intermedius"


def test_without_labels_no_muscle_is_named_and_the_region_is_a_limb() -> None:
    place = places(component(1, 10, 24, TissuePlane.INTRAMUSCULAR), drawn=False)[1]
    assert (place.words, place.region) == (None, "limb")


def test_beside_a_body_cavity_the_region_is_trunk_or_pelvis_and_far_from_it_a_limb() -> None:
    near = component(1, 10, 24, TissuePlane.DEEP, z=18)
    far = component(2, 10, 24, TissuePlane.DEEP, z=0)
    found = places(near, far, drawn=False, cavity_from=22)
    assert {n: place.region for n, place in found.items()} == {1: "trunk or pelvis", 2: "limb"}


def test_patterns_are_a_set_of_each_region_in_no_order_of_weight() -> None:
    components = (
        component(1, 10, 24, TissuePlane.INTRAMUSCULAR),
        component(2, 10, 4, TissuePlane.SUBCUTANEOUS, shape=CalciumShape.RETICULAR),
        component(3, 10, 30, TissuePlane.FASCIAL, shape=CalciumShape.SHEET, z=0),
    )
    regions = {
        1: Place((), None, "thigh", Side.LEFT),
        2: Place((), None, "thigh", Side.LEFT),
        3: Place((), None, "leg", None),
    }
    assert patterns_by_region(components, regions) == {
        "left thigh": ("deep calcareal masses", "lacy diffuse subcutaneous"),
        "leg": ("deep linear",),
    }
