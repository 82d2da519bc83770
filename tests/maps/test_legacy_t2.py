"""The legacy fit: right on what it models, and apart from water T2."""

import numpy as np
import pytest

from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.maps.legacy_t2 import LEGACY_FLAG, LegacyMethod, fit_legacy_t2
from heliotrope.phantoms.t2_grid import make_t2_grid
from heliotrope.physics.noise import add_rician_noise

TIMES = (8.0, 15.0, 30.0, 45.0, 80.0)


def _decay(t2_ms: float, offset: float = 0.0) -> Volume:
    signal = 1000.0 * np.exp(-np.asarray(TIMES) / t2_ms) + offset
    data = np.broadcast_to(signal, (6, 5, 2, len(TIMES))).copy()
    return Volume(data, Grid.from_spacing((6, 5, 2), (1.0, 1.0, 5.0)))


@pytest.mark.parametrize("method", list(LegacyMethod))
@pytest.mark.parametrize("t2_ms", [20.0, 45.0, 120.0])
def test_a_pure_decay_is_read_exactly_at_any_spacing(method: LegacyMethod, t2_ms: float) -> None:
    maps = fit_legacy_t2(_decay(t2_ms), echo_times_ms=TIMES, noise_sd=1.0, method=method)
    np.testing.assert_allclose(maps.t2.values, t2_ms, rtol=1e-5)
    assert maps.t2.quantity == "legacy_t2"
    assert LEGACY_FLAG in maps.t2.flags


def test_an_offset_is_separated() -> None:
    maps = fit_legacy_t2(_decay(30.0, offset=80.0), echo_times_ms=TIMES, noise_sd=1.0, offset=True)
    np.testing.assert_allclose(maps.t2.values, 30.0, rtol=1e-3)


def test_the_first_echo_can_be_left_out() -> None:
    volume = _decay(40.0)
    data = np.array(volume.data, dtype=np.float64)
    data[..., 0] *= 0.7
    kept = fit_legacy_t2(Volume(data, volume.grid), echo_times_ms=TIMES, noise_sd=1.0, skip_first_echo=True)
    np.testing.assert_allclose(kept.t2.values, 40.0, rtol=1e-5)


def test_the_sd_is_the_scatter() -> None:
    clean = np.broadcast_to(1000.0 * np.exp(-np.asarray(TIMES) / 50.0), (60, 60, 1, len(TIMES)))
    noisy = add_rician_noise(clean, 10.0, np.random.default_rng(0))
    volume = Volume(noisy, Grid.from_spacing((60, 60, 1), (1.0, 1.0, 5.0)))
    maps = fit_legacy_t2(volume, echo_times_ms=TIMES, noise_sd=10.0)
    assert float(np.std(maps.t2.values)) == pytest.approx(float(np.median(maps.sd.values)), rel=0.1)


def test_the_legacy_fit_reads_a_true_35_ms_as_49_to_59_ms() -> None:
    for b1, fat, low, high in ((1.0, 0.0, 47.0, 51.0), (0.85, 0.0, 48.0, 57.0), (1.0, 10.0, 55.0, 62.0)):
        phantom = make_t2_grid(
            t2_levels_ms=(35.0,),
            fat_levels_percent=(fat,),
            b1_range=(b1, b1),
            signal_to_noise=None,
            generator=np.random.default_rng(0),
        )
        maps = fit_legacy_t2(phantom.echoes, echo_times_ms=phantom.echo_times_ms, noise_sd=1.0)
        assert low < float(np.median(maps.t2.values[phantom.body])) < high


def test_growing_signal_is_invalid_not_negative() -> None:
    volume = _decay(40.0)
    maps = fit_legacy_t2(Volume(volume.data[..., ::-1].copy(), volume.grid), echo_times_ms=TIMES, noise_sd=1.0)
    assert not maps.t2.valid.any()
    assert sum(maps.t2.invalid_reasons.values()) == maps.t2.values.size


def test_what_it_cannot_fit_is_refused() -> None:
    short = Volume(_decay(40.0).data[..., :3], _decay(40.0).grid)
    with pytest.raises(InputError, match="at least 4"):
        fit_legacy_t2(short, echo_times_ms=TIMES[:3], noise_sd=1.0, offset=True)
    with pytest.raises(InputError, match="wls"):
        fit_legacy_t2(_decay(40.0), echo_times_ms=TIMES, noise_sd=1.0, offset=True, method=LegacyMethod.WLS)
    with pytest.raises(InputError, match="noise sd"):
        fit_legacy_t2(_decay(40.0), echo_times_ms=TIMES, noise_sd=0.0)
