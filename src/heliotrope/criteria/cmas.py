"""Childhood Myositis Assessment Scale: fourteen maneuvers, 0-52; and the points of its timed items."""

from __future__ import annotations

from bisect import bisect_right
from math import floor
from typing import Any, Final

from heliotrope.criteria.exact import text
from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.record import Record

MAXIMA: Final = {
    "head_elevation": 5,
    "leg_raise_touch": 2,
    "straight_leg_lift": 5,
    "supine_to_prone": 3,
    "sit_ups": 6,
    "supine_to_sit": 3,
    "arm_raise_straighten": 3,
    "arm_raise_duration": 4,
    "floor_sit": 3,
    "all_fours": 4,
    "floor_rise": 4,
    "chair_rise": 4,
    "stool_step": 3,
    "pick_up": 3,
}
MAX_SCORE: Final = 52
# Whole seconds at which the next point is reached, lower bounds inclusive.
DURATION_STEPS: Final = {
    "head_elevation": (1, 10, 30, 60, 120),
    "straight_leg_lift": (1, 10, 30, 60, 120),
    "arm_raise_duration": (1, 10, 30, 60),
}
AGE_WITH_FULL_CEILING: Final = 5


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only((*MAXIMA, "age_years"))
    items = {name: record.whole(name, 0, most) for name, most in MAXIMA.items()}
    age = record.number("age_years", 0, 120, "years")
    record.settle()

    low = sum(value for value in items.values() if value is not None)
    high = low + sum(MAXIMA[name] for name, value in items.items() if value is None)
    missing = [name for name, value in items.items() if value is None]
    young = age is not None and age < AGE_WITH_FULL_CEILING
    if trace is not None:
        said = f"{low} to {high} of {MAX_SCORE}; missing: {', '.join(missing) or 'none'}"
        trace.add("sum", said, "cmas-total", "cmas-item-split")
        if young and age is not None:
            trace.add("age", f"{text(age)} a is below 5 a: the full score is not expected", "cmas-age-4")
    return {
        "status": "partial" if missing else "complete",
        "score": None if missing else low,
        "score_min": low,
        "score_max": high,
        "max": MAX_SCORE,
        "flags": ["AGE_BELOW_5_CEILING_NOT_EXPECTED"] if young else [],
    }


def _evaluate_duration(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(("item", "seconds"))
    item = record.choice("item", DURATION_STEPS, required=True)
    seconds = record.number("seconds", 0, None, "s")
    record.settle()
    assert item is not None
    score = None if seconds is None else bisect_right(DURATION_STEPS[item], floor(seconds))
    if trace is not None:
        said = "time unknown" if seconds is None else f"held for {text(seconds)} s: {score} points"
        trace.add("duration", f"{item} {said}", "cmas-duration-steps")
    return {"score": score}


CMAS: Final = Instrument(
    key="cmas",
    title="Childhood Myositis Assessment Scale",
    version=1,
    purpose="Strength, endurance and function of children, 0-52. Higher is better.",
    evaluate=_evaluate,
    answer=("status",),
    completions={(name,): (0, most) for name, most in MAXIMA.items()},
    evidence=("cmas-total", "cmas-item-split"),
    caveats=("Published bands of the total are not validated cut-points.",),
)
DURATION: Final = Instrument(
    key="cmas_duration",
    title="Points of the timed CMAS items",
    version=1,
    purpose="Whole seconds (floor) to points; 120 s is the top grade of the two longer items.",
    evaluate=_evaluate_duration,
    answer=("score",),
    completions={},
    evidence=("cmas-duration-steps",),
)
