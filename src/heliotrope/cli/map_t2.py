"""``heliotrope map t2``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from heliotrope.app.map_t2 import LegacyMethod, MapT2Options, ProfilePreset, T2Mode, echo_times_from, map_t2
from heliotrope.cli.shell import ExitStatus, answer, say

_NUMBERS = re.compile(r"[-+\d.,;eE]*\d[-+\d.,;eE]*")


def register(group: typer.Typer) -> None:
    """Add the command to the group of maps."""
    group.command("t2")(_t2)


def _t2(
    echoes: list[Path] = typer.Argument(
        help="One 4-D NIfTI, one 3-D NIfTI per echo, or a folder with a DICOM multi-echo series."
    ),
    out: Path = typer.Option(..., "--out", help="Folder for the maps."),
    echo_times_ms: str = typer.Option("", "--echo-times-ms", help="Echo times [ms], separated by commas or spaces."),
    field_strength_t: float | None = typer.Option(None, "--field-strength-t", help="Field strength [T]: 1.5 or 3."),
    mode: T2Mode | None = typer.Option(
        None, "--mode", help="Without it: two-pass when a fat fraction is given, else joint (imprecise, flagged)."
    ),
    fat_fraction: Path | None = typer.Option(None, "--fat-fraction", help="Fat-fraction map [%], NIfTI."),
    b1: Path | None = typer.Option(None, "--b1", help="Measured transmit field, fraction of nominal, NIfTI."),
    mask: Path | None = typer.Option(None, "--mask", help="Where to fit; automatic when not given."),
    fat_mask: Path | None = typer.Option(
        None, "--fat-mask", help="Subcutaneous fat, on which the T2 of fat is calibrated."
    ),
    resample: bool = typer.Option(False, "--resample", help="Carry the given maps to the grid of the echoes."),
    repetition_time_ms: float | None = typer.Option(None, "--repetition-time-ms", help="Repetition time [ms]."),
    refocusing_flip_deg: float | None = typer.Option(
        None, "--refocusing-flip-deg", help="Nominal refocusing angle [degrees]; from the header, else 180."
    ),
    slice_profile: ProfilePreset | None = typer.Option(
        None, "--slice-profile", help="hann-sinc for 2-D sequences, ideal for non-selective refocusing."
    ),
    slab_ratio: float | None = typer.Option(
        None, "--slab-ratio", help="Refocusing slab over slice; calibrated on the echoes when not given."
    ),
    noise_sd: float | None = typer.Option(None, "--noise-sd", help="Noise sd; estimated when not given."),
    legacy_method: LegacyMethod = typer.Option(LegacyMethod.NLLS, "--legacy-method", help="Fit of --mode legacy."),
    legacy_offset: bool = typer.Option(False, "--legacy-offset", help="Fit a constant in --mode legacy."),
    legacy_skip_first_echo: bool = typer.Option(
        False, "--legacy-skip-first-echo", help="Leave out the first echo in --mode legacy."
    ),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Map the T2 of muscle water (or, with --mode legacy, a mono-exponential T2) from a multi-echo spin echo."""
    paths = [path for path in echoes if path.exists() or not _NUMBERS.fullmatch(str(path))]
    # echo times separated by spaces without quotes arrive among the arguments
    loose = " ".join(str(path) for path in echoes if path not in paths)
    options = MapT2Options(
        echo_times_ms=echo_times_from(f"{echo_times_ms} {loose}"),
        field_strength_t=field_strength_t,
        mode=mode,
        fat_fraction=fat_fraction,
        b1=b1,
        mask=mask,
        fat_mask=fat_mask,
        resample=resample,
        repetition_time_ms=repetition_time_ms,
        refocusing_flip_deg=refocusing_flip_deg,
        profile=slice_profile,
        slab_ratio=slab_ratio,
        noise_sd=noise_sd,
        legacy_method=legacy_method,
        legacy_offset=legacy_offset,
        legacy_skip_first_echo=legacy_skip_first_echo,
    )
    payload = map_t2(paths, out, options)
    answer(payload, _text(payload, out), as_json=as_json)
    if payload["n_valid"] == 0:
        say("no voxel has a valid T2; the reasons are in t2.json")
        return ExitStatus.REFUSED
    return ExitStatus.OK


def _text(payload: dict[str, Any], out: Path) -> str:
    summary = payload["summary"]
    lines = [f"{payload['quantity']} by {payload['method']}: {payload['n_valid']} valid voxels"]
    if summary is not None:
        lines.append(
            f"median {summary['median']:.1f} ms (5th to 95th percentile {summary['p5']:.1f} to {summary['p95']:.1f} ms)"
        )
    lines += [f"  left out: {count} voxels, {reason}" for reason, count in payload["invalid_reasons"].items()]
    lines += [f"  note: {flag}" for flag in payload["flags"]]
    lines.append(f"written: {out}")
    return "\n".join(lines)
