"""The two water-T2 stages: which runs when, and what each says."""

from dataclasses import replace

import numpy as np
import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput
from heliotrope.app.stages.t2 import STAGES, select_echo_train, usable_noise
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Acquisition, Modality, Role, Series, Study
from heliotrope.phantoms.t2_grid import T2Grid, make_t2_grid

TWO_PASS, JOINT = STAGES


@pytest.fixture(scope="module")
def phantom() -> T2Grid:
    return make_t2_grid(
        t2_levels_ms=(32.0, 45.0),
        fat_levels_percent=(2.0, 10.0),
        b1_range=(0.85, 1.0),
        signal_to_noise=80.0,
        generator=np.random.default_rng(8),
        repeats=(2, 2),
        n_slices=2,
    )


def _series(phantom: T2Grid, **changes: object) -> Series:
    facts = Acquisition(
        modality=Modality.MR,
        field_strength_t=3.0,
        repetition_time_ms=phantom.repetition_time_ms,
        echo_times_ms=phantom.echo_times_ms,
    )
    facts = replace(facts, **changes)  # type: ignore[arg-type]
    return Series("s01", "1.2", 1, "", Role.MULTI_ECHO_T2, "", facts, phantom.echoes.grid, len(facts.echo_times_ms), ())


def _study(*series: Series) -> Study:
    return Study("k", None, None, series, ())


def _input(phantom: T2Grid, maps: dict[str, ParametricMap]) -> StageInput:
    series = _series(phantom)
    return StageInput(_study(series), (series,), AnalyzeOptions(), lambda _: phantom.echoes, maps=maps)


def test_a_measured_fat_fraction_is_held_and_the_joint_fit_stays_silent(phantom: T2Grid) -> None:
    held = TWO_PASS.run(_input(phantom, {"fat_fraction": phantom.fat_fraction}))
    t2 = held.maps["water_t2"]
    assert t2.method == "epg-two-pass/1"
    assert np.nanmean(np.abs(t2.values - phantom.t2_ms)[phantom.body]) < 1.5
    assert "held" in held.sentence
    assert JOINT.run(_input(phantom, dict(held.maps))).maps == {}


def test_without_a_fat_fraction_the_joint_fit_reports_and_the_other_refuses(phantom: T2Grid) -> None:
    with pytest.raises(QualityRefusal, match="could not be computed"):
        TWO_PASS.run(_input(phantom, {}))
    output = JOINT.run(_input(phantom, {}))
    assert output.maps["water_t2"].method == "epg-joint/1"
    assert "imprecise" in output.sentence
    assert set(output.maps) == {quantity.key for quantity in JOINT.quantities}


def test_a_fat_fraction_of_other_slices_is_refused(phantom: T2Grid) -> None:
    nowhere = replace(phantom.fat_fraction, valid=np.zeros(phantom.body.shape, dtype=bool))
    with pytest.raises(QualityRefusal, match="covers 0 % of the body"):
        TWO_PASS.run(_input(phantom, {"fat_fraction": nowhere}))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"field_strength_t": None}, "M_NO_FIELD_STRENGTH"),
        ({"field_strength_t": 7.0}, "M_FIELD_STRENGTH"),
        ({"echo_times_ms": (10.0, 20.0, 30.0)}, "M_ECHO_COUNT"),
        ({"echo_times_ms": (10.0, 20.0, 30.0, 45.0, 60.0, 80.0)}, "M_ECHO_SPACING"),
    ],
)
def test_an_unfit_series_is_missing_with_the_reason(phantom: T2Grid, changes: dict[str, object], code: str) -> None:
    selected = select_echo_train(_study(_series(phantom, **changes)), fewest=6)
    assert isinstance(selected, Missing)
    assert selected.code == code


def test_no_series_is_missing(phantom: T2Grid) -> None:
    assert isinstance(JOINT.select(_study()), Missing)
    two_pass = TWO_PASS.select(_study(_series(phantom)))
    assert isinstance(two_pass, Missing)
    assert two_pass.code == "M_NO_FAT_FRACTION"


def test_a_noiseless_series_still_has_a_scale(phantom: T2Grid) -> None:
    clean = make_t2_grid(
        t2_levels_ms=(35.0,),
        fat_levels_percent=(5.0,),
        b1_range=(0.95, 0.95),
        signal_to_noise=None,
        generator=np.random.default_rng(0),
    )
    noise = usable_noise(Volume(clean.echoes.data, clean.echoes.grid))
    assert noise.sd > 0.0
    assert "too small to measure" in noise.flags[0]
