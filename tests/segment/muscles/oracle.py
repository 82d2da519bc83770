"""A stand-in for the muscle network that names sectors about the center of the leg it sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.segment.muscles.network import MuscleNetwork

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
CLASSES = ("background", *MUSCLES, "fat", "bone", "other_muscle")
LEVELS = ("thigh", "hip", "knee_or_leg", "elsewhere")
PIXEL_MM, PIXELS = 3.0, 72

SECTORS_DEG = {
    "rectus_femoris": (-25.0, 25.0),
    "sartorius": (25.0, 65.0),
    "gracilis": (65.0, 100.0),
    "adductor_magnus": (100.0, 140.0),
    "semimembranosus": (140.0, 175.0),
    "semitendinosus": (175.0, 200.0),
    "biceps_femoris_long_head": (200.0, 240.0),
    "vastus_lateralis": (240.0, 335.0),
}
"""From anterior, positive toward medial."""

Change = Callable[[NDArray[np.int64]], NDArray[np.int64]]
Answer = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


def sectors(turn_deg: float = 0.0, center_mm: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.int64]:
    """Classes of a crop (medial, anterior)."""
    line = (np.arange(PIXELS) + 0.5 - 0.5 * PIXELS) * PIXEL_MM
    medial, anterior = np.meshgrid(line - center_mm[0], line - center_mm[1], indexing="ij")
    angle = (np.degrees(np.arctan2(medial, anterior)) + turn_deg) % 360.0
    found = np.zeros(angle.shape, dtype=np.int64)
    for name, (low, high) in SECTORS_DEG.items():
        found[(angle - low) % 360.0 < high - low] = CLASSES.index(name)
    found[np.hypot(medial, anterior) < 15.0] = CLASSES.index("bone")
    return found


def logits(classes: NDArray[np.int64], level: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Confident logits for one crop."""
    maps = 6.0 * (np.arange(len(CLASSES))[:, None, None] == classes[None])
    return maps.astype(np.float32), (6.0 * (np.arange(len(LEVELS)) == level)).astype(np.float32)


def leg_center_mm(image: NDArray[np.float32]) -> tuple[float, float]:
    """Center of the leg in the middle of a crop. [mm]"""
    legs, _ = ndimage.label(ndimage.binary_fill_holes(image[1] > 0.1))
    own = legs == legs[PIXELS // 2, PIXELS // 2]
    medial, anterior = (float(np.mean(axis)) for axis in np.nonzero(own))
    return (medial + 0.5 - 0.5 * PIXELS) * PIXEL_MM, (anterior + 0.5 - 0.5 * PIXELS) * PIXEL_MM


def constant(level: str = "thigh", change: Change | None = None) -> Answer:
    """Sectors about the leg of every crop, changed alike, at one level."""

    def answer(batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = []
        for image in batch:
            classes = sectors(center_mm=leg_center_mm(image))
            found.append(logits(classes if change is None else change(classes), LEVELS.index(level)))
        return np.stack([a for a, _ in found]), np.stack([b for _, b in found])

    return answer


def by_brightness(levels: Sequence[str], values: Sequence[float]) -> Answer:
    """Level by the brightness of the middle of the crop over that of its rim: slices can be told apart."""

    def answer(batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        near = [
            int(np.argmin(np.abs(np.asarray(values) - float(np.median(image[1, 30:42, 30:42]))))) for image in batch
        ]
        pairs = [
            logits(sectors(center_mm=leg_center_mm(image)), LEVELS.index(levels[i]))
            for image, i in zip(batch, near, strict=True)
        ]
        return np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs])

    return answer


def network(answer: Answer | None = None) -> MuscleNetwork:
    """A muscle network of the stand-in's geometry."""
    return MuscleNetwork(
        "stand-in", "1", "0" * 64, CLASSES, LEVELS, PIXEL_MM, PIXELS, 30.0, constant() if answer is None else answer
    )
