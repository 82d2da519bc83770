"""Parts of the course report that stand beside the instruments: screening, imaging, treatment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heliotrope.criteria.case_course import Course
from heliotrope.criteria.case_record import PartialDate
from heliotrope.criteria.imacs_cancer_2023 import BASIC_PANEL, ENHANCED_PANEL
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.verdict import Verdict
from heliotrope.report.case_charts import whole_muscle
from heliotrope.report.case_words import UNKNOWN, bounds, cited, visit_title
from heliotrope.report.citations import Citations
from heliotrope.report.document import Block, Column, Facts, Notice, Paragraph, Row, Section, Table, Text, Tone
from heliotrope.report.tables import ordered_quantities
from heliotrope.report.vocabulary import is_supporting, quantity_title, value_text, words_of

_MAX_IMAGING_COLUMNS = 6


@dataclass(frozen=True)
class VisitImaging:
    """An analysis of images that a visit refers to.

    Parameters
    ----------
    visit : str
        Key of the visit.
    analysis : str
        Folder as the record writes it.
    measurements : tuple of Measurement
    problem : str
        Why it could not be read; empty when it was.
    """

    visit: str
    analysis: str
    measurements: tuple[Measurement, ...] = ()
    problem: str = ""


def tier_text(verdict: Verdict) -> str:
    """The tier, or why there is none."""
    fields = verdict.fields
    if fields["applicable"] is False:
        return f"not applicable: {words_of(fields['reason'].lower())}"
    if fields["tier"] is None:
        return f"open: {fields['tier_min']} to {fields['tier_max']}"
    return str(fields["tier"])


def screening_section(course: Course, citations: Citations) -> Section | None:
    """Tier, factors, and what the guideline lists and when."""
    verdict = course.screening
    if verdict is None:
        return None
    fields = verdict.fields
    blocks: list[Block] = [
        Notice(
            "For a clinician to consider, never an order. Membership of most risk lists is unverified and the "
            "correction of the guideline was not seen: read both papers before relying on a tier."
        ),
        Paragraph((cited(f"Tier: {tier_text(verdict)}.", verdict, citations),)),
    ]
    if fields["n_high"] is not None:
        counts = (
            ("High-risk factors", _factors(fields["n_high"], fields["high_factors"])),
            ("Moderate-risk factors", _factors(fields["n_moderate"], fields["moderate_factors"])),
        )
        blocks.append(Facts(counts))
    if course.due:
        rows = tuple(
            Row((Text(due.action), Text(due.when), Text("on record" if due.done else "none on record")))
            for due in course.due
        )
        heading = (Column("To consider"), Column("When"), Column("Record"))
        numbers = citations.cite(
            ("cancer-frequency", "cancer-basic-panel", "cancer-enhanced-panel", "cancer-additional-tests")
        )
        blocks.append(Table("What the guideline lists for this tier, and when", heading, rows))
        panels = f"Basic panel: {', '.join(BASIC_PANEL)}. Enhanced panel: {', '.join(ENHANCED_PANEL)}."
        blocks.append(Paragraph((Text(panels, numbers),)))
    elif fields["applicable"] is not False:
        blocks.append(Paragraph((Text("No list is shown until the tier and the time since onset are settled."),)))
    return Section("screening", "Cancer screening to consider", tuple(blocks))


def _factors(count: Sequence[int], factors: Mapping[str, bool | None]) -> str:
    present = [words_of(name) for name, value in factors.items() if value is True]
    unknown = [words_of(name) for name, value in factors.items() if value is None]
    said = bounds(*count)
    said += f": {', '.join(present)}" if present else ""
    return said + (f"; unknown: {', '.join(unknown)}" if unknown else "")


def imaging_section(course: Course, imaging: Sequence[VisitImaging]) -> Section | None:
    """Numbers of the images by visit."""
    if not imaging:
        return None
    every = [m for row in imaging for m in row.measurements]
    quantities = [
        quantity
        for quantity in ordered_quantities(every)
        if not is_supporting(quantity) and any(whole_muscle(row.measurements, quantity) for row in imaging)
    ][:_MAX_IMAGING_COLUMNS]
    rows = []
    for row in imaging:
        cells = [Text(visit_title(course, row.visit), note=row.analysis)]
        for quantity in quantities:
            found = whole_muscle(row.measurements, quantity)
            cells.append(UNKNOWN if found is None else Text(value_text(found)))
        cells.append(Text(row.problem or "read", tone=Tone.ATTENTION if row.problem else Tone.PLAIN))
        rows.append(Row(tuple(cells)))
    columns = (
        Column("Visit and analysis"),
        *(Column(quantity_title(quantity), numeric=True) for quantity in quantities),
        Column("Analysis"),
    )
    return Section(
        "imaging",
        "Imaging, beside the instruments",
        (
            Paragraph(
                (Text("No instrument on this page reads an image; these numbers are of all muscle in the study."),)
            ),
            Table("Imaging by visit", columns, tuple(rows)),
        ),
    )


def treatment_section(course: Course) -> Section | None:
    """What the patient received."""
    if not course.case.treatments:
        return None
    rows = tuple(
        Row(
            (
                Text(row.drug),
                Text(row.dose or "not recorded"),
                Text(_when(row.start)),
                Text(_when(row.stop, "ongoing or unknown")),
            )
        )
        for row in course.case.treatments
    )
    heading = (Column("Drug"), Column("Dose"), Column("Start"), Column("Stop"))
    return Section("treatment", "Treatment as recorded", (Table("What the patient received", heading, rows),))


def _when(date: PartialDate | None, otherwise: str = "unknown") -> str:
    return otherwise if date is None else str(date)
