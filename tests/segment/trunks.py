"""A drawn trunk on CT with known tissues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.units import Unit


@dataclass(frozen=True, eq=False)
class DrawnTrunk:
    """CT and, per structure, where it was drawn."""

    volume: Volume
    drawn: dict[str, NDArray[np.bool_]]


def draw_trunk(*, gas: bool, slices: int = 4, noise_hu: float = 8.0) -> DrawnTrunk:
    """An ellipse of 330 x 230 mm: skin, fat, a wall of muscle, a spine with erector muscles, fat, a liver and, if
    asked, bowel gas.
    """
    x, y = np.meshgrid(np.arange(-186.0, 187, 3), np.arange(-132.0, 133, 3), indexing="ij")
    mean = 140.0
    depth = (1.0 - np.hypot(x / 165, y / 115)) * mean
    plane = np.full(x.shape, -1000.0, np.float32)
    codes = np.zeros(x.shape, np.uint8)
    erector = (np.hypot((np.abs(x) - 34) / 30, (y - 72) / 22) < 1.0) & (depth > 16.0)
    for code, where, value in (
        (1, depth > 0.0, 30.0),
        (2, depth > 3.0, -100.0),
        (3, depth > 16.0, 55.0),
        (4, depth > 31.0, -95.0),
        (5, (np.hypot((x + 60) / 55, (y + 15) / 50) < 1.0) & (depth > 31.0), 60.0),
        (3, erector, 55.0),
        (6, np.hypot(x, y - 42) < 21, 220.0),
        (6, (np.hypot(x, y - 42) < 21) & (np.hypot(x, y - 42) > 16), 500.0),
    ):
        plane[where], codes[where] = value, code
    if gas:
        here = np.hypot(x - 70, y + 40) < 18
        plane[here], codes[here] = -900.0, 7
    hu = np.repeat(plane[:, :, None], slices, axis=2)
    hu = hu + np.random.default_rng(1).normal(0.0, noise_hu, hu.shape)
    grid = Grid.from_spacing((x.shape[0], x.shape[1], slices), (3.0, 3.0, 5.0))
    names = {1: "skin", 2: "subcutaneous_fat", 3: "muscle", 4: "torso_fat", 6: "bone"}
    drawn = {name: np.repeat((codes == code)[:, :, None], slices, axis=2) for code, name in names.items()}
    return DrawnTrunk(Volume(hu.astype(np.float32), grid, Unit.HOUNSFIELD), drawn)
