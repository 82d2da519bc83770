"""Change against measurement error."""

from __future__ import annotations

import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.change import Change, ChangeVerdict
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.findings.change import REPEATABILITY, find_changes

MUSCLE = Region("muscle", Side.LEFT)


def _t2(value: float, method: str = "epg/1") -> Measurement:
    interval = (value - 0.5, value + 0.5)
    return Measurement(MUSCLE, "water_t2", "median", value, Unit.MILLISECOND, method, ci95=interval)


def _one(before: Measurement, after: Measurement, *, same_scanner: bool = True, obstacle: str = "") -> Change:
    (change,) = find_changes([before], [after], obstacle=lambda _: obstacle, same_scanner=same_scanner)
    return change


@pytest.mark.parametrize(
    ("after", "verdict"),
    [(38.1, ChangeVerdict.INCREASE), (38.0, ChangeVerdict.WITHIN), (31.9, ChangeVerdict.DECREASE)],
)
def test_only_a_difference_beyond_three_milliseconds_is_called(after: float, verdict: ChangeVerdict) -> None:
    change = _one(_t2(35.0), _t2(after))
    assert change.verdict is verdict
    assert change.error_limit == 3.0
    assert "not measured at this site" in change.origin


def test_a_difference_whose_interval_includes_zero_is_not_called() -> None:
    before, after = (
        Measurement(MUSCLE, "edema_load", "total", value, Unit.RATIO_MILLILITER, "load/1", ci95=(0.0, 2 * value))
        for value in (0.1, 0.2)
    )
    change = _one(before, after)
    assert change.verdict is ChangeVerdict.WITHIN
    assert "includes zero" in change.reason


def test_a_change_of_method_is_never_trended() -> None:
    change = _one(_t2(35.0), _t2(45.0, method="epg/2"))
    assert change.verdict is ChangeVerdict.NOT_COMPARABLE
    assert "method changed from epg/1 to epg/2" in change.reason
    assert change.difference is None


def test_another_scanner_needs_a_limit_across_scanners() -> None:
    assert _one(_t2(35.0), _t2(45.0), same_scanner=False).verdict is ChangeVerdict.NOT_COMPARABLE
    fat = [Measurement(MUSCLE, "fat_fraction", "median", value, Unit.PERCENT, "six-peak/1") for value in (5.0, 8.0)]
    change = _one(*fat, same_scanner=False)
    assert (change.verdict, change.error_limit) == (ChangeVerdict.WITHIN, 3.5)
    assert _one(*fat).verdict is ChangeVerdict.INCREASE


def test_a_protocol_obstacle_is_the_reason_shown() -> None:
    change = _one(_t2(35.0), _t2(45.0), obstacle="protocol changed: echo times differ")
    assert (change.verdict, change.reason) == (ChangeVerdict.NOT_COMPARABLE, "protocol changed: echo times differ")


def test_a_missing_value_stays_missing_with_its_reason() -> None:
    gone = Measurement(
        MUSCLE, "water_t2", "median", None, Unit.MILLISECOND, "epg/1", Missing("M_EMPTY_REGION", "no voxel left")
    )
    change = _one(_t2(35.0), gone)
    assert (change.verdict, change.reason) == (ChangeVerdict.NOT_ASSESSABLE, "follow-up: no voxel left")


def test_a_region_measured_once_is_named() -> None:
    (change,) = find_changes([], [_t2(35.0)], obstacle=lambda _: "", same_scanner=True)
    assert change.reason == "not measured at baseline"


def test_relative_limits_scale_with_the_baseline() -> None:
    before, after = (
        Measurement(Region("all"), "calcinosis_mass", "total", value, Unit.MILLIGRAM, "hu/1")
        for value in (1000.0, 1160.0)
    )
    change = _one(before, after)
    assert change.error_limit == pytest.approx(150.0)
    assert change.verdict is ChangeVerdict.INCREASE


def test_a_number_without_known_repeatability_is_not_judged() -> None:
    before, after = (Measurement(MUSCLE, "moran_i", "median", value, Unit.ONE, "w/1") for value in (0.1, 0.9))
    assert _one(before, after).verdict is ChangeVerdict.UNJUDGED
    assert "moran_i" not in REPEATABILITY


def _calcium(value: float, *, n_voxels: int) -> Measurement:
    interval = (0.8 * value, 1.2 * value) if n_voxels else None
    region = Region("all")
    return Measurement(
        region, "calcinosis_mass", "total", value, Unit.MILLIGRAM, "m/1", ci95=interval, n_voxels=n_voxels
    )


def test_calcium_where_none_was_found_before_is_an_increase_and_its_loss_a_decrease() -> None:
    """Zero found has no interval: what the other visit found is judged by its own."""
    none, some = _calcium(0.0, n_voxels=0), _calcium(8000.0, n_voxels=900)
    assert _one(none, some).verdict is ChangeVerdict.INCREASE
    assert _one(some, none).verdict is ChangeVerdict.DECREASE
    assert _one(none, none).verdict is ChangeVerdict.WITHIN
    assert _one(none, some).ci95 is None
