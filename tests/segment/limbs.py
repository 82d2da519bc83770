"""A small drawn pair of thighs with known tissues, for tests that need no full phantom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.units import Unit

AIR, SKIN, FAT, MUSCLE, INTERMUSCULAR, CORTEX, MARROW = range(7)
T2_MS = {SKIN: 20.0, FAT: 150.0, MUSCLE: 40.0, INTERMUSCULAR: 150.0, CORTEX: 1.0, MARROW: 150.0}
DENSITY = {SKIN: 0.6, FAT: 1.1, MUSCLE: 1.0, INTERMUSCULAR: 1.1, CORTEX: 0.02, MARROW: 1.1}
HOUNSFIELD = {AIR: -1000.0, SKIN: 40.0, FAT: -100.0, MUSCLE: 55.0, INTERMUSCULAR: -95.0, CORTEX: 1100.0, MARROW: -60.0}
ECHO_TIMES_MS = tuple(10.0 * (i + 1) for i in range(12))


@dataclass(frozen=True, eq=False)
class DrawnThighs:
    """Tissue codes and sides on a grid; `side` is -1 for the right limb, +1 for the left."""

    tissue: NDArray[np.uint8]
    side: NDArray[np.int8]
    grid: Grid


def draw(
    *,
    spacing_mm: float = 1.5,
    slices: int = 3,
    gap_mm: float = 12.0,
    limbs: tuple[int, ...] = (-1, 1),
    fat_mm: float = 12.0,
    size_mm: tuple[float, float] = (360.0, 190.0),
) -> DrawnThighs:
    """Two elliptic thighs with skin 2.5 mm, fat, muscle crossed by fat sheets, and one bone each."""
    shape = (int(size_mm[0] / spacing_mm), int(size_mm[1] / spacing_mm), slices)
    matrix = np.diag([spacing_mm, spacing_mm, 8.0, 1.0])
    matrix[:3, 3] = [-0.5 * size_mm[0], -0.5 * size_mm[1], 0.0]
    grid = Grid.from_matrix(shape, matrix)
    positions = grid.positions_mm(np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1))
    tissue = np.zeros(shape, dtype=np.uint8)
    side = np.zeros(shape, dtype=np.int8)
    half_x, half_y = 72.0, 80.0
    for limb in limbs:
        x = positions[..., 0] - limb * (half_x + 0.5 * gap_mm)
        y = positions[..., 1]
        scale = 1.0 - 0.002 * positions[..., 2]
        angle = np.arctan2(y, x * limb)
        radius = np.hypot(x / half_x, y / half_y) / scale
        mean = 0.5 * (half_x + half_y) * scale
        depth = (1.0 - radius) * mean
        here = (radius < 1.0) & (side == 0)
        side[here] = limb
        wall = fat_mm + 4.0 * np.sin(angle)
        tissue[here] = FAT
        tissue[here & (depth < 2.5)] = SKIN
        deep = here & (depth > wall)
        tissue[deep] = MUSCLE
        bone = np.hypot(x - limb * 12.0, y + 14.0)
        sheet = np.abs(np.sin(1.5 * (angle - 0.5))) * np.maximum(bone, 1.0) < 2.2
        tissue[deep & sheet & (depth > wall + 4.0) & (bone > 20.0)] = INTERMUSCULAR
        tissue[bone < 14.0] = CORTEX
        tissue[bone < 8.0] = MARROW
    return DrawnThighs(tissue, side, grid)


def found(labels: LabelMap, structure: str, side: Side | None = None) -> NDArray[np.bool_]:
    """Voxels of a structure; bone is cortex and marrow."""
    parts = ("bone", "bone_cortex", "bone_marrow") if structure == "bone" else (structure,)
    return np.asarray(np.any([labels.mask_where(structure=part, side=side) for part in parts], axis=0))


def painted(tissue: NDArray[np.uint8], values: dict[int, float]) -> NDArray[np.float32]:
    table = np.zeros(8, dtype=np.float32)
    for code, value in values.items():
        table[code] = value
    return np.asarray(table[tissue], dtype=np.float32)


def shading(grid: Grid, strength: float = 0.5) -> NDArray[np.float32]:
    """Coil shading: bright in front on one side, dark behind on the other."""
    x = np.linspace(-1, 1, grid.shape[0])[:, None, None]
    y = np.linspace(-1, 1, grid.shape[1])[None, :, None]
    return np.asarray(np.exp(strength * (0.8 * x - y + 0.4 * x * y)) * np.ones(grid.shape), dtype=np.float32)


def noisy(signal: NDArray[np.floating], sd: float, seed: int) -> NDArray[np.float32]:
    """Rician magnitude."""
    random = np.random.default_rng(seed)
    real = signal + random.normal(0.0, sd, signal.shape)
    return np.asarray(np.hypot(real, random.normal(0.0, sd, signal.shape)), dtype=np.float32)


def multi_echo(thighs: DrawnThighs, *, noise_sd: float = 12.0, seed: int = 1) -> Volume:
    """Multi-echo spin-echo series of the drawn thighs."""
    density = painted(thighs.tissue, DENSITY)
    rate = 1.0 / np.maximum(painted(thighs.tissue, T2_MS), 1.0)
    level = 1000.0 * density * shading(thighs.grid)
    echoes = np.stack([level * np.exp(-time * rate) for time in ECHO_TIMES_MS], axis=-1)
    return Volume(noisy(echoes, noise_sd, seed), thighs.grid)


def turned(volume: Volume, order: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Volume:
    """The same image stored with other axis order and directions; the patient does not move."""
    data = volume.data
    matrix = volume.grid.matrix
    for axis in range(3):
        if flips[axis]:
            matrix[:3, 3] += matrix[:3, axis] * (data.shape[axis] - 1)
            matrix[:3, axis] *= -1
            data = np.flip(data, axis)
    data = np.moveaxis(data, order, (0, 1, 2))
    columns = matrix.copy()
    for target, source in enumerate(order):
        columns[:3, target] = matrix[:3, source]
    grid = Grid.from_matrix(data.shape[:3], columns, volume.grid.frame_of_reference_uid)
    return Volume(data, grid, volume.unit)


def computed_tomography(thighs: DrawnThighs, *, noise_hu: float = 15.0, table: bool = True, seed: int = 2) -> Volume:
    """CT of the drawn thighs, on a table."""
    hu = painted(thighs.tissue, HOUNSFIELD)
    hu[thighs.tissue == AIR] = HOUNSFIELD[AIR]
    if table:
        hu[:, -6:-3, :] = 300.0
    hu = hu + np.random.default_rng(seed).normal(0.0, noise_hu, hu.shape).astype(np.float32)
    return Volume(hu.astype(np.float32), thighs.grid, Unit.HOUNSFIELD)


def dixon(thighs: DrawnThighs, *, noise_sd: float = 12.0, seed: int = 4) -> tuple[Volume, Volume]:
    """Water and fat images with the coil's shading."""
    share = {SKIN: 0.15, FAT: 0.95, MUSCLE: 0.05, INTERMUSCULAR: 0.9, CORTEX: 0.5, MARROW: 0.95}
    fat = painted(thighs.tissue, share)
    level = 1000.0 * painted(thighs.tissue, DENSITY) * shading(thighs.grid)
    water_image = noisy(level * (1.0 - fat), noise_sd, seed)
    return Volume(water_image, thighs.grid), Volume(noisy(level * fat, noise_sd, seed + 1), thighs.grid)


def t1_weighted(thighs: DrawnThighs, *, noise_sd: float = 12.0, seed: int = 6) -> Volume:
    """T1-weighted image: fat twice as bright as muscle, under the coil's shading."""
    levels = {SKIN: 0.35, FAT: 1.1, MUSCLE: 0.5, INTERMUSCULAR: 1.05, CORTEX: 0.03, MARROW: 1.05}
    return Volume(noisy(1000.0 * painted(thighs.tissue, levels) * shading(thighs.grid), noise_sd, seed), thighs.grid)
