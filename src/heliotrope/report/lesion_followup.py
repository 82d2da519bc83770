"""Followed calcifications: how limbs were laid over one another, a table of lesions, and slices side by side."""

from __future__ import annotations

from string import ascii_uppercase

from heliotrope.domain.change import ChangeVerdict
from heliotrope.domain.lesions import CalcinosisFollowUp, LesionChange, LesionCourse, LimbFollowUp, MatchedSlice
from heliotrope.report.citations import Citations
from heliotrope.report.display import content_window, view_of
from heliotrope.report.document import (
    Block,
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
_MINE, _OTHERS = "#FFD166", "#8ECAE6"


def followup_section(
    names: tuple[str, str], followup: CalcinosisFollowUp, citations: Citations, *, synthetic: bool
) -> Section:
    """One section per follow-up.

    Parameters
    ----------
    names : tuple of 2 str
        Of the baseline and of the follow-up.
    followup : CalcinosisFollowUp
    citations : Citations
    synthetic : bool
    """
    blocks: list[Block] = [Notice(note) for note in followup.notes]
    for limb in followup.limbs:
        blocks += _limb_blocks(names, limb, followup, citations, synthetic=synthetic)
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
    if not found.slide_from_bone:
        text += (
            " The bone in view is a plain shaft, so that the place along it rests on the skin and may be off by 2 mm."
        )
    runs = [Text(text)]
    if followup.limit_percent is not None:
        runs.append(
            Text(
                f"Masses that differ by less than {followup.limit_percent:.0f} % are within measurement error "
                f"({followup.origin}); calcifications below 50 mm3 are not trended.",
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


def _mass(value: float, present: bool) -> Text:
    return Text(_milligrams(value) if present else "–")


def _milligrams(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _numbers(change: LesionChange) -> tuple[Text, ...]:
    difference = Text("–")
    if change.difference_mg is not None:
        sign = "+" if change.difference_mg > 0 else ""
        share = f" ({sign}{100 * change.difference_mg / change.mass_before_mg:.0f} %)" if change.mass_before_mg else ""
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
