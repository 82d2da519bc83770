"""``heliotrope map fat-fraction`` from files to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from heliotrope.cli.main import main
from heliotrope.cli.shell import ExitStatus
from heliotrope.phantoms.dixon import DixonThighs, acquire, dixon_thighs

TIMES = (1.15, 2.10, 3.05, 4.00, 4.95, 5.90)
AFFINE = np.diag([4.0, 4.0, 10.0, 1.0])


@pytest.fixture(scope="module")
def thighs() -> tuple[DixonThighs, np.ndarray]:
    """Object and complex echoes."""
    generator = np.random.default_rng(3)
    truth = dixon_thighs(generator, shape=(88, 48, 2))
    volume = acquire(truth, echo_times_ms=TIMES, field_strength_t=3.0, snr=60.0, generator=generator)
    return truth, np.asarray(volume.data)


def _save(path: Path, data: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(data.astype(np.float32), AFFINE), path)
    return path


def _answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def _phase(data: np.ndarray, units: str) -> np.ndarray:
    angle = np.angle(data)
    scaled = {
        "radians": angle,
        "degrees": np.rad2deg(angle),
        "scanner-0-4095": np.round((angle + np.pi) / (2 * np.pi) * 4095),
        "scanner-4096": np.round(angle / np.pi * 4095),
    }
    return np.asarray(scaled[units])


@pytest.mark.parametrize("units", ["radians", "degrees", "scanner-0-4095", "scanner-4096"])
def test_echo_files_become_percent_whatever_the_unit_of_the_phase(
    units: str, thighs: tuple[DixonThighs, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, data = thighs
    magnitude = [_save(tmp_path / f"m{j}.nii.gz", np.abs(data[..., j])) for j in range(6)]
    phase = [_save(tmp_path / f"p{j}.nii.gz", _phase(data[..., j], units)) for j in range(6)]
    arguments = ["map", "fat-fraction", "--magnitude", *map(str, magnitude), "--phase", *map(str, phase)]
    arguments += ["--echo-times-ms", ",".join(map(str, TIMES)), "--field-strength-t", "3", "--json"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == ExitStatus.OK
    answer = _answer(capsys)
    assert any(units in action for action in answer["actions"])
    for name in ("fat_fraction", "water", "fat", "field_map", "r2star", "valid", "sd"):
        assert (tmp_path / "out" / f"{name}.nii.gz").is_file()
    image = nibabel.load(tmp_path / "out" / "fat_fraction.nii.gz")
    np.testing.assert_allclose(image.affine, AFFINE)
    error = np.asarray(image.dataobj) - truth.percent
    assert abs(float(np.nanmean(error[truth.muscle]))) < 0.5


def test_one_4d_file_each_and_times_with_spaces_do_as_well(
    thighs: tuple[DixonThighs, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, data = thighs
    magnitude = _save(tmp_path / "m.nii.gz", np.abs(data))
    phase = _save(tmp_path / "p.nii.gz", np.angle(data))
    arguments = ["map", "fat-fraction", "--magnitude", str(magnitude), "--phase", str(phase), "--field-strength-t", "3"]
    arguments += ["--echo-times-ms", *map(str, TIMES), "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) == ExitStatus.OK
    assert _answer(capsys)["summary"]["median"] > 0
    values = np.asarray(nibabel.load(tmp_path / "out" / "fat_fraction.nii.gz").dataobj)
    assert float(np.nanmedian(values[truth.subcutis])) > 85.0


def test_water_and_fat_images_need_no_echo_times(
    thighs: tuple[DixonThighs, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, _ = thighs
    fraction = np.nan_to_num(truth.percent) / 100
    water = _save(tmp_path / "w.nii.gz", truth.density * (1 - fraction))
    fat = _save(tmp_path / "f.nii.gz", truth.density * fraction)
    arguments = ["map", "fat-fraction", "--water", str(water), "--fat", str(fat), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--json"]) == ExitStatus.OK
    assert any("T1 bias unknown" in flag for flag in _answer(capsys)["flags"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"times": "4.0,2.1,3.05,1.15,4.95,5.9"}, "E_INPUT"),
        ({"times": "1.15"}, "E_INPUT"),
        ({"times": "-1.15,2.10,3.05,4.00,4.95,5.90"}, "E_INPUT"),
        ({"times": ""}, "E_OPTION"),
        ({"times": "one,two"}, "E_OPTION"),
        ({"field": ""}, "E_OPTION"),
        ({"field": "30000"}, "E_INPUT"),
        ({"phase": 5}, "E_PHASE_COUNT"),
        ({"scale": 3.0}, "E_PHASE_SCALE"),
        ({"nan": True}, "E_INPUT"),
        ({"zero": True}, "E_INPUT"),
        ({"grid": True}, "E_GEOMETRY"),
        ({"units": "furlongs"}, "E_OPTION"),
    ],
)
def test_bad_input_is_one_clear_line(
    change: dict[str, Any],
    code: str,
    thighs: tuple[DixonThighs, np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = np.array(thighs[1])
    magnitude = np.abs(data) * (0.0 if change.get("zero") else 1.0)
    phase = np.angle(data) * change.get("scale", 1.0)
    if change.get("nan"):
        magnitude[0, 0, 0, 0] = np.nan
    magnitudes = [_save(tmp_path / f"m{j}.nii", magnitude[..., j]) for j in range(6)]
    if change.get("grid"):
        nibabel.save(nibabel.Nifti1Image(magnitude[..., 3].astype(np.float32), np.diag([4, 4, 9, 1.0])), magnitudes[3])
    phases = [_save(tmp_path / f"p{j}.nii", phase[..., j]) for j in range(change.get("phase", 6))]
    arguments = ["map", "fat-fraction", "--magnitude", *map(str, magnitudes), "--phase", *map(str, phases)]
    times = change.get("times", ",".join(map(str, TIMES)))
    if times:
        arguments += ["--echo-times-ms", times]
    field = change.get("field", "3")
    if field:
        arguments += ["--field-strength-t", field]
    if "units" in change:
        arguments += ["--phase-units", change["units"]]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--json"]) != ExitStatus.OK
    answer = _answer(capsys)
    assert answer["ok"] is False
    assert answer["code"] == code
    assert answer["hint"]
    assert not (tmp_path / "out").exists()
