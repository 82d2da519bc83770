"""Bohan and Peter 1975 criteria for polymyositis and dermatomyositis: count four muscle criteria, column by rash."""

from __future__ import annotations

from typing import Any, Final

from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.logic import count
from heliotrope.criteria.record import Record
from heliotrope.domain.truth import Truth

MUSCLE_CRITERIA: Final = ("weakness", "enzymes", "emg", "biopsy")
# Certainty for 0 to 4 muscle criteria.
WITH_RASH: Final = (None, "possible", "probable", "definite", "definite")
WITHOUT_RASH: Final = (None, None, "possible", "probable", "definite")
_KNOWN: Final = (*MUSCLE_CRITERIA, "rash", "exclusion_present")


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(_KNOWN)
    facts = record.truths(_KNOWN)
    record.settle()

    fields: dict[str, Any] = dict.fromkeys(
        ("status", "diagnosis", "certainty", "certainty_min", "certainty_max", "count")
    )
    fields["flags"] = []
    if facts["exclusion_present"] is Truth.TRUE:
        if trace is not None:
            trace.add("exclusion", "exclusion_present = true", "bohan-peter-exclusions")
        return fields | {"status": "excluded", "diagnosis": "excluded"}
    if facts["exclusion_present"] is Truth.UNKNOWN:
        fields["flags"].append("EXCLUSION_NOT_CONFIRMED")

    low, high = count(facts[name] for name in MUSCLE_CRITERIA)
    fields["count"] = [low, high]
    if trace is not None:
        for name in MUSCLE_CRITERIA:
            trace.add("muscle criterion", f"{name}: {facts[name].name.lower()}", "bohan-peter-counts")
    rash = facts["rash"]
    if rash is Truth.UNKNOWN:
        if trace is not None:
            trace.add("column", "rash unknown: neither column can be chosen", "bohan-peter-counts")
        return fields | {"status": "not_assessable"}
    column, diagnosis = (WITH_RASH, "DM") if rash is Truth.TRUE else (WITHOUT_RASH, "PM")
    if trace is not None:
        said = f"{low} to {high} of 4 {'with' if diagnosis == 'DM' else 'without'} rash"
        trace.add("count", f"{said}: {column[low] or 'none'} to {column[high] or 'none'}", "bohan-peter-counts")
    return fields | {
        "status": "complete" if low == high else "partial",
        "diagnosis": diagnosis,
        "certainty": column[low] if column[low] == column[high] else None,
        "certainty_min": column[low],
        "certainty_max": column[high],
    }


INSTRUMENT: Final = Instrument(
    key="bohan_peter_1975",
    title="Bohan and Peter criteria for polymyositis and dermatomyositis (1975)",
    version=1,
    purpose="Historical criteria for trial entry and cohort description; MRI does not stand in for EMG or biopsy.",
    evaluate=_evaluate,
    answer=("status", "diagnosis", "certainty"),
    completions={(name,): (True, False) for name in _KNOWN},
    evidence=("bohan-peter-counts", "bohan-peter-limits"),
    caveats=(
        "Amyopathic dermatomyositis is missed; inclusion body and necrotizing myopathy were not yet entities, so PM "
        "by this rule is over-inclusive.",
    ),
)
