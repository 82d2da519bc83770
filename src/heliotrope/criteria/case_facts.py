"""From the entries of a record to the inputs of the classification instruments, as known on a day.

A sign once seen stays seen: a later visit without it does not take it back (that is what a correction is for). Facts
that pass and return take their latest value. Unknown stays unknown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from heliotrope.criteria import enmc_239_dm, enzymes, eular_acr_2017, imacs_cancer_2023
from heliotrope.criteria.case_record import (
    ANTIBODIES,
    BOOLEAN_FACTS,
    CURRENT_FACTS,
    DM_ANTIBODIES,
    SYNTHETASE_ANTIBODIES,
    AntibodyResult,
    Case,
    Fact,
    Visit,
    known_by,
    years_between,
)
from heliotrope.criteria.instrument import evaluate
from heliotrope.criteria.logic import any_of
from heliotrope.domain.truth import Truth

_UNDATED: Final = dt.date.min


@dataclass(frozen=True)
class Known:
    """What was known of a patient on a day.

    Parameters
    ----------
    facts : mapping of str to Truth
    dysphagia : str or None
        Worst grade seen; ``"present"`` when its grade is not known.
    antibodies : mapping of str to Truth
        A weak positive, and two results that disagree, are unknown.
    raised : mapping of str to Truth
        Each enzyme: above its limit at any visit, or known and never above.
    notes : tuple of str
        What a reader must know about how these came about.
    """

    facts: Mapping[str, Truth]
    dysphagia: str | None
    antibodies: Mapping[str, Truth]
    raised: Mapping[str, Truth]
    notes: tuple[str, ...]


def known_on(case: Case, day: dt.date | None) -> Known:
    """What the record said by the end of a day; everything when None."""
    visits = known_by(case.visits, day)
    standing = {visit.written.key for visit in visits}
    facts = [fact for fact in known_by(case.facts, day) if fact.visit is None or fact.visit in standing]
    notes: list[str] = []
    settled = {name: _settled(name, [fact for fact in facts if fact.name == name]) for name in BOOLEAN_FACTS}
    settled["enzymes_elevated"] = _enzymes_elevated(settled["enzymes_elevated"], visits, notes)
    antibodies = _antibodies(known_by(case.antibodies, day), notes)
    return Known(settled, _dysphagia(facts), antibodies, _raised(visits), tuple(notes))


def _settled(name: str, facts: Iterable[Fact]) -> Truth:
    said = [(fact.date.latest if fact.date else _UNDATED, fact.value) for fact in facts if fact.value is not None]
    if not said:
        return Truth.UNKNOWN
    if name in CURRENT_FACTS:
        latest = max(date for date, _ in said)
        values = {value for date, value in said if date == latest}
        return Truth.of(values.pop() is True) if len(values) == 1 else Truth.UNKNOWN
    return Truth.of(any(value is True for _, value in said))


def _dysphagia(facts: Iterable[Fact]) -> str | None:
    grades = imacs_cancer_2023.DYSPHAGIA
    said = [fact.value for fact in facts if fact.name == "dysphagia" and fact.value is not None]
    graded = [grades.index(value) for value in said if isinstance(value, str)]
    worst = max(graded, default=0)
    if worst > 0:
        return grades[worst]
    if any(value is True for value in said):
        return "present"
    return grades[0] if said else None


def _enzymes_elevated(stated: Truth, visits: Iterable[Visit], notes: list[str]) -> Truth:
    """The EULAR/ACR item: stated, or raised at any visit, or all four known and not raised at one."""
    measured = [Truth.of(enzyme_fields(visit)["eular_acr_item"]) for visit in visits if visit.laboratory]
    if any(fact is Truth.TRUE for fact in measured):
        if stated is Truth.FALSE:
            notes.append(
                "enzymes_elevated is stated as false, but a laboratory value is above its limit; taken as true"
            )
        return Truth.TRUE
    if stated is not Truth.UNKNOWN:
        return stated
    return Truth.FALSE if any(fact is Truth.FALSE for fact in measured) else Truth.UNKNOWN


def _raised(visits: Iterable[Visit]) -> dict[str, Truth]:
    seen: dict[str, list[bool]] = {name: [] for name in enzymes.ANALYTES}
    for visit in visits:
        for name, ratio in exact_ratios(visit).items():
            seen[name].append(ratio > 1)
    return {name: Truth.of(any(values)) if values else Truth.UNKNOWN for name, values in seen.items()}


def _antibodies(results: Iterable[AntibodyResult], notes: list[str]) -> dict[str, Truth]:
    by_name: dict[str, set[str]] = {name: set() for name in ANTIBODIES}
    for entry in results:
        if entry.result is not None:
            by_name[entry.antibody].add(entry.result)
    settled: dict[str, Truth] = {}
    for name, found in by_name.items():
        if found == {"positive"} or found == {"positive", "weak_positive"}:
            settled[name] = Truth.TRUE
        elif found == {"negative"}:
            settled[name] = Truth.FALSE
        else:
            settled[name] = Truth.UNKNOWN
            if found:
                why = (
                    "only weakly positive" if found == {"weak_positive"} else "positive and negative in different tests"
                )
                notes.append(f"anti-{name} was {why}: counted as unknown until a second method settles it")
    positive = [name for name, fact in settled.items() if fact is Truth.TRUE and name in _SPECIFIC]
    if len(positive) > 1:
        notes.append(f"{' and '.join(positive)} are both positive, which is rare: possible false positive")
    return settled


_SPECIFIC: Final = frozenset({*DM_ANTIBODIES, *SYNTHETASE_ANTIBODIES, "SRP", "HMGCR"})


def enzyme_fields(visit: Visit) -> Mapping[str, Any]:
    """The enzyme instrument on one visit's laboratory values."""
    record = {
        row.analyte: {"value": row.value, "unit": row.unit, "uln": row.uln, "uln_unit": row.uln_unit}
        for row in visit.laboratory
    }
    return evaluate(enzymes.INSTRUMENT, record, explain=False).fields


def exact_ratios(visit: Visit) -> dict[str, Fraction]:
    """Enzymes of one visit as multiples of their ULN, unrounded; those with a value and a limit."""
    ratios: dict[str, Fraction] = {}
    for row in visit.laboratory:
        if row.value is not None and row.uln is not None:
            factor = Fraction(enzymes.UNITS[row.unit or "U/L"], enzymes.UNITS[row.uln_unit or row.unit or "U/L"])
            ratios[row.analyte] = row.value * factor / row.uln
    return ratios


def eular_acr_inputs(case: Case, known: Known) -> dict[str, Any]:
    """Inputs of the 2017 EULAR/ACR criteria."""
    facts = known.facts
    inputs: dict[str, Any] = {name: facts[name].value for name in eular_acr_2017.ITEMS if name in facts}
    inputs |= {
        name: facts[name].value for name in ("better_explanation", "finger_flexor_weakness", "treatment_not_improved")
    }
    inputs["anti_jo1"] = known.antibodies["Jo1"].value
    inputs["dysphagia"] = None if known.dysphagia is None else known.dysphagia != "none"
    inputs["age_at_onset"] = case.age_at_onset
    inputs["biopsy_performed"] = facts["biopsy_performed"].value
    if facts["biopsy_performed"] is Truth.TRUE:
        inputs |= {name: facts[name].value for name in eular_acr_2017.BIOPSY_ITEMS}
    return inputs


def bohan_peter_inputs(known: Known) -> dict[str, Any]:
    """Inputs of the 1975 criteria, whose enzymes include aldolase."""
    facts = known.facts
    return {
        "weakness": any_of(facts["weak_prox_upper"], facts["weak_prox_lower"]).value,
        "enzymes": any_of(facts["enzymes_elevated"], known.raised["aldolase"]).value,
        "emg": facts["emg_triad"].value,
        "biopsy": facts["biopsy_myositis"].value,
        "rash": _rash(known).value,
        "exclusion_present": facts["exclusion_present"].value,
    }


def antisynthetase_inputs(known: Known) -> dict[str, Any]:
    """Inputs of the antisynthetase sets."""
    names = ("myositis", "ild", "arthritis", "fever", "raynaud", "mechanics_hands")
    antibody = any_of(*(known.antibodies[name] for name in SYNTHETASE_ANTIBODIES))
    return {"ars_antibody": antibody.value, **{name: known.facts[name].value for name in names}}


def necrotizing_inputs(known: Known) -> dict[str, Any]:
    """Inputs of the 224th ENMC rule."""
    facts = known.facts
    return {
        "srp": known.antibodies["SRP"].value,
        "hmgcr": known.antibodies["HMGCR"].value,
        "proximal_weakness": any_of(facts["weak_prox_upper"], facts["weak_prox_lower"]).value,
        "ck_elevated": known.raised["CK"].value,
        "necrotising_biopsy": facts["necrotizing_biopsy"].value,
    }


def enmc_inputs(known: Known) -> dict[str, Any]:
    """Inputs of the provisional 239th ENMC rule."""
    facts = known.facts
    return {
        **{name: facts[name].value for name in enmc_239_dm.SKIN_FINDINGS},
        **{name: facts[name].value for name in ("interface_dermatitis", "bx_suggestive", "bx_definitive")},
        "proximal_weakness": any_of(facts["weak_prox_upper"], facts["weak_prox_lower"]).value,
        "enzymes_elevated": facts["enzymes_elevated"].value,
        "dmsa": any_of(*(known.antibodies[name] for name in DM_ANTIBODIES)).value,
    }


def cancer_inputs(case: Case, known: Known, subtype: str | None, day: dt.date | None) -> dict[str, Any]:
    """Inputs of the screening guideline on a day."""
    graded = known.dysphagia in imacs_cancer_2023.DYSPHAGIA
    return {
        "age_at_onset": case.age_at_onset,
        "years_since_onset": _years_since_onset(case, day),
        "subtype": subtype,
        "antibodies": {
            name: known.antibodies[name].value
            for name in (*imacs_cancer_2023.SCORED_ANTIBODIES, *imacs_cancer_2023.STANDARD_ANTIBODIES)
        },
        "persistent_activity": known.facts["persistent_activity"].value,
        "dysphagia": known.dysphagia if graded else None,
        "skin_necrosis": known.facts["skin_necrosis"].value,
        "sex": case.sex,
        "npc_region": case.raised_nasopharyngeal_risk,
        "initial_screen_negative": _first_screen_negative(case, day),
    }


def _years_since_onset(case: Case, day: dt.date | None) -> Fraction | None:
    """Time since onset, when a partial date leaves no doubt on which side of three years it lies."""
    if case.onset is None or day is None:
        return None
    window = imacs_cancer_2023.WINDOW_YEARS
    low, high = years_between(case.onset, type(case.onset)(day, day, day.isoformat()))
    return high if high <= window or low > window else None


def _first_screen_negative(case: Case, day: dt.date | None) -> bool | None:
    done = [row for row in known_by(case.screening, day) if row.test in {"basic", "enhanced"} and row.result]
    if not done:
        return None
    return all(row.result == "nothing_found" for row in done)


def _rash(known: Known) -> Truth:
    return any_of(*(known.facts[name] for name in eular_acr_2017.RASH))
