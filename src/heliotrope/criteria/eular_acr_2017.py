"""2017 EULAR/ACR classification criteria for adult and juvenile idiopathic inflammatory myopathies.

A score in integer tenths of a point picks the category; one column of weights (with or without biopsy) serves the
whole score; a tree names the subgroup of those classified. For research classification; not a diagnostic test.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any, Final

from heliotrope.criteria.exact import text
from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.logic import all_of, any_of
from heliotrope.criteria.problems import Code
from heliotrope.criteria.record import Record
from heliotrope.domain.truth import Truth

# Tenths of a point: (without biopsy, with biopsy). Lundberg 2017, table of weights.
ITEMS: Final = {
    "weak_prox_upper": (7, 7),
    "weak_prox_lower": (8, 5),
    "neck_flexors_weaker": (19, 16),
    "leg_proximal_weaker": (9, 12),
    "heliotrope": (31, 32),
    "gottron_papules": (21, 27),
    "gottron_sign": (33, 37),
    "dysphagia": (7, 6),
    "anti_jo1": (39, 38),
    "enzymes_elevated": (13, 14),
}
BIOPSY_ITEMS: Final = {
    "bx_endomysial": (0, 17),
    "bx_perimysial_perivascular": (0, 12),
    "bx_perifascicular_atrophy": (0, 19),
    "bx_rimmed_vacuoles": (0, 31),
}
# Onset under 18, 18 to under 40, 40 and over.
AGE_POINTS: Final = ((0, 13, 21), (0, 15, 22))
# Possible, probable, definite; lower bounds inclusive.
CUTOFFS: Final = ((53, 55, 75), (65, 67, 87))
CATEGORIES: Final = ("not_iim", "possible", "probable", "definite")
NOMINAL_PROBABILITIES: Final = (0.50, 0.55, 0.90)
LOGISTIC_CONSTANT_HUNDREDTHS: Final = (533, 649)
MODELS: Final = ("no_biopsy", "biopsy")
PROBABLE: Final = 2

WEAKNESS: Final = ("weak_prox_upper", "weak_prox_lower", "neck_flexors_weaker", "leg_proximal_weaker")
RASH: Final = ("heliotrope", "gottron_papules", "gottron_sign")
_OTHER_FACTS: Final = ("better_explanation", "biopsy_performed", "finger_flexor_weakness", "treatment_not_improved")
_KNOWN: Final = frozenset((*ITEMS, *BIOPSY_ITEMS, *_OTHER_FACTS, "age_at_onset"))
_WEIGHTS: Final = (tuple(ITEMS.items()), (*ITEMS.items(), *BIOPSY_ITEMS.items()))


@lru_cache(maxsize=1024)
def probability(tenths: int, column: int) -> float:
    """Logistic probability of a score; for display beside the category, never for choosing it.

    Examples
    --------
    >>> round(probability(55, 0), 4)
    0.5424
    """
    return 1.0 / (1.0 + math.exp((LOGISTIC_CONSTANT_HUNDREDTHS[column] - 10 * tenths) / 100.0))


def _age_band(age: Fraction) -> int:
    return 0 if age < 18 else 1 if age < 40 else 2


def _subgroup(items: dict[str, Truth], others: dict[str, Truth], age: Fraction | None, vacuoles: Truth) -> str:
    rash = any_of(*(items[name] for name in RASH))
    weakness = any_of(*(items[name] for name in WEAKNESS))
    inclusion = any_of(all_of(others["finger_flexor_weakness"], others["treatment_not_improved"]), vacuoles)
    minor = Truth.UNKNOWN if age is None else Truth.of(age < 18)
    leaves = {
        _leaf(*answers) for answers in product(_answers(minor), _answers(rash), _answers(weakness), _answers(inclusion))
    }
    return leaves.pop() if len(leaves) == 1 else "indeterminate"


def _answers(fact: Truth) -> tuple[bool, ...]:
    return (True, False) if fact is Truth.UNKNOWN else (fact is Truth.TRUE,)


def _leaf(minor: bool, rash: bool, weakness: bool, inclusion: bool) -> str:
    if minor:
        return "JDM" if rash else "JM_OTHER"
    if rash:
        return "DM" if weakness else "ADM"
    return "IBM" if inclusion else "PM_IMNM"


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(_KNOWN)
    items = record.truths(ITEMS)
    biopsy_items = record.truths(BIOPSY_ITEMS)
    others = record.truths(_OTHER_FACTS)
    if "biopsy_performed" not in record.values:
        others["biopsy_performed"] = Truth.FALSE
    age = record.number("age_at_onset", 0, 120, "years")
    features_known = any(fact is not Truth.UNKNOWN for fact in biopsy_items.values())
    biopsied = others["biopsy_performed"] is Truth.TRUE
    if features_known and not biopsied:
        hint = "set biopsy_performed to true, or leave the four bx_ items out"
        record.problem(Code.CONFLICT, "biopsy_performed", "a biopsy finding is given, but no biopsy was done", hint)
    record.settle()

    column = int(biopsied and features_known)
    fields: dict[str, Any] = dict.fromkeys(OUTPUTS)
    fields["model"] = MODELS[column]
    better = others["better_explanation"]
    if trace is not None:
        _trace_model(trace, column, biopsied)
    if better is Truth.TRUE:
        if trace is not None:
            trace.add("exclusion", "better_explanation = true: the criteria do not apply", "eular-acr-exclusion")
        fields |= {"status": "excluded", "category": "excluded", "iim_classified": False}
        fields["flags"] = ["BETTER_EXPLANATION"]
        return fields

    facts = {**items, **biopsy_items}
    bands = AGE_POINTS[column]
    low, high = (bands[0], bands[2]) if age is None else (bands[_age_band(age)],) * 2
    complete = age is not None
    for name, weights in _WEIGHTS[column]:
        fact = facts[name]
        if fact is Truth.FALSE:
            continue
        high += weights[column]
        if fact is Truth.TRUE:
            low += weights[column]
        else:
            complete = False
    cutoffs = CUTOFFS[column]
    rank_low, rank_high = bisect_right(cutoffs, low), bisect_right(cutoffs, high)
    odds = (probability(low, column), probability(high, column))
    classified = True if rank_low >= PROBABLE else False if rank_high < PROBABLE else None
    vacuoles = Truth.FALSE if others["biopsy_performed"] is Truth.FALSE else biopsy_items["bx_rimmed_vacuoles"]
    disagrees = any(
        bisect_right(NOMINAL_PROBABILITIES, chance) != rank
        for chance, rank in zip(odds, (rank_low, rank_high), strict=True)
    )
    raised = {
        "BETTER_EXPLANATION_NOT_CONFIRMED": better is Truth.UNKNOWN,
        "BIOPSY_RECOMMENDED": column == 0 and all(items[name] is Truth.FALSE for name in RASH),
        "BIOPSY_UNINFORMATIVE": biopsied and not features_known,
        "PROBABILITY_SCORE_DISAGREE": disagrees,
    }
    fields |= {
        "status": "complete" if complete else "partial",
        "score_min": Fraction(low, 10),
        "score_max": Fraction(high, 10),
        "probability_min": round(odds[0], 4),
        "probability_max": round(odds[1], 4),
        "category": CATEGORIES[rank_low] if rank_low == rank_high else None,
        "category_min": CATEGORIES[rank_low],
        "category_max": CATEGORIES[rank_high],
        "iim_classified": classified,
        "subgroup": _subgroup(items, others, age, vacuoles) if classified else None,
        "flags": [name for name, is_raised in raised.items() if is_raised],
    }
    if trace is not None:
        _trace_score(trace, column, facts, age, fields)
    return fields


def _trace_model(trace: Trace, column: int, biopsied: bool) -> None:
    why = "a biopsy feature is recorded" if column else "no biopsy feature is recorded" if biopsied else "no biopsy"
    trace.add("column", f"{MODELS[column]} weights for every item: {why}", "eular-acr-weights")


def _trace_score(
    trace: Trace, column: int, facts: dict[str, Truth], age: Fraction | None, fields: dict[str, Any]
) -> None:
    bands = AGE_POINTS[column]
    if age is None:
        said = f"age at onset unknown: {text(Fraction(bands[0], 10))} to {text(Fraction(bands[2], 10))} points"
    else:
        said = f"age at onset {text(age)} a: {text(Fraction(bands[_age_band(age)], 10))} points"
    trace.add("age", said, "eular-acr-age-points")
    for name, weights in _WEIGHTS[column]:
        points = text(Fraction(weights[column], 10))
        if facts[name] is Truth.TRUE:
            trace.add("item", f"{name} present: {points} points", "eular-acr-weights")
        elif facts[name] is Truth.UNKNOWN:
            trace.add("item", f"{name} unknown: 0 to {points} points", "eular-acr-weights")
    limits = ", ".join(
        f"{name} from {text(Fraction(cut, 10))}" for name, cut in zip(CATEGORIES[1:], CUTOFFS[column], strict=True)
    )
    score = f"score {text(fields['score_min'])} to {text(fields['score_max'])} points"
    category = f"{fields['category_min']} to {fields['category_max']}"
    trace.add("cut-off", f"{score} ({limits}): {category}", "eular-acr-cutoffs")
    chances = f"{fields['probability_min']} to {fields['probability_max']}"
    trace.add("probability", f"{chances}, shown beside the category, which the score decides", "eular-acr-probability")
    if "BIOPSY_RECOMMENDED" in fields["flags"]:
        trace.add("rash rule", "none of the three rash items: biopsy features should be available", "eular-acr-rash")
    if fields["subgroup"] is not None:
        trace.add("tree", f"subgroup {fields['subgroup']}", "eular-acr-tree")


OUTPUTS: Final = (
    "status",
    "model",
    "score_min",
    "score_max",
    "probability_min",
    "probability_max",
    "category",
    "category_min",
    "category_max",
    "iim_classified",
    "subgroup",
    "flags",
)

INSTRUMENT: Final = Instrument(
    key="eular_acr_2017",
    title="2017 EULAR/ACR classification criteria for adult and juvenile IIM and major subgroups",
    version=1,
    purpose="Research classification with subgroup; not a diagnostic test. Imaging, EMG and antibodies other than "
    "anti-Jo-1 do not enter.",
    evaluate=_evaluate,
    answer=("category", "iim_classified", "subgroup"),
    completions={
        **{(name,): (True, False) for name in (*ITEMS, *BIOPSY_ITEMS, "better_explanation", *_OTHER_FACTS[2:])},
        ("age_at_onset",): (0, 18, 40),
    },
    evidence=("eular-acr-weights", "eular-acr-age-points", "eular-acr-cutoffs", "eular-acr-setting"),
    caveats=(
        "The published table itself was not readable when the weights were taken over; three reproductions agree.",
        "PM and IMNM are one leaf of the tree; antisynthetase syndrome is not in it.",
    ),
)
