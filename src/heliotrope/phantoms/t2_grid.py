"""A chequerboard of water T2 and fat fraction under a smooth transmit field, with its truth.

Made for the validation of relaxometry: every combination occurs at every field, nothing else disturbs. The anatomical
thigh phantoms are elsewhere. The signal comes from echo states or, independently, from isochromats under played pulses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.physics import bloch
from heliotrope.physics.epg import echo_table
from heliotrope.physics.noise import add_rician_noise
from heliotrope.physics.slice_profile import (
    HALF_PROFILE_EXTENT,
    HANN_SINC_TIME_BANDWIDTH,
    REFOCUSING_SLAB_RATIO,
    ProfilePreset,
    hann_sinc_waveform,
    slice_profile,
)
from heliotrope.physics.tissue_constants import RelaxationConstants, relaxation_constants

FloatArray = NDArray[np.float64]

PATCH_VOXELS = 8
"""Edge of one patch of the chequerboard. [voxels]"""

MARGIN_VOXELS = 12
"""Air around the object. [voxels]"""

PROFILE_POSITIONS = 48
"""Positions over the half profile; twice what the fit uses. [1]"""


class Simulator(StrEnum):
    """Where the signal comes from."""

    ECHO_STATES = "echo-states"
    ISOCHROMATS = "isochromats"


@dataclass(frozen=True, eq=False)
class T2Grid:
    """The object and its truth.

    Parameters
    ----------
    echoes : Volume of shape (x, y, z, n_echo)
        [arbitrary]
    echo_times_ms : tuple of floats
        [ms]
    field_strength_t, repetition_time_ms : float
        [T], [ms]
    noise_sd : float
        Per channel, unit of the echoes; 0 is none.
    t2_ms, fat_percent, b1 : arrays (x, y, z)
        Truth; fat as proton density. [ms], [%], [1]
    clean_first_echo : array (x, y, z)
        Signal of the first echo before noise. [arbitrary]
    body : bool array (x, y, z)
    """

    echoes: Volume
    echo_times_ms: tuple[float, ...]
    field_strength_t: float
    repetition_time_ms: float
    noise_sd: float
    t2_ms: FloatArray
    fat_percent: FloatArray
    b1: FloatArray
    clean_first_echo: FloatArray
    body: NDArray[np.bool_]

    @property
    def fat_fraction(self) -> ParametricMap:
        """The true fat fraction as a map. [%]"""
        return ParametricMap(
            "fat_fraction",
            self.fat_percent.astype(np.float32),
            np.ones(self.body.shape, dtype=np.bool_),
            self.echoes.grid,
            Unit.PERCENT,
            "truth",
        )

    @property
    def b1_map(self) -> ParametricMap:
        """The true transmit field as a map. [1]"""
        return ParametricMap(
            "transmit_field", self.b1.astype(np.float32), self.body, self.echoes.grid, Unit.ONE, "truth"
        )


def make_t2_grid(
    *,
    t2_levels_ms: Sequence[float],
    fat_levels_percent: Sequence[float],
    b1_range: tuple[float, float],
    signal_to_noise: float | None,
    generator: np.random.Generator,
    field_strength_t: float = 3.0,
    n_echoes: int = 17,
    echo_spacing_ms: float = 9.5,
    repetition_time_ms: float = 3000.0,
    repeats: tuple[int, int] = (1, 1),
    n_slices: int = 1,
    simulator: Simulator = Simulator.ECHO_STATES,
    slab_ratio: float = REFOCUSING_SLAB_RATIO,
) -> T2Grid:
    """Build the object.

    Parameters
    ----------
    t2_levels_ms, fat_levels_percent : sequences
        Levels along x and along y; each pair is one patch of 8 x 8 voxels. [ms], [%]
    b1_range : tuple of 2 floats
        Lowest and highest transmit field; it bends smoothly over the object. [1]
    signal_to_noise : float or None
        Mean first-echo signal of the body over the noise sd of one channel; None adds no noise.
    generator : numpy Generator
    repeats : tuple of 2 ints
        How often the chequerboard recurs along x and y, so that levels meet different fields.
    simulator : Simulator
        Isochromats are slower by far and meant for few levels.
    slab_ratio : float
        Width of the refocusing slab over the excited slice. [1]
    """
    constants = relaxation_constants(field_strength_t)
    t2_index = np.repeat(np.tile(np.arange(len(t2_levels_ms)), repeats[0]), PATCH_VOXELS)
    fat_index = np.repeat(np.tile(np.arange(len(fat_levels_percent)), repeats[1]), PATCH_VOXELS)
    inner = (t2_index.size, fat_index.size, n_slices)
    x, y, z = np.meshgrid(*(np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1) for n in inner), indexing="ij")
    bend = np.clip(0.5 + 0.45 * np.sin(1.3 * x + 0.4 * z) - 0.35 * y * y + 0.2 * y, 0.0, 1.0)
    bend = (bend - bend.min()) / max(float(bend.max() - bend.min()), 1e-12)
    field = b1_range[0] + (b1_range[1] - b1_range[0]) * bend
    nodes = np.linspace(b1_range[0], b1_range[1], _node_count(b1_range, simulator))
    water = _train_table(
        np.asarray(t2_levels_ms, dtype=float),
        constants.muscle_t1_ms,
        nodes,
        n_echoes,
        echo_spacing_ms,
        simulator,
        slab_ratio,
    )
    fat = _train_table(
        np.array([constants.fat_t2_ms]), constants.fat_t1_ms, nodes, n_echoes, echo_spacing_ms, simulator, slab_ratio
    )
    t2_of = np.broadcast_to(t2_index[:, None, None], inner)
    fat_of = np.broadcast_to(fat_index[None, :, None], inner)
    protons = np.asarray(fat_levels_percent, dtype=float)[fat_of] / 100.0
    weight_water, weight_fat = _recovery(repetition_time_ms, constants)
    position = np.interp(field, nodes, np.arange(nodes.size))
    low = np.minimum(position.astype(int), max(nodes.size - 2, 0))
    share = (position - low)[..., None]
    high = np.minimum(low + 1, nodes.size - 1)
    train_water = (1.0 - share) * water[low, t2_of] + share * water[high, t2_of]
    train_fat = (1.0 - share) * fat[low, 0] + share * fat[high, 0]
    signal = ((1.0 - protons) * weight_water)[..., None] * train_water + (protons * weight_fat)[..., None] * train_fat
    signal *= 1000.0 / float(signal[..., 0].mean())
    margin = [(MARGIN_VOXELS, MARGIN_VOXELS), (MARGIN_VOXELS, MARGIN_VOXELS), (0, 0)]
    signal = np.pad(signal, [*margin, (0, 0)])
    noise_sd = 0.0 if signal_to_noise is None else 1000.0 / signal_to_noise
    magnitude = add_rician_noise(signal, noise_sd, generator) if noise_sd else signal
    truth_t2 = np.asarray(t2_levels_ms, dtype=float)[t2_of]
    grid = Grid.from_spacing((magnitude.shape[0], magnitude.shape[1], n_slices), (1.5, 1.5, 8.0))
    return T2Grid(
        echoes=Volume(magnitude.astype(np.float32), grid),
        echo_times_ms=tuple(echo_spacing_ms * (n + 1) for n in range(n_echoes)),
        field_strength_t=field_strength_t,
        repetition_time_ms=repetition_time_ms,
        noise_sd=noise_sd,
        t2_ms=np.pad(truth_t2, margin),
        fat_percent=np.pad(100.0 * protons, margin),
        b1=np.pad(field, margin, constant_values=1.0),
        clean_first_echo=signal[..., 0],
        body=np.pad(np.ones(inner, dtype=np.bool_), margin),
    )


def _node_count(b1_range: tuple[float, float], simulator: Simulator) -> int:
    span = b1_range[1] - b1_range[0]
    if span <= 0.0:
        return 1
    step = 0.004 if simulator is Simulator.ECHO_STATES else 0.02
    return max(2, round(span / step) + 1)


def _recovery(repetition_time_ms: float, constants: RelaxationConstants) -> tuple[float, float]:
    water = 1.0 - np.exp(-repetition_time_ms / constants.muscle_t1_ms)
    fat = 1.0 - np.exp(-repetition_time_ms / constants.fat_t1_ms)
    return float(water), float(fat)


def _train_table(
    t2_ms: FloatArray,
    t1_ms: float,
    b1: FloatArray,
    n_echoes: int,
    spacing_ms: float,
    simulator: Simulator,
    slab_ratio: float,
) -> FloatArray:
    """Echo trains (n_b1, n_t2, n_echo) of one pool."""
    if simulator is Simulator.ECHO_STATES:
        profile = slice_profile(
            ProfilePreset.HANN_SINC, b1, refocusing_slab_ratio=slab_ratio, n_positions=PROFILE_POSITIONS
        )
        table = echo_table(
            t2_ms=t2_ms,
            t1_ms=t1_ms,
            echo_spacing_ms=spacing_ms,
            n_echoes=n_echoes,
            excitation_rad=profile.excitation_rad,
            refocusing_rad=profile.refocusing_rad,
        )
        return np.abs(table)
    waveform = hann_sinc_waveform(HANN_SINC_TIME_BANDWIDTH)
    positions = ((np.arange(PROFILE_POSITIONS) + 0.5) / PROFILE_POSITIONS * 2.0 - 1.0) * HALF_PROFILE_EXTENT
    return np.array(
        [
            [
                bloch.selective_echo_train(
                    t2_ms=float(t2),
                    t1_ms=t1_ms,
                    echo_spacing_ms=spacing_ms,
                    n_echoes=n_echoes,
                    excitation=waveform,
                    refocusing=waveform,
                    time_bandwidth=HANN_SINC_TIME_BANDWIDTH,
                    refocusing_slab_ratio=slab_ratio,
                    positions=positions,
                    b1=float(field),
                )
                for t2 in t2_ms
            ]
            for field in b1
        ]
    )
