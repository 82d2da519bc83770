"""Which series the fat-fraction, diffusion and STIR-ratio stages choose, and that they run."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput
from heliotrope.app.stages import diffusion, fat_fraction, stir_ratio
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Acquisition, Modality, Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.phantoms.diffusion import muscle_tensor_block, tensor_scheme
from heliotrope.phantoms.dixon import acquire, dixon_thighs

TIMES = (1.15, 2.10, 3.05, 4.00, 4.95, 5.90)
GRID = Grid.from_spacing((88, 48, 2), (4.0, 4.0, 10.0))


def _series(key: str, role: Role, acquisition: Acquisition, grid: Grid = GRID, n_frames: int = 1) -> Series:
    return Series(key, key, 1, "", role, "test", acquisition, grid, n_frames, ())


def _study(*series: Series) -> Study:
    return Study("k", None, None, series, ())


def _echo(key: str, role: Role, time: float, flip_angle_deg: float | None = None) -> Series:
    facts = Acquisition(Modality.MR, field_strength_t=3.0, echo_times_ms=(time,), flip_angle_deg=flip_angle_deg)
    return _series(key, role, facts)


def _run(stage_index: int, study: Study, images: dict[str, NDArray[np.generic]]) -> dict[str, ParametricMap]:
    stage = fat_fraction.STAGES[stage_index]
    chosen = stage.select(study)
    assert not isinstance(chosen, Missing)
    out = stage.run(StageInput(study, chosen, AnalyzeOptions(), lambda s: Volume(images[s.key], s.grid or GRID)))
    return dict(out.maps)


def test_complex_echoes_spread_over_series_are_gathered_in_order_and_fitted() -> None:
    generator = np.random.default_rng(3)
    truth = dixon_thighs(generator, shape=(88, 48, 2))
    data = np.asarray(acquire(truth, echo_times_ms=TIMES, field_strength_t=3.0, snr=60.0, generator=generator).data)
    order = (3, 0, 5, 1, 4, 2)
    series, images = [], {}
    for j in order:
        series += [_echo(f"m{j}", Role.GRE_MAGNITUDE, TIMES[j]), _echo(f"p{j}", Role.GRE_PHASE, TIMES[j])]
        images[f"m{j}"], images[f"p{j}"] = np.abs(data[..., j]), np.angle(data[..., j])
    study = _study(*series)
    chosen = fat_fraction.choose_input(study)
    assert isinstance(chosen, fat_fraction.FatFractionInput)
    assert chosen.kind is fat_fraction.InputKind.COMPLEX_ECHOES
    maps = _run(0, study, images)
    error = maps["fat_fraction"].values - truth.percent
    assert abs(float(np.nanmean(error[truth.muscle]))) < 0.5
    assert set(maps) == {"fat_fraction", "water_signal", "fat_signal", "field_map", "r2star"}


def test_echoes_of_another_flip_angle_do_not_join() -> None:
    study = _study(
        _echo("a", Role.GRE_MAGNITUDE, 1.0, flip_angle_deg=3.0),
        _echo("b", Role.GRE_MAGNITUDE, 2.0, flip_angle_deg=3.0),
        _echo("c", Role.GRE_MAGNITUDE, 3.0, flip_angle_deg=30.0),
    )
    assert isinstance(fat_fraction.choose_input(study), Missing)


@pytest.mark.parametrize(
    ("roles", "kind"),
    [
        ((Role.FAT_FRACTION, Role.DIXON_WATER, Role.DIXON_FAT), fat_fraction.InputKind.VENDOR_MAP),
        ((Role.DIXON_WATER, Role.DIXON_FAT), fat_fraction.InputKind.VENDOR_WATER_FAT),
        ((Role.DIXON_IN_PHASE, Role.DIXON_OPPOSED_PHASE), fat_fraction.InputKind.IN_OPPOSED),
    ],
)
def test_the_best_of_the_scanners_images_is_taken(roles: tuple[Role, ...], kind: fat_fraction.InputKind) -> None:
    chosen = fat_fraction.choose_input(_study(*(_echo(role.value, role, 2.3) for role in roles)))
    assert isinstance(chosen, fat_fraction.FatFractionInput)
    assert chosen.kind is kind


def test_a_study_without_dixon_says_what_is_missing() -> None:
    chosen = fat_fraction.choose_input(_study(_echo("t1", Role.T1, 10.0)))
    assert isinstance(chosen, Missing)
    assert chosen.code == "M_NO_SERIES"


def test_a_tensor_needs_directions_and_an_adc_does_not() -> None:
    scheme = tensor_scheme(500.0, 12, 2, np.random.default_rng(0))
    grid = Grid.from_spacing((6, 6, 4), (2.5, 2.5, 6.0))
    bare = Acquisition(Modality.MR, b_values_s_per_mm2=scheme.b_values)
    full = Acquisition(Modality.MR, b_values_s_per_mm2=scheme.b_values, b_vectors_lps=scheme.directions)
    adc, dti, ivim = diffusion.STAGES
    for facts, permitted in ((bare, False), (full, True)):
        study = _study(_series("d", Role.DWI, facts, grid, 14))
        assert not isinstance(adc.select(study), Missing)
        assert isinstance(dti.select(study), Missing) is not permitted
        assert isinstance(ivim.select(study), Missing)
    block = muscle_tensor_block(np.random.default_rng(1), scheme, snr=50.0, shape=(6, 6, 4))
    chosen = dti.select(study)
    assert not isinstance(chosen, Missing)
    out = dti.run(StageInput(study, chosen, AnalyzeOptions(), lambda _: block.volume))
    assert float(np.nanmean(out.maps["mean_diffusivity"].values)) == pytest.approx(1.6e-3, rel=0.02)
    assert out.quality[0].passed


def test_stir_is_related_to_the_dixon_water_of_the_session() -> None:
    study = _study(_echo("stir", Role.STIR, 60.0), _echo("w", Role.DIXON_WATER, 2.3), _echo("f", Role.DIXON_FAT, 2.3))
    stage = stir_ratio.STAGES[0]
    chosen = stage.select(study)
    assert not isinstance(chosen, Missing)
    ones = np.ones(GRID.shape, dtype=np.float32)
    water = ParametricMap("water_signal", 4 * ones, ones > 0, GRID, Unit.ARBITRARY, "test/1")
    out = stage.run(StageInput(study, chosen, AnalyzeOptions(), lambda _: Volume(ones, GRID), {"water_signal": water}))
    np.testing.assert_allclose(out.maps["stir_ratio"].values, 0.25)
    assert isinstance(stage.select(_study(_echo("stir", Role.STIR, 60.0))), Missing)
