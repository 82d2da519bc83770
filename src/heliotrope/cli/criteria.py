"""``heliotrope criteria``: clinical instruments on a record file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from heliotrope.app.criteria import list_instruments, run_instrument
from heliotrope.app.tables import look_up
from heliotrope.cli.shell import ExitStatus, answer, say
from heliotrope.criteria.problems import RecordError

_NOT_ANSWER: Final = frozenset(
    {
        "instrument",
        "title",
        "rule_version",
        "provisional",
        "trace",
        "would_decide",
        "what_if",
        "caveats",
        "evidence",
        "sources",
    }
)


def register(application: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        help="Clinical instruments: classification, response, activity, strength, screening.", no_args_is_help=True
    )
    group.command("list")(_list)
    group.command("run")(_run)
    group.command("table")(_table)
    application.add_typer(group, name="criteria")


def _list(as_json: bool = typer.Option(False, "--json", help="Answer in JSON.")) -> int:
    """List the instruments; a provisional one is off until it is asked for by name."""
    rows = list_instruments()
    lines = [
        f"{row['instrument']:24}{row['title']}{'' if row['on'] else '  [provisional, off unless run by name]'}"
        for row in rows
    ]
    answer({"instruments": rows}, "\n".join(lines), as_json=as_json)
    return ExitStatus.OK


def _run(
    instrument: str = typer.Argument(help="Name as in `heliotrope criteria list`."),
    file: Path = typer.Argument(help="YAML or JSON file with the inputs, or with a mapping under `inputs:`."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Evaluate one instrument on a record; null is unknown, never absent and never zero."""
    try:
        result = run_instrument(instrument, file)
    except RecordError as error:
        return answer_problems(error, as_json=as_json)
    if result["provisional"]:
        say(f"{instrument} is PROVISIONAL: its rule rests on memory; you switched it on by naming it")
    answer(result, _text(result), as_json=as_json)
    return ExitStatus.OK


def _table(
    table: str = typer.Argument(help="antibodies, differential, imaging_recommendations, terminology or calcinosis."),
    entry: str = typer.Argument("", help="One entry of the table."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Look up antibody phenotypes, differential diagnosis, recommendations, codes; information only."""
    found = look_up(table, entry or None)
    shown = {name: part for name, part in found.items() if name not in {"table", "sources", "evidence"}}
    lines = list(_lines(shown, 0))
    lines += ["", *(f"[{row['key']}, {row['status']}] {row['text']}" for row in found["evidence"])]
    answer(found, "\n".join(lines), as_json=as_json)
    return ExitStatus.OK


def _lines(value: object, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, dict):
        if value.keys() == {"text", "verified"}:
            yield f"{indent}{value['text']}{'' if value['verified'] else ' (unverified)'}"
            return
        for name, part in value.items():
            if isinstance(part, dict | list | tuple):
                if part:
                    yield f"{indent}{name}:"
                    yield from _lines(part, depth + 1)
            elif part not in (None, ""):
                yield f"{indent}{name}: {part}"
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _lines(part, depth) if isinstance(part, dict) else (f"{indent}{part}",)


def answer_problems(error: RecordError, *, as_json: bool) -> int:
    """One line per problem of a record."""
    if as_json:
        payload = {"ok": False, "errors": [problem.to_json() for problem in error.problems]}
        sys.stdout.write(json.dumps(payload, indent=2, ensure_ascii=False) + "\n")
    else:
        for problem in error.problems:
            say(f"{problem.code} {problem.field}: {problem.message} (hint: {problem.hint})")
    return ExitStatus.USAGE


def _text(result: dict[str, Any]) -> str:
    lines = [f"{result['title']} ({result['rule_version']})", ""]
    fields = {name: value for name, value in result.items() if name not in _NOT_ANSWER}
    width = max(len(name) for name in fields) + 2
    lines += [f"  {name:{width}}{_shown(value)}" for name, value in fields.items()]
    if result["trace"]:
        lines += ["", "Rules that fired:"]
        lines += [f"  {step['rule']}: {step['statement']} [{', '.join(step['evidence'])}]" for step in result["trace"]]
    if result["would_decide"]:
        lines += ["", f"Missing items that alone would change the answer: {', '.join(result['would_decide'])}"]
    if result["caveats"]:
        lines += ["", "Read with care:", *(f"  {caveat}" for caveat in result["caveats"])]
    return "\n".join(lines)


def _shown(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{name} {_shown(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_shown(part) for part in value) or "none"
    return str(value)
