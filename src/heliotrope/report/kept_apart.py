"""Activity, damage and calcium of every muscle in three columns that are never summed."""

from __future__ import annotations

from collections.abc import Sequence

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.measurement import Measurement
from heliotrope.findings.damage import FAT_MAY_EXPLAIN_PERCENT
from heliotrope.findings.edema import POSITIVE_PERCENT
from heliotrope.measure.calcium_summary import WITHIN_OUTLINE
from heliotrope.report.document import Column, Row, Table, Text, Tone
from heliotrope.report.tables import ordered_structures, structure_title
from heliotrope.report.vocabulary import capitalized, interval_text, value_text

_COLUMNS = (
    ("edema_fraction", "fraction", "Edema fraction [%]", "Activity"),
    ("fat_fraction", "mean", "Fat fraction [%]", "Damage"),
    ("contractile_area", "max", "Contractile area [mm²]", "Damage"),
    ("calcinosis_mass", "total", "Calcium within the outline [mg]", "Calcium"),
)
MAY_BE_FAT = f"fat {FAT_MAY_EXPLAIN_PERCENT:.0f} % or more: may be fat rather than edema"
NOTE = (
    "Activity may pass, damage and calcium stay; no column is added to another. What was not looked for is unknown, "
    "not absent."
)
NOT_LOOKED_FOR, NOT_MEASURED = "not looked for", "not measured"
_ELSEWHERE = "calcium was sought, but on images on which this muscle is not labeled"


def kept_apart_table(measurements: Sequence[Measurement]) -> Table | None:
    """One row per muscle and side; compartments and sides where muscles were not labeled one by one.

    None where nothing of the three was measured in muscle.
    """
    found = {
        (m.region, m.quantity): m
        for m in measurements
        for quantity, statistic, _, _ in _COLUMNS
        if (m.quantity, m.statistic) == (quantity, statistic) and m.region.level is None and m.region.side is not None
    }
    regions = {region for region, quantity in found if quantity in ("edema_fraction", "fat_fraction")}
    single = {r for r in regions if STRUCTURES[r.structure].kind is StructureKind.MUSCLE}
    whole = {r for r in regions if r.structure == "muscle" or STRUCTURES[r.structure].kind is StructureKind.COMPARTMENT}
    shown = single or whole
    if not shown:
        return None
    rows = tuple(
        _row(Region(name, side), found)
        for name, _ in ordered_structures({region.structure for region in shown})
        for side in (Side.RIGHT, Side.LEFT)
        if Region(name, side) in shown
    )
    heading = (
        Column("Muscle"),
        Column("Side"),
        *(Column(title, group, numeric=True) for _, _, title, group in _COLUMNS),
    )
    weighed = any(quantity == "calcinosis_mass" and m.value is not None for (_, quantity), m in found.items())
    notes = (NOTE, *((WITHIN_OUTLINE,) if weighed else ()), *_reasons(measurements, shown, found))
    return Table("Activity, damage and calcium, kept apart", heading, rows, notes)


def _reasons(
    measurements: Sequence[Measurement], shown: set[Region], found: dict[tuple[Region, str], Measurement]
) -> tuple[str, ...]:
    """Why cells have no number, one line a column."""
    lines = []
    for quantity, _, title, _ in _COLUMNS:
        rows = [found.get((region, quantity)) for region in shown]
        if all(row is not None and row.value is not None for row in rows):
            continue
        whole = [m for m in measurements if m.quantity == quantity and m.region.structure == "all"]
        missing = [m.missing.reason for m in (*whole, *filter(None, rows)) if m.missing is not None]
        if missing:
            reason = "; ".join(dict.fromkeys(text.rstrip(".") for text in missing))
        elif quantity == "calcinosis_mass" and whole:
            reason = _ELSEWHERE
        elif quantity == "calcinosis_mass":
            reason = "the study holds no images on which calcium is sought"
        else:
            reason = "this study does not permit it; see what could not be assessed"
        lines.append(f"{title.split(' [')[0]}: {reason}.")
    return tuple(lines)


def _row(region: Region, found: dict[tuple[Region, str], Measurement]) -> Row:
    fat = found.get((region, "fat_fraction"))
    edema = found.get((region, "edema_fraction"))
    fatty = fat is not None and fat.value is not None and fat.value >= FAT_MAY_EXPLAIN_PERCENT
    doubtful = fatty and edema is not None and (edema.value or 0.0) > POSITIVE_PERCENT
    cells = []
    for quantity, _, _, _ in _COLUMNS:
        row = found.get((region, quantity))
        if row is None or row.value is None:
            cells.append(Text(NOT_LOOKED_FOR if quantity == "calcinosis_mass" else NOT_MEASURED, tone=Tone.UNKNOWN))
            continue
        note = MAY_BE_FAT if doubtful and quantity == "edema_fraction" else interval_text(row)
        cells.append(Text(value_text(row, show_unit=False), strong=True, note=note))
    side = capitalized(region.side or "")
    return Row((Text(structure_title(region.structure)), Text(side), *cells))
