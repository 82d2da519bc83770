"""``heliotrope map adc``, ``ivim`` and ``dti`` from files to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from heliotrope.cli.main import main
from heliotrope.cli.shell import ExitStatus
from heliotrope.phantoms.diffusion import muscle_tensor_block, pennate_limb, perfused_block, tensor_scheme
from heliotrope.physics.diffusion import DiffusionScheme

AFFINE = np.diag([-2.5, 2.5, 6.0, 1.0])


def _files(folder: Path, data: np.ndarray, scheme: DiffusionScheme) -> list[str]:
    nibabel.save(nibabel.Nifti1Image(np.asarray(data, dtype=np.float32), AFFINE), folder / "dwi.nii.gz")
    np.savetxt(folder / "dwi.bval", scheme.b[None], fmt="%g")
    if scheme.directions:
        np.savetxt(folder / "dwi.bvec", np.array(scheme.directions).T, fmt="%.6f")
    return [str(folder / "dwi.nii.gz"), "--bval", str(folder / "dwi.bval")]


def _answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_dti_writes_every_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scheme = tensor_scheme(500.0, 15, 2, np.random.default_rng(0))
    block = muscle_tensor_block(np.random.default_rng(1), scheme, snr=50.0, shape=(8, 8, 4))
    arguments = ["map", "dti", *_files(tmp_path, np.asarray(block.volume.data), scheme)]
    arguments += ["--bvec", str(tmp_path / "dwi.bvec"), "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) == ExitStatus.OK
    answer = _answer(capsys)
    for name in ("md", "fa", "l1", "l2", "l3", "rd", "v1", "valid"):
        assert (tmp_path / "out" / f"{name}.nii.gz").is_file()
    values = np.asarray(nibabel.load(tmp_path / "out" / "md.nii.gz").dataobj)
    assert float(np.nanmean(values)) == pytest.approx(1.6e-3, rel=0.01)
    assert answer["snr"] == pytest.approx(50.0, rel=0.15)
    assert answer["fa_inflation_simulated"] is not None
    assert answer["fa_trusted"] is True


def test_adc_and_ivim_write_their_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scheme = DiffusionScheme(tuple(float(b) for b in np.repeat([0, 20, 50, 100, 200, 400, 600, 800], 3)))
    block = perfused_block(np.random.default_rng(1), scheme, snr=60.0, shape=(8, 8, 4))
    files = _files(tmp_path, np.asarray(block.volume.data), scheme)
    assert main(["map", "adc", *files, "--out", str(tmp_path / "adc"), "--json"]) == ExitStatus.OK
    assert _answer(capsys)["unit"] == "mm2/s"
    assert main(["map", "ivim", *files, "--out", str(tmp_path / "ivim"), "--json"]) == ExitStatus.OK
    answer = _answer(capsys)
    assert answer["pseudo_diffusivity"]["ci95"][0] < answer["pseudo_diffusivity"]["ci95"][1]
    assert not (tmp_path / "ivim" / "dstar.nii.gz").exists()
    assert float(np.nanmean(np.asarray(nibabel.load(tmp_path / "ivim" / "d.nii.gz").dataobj))) == pytest.approx(
        1.46e-3, rel=0.03
    )


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ("length", "E_BVEC_LENGTH"),
        ("count", "E_BVEC_COUNT"),
        ("bval_count", "E_INPUT"),
        ("bval_text", "E_FILE"),
        ("bval_missing", "E_NOT_FOUND"),
        ("three_d", "E_INPUT"),
    ],
)
def test_bad_input_is_one_clear_line(spoil: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scheme = tensor_scheme(500.0, 8, 1, np.random.default_rng(0))
    data = np.asarray(muscle_tensor_block(np.random.default_rng(1), scheme, snr=50.0, shape=(4, 4, 4)).volume.data)
    files = _files(tmp_path, data[..., 0] if spoil == "three_d" else data, scheme)
    vectors = np.array(scheme.directions).T
    if spoil == "length":
        np.savetxt(tmp_path / "dwi.bvec", vectors * 0.7)
    elif spoil == "count":
        np.savetxt(tmp_path / "dwi.bvec", vectors[:, :6])
    elif spoil == "bval_count":
        np.savetxt(tmp_path / "dwi.bval", scheme.b[None, :6], fmt="%g")
        np.savetxt(tmp_path / "dwi.bvec", vectors[:, :6])
    elif spoil == "bval_text":
        (tmp_path / "dwi.bval").write_text("zero five hundred")
    elif spoil == "bval_missing":
        (tmp_path / "dwi.bval").unlink()
    arguments = ["map", "dti", *files, "--bvec", str(tmp_path / "dwi.bvec"), "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) != ExitStatus.OK
    answer = _answer(capsys)
    assert answer["code"] == code
    assert not (tmp_path / "out").exists()


def test_a_table_in_a_wrong_frame_is_refused_unless_it_is_to_be_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scheme = tensor_scheme(600.0, 15, 3, np.random.default_rng(0))
    limb = pennate_limb(np.random.default_rng(1), scheme, snr=60.0, shape=(36, 36, 12)).volume
    nibabel.save(nibabel.Nifti1Image(np.asarray(limb.data), np.diag([-3.0, 3.0, 6.0, 1.0])), tmp_path / "dwi.nii.gz")
    np.savetxt(tmp_path / "dwi.bval", scheme.b[None], fmt="%g")
    # the third axis first
    np.savetxt(tmp_path / "dwi.bvec", np.array(scheme.directions).T[[2, 1, 0]], fmt="%.6f")
    arguments = ["map", "dti", str(tmp_path / "dwi.nii.gz"), "--bval", str(tmp_path / "dwi.bval")]
    arguments += ["--bvec", str(tmp_path / "dwi.bvec"), "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) != ExitStatus.OK
    assert _answer(capsys)["code"] == "E_BVEC_FRAME"
    assert not (tmp_path / "out").exists()
    assert main([*arguments, "--keep-frame"]) == ExitStatus.OK
    assert _answer(capsys)["gradient_frame"]["verdict"] == "contradicted"
