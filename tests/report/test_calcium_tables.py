"""Calcium laid out for a reader: amounts by group, pattern names, single calcifications."""

from __future__ import annotations

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.report.calcium_tables import burden_table, calcium_blocks, is_calcium_in_ct
from heliotrope.report.document import Foldable, Table


def amount(level: str | None, mass_mg: float, side: Side | None = Side.LEFT) -> Measurement:
    region = Region("calcification", side, level)
    return Measurement(
        region, "calcinosis_mass", "total", mass_mg, Unit.MILLIGRAM, "m", ci95=(0.8 * mass_mg, 1.2 * mass_mg)
    )


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] or [row.heading] for row in table.rows]


def test_amounts_stand_in_groups_each_with_its_interval() -> None:
    rows = (
        amount(None, 300.0),
        amount("plane subcutaneous", 100.0),
        amount("plane fascial", 200.0),
        amount("shape sheet", 300.0),
        amount("region thigh", 300.0),
        amount("component 1", 200.0),
    )
    table = burden_table(rows)
    assert table is not None
    assert texts(table) == [
        ["By tissue plane"],
        ["Fascial, left", "200"],
        ["Subcutaneous, left", "100"],
        ["By shape"],
        ["Sheet, left", "300"],
        ["By body region"],
        ["Thigh, left", "300"],
        ["By side"],
        ["Left side", "300"],
    ]
    assert table.rows[1].cells[1].note == "160 to 240"


def test_without_calcium_there_is_no_table_of_amounts() -> None:
    total = Measurement(Region("all"), "calcinosis_mass", "total", 0.0, Unit.MILLIGRAM, "m")
    assert burden_table((total,)) is None


def listed(**details: str | float | None) -> Finding:
    return Finding(FindingKind.CALCINOSIS, Truth.TRUE, "Listed.", details=details)


def test_a_calcification_says_where_it_lies_and_what_is_remarkable() -> None:
    finding = listed(
        component_3_region="left thigh",
        component_3_place="over vastus lateralis",
        component_3_plane="subcutaneous",
        component_3_second_plane="fascial",
        component_3_plane_shares="subcutaneous 62 %, fascial 38 %",
        component_3_shape="tumoral",
        component_3_mass_mg=250.0,
        component_3_volume_mm3=400.0,
        component_3_peak_hu=801.4,
        component_3_skin_distance_mm=1.87,
        component_3_fluid_level="yes",
    )
    assert is_calcium_in_ct(finding)
    (block,) = calcium_blocks([finding], [amount("component 3", 250.0)])
    assert isinstance(block, Foldable)
    (table,) = block.blocks
    assert isinstance(table, Table)
    remarks = "subcutaneous 62 %, fascial 38 %, near the skin, fluid-calcium level"
    where = "Left thigh over vastus lateralis"
    assert texts(table) == [["3", where, "subcutaneous", "tumoral", "250", "400", "1.9", "801", remarks]]
    assert table.rows[0].cells[4].note == "200 to 300"


def test_patterns_are_told_region_by_region_and_once() -> None:
    finding = listed(components=2.0, patterns="deep linear; superficial masses", patterns_left_thigh="deep linear")
    (table,) = calcium_blocks([finding], [])
    assert isinstance(table, Table)
    assert texts(table) == [["Left thigh", "deep linear"]]


def test_findings_on_radiographs_are_laid_out_elsewhere() -> None:
    assert not is_calcium_in_ct(listed(patterns="stone", zone_1_cm2=1.2))
