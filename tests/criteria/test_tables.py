"""The look-up tables."""

from __future__ import annotations

import json
import re

import pytest

from heliotrope.app.tables import look_up
from heliotrope.cli.main import main
from heliotrope.criteria import terminology
from heliotrope.criteria.antibodies import ANTIBODIES, antibody
from heliotrope.criteria.differential import CALCIFICATION, MUSCLE_EDEMA, QUESTIONS
from heliotrope.domain.errors import OptionError
from heliotrope.evidence.ledger import ledger


def test_antibody_cells_stated_by_the_specification() -> None:
    assert antibody("NXP2").calcinosis[0].text == "associated"
    assert antibody("MDA5").ild[0].text == "rapidly progressive ILD"
    assert antibody("NXP2").loinc_name == "Mj"


def test_antisynthetase_antibodies_are_a_group_apart_from_dermatomyositis() -> None:
    assert antibody("Jo1").group == "antisynthetase"
    assert antibody("Jo1").key not in {row.key for row in ANTIBODIES if row.group == "DM"}


def test_imaging_cells_are_shown_as_unverified(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria", "table", "antibodies", "MDA5"]) == 0
    shown = capsys.readouterr().out
    assert "normal MRI must not be reported as inactive disease (unverified)" in shown


def test_every_source_named_in_the_differential_is_in_the_ledger() -> None:
    named = {name for row in (*MUSCLE_EDEMA, *CALCIFICATION) for name in row.sources}
    assert named <= ledger().sources.keys()
    assert all(row.sources or row.status == "U" for row in (*MUSCLE_EDEMA, *CALCIFICATION))


def test_every_question_leads_to_a_class() -> None:
    keys = {row.key for row in CALCIFICATION}
    assert all(set(question.if_yes) <= keys for question in QUESTIONS)


def test_codes_have_the_form_of_their_system() -> None:
    assert all(re.fullmatch(r"\d{6,18}", code) for row in terminology.DISEASES for code in row.snomed_ct)
    assert all(re.fullmatch(r"\d+-\d", code) for code in (*terminology.LOINC_ANTIBODIES, *terminology.LOINC_CHEMISTRY))
    assert all(re.fullmatch(r"HP:\d{7}", code) for code in terminology.HPO)
    assert all(luhn_mod10(code) for code in (*terminology.LOINC_ANTIBODIES, *terminology.LOINC_CHEMISTRY))
    assert all(verhoeff(code) for row in terminology.DISEASES for code in row.snomed_ct)
    assert all(verhoeff(code) for code in terminology.SNOMED_CT)


def luhn_mod10(code: str) -> bool:
    """Check digit of LOINC."""
    body, check = code.split("-")
    doubled = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(body)))
    return (10 - doubled % 10) % 10 == int(check)


def verhoeff(code: str) -> bool:
    """Check digit of SNOMED CT."""
    multiply = [
        [(a % 5 + (b % 5 if a < 5 else -(b % 5))) % 5 + 5 * ((a >= 5) ^ (b >= 5)) for b in range(10)] for a in range(10)
    ]
    permute = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for place, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(place % 8):
            value = permute[value]
        check = multiply[check][value]
    return check == 0


def test_polymyositis_is_not_dermatomyositis() -> None:
    assert terminology.disease("polymyositis").icd10cm == ("M33.2",)
    assert terminology.disease("antisynthetase syndrome").icd10cm == ()


@pytest.mark.parametrize(
    "table", ["antibodies", "differential", "imaging_recommendations", "terminology", "calcinosis"]
)
def test_every_table_comes_with_its_evidence(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria", "table", table, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["entries"]
    assert found["evidence"]


def test_unknown_table_or_entry_lists_what_exists() -> None:
    with pytest.raises(OptionError, match="no table") as caught:
        look_up("tables")
    assert "antibodies" in caught.value.hint
    with pytest.raises(OptionError, match="no entry"):
        look_up("calcinosis", "severe")
