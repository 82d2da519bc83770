"""Use case: list the evidence ledger and show one entry with what uses it."""

from __future__ import annotations

import difflib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import heliotrope
from heliotrope.app.criteria import source_json
from heliotrope.domain.errors import OptionError
from heliotrope.evidence.ledger import ledger
from heliotrope.evidence.model import Statement


def list_evidence(status: str | None = None, topic: str | None = None) -> dict[str, Any]:
    """Every statement, or those of one status or topic, with the sources they rest on.

    Raises
    ------
    OptionError
        No such status or topic.
    """
    book = ledger()
    topics = sorted(set(book.topics.values()))
    statuses = sorted({str(statement.status) for statement in book.statements.values()})
    for given, known, name in ((status, statuses, "status"), (topic, topics, "topic")):
        if given is not None and given not in known:
            raise OptionError(f"no {name} '{given[:60]}'", hint=f"one of: {', '.join(known)}")
    chosen = [
        statement
        for statement in book.statements.values()
        if status in (None, statement.status) and topic in (None, book.topics[statement.key])
    ]
    names = dict.fromkeys(name for statement in chosen for name in statement.sources)
    return {
        "statements": [statement_json(statement) for statement in chosen],
        "sources": [source_json(book.sources[name]) for name in names if name in book.sources],
    }


def statement_json(statement: Statement) -> dict[str, Any]:
    """A statement as JSON."""
    return {
        "key": statement.key,
        "topic": ledger().topics[statement.key],
        "text": statement.text,
        "status": str(statement.status),
        "setting": statement.setting,
        "used_by": statement.used_by,
        "sources": list(statement.sources),
    }


def show_evidence(key: str) -> dict[str, Any]:
    """One statement with its sources and the code that cites it, or one source with what rests on it.

    Raises
    ------
    OptionError
        No such key; the hint names the closest.
    """
    book = ledger()
    if key in book.statements:
        statement = book.statements[key]
        shown = statement_json(statement)
        return {
            "kind": "statement",
            **shown,
            "sources": [source_json(source) for source in book.sources_of(key)],
            "cited_in": cited_in(key),
        }
    if key in book.sources:
        resting = [statement_json(s) for s in book.statements.values() if key in s.sources]
        return {"kind": "source", **source_json(book.sources[key]), "statements": resting}
    close = difflib.get_close_matches(key[:80], [*book.statements, *book.sources], n=3)
    hint = f"did you mean: {', '.join(close)}" if close else "heliotrope evidence list shows all"
    raise OptionError(f"the evidence ledger has no entry '{key[:80]}'", hint=hint, code="E_KEY")


def cited_in(key: str) -> list[str]:
    """Files of the product that cite a statement."""
    found: list[str] = []
    _search(resources.files(heliotrope), "", f'"{key}"', found)
    return sorted(found)


def _search(folder: Traversable, path: str, literal: str, found: list[str]) -> None:
    for entry in folder.iterdir():
        name = f"{path}{entry.name}"
        if entry.is_dir():
            if name != "evidence":
                _search(entry, f"{name}/", literal, found)
        elif name.endswith(".py") and literal in entry.read_text(encoding="utf-8"):
            found.append(name)
