"""A patient's course: instruments at each visit, classification now and as it was, response, screening."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any, Final

from heliotrope.criteria import (
    enzymes,
    imacs_cancer_2023,
    printo_inactive,
    tis_2016,
)
from heliotrope.criteria.case_facts import (
    antisynthetase_inputs,
    bohan_peter_inputs,
    cancer_inputs,
    enmc_inputs,
    eular_acr_inputs,
    exact_ratios,
    known_on,
    necrotizing_inputs,
)
from heliotrope.criteria.case_record import Case, PartialDate, Visit, known_by
from heliotrope.criteria.instrument import evaluate
from heliotrope.criteria.registry import find
from heliotrope.domain.verdict import Verdict

MAX_COMPARED_VISITS: Final = 25
SUBTYPE_OF_LEAF: Final = {"DM": "DM", "ADM": "CADM", "IBM": "IBM", "PM_IMNM": "PM"}


@dataclass(frozen=True)
class VisitSummary:
    """One visit with everything that could be computed from it.

    Parameters
    ----------
    verdicts : mapping of str to Verdict
        By instrument key; only those with inputs.
    strength : mapping of str to Fraction
        Complete totals by scale; never converted into one another.
    function : Fraction or None
        HAQ or CHAQ, 0-3, unrounded.
    ratios : mapping of str to Fraction
        Enzymes as multiples of their ULN, unrounded.
    """

    visit: Visit
    verdicts: Mapping[str, Verdict]
    strength: Mapping[str, Fraction]
    function: Fraction | None
    ratios: Mapping[str, Fraction]

    @property
    def date(self) -> PartialDate | None:
        """Day, month or year of the visit."""
        return self.visit.date


@dataclass(frozen=True)
class Classification:
    """What the classification instruments said with what was known on a day (None: everything known today)."""

    known: PartialDate | None
    verdicts: Mapping[str, Verdict]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Response:
    """Improvement from one visit to a later one.

    Parameters
    ----------
    verdict : Verdict or None
        None when the two cannot be put in order of time.
    notes : tuple of str
        Why a measure is missing from the score.
    """

    baseline: str
    followup: str
    verdict: Verdict | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Due:
    """A screening the guideline lists for consideration, with the time it refers to.

    Parameters
    ----------
    action : str
    when : str
        A date, month or year, or what it waits for.
    done : bool
        A record of it exists at or after that time.
    """

    action: str
    when: str
    done: bool


@dataclass(frozen=True)
class Course:
    """Everything computed from a record.

    Parameters
    ----------
    visits : tuple of VisitSummary
        Standing visits in order of time, undated ones last.
    history : tuple of Classification
        As it was at the end of each dated visit.
    """

    case: Case
    visits: tuple[VisitSummary, ...]
    now: Classification
    history: tuple[Classification, ...]
    responses: tuple[Response, ...]
    screening: Verdict | None
    due: tuple[Due, ...]
    notes: tuple[str, ...]


def follow(case: Case, *, provisional: bool = False) -> Course:
    """Compute a patient's course.

    Parameters
    ----------
    provisional : bool
        Also run provisional instruments.
    """
    standing = sorted(known_by(case.visits, None), key=_in_time)
    visits = tuple(_summary(case, visit) for visit in standing)
    days = sorted({visit.date for visit in standing if visit.date is not None}, key=lambda date: date.latest)
    now = _classified(case, None, provisional=provisional)
    history = tuple(_classified(case, day, provisional=provisional, explain=False) for day in days)
    screening, due, notes = _screening(case, now, days[-1].latest if days else None)
    if len(visits) > MAX_COMPARED_VISITS:
        notes += (f"Improvement is shown between the last {MAX_COMPARED_VISITS} visits only.",)
    pairs = combinations(visits[-MAX_COMPARED_VISITS:], 2)
    responses = tuple(_response(case, first, second) for first, second in pairs)
    return Course(case, visits, now, history, responses, screening, due, notes)


def _in_time(visit: Visit) -> tuple[bool, dt.date, dt.date]:
    if visit.date is None:
        return True, dt.date.max, dt.date.max
    return False, visit.date.earliest, visit.date.latest


def _summary(case: Case, visit: Visit) -> VisitSummary:
    verdicts = {name: evaluate(find(name), inputs) for name, inputs in visit.instruments.items()}
    ratios: dict[str, Fraction] = {}
    if visit.laboratory:
        record = {
            row.analyte: {"value": row.value, "unit": row.unit, "uln": row.uln, "uln_unit": row.uln_unit}
            for row in visit.laboratory
        }
        verdicts["enzymes"] = evaluate(enzymes.INSTRUMENT, record)
        ratios = exact_ratios(visit)
    strength = _strength(visit, verdicts)
    if case.is_juvenile:
        inputs = _inactive_inputs(visit, strength)
        if any(value is not None for value in inputs.values()):
            verdicts["printo_inactive"] = evaluate(printo_inactive.INSTRUMENT, inputs)
    return VisitSummary(visit, verdicts, strength, _exact_function(verdicts), ratios)


def _exact_function(verdicts: Mapping[str, Verdict]) -> Fraction | None:
    """The index before rounding: a sum of whole points over the number of categories."""
    if "haq_chaq" not in verdicts or verdicts["haq_chaq"].fields["score"] is None:
        return None
    fields = verdicts["haq_chaq"].fields
    return Fraction(round(fields["score"] * fields["n_categories"]), fields["n_categories"])


def _strength(visit: Visit, verdicts: Mapping[str, Verdict]) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for key in ("mmt8", "cmas"):
        if key in verdicts and verdicts[key].fields["score"] is not None:
            fields = verdicts[key].fields
            scale = "CMAS" if key == "cmas" else "MMT8_UNI" if fields["max"] == 80 else "MMT8_BI"
            found[scale] = Fraction(fields["score"])
    if visit.muscle_total is not None:
        value, scale = visit.muscle_total
        found.setdefault(scale, value)
    return found


def _inactive_inputs(visit: Visit, strength: Mapping[str, Fraction]) -> dict[str, Any]:
    """CK in U/L, not as a multiple of its limit; MMT8 only on the 0-80 scale."""
    ck = next((row for row in visit.laboratory if row.analyte == "CK" and row.value is not None), None)
    return {
        "ck_u_l": None if ck is None or ck.value is None else ck.value * enzymes.UNITS[ck.unit or "U/L"],
        "cmas": strength.get("CMAS"),
        "mmt8": strength.get("MMT8_UNI"),
        "physician_global": visit.globals_cm.get("physician_global"),
    }


def _classified(case: Case, known: PartialDate | None, *, provisional: bool, explain: bool = True) -> Classification:
    facts = known_on(case, None if known is None else known.latest)
    inputs = {
        "eular_acr_2017": eular_acr_inputs(case, facts),
        "bohan_peter_1975": bohan_peter_inputs(facts),
        "asys": antisynthetase_inputs(facts),
        "imnm_enmc224": necrotizing_inputs(facts),
    }
    if provisional:
        inputs["enmc_239_dm"] = enmc_inputs(facts)
    verdicts = {
        key: evaluate(find(key), record, explain=explain, provisional=provisional) for key, record in inputs.items()
    }
    notes = list(facts.notes)
    if verdicts["asys"].fields["err_table_criteria"] is True:
        notes.append(
            "Criteria of antisynthetase syndrome are met: a condition of its own, whatever subgroup the EULAR/ACR tree "
            "names, as that tree does not know it."
        )
    return Classification(known, verdicts, tuple(notes))


def screening_subtype(case: Case, now: Classification) -> tuple[str | None, str]:
    """Subtype for the screening guideline, and where it comes from."""
    if case.subtype is not None:
        return case.subtype, "as stated in the record"
    if now.verdicts["asys"].fields["err_table_criteria"] is True:
        return "ASyS", "derived: criteria of antisynthetase syndrome are met"
    if now.verdicts["imnm_enmc224"].fields["imnm"] in {"anti_SRP", "anti_HMGCR", "seronegative"}:
        return "IMNM", "derived from the 224th ENMC rule (unverified)"
    leaf = now.verdicts["eular_acr_2017"].fields["subgroup"]
    if leaf in SUBTYPE_OF_LEAF:
        return SUBTYPE_OF_LEAF[leaf], f"derived from the EULAR/ACR subgroup {leaf}"
    return None, "unknown: no subgroup is settled; state demographics.subtype"


def _screening(
    case: Case, now: Classification, day: dt.date | None
) -> tuple[Verdict | None, tuple[Due, ...], tuple[str, ...]]:
    if case.age_at_onset is None:
        return None, (), ("Cancer screening is not tiered: the age at onset is unknown.",)
    subtype, origin = screening_subtype(case, now)
    verdict = evaluate(imacs_cancer_2023.INSTRUMENT, cancer_inputs(case, known_on(case, None), subtype, day))
    if verdict.fields["applicable"] is False:
        return verdict, (), ()
    return verdict, _due(case, verdict), (f"Subtype for screening: {subtype or 'unknown'}, {origin}.",)


def _due(case: Case, verdict: Verdict) -> tuple[Due, ...]:
    actions: Sequence[str] = verdict.fields["actions"] or ()
    start = case.diagnosis
    done = [(row.test, row.date) for row in known_by(case.screening, None)]
    listed: list[Due] = []
    for action, (name, test, when) in _WORDS.items():
        if action in actions:
            at_diagnosis = when == _AT_DIAGNOSIS
            said = when if not at_diagnosis else _said(start, "at diagnosis (date not recorded)")
            listed.append(Due(name, said, _done(done, test, None)))
    if "basic_annually_for_3_years" in actions:
        for year in (1, 2, 3):
            due = _later(start, year)
            said = _said(due, f"{year} years after diagnosis (date not recorded)")
            listed.append(Due(f"basic panel, year {year}", said, due is not None and _done(done, "basic", due)))
    return tuple(listed)


_AT_DIAGNOSIS: Final = "at diagnosis"
# Action: what it is called, the test that would be on record, when.
_WORDS: Final = {
    "basic_at_diagnosis": ("basic panel", "basic", _AT_DIAGNOSIS),
    "enhanced_at_diagnosis": ("enhanced panel", "enhanced", _AT_DIAGNOSIS),
    "consider_nasoendoscopy": ("nasoendoscopy", "nasoendoscopy", _AT_DIAGNOSIS),
    "consider_pet_ct_as_single_test": ("FDG PET-CT as the single test", "pet_ct", "in place of the panels"),
    "consider_pet_ct": ("FDG PET-CT", "pet_ct", "after a first screen that found nothing"),
    "consider_gi_endoscopy": ("upper and lower endoscopy", "gi_endoscopy", "after a first screen that found nothing"),
}


def _later(date: PartialDate | None, years: int) -> PartialDate | None:
    """The same day, month or year some years on; 29 February becomes 28."""
    if date is None:
        return None
    year, rest = int(date.text[:4]) + years, date.text[4:]
    return PartialDate.parse(f"{year}{rest}") or PartialDate.parse(f"{year}-02-28")


def _said(when: PartialDate | None, otherwise: str) -> str:
    return otherwise if when is None else str(when)


def _done(done: Sequence[tuple[str, PartialDate | None]], test: str, since: PartialDate | None) -> bool:
    """Whether a test is on record; for a yearly one, at most three months before its date."""
    if since is None:
        return any(name == test for name, _ in done)
    margin = dt.timedelta(days=91)
    year = dt.timedelta(days=274)
    return any(
        name == test and date is not None and since.earliest - margin <= date.latest <= since.latest + year
        for name, date in done
    )


def _response(case: Case, first: VisitSummary, second: VisitSummary) -> Response:
    keys = first.visit.written.key, second.visit.written.key
    if case.is_juvenile is None:
        return Response(
            *keys, None, ("The age at onset is unknown, so adult or juvenile thresholds cannot be chosen.",)
        )
    if first.date is None or second.date is None or first.date.latest >= second.date.earliest:
        return Response(*keys, None, ("The two visits cannot be put in order of time.",))
    notes: list[str] = []
    inputs: dict[str, Any] = {
        "population": "juvenile" if case.is_juvenile else "adult",
        "core_set": case.core_set,
        "physician_global": _pair(first, second, "physician_global"),
        "patient_global": _pair(first, second, "patient_global"),
        "muscle": _muscle_pair(case, first, second, notes),
        "function": None
        if first.function is None or second.function is None
        else {"baseline": first.function, "followup": second.function},
    }
    if case.core_set == "IMACS":
        inputs["extramuscular"] = _pair(first, second, "extramuscular_global")
        inputs["enzyme_range_multiplier"] = dict(case.enzyme_range_multiplier)
        # As multiples of each visit's own ULN, so that two laboratories may be compared.
        inputs["enzymes"] = {
            name: {"baseline": ratio, "followup": second.ratios.get(name), "uln": 1}
            for name, ratio in first.ratios.items()
        }
    else:
        scores = [
            visit.verdicts["das_jdm"].fields["total"] if "das_jdm" in visit.verdicts else None
            for visit in (first, second)
        ]
        inputs["das"] = None if None in scores else {"baseline": scores[0], "followup": scores[1]}
        inputs["chq_phs"] = _quality_pair(first, second, notes)
    return Response(*keys, evaluate(tis_2016.INSTRUMENT, inputs), tuple(notes))


def _pair(first: VisitSummary, second: VisitSummary, name: str) -> dict[str, Fraction] | None:
    ends = first.visit.globals_cm.get(name), second.visit.globals_cm.get(name)
    return None if ends[0] is None or ends[1] is None else {"baseline": ends[0], "followup": ends[1]}


def _muscle_pair(case: Case, first: VisitSummary, second: VisitSummary, notes: list[str]) -> dict[str, Any] | None:
    """Strength on a scale that both visits have; CMAS first in the PRINTO core set, and never in adults."""
    if not first.strength or not second.strength:
        return None
    order = sorted(tis_2016.MUSCLE_RANGES, key=lambda scale: (scale == "CMAS") != (case.core_set == "PRINTO"))
    shared = [scale for scale in order if scale in first.strength and scale in second.strength]
    if not case.is_juvenile and "CMAS" in shared:
        shared.remove("CMAS")
        if not shared:
            notes.append("CMAS is a pediatric scale and is left out in adults.")
            return None
    if not shared:
        scales = [" and ".join(visit.strength) for visit in (first, second)]
        notes.append(f"Strength is on {scales[0]} and {scales[1]}; scales are never converted.")
        return None
    scale = shared[0]
    return {"baseline": first.strength[scale], "followup": second.strength[scale], "instrument": scale}


def _quality_pair(first: VisitSummary, second: VisitSummary, notes: list[str]) -> dict[str, Fraction] | None:
    before, after = first.visit.quality_of_life, second.visit.quality_of_life
    if before is None or after is None:
        return None
    if any(before[end] != after[end] for end in ("range_min", "range_max")):
        notes.append("CHQ-PhS has another range at the two visits and is left out.")
        return None
    ends = {end: before[end] for end in ("range_min", "range_max")}
    return {"baseline": before["value"], "followup": after["value"], **ends}
