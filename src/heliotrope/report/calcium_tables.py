"""Calcium in CT as tables: how much by plane, shape, region and side; pattern names; and every calcification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Measurement
from heliotrope.measure.calcium import SKIN_AT_RISK_MM
from heliotrope.measure.regions import is_lean
from heliotrope.report.document import Block, Column, Foldable, Row, Table, Text, Tone
from heliotrope.report.vocabulary import NOT_ASSESSABLE, capitalized, interval_text, unit_symbol, value_text

STRUCTURE = "calcification"
COMPONENT = "component"

_AMOUNTS = (
    ("calcinosis_mass", "Mass"),
    ("calcinosis_volume", "Volume"),
    ("calcinosis_threshold_volume", "Above threshold"),
    ("calcinosis_agatston", "Agatston-type sum"),
    ("calcinosis_count", "Number"),
    ("calcinosis_skin_at_risk", "Skin at risk"),
)
GROUPS = (("plane", "By tissue plane"), ("shape", "By shape"), ("region", "By body region"), ("", "By side"))
"""First word of the level of a group of calcifications, and its heading."""
_INTERVALS = (
    "Every amount is followed by its interval. Those of mass and corrected volume hold noise, background and the "
    "method's error on phantoms; those of the volume above the threshold and the Agatston-type sum noise alone, not "
    "how much of thin calcium they miss or add by voxel size and blur; that of the skin half a pixel; and the number "
    "reaches from the calcifications whose mass is certain to all."
)
_AMOUNTS_BY_OUTLINE = ("calcinosis_mass", "calcinosis_volume")
_PATTERNS, _ALL_PATTERNS = "patterns_", "patterns"


def is_within_outline(quantity: str, region: Region) -> bool:
    """True for calcium counted by the outline of a muscle or compartment, whatever its tissue plane."""
    return quantity in _AMOUNTS_BY_OUTLINE and is_lean(region)


def burden_table(measurements: Sequence[Measurement]) -> Table | None:
    """Amounts of calcium by plane, shape, body region and side; None where none was found.

    Parameters
    ----------
    measurements : sequence of Measurement
        Levels read ``"plane fascial"``, ``"shape sheet"``, ``"region thigh"``; None is a whole side.
    """
    found: dict[tuple[str, str, Side | None], dict[str, Measurement]] = {}
    for m in measurements:
        kind, _, name = (m.region.level or "").partition(" ")
        if m.region.structure == STRUCTURE and kind in dict(GROUPS) and m.quantity in dict(_AMOUNTS):
            found.setdefault((kind, name, m.region.side), {})[m.quantity] = m
    if not found:
        return None
    shown = [(quantity, title) for quantity, title in _AMOUNTS if any(quantity in rows for rows in found.values())]
    units = {m.quantity: unit_symbol(m.unit) for rows in found.values() for m in rows.values()}
    body: list[Row] = []
    for kind, heading in GROUPS:
        mine = [(key, rows) for key, rows in found.items() if key[0] == kind]
        if not mine:
            continue
        body.append(Row(heading=heading))
        mine.sort(key=lambda item: (str(item[0][2] or ""), -_mass(item[1])))
        for (_, name, side), rows in mine:
            cells = (Text(group_title(name, side)), *(_amount(rows.get(quantity)) for quantity, _ in shown))
            body.append(Row(cells, indent=1))
    columns = (
        Column("Calcium"),
        *(Column(f"{title} [{units[q]}]" if units[q] else title, numeric=True) for q, title in shown),
    )
    return Table("Calcium by tissue plane, shape, region and side", columns, tuple(body), (_INTERVALS,))


def _mass(rows: Mapping[str, Measurement]) -> float:
    mass = rows.get("calcinosis_mass")
    return 0.0 if mass is None or mass.value is None else mass.value


def group_title(name: str, side: Side | None) -> str:
    """A group in a table: ``Fascial, left``, or ``Left side`` for all of a side."""
    words = (name, f"{side} side" if side and not name else str(side or ""))
    return capitalized(", ".join(word for word in words if word))


def _amount(measurement: Measurement | None) -> Text:
    if measurement is None:
        return Text("–", tone=Tone.UNKNOWN)
    if measurement.value is None:
        return Text(NOT_ASSESSABLE, tone=Tone.UNKNOWN)
    return Text(value_text(measurement, show_unit=False), strong=True, note=interval_text(measurement))


def is_calcium_in_ct(finding: Finding) -> bool:
    """True for the findings whose details `calcium_blocks` lays out: the total and the list of calcifications."""
    details = finding.details
    total = _ALL_PATTERNS in details and "components" in details
    listed = any(key.startswith(f"{COMPONENT}_") for key in details)
    return finding.kind is FindingKind.CALCINOSIS and (total or listed)


def calcium_blocks(findings: Sequence[Finding], measurements: Sequence[Measurement]) -> tuple[Block, ...]:
    """Pattern names by region, and the table of calcifications.

    Parameters
    ----------
    findings : sequence of Finding
        Those of `is_calcium_in_ct`.
    measurements : sequence of Measurement
        Intervals of the masses of single calcifications are read from these.
    """
    blocks: list[Block] = []
    for finding in findings:
        patterns = _pattern_table(finding)
        listed = _lesion_table(finding, measurements)
        if patterns is not None:
            blocks.append(patterns)
        if listed is not None:
            blocks.append(Foldable(f"{listed.caption} ({len(listed.rows)})", (listed,)))
    return tuple(blocks)


def _pattern_table(finding: Finding) -> Table | None:
    rows = tuple(
        Row((Text(capitalized(key.removeprefix(_PATTERNS).replace("_", " "))), Text(str(held))))
        for key, held in finding.details.items()
        if key.startswith(_PATTERNS) and held
    )
    if not rows:
        return None
    columns = (Column("Body region"), Column("Published pattern names that fit"))
    note = "Each a set: no name is ranked above another, and none is a diagnosis."
    return Table("Published patterns, by body region", columns, rows, (note,))


def _lesion_table(finding: Finding, measurements: Sequence[Measurement]) -> Table | None:
    lesions: dict[str, dict[str, str | float | None]] = {}
    for key, value in finding.details.items():
        word, _, rest = key.partition("_")
        number, _, name = rest.partition("_")
        if word == COMPONENT and number.isdigit():
            lesions.setdefault(number, {})[name] = value
    if not lesions:
        return None
    masses = {
        (m.region.level or "").removeprefix(f"{COMPONENT} "): m
        for m in measurements
        if m.region.structure == STRUCTURE and m.quantity == "calcinosis_mass" and m.value is not None
    }
    columns = (
        Column("No."),
        Column("Where"),
        Column("Plane"),
        Column("Shape"),
        Column("Mass [mg]", numeric=True),
        Column("Volume [mm³]", numeric=True),
        Column("Below the skin [mm]", numeric=True),
        Column("Peak [HU]", numeric=True),
        Column("Remarks"),
    )
    rows = tuple(_lesion_row(number, lesion, masses.get(number)) for number, lesion in lesions.items())
    notes = (
        "Heaviest first; numbers are those in the pictures and hold for this scan alone.",
        "Mass is hydroxyapatite equivalent, followed by its 95 % interval.",
    )
    return Table("Calcifications, one by one", columns, rows, notes)


def _lesion_row(number: str, lesion: Mapping[str, str | float | None], mass: Measurement | None) -> Row:
    depth = lesion.get("skin_distance_mm")
    remarks = []
    if lesion.get("plane_shares"):
        remarks.append(str(lesion["plane_shares"]))
    if isinstance(depth, float) and depth < SKIN_AT_RISK_MM:
        remarks.append("near the skin")
    if lesion.get("fluid_level") == "yes":
        remarks.append("fluid-calcium level")
    where = " ".join(str(lesion[name]) for name in ("region", "place") if lesion.get(name))
    return Row(
        (
            Text(number),
            Text(capitalized(where) or "not named"),
            Text(str(lesion.get("plane") or "–")),
            Text(str(lesion.get("shape") or "–")),
            Text(_rounded(lesion.get("mass_mg")), strong=True, note="" if mass is None else interval_text(mass)),
            Text(_rounded(lesion.get("volume_mm3"))),
            Text(_rounded(depth)),
            Text(_rounded(lesion.get("peak_hu"), decimals=0)),
            Text(", ".join(remarks) or "–"),
        )
    )


def _rounded(value: str | float | None, *, decimals: int = 1) -> str:
    if not isinstance(value, float):
        return "–"
    return f"{value:.0f}" if decimals == 0 or abs(value) >= 100 else f"{value:.{decimals}f}"
