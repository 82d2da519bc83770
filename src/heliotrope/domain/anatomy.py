"""Anatomy: structures, sides, compartments and tissue planes, with their codes.

SNOMED CT ("entire ...") and FMA codes come from Uberon cross-references; Uberon itself calls the mapping unverified, so
they are exported with that status. Where Uberon has none, there is none here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from heliotrope.domain.errors import InputError


class Side(StrEnum):
    """The patient's side."""

    LEFT = "left"
    RIGHT = "right"


class StructureKind(StrEnum):
    """What a structure is made of or stands for."""

    WHOLE = "whole"
    TISSUE = "tissue"
    COMPARTMENT = "compartment"
    MUSCLE = "muscle"
    BONE = "bone"
    VESSEL = "vessel"
    FASCIA = "fascia"


class BodyPart(StrEnum):
    """Where in the body."""

    WHOLE_BODY = "whole_body"
    NECK = "neck"
    SHOULDER = "shoulder"
    UPPER_ARM = "upper_arm"
    FOREARM = "forearm"
    HAND = "hand"
    TRUNK = "trunk"
    PELVIS = "pelvis"
    THIGH = "thigh"
    KNEE = "knee"
    LEG = "leg"
    FOOT = "foot"


class TissuePlane(StrEnum):
    """The layer in which a calcification lies."""

    CUTANEOUS = "cutaneous"
    SUBCUTANEOUS = "subcutaneous"
    FASCIAL = "fascial"
    INTERMUSCULAR = "intermuscular"
    INTRAMUSCULAR = "intramuscular"
    JUXTACORTICAL = "juxtacortical"
    MIXED = "mixed"
    SUPERFICIAL = "superficial"
    DEEP = "deep"


@dataclass(frozen=True)
class Structure:
    """An anatomical structure.

    Parameters
    ----------
    name : str
        Key used in results, snake_case.
    title : str
        For people.
    kind : StructureKind
    body_part : BodyPart
    compartment : str or None
        Name of the compartment a muscle belongs to.
    codes : mapping of coding system to code
        ``"SCT"``, ``"FMA"``, ``"UBERON"``; mapping status: unverified.
    """

    name: str
    title: str
    kind: StructureKind
    body_part: BodyPart
    compartment: str | None = None
    codes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def _row(
    name: str,
    kind: StructureKind,
    part: BodyPart,
    compartment: str | None = None,
    *,
    sct: str | None = None,
    uberon: str | None = None,
    fma: str | None = None,
    title: str | None = None,
) -> Structure:
    pairs = {"SCT": sct, "UBERON": uberon, "FMA": fma}
    codes = MappingProxyType({system: code for system, code in pairs.items() if code is not None})
    return Structure(name, title or name.replace("_", " "), kind, part, compartment, codes)


_T, _M, _C, _B = StructureKind.TISSUE, StructureKind.MUSCLE, StructureKind.COMPARTMENT, StructureKind.BONE
_ANT, _MED, _POST = "anterior_thigh", "medial_thigh", "posterior_thigh"
_LEG_ANT, _LEG_LAT, _LEG_SUP, _LEG_DEEP = (
    "anterior_leg",
    "lateral_leg",
    "superficial_posterior_leg",
    "deep_posterior_leg",
)
_THIGH, _LEG, _PELVIS, _ALL = BodyPart.THIGH, BodyPart.LEG, BodyPart.PELVIS, BodyPart.WHOLE_BODY

_ROWS = (
    _row("all", StructureKind.WHOLE, _ALL, title="whole study"),
    _row("body", StructureKind.WHOLE, _ALL),
    _row("limb", StructureKind.WHOLE, _ALL),
    _row("skin", _T, _ALL),
    _row("subcutaneous_fat", _T, _ALL),
    _row("fascia", StructureKind.FASCIA, _ALL, title="deep fascia"),
    _row("muscle", _T, _ALL, sct="426215008", uberon="0001134", fma="14069"),
    _row("intermuscular_fat", _T, _ALL),
    _row("bone", _T, _ALL),
    _row("bone_cortex", _T, _ALL),
    _row("bone_marrow", _T, _ALL),
    _row("vessel", StructureKind.VESSEL, _ALL),
    _row("calcification", _T, _ALL),
    _row("body_cavity", _T, _ALL, title="contents of the body cavities"),
    _row("torso_fat", _T, BodyPart.TRUNK, title="fat within the trunk"),
    _row("metal", _T, _ALL),
    _row("fiducial", _T, _ALL, title="marker on the skin"),
    _row("vial", _T, _ALL, title="reference vial"),
    _row("fascia_lata", StructureKind.FASCIA, _THIGH, sct="361911008", uberon="0003669"),
    _row("femur", _B, _THIGH),
    _row("tibia", _B, _LEG),
    _row("fibula", _B, _LEG),
    _row("patella", _B, BodyPart.KNEE),
    _row("ilium", _B, _PELVIS),
    _row("sacrum", _B, _PELVIS),
    _row("hip_bone", _B, _PELVIS),
    _row("humerus", _B, BodyPart.UPPER_ARM),
    _row("radius", _B, BodyPart.FOREARM),
    _row("ulna", _B, BodyPart.FOREARM),
    _row("scapula", _B, BodyPart.SHOULDER),
    _row("clavicle", _B, BodyPart.SHOULDER),
    _row("sternum", _B, BodyPart.TRUNK),
    _row("ribs", _B, BodyPart.TRUNK),
    _row("vertebrae", _B, BodyPart.TRUNK),
    _row("skull", _B, BodyPart.NECK),
    _row(_ANT, _C, _THIGH, title="anterior compartment of thigh"),
    _row(_MED, _C, _THIGH, title="medial compartment of thigh"),
    _row(_POST, _C, _THIGH, title="posterior compartment of thigh"),
    _row(_LEG_ANT, _C, _LEG, title="anterior compartment of leg"),
    _row(_LEG_LAT, _C, _LEG, title="lateral compartment of leg"),
    _row(_LEG_SUP, _C, _LEG, title="superficial posterior compartment of leg"),
    _row(_LEG_DEEP, _C, _LEG, title="deep posterior compartment of leg"),
    _row("gluteal", _C, _PELVIS, title="gluteal muscles"),
    _row("hip_flexors", _C, _PELVIS),
    # further compartments of the whole-body inventory
    _row("neck_muscles", _C, BodyPart.NECK),
    _row("shoulder_girdle", _C, BodyPart.SHOULDER, title="muscles of the shoulder girdle"),
    _row("anterior_upper_arm", _C, BodyPart.UPPER_ARM, title="anterior compartment of upper arm"),
    _row("posterior_upper_arm", _C, BodyPart.UPPER_ARM, title="posterior compartment of upper arm"),
    _row("forearm_flexors", _C, BodyPart.FOREARM),
    _row("forearm_extensors", _C, BodyPart.FOREARM),
    _row("paraspinal_muscles", _C, BodyPart.TRUNK),
    _row("trunk_wall", _C, BodyPart.TRUNK, title="chest and abdominal wall"),
    _row("gluteus_medius_minimus", _C, _PELVIS, title="gluteus medius and minimus"),
    _row("anterior_lateral_leg", _C, _LEG, title="anterior and lateral compartment of leg"),
    # thigh
    _row("sartorius", _M, _THIGH, _ANT, sct="181683006", uberon="0001373", fma="22353"),
    _row("rectus_femoris", _M, _THIGH, _ANT, sct="181679006", uberon="0001378", fma="22430"),
    _row("vastus_lateralis", _M, _THIGH, _ANT),
    _row("vastus_intermedius", _M, _THIGH, _ANT, sct="181682001", uberon="0014847"),
    _row("vastus_medialis", _M, _THIGH, _ANT),
    _row("quadriceps_femoris", _M, _THIGH, _ANT, sct="181669009", uberon="0001377", fma="22428"),
    _row("adductor_longus", _M, _THIGH, _MED, sct="181686003", uberon="0000303", fma="22441"),
    _row("adductor_brevis", _M, _THIGH, _MED, sct="181687007", uberon="0000368", fma="22442"),
    _row("adductor_magnus", _M, _THIGH, _MED, sct="181688002", uberon="0000370", fma="22443"),
    _row("gracilis", _M, _THIGH, _MED, sct="181689005", uberon="0000950", fma="43882"),
    _row("pectineus", _M, _THIGH, _MED, sct="245017006", uberon="0001382", fma="22440"),
    _row("biceps_femoris", _M, _THIGH, _POST, sct="181672002", uberon="0001374", fma="22356"),
    _row("biceps_femoris_long_head", _M, _THIGH, _POST),
    _row("biceps_femoris_short_head", _M, _THIGH, _POST),
    _row("semitendinosus", _M, _THIGH, _POST, sct="181685004", uberon="0001375", fma="22357"),
    _row("semimembranosus", _M, _THIGH, _POST),
    # pelvis and hip
    _row("gluteus_maximus", _M, _PELVIS, "gluteal", sct="181674001", uberon="0001370", fma="22314"),
    _row("gluteus_medius", _M, _PELVIS, "gluteal", sct="181675000", uberon="0001371", fma="22315"),
    _row("gluteus_minimus", _M, _PELVIS, "gluteal", sct="181676004", uberon="0008521", fma="22317"),
    _row("tensor_fasciae_latae", _M, _PELVIS, "gluteal", sct="181671009", uberon="0001376", fma="22423"),
    _row("iliacus", _M, _PELVIS, "hip_flexors", sct="244956009", uberon="0001369", fma="22310"),
    _row("psoas_major", _M, _PELVIS, "hip_flexors", sct="244952006", uberon="0001298", fma="18060"),
    _row("iliopsoas", _M, _PELVIS, "hip_flexors", sct="181668001", uberon="0001999"),
    _row("piriformis", _M, _PELVIS, sct="245019009", uberon="0008529", fma="19082"),
    _row("obturator_internus", _M, _PELVIS, sct="245025008", uberon="0011048"),
    _row("obturator_externus", _M, _PELVIS, sct="245026009", uberon="0001368", fma="22299"),
    _row("gemelli_and_quadratus_femoris", _M, _PELVIS),
    _row("quadratus_femoris", _M, _PELVIS, sct="245020003", uberon="0008537", fma="22321"),
    # leg
    _row("tibialis_anterior", _M, _LEG, _LEG_ANT, sct="181696007", uberon="0001385", fma="22532"),
    _row("extensor_digitorum_longus", _M, _LEG, _LEG_ANT),
    _row("extensor_hallucis_longus", _M, _LEG, _LEG_ANT),
    _row("fibularis", _M, _LEG, _LEG_LAT, sct="181694005", uberon="0009132"),
    _row("fibularis_longus", _M, _LEG, _LEG_LAT, sct="361825008", uberon="0001387", fma="22539"),
    _row("fibularis_brevis", _M, _LEG, _LEG_LAT, sct="181704008", uberon="0010526", fma="22540"),
    _row("gastrocnemius", _M, _LEG, _LEG_SUP, sct="181700004", uberon="0001388", fma="22541"),
    _row("gastrocnemius_medial_head", _M, _LEG, _LEG_SUP, sct="213689008", uberon="0011907"),
    _row("gastrocnemius_lateral_head", _M, _LEG, _LEG_SUP, sct="213588009", uberon="0011908"),
    _row("soleus", _M, _LEG, _LEG_SUP, sct="181702007", uberon="0001389", fma="22542"),
    _row("popliteus", _M, _LEG, _LEG_DEEP, sct="245032004", uberon="0001391", fma="22590"),
    _row("tibialis_posterior", _M, _LEG, _LEG_DEEP, sct="361824007", uberon="0001667", fma="51099"),
    _row("flexor_digitorum_longus", _M, _LEG, _LEG_DEEP, sct="181703002", uberon="0001666", fma="51071"),
    _row("flexor_hallucis_longus", _M, _LEG, _LEG_DEEP),
    # upper limb, shoulder, trunk, neck
    _row("deltoid", _M, BodyPart.SHOULDER, sct="181620007", uberon="0001476", fma="32521"),
    _row("supraspinatus", _M, BodyPart.SHOULDER, sct="181626001", uberon="0002383", fma="9629"),
    _row("infraspinatus", _M, BodyPart.SHOULDER, sct="277439009", uberon="0001477", fma="32546"),
    _row("subscapularis", _M, BodyPart.SHOULDER, sct="277446000", uberon="0001129", fma="13413"),
    _row("biceps_brachii", _M, BodyPart.UPPER_ARM, sct="265802004", uberon="0001507", fma="37670"),
    _row("brachialis", _M, BodyPart.UPPER_ARM, sct="244982000", uberon="0001506", fma="37667"),
    _row("coracobrachialis", _M, BodyPart.UPPER_ARM, sct="244980008", uberon="0001505", fma="37664"),
    _row("triceps_brachii", _M, BodyPart.UPPER_ARM, sct="181623009", uberon="0001509", fma="37688"),
    _row("brachioradialis", _M, BodyPart.FOREARM, sct="244989009", uberon="0011011"),
    _row("trapezius", _M, BodyPart.NECK, sct="181740005", uberon="0002380", fma="9626"),
    _row("erector_spinae", _M, BodyPart.TRUNK, sct="244852007", uberon="0002462", fma="71302"),
    _row("latissimus_dorsi", _M, BodyPart.TRUNK, sct="181747008", uberon="0001112", fma="13357"),
    _row("pectoralis_major", _M, BodyPart.TRUNK, sct="181624003", uberon="0002381", fma="9627"),
    _row("rhomboid", _M, BodyPart.TRUNK, sct="277441005", uberon="0005621"),
    _row("pectoralis_minor", _M, BodyPart.TRUNK, sct="181625002", uberon="0001100", fma="13109"),
    _row("serratus_anterior", _M, BodyPart.TRUNK),
    _row("teres_major", _M, BodyPart.SHOULDER),
    _row("quadratus_lumborum", _M, BodyPart.TRUNK),
    _row("thoracolumbar_multifidus", _M, BodyPart.TRUNK),
    _row("levator_scapulae", _M, BodyPart.NECK),
    _row("semispinalis_cervicis_and_multifidus", _M, BodyPart.NECK),
    _row("semispinalis_capitis", _M, BodyPart.NECK),
    _row("splenius_capitis", _M, BodyPart.NECK),
    _row("sternocleidomastoid", _M, BodyPart.NECK),
    _row("longus_colli", _M, BodyPart.NECK, sct="244836009", uberon="0001121", fma="13370"),
)

STRUCTURES: Mapping[str, Structure] = MappingProxyType({row.name: row for row in _ROWS})
"""Every structure a region may name."""
WHERE_NAMES_ARE = "every name stands in docs/guide/structures.md"
"""Way to the list of structures, for hints."""


@dataclass(frozen=True, order=True)
class Region:
    """A structure on a side, at a level.

    Parameters
    ----------
    structure : str
        Key of `STRUCTURES`.
    side : Side or None
        None where a side does not apply or both are meant.
    level : str or None
        None for the whole structure; else e.g. ``"slice 4"`` or ``"station 2"``.
    """

    structure: str
    side: Side | None = None
    level: str | None = None

    def __post_init__(self) -> None:
        if self.structure not in STRUCTURES:
            near = difflib.get_close_matches(self.structure, STRUCTURES, n=3)
            raise InputError(
                f"unknown structure {self.structure!r}",
                hint=(f"did you mean {' or '.join(near)}? " if near else "") + WHERE_NAMES_ARE,
                code="E_LABEL",
            )

    @property
    def title(self) -> str:
        """For people: ``left vastus lateralis, slice 4``."""
        words = f"{self.side} " if self.side else ""
        return words + STRUCTURES[self.structure].title + (f", {self.level}" if self.level else "")
