"""Continuous refinement of the water-fat model in each voxel, and its Cramer-Rao bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from heliotrope.maps.fat_fraction.field_candidates import EchoModel, design_inverse

LARGEST_R2STAR_PER_S = 500.0
"""Bound of the decay rate; iron or air nearby, not muscle. [1/s]"""

N_ITERATIONS = 12
"""Levenberg-Marquardt steps at most. [1]"""


@dataclass(frozen=True, eq=False)
class EchoFit:
    """Parameters of each voxel, arrays of shape (n_voxels,).

    Parameters
    ----------
    water, fat : float32
        Real amplitudes, negative ones allowed. [signal]
    field_hz : float32
        [Hz]
    r2star_per_s : float32
        [1/s]
    pattern_rad : float32
        Phase error along the given echo pattern, 0 where none was fitted. [rad]
    pattern_variance : float32
        Its variance at unit noise. [rad2]
    residual : float32
        Sum of squares left. [signal squared]
    fraction_variance : float32
        Variance of the fat fraction (0-1) at unit noise. [1]
    n_parameters : int
    """

    water: NDArray[np.float32]
    fat: NDArray[np.float32]
    field_hz: NDArray[np.float32]
    r2star_per_s: NDArray[np.float32]
    pattern_rad: NDArray[np.float32]
    pattern_variance: NDArray[np.float32]
    residual: NDArray[np.float32]
    fraction_variance: NDArray[np.float32]
    n_parameters: int


def fit_echoes(
    signal: NDArray[np.complex64],
    model: EchoModel,
    *,
    start_hz: NDArray[np.floating],
    smooth_hz: NDArray[np.floating],
    field_sd_hz: float,
    noise_sd: float,
    r2star_per_s: float,
    fit_r2star: bool,
    pattern: NDArray[np.float64] | None = None,
) -> EchoFit:
    """Least squares of water, fat, common phase, off-resonance and (optionally) R2* and an echo phase pattern.

    Parameters
    ----------
    signal : complex64 array (n_voxels, n_echo)
    start_hz : array (n_voxels,)
        Off-resonance to start from. [Hz]
    smooth_hz, field_sd_hz
        Local mean field and how far a voxel may stray from it; a weak prior that matters at low signal only. [Hz]
    noise_sd : float
        Per channel. [signal]
    r2star_per_s : float
        Start value, or the fixed one. [1/s]
    pattern : array (n_echo,) or None
        Echo weights of a phase error to fit.

    Returns
    -------
    EchoFit
    """
    _, inverse = design_inverse(model, r2star_per_s)
    n_parameters = 4 + int(fit_r2star) + int(pattern is not None)
    scale = float(model.times_s[-1])
    prior = (noise_sd / (2 * np.pi * scale * field_sd_hz)) ** 2
    columns = _refine(
        np.ascontiguousarray(signal),
        model.times_s / scale,
        model.phasor,
        np.exp(-r2star_per_s * model.times_s),
        inverse,
        np.ascontiguousarray(start_hz, dtype=np.float64) * (2 * np.pi * scale),
        np.ascontiguousarray(smooth_hz, dtype=np.float64) * (2 * np.pi * scale),
        prior,
        r2star_per_s * scale,
        LARGEST_R2STAR_PER_S * scale,
        fit_r2star,
        pattern if pattern is not None else np.zeros(model.times_s.size),
        pattern is not None,
    )
    return EchoFit(
        columns[:, 0],
        columns[:, 1],
        columns[:, 2] / np.float32(2 * np.pi * scale),
        columns[:, 3] / np.float32(scale),
        columns[:, 4],
        columns[:, 5],
        columns[:, 6],
        columns[:, 7],
        n_parameters,
    )


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _solve(matrix: NDArray[np.float64], right: NDArray[np.float64], size: int, factor: NDArray[np.float64]) -> bool:
    """Cholesky solution in place of `right`; False when the matrix is not positive definite."""
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                if total <= 1e-14 * matrix[i, i]:
                    return False
                factor[i, i] = np.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    for i in range(size):
        total = right[i]
        for k in range(i):
            total -= factor[i, k] * right[k]
        right[i] = total / factor[i, i]
    for i in range(size - 1, -1, -1):
        total = right[i]
        for k in range(i + 1, size):
            total -= factor[k, i] * right[k]
        right[i] = total / factor[i, i]
    return True


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _normal(
    s: NDArray[np.complex64],
    times: NDArray[np.float64],
    phasor: NDArray[np.complex128],
    p: NDArray[np.float64],
    fit_decay: bool,
    pattern: NDArray[np.float64],
    fit_pattern: bool,
    matrix: NDArray[np.float64],
    right: NDArray[np.float64],
    column: NDArray[np.complex128],
) -> float:
    """Residual sum of squares; fills normal matrix and right side at p = (W, F, phase, field, decay, error)."""
    size = 4 + int(fit_decay) + int(fit_pattern)
    for a in range(size):
        right[a] = 0.0
        for b in range(a + 1):
            matrix[a, b] = 0.0
    squares = 0.0
    for j in range(times.size):
        t = times[j]
        angle = p[2] + p[3] * t + p[5] * pattern[j]
        carrier = np.exp(-p[4] * t) * (np.cos(angle) + 1j * np.sin(angle))
        value = (p[0] + p[1] * phasor[j]) * carrier
        left = s[j] - value
        squares += left.real * left.real + left.imag * left.imag
        column[0] = carrier
        column[1] = phasor[j] * carrier
        column[2] = 1j * value
        column[3] = 1j * t * value
        if fit_decay:
            column[4] = -t * value
        if fit_pattern:
            column[size - 1] = 1j * pattern[j] * value
        for a in range(size):
            ca = column[a]
            right[a] += ca.real * left.real + ca.imag * left.imag
            for b in range(a + 1):
                cb = column[b]
                matrix[a, b] += ca.real * cb.real + ca.imag * cb.imag
    return squares


@njit(parallel=True, cache=True, nogil=True)  # pragma: no cover - compiled
def _refine(
    signal: NDArray[np.complex64],
    times: NDArray[np.float64],
    phasor: NDArray[np.complex128],
    decay: NDArray[np.float64],
    inverse: NDArray[np.float64],
    start: NDArray[np.float64],
    smooth: NDArray[np.float64],
    prior: float,
    decay_start: float,
    decay_limit: float,
    fit_decay: bool,
    pattern: NDArray[np.float64],
    fit_pattern: bool,
) -> NDArray[np.float32]:
    n_voxels, n_echo = signal.shape
    size = 4 + int(fit_decay) + int(fit_pattern)
    out = np.full((n_voxels, 8), np.nan, dtype=np.float32)
    for voxel in prange(n_voxels):
        s = signal[voxel]
        p = np.zeros(6)
        trial = np.zeros(6)
        matrix = np.zeros((6, 6))
        damped = np.zeros((6, 6))
        factor = np.zeros((6, 6))
        right = np.zeros(6)
        step = np.zeros(6)
        column = np.zeros(6, dtype=np.complex128)
        b0 = 0.0 + 0.0j
        b1 = 0.0 + 0.0j
        for j in range(n_echo):
            angle = -start[voxel] * times[j]
            d = s[j] * (np.cos(angle) + 1j * np.sin(angle)) * decay[j]
            b0 += d
            b1 += d * np.conj(phasor[j])
        square = inverse[0, 0] * b0 * b0 + 2 * inverse[0, 1] * b0 * b1 + inverse[1, 1] * b1 * b1
        phase = 0.5 * np.arctan2(square.imag, square.real)
        turn = np.cos(phase) - 1j * np.sin(phase)
        r0 = (b0 * turn).real
        r1 = (b1 * turn).real
        p[0] = inverse[0, 0] * r0 + inverse[0, 1] * r1
        p[1] = inverse[0, 1] * r0 + inverse[1, 1] * r1
        if p[0] + p[1] < 0:
            p[0] = -p[0]
            p[1] = -p[1]
            phase += np.pi
        p[2] = phase
        p[3] = start[voxel]
        p[4] = decay_start
        damping = 1e-3
        squares = _normal(s, times, phasor, p, fit_decay, pattern, fit_pattern, matrix, right, column)
        stray = p[3] - smooth[voxel]
        objective = squares + prior * stray * stray
        for _ in range(N_ITERATIONS):
            for a in range(size):
                for b in range(a + 1):
                    damped[a, b] = matrix[a, b]
                step[a] = right[a]
            damped[3, 3] += prior
            step[3] -= prior * (p[3] - smooth[voxel])
            for a in range(size):
                damped[a, a] *= 1.0 + damping
            if not _solve(damped, step, size, factor):
                damping *= 10.0
                if damping > 1e6:
                    break
                continue
            for a in range(6):
                trial[a] = p[a]
            for a in range(4):
                trial[a] += step[a]
            if fit_decay:
                trial[4] = min(max(trial[4] + step[4], 0.0), decay_limit)
            if fit_pattern:
                trial[5] += step[size - 1]
            fresh = 0.0
            for j in range(n_echo):
                angle = trial[2] + trial[3] * times[j] + trial[5] * pattern[j]
                carrier = np.exp(-trial[4] * times[j]) * (np.cos(angle) + 1j * np.sin(angle))
                left = s[j] - (trial[0] + trial[1] * phasor[j]) * carrier
                fresh += left.real * left.real + left.imag * left.imag
            stray = trial[3] - smooth[voxel]
            fresh_objective = fresh + prior * stray * stray
            if fresh_objective <= objective:
                gain = objective - fresh_objective
                for a in range(6):
                    p[a] = trial[a]
                objective = fresh_objective
                damping = max(damping * 0.1, 1e-9)
                squares = _normal(s, times, phasor, p, fit_decay, pattern, fit_pattern, matrix, right, column)
                if gain <= 1e-7 * objective + 1e-14:
                    break
            else:
                damping *= 10.0
                if damping > 1e6:
                    break
        total = p[0] + p[1]
        out[voxel, 0] = p[0]
        out[voxel, 1] = p[1]
        out[voxel, 2] = p[3]
        out[voxel, 3] = p[4]
        out[voxel, 4] = p[5]
        out[voxel, 6] = squares
        if total > 0.0:
            for a in range(size):
                step[a] = 0.0
                for b in range(a + 1):
                    damped[a, b] = matrix[a, b]
                damped[a, a] = damped[a, a] * (1.0 + 1e-9)
            step[0] = -p[1] / (total * total)
            step[1] = p[0] / (total * total)
            gradient0 = step[0]
            gradient1 = step[1]
            if _solve(damped, step, size, factor):
                out[voxel, 7] = gradient0 * step[0] + gradient1 * step[1]
            if fit_pattern:
                for a in range(size):
                    step[a] = 0.0
                step[size - 1] = 1.0
                if _solve(damped, step, size, factor):
                    out[voxel, 5] = step[size - 1]
    return out
