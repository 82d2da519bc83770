"""Field-map candidates of each voxel: the local minima of the water-fat residual over off-resonance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from heliotrope.physics.fat_spectrum import PROTON_GYROMAGNETIC_RATIO_MHZ_PER_T, FatSpectrum

N_CANDIDATES = 4
"""Minima kept per voxel; water-like, fat-like and two of noise. [1]"""

SEARCH_PPM = 2.5
"""How far beyond one alias period (unevenly spaced echoes: on either side) off-resonance is searched. [ppm]"""

ASSUMED_R2STAR_PER_S = 40.0
"""Decay rate of the first pass, and of fits with too few echoes for it; evidence `r2star-assumed`. [1/s]"""


@dataclass(frozen=True, eq=False)
class EchoModel:
    """What the solver needs to know of the acquisition.

    Parameters
    ----------
    times_s : array (n_echo,)
        [s]
    peaks_hz, peak_weights : arrays (n_peaks,)
        Fat spectrum relative to water [Hz] and weights of sum 1.
    fat_shift_hz : float
        Main fat peak relative to water. [Hz]
    period_hz : float
        Off-resonance that the echoes cannot tell from none; 0 when unevenly spaced. [Hz]
    grid_hz : array (n_grid,)
        Off-resonances searched. [Hz]
    """

    times_s: NDArray[np.float64]
    peaks_hz: NDArray[np.float64]
    peak_weights: NDArray[np.float64]
    fat_shift_hz: float
    period_hz: float
    grid_hz: NDArray[np.float64]

    @property
    def phasor(self) -> NDArray[np.complex128]:
        """Signal of unit fat at each echo, (n_echo,). [1]"""
        turns = np.exp(2j * np.pi * np.outer(self.times_s, self.peaks_hz))
        return np.asarray(turns @ self.peak_weights.astype(np.complex128))

    def scaled(self, scale: float) -> EchoModel:
        """The model with all fat frequencies multiplied by `scale`."""
        return replace(self, peaks_hz=self.peaks_hz * scale, fat_shift_hz=self.fat_shift_hz * scale)


def echo_model(times_s: NDArray[np.float64], field_strength_t: float, spectrum: FatSpectrum) -> EchoModel:
    """Search range and step: one alias period for evenly spaced echoes, else a fixed range."""
    peaks_hz, weights = spectrum.offsets_hz(field_strength_t), spectrum.weights
    fat_shift_hz = spectrum.main_shift_hz(field_strength_t)
    hz_per_ppm = PROTON_GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength_t
    steps = np.diff(times_s)
    even = bool(np.abs(steps - steps.mean()).max() < 0.02 * steps.mean())
    span = float(times_s[-1] - times_s[0])
    # a residual over n echoes has features of width 1/span; ten samples per width
    step = 1.0 / (10.0 * span)
    if even:
        period = 1.0 / float(steps.mean())
        n_grid = int(np.clip(np.ceil(period / step), 36, 256))
        grid = (np.arange(n_grid) / n_grid - 0.5) * period
        return EchoModel(times_s, peaks_hz, weights, fat_shift_hz, period, grid)
    half = abs(fat_shift_hz) + SEARCH_PPM * hz_per_ppm
    n_grid = int(np.clip(np.ceil(2 * half / step), 36, 512))
    return EchoModel(times_s, peaks_hz, weights, fat_shift_hz, 0.0, np.linspace(-half, half, n_grid))


def design_inverse(model: EchoModel, r2star_per_s: float) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Design matrix (n_echo, 2) and inverse of the real part of its Gram matrix (2, 2)."""
    decay = np.exp(-r2star_per_s * model.times_s)
    design = np.stack([decay.astype(np.complex128), model.phasor * decay], axis=1)
    gram = (design.conj().T @ design).real
    return design, np.asarray(np.linalg.inv(gram))


def find_candidates(
    signal: NDArray[np.complex64], model: EchoModel, r2star_per_s: float = ASSUMED_R2STAR_PER_S
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    r"""Off-resonance candidates of each voxel, lowest residual first.

    Parameters
    ----------
    signal : complex64 array (n_voxels, n_echo)
    model : EchoModel
    r2star_per_s : float
        [1/s]

    Returns
    -------
    field_hz : float32 array (n_voxels, N_CANDIDATES)
        NaN where a voxel has fewer minima. [Hz]
    residual : float32 array (n_voxels, N_CANDIDATES)
        Sum of squares left. [signal squared]

    Notes
    -----
    With water, fat real and one common phase the least-squares residual at off-resonance ψ is
    :math:`s^Hs-\tfrac12(b^HM^{-1}b+|b^TM^{-1}b|)`, b = AᴴD(ψ)s, M = Re AᴴA (variable projection: Hernando 2008,
    doi 10.1002/mrm.21749; common phase: Bydder 2011, doi 10.1016/j.mri.2010.08.011).
    """
    design, inverse = design_inverse(model, r2star_per_s)
    demodulation = np.exp(-2j * np.pi * np.outer(model.grid_hz, model.times_s))
    projectors = np.stack([demodulation * design[:, 0].conj(), demodulation * design[:, 1].conj()], axis=1)
    tables = np.ascontiguousarray(projectors.astype(np.complex64))
    field, residual = _search(
        np.ascontiguousarray(signal), tables, inverse.astype(np.float32), model.grid_hz, model.period_hz, N_CANDIDATES
    )
    return np.asarray(field), np.asarray(residual)


@njit(
    parallel=True, cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"}
)  # pragma: no cover - compiled
def _search(
    signal: NDArray[np.complex64],
    tables: NDArray[np.complex64],
    inverse: NDArray[np.float32],
    grid_hz: NDArray[np.float64],
    period_hz: float,
    n_keep: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    n_voxels, n_echo = signal.shape
    n_grid = tables.shape[0]
    step = grid_hz[1] - grid_hz[0]
    field = np.full((n_voxels, n_keep), np.nan, dtype=np.float32)
    residual = np.full((n_voxels, n_keep), np.inf, dtype=np.float32)
    m00, m01, m11 = inverse[0, 0], inverse[0, 1], inverse[1, 1]
    for voxel in prange(n_voxels):
        energy = np.float32(0.0)
        for j in range(n_echo):
            s = signal[voxel, j]
            energy += s.real * s.real + s.imag * s.imag
        curve = np.empty(n_grid, dtype=np.float32)
        for g in range(n_grid):
            b0r = np.float32(0.0)
            b0i = np.float32(0.0)
            b1r = np.float32(0.0)
            b1i = np.float32(0.0)
            for j in range(n_echo):
                s = signal[voxel, j]
                u = tables[g, 0, j]
                v = tables[g, 1, j]
                b0r += u.real * s.real - u.imag * s.imag
                b0i += u.real * s.imag + u.imag * s.real
                b1r += v.real * s.real - v.imag * s.imag
                b1i += v.real * s.imag + v.imag * s.real
            hermitian = m00 * (b0r * b0r + b0i * b0i) + m11 * (b1r * b1r + b1i * b1i)
            hermitian += np.float32(2.0) * m01 * (b0r * b1r + b0i * b1i)
            real = m00 * (b0r * b0r - b0i * b0i) + m11 * (b1r * b1r - b1i * b1i)
            real += np.float32(2.0) * m01 * (b0r * b1r - b0i * b1i)
            imaginary = np.float32(2.0) * (m00 * b0r * b0i + m11 * b1r * b1i + m01 * (b0r * b1i + b0i * b1r))
            curve[g] = energy - np.float32(0.5) * (hermitian + np.sqrt(real * real + imaginary * imaginary))
        for g in range(n_grid):
            here = curve[g]
            if period_hz > 0.0:
                before = curve[g - 1 if g > 0 else n_grid - 1]
                after = curve[g + 1 if g < n_grid - 1 else 0]
            else:
                before = curve[g - 1] if g > 0 else np.float32(np.inf)
                after = curve[g + 1] if g < n_grid - 1 else np.float32(np.inf)
            if not (here < before and here <= after):
                continue
            shift = 0.0
            low = here
            bend = before - 2.0 * here + after
            if bend > 0.0 and np.isfinite(bend):
                shift = 0.5 * (before - after) / bend
                low = here - 0.25 * (before - after) * shift
            place = n_keep
            for k in range(n_keep - 1, -1, -1):
                if low < residual[voxel, k]:
                    place = k
            if place == n_keep:
                continue
            for k in range(n_keep - 1, place, -1):
                residual[voxel, k] = residual[voxel, k - 1]
                field[voxel, k] = field[voxel, k - 1]
            residual[voxel, place] = max(low, np.float32(0.0))
            field[voxel, place] = grid_hz[g] + shift * step
    return field, residual
