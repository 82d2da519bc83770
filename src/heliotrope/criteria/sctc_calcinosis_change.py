"""Change of the SCTC radiographic calcinosis score of the hands over a year; the score itself is an input."""

from __future__ import annotations

from typing import Any, Final

from heliotrope.criteria.exact import rounded, text
from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.record import Record

LIMIT_PERCENT: Final = 25
PERCENT_DECIMALS: Final = 4


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(("baseline", "followup"))
    baseline = record.number("baseline", 0, None, blame="score")
    followup = record.number("followup", 0, None, blame="score")
    record.settle()

    if baseline is None or followup is None:
        if trace is not None:
            trace.add("change", "a score is unknown", "sctc-change-rule")
        return {"pct": None, "state": "not_assessable_missing"}
    if baseline == 0:
        if trace is not None:
            trace.add("baseline", "0: no percentage can be taken of it", "sctc-zero-baseline")
        return {"pct": None, "state": "not_assessable_zero_baseline"}
    percent = 100 * (followup - baseline) / baseline
    state = "progression" if percent > LIMIT_PERCENT else "improvement" if percent < -LIMIT_PERCENT else "stable"
    if trace is not None:
        trace.add("change", f"{text(percent)} % (stable from -25 to +25 %): {state}", "sctc-change-rule")
    return {"pct": rounded(percent, PERCENT_DECIMALS), "state": state}


INSTRUMENT: Final = Instrument(
    key="sctc_calcinosis_change",
    title="Change of the SCTC calcinosis score of the hands",
    version=1,
    purpose="Progression, stable or improvement of a supplied score; made for systemic sclerosis hands over one year.",
    evaluate=_evaluate,
    answer=("state",),
    completions={},
    evidence=("sctc-change-rule", "sctc-population", "sctc-zero-baseline"),
    caveats=("No validated severity score exists for calcinosis in dermatomyositis.",),
)
