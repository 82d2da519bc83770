"""Fat spectrum."""

import numpy as np
import pytest

from heliotrope.domain.errors import InputError
from heliotrope.physics.fat_spectrum import (
    SIX_PEAK,
    TEN_PEAK,
    fat_phasor,
    require_echo_times,
    require_field_strength,
)


def test_methylene_lies_434_hz_below_water_at_3_t_and_217_at_1_5_t() -> None:
    # -3.40 ppm x 42.577 MHz/T x B0
    assert SIX_PEAK.main_shift_hz(3.0) == pytest.approx(-434.3, abs=0.1)
    assert SIX_PEAK.main_shift_hz(1.5) == pytest.approx(-217.1, abs=0.1)


def test_unit_fat_has_unit_signal_at_echo_time_zero() -> None:
    for spectrum in (SIX_PEAK, TEN_PEAK):
        np.testing.assert_allclose(fat_phasor([0.0], 3.0, spectrum), [1.0 + 0.0j], atol=1e-12)


def test_ten_peak_proton_count_equals_that_of_the_triglyceride() -> None:
    # C(3 CL + 3) H(...): 3 chains of CL carbons lose 2 protons per double bond
    chain_length, double_bonds = 17.4, 2.6
    protons = 3 * (2 * chain_length - 1) + 5 - 2 * double_bonds
    assert sum(TEN_PEAK.amplitudes) == pytest.approx(protons)


def test_both_spectra_beat_alike() -> None:
    times = np.linspace(0.5, 5.0, 16)
    # the two published spectra agree to a tenth of the signal over the first 5 ms
    assert np.abs(fat_phasor(times, 3.0, SIX_PEAK) - fat_phasor(times, 3.0, TEN_PEAK)).max() < 0.11


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ((2.3, 1.15, 3.45), "out of order: 2.3 ms then 1.15 ms"),
        ((0.0, 1.0, 2.0), "echo time 1 is 0.0 ms"),
        ((-1.0, 1.0, 2.0), "echo time 1 is -1.0 ms"),
        ((1.0, float("nan"), 2.0), "echo time 2 is nan ms"),
        ((1.0,), "at least 3 needed"),
        ((0.00345, 0.0046, 0.00575), "seconds"),
    ],
)
def test_wrong_echo_times_are_named(times: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        require_echo_times(times, at_least=3)
    assert message in str(caught.value)


@pytest.mark.parametrize("field", [0.0, -3.0, float("nan"), 300.0])
def test_an_impossible_field_strength_is_refused(field: float) -> None:
    with pytest.raises(InputError, match="field strength"):
        require_field_strength(field)
