"""Activity, damage and calcium of a muscle stand beside each other and are never one number."""

from __future__ import annotations

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.report.document import Tone
from heliotrope.report.kept_apart import MAY_BE_FAT, kept_apart_table
from tests.report.sample import number

VASTUS = Region("vastus_lateralis", Side.LEFT)


def test_a_fatty_muscle_with_long_t2_is_marked_as_perhaps_fat() -> None:
    rows = (
        number(VASTUS, "edema_fraction", 20.0, Unit.PERCENT, statistic="fraction"),
        number(VASTUS, "fat_fraction", 45.0, Unit.PERCENT, statistic="mean"),
        number(VASTUS, "contractile_area", 900.0, Unit.SQUARE_MILLIMETER, statistic="max"),
    )
    table = kept_apart_table(rows)
    assert table is not None
    ((muscle, side, activity, fat, area, calcium),) = [row.cells for row in table.rows]
    assert (muscle.text, side.text) == ("Vastus lateralis", "Left")
    assert (activity.text, activity.note) == ("20.0", MAY_BE_FAT)
    assert (fat.text, area.text) == ("45.0", "900")
    assert (calcium.text, calcium.tone) == ("not looked for", Tone.UNKNOWN)
    assert {column.group for column in table.columns[2:]} == {"Activity", "Damage", "Calcium"}
    assert "unknown, not absent" in table.notes[0]
    assert table.notes[1].startswith("Calcium within the outline: ")


def test_lean_muscle_with_edema_is_not_marked_as_fat() -> None:
    rows = (
        number(VASTUS, "edema_fraction", 20.0, Unit.PERCENT, statistic="fraction"),
        number(VASTUS, "fat_fraction", 4.0, Unit.PERCENT, statistic="mean"),
    )
    table = kept_apart_table(rows)
    assert table is not None
    assert table.rows[0].cells[2].note != MAY_BE_FAT


def test_sides_stand_for_muscles_that_were_not_labeled_one_by_one() -> None:
    whole = Region("muscle", Side.RIGHT)
    table = kept_apart_table((number(whole, "fat_fraction", 4.0, Unit.PERCENT, statistic="mean"),))
    assert table is not None
    assert [row.cells[0].text for row in table.rows] == ["Muscle"]
    assert kept_apart_table((number(Region("skin"), "volume", 4.0, Unit.MILLILITER, statistic="total"),)) is None


def _calcium(region: Region, value: float | None, missing: Missing | None = None) -> Measurement:
    return Measurement(region, "calcinosis_mass", "total", value, Unit.MILLIGRAM, "ct/1", missing=missing)


def test_calcium_of_the_same_study_stands_beside_each_muscle() -> None:
    other = Region("gracilis", Side.LEFT)
    rows = (
        number(VASTUS, "fat_fraction", 4.0, Unit.PERCENT, statistic="mean"),
        number(other, "fat_fraction", 4.0, Unit.PERCENT, statistic="mean"),
        _calcium(Region("all"), 120.0),
        _calcium(VASTUS, 80.0),
    )
    table = kept_apart_table(rows)
    assert table is not None
    cells = {row.cells[0].text: row.cells[-1].text for row in table.rows}
    assert cells == {"Vastus lateralis": "80", "Gracilis": "not looked for"}
    assert any("on images on which this muscle is not labeled" in note for note in table.notes)


def test_why_calcium_was_not_looked_for_is_said() -> None:
    rows = (
        number(VASTUS, "fat_fraction", 4.0, Unit.PERCENT, statistic="mean"),
        _calcium(Region("all"), None, Missing("M_NO_SERIES", "no CT series")),
    )
    table = kept_apart_table(rows)
    assert table is not None
    assert "Calcium within the outline: no CT series." in table.notes
