"""Fat fraction from complex gradient echoes: multi-peak fat, one R2*, common phase, regularized field map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.maps.fat_fraction.calibration import exchanged_start
from heliotrope.maps.fat_fraction.decisions import LARGEST_MISFIT, Decisions, decide, misfit_over_noise
from heliotrope.maps.fat_fraction.field_candidates import ASSUMED_R2STAR_PER_S, echo_model
from heliotrope.maps.fat_fraction.field_labels import unwrapped
from heliotrope.maps.fat_fraction.field_solver import (
    EchoProblem,
    Solution,
    echo_problem,
    percent_of,
    refine,
    solve,
    spread_over,
)
from heliotrope.maps.fat_fraction.foreground import axial_axis, require_signal, tissue_mask
from heliotrope.maps.fat_fraction.phase_errors import scaled_position
from heliotrope.maps.fat_fraction.result import (
    PLAUSIBLE_PERCENT,
    FatFractionMaps,
    companion_map,
    count_invalid,
)
from heliotrope.maps.fat_fraction.slabs import SLAB_VOXELS, Slab, pilot_of, slabs_of
from heliotrope.maps.fat_fraction.swaps import SwapReport, find_swaps
from heliotrope.maps.fat_fraction.t1_guard import T1Guard
from heliotrope.physics.chemical_shift import fat_fraction_crlb
from heliotrope.physics.fat_spectrum import (
    SIX_PEAK,
    FatSpectrum,
    require_echo_times,
    require_field_strength,
)

METHOD = "fat-fraction-complex/2"

OUTPUTS = ("percent", "water", "fat", "field", "r2star", "deviation")
"""Volumes that a fit fills."""

LARGEST_USEFUL_SD = 25.0
"""Voxels less certain than this are invalid. [percentage points]"""

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
    mask = tissue_mask(_root_mean_square(data))
    if int(mask.sum()) < 8:
        raise QualityRefusal("multi-echo images: no tissue found", hint="check that the images show tissue")
    grid = echoes.grid
    axis = axial_axis(grid)
    slabs = slabs_of(mask, axis, SLAB_VOXELS)
    pilot = pilot_of(mask, axis, SLAB_VOXELS)
    signal = np.ascontiguousarray(data[pilot][mask[pilot]], dtype=np.complex64)
    decisions, problem, solution = decide(signal, nominal, mask[pilot], grid.part(pilot))
    # outputs are filled slab by slab and the field of the slabs before is the known one of the next
    volumes = {name: np.full(mask.shape, np.nan, dtype=np.float32) for name in OUTPUTS}
    noises: list[float] = []
    actions: dict[str, None] = {}
    report = None
    for slab in slabs:
        if len(slabs) == 1:
            part = _settled(problem, solution, grid, slab)
            report = part.report
        else:
            part = _slab(data, mask, grid, slab, decisions, volumes["field"])
        part.write(volumes, guard)
        noises.append(part.solution.noise_sd)
        actions |= dict.fromkeys(part.actions)
        del part
    first = slabs[0].index
    misfit = misfit_over_noise(data[first][..., 0], mask[first], grid, noises[0])
    report = report or find_swaps(volumes["percent"], mask, grid)
    return _result(
        grid, mask, volumes, report, guard, spectrum, decisions, tuple(actions), float(np.median(noises)), misfit
    )


def _root_mean_square(data: NDArray[np.generic]) -> NDArray[np.floating]:
    """Of the echoes, (x, y, z), echo by echo so that no second image is held."""
    squares = np.zeros(data.shape[:3], dtype=np.float32)
    for number in range(data.shape[3]):
        echo = data[..., number]
        squares += echo.real**2 + echo.imag**2
    return np.asarray(np.sqrt(squares / data.shape[3]))


@dataclass(frozen=True, eq=False)
class _Part:
    """One slab, solved, its anatomy judged; arrays hold the voxels of its mask in C order."""

    slab: Slab
    mask: NDArray[np.bool_]
    solution: Solution
    field: NDArray[np.float64]
    report: SwapReport
    actions: tuple[str, ...]

    def write(self, volumes: dict[str, NDArray[np.float32]], guard: T1Guard) -> None:
        """Put what the slab contributes into the output volumes."""
        fit = self.solution.fit
        raw = percent_of(fit)
        slope = np.abs(guard.apply(raw + 0.5) - guard.apply(raw - 0.5))
        found: dict[str, NDArray[np.floating]] = {
            "percent": guard.apply(raw),
            "water": fit.water,
            "fat": fit.fat,
            "field": self.field,
            "r2star": fit.r2star_per_s,
            "deviation": 100.0 * np.sqrt(np.maximum(fit.fraction_variance, 0)) * self.solution.noise_sd * slope,
        }
        for name, values in found.items():
            whole = np.full(self.mask.shape, np.nan, dtype=np.float32)
            whole[self.mask] = values
            volumes[name][self.slab.own_index] = whole[self.slab.own_part]


def _slab(
    data: NDArray[np.generic],
    mask: NDArray[np.bool_],
    grid: Grid,
    slab: Slab,
    decisions: Decisions,
    known: NDArray[np.float32],
) -> _Part:
    """Solve one slab of a stack; `known` holds the field of the slabs before, NaN elsewhere. [Hz]"""
    here = mask[slab.index]
    place = np.argwhere(here)
    place[:, slab.axis] += slab.start
    signal = np.ascontiguousarray(data[slab.index][here], dtype=np.complex64)
    signal = decisions.applied_to(signal, scaled_position(place, mask.shape))
    before = known[slab.index][here].astype(np.float64)
    problem = echo_problem(signal, decisions.model, here, grid.spacing_mm, before)
    return _settled(problem, solve(problem), grid.part(slab.index), slab)


def _settled(problem: EchoProblem, solution: Solution, grid: Grid, slab: Slab) -> _Part:
    """Exchange what contradicts the anatomy and unwrap the field."""
    report = find_swaps(spread_over(percent_of(solution.fit), problem.mask), problem.mask, grid)
    actions: tuple[str, ...] = ()
    if report.n_swapped:
        solution, report, sentence = _exchange(problem, solution, report, grid)
        actions = (sentence,)
    field = unwrapped(
        solution.fit.field_hz.astype(np.float64),
        problem.forward,
        problem.backward,
        problem.model.period_hz,
        np.asarray(problem.weight),
        problem.known_hz,
    )
    return _Part(slab, problem.mask, solution, field, report, actions)


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
    grid: Grid,
    mask: NDArray[np.bool_],
    volumes: dict[str, NDArray[np.float32]],
    report: SwapReport,
    guard: T1Guard,
    spectrum: FatSpectrum,
    decisions: Decisions,
    exchanges: tuple[str, ...],
    noise_sd: float,
    misfit: float | None,
) -> FatFractionMaps:
    """Maps of the filled output volumes, which are given up one by one."""
    percent = volumes.pop("percent")
    with np.errstate(invalid="ignore"):
        low = ~(volumes["water"] + volumes["fat"] > 3.0 * noise_sd)
        wild = mask & ~((percent > PLAUSIBLE_PERCENT[0]) & (percent < PLAUSIBLE_PERCENT[1]))
        vague = mask & ~(volumes["deviation"] <= LARGEST_USEFUL_SD)
    valid = ~(low | wild | vague)
    reasons = count_invalid(
        signal_too_low=low, fat_fraction_outside_plausible_range=wild, standard_deviation_too_large=vague
    )
    fit_r2star = decisions.model.times_s.size >= 4
    flags = [f"complex fit of {decisions.model.times_s.size} echoes, {spectrum.name} fat", guard.sentence]
    flags.extend(report.sentences())
    if not fit_r2star:
        flags.append(f"three echoes: R2* assumed {ASSUMED_R2STAR_PER_S:.0f} /s, not fitted")
    if misfit is not None and misfit > LARGEST_MISFIT:
        flags.append(
            f"the echoes fit water and fat {misfit:.1f} times worse than their noise (limit {LARGEST_MISFIT:g}): phase "
            "errors of the read-out, motion or wrong echo times; the fat fraction may be off by several points"
        )
    fat_fraction = ParametricMap("fat_fraction", percent, valid, grid, Unit.PERCENT, METHOD, tuple(flags), reasons)

    def companion(quantity: str, name: str, unit: Unit) -> ParametricMap:
        return companion_map(quantity, volumes.pop(name), valid, grid, unit, METHOD)

    quality = {
        "noise_sd": noise_sd,
        "limb_sections": float(report.n_sections),
        "swapped_sections": float(report.n_swapped),
        "uncertain_sections": float(report.n_uncertain),
    }
    if misfit is not None:
        quality["misfit_over_noise"] = misfit
    return FatFractionMaps(
        fat_fraction,
        companion("water_signal", "water", Unit.ARBITRARY),
        companion("fat_signal", "fat", Unit.ARBITRARY),
        companion("field_map", "field", Unit.HERTZ),
        companion("r2star", "r2star", Unit.PER_SECOND) if fit_r2star else None,
        companion("fat_fraction_sd", "deviation", Unit.PERCENT),
        actions=(*decisions.sentences, *exchanges, *report.sentences(), guard.sentence),
        quality=quality,
    )
