"""Flip angle across the slice for the two radiofrequency pulses of a spin-echo train.

Each pulse is cut into hard pulses and multiplied up as Cayley-Klein rotations (Pauly 1991, doi 10.1109/42.75611).
The refocusing power at a position is ``|beta|^2 = sin2(flip/2)``; a pulse that is symmetric in time turns about a
transverse axis up to a precession that is equal before and after it, and that precession only adds to the crusher.
The pulses are simulated anew at every transmit-field value, because a stronger pulse does not merely scale its profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError

FloatArray = NDArray[np.float64]

HANN_SINC_TIME_BANDWIDTH = 2.0
"""Time-bandwidth product of the Hann-windowed sinc pulses (default of MyoQMRI for Siemens). [1]"""

REFOCUSING_SLAB_RATIO = 1.2
"""Width of the refocusing slab over the excited slice (default of MyoQMRI for Siemens). [1]"""

HALF_PROFILE_EXTENT = 1.4
"""Outer edge of the simulated half profile, in nominal slice thicknesses. [1]"""


class ProfilePreset(StrEnum):
    """Which slice profile the forward model assumes."""

    HANN_SINC = "hann-sinc"
    IDEAL = "ideal"


@dataclass(frozen=True, eq=False)
class SliceProfile:
    """Flip angles across half the slice at a row of transmit-field values.

    Parameters
    ----------
    name : str
        Preset or file it came from; stated in every report.
    b1 : array (n_b1,)
        Transmit field as a fraction of nominal. [1]
    excitation_rad, refocusing_rad : arrays (n_b1, n_positions)
        [rad]
    """

    name: str
    b1: FloatArray
    excitation_rad: FloatArray
    refocusing_rad: FloatArray


def hard_pulse_flip_rad(
    waveform: FloatArray, *, nominal_flip_deg: float, time_bandwidth: float, positions: FloatArray, b1: FloatArray
) -> FloatArray:
    """Effective flip angle of a pulse under a constant slice gradient.

    Parameters
    ----------
    waveform : array (n,)
        Real amplitude at equal time steps, any scale; its integral gives the nominal flip on resonance.
    nominal_flip_deg : float
        [deg]
    time_bandwidth : float
        Duration times the bandwidth that defines one nominal slice thickness. [1]
    positions : array (n_positions,)
        Distance from the slice center in nominal slice thicknesses. [1]
    b1 : array (n_b1,)
        Fraction of the nominal transmit field. [1]

    Returns
    -------
    array (n_b1, n_positions)
        ``2 arcsin |beta|``, 0 to pi. [rad]
    """
    shape = np.asarray(waveform, dtype=np.float64)
    if shape.ndim != 1 or shape.size < 8 or not np.isfinite(shape).all() or abs(float(shape.sum())) < 1e-12:
        raise InputError(
            f"pulse waveform of shape {shape.shape}: at least 8 finite samples with a nonzero integral are needed",
            hint="give the real amplitude of the pulse at equal time steps",
        )
    turns = np.deg2rad(nominal_flip_deg) * shape / shape.sum()
    precession = np.exp(-1j * np.pi * np.asarray(positions)[None, :] * time_bandwidth / shape.size)
    alpha = np.ones((np.size(b1), np.size(positions)), dtype=np.complex128)
    beta = np.zeros_like(alpha)
    scale = np.asarray(b1, dtype=np.float64)[:, None] / 2.0
    for turn in turns:
        cosine, sine = np.cos(turn * scale), np.sin(turn * scale)
        alpha, beta = (
            (cosine * alpha - 1j * sine * beta) * precession,
            (cosine * beta - 1j * sine * alpha) * np.conj(precession),
        )
    return np.asarray(2.0 * np.arcsin(np.minimum(1.0, np.abs(beta))))


def hann_sinc_waveform(time_bandwidth: float, n_samples: int = 256) -> FloatArray:
    """Sample a Hann-windowed sinc at equal time steps, (n_samples,)."""
    time = np.linspace(-time_bandwidth / 2.0, time_bandwidth / 2.0, n_samples)
    return np.asarray(np.hanning(n_samples) * np.sinc(time))


def slice_profile(
    preset: ProfilePreset,
    b1: FloatArray,
    *,
    refocusing_flip_deg: float = 180.0,
    refocusing_slab_ratio: float = REFOCUSING_SLAB_RATIO,
    n_positions: int = 24,
) -> SliceProfile:
    """Flip angles of a 90-degree excitation and its refocusing pulses.

    Parameters
    ----------
    preset : ProfilePreset
        ``hann-sinc`` for two-dimensional sequences, ``ideal`` for slab-free (3-D) ones.
    b1 : array (n_b1,)
        [1]
    refocusing_flip_deg : float
        Nominal refocusing angle of the sequence. [deg]
    refocusing_slab_ratio : float
        Width of the refocusing slab over the excited slice. [1]
    n_positions : int
        Points over the half profile.
    """
    fields = np.ascontiguousarray(b1, dtype=np.float64)
    if preset is ProfilePreset.IDEAL:
        return SliceProfile(
            str(preset), fields, fields[:, None] * np.pi / 2.0, fields[:, None] * np.deg2rad(refocusing_flip_deg)
        )
    return profile_from_waveforms(
        str(preset),
        fields,
        excitation=hann_sinc_waveform(HANN_SINC_TIME_BANDWIDTH),
        refocusing=hann_sinc_waveform(HANN_SINC_TIME_BANDWIDTH),
        time_bandwidth=HANN_SINC_TIME_BANDWIDTH,
        refocusing_flip_deg=refocusing_flip_deg,
        refocusing_slab_ratio=refocusing_slab_ratio,
        n_positions=n_positions,
    )


def profile_from_waveforms(
    name: str,
    b1: FloatArray,
    *,
    excitation: FloatArray,
    refocusing: FloatArray,
    time_bandwidth: float,
    refocusing_flip_deg: float = 180.0,
    refocusing_slab_ratio: float = REFOCUSING_SLAB_RATIO,
    n_positions: int = 24,
) -> SliceProfile:
    """Flip angles for pulses given as sampled waveforms; see `hard_pulse_flip_rad` for the arguments."""
    positions = (np.arange(n_positions) + 0.5) / n_positions * HALF_PROFILE_EXTENT
    return SliceProfile(
        name,
        np.ascontiguousarray(b1, dtype=np.float64),
        hard_pulse_flip_rad(
            excitation, nominal_flip_deg=90.0, time_bandwidth=time_bandwidth, positions=positions, b1=b1
        ),
        hard_pulse_flip_rad(
            refocusing,
            nominal_flip_deg=refocusing_flip_deg,
            time_bandwidth=time_bandwidth,
            positions=positions / refocusing_slab_ratio,
            b1=b1,
        ),
    )
