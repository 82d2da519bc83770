"""Diffusion series of the thigh phantom against what was put in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heliotrope.app import phantom as phantom_module
from heliotrope.app.phantom import bundle_of, write_phantom
from heliotrope.app.phantom_bundle import PhantomEntry
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.study import Role
from heliotrope.io.intake import read_study
from heliotrope.io.nifti import read_nifti
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study
from heliotrope.phantoms.diffusion_signal import displaced
from heliotrope.phantoms.mr_protocol import Sequence
from heliotrope.phantoms.study import PhantomStudy

SMALL = replace(
    SCENES["diffusion"].protocol,
    matrix=(152, 80),
    pixel_mm=2.5,
    n_slices=3,
    sequences=(Sequence.DIFFUSION,),
    diffusion_shells=((0.0, 2), (600.0, 12)),
)


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return build_thigh_study("diffusion", replace(SCENES["diffusion"], protocol=SMALL), 0)


@pytest.mark.parametrize("image_format", ["nifti", "dicom"])
def test_a_written_diffusion_series_states_b_values_and_directions(
    image_format: str, study: PhantomStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phantom_module, "PHANTOMS", {"diffusion": PhantomEntry(study.note, lambda _: bundle_of(study))})
    write_phantom("diffusion", tmp_path / "p", 0, image_format)
    (series,) = read_study(tmp_path / "p").with_role(Role.DWI)
    facts = study.series[0].acquisition
    assert series.acquisition.b_values_s_per_mm2 == facts.b_values_s_per_mm2
    np.testing.assert_allclose(series.acquisition.b_vectors_lps, facts.b_vectors_lps, atol=1e-5)


def test_maps_of_the_written_series_hold_the_diffusivity_and_the_directions_put_in(
    study: PhantomStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(phantom_module, "PHANTOMS", {"diffusion": PhantomEntry(study.note, lambda _: bundle_of(study))})
    write_phantom("diffusion", tmp_path / "p", 0, "nifti")
    image = next((tmp_path / "p").glob("*_dwi.nii.gz"))
    stem = image.name.removesuffix(".nii.gz")
    tables = ["--bval", str(image.with_name(f"{stem}.bval")), "--bvec", str(image.with_name(f"{stem}.bvec"))]
    assert main(["map", "dti", str(image), *tables, "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gradient_frame"]["verdict"] != "contradicted"
    md = np.asarray(read_nifti(tmp_path / "out" / "md.nii.gz").data)
    v1 = np.asarray(read_nifti(tmp_path / "out" / "v1.nii.gz").data) * np.array([-1.0, -1.0, 1.0])
    edema = study.truth_maps["edema_fraction"].values
    put_in = np.stack([study.truth_maps[f"fiber_{word}"].values for word in ("left", "posterior", "superior")], axis=-1)
    for muscle, expected in (("adductor_magnus", 1.82e-3), ("semitendinosus", 1.517e-3)):
        inside = study.truth_labels.mask(Region(muscle, Side.LEFT)) & np.isfinite(md)
        inside &= np.nan_to_num(edema, nan=50.0) > 99.0 if muscle == "adductor_magnus" else inside
        # olefinic fat that stays in the signal lowers diffusivity by up to 3 %
        assert float(np.median(md[inside])) == pytest.approx(expected, rel=0.04)
        turned = np.degrees(np.arccos(np.clip(np.abs((v1 * put_in).sum(axis=-1)[inside]), 0.0, 1.0)))
        assert float(np.nanmedian(turned)) < 10.0


def test_off_resonance_moves_signal_along_the_second_axis_and_keeps_it() -> None:
    signal = np.zeros((2, 9, 1, 1))
    signal[0, 4] = signal[1, 4] = 10.0
    moved = displaced(signal, np.array([2.25, 0.0])[:, None, None] * np.ones((2, 9, 1)))
    np.testing.assert_allclose(moved[0, :, 0, 0], [0, 0, 0, 0, 0, 0, 7.5, 2.5, 0])
    np.testing.assert_allclose(moved[1], signal[1])
