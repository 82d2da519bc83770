"""Structures that TotalSegmentator names, task by task (version 2), and what each is to us."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SIDED = ("left", "right")
_VERTEBRAE = tuple(
    f"vertebrae_{region}{n}" for region, count in (("L", 5), ("T", 12), ("C", 7)) for n in range(count, 0, -1)
)
_RIBS = tuple(f"rib_{side}_{n}" for side in _SIDED for n in range(1, 13))
_SHOULDER_AND_THIGH_BONES = tuple(
    f"{bone}_{side}" for bone in ("humerus", "scapula", "clavicula", "femur", "hip") for side in _SIDED
)
_HIP_AND_BACK_MUSCLES = tuple(
    f"{muscle}_{side}"
    for muscle in ("gluteus_maximus", "gluteus_medius", "gluteus_minimus", "autochthon", "iliopsoas")
    for side in _SIDED
)
_ILIAC_VESSELS = tuple(f"{vessel}_{side}" for vessel in ("iliac_artery", "iliac_vena") for side in _SIDED)
_BELLY = (
    "spleen",
    "kidney_right",
    "kidney_left",
    "gallbladder",
    "liver",
    "stomach",
    "pancreas",
    "adrenal_gland_right",
    "adrenal_gland_left",
)
_LUNG_LOBES = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)
_CHEST_VESSELS = (
    "pulmonary_vein",
    "brachiocephalic_trunk",
    "subclavian_artery_right",
    "subclavian_artery_left",
    "common_carotid_artery_right",
    "common_carotid_artery_left",
    "brachiocephalic_vein_left",
    "brachiocephalic_vein_right",
    "atrial_appendage_left",
    "superior_vena_cava",
)
_ONLY_CT = (
    "trachea",
    "thyroid_gland",
    "kidney_cyst_left",
    "kidney_cyst_right",
    "costal_cartilages",
)
_BOTH = (
    "esophagus",
    "small_bowel",
    "duodenum",
    "colon",
    "urinary_bladder",
    "prostate",
    "heart",
    "portal_vein_and_splenic_vein",
    "spinal_cord",
    "brain",
)
_SHOULDER_MUSCLES = (
    "deltoid",
    "supraspinatus",
    "infraspinatus",
    "subscapularis",
    "coracobrachial",
    "trapezius",
    "pectoralis_minor",
    "serratus_anterior",
    "teres_major",
    "triceps_brachii",
)
_THIGH_PARTS = tuple(
    f"{part}_{side}"
    for part in ("quadriceps_femoris", "thigh_medial_compartment", "thigh_posterior_compartment", "sartorius")
    for side in _SIDED
)
_FEET_AND_HANDS = ("tarsal", "metatarsal", "phalanges_feet", "carpal", "metacarpal", "phalanges_hand")

TASKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "total": (
            *_BELLY,
            *_LUNG_LOBES,
            *_BOTH,
            *_ONLY_CT,
            "sacrum",
            "vertebrae_S1",
            *_VERTEBRAE,
            "aorta",
            "inferior_vena_cava",
            *_CHEST_VESSELS,
            *_ILIAC_VESSELS,
            *_SHOULDER_AND_THIGH_BONES,
            *_HIP_AND_BACK_MUSCLES,
            "skull",
            *_RIBS,
            "sternum",
        ),
        "total_mr": (
            *_BELLY,
            "lung_left",
            "lung_right",
            *_BOTH,
            "sacrum",
            "vertebrae",
            "intervertebral_discs",
            "aorta",
            "inferior_vena_cava",
            *_ILIAC_VESSELS,
            *_SHOULDER_AND_THIGH_BONES,
            *_HIP_AND_BACK_MUSCLES,
        ),
        "thigh_shoulder_muscles": (*_THIGH_PARTS, *_SHOULDER_MUSCLES),
        "thigh_shoulder_muscles_mr": (*_THIGH_PARTS, *_SHOULDER_MUSCLES),
        "tissue_types": ("subcutaneous_fat", "torso_fat", "skeletal_muscle"),
        "tissue_types_mr": ("subcutaneous_fat", "torso_fat", "skeletal_muscle"),
        "tissue_4_types": ("subcutaneous_fat", "torso_fat", "skeletal_muscle", "intermuscular_fat"),
        "appendicular_bones": ("patella", "tibia", "fibula", "ulna", "radius", *_FEET_AND_HANDS),
        "appendicular_bones_mr": ("patella", "tibia", "fibula", "ulna", "radius", *_FEET_AND_HANDS[:3]),
    }
)
"""Every structure a task writes, as the names of its files."""

LEFT_OUT: frozenset[str] = frozenset(
    {
        *_BELLY,
        *_LUNG_LOBES,
        *_BOTH,
        *_ONLY_CT,
        *_FEET_AND_HANDS,
        "lung_left",
        "lung_right",
        "intervertebral_discs",
    }
    - {"portal_vein_and_splenic_vein"}
)
"""Organs and small bones that are known and that we do not name: neither muscle nor its surroundings."""
