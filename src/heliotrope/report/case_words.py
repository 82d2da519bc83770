"""Numbers, bounds and titles of the course report in words."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from heliotrope.criteria.case_course import Course, VisitSummary
from heliotrope.criteria.registry import find
from heliotrope.domain.verdict import Verdict
from heliotrope.report.citations import Citations
from heliotrope.report.document import Text, Tone
from heliotrope.report.vocabulary import words_of

UNKNOWN = Text("unknown", tone=Tone.UNKNOWN)


def number(value: Fraction | float) -> str:
    """A number with at most four decimals."""
    return format(round(float(value), 4), ".10g")


def bounds(low: Any, high: Any) -> str:
    """One number, or from where to where."""
    if low is None or high is None:
        return "unknown"
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def told(value: object) -> str:
    """A field of an instrument in words."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words_of(str(value)) if str(value).islower() else str(value)


def cited(text: str, verdict: Verdict, citations: Citations, note: str = "") -> Text:
    """Text with the references of the instrument it comes from."""
    tone = Tone.UNKNOWN if text in {"unknown", "open"} else Tone.PLAIN
    return Text(text, citations.cite(find(verdict.instrument).evidence), note=note, tone=tone)


def visit_title(course: Course, key: str) -> str:
    """Name and date of a visit by its key."""
    for visit in course.visits:
        if visit.visit.written.key == key:
            return title(visit)
    return key


def title(visit: VisitSummary) -> str:
    """Name and date of a visit."""
    key = visit.visit.written.key
    shown = "" if key.startswith("visits.") else f"{key}, "
    return f"{shown}{visit.date or 'undated'}"
