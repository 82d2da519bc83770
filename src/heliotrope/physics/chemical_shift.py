"""Signal of water and fat in a spoiled multi-echo gradient echo: chemical shift, R2*, field, T1 weighting, bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heliotrope.domain.errors import InputError
from heliotrope.physics.fat_spectrum import SIX_PEAK, FatSpectrum, fat_phasor

WATER_T1_3T_MS = 1400.0
"""T1 of muscle water at 3 T; evidence `muscle-water-t1-3t`. [ms]"""

FAT_T1_3T_MS = 365.0
"""T1 of fat at 3 T; evidence `fat-t1-3t`. [ms]"""

WATER_T1_1_5T_MS = 1065.0
"""T1 of muscle water at 1.5 T, middle of the range; evidence `muscle-fat-t1-1p5t`. [ms]"""

FAT_T1_1_5T_MS = 315.0
"""T1 of fat at 1.5 T, middle of the range; evidence `muscle-fat-t1-1p5t`. [ms]"""


@dataclass(frozen=True)
class TissueT1:
    """Longitudinal relaxation assumed for water and fat. [ms]"""

    water_ms: float
    fat_ms: float


def tissue_t1(field_strength_t: float) -> TissueT1:
    """T1 of muscle water and fat, 1.5 T below 2.2 T and 3 T above.

    Examples
    --------
    >>> tissue_t1(2.9).fat_ms
    365.0
    """
    if field_strength_t < 2.2:
        return TissueT1(WATER_T1_1_5T_MS, FAT_T1_1_5T_MS)
    return TissueT1(WATER_T1_3T_MS, FAT_T1_3T_MS)


def gradient_echo_signal(
    water: ArrayLike,
    fat: ArrayLike,
    field_map_hz: ArrayLike,
    r2star_per_s: ArrayLike,
    initial_phase_rad: ArrayLike,
    *,
    echo_times_ms: ArrayLike,
    field_strength_t: float,
    spectrum: FatSpectrum = SIX_PEAK,
    alternating_phase_rad: ArrayLike = 0.0,
    first_echo_phase_rad: ArrayLike = 0.0,
) -> NDArray[np.complex128]:
    r"""Noise-free complex multi-echo signal.

    Parameters
    ----------
    water, fat : arrays of one shape
        Signal at echo time 0, T1 weighting included. [arbitrary]
    field_map_hz : array
        Off-resonance. [Hz]
    r2star_per_s : array
        Common decay rate. [1/s]
    initial_phase_rad : array
        Phase at echo time 0, common to water and fat. [rad]
    echo_times_ms : n_echo floats
        [ms]
    field_strength_t : float
        [T]
    alternating_phase_rad : array
        Added to odd and subtracted from even echoes: bipolar read-out. [rad]
    first_echo_phase_rad : array
        Added to the first echo only: eddy currents. [rad]

    Returns
    -------
    complex array of shape (..., n_echo)
        :math:`s_j=(W+F c(t_j))e^{i(\varphi_0+2\pi\psi t_j)-R_2^* t_j}`. [arbitrary]

    Notes
    -----
    Common initial phase of water and fat: Bydder et al. 2011, doi 10.1016/j.mri.2010.08.011.
    """
    times_s = np.atleast_1d(np.asarray(echo_times_ms, dtype=np.float64)) * 1e-3
    phasor = fat_phasor(echo_times_ms, field_strength_t, spectrum)
    sign = np.where(np.arange(times_s.size) % 2 == 0, 1.0, -1.0)
    first = np.where(np.arange(times_s.size) == 0, 1.0, 0.0)
    phase = (
        np.asarray(initial_phase_rad)[..., None]
        + 2 * np.pi * np.asarray(field_map_hz)[..., None] * times_s
        + np.asarray(alternating_phase_rad)[..., None] * sign
        + np.asarray(first_echo_phase_rad)[..., None] * first
    )
    mixture = np.asarray(water)[..., None] + np.asarray(fat)[..., None] * phasor
    decay = np.exp(-np.asarray(r2star_per_s)[..., None] * times_s)
    return np.asarray(mixture * decay * np.exp(1j * phase), dtype=np.complex128)


def spoiled_weight(t1_ms: ArrayLike, repetition_time_ms: float, flip_angle_deg: float) -> NDArray[np.float64]:
    r"""Steady-state weight of a spoiled gradient echo.

    :math:`\sin\alpha(1-E_1)/(1-E_1\cos\alpha)` with :math:`E_1=e^{-TR/T_1}`.

    Examples
    --------
    >>> float(spoiled_weight(1400.0, 1e9, 90.0).round(6))
    1.0
    """
    require_steady_state(repetition_time_ms, flip_angle_deg)
    angle = np.deg2rad(flip_angle_deg)
    recovery = np.exp(-repetition_time_ms / np.asarray(t1_ms, dtype=np.float64))
    return np.asarray(np.sin(angle) * (1 - recovery) / (1 - np.cos(angle) * recovery))


def require_steady_state(repetition_time_ms: float, flip_angle_deg: float) -> None:
    """Raise `InputError` unless repetition time and flip angle make sense."""
    if not (np.isfinite(repetition_time_ms) and repetition_time_ms > 0):
        raise InputError(f"repetition time {repetition_time_ms} ms: it must be above 0", hint="give it in ms")
    if not (np.isfinite(flip_angle_deg) and 0 < flip_angle_deg <= 180):
        raise InputError(f"flip angle {flip_angle_deg} degrees: 0 to 180 accepted", hint="give it in degrees")


def fat_to_water_gain(repetition_time_ms: float, flip_angle_deg: float, t1: TissueT1) -> float:
    """Signal of a fat proton over that of a water proton, 1 when there is no T1 weighting. [1]

    Examples
    --------
    >>> round(fat_to_water_gain(10.0, 3.0, TissueT1(1400.0, 365.0)), 2)
    1.14
    """
    weights = spoiled_weight(np.array([t1.fat_ms, t1.water_ms]), repetition_time_ms, flip_angle_deg)
    return float(weights[0] / weights[1])


def apparent_fat_fraction(fat_fraction: ArrayLike, gain: float) -> NDArray[np.float64]:
    """Fat fraction that T1 weighting makes of a true one, both in percent.

    Examples
    --------
    >>> gain = fat_to_water_gain(10.0, 10.0, TissueT1(1400.0, 365.0))
    >>> float(apparent_fat_fraction(10.0, gain).round(1))
    18.3
    """
    p = np.asarray(fat_fraction, dtype=np.float64) / 100.0
    return np.asarray(100.0 * p * gain / (p * gain + 1.0 - p))


def true_fat_fraction(apparent: ArrayLike, gain: float) -> NDArray[np.float64]:
    """Inverse of `apparent_fat_fraction`, both in percent."""
    return apparent_fat_fraction(apparent, 1.0 / gain)


def largest_t1_bias(gain: float) -> float:
    """Largest error of the fat fraction over 0 to 100 %. [percentage points]

    Notes
    -----
    The difference is largest at the true fraction 1/(1 + sqrt(gain)).
    """
    worst = 100.0 / (1.0 + np.sqrt(gain))
    return float(apparent_fat_fraction(worst, gain) - worst)


def fat_fraction_crlb(
    *,
    fat_fraction: float,
    echo_times_ms: ArrayLike,
    field_strength_t: float,
    snr: float,
    r2star_per_s: float,
    field_map_hz: float = 20.0,
    known: tuple[str, ...] = (),
    spectrum: FatSpectrum = SIX_PEAK,
) -> float:
    """Smallest standard deviation any unbiased estimator of the fat fraction can have. [percentage points]

    Parameters
    ----------
    fat_fraction : float
        [%]
    snr : float
        Water plus fat signal over the noise sd of one channel. [1]
    known : tuple of str
        Parameters held fixed, of ``"field_map"`` and ``"r2star"``.

    Notes
    -----
    Complex model with common phase; free: water, fat, phase, field map, R2*. Analytic Jacobian.

    Examples
    --------
    >>> times = [1.15 + 0.95 * j for j in range(6)]
    >>> bound = fat_fraction_crlb(fat_fraction=10, echo_times_ms=times, field_strength_t=3, snr=50, r2star_per_s=30)
    >>> round(bound, 2)
    1.17
    """
    unknown = set(known) - {"field_map", "r2star"}
    if unknown:
        raise InputError(f"known parameters {sorted(unknown)}: field_map and r2star exist", hint="use these names")
    p = fat_fraction / 100.0
    times_s = np.atleast_1d(np.asarray(echo_times_ms, dtype=np.float64)) * 1e-3
    phasor = fat_phasor(echo_times_ms, field_strength_t, spectrum)
    carrier = np.exp(2j * np.pi * field_map_hz * times_s - r2star_per_s * times_s)
    signal = (1 - p + p * phasor) * carrier
    columns = [carrier, phasor * carrier, 1j * signal]
    if "field_map" not in known:
        columns.append(2j * np.pi * times_s * signal)
    if "r2star" not in known:
        columns.append(-times_s * signal)
    jacobian = np.stack(columns, axis=1)
    stacked = np.vstack([jacobian.real, jacobian.imag])
    scale = np.linalg.norm(stacked, axis=0)
    information = (stacked / scale).T @ (stacked / scale) * snr**2
    gradient = np.zeros(len(columns))
    gradient[:2] = np.array([-p, 1 - p]) / scale[:2]
    return float(100.0 * np.sqrt(gradient @ np.linalg.solve(information, gradient)))


def in_opposed_table(
    *,
    opposed_echo_ms: float,
    in_phase_echo_ms: float,
    field_strength_t: float,
    r2star_per_s: float,
    spectrum: FatSpectrum = SIX_PEAK,
    n_points: int = 1001,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What (IP - OP) / 2 IP of magnitudes reads for each true fat fraction.

    Returns
    -------
    true, read : arrays of shape (n_points,)
        True fat fraction and the two-point reading, both [%]. The reading rises up to about 50 % and then falls.

    Examples
    --------
    >>> true, read = in_opposed_table(opposed_echo_ms=1.15, in_phase_echo_ms=2.3, field_strength_t=3, r2star_per_s=30)
    >>> float(np.interp(10.0, true, read).round(1))
    6.7
    """
    true = np.linspace(0.0, 100.0, n_points)
    signal = np.abs(
        gradient_echo_signal(
            1 - true / 100,
            true / 100,
            np.zeros_like(true),
            np.full_like(true, r2star_per_s),
            np.zeros_like(true),
            echo_times_ms=(opposed_echo_ms, in_phase_echo_ms),
            field_strength_t=field_strength_t,
            spectrum=spectrum,
        )
    )
    opposed, in_phase = signal[:, 0], signal[:, 1]
    return true, 100.0 * (in_phase - opposed) / (2.0 * in_phase)
