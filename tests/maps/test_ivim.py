"""Intravoxel incoherent motion."""

import numpy as np
import pytest

from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.maps.ivim import fit_ivim
from heliotrope.phantoms.diffusion import perfused_block
from heliotrope.physics.diffusion import DiffusionScheme

SCHEME = DiffusionScheme(
    tuple(float(b) for b in np.repeat([0, 10, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400, 500, 600, 800], 3))
)


def test_d_and_f_are_recovered_at_snr_40() -> None:
    block = perfused_block(np.random.default_rng(0), SCHEME, snr=40.0)
    found = fit_ivim(block.volume, SCHEME, generator=np.random.default_rng(1))
    # a little perfusion is left at b 200 (exp(-200 D*) = 0.3 %): D up to 2 %, f up to 0.01
    assert float(np.nanmean(found.diffusivity.values)) == pytest.approx(1.46e-3, rel=0.02)
    assert float(np.nanmean(found.perfusion_fraction.values)) == pytest.approx(0.11, abs=0.01)
    assert found.snr == pytest.approx(40.0, rel=0.1)


def test_d_star_is_given_for_the_mask_with_an_interval_that_holds_the_truth() -> None:
    block = perfused_block(np.random.default_rng(2), SCHEME, snr=40.0)
    found = fit_ivim(block.volume, SCHEME, generator=np.random.default_rng(1)).pseudo_diffusivity
    assert found is not None
    low, high = found.ci95
    assert low < found.value < high
    assert found.value == pytest.approx(29.7e-3, rel=0.15)
    assert not found.at_bound


def test_low_signal_is_flagged() -> None:
    block = perfused_block(np.random.default_rng(3), SCHEME, snr=20.0)
    found = fit_ivim(block.volume, SCHEME, generator=np.random.default_rng(1))
    assert any("f not trusted" in flag for flag in found.perfusion_fraction.flags)


@pytest.mark.parametrize("b_values", [(0.0, 50.0, 100.0, 400.0), (50.0, 100.0, 400.0, 800.0)])
def test_schemes_without_enough_b_values_are_refused(b_values: tuple[float, ...]) -> None:
    volume = Volume(np.ones((2, 2, 2, 4), dtype=np.float32), Grid.from_spacing((2, 2, 2), (2.0, 2.0, 5.0)))
    with pytest.raises(InputError, match="IVIM"):
        fit_ivim(volume, DiffusionScheme(b_values), generator=np.random.default_rng(0))


def test_the_same_seed_gives_the_same_interval() -> None:
    block = perfused_block(np.random.default_rng(4), SCHEME, snr=40.0, shape=(8, 8, 4))
    first = fit_ivim(block.volume, SCHEME, generator=np.random.default_rng(5)).pseudo_diffusivity
    second = fit_ivim(block.volume, SCHEME, generator=np.random.default_rng(5)).pseudo_diffusivity
    assert first == second
