"""Every case of the specification and every hand-worked case of our own, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from heliotrope.cli.main import main
from tests.conftest import REPOSITORY
from tests.criteria.vectors import Case, agrees, cases_in

PUBLIC = REPOSITORY.parent / "shared" / "spec" / "clinical" / "vectors"
OWN = REPOSITORY / "tests" / "cases"
PUBLIC_COUNT = 150


def check(case: Case, record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["criteria", "run", case.instrument, str(record), "--json"])
    answer = json.loads(capsys.readouterr().out)
    if "error" in case.expected:
        assert status == 2
        assert answer["ok"] is False
        assert answer["errors"][0]["code"] == case.expected["error"]
        assert answer["errors"][0]["field"] == case.expected["field"]
        assert all(set(problem) == {"code", "field", "error", "hint"} for problem in answer["errors"])
        return
    assert (status, answer["ok"]) == (0, True)
    differing = {
        name: (value, answer.get(name)) for name, value in case.expected.items() if not agrees(value, answer.get(name))
    }
    assert not differing
    assert answer["trace"]
    assert answer["sources"]
    assert answer["rule_version"] == f"{case.instrument}/1"


@pytest.mark.parametrize("case", list(cases_in(OWN)), ids=lambda case: f"{case.instrument}-{case.name}")
def test_hand_worked_case_comes_out(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "record.yaml"
    record.write_text(yaml.safe_dump({"inputs": case.inputs}), encoding="utf-8")
    check(case, record, capsys)


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the specification's vectors lie beside the checkout in ../shared")
@pytest.mark.parametrize("kind", ["yaml", "json"])
@pytest.mark.parametrize("case", list(cases_in(PUBLIC)), ids=lambda case: f"{case.instrument}-{case.name}")
def test_public_vector_comes_out(case: Case, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / f"record.{kind}"
    written = yaml.safe_dump(case.inputs) if kind == "yaml" else json.dumps(case.inputs)
    record.write_text(written, encoding="utf-8")
    check(case, record, capsys)


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the specification's vectors lie beside the checkout in ../shared")
def test_no_public_vector_is_left_out() -> None:
    assert sum(1 for _ in cases_in(PUBLIC)) >= PUBLIC_COUNT


def test_comparison_tells_apart_what_differs() -> None:
    assert not agrees(True, 1)
    assert not agrees(0, False)
    assert not agrees(None, 0)
    assert not agrees([1, 1], [1])
    assert not agrees({"a": 1}, {"a": 1, "b": None})
    assert agrees(66.6667, 66.66670001)
