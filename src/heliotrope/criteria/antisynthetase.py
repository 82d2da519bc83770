"""Antisynthetase syndrome: a condition of its own, kept apart from dermatomyositis. No consensus set exists."""

from __future__ import annotations

from typing import Any, Final

from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.logic import all_of, any_of, at_least
from heliotrope.criteria.record import Record

MAJOR: Final = ("myositis", "ild", "arthritis")
MINOR: Final = ("fever", "raynaud", "mechanics_hands")
CONNORS: Final = ("raynaud", "arthritis", "ild", "fever", "mechanics_hands")
_KNOWN: Final = ("ars_antibody", *MAJOR, *MINOR)


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(_KNOWN)
    facts = record.truths(_KNOWN)
    record.settle()

    antibody = facts["ars_antibody"]
    major = any_of(*(facts[name] for name in MAJOR))
    minor = at_least(2, (facts[name] for name in MINOR))
    err_table = all_of(antibody, any_of(major, minor))
    connors = all_of(antibody, any_of(*(facts[name] for name in CONNORS)))
    if trace is not None:
        trace.add("antibody", f"anti-synthetase antibody: {antibody.name.lower()}", "asys-err-table")
        said = f"one major: {major.name.lower()}, two minor: {minor.name.lower()}"
        trace.add("err table", f"{said}; met: {err_table.name.lower()}", "asys-err-table")
        trace.add("connors 2010", f"met: {connors.name.lower()}", "asys-connors")
    return {"err_table_criteria": err_table.value, "connors_2010": connors.value}


INSTRUMENT: Final = Instrument(
    key="asys",
    title="Antisynthetase syndrome: European Respiratory Review table; Connors 2010",
    version=1,
    purpose="Says which named set is met. A multisystem condition distinct from dermatomyositis.",
    evaluate=_evaluate,
    answer=("err_table_criteria", "connors_2010"),
    completions={(name,): (True, False) for name in _KNOWN},
    evidence=("asys-err-table", "asys-connors", "asys-no-consensus", "asys-distinct"),
    caveats=("85 criteria sets have been proposed; name the set that was applied.",),
)
