"""``heliotrope case``: a patient record over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from heliotrope.app.case import case_schema, check_case, report_case, show_case
from heliotrope.cli.criteria import answer_problems
from heliotrope.cli.shell import ExitStatus, answer
from heliotrope.criteria.problems import RecordError

_PROVISIONAL = "Also run instruments whose rule rests on memory alone; their answers are marked."


def register(application: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        help="A patient record over time: classification, response, screening, timeline.", no_args_is_help=True
    )
    group.command("check")(_check)
    group.command("show")(_show)
    group.command("report")(_report)
    group.command("schema")(_schema)
    application.add_typer(group, name="case")


def _check(
    file: Path = typer.Argument(help="Patient record, YAML or JSON."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Check a record; every problem at once, one line each."""
    try:
        found = check_case(file)
    except RecordError as error:
        return answer_problems(error, as_json=as_json)
    counts = ", ".join(f"{value} {name}" for name, value in found.items() if isinstance(value, int))
    answer(found, f"{found['case']}: the record is whole ({counts})", as_json=as_json)
    return ExitStatus.OK


def _show(
    file: Path = typer.Argument(help="Patient record, YAML or JSON."),
    provisional: bool = typer.Option(False, "--provisional", help=_PROVISIONAL),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Show what the instruments say of a record, now and as it was."""
    try:
        found = show_case(file, provisional=provisional)
    except RecordError as error:
        return answer_problems(error, as_json=as_json)
    answer(found, _text(found), as_json=as_json)
    return ExitStatus.OK


def _report(
    file: Path = typer.Argument(help="Patient record, YAML or JSON."),
    out: Path | None = typer.Option(None, "--out", help="HTML file; beside the record when not given.", metavar="FILE"),
    provisional: bool = typer.Option(False, "--provisional", help=_PROVISIONAL),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file when it exists."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Write the timeline report: one HTML file that opens without a network."""
    target = file.with_suffix(".html") if out is None else out
    try:
        found = report_case(file, target, provisional=provisional, overwrite=overwrite)
    except RecordError as error:
        return answer_problems(error, as_json=as_json)
    answer(found, f"report: {found['report']}", as_json=as_json)
    return ExitStatus.OK


def _schema(as_json: bool = typer.Option(False, "--json", help="Answer in JSON.")) -> int:
    """Print the JSON Schema of the record."""
    schema = case_schema()
    answer({"schema": schema}, json.dumps(schema, indent=2), as_json=as_json)
    return ExitStatus.OK


def _text(found: dict[str, Any]) -> str:
    now = found["classification"]["now"]
    eular = now["eular_acr_2017"]
    lines = [
        f"{found['case']}: {len(found['visits'])} visits. {found['statement']}",
        "",
        f"EULAR/ACR 2017: {eular['category'] or 'open'}, score {eular['score_min']} to {eular['score_max']}, "
        f"subgroup {eular['subgroup'] or 'none'}",
        f"Bohan and Peter 1975: {now['bohan_peter_1975']['diagnosis'] or 'not assessable'}, "
        f"{now['bohan_peter_1975']['certainty'] or 'no certainty stated'}",
        f"Antisynthetase syndrome (a condition of its own): {_truth(now['asys']['err_table_criteria'])}",
        f"IMNM (unverified rule): {now['imnm_enmc224']['imnm']}",
    ]
    lines += [f"  {past['known_by']}: {past['eular_acr_2017']['category'] or 'open'}, "
              f"{past['eular_acr_2017']['subgroup'] or 'no subgroup'}"
              for past in found["classification"]["history"]]  # fmt: skip
    lines += ["", "Total Improvement Score:"] if found["responses"] else []
    for row in found["responses"]:
        if row.get("tis_min") is None:
            said = "not assessable"
        else:
            bounds = (
                str(row["tis_min"]) if row["tis_min"] == row["tis_max"] else f"{row['tis_min']} to {row['tis_max']}"
            )
            said = f"{bounds} of 100, {row['category'] or 'category open'}"
        lines.append(f"  {row['baseline']} to {row['followup']}: {said}")
    screening = found["screening"]
    if screening is not None:
        tier = screening["tier"] or f"{screening['tier_min']} to {screening['tier_max']}"
        stated = f"not applicable ({screening['reason']})" if screening["applicable"] is False else tier
        lines += ["", f"Cancer screening tier (consider; lists largely unverified): {stated}"]
        lines += [f"  consider {due['consider']}: {due['when']}{', on record' if due['on_record'] else ''}"
                  for due in screening["due"]]  # fmt: skip
    for row in found["imaging"]:
        numbers = ", ".join(f"{name} {part['value']} {part['unit']}" for name, part in row["all_muscle"].items())
        lines.append(f"Imaging at {row['visit']}: {row['problem'] or numbers or 'no number of all muscle'}")
    lines += ["", *found["classification"]["notes"], *found["notes"]]
    return "\n".join(lines)


def _truth(value: bool | None) -> str:
    return "unknown" if value is None else "criteria met" if value else "criteria not met"
