"""239th ENMC workshop classification of dermatomyositis. PROVISIONAL: the rule is rebuilt from memory."""

from __future__ import annotations

from typing import Any, Final

from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.logic import all_of, any_of, count, reaches
from heliotrope.criteria.record import Record
from heliotrope.domain.truth import Truth

SKIN_FINDINGS: Final = ("gottron_sign", "gottron_papules", "heliotrope")
MUSCLE_FEATURES: Final = ("proximal_weakness", "enzymes_elevated", "bx_suggestive", "bx_definitive")
_KNOWN: Final = (*SKIN_FINDINGS, "interface_dermatitis", *MUSCLE_FEATURES, "dmsa")


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(_KNOWN)
    facts = record.truths(_KNOWN)
    record.settle()

    skin = count(facts[name] for name in SKIN_FINDINGS)
    muscle = any_of(*(facts[name] for name in MUSCLE_FEATURES))
    route_a = all_of(reaches(2, skin), facts["interface_dermatitis"])
    route_b = all_of(reaches(2, skin), any_of(muscle, facts["dmsa"]))
    route_c = all_of(reaches(1, skin), any_of(facts["bx_definitive"], facts["dmsa"]))
    classified = any_of(route_a, route_b, route_c)
    amyopathic = ~muscle if classified is Truth.TRUE else Truth.UNKNOWN
    if trace is not None:
        trace.add("skin findings", f"{skin[0]} to {skin[1]} of 3", "enmc239-rule")
        for name, route in (("route a", route_a), ("route b", route_b), ("route c", route_c)):
            trace.add(name, route.name.lower(), "enmc239-rule")
        trace.add("scope", "antisynthetase syndrome is kept apart from dermatomyositis", "enmc239-asys-apart")
    return {
        "dm_classified": classified.value,
        "route_a": route_a.value,
        "route_b": route_b.value,
        "route_c": route_c.value,
        "amyopathic": amyopathic.value,
    }


INSTRUMENT: Final = Instrument(
    key="enmc_239_dm",
    title="239th ENMC workshop classification of dermatomyositis (2018) - PROVISIONAL",
    version=1,
    purpose="Shown only when switched on: the combinations rest on memory and need the full text first.",
    evaluate=_evaluate,
    answer=("dm_classified", "amyopathic"),
    completions={(name,): (True, False) for name in _KNOWN},
    evidence=("enmc239-rule", "enmc239-asys-apart"),
    caveats=(
        "PROVISIONAL: rule rebuilt from memory; do not rely on it.",
        "Antisynthetase syndrome with a rash like that of dermatomyositis must not be typed as dermatomyositis here.",
    ),
    provisional=True,
)
