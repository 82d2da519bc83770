"""Fat fraction from magnitude gradient echoes: multi-echo fit, and the two-point reading corrected by lookup."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.maps.fat_fraction.field_candidates import ASSUMED_R2STAR_PER_S
from heliotrope.maps.fat_fraction.foreground import require_signal, tissue_mask
from heliotrope.maps.fat_fraction.result import FatFractionMaps, companion_map, count_invalid
from heliotrope.maps.fat_fraction.swaps import find_swaps
from heliotrope.maps.fat_fraction.t1_guard import T1Guard
from heliotrope.physics.chemical_shift import in_opposed_table
from heliotrope.physics.fat_spectrum import (
    SIX_PEAK,
    FatSpectrum,
    fat_phasor,
    require_echo_times,
    require_field_strength,
)

MULTI_METHOD = "fat-fraction-magnitude/1"
TWO_POINT_METHOD = "fat-fraction-in-opposed/1"

TWO_POINT_R2STAR_PER_S = 30.0
"""Decay rate assumed in the lookup of the two-point reading; evidence `two-point-bias`. [1/s]"""

R2STAR_GRID_PER_S = (0.0, 20.0, 40.0, 60.0, 90.0, 130.0, 200.0)
"""Start values of the decay rate. [1/s]"""


def fit_magnitude_fat_fraction(
    echoes: Volume,
    *,
    echo_times_ms: tuple[float, ...],
    field_strength_t: float,
    guard: T1Guard,
    spectrum: FatSpectrum = SIX_PEAK,
) -> FatFractionMaps:
    """Water, fat and R2* of magnitude multi-echo images.

    Parameters
    ----------
    echoes : Volume of shape (x, y, z, n_echo)
        Magnitude. [arbitrary]
    echo_times_ms : tuple of n_echo floats
        At least three, increasing. [ms]
    field_strength_t : float
        [T]
    guard : T1Guard

    Returns
    -------
    FatFractionMaps
        ``fat_fraction`` [%], ``water_signal``, ``fat_signal``, ``r2star`` [1/s] (four echoes or more).

    Notes
    -----
    Without phase, water-rich and fat-rich solutions nearly mirror each other about 50 %; only the multi-peak beat of
    fat tells them apart. Both are fitted and the better residual decides: single voxels may flip near
    50 % or at low signal.
    """
    times_ms = require_echo_times(echo_times_ms, at_least=3)
    require_field_strength(field_strength_t)
    data = _require_magnitude(echoes, times_ms.size)
    mask = tissue_mask(np.sqrt(np.mean(np.square(data), axis=3)))
    signal = np.ascontiguousarray(data[mask], dtype=np.float64)
    fit_decay = times_ms.size >= 4
    rates = np.array(R2STAR_GRID_PER_S if fit_decay else (ASSUMED_R2STAR_PER_S,))
    phasor = fat_phasor(times_ms, field_strength_t, spectrum)
    columns = _fit(signal, times_ms * 1e-3, phasor, rates, fit_decay)
    water, fat, r2star, residual = (columns[:, k] for k in range(4))
    freedom = times_ms.size - 2 - int(fit_decay)
    noise_sd = float(np.sqrt(np.median(residual) / max(freedom - 0.5, 0.5)))
    total = water + fat
    percent = guard.apply(100.0 * fat / np.where(total > 0, total, np.nan))
    low = ~(total > 3.0 * noise_sd)
    valid = np.zeros(mask.shape, dtype=bool)
    valid[mask] = ~low
    volume = _volume(percent, mask)
    report = find_swaps(volume, mask, echoes.grid)
    flags = [
        f"magnitude fit of {times_ms.size} echoes, {spectrum.name} fat: sides of 50 % told apart by the spectrum only",
        guard.sentence,
        *report.sentences(),
    ]
    if not fit_decay:
        flags.append(f"three echoes: R2* assumed {ASSUMED_R2STAR_PER_S:.0f} /s, not fitted")
    grid = echoes.grid
    result = ParametricMap(
        "fat_fraction",
        volume.astype(np.float32),
        valid,
        grid,
        Unit.PERCENT,
        MULTI_METHOD,
        tuple(flags),
        count_invalid(signal_too_low=~valid),
    )
    return FatFractionMaps(
        result,
        companion_map("water_signal", _volume(water, mask), valid, grid, Unit.ARBITRARY, MULTI_METHOD),
        companion_map("fat_signal", _volume(fat, mask), valid, grid, Unit.ARBITRARY, MULTI_METHOD),
        r2star=companion_map("r2star", _volume(r2star, mask), valid, grid, Unit.PER_SECOND, MULTI_METHOD)
        if fit_decay
        else None,
        actions=tuple(flags),
        quality={"noise_sd": noise_sd, "swapped_sections": float(report.n_swapped)},
    )


def read_in_opposed_fat_fraction(
    opposed: Volume,
    in_phase: Volume,
    *,
    opposed_echo_ms: float,
    in_phase_echo_ms: float,
    field_strength_t: float,
    guard: T1Guard,
    spectrum: FatSpectrum = SIX_PEAK,
) -> FatFractionMaps:
    """Fat fraction below 50 % from in- and opposed-phase magnitudes, the last resort.

    Parameters
    ----------
    opposed, in_phase : Volume of shape (x, y, z)
        Magnitudes. [arbitrary]
    opposed_echo_ms, in_phase_echo_ms : float
        [ms]
    field_strength_t : float
        [T]
    guard : T1Guard

    Notes
    -----
    (IP - OP) / 2 IP, corrected by a table for these echo times, the spectrum and R2* of 30 /s. The reading turns
    around near 50 %: pure fat reads like a small fraction. Subcutaneous fat and marrow are therefore
    wrong by design, which the flags say; use it inside muscle only.
    """
    require_field_strength(field_strength_t)
    require_echo_times(sorted((opposed_echo_ms, in_phase_echo_ms)), at_least=2)
    both = np.stack([np.asarray(opposed.data), np.asarray(in_phase.data)], axis=-1)
    data = _require_magnitude(Volume(both, opposed.grid), 2)
    true, read = in_opposed_table(
        opposed_echo_ms=opposed_echo_ms,
        in_phase_echo_ms=in_phase_echo_ms,
        field_strength_t=field_strength_t,
        r2star_per_s=TWO_POINT_R2STAR_PER_S,
        spectrum=spectrum,
    )
    top = int(np.argmax(read))
    if read[top] - read[0] < 25.0:
        raise InputError(
            f"echo times {opposed_echo_ms:g} and {in_phase_echo_ms:g} ms at {field_strength_t:g} T: no such pair",
            hint="give an opposed-phase and an in-phase echo",
            code="E_ECHO_TIMES",
        )
    mask = tissue_mask(data[..., 1])
    reading = 100.0 * (data[..., 1] - data[..., 0]) / (2.0 * np.where(data[..., 1] > 0, data[..., 1], 1.0))
    slope_low = (read[1] - read[0]) / (true[1] - true[0])
    below = true[0] + (reading - read[0]) / slope_low
    inside = np.interp(reading, read[: top + 1], true[: top + 1])
    percent = guard.apply(np.where(reading < read[0], below, inside))
    beyond = reading > read[top]
    valid = mask & ~beyond & (percent > -25.0)
    flags = (
        "two-point magnitude reading: fat-rich tissue reads as lean; usable inside muscle only",
        f"corrected by lookup for these echo times with R2* {TWO_POINT_R2STAR_PER_S:.0f} /s assumed",
        guard.sentence,
    )
    result = ParametricMap(
        "fat_fraction",
        percent.astype(np.float32),
        valid,
        opposed.grid,
        Unit.PERCENT,
        TWO_POINT_METHOD,
        flags,
        count_invalid(signal_too_low=~mask, beyond_the_turning_point=beyond, implausible=~valid),
    )
    return FatFractionMaps(result, actions=flags)


def _require_magnitude(echoes: Volume, n_times: int) -> NDArray[np.float64]:
    if echoes.data.ndim != 4 or np.iscomplexobj(echoes.data):
        raise InputError(
            f"magnitude echoes of shape {echoes.data.shape}: real data with four axes needed", hint="give all echoes"
        )
    if echoes.n_frames != n_times:
        raise InputError(f"{echoes.n_frames} echoes and {n_times} echo times", hint="give one echo time per echo")
    data = np.asarray(echoes.data, dtype=np.float64)
    require_signal(data, "magnitude echoes")
    low = float(data.min())
    if low < 0:
        raise InputError(f"magnitude echoes: smallest value {low:.4g}, never negative", hint="give the magnitude")
    return data


def _volume(values: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    volume = np.full(mask.shape, np.nan)
    volume[mask] = values
    return volume


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _squares(
    y: NDArray[np.float64],
    times: NDArray[np.float64],
    phasor: NDArray[np.complex128],
    water: float,
    fat: float,
    rate: float,
) -> float:
    total = 0.0
    for j in range(times.size):
        mixture = water + fat * phasor[j]
        value = np.exp(-rate * times[j]) * np.sqrt(mixture.real**2 + mixture.imag**2)
        total += (y[j] - value) ** 2
    return total


@njit(parallel=True, cache=True, nogil=True)  # pragma: no cover - compiled
def _fit(
    signal: NDArray[np.float64],
    times: NDArray[np.float64],
    phasor: NDArray[np.complex128],
    rates: NDArray[np.float64],
    fit_decay: bool,
) -> NDArray[np.float64]:
    n_voxels, n_echo = signal.shape
    n_fractions = 21
    size = 3 if fit_decay else 2
    out = np.full((n_voxels, 4), np.nan)
    for voxel in prange(n_voxels):
        y = signal[voxel]
        jacobian = np.empty((n_echo, 3))
        left = np.empty(n_echo)
        best = np.inf
        for half in range(2):
            start = np.inf
            water = fat = rate = 0.0
            for index in range(half * 10, 11 + half * 10):
                f = index / (n_fractions - 1.0)
                for r in rates:
                    ss = sy = yy = 0.0
                    for j in range(n_echo):
                        mixture = 1.0 - f + f * phasor[j]
                        value = np.exp(-r * times[j]) * np.sqrt(mixture.real**2 + mixture.imag**2)
                        ss += value * value
                        sy += value * y[j]
                        yy += y[j] * y[j]
                    misfit = yy - sy * sy / ss
                    if misfit < start:
                        start = misfit
                        water = (1.0 - f) * sy / ss
                        fat = f * sy / ss
                        rate = r
            damping = 1e-3
            squares = _squares(y, times, phasor, water, fat, rate)
            for _ in range(20):
                for j in range(n_echo):
                    mixture = water + fat * phasor[j]
                    size_of = np.sqrt(mixture.real**2 + mixture.imag**2) + 1e-30
                    decay = np.exp(-rate * times[j])
                    left[j] = y[j] - decay * size_of
                    jacobian[j, 0] = decay * mixture.real / size_of
                    overlap = mixture.real * phasor[j].real + mixture.imag * phasor[j].imag
                    jacobian[j, 1] = decay * overlap / size_of
                    jacobian[j, 2] = -times[j] * decay * size_of
                normal = np.zeros((size, size))
                right = np.zeros(size)
                for a in range(size):
                    for j in range(n_echo):
                        right[a] += jacobian[j, a] * left[j]
                    for b in range(size):
                        for j in range(n_echo):
                            normal[a, b] += jacobian[j, a] * jacobian[j, b]
                for a in range(size):
                    normal[a, a] = normal[a, a] * (1.0 + damping) + 1e-20
                step = np.linalg.solve(normal, right)
                new_water = water + step[0]
                new_fat = fat + step[1]
                new_rate = min(max(rate + step[2], 0.0), 500.0) if fit_decay else rate
                fresh = _squares(y, times, phasor, new_water, new_fat, new_rate)
                if fresh <= squares:
                    gain = squares - fresh
                    water, fat, rate, squares = new_water, new_fat, new_rate, fresh
                    damping = max(damping * 0.1, 1e-9)
                    if gain <= 1e-9 * squares + 1e-30:
                        break
                else:
                    damping *= 10.0
                    if damping > 1e8:
                        break
            if squares < best:
                best = squares
                out[voxel, 0] = water
                out[voxel, 1] = fat
                out[voxel, 2] = rate
                out[voxel, 3] = squares
    return out
