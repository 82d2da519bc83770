"""Accuracy gates of the fat fraction on two thighs with known truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.domain.units import Unit
from heliotrope.maps.fat_fraction.complex_fit import fit_complex_fat_fraction
from heliotrope.maps.fat_fraction.t1_guard import t1_guard
from heliotrope.phantoms.dixon import acquire, dixon_thighs
from heliotrope.physics.chemical_shift import fat_fraction_crlb

THREE_ECHOES_MS = (3.45, 4.60, 5.75)
SIX_ECHOES_MS = (1.15, 2.10, 3.05, 4.00, 4.95, 5.90)
SNR = 40.0
SWAP_POINTS = 40.0
"""An error this large is an exchange of water and fat, not noise. [percentage points]"""

CRLB_TABLE = {2.0: 1.283, 10.0: 1.169, 30.0: 0.914, 60.0: 0.706}
"""Finite-difference bounds at SNR 50, six echoes, R2* 30 /s, 3 T, by fat fraction [%]. [percentage points]"""


def _errors(
    echoes: tuple[float, ...], seed: int, alternating_phase_rad: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Error and truth in muscle and subcutaneous fat, and the count of exchanged voxels."""
    generator = np.random.default_rng(seed)
    truth = dixon_thighs(generator, shape=(88, 48, 3))
    volume = acquire(
        truth,
        echo_times_ms=echoes,
        field_strength_t=3.0,
        snr=SNR,
        generator=generator,
        alternating_phase_rad=alternating_phase_rad,
    )
    guard = t1_guard(repetition_time_ms=None, flip_angle_deg=None, field_strength_t=3.0)
    found = fit_complex_fat_fraction(volume, echo_times_ms=echoes, field_strength_t=3.0, guard=guard)
    error = found.fat_fraction.values.astype(np.float64) - truth.percent
    swapped = int(np.count_nonzero(np.abs(error[np.isfinite(error)]) > SWAP_POINTS))
    inside = (truth.muscle | truth.subcutis) & np.isfinite(error)
    return error[inside], truth.percent[inside], swapped


def _largest_bias(effort: Effort) -> float:
    biases = []
    for echoes in (THREE_ECHOES_MS, SIX_ECHOES_MS):
        for seed in range(2 if effort is Effort.REDUCED else 20):
            error, truth, _ = _errors(echoes, seed)
            bands = [(0.0, 10.0), (10.0, 30.0), (30.0, 60.0), (60.0, 100.0)]
            biases += [abs(float(error[(truth >= a) & (truth < b)].mean())) for a, b in bands]
    return max(biases)


def _slope_error(effort: Effort) -> float:
    worst = 0.0
    for echoes in (THREE_ECHOES_MS, SIX_ECHOES_MS):
        for seed in range(1 if effort is Effort.REDUCED else 20):
            error, truth, _ = _errors(echoes, seed)
            worst = max(worst, abs(float(np.polyfit(truth, truth + error, 1)[0]) - 1.0))
    return worst


def _swapped_seeds(effort: Effort) -> float:
    count = 0
    for seed in range(4 if effort is Effort.REDUCED else 200):
        echoes = THREE_ECHOES_MS if seed % 2 else SIX_ECHOES_MS
        count += _errors(echoes, 1000 + seed)[2] > 0
    return float(count)


def _bipolar_bias(effort: Effort) -> float:
    biases = []
    for seed in range(1 if effort is Effort.REDUCED else 20):
        for echoes in (THREE_ECHOES_MS, SIX_ECHOES_MS):
            error, truth, _ = _errors(echoes, seed, alternating_phase_rad=0.2)
            biases.append(abs(float(error[truth < 30.0].mean())))
    return max(biases)


def _crlb_difference(effort: Effort) -> float:
    del effort
    differences = []
    for fat_fraction, expected in CRLB_TABLE.items():
        bound = fat_fraction_crlb(
            fat_fraction=fat_fraction, echo_times_ms=SIX_ECHOES_MS, field_strength_t=3.0, snr=50.0, r2star_per_s=30.0
        )
        differences.append(abs(bound / expected - 1.0))
    return 100.0 * max(differences)


GATES: tuple[Gate, ...] = (
    Gate(
        "fat-fraction-bias",
        "Largest absolute bias in any band of fat fraction, three and six complex echoes at SNR 40, percentage points.",
        1.0,
        Unit.PERCENT,
        Sense.AT_MOST,
        _largest_bias,
    ),
    Gate(
        "fat-fraction-slope",
        "Largest deviation from 1 of the slope of measured on true fat fraction, three and six complex echoes.",
        0.03,
        Unit.ONE,
        Sense.AT_MOST,
        _slope_error,
    ),
    Gate(
        "fat-fraction-swaps",
        "Objects (200 at full effort) in which any voxel has water and fat exchanged, three and six echoes in turn.",
        0.0,
        Unit.COUNT,
        Sense.AT_MOST,
        _swapped_seeds,
    ),
    Gate(
        "fat-fraction-bipolar-bias",
        "Largest absolute bias below 30 % fat under a bipolar phase error of 0.2 rad, three and six complex echoes, "
        "percentage points.",
        1.0,
        Unit.PERCENT,
        Sense.AT_MOST,
        _bipolar_bias,
    ),
    Gate(
        "fat-fraction-crlb",
        "Largest difference of the analytic bound from the finite-difference table.",
        1.0,
        Unit.PERCENT,
        Sense.AT_MOST,
        _crlb_difference,
    ),
)
