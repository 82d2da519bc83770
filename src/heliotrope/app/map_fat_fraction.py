"""Use case: one fat-fraction map from echo files or from the scanner's water and fat images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.output_folder import writing
from heliotrope.domain.errors import InputError, OptionError
from heliotrope.domain.geometry import Grid, require_same_grid
from heliotrope.domain.images import Volume
from heliotrope.io.atomic import write_text
from heliotrope.io.nifti import read_nifti, write_map, write_volume
from heliotrope.maps.fat_fraction.complex_fit import fit_complex_fat_fraction
from heliotrope.maps.fat_fraction.echo_images import complex_echoes
from heliotrope.maps.fat_fraction.magnitude_fit import fit_magnitude_fat_fraction, read_in_opposed_fat_fraction
from heliotrope.maps.fat_fraction.result import FatFractionMaps
from heliotrope.maps.fat_fraction.t1_guard import t1_guard
from heliotrope.maps.fat_fraction.two_point import fit_two_point_fat_fraction
from heliotrope.maps.fat_fraction.vendor import fit_vendor_water_fat
from heliotrope.physics.fat_spectrum import SPECTRA, require_echo_times, require_field_strength

FILE_NAMES = {
    "fat_fraction": "fat_fraction",
    "water_signal": "water",
    "fat_signal": "fat",
    "field_map": "field_map",
    "r2star": "r2star",
    "fat_fraction_sd": "sd",
}
"""File stem of each map."""


@dataclass(frozen=True)
class FatFractionRequest:
    """What `heliotrope map fat-fraction` was asked.

    Parameters
    ----------
    magnitude, phase : tuples of paths
        3-D echoes in order of their times, or one 4-D file each; `phase` may be empty.
    water, fat : path or None
        The scanner's own images, instead of echoes.
    echo_times_ms : tuple of floats
        One per echo; never defaulted. [ms]
    field_strength_t : float or None
        Never defaulted. [T]
    repetition_time_ms, flip_angle_deg : float or None
        For the T1 guard; unknown when not given.
    phase_units : str
        ``"auto"`` or a name of `KNOWN_UNITS`.
    spectrum : str
    """

    magnitude: tuple[Path, ...] = ()
    phase: tuple[Path, ...] = ()
    water: Path | None = None
    fat: Path | None = None
    echo_times_ms: tuple[float, ...] = ()
    field_strength_t: float | None = None
    repetition_time_ms: float | None = None
    flip_angle_deg: float | None = None
    phase_units: str = "auto"
    spectrum: str = "six-peak"


def map_fat_fraction(request: FatFractionRequest, out: Path) -> dict[str, Any]:
    """Fit, write the maps and ``fat_fraction.json`` into `out`, and return what the JSON holds."""
    if (request.water is None) != (request.fat is None):
        raise OptionError("water and fat images: one of the two is missing", hint="give both --water and --fat")
    if request.water is not None and request.magnitude:
        raise OptionError("both echoes and water/fat images were given", hint="give one kind of input")
    if request.spectrum not in SPECTRA:
        raise OptionError(f"unknown fat spectrum {request.spectrum!r}", hint=f"spectra: {', '.join(SPECTRA)}")
    if request.field_strength_t is not None:
        require_field_strength(request.field_strength_t)
    result = _from_vendor(request) if request.water is not None else _from_echoes(request)
    return _write(result, out)


def _from_vendor(request: FatFractionRequest) -> FatFractionMaps:
    assert request.water is not None
    assert request.fat is not None
    guard = t1_guard(
        repetition_time_ms=request.repetition_time_ms,
        flip_angle_deg=request.flip_angle_deg,
        field_strength_t=request.field_strength_t,
    )
    return fit_vendor_water_fat(read_nifti(request.water), read_nifti(request.fat), guard=guard)


def _from_echoes(request: FatFractionRequest) -> FatFractionMaps:
    if not request.magnitude:
        raise OptionError("no images given", hint="give --magnitude (and --phase), or --water and --fat")
    if request.field_strength_t is None:
        raise OptionError("field strength not given", hint="give --field-strength-t; it is never guessed")
    if not request.echo_times_ms:
        raise OptionError("echo times not given", hint="give --echo-times-ms; they are never guessed")
    require_echo_times(request.echo_times_ms, at_least=2)
    magnitude, grid = read_echoes(request.magnitude, "magnitude")
    n_echo = magnitude.shape[3]
    if n_echo != len(request.echo_times_ms):
        raise InputError(
            f"{n_echo} magnitude echoes and {len(request.echo_times_ms)} echo times", hint="give one time per echo"
        )
    guard = t1_guard(
        repetition_time_ms=request.repetition_time_ms,
        flip_angle_deg=request.flip_angle_deg,
        field_strength_t=request.field_strength_t,
    )
    spectrum = SPECTRA[request.spectrum]
    field, times = request.field_strength_t, request.echo_times_ms
    actions: tuple[str, ...] = ()
    if np.iscomplexobj(magnitude):
        echoes = magnitude
    elif request.phase:
        phase, phase_grid = read_echoes(request.phase, "phase")
        require_same_grid(grid, phase_grid, first_name="magnitude echoes", second_name="phase echoes")
        echoes, sentence = complex_echoes(magnitude, phase, request.phase_units)
        del phase
        actions = (sentence,)
    else:
        return _from_magnitude(Volume(magnitude, grid), request)
    del magnitude
    volume = Volume(echoes.astype(np.complex64, copy=False), grid)
    if n_echo == 2:
        result = fit_two_point_fat_fraction(
            volume, echo_times_ms=(times[0], times[1]), field_strength_t=field, guard=guard, spectrum=spectrum
        )
    else:
        result = fit_complex_fat_fraction(
            volume, echo_times_ms=times, field_strength_t=field, guard=guard, spectrum=spectrum
        )
    return with_actions(result, actions)


def _from_magnitude(echoes: Volume, request: FatFractionRequest) -> FatFractionMaps:
    assert request.field_strength_t is not None
    guard = t1_guard(
        repetition_time_ms=request.repetition_time_ms,
        flip_angle_deg=request.flip_angle_deg,
        field_strength_t=request.field_strength_t,
    )
    spectrum = SPECTRA[request.spectrum]
    if echoes.n_frames == 2:
        return read_in_opposed_fat_fraction(
            echoes.frame(0),
            echoes.frame(1),
            opposed_echo_ms=request.echo_times_ms[0],
            in_phase_echo_ms=request.echo_times_ms[1],
            field_strength_t=request.field_strength_t,
            guard=guard,
            spectrum=spectrum,
        )
    return fit_magnitude_fat_fraction(
        echoes,
        echo_times_ms=request.echo_times_ms,
        field_strength_t=request.field_strength_t,
        guard=guard,
        spectrum=spectrum,
    )


def read_echoes(paths: Sequence[Path], name: str) -> tuple[NDArray[Any], Grid]:
    """Echoes of one 4-D file or of one 3-D file per echo, (x, y, z, n_echo), and their grid."""
    first = read_nifti(paths[0])
    data = np.asarray(first.data)
    if len(paths) == 1:
        return (data if data.ndim == 4 else data[..., None]), first.grid
    stacked = np.empty((*first.grid.shape, len(paths)), dtype=np.result_type(data.dtype, np.float32))
    for number, path in enumerate(paths, start=1):
        volume = read_nifti(path)
        require_same_grid(first.grid, volume.grid, first_name=f"{name} echo 1", second_name=f"{name} echo {number}")
        if volume.data.ndim != 3:
            raise InputError(
                f"{name} echo {number} has shape {volume.data.shape}: 3-D needed when several files are given",
                hint="give one 4-D file, or one 3-D file per echo",
            )
        stacked[..., number - 1] = volume.data
    return stacked, first.grid


def with_actions(result: FatFractionMaps, actions: tuple[str, ...]) -> FatFractionMaps:
    """The result with sentences put before its own."""
    return FatFractionMaps(
        result.fat_fraction,
        result.water,
        result.fat,
        result.field_map,
        result.r2star,
        result.sd,
        (*actions, *result.actions),
        result.quality,
    )


def _write(result: FatFractionMaps, out: Path) -> dict[str, Any]:
    percent = result.fat_fraction
    values = percent.values[percent.valid]
    summary = None
    if values.size:
        low, middle, high = (float(v) for v in np.percentile(values, [5, 50, 95]))
        summary = {"median": middle, "p5": low, "p95": high}
    files = {quantity: f"{FILE_NAMES[quantity]}.nii.gz" for quantity in result.maps}
    payload = {
        "quantity": percent.quantity,
        "unit": percent.unit.value,
        "method": percent.method,
        "n_valid": int(percent.valid.sum()),
        "summary": summary,
        "flags": list(percent.flags),
        "actions": list(result.actions),
        "invalid_reasons": dict(percent.invalid_reasons),
        "quality": {key: float(value) for key, value in result.quality.items()},
        "files": {**files, "valid": "valid.nii.gz"},
    }
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for quantity, item in result.maps.items():
            write_map(out / files[quantity], item)
        write_volume(out / "valid.nii.gz", Volume(percent.valid.astype(np.float32), percent.grid))
        write_text(out / "fat_fraction.json", json.dumps(payload, indent=2, allow_nan=False) + "\n")
    return payload
