"""Fat fraction from two complex echoes: two algebraic solutions per voxel, chosen by a smooth field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.maps.fat_fraction.field_candidates import ASSUMED_R2STAR_PER_S
from heliotrope.maps.fat_fraction.field_labels import choose_candidates, neighbors, unwrapped
from heliotrope.maps.fat_fraction.field_solver import (
    FIELD_SD_HZ,
    FIELD_SD_HZ_PER_MM,
    LARGEST_JUMP,
    spread_over,
    wrapped,
)
from heliotrope.maps.fat_fraction.foreground import require_signal, tissue_mask
from heliotrope.maps.fat_fraction.islands import settle_islands
from heliotrope.maps.fat_fraction.result import FatFractionMaps, companion_map, count_invalid
from heliotrope.maps.fat_fraction.swaps import find_swaps
from heliotrope.maps.fat_fraction.t1_guard import T1Guard
from heliotrope.physics.fat_spectrum import (
    SIX_PEAK,
    FatSpectrum,
    fat_phasor,
    require_echo_times,
    require_field_strength,
)

METHOD = "fat-fraction-two-point/1"


def fit_two_point_fat_fraction(
    echoes: Volume,
    *,
    echo_times_ms: tuple[float, float],
    field_strength_t: float,
    guard: T1Guard,
    spectrum: FatSpectrum = SIX_PEAK,
) -> FatFractionMaps:
    """Water, fat and field of two complex echoes.

    Parameters
    ----------
    echoes : complex Volume of shape (x, y, z, 2)
        [arbitrary]
    echo_times_ms : tuple of 2 floats
        [ms]
    field_strength_t : float
        [T]
    guard : T1Guard

    Notes
    -----
    |W + c1 F| and |W + c2 F| are known after undoing an assumed decay, which leaves a quadratic with a water-rich and a
    fat-rich root; each implies a field, and the smooth field decides (Berglund 2010, doi 10.1002/mrm.22385). Whether a
    whole limb is exchanged is decided by its subcutaneous ring.
    """
    times_ms = require_echo_times(echo_times_ms, at_least=2)
    require_field_strength(field_strength_t)
    data = np.asarray(echoes.data)
    if data.ndim != 4 or data.shape[3] != 2 or not np.iscomplexobj(data) or times_ms.size != 2:
        raise InputError(
            f"two-point images of shape {data.shape}, {times_ms.size} echo times: two complex echoes needed",
            hint="give two echoes with magnitude and phase",
        )
    require_signal(data, "echoes")
    phasor = fat_phasor(times_ms, field_strength_t, spectrum)
    if abs(abs(1 - phasor[0]) - abs(1 - phasor[1])) < 0.5:
        raise InputError(
            f"echo times {times_ms[0]:g} and {times_ms[1]:g} ms at {field_strength_t:g} T see water and fat alike",
            hint="give one echo near in phase and one near opposed phase",
            code="E_ECHO_TIMES",
        )
    mask = tissue_mask(np.sqrt(np.mean(np.abs(data) ** 2, axis=3)))
    signal = data[mask].astype(np.complex128) * np.exp(ASSUMED_R2STAR_PER_S * times_ms * 1e-3)
    fractions = _roots(np.abs(signal), phasor)
    step_s = float(times_ms[1] - times_ms[0]) * 1e-3
    mixture = 1 - fractions[:, :, None] + fractions[:, :, None] * phasor
    turn = (signal[:, 1] * np.conj(signal[:, 0]))[:, None] * np.conj(mixture[:, :, 1] * np.conj(mixture[:, :, 0]))
    field = (np.angle(turn) / (2 * np.pi * step_s)).astype(np.float32)
    forward, backward = neighbors(mask)
    shift = spectrum.main_shift_hz(field_strength_t)
    spread = [min(FIELD_SD_HZ + FIELD_SD_HZ_PER_MM * d, abs(shift) / 6) for d in echoes.grid.spacing_mm]
    # a faint pull toward the smaller field settles limbs that nothing else does
    cost = (1e-3 * np.abs(field) / abs(shift)).astype(np.float32)
    labels = choose_candidates(
        field,
        cost,
        forward,
        backward,
        field_sd_hz=(spread[0], spread[1], spread[2]),
        largest_jump_hz=LARGEST_JUMP * abs(shift),
        period_hz=1.0 / step_s,
        shift_hz=shift,
    )
    rows = np.arange(labels.size)
    settled = settle_islands(
        mask,
        echoes.grid.spacing_mm,
        field,
        cost,
        field[rows, labels].astype(np.float64),
        shift_hz=shift,
        period_hz=1.0 / step_s,
        field_sd_hz=max(spread[:2]),
        field_sd_hz_per_mm=FIELD_SD_HZ_PER_MM,
        largest_jump_hz=LARGEST_JUMP * abs(shift),
    )
    labels = np.argmin(np.abs(wrapped(field - settled[:, None], 1.0 / step_s)), axis=1).astype(labels.dtype)
    percent = 100.0 * fractions[rows, labels]
    report = find_swaps(spread_over(percent, mask), mask, echoes.grid)
    if report.n_swapped:
        labels = np.where(report.swapped[mask], 1 - labels, labels)
        percent = 100.0 * fractions[rows, labels]
    chosen_field = field[rows, labels].astype(np.float64)
    weight = (np.abs(signal) ** 2).mean(axis=1)
    chosen_mixture = np.abs(mixture[rows, labels])
    total = (np.abs(signal) * chosen_mixture).sum(axis=1) / np.maximum((chosen_mixture**2).sum(axis=1), 1e-30)
    apparent = percent / 100.0
    percent = guard.apply(percent)
    flags = (
        f"two complex echoes, {spectrum.name} fat: R2* assumed {ASSUMED_R2STAR_PER_S:.0f} /s",
        guard.sentence,
        *report.sentences(),
    )
    grid = echoes.grid
    result = ParametricMap(
        "fat_fraction",
        spread_over(percent, mask).astype(np.float32),
        mask,
        grid,
        Unit.PERCENT,
        METHOD,
        flags,
        count_invalid(signal_too_low=~mask),
    )

    def companion(quantity: str, values: NDArray[np.floating], unit: Unit) -> ParametricMap:
        return companion_map(quantity, spread_over(values, mask), mask, grid, unit, METHOD)

    return FatFractionMaps(
        result,
        companion("water_signal", total * (1 - apparent), Unit.ARBITRARY),
        companion("fat_signal", total * apparent, Unit.ARBITRARY),
        companion("field_map", unwrapped(chosen_field, forward, backward, 1.0 / step_s, weight), Unit.HERTZ),
        actions=flags,
        quality={
            "limb_sections": float(report.n_sections),
            "swapped_sections": float(report.n_swapped),
            "uncertain_sections": float(report.n_uncertain),
        },
    )


def _roots(magnitude: NDArray[np.float64], phasor: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Water-rich and fat-rich fraction (0-1) of each voxel, shape (n_voxels, 2).

    |1 - q + q c1|^2 m2^2 = |1 - q + q c2|^2 m1^2 is quadratic in q.
    """
    power = magnitude**2
    # |1 + q (c - 1)|^2 = 1 + 2 q Re(c - 1) + q^2 |c - 1|^2
    linear, square = 2 * (phasor - 1).real, np.abs(phasor - 1) ** 2
    a = square[0] * power[:, 1] - square[1] * power[:, 0]
    b = linear[0] * power[:, 1] - linear[1] * power[:, 0]
    c = power[:, 1] - power[:, 0]
    discriminant = np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))
    safe = np.where(np.abs(a) < 1e-12 * np.abs(b), 1e-12 * np.abs(b) + 1e-300, a)
    roots = np.stack([(-b - discriminant) / (2 * safe), (-b + discriminant) / (2 * safe)], axis=1)
    return np.asarray(np.sort(np.clip(roots, -0.1, 1.1), axis=1))
