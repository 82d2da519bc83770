"""What else a calcification could be: per condition of the table, what was seen for it, against it, and not known.

No condition is chosen, ranked or weighed. A fact that nobody gave stays unknown and is listed as what would separate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from heliotrope.criteria.differential import CALCIFICATION, Calcification
from heliotrope.domain.truth import Truth


class Fact(StrEnum):
    """An observation or a laboratory or clinical fact; its text says what holds when it is true."""

    SUPERFICIAL = "calcium in skin or subcutis"
    DEEP = "calcium at the fascia or deeper"
    SHEETS = "sheet, net or line in subcutis or along fascia"
    ROUND = "nodules or clumps"
    LINES = "lines"
    NET = "a net"
    TUMORAL = "a tumor-like mass"
    FLUID_LEVEL = "a fluid-calcium level"
    BETWEEN_MUSCLES = "calcium between muscles"
    WITHIN_MUSCLE = "calcium within muscle"
    SINGLE = "one calcification only"
    MANY = "ten calcifications or more"
    VESSEL_WALLS = "calcium of vessel walls or phleboliths, kept out of the count"
    PERIARTICULAR = "place next to a joint"
    BONE_STRUCTURE = "cortex and trabeculae within the lesion"
    RIM = "mineral at the rim of the lesion"
    CALCIUM_RAISED = "serum calcium raised"
    PHOSPHATE_RAISED = "serum phosphate raised"
    TISSUE_DISEASE = "known myositis or systemic sclerosis"
    SYSTEMIC_SCLEROSIS = "known systemic sclerosis"
    KIDNEY_FAILURE = "kidney failure"
    SKIN_NECROSIS = "skin necrosis"
    INJECTION = "injection or infusion at the place"
    INJURY = "injury, burn or palsy at the place"
    TOE = "malformed big toe"
    GROWING = "growing mass"
    EXPOSURE = "exposure to parasites or tuberculosis"
    TENDON = "place in a tendon or in cartilage"


GIVEN: Final = frozenset(
    {
        Fact.PERIARTICULAR,
        Fact.BONE_STRUCTURE,
        Fact.RIM,
        Fact.CALCIUM_RAISED,
        Fact.PHOSPHATE_RAISED,
        Fact.TISSUE_DISEASE,
        Fact.SYSTEMIC_SCLEROSIS,
        Fact.KIDNEY_FAILURE,
        Fact.SKIN_NECROSIS,
        Fact.INJECTION,
        Fact.INJURY,
        Fact.TOE,
        Fact.GROWING,
        Fact.EXPOSURE,
        Fact.TENDON,
    }
)
"""Facts a person gives; the others are read off the image."""

MANY_FROM: Final = 10
"""Calcifications from which the distribution is called many; a project rule."""


@dataclass(frozen=True)
class Prompt:
    """One condition beside what is known.

    Parameters
    ----------
    row : Calcification
        Of the table, with its sources and what of it was read.
    supporting, contradicting, unknown : tuple of str
        Observations; ``unknown`` is what would separate it and was not examined.
    """

    row: Calcification
    supporting: tuple[str, ...]
    contradicting: tuple[str, ...]
    unknown: tuple[str, ...]


_F = Fact
_RAISED: Final = (_F.CALCIUM_RAISED, _F.PHOSPHATE_RAISED)
_RULES: Final[Mapping[str, tuple[tuple[Fact, ...], tuple[Fact, ...]]]] = {
    "dystrophic": (
        (_F.SHEETS, _F.ROUND, _F.TISSUE_DISEASE),
        (*_RAISED, _F.BONE_STRUCTURE),
    ),
    "metastatic": ((*_RAISED, _F.PERIARTICULAR, _F.VESSEL_WALLS, _F.KIDNEY_FAILURE), ()),
    "idiopathic": ((_F.SUPERFICIAL, _F.ROUND), (_F.TISSUE_DISEASE, *_RAISED)),
    "iatrogenic": ((_F.INJECTION,), _RAISED),
    "calciphylaxis": ((_F.NET, _F.LINES, _F.SKIN_NECROSIS, _F.KIDNEY_FAILURE, _F.PHOSPHATE_RAISED), ()),
    "tumoral": ((_F.TUMORAL, _F.FLUID_LEVEL, _F.PERIARTICULAR, _F.PHOSPHATE_RAISED), (_F.CALCIUM_RAISED, _F.SHEETS)),
    "ossification_fop": ((_F.BONE_STRUCTURE, _F.TOE), _RAISED),
    "ossification_traumatic": ((_F.BONE_STRUCTURE, _F.RIM, _F.WITHIN_MUSCLE, _F.INJURY), _RAISED),
    "neurogenic_ho": ((_F.BONE_STRUCTURE, _F.PERIARTICULAR, _F.INJURY), _RAISED),
    "scleroderma": ((_F.SYSTEMIC_SCLEROSIS, _F.SHEETS, _F.LINES, _F.ROUND), _RAISED),
    "vascular": ((_F.VESSEL_WALLS,), (_F.SHEETS,)),
    "crystal_tendon": ((_F.TENDON,), _RAISED),
    "parasite_granuloma": ((_F.WITHIN_MUSCLE, _F.MANY, _F.EXPOSURE), (_F.SUPERFICIAL, *_RAISED)),
    "neoplasm": ((_F.SINGLE, _F.TUMORAL, _F.GROWING), _RAISED),
    "milk_of_calcium": ((_F.FLUID_LEVEL, _F.BETWEEN_MUSCLES, _F.TISSUE_DISEASE), _RAISED),
}
"""Facts that fit a condition and facts that do not, by the pattern, serum and context columns of the table."""

_REQUIRED: Final[Mapping[str, frozenset[Fact]]] = {
    "calciphylaxis": frozenset({_F.SKIN_NECROSIS}),
    "tumoral": frozenset({_F.TUMORAL, _F.PERIARTICULAR}),
    "ossification_fop": frozenset({_F.BONE_STRUCTURE}),
    "ossification_traumatic": frozenset({_F.BONE_STRUCTURE}),
    "neurogenic_ho": frozenset({_F.BONE_STRUCTURE, _F.PERIARTICULAR}),
    "scleroderma": frozenset({_F.SYSTEMIC_SCLEROSIS}),
    "iatrogenic": frozenset({_F.INJECTION}),
    "vascular": frozenset({_F.VESSEL_WALLS}),
    "crystal_tendon": frozenset({_F.TENDON}),
    "milk_of_calcium": frozenset({_F.FLUID_LEVEL, _F.BETWEEN_MUSCLES}),
    "parasite_granuloma": frozenset({_F.WITHIN_MUSCLE}),
    "idiopathic": frozenset({_F.SUPERFICIAL}),
}
"""Facts whose absence speaks against a condition; the absence of any other fact says nothing."""


def calcification_prompts(facts: Mapping[Fact, Truth]) -> tuple[Prompt, ...]:
    """Every condition of the table beside what is known.

    Parameters
    ----------
    facts : mapping of Fact to Truth
        What is not in it is unknown.

    Returns
    -------
    tuple of Prompt
        In the table's order, which is no ranking; every condition, whatever speaks for or against it.
    """
    return tuple(_prompt(row, facts) for row in CALCIFICATION)


def _prompt(row: Calcification, facts: Mapping[Fact, Truth]) -> Prompt:
    fitting, unfitting = _RULES[row.key]
    required = _REQUIRED.get(row.key, frozenset())
    supporting: list[str] = []
    contradicting: list[str] = []
    unknown: list[str] = []
    for fact in fitting:
        truth = facts.get(fact, Truth.UNKNOWN)
        if truth is Truth.TRUE:
            supporting.append(fact.value)
        elif truth is Truth.UNKNOWN:
            unknown.append(fact.value)
        elif fact in required:
            contradicting.append(f"absent: {fact.value}")
    if _both_normal(facts) and set(unfitting) >= {_F.CALCIUM_RAISED, _F.PHOSPHATE_RAISED}:
        supporting.append("serum calcium and phosphate not raised")
    elif row.key == "metastatic" and _both_normal(facts):
        contradicting.append("serum calcium and phosphate not raised")
    for fact in unfitting:
        truth = facts.get(fact, Truth.UNKNOWN)
        if truth is Truth.TRUE:
            contradicting.append(fact.value)
        elif truth is Truth.UNKNOWN:
            unknown.append(fact.value)
    return Prompt(row, tuple(supporting), tuple(contradicting), tuple(dict.fromkeys(unknown)))


def _both_normal(facts: Mapping[Fact, Truth]) -> bool:
    return all(facts.get(fact) is Truth.FALSE for fact in (_F.CALCIUM_RAISED, _F.PHOSPHATE_RAISED))
