"""Diffusion signal, schemes and bounds."""

import numpy as np
import pytest

from heliotrope.domain.errors import InputError
from heliotrope.physics.diffusion import (
    DiffusionScheme,
    adc_crlb,
    fractional_anisotropy,
    ivim_crlb,
    ivim_signal,
    mono_exponential_signal,
    published_fa_inflation,
    pvp_diffusivity_ratio,
    tensor_signal,
)

IVIM_B = np.repeat([0.0, 10, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400, 500, 600, 800], 3)


@pytest.mark.parametrize(("b_values", "percent"), [((0, 800), 9.6), ((0, 400, 800), 7.9), ((0,) * 2 + (800,) * 6, 4.2)])
def test_adc_bounds_match_the_table(b_values: tuple[float, ...], percent: float) -> None:
    # half of the last printed digit
    assert 100 * adc_crlb(b_values, 1.5e-3, 30.0) == pytest.approx(percent, abs=0.05)


def test_ivim_bounds_match_the_table() -> None:
    low = ivim_crlb(IVIM_B, diffusivity=1.46e-3, perfusion_fraction=0.05, pseudo_diffusivity=29.7e-3, snr=40)
    high = ivim_crlb(IVIM_B, diffusivity=1.46e-3, perfusion_fraction=0.11, pseudo_diffusivity=29.7e-3, snr=40)
    # the table gives 0.018 to 0.019, rounded
    assert 0.0175 < low[0] < 0.0195
    assert 0.0175 < high[0] < 0.0195
    assert {round(100 * low[1], 1), round(100 * high[1], 1)} == {3.7, 3.9}
    assert (round(100 * low[2]), round(100 * high[2])) == (81, 37)


def test_isotropic_tensor_equals_mono_exponential() -> None:
    scheme = DiffusionScheme((0.0, 400.0, 800.0), ((0.0, 0.0, 0.0), (0.6, 0.8, 0.0), (0.0, 0.0, 1.0)))
    np.testing.assert_allclose(
        tensor_signal(scheme, np.eye(3) * 1.5e-3), mono_exponential_signal(scheme.b, 1.5e-3), rtol=1e-12
    )


def test_ivim_without_perfusion_is_mono_exponential() -> None:
    np.testing.assert_allclose(ivim_signal(IVIM_B, 1e-3, 0.0, 3e-2), mono_exponential_signal(IVIM_B, 1e-3))


def test_anisotropy_runs_from_sphere_to_line() -> None:
    assert float(fractional_anisotropy([1.0, 1.0, 1.0])) == pytest.approx(0.0)
    assert float(fractional_anisotropy([1.0, 0.0, 0.0])) == pytest.approx(1.0)


def test_water_without_polymer_diffuses_like_water() -> None:
    assert float(pvp_diffusivity_ratio(0.0)) == 1.0


def test_inflation_is_unknown_below_the_curve() -> None:
    assert np.isnan(published_fa_inflation(10.0))
    assert published_fa_inflation(15.0) == pytest.approx(0.031)


def test_shells_gather_jittered_b_values() -> None:
    assert DiffusionScheme((0.0, 1.0, 395.0, 400.0, 405.0, 800.0)).shells == (0.5, 400.0, 800.0)


@pytest.mark.parametrize(
    ("b_values", "directions", "message"),
    [
        ((0.0, -5.0), (), "b-value 1 is -5.0"),
        ((0.0, float("nan")), (), "b-value 1 is nan"),
        ((0.0, 0.8), (), "largest b-value is 0.8"),
        ((0.0, 8e5), (), "limit 50000 s/mm2"),
        ((0.0, 400.0), ((0.0, 0.0, 0.0), (0.5, 0.5, 0.0)), "has length 0.7071"),
        ((0.0, 400.0), ((0.0, 0.0, 0.0),), "2 b-values and 1 directions"),
    ],
)
def test_a_wrong_scheme_is_named(
    b_values: tuple[float, ...], directions: tuple[tuple[float, float, float], ...], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        DiffusionScheme(b_values, directions)
    assert message in str(caught.value)
