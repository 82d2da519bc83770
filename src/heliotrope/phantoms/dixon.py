"""Two thighs for water-fat separation: complex multi-echo gradient echoes with known truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.physics.chemical_shift import (
    fat_to_water_gain,
    gradient_echo_signal,
    tissue_t1,
)

FIELD_RANGE_HZ = 150.0
"""Peak of the polynomial part of the field map. [Hz]"""

INCLUSION_HZ = 60.0
"""Peak of each local field inclusion. [Hz]"""

R2STAR_RANGE_PER_S = (30.0, 60.0)
"""Decay rates in the object. [1/s]"""


@dataclass(frozen=True, eq=False)
class DixonThighs:
    """Truth of the object, arrays of shape (x, y, z).

    Parameters
    ----------
    grid : Grid
    percent : float array
        True fat fraction, NaN in air and cortical bone. [%]
    density : float array
        Proton density. [arbitrary]
    field_hz, r2star_per_s, phase_rad : float arrays
        [Hz], [1/s], [rad]
    muscle, subcutis, marrow : bool arrays
        Tissue away from its borders is where accuracy is judged.
    """

    grid: Grid
    percent: NDArray[np.float64]
    density: NDArray[np.float64]
    field_hz: NDArray[np.float64]
    r2star_per_s: NDArray[np.float64]
    phase_rad: NDArray[np.float64]
    muscle: NDArray[np.bool_]
    subcutis: NDArray[np.bool_]
    marrow: NDArray[np.bool_]

    @property
    def tissue(self) -> NDArray[np.bool_]:
        """Where there is signal."""
        return np.isfinite(self.percent)


def dixon_thighs(
    generator: np.random.Generator,
    *,
    shape: tuple[int, int, int] = (88, 48, 4),
    spacing_mm: tuple[float, float, float] = (4.0, 4.0, 10.0),
    field_range_hz: float = FIELD_RANGE_HZ,
) -> DixonThighs:
    """Two separate legs of random size, fat layer, muscle fat and field.

    Parameters
    ----------
    generator : numpy.random.Generator
        Decides everything random.
    shape, spacing_mm
        At least 350 mm by 190 mm in plane hold both legs.
    field_range_hz : float
        Peak of the third-order polynomial field. [Hz]

    Returns
    -------
    DixonThighs
    """
    grid = Grid.from_spacing(shape, spacing_mm)
    axes = [(np.arange(n) - (n - 1) / 2) * d for n, d in zip(shape, spacing_mm, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    percent = np.full(shape, np.nan)
    muscle = np.zeros(shape, dtype=bool)
    subcutis = np.zeros(shape, dtype=bool)
    marrow = np.zeros(shape, dtype=bool)
    half_width = (shape[0] - 1) / 2 * spacing_mm[0]
    for side in (-1.0, 1.0):
        radius_mm = generator.uniform(66.0, min(82.0, 0.47 * half_width))
        fat_mm = generator.uniform(5.0, 18.0)
        wobble = generator.uniform(-3.0, 3.0, size=2)
        dx, dy = x - side * 0.5 * half_width, y - generator.uniform(-4.0, 4.0)
        angle, distance = np.arctan2(dy, dx), np.hypot(dx, dy)
        outline = radius_mm + wobble[0] * np.cos(2 * angle) + wobble[1] * np.sin(3 * angle) - 0.1 * z
        inside = distance < outline
        skin = inside & (distance > outline - 1.8)
        inner = distance < outline - 1.8 - fat_mm
        femur = np.hypot(dx - 6.0, dy + 4.0)
        cortex, canal = femur < 14.0, femur < 8.5
        percent[inside] = 92.0
        percent[skin] = 12.0
        base = generator.uniform(2.0, 8.0)
        percent[inner] = base
        for _ in range(3):
            center = generator.uniform(-0.55, 0.55, size=2) * (radius_mm - fat_mm)
            size, level = generator.uniform(10.0, 22.0), generator.uniform(10.0, 75.0)
            blob = np.exp(-((dx - center[0]) ** 2 + (dy - center[1]) ** 2) / (2 * size**2))
            percent = np.where(inner, percent + (level - base) * blob * (1 - (percent - base) / 100), percent)
        percent[inner] = np.minimum(percent[inner], 90.0)
        percent[cortex] = np.nan
        percent[canal] = 88.0
        muscle |= inner & ~(femur < 14.0 + 1.5 * spacing_mm[0])
        subcutis |= inside & (distance < outline - 1.8 - spacing_mm[0]) & ~(distance < outline - 1.8 - fat_mm)
        marrow |= canal
    field_hz = _field(generator, (x, y, z), field_range_hz)
    low, high = R2STAR_RANGE_PER_S
    r2star = low + (high - low) * (0.5 + 0.5 * np.sin(x / 40.0 + generator.uniform(0, 6)) * np.cos(y / 35.0))
    phase = generator.uniform(-np.pi, np.pi) + x / 90.0 - y / 120.0
    density = np.where(np.isfinite(percent), 100.0 * (1 + 0.15 * np.cos(x / 150.0)), 0.0)
    return DixonThighs(grid, percent, density, field_hz, r2star, phase, muscle, subcutis, marrow)


def _field(
    generator: np.random.Generator, position_mm: tuple[NDArray[np.float64], ...], peak_hz: float
) -> NDArray[np.float64]:
    scaled = [axis / max(float(np.abs(axis).max()), 1.0) for axis in position_mm]
    u, v, w = scaled
    terms = [u, v, w, u * v, u * u, v * v, u * u * u, v * v * v, u * v * v, u * u * v]
    polynomial = sum(generator.normal() * term for term in terms)
    field = np.asarray(polynomial) - float(np.mean(polynomial))
    field *= peak_hz / float(np.abs(field).max())
    for _ in range(3):
        center = [generator.uniform(-0.8, 0.8) * float(np.abs(axis).max()) for axis in position_mm]
        size = generator.uniform(14.0, 25.0)
        square = sum((axis - middle) ** 2 for axis, middle in zip(position_mm, center, strict=True))
        field = field + generator.choice([-1.0, 1.0]) * INCLUSION_HZ * np.exp(-np.asarray(square) / (2 * size**2))
    return field


def acquire(
    thighs: DixonThighs,
    *,
    echo_times_ms: tuple[float, ...],
    field_strength_t: float,
    snr: float,
    generator: np.random.Generator,
    repetition_time_ms: float | None = None,
    flip_angle_deg: float | None = None,
    alternating_phase_rad: float = 0.0,
    first_echo_phase_rad: float = 0.0,
) -> Volume:
    """Complex echoes with noise.

    Parameters
    ----------
    thighs : DixonThighs
    echo_times_ms, field_strength_t
        [ms], [T]
    snr : float
        Proton density 100 over the noise sd of one channel. [1]
    generator : numpy.random.Generator
        Noise.
    repetition_time_ms, flip_angle_deg : float or None
        Together: T1 weighting of a spoiled sequence; both None: none.
    alternating_phase_rad, first_echo_phase_rad : float
        Bipolar read-out and eddy-current phase errors; the bipolar one grows linearly across x. [rad]

    Returns
    -------
    Volume of shape (x, y, z, n_echo)
        complex64.
    """
    fraction = np.nan_to_num(thighs.percent) / 100.0
    gain = 1.0
    if repetition_time_ms is not None and flip_angle_deg is not None:
        gain = fat_to_water_gain(repetition_time_ms, flip_angle_deg, tissue_t1(field_strength_t))
    n_x = thighs.grid.shape[0]
    ramp = (1.0 + 0.5 * np.linspace(-1, 1, n_x))[:, None, None] * np.ones(thighs.grid.shape)
    clean = gradient_echo_signal(
        thighs.density * (1 - fraction),
        thighs.density * fraction * gain,
        thighs.field_hz,
        thighs.r2star_per_s,
        thighs.phase_rad,
        echo_times_ms=echo_times_ms,
        field_strength_t=field_strength_t,
        alternating_phase_rad=alternating_phase_rad * ramp,
        first_echo_phase_rad=np.full(thighs.grid.shape, first_echo_phase_rad),
    )
    noise = generator.normal(0.0, 100.0 / snr, size=(2, *clean.shape))
    return Volume((clean + noise[0] + 1j * noise[1]).astype(np.complex64), thighs.grid)
