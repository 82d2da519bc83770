"""CT of the person of an MR phantom at a later visit: nodules of calcium in the subcutis at stated places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Side
from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.units import Unit
from heliotrope.phantoms.ct_calcinosis_render import BLOOD_HU, CORTEX_HU, FASCIA_HU, MARROW_HU
from heliotrope.phantoms.fields import draw_field
from heliotrope.phantoms.lesions import place_lesions
from heliotrope.phantoms.thigh_anatomy import BuildOfPerson, PackedThighs, draw_thighs
from heliotrope.phantoms.thigh_voxels import Component, ThighVoxels, fill_voxels
from heliotrope.physics.ct_attenuation import AIR_HU, FAT_HU, MUSCLE_HU, SKIN_HU, table_calibration

NODULE_HU = 600.0
"""Attenuation of the calcium. [HU]"""

_HU = {
    Component.AIR: AIR_HU,
    Component.SKIN: SKIN_HU,
    Component.SUBCUTIS: FAT_HU,
    Component.FASCIA: FASCIA_HU,
    Component.DEEP_FAT: FAT_HU,
    Component.MUSCLE: MUSCLE_HU,
    Component.CORTEX: CORTEX_HU,
    Component.MARROW: MARROW_HU,
    Component.ARTERY: BLOOD_HU,
    Component.VEIN: BLOOD_HU,
    Component.EDEMA: MUSCLE_HU,
    Component.FASCIAL_FLUID: FASCIA_HU,
    Component.SUBCUTIS_FLUID: FAT_HU,
}


@dataclass(frozen=True)
class SubcutaneousNodule:
    """A ball of calcium in the middle of the subcutaneous fat.

    Parameters
    ----------
    side : Side
    angle_deg : float
        Around the limb, from anterior toward lateral. [deg]
    radius_mm : float
    """

    side: Side
    angle_deg: float
    radius_mm: float = 5.0


@dataclass(frozen=True)
class CtOfThighs:
    """How the scan is made.

    Parameters
    ----------
    matrix : tuple of 2 ints
        Pixels from right to left and from front to back.
    voxel_mm : tuple of 2 floats
        Pixel and slice. [mm]
    n_slices : int
    shift_mm : tuple of 3 floats
        How the person lies against the MR, toward left, posterior, superior. [mm]
    noise_hu : float
    tube_voltage_kv : float
    """

    matrix: tuple[int, int] = (380, 200)
    voxel_mm: tuple[float, float] = (1.0, 2.0)
    n_slices: int = 40
    shift_mm: tuple[float, float, float] = (6.0, -4.0, 7.0)
    noise_hu: float = 12.0
    tube_voltage_kv: float = 120.0

    def grid(self) -> Grid:
        """Grid in the space of the MR phantom."""
        sizes = (self.voxel_mm[0], self.voxel_mm[0], self.voxel_mm[1])
        affine = np.diag([*sizes, 1.0])
        affine[:3, 3] = [-(n - 1) * size / 2 for n, size in zip((*self.matrix, self.n_slices), sizes, strict=True)]
        return Grid.from_matrix((*self.matrix, self.n_slices), affine)


@dataclass(frozen=True)
class NoduleTruth:
    """Where a nodule was put, in the space of the CT.

    Parameters
    ----------
    nodule : SubcutaneousNodule
    center_mm : tuple of 3 floats
        LPS. [mm]
    mass_mg : float
        Hydroxyapatite. [mg]
    """

    nodule: SubcutaneousNodule
    center_mm: tuple[float, float, float]
    mass_mg: float


def build_ct_of_thighs(
    seed: int,
    nodules: tuple[SubcutaneousNodule, ...],
    *,
    build: BuildOfPerson | None = None,
    scan: CtOfThighs | None = None,
) -> tuple[Volume, tuple[NoduleTruth, ...]]:
    """The person that an MR phantom of the same seed and build shows, scanned by CT.

    Parameters
    ----------
    seed : int
    nodules : tuple of SubcutaneousNodule
        Each at the middle of the stack.
    build : BuildOfPerson or None
        Of the MR phantom.
    scan : CtOfThighs or None

    Raises
    ------
    InputError
        No subcutaneous fat where a nodule is to lie.
    """
    chosen = CtOfThighs() if scan is None else scan
    person, noise = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 7])
    thighs = PackedThighs.of(draw_thighs(person, build))
    streaks = np.stack([draw_field(person, 7.0)[:24], draw_field(person, 25.0)[:24]])
    grid = chosen.grid()
    half = 0.5 * chosen.n_slices * chosen.voxel_mm[1]
    voxels = fill_voxels(
        grid,
        thighs,
        place_lesions((), thighs, (-half, half), np.random.default_rng([seed, 1])),
        streaks=streaks,
        streak_limits=(0.7, 0.09),
        slice_thickness_mm=chosen.voxel_mm[1],
    )
    hu = voxels.fractions @ np.array([_HU[component] for component in Component], np.float32)
    truths = []
    slope = table_calibration(chosen.tube_voltage_kv)
    for nodule in nodules:
        center = _place(nodule, thighs, voxels)
        share = _ball(center, nodule.radius_mm, grid)
        hu += share * (NODULE_HU - hu)
        volume = 4.0 / 3.0 * np.pi * nodule.radius_mm**3
        moved = np.array(center) + chosen.shift_mm
        mass = slope.mass_mg(volume * (NODULE_HU - FAT_HU))
        truths.append(NoduleTruth(nodule, (float(moved[0]), float(moved[1]), float(moved[2])), mass))
    hu = ndimage.gaussian_filter(hu, (0.5, 0.5, 0.3))
    hu += chosen.noise_hu * noise.standard_normal(hu.shape, dtype=np.float32)
    image = np.clip(np.rint(hu), -1024, 3071).astype(np.float32)
    matrix = grid.matrix
    matrix[:3, 3] += chosen.shift_mm
    return Volume(image, Grid.from_matrix(grid.shape, matrix), Unit.HOUNSFIELD), tuple(truths)


def _place(nodule: SubcutaneousNodule, thighs: PackedThighs, voxels: ThighVoxels) -> tuple[float, float, float]:
    """Middle of the subcutis at an angle, in the middle slice."""
    number = 0 if nodule.side is Side.LEFT else 1
    limb = thighs.limbs[number]
    k = voxels.grid.shape[2] // 2
    fat = (voxels.fractions[:, :, k, Component.SUBCUTIS] > 0.9) & (voxels.side[:, :, k] == number)
    index = np.argwhere(fat)
    points = voxels.grid.positions_mm(np.column_stack([index, np.full(len(index), k)]))
    lateral, anterior = limb[2] * (points[:, 0] - limb[0]), -(points[:, 1] - limb[1])
    away = np.abs((np.degrees(np.arctan2(lateral, anterior)) - nodule.angle_deg + 180.0) % 360.0 - 180.0)
    near = away < 3.0
    if not near.any():
        raise InputError(
            f"no subcutaneous fat of the {nodule.side} thigh at {nodule.angle_deg:g} degrees", hint="choose another"
        )
    radius = np.hypot(lateral[near], anterior[near])
    middle = np.argmin(np.abs(radius - 0.5 * (radius.min() + radius.max())))
    x, y, z = points[near][middle]
    return (float(x), float(y), float(z))


def _ball(center: tuple[float, float, float], radius_mm: float, grid: Grid) -> NDArray[np.float32]:
    """Share of each voxel within a ball, by its distance from the surface."""
    axes = [grid.positions_mm(np.eye(3)[axis] * np.arange(grid.shape[axis])[:, None])[:, axis] for axis in range(3)]
    x, y, z = (position - at for position, at in zip(axes, center, strict=True))
    distance = np.sqrt(x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2)
    return np.clip(0.5 + (radius_mm - distance) / grid.spacing_mm[0], 0.0, 1.0).astype(np.float32)
