"""Apparent diffusion coefficient."""

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.maps.adc import fit_adc
from heliotrope.physics.diffusion import DiffusionScheme, adc_crlb, mono_exponential_signal

B = (0.0, 0.0, 400.0, 400.0, 400.0, 800.0, 800.0, 800.0, 800.0)
SCHEME = DiffusionScheme(B)


def _volume(data: NDArray[np.floating]) -> Volume:
    x, y, z = data.shape[:3]
    return Volume(data.astype(np.float32), Grid.from_spacing((x, y, z), (2.0, 2.0, 5.0)))


def _noisy(diffusivity: float, snr: float, shape: tuple[int, int, int] = (20, 20, 10)) -> NDArray[np.float64]:
    generator = np.random.default_rng(7)
    clean = mono_exponential_signal(B, np.full(shape, diffusivity))
    noise = generator.normal(0, 1 / snr, (2, *clean.shape))
    return np.asarray(np.hypot(clean + noise[0], noise[1]))


def test_noise_free_adc_is_exact() -> None:
    truth = np.linspace(0.3e-3, 3e-3, 8).reshape(2, 2, 2)
    found = fit_adc(_volume(500 * mono_exponential_signal(B, truth)), SCHEME)
    # float32 input: seven digits of signal
    np.testing.assert_allclose(found.adc.values, truth, rtol=1e-4)


def test_bias_is_below_two_percent_and_sd_near_the_bound_at_snr_30() -> None:
    found = fit_adc(_volume(_noisy(1.5e-3, 30.0)), SCHEME)
    values = found.adc.values[found.adc.valid]
    assert abs(float(values.mean()) / 1.5e-3 - 1) < 0.02
    bound = adc_crlb(B, 1.5e-3, 30.0) * 1.5e-3
    # 4000 voxels: the sd itself is known to 1 %
    assert float(values.std()) < 1.1 * bound
    assert found.sd is not None
    assert float(np.median(found.sd.values)) == pytest.approx(bound, rel=0.1)
    assert found.snr == pytest.approx(30.0, rel=0.1)


def test_air_is_invalid_with_a_counted_reason() -> None:
    data = _noisy(1.5e-3, 40.0)
    generator = np.random.default_rng(1)
    data[:10] = np.hypot(*generator.normal(0, 1 / 40, (2, 10, 20, 10, len(B))))
    data[0, 0, 0] = 0
    found = fit_adc(_volume(data), SCHEME)
    assert found.adc.valid[10:].all()
    assert found.adc.valid[:10].mean() < 0.01
    assert found.adc.invalid_reasons["signal zero or negative"] == 1
    assert np.isnan(found.adc.values[0, 0, 0])


def test_two_frames_give_an_adc_without_a_standard_deviation() -> None:
    data = 100 * mono_exponential_signal((0.0, 800.0), np.full((3, 3, 3), 1.2e-3))
    found = fit_adc(_volume(data), DiffusionScheme((0.0, 800.0)))
    assert found.sd is None
    assert found.snr is None
    np.testing.assert_allclose(found.adc.values, 1.2e-3, rtol=1e-4)


@pytest.mark.parametrize("spoil", ["nan", "zero", "frames", "one_b"])
def test_unusable_input_is_refused(spoil: str) -> None:
    data = np.ones((2, 2, 2, 9))
    scheme = SCHEME
    if spoil == "nan":
        data[0, 0, 0, 0] = np.nan
    elif spoil == "zero":
        data[:] = 0
    elif spoil == "frames":
        data = data[..., :5]
    else:
        scheme = DiffusionScheme((400.0,) * 9)
    with pytest.raises(InputError):
        fit_adc(_volume(data), scheme)


def test_the_b_values_used_are_always_stated() -> None:
    found = fit_adc(_volume(_noisy(1.5e-3, 50.0)), SCHEME, minimum_b=100.0)
    assert "b 400, 800 s/mm2" in found.adc.flags[0]
