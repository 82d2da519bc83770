"""Fat fraction from complex gradient echoes: multi-peak fat, one R2*, common phase, regularized field map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.maps.fat_fraction.calibration import Calibration, calibrate, exchanged_start
from heliotrope.maps.fat_fraction.field_candidates import ASSUMED_R2STAR_PER_S, echo_model
from heliotrope.maps.fat_fraction.field_labels import unwrapped
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
from heliotrope.maps.fat_fraction.foreground import require_signal, tissue_mask
from heliotrope.maps.fat_fraction.phase_errors import (
    SMALLEST_ERROR_RAD,
    echo_patterns,
    phase_error_at,
    smooth_phase_error,
)
from heliotrope.maps.fat_fraction.result import (
    PLAUSIBLE_PERCENT,
    FatFractionMaps,
    companion_map,
    count_invalid,
)
from heliotrope.maps.fat_fraction.swaps import SwapReport, find_swaps
from heliotrope.maps.fat_fraction.t1_guard import T1Guard
from heliotrope.physics.chemical_shift import fat_fraction_crlb
from heliotrope.physics.fat_spectrum import (
    SIX_PEAK,
    FatSpectrum,
    require_echo_times,
    require_field_strength,
)

METHOD = "fat-fraction-complex/1"

LARGEST_USEFUL_SD = 25.0
"""Voxels less certain than this are invalid. [percentage points]"""

PHASE_ROUNDS = 6
"""Rounds of read-out phase correction at most. [1]"""

PHASE_VOXELS = 16_000
"""Voxels that suffice to find a read-out phase error that is linear in space. [1]"""

SMALLEST_SIGNIFICANCE = 50.0
"""Drop of the weighted misfit, in units of noise, that a read-out phase error must explain (project rule). [1]"""

UNUSABLE_BOUND = 8.0
"""Echo times whose bound at SNR 50 exceeds this cannot tell water from fat. [percentage points]"""


def fit_complex_fat_fraction(
    echoes: Volume,
    *,
    echo_times_ms: tuple[float, ...],
    field_strength_t: float,
    guard: T1Guard,
    spectrum: FatSpectrum = SIX_PEAK,
) -> FatFractionMaps:
    """Water, fat, field and R2* of complex multi-echo images.

    Parameters
    ----------
    echoes : complex Volume of shape (x, y, z, n_echo)
        [arbitrary]
    echo_times_ms : tuple of n_echo floats
        At least three, increasing. [ms]
    field_strength_t : float
        [T]
    guard : T1Guard
        From `t1_guard`.
    spectrum : FatSpectrum

    Returns
    -------
    FatFractionMaps
        ``fat_fraction`` [%], ``water_signal``, ``fat_signal``, ``field_map`` [Hz], ``r2star`` [1/s] (four echoes or
        more), ``fat_fraction_sd`` [percentage points].

    Raises
    ------
    InputError
        Not complex, echoes and times differ in number, out of order, or unable to tell water from fat.
    QualityRefusal
        No tissue found.

    Notes
    -----
    Field candidates by variable projection, chosen jointly by tree-reweighted message passing, refined by
    Levenberg-Marquardt with one common phase. Water and fat stay real and may be slightly negative, so noise at 0 % and
    100 % is not folded and no magnitude discrimination is needed.
    """
    times_ms = require_echo_times(echo_times_ms, at_least=3)
    require_field_strength(field_strength_t)
    _require_complex(echoes, times_ms.size)
    fit_r2star = times_ms.size >= 4
    _require_separable(times_ms, field_strength_t, spectrum, fit_r2star=fit_r2star)
    nominal = echo_model(times_ms * 1e-3, field_strength_t, spectrum)
    data = np.asarray(echoes.data)
    mask = tissue_mask(np.sqrt(np.mean(data.real**2 + data.imag**2, axis=3)))
    if int(mask.sum()) < 8:
        raise QualityRefusal("multi-echo images: no tissue found", hint="check that the images show tissue")
    grid = echoes.grid
    signal = np.ascontiguousarray(data[mask], dtype=np.complex64)
    calibration = calibrate(signal, nominal, mask, grid, signs=(False, True))
    if calibration.conjugated:
        signal = np.conj(signal)
    problem = echo_problem(signal, nominal.scaled(calibration.scale), mask, grid.spacing_mm)
    solution = solve(problem)
    problem, solution, corrections = _correct_phase_errors(problem, solution)
    if corrections:
        again = calibrate(problem.signal, nominal, mask, grid, signs=(False,))
        calibration = Calibration(
            calibration.conjugated,
            again.scale,
            again.exchanged,
            (*calibration.sentences[:1], *corrections, *again.sentences),
        )
        problem = replace(problem, model=nominal.scaled(again.scale))
        solution = solve(problem)
    actions = list(calibration.sentences)
    report = find_swaps(spread_over(percent_of(solution.fit), mask), mask, grid)
    if report.n_swapped:
        solution, report, sentence = _exchange(problem, solution, report, grid)
        actions.append(sentence)
    actions.extend(report.sentences())
    return _result(problem, solution, guard, report, tuple(actions), spectrum, grid)


def _require_complex(echoes: Volume, n_times: int) -> None:
    data = echoes.data
    if data.ndim != 4 or not np.iscomplexobj(data):
        kind = "complex" if np.iscomplexobj(data) else "not complex"
        raise InputError(
            f"echoes of shape {data.shape}, {kind}: complex data with four axes needed",
            hint="give magnitude and phase, or use the magnitude fit",
        )
    if echoes.n_frames != n_times:
        raise InputError(f"{echoes.n_frames} echoes and {n_times} echo times", hint="give one echo time per echo")
    require_signal(np.asarray(data), "echoes")


def _require_separable(
    times_ms: NDArray[np.float64], field_strength_t: float, spectrum: FatSpectrum, *, fit_r2star: bool
) -> None:
    known = () if fit_r2star else ("r2star",)
    for fat_fraction in (10.0, 90.0):
        bound = fat_fraction_crlb(
            fat_fraction=fat_fraction,
            echo_times_ms=times_ms,
            field_strength_t=field_strength_t,
            snr=50.0,
            r2star_per_s=ASSUMED_R2STAR_PER_S,
            known=known,
            spectrum=spectrum,
        )
        if not bound < UNUSABLE_BOUND:
            listed = ", ".join(f"{value:g}" for value in times_ms)
            raise InputError(
                f"echo times {listed} ms at {field_strength_t:g} T: even at SNR 50 the fat fraction would have a "
                f"standard deviation of {bound:.0f} percentage points (limit {UNUSABLE_BOUND:.0f})",
                hint="these echoes see water and fat alike; use echoes between in and opposed phase",
                code="E_ECHO_TIMES",
            )


def _correct_phase_errors(problem: EchoProblem, solution: Solution) -> tuple[EchoProblem, Solution, tuple[str, ...]]:
    """Remove read-out phase errors that the echoes show clearly, the more significant pattern first, in rounds."""
    index = np.argwhere(problem.mask).astype(np.float64)
    middle = (np.array(problem.mask.shape) - 1) / 2.0
    position = (index - middle) / np.maximum(middle, 1.0)
    patterns = echo_patterns(problem.model.times_s.size)
    every = max(1, position.shape[0] // PHASE_VOXELS)
    removed: dict[str, NDArray[np.float64]] = {}
    for _ in range(PHASE_ROUNDS if patterns else 0):
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
        error = phase_error_at(coefficients, position)
        turned = problem.signal * np.exp(-1j * error[:, None] * patterns[name][None, :]).astype(np.complex64)
        candidate = replace(problem, signal=np.ascontiguousarray(turned, dtype=np.complex64))
        fresh = solve(candidate)
        if float(np.nanmean(fresh.fit.residual)) >= 0.98 * float(np.nanmean(solution.fit.residual)):
            break
        problem, solution = candidate, fresh
        removed[name] = removed.get(name, np.zeros(error.shape)) + error
    sizes = {name: float(np.sqrt(np.mean(error**2))) for name, error in removed.items()}
    sentences = tuple(
        f"{name} phase error of {size:.2f} rad (root mean square) removed" for name, size in sizes.items()
    )
    return problem, solution, sentences


def _exchange(
    problem: EchoProblem, solution: Solution, report: SwapReport, grid: Grid
) -> tuple[Solution, SwapReport, str]:
    """Refit limb sections whose anatomy contradicts the fit from the other solution; kept only if anatomy agrees."""
    inside = report.swapped[problem.mask]
    start = np.where(inside, exchanged_start(solution, problem.model), solution.fit.field_hz)
    fresh = refine(problem, start, solution.noise_sd)
    again = find_swaps(spread_over(percent_of(fresh.fit), problem.mask), problem.mask, grid)
    if again.n_swapped >= report.n_swapped:
        sentence = "exchange of water and fat did not make the anatomy plausible and was left: check the map"
        return solution, report, sentence
    return (
        fresh,
        again,
        f"{report.n_swapped} of {report.n_sections} limb cross-sections refitted with water and fat exchanged",
    )


def _result(
    problem: EchoProblem,
    solution: Solution,
    guard: T1Guard,
    report: SwapReport,
    actions: tuple[str, ...],
    spectrum: FatSpectrum,
    grid: Grid,
) -> FatFractionMaps:
    mask, fit, noise_sd = problem.mask, solution.fit, solution.noise_sd
    raw = percent_of(fit)
    percent = guard.apply(raw)
    slope = np.abs(guard.apply(raw + 0.5) - guard.apply(raw - 0.5))
    deviation = 100.0 * np.sqrt(np.maximum(fit.fraction_variance, 0)) * noise_sd * slope
    low = ~((fit.water.astype(np.float64) + fit.fat) > 3.0 * noise_sd)
    wild = ~((percent > PLAUSIBLE_PERCENT[0]) & (percent < PLAUSIBLE_PERCENT[1]))
    vague = ~(deviation <= LARGEST_USEFUL_SD)
    valid = np.zeros(mask.shape, dtype=bool)
    valid[mask] = ~(low | wild | vague)
    reasons = count_invalid(
        signal_too_low=_flag(low, mask, outside=True),
        fat_fraction_outside_plausible_range=_flag(wild, mask),
        standard_deviation_too_large=_flag(vague, mask),
    )
    n_echo = problem.model.times_s.size
    flags = [f"complex fit of {n_echo} echoes, {spectrum.name} fat", guard.sentence, *report.sentences()]
    if not problem.fit_r2star:
        flags.append(f"three echoes: R2* assumed {ASSUMED_R2STAR_PER_S:.0f} /s, not fitted")
    result = ParametricMap(
        "fat_fraction",
        spread_over(percent, mask).astype(np.float32),
        valid,
        grid,
        Unit.PERCENT,
        METHOD,
        tuple(flags),
        reasons,
    )
    field = unwrapped(
        fit.field_hz.astype(np.float64),
        problem.forward,
        problem.backward,
        problem.model.period_hz,
        np.asarray(problem.weight),
    )

    def companion(quantity: str, values: NDArray[np.floating], unit: Unit) -> ParametricMap:
        return companion_map(quantity, spread_over(values, mask), valid, grid, unit, METHOD)

    return FatFractionMaps(
        result,
        companion("water_signal", fit.water, Unit.ARBITRARY),
        companion("fat_signal", fit.fat, Unit.ARBITRARY),
        companion("field_map", field, Unit.HERTZ),
        companion("r2star", fit.r2star_per_s, Unit.PER_SECOND) if problem.fit_r2star else None,
        companion("fat_fraction_sd", deviation, Unit.PERCENT),
        actions=(*actions, guard.sentence),
        quality={
            "noise_sd": noise_sd,
            "limb_sections": float(report.n_sections),
            "swapped_sections": float(report.n_swapped),
            "uncertain_sections": float(report.n_uncertain),
        },
    )


def _flag(values: NDArray[np.bool_], mask: NDArray[np.bool_], *, outside: bool = False) -> NDArray[np.bool_]:
    volume = np.full(mask.shape, outside)
    volume[mask] = values
    return volume
