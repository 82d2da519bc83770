"""The field map as one problem: candidates, smooth choice among them, local mean, refinement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.maps.fat_fraction.echo_fit import EchoFit, fit_echoes
from heliotrope.maps.fat_fraction.field_candidates import (
    ASSUMED_R2STAR_PER_S,
    EchoModel,
    find_candidates,
)
from heliotrope.maps.fat_fraction.field_labels import choose_candidates, neighbors
from heliotrope.maps.fat_fraction.islands import settle_islands

MODEL_ERROR = 0.03
"""Part of the signal that no water-fat model explains (flow, spectrum, drift); softens bright residuals. [1]"""

FIELD_SD_HZ = 4.0
"""Field difference expected between neighbors besides that of `FIELD_SD_HZ_PER_MM` (project rule). [Hz]"""

FIELD_SD_HZ_PER_MM = 2.5
"""Field gradient expected in a limb (project rule). [Hz/mm]"""

LARGEST_JUMP = 0.7
"""Field jumps between neighbors beyond this part of the fat shift cost no more (metal, air). [1]"""

COST_CAP = 40.0
"""A candidate is at most this much worse than the best of its voxel: no voxel overrules its surroundings. [1]"""

SMOOTH_MM = 6.0
"""Width of the local mean field that judges single voxels. [mm]"""

PRIOR_SD_HZ = 25.0
"""How far a voxel may stray from its local mean field at no signal; without effect at usable signal. [Hz]"""


@dataclass(frozen=True, eq=False)
class EchoProblem:
    """In-mask signal and the neighborhood of each voxel.

    Parameters
    ----------
    signal : complex64 array (n_voxels, n_echo)
    model : EchoModel
    mask : bool array (x, y, z)
    spacing_mm : tuple of 3 floats
    forward, backward : int32 arrays (n_voxels, 3)
        From `neighbors`.
    weight : array (n_voxels,)
        Mean squared signal.
    fit_r2star : bool
    known_hz : array (n_voxels,) or None
        Field of voxels solved before, which the others continue; NaN elsewhere. [Hz]
    """

    signal: NDArray[np.complex64]
    model: EchoModel
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    forward: NDArray[np.int32]
    backward: NDArray[np.int32]
    weight: NDArray[np.float64]
    fit_r2star: bool
    known_hz: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Solution:
    """A start field, the fit from it, and its noise.

    Parameters
    ----------
    start_hz : array (n_voxels,)
        [Hz]
    fit : EchoFit
    noise_sd : float
        Per channel, from the residuals. [signal]
    """

    start_hz: NDArray[np.float64]
    fit: EchoFit
    noise_sd: float


def echo_problem(
    signal: NDArray[np.complex64],
    model: EchoModel,
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    known_hz: NDArray[np.float64] | None = None,
) -> EchoProblem:
    """The problem of an image: `signal` and `known_hz` hold the voxels of `mask` in C order."""
    forward, backward = neighbors(mask)
    weight = (np.abs(signal) ** 2).mean(axis=1).astype(np.float64)
    return EchoProblem(signal, model, mask, spacing_mm, forward, backward, weight, model.times_s.size >= 4, known_hz)


def solve(problem: EchoProblem) -> Solution:
    """Field, water, fat and decay of every voxel."""
    start, noise_sd = solve_field(problem)
    return refine(problem, start, noise_sd)


def solve_field(problem: EchoProblem) -> tuple[NDArray[np.float64], float]:
    """Starting field of each voxel [Hz] and the noise sd."""
    model = problem.model
    field, residual = find_candidates(problem.signal, model)
    freedom = 2 * model.times_s.size - 4
    median_of_chi2 = freedom * (1.0 - 2.0 / (9.0 * freedom)) ** 3
    noise_variance = max(float(np.median(residual[:, 0])) / median_of_chi2, 1e-12 * float(problem.weight.mean()))
    softened = noise_variance + MODEL_ERROR**2 * problem.weight
    ratio = residual / softened[:, None]
    ceiling = ratio[:, :1] + COST_CAP
    cost = np.where(np.isfinite(ratio), np.minimum(ratio, ceiling), np.inf).astype(np.float32)
    known = None if problem.known_hz is None else np.isfinite(problem.known_hz)
    if known is not None and problem.known_hz is not None:
        field[known], cost[known] = np.nan, np.inf
        field[known, 0], cost[known, 0] = wrapped(problem.known_hz[known], model.period_hz), 0.0
    spread = tuple(min(FIELD_SD_HZ + FIELD_SD_HZ_PER_MM * d, abs(model.fat_shift_hz) / 6) for d in problem.spacing_mm)
    labels = choose_candidates(
        field,
        cost,
        problem.forward,
        problem.backward,
        field_sd_hz=(spread[0], spread[1], spread[2]),
        largest_jump_hz=LARGEST_JUMP * abs(model.fat_shift_hz),
        period_hz=model.period_hz,
        shift_hz=model.fat_shift_hz,
    )
    chosen = settle_islands(
        problem.mask,
        problem.spacing_mm,
        field,
        cost,
        np.nan_to_num(field[np.arange(labels.size), labels]).astype(np.float64),
        shift_hz=model.fat_shift_hz,
        period_hz=model.period_hz,
        field_sd_hz=max(spread[:2]),
        field_sd_hz_per_mm=FIELD_SD_HZ_PER_MM,
        largest_jump_hz=LARGEST_JUMP * abs(model.fat_shift_hz),
    )
    for _ in range(2):
        smooth = local_mean(problem, chosen)
        distance = wrapped(field - smooth[:, None], model.period_hz)
        distance = np.where(np.isfinite(distance), distance, 1e6)
        judged = cost + (distance / (2 * max(spread[:2]))) ** 2
        best = np.argmin(judged, axis=1)
        nearest = np.take_along_axis(distance, best[:, None], axis=1)[:, 0]
        lost = np.abs(nearest) > 0.3 * abs(model.fat_shift_hz)
        chosen = np.where(lost, smooth, smooth + nearest)
        if known is not None and problem.known_hz is not None:
            chosen[known] = problem.known_hz[known]
    return chosen, float(np.sqrt(noise_variance))


def wrapped(difference_hz: NDArray[np.floating], period_hz: float) -> NDArray[np.float64]:
    """Field differences modulo the alias period, the nearest to zero. [Hz]"""
    difference = np.asarray(difference_hz, dtype=np.float64)
    if period_hz <= 0:
        return difference
    return np.asarray(difference - period_hz * np.round(difference / period_hz))


def local_mean(problem: EchoProblem, field_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signal-weighted mean field around each voxel, the voxel itself counting little. [Hz]"""
    sigma = [SMOOTH_MM / d if d < 2 * SMOOTH_MM else 0.0 for d in problem.spacing_mm]
    sigma = [max(s, 0.8) if s > 0 else 0.0 for s in sigma]
    period = problem.model.period_hz if problem.model.period_hz > 0 else 20.0 * abs(problem.model.fat_shift_hz)
    weight = np.sqrt(problem.weight)
    turning = np.zeros(problem.mask.shape, dtype=np.complex128)
    turning[problem.mask] = weight * np.exp(2j * np.pi * field_hz / period)
    real = ndimage.gaussian_filter(turning.real, sigma, mode="nearest")
    imaginary = ndimage.gaussian_filter(turning.imag, sigma, mode="nearest")
    angle = np.arctan2(imaginary, real)[problem.mask]
    return np.asarray(angle * period / (2 * np.pi))


def refine(problem: EchoProblem, start_hz: NDArray[np.float64], noise_sd: float) -> Solution:
    """Refined parameters and the noise sd of their residuals."""
    fit = refit(problem, start_hz, smooth_start(problem, start_hz), noise_sd)
    freedom = 2 * problem.model.times_s.size - fit.n_parameters
    usable = fit.residual[np.isfinite(fit.residual)]
    median_of_chi2 = freedom * (1.0 - 2.0 / (9.0 * freedom)) ** 3
    noise = float(np.sqrt(max(float(np.median(usable)), 0.0) / median_of_chi2))
    return Solution(start_hz, fit, noise)


def smooth_start(problem: EchoProblem, start_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Local mean of a start field, each voxel's value in the alias nearest its start. [Hz]"""
    return np.asarray(start_hz + wrapped(local_mean(problem, start_hz) - start_hz, problem.model.period_hz))


def refit(
    problem: EchoProblem,
    start_hz: NDArray[np.float64],
    smooth_hz: NDArray[np.float64],
    noise_sd: float,
    *,
    pattern: NDArray[np.float64] | None = None,
    every: int = 1,
) -> EchoFit:
    """Fit every n-th voxel from a start field, optionally with an echo phase pattern."""
    return fit_echoes(
        problem.signal[::every],
        problem.model,
        start_hz=start_hz[::every],
        smooth_hz=smooth_hz[::every],
        field_sd_hz=PRIOR_SD_HZ,
        noise_sd=noise_sd,
        r2star_per_s=ASSUMED_R2STAR_PER_S,
        fit_r2star=problem.fit_r2star,
        pattern=pattern,
    )


def percent_of(fit: EchoFit) -> NDArray[np.float64]:
    """Fat fraction of each voxel, NaN where water plus fat is not positive. [%]"""
    total = fit.water.astype(np.float64) + fit.fat
    return np.asarray(100.0 * fit.fat / np.where(total > 0, total, np.nan))


def spread_over(values: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """In-mask values as a volume, NaN elsewhere."""
    volume = np.full(mask.shape, np.nan)
    volume[mask] = values
    return volume
