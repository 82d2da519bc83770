"""The ledger holds together: no number without a source, no source without use, no citation of two works."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from heliotrope.cli.main import main
from heliotrope.criteria.registry import INSTRUMENTS
from heliotrope.evidence.ledger import collect, ledger
from heliotrope.evidence.model import Source, Statement, Status
from tests.conftest import REPOSITORY

SOURCE_CODE = REPOSITORY / "src" / "heliotrope"
# Ours, or from memory and shown as unverified wherever it decides something.
NEEDS_NO_SOURCE = {Status.PROJECT_RULE, Status.MEASURED, Status.UNVERIFIED}
BOOK = Source("book-2001", "Author A, Title, 2001")


def code_files() -> Iterator[Path]:
    return (file for file in SOURCE_CODE.rglob("*.py") if file.parent.name != "evidence")


def literals(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def cited_in(tree: ast.AST) -> set[str]:
    """Literal keys handed over as `evidence`, or as the evidence of a traced rule."""
    found: set[str] = set()
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.keyword) and node.arg == "evidence":
            parts = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add":
            is_trace = isinstance(node.func.value, ast.Name) and node.func.value.id == "trace"
            parts = list(node.args[2:]) if is_trace else []
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = any(isinstance(target, ast.Name) and "EVIDENCE" in target.id for target in targets)
            if named and isinstance(node.value, ast.Tuple | ast.List):
                parts = [node.value]
        for part in parts:
            items = part.elts if isinstance(part, ast.Tuple | ast.List) else [part]
            found |= {item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)}
    return found


def merges_two_works(source: Source) -> bool:
    without_pages = re.sub(r";\d+\S*|:\d+-\d+", "", source.citation)
    years = re.findall(r"\b(?:19|20)\d\d\b", without_pages)
    identifiers = [value for value in (source.doi, source.pmid) if value and re.search(r"[;,\s]", value)]
    return len(set(years)) > 1 or bool(identifiers) or bool(re.search(r";\s+[A-Z]", source.citation))


def test_nothing_contradicts() -> None:
    assert ledger().conflicts == ()


def test_every_statement_has_a_source_or_says_that_it_is_ours() -> None:
    bare = [s.key for s in ledger().statements.values() if not s.sources and s.status not in NEEDS_NO_SOURCE]
    assert bare == []


def test_every_source_is_used_by_a_statement() -> None:
    used = {name for statement in ledger().statements.values() for name in statement.sources}
    assert sorted(ledger().sources.keys() - used) == []


def test_every_statement_names_what_uses_it() -> None:
    cited = set().union(*(literals(file) for file in code_files()))
    assert [s.key for s in ledger().statements.values() if not s.used_by and s.key not in cited] == []


def test_every_key_cited_in_code_is_in_the_ledger() -> None:
    missing = {
        f"{file.relative_to(SOURCE_CODE)}: {key}"
        for file in code_files()
        for key in cited_in(ast.parse(file.read_text(encoding="utf-8")))
        if key not in ledger().statements
    }
    assert sorted(missing) == []


def test_every_clinical_statement_is_cited_by_code() -> None:
    cited = set().union(*(literals(file) for file in code_files()))
    clinical = {key for key, topic in ledger().topics.items() if topic.startswith("clinical")}
    assert sorted(clinical - cited) == []


def test_no_citation_merges_two_works() -> None:
    assert [source.key for source in ledger().sources.values() if merges_two_works(source)] == []


def test_an_identifier_belongs_to_one_source() -> None:
    for kind in ("doi", "pmid"):
        values = [getattr(source, kind) for source in ledger().sources.values() if getattr(source, kind)]
        assert sorted(values) == sorted(set(values))


def test_identifiers_are_bare() -> None:
    for source in ledger().sources.values():
        assert source.doi is None or re.fullmatch(r"10\.\d{4,9}/\S+", source.doi), source.key
        assert source.pmid is None or source.pmid.isdigit(), source.key


def test_every_rule_an_instrument_may_trace_is_cited() -> None:
    for instrument in INSTRUMENTS.values():
        assert instrument.evidence, instrument.key


@pytest.mark.parametrize(
    "citation",
    ["A, Title, 2001; B, Other, 2003", "Bohan A, N Engl J Med 1975; Peter JB, part two", "A 1999 and B 2004"],
)
def test_a_merged_citation_would_be_found(citation: str) -> None:
    assert merges_two_works(Source("x", citation))


def test_contradictions_would_be_found() -> None:
    claim = Statement("claim", "1 ms", ("book-2001",), Status.VERIFIED)
    good = SimpleNamespace(SOURCES=(BOOK,), STATEMENTS=(claim,))
    other = SimpleNamespace(STATEMENTS=(replace(claim, text="2 ms"), Statement("lost", "", ("none",), Status.VERIFIED)))
    found = collect(cast("dict[str, Any]", {"a": good, "b": other}))
    assert len(found.conflicts) == 2
    assert collect(cast("dict[str, Any]", {"a": good, "same": good})).conflicts == ()


def test_a_key_cited_nowhere_in_the_ledger_would_be_found() -> None:
    assert cited_in(ast.parse("f(evidence=('made-up',)); trace.add('r', 's', 'other')")) == {"made-up", "other"}


def test_command_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed["statements"]) == len(ledger().statements)
    assert main(["evidence", "show", "tis-bins", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["status"] == "verified"
    assert shown["sources"][0]["doi"] == "10.1136/annrheumdis-2017-211401"
    assert "criteria/tis_2016.py" in shown["cited_in"]


def test_command_shows_a_source_with_what_rests_on_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "show", "bode-2003", "--json"]) == 0
    assert "das-ranges" in {row["key"] for row in json.loads(capsys.readouterr().out)["statements"]}


def test_command_refuses_an_unknown_key_and_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "show", "tis-bin", "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert "tis-bins" in answer["hint"]
