"""``heliotrope analyze``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from heliotrope.app.analyze import Outcome, analyze_study, hindering
from heliotrope.app.engines import EngineSettings
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.relabel import remember_source
from heliotrope.cli.engines import PROGRAM, WEIGHTS, site_settings
from heliotrope.cli.plan_file import read_mapping
from heliotrope.cli.progress import stage_progress
from heliotrope.cli.shell import ExitStatus, answer
from heliotrope.domain.study import FileOutcome
from heliotrope.io import read_study

_STATUS = {"complete": ExitStatus.OK, "partial": ExitStatus.PARTIAL, "refused": ExitStatus.REFUSED}


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("analyze")(analyze)


def analyze(
    study: Path = typer.Argument(..., help="Folder, .zip, DICOMDIR, DICOM, NIfTI or picture file.", metavar="STUDY"),
    out: Path = typer.Option(..., "--out", help="Folder for the results.", metavar="DIR"),
    labels: str | None = typer.Option(
        None, "--labels", help="A person's labels in place of the automatic ones.", metavar="PATH"
    ),
    labels_from: str | None = typer.Option(
        None,
        "--labels-from",
        help="Result folder of an earlier visit whose muscle labels are carried to this one.",
        metavar="BASELINE_DIR",
    ),
    engine: str | None = typer.Option(
        None, "--engine", help="Installed engine whose labels take the place of the automatic ones.", metavar="NAME"
    ),
    engine_task: str | None = typer.Option(
        None, "--engine-task", help="Task or region of the engine, e.g. total_mr or thigh.", metavar="TASK"
    ),
    weights: list[str] = WEIGHTS,
    program: list[str] = PROGRAM,
    plan: Path | None = typer.Option(
        None, "--plan", help="YAML or JSON file with options; flags override it.", metavar="FILE"
    ),
    role: str | None = typer.Option(None, "--role", help="Role of NIfTI files and pictures that have no sidecar."),
    pixel_size_mm: float | None = typer.Option(
        None, "--pixel-size-mm", help="Pixel size of pictures and DICOM radiographs that state none.", metavar="MM"
    ),
    study_key: str | None = typer.Option(
        None, "--study", help="Key of one study, where the folder holds several.", metavar="KEY"
    ),
    station_order: str | None = typer.Option(
        None,
        "--station-order",
        help="foot_first or head_first: stations without positions follow one another in order of name.",
        metavar="ORDER",
    ),
    only: list[str] = typer.Option(
        [], "--only", help="Run this stage and what it uses; may be repeated.", metavar="STAGE"
    ),
    show_identifiers: bool = typer.Option(
        False, "--show-identifiers", help="Put descriptions, dates and UIDs into the outputs."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout."),
) -> int:
    """Analyze a study: maps, labels, measurements, findings, and a report to open."""
    options = AnalyzeOptions() if plan is None else AnalyzeOptions.from_plan(read_mapping(plan, what="plan file"))
    options = options.overridden_by(
        labels=labels,
        labels_from=labels_from,
        engine=engine,
        engine_task=engine_task,
        role=role,
        pixel_size_mm=pixel_size_mm,
        study=study_key,
        station_order=station_order,
        only=tuple(only),
        show_identifiers=show_identifiers,
    )
    return answer_outcome(run_analysis(study, out, options, site_settings(weights, program)), as_json=as_json)


def run_analysis(
    study_path: Path, out: Path, options: AnalyzeOptions, engines: EngineSettings | None = None
) -> Outcome:
    """Read and analyze a study, with progress on stderr."""
    study = read_study(study_path, role=options.role, study_key=options.study, pixel_size_mm=options.pixel_size_mm)
    with stage_progress() as progress:
        outcome = analyze_study(study, out, options, progress=progress, engines=engines)
    remember_source(out, study_path, options)
    return outcome


def answer_outcome(outcome: Outcome, *, as_json: bool) -> int:
    """Answer with what a run left behind; returns the exit status."""
    answer(_payload(outcome), _summary(outcome), as_json=as_json)
    return _STATUS[outcome.status]


def _payload(outcome: Outcome) -> dict[str, Any]:
    return {
        "out": str(outcome.folder),
        "report": str(outcome.report_path),
        "result": str(outcome.folder / "result.json"),
        **outcome.document,
    }


def _summary(outcome: Outcome) -> str:
    result = outcome.run.result
    refused = sum(record.outcome is FileOutcome.REFUSED for record in result.study.files)
    measured = sum(item.value is not None for item in result.measurements)
    lines = [
        f"{outcome.status}: {len(result.maps)} maps, {measured} measurements, {len(result.findings)} findings, "
        f"{len(result.not_assessed)} results not assessable"
    ]
    if refused:
        lines.append(f"{refused} files refused; the report lists each with its code")
    hindrances = hindering(outcome.run)
    for failure in outcome.run.failures:
        word = "failed" if failure in hindrances else "left out"
        lines.append(f"{word}: {failure.stage}: {failure.message} [{failure.code}]")
        if failure.hint:
            lines.append(f"hint: {failure.hint}")
    lines.append(f"report: {outcome.report_path}")
    return "\n".join(lines)
