"""What the header leaves open, decided by the data: the sign of the phase, the fat frequency, and which solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.maps.fat_fraction.echo_fit import EchoFit
from heliotrope.maps.fat_fraction.field_candidates import EchoModel
from heliotrope.maps.fat_fraction.field_solver import (
    EchoProblem,
    Solution,
    echo_problem,
    percent_of,
    refine,
    refit,
    smooth_start,
    solve,
    spread_over,
)
from heliotrope.maps.fat_fraction.foreground import LimbSection, axial_axis, limb_cross_sections
from heliotrope.maps.fat_fraction.swaps import find_swaps

COARSE_VOXELS = 12_000
"""In-mask voxels kept for calibration by striding in plane. [1]"""

COARSE_SLICES = 16
"""Axial slices that suffice for calibration. [1]"""

SCALE_VOXELS = 4_000
"""Voxels that suffice to compare fat frequencies: the same ones at each. [1]"""

SCALES = (0.90, 0.93, 0.96, 0.98, 1.0, 1.02, 1.05)
"""Fat frequency tried, relative to nominal. A scanner called 3 T may run at 2.89 T; a cool limb shifts water."""

SCALE_GAIN = 0.95
"""A frequency other than nominal is taken when it lowers the misfit below this fraction. [1]"""

SIGN_MARGIN = 1.5
"""Misfit ratio of the two signs beyond which the better one is taken whatever the anatomy. [1]"""

HOPELESS_RATIO = 4.0
"""A sign whose misfit exceeds that of the other by this is pursued no further. [1]"""

MISFIT_CAP = 0.1
"""Misfit relative to signal energy beyond which a voxel counts no more. [1]"""


@dataclass(frozen=True)
class Calibration:
    """Outcome.

    Parameters
    ----------
    conjugated : bool
        The phase must be conjugated before fitting.
    scale : float
        Fat frequency relative to nominal. [1]
    misfit : float
        Mean residual over the signal energy. [1]
    swapped_part : float
        Limb cross-sections that contradict the anatomy. [1]
    field_part : float
        Median off-resonance over the fat shift. [1]
    sign_is_certain : bool
        The other sign fits so much worse that it was not pursued.
    sentences : tuple of str
    """

    conjugated: bool
    scale: float
    misfit: float
    swapped_part: float
    field_part: float
    sign_is_certain: bool
    sentences: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Trial:
    conjugated: bool
    exchanged: bool
    scale: float
    misfit: float
    swapped_part: float
    field_part: float


def calibrate(
    signal: NDArray[np.complex64], model: EchoModel, mask: NDArray[np.bool_], grid: Grid, *, signs: tuple[bool, ...]
) -> Calibration:
    """Decide sign, fat frequency and state on a coarse copy of the image.

    Parameters
    ----------
    signal : complex64 array (n_voxels, n_echo)
    model : EchoModel
        Nominal.
    mask : bool array (x, y, z)
    grid : Grid
    signs : tuple of bool
        Which conjugations to try.
    """
    coarse, coarse_mask, coarse_grid = _coarse(signal, mask, grid)
    sections = tuple(limb_cross_sections(coarse_mask, coarse_grid))
    starts: dict[bool, tuple[EchoProblem, Solution]] = {}
    for conjugated in signs:
        data = np.conj(coarse) if conjugated else coarse
        starts[conjugated] = _solved(data, model, coarse_mask, coarse_grid)
    nominal = {conjugated: _misfit(*start) for conjugated, start in starts.items()}
    lowest = min(nominal.values())
    trials: list[_Trial] = []
    for conjugated, (problem, found) in starts.items():
        if nominal[conjugated] > HOPELESS_RATIO * lowest:
            trials.append(_Trial(conjugated, False, 1.0, nominal[conjugated], 1.0, 1.0))
            continue
        scale = _best_scale(problem, found)
        rescaled = model.scaled(scale)
        start = (problem, found) if scale == 1.0 else _solved(problem.signal, rescaled, coarse_mask, coarse_grid)
        trials.extend(_both_states(*start, coarse_grid, sections, conjugated, scale))
    best = _choose(trials)
    return Calibration(
        best.conjugated,
        best.scale,
        best.misfit,
        best.swapped_part,
        best.field_part,
        max(nominal.values()) > HOPELESS_RATIO * lowest,
        _sentences(best, trials, model),
    )


def _coarse(
    signal: NDArray[np.complex64], mask: NDArray[np.bool_], grid: Grid
) -> tuple[NDArray[np.complex64], NDArray[np.bool_], Grid]:
    """Every n-th voxel in the two finer axes, and every n-th axial slice of a long stack."""
    spacing = np.asarray(grid.spacing_mm)
    coarsest = int(np.argmax(spacing))
    skip = max(1, mask.shape[coarsest] // COARSE_SLICES) if coarsest == axial_axis(grid) else 1
    stride = max(1, int(np.sqrt(mask.sum() / (skip * COARSE_VOXELS))))
    steps = tuple(skip if axis == coarsest else stride for axis in range(3))
    taken = np.zeros(mask.shape, dtype=bool)
    index = tuple(slice(None, None, step) for step in steps)
    taken[index] = True
    matrix = grid.matrix
    matrix[:3, :3] = matrix[:3, :3] * np.array(steps)
    small = np.ascontiguousarray(mask[index])
    return np.ascontiguousarray(signal[taken[mask]]), small, Grid.from_matrix(small.shape, matrix)


def _solved(
    data: NDArray[np.complex64], model: EchoModel, mask: NDArray[np.bool_], grid: Grid
) -> tuple[EchoProblem, Solution]:
    problem = echo_problem(data, model, mask, grid.spacing_mm)
    return problem, solve(problem)


def _misfit(problem: EchoProblem, solution: Solution) -> float:
    return _mean_misfit(problem, solution.fit, problem.weight)


def _mean_misfit(problem: EchoProblem, fit: EchoFit, weight: NDArray[np.float64]) -> float:
    """Mean misfit relative to the signal energy of each voxel, whose mean square is `weight`."""
    relative = fit.residual.astype(np.float64) / np.maximum(weight * problem.model.times_s.size, 1e-30)
    return float(np.mean(np.minimum(np.nan_to_num(relative, nan=MISFIT_CAP), MISFIT_CAP)))


def _best_scale(problem: EchoProblem, found: Solution) -> float:
    """Fat frequency of the lowest misfit near the solution at nominal, judged on part of the voxels."""
    every = max(1, found.start_hz.size // SCALE_VOXELS)
    start = found.fit.field_hz.astype(np.float64)
    smooth = smooth_start(problem, start)
    weight = problem.weight[::every]
    misfits = []
    for scale in SCALES:
        scaled = replace(problem, model=problem.model.scaled(scale))
        fit = refit(scaled, start, smooth, found.noise_sd, every=every)
        misfits.append(_mean_misfit(scaled, fit, weight))
    if min(misfits) >= SCALE_GAIN * misfits[SCALES.index(1.0)]:
        return 1.0
    return _lowest(np.array(SCALES), np.array(misfits))


def _lowest(scales: NDArray[np.float64], misfits: NDArray[np.float64]) -> float:
    """Scale of the lowest misfit, by a parabola through its neighbors."""
    at = int(np.argmin(misfits))
    if at in (0, scales.size - 1):
        return float(scales[at])
    curve = np.polyfit(scales[at - 1 : at + 2], misfits[at - 1 : at + 2], 2)
    return float(np.clip(-curve[1] / (2 * curve[0]), scales[at - 1], scales[at + 1]))


def exchanged_start(solution: Solution, model: EchoModel) -> NDArray[np.float64]:
    """Field at which each voxel's water and fat change places. [Hz]

    Fat read as water sits at the field plus the fat shift, water read as fat at the field minus it.
    """
    percent = percent_of(solution.fit)
    shift = np.where(percent > 50.0, model.fat_shift_hz, -model.fat_shift_hz)
    return np.asarray(solution.fit.field_hz.astype(np.float64) + shift)


def _both_states(
    problem: EchoProblem,
    found: Solution,
    grid: Grid,
    sections: Sequence[LimbSection],
    conjugated: bool,
    scale: float,
) -> list[_Trial]:
    mask, model = problem.mask, problem.model
    other = refine(problem, exchanged_start(found, model), found.noise_sd)
    trials = []
    for exchanged, solution in ((False, found), (True, other)):
        report = find_swaps(spread_over(percent_of(solution.fit), mask), mask, grid, sections)
        swapped_part = report.n_swapped / report.n_sections if report.n_sections else 0.0
        period = model.period_hz if model.period_hz > 0 else 1e9
        field = solution.fit.field_hz.astype(np.float64)
        field = field - period * np.round(field / period)
        field_part = float(np.median(np.abs(field))) / abs(model.fat_shift_hz)
        trials.append(_Trial(conjugated, exchanged, scale, _misfit(problem, solution), swapped_part, field_part))
    return trials


def _choose(trials: list[_Trial]) -> _Trial:
    """Among solutions that fit alike, the one with fat under the skin, then the one with the smallest field."""
    lowest = min(trial.misfit for trial in trials)
    return min((trial for trial in trials if trial.misfit <= SIGN_MARGIN * lowest), key=_unlikelihood)


def _unlikelihood(trial: _Trial | Calibration) -> tuple[int, bool, float]:
    return round(trial.swapped_part), trial.field_part > 0.5, trial.misfit


def likelier(first: Calibration, second: Calibration) -> bool:
    """True when the first calibration fits better, or alike and with more likely anatomy and field."""
    if max(first.misfit, second.misfit) > SIGN_MARGIN * min(first.misfit, second.misfit):
        return first.misfit < second.misfit
    return _unlikelihood(first) < _unlikelihood(second)


def _sentences(best: _Trial, trials: list[_Trial], model: EchoModel) -> tuple[str, ...]:
    lines: list[str] = []
    same = [trial.misfit for trial in trials if trial.conjugated == best.conjugated]
    opposite = [trial.misfit for trial in trials if trial.conjugated != best.conjugated]
    if opposite:
        ratio = min(opposite) / max(min(same), 1e-30)
        verdict = "is opposite: the phase was conjugated" if best.conjugated else "is as expected"
        decided = ratio > SIGN_MARGIN
        reason = (
            "decided by the fit" if decided else "the echoes tell the signs apart poorly; decided by field and anatomy"
        )
        lines.append(f"sign convention of the phase {verdict} (misfit ratio {ratio:.2f}, {reason})")
    if best.scale != 1.0:
        lines.append(
            f"fat frequency calibrated to {model.fat_shift_hz * best.scale:.0f} Hz, nominal {model.fat_shift_hz:.0f} Hz"
        )
    if best.exchanged:
        lines.append("of two solutions that fit alike the one with fat under the skin and the smaller field was taken")
    return tuple(lines)
