"""Structures that MuscleMap names, and where a model says so itself.

Every model of MuscleMap has a JSON file beside its weights that lists region, anatomy, side and value of its labels;
that list is what holds. The table here is the whole-body scheme of version 1.2, for weights without their list.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from heliotrope.backends.subprocess_engine import read_json
from heliotrope.domain.errors import EngineError

_PAIRS: Mapping[int, str] = MappingProxyType(
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

WHOLE_BODY: Mapping[int, str] = MappingProxyType(
    {
        **{10 * base + 1: f"{name} left" for base, name in _PAIRS.items()},
        **{10 * base + 2: f"{name} right" for base, name in _PAIRS.items()},
        6160: "sacrum",
    }
)
"""The 99 numbers of the whole-body scheme, version 1.2."""


def label_names(model_folder: Path, region: str) -> Mapping[int, str]:
    """Structure and side by label number, as the model's own list says.

    Parameters
    ----------
    model_folder : Path
        Folder of one region's model: ``*.pth`` and ``*.json``.
    region : str
        ``"wholebody"``, ``"thigh"``, ...

    Raises
    ------
    EngineError
        ``E_LABEL_SCHEME``: no list beside the weights, and the region is not the whole body, whose numbers are known.
    """
    for file in sorted(model_folder.glob("*.json")):
        rows = read_json(file).get("labels")
        if not isinstance(rows, list):
            continue
        try:
            names = {int(row["value"]): _name(str(row["anatomy"]), str(row.get("side", "no side"))) for row in rows}
        except (KeyError, TypeError, ValueError):
            continue
        if names:
            return MappingProxyType(names)
    if region == "wholebody":
        return WHOLE_BODY
    raise EngineError(
        f"MuscleMap {region}: no list of labels beside the weights",
        hint="copy the model's .json file beside its .pth file; the regional models number their labels from 1",
        code="E_LABEL_SCHEME",
    )


def _name(anatomy: str, side: str) -> str:
    return f"{anatomy} {side}" if side in {"left", "right"} else anatomy
