"""The engine around the instruments: switches, traces, what would decide, problems all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heliotrope.app.criteria import run_instrument
from heliotrope.cli.main import main
from heliotrope.criteria.instrument import evaluate, what_if
from heliotrope.criteria.logic import at_least
from heliotrope.criteria.problems import Code, RecordError
from heliotrope.criteria.registry import INSTRUMENTS, find
from heliotrope.domain.errors import OptionError
from heliotrope.domain.truth import Truth
from heliotrope.evidence.ledger import ledger

RASH_ONLY: dict[str, Any] = dict.fromkeys(
    ("weak_prox_upper", "weak_prox_lower", "neck_flexors_weaker", "leg_proximal_weaker", "gottron_papules",
     "gottron_sign", "dysphagia", "anti_jo1", "better_explanation"), False,
) | {"heliotrope": True, "age_at_onset": 45}  # fmt: skip


def test_provisional_instrument_is_off_until_switched_on() -> None:
    with pytest.raises(OptionError) as caught:
        evaluate(find("enmc_239_dm"), {})
    assert caught.value.code == "E_PROVISIONAL"
    assert evaluate(find("enmc_239_dm"), {}, provisional=True).fields["dm_classified"] is None


def test_naming_a_provisional_instrument_is_the_switch_and_the_answer_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.yaml"
    record.write_text("{heliotrope: true}")
    assert main(["criteria", "run", "enmc_239_dm", str(record), "--json"]) == 0
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert answer["provisional"] is True
    assert any("PROVISIONAL" in caveat for caveat in answer["caveats"])
    assert "PROVISIONAL" in shown.err


def test_list_shows_every_instrument_and_which_are_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["instruments"]
    assert [row["instrument"] for row in rows] == list(INSTRUMENTS)
    assert [row["instrument"] for row in rows if not row["on"]] == ["enmc_239_dm"]


def test_unknown_instrument_lists_what_exists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria", "run", "eular", str(tmp_path), "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert "eular_acr_2017" in answer["error"]


def test_the_single_item_that_would_change_the_answer_is_named() -> None:
    facts = {**RASH_ONLY, "enzymes_elevated": None}  # 2.1 + 3.1 = 5.2, or 6.5 with the enzyme item
    verdict = evaluate(find("eular_acr_2017"), facts)
    assert verdict.fields["category"] is None
    assert verdict.would_decide == ("enzymes_elevated",)
    answers = {change.value: change.answer["category"] for change in what_if(find("eular_acr_2017"), facts)}
    assert answers == {True: "probable", False: "not_iim"}


def test_an_item_that_cannot_change_the_answer_is_not_named() -> None:
    facts = {**RASH_ONLY, "gottron_sign": True, "enzymes_elevated": None, "dysphagia": None}
    verdict = evaluate(find("eular_acr_2017"), facts)  # 8.5 is definite already
    assert verdict.fields["category"] == "definite"
    assert verdict.would_decide == ("finger_flexor_weakness",)[:0]


def test_every_problem_of_a_record_is_named_at_once() -> None:
    with pytest.raises(RecordError) as caught:
        evaluate(find("eular_acr_2017"), {"heliotrope": "yes", "age_at_onset": 130, "mri": True, "bx_endomysial": True})
    found = {(problem.code, problem.field) for problem in caught.value.problems}
    assert found == {
        (Code.FIELD, "mri"),
        (Code.TYPE, "heliotrope"),
        (Code.RANGE, "age_at_onset"),
        (Code.CONFLICT, "biopsy_performed"),
    }


def test_problems_are_one_line_each_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "record.yaml"
    record.write_text("{heliotrope: yes, age_at_onset: -1}")
    assert main(["criteria", "run", "eular_acr_2017", str(record)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["E_TYPE", "E_RANGE"]


def test_yaml_yes_is_text_and_no_fact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "record.yaml"
    record.write_text("{heliotrope: yes, on: true}")
    assert main(["criteria", "run", "eular_acr_2017", str(record), "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["errors"]
    assert [(problem["code"], problem["field"]) for problem in problems] == [
        ("E_FIELD", "on"),
        ("E_TYPE", "heliotrope"),
    ]


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        ("", "E_TYPE", "record"),
        ("[1, 2]", "E_TYPE", "record"),
        ("inputs: 3", "E_TYPE", "inputs"),
        ("{inputs: {}, instrument: cmas}", "E_CONFLICT", "instrument"),
        ("{inputs: {}, extra: 1}", "E_FIELD", "extra"),
        ("{heliotrope: true, heliotrope: false}", "E_CONFLICT", "heliotrope"),
        ("{age_at_onset: 1e400}", "E_RANGE", "age_at_onset"),
        ("{age_at_onset: .nan}", "E_TYPE", "age_at_onset"),
        ("{age_at_onset: '45'}", "E_TYPE", "age_at_onset"),
        ("{1: true}", "E_FIELD", "(a number as key)"),
    ],
)
def test_a_wrong_file_is_refused_by_field(
    content: str, code: str, field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.yaml"
    record.write_text(content)
    assert main(["criteria", "run", "eular_acr_2017", str(record), "--json"]) == 2
    problem = json.loads(capsys.readouterr().out)["errors"][0]
    assert (problem["code"], problem["field"]) == (code, field)


@pytest.mark.parametrize("content", ["a: b: c", "{", "!!python/object:os.x {}", "[" * 5000])
def test_a_file_that_cannot_be_read_is_a_problem_of_the_file(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "record.yaml").write_text(content)
    for file in ("record.yaml", "absent.yaml", "."):
        assert main(["criteria", "run", "cmas", str(tmp_path / file), "--json"]) == 2
        answer = json.loads(capsys.readouterr().out)
        assert (answer["ok"], answer["errors"][0]["code"]) == (False, "E_FILE")


@pytest.mark.parametrize(
    "content",
    [
        r'{"\ud800": 1}',
        r'{"subtype": "\ud800", "age_at_onset": 40}',
        r'{"\ud800": 1, "\ud800": 2}',
        r'{"inputs": {}, "\u0007": 1}',
    ],
)
def test_text_that_cannot_be_printed_is_shown_escaped(
    content: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "record.json").write_text(content)
    for flags in ([], ["--json"]):
        assert main(["criteria", "run", "imacs_cancer_2023", str(tmp_path / "record.json"), *flags]) == 2
        shown = capsysbinary.readouterr()
        assert b"\x07" not in shown.out + shown.err


def test_free_text_of_a_record_never_reaches_a_message() -> None:
    with pytest.raises(RecordError) as caught:
        evaluate(find("eular_acr_2017"), {"heliotrope": "Jane Doe, 12 Elm Street"})
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize("key", sorted(INSTRUMENTS))
def test_every_instrument_rests_on_statements_of_the_ledger(key: str) -> None:
    for statement in INSTRUMENTS[key].evidence:
        ledger().statement(statement)


def test_an_unverified_number_is_shown_as_such_where_it_decides(tmp_path: Path) -> None:
    record = tmp_path / "record.yaml"
    record.write_text("{population: adult, core_set: IMACS, enzymes: {CK: {baseline: 900, followup: 100, uln: 200}}}")
    answer = run_instrument("tis_2016", record)
    assert any(caveat.startswith("unverified: Range of an enzyme") for caveat in answer["caveats"])
    assert {row["key"]: row["status"] for row in answer["evidence"]}["tis-enzyme-range"] == "unverified"
    assert any("CK, range 15 x ULN" in step["statement"] for step in answer["trace"])


def test_counting_keeps_unknown_apart_from_absent() -> None:
    facts = (Truth.TRUE, Truth.UNKNOWN, Truth.FALSE)
    assert [at_least(needed, facts) for needed in (1, 2, 3)] == [Truth.TRUE, Truth.UNKNOWN, Truth.FALSE]
