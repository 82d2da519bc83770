"""The inventory of the whole body: what is missing is missing, and nothing is prorated beyond a fifth."""

from __future__ import annotations

import pytest

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.findings import FindingKind
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.domain.whole_body import INVENTORY, N_COMPARTMENTS, inventory_compartment, inventory_regions
from heliotrope.findings.whole_body import whole_body_finding
from heliotrope.measure.whole_body import measure_burden, take_inventory


def _rows(region: Region, volume: float, percent: float, load: float) -> list[Measurement]:
    half = 0.1
    return [
        Measurement(region, "volume", "total", volume, Unit.MILLILITER, "m/1"),
        Measurement(
            region, "edema_fraction", "fraction", percent, Unit.PERCENT, "m/1", None, (percent - half, percent + half)
        ),
        Measurement(
            region, "edema_load", "total", load, Unit.RATIO_MILLILITER, "m/1", None, (load - half, load + half)
        ),
    ]


def _burden(rows: list[Measurement]) -> dict[tuple[str, str], Measurement]:
    return {(row.quantity, row.statistic): row for row in measure_burden(take_inventory(rows))}


def test_the_inventory_holds_17_compartments_on_each_side() -> None:
    assert len(INVENTORY) == 17
    assert N_COMPARTMENTS == len(inventory_regions()) == len(set(inventory_regions())) == 34


def test_a_structure_belongs_to_one_compartment_at_most() -> None:
    named = [name for row in INVENTORY for name in (row.structure, *row.members)]
    assert len(named) == len(set(named))
    assert set(named) <= set(STRUCTURES)


def test_every_limb_muscle_has_a_compartment() -> None:
    parts = {"thigh", "leg", "upper_arm", "forearm"}
    limb = [name for name, row in STRUCTURES.items() if row.kind is StructureKind.MUSCLE and row.body_part in parts]
    assert [name for name in limb if inventory_compartment(name) is None] == []


def test_burden_of_a_whole_body_is_the_sum_and_the_volume_weighted_fraction() -> None:
    """34 compartments of 100 mL with 10 %, but one of 300 mL with 50 %."""
    regions = inventory_regions()
    rows = [row for region in regions[1:] for row in _rows(region, 100.0, 10.0, 5.0)]
    rows += _rows(regions[0], 300.0, 50.0, 90.0)
    found = _burden(rows)
    assert found["whole_body_coverage", "share of compartments"].value == 100.0
    assert found["whole_body_load", "sum over covered"].value == pytest.approx(33 * 5.0 + 90.0)
    assert found["whole_body_load", "sum over covered"].ci95 == pytest.approx((255.0 - 3.4, 255.0 + 3.4))
    assert found["whole_body_load", "prorated"].value == pytest.approx(255.0)
    assert found["whole_body_fraction", "volume-weighted"].value == pytest.approx((33 * 100 * 10 + 300 * 50) / 3600)
    assert found["active_compartments", "count"].value == 34.0
    assert found["distal_active_compartments", "count"].value == 10.0


def test_up_to_a_fifth_missing_is_prorated_and_one_more_is_not() -> None:
    regions = inventory_regions()
    six = _burden([row for region in regions[6:] for row in _rows(region, 100.0, 0.0, 2.0)])
    assert six["whole_body_load", "sum over covered"].value == pytest.approx(56.0)
    assert six["whole_body_load", "prorated"].value == pytest.approx(68.0)
    seven = _burden([row for region in regions[7:] for row in _rows(region, 100.0, 0.0, 2.0)])
    assert seven["whole_body_load", "sum over covered"].value == pytest.approx(54.0)
    missing = seven["whole_body_load", "prorated"].missing
    assert missing is not None
    assert missing.code == "M_TOO_MUCH_MISSING"


def test_a_missing_compartment_is_null_with_a_reason_not_zero() -> None:
    rows = _rows(Region("anterior_thigh", Side.LEFT), 500.0, 3.0, 1.0)
    compartments = take_inventory(rows)
    missing = [row for row in compartments if row.missing is not None]
    assert len(missing) == 33
    assert all(row.fraction_percent is None and row.missing and row.missing.reason for row in missing)
    finding = whole_body_finding(compartments, measure_burden(compartments))
    assert finding.details["compartment_1_edema_percent"] is None
    assert "hold no part" in str(finding.details["compartment_1_why_missing"])


def test_a_compartment_cut_by_the_image_does_not_count() -> None:
    region = Region("anterior_thigh", Side.LEFT)
    cut = Missing("M_CUT_BY_FIELD_OF_VIEW", "cut")
    rows = [
        Measurement(region, "volume", "total", None, Unit.MILLILITER, "m/1", cut),
        *_rows(region, 500.0, 3.0, 1.0)[1:],
    ]
    assert next(row for row in take_inventory(rows) if row.region == region).missing == cut


def test_distal_compartments_are_named_even_when_only_they_are_active() -> None:
    rows = [row for region in inventory_regions() for row in _rows(region, 100.0, 0.0, 0.2)]
    rows = [row for row in rows if row.region != Region("deep_posterior_leg", Side.RIGHT)]
    rows += _rows(Region("deep_posterior_leg", Side.RIGHT), 80.0, 22.0, 9.0)
    compartments = take_inventory(rows)
    finding = whole_body_finding(compartments, measure_burden(compartments))
    assert finding.kind is FindingKind.WHOLE_BODY
    assert finding.present is Truth.TRUE
    assert "In forearm and leg 1 of 10 do (right deep posterior compartment of leg)" in finding.statement


def test_nothing_covered_is_unknown() -> None:
    compartments = take_inventory([])
    burden = measure_burden(compartments)
    assert [row.value for row in burden if row.quantity != "whole_body_coverage"] == [None] * 5
    assert whole_body_finding(compartments, burden).present is Truth.UNKNOWN


def test_a_smaller_side_is_told_by_how_much() -> None:
    rows = [
        Measurement(Region("anterior_thigh", side), "contractile_area", "max", area, Unit.SQUARE_MILLIMETER, "m/1")
        for side, area in ((Side.LEFT, 4000.0), (Side.RIGHT, 5000.0))
    ]
    found = {row.region: row.below_other_side_percent for row in take_inventory(rows)}
    left, right = found[Region("anterior_thigh", Side.LEFT)], found[Region("anterior_thigh", Side.RIGHT)]
    assert left is not None
    assert right is not None
    assert left.value == pytest.approx(20.0)
    assert right.value == pytest.approx(0.0)
