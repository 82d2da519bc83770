"""``heliotrope inspect``."""

from __future__ import annotations

import io
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from heliotrope.app.inspect import inspection_to_plain
from heliotrope.cli.shell import ExitStatus, answer
from heliotrope.io import read_studies

_WIDTH_WITHOUT_TERMINAL = 200


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("inspect")(inspect)


def inspect(
    study: Path = typer.Argument(..., help="Folder, .zip, DICOMDIR, DICOM, NIfTI or picture file.", metavar="STUDY"),
    role: str | None = typer.Option(None, "--role", help="Role of NIfTI files and pictures that have no sidecar."),
    show_identifiers: bool = typer.Option(
        False, "--show-identifiers", help="Show series descriptions, dates and UIDs."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON on stdout."),
) -> int:
    """Show what a study holds, what each series is and why, and what can be computed from it."""
    plain = inspection_to_plain(read_studies(study, role=role), show_identifiers=show_identifiers)
    answer(plain, "" if as_json else _to_text(plain), as_json=as_json)
    return ExitStatus.OK


def _to_text(plain: dict[str, Any]) -> str:
    target = io.StringIO()
    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    console = Console(file=target, width=width, color_system=None)
    for study in plain["studies"]:
        _print_study(console, study)
    return target.getvalue()


def _print_study(console: Console, study: dict[str, Any]) -> None:
    counts = study["file_counts"]
    marks = " - SYNTHETIC" if study["synthetic"] else ""
    console.print(
        f"Study {study['key']}{marks}: {counts['used']} files used, {counts['skipped']} skipped, "
        f"{counts['refused']} refused",
        markup=False,
        highlight=False,
    )
    for note in study["notes"]:
        console.print(f"  note: {note}", markup=False, highlight=False)
    console.print(_series_table(study["series"]))
    console.print(_result_table(study["results"]))
    left_out = [record for record in study["files"] if record["outcome"] != "used"]
    for record in left_out[:20]:
        code = f" [{record['code']}]" if record["code"] else ""
        line = f"  {record['outcome']}: {record['path']}: {record['reason']}{code}"
        console.print(line, markup=False, highlight=False)
    if len(left_out) > 20:
        console.print(f"  and {len(left_out) - 20} more; --json lists them all", highlight=False)


def _series_table(rows: list[dict[str, Any]]) -> Table:
    table = Table("series", "role", "why", "geometry", "acquisition", "defects", title="Series")
    for row in rows:
        cells = (row["key"], row["role"], row["reason"], _geometry(row), _acquisition(row), "; ".join(row["defects"]))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _geometry(row: dict[str, Any]) -> str:
    if row["shape"] is None:
        return "no regular volume"
    shape = "x".join(str(size) for size in row["shape"])
    spacing = " x ".join(f"{value:g}" for value in row["spacing_mm"])
    return f"{shape}, {spacing} mm, axes {row['axes']}"


def _acquisition(row: dict[str, Any]) -> str:
    echoes = row["echo_times_ms"]
    echo_text = None
    if echoes:
        echo_text = f"TE {echoes[0]:g} ms" if len(echoes) == 1 else f"{len(echoes)} TE {echoes[0]:g}-{echoes[-1]:g} ms"
    facts = (
        (row["field_strength_t"], "{:g} T"),
        (row["repetition_time_ms"], "TR {:g} ms"),
        (row["inversion_time_ms"], "TI {:g} ms"),
        (row["flip_angle_deg"], "flip {:g} deg"),
        (row["tube_voltage_kv"], "{:g} kV"),
        (row["slice_thickness_mm"], "slice {:g} mm"),
    )
    words = [template.format(value) for value, template in facts if value is not None]
    if echo_text:
        words.insert(1 if words else 0, echo_text)
    if row["b_values_s_per_mm2"]:
        words.append("b " + ", ".join(f"{value:g}" for value in row["b_values_s_per_mm2"]) + " s/mm2")
    return ", ".join([*words, *(str(row[key]) for key in ("manufacturer", "model") if row[key])])


def _result_table(rows: list[dict[str, Any]]) -> Table:
    """Results that one stage can or cannot deliver for one reason share a row."""
    table = Table("results", "computable", "from", "what is missing or unfit", title="Results")
    for (_, computable, series, missing), group in groupby(rows, key=_prospect):
        titles = ", ".join(f"{row['title']} [{row['unit']}]" for row in group)
        table.add_row(*(Text(cell) for cell in (titles, "yes" if computable else "no", series, missing)))
    return table


def _prospect(row: dict[str, Any]) -> tuple[str, bool, str, str]:
    missing = "" if row["missing"] is None else row["missing"]["reason"]
    return row["stage"], row["computable"], ", ".join(row["series"]), missing
