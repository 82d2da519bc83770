"""What the echoes decide before the fit: sign of the phase, fat frequency, read-out phase errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.maps.fat_fraction.calibration import Calibration, calibrate, likelier
from heliotrope.maps.fat_fraction.field_candidates import EchoModel
from heliotrope.maps.fat_fraction.field_solver import EchoProblem, Solution, echo_problem, solve
from heliotrope.maps.fat_fraction.phase_errors import PhaseErrors, correct_phase_errors, scaled_position

ROUNDS = 3
"""Turns of phase correction and frequency calibration at most; each misleads the other a little. [1]"""

LARGEST_MISFIT = 1.8
"""Residual over noise beyond which a map says that its echoes do not fit water and fat (project rule). [1]"""

MEDIAN_OF_ABSOLUTE_NORMAL = 0.6745
"""Median absolute value of a normal variable over its standard deviation. [1]"""


@dataclass(frozen=True, eq=False)
class Decisions:
    """Outcome.

    Parameters
    ----------
    conjugated : bool
    model : EchoModel
        With the calibrated fat frequency.
    errors : PhaseErrors
    sentences : tuple of str
        For the reader.
    """

    conjugated: bool
    model: EchoModel
    errors: PhaseErrors
    sentences: tuple[str, ...]

    def applied_to(self, signal: NDArray[np.complex64], position: NDArray[np.float64]) -> NDArray[np.complex64]:
        """Signal (n_voxels, n_echo) as the fit wants it; `position` from `scaled_position`."""
        turned = np.conj(signal) if self.conjugated else signal
        return self.errors.removed_from(turned, position)


@dataclass(frozen=True, eq=False)
class _Settled:
    calibration: Calibration
    errors: PhaseErrors
    problem: EchoProblem
    solution: Solution


def decide(
    signal: NDArray[np.complex64], nominal: EchoModel, mask: NDArray[np.bool_], grid: Grid
) -> tuple[Decisions, EchoProblem, Solution]:
    """Decide on an image, or on a part of a long stack that stands for it.

    Parameters
    ----------
    signal : complex64 array (n_voxels, n_echo)
        Of the voxels of `mask` in C order.
    nominal : EchoModel
    mask : bool array (x, y, z)
    grid : Grid

    Returns
    -------
    decisions : Decisions
    problem, solution
        Of this image under them.
    """
    position = scaled_position(np.argwhere(mask), mask.shape)
    first = calibrate(signal, nominal, mask, grid, signs=(False, True))
    settled = _settle(signal, nominal, mask, grid, position, first)
    sentences = first.sentences[:1]
    if settled.errors and not first.sign_is_certain:
        # a phase error can make the wrong sign look right: judge both signs without it
        opposite = replace(first, conjugated=not first.conjugated, scale=1.0)
        other = _settle(signal, nominal, mask, grid, position, opposite)
        if likelier(other.calibration, settled.calibration):
            settled = other
            verdict = "is opposite: the phase was conjugated" if opposite.conjugated else "is as expected"
            sentences = (f"sign convention of the phase {verdict} (decided after removal of phase errors)",)
    calibration = settled.calibration
    more = calibration.sentences[1:] if not settled.errors else calibration.sentences
    decisions = Decisions(
        calibration.conjugated,
        settled.problem.model,
        settled.errors,
        (*sentences, *settled.errors.sentences(), *more),
    )
    return decisions, settled.problem, settled.solution


def _settle(
    signal: NDArray[np.complex64],
    nominal: EchoModel,
    mask: NDArray[np.bool_],
    grid: Grid,
    position: NDArray[np.float64],
    calibration: Calibration,
) -> _Settled:
    """Phase errors and fat frequency under one sign, in turns."""
    data = np.ascontiguousarray(np.conj(signal)) if calibration.conjugated else signal
    problem = echo_problem(data, nominal.scaled(calibration.scale), mask, grid.spacing_mm)
    solution = solve(problem)
    errors = PhaseErrors()
    for _ in range(ROUNDS):
        problem, solution, found = correct_phase_errors(problem, solution, position)
        if not found:
            break
        errors = errors.joined(found, position)
        again = calibrate(problem.signal, nominal, mask, grid, signs=(False,))
        scale = again.scale
        same = abs(scale - calibration.scale) < 1e-6
        calibration = replace(again, conjugated=calibration.conjugated)
        if same:
            break
        problem = replace(problem, model=nominal.scaled(scale))
        solution = solve(problem)
    return _Settled(calibration, errors, problem, solution)


def misfit_over_noise(
    echo: NDArray[np.complexfloating], mask: NDArray[np.bool_], grid: Grid, residual_sd: float
) -> float | None:
    """Residual of the fit over the noise that the image itself shows; None where too little tissue shows it. [1]

    Parameters
    ----------
    echo : complex array (x, y, z)
        One echo.
    residual_sd : float
        Noise of one channel, from the residuals of the fit.

    Notes
    -----
    Noise is that of the magnitude's second differences in tissue, along the two finest axes, by their median: texture
    raises it, so the ratio errs toward 1.
    """
    magnitude = np.abs(echo)
    coarsest = int(np.argmax(grid.spacing_mm))
    found = []
    for axis in range(3):
        if axis == coarsest or magnitude.shape[axis] < 3:
            continue
        parts = [
            tuple(part if a == axis else slice(None) for a in range(3))
            for part in (slice(None, -2), slice(1, -1), slice(2, None))
        ]
        inside = mask[parts[0]] & mask[parts[1]] & mask[parts[2]]
        bend = magnitude[parts[1]] - 0.5 * (magnitude[parts[0]] + magnitude[parts[2]])
        found.append(np.abs(bend[inside]))
    bends = np.concatenate(found) if found else np.zeros(0)
    if bends.size < 200:
        return None
    noise_sd = float(np.median(bends)) / MEDIAN_OF_ABSOLUTE_NORMAL / np.sqrt(1.5)
    return float(residual_sd / noise_sd) if noise_sd > 0 else None
