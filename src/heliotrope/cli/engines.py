"""``heliotrope engines``."""

from __future__ import annotations

import os
from dataclasses import asdict

import typer

from heliotrope.app.engines import EngineSettings, EngineStatus, list_engines
from heliotrope.cli.shell import ExitStatus, answer
from heliotrope.domain.errors import OptionError

WEIGHTS = typer.Option([], "--weights", help="Folder of an engine's weights.", metavar="ENGINE=DIR")
PROGRAM = typer.Option([], "--program", help="Path of an engine's program.", metavar="ENGINE=FILE")


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("engines")(engines)


def engines(
    weights: list[str] = WEIGHTS,
    program: list[str] = PROGRAM,
    as_json: bool = typer.Option(False, "--json", help="Print the engines as JSON on stdout."),
) -> int:
    """List the segmentation engines with what each offers here or lacks."""
    found = list_engines(site_settings(weights, program))
    answer({"engines": [asdict(status) for status in found]}, "\n".join(map(_line, found)), as_json=as_json)
    return ExitStatus.OK


def site_settings(weights: list[str], program: list[str]) -> EngineSettings:
    """Settings from the flags and the environment; license keys come from the environment alone."""
    keys = {"totalsegmentator": os.environ.get("HELIOTROPE_TOTALSEGMENTATOR_LICENSE")}
    return EngineSettings(
        programs=_pairs(program, "--program"),
        weights_folders=_pairs(weights, "--weights"),
        license_keys={name: key for name, key in keys.items() if key},
        environment=dict(os.environ),
    )


def _pairs(given: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for item in given:
        name, separator, value = item.partition("=")
        if not separator or not name or not value:
            raise OptionError(f"{option} {item}: ENGINE=PATH needed", hint="e.g. musclemap=/path/to/models")
        pairs[name] = value
    return pairs


def _line(status: EngineStatus) -> str:
    state = f"ready: {', '.join(status.tasks)}" if status.ready else "missing: " + "; ".join(status.missing)
    withheld = f" (withheld: {'; '.join(status.withheld)})" if status.withheld else ""
    return f"{status.name:<17} {state}{withheld}"
