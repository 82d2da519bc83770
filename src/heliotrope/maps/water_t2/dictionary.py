"""The signal dictionary of the two pools, stored so that the matching loops stay short."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.physics.epg import echo_table
from heliotrope.physics.slice_profile import ProfilePreset, slice_profile
from heliotrope.physics.tissue_constants import RelaxationConstants

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

T2_RANGE_MS = (12.0, 180.0)
"""Searched water T2. [ms]"""

T2_STEPS = 183
"""Geometric steps over `T2_RANGE_MS`: 1.5 % each, 0.6 ms at 40 ms. [1]"""

JOINT_T2_LIMIT_MS = 120.0
"""Above this, water and fat decay so alike that the joint fit cannot tell them apart. [ms]"""

B1_RANGE = (0.45, 1.25)
"""Searched transmit field; 3 T thighs reach 0.54 (Klupp 2017). [fraction of nominal]"""

B1_STEPS = 81
"""Linear steps over `B1_RANGE`: 0.01 each. [1]"""

B1_NODE_STRIDE = 2
"""The first pass looks at every second transmit-field value."""

COMPONENTS = 8
"""Principal components kept of the echo train; what they lose is common to atoms and data, so it costs no bias."""


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Unit-norm atoms of water and fat with their norms and products.

    Parameters
    ----------
    t2_ms : array (n_t2,)
        Geometric. [ms]
    b1 : array (n_b1,)
        Linear. [1]
    basis : array (n_echo, COMPONENTS)
        Orthonormal columns (zero columns when there are fewer echoes).
    water : float32 array (n_b1, n_t2, COMPONENTS)
        Unit norm, in the basis.
    water_norm, product : float32 arrays (n_b1, n_t2)
        Norm of the atom; scalar product of the unit water and fat atoms.
    fat : float32 array (n_b1, COMPONENTS)
    fat_norm : float32 array (n_b1,)
    """

    t2_ms: FloatArray
    b1: FloatArray
    basis: FloatArray
    water: Float32Array
    water_norm: Float32Array
    product: Float32Array
    fat: Float32Array
    fat_norm: Float32Array

    @property
    def log_step(self) -> float:
        """Step of ln(T2). [1]"""
        return float(np.log(self.t2_ms[1] / self.t2_ms[0]))

    def nearest_b1(self, b1: NDArray[np.floating]) -> NDArray[np.int32]:
        """Index of the transmit-field value nearest to each of `b1`, clipped to the range."""
        step = float(self.b1[1] - self.b1[0])
        index = np.rint((np.asarray(b1, dtype=np.float64) - self.b1[0]) / step)
        return np.asarray(np.clip(index, 0, self.b1.size - 1), dtype=np.int32)


def build_dictionary(
    *,
    n_echoes: int,
    skipped_echoes: int,
    echo_spacing_ms: float,
    constants: RelaxationConstants,
    fat_t2_ms: float,
    preset: ProfilePreset,
    refocusing_flip_deg: float,
    slab_ratio: float,
) -> Dictionary:
    """Simulate both pools over T2 and transmit field.

    Parameters
    ----------
    n_echoes : int
        Echoes in the data.
    skipped_echoes : int
        Echoes of the train before the first one in the data.
    echo_spacing_ms, fat_t2_ms : float
        [ms]
    refocusing_flip_deg : float
        [deg]
    slab_ratio : float
        Width of the refocusing slab over the excited slice. [1]
    """
    high_b1 = B1_RANGE[1] if preset is ProfilePreset.HANN_SINC else 1.0
    b1 = np.linspace(B1_RANGE[0], high_b1, B1_STEPS)
    t2_ms = np.geomspace(*T2_RANGE_MS, T2_STEPS)
    profile = slice_profile(preset, b1, refocusing_flip_deg=refocusing_flip_deg, refocusing_slab_ratio=slab_ratio)

    def simulate(times_ms: FloatArray, t1_ms: float) -> FloatArray:
        table = echo_table(
            t2_ms=times_ms,
            t1_ms=t1_ms,
            echo_spacing_ms=echo_spacing_ms,
            n_echoes=n_echoes + skipped_echoes,
            excitation_rad=profile.excitation_rad,
            refocusing_rad=profile.refocusing_rad,
        )
        return np.abs(table[:, :, skipped_echoes:])

    water = simulate(t2_ms, constants.muscle_t1_ms)
    fat = simulate(np.array([fat_t2_ms]), constants.fat_t1_ms)[:, 0]
    every = np.concatenate([water.reshape(-1, n_echoes), fat])
    every /= np.linalg.norm(every, axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(every.T @ every)
    kept = min(n_echoes, COMPONENTS)
    basis = np.zeros((n_echoes, COMPONENTS))
    basis[:, :kept] = vectors[:, ::-1][:, :kept]
    water, fat = water @ basis, fat @ basis
    water_norm, fat_norm = np.linalg.norm(water, axis=2), np.linalg.norm(fat, axis=1)
    water /= water_norm[:, :, None]
    fat /= fat_norm[:, None]
    return Dictionary(
        t2_ms=t2_ms,
        b1=b1,
        basis=basis,
        water=water.astype(np.float32),
        water_norm=water_norm.astype(np.float32),
        product=np.einsum("jin,jn->ji", water, fat).astype(np.float32),
        fat=fat.astype(np.float32),
        fat_norm=fat_norm.astype(np.float32),
    )
