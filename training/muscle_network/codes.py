"""Numbers of the tissue maps from which images are generated, and of the network's classes."""

from __future__ import annotations

AIR = 0
MUSCLES = (
    "sartorius",
    "rectus_femoris",
    "vastus_lateralis",
    "vastus_intermedius",
    "vastus_medialis",
    "adductor_magnus",
    "gracilis",
    "biceps_femoris_long_head",
    "semitendinosus",
    "semimembranosus",
    "biceps_femoris_short_head",
)
"""Muscle k has code k + 1, as in the thigh label maps."""

SUBCUTANEOUS_FAT, DEEP_FAT, CORTEX, MARROW = 12, 13, 14, 15
OTHER_MUSCLE = (16, 17, 18, 19)
VESSEL, SKIN = 20, 21
OTHER_LEG = 30
"""Added to the code of a tissue that belongs to the other leg."""

CLASSES = ("background", *MUSCLES, "fat", "bone", "other_muscle")
FAT_CLASS, BONE_CLASS, OTHER_MUSCLE_CLASS = 12, 13, 14

LEVELS = ("thigh", "hip", "knee_or_leg", "elsewhere")
"""What the level gate tells apart; only ``thigh`` slices are labeled in the product."""

PIXEL_MM = 1.35
CROP = 160
"""Pixels of one leg's crop; 216 mm."""

SLICES = 3
"""Slices the network sees: the one toward the foot, its own, the one toward the head."""

CANVAS = 208
"""Pixels of a stored tissue map, from which warped crops are cut."""
