"""Label schemes of outside engines, mapped to our structures and sides.

A structure that we do not name keeps its place in the scheme with the name None: it is known and left out, not unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import STRUCTURES, Region, Side
from heliotrope.domain.errors import EngineError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap

_SYNONYMS: Mapping[str, str | None] = MappingProxyType(
    {
        "adductor_brevis": "adductor_brevis",
        "adductor_longus": "adductor_longus",
        "adductor_magnus": "adductor_magnus",
        "anterior_compartment": "anterior_leg",
        "autochthon": "erector_spinae",
        "biceps_femoris_long_head": "biceps_femoris_long_head",
        "biceps_femoris_short_head": "biceps_femoris_short_head",
        "deep_posterior_compartment": "deep_posterior_leg",
        "fibula": "fibula",
        "femur": "femur",
        "gemelli_and_quadratus_femoris": None,
        "hip": None,
        "iliac": "iliacus",
        "intermuscular_fat": "intermuscular_fat",
        "lateral_compartment": "lateral_leg",
        "latissimus_dorsi": "latissimus_dorsi",
        "medial_compartment": "medial_thigh",
        "posterior_compartment": "posterior_thigh",
        "thigh_medial_compartment": "medial_thigh",
        "thigh_posterior_compartment": "posterior_thigh",
        "quadriceps_femoris": "quadriceps_femoris",
        "skeletal_muscle": "muscle",
        "subcutaneous_fat": "subcutaneous_fat",
        "superficial_posterior_compartment": "superficial_posterior_leg",
        "tensor_fascia_latae": "tensor_fasciae_latae",
        "torso_fat": None,
    }
)
"""Names of other schemes that differ from ours, or that we leave out."""

_MUSCLEMAP_PAIRS: Mapping[int, str] = MappingProxyType(
    {
        110: "levator scapulae",
        111: "semispinalis cervicis and multifidus",
        112: "semispinalis capitis",
        113: "splenius capitis",
        114: "sternocleidomastoid",
        115: "longus colli",
        116: "trapezius",
        210: "supraspinatus",
        211: "subscapularis",
        212: "infraspinatus",
        214: "deltoid",
        410: "rhomboid",
        510: "thoracolumbar multifidus",
        511: "erector spinae",
        512: "psoas major",
        513: "quadratus lumborum",
        514: "latissimus dorsi",
        610: "gluteus minimus",
        611: "gluteus medius",
        612: "gluteus maximus",
        613: "tensor fascia latae",
        614: "iliacus",
        615: "ilium",
        617: "femur",
        618: "piriformis",
        619: "pectineus",
        620: "obturator internus",
        621: "obturator externus",
        622: "gemelli and quadratus femoris",
        710: "vastus lateralis",
        711: "vastus intermedius",
        712: "vastus medialis",
        713: "rectus femoris",
        714: "sartorius",
        715: "gracilis",
        716: "semimembranosus",
        717: "semitendinosus",
        718: "biceps femoris long head",
        719: "biceps femoris short head",
        720: "adductor magnus",
        721: "adductor longus",
        722: "adductor brevis",
        810: "anterior compartment",
        811: "deep posterior compartment",
        812: "lateral compartment",
        813: "soleus",
        814: "gastrocnemius",
        815: "tibia",
        816: "fibula",
    }
)
"""Structure by the leading digits; the last digit is 1 for left, 2 for right."""
_MUSCLEMAP_SINGLE: Mapping[int, str] = MappingProxyType(
    {
        6160: "sacrum",
    }
)
"""Structures without a side."""

MUSCLEMAP_NAMES: Mapping[int, str] = MappingProxyType(
    {
        **{10 * base + 1: f"{name} left" for base, name in _MUSCLEMAP_PAIRS.items()},
        **{10 * base + 2: f"{name} right" for base, name in _MUSCLEMAP_PAIRS.items()},
        **_MUSCLEMAP_SINGLE,
    }
)
"""Every number of MuscleMap's whole-body scheme."""


def region_of(name: str) -> Region | None:
    """Our region for a name of another scheme, or None for a structure we do not name.

    Examples
    --------
    >>> region_of("gluteus_maximus_left")
    Region(structure='gluteus_maximus', side=<Side.LEFT: 'left'>, level=None)
    >>> region_of("liver") is None
    True
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    side: Side | None = None
    for candidate in Side:
        for pattern in (rf"_{candidate}$", rf"^{candidate}_", rf"_{candidate[0]}$"):
            if side is None and re.search(pattern, plain):
                side, plain = candidate, re.sub(pattern, "", plain)
    if plain not in _SYNONYMS:
        plain = plain.removesuffix("_muscle").removeprefix("muscle_")
    structure = _SYNONYMS.get(plain, plain)
    if structure is None or structure not in STRUCTURES:
        return None
    return Region(structure, side)


def to_regions(values: NDArray[np.integer], names: Mapping[int, str], grid: Grid, *, source: str) -> LabelMap:
    """An engine's numbers as our regions; what we do not name is left out and listed in a note.

    Raises
    ------
    EngineError
        Numbers occur that the scheme does not name.
    """
    present = [int(number) for number in np.unique(values) if number != 0]
    unknown = [number for number in present if number not in names]
    if unknown:
        raise EngineError(
            f"{source}: label numbers without a name: {unknown[:8]}",
            hint="the engine's version differs from the label scheme; give its own list of names",
            code="E_LABEL_SCHEME",
        )
    legend: dict[int, Region] = {}
    table = np.zeros(max([*present, 0]) + 1, dtype=np.uint16)
    left_out: list[str] = []
    for number in present:
        region = region_of(names[number])
        if region is None:
            left_out.append(names[number])
            continue
        target = next((n for n, known in legend.items() if known == region), len(legend) + 1)
        legend[target] = region
        table[number] = target
    notes = (f"{source} also labeled, not used here: {', '.join(sorted(left_out))}.",) if left_out else ()
    return LabelMap(table[values], grid, legend, source, notes=notes)
