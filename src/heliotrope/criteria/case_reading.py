"""A patient record as mappings and lists, to a `Case`; every problem at once, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, Final, TypeVar

from heliotrope.criteria.case_record import (
    ANTIBODIES,
    BOOLEAN_FACTS,
    DYSPHAGIA,
    GLOBAL_SCALES,
    RECORD_VERSION,
    RESULTS,
    SCREENING_RESULTS,
    SCREENING_TESTS,
    VISIT_INSTRUMENTS,
    AntibodyResult,
    Case,
    Fact,
    ImagingReference,
    LaboratoryValue,
    PartialDate,
    Screening,
    Treatment,
    Visit,
    Written,
)
from heliotrope.criteria.enzymes import ANALYTES, UNITS
from heliotrope.criteria.eular_acr_2017 import BIOPSY_ITEMS
from heliotrope.criteria.exact import text
from heliotrope.criteria.imacs_cancer_2023 import SUBTYPES
from heliotrope.criteria.problems import Code, Problem, RecordError
from heliotrope.criteria.record import Record, kind
from heliotrope.criteria.registry import find
from heliotrope.criteria.tis_2016 import CORE_SETS, MUSCLE_RANGES, quality_of_life, range_multipliers

MAX_ENTRIES: Final = 2000
MAX_TEXT: Final = 120
_WRITTEN: Final = ("id", "recorded", "corrects")
_TOP: Final = (
    "heliotrope_case", "key", "synthetic", "demographics", "core_set", "enzyme_range_multiplier", "facts", "antibodies",
    "visits", "treatments", "screening",
)  # fmt: skip
_DEMOGRAPHICS: Final = (
    "age_at_onset", "onset", "diagnosis", "sex", "raised_nasopharyngeal_risk", "subtype",
)  # fmt: skip
_VISIT: Final = (
    *_WRITTEN, "date", "facts", *GLOBAL_SCALES, "muscle_total", "chq_phs", *VISIT_INSTRUMENTS, "laboratory", "imaging",
)  # fmt: skip

Item = TypeVar("Item")


def read_case(record: object) -> Case:
    """The patient a record describes.

    Parameters
    ----------
    record : object
        What a YAML or JSON file holds, numbers as decimals.

    Raises
    ------
    RecordError
        Every problem, each with its path, e.g. ``visits.2.physician_global``.
    """
    if not isinstance(record, Mapping):
        hint = "write the patient record as field: value lines"
        raise RecordError((Problem(Code.TYPE, "record", f"{kind(record)} where a mapping is meant", hint),))
    top = Record(record)
    top.only(_TOP)
    version = top.whole("heliotrope_case", 1, RECORD_VERSION)
    if version is None and not top.given("heliotrope_case"):
        top.problem(Code.MISSING, "heliotrope_case", "not given", f"write heliotrope_case: {RECORD_VERSION}")
    key = _text(top, "key", required=True)
    synthetic = top.truth("synthetic").value
    person = top.section("demographics")
    person.only(_DEMOGRAPHICS)
    multipliers = range_multipliers(top)
    visits: list[Visit] = []
    facts: list[Fact] = []
    for visit, seen in _each(top, "visits", _visit):
        visits.append(visit)
        facts += seen
    facts += _each(top, "facts", _fact)
    case = Case(
        key=key or "",
        age_at_onset=person.number("age_at_onset", 0, 120, "years"),
        onset=_date(person, "onset"),
        diagnosis=_date(person, "diagnosis"),
        sex=person.choice("sex", ("female", "male")),
        raised_nasopharyngeal_risk=person.truth("raised_nasopharyngeal_risk").value,
        subtype=person.choice("subtype", SUBTYPES),
        core_set=top.choice("core_set", CORE_SETS) or "IMACS",
        enzyme_range_multiplier=multipliers,
        facts=tuple(facts),
        antibodies=tuple(_each(top, "antibodies", _antibody)),
        visits=tuple(visits),
        treatments=tuple(_each(top, "treatments", _treatment)),
        screening=tuple(_each(top, "screening", _screening)),
        synthetic=synthetic is True,
    )
    _check_whole(top, case)
    top.settle()
    return case


def _each(record: Record, field: str, read: Callable[[Record, str], Item]) -> Iterable[Item]:
    values = record.values.get(field)
    if values is None:
        return
    if not isinstance(values, list | tuple):
        record.problem(Code.TYPE, field, f"{kind(values)} where a list is meant", "write each entry after a dash")
        return
    if len(values) > MAX_ENTRIES:
        record.problem(Code.RANGE, field, f"{len(values)} entries", f"a record holds at most {MAX_ENTRIES}")
        return
    for number, value in enumerate(values, start=1):
        path = f"{field}.{number}"
        if isinstance(value, Mapping):
            yield read(Record(value, f"{record.path}{path}.", record), path)
        else:
            record.problem(Code.TYPE, path, f"{kind(value)} where a mapping is meant", "write field: value lines")


def _text(record: Record, field: str, *, required: bool = False) -> str | None:
    value = record.values.get(field)
    if value is None:
        if required:
            record.problem(Code.MISSING, field, "not given", "give a short text, never a name")
        return None
    if not isinstance(value, str) or not value.strip():
        record.problem(Code.TYPE, field, f"{kind(value)} where a short text is meant", "quote it")
        return None
    if len(value) > MAX_TEXT or not value.isprintable():
        record.problem(Code.RANGE, field, f"longer than {MAX_TEXT} characters or not printable", "shorten it")
        return None
    return value.strip()


def _date(record: Record, field: str) -> PartialDate | None:
    value = record.values.get(field)
    if value is None:
        return None
    date = PartialDate.parse(value)
    if date is None:
        is_text = type(value) in (int, str)
        hint = "write 2021, 2021-03 or 2021-03-14, or null when unknown"
        said = "no date of the calendar" if is_text else f"{kind(value)} where a date is meant"
        record.problem(Code.RANGE if is_text else Code.TYPE, field, said, hint)
    return date


def _written(record: Record, default: str) -> Written:
    return Written(_text(record, "id") or default, _date(record, "recorded"), _text(record, "corrects"))


def _fact_value(record: Record, field: str, name: str) -> bool | str | None:
    if name == "dysphagia":
        value = record.values.get(field)
        if isinstance(value, bool):
            return value
        return record.choice(field, DYSPHAGIA)
    fact: bool | None = record.truth(field).value
    return fact


def _fact(record: Record, path: str) -> Fact:
    record.only((*_WRITTEN, "fact", "value", "date"))
    name = record.choice("fact", (*BOOLEAN_FACTS, "dysphagia"), required=True)
    value = _fact_value(record, "value", name or "")
    return Fact(_written(record, path), name or "", value, _date(record, "date"))


def _antibody(record: Record, path: str) -> AntibodyResult:
    record.only((*_WRITTEN, "antibody", "result", "assay", "date"))
    antibody = record.choice("antibody", ANTIBODIES, required=True)
    result = record.choice("result", RESULTS)
    return AntibodyResult(_written(record, path), antibody or "", result, _text(record, "assay"), _date(record, "date"))


def _treatment(record: Record, _path: str) -> Treatment:
    record.only(("drug", "dose", "start", "stop"))
    drug, dose = _text(record, "drug", required=True), _text(record, "dose")
    start, stop = _date(record, "start"), _date(record, "stop")
    if start is not None and stop is not None and stop.latest < start.earliest:
        record.problem(Code.CONFLICT, "stop", "before the start", "check both dates")
    return Treatment(drug or "", dose or "", start, stop)


def _screening(record: Record, path: str) -> Screening:
    record.only((*_WRITTEN, "test", "result", "date"))
    test = record.choice("test", SCREENING_TESTS, required=True)
    result = record.choice("result", SCREENING_RESULTS)
    return Screening(_written(record, path), test or "", result, _date(record, "date"))


def _visit(record: Record, path: str) -> tuple[Visit, list[Fact]]:
    record.only(_VISIT)
    written, date = _written(record, path), _date(record, "date")
    seen = record.section("facts")
    seen.only((*BOOLEAN_FACTS, "dysphagia"))
    facts = [
        Fact(Written(f"{written.key}.{name}", written.recorded), name, _fact_value(seen, name, name), date, written.key)
        for name in (*BOOLEAN_FACTS, "dysphagia")
        if name in seen.values
    ]
    total = _muscle_total(record)
    instruments = {name: _instrument(record, name) for name in VISIT_INSTRUMENTS if record.given(name)}
    visit = Visit(
        written,
        date,
        {name: value for name in GLOBAL_SCALES if (value := _global(record, name)) is not None},
        total,
        instruments,
        _quality_of_life(record),
        tuple(_each(record, "laboratory", _laboratory)),
        tuple(_each(record, "imaging", _imaging)),
    )
    _check_total(record, total, instruments)
    return visit, facts


def _check_total(
    record: Record, total: tuple[Fraction, str] | None, instruments: Mapping[str, Mapping[str, Any]]
) -> None:
    """A total beside single grades of the same scale must be their sum."""
    if total is None or record.problems:
        return
    of_scale = {"CMAS": ("cmas", 52), "MMT8_UNI": ("mmt8", 80), "MMT8_BI": ("mmt8", 150)}
    name, most = of_scale.get(total[1], ("", 0))
    if name in instruments:
        fields = find(name).evaluate(Record(instruments[name]), None)
        if fields["max"] == most and not fields["score_min"] <= total[0] <= fields["score_max"]:
            said = f"{text(total[0])}, while the grades add to {fields['score_min']} to {fields['score_max']}"
            record.problem(Code.CONFLICT, "muscle_total", said, "keep the grades, or correct one of them")


def _global(record: Record, name: str) -> Fraction | None:
    """A visual analog scale in cm: a bare number, or a value with its unit."""
    value = record.values.get(name)
    if not isinstance(value, Mapping):
        return record.number(name, 0, 10, "cm")
    section = record.section(name)
    section.only(("value", "unit"))
    unit = section.choice("unit", ("cm", "mm"), required=True)
    if unit == "mm":
        millimeters = section.number("value", 0, 100, "mm")
        return None if millimeters is None else millimeters / 10
    return section.number("value", 0, 10, "cm")


def _muscle_total(record: Record) -> tuple[Fraction, str] | None:
    if not record.given("muscle_total"):
        return None
    section = record.section("muscle_total")
    section.only(("value", "scale"))
    scale = section.choice("scale", MUSCLE_RANGES, required=True)
    value = section.number("value", 0, MUSCLE_RANGES[scale] if scale else None)
    return None if scale is None or value is None else (value, scale)


def _quality_of_life(record: Record) -> Mapping[str, Fraction] | None:
    read = quality_of_life(record, ("value",))
    if read is None or read[0][0] is None:
        return None
    section = record.section("chq_phs")
    ends = {name: section.number(name) for name in ("range_min", "range_max")}
    return {"value": read[0][0], **{name: end for name, end in ends.items() if end is not None}}


def _instrument(record: Record, name: str) -> Mapping[str, Any]:
    """Inputs of one instrument, checked by the instrument itself."""
    value = record.values[name]
    if not isinstance(value, Mapping):
        record.problem(Code.TYPE, name, f"{kind(value)} where a mapping of inputs is meant", "write field: value lines")
        return {}
    try:
        find(name).evaluate(Record(value), None)
    except RecordError as error:
        for problem in error.problems:
            record.problem(problem.code, f"{name}.{problem.field}", problem.message, problem.hint)
    return dict(value)


def _laboratory(record: Record, _path: str) -> LaboratoryValue:
    record.only(("analyte", "value", "unit", "uln", "uln_unit"))
    analyte = record.choice("analyte", ANALYTES, required=True)
    value, limit = record.number("value", 0, None), record.number("uln", 0, None)
    unit, limit_unit = record.choice("unit", UNITS), record.choice("uln_unit", UNITS)
    if limit == 0:
        record.problem(Code.RANGE, "uln", "0 is no upper limit of normal", "give the limit the laboratory prints")
    if value is not None and not record.given("unit"):
        record.problem(Code.MISSING, "unit", "not given", f"one of: {', '.join(UNITS)}")
    return LaboratoryValue(analyte or "", value, unit, limit, limit_unit)


def _imaging(record: Record, _path: str) -> ImagingReference:
    record.only(("analysis", "note"))
    return ImagingReference(_text(record, "analysis", required=True) or "", _text(record, "note") or "")


def _check_whole(top: Record, case: Case) -> None:
    """What no single entry can tell: names used twice, corrections of nothing, dates against each other."""
    groups: dict[str, tuple[Fact | AntibodyResult | Visit | Screening, ...]] = {
        "facts": case.facts,
        "antibodies": case.antibodies,
        "visits": case.visits,
        "screening": case.screening,
    }
    for name, entries in groups.items():
        keys = [entry.written.key for entry in entries]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            top.problem(Code.CONFLICT, name, f"two entries have the id '{key[:40]}'", "give each entry its own id")
        known = {key: position for position, key in enumerate(keys)}
        for position, entry in enumerate(entries):
            corrected = entry.written.corrects
            if corrected is not None and known.get(corrected, position) >= position:
                hint = "name the id of an earlier entry of the same list"
                top.problem(Code.CONFLICT, name, f"corrects '{corrected[:40]}', which is no earlier entry", hint)
    if case.onset is not None and case.diagnosis is not None and case.diagnosis.latest < case.onset.earliest:
        top.problem(Code.CONFLICT, "demographics.diagnosis", "before the onset", "check both dates")
    if case.core_set == "PRINTO" and case.is_juvenile is False:
        top.problem(Code.CONFLICT, "core_set", "the PRINTO core set is for juvenile disease", "use IMACS in adults")
    said = {fact.name for fact in case.facts if fact.value is not None}
    biopsied = any(fact.name == "biopsy_performed" and fact.value is True for fact in case.facts)
    if said & set(BIOPSY_ITEMS) and not biopsied:
        hint = "record biopsy_performed as true, or leave the bx_ findings out"
        top.problem(Code.CONFLICT, "facts", "a biopsy finding is given, but no biopsy was done", hint)
    for visit in case.visits:
        analytes = [value.analyte for value in visit.laboratory]
        for analyte in sorted({name for name in analytes if name and analytes.count(name) > 1}):
            hint = "keep one value of each enzyme per visit"
            top.problem(Code.CONFLICT, "visits", f"{analyte} is given twice at '{visit.written.key[:40]}'", hint)
