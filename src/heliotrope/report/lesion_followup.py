"""Followed calcifications: how limbs were laid over one another, a table of lesions, and slices side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from string import ascii_uppercase

from heliotrope.domain.anatomy import Region
from heliotrope.domain.change import Change, ChangeVerdict
from heliotrope.domain.lesions import CalcinosisFollowUp, LesionChange, LesionCourse, LimbFollowUp, MatchedSlice
from heliotrope.report.calcium_tables import GROUPS, STRUCTURE, group_title
from heliotrope.report.citations import Citations
from heliotrope.report.display import content_window, view_of
from heliotrope.report.document import (
    Block,
    BulletItem,
    Column,
    Figure,
    LegendEntry,
    Notice,
    Paragraph,
    Picture,
    Row,
    Section,
    Subheading,
    Table,
    Text,
    Tone,
)
from heliotrope.report.figures import Outline, Outlines, draw_slice
from heliotrope.report.pictures import CT_LEVELS_HU
from heliotrope.report.vocabulary import capitalized, plural

MOST_ROWS = 60
"""Rows of the table of one limb; all stand in calcifications.csv."""

_CALLED = {
    LesionCourse.NEW,
    LesionCourse.RESOLVED,
    LesionCourse.GROWN,
    LesionCourse.SHRUNK,
    LesionCourse.MERGED,
    LesionCourse.SPLIT,
}
_MARKS = {ChangeVerdict.INCREASE: "increase", ChangeVerdict.DECREASE: "decrease"}
_MASS = "calcinosis_mass"
_MINE, _OTHERS = "#FFD166", "#8ECAE6"


def headline_items(
    followup: CalcinosisFollowUp, changes: Sequence[Change], visit: str, citations: Citations
) -> tuple[BulletItem, ...]:
    """What the page says first: total mass and its verdict, what became of calcifications, places of earlier edema.

    Parameters
    ----------
    followup : CalcinosisFollowUp
    changes : sequence of Change
        Of this follow-up; the mass of the whole scan stands in where a limb was not followed.
    visit : str
        Stands before every lead, ``"visit 2, "`` or empty.
    citations : Citations
    """
    items = [_limb_item(limb, visit, followup, citations) for limb in followup.limbs if limb.total or limb.refusal]
    if not followup.limbs or any(limb.refusal for limb in followup.limbs):
        items = [*_whole_scan_item(changes, visit, citations), *items]
    for link in followup.edema:
        if link.linked is not None:
            lead = capitalized(f"{visit}calcium where edema lay")
            tone = Tone.ATTENTION if link.linked else Tone.PLAIN
            items.append(BulletItem(Text(link.statement, citations.cite(link.evidence)), tone=tone, lead=lead))
    return tuple(items)


def _limb_item(limb: LimbFollowUp, visit: str, followup: CalcinosisFollowUp, citations: Citations) -> BulletItem:
    where = f"{limb.side} limb, calcium" if limb.side else "calcium of the limb"
    lead = capitalized(f"{visit}{where}")
    total = limb.total
    if total is None:
        return BulletItem(
            Text(f"Single calcifications were not followed: {limb.refusal}."), "", Tone.UNKNOWN, lead=lead
        )
    text = (
        f"Total mass of the calcifications within both scans {_milligrams(total.mass_before_mg)} to "
        f"{_milligrams(total.mass_after_mg)} mg: {_with_reason(total.verdict, total.reason)}. One by one: "
        f"{_courses_in_words(limb)}."
    )
    called = any(change.course in _CALLED for change in limb.changes) or total.verdict in _MARKS
    cited = citations.cite(followup.evidence)
    return BulletItem(
        Text(text, cited, strong=True),
        _MARKS.get(total.verdict, ""),
        Tone.ATTENTION if called else Tone.PLAIN,
        lead=lead,
    )


def _whole_scan_item(changes: Sequence[Change], visit: str, citations: Citations) -> tuple[BulletItem, ...]:
    for c in changes:
        told = c.baseline is not None and c.followup is not None
        if c.region == Region("all") and c.quantity == _MASS and told:
            values = " to ".join(_milligrams(v) for v in (c.baseline, c.followup) if v is not None)
            text = f"Total mass of the whole scan {values} mg: {_with_reason(c.verdict, c.reason)}."
            mark = _MARKS.get(c.verdict, "")
            tone = Tone.ATTENTION if mark else Tone.PLAIN
            lead = capitalized(f"{visit}calcium")
            return (BulletItem(Text(text, citations.cite(c.evidence), strong=True), mark, tone, lead=lead),)
    return ()


def _with_reason(verdict: ChangeVerdict, reason: str) -> str:
    return f"{verdict} ({reason})" if reason else str(verdict)


def _courses_in_words(limb: LimbFollowUp) -> str:
    """How many calcifications took each course: ``2 new, 1 resolved``."""
    counts = Counter(change.course for change in limb.changes)
    return ", ".join(f"{counts[course]} {course}" for course in LesionCourse if counts[course])


def followup_section(
    names: tuple[str, str],
    followup: CalcinosisFollowUp,
    changes: Sequence[Change],
    citations: Citations,
    *,
    synthetic: bool,
) -> Section:
    """One section per follow-up.

    Parameters
    ----------
    names : tuple of 2 str
        Of the baseline and of the follow-up.
    followup : CalcinosisFollowUp
    changes : sequence of Change
        Of this follow-up; masses by plane, shape, region and side are read from these.
    citations : Citations
    synthetic : bool
    """
    blocks: list[Block] = [Notice(note) for note in followup.notes]
    for limb in followup.limbs:
        blocks += _limb_blocks(names, limb, followup, citations, synthetic=synthetic)
    groups = _group_table(names, changes)
    if groups is not None:
        blocks.append(groups)
    for link in followup.edema:
        tone = Tone.ATTENTION if link.linked else Tone.UNKNOWN if link.linked is None else Tone.PLAIN
        blocks.append(Paragraph((Text(link.statement, citations.cite(link.evidence), tone=tone),)))
    key = "calcifications-" + "".join(c if c.isalnum() else "-" for c in names[1])
    return Section(key, f"Calcifications, {names[0]} to {names[1]}", tuple(blocks))


def _limb_blocks(
    names: tuple[str, str], limb: LimbFollowUp, followup: CalcinosisFollowUp, citations: Citations, *, synthetic: bool
) -> list[Block]:
    where = f"{capitalized(limb.side)} limb" if limb.side else "Limb"
    blocks: list[Block] = [Subheading(where)]
    if limb.refusal or limb.alignment is None:
        blocks.append(Notice(f"Single calcifications were not followed here: {limb.refusal}."))
        return blocks
    blocks.append(_registration(limb, followup, citations))
    if not limb.changes:
        blocks.append(Paragraph((Text("Neither scan shows a calcification of the assessed soft tissue here."),)))
        return blocks
    blocks.append(_table(names, limb))
    figure = _figure(names, limb, synthetic=synthetic)
    if figure is not None:
        blocks.append(figure)
    return blocks


def _registration(limb: LimbFollowUp, followup: CalcinosisFollowUp, citations: Citations) -> Paragraph:
    found = limb.alignment
    assert found is not None
    text = (
        f"The scans were laid over one another by bone: surfaces lie {found.bone_p95_mm:.1f} mm apart, those of the "
        f"skin {found.skin_p95_mm:.1f} mm (95th percentile, at most 3 mm). Both hold {found.common_mm:.0f} mm of it."
    )
    if found.slide_mm is not None and found.swelling_mm is not None:
        text += (
            " The bone in view is a plain shaft, so that the place along it rests on the shape of the skin: it is "
            f"known within {found.slide_mm:.1f} mm, as long as the limb swelled or wasted evenly (here by "
            f"{_signed(f'{found.swelling_mm:+.1f}')} mm)."
        )
    runs = [Text(text)]
    if followup.limit_percent is not None:
        runs.append(
            Text(
                f"Masses that differ by less than {followup.limit_percent:.0f} % are within measurement error "
                f"({followup.origin}); calcifications below 50 mm³ are not trended.",
                citations.cite(followup.evidence),
            )
        )
    elif followup.origin:
        runs.append(Text(f"Measurement error of masses: {followup.origin}.", citations.cite(followup.evidence)))
    return Paragraph(tuple(runs))


def _letter(position: int) -> str:
    first, second = divmod(position, len(ascii_uppercase))
    return (ascii_uppercase[first - 1] if first else "") + ascii_uppercase[second]


def _table(names: tuple[str, str], limb: LimbFollowUp) -> Table:
    rows = []
    if limb.total is not None:
        rows.append(Row((Text("All", strong=True), Text("in both scans"), *_numbers(limb.total), _verdict(limb.total))))
    for position, change in enumerate(limb.changes[:MOST_ROWS]):
        described = (change.before or change.after)[0].description
        rows.append(Row((Text(_letter(position)), Text(capitalized(described)), *_numbers(change), _course(change))))
    columns = (
        Column("Calcification"),
        Column("Plane and shape"),
        Column(f"{capitalized(names[0])} [mg]", numeric=True),
        Column(f"{capitalized(names[1])} [mg]", numeric=True),
        Column("Difference [mg]", numeric=True),
        Column("Measurement error [mg]", numeric=True),
        Column("What became of it"),
    )
    notes: tuple[str, ...] = ("Mass is hydroxyapatite equivalent. A difference is followed by its 95 % interval.",)
    if len(limb.changes) > MOST_ROWS:
        notes += (f"{len(limb.changes) - MOST_ROWS} smaller ones stand in calcifications.csv.",)
    return Table("Calcifications by mass", columns, tuple(rows), notes)


def _group_table(names: tuple[str, str], changes: Sequence[Change]) -> Table | None:
    """Mass by plane, shape, region and side of whole scans; None where no group was compared."""
    body: list[Row] = []
    masses = [c for c in changes if c.quantity == _MASS and c.region.structure == STRUCTURE]
    for kind, heading in GROUPS:
        mine = [c for c in masses if (c.region.level or "").partition(" ")[0] == kind]
        if mine:
            body.append(Row(heading=heading))
            body += [_group_row(change) for change in mine]
    if not body:
        return None
    columns = (
        Column("Calcium"),
        Column(f"{capitalized(names[0])} [mg]", numeric=True),
        Column(f"{capitalized(names[1])} [mg]", numeric=True),
        Column("Difference [mg]", numeric=True),
        Column("What may be said"),
    )
    note = "Sums over each whole scan: 0 where calcium was looked for and none of the kind was found."
    return Table("Mass by plane, shape, region and side", columns, tuple(body), (note,))


def _group_row(change: Change) -> Row:
    name = (change.region.level or "").partition(" ")[2]
    values = [Text("–" if v is None else _milligrams(v)) for v in (change.baseline, change.followup)]
    interval = "" if change.ci95 is None else " to ".join(_milligrams(v) for v in change.ci95)
    difference = Text("–" if change.difference is None else _milligrams(change.difference), note=interval)
    called = change.verdict in (ChangeVerdict.INCREASE, ChangeVerdict.DECREASE)
    verdict = Text(str(change.verdict), note=change.reason, tone=Tone.ATTENTION if called else Tone.PLAIN)
    title = Text(group_title(name, change.region.side))
    return Row((title, *values, difference, verdict), indent=1)


def _mass(value: float, present: bool) -> Text:
    return Text(_milligrams(value) if present else "–")


def _milligrams(value: float) -> str:
    return _signed(f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}")


def _signed(text: str) -> str:
    """A number with a true minus sign, and none on zero."""
    return text.replace("-", "−") if float(text) != 0 else text.lstrip("-")


def _numbers(change: LesionChange) -> tuple[Text, ...]:
    difference = Text("–")
    if change.difference_mg is not None:
        sign = "+" if change.difference_mg > 0 else ""
        percent = 100 * change.difference_mg / change.mass_before_mg if change.mass_before_mg else None
        share = "" if percent is None else f" ({sign if round(percent) else ''}{_signed(f'{percent:.0f}')} %)"
        interval = "" if change.ci95_mg is None else " to ".join(_milligrams(v) for v in change.ci95_mg)
        difference = Text(f"{sign}{_milligrams(change.difference_mg)}{share}", note=interval)
    limit = "–" if change.error_limit_mg is None else _milligrams(change.error_limit_mg)
    return (
        _mass(change.mass_before_mg, bool(change.before)),
        _mass(change.mass_after_mg, bool(change.after)),
        difference,
        Text(limit),
    )


def _verdict(change: LesionChange) -> Text:
    called = change.verdict in (ChangeVerdict.INCREASE, ChangeVerdict.DECREASE)
    return Text(str(change.verdict), note=change.reason, tone=Tone.ATTENTION if called else Tone.PLAIN)


def _course(change: LesionChange) -> Text:
    note = change.reason
    if change.course in (LesionCourse.MERGED, LesionCourse.SPLIT):
        pieces = f"{plural(len(change.before), 'piece')} before, {len(change.after)} after"
        note = f"{pieces}; mass: {change.verdict}"
    tone = Tone.ATTENTION if change.course in _CALLED else Tone.PLAIN
    return Text(capitalized(str(change.course)), note=note, tone=tone)


def _figure(names: tuple[str, str], limb: LimbFollowUp, *, synthetic: bool) -> Figure | None:
    pictures: list[Picture] = []
    for position, cut in limb.slices.items():
        pictures += _side_by_side(names, _letter(position), limb.changes[position], cut, synthetic=synthetic)
    if not pictures:
        return None
    legend = (LegendEntry(_MINE, "the calcification named"), LegendEntry(_OTHERS, "other calcifications"))
    caption = (
        f"The same cuts at both visits: {names[0]} on the left, {names[1]} on the right, cut where the registration "
        "puts it. Letters are those of the table."
    )
    return Figure(tuple(pictures), caption, legend=legend, columns=2)


def _side_by_side(
    names: tuple[str, str], letter: str, change: LesionChange, cut: MatchedSlice, *, synthetic: bool
) -> tuple[Picture, Picture]:
    view = view_of(cut.grid, slice_axis=2)
    window = content_window((cut.before > -350.0) | (cut.after > -350.0), view)
    drawn = []
    for name, image, lesions in zip(
        names, (cut.before, cut.after), (cut.lesions_before, cut.lesions_after), strict=True
    ):
        outlines = Outlines(
            lesions, (Outline((2,), _OTHERS, width=0.8), Outline((1,), _MINE, number=letter, fill=0.25, width=1.2))
        )
        seen = "outlined" if (lesions == 1).any() else "absent"
        drawn.append(
            draw_slice(
                image,
                view,
                0,
                window,
                levels=CT_LEVELS_HU,
                outlines=outlines,
                text=f"{letter} {name}: {change.course}, {cut.text}",
                synthetic=synthetic,
                alt=f"Axial CT of {name}, {cut.text}; calcification {letter} ({change.course}) is {seen}.",
            )
        )
    return drawn[0], drawn[1]
