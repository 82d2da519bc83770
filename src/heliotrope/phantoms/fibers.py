"""Fibers of the thigh phantom: a direction and a diffusion tensor in every voxel that holds muscle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.images import ParametricMap
from heliotrope.domain.units import Unit
from heliotrope.phantoms.thigh_anatomy import MUSCLES
from heliotrope.phantoms.thigh_voxels import Component, ThighVoxels
from heliotrope.physics.diffusion import fractional_anisotropy

LEAN_DEG: Mapping[str, float] = {
    "rectus_femoris": 14.0,
    "vastus_intermedius": 6.0,
    "vastus_lateralis": 18.0,
    "vastus_medialis": 26.0,
    "sartorius": 2.0,
    "gracilis": 4.0,
    "adductor_magnus": 15.0,
    "biceps_femoris_short_head": 12.0,
    "biceps_femoris_long_head": 12.0,
    "semitendinosus": 12.0,
    "semimembranosus": 15.0,
}
"""Angle of the fibers to the long axis, going up toward the femur: a choice of this phantom. [deg]"""

MUSCLE_EIGENVALUES = (1.90e-3, 1.45e-3, 1.20e-3)
"""Tensor of healthy muscle: mean diffusivity 1.52e-3 mm2/s, FA 0.23. [mm2/s]"""

EDEMA_FACTOR = 1.2
"""Diffusivity of edema over that of healthy muscle, in every direction: a choice of this phantom. [1]"""

SOFTENING_MM = 8.0
"""Within this distance of the middle of the limb the lean fades out. [mm]"""


@dataclass(frozen=True, eq=False)
class Fibers:
    """Directions and tensors, arrays of shape (x, y, z, ...).

    Parameters
    ----------
    voxels : ThighVoxels
    direction : array (x, y, z, 3)
        Unit vectors along patient axes (LPS), pointing up; zero where there is no muscle.
    """

    voxels: ThighVoxels
    direction: NDArray[np.float64]

    @classmethod
    def of(cls, voxels: ThighVoxels) -> Fibers:
        """Fibers that lean toward the middle of their limb as they go up."""
        grid = voxels.grid
        index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
        points = grid.positions_mm(index)
        inside = voxels.muscle >= 0
        lean = np.radians([LEAN_DEG[name] for name in MUSCLES])[np.maximum(voxels.muscle, 0)]
        direction = np.zeros((*grid.shape, 3))
        for side in range(2):
            here = inside & (voxels.side == side)
            if not here.any():
                continue
            toward = points[here][:, :2].mean(axis=0) - points[here][:, :2]
            toward /= np.hypot(np.linalg.norm(toward, axis=1), SOFTENING_MM)[:, None]
            direction[here, :2] = toward * np.sin(lean[here])[:, None]
            direction[here, 2] = np.cos(lean[here])
        length = np.linalg.norm(direction, axis=-1, keepdims=True)
        return cls(voxels, np.divide(direction, length, out=np.zeros_like(direction), where=length > 0))

    def tensors(self, component: Component) -> NDArray[np.float64]:
        """Diffusion tensors (x, y, z, 3, 3) of muscle or edema. [mm2/s]"""
        first = self.direction
        # any axis across the fiber serves as the second
        across = np.cross(first, np.array([0.0, 1.0, 0.0]))
        size = np.linalg.norm(across, axis=-1, keepdims=True)
        second = np.divide(across, size, out=np.zeros_like(across), where=size > 0)
        third = np.cross(first, second)
        axes = np.stack([first, second, third], axis=-1)
        return np.asarray(axes * self._eigenvalues(component) @ np.swapaxes(axes, -1, -2))

    @staticmethod
    def _eigenvalues(component: Component) -> NDArray[np.float64]:
        factor = EDEMA_FACTOR if component is Component.EDEMA else 1.0
        return factor * np.array(MUSCLE_EIGENVALUES)

    def truth_maps(self) -> dict[str, ParametricMap]:
        """Diffusivity, anisotropy and direction of the water of muscle, under the keys measured maps use."""
        fractions = self.voxels.fractions.astype(np.float64)
        muscle, edema = fractions[..., Component.MUSCLE], fractions[..., Component.EDEMA]
        lean = ((muscle + edema) > 0.5) & (self.voxels.muscle >= 0)
        share = edema / np.where(lean, muscle + edema, 1.0)
        diffusivity = float(np.mean(MUSCLE_EIGENVALUES)) * (1.0 + (EDEMA_FACTOR - 1.0) * share)
        anisotropy = np.full(lean.shape, float(fractional_anisotropy(MUSCLE_EIGENVALUES)))

        def parametric(key: str, values: NDArray[np.float64], unit: Unit) -> ParametricMap:
            return ParametricMap(key, values.astype(np.float32), lean, self.voxels.grid, unit, "phantom-truth/1")

        found = {
            "mean_diffusivity": parametric("mean_diffusivity", diffusivity, Unit.DIFFUSIVITY),
            "fractional_anisotropy": parametric("fractional_anisotropy", anisotropy, Unit.ONE),
        }
        for axis, word in enumerate(("left", "posterior", "superior")):
            key = f"fiber_{word}"
            found[key] = parametric(key, self.direction[..., axis], Unit.ONE)
        return found
