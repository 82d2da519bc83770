"""Limbs drawn voxel by voxel, with whatever a test needs in or beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.units import Unit

Point = tuple[float, float, float]


@dataclass(eq=False)
class Scene:
    """A CT in the making; lengths in mm from the center of the image, x to the left, y to posterior, z to superior."""

    size: tuple[int, int, int]
    voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    hu: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.hu = np.full(self.size, -1000.0, np.float32)

    @property
    def axes(self) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
        """Coordinates, to be broadcast."""
        lines = [
            np.arange(n, dtype=np.float64) * v - (n - 1) / 2 * v for n, v in zip(self.size, self.voxel_mm, strict=True)
        ]
        return lines[0][:, None, None], lines[1][None, :, None], lines[2][None, None, :]

    def limb(self, center: tuple[float, float] = (0.0, 0.0), radius: float = 45.0, *, bone: bool = True) -> None:
        """Skin, 9 mm of fat, muscle with fat septa every 60 degrees, and a long bone."""
        x, y, z = self.axes
        dx, dy = x - center[0], y - center[1]
        r = np.hypot(dx, dy) + 0 * z
        angle = np.arctan2(dy, dx) + 0 * z
        septum = np.abs(np.sin(3 * angle)) * r / 3 < 1.0
        self.hu[r < radius] = 50.0
        self.hu[r < radius - 2] = -100.0
        self.hu[r < radius - 11] = np.where(septum, -80.0, 52.0)[r < radius - 11]
        if bone:
            self.shaft((center[0] - 4.0, center[1] + 2.0))

    def shaft(self, center: tuple[float, float], outer: float = 11.0, inner: float = 6.5) -> None:
        """A long bone along z, with fat marrow."""
        x, y, z = self.axes
        r = np.hypot(x - center[0], y - center[1]) + 0 * z
        self.hu[r < outer] = 1150.0
        self.hu[r < inner] = -60.0

    def small_bone(self, center: Point, half: Point, *, shell: float = 1.3, inside: float = 260.0) -> None:
        """A short bone: an ellipsoid of trabecular bone in a thin cortex."""
        x, y, z = self.axes
        parts = [(c - m) / h for c, m, h in zip((x, y, z), center, half, strict=True)]
        r = np.sqrt(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2)
        self.hu[r < 1] = 850.0
        self.hu[r < 1 - shell / min(half)] = inside

    def ball(self, center: Point, radius: float, hu: float) -> NDArray[np.bool_]:
        """A ball; returns where it lies."""
        x, y, z = self.axes
        inside: NDArray[np.bool_] = (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 < radius**2
        self.hu[inside] = hu
        return inside

    def rod(
        self, start: Point, end: Point, radius: float, hu: float, *, lumen: float = 0.0, within: float = 0.0
    ) -> None:
        """A straight rod or tube between two points."""
        x, y, z = self.axes
        way = np.subtract(end, start)
        length = float(way @ way)
        along = np.clip(
            ((x - start[0]) * way[0] + (y - start[1]) * way[1] + (z - start[2]) * way[2]) / length, 0.0, 1.0
        )
        away = np.sqrt(
            (x - start[0] - along * way[0]) ** 2
            + (y - start[1] - along * way[1]) ** 2
            + (z - start[2] - along * way[2]) ** 2
        )
        self.hu[away < radius] = hu
        if lumen:
            self.hu[away < lumen] = within

    def plate(self, top: float, thickness: float, hu: float) -> None:
        """A table below the limb, over the whole width: rim of `hu`, light inside."""
        _, y, _ = self.axes
        depth = (y - top) + 0 * self.hu
        self.hu[(depth > 0) & (depth < thickness)] = -850.0
        self.hu[(depth > 0) & (depth < 2.0)] = hu

    def scan(self, *, noise_hu: float = 12.0, fwhm_mm: float = 1.1, seed: int = 1, sharpen: float = 0.0) -> Volume:
        """Blur, sharpen as a bone kernel does, add correlated noise."""
        sigma = [fwhm_mm / 2.3548 / v for v in self.voxel_mm]
        image = ndimage.gaussian_filter(self.hu, sigma)
        noise = np.random.default_rng(seed).standard_normal(self.size, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, (0.6, 0.6, 0.3))
        image = image + noise * np.float32(noise_hu / noise.std())
        if sharpen:
            image = image + sharpen * (image - ndimage.gaussian_filter(image, [0.9 / v for v in self.voxel_mm]))
        image = np.clip(np.rint(image), -1024, 3071).astype(np.float32)
        return Volume(image, Grid.from_spacing(self.size, self.voxel_mm), Unit.HOUNSFIELD)


def hand(voxel_mm: tuple[float, float, float] = (0.8, 0.8, 1.0)) -> Scene:
    """Palm and five fingers along z: carpal bones, metacarpals and phalanges with thin cortex, joints 1.5 mm wide."""
    scene = Scene((int(96 / voxel_mm[0]), int(48 / voxel_mm[1]), int(150 / voxel_mm[2])), voxel_mm)
    x, y, z = scene.axes
    palm = ((x / 40) ** 2 + (y / 15) ** 2 < 1) & (z < 20)
    columns = [(-32.0 + 16.0 * n) for n in range(5)]
    flesh = palm.copy()
    for center in columns:
        flesh = flesh | (((x - center) ** 2 + y**2 < 8.5**2) & (z > -30))
    scene.hu[flesh] = 50.0
    fat = ndimage.binary_erosion(flesh, iterations=2) & ~ndimage.binary_erosion(flesh, iterations=4)
    scene.hu[fat] = -90.0
    for center in columns:
        for low, high, radius in ((-45.0, 15.0, 4.2), (16.5, 42.0, 3.8), (43.5, 58.0, 3.3), (59.5, 70.0, 2.9)):
            scene.rod((center, 0, low + radius), (center, 0, high - radius), radius, 900.0)
            scene.rod((center, 0, low + radius + 1), (center, 0, high - radius - 1), radius - 1.3, 60.0)
    for row, level in enumerate((-52.0, -64.0)):
        for n in range(4):
            scene.small_bone((-21.0 + 14.0 * n + 2 * row, 0, level), (6.2, 7.5, 5.2))
    # sesamoids of the thumb
    scene.small_bone((-36.0, -6.5, 14.0), (2.6, 2.0, 2.6), shell=0.9)
    return scene
