"""Phase errors of the read-out: bipolar gradients, eddy currents in the first echo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.maps.fat_fraction.echo_fit import EchoFit
from heliotrope.maps.fat_fraction.field_solver import EchoProblem, Solution, refit, smooth_start, solve

SMALLEST_ERROR_RAD = 0.015
"""Read-out phase errors below this change the fat fraction by less than noise does; they are left. [rad]"""

PHASE_ROUNDS = 6
"""Rounds of read-out phase correction at most. [1]"""

PHASE_VOXELS = 16_000
"""Voxels that suffice to find a read-out phase error that is linear in space. [1]"""

SMALLEST_SIGNIFICANCE = 50.0
"""Drop of the weighted misfit, in units of noise, that a read-out phase error must explain (project rule). [1]"""


def echo_patterns(n_echo: int) -> dict[str, NDArray[np.float64]]:
    """Echo weights of the read-out phase errors that can be told apart from water and fat.

    Three complex echoes hold six numbers for water, fat, phase and field: one error more can be found, and the
    alternating one is the one that read-outs make.
    """
    alternating = {"alternating (bipolar read-out)": np.where(np.arange(n_echo) % 2 == 0, 1.0, -1.0)}
    if n_echo < 4:
        return alternating
    first = np.zeros(n_echo)
    first[0] = 1.0
    return alternating | {"first-echo": first}


@dataclass(frozen=True, eq=False)
class PhaseErrors:
    """Read-out phase errors that are linear in space.

    Parameters
    ----------
    coefficients : mapping of str to array (4,)
        By pattern name: constant, and slopes along the three positions scaled to -1..1. [rad]
    size_rad : mapping of str to float
        Root mean square over the voxels they were found on. [rad]
    """

    coefficients: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    size_rad: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.coefficients)

    def removed_from(self, signal: NDArray[np.complex64], position: NDArray[np.float64]) -> NDArray[np.complex64]:
        """The signal (n_voxels, n_echo) without them; `position` (n_voxels, 3) is scaled to -1..1."""
        if not self.coefficients:
            return signal
        patterns = echo_patterns(signal.shape[1])
        phase = sum(
            phase_error_at(coefficients, position)[:, None] * patterns[name][None, :]
            for name, coefficients in self.coefficients.items()
        )
        return np.ascontiguousarray(signal * np.exp(-1j * np.asarray(phase)), dtype=np.complex64)

    def joined(self, more: PhaseErrors, position: NDArray[np.float64]) -> PhaseErrors:
        """Both together."""
        names = {**self.coefficients, **more.coefficients}
        zero = np.zeros(4)
        total = {name: self.coefficients.get(name, zero) + more.coefficients.get(name, zero) for name in names}
        return PhaseErrors(total, {name: _size(values, position) for name, values in total.items()})

    def sentences(self) -> tuple[str, ...]:
        """What to tell the reader."""
        return tuple(
            f"{name} phase error of {size:.2f} rad (root mean square) removed" for name, size in self.size_rad.items()
        )


def scaled_position(index: NDArray[np.integer], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Voxel indices (n, 3) of an image scaled to -1..1. [1]"""
    middle = (np.array(shape) - 1) / 2.0
    return np.asarray((index - middle) / np.maximum(middle, 1.0))


def _size(coefficients: NDArray[np.float64], position: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(phase_error_at(coefficients, position) ** 2)))


def correct_phase_errors(
    problem: EchoProblem, solution: Solution, position: NDArray[np.float64]
) -> tuple[EchoProblem, Solution, PhaseErrors]:
    """Remove read-out phase errors that the echoes show clearly, the more significant pattern first, in rounds.

    Parameters
    ----------
    problem, solution
        Of the image as it stands.
    position : array (n_voxels, 3)
        From `scaled_position`.
    """
    patterns = echo_patterns(problem.model.times_s.size)
    every = max(1, position.shape[0] // PHASE_VOXELS)
    removed = PhaseErrors()
    for _ in range(PHASE_ROUNDS):
        found: dict[str, tuple[NDArray[np.float64], float, float]] = {}
        start = solution.fit.field_hz.astype(np.float64)
        smooth = smooth_start(problem, start)
        for name, pattern in patterns.items():
            trial = refit(problem, start, smooth, solution.noise_sd, pattern=pattern, every=every)
            found[name] = smooth_phase_error(trial, position[::every], solution.noise_sd)
        name = max(found, key=lambda key: found[key][2])
        coefficients, size, significance = found[name]
        if size < SMALLEST_ERROR_RAD or significance < SMALLEST_SIGNIFICANCE:
            break
        error = PhaseErrors({name: coefficients})
        candidate = replace(problem, signal=error.removed_from(problem.signal, position))
        fresh = solve(candidate)
        if float(np.nanmean(fresh.fit.residual)) >= 0.98 * float(np.nanmean(solution.fit.residual)):
            break
        problem, solution = candidate, fresh
        removed = removed.joined(error, position)
    return problem, solution, removed


def smooth_phase_error(
    fit: EchoFit, position: NDArray[np.float64], noise_sd: float
) -> tuple[NDArray[np.float64], float, float]:
    """Linear-in-space phase error from its voxel estimates.

    Parameters
    ----------
    fit : EchoFit
        With a fitted pattern.
    position : array (n_voxels, 3)
        Scaled to -1..1.
    noise_sd : float
        Per channel. [signal]

    Returns
    -------
    coefficients : array (4,)
        Constant and slopes along the three positions, for `phase_error_at`. [rad]
    size_rad : float
        Root mean square of it. [rad]
    significance : float
        Its drop of the weighted sum of squares over that of noise alone. [1]
    """
    variance = fit.pattern_variance.astype(np.float64) * noise_sd**2
    estimate = fit.pattern_rad.astype(np.float64)
    usable = np.isfinite(variance) & (variance > 0) & np.isfinite(estimate) & (np.abs(estimate) < 1.2)
    if usable.sum() < 50:
        return np.zeros(4), 0.0, 0.0
    basis = np.column_stack([np.ones(position.shape[0]), position])
    # 0.05 rad of model error keeps a few very bright voxels from ruling
    weight = np.where(usable, 1.0 / np.sqrt(np.where(usable, variance, 1.0) + 0.05**2), 0.0)
    target = np.where(usable, estimate, 0.0)
    coefficients = np.zeros(4)
    for _ in range(3):
        coefficients = np.linalg.lstsq(basis * weight[:, None], target * weight, rcond=None)[0]
        misfit = np.abs(target - basis @ coefficients)
        weight = np.where(misfit * weight > 3.0, weight * 0.3, weight)
    error = basis @ coefficients
    before = float(((target * weight) ** 2).sum())
    after = float((((target - error) * weight) ** 2).sum())
    size = float(np.sqrt(np.mean(error[usable] ** 2)))
    return coefficients, size, (before - after) / max(after / usable.sum(), 1e-12)


def phase_error_at(coefficients: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Phase error at positions (n, 3) scaled to -1..1, from `smooth_phase_error`. [rad]"""
    return np.asarray(coefficients[0] + position @ coefficients[1:])
