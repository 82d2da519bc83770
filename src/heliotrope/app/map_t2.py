"""Use case: one T2 map from echoes, a fat-fraction map and a transmit-field map given as files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.map_grids import resample_map
from heliotrope.app.stages.t2 import fit_options, select_echo_train, usable_noise, with_slab_ratio
from heliotrope.domain.errors import FileFormatError, InputError, OptionError, StudyError
from heliotrope.domain.geometry import Grid, require_same_grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.units import Unit
from heliotrope.io.atomic import write_text
from heliotrope.io.intake import read_study, read_volume
from heliotrope.io.nifti import is_nifti_name, read_nifti, write_map, write_volume
from heliotrope.maps.legacy_t2 import LegacyMethod, fit_legacy_t2
from heliotrope.maps.water_t2 import WaterT2Options, fit_fat_t2, fit_joint, fit_two_pass
from heliotrope.maps.water_t2.inputs import require_noise, require_percent, require_transmit_field
from heliotrope.physics.echo_train import require_magnitudes
from heliotrope.physics.noise import NoiseEstimate
from heliotrope.physics.slice_profile import ProfilePreset

__all__ = ["LegacyMethod", "MapT2Options", "ProfilePreset", "T2Mode", "echo_times_from", "map_t2"]


class T2Mode(StrEnum):
    """Which T2."""

    TWO_PASS = "two-pass"  # noqa: S105 - a mode, not a secret
    JOINT = "joint"
    LEGACY = "legacy"


@dataclass(frozen=True)
class MapT2Options:
    """What a user may choose for `heliotrope map t2`.

    Parameters
    ----------
    echo_times_ms : tuple of floats
        Empty takes them from the DICOM header. [ms]
    field_strength_t : float or None
        None takes it from the DICOM header; never guessed. [T]
    mode : T2Mode or None
        None is two-pass with a fat-fraction map, else joint.
    resample : bool
        Carry fat-fraction and B1 maps to the grid of the echoes when theirs differ.
    repetition_time_ms : float or None
        None takes it from the DICOM header, else it is unknown. [ms]
    refocusing_flip_deg : float or None
        None takes it from the DICOM header, else 180. [deg]
    slab_ratio : float or None
        Refocusing slab over slice; None calibrates it on the echoes. [1]
    noise_sd : float or None
        None estimates it.
    fat_mask : Path or None
        Label image whose nonzero voxels are subcutaneous fat; calibrates the T2 of fat.
    """

    echo_times_ms: tuple[float, ...] = ()
    field_strength_t: float | None = None
    mode: T2Mode | None = None
    fat_fraction: Path | None = None
    b1: Path | None = None
    mask: Path | None = None
    fat_mask: Path | None = None
    resample: bool = False
    repetition_time_ms: float | None = None
    refocusing_flip_deg: float | None = None
    profile: ProfilePreset | None = None
    slab_ratio: float | None = None
    noise_sd: float | None = None
    legacy_method: LegacyMethod = LegacyMethod.NLLS
    legacy_offset: bool = False
    legacy_skip_first_echo: bool = False


@dataclass(frozen=True, eq=False)
class _Echoes:
    volume: Volume
    times_ms: tuple[float, ...]
    field_strength_t: float | None
    options: WaterT2Options
    noise: NoiseEstimate


def echo_times_from(text: str) -> tuple[float, ...]:
    """Numbers separated by commas or spaces. [ms]

    Examples
    --------
    >>> echo_times_from("9.5, 19 28.5")
    (9.5, 19.0, 28.5)
    """
    words = [word for word in re.split(r"[,;\s]+", text.strip()) if word]
    try:
        return tuple(float(word) for word in words)
    except ValueError:
        raise InputError(
            f"echo times {text[:60]!r}: numbers separated by commas or spaces needed",
            hint="for example --echo-times-ms 9.5,19,28.5",
            code="E_ECHO_TIME",
        ) from None


def map_t2(paths: Sequence[Path], out: Path, options: MapT2Options) -> dict[str, Any]:
    """Fit, write the maps and `t2.json` into `out`, and return what the JSON holds.

    Parameters
    ----------
    paths : sequence of Path
        One 4-D NIfTI, one 3-D NIfTI per echo in order of the echo times, or one DICOM folder.
    out : Path
        Folder; made when absent.
    """
    mode = _mode(options)
    echoes = _read_echoes(paths, options)
    mask = None if options.mask is None else _read_mask(options.mask, echoes.volume.grid, "mask")
    if mode is T2Mode.LEGACY:
        legacy = fit_legacy_t2(
            echoes.volume,
            echo_times_ms=echoes.times_ms,
            noise_sd=echoes.noise.sd,
            method=options.legacy_method,
            offset=options.legacy_offset,
            skip_first_echo=options.legacy_skip_first_echo,
            mask=mask,
        )
        maps = {"t2": legacy.t2, "t2_sd": legacy.sd, "residual": legacy.residual}
        return _write(out, mode, maps, echoes, {})
    maps, extra = _fit_water(mode, echoes, mask, options)
    return _write(out, mode, maps, echoes, extra)


def _mode(options: MapT2Options) -> T2Mode:
    mode = options.mode or (T2Mode.JOINT if options.fat_fraction is None else T2Mode.TWO_PASS)
    if mode is T2Mode.TWO_PASS and options.fat_fraction is None:
        raise OptionError(
            "two-pass water T2 without a fat fraction: --fat-fraction needed",
            hint="give a fat-fraction map in percent, or use --mode joint, whose T2 is imprecise",
            code="E_FAT_FRACTION_NEEDED",
        )
    if mode is not T2Mode.TWO_PASS and options.fat_fraction is not None:
        raise OptionError(
            f"--fat-fraction has no use in --mode {mode}", hint="leave one of them out", code="E_OPTION_CONFLICT"
        )
    if mode is T2Mode.LEGACY and options.b1 is not None:
        raise OptionError("--b1 has no use in --mode legacy", hint="leave one of them out", code="E_OPTION_CONFLICT")
    return mode


def _fit_water(
    mode: T2Mode, echoes: _Echoes, mask: NDArray[np.bool_] | None, options: MapT2Options
) -> tuple[dict[str, ParametricMap], dict[str, Any]]:
    if echoes.field_strength_t is None:
        raise OptionError(
            "field strength unknown: --field-strength-t needed",
            hint="give it in tesla, e.g. 3",
            code="E_FIELD_STRENGTH",
        )
    grid = echoes.volume.grid
    b1 = None if options.b1 is None else _read_map(options.b1, "transmit_field", Unit.ONE, grid, options)
    if b1 is not None:
        require_transmit_field(b1)
    fat_fraction = None
    if options.fat_fraction is not None:
        fat_fraction = _read_map(options.fat_fraction, "fat_fraction", Unit.PERCENT, grid, options)
    if options.slab_ratio is None:
        chosen, slab = with_slab_ratio(
            echoes.options,
            echoes.volume,
            echo_times_ms=echoes.times_ms,
            field_strength_t=echoes.field_strength_t,
            noise=echoes.noise,
            fat_fraction=fat_fraction,
        )
    else:
        chosen, slab = replace(echoes.options, slab_ratio=options.slab_ratio), "Refocusing slab given."
    extra: dict[str, Any] = {"slab": slab}
    if options.fat_mask is not None:
        fat = fit_fat_t2(
            echoes.volume,
            _read_mask(options.fat_mask, grid, "fat mask"),
            echo_times_ms=echoes.times_ms,
            field_strength_t=echoes.field_strength_t,
            noise_sd=echoes.noise.sd,
            profile=chosen.profile,
            refocusing_flip_deg=chosen.refocusing_flip_deg,
        )
        chosen = replace(chosen, fat_t2_ms=fat.t2_ms)
        extra["fat_t2_ms"] = {"value": fat.t2_ms, "interquartile": fat.interquartile_ms, "n_voxels": fat.n_voxels}
    if mode is T2Mode.JOINT:
        fitted = fit_joint(
            echoes.volume,
            echo_times_ms=echoes.times_ms,
            field_strength_t=echoes.field_strength_t,
            noise_sd=echoes.noise.sd,
            b1=b1,
            mask=mask,
            options=chosen,
        )
    else:
        assert fat_fraction is not None
        fitted = fit_two_pass(
            echoes.volume,
            echo_times_ms=echoes.times_ms,
            fat_fraction=fat_fraction,
            field_strength_t=echoes.field_strength_t,
            noise_sd=echoes.noise.sd,
            b1=b1,
            mask=mask,
            options=chosen,
        )
    maps = {
        "t2": fitted.t2,
        "t2_sd": fitted.sd,
        "b1": fitted.b1,
        "fat_signal_fraction": fitted.fat_signal_fraction,
        "residual": fitted.residual,
    }
    extra |= {
        "slice_profile": str(chosen.profile),
        "slab_ratio": chosen.slab_ratio if chosen.profile is ProfilePreset.HANN_SINC else None,
        "refocusing_flip_deg": chosen.refocusing_flip_deg,
        "repetition_time_ms": chosen.repetition_time_ms,
    }
    return maps, extra


def _read_echoes(paths: Sequence[Path], options: MapT2Options) -> _Echoes:
    if not paths:
        raise OptionError("no echoes given", hint="name a 4-D NIfTI, one 3-D NIfTI per echo, or a DICOM folder")
    for path in paths:
        if not path.exists():
            raise FileFormatError(f"{path.name}: no such file or folder", hint="check the path", code="E_NOT_FOUND")
    if len(paths) == 1 and (paths[0].is_dir() or not is_nifti_name(paths[0].name)):
        return _echoes_of_study(paths[0], options)
    volumes = [read_nifti(path) for path in paths]
    if not options.echo_times_ms:
        raise OptionError(
            "echo times unknown: --echo-times-ms needed for NIfTI echoes",
            hint="for example --echo-times-ms 9.5,19,28.5",
            code="E_ECHO_TIME",
        )
    if len(volumes) == 1:
        volume = volumes[0]
        if volume.data.ndim == 3:
            volume = Volume(volume.data[..., None], volume.grid)
    else:
        for number, item in enumerate(volumes[1:], start=2):
            require_same_grid(item.grid, volumes[0].grid, first_name=f"echo file {number}", second_name="echo file 1")
            if item.data.ndim != 3:
                raise InputError(
                    f"echo file {number} has shape {item.data.shape}: one 3-D volume per file needed",
                    hint="give one 4-D file, or one 3-D file per echo",
                )
        volume = Volume(np.stack([item.data for item in volumes], axis=-1), volumes[0].grid)
    return _with_noise(volume, options.echo_times_ms, options.field_strength_t, WaterT2Options(), options)


def _echoes_of_study(path: Path, options: MapT2Options) -> _Echoes:
    study = read_study(path)
    selected = select_echo_train(study, fewest=2 if options.mode is T2Mode.LEGACY else 5)
    if isinstance(selected, Missing):
        raise StudyError(selected.reason, hint="heliotrope inspect shows what the folder holds", code="E_NO_SERIES")
    (series,) = selected
    facts = series.acquisition
    given = options.echo_times_ms
    if given and (
        len(given) != len(facts.echo_times_ms) or not np.allclose(given, facts.echo_times_ms, rtol=0.0, atol=0.1)
    ):
        raise InputError(
            f"echo times given ({len(given)}, first {given[0]:g} ms) differ from the header's "
            f"({len(facts.echo_times_ms)}, first {facts.echo_times_ms[0]:g} ms; limit 0.1 ms)",
            hint="leave --echo-times-ms out to use the header's",
            code="E_ECHO_TIME",
        )
    stated = facts.field_strength_t
    if options.field_strength_t is not None and stated is not None and abs(options.field_strength_t - stated) > 0.2:
        raise InputError(
            f"field strength given is {options.field_strength_t:g} T, the header states {stated:g} T (limit 0.2 T)",
            hint="leave --field-strength-t out to use the header's",
            code="E_FIELD_STRENGTH",
        )
    volume = read_volume(series)
    header = fit_options(facts, NoiseEstimate(1.0, 1.0, "none"))
    return _with_noise(
        volume, facts.echo_times_ms, options.field_strength_t if stated is None else stated, header, options
    )


def _with_noise(
    volume: Volume,
    times_ms: tuple[float, ...],
    field_strength_t: float | None,
    header: WaterT2Options,
    options: MapT2Options,
) -> _Echoes:
    if volume.data.ndim == 3 or volume.n_frames < 2:
        raise InputError(
            f"{volume.n_frames} echo: at least 2 needed", hint="give all echoes of the series", code="E_ECHO_COUNT"
        )
    require_magnitudes(volume.data)
    given = options.noise_sd
    noise = usable_noise(volume) if given is None else NoiseEstimate(require_noise(given), 1.0, "given")
    angle = options.refocusing_flip_deg
    chosen = WaterT2Options(
        profile=options.profile or header.profile,
        refocusing_flip_deg=header.refocusing_flip_deg if angle is None else angle,
        repetition_time_ms=options.repetition_time_ms or header.repetition_time_ms,
        noise_channels=noise.channels,
    )
    return _Echoes(volume, times_ms, field_strength_t, chosen, noise)


def _read_map(path: Path, quantity: str, unit: Unit, grid: Grid, options: MapT2Options) -> ParametricMap:
    volume = _read_3d(path, quantity)
    values = volume.data.astype(np.float32)
    if unit is Unit.PERCENT:
        require_percent(values, name="fat-fraction map")
    found = ParametricMap(quantity, values, np.isfinite(values), volume.grid, unit, f"file {path.name}")
    if options.resample:
        return resample_map(found, grid)
    require_same_grid(volume.grid, grid, first_name=f"{quantity.replace('_', ' ')} map", second_name="echoes")
    return found


def _read_mask(path: Path, grid: Grid, name: str) -> NDArray[np.bool_]:
    volume = _read_3d(path, name)
    require_same_grid(volume.grid, grid, first_name=name, second_name="echoes")
    return np.asarray(np.nan_to_num(volume.data.astype(np.float32)) > 0.5)


def _read_3d(path: Path, name: str) -> Volume:
    if not path.is_file():
        raise FileFormatError(f"{name}: no such file", hint="check the path", code="E_NOT_FOUND")
    volume = read_nifti(path)
    if volume.data.ndim != 3 or np.iscomplexobj(volume.data):
        raise InputError(f"{name} has shape {volume.data.shape}: one real 3-D volume needed", hint="check the file")
    return volume


def _write(
    out: Path, mode: T2Mode, maps: Mapping[str, ParametricMap], echoes: _Echoes, extra: Mapping[str, Any]
) -> dict[str, Any]:
    t2 = maps["t2"]
    files = {}
    for name, item in maps.items():
        write_map(out / f"{name}.nii.gz", item)
        files[name] = f"{name}.nii.gz"
    write_volume(out / "valid.nii.gz", Volume(t2.valid.astype(np.float32), t2.grid))
    files["valid"] = "valid.nii.gz"
    inside = t2.values[t2.valid]
    typical = (
        None if inside.size == 0 else dict(zip(("p5", "p25", "median", "p75", "p95"), _quantiles(inside), strict=True))
    )
    answer: dict[str, Any] = {
        "quantity": t2.quantity,
        "unit": str(t2.unit),
        "mode": str(mode),
        "method": t2.method,
        "flags": [*t2.flags, *([extra["slab"]] if "slab" in extra else []), *echoes.noise.flags],
        "n_valid": int(inside.size),
        "invalid_reasons": dict(t2.invalid_reasons),
        "summary": typical,
        "echo_times_ms": list(echoes.times_ms),
        "field_strength_t": echoes.field_strength_t,
        "noise": {"sd": echoes.noise.sd, "channels": echoes.noise.channels, "method": echoes.noise.method},
        **{key: value for key, value in extra.items() if key != "slab"},
        "files": files,
    }
    write_text(out / "t2.json", json.dumps(answer, indent=2, allow_nan=False) + "\n")
    return answer


def _quantiles(values: NDArray[np.floating]) -> list[float]:
    return [round(float(value), 3) for value in np.percentile(values, [5.0, 25.0, 50.0, 75.0, 95.0])]
