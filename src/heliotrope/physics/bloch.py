"""Isochromat simulation of a spin-echo train: rotation matrices on real vectors, with T1 recovery, no echo states.

It shares nothing with `heliotrope.physics.epg` but the definition of the sequence, and so checks it. `echo_train` turns
by given angles; `selective_echo_train` plays the radiofrequency pulses themselves under their slice gradient.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def _about_x(vectors: FloatArray, angle_rad: float | FloatArray) -> FloatArray:
    """Turn (3, ...) vectors about x."""
    x, y, z = vectors
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.stack([x, cosine * y - sine * z, sine * y + cosine * z])


def _about_y(vectors: FloatArray, angle_rad: float | FloatArray) -> FloatArray:
    """Turn (3, ...) vectors about y, z toward x."""
    x, y, z = vectors
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.stack([cosine * x + sine * z, y, cosine * z - sine * x])


def _about_z(vectors: FloatArray, angle_rad: float | FloatArray) -> FloatArray:
    """Turn (3, ...) vectors about z, x toward y."""
    x, y, z = vectors
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y, z])


def _relax(vectors: FloatArray, time_ms: float, t1_ms: float, t2_ms: float) -> FloatArray:
    transverse, longitudinal = np.exp(-time_ms / t2_ms), np.exp(-time_ms / t1_ms)
    return np.stack([vectors[0] * transverse, vectors[1] * transverse, 1.0 + (vectors[2] - 1.0) * longitudinal])


def _crusher_phases(n_echoes: int) -> FloatArray:
    """Phases of half an echo spacing that any order up to 2 n_echoes + 2 averages to zero over. [rad]"""
    count = 4 * n_echoes + 8
    return 2.0 * np.pi * (np.arange(count) + 0.5) / count


def echo_train(
    *,
    t2_ms: float,
    t1_ms: float,
    echo_spacing_ms: float,
    n_echoes: int,
    excitation_rad: float,
    refocusing_rad: float,
) -> FloatArray:
    """Echo amplitudes of isochromats that a crusher spreads over a full turn each half spacing, (n_echoes,).

    Excitation about y, refocusing about x; the echo is the mean of x.
    """
    phases = _crusher_phases(n_echoes)
    vectors = np.stack([np.zeros_like(phases), np.zeros_like(phases), np.ones_like(phases)])
    vectors = _about_y(vectors, excitation_rad)
    echoes = np.zeros(n_echoes)
    half = echo_spacing_ms / 2.0
    for n in range(n_echoes):
        vectors = _about_z(_relax(vectors, half, t1_ms, t2_ms), phases)
        vectors = _about_x(vectors, refocusing_rad)
        vectors = _about_z(_relax(vectors, half, t1_ms, t2_ms), phases)
        echoes[n] = vectors[0].mean()
    return echoes


def selective_echo_train(
    *,
    t2_ms: float,
    t1_ms: float,
    echo_spacing_ms: float,
    n_echoes: int,
    excitation: FloatArray,
    refocusing: FloatArray,
    time_bandwidth: float,
    refocusing_slab_ratio: float,
    positions: FloatArray,
    b1: float,
    refocusing_flip_deg: float = 180.0,
) -> FloatArray:
    """Echo amplitudes when the pulses are played as sampled waveforms under their slice gradient, (n_echoes,).

    The pulses take no time for relaxation; the excitation is rewound by half its gradient moment.

    Parameters
    ----------
    excitation, refocusing : arrays (n_sample,)
        Real waveforms; the integrals give 90 degrees and `refocusing_flip_deg` on resonance at ``b1 = 1``.
    time_bandwidth, refocusing_slab_ratio : float
        [1]
    positions : array (n_positions,)
        In nominal slice thicknesses, equally spaced over the slice.
    b1 : float
        Fraction of nominal. [1]
    """
    crusher = _crusher_phases(n_echoes)[:, None] + np.zeros_like(positions)
    excite = pulse_rotation(
        excitation, flip_rad=b1 * np.pi / 2.0, moment_rad=2.0 * np.pi * time_bandwidth * positions, about_x=False
    )
    refocus = pulse_rotation(
        refocusing,
        flip_rad=b1 * np.deg2rad(refocusing_flip_deg),
        moment_rad=2.0 * np.pi * time_bandwidth * positions / refocusing_slab_ratio,
        about_x=True,
    )
    vectors = np.stack([np.zeros_like(crusher), np.zeros_like(crusher), np.ones_like(crusher)])
    vectors = np.einsum("ijp,jcp->icp", excite, vectors)
    vectors = _about_z(vectors, -np.pi * time_bandwidth * positions)
    echoes = np.zeros(n_echoes)
    half = echo_spacing_ms / 2.0
    for n in range(n_echoes):
        vectors = _about_z(_relax(vectors, half, t1_ms, t2_ms), crusher)
        vectors = np.einsum("ijp,jcp->icp", refocus, vectors)
        vectors = _about_z(_relax(vectors, half, t1_ms, t2_ms), crusher)
        echoes[n] = float(np.hypot(vectors[0].mean(), vectors[1].mean()))
    return echoes


def pulse_rotation(waveform: FloatArray, *, flip_rad: float, moment_rad: FloatArray, about_x: bool) -> FloatArray:
    """Rotation matrices of a pulse played under a gradient, (3, 3, n_positions).

    Parameters
    ----------
    waveform : array (n_sample,)
    flip_rad : float
        Its integral on resonance. [rad]
    moment_rad : array (n_positions,)
        Precession by the gradient over the whole pulse. [rad]
    about_x : bool
        About x, else about y.
    """
    basis = np.repeat(np.eye(3)[:, :, None], moment_rad.size, axis=2)
    half_step = moment_rad / (2.0 * waveform.size)
    for turn in flip_rad * waveform / waveform.sum():
        basis = _about_z(basis, half_step)
        basis = _about_x(basis, turn) if about_x else _about_y(basis, turn)
        basis = _about_z(basis, half_step)
    return basis
