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

SMALLEST_GAIN = 1e-5
"""A step that lowers the objective by less than this part of it is the last: about 0.01 standard deviations. [1]"""

BLOCK = 256
"""Voxels that share one set of work arrays. [1]"""

FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


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
        bool(np.ptp(np.diff(model.times_s)) < 1e-9 * scale),
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


@njit(cache=True, nogil=True, fastmath=FASTMATH)  # pragma: no cover - compiled
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


@njit(cache=True, nogil=True, fastmath=FASTMATH)  # pragma: no cover - compiled
def _normal(
    s: NDArray[np.complex64],
    times: NDArray[np.float64],
    even: bool,
    phasor: NDArray[np.complex128],
    p: NDArray[np.float64],
    fit_decay: bool,
    pattern: NDArray[np.float64],
    fit_pattern: bool,
    matrix: NDArray[np.float64],
    right: NDArray[np.float64],
) -> float:
    """Residual sum of squares; fills normal matrix and right side at p = (W, F, phase, field, decay, error).

    Written in the frame that turns with the model, where derivatives by field and error are multiples of that by phase.
    """
    size = 4 + int(fit_decay) + int(fit_pattern)
    last = size - 1
    for a in range(size):
        right[a] = 0.0
        for b in range(a + 1):
            matrix[a, b] = 0.0
    squares = 0.0
    step_cos = np.cos(p[3] * (times[1] - times[0]))
    step_sin = np.sin(p[3] * (times[1] - times[0]))
    step_decay = np.exp(-p[4] * (times[1] - times[0]))
    cosine = sine = decay = 0.0
    for j in range(times.size):
        t = times[j]
        if j == 0 or not even:
            cosine = np.cos(p[2] + p[3] * t)
            sine = np.sin(p[2] + p[3] * t)
            decay = np.exp(-p[4] * t)
        else:
            turned = cosine * step_cos - sine * step_sin
            sine = sine * step_cos + cosine * step_sin
            cosine = turned
            decay *= step_decay
        x = float(s[j].real)
        y = float(s[j].imag)
        zr = x * cosine + y * sine
        zi = y * cosine - x * sine
        if fit_pattern:
            ec = np.cos(p[5] * pattern[j])
            es = np.sin(p[5] * pattern[j])
            x = zr * ec + zi * es
            zi = zi * ec - zr * es
            zr = x
        fr = phasor[j].real * decay
        fi = phasor[j].imag * decay
        mr = p[0] * decay + p[1] * fr
        mi = p[1] * fi
        lr = zr - mr
        li = zi - mi
        squares += lr * lr + li * li
        power = mr * mr + mi * mi
        water = -decay * mi
        fat = fi * mr - fr * mi
        slope = mr * li - mi * lr
        matrix[0, 0] += decay * decay
        matrix[1, 0] += decay * fr
        matrix[1, 1] += fr * fr + fi * fi
        matrix[2, 0] += water
        matrix[2, 1] += fat
        matrix[2, 2] += power
        matrix[3, 0] += t * water
        matrix[3, 1] += t * fat
        matrix[3, 2] += t * power
        matrix[3, 3] += t * t * power
        right[0] += decay * lr
        right[1] += fr * lr + fi * li
        right[2] += slope
        right[3] += t * slope
        if fit_decay:
            matrix[4, 0] -= t * decay * mr
            matrix[4, 1] -= t * (fr * mr + fi * mi)
            matrix[4, 4] += t * t * power
            right[4] -= t * (mr * lr + mi * li)
        if fit_pattern:
            w = pattern[j]
            matrix[last, 0] += w * water
            matrix[last, 1] += w * fat
            matrix[last, 2] += w * power
            matrix[last, 3] += w * t * power
            matrix[last, last] += w * w * power
            right[last] += w * slope
    return squares


@njit(parallel=True, cache=True, nogil=True, fastmath=FASTMATH)  # pragma: no cover - compiled
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
    even: bool,
) -> NDArray[np.float32]:
    n_voxels, n_echo = signal.shape
    size = 4 + int(fit_decay) + int(fit_pattern)
    out = np.full((n_voxels, 8), np.nan, dtype=np.float32)
    n_blocks = (n_voxels + BLOCK - 1) // BLOCK
    for block in prange(n_blocks):
        p = np.zeros(6)
        trial = np.zeros(6)
        matrices = np.zeros((2, 6, 6))
        rights = np.zeros((2, 6))
        damped = np.zeros((6, 6))
        factor = np.zeros((6, 6))
        step = np.zeros(6)
        for voxel in range(block * BLOCK, min((block + 1) * BLOCK, n_voxels)):
            s = signal[voxel]
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
            p[5] = 0.0
            damping = 1e-3
            now = 0
            squares = _normal(s, times, even, phasor, p, fit_decay, pattern, fit_pattern, matrices[0], rights[0])
            stray = p[3] - smooth[voxel]
            objective = squares + prior * stray * stray
            for _ in range(N_ITERATIONS):
                for a in range(size):
                    for b in range(a + 1):
                        damped[a, b] = matrices[now, a, b]
                    step[a] = rights[now, a]
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
                other = 1 - now
                fresh = _normal(
                    s, times, even, phasor, trial, fit_decay, pattern, fit_pattern, matrices[other], rights[other]
                )
                stray = trial[3] - smooth[voxel]
                fresh_objective = fresh + prior * stray * stray
                if fresh_objective <= objective:
                    gain = objective - fresh_objective
                    for a in range(6):
                        p[a] = trial[a]
                    now = other
                    squares = fresh
                    objective = fresh_objective
                    damping = max(damping * 0.1, 1e-9)
                    if gain <= SMALLEST_GAIN * objective + 1e-14:
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
                        damped[a, b] = matrices[now, a, b]
                    damped[a, a] = damped[a, a] * (1.0 + 1e-9)
                gradient0 = -p[1] / (total * total)
                gradient1 = p[0] / (total * total)
                step[0] = gradient0
                step[1] = gradient1
                if _solve(damped, step, size, factor):
                    out[voxel, 7] = gradient0 * step[0] + gradient1 * step[1]
                if fit_pattern:
                    for a in range(size):
                        step[a] = 0.0
                    step[size - 1] = 1.0
                    if _solve(damped, step, size, factor):
                        out[voxel, 5] = step[size - 1]
    return out
