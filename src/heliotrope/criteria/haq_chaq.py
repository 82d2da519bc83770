"""Disability index of the Health Assessment Questionnaire, adult (HAQ-DI) and childhood (CHAQ): answers only."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from heliotrope.criteria.exact import exact, rounded, text
from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.problems import Code
from heliotrope.criteria.record import Record, kind
from heliotrope.domain.truth import Truth

# How many questions each category has.
CATEGORIES: Final = {
    "HAQ": {
        "dressing_grooming": 2,
        "arising": 2,
        "eating": 3,
        "walking": 2,
        "hygiene": 3,
        "reach": 2,
        "grip": 3,
        "activities": 3,
    },
    "CHAQ": {
        "dressing_grooming": 4,
        "arising": 2,
        "eating": 3,
        "walking": 2,
        "hygiene": 5,
        "reach": 4,
        "grip": 5,
        "activities": 5,
    },
}
WORST: Final = 3
WITH_AID: Final = 2
MINIMUM_CATEGORIES: Final = 6
NOT_APPLICABLE: Final = "NA"
SCORE_DECIMALS: Final = 4


def _answered(record: Record, category: Record, name: str, form: str) -> list[int]:
    """The answered items of one category; null and NA are no answer."""
    items = category.values.get("items")
    if items is None:
        return []
    if not isinstance(items, list | tuple):
        record.problem(Code.TYPE, name, f"{kind(items)} where a list of items is meant", "write items: [0, 1]")
        return []
    most = CATEGORIES[form][name]
    if len(items) > most:
        said = f"{len(items)} items, the {form} category has {most}"
        record.problem(Code.RANGE, name, said, "give the answers of this category only")
        return []
    answers: list[int] = []
    for item in items:
        if item is None:
            continue
        if item == NOT_APPLICABLE:
            if form != "CHAQ":
                record.problem(Code.CONFLICT, name, "NA exists in the CHAQ only", "use null for an unanswered item")
            continue
        try:
            number = exact(item)
        except OverflowError:
            number = Fraction(WORST + 1)
        if number is None or number.denominator != 1:
            shown = kind(item) if number is None else text(number)
            record.problem(Code.TYPE, name, f"{shown} where 0, 1, 2 or 3 is meant", "give 0, 1, 2, 3, NA or null")
        elif not 0 <= number <= WORST:
            record.problem(Code.RANGE, name, "an item is outside 0 to 3", "give 0, 1, 2, 3, NA or null")
        else:
            answers.append(int(number))
    return answers


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(("instrument", "categories"))
    form = record.choice("instrument", CATEGORIES, required=True)
    categories = record.section("categories", "")
    known = CATEGORIES[form or "HAQ"]
    categories.only(known)
    bounds: dict[str, tuple[int, int]] = {}
    for name in known:
        category = categories.section(name, f"{name}.")
        category.only(("items", "aid_or_help"))
        answers = _answered(record, category, name, form or "CHAQ")
        # An aid box left out of the record is not ticked; an explicit null is unknown.
        aid = category.truth("aid_or_help") if "aid_or_help" in category.values else Truth.FALSE
        if answers:
            worst = max(answers)
            raised = max(worst, WITH_AID)
            low = raised if aid is Truth.TRUE else worst
            bounds[name] = (low, worst if aid is Truth.FALSE else raised)
    record.settle()

    n_categories = len(bounds)
    low_sum, high_sum = (sum(bound[end] for bound in bounds.values()) for end in (0, 1))
    assessable = n_categories >= MINIMUM_CATEGORIES
    mean_low, mean_high = (Fraction(total, n_categories) if assessable else None for total in (low_sum, high_sum))
    settled = n_categories == len(known) and low_sum == high_sum
    if trace is not None:
        for name, bound in bounds.items():
            trace.add("category", f"{name}: {bound[0]} to {bound[1]} of 3", "haq-categories", "haq-aid-rule")
        said = f"{n_categories} of {len(known)} categories answered, {MINIMUM_CATEGORIES} needed"
        trace.add("index", said, "haq-minimum", "haq-range")
    return {
        "status": "not_assessable" if not assessable else "complete" if settled else "partial",
        "score": rounded(mean_low, SCORE_DECIMALS) if mean_low is not None and mean_low == mean_high else None,
        "score_min": None if mean_low is None else rounded(mean_low, SCORE_DECIMALS),
        "score_max": None if mean_high is None else rounded(mean_high, SCORE_DECIMALS),
        "n_categories": n_categories,
    }


INSTRUMENT: Final = Instrument(
    key="haq_chaq",
    title="HAQ-DI and CHAQ disability index",
    version=1,
    purpose="Function 0-3, higher is worse; mean of the answered categories. No item wording is shipped.",
    evaluate=_evaluate,
    answer=("status", "score"),
    completions={("categories", name): ({"items": [0]}, {"items": [WORST]}) for name in CATEGORIES["HAQ"]},
    evidence=("haq-range", "haq-categories", "haq-aid-rule", "haq-minimum"),
)
