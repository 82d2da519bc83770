"""Clinically inactive juvenile dermatomyositis: PRINTO 2013, and its revision of 2015."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from heliotrope.criteria.exact import text
from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.logic import all_of, at_least
from heliotrope.criteria.record import Record
from heliotrope.domain.truth import Truth

CK_LIMIT_U_L: Final = 150
CMAS_LIMIT: Final = 48
MMT8_LIMIT: Final = 78
PHYSICIAN_GLOBAL_LIMIT_CM: Final = Fraction(2, 10)
_MUSCLE: Final = ("ck_u_l", "cmas", "mmt8")


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only((*_MUSCLE, "physician_global"))
    ck = record.number("ck_u_l", 0, None, "U/L")
    cmas = record.number("cmas", 0, 52)
    mmt8 = record.number("mmt8", 0, 80)
    physician = record.number("physician_global", 0, 10, "cm")
    record.settle()

    met = {
        "ck_u_l": Truth.of(None if ck is None else ck <= CK_LIMIT_U_L),
        "cmas": Truth.of(None if cmas is None else cmas >= CMAS_LIMIT),
        "mmt8": Truth.of(None if mmt8 is None else mmt8 >= MMT8_LIMIT),
        "physician_global": Truth.of(None if physician is None else physician <= PHYSICIAN_GLOBAL_LIMIT_CM),
    }
    printo = at_least(3, met.values())
    almeida = all_of(met["physician_global"], at_least(2, (met[name] for name in _MUSCLE)))
    if trace is not None:
        compared = {
            "ck_u_l": (ck, "U/L, limit 150 or less"),
            "cmas": (cmas, "of 52, limit 48 or more"),
            "mmt8": (mmt8, "of 80, limit 78 or more"),
            "physician_global": (physician, "cm, limit 0.2 or less"),
        }
        for name, (value, limit) in compared.items():
            shown = "unknown" if value is None else text(value)
            trace.add(name, f"{shown} {limit}: {met[name].name.lower()}", "printo-2013-cutoffs")
        trace.add("2013 rule", f"three of four: {printo.name.lower()}", "printo-2013-rule")
        said = f"physician global and two of three muscle criteria: {almeida.name.lower()}"
        trace.add("2015 revision", said, "almeida-2015-rule", "almeida-2015-gap")
    return {
        "met": {name: fact.value for name, fact in met.items()},
        "printo_2013_inactive": printo.value,
        "almeida_2015_inactive": almeida.value,
    }


INSTRUMENT: Final = Instrument(
    key="printo_inactive",
    title="Clinically inactive disease in JDM: PRINTO 2013 and revision 2015",
    version=1,
    purpose="Yes, no or not yet known. CK is absolute in U/L; MMT8 is on the 0-80 scale.",
    evaluate=_evaluate,
    answer=("printo_2013_inactive", "almeida_2015_inactive"),
    completions={
        ("ck_u_l",): (0, 151),
        ("cmas",): (52, 0),
        ("mmt8",): (80, 0),
        ("physician_global",): (0, 10),
    },
    evidence=("printo-2013-rule", "printo-2013-cutoffs", "almeida-2015-rule"),
)
