"""`Comparison` of timepoints to `Document`; wording from images alone, never progression or response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.change import Change, ChangeVerdict
from heliotrope.domain.comparison import ComparedTimepoint, Comparison
from heliotrope.domain.measurement import Measurement
from heliotrope.measure.calcium_summary import WITHIN_OUTLINE
from heliotrope.report.calcium_tables import is_within_outline
from heliotrope.report.charts import ChartPoint, draw_course
from heliotrope.report.citations import Citations
from heliotrope.report.document import (
    Block,
    BulletItem,
    BulletList,
    Column,
    Document,
    Facts,
    Figure,
    Foldable,
    Notice,
    Paragraph,
    References,
    Row,
    Section,
    Table,
    Text,
    Tone,
)
from heliotrope.report.html import to_html
from heliotrope.report.lesion_followup import followup_section, headline_items
from heliotrope.report.side_by_side import side_by_side_section
from heliotrope.report.tables import ordered_quantities
from heliotrope.report.vocabulary import (
    NOT_ASSESSABLE,
    capitalized,
    number_text,
    plural,
    quantity_title,
    sentence,
    statistic_title,
    unit_symbol,
    with_unit,
)

MAXIMUM_CHARTS = 12
MAXIMUM_KEY_CHANGES = 24
MAXIMUM_QUANTITIES = 8
"""Quantities named beside a reason; the others stand in the table of all changes."""
_BEYOND = (ChangeVerdict.INCREASE, ChangeVerdict.DECREASE)
_UNCOMPARED = (ChangeVerdict.NOT_COMPARABLE, ChangeVerdict.NOT_ASSESSABLE)
_LARGE = {StructureKind.WHOLE, StructureKind.TISSUE, StructureKind.COMPARTMENT}


def build_comparison(comparison: Comparison) -> Document:
    """The report of a comparison.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    Document
        What changed by more than measurement error, courses, every change, what could not be compared, sources.
    """
    citations = Citations()
    names = [t.name for t in comparison.timepoints]
    sections = (
        _key_changes(comparison, citations),
        side_by_side_section(comparison),
        *(
            followup_section(
                (names[0], name), found, comparison.changes.get(name, ()), citations, synthetic=comparison.synthetic
            )
            for name, found in comparison.calcifications.items()
        ),
        _courses(comparison),
        _all_changes(comparison, citations),
        _not_compared(comparison),
        _how_judged(comparison, citations),
        _references(citations),
    )
    if comparison.blinded:
        subtitle = f"{plural(len(names), 'timepoint')}; their order in time is hidden"
    else:
        subtitle = f"{plural(len(names), 'timepoint')}, each held against the first"
    identity = [("Timepoints", ", ".join(names)), ("Baseline", names[0] if not comparison.blinded else "hidden")]
    if not comparison.blinded:
        known = [f"{t.name} day {t.day}" for t in comparison.timepoints if t.day is not None]
        identity.append(("Time", ", ".join(known) if len(known) == len(names) else "between visits not known"))
    return Document(
        title="Comparison of timepoints",
        subtitle=subtitle,
        identity=tuple(identity),
        sections=tuple(section for section in sections if section is not None),
        synthetic=comparison.synthetic,
    )


def comparison_to_html(comparison: Comparison) -> str:
    """The comparison as one self-contained page."""
    return to_html(build_comparison(comparison))


def _sentence(change: Change, titles: Mapping[str, str]) -> str:
    def said(value: float | None) -> str:
        return NOT_ASSESSABLE if value is None else number_text(value, change.unit)

    name = f"{quantity_title(change.quantity, titles)} ({statistic_title(change.statistic)})"
    text = f"{name}: {said(change.baseline)} to {with_unit(said(change.followup), change.unit)}"
    return f"{text}; {change.verdict}."


def _where(change: Change, title: str) -> str:
    """Region of a change; calcium in the outline of a muscle is not calcium of the plane intramuscular."""
    return f"within the outline of {title}" if is_within_outline(change.quantity, change.region) else title


_ORDER = {name: number for number, name in enumerate(STRUCTURES)}


def _place(change: Change) -> tuple[bool, str, int, str, str]:
    """Sorts by muscle group, then side, then muscle; what is no muscle comes last."""
    structure = STRUCTURES[change.region.structure]
    group = structure.compartment or change.region.structure
    side = {Side.RIGHT: "1", Side.LEFT: "2", None: "3"}[change.region.side]
    muscular = change.region.structure == "muscle" or structure.kind in (
        StructureKind.COMPARTMENT,
        StructureKind.MUSCLE,
    )
    return (
        not muscular,
        f"{_ORDER[group]:04d}{side}",
        _ORDER[change.region.structure],
        change.quantity,
        change.statistic,
    )


def _key_changes(comparison: Comparison, citations: Citations) -> Section:
    blocks: list[Block] = [Notice(note) for note in comparison.notes]
    for name, changes in comparison.changes.items():
        whole = [c for c in changes if c.region.level is None]
        beyond = [c for c in whole if c.verdict in _BEYOND]
        within = sum(c.verdict is ChangeVerdict.WITHIN for c in whole)
        unjudged = sum(c.verdict is ChangeVerdict.UNJUDGED for c in whole)
        uncompared = sum(c.verdict in _UNCOMPARED for c in whole)
        beyond.sort(key=lambda c: -abs((c.difference or 0.0) / (c.error_limit or 1.0)))
        shown = sorted(beyond[:MAXIMUM_KEY_CHANGES], key=_place)
        visit = f"{name}, " if len(comparison.changes) > 1 else ""
        items = tuple(
            BulletItem(
                Text(_sentence(c, comparison.titles), citations.cite(c.evidence)),
                "increase" if c.verdict is ChangeVerdict.INCREASE else "decrease",
                Tone.ATTENTION,
                lead=capitalized(f"{visit}{_where(c, c.region.title)}"),
            )
            for c in shown
        )
        rest = f"{within} within measurement error, {unjudged} of unknown error, {uncompared} not compared"
        hidden = len(beyond) - len(items)
        more = f" {hidden} more stand in the table below." if hidden > 0 else ""
        summary = f"{plural(len(beyond), 'change')} larger than measurement error; {rest}.{more}"
        followed = comparison.calcifications.get(name)
        calcium = () if followed is None else headline_items(followed, changes, visit, citations)
        of_regions = f"{name}, numbers of regions" if calcium else name
        blocks.append(BulletList((*calcium, BulletItem(Text(summary, strong=True), lead=of_regions), *items)))
    if not comparison.changes:
        blocks.append(Paragraph((Text("There is no second timepoint to compare."),)))
    return Section("changes", "What changed", tuple(blocks))


def calcium_headlines(comparison: Comparison) -> tuple[str, ...]:
    """What the page says first of followed calcifications, as plain sentences."""
    several = len(comparison.changes) > 1
    return tuple(
        f"{item.lead}: {item.text.text}"
        for name, followed in comparison.calcifications.items()
        for item in headline_items(followed, comparison.changes[name], f"{name}, " if several else "", Citations())
    )


def _measured(timepoint: ComparedTimepoint, region: Region, quantity: str, statistic: str) -> Measurement | None:
    return next(
        (m for m in timepoint.measurements if (m.region, m.quantity, m.statistic) == (region, quantity, statistic)),
        None,
    )


def _charted(comparison: Comparison) -> list[Change]:
    """The changes that get a chart: large regions first, changes beyond error before the others."""
    every = [c for changes in comparison.changes.values() for c in changes]
    unique: dict[tuple[Region, str, str], Change] = {}
    for change in every:
        comparable = change.region.level is None and change.baseline is not None and change.followup is not None
        if not comparable or change.verdict in _UNCOMPARED:
            continue
        key = (change.region, change.quantity, change.statistic)
        if key not in unique or change.verdict in _BEYOND:
            unique[key] = change
    order = ordered_quantities(m for t in comparison.timepoints for m in t.measurements)
    return sorted(
        unique.values(),
        key=lambda c: (
            c.verdict not in _BEYOND,
            STRUCTURES[c.region.structure].kind not in _LARGE,
            order.index(c.quantity) if c.quantity in order else len(order),
        ),
    )[:MAXIMUM_CHARTS]


def _courses(comparison: Comparison) -> Section | None:
    pictures = []
    for change in _charted(comparison):
        points = []
        for timepoint in comparison.timepoints:
            found = _measured(timepoint, change.region, change.quantity, change.statistic)
            value, interval = (None, None) if found is None else (found.value, found.ci95)
            points.append(ChartPoint(timepoint.name, value, interval, timepoint.day))
        pictures.append(
            draw_course(
                points,
                change.unit,
                f"{quantity_title(change.quantity, comparison.titles)}, {_where(change, change.region.title)}",
                error_limit=change.error_limit,
                connected=not comparison.blinded,
                synthetic=comparison.synthetic,
            )
        )
    if not pictures:
        return None
    caption = "Values at each timepoint with their 95 % intervals; the band is measurement error around the first."
    days = [timepoint.day for timepoint in comparison.timepoints]
    if comparison.blinded:
        caption += " The order of the timepoints is hidden: they stand evenly, which says nothing about time."
    elif None in days:
        caption += (
            " The time between visits is not known: they stand evenly, and their distance says nothing about time."
        )
    elif len(set(days)) < len(days):
        caption += " Some visits were on one day: all stand evenly, and their distance says nothing about time."
    else:
        caption += " Visits stand at their true distance in time, in days (d) since the first."
    return Section("courses", "Course", (Figure(tuple(pictures), caption, columns=3, dark=False),))


def _all_changes(comparison: Comparison, citations: Citations) -> Section | None:
    blocks: list[Block] = []
    for name, changes in comparison.changes.items():
        compared = [c for c in changes if c.verdict not in _UNCOMPARED and c.region.level is None]
        for quantity in dict.fromkeys(c.quantity for c in compared):
            mine = [c for c in compared if c.quantity == quantity]
            title = quantity_title(quantity, comparison.titles)
            table = _change_table(name, title, mine, citations)
            blocks.append(Foldable(f"{table.caption} ({plural(len(table.rows), 'row')})", (table,)))
    return Section("numbers", "Every change", tuple(blocks)) if blocks else None


def _change_table(name: str, title: str, changes: Sequence[Change], citations: Citations) -> Table:
    unit = unit_symbol(changes[0].unit)
    suffix = f" [{unit}]" if unit else ""

    def cell(value: float | None, change: Change) -> Text:
        if value is None:
            return Text(NOT_ASSESSABLE, tone=Tone.UNKNOWN)
        return Text(number_text(value, change.unit))

    rows = tuple(
        Row(
            (
                Text(capitalized(_where(c, STRUCTURES[c.region.structure].title))),
                Text(capitalized(c.region.side or "–")),
                Text(statistic_title(c.statistic)),
                cell(c.baseline, c),
                cell(c.followup, c),
                Text(
                    NOT_ASSESSABLE if c.difference is None else number_text(c.difference, c.unit),
                    strong=c.difference is not None,
                    note="" if c.ci95 is None else " to ".join(number_text(v, c.unit) for v in c.ci95),
                ),
                Text("not known" if c.error_limit is None else number_text(c.error_limit, c.unit)),
                Text(
                    str(c.verdict),
                    citations.cite(c.evidence),
                    tone=Tone.ATTENTION if c.verdict in _BEYOND else Tone.PLAIN,
                ),
            )
        )
        for c in changes
    )
    heading = (
        Column("Region"),
        Column("Side"),
        Column("Statistic"),
        Column(f"Baseline{suffix}", numeric=True),
        Column(f"{name}{suffix}", numeric=True),
        Column(f"Difference{suffix}", numeric=True),
        Column(f"Measurement error{suffix}", numeric=True),
        Column("What may be said"),
    )
    outlined = any(is_within_outline(c.quantity, c.region) for c in changes)
    return Table(f"{title}, {name} against baseline", heading, rows, (WITHIN_OUTLINE,) if outlined else ())


def _not_compared(comparison: Comparison) -> Section:
    heading, title = "What could not be compared, and why", "not-compared"
    groups: dict[tuple[str, str], dict[str, int]] = {}
    by_slice = False
    for name, changes in comparison.changes.items():
        for c in changes:
            if c.verdict not in _UNCOMPARED:
                continue
            if c.region.level is not None:
                by_slice = True
                continue
            why = f"{c.verdict}: {c.reason or 'no reason was recorded'}"
            counts = groups.setdefault((name, why), {})
            quantity = quantity_title(c.quantity, comparison.titles)
            counts[quantity] = counts.get(quantity, 0) + 1
    blocks: list[Block] = []
    if groups:
        rows = tuple(
            Row((Text(name), Text(sentence(why)), Text(_counted(counts)))) for (name, why), counts in groups.items()
        )
        columns = (Column("Timepoint"), Column("Why"), Column("Quantities, and how many numbers of each"))
        blocks.append(Table("Not compared", columns, rows))
    else:
        blocks.append(Paragraph((Text("Every number of the first timepoint could be compared."),)))
    if by_slice:
        text = "Numbers of single slices are not compared: two visits rarely cut at the same level."
        blocks.append(Paragraph((Text(text),)))
    return Section(title, heading, tuple(blocks))


def _counted(counts: Mapping[str, int]) -> str:
    named = [f"{quantity} ({n})" for quantity, n in counts.items()]
    more = len(named) - MAXIMUM_QUANTITIES
    return ", ".join(named[:MAXIMUM_QUANTITIES]) + (
        f" and {plural(more, 'further quantity', 'further quantities')}" if more > 0 else ""
    )


def _how_judged(comparison: Comparison, citations: Citations) -> Section:
    origins: dict[str, list[Change]] = {}
    for changes in comparison.changes.values():
        for c in changes:
            if c.origin:
                citations.cite(c.evidence)
                origins.setdefault(f"{quantity_title(c.quantity, comparison.titles)}: {c.origin}", []).append(c)
    text = (
        "A change is stated only when it is larger than the repeatability coefficient (1.96 √2 times the "
        "within-subject standard deviation), its 95 % interval, where there is one, excludes zero, and method, scanner "
        "and protocol are the same. Images alone say nothing of progression or response to treatment."
    )
    blocks: list[Block] = [Paragraph((Text(text),))]
    if origins:
        pairs = []
        for words, judged in origins.items():
            title, _, origin = words.partition(": ")
            pairs.append((title, f"{_coefficient(judged)}, {origin}"))
        blocks.append(Facts(tuple(pairs)))
    return Section("method", "How change was judged", tuple(blocks))


def _coefficient(judged: Sequence[Change]) -> str:
    """The repeatability coefficient that changes of one quantity were held against, as a number or a share."""
    unit = judged[0].unit
    limits = [c.error_limit for c in judged if c.error_limit is not None]
    if not limits:
        return "no coefficient that holds across scanners"
    if max(limits) - min(limits) <= 1e-9 * max(limits):
        return with_unit(number_text(limits[0], unit), unit)
    shares = [c.error_limit / abs(c.baseline) for c in judged if c.error_limit is not None and c.baseline]
    return f"{100.0 * max(shares):.3g} % of the baseline"


def _references(citations: Citations) -> Section | None:
    if not citations.references:
        return None
    return Section("references", "References", (References(citations.references),))
