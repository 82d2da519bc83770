"""What a muscle network is to the segmentation: a function on crops of one leg, and what its card says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import STRUCTURES, StructureKind

FAT, BONE, OTHER_MUSCLE = "fat", "bone", "other_muscle"
"""Classes that are no single muscle; ``other_muscle`` is muscle without a name."""
THIGH = "thigh"
"""The level in which single muscles are named."""
KNEE_OR_LEG = "knee_or_leg"
"""The level toward the foot of it."""


@dataclass(frozen=True, eq=False)
class MuscleNetwork:
    """A network that labels one slice of one leg.

    The leg is shown turned into one canonical leg: the first axis runs toward medial, the second toward anterior.

    Parameters
    ----------
    name, version, sha256 : str
        What the labels are said to come from.
    classes : tuple of str
        Output channels; the first is background, muscles carry the names of `STRUCTURES`.
    levels : tuple of str
        What the level gate tells apart; one is ``"thigh"``.
    pixel_mm : float
        Pixel of a crop. [mm]
    crop_pixels : int
        Rows and columns of a crop.
    largest_gap_mm : float
        Neighboring slices farther away are shown as empty. [mm]
    run : callable
        Float32 batch (n, 3, crop, crop) of the slice toward the foot, the slice itself and the slice toward the head,
        to class logits (n, classes, crop, crop) and level logits (n, levels).
    """

    name: str
    version: str
    sha256: str
    classes: tuple[str, ...]
    levels: tuple[str, ...]
    pixel_mm: float
    crop_pixels: int
    largest_gap_mm: float
    run: Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]

    @property
    def title(self) -> str:
        """Name and version, as in `LabelMap.source`."""
        return f"{self.name}/{self.version}"

    @property
    def muscles(self) -> tuple[tuple[int, str], ...]:
        """Channel and structure of every single muscle."""
        return tuple(
            (channel, name)
            for channel, name in enumerate(self.classes)
            if name in STRUCTURES and STRUCTURES[name].kind is StructureKind.MUSCLE
        )

    def channel(self, name: str) -> int:
        """Channel of a class."""
        return self.classes.index(name)
