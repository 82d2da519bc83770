"""A patient's course to a `Document`: instruments over time, with imaging beside and never inside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from heliotrope.criteria.case_course import Classification, Course, Response, VisitSummary
from heliotrope.criteria.exact import plain
from heliotrope.criteria.registry import find
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.verdict import Verdict
from heliotrope.evidence.model import Status
from heliotrope.report.case_beside import (
    VisitImaging,
    imaging_section,
    screening_section,
    tier_text,
    treatment_section,
)
from heliotrope.report.case_charts import draw_case
from heliotrope.report.case_words import UNKNOWN, bounds, cited, number, title, told, visit_title
from heliotrope.report.citations import Citations
from heliotrope.report.document import (
    Block,
    BulletItem,
    BulletList,
    Column,
    Document,
    Figure,
    Foldable,
    Notice,
    Paragraph,
    References,
    Row,
    Section,
    Subheading,
    Table,
    Text,
    Tone,
)
from heliotrope.report.statements import verdict_blocks
from heliotrope.report.vocabulary import words_of

_VISIT_TABLE_ROWS = 60


def build_case(course: Course, imaging: Sequence[VisitImaging] = ()) -> Document:
    """The timeline report of one patient.

    Parameters
    ----------
    course : Course
        From `heliotrope.criteria.case_course.follow`.
    imaging : sequence of VisitImaging
        Shown beside the instruments; no instrument reads it.
    """
    citations = Citations()
    sections = [
        _summary(course, citations),
        _timeline(course, imaging),
        _classification(course, citations),
        _response(course, citations),
        screening_section(course, citations),
        imaging_section(course, imaging),
        treatment_section(course),
        _missing(course),
        _details(course, citations),
        _references(citations),
    ]
    dates = [visit.date for visit in course.visits if visit.date is not None]
    span = f", {dates[0]} to {dates[-1]}" if dates else ""
    count = len(course.visits)
    age = course.case.age_at_onset
    identity = [("Case", course.case.key), ("Age at onset", "unknown" if age is None else f"{number(age)} years")]
    if course.case.onset is not None:
        identity.append(("Onset", str(course.case.onset)))
    if course.case.diagnosis is not None:
        identity.append(("Diagnosis", str(course.case.diagnosis)))
    return Document(
        title="Course of disease",
        subtitle=f"{count} visit{'' if count == 1 else 's'}{span}",
        identity=tuple(identity),
        sections=tuple(section for section in sections if section is not None),
        synthetic=course.case.synthetic,
    )


def _category(fields: Mapping[str, Any]) -> str:
    if fields["status"] == "excluded":
        return "excluded"
    if fields["category"] is not None:
        return told(fields["category"])
    return f"{told(fields['category_min'])} to {told(fields['category_max'])}"


def _summary(course: Course, citations: Citations) -> Section:
    verdicts = course.now.verdicts
    eular = verdicts["eular_acr_2017"].fields
    score = bounds(eular["score_min"], eular["score_max"])
    subgroup = "" if eular["subgroup"] is None else f", subgroup {eular['subgroup']}"
    items = [
        BulletItem(
            cited(f"{_category(eular)}{subgroup} (score {score})", verdicts["eular_acr_2017"], citations),
            lead="EULAR/ACR 2017 classification",
        ),
        BulletItem(
            cited(told(verdicts["asys"].fields["err_table_criteria"]), verdicts["asys"], citations),
            lead="Criteria of antisynthetase syndrome met (a condition of its own)",
        ),
    ]
    last = _last_response(course)
    if last is not None and last.verdict is not None:
        fields = last.verdict.fields
        said = bounds(fields["tis_min"], fields["tis_max"])
        grade = "category open" if fields["category"] is None else f"{fields['category']} improvement"
        if fields["category"] == "none":
            grade = "below minimal improvement"
        text = "not assessable" if fields["tis_min"] is None else f"{said} of 100, {grade}"
        items.append(
            BulletItem(
                cited(text, last.verdict, citations),
                lead=f"Total Improvement Score, {visit_title(course, last.baseline)} to "
                f"{visit_title(course, last.followup)}",
            )
        )
    if course.screening is not None:
        items.append(
            BulletItem(cited(tier_text(course.screening), course.screening, citations), lead="Cancer-screening tier")
        )
    items += [BulletItem(Text(note), "note") for note in (*course.now.notes, *course.notes)]
    return Section("summary", "Where things stand", (BulletList(tuple(items)),))


def _last_response(course: Course) -> Response | None:
    """From the first to the last visit."""
    if len(course.visits) < 2:
        return None
    ends = course.visits[0].visit.written.key, course.visits[-1].visit.written.key
    return next((row for row in course.responses if (row.baseline, row.followup) == ends), None)


def _timeline(course: Course, imaging: Sequence[VisitImaging]) -> Section:
    by_visit: dict[str, list[Measurement]] = {}
    for row in imaging:
        by_visit.setdefault(row.visit, []).extend(row.measurements)
    blocks: list[Block] = []
    picture = draw_case(course, by_visit)
    if picture is not None:
        caption = (
            "Activity, strength, enzymes, imaging and treatment over the same time axis. A hollow mark with a bar is "
            "known within bounds only; a dotted line spans a date known to the month or year. ULN: upper limit of "
            "normal of the laboratory."
        )
        blocks.append(Figure((picture,), caption, dark=False))
    rows = tuple(_visit_row(visit) for visit in course.visits[-_VISIT_TABLE_ROWS:])
    if rows:
        columns = (
            Column("Visit"),
            Column("Physician", "Global activity [cm]", numeric=True),
            Column("Patient", "Global activity [cm]", numeric=True),
            Column("Extramuscular", "Global activity [cm]", numeric=True),
            Column("Strength", numeric=True),
            Column("HAQ/CHAQ", numeric=True),
            Column("Activity", "CDASI v2", numeric=True),
            Column("Damage", "CDASI v2", numeric=True),
            Column("Highest enzyme", numeric=True),
        )
        blocks.append(Table("Instruments by visit", columns, rows))
    else:
        blocks.append(Paragraph((Text("The record holds no visit."),)))
    return Section("timeline", "Course over time", tuple(blocks))


def _visit_row(visit: VisitSummary) -> Row:
    cells = [Text(title(visit))]
    for name in ("physician_global", "patient_global", "extramuscular_global"):
        value = visit.visit.globals_cm.get(name)
        cells.append(UNKNOWN if value is None else Text(number(value)))
    cells.append(_strength(visit))
    cells.append(UNKNOWN if visit.function is None else Text(number(visit.function)))
    skin = visit.verdicts["cdasi_v2"].fields if "cdasi_v2" in visit.verdicts else {}
    cells.extend(
        Text(bounds(skin[f"{part}_min"], skin[f"{part}_max"])) if skin else UNKNOWN for part in ("activity", "damage")
    )
    if visit.ratios:
        highest = visit.verdicts["enzymes"].fields["most_abnormal"]
        cells.append(Text(f"{highest} {number(round(float(visit.ratios[highest]), 2))} x ULN"))
    else:
        cells.append(UNKNOWN)
    return Row(tuple(cells))


def _strength(visit: VisitSummary) -> Text:
    if visit.strength:
        totals = [(number(value), scale.replace("_", " ")) for scale, value in visit.strength.items()]
        return Text(totals[0][0], note="; ".join([totals[0][1], *(f"{scale} {value}" for value, scale in totals[1:])]))
    for key in ("mmt8", "cmas"):
        if key in visit.verdicts:
            fields = visit.verdicts[key].fields
            return Text(bounds(fields["score_min"], fields["score_max"]), note=f"of {fields['max']}, bounds")
    return UNKNOWN


def _classification(course: Course, citations: Citations) -> Section:
    columns = (
        Column("Known by"),
        Column("Score", "EULAR/ACR 2017", numeric=True),
        Column("Category", "EULAR/ACR 2017"),
        Column("Subgroup", "EULAR/ACR 2017"),
        Column("Bohan and Peter 1975"),
        Column("Antisynthetase syndrome"),
        Column("IMNM (224th ENMC, unverified)"),
    )
    rows = [_classification_row(past, citations, str(past.known)) for past in course.history]
    rows.append(_classification_row(course.now, citations, "everything recorded"))
    blocks: list[Block] = [
        Paragraph(
            (
                Text(
                    "As it was at the end of each visit, from what had been written down by then, and with everything "
                    "recorded since. For research; not a diagnosis."
                ),
            )
        ),
        Table("Classification, then and now", columns, tuple(rows)),
    ]
    if "enmc_239_dm" in course.now.verdicts:
        said = told(course.now.verdicts["enmc_239_dm"].fields["dm_classified"])
        blocks.append(Notice(f"PROVISIONAL, switched on: 239th ENMC workshop, dermatomyositis: {said}."))
    return Section("classification", "Classification, now and as it was", tuple(blocks))


def _classification_row(row: Classification, citations: Citations, title: str) -> Row:
    eular = row.verdicts["eular_acr_2017"]
    bohan = row.verdicts["bohan_peter_1975"].fields
    certainty = bohan["certainty"] or ("none" if bohan["status"] == "complete" else "open")
    cells = (
        Text(title),
        cited(bounds(eular.fields["score_min"], eular.fields["score_max"]), eular, citations),
        Text(_category(eular.fields)),
        Text(eular.fields["subgroup"] or "none"),
        cited(
            told(bohan["diagnosis"]) + (f", {certainty}" if bohan["diagnosis"] in {"DM", "PM"} else ""),
            row.verdicts["bohan_peter_1975"],
            citations,
        ),
        cited(told(row.verdicts["asys"].fields["err_table_criteria"]), row.verdicts["asys"], citations),
        cited(told(row.verdicts["imnm_enmc224"].fields["imnm"]), row.verdicts["imnm_enmc224"], citations),
    )
    return Row(cells)


def _response(course: Course, citations: Citations) -> Section | None:
    if not course.responses:
        return None
    keys = list(dict.fromkeys(key for row in course.responses for key in (row.baseline, row.followup)))
    found = {(row.baseline, row.followup): row for row in course.responses}
    rows = tuple(
        Row(
            (
                Text(f"from {visit_title(course, start)}"),
                *(_response_cell(found.get((start, end))) for end in keys[1:]),
            )
        )
        for start in keys[:-1]
    )
    columns = (Column("Baseline"), *(Column(f"to {visit_title(course, key)}", numeric=True) for key in keys[1:]))
    some = next((row.verdict for row in course.responses if row.verdict is not None), None)
    population = "juvenile" if course.case.is_juvenile else "adult"
    limits = "30, 45, 70" if course.case.is_juvenile else "20, 40, 60"
    text = (
        f"Total Improvement Score of 100, {course.case.core_set} core set, {population} thresholds: minimal, moderate, "
        f"major from {limits}. Bounds where a measure is missing; worsening scores 0."
    )
    keyed = find("tis_2016").evidence
    if course.case.core_set == "IMACS":
        text += (
            " Enzymes are compared as multiples of each visit's own limit, over a range whose multiplier is unverified."
        )
        keyed += ("tis-enzyme-range",)
    numbers = () if some is None else citations.cite(keyed)
    notes = dict.fromkeys(
        f"{visit_title(course, row.baseline)} to {visit_title(course, row.followup)}: {note}"
        for row in course.responses
        for note in row.notes
    )
    blocks: tuple[Block, ...] = (
        Paragraph((Text(text, numbers),)),
        Table("Improvement between any two visits", columns, rows, tuple(notes)[:40]),
    )
    return Section("response", "Response between visits", blocks)


def _response_cell(row: Response | None) -> Text:
    if row is None:
        return Text("")
    if row.verdict is None or row.verdict.fields["tis_min"] is None:
        return Text("not assessable", tone=Tone.UNKNOWN)
    fields = row.verdict.fields
    category = "open" if fields["category"] is None else str(fields["category"])
    return Text(bounds(fields["tis_min"], fields["tis_max"]), note=category)


def _missing(course: Course) -> Section:
    items = [
        BulletItem(Text(", ".join(words_of(item) for item in verdict.would_decide)), lead=find(key).title)
        for key, verdict in (*course.now.verdicts.items(), ("imacs_cancer_2023", course.screening))
        if verdict is not None and verdict.would_decide
    ]
    blocks: tuple[Block, ...] = (
        (
            Paragraph((Text("Each of these, once known, could by itself change the answer."),)),
            BulletList(tuple(items)),
        )
        if items
        else (Paragraph((Text("No single missing item would change an answer."),)),)
    )
    return Section("missing", "What is missing and would change the answer", blocks)


def _details(course: Course, citations: Citations) -> Section:
    blocks: list[Block] = []
    shown: list[tuple[str, Verdict]] = [("now", verdict) for verdict in course.now.verdicts.values()]
    if course.screening is not None:
        shown.append(("now", course.screening))
    for visit in course.visits[-5:]:
        shown += [(title(visit), verdict) for verdict in visit.verdicts.values()]
    last = _last_response(course)
    if last is not None and last.verdict is not None:
        shown.append(("first to last visit", last.verdict))
    for when, verdict in shown:
        told = replace(verdict, fields={name: _exactly(value) for name, value in verdict.fields.items()})
        inner = tuple(block for block in verdict_blocks(told, citations) if not isinstance(block, Subheading))
        blocks.append(Foldable(f"{find(verdict.instrument).title}: {when} ({verdict.rule_version})", inner))
    return Section("details", "How each answer came about", tuple(blocks), new_page=True)


def _exactly(value: object) -> object:
    if isinstance(value, Fraction):
        return plain(value)
    if isinstance(value, dict):
        return {name: _exactly(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_exactly(part) for part in value] or "none"
    return value


def _references(citations: Citations) -> Section:
    rows = tuple(
        Row(
            (
                Text(statement.text, numbers),
                Text(statement.setting or "any"),
                Text(
                    statement.status.value, tone=Tone.ATTENTION if statement.status is Status.UNVERIFIED else Tone.PLAIN
                ),
            )
        )
        for statement, numbers in citations.statements
    )
    heading = (Column("Statement"), Column("Holds for"), Column("Status"))
    table = Table("Numbers and rules relied on, and how far each was checked", heading, rows)
    return Section(
        "references",
        "References and evidence",
        (References(citations.references), Foldable("What the numbers and limits rest on", (table,))),
    )
