"""Label schemes of outside engines, mapped to our structures and sides.

Organs and small bones that we do not name are known and left out; every name of a known scheme is one or the other.
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

_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "anterior_compartment": "anterior_leg",
        "aorta": "vessel",
        "autochthon": "erector_spinae",
        "clavicula": "clavicle",
        "coracobrachial": "coracobrachialis",
        "deep_posterior_compartment": "deep_posterior_leg",
        "hip": "hip_bone",
        "iliac_artery": "vessel",
        "iliac_vena": "vessel",
        "inferior_vena_cava": "vessel",
        "lateral_compartment": "lateral_leg",
        "lattisimus_dorsi": "latissimus_dorsi",
        "levator": "levator_scapulae",
        "medial_compartment": "medial_thigh",
        "portal_vein_and_splenic_vein": "vessel",
        "posterior_compartment": "posterior_thigh",
        "skeletal_muscle": "muscle",
        "superficial_posterior_compartment": "superficial_posterior_leg",
        "tensor_fascia_latae": "tensor_fasciae_latae",
        "thigh_medial_compartment": "medial_thigh",
        "thigh_posterior_compartment": "posterior_thigh",
        **dict.fromkeys(
            (
                "pulmonary_vein",
                "brachiocephalic_trunk",
                "subclavian_artery",
                "common_carotid_artery",
                "brachiocephalic_vein",
                "atrial_appendage",
                "superior_vena_cava",
            ),
            "vessel",
        ),
    }
)
"""Names of other schemes that differ from ours."""
_NUMBERED = (("vertebrae", re.compile(r"vertebrae(_[sltc]\d+)?")), ("ribs", re.compile(r"rib(_\d+)?")))
"""Structures that other schemes count one by one and we do not."""


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
    plain = re.sub(r"^rib_(left|right)_(\d+)$", r"rib_\2_\1", plain)
    side: Side | None = None
    for candidate in Side:
        for pattern in (rf"_{candidate}$", rf"^{candidate}_", rf"_{candidate[0]}$"):
            if side is None and re.search(pattern, plain):
                side, plain = candidate, re.sub(pattern, "", plain)
    if plain not in _SYNONYMS:
        plain = plain.removesuffix("_muscle").removeprefix("muscle_")
    structure = next((ours for ours, known in _NUMBERED if known.fullmatch(plain)), _SYNONYMS.get(plain, plain))
    if structure not in STRUCTURES:
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
