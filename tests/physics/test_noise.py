"""Noise: made, undone, estimated."""

import numpy as np
import pytest

from heliotrope.physics.noise import add_rician_noise, estimate_noise, without_noise_bias

NOISE_TOLERANCE = 0.05


def _echoes(*, with_air: bool) -> np.ndarray:
    decay = np.exp(-9.5 * np.arange(1, 13) / 35.0)
    signal = np.zeros((64, 64, 2, 12))
    signal[12:52, 12:52] = 500.0 * decay
    return signal if with_air else signal[14:50, 14:50]


def test_air_gives_the_noise_of_one_channel() -> None:
    noisy = add_rician_noise(_echoes(with_air=True), 10.0, np.random.default_rng(1))
    found = estimate_noise(noisy)
    assert found.method == "background-rayleigh/1"
    assert found.sd == pytest.approx(10.0, rel=NOISE_TOLERANCE)
    assert found.flags == ()


def test_several_channels_are_recognized_by_their_law() -> None:
    generator = np.random.default_rng(2)
    signal = _echoes(with_air=True) / 2.0
    power = np.zeros_like(signal)
    for _ in range(4):
        power += add_rician_noise(signal, 10.0, generator) ** 2
    found = estimate_noise(np.sqrt(power))
    assert found.channels == pytest.approx(4.0, rel=0.1)
    assert found.sd == pytest.approx(10.0, rel=NOISE_TOLERANCE)
    assert "channels" in found.flags[0]


def test_without_air_the_estimate_is_flagged_and_of_the_right_size() -> None:
    noisy = add_rician_noise(_echoes(with_air=False), 4.0, np.random.default_rng(3))
    found = estimate_noise(noisy)
    assert found.method in {"detail-mad/1", "frame-subspace/1"}
    assert found.sd == pytest.approx(4.0, rel=0.35)
    assert "No usable background" in found.flags[0]


def test_zeroed_background_is_not_taken_for_noise() -> None:
    noisy = add_rician_noise(_echoes(with_air=True), 4.0, np.random.default_rng(4))
    noisy[_echoes(with_air=True) == 0.0] = 0.0
    found = estimate_noise(noisy)
    assert found.method in {"detail-mad/1", "frame-subspace/1"}
    assert found.sd == pytest.approx(4.0, rel=0.35)


def test_a_noiseless_series_has_no_noise() -> None:
    assert estimate_noise(_echoes(with_air=True)).sd < 1e-6 * 500.0


def test_the_rician_correction_removes_the_mean_shift() -> None:
    noisy = add_rician_noise(np.full(200_000, 50.0), 10.0, np.random.default_rng(5))
    assert noisy.mean() - 50.0 > 0.9
    assert without_noise_bias(noisy, 10.0).mean() == pytest.approx(50.0, abs=0.1)
