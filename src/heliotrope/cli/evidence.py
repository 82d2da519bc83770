"""``heliotrope evidence``: the ledger behind every number."""

from __future__ import annotations

from typing import Any

import typer

from heliotrope.app.evidence import list_evidence, show_evidence
from heliotrope.cli.shell import ExitStatus, answer


def register(application: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="The evidence ledger: what each number rests on, and how firmly.", no_args_is_help=True)
    group.command("list")(_list)
    group.command("show")(_show)
    application.add_typer(group, name="evidence")


def _list(
    status: str = typer.Option("", help="Only statements of this status, e.g. unverified."),
    topic: str = typer.Option("", help="Only statements of this topic."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """List the statements with their status and sources."""
    found = list_evidence(status or None, topic or None)
    lines = [
        f"{row['key']:34}{row['status']:14}{row['text']} [{', '.join(row['sources']) or 'own'}]"
        for row in found["statements"]
    ]
    answer(found, "\n".join(lines) or "nothing", as_json=as_json)
    return ExitStatus.OK


def _show(
    key: str = typer.Argument(help="Key of a statement or source."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Show one statement with its sources and what cites it, or one source with what rests on it."""
    found = show_evidence(key)
    answer(found, _text(found), as_json=as_json)
    return ExitStatus.OK


def _text(found: dict[str, Any]) -> str:
    if found["kind"] == "source":
        lines = [_citation(found), "", "What rests on it:"]
        return "\n".join([*lines, *(f"  {row['key']} ({row['status']}): {row['text']}" for row in found["statements"])])
    lines = [f"{found['key']} ({found['status']})", found["text"]]
    lines += [f"setting: {found['setting']}"] if found["setting"] else []
    lines += ["sources:", *(f"  {_citation(source)}" for source in found["sources"])] if found["sources"] else []
    return "\n".join([*lines, f"cited in: {', '.join(found['cited_in']) or found['used_by'] or 'nothing'}"])


def _citation(source: dict[str, Any]) -> str:
    identifiers = [f"{name}:{source[name]}" for name in ("doi", "pmid") if name in source]
    tail = [source["other"]] if "other" in source else []
    return " | ".join([f"{source['key']}: {source['citation']}", *identifiers, *tail])
