"""Multi-echo gradient-echo signal of water and fat."""

import numpy as np
import pytest

from heliotrope.physics.chemical_shift import (
    TissueT1,
    apparent_fat_fraction,
    fat_fraction_crlb,
    fat_to_water_gain,
    gradient_echo_signal,
    in_opposed_table,
    largest_t1_bias,
    spoiled_weight,
    tissue_t1,
    true_fat_fraction,
)

SIX_ECHOES = tuple(1.15 + 0.95 * j for j in range(6))
FOUR_ECHOES = (3.45, 4.60, 5.75, 6.90)


def test_pure_water_is_one_decaying_rotating_exponential() -> None:
    signal = gradient_echo_signal(2.0, 0.0, 50.0, 30.0, 0.4, echo_times_ms=(1.0, 2.0), field_strength_t=3.0)
    times = np.array([1e-3, 2e-3])
    np.testing.assert_allclose(signal, 2 * np.exp(1j * (0.4 + 2 * np.pi * 50 * times) - 30 * times), rtol=1e-12)


def test_bipolar_and_first_echo_phases_touch_only_the_phase() -> None:
    kwargs = {"echo_times_ms": (1.0, 2.0, 3.0), "field_strength_t": 3.0}
    clean = gradient_echo_signal(1.0, 0.5, 0.0, 30.0, 0.0, **kwargs)  # type: ignore[arg-type]
    bent = gradient_echo_signal(
        1.0,
        0.5,
        0.0,
        30.0,
        0.0,
        alternating_phase_rad=0.2,
        first_echo_phase_rad=0.1,
        **kwargs,  # type: ignore[arg-type]
    )
    np.testing.assert_allclose(np.angle(bent / clean), [0.3, -0.2, 0.2], atol=1e-12)


@pytest.mark.parametrize(
    ("echoes", "table"),
    [
        (SIX_ECHOES, {2: 1.28, 10: 1.17, 30: 0.91, 60: 0.71}),
        (FOUR_ECHOES, {2: 2.13, 10: 1.94, 30: 1.50, 60: 1.00}),
    ],
)
def test_bounds_match_the_finite_difference_table(echoes: tuple[float, ...], table: dict[int, float]) -> None:
    for fat_fraction, expected in table.items():
        bound = fat_fraction_crlb(
            fat_fraction=fat_fraction, echo_times_ms=echoes, field_strength_t=3.0, snr=50.0, r2star_per_s=30.0
        )
        assert bound == pytest.approx(expected, rel=0.01)


def test_knowing_the_field_never_loosens_the_bound() -> None:
    common = {"fat_fraction": 10.0, "echo_times_ms": SIX_ECHOES, "field_strength_t": 3.0, "snr": 50.0}
    free = fat_fraction_crlb(r2star_per_s=30.0, **common)  # type: ignore[arg-type]
    known = fat_fraction_crlb(r2star_per_s=30.0, known=("field_map", "r2star"), **common)  # type: ignore[arg-type]
    assert known < free


@pytest.mark.parametrize(("tr", "flip", "reads"), [(10.0, 3.0, 11.2), (10.0, 10.0, 18.3), (5.0, 15.0, 25.2)])
def test_t1_weighting_raises_ten_percent_as_tabulated(tr: float, flip: float, reads: float) -> None:
    gain = fat_to_water_gain(tr, flip, tissue_t1(3.0))
    assert float(apparent_fat_fraction(10.0, gain)) == pytest.approx(reads, abs=0.06)


def test_t1_correction_is_the_exact_inverse() -> None:
    percent = np.linspace(0, 100, 21)
    np.testing.assert_allclose(true_fat_fraction(apparent_fat_fraction(percent, 1.9), 1.9), percent, atol=1e-12)


def test_largest_bias_is_the_largest_on_a_fine_scan() -> None:
    scan = np.linspace(0, 100, 20001)
    assert largest_t1_bias(1.9) == pytest.approx(float((apparent_fat_fraction(scan, 1.9) - scan).max()), abs=1e-6)


def test_spoiled_signal_peaks_at_the_ernst_angle() -> None:
    t1, tr = 1000.0, 20.0
    ernst = np.rad2deg(np.arccos(np.exp(-tr / t1)))
    weights = [float(spoiled_weight(t1, tr, float(angle))) for angle in (ernst - 1, ernst, ernst + 1)]
    assert weights[1] > max(weights[0], weights[2])


def test_fully_relaxed_signal_has_no_t1_bias() -> None:
    assert fat_to_water_gain(1e6, 20.0, TissueT1(1400.0, 365.0)) == pytest.approx(1.0)


def test_magnitude_two_point_reads_low_as_tabulated() -> None:
    true, read = in_opposed_table(opposed_echo_ms=1.15, in_phase_echo_ms=2.30, field_strength_t=3.0, r2star_per_s=30.0)
    # 0.1 points: the table is rounded to one decimal
    for fat, expected in ((0, -1.8), (5, 2.4), (10, 6.7), (20, 15.5), (40, 34.2)):
        assert float(np.interp(fat, true, read)) == pytest.approx(expected, abs=0.1)
