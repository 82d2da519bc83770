"""Signal of a voxelized phantom under the sequences of a myositis protocol.

Components of a voxel add as signed or complex magnetization before the magnitude is taken; noise is complex Gaussian,
so magnitude images are Rician. Noise is given as the ratio of healthy muscle's signal to the noise of one channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.phantoms.mr_tissue import (
    FAT_T1_MS,
    FAT_T2_MS,
    FIELD_STRENGTH_T,
    MUSCLE_T1_MS,
    MUSCLE_T2_MS,
    PROPERTIES,
    TissueMaps,
    edema_t1_ms,
    water_and_fat,
)
from heliotrope.phantoms.thigh_voxels import N_COMPONENTS, Component, ThighVoxels
from heliotrope.physics.chemical_shift import gradient_echo_signal, spoiled_weight
from heliotrope.physics.epg import echo_table
from heliotrope.physics.inversion_recovery import inversion_recovery
from heliotrope.physics.slice_profile import ProfilePreset, slice_profile

_LEAN = (Component.MUSCLE, Component.EDEMA)


@dataclass(frozen=True)
class SuppressionFailure:
    """A place where the inversion pulse does not reach 180 degrees.

    Parameters
    ----------
    center_mm : tuple of 2 floats
        LPS x and y. [mm]
    radius_mm : float
    efficiency : float
        Inverted fraction of the magnetization in the middle of the place; 1 is a perfect pulse.
    """

    center_mm: tuple[float, float]
    radius_mm: float
    efficiency: float = 0.45


@dataclass(frozen=True, eq=False)
class MagnetizationModel:
    """Water and fat of every component with their relaxation, ready for the signal equations.

    Parameters
    ----------
    voxels : ThighVoxels
    maps : TissueMaps
    water, fat : arrays (x, y, z, N_COMPONENTS)
        Proton density. [1]
    """

    voxels: ThighVoxels
    maps: TissueMaps
    water: NDArray[np.float64]
    fat: NDArray[np.float64]

    @classmethod
    def of(cls, voxels: ThighVoxels, maps: TissueMaps) -> MagnetizationModel:
        """Split every component into water and fat."""
        water, fat = water_and_fat(voxels, maps)
        return cls(voxels, maps, water, fat)

    def t1_ms(self, component: Component) -> NDArray[np.float64] | float:
        """Water T1 of a component. [ms]"""
        return edema_t1_ms(self.maps) if component is Component.EDEMA else PROPERTIES[component].t1_ms

    def t2_ms(self, component: Component) -> NDArray[np.float64] | float:
        """Water T2 of a component. [ms]"""
        if component is Component.MUSCLE:
            return self.maps.muscle_t2_ms
        if component is Component.EDEMA:
            return self.maps.edema_t2_ms
        return PROPERTIES[component].t2_ms


def rician(signal: NDArray[np.float64], noise_sd: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Magnitude of a signal with complex Gaussian noise of one sd per channel."""
    real = signal + generator.normal(0.0, noise_sd, size=signal.shape)
    imaginary = generator.normal(0.0, noise_sd, size=signal.shape)
    return np.asarray(np.hypot(real, imaginary), dtype=np.float32)


def stir_signal(
    model: MagnetizationModel,
    *,
    inversion_time_ms: float,
    repetition_time_ms: float,
    echo_time_ms: float,
    snr: float,
    gain: float,
    failure: SuppressionFailure | None,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Magnitude STIR, (x, y, z): inversion recovery times ``exp(-TE/T2)``, coil sensitivity, Rician noise."""
    shape = model.voxels.grid.shape
    efficiency: NDArray[np.float64] | float = 1.0
    if failure is not None:
        index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
        points = model.voxels.grid.positions_mm(index)
        distance = np.hypot(points[..., 0] - failure.center_mm[0], points[..., 1] - failure.center_mm[1])
        efficiency = 1.0 - (1.0 - failure.efficiency) * np.exp(-((distance / failure.radius_mm) ** 4))

    def weight(t1: NDArray[np.float64] | float, t2: NDArray[np.float64] | float) -> NDArray[np.float64]:
        recovered = inversion_recovery(
            t1,
            inversion_time_ms=inversion_time_ms,
            repetition_time_ms=repetition_time_ms,
            efficiency=efficiency,
        )
        return recovered * np.exp(-echo_time_ms / np.asarray(t2))

    total = model.fat.sum(axis=-1) * weight(FAT_T1_MS, FAT_T2_MS)
    for component in list(Component)[1:]:
        total = total + model.water[..., component] * weight(model.t1_ms(component), model.t2_ms(component))
    healthy = abs(
        float(
            inversion_recovery(MUSCLE_T1_MS, inversion_time_ms=inversion_time_ms, repetition_time_ms=repetition_time_ms)
        )
    ) * np.exp(-echo_time_ms / MUSCLE_T2_MS)
    return rician(gain * model.maps.receive * np.abs(total), gain * healthy / snr, generator)


def spin_echo_signal(
    model: MagnetizationModel,
    *,
    repetition_time_ms: float,
    echo_time_ms: float,
    snr: float,
    gain: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Magnitude T1- or T2-weighted spin echo, (x, y, z)."""

    def weight(t1: NDArray[np.float64] | float, t2: NDArray[np.float64] | float) -> NDArray[np.float64]:
        recovered = 1.0 - np.exp(-repetition_time_ms / np.asarray(t1, dtype=np.float64))
        return np.asarray(recovered * np.exp(-echo_time_ms / np.asarray(t2, dtype=np.float64)))

    total = model.fat.sum(axis=-1) * weight(FAT_T1_MS, FAT_T2_MS)
    for component in list(Component)[1:]:
        total = total + model.water[..., component] * weight(model.t1_ms(component), model.t2_ms(component))
    healthy = float(weight(MUSCLE_T1_MS, MUSCLE_T2_MS))
    return rician(gain * model.maps.receive * total, gain * healthy / snr, generator)


_TABLE_T2_MS = np.geomspace(12.0, 160.0, 140)
_TABLE_B1 = np.linspace(0.5, 1.25, 51)
_N_POSITIONS = 48


def multi_echo_signal(
    model: MagnetizationModel,
    *,
    echo_spacing_ms: float,
    n_echoes: int,
    repetition_time_ms: float,
    snr: float,
    gain: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Magnitude CPMG train with the slice profile of Hann-sinc pulses, (x, y, z, n_echoes).

    Echo amplitudes come from extended phase graphs on a fine grid of T2 and transmit field and are interpolated
    (linear in log T2 and in B1; error below 1e-4 of the first echo).
    """
    profile = slice_profile(ProfilePreset.HANN_SINC, _TABLE_B1, n_positions=_N_POSITIONS)
    shape = model.voxels.grid.shape
    column = np.clip((model.maps.b1 - _TABLE_B1[0]) / (_TABLE_B1[1] - _TABLE_B1[0]), 0.0, _TABLE_B1.size - 1.001)
    low = column.astype(np.intp)
    part = (column - low)[..., None]

    def table(t2_ms: NDArray[np.float64], t1_ms: float) -> NDArray[np.float64]:
        return echo_table(
            t2_ms=t2_ms,
            t1_ms=t1_ms,
            echo_spacing_ms=echo_spacing_ms,
            n_echoes=n_echoes,
            excitation_rad=profile.excitation_rad,
            refocusing_rad=profile.refocusing_rad,
        )

    def add_fixed(total: NDArray[np.float64], protons: NDArray[np.float64], t1: float, t2: float) -> None:
        where = protons > 0
        curves = table(np.array([t2]), t1)[:, 0]
        echoes = (1 - part[where]) * curves[low[where]] + part[where] * curves[low[where] + 1]
        total[where] += (protons[where] * (1.0 - np.exp(-repetition_time_ms / t1)))[..., None] * echoes

    def add_varying(
        total: NDArray[np.float64],
        protons: NDArray[np.float64],
        t1: NDArray[np.float64],
        t2: NDArray[np.float64],
        table_t1: float,
    ) -> None:
        where = protons > 0
        curves = table(_TABLE_T2_MS, table_t1)
        step = np.log(_TABLE_T2_MS[1] / _TABLE_T2_MS[0])
        row = np.clip(np.log(t2[where] / _TABLE_T2_MS[0]) / step, 0.0, _TABLE_T2_MS.size - 1.001)
        first = row.astype(np.intp)
        share, b1_low, b1_part = (row - first)[:, None], low[where], part[where]
        below = (1 - share) * curves[b1_low, first] + share * curves[b1_low, first + 1]
        above = (1 - share) * curves[b1_low + 1, first] + share * curves[b1_low + 1, first + 1]
        saturation = 1.0 - np.exp(-repetition_time_ms / t1[where])
        total[where] += (protons[where] * saturation)[:, None] * ((1 - b1_part) * below + b1_part * above)

    total = np.zeros((*shape, n_echoes))
    add_fixed(total, model.fat.sum(axis=-1), FAT_T1_MS, FAT_T2_MS)
    for component in list(Component)[1:]:
        protons = model.water[..., component]
        if component in _LEAN:
            t1 = np.broadcast_to(np.asarray(model.t1_ms(component), dtype=np.float64), shape)
            t2 = np.broadcast_to(np.asarray(model.t2_ms(component), dtype=np.float64), shape)
            add_varying(total, protons, t1, t2, MUSCLE_T1_MS if component is Component.MUSCLE else 1600.0)
        else:
            add_fixed(total, protons, PROPERTIES[component].t1_ms, PROPERTIES[component].t2_ms)
    healthy = float(table(np.array([MUSCLE_T2_MS]), MUSCLE_T1_MS)[np.abs(_TABLE_B1 - 1.0).argmin(), 0, 0])
    healthy *= 1.0 - np.exp(-repetition_time_ms / MUSCLE_T1_MS)
    scaled = total * (gain * model.maps.receive)[..., None] / healthy
    return rician(np.abs(scaled), gain / snr, generator)


def dixon_signal(
    model: MagnetizationModel,
    *,
    echo_times_ms: tuple[float, ...],
    repetition_time_ms: float,
    flip_angle_deg: float,
    snr: float,
    gain: float,
    generator: np.random.Generator,
) -> NDArray[np.complex64]:
    """Complex spoiled gradient echo with six fat peaks, common R2*, field map and T1 weighting, (x, y, z, n_echo)."""
    shape = model.voxels.grid.shape
    water, decay = np.zeros(shape), np.zeros(shape)
    for component in list(Component)[1:]:
        t1 = model.t1_ms(component)
        signal = model.water[..., component] * spoiled_weight(t1, repetition_time_ms, flip_angle_deg)
        water += signal
        decay += PROPERTIES[component].r2star_per_s * (signal + model.fat[..., component])
    fat_weight = float(spoiled_weight(FAT_T1_MS, repetition_time_ms, flip_angle_deg))
    fat = model.fat.sum(axis=-1) * fat_weight
    total = water + model.fat.sum(axis=-1)
    r2star = np.where(total > 0, decay / np.where(total > 0, total, 1.0), 0.0)
    healthy = float(spoiled_weight(MUSCLE_T1_MS, repetition_time_ms, flip_angle_deg))
    scale = gain * model.maps.receive / healthy
    phase = 0.6 + 0.8 * np.log(model.maps.receive)
    echoes = gradient_echo_signal(
        water * scale,
        fat * scale,
        model.maps.b0_hz,
        r2star,
        phase,
        echo_times_ms=echo_times_ms,
        field_strength_t=FIELD_STRENGTH_T,
    )
    noise = gain / snr * (generator.normal(size=echoes.shape) + 1j * generator.normal(size=echoes.shape))
    return np.asarray(echoes + noise, dtype=np.complex64)


def scanner_water_and_fat(
    model: MagnetizationModel,
    *,
    repetition_time_ms: float,
    flip_angle_deg: float,
    snr: float,
    gain: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Water and fat images as a scanner's own Dixon reconstruction would give them, each (x, y, z)."""
    water = np.zeros(model.voxels.grid.shape)
    for component in list(Component)[1:]:
        t1 = model.t1_ms(component)
        water += model.water[..., component] * spoiled_weight(t1, repetition_time_ms, flip_angle_deg)
    fat = model.fat.sum(axis=-1) * float(spoiled_weight(FAT_T1_MS, repetition_time_ms, flip_angle_deg))
    scale = gain * model.maps.receive / float(spoiled_weight(MUSCLE_T1_MS, repetition_time_ms, flip_angle_deg))
    return rician(water * scale, gain / snr, generator), rician(fat * scale, gain / snr, generator)


assert len(Component) == N_COMPONENTS
