"""Groups of calcium that one visit lists and the other does not: 0 where it was looked for, else untold."""

from __future__ import annotations

from heliotrope.app.calcium_groups import with_absent_groups
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit


def mass(value: float | None, level: str | None = None, side: Side | None = None) -> Measurement:
    region = Region("all") if level == "all" else Region("calcification", side, level)
    missing = Missing("M_NO_SERIES", "no CT series") if value is None else None
    interval = None if value is None else (0.8 * value, 1.2 * value)
    return Measurement(region, "calcinosis_mass", "total", value, Unit.MILLIGRAM, "m", ci95=interval, missing=missing)


def absent(rows: list[Measurement], other: list[Measurement], limbs: tuple[int, int] | None) -> list[Measurement]:
    return with_absent_groups(rows, other, limbs)[len(rows) :]


def test_a_plane_that_is_gone_is_zero_because_it_was_looked_for() -> None:
    (gone,) = absent(
        [mass(40.0, "all"), mass(40.0, "plane fascial")],
        [mass(90.0, "all"), mass(40.0, "plane fascial"), mass(50.0, "plane cutaneous")],
        (1, 1),
    )
    assert gone.region.level == "plane cutaneous"
    assert (gone.value, gone.ci95, gone.missing) == (0.0, None, None)


def test_everything_is_zero_at_a_visit_without_any_calcium() -> None:
    found = absent([mass(0.0, "all")], [mass(9.0, "all"), mass(9.0, "plane deep"), mass(9.0, "region thigh")], (2, 2))
    assert [row.value for row in found] == [0.0, 0.0]


def test_where_nobody_looked_nothing_is_zero() -> None:
    assert absent([mass(None, "all")], [mass(9.0, "all"), mass(9.0, "plane deep")], (1, 1)) == []


def test_single_calcifications_are_not_completed_by_their_number() -> None:
    assert absent([mass(0.0, "all")], [mass(9.0, "all"), mass(9.0, "component 1")], (1, 1)) == []


def test_the_other_limb_may_not_have_been_scanned() -> None:
    for limbs in ((1, 2), None):
        (row,) = absent([mass(9.0, "all")], [mass(9.0, "all"), mass(9.0, None, Side.LEFT)], limbs)
        assert row.value is None
        assert row.missing is not None
        assert "may not be in this scan" in row.missing.reason
    (row,) = absent([mass(9.0, "all")], [mass(9.0, "all"), mass(9.0, None, Side.LEFT)], (2, 2))
    assert row.value == 0.0


def test_planes_in_other_detail_and_regions_by_other_labels_are_untold() -> None:
    rows = [mass(9.0, "all"), mass(9.0, "plane deep"), mass(9.0, "region limb")]
    other = [mass(9.0, "all"), mass(9.0, "plane fascial"), mass(9.0, "region thigh"), mass(9.0, "shape sheet")]
    plane, region, shape = absent(rows, other, (1, 1))
    assert plane.missing is not None
    assert "other detail" in plane.missing.reason
    assert region.missing is not None
    assert "other labels" in region.missing.reason
    assert shape.value == 0.0
