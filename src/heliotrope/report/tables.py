"""Measurements as tables: regions by quantity, and every number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.measurement import Measurement
from heliotrope.report.calcium_tables import is_within_outline
from heliotrope.report.citations import Citations
from heliotrope.report.document import Column, Row, Table, Text, Tone
from heliotrope.report.vocabulary import (
    NO_TITLES,
    NOT_ASSESSABLE,
    capitalized,
    interval_text,
    joined,
    quantity_title,
    sentence,
    statistic_title,
    unit_symbol,
    value_text,
)

HEADLINE_QUANTITIES = (
    "water_t2",
    "fat_fraction",
    "edema_fraction",
    "stir_ratio",
    "adc",
    "md",
    "calcinosis_mass",
    "calcinosis_volume",
    "t2",
    "legacy_t2",
    "volume",
    "cross_sectional_area",
)
"""Order of the region table on the first page; anything else follows in the order measured."""

STATISTIC_ORDER = ("median", "mean", "total", "fraction", "value")
FIRST_PAGE_COLUMNS = 9
"""What fits across a page: columns of numbers, counting each side."""
MAXIMUM_LEVEL_ROWS = 300
"""Rows per quantity for single slices or stations; the rest stands in measurements.csv."""

NOT_MEASURED = "–"
NOT_MEASURED_NOTE = "– is not measured in this region."
WHOLE_STUDY = "all"

_FIRST = ("muscle", "intermuscular_fat", "subcutaneous_fat", "skin", "bone")
_STRUCTURE_ORDER = {name: position for position, name in enumerate(dict.fromkeys((*_FIRST, *STRUCTURES)))}
_SIDE_TITLES = {Side.RIGHT: "Right", Side.LEFT: "Left", None: "Both sides or midline"}
_SIDES: tuple[Side | None, ...] = (Side.RIGHT, Side.LEFT, None)


@dataclass
class _Notes:
    """Letters for notes below a table; equal notes share one."""

    _letters: dict[str, str] = field(default_factory=dict)

    def letter(self, text: str) -> str:
        text = sentence(text)
        position = len(self._letters)
        first, second = divmod(position, 26)
        fresh = (chr(96 + first) if first else "") + chr(97 + second)
        return self._letters.setdefault(text, fresh)

    def letters(self, texts: Iterable[str]) -> str:
        return " ".join(f"({self.letter(text)})" for text in texts)

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(f"({letter}) {text}" for text, letter in self._letters.items())


def structure_title(name: str) -> str:
    """Title of a structure, first letter in upper case."""
    return capitalized(STRUCTURES[name].title)


def is_regional(measurement: Measurement) -> bool:
    """True for a number on one whole structure, not on the study and not on one level."""
    return measurement.region.level is None and measurement.region.structure != WHOLE_STUDY


def main_statistic(measurements: Sequence[Measurement]) -> str:
    """The statistic that stands for a quantity: median before mean before total; else the first."""
    present = {m.statistic for m in measurements}
    return next((s for s in STATISTIC_ORDER if s in present), measurements[0].statistic)


def ordered_quantities(measurements: Iterable[Measurement]) -> tuple[str, ...]:
    """Quantities present, headline ones first."""
    present = tuple(dict.fromkeys(m.quantity for m in measurements))
    return tuple(q for q in HEADLINE_QUANTITIES if q in present) + tuple(
        q for q in present if q not in HEADLINE_QUANTITIES
    )


def page_fulls(measurements: Sequence[Measurement], quantities: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Quantities in groups whose columns fit across a page; those without one value are left out."""
    groups: list[list[str]] = [[]]
    used = 0
    for quantity in quantities:
        mine = [m for m in measurements if m.quantity == quantity and is_regional(m)]
        if all(m.value is None for m in mine):
            continue
        statistic = main_statistic(mine)
        width = len({m.region.side for m in mine if m.statistic == statistic})
        if groups[-1] and used + width > FIRST_PAGE_COLUMNS:
            groups.append([])
            used = 0
        groups[-1].append(quantity)
        used += width
    return tuple(tuple(group) for group in groups if group)


def reason_text(measurement: Measurement) -> str:
    """Why a number is missing; equal reasons of different regions read the same."""
    reason = measurement.missing.reason if measurement.missing is not None else ""
    title = measurement.region.title
    return sentence(reason.replace(f"The {title}", "This region").replace(f"the {title}", "this region"))


def ordered_structures(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Structures in anatomical order with an indent: muscles stand below their compartment."""
    present = set(names)
    rows: list[tuple[str, int]] = []
    for name in sorted(present, key=_STRUCTURE_ORDER.__getitem__):
        structure = STRUCTURES[name]
        if structure.kind is StructureKind.MUSCLE and structure.compartment in present:
            continue
        rows.append((name, 0))
        if structure.kind is StructureKind.COMPARTMENT:
            members = [m for m in present if STRUCTURES[m].compartment == name]
            rows.extend((m, 1) for m in sorted(members, key=_STRUCTURE_ORDER.__getitem__))
    return tuple(rows)


def whole_study_table(measurements: Sequence[Measurement], titles: Mapping[str, str] = NO_TITLES) -> Table | None:
    """Numbers that belong to the whole study, one row each."""
    notes = _Notes()
    rows: list[Row] = []
    for m in measurements:
        if m.region.structure != WHOLE_STUDY or m.region.level is not None:
            continue
        name = f"{quantity_title(m.quantity, titles)}, {statistic_title(m.statistic)}"
        if m.missing is not None:
            value = Text(NOT_ASSESSABLE, note=notes.letters((reason_text(m),)), tone=Tone.UNKNOWN)
        else:
            value = Text(value_text(m), strong=True, note=notes.letters(m.notes))
        rows.append(Row((Text(name), value, Text(interval_text(m) or "–"))))
    if not rows:
        return None
    heading = (Column("Quantity"), Column("Value", numeric=True), Column("95 % interval", numeric=True))
    return Table("Whole study", heading, tuple(rows), notes.lines)


def cell_of(measurement: Measurement, notes: _Notes, common: frozenset[str] = frozenset()) -> Text:
    """One value with its interval, or why there is none."""
    if measurement.missing is not None:
        letter = notes.letters((reason_text(measurement),))
        return Text(NOT_ASSESSABLE, note=letter, tone=Tone.UNKNOWN)
    marks = notes.letters(note for note in measurement.notes if note not in common)
    parts = [part for part in (interval_text(measurement), marks) if part]
    return Text(value_text(measurement, show_unit=False), strong=True, note=" ".join(parts))


def region_table(
    measurements: Sequence[Measurement],
    quantities: Sequence[str],
    caption: str,
    titles: Mapping[str, str] = NO_TITLES,
) -> Table | None:
    """Regions down, quantities across, right and left side by side; None when there is nothing to show.

    Parameters
    ----------
    measurements : sequence of Measurement
        Only whole structures (no level) are used.
    quantities : sequence of str
    caption : str
    titles : mapping of str to str
        Titles of quantities by key.
    """
    chosen: dict[tuple[str, str, Side | None], Measurement] = {}
    columns: list[tuple[str, str, Side | None]] = []
    for quantity in quantities:
        mine = [m for m in measurements if m.quantity == quantity and is_regional(m)]
        if not mine:
            continue
        statistic = main_statistic(mine)
        mine = [m for m in mine if m.statistic == statistic]
        chosen.update({(quantity, m.region.structure, m.region.side): m for m in mine})
        sides = {m.region.side for m in mine}
        columns.extend((quantity, statistic, side) for side in _SIDES if side in sides)
    if not columns:
        return None
    notes = _Notes()
    common: dict[str, frozenset[str]] = {}
    heads: dict[str, str] = {}
    for quantity, statistic, _ in columns:
        if quantity in heads:
            continue
        valued = [m for key, m in chosen.items() if key[0] == quantity and m.value is not None]
        shared = frozenset.intersection(*(frozenset(m.notes) for m in valued)) if valued else frozenset()
        common[quantity] = shared
        unit = unit_symbol(next(m.unit for key, m in chosen.items() if key[0] == quantity))
        title = f"{quantity_title(quantity, titles)}, {statistic_title(statistic)}"
        if any(is_within_outline(quantity, m.region) for m in valued):
            title = f"{quantity_title(quantity, titles)} within the outline"
        marks = notes.letters(sorted(shared))
        heads[quantity] = title + (f" [{unit}]" if unit else "") + (f" {marks}" if marks else "")
    rows: list[Row] = []
    for structure, indent in ordered_structures(key[1] for key in chosen):
        cells = [Text(structure_title(structure))]
        for quantity, _, side in columns:
            found = chosen.get((quantity, structure, side))
            cells.append(cell_of(found, notes, common[quantity]) if found else Text(NOT_MEASURED, tone=Tone.UNKNOWN))
        rows.append(Row(tuple(cells), indent=indent))
    heading = (
        Column("Region"),
        *(Column(_SIDE_TITLES[side], heads[quantity], numeric=True) for quantity, _, side in columns),
    )
    lines = notes.lines
    if any(cell.text == NOT_MEASURED for row in rows for cell in row.cells):
        lines = (*lines, NOT_MEASURED_NOTE)
    return Table(caption, heading, tuple(rows), lines)


def _sort_key(measurement: Measurement) -> tuple[int, str, int, str]:
    region = measurement.region
    level = region.level or ""
    number = int("".join(filter(str.isdigit, level)) or 0)
    return (_STRUCTURE_ORDER[region.structure], region.side or "", number, level)


def measurement_table(
    quantity: str,
    measurements: Sequence[Measurement],
    citations: Citations,
    *,
    levels: bool,
    titles: Mapping[str, str] = NO_TITLES,
) -> Table | None:
    """Every number of one quantity, of whole structures or of single levels."""
    mine = [m for m in measurements if m.quantity == quantity and (m.region.level is not None) == levels]
    if not mine:
        return None
    mine.sort(key=_sort_key)
    notes = _Notes()
    shown = mine[:MAXIMUM_LEVEL_ROWS] if levels else mine
    rows: list[Row] = []
    for m in shown:
        cited = citations.cite(m.evidence)
        place = structure_title(m.region.structure)
        if is_within_outline(m.quantity, m.region):
            place = f"Within the outline of {STRUCTURES[m.region.structure].title}"
        region = [Text(place), Text(capitalized(m.region.side or "–"))]
        if levels:
            region.append(Text(m.region.level or ""))
        marks = notes.letters(m.notes)
        if m.missing is not None:
            value = Text(NOT_ASSESSABLE, note=notes.letters((reason_text(m),)), tone=Tone.UNKNOWN)
        else:
            value = Text(value_text(m, show_unit=False), cited, strong=True, note=marks)
        tail = (
            Text(statistic_title(m.statistic)),
            value,
            Text(interval_text(m) or ("–" if m.value is None else "none")),
            Text("–" if m.n_voxels is None else f"{m.n_voxels}"),
            Text(m.method),
        )
        rows.append(Row((*region, *tail)))
    unit = unit_symbol(mine[0].unit)
    heading = [Column("Region"), Column("Side")]
    if levels:
        heading.append(Column("Level"))
    heading += [
        Column("Statistic"),
        Column(f"Value [{unit}]" if unit else "Value", numeric=True),
        Column("95 % interval", numeric=True),
        Column("Voxels", numeric=True),
        Column("Method"),
    ]
    lines = notes.lines
    if len(mine) > len(shown):
        lines = (*lines, f"{len(mine) - len(shown)} further rows of single levels stand in measurements.csv.")
    title = quantity_title(quantity, titles) + (", by level" if levels else "")
    return Table(title, tuple(heading), tuple(rows), lines)


def missing_rows(measurements: Iterable[Measurement], titles: Mapping[str, str] = NO_TITLES) -> tuple[Row, ...]:
    """Missing numbers of whole structures, grouped by quantity and reason."""
    groups: dict[tuple[str, str], dict[Region, None]] = defaultdict(dict)
    for m in measurements:
        if m.missing is not None and m.region.level is None:
            groups[m.quantity, reason_text(m)].setdefault(m.region)
    rows: list[Row] = []
    for (quantity, reason), regions in groups.items():
        names = [region.title for region in regions]
        where = joined(names) if len(names) <= 8 else joined([*names[:7], f"{len(names) - 7} more regions"])
        rows.append(Row((Text(quantity_title(quantity, titles)), Text(where), Text(reason))))
    return tuple(rows)
