"""``heliotrope compare``."""

from __future__ import annotations

from pathlib import Path

import typer

from heliotrope.app.compare import ComparisonOutcome, compare_folders, summary_counts
from heliotrope.cli.plan_file import read_mapping
from heliotrope.cli.shell import ExitStatus, answer


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("compare")(compare)


def compare(
    folders: list[Path] = typer.Argument(
        ..., help="Result folders in order of time, baseline first.", metavar="BASELINE_DIR FOLLOWUP_DIR..."
    ),
    out: Path = typer.Option(..., "--out", help="Folder for the comparison.", metavar="DIR"),
    repeatability: Path | None = typer.Option(
        None, "--repeatability", help="The site's own test-retest (YAML or JSON).", metavar="FILE"
    ),
    blind: int | None = typer.Option(
        None, "--blind", help="Shuffle and letter the timepoints with this seed; the key is a separate file."
    ),
    blinding_key: Path | None = typer.Option(
        None, "--blinding-key", help="Where the key goes, e.g. out of the reader's reach.", metavar="FILE"
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the comparison as JSON on stdout."),
) -> int:
    """Compare analyzed timepoints of one patient against measurement error."""
    site = None if repeatability is None else read_mapping(repeatability, what="repeatability file")
    outcome = compare_folders(folders, out, site_repeatability=site, blind_seed=blind, key_file=blinding_key)
    payload = {"out": str(out), "report": str(out / "report.html"), **outcome.document}
    answer(payload, _summary(outcome), as_json=as_json)
    return ExitStatus.OK


def _summary(outcome: ComparisonOutcome) -> str:
    counts = summary_counts(outcome.comparison)
    lines = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    return "\n".join([*lines, f"report: {outcome.folder / 'report.html'}"])
