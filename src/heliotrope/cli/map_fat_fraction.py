"""``heliotrope map fat-fraction``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import typer

from heliotrope.app.map_fat_fraction import FatFractionRequest, map_fat_fraction
from heliotrope.cli.many_values import ManyValuesCommand, numbers_from
from heliotrope.cli.shell import ExitStatus, answer, say
from heliotrope.domain.errors import OptionError


class _Command(ManyValuesCommand):
    many: ClassVar[tuple[str, ...]] = ("--magnitude", "--phase", "--echo-times-ms")


def register(group: typer.Typer) -> None:
    """Add the command to the group of maps."""
    group.command("fat-fraction", cls=_Command)(_fat_fraction)


def _fat_fraction(
    magnitude: list[Path] = typer.Option(
        [], "--magnitude", help="Magnitude echoes: 3-D NIfTI files in order of echo time, or one 4-D file."
    ),
    phase: list[Path] = typer.Option([], "--phase", help="Phase echoes, as many; units are detected and checked."),
    echo_times_ms: list[str] = typer.Option([], "--echo-times-ms", help="Echo times [ms], by commas or spaces."),
    field_strength_t: float | None = typer.Option(None, "--field-strength-t", help="Field strength [T]."),
    out: Path = typer.Option(..., "--out", help="Folder for the maps."),
    water: Path | None = typer.Option(None, "--water", help="The scanner's water image, with --fat."),
    fat: Path | None = typer.Option(None, "--fat", help="The scanner's fat image, with --water."),
    repetition_time_ms: float | None = typer.Option(
        None, "--repetition-time-ms", help="Repetition time [ms], for the T1 bias; unknown when not given."
    ),
    flip_angle_deg: float | None = typer.Option(
        None, "--flip-angle-deg", help="Flip angle [degrees], for the T1 bias; unknown when not given."
    ),
    phase_units: str = typer.Option("auto", "--phase-units", help="Unit of the phase images, or auto."),
    spectrum: str = typer.Option("six-peak", "--spectrum", help="Fat spectrum: six-peak or ten-peak."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Map the proton-density fat fraction [%] from gradient echoes, or from the scanner's water and fat images."""
    try:
        times = numbers_from(echo_times_ms)
    except ValueError as error:
        raise OptionError("--echo-times-ms: not a list of numbers", hint="e.g. --echo-times-ms 1.15,2.10") from error
    request = FatFractionRequest(
        tuple(magnitude),
        tuple(phase),
        water,
        fat,
        times,
        field_strength_t,
        repetition_time_ms,
        flip_angle_deg,
        phase_units,
        spectrum,
    )
    payload = map_fat_fraction(request, out)
    answer(payload, _text(payload, out), as_json=as_json)
    if payload["n_valid"] == 0:
        say("no voxel has a valid fat fraction; the reasons are in fat_fraction.json")
        return ExitStatus.REFUSED
    return ExitStatus.OK


def _text(payload: dict[str, Any], out: Path) -> str:
    lines = [f"{payload['quantity']} by {payload['method']}: {payload['n_valid']} valid voxels"]
    summary = payload["summary"]
    if summary is not None:
        lines.append(
            f"median {summary['median']:.1f} % (5th to 95th percentile {summary['p5']:.1f} to {summary['p95']:.1f} %)"
        )
    lines += [f"  left out: {count} voxels, {reason}" for reason, count in payload["invalid_reasons"].items()]
    lines += [f"  note: {sentence}" for sentence in dict.fromkeys([*payload["flags"], *payload["actions"]])]
    lines.append(f"written: {out}")
    return "\n".join(lines)
