"""Use case: ADC, IVIM and tensor maps from a diffusion series in files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.output_folder import writing
from heliotrope.domain.errors import FileFormatError, InputError
from heliotrope.domain.geometry import Grid, require_same_grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.io.atomic import write_text
from heliotrope.io.gradient_files import fsl_to_lps
from heliotrope.io.nifti import read_nifti, write_map, write_volume
from heliotrope.maps.adc import fit_adc
from heliotrope.maps.dti import (
    DtiMaps,
    TensorMethod,
    fit_dti,
    simulated_fa_inflation,
)
from heliotrope.maps.gradient_frame import check_gradient_frame
from heliotrope.maps.ivim import fit_ivim
from heliotrope.physics.diffusion import (
    LARGEST_B0,
    RICIAN_FA_INFLATION,
    RICIAN_FA_TRUE,
    SNR_NEEDED_FOR_FA,
    SNR_NEEDED_FOR_IVIM,
    DiffusionScheme,
    published_fa_inflation,
)

__all__ = ["TensorMethod", "map_adc", "map_dti", "map_ivim"]

SEED = 20_261_122
"""Seed of the bootstrap and of the inflation simulation: equal input gives equal output."""

DTI_FILES = {
    "mean_diffusivity": "md",
    "fractional_anisotropy": "fa",
    "radial_diffusivity": "rd",
    "diffusivity_l1": "l1",
    "diffusivity_l2": "l2",
    "diffusivity_l3": "l3",
}
"""File stem of each tensor map."""


def map_adc(
    image: Path, bval: Path, out: Path, *, minimum_b: float = 0.0, noise_sd: float | None = None
) -> dict[str, Any]:
    """Fit the ADC, write ``adc``, ``sd`` and ``valid`` as NIfTI and ``adc.json``; returns what the JSON holds."""
    volume = read_diffusion(image)
    result = fit_adc(volume, read_scheme(bval, None, volume.grid), minimum_b=minimum_b, noise_sd=noise_sd)
    files = {"adc": result.adc}
    if result.sd is not None:
        files["sd"] = result.sd
    extra = {"snr": result.snr, "noise_sd": result.noise_sd}
    return _write(out, "adc", files, result.adc, extra)


def map_ivim(image: Path, bval: Path, out: Path, *, mask: Path | None = None) -> dict[str, Any]:
    """Fit IVIM, write ``d.nii.gz``, ``f.nii.gz``, ``valid.nii.gz`` and ``ivim.json`` with the D* of the mask."""
    volume = read_diffusion(image)
    inside = None
    if mask is not None:
        region = read_nifti(mask)
        require_same_grid(volume.grid, region.grid, first_name="diffusion image", second_name="mask")
        inside = np.asarray(region.data) > 0
    scheme = read_scheme(bval, None, volume.grid)
    result = fit_ivim(volume, scheme, generator=np.random.default_rng(SEED), mask=inside)
    pseudo = result.pseudo_diffusivity
    extra: dict[str, Any] = {"snr": result.snr, "snr_needed": SNR_NEEDED_FOR_IVIM, "noise_sd": result.noise_sd}
    extra["pseudo_diffusivity"] = (
        None
        if pseudo is None
        else {
            "value": pseudo.value,
            "unit": "mm2/s",
            "ci95": list(pseudo.ci95),
            "fraction_of_mean_signal": pseudo.fraction,
            "n_voxels": pseudo.n_voxels,
            "at_bound": pseudo.at_bound,
            "of": "mask" if mask is not None else "every valid voxel",
        }
    )
    maps = {"d": result.diffusivity, "f": result.perfusion_fraction}
    return _write(out, "ivim", maps, result.diffusivity, extra)


def map_dti(
    image: Path, bval: Path, bvec: Path, out: Path, *, method: TensorMethod, minimum_b: float = 0.0, keep_frame: bool
) -> dict[str, Any]:
    """Fit the tensor, write ``md``, ``fa``, ``rd``, ``l1``..``l3``, ``v1`` and ``dti.json``.

    Raises
    ------
    InputError
        Among others ``E_BVEC_FRAME``: fibers contradict the frame of the b-vectors, unless `keep_frame`.
    """
    volume = read_diffusion(image)
    scheme = read_scheme(bval, bvec, volume.grid)
    result = fit_dti(volume, scheme, method=method, minimum_b=minimum_b)
    frame = check_gradient_frame(result.v1, result.fractional_anisotropy)
    if not keep_frame:
        frame.require()
    maps = {DTI_FILES[key]: item for key, item in result.maps.items()}
    extra = {**fa_context(result, scheme), "outlier_part": result.outlier_part, "noise_sd": result.noise_sd}
    extra["v1_axes"] = "NIfTI world axes: right, anterior, superior"
    extra["gradient_frame"] = asdict(frame)
    payload = _write(out, "dti", maps, result.mean_diffusivity, extra)
    # inside: left, posterior, superior; NIfTI world axes: right, anterior, superior
    vector = result.v1 * np.array([-1.0, -1.0, 1.0], dtype=np.float32)
    with writing(out):
        write_volume(out / "v1.nii.gz", Volume(vector, volume.grid))
    return payload


def fa_context(result: DtiMaps, scheme: DiffusionScheme) -> dict[str, Any]:
    """Signal-to-noise ratio and the FA inflation that goes with it, published curve and simulation of this scheme."""
    snr = result.snr
    published = simulated = None
    if snr is not None:
        value = published_fa_inflation(snr)
        published = None if np.isnan(value) else value
        simulated = simulated_fa_inflation(scheme, snr, np.random.default_rng(SEED))
    return {
        "snr": snr,
        "snr_needed": SNR_NEEDED_FOR_FA,
        "fa_trusted": snr is not None and snr >= SNR_NEEDED_FOR_FA,
        "fa_inflation_reference": published,
        "fa_inflation_simulated": simulated,
        "fa_inflation_curve": [
            {"snr": ratio, "fitted_fa": fitted, "true_fa": RICIAN_FA_TRUE} for ratio, fitted in RICIAN_FA_INFLATION
        ],
    }


def read_diffusion(path: Path) -> Volume:
    """A 4-D magnitude image."""
    volume = read_nifti(path)
    if volume.data.ndim != 4:
        raise InputError(
            f"diffusion image of shape {volume.data.shape}: four axes needed", hint="give all frames in one file"
        )
    if np.iscomplexobj(volume.data):
        raise InputError("diffusion image is complex: a magnitude is needed", hint="give the magnitude image")
    return volume


def read_scheme(bval: Path, bvec: Path | None, grid: Grid) -> DiffusionScheme:
    """b-values and directions of FSL text files, directions turned to patient axes (LPS).

    Notes
    -----
    FSL keeps b-vectors along the image axes, the first component negated when the affine has a positive determinant.
    """
    values = _numbers(bval).ravel()
    if bvec is None:
        return DiffusionScheme(tuple(float(v) for v in values))
    vectors = _numbers(bvec)
    if (vectors.shape[0] == 3 and vectors.shape[1] != 3) or vectors.shape == (3, 3):
        vectors = vectors.T
    if vectors.ndim != 2 or vectors.shape[1] != 3 or vectors.shape[0] != values.size:
        raise InputError(
            f"b-vectors of shape {vectors.shape} for {values.size} b-values",
            hint="give three rows (x, y, z) with one column per frame",
            code="E_BVEC_COUNT",
        )
    vectors = np.where((values <= LARGEST_B0)[:, None], np.nan_to_num(vectors), vectors)
    return DiffusionScheme(tuple(float(v) for v in values), fsl_to_lps(vectors.T, grid))


def _numbers(path: Path) -> NDArray[np.float64]:
    if not path.is_file():
        raise FileFormatError(f"no such file: {path.name}", hint="check the path", code="E_NOT_FOUND")
    try:
        lines = [line.replace(",", " ").split() for line in path.read_text(encoding="utf-8").splitlines()]
        table = np.array([[float(word) for word in line] for line in lines if line], dtype=np.float64)
    except (UnicodeDecodeError, ValueError) as error:
        raise FileFormatError(
            f"{path.suffix} file is not a table of numbers", hint="give a text file as FSL writes it"
        ) from error
    if table.size == 0:
        raise FileFormatError(f"{path.suffix} file is empty", hint="give a text file as FSL writes it")
    return table


def _write(
    out: Path, name: str, maps: Mapping[str, ParametricMap], main: ParametricMap, extra: Mapping[str, Any]
) -> dict[str, Any]:
    summary = {}
    for stem, item in maps.items():
        values = item.values[item.valid]
        if values.size:
            low, middle, high = (float(v) for v in np.percentile(values, [5, 50, 95]))
            summary[stem] = {"median": middle, "p5": low, "p95": high, "unit": item.unit.value}
    flags = list(dict.fromkeys(flag for item in maps.values() for flag in item.flags))
    payload = {
        "quantity": main.quantity,
        "unit": main.unit.value,
        "method": main.method,
        "n_valid": int(main.valid.sum()),
        "summary": summary,
        "flags": flags,
        "invalid_reasons": dict(main.invalid_reasons),
        "files": {**{stem: f"{stem}.nii.gz" for stem in maps}, "valid": "valid.nii.gz"},
        **extra,
    }
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for stem, item in maps.items():
            write_map(out / f"{stem}.nii.gz", item)
        write_volume(out / "valid.nii.gz", Volume(main.valid.astype(np.float32), main.grid))
        write_text(out / f"{name}.json", json.dumps(payload, indent=2, allow_nan=False) + "\n")
    return payload
