"""The inventory of the whole body as one table: a row per compartment, right beside left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heliotrope.domain.anatomy import STRUCTURES, Region, Side
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.whole_body import INVENTORY
from heliotrope.report.document import Block, Column, Row, Table, Text, Tone
from heliotrope.report.vocabulary import capitalized

_COLUMNS = (
    ("volume_ml", "Volume [mL]", ".0f"),
    ("edema_percent", "Edema [%]", ".1f"),
    ("edema_load", "Edema load [mL × ratio]", ".1f"),
    ("fat_percent", "Fat [%]", ".1f"),
    ("below_other_side_percent", "Contractile area below other side [%]", ".0f"),
    ("fascia_percent", "Perifascial signal [%]", ".0f"),
    ("subcutis_percent", "Subcutaneous signal [%]", ".0f"),
)
_SIDES = (Side.RIGHT, Side.LEFT)

NOTE = (
    "The number of compartments is that of a published tool; names and members are a choice of this program. The "
    "fascia is read only where a side shows a single limb in the slice."
)


def inventory_blocks(findings: Sequence[Finding]) -> tuple[Block, ...]:
    """One table per whole-body finding; nothing without one."""
    return tuple(_table(item.details) for item in findings if item.kind is FindingKind.WHOLE_BODY and item.details)


def _table(details: Mapping[str, object]) -> Table:
    numbers = {
        str(details[key]): key.removesuffix("_name")
        for key in details
        if key.startswith("compartment_") and key.endswith("_name")
    }
    rows, notes = [], [NOTE]
    for item in INVENTORY:
        keys = {side: numbers.get(Region(item.structure, side).title) for side in _SIDES}
        cells = [_cell(details.get(f"{keys[side]}_{name}"), form) for name, _, form in _COLUMNS for side in _SIDES]
        title = capitalized(STRUCTURES[item.structure].title)
        rows.append(Row((Text(title, strong=True), *cells)))
        notes += _reasons(details, item.structure, keys)
    heading = [Column(str(side).capitalize(), title, numeric=True) for _, title, _ in _COLUMNS for side in _SIDES]
    return Table("Inventory of the whole body", (Column("Compartment"), *heading), tuple(rows), tuple(notes))


def _cell(value: object, form: str) -> Text:
    return Text(format(value, form)) if isinstance(value, float) else Text("–", tone=Tone.UNKNOWN)


def _reasons(details: Mapping[str, object], structure: str, keys: Mapping[Side, str | None]) -> list[str]:
    """Why a compartment does not count, by side."""
    said = []
    for side in _SIDES:
        reason = str(details.get(f"{keys[side]}_why_missing") or "")
        if reason:
            said.append(f"Not counted: {Region(structure, side).title}. {reason}")
    return said
