"""Water T2 against objects with truth, and what the fit refuses."""

from dataclasses import replace

import numpy as np
import pytest

from heliotrope.domain.errors import GeometryError, HeliotropeError, InputError, UnitError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.maps.water_t2 import (
    WaterT2Maps,
    WaterT2Options,
    fit_fat_t2,
    fit_joint,
    fit_slab_ratio,
    fit_two_pass,
)
from heliotrope.maps.water_t2.fit import JOINT_FLAG, signal_fraction
from heliotrope.phantoms.t2_grid import T2Grid, make_t2_grid
from heliotrope.physics.epg import echo_table
from heliotrope.physics.slice_profile import ProfilePreset, slice_profile

NOISELESS_MS = 0.25
"""Dictionary steps are 1.5 % in T2 and 0.01 in field; the pooled field is smoothed over the object."""


@pytest.fixture(scope="module")
def clean() -> T2Grid:
    return make_t2_grid(
        t2_levels_ms=(30.0, 40.0, 60.0),
        fat_levels_percent=(0.0, 5.0, 20.0),
        b1_range=(0.8, 1.05),
        signal_to_noise=None,
        generator=np.random.default_rng(1),
        repeats=(2, 2),
    )


def _two_pass(phantom: T2Grid, **changes: object) -> WaterT2Maps:
    arguments: dict[str, object] = {
        "echo_times_ms": phantom.echo_times_ms,
        "fat_fraction": phantom.fat_fraction,
        "field_strength_t": 3.0,
        "noise_sd": phantom.noise_sd or 1.0,
        "options": WaterT2Options(repetition_time_ms=phantom.repetition_time_ms),
    }
    arguments.update(changes)
    return fit_two_pass(phantom.echoes, **arguments)  # type: ignore[arg-type]


def test_two_passes_return_the_truth_of_a_noiseless_object(clean: T2Grid) -> None:
    maps = _two_pass(clean)
    error = (maps.t2.values - clean.t2_ms)[clean.body]
    assert maps.t2.valid[clean.body].all()
    assert np.abs(error).mean() < NOISELESS_MS
    assert maps.t2.quantity == "water_t2"
    assert maps.t2.unit is Unit.MILLISECOND


def test_a_measured_field_replaces_the_estimated_one(clean: T2Grid) -> None:
    maps = _two_pass(clean, b1=clean.b1_map)
    assert np.abs((maps.t2.values - clean.t2_ms)[clean.body]).max() < 2 * NOISELESS_MS
    np.testing.assert_allclose(maps.b1.values[clean.body], clean.b1[clean.body], atol=1e-6)
    assert "Transmit field taken from a measured map." in maps.t2.flags


def test_a_fat_fraction_too_high_by_one_point_lowers_t2_by_half_to_one_and_a_half_ms(clean: T2Grid) -> None:
    raised = replace(clean.fat_fraction, values=np.asarray(clean.fat_fraction.values + np.float32(1.0)))
    change = (_two_pass(clean, fat_fraction=raised).t2.values - _two_pass(clean).t2.values)[clean.body]
    assert -1.6 < float(change.mean()) < -0.4


def test_the_signal_fat_fraction_weighs_the_protons_by_their_recovery() -> None:
    q = signal_fraction(np.array([0.0, 10.0, 100.0]), repetition_time_ms=3000.0, muscle_t1_ms=1400.0, fat_t1_ms=365.0)
    np.testing.assert_allclose(
        q, [0.0, 0.1 / (0.1 + 0.9 * (1 - np.exp(-3000 / 1400)) / (1 - np.exp(-3000 / 365))), 1.0]
    )


def test_expected_noise_matches_the_scatter() -> None:
    phantom = make_t2_grid(
        t2_levels_ms=(35.0, 50.0),
        fat_levels_percent=(3.0, 10.0),
        b1_range=(0.85, 1.0),
        signal_to_noise=60.0,
        generator=np.random.default_rng(3),
        repeats=(3, 3),
    )
    maps = _two_pass(phantom, b1=phantom.b1_map)
    inside = phantom.body & maps.t2.valid
    standard = (maps.t2.values - phantom.t2_ms)[inside] / maps.sd.values[inside]
    assert float(np.std(standard)) == pytest.approx(1.0, abs=0.1)
    assert float(np.median(maps.residual.values[inside])) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("t2_ms", "fat_free", "expected_ms"), [(35.0, True, 1.8), (60.0, True, 6.0), (35.0, False, 0.7), (60.0, False, 1.1)]
)
def test_the_stated_cramer_rao_bounds_follow_from_the_model(t2_ms: float, fat_free: bool, expected_ms: float) -> None:
    def model(t2: float, q: float, b1: float) -> np.ndarray:
        profile = slice_profile(ProfilePreset.HANN_SINC, np.array([b1]))
        trains = [
            echo_table(
                t2_ms=np.array([time]),
                t1_ms=t1,
                echo_spacing_ms=9.5,
                n_echoes=17,
                excitation_rad=profile.excitation_rad,
                refocusing_rad=profile.refocusing_rad,
            )[0, 0]
            for time, t1 in ((t2, 1400.0), (151.0, 365.0))
        ]
        return np.asarray((1.0 - q) * trains[0] + q * trains[1])

    at = np.array([t2_ms, 0.02, 0.95])
    base = model(*at)
    columns = [base]
    for n, step in ((0, 0.05), (1, 1e-3), (2, 1e-3)):
        if n != 1 or fat_free:
            shift = np.eye(3)[n] * step
            columns.append((model(*(at + shift)) - model(*(at - shift))) / (2.0 * step))
    jacobian = np.stack(columns, axis=1) / base[0]
    bound = np.sqrt(np.linalg.inv(jacobian.T @ jacobian)[1, 1]) / 60.0
    assert bound == pytest.approx(expected_ms, abs=0.05)


def test_the_joint_fit_is_flagged_and_near_the_truth(clean: T2Grid) -> None:
    maps = fit_joint(clean.echoes, echo_times_ms=clean.echo_times_ms, field_strength_t=3.0, noise_sd=1.0)
    assert JOINT_FLAG in maps.t2.flags
    assert JOINT_FLAG == "fat not independently measured, T2 imprecise"
    assert maps.t2.method == "epg-joint/1"
    assert np.abs((maps.t2.values - clean.t2_ms)[clean.body & maps.t2.valid]).mean() < 1.0


def test_results_do_not_depend_on_the_number_of_threads(clean: T2Grid) -> None:
    one = _two_pass(clean, options=WaterT2Options(workers=1)).t2.values
    many = _two_pass(clean, options=WaterT2Options(workers=4)).t2.values
    np.testing.assert_array_equal(one, many)


def test_input_is_left_as_it_was(clean: T2Grid) -> None:
    before = clean.echoes.data.copy()
    _two_pass(clean)
    np.testing.assert_array_equal(before, clean.echoes.data)


def test_a_train_whose_first_echo_was_dropped_is_recognized(clean: T2Grid) -> None:
    shorter = Volume(clean.echoes.data[..., 1:], clean.echoes.grid)
    maps = fit_two_pass(
        shorter,
        echo_times_ms=clean.echo_times_ms[1:],
        fat_fraction=clean.fat_fraction,
        field_strength_t=3.0,
        noise_sd=1.0,
        options=WaterT2Options(repetition_time_ms=clean.repetition_time_ms),
    )
    assert np.abs((maps.t2.values - clean.t2_ms)[clean.body]).mean() < 2 * NOISELESS_MS


def test_every_voxel_is_valid_or_counted_with_a_reason(clean: T2Grid) -> None:
    fat = clean.fat_percent.copy()
    fat[20:24, 20:24] = 80.0
    map_ = ParametricMap("fat_fraction", fat.astype(np.float32), fat < 1e9, clean.echoes.grid, Unit.PERCENT, "truth")
    known = map_.valid.copy()
    known[30:33, 30:33] = False
    maps = _two_pass(clean, fat_fraction=replace(map_, valid=known))
    assert maps.t2.invalid_reasons["signal fat fraction above 50 %"] == 16
    assert maps.t2.invalid_reasons["fat fraction not known here"] == 9
    assert sum(maps.t2.invalid_reasons.values()) + int(maps.t2.valid.sum()) == maps.t2.values.size
    assert np.isnan(maps.t2.values[~maps.t2.valid]).all()


def test_fluid_is_left_out_as_a_vessel() -> None:
    phantom = make_t2_grid(
        t2_levels_ms=(35.0, 150.0),
        fat_levels_percent=(2.0,),
        b1_range=(0.95, 0.95),
        signal_to_noise=None,
        generator=np.random.default_rng(0),
    )
    maps = _two_pass(phantom, b1=phantom.b1_map)
    assert not maps.t2.valid[phantom.t2_ms == 150.0].any()
    assert maps.t2.invalid_reasons["T2 above 120 ms: vessel or fluid"] == 64


def test_a_voxel_that_does_not_decay_like_tissue_is_left_out(clean: T2Grid) -> None:
    data = clean.echoes.data.copy()
    data[20, 20, 0] = data[20, 20, 0, ::-1]
    maps = fit_two_pass(
        Volume(data, clean.echoes.grid),
        echo_times_ms=clean.echo_times_ms,
        fat_fraction=clean.fat_fraction,
        field_strength_t=3.0,
        noise_sd=5.0,
    )
    assert not maps.t2.valid[20, 20, 0]


def test_one_and_a_half_tesla_uses_its_own_constants() -> None:
    phantom = make_t2_grid(
        t2_levels_ms=(40.0,),
        fat_levels_percent=(20.0,),
        b1_range=(0.95, 0.95),
        signal_to_noise=None,
        generator=np.random.default_rng(0),
        field_strength_t=1.5,
    )
    right = _two_pass(phantom, field_strength_t=1.5).t2.values[phantom.body]
    wrong = _two_pass(phantom, field_strength_t=3.0).t2.values[phantom.body]
    assert float(np.abs(right - 40.0).mean()) < NOISELESS_MS
    assert float(np.abs(wrong - 40.0).mean()) > 2.0 * float(np.abs(right - 40.0).mean())


def test_a_wider_refocusing_slab_is_found_and_the_preset_kept_otherwise() -> None:
    found = {}
    for ratio in (1.2, 1.8):
        phantom = make_t2_grid(
            t2_levels_ms=(31.0, 35.0, 42.0),
            fat_levels_percent=(1.0, 5.0, 10.0),
            b1_range=(0.75, 1.1),
            signal_to_noise=100.0,
            generator=np.random.default_rng(4),
            repeats=(2, 2),
            slab_ratio=ratio,
        )
        found[ratio] = fit_slab_ratio(
            phantom.echoes,
            echo_times_ms=phantom.echo_times_ms,
            field_strength_t=3.0,
            noise_sd=phantom.noise_sd,
            fat_fraction=phantom.fat_fraction,
        )
    assert (found[1.2].ratio, found[1.2].calibrated) == (1.2, False)
    assert found[1.8].calibrated
    assert found[1.8].ratio == pytest.approx(1.8, abs=0.15)


def test_fat_calibrates_its_own_t2(clean: T2Grid) -> None:
    profile = slice_profile(ProfilePreset.HANN_SINC, np.array([0.9]), n_positions=48)

    def train(t2_ms: float, t1_ms: float) -> np.ndarray:
        table = echo_table(
            t2_ms=np.array([t2_ms]),
            t1_ms=t1_ms,
            echo_spacing_ms=9.5,
            n_echoes=17,
            excitation_rad=profile.excitation_rad,
            refocusing_rad=profile.refocusing_rad,
        )
        return np.asarray(table[0, 0])

    signal = 0.95 * train(180.0, 365.0) + 0.05 * train(35.0, 1400.0)
    grid = Grid.from_spacing((20, 20, 1), (1.0, 1.0, 5.0))
    noisy = 2000.0 * signal + np.random.default_rng(5).normal(0.0, 2.0, (20, 20, 1, 17))
    found = fit_fat_t2(
        Volume(noisy, grid),
        np.ones(grid.shape, dtype=bool),
        echo_times_ms=clean.echo_times_ms,
        field_strength_t=3.0,
        noise_sd=2.0,
    )
    assert found.t2_ms == pytest.approx(180.0, abs=6.0)
    few = np.zeros(grid.shape, dtype=bool)
    few[:3, 0] = True
    with pytest.raises(InputError, match="holds 3 voxels"):
        fit_fat_t2(Volume(noisy, grid), few, echo_times_ms=clean.echo_times_ms, field_strength_t=3.0, noise_sd=2.0)


SPACED = tuple(9.5 * (n + 1) for n in range(17))


@pytest.mark.parametrize(
    ("times", "code"),
    [
        (SPACED[:16], "E_ECHO_COUNT"),
        ((9.5, 28.5, 19.0, *SPACED[3:]), "E_ECHO_ORDER"),
        ((9.5, 19.0, 19.0, *SPACED[3:]), "E_ECHO_ORDER"),
        ((0.0, *SPACED[1:]), "E_ECHO_TIME"),
        ((-9.5, *SPACED[1:]), "E_ECHO_TIME"),
        ((float("nan"), *SPACED[1:]), "E_ECHO_TIME"),
        (tuple(time / 1000.0 for time in SPACED), "E_ECHO_TIME"),
        ((*SPACED[:16], 170.0), "E_ECHO_SPACING"),
        (tuple(time + 4.0 for time in SPACED), "E_ECHO_SPACING"),
    ],
)
def test_echo_times_that_are_no_train_are_refused(clean: T2Grid, times: tuple[float, ...], code: str) -> None:
    with pytest.raises(InputError) as caught:
        _two_pass(clean, echo_times_ms=times)
    assert caught.value.code == code


def test_too_few_echoes_are_refused_with_the_limit(clean: T2Grid) -> None:
    four = Volume(clean.echoes.data[..., :4], clean.echoes.grid)
    with pytest.raises(InputError, match="4 echoes: at least 6"):
        fit_joint(four, echo_times_ms=SPACED[:4], field_strength_t=3.0, noise_sd=1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_counted_and_refused(clean: T2Grid, value: float) -> None:
    data = clean.echoes.data.copy()
    data[3, 4, 0, 5] = value
    with pytest.raises(InputError, match="echo 6 holds 1 values"):
        fit_joint(Volume(data, clean.echoes.grid), echo_times_ms=SPACED, field_strength_t=3.0, noise_sd=1.0)


def test_an_empty_volume_is_refused(clean: T2Grid) -> None:
    zeros = Volume(np.zeros_like(clean.echoes.data), clean.echoes.grid)
    with pytest.raises(InputError, match="no signal"):
        fit_joint(zeros, echo_times_ms=SPACED, field_strength_t=3.0, noise_sd=1.0)


def test_a_fat_fraction_of_zero_to_one_is_refused(clean: T2Grid) -> None:
    unit_range = replace(clean.fat_fraction, values=np.asarray(clean.fat_fraction.values / np.float32(100.0)))
    with pytest.raises(UnitError, match=r"largest value is 0\.2 where percent"):
        _two_pass(clean, fat_fraction=unit_range)
    with pytest.raises(UnitError, match="percent needed"):
        _two_pass(clean, fat_fraction=replace(clean.fat_fraction, unit=Unit.ONE))


def test_a_field_map_in_percent_is_refused(clean: T2Grid) -> None:
    percent = replace(clean.b1_map, values=np.asarray(clean.b1_map.values * np.float32(100.0)))
    with pytest.raises(UnitError, match="fraction of nominal"):
        _two_pass(clean, b1=percent)


def test_grids_that_differ_are_refused(clean: T2Grid) -> None:
    matrix = clean.echoes.grid.matrix
    matrix[0, 3] += 2.0
    moved = replace(clean.fat_fraction, grid=Grid.from_matrix(clean.echoes.grid.shape, matrix))
    with pytest.raises(GeometryError, match="fat-fraction map and echoes: affines differ by 2 mm"):
        _two_pass(clean, fat_fraction=moved)


@pytest.mark.parametrize("field_strength_t", [0.0, 0.55, 7.0, 3000.0, float("nan")])
def test_field_strengths_without_constants_are_refused(clean: T2Grid, field_strength_t: float) -> None:
    with pytest.raises(InputError, match=r"1\.5 T, 3 T"):
        _two_pass(clean, field_strength_t=field_strength_t)


@pytest.mark.parametrize("noise_sd", [0.0, -1.0, float("nan"), float("inf")])
def test_noise_must_be_a_positive_number(clean: T2Grid, noise_sd: float) -> None:
    with pytest.raises(InputError, match="noise sd"):
        _two_pass(clean, noise_sd=noise_sd)


def test_every_refusal_names_a_way_out(clean: T2Grid) -> None:
    with pytest.raises(HeliotropeError) as caught:
        _two_pass(clean, options=WaterT2Options(refocusing_flip_deg=20.0))
    assert caught.value.hint
    with pytest.raises(HeliotropeError, match="slab ratio is 9"):
        _two_pass(clean, options=WaterT2Options(slab_ratio=9.0))
