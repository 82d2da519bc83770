"""The page of traps names guards that exist, for every instrument."""

import re

import yaml

from heliotrope.criteria.registry import INSTRUMENTS
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "concepts" / "instruments.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| trap ")]
NAMED_ELSEWHERE = {"mmt24", "mmt_grade_map"}  # no trap of their own: totals and a printed key


def test_every_row_names_a_guard() -> None:
    assert len(ROWS) > 50
    assert [row for row in ROWS if not re.search(r"`(\w+/\w+|test_\w+::test_\w+)` \|$", row)] == []


def test_every_case_named_as_a_guard_exists() -> None:
    cases = {
        f"{file.stem}/{vector['name']}"
        for file in (REPOSITORY / "tests" / "cases").glob("*.yaml")
        for vector in yaml.safe_load(file.read_text(encoding="utf-8"))["vectors"]
    }
    named = {name for row in ROWS for name in re.findall(r"`(\w+/\w+)`", row)}
    assert named
    assert named <= cases


def test_every_test_named_as_a_guard_exists() -> None:
    named = {pair for row in ROWS for pair in re.findall(r"`(test_\w+)::(test_\w+)`", row)}
    assert named
    for file, name in named:
        found = [*(REPOSITORY / "tests").rglob(f"{file}.py")]
        assert any(f"def {name}(" in path.read_text(encoding="utf-8") for path in found), f"{file}::{name}"


def test_every_instrument_has_a_guarded_trap() -> None:
    guarded = {name for row in ROWS for name in re.findall(r"`(\w+)/\w+`", row)}
    assert set(INSTRUMENTS) - guarded - NAMED_ELSEWHERE == set()
