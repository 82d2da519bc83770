"""``heliotrope demo``."""

from __future__ import annotations

from pathlib import Path

import typer

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.phantom import write_phantom
from heliotrope.cli.analyze import answer_outcome, run_analysis
from heliotrope.cli.shell import say

DEMONSTRATION, SEED = "active-dm", 1


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("demo")(demo)


def demo(
    out: Path = typer.Option(
        Path("heliotrope-demo"), "--out", help="Folder for the study and its results.", metavar="DIR"
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout."),
) -> int:
    """Make the built-in synthetic study of active dermatomyositis, analyze it, and name the report to open."""
    say("writing the synthetic demonstration study ...")
    write_phantom(DEMONSTRATION, out / "study", SEED)
    outcome = run_analysis(out / "study", out / "analysis", AnalyzeOptions())
    return answer_outcome(outcome, as_json=as_json)
