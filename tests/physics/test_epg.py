"""Echo trains against algebra and against an isochromat simulation."""

import numpy as np
import pytest

from heliotrope.domain.errors import InputError
from heliotrope.physics import bloch
from heliotrope.physics.epg import echo_table, echo_train
from heliotrope.physics.slice_profile import (
    HANN_SINC_TIME_BANDWIDTH,
    REFOCUSING_SLAB_RATIO,
    ProfilePreset,
    hann_sinc_waveform,
    hard_pulse_flip_rad,
    slice_profile,
)

ROUNDING = 1e-12
EXCITATION_PHASE = 4e-3
"""The excitation leaves a small phase across the slice, which echo states with one flip angle do not carry."""


def test_perfect_refocusing_decays_with_t2_alone() -> None:
    train = echo_train(
        t2_ms=40.0, t1_ms=1400.0, echo_spacing_ms=9.5, n_echoes=17, excitation_deg=90.0, refocusing_deg=180.0
    )
    np.testing.assert_allclose(train, np.exp(-9.5 * np.arange(1, 18) / 40.0), atol=ROUNDING)


def test_refocusing_by_120_degrees_without_relaxation_gives_the_published_fractions() -> None:
    train = echo_train(
        t2_ms=1e15, t1_ms=1e15, echo_spacing_ms=1.0, n_echoes=4, excitation_deg=90.0, refocusing_deg=120.0
    )
    np.testing.assert_allclose(train, [3 / 4, 15 / 16, 27 / 32, 219 / 256], atol=ROUNDING)


@pytest.mark.parametrize("refocusing_deg", [60.0, 90.0, 120.0, 155.0, 180.0, 205.0])
@pytest.mark.parametrize("excitation_deg", [50.0, 90.0])
@pytest.mark.parametrize("n_echoes", [1, 2, 17, 32])
def test_echo_states_agree_with_isochromats(refocusing_deg: float, excitation_deg: float, n_echoes: int) -> None:
    states = echo_train(
        t2_ms=43.0,
        t1_ms=1100.0,
        echo_spacing_ms=8.0,
        n_echoes=n_echoes,
        excitation_deg=excitation_deg,
        refocusing_deg=refocusing_deg,
    )
    isochromats = bloch.echo_train(
        t2_ms=43.0,
        t1_ms=1100.0,
        echo_spacing_ms=8.0,
        n_echoes=n_echoes,
        excitation_rad=np.deg2rad(excitation_deg),
        refocusing_rad=np.deg2rad(refocusing_deg),
    )
    np.testing.assert_allclose(states, isochromats, atol=1e-10)


@pytest.mark.parametrize("b1", [0.6, 1.0, 1.15])
def test_simulated_flip_angles_stand_in_for_the_played_pulses(b1: float) -> None:
    waveform = hann_sinc_waveform(HANN_SINC_TIME_BANDWIDTH, 128)
    positions = (np.arange(32) + 0.5) / 32 * 2.8 - 1.4
    played = bloch.selective_echo_train(
        t2_ms=40.0,
        t1_ms=1400.0,
        echo_spacing_ms=9.5,
        n_echoes=10,
        excitation=waveform,
        refocusing=waveform,
        time_bandwidth=HANN_SINC_TIME_BANDWIDTH,
        refocusing_slab_ratio=REFOCUSING_SLAB_RATIO,
        positions=positions,
        b1=b1,
    )
    profile = slice_profile(ProfilePreset.HANN_SINC, np.array([b1]))
    states = echo_table(
        t2_ms=np.array([40.0]),
        t1_ms=1400.0,
        echo_spacing_ms=9.5,
        n_echoes=10,
        excitation_rad=profile.excitation_rad,
        refocusing_rad=profile.refocusing_rad,
    )[0, 0]
    np.testing.assert_allclose(states / states[0], played / played[0], atol=EXCITATION_PHASE)


def test_on_resonance_the_pulse_turns_by_its_nominal_angle_times_the_field() -> None:
    flips = hard_pulse_flip_rad(
        hann_sinc_waveform(2.0),
        nominal_flip_deg=90.0,
        time_bandwidth=2.0,
        positions=np.array([0.0]),
        b1=np.array([0.5, 1.0, 1.2]),
    )
    np.testing.assert_allclose(np.rad2deg(flips[:, 0]), [45.0, 90.0, 108.0], atol=1e-9)


def test_a_waveform_without_integral_is_refused() -> None:
    with pytest.raises(InputError, match="nonzero integral"):
        hard_pulse_flip_rad(
            np.tile([1.0, -1.0], 8),
            nominal_flip_deg=90.0,
            time_bandwidth=2.0,
            positions=np.array([0.0]),
            b1=np.array([1.0]),
        )


def test_a_train_without_echoes_is_refused() -> None:
    with pytest.raises(InputError, match="must be positive"):
        echo_train(t2_ms=40.0, t1_ms=1000.0, echo_spacing_ms=9.0, n_echoes=0, excitation_deg=90.0, refocusing_deg=180.0)
