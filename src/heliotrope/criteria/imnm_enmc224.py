"""Immune-mediated necrotizing myopathy by the 224th ENMC workshop, shown beside and never inside the EULAR/ACR tree."""

from __future__ import annotations

from typing import Any, Final

from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.logic import all_of
from heliotrope.criteria.record import Record
from heliotrope.domain.truth import Truth

_KNOWN: Final = ("srp", "hmgcr", "proximal_weakness", "ck_elevated", "necrotising_biopsy")


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(_KNOWN)
    facts = record.truths(_KNOWN)
    record.settle()

    muscle = all_of(facts["proximal_weakness"], facts["ck_elevated"])
    groups = {
        "anti_SRP": all_of(facts["srp"], muscle),
        "anti_HMGCR": all_of(facts["hmgcr"], muscle),
        "seronegative": all_of(~facts["srp"], ~facts["hmgcr"], muscle, facts["necrotising_biopsy"]),
    }
    met = [name for name, group in groups.items() if group is Truth.TRUE]
    is_open = any(group is Truth.UNKNOWN for group in groups.values())
    if trace is not None:
        for name, group in groups.items():
            trace.add(name, group.name.lower(), "imnm-enmc224-rule")
    return {
        "imnm": met[0] if met else "indeterminate" if is_open else "not_classified",
        "groups": {name: group.value for name, group in groups.items()},
    }


INSTRUMENT: Final = Instrument(
    key="imnm_enmc224",
    title="Immune-mediated necrotizing myopathy, 224th ENMC workshop",
    version=1,
    purpose="Antibody or biopsy defined necrotizing myopathy. The rule is unverified.",
    evaluate=_evaluate,
    answer=("imnm",),
    completions={(name,): (True, False) for name in _KNOWN},
    evidence=("imnm-enmc224-rule",),
    caveats=("The EULAR/ACR tree lumps IMNM with PM; read this beside it.",),
)
