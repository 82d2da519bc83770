"""``heliotrope relabel``."""

from __future__ import annotations

from pathlib import Path

import typer

from heliotrope.app.relabel import Relabeling
from heliotrope.app.relabel import relabel as run_relabel
from heliotrope.cli.progress import stage_progress
from heliotrope.cli.shell import ExitStatus, answer

_STATUS = {"complete": ExitStatus.OK, "partial": ExitStatus.PARTIAL, "refused": ExitStatus.REFUSED}


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("relabel")(relabel)


def relabel(
    folder: Path = typer.Argument(..., help="Result folder of an analysis.", metavar="DIR"),
    labels: Path = typer.Option(..., "--labels", help="Corrected labels (NIfTI, legend beside it).", metavar="FILE"),
    study_path: Path | None = typer.Option(
        None, "--study-path", help="Where the study lies now, if it was moved.", metavar="PATH"
    ),
    by: str | None = typer.Option(None, "--by", help="Who corrected; kept with the revision.", metavar="NAME"),
    as_json: bool = typer.Option(False, "--json", help="Print what changed as JSON on stdout."),
) -> int:
    """Put corrected labels into a finished analysis; only what depends on them runs again."""
    with stage_progress() as progress:
        done = run_relabel(folder, labels, study_path=study_path, by=by, progress=progress)
    payload = {
        "out": str(folder),
        "revision": done.revision,
        "stages_run": list(done.reran),
        "stages_reused": list(done.reused),
        "changes": list(done.changes),
        "status": done.outcome.status,
        "report": str(done.outcome.report_path),
    }
    answer(payload, _summary(done), as_json=as_json)
    return _STATUS[done.outcome.status]


def _summary(done: Relabeling) -> str:
    lines = [f"revision {done.revision}: ran {', '.join(done.reran) or 'nothing'}; {len(done.reused)} stages reused"]
    for change in done.changes:
        name = f"{change['side']} {change['structure']}" if change["side"] else str(change["structure"])
        lines.append(f"{name.replace('_', ' ')}: {change['before_ml']:.1f} -> {change['after_ml']:.1f} mL")
    lines.append(f"report: {done.outcome.report_path}")
    return "\n".join(lines)
