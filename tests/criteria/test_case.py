"""A patient over time: what was known when, response, screening, and every problem of a record."""

from __future__ import annotations

import datetime as dt
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliotrope.app.case import case_schema, load_case
from heliotrope.app.case_schema import build_case_schema
from heliotrope.criteria.case_course import Course, follow
from heliotrope.criteria.case_facts import known_on
from heliotrope.criteria.case_reading import read_case
from heliotrope.criteria.case_record import PartialDate, years_between
from heliotrope.criteria.problems import RecordError
from heliotrope.domain.truth import Truth
from heliotrope.io.records import read_record
from tests.conftest import REPOSITORY

RECORDS = REPOSITORY / "tests" / "cases" / "records"
ADULT = RECORDS / "adult-dm.yaml"
CHILD = RECORDS / "juvenile.yaml"


@pytest.fixture(scope="module")
def adult() -> Course:
    return follow(load_case(ADULT))


@pytest.fixture(scope="module")
def child() -> Course:
    return follow(load_case(CHILD))


def record(**parts: Any) -> dict[str, Any]:
    return {"heliotrope_case": 1, "key": "p", **parts}


def problems(value: object) -> set[tuple[str, str]]:
    with pytest.raises(RecordError) as caught:
        read_case(value)
    return {(str(problem.code), problem.field) for problem in caught.value.problems}


def test_classification_is_shown_as_it_was_and_as_it_is(adult: Course) -> None:
    # 2.1 + 3.1 + 0.7 + 0.8 + 0.7 + 1.3 = 8.7 while Gottron's sign stood as absent; 12.0 once corrected
    scores = [(str(past.known), past.verdicts["eular_acr_2017"].fields["score_min"]) for past in adult.history]
    assert scores == [("2023-02-14", Fraction(87, 10)), ("2023-06", 12), ("2024-02-20", 12)]
    assert adult.now.verdicts["eular_acr_2017"].fields["subgroup"] == "DM"


def test_a_later_visit_never_overwrites_an_earlier_one(adult: Course) -> None:
    assert known_on(adult.case, None).facts["heliotrope"] is Truth.TRUE  # gone at V3, and still seen at V1


def test_improvement_between_any_two_visits(adult: Course) -> None:
    found = {(row.baseline, row.followup): row.verdict for row in adult.responses}
    told = {pair: None if v is None else (v.fields["tis_min"], v.fields["tis_max"]) for pair, v in found.items()}
    # V1 to V2: 17.5 + 5 + 20 + 7.5 + 12.5, function missing; V1 to V3: 20 + 10 + 27.5 + 10 + 7.5 + 15
    assert told[("V1", "V2")] == (Fraction(125, 2), Fraction(145, 2))
    assert told[("V1", "V3")] == (90, 90)
    assert len(told) == 3


def test_weak_positive_antibody_is_unknown_until_settled(adult: Course) -> None:
    assert known_on(adult.case, None).antibodies["Mi2"] is Truth.UNKNOWN
    assert any("Mi2 was only weakly positive" in note for note in adult.now.notes)


def test_screening_names_tier_and_dates(adult: Course) -> None:
    assert adult.screening is not None
    assert adult.screening.fields["tier"] == "high"
    due = {row.action: (row.when, row.done) for row in adult.due}
    assert due["basic panel"] == ("2023-02-14", True)
    assert due["basic panel, year 2"] == ("2025-02-14", False)
    assert "FDG PET-CT as the single test" in due


def test_a_child_is_not_screened_and_has_juvenile_thresholds(child: Course) -> None:
    assert child.screening is not None
    assert child.screening.fields["reason"] == "JUVENILE_ONSET"
    assert child.due == ()
    first = next(row for row in child.responses if (row.baseline, row.followup) == ("first", "second"))
    assert first.verdict is not None
    # 40 %: 17.5; 30 %: 7.5; 14/52: 27.5; 1 of 3: 7.5; 10 %: 2.5; 8/20: 15
    assert first.verdict.fields["tis"] == Fraction(155, 2)
    assert first.verdict.fields["category"] == "major"


def test_scales_of_strength_are_never_converted(child: Course) -> None:
    row = next(row for row in child.responses if (row.baseline, row.followup) == ("first", "third"))
    assert row.verdict is not None
    assert row.verdict.fields["status"] == "not_assessable"
    assert any("never converted" in note for note in row.notes)


def test_a_scale_that_both_visits_share_is_used() -> None:
    cmas = {"head_elevation": 5}
    visits = [
        {"date": "2021-01-01", "physician_global": 5, "muscle_total": {"value": 60, "scale": "MMT8_UNI"}},
        {"date": "2021-06-01", "physician_global": 5, "muscle_total": {"value": 68, "scale": "MMT8_UNI"}, "cmas": cmas},
    ]
    course = follow(read_case(record(demographics={"age_at_onset": 8}, visits=visits)))
    assert course.responses[0].verdict is not None
    assert course.responses[0].verdict.fields["points"]["muscle"] == 10  # 8 of 80


def test_a_total_that_is_not_the_sum_of_its_grades_is_refused() -> None:
    grades = {"mode": "unilateral", "neck_flexors": 9, "right": {"deltoid": 8}}
    visit = {"mmt8": grades, "muscle_total": {"value": 79, "scale": "MMT8_UNI"}}  # 17 known: at most 77
    assert ("E_CONFLICT", "visits.1.muscle_total") in problems(record(visits=[visit]))


def test_inactive_disease_takes_ck_in_units_per_liter(child: Course) -> None:
    fields = {visit.visit.written.key: visit.verdicts["printo_inactive"].fields for visit in child.visits}
    # 2.5 ukat/L = 150 U/L; CMAS 44
    assert fields["second"]["met"] == {"ck_u_l": True, "cmas": False, "mmt8": None, "physician_global": False}
    assert fields["third"]["printo_2013_inactive"] is True  # CK 120, MMT8 78, physician global 0.2


def test_visits_that_may_overlap_in_time_are_not_compared() -> None:
    visits = [{"id": "a", "date": "2021", "physician_global": 5}, {"id": "b", "date": "2021-05", "physician_global": 2}]
    course = follow(read_case(record(demographics={"age_at_onset": 40}, visits=visits)))
    assert course.responses[0].verdict is None


def test_two_laboratories_are_compared_by_their_own_limits() -> None:
    def visit(date: str, value: int, limit: int) -> dict[str, Any]:
        laboratory = [{"analyte": "CK", "value": value, "unit": "U/L", "uln": limit}]
        return {"date": date, "laboratory": laboratory, "physician_global": 5}

    visits = [visit("2021-01-01", 2000, 200), visit("2021-06-01", 1000, 100)]
    course = follow(read_case(record(demographics={"age_at_onset": 40}, visits=visits)))
    assert course.responses[0].verdict is not None
    assert course.responses[0].verdict.fields["pct"]["enzyme_or_chq"] == 0  # ten times the limit both times


def test_a_corrected_visit_takes_its_facts_with_it() -> None:
    visits = [
        {"id": "a", "date": "2021-01-01", "facts": {"heliotrope": True}, "physician_global": 9},
        {"id": "b", "date": "2021-01-01", "recorded": "2021-02-01", "corrects": "a", "facts": {"heliotrope": False}},
    ]
    case = read_case(record(visits=visits))
    assert known_on(case, dt.date(2021, 1, 5)).facts["heliotrope"] is Truth.TRUE
    assert known_on(case, None).facts["heliotrope"] is Truth.FALSE
    assert [visit.visit.written.key for visit in follow(case).visits] == ["b"]


def test_antisynthetase_syndrome_is_kept_apart_from_dermatomyositis() -> None:
    facts = ["heliotrope", "gottron_sign", "weak_prox_upper", "enzymes_elevated", "ild"]
    case = read_case(
        record(
            demographics={"age_at_onset": 45, "onset": "2023-01-01"},
            antibodies=[{"antibody": "Jo1", "result": "positive"}],
            facts=[{"fact": name, "value": True} for name in facts],
            visits=[{"date": "2023-06-01"}],
        )
    )
    course = follow(case)
    assert course.now.verdicts["eular_acr_2017"].fields["subgroup"] == "DM"
    assert any("condition of its own" in note for note in course.now.notes)
    assert course.screening is not None
    assert course.screening.fields["high_factors"]["subtype_DM"] is False


def test_a_partial_onset_that_straddles_three_years_leaves_the_scope_open() -> None:
    def scope(onset: str) -> Any:
        case = read_case(record(demographics={"age_at_onset": 50, "onset": onset}, visits=[{"date": "2024-02-01"}]))
        screening = follow(case).screening
        assert screening is not None
        return screening.fields["applicable"]

    assert (scope("2022"), scope("2021"), scope("2019")) == (True, None, False)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2021", "2021-01-01", "2021-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2021-03-14", "2021-03-14", "2021-03-14"),
        (2021, "2021-01-01", "2021-12-31"),
    ],
)
def test_partial_dates_span_what_they_may_be(text: object, first: str, last: str) -> None:
    date = PartialDate.parse(text)
    assert date is not None
    assert (date.earliest.isoformat(), date.latest.isoformat()) == (first, last)


@pytest.mark.parametrize(
    "text", ["2021-13", "2021-02-29", "21-03-04", "03.04.2021", "2021-3", "1776", "", True, None, 20210304]
)
def test_what_is_no_date_is_not_guessed(text: object) -> None:
    assert PartialDate.parse(text) is None


def test_time_between_partial_dates_is_an_interval() -> None:
    start, end = PartialDate.parse("2020"), PartialDate.parse("2021")
    assert start is not None
    assert end is not None
    low, high = years_between(start, end)
    # 2020-12-31 to 2021-01-01; 2020-01-01 to 2021-12-31, one day short of two years
    assert (low, high) == (Fraction(1, 365), 1 + Fraction(364, 365))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2021-03-14", "2024-03-14", Fraction(3)),  # a leap day lies between; 1096 days are still three years
        ("2021-03-14", "2024-03-15", 3 + Fraction(1, 365)),
        ("2022-03-01", "2025-03-01", Fraction(3)),
        ("2020-02-29", "2023-02-28", Fraction(3)),
        ("2021-05-02", "2021-05-02", Fraction(0)),
        ("2021-05-02", "2020-05-02", Fraction(0)),
        ("1900-01-01", "2199-12-31", 299 + Fraction(364, 365)),
    ],
)
def test_years_are_counted_from_anniversary_to_anniversary(start: str, end: str, expected: Fraction) -> None:
    days = [dt.date.fromisoformat(text) for text in (start, end)]
    first, last = (PartialDate(day, day, day.isoformat()) for day in days)
    assert years_between(first, last) == (expected, expected)


def test_the_third_anniversary_of_onset_is_within_three_years() -> None:
    def scope(day: str) -> Any:
        person = {"age_at_onset": 50, "onset": "2021-03-14"}
        screening = follow(read_case(record(demographics=person, visits=[{"date": day}]))).screening
        assert screening is not None
        return screening.fields["applicable"]

    assert (scope("2024-03-14"), scope("2024-03-15")) == (True, False)


def test_an_enzyme_a_hair_above_its_limit_is_raised() -> None:
    # 1.00002 times the limit rounds to 1.0000; raised is decided before rounding
    rows = [{"analyte": name, "value": 50001, "unit": "U/L", "uln": 50000} for name in ("CK", "aldolase")]
    known = known_on(read_case(record(visits=[{"date": "2023-01-01", "laboratory": rows}])), None)
    assert (known.raised["CK"], known.raised["aldolase"]) == (Truth.TRUE, Truth.TRUE)


def test_function_enters_the_improvement_score_unrounded() -> None:
    def visit(date: str, arising: int) -> dict[str, Any]:
        names = ("dressing_grooming", "arising", "eating", "walking", "hygiene", "reach")
        categories = {name: {"items": [arising if name == "arising" else 0]} for name in names}
        return {"date": date, "haq_chaq": {"instrument": "HAQ", "categories": categories}}

    course = follow(
        read_case(record(demographics={"age_at_onset": 40}, visits=[visit("2021-01", 2), visit("2021-06", 0)]))
    )
    assert course.visits[0].function == Fraction(1, 3)
    assert course.responses[0].verdict is not None
    assert course.responses[0].verdict.fields["pct"]["function"] == Fraction(111111, 10000)  # 100 / 9


def test_a_limit_beside_an_unknown_value_is_no_contradiction() -> None:
    rows = [{"analyte": "CK", "value": None, "uln": 200, "uln_unit": "U/L"}]
    course = follow(read_case(record(visits=[{"date": "2023-01-01", "laboratory": rows}])))
    assert course.visits[0].verdicts["enzymes"].fields["not_assessable"] == {"CK": "value unknown"}


def test_every_problem_of_a_record_is_named_with_its_path() -> None:
    broken = record(
        key="",
        demographics={"age_at_onset": 200, "sex": "f", "onset": "2021-02-30", "name": "x"},
        facts=[{"fact": "heliotrop", "value": True}, {"fact": "fever", "value": "yes"}, 3],
        antibodies=[{"antibody": "Jo1", "result": "weak"}],
        visits=[
            {
                "physician_global": 62,
                "patient_global": {"value": 5},
                "mmt8": {"mode": "unilateral", "neck_flexors": 11},
            },
            {"laboratory": [{"analyte": "CK", "value": 3, "uln": 0}, {"analyte": "CK", "value": 3, "unit": "mg/dL"}]},
        ],
        treatments=[{"drug": "x", "start": "2021", "stop": "2020"}],
    )
    assert problems(broken) >= {
        ("E_TYPE", "key"),
        ("E_RANGE", "demographics.age_at_onset"),
        ("E_ENUM", "demographics.sex"),
        ("E_RANGE", "demographics.onset"),
        ("E_FIELD", "demographics.name"),
        ("E_ENUM", "facts.1.fact"),
        ("E_TYPE", "facts.2.value"),
        ("E_TYPE", "facts.3"),
        ("E_ENUM", "antibodies.1.result"),
        ("E_RANGE", "visits.1.physician_global"),
        ("E_MISSING", "visits.1.patient_global.unit"),
        ("E_RANGE", "visits.1.mmt8.neck_flexors"),
        ("E_MISSING", "visits.2.laboratory.1.unit"),
        ("E_RANGE", "visits.2.laboratory.1.uln"),
        ("E_ENUM", "visits.2.laboratory.2.unit"),
        ("E_CONFLICT", "treatments.1.stop"),
        ("E_CONFLICT", "visits"),
    }


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"visits": [{"id": "a"}, {"id": "a"}]}, ("E_CONFLICT", "visits")),
        ({"visits": [{"id": "a", "corrects": "b"}, {"id": "b"}]}, ("E_CONFLICT", "visits")),
        ({"facts": [{"fact": "bx_endomysial", "value": True}]}, ("E_CONFLICT", "facts")),
        ({"core_set": "PRINTO", "demographics": {"age_at_onset": 30}}, ("E_CONFLICT", "core_set")),
        ({"demographics": {"onset": "2022", "diagnosis": "2021"}}, ("E_CONFLICT", "demographics.diagnosis")),
        ({"heliotrope_case": 2}, ("E_RANGE", "heliotrope_case")),
        ({"visits": {}}, ("E_TYPE", "visits")),
        ({"no": True}, ("E_FIELD", "no")),
        ({"visits": [{"chq_phs": {"value": 35}}]}, ("E_MISSING", "visits.1.chq_phs")),
        ({"visits": [{"chq_phs": {"value": 35, "range_min": 100, "range_max": 0}}]}, ("E_RANGE", "visits.1.chq_phs")),
        ({"visits": [{"chq_phs": {"value": 150, "range_min": 0, "range_max": 100}}]}, ("E_RANGE", "visits.1.chq_phs")),
        ({"enzyme_range_multiplier": {"CK": 0}}, ("E_RANGE", "enzyme_range_multiplier.CK")),
    ],
)
def test_contradictions_are_refused(parts: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in problems(record(**parts))


def test_published_schema_is_the_one_the_program_reads_by() -> None:
    assert case_schema() == build_case_schema()
    assert case_schema() == json.loads(
        (REPOSITORY / "docs" / "guide" / "case-1.schema.json").read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("file", sorted(RECORDS.glob("*.yaml")), ids=lambda file: file.stem)
def test_example_records_follow_the_published_schema(file: Path) -> None:
    plain = json.loads(json.dumps(read_record(file), default=float))
    jsonschema.Draft202012Validator(case_schema()).validate(plain)


KEYS = [*case_schema()["properties"], *case_schema()["properties"]["visits"]["items"]["properties"], "no", "value"]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 3000), st.sampled_from(["2021", "a", "positive", "DM", "CK"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_what_the_schema_refuses_is_refused_and_nothing_crashes(parts: dict[str, Any]) -> None:
    value = record(**parts)
    fits = jsonschema.Draft202012Validator(case_schema()).is_valid(value)
    try:
        follow(read_case(value))
    except RecordError as error:
        refused = error.problems
    else:
        refused = ()
    assert refused or fits
