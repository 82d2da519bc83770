"""``heliotrope validate``: every accuracy gate, as a table or JSON."""

from __future__ import annotations

import typer

from heliotrope.app.validate import validate, validation_to_plain
from heliotrope.app.validation.gate import Effort, GateResult, Sense
from heliotrope.cli.shell import ExitStatus, answer, say


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("validate")(_validate)


def _validate(
    only: list[str] = typer.Option([], "--only", help="Gate name or its beginning, e.g. water-t2; may be repeated."),
    effort: Effort = typer.Option(Effort.REDUCED, "--effort", help="How many repetitions: reduced takes minutes."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Measure the accuracy of the maps on digital reference objects with known truth; fails when a gate fails."""
    results = validate(only, effort=effort, progress=lambda name: say(f"measuring {name}"))
    answer(validation_to_plain(results), _table(results), as_json=as_json)
    return ExitStatus.OK if all(result.passed for result in results) else ExitStatus.FAILED


def _table(results: tuple[GateResult, ...]) -> str:
    width = max((len(result.name) for result in results), default=4)
    lines = [f"{'gate':<{width}}  {'value':>10}    {'limit':>10}  {'unit':<8}  passed"]
    for result in results:
        sign = "<=" if result.sense is Sense.AT_MOST else ">="
        lines.append(
            f"{result.name:<{width}}  {result.value:>10.4g} {sign} {result.limit:>10.4g}  {result.unit:<8}  "
            f"{'yes' if result.passed else 'NO'}"
        )
    failed = sum(not result.passed for result in results)
    lines.append(f"{len(results)} gates, {failed} failed")
    return "\n".join(lines)
