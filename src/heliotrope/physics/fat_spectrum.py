"""Proton spectrum of human fat and the signal phasor it makes over echo time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heliotrope.domain.errors import InputError

PROTON_GYROMAGNETIC_RATIO_MHZ_PER_T = 42.577
"""Proton gyromagnetic ratio over two pi. [MHz/T]"""

WATER_SHIFT_PPM = 4.70
"""Chemical shift of water at body temperature. [ppm]"""

FIELD_STRENGTH_RANGE_T = (0.05, 12.0)
"""Field strengths accepted as plausible for a human scanner. [T]"""


@dataclass(frozen=True)
class FatSpectrum:
    """Peaks of the fat spectrum.

    Parameters
    ----------
    name : str
    shifts_ppm : tuple of floats
        Chemical shift of each peak on the usual scale (water at `water_ppm`). [ppm]
    amplitudes : tuple of floats
        Relative proton density of each peak; normalized to sum 1 when used. [1]
    water_ppm : float
        Shift of water on the same scale. [ppm]

    Examples
    --------
    >>> round(SIX_PEAK.main_shift_hz(3.0), 1)
    -434.3
    """

    name: str
    shifts_ppm: tuple[float, ...]
    amplitudes: tuple[float, ...]
    water_ppm: float = WATER_SHIFT_PPM

    def __post_init__(self) -> None:
        if len(self.shifts_ppm) != len(self.amplitudes) or not self.shifts_ppm:
            raise InputError(
                f"fat spectrum {self.name}: {len(self.shifts_ppm)} shifts and {len(self.amplitudes)} amplitudes",
                hint="give one amplitude per peak",
            )
        if min(self.amplitudes) < 0 or sum(self.amplitudes) <= 0:
            raise InputError(f"fat spectrum {self.name}: an amplitude is negative", hint="give proton densities")

    @property
    def weights(self) -> NDArray[np.float64]:
        """Amplitudes normalized to sum 1. [1]"""
        amplitudes = np.asarray(self.amplitudes, dtype=np.float64)
        return np.asarray(amplitudes / amplitudes.sum())

    def offsets_hz(self, field_strength_t: float) -> NDArray[np.float64]:
        """Frequency of each peak relative to water. [Hz]"""
        shifts = np.asarray(self.shifts_ppm, dtype=np.float64) - self.water_ppm
        return shifts * PROTON_GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength_t

    def main_shift_hz(self, field_strength_t: float) -> float:
        """Frequency of the largest peak relative to water. [Hz]"""
        return float(self.offsets_hz(field_strength_t)[int(np.argmax(self.amplitudes))])


SIX_PEAK = FatSpectrum(
    "six-peak",
    shifts_ppm=(5.30, 4.31, 2.76, 2.10, 1.30, 0.90),
    amplitudes=(0.048, 0.039, 0.004, 0.128, 0.693, 0.087),
)
"""Six-peak spectrum of the ISMRM water-fat challenge, as in the model file of the fwqpbo program."""


def triglyceride_spectrum(*, chain_length: float, double_bonds: float, polyunsaturated: float) -> FatSpectrum:
    """Ten-peak spectrum of a triglyceride from its composition.

    Parameters
    ----------
    chain_length : float
        Mean carbon count of a fatty acid chain. [1]
    double_bonds : float
        Double bonds per molecule. [1]
    polyunsaturated : float
        Methylene-interrupted double bonds per molecule. [1]

    Returns
    -------
    FatSpectrum
        Proton counts per molecule as amplitudes.

    Notes
    -----
    Proton counts follow from the structural formula of a triglyceride: three methyl ends (9 protons), glycerol
    (2 + 2 + 1), two allylic methylenes per isolated double bond, one diallylic methylene per interrupted double bond.

    Examples
    --------
    >>> len(triglyceride_spectrum(chain_length=17.4, double_bonds=2.6, polyunsaturated=0.52).amplitudes)
    10
    """
    shifts = (0.90, 1.30, 1.59, 2.03, 2.25, 2.77, 4.10, 4.30, 5.21, 5.31)
    counts = (
        9.0,
        6.0 * (chain_length - 4.0) - 8.0 * double_bonds + 2.0 * polyunsaturated,
        6.0,
        4.0 * (double_bonds - polyunsaturated),
        6.0,
        2.0 * polyunsaturated,
        2.0,
        2.0,
        1.0,
        2.0 * double_bonds,
    )
    return FatSpectrum("ten-peak", shifts, counts)


TEN_PEAK = triglyceride_spectrum(chain_length=17.4, double_bonds=2.6, polyunsaturated=0.52)
"""Ten-peak alternative: chain length 17.4, 2.6 double bonds of which a fifth is methylene-interrupted."""

SPECTRA = {spectrum.name: spectrum for spectrum in (SIX_PEAK, TEN_PEAK)}


def require_field_strength(field_strength_t: float) -> float:
    """The field strength, or an `InputError` that names value and limits. [T]"""
    low, high = FIELD_STRENGTH_RANGE_T
    if not (np.isfinite(field_strength_t) and low <= field_strength_t <= high):
        raise InputError(
            f"field strength {field_strength_t} T: {low} to {high} T accepted",
            hint="give the scanner's field strength in tesla, e.g. 3",
        )
    return float(field_strength_t)


def require_echo_times(echo_times_ms: ArrayLike, *, at_least: int) -> NDArray[np.float64]:
    """Echo times as an array, or an `InputError` naming the first one that is wrong. [ms]

    Positive, finite, strictly increasing and at most 1000 ms.
    """
    times = np.atleast_1d(np.asarray(echo_times_ms, dtype=np.float64))
    if times.ndim != 1 or times.size < at_least:
        raise InputError(
            f"{times.size} echo time(s): at least {at_least} needed for this method",
            hint="give one echo time per echo image, in ms",
        )
    for position, value in enumerate(times.tolist(), start=1):
        if not np.isfinite(value) or value <= 0:
            raise InputError(f"echo time {position} is {value} ms: it must be above 0", hint="echo times are in ms")
        if value > 1000:
            raise InputError(f"echo time {position} is {value} ms (limit 1000 ms)", hint="echo times are in ms")
    steps = np.diff(times)
    if steps.size and float(steps.min()) <= 0:
        at = int(np.argmin(steps))
        raise InputError(
            f"echo times out of order: {times[at]:g} ms then {times[at + 1]:g} ms",
            hint="give the echoes and their times in increasing order",
        )
    if float(times.max()) < 0.2:
        raise InputError(
            f"largest echo time is {times.max():g} ms (at least 0.2 ms expected)",
            hint="these look like seconds; give milliseconds",
        )
    return times


def fat_phasor(
    echo_times_ms: ArrayLike, field_strength_t: float, spectrum: FatSpectrum = SIX_PEAK
) -> NDArray[np.complex128]:
    r"""Complex signal of unit fat relative to water at each echo.

    Parameters
    ----------
    echo_times_ms : n_echo floats
        [ms]
    field_strength_t : float
        [T]
    spectrum : FatSpectrum

    Returns
    -------
    complex array of shape (n_echo,)
        :math:`c(t)=\sum_m \alpha_m e^{i 2\pi \gamma B_0 \delta_m t}`, magnitude at most 1. [1]

    Examples
    --------
    >>> float(abs(fat_phasor([0.0], 3.0))[0])
    1.0
    """
    times_s = np.atleast_1d(np.asarray(echo_times_ms, dtype=np.float64)) * 1e-3
    phases = 2j * np.pi * np.outer(times_s, spectrum.offsets_hz(field_strength_t))
    return np.asarray(np.exp(phases) @ spectrum.weights.astype(np.complex128))
