"""Muscle enzymes as multiples of the upper limit of normal (ULN) of the same laboratory, sex and age."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from heliotrope.criteria.exact import rounded, text
from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.logic import any_of
from heliotrope.criteria.problems import Code
from heliotrope.criteria.record import Record
from heliotrope.domain.truth import Truth

# Also the order in which ties are resolved (project rule).
ANALYTES: Final = ("CK", "aldolase", "ALT", "AST", "LDH")
EULAR_ACR_ANALYTES: Final = ("CK", "LDH", "AST", "ALT")
# Units per liter: 1 ukat/L = 60 U/L exactly.
UNITS: Final = {"U/L": 1, "IU/L": 1, "[IU]/L": 1, "ukat/L": 60}
RATIO_DECIMALS: Final = 4


def unit_factor(analyte: Record, field: str) -> int | None:
    """Units per liter of the declared unit; None when none is declared or it is no unit."""
    unit = analyte.choice(field, UNITS)
    return None if unit is None else UNITS[unit]


def limit_scale(analyte: Record) -> Fraction:
    """What turns value/ULN into a pure ratio: both in U/L.

    Without any unit both are in the same one, and the ratio needs none. A ULN without unit is in the unit of its value;
    a value without unit is not read in the unit of its ULN, as laboratories change units between values.
    """
    value_factor, limit_factor = unit_factor(analyte, "unit"), unit_factor(analyte, "uln_unit")
    measured = any(analyte.given(name) for name in ("value", "baseline", "followup"))
    if measured and value_factor is None and limit_factor is not None and not analyte.given("unit"):
        analyte.problem(Code.MISSING, "unit", "the ULN has a unit, the value has none", "give unit, e.g. U/L or ukat/L")
    if value_factor is None or limit_factor is None:
        return Fraction(1)
    return Fraction(value_factor, limit_factor)


def upper_limit(analyte: Record) -> Fraction | None:
    """The ULN, above zero; None when unknown."""
    limit = analyte.number("uln", 0, None)
    if limit == 0:
        analyte.problem(Code.RANGE, "uln", "0 is no upper limit of normal", "give the limit the laboratory prints")
        return None
    return limit


def most_abnormal(ratios: dict[str, Fraction]) -> str | None:
    """The enzyme with the highest multiple of its ULN; ties in the order of `ANALYTES`."""
    return max(ratios, key=lambda name: (ratios[name], -ANALYTES.index(name)), default=None)


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(ANALYTES)
    ratios: dict[str, Fraction] = {}
    reasons: dict[str, str] = {}
    for name in ANALYTES:
        if not record.given(name):
            continue
        analyte = record.section(name)
        analyte.only(("value", "uln", "unit", "uln_unit"))
        value, limit, scale = analyte.number("value", 0, None), upper_limit(analyte), limit_scale(analyte)
        if value is None or limit is None:
            reasons[name] = "value unknown" if value is None else "upper limit of normal unknown"
        else:
            ratios[name] = value * scale / limit
    record.settle()

    raised = {name: Truth.of(ratios[name] > 1) if name in ratios else Truth.UNKNOWN for name in EULAR_ACR_ANALYTES}
    item = any_of(*raised.values())
    highest = most_abnormal(ratios)
    if trace is not None:
        for name, ratio in ratios.items():
            said = f"{name} {text(ratio)} x ULN, {'above' if ratio > 1 else 'not above'} 1"
            trace.add("ratio", said, "enzymes-above-uln", "enzymes-units")
        for name, reason in reasons.items():
            trace.add("not assessable", f"{name}: {reason}", "enzymes-above-uln")
        trace.add("eular/acr item", f"CK, LDH, AST or ALT raised: {item.name.lower()}", "eular-acr-enzymes")
        if highest is not None:
            trace.add("most abnormal", f"{highest} {text(ratios[highest])} x ULN", "enzymes-most-abnormal")
    return {
        "xuln": {
            name: rounded(ratios[name], RATIO_DECIMALS) if name in ratios else None
            for name in ANALYTES
            if name in ratios or name in reasons
        },
        "most_abnormal": highest,
        "eular_acr_item": item.value,
        "any_elevated": any(ratio > 1 for ratio in ratios.values()) if ratios else None,
        "not_assessable": reasons,
    }


INSTRUMENT: Final = Instrument(
    key="enzymes",
    title="Muscle enzymes as multiples of the upper limit of normal",
    version=1,
    purpose="Ratios, the most abnormal enzyme, and the enzyme item of the EULAR/ACR criteria (without aldolase).",
    evaluate=_evaluate,
    answer=("eular_acr_item", "most_abnormal"),
    completions={(name,): ({"value": 1, "uln": 2}, {"value": 1000, "uln": 1}) for name in ANALYTES},
    evidence=("enzymes-above-uln", "enzymes-units", "enzymes-most-abnormal"),
    caveats=("any_elevated speaks of the enzymes given; eular_acr_item is false only when all four are known.",),
)
