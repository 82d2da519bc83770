"""``heliotrope map adc``, ``map ivim`` and ``map dti``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from heliotrope.app.map_diffusion import TensorMethod, map_adc, map_dti, map_ivim
from heliotrope.cli.shell import ExitStatus, answer, say


def register(group: typer.Typer) -> None:
    """Add the commands to the group of maps."""
    group.command("adc")(_adc)
    group.command("ivim")(_ivim)
    group.command("dti")(_dti)


def _adc(
    dwi: Path = typer.Argument(help="4-D diffusion NIfTI."),
    bval: Path = typer.Option(..., "--bval", help="b-values [s/mm2], one per frame."),
    out: Path = typer.Option(..., "--out", help="Folder for the maps."),
    bvec: Path | None = typer.Option(None, "--bvec", help="Accepted and not used: the ADC needs no directions."),
    minimum_b: float = typer.Option(0.0, "--minimum-b", help="Leave out smaller b-values, e.g. 50 against perfusion."),
    noise_sd: float | None = typer.Option(None, "--noise-sd", help="Noise sd; corrects the Rician floor."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Map the apparent diffusion coefficient [mm2/s]."""
    del bvec
    return _report(map_adc(dwi, bval, out, minimum_b=minimum_b, noise_sd=noise_sd), out, as_json=as_json)


def _ivim(
    dwi: Path = typer.Argument(help="4-D diffusion NIfTI."),
    bval: Path = typer.Option(..., "--bval", help="b-values [s/mm2], one per frame."),
    out: Path = typer.Option(..., "--out", help="Folder for the maps."),
    bvec: Path | None = typer.Option(None, "--bvec", help="Accepted and not used: directions are averaged."),
    mask: Path | None = typer.Option(None, "--mask", help="Where D* is taken; every valid voxel when not given."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Map D [mm2/s] and the perfusion fraction f; D* of the whole mask, with its interval, stands in the JSON."""
    del bvec
    return _report(map_ivim(dwi, bval, out, mask=mask), out, as_json=as_json)


def _dti(
    dwi: Path = typer.Argument(help="4-D diffusion NIfTI."),
    bval: Path = typer.Option(..., "--bval", help="b-values [s/mm2], one per frame."),
    bvec: Path = typer.Option(..., "--bvec", help="Unit gradient directions in the FSL convention."),
    out: Path = typer.Option(..., "--out", help="Folder for the maps."),
    method: TensorMethod = typer.Option(
        TensorMethod.WLS, "--method", help="wls, or robust: frames that do not fit are left out."
    ),
    minimum_b: float = typer.Option(0.0, "--minimum-b", help="Leave out smaller weighted b-values [s/mm2]."),
    keep_frame: bool = typer.Option(
        False, "--keep-frame", help="Keep the b-vectors as they are even where fibers contradict their frame."
    ),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Map mean diffusivity, FA, eigenvalues, radial diffusivity and the main direction."""
    payload = map_dti(dwi, bval, bvec, out, method=method, minimum_b=minimum_b, keep_frame=keep_frame)
    return _report(payload, out, as_json=as_json)


def _report(payload: dict[str, Any], out: Path, *, as_json: bool) -> int:
    answer(payload, _text(payload, out), as_json=as_json)
    if payload["n_valid"] == 0:
        say("no voxel could be fitted; the reasons are in the JSON file")
        return ExitStatus.REFUSED
    return ExitStatus.OK


def _text(payload: dict[str, Any], out: Path) -> str:
    lines = [f"{payload['quantity']} by {payload['method']}: {payload['n_valid']} valid voxels"]
    for stem, row in payload["summary"].items():
        lines.append(
            f"  {stem}: median {row['median']:.4g} {row['unit']} (5th to 95th {row['p5']:.4g} to {row['p95']:.4g})"
        )
    simulated = payload.get("fa_inflation_simulated")
    if simulated is not None:
        lines.append(f"  FA inflation at this noise, simulated for these directions: {simulated:+.3f}")
    pseudo = payload.get("pseudo_diffusivity")
    if pseudo is not None:
        low, high = pseudo["ci95"]
        lines.append(f"  D* of {pseudo['of']}: {pseudo['value']:.3g} mm2/s (95 % interval {low:.3g} to {high:.3g})")
    if "gradient_frame" in payload:
        lines.append(f"  {payload['gradient_frame']['sentence']}")
    lines += [f"  left out: {count} voxels, {reason}" for reason, count in payload["invalid_reasons"].items()]
    lines += [f"  note: {flag}" for flag in payload["flags"]]
    lines.append(f"written: {out}")
    return "\n".join(lines)
