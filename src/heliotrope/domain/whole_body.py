"""The inventory of the whole body: 17 muscle compartments on each side, and the structures that make each up.

The count of 34 is that of a published whole-body tool, whose list is not public; names and members are a choice of this
project (evidence ``whole-body-inventory``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from heliotrope.domain.anatomy import STRUCTURES, BodyPart, Region, Side


@dataclass(frozen=True)
class InventoryCompartment:
    """One compartment of the inventory.

    Parameters
    ----------
    structure : str
        Key of `STRUCTURES` under which it is measured.
    members : tuple of str
        Muscles and finer compartments that make it up; the compartment itself may be drawn as well.
    """

    structure: str
    members: tuple[str, ...]


_NECK = (
    "semispinalis_cervicis_and_multifidus",
    "semispinalis_capitis",
    "splenius_capitis",
    "sternocleidomastoid",
    "longus_colli",
)
_SHOULDER = (
    "deltoid",
    "supraspinatus",
    "infraspinatus",
    "subscapularis",
    "trapezius",
    "rhomboid",
    "levator_scapulae",
    "latissimus_dorsi",
    "teres_major",
)
_LEG_FRONT = (
    "anterior_leg",
    "lateral_leg",
    "tibialis_anterior",
    "extensor_digitorum_longus",
    "extensor_hallucis_longus",
    "fibularis",
    "fibularis_longus",
    "fibularis_brevis",
)


def _of(compartment: str) -> tuple[str, ...]:
    """Muscles whose anatomical compartment this is."""
    return tuple(name for name, row in STRUCTURES.items() if row.compartment == compartment)


INVENTORY: tuple[InventoryCompartment, ...] = (
    InventoryCompartment("neck_muscles", _NECK),
    InventoryCompartment("shoulder_girdle", _SHOULDER),
    InventoryCompartment("anterior_upper_arm", ("biceps_brachii", "brachialis", "coracobrachialis")),
    InventoryCompartment("posterior_upper_arm", ("triceps_brachii",)),
    InventoryCompartment("forearm_flexors", ()),
    InventoryCompartment("forearm_extensors", ("brachioradialis",)),
    InventoryCompartment("paraspinal_muscles", ("erector_spinae", "thoracolumbar_multifidus")),
    InventoryCompartment(
        "trunk_wall", ("pectoralis_major", "pectoralis_minor", "serratus_anterior", "quadratus_lumborum")
    ),
    InventoryCompartment("gluteus_maximus", ()),
    InventoryCompartment("gluteus_medius_minimus", ("gluteus_medius", "gluteus_minimus", "tensor_fasciae_latae")),
    InventoryCompartment("hip_flexors", _of("hip_flexors")),
    InventoryCompartment("anterior_thigh", _of("anterior_thigh")),
    InventoryCompartment("medial_thigh", _of("medial_thigh")),
    InventoryCompartment("posterior_thigh", _of("posterior_thigh")),
    InventoryCompartment("anterior_lateral_leg", _LEG_FRONT),
    InventoryCompartment("superficial_posterior_leg", _of("superficial_posterior_leg")),
    InventoryCompartment("deep_posterior_leg", _of("deep_posterior_leg")),
)
"""From neck to leg; each counts once per side."""

N_COMPARTMENTS = 2 * len(INVENTORY)
"""Compartments of both sides."""

_COMPARTMENT_OF: Mapping[str, str] = MappingProxyType(
    {member: row.structure for row in INVENTORY for member in (row.structure, *row.members)}
)


def inventory_compartment(structure: str) -> str | None:
    """Compartment of the inventory that a structure belongs to, or None.

    Examples
    --------
    >>> inventory_compartment("gluteus_minimus")
    'gluteus_medius_minimus'
    >>> inventory_compartment("piriformis") is None
    True
    """
    return _COMPARTMENT_OF.get(structure)


def inventory_regions() -> tuple[Region, ...]:
    """All 34 compartments, from neck to leg, left before right."""
    return tuple(Region(row.structure, side) for row in INVENTORY for side in Side)


def is_distal(structure: str) -> bool:
    """Whether a compartment lies in forearm or leg: examination misses these, so they are reported by name.

    Examples
    --------
    >>> is_distal("forearm_flexors"), is_distal("anterior_thigh")
    (True, False)
    """
    return STRUCTURES[structure].body_part in (BodyPart.FOREARM, BodyPart.LEG)
