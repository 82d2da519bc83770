"""``heliotrope unblind``."""

from __future__ import annotations

from pathlib import Path

import typer

from heliotrope.app.blinding import unblind as open_key
from heliotrope.cli.shell import ExitStatus, answer


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("unblind")(unblind)


def unblind(
    folder: Path = typer.Argument(..., help="Folder of a blinded comparison.", metavar="DIR"),
    key: Path | None = typer.Option(
        None, "--key", help="Key file; DIR/blinding-key.json when not given.", metavar="FILE"
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the answer as JSON on stdout."),
) -> int:
    """Tell which letter of a blinded comparison is which visit, once the reading is done."""
    names = open_key(folder, key)
    answer({"timepoints": names}, "\n".join(f"{letter}: {visit}" for letter, visit in names.items()), as_json=as_json)
    return ExitStatus.OK
