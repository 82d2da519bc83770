"""``heliotrope compare``."""

from __future__ import annotations

from pathlib import Path

import typer

from heliotrope.app.compare import ComparisonOutcome, compare_folders, summary_lines
from heliotrope.cli.many_values import ManyValuesCommand, numbers_from
from heliotrope.cli.plan_file import read_mapping
from heliotrope.cli.shell import ExitStatus, answer
from heliotrope.domain.errors import OptionError


class _Compare(ManyValuesCommand):
    many = ("--days",)


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("compare", cls=_Compare)(compare)


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
    days: list[str] = typer.Option(
        [],
        "--days",
        help="Day of every visit on any count, e.g. 0,182,365; spaces the charts. Dates are never written.",
        metavar="DAYS",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the comparison as JSON on stdout."),
) -> int:
    """Compare analyzed timepoints of one patient against measurement error."""
    site = None if repeatability is None else read_mapping(repeatability, what="repeatability file")
    outcome = compare_folders(
        folders, out, site_repeatability=site, blind_seed=blind, key_file=blinding_key, days=_days(days)
    )
    payload = {"out": str(out), "report": str(out / "report.html"), **outcome.document}
    answer(payload, _summary(outcome), as_json=as_json)
    return ExitStatus.OK


def _days(texts: list[str]) -> tuple[int, ...] | None:
    try:
        found = numbers_from(texts)
    except ValueError:
        found = (float("nan"),)
    if any(not day.is_integer() for day in found):
        raise OptionError(
            "days must be whole numbers", hint="give one per folder, e.g. --days 0,182,365", code="E_DAYS"
        )
    return tuple(int(day) for day in found) or None


def _summary(outcome: ComparisonOutcome) -> str:
    return "\n".join([*summary_lines(outcome.comparison), f"report: {outcome.folder / 'report.html'}"])
