"""Use case: check, show and report a patient record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from heliotrope.app.criteria import payload, read_mapping
from heliotrope.app.timepoints import read_timepoint
from heliotrope.criteria.case_course import Course, Response, VisitSummary, follow
from heliotrope.criteria.case_reading import read_case
from heliotrope.criteria.case_record import Case
from heliotrope.criteria.exact import to_json
from heliotrope.criteria.registry import find
from heliotrope.domain.errors import HeliotropeError, OutputError
from heliotrope.domain.verdict import Verdict
from heliotrope.report import to_html
from heliotrope.report.case_beside import VisitImaging
from heliotrope.report.case_charts import whole_muscle
from heliotrope.report.case_report import build_case
from heliotrope.report.tables import ordered_quantities

RESEARCH_USE = "For research use. Not a medical device. No diagnosis, order or treatment advice."


def case_schema() -> dict[str, Any]:
    """The published JSON Schema of the record."""
    text = resources.files("heliotrope.app").joinpath("schemas/case-1.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def load_case(path: Path) -> Case:
    """The patient a record file describes.

    Raises
    ------
    RecordError
        The file cannot be read, or every problem of the record.
    """
    return read_case(read_mapping(path))


def check_case(path: Path) -> dict[str, Any]:
    """What a record holds, once it is found to be whole."""
    case = load_case(path)
    follow(case)
    return {
        "case": case.key,
        "visits": len(case.visits),
        "facts": len(case.facts),
        "antibodies": len(case.antibodies),
        "treatments": len(case.treatments),
        "screening": len(case.screening),
        "corrections": sum(
            entry.written.corrects is not None
            for entries in (case.facts, case.antibodies, case.visits, case.screening)
            for entry in entries
        ),
    }


def show_case(path: Path, *, provisional: bool = False) -> dict[str, Any]:
    """Everything computed from a record, as JSON."""
    case = load_case(path)
    course = follow(case, provisional=provisional)
    imaging = read_imaging(course, path.parent)
    return {
        "case": case.key,
        "statement": RESEARCH_USE,
        "synthetic": case.synthetic,
        "age_at_onset": to_json(case.age_at_onset),
        "juvenile": case.is_juvenile,
        "visits": [_visit_json(visit) for visit in course.visits],
        "classification": {
            "now": {key: _verdict_json(verdict) for key, verdict in course.now.verdicts.items()},
            "notes": list(course.now.notes),
            "history": [
                {
                    "known_by": str(past.known),
                    **{key: to_json(dict(verdict.fields)) for key, verdict in past.verdicts.items()},
                }
                for past in course.history
            ],
        },
        "responses": [_response_json(row) for row in course.responses],
        "screening": None
        if course.screening is None
        else {
            **_verdict_json(course.screening),
            "due": [{"consider": due.action, "when": due.when, "on_record": due.done} for due in course.due],
        },
        "imaging": [_imaging_json(row) for row in imaging],
        "treatments": [
            {"drug": row.drug, "dose": row.dose, "start": _date(row.start), "stop": _date(row.stop)}
            for row in case.treatments
        ],
        "notes": list(course.notes),
    }


def report_case(path: Path, out: Path, *, provisional: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Write the timeline report.

    Raises
    ------
    OutputError
        The file exists and may not be replaced, or cannot be written.
    """
    course = follow(load_case(path), provisional=provisional)
    html = to_html(build_case(course, read_imaging(course, path.parent)))
    if out.exists() and not overwrite:
        raise OutputError(
            f"the report '{out.name}' exists", hint="name another file with --out, or allow it with --overwrite"
        )
    try:
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        hint = "name a file in a folder you may write to with --out"
        raise OutputError(f"the report cannot be written: {error.strerror}", hint=hint) from None
    return {"report": str(out), "bytes": len(html.encode("utf-8")), "visits": len(course.visits)}


def read_imaging(course: Course, beside: Path) -> tuple[VisitImaging, ...]:
    """The analyses that visits refer to; one that cannot be read is named with the reason."""
    found: list[VisitImaging] = []
    for visit in course.visits:
        key = visit.visit.written.key
        for reference in visit.visit.imaging:
            try:
                timepoint = read_timepoint(beside / reference.analysis, key)
            except HeliotropeError as error:
                found.append(VisitImaging(key, reference.analysis, problem=error.message))
            else:
                found.append(VisitImaging(key, reference.analysis, timepoint.measurements))
    return tuple(found)


def _visit_json(visit: VisitSummary) -> dict[str, Any]:
    return {
        "id": visit.visit.written.key,
        "date": _date(visit.date),
        "globals_cm": to_json(dict(visit.visit.globals_cm)),
        "strength": to_json(dict(visit.strength)),
        "function": to_json(visit.function),
        "instruments": {key: to_json(dict(verdict.fields)) for key, verdict in visit.verdicts.items()},
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    whole = payload(find(verdict.instrument), verdict, ())
    return {name: part for name, part in whole.items() if name not in {"what_if", "evidence", "title"}}


def _response_json(row: Response) -> dict[str, Any]:
    fields: Mapping[str, Any] = {} if row.verdict is None else row.verdict.fields
    status = {"status": "not_assessable"} if row.verdict is None else {}
    return {
        "baseline": row.baseline,
        "followup": row.followup,
        **status,
        **{str(name): to_json(value) for name, value in fields.items()},
        "notes": list(row.notes),
    }


def _imaging_json(row: VisitImaging) -> dict[str, Any]:
    numbers = {}
    for quantity in ordered_quantities(row.measurements):
        found = whole_muscle(row.measurements, quantity)
        if found is not None:
            numbers[quantity] = {"value": found.value, "unit": str(found.unit), "statistic": found.statistic}
    return {"visit": row.visit, "analysis": row.analysis, "problem": row.problem or None, "all_muscle": numbers}


def _date(date: object) -> str | None:
    return None if date is None else str(date)
