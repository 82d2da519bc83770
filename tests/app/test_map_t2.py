"""``heliotrope map t2``: files in, maps and JSON out."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from heliotrope.app.map_grids import resample_map
from heliotrope.app.map_t2 import echo_times_from
from heliotrope.cli.main import main
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.io.nifti import write_map, write_volume
from heliotrope.phantoms.t2_grid import T2Grid, make_t2_grid

FIT_MS = 1.5
"""Mean error at a signal-to-noise ratio of 80 with the fat fraction known; a wrong unit or order errs by far more."""


@pytest.fixture(scope="module")
def phantom() -> T2Grid:
    return make_t2_grid(
        t2_levels_ms=(32.0, 40.0, 55.0),
        fat_levels_percent=(1.0, 6.0, 12.0),
        b1_range=(0.8, 1.05),
        signal_to_noise=80.0,
        generator=np.random.default_rng(11),
        repeats=(1, 1),
    )


@pytest.fixture(scope="module")
def files(phantom: T2Grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("echoes")
    write_volume(folder / "echoes.nii.gz", phantom.echoes)
    for n in range(phantom.echoes.n_frames):
        write_volume(folder / f"echo{n + 1:02d}.nii.gz", phantom.echoes.frame(n))
    write_map(folder / "fat.nii.gz", phantom.fat_fraction)
    write_map(folder / "b1.nii.gz", phantom.b1_map)
    return folder


def _times(phantom: T2Grid, separator: str = ",") -> str:
    return separator.join(str(time) for time in phantom.echo_times_ms)


def _read(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).get_fdata())


def test_one_file_with_a_fat_fraction_gives_two_pass_maps(
    phantom: T2Grid, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["map", "t2", str(files / "echoes.nii.gz"), "--echo-times-ms", _times(phantom)]
    arguments += ["--fat-fraction", str(files / "fat.nii.gz"), "--field-strength-t", "3", "--out", str(tmp_path)]
    arguments += ["--repetition-time-ms", "3000", "--json"]
    assert main(arguments) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert answer == {"ok": True, **json.loads((tmp_path / "t2.json").read_text())}
    assert (answer["mode"], answer["quantity"], answer["unit"]) == ("two-pass", "water_t2", "ms")
    assert {"t2", "t2_sd", "b1", "residual", "valid"} <= set(answer["files"])
    t2, valid = _read(tmp_path / "t2.nii.gz"), _read(tmp_path / "valid.nii.gz")
    assert np.array_equal(valid == 1.0, np.isfinite(t2))
    assert valid[phantom.body].mean() > 0.98
    assert np.nanmean(np.abs(t2 - phantom.t2_ms)[phantom.body]) < FIT_MS
    assert np.isnan(t2[~phantom.body]).mean() > 0.99
    assert np.nanmean(np.abs(_read(tmp_path / "b1.nii.gz") - phantom.b1)[phantom.body]) < 0.05


def test_one_file_per_echo_gives_what_one_file_gives(phantom: T2Grid, files: Path, tmp_path: Path) -> None:
    common = ["--fat-fraction", str(files / "fat.nii.gz"), "--field-strength-t", "3"]
    echoes = sorted(str(path) for path in files.glob("echo[0-9]*.nii.gz"))
    spaced = _times(phantom, " ").split()
    assert main(["map", "t2", *echoes, "--echo-times-ms", *spaced, *common, "--out", str(tmp_path / "many")]) == 0
    one = str(files / "echoes.nii.gz")
    assert (
        main(["map", "t2", one, "--echo-times-ms", _times(phantom, ", "), *common, "--out", str(tmp_path / "one")]) == 0
    )
    np.testing.assert_array_equal(_read(tmp_path / "many/t2.nii.gz"), _read(tmp_path / "one/t2.nii.gz"))


def test_without_a_fat_fraction_the_joint_fit_is_flagged(
    phantom: T2Grid, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["map", "t2", str(files / "echoes.nii.gz"), "--echo-times-ms", _times(phantom)]
    assert main([*arguments, "--field-strength-t", "3", "--out", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["mode"] == "joint"
    assert "fat not independently measured, T2 imprecise" in answer["flags"]


def test_the_legacy_mode_has_its_own_quantity(
    phantom: T2Grid, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["map", "t2", str(files / "echoes.nii.gz"), "--echo-times-ms", _times(phantom), "--mode", "legacy"]
    assert main([*arguments, "--out", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["quantity"] == "legacy_t2"
    assert any("legacy" in flag for flag in answer["flags"])
    assert np.nanmedian(_read(tmp_path / "t2.nii.gz")[phantom.body]) > np.median(phantom.t2_ms[phantom.body]) + 5.0


def test_a_measured_field_and_a_mask_are_used(
    phantom: T2Grid, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = phantom.body.copy()
    half[half.shape[0] // 2 :] = False
    write_volume(tmp_path / "mask.nii.gz", Volume(half.astype(np.float32), phantom.echoes.grid))
    arguments = ["map", "t2", str(files / "echoes.nii.gz"), "--echo-times-ms", _times(phantom)]
    arguments += ["--fat-fraction", str(files / "fat.nii.gz"), "--b1", str(files / "b1.nii.gz")]
    arguments += ["--mask", str(tmp_path / "mask.nii.gz"), "--field-strength-t", "3", "--out", str(tmp_path)]
    assert main([*arguments, "--json"]) == 0
    assert "Transmit field taken from a measured map." in json.loads(capsys.readouterr().out)["flags"]
    assert not _read(tmp_path / "valid.nii.gz")[~half].any()


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"--echo-times-ms": None}, "E_ECHO_TIME", 2),
        ({"--echo-times-ms": "9.5,nine"}, "E_ECHO_TIME", 1),
        ({"--echo-times-ms": "9.5,19"}, "E_ECHO_COUNT", 1),
        ({"--field-strength-t": None}, "E_FIELD_STRENGTH", 2),
        ({"--field-strength-t": "7"}, "E_FIELD_STRENGTH", 1),
        ({"--fat-fraction": None, "--mode": "two-pass"}, "E_FAT_FRACTION_NEEDED", 2),
        ({"--mode": "joint"}, "E_OPTION_CONFLICT", 2),
        ({"--mode": "magic"}, "E_USAGE", 2),
        ({"--fat-fraction": "nowhere.nii.gz"}, "E_NOT_FOUND", 1),
        ({"--noise-sd": "0"}, "E_NOISE", 1),
    ],
)
def test_bad_input_is_one_clear_error(
    phantom: T2Grid,
    files: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str | None],
    code: str,
    status: int,
) -> None:
    options: dict[str, str | None] = {
        "--echo-times-ms": _times(phantom),
        "--fat-fraction": str(files / "fat.nii.gz"),
        "--field-strength-t": "3",
    }
    options |= changes
    given = [word for name, value in options.items() if value is not None for word in (name, value)]
    assert main(["map", "t2", str(files / "echoes.nii.gz"), *given, "--out", str(tmp_path / "o"), "--json"]) == status
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["code"]) == (False, code)
    assert answer["hint"]
    assert not (tmp_path / "o").exists()


def test_a_fat_fraction_of_another_grid_is_refused_or_carried_over(
    phantom: T2Grid, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine_shape = (phantom.echoes.grid.shape[0] * 2, phantom.echoes.grid.shape[1] * 2, 1)
    matrix = phantom.echoes.grid.matrix
    matrix[:2, :2] /= 2.0
    matrix[:2, 3] -= 0.375
    fine = np.repeat(np.repeat(phantom.fat_percent, 2, axis=0), 2, axis=1).astype(np.float32)
    grid = Grid.from_matrix(fine_shape, matrix)
    map_ = ParametricMap("fat_fraction", fine, np.ones(fine_shape, dtype=bool), grid, Unit.PERCENT, "truth")
    write_map(tmp_path / "fine.nii.gz", map_)
    arguments = ["map", "t2", str(files / "echoes.nii.gz"), "--echo-times-ms", _times(phantom)]
    arguments += ["--fat-fraction", str(tmp_path / "fine.nii.gz"), "--field-strength-t", "3", "--out", str(tmp_path)]
    assert main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "E_GEOMETRY"
    assert main([*arguments, "--resample", "--repetition-time-ms", "3000"]) == 0
    assert np.nanmean(np.abs(_read(tmp_path / "t2.nii.gz") - phantom.t2_ms)[phantom.body]) < FIT_MS


def test_carrying_a_map_over_averages_and_keeps_holes() -> None:
    source = Grid.from_spacing((8, 8, 4), (1.0, 1.0, 2.0))
    values = np.arange(256, dtype=np.float32).reshape(8, 8, 4)
    valid = np.ones(source.shape, dtype=bool)
    valid[:2, :2] = False
    matrix = np.diag([2.0, 2.0, 4.0, 1.0])
    matrix[:3, 3] = (0.5, 0.5, 1.0)
    coarse = Grid.from_matrix((4, 4, 2), matrix)
    carried = resample_map(ParametricMap("x", values, valid, source, Unit.ONE, "m"), coarse)
    expected = values.reshape(4, 2, 4, 2, 2, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(carried.values[1:3, 1:3], expected[1:3, 1:3], rtol=1e-5)
    assert not carried.valid[0, 0].any()


@pytest.mark.parametrize("text", ["9.5,19,28.5", "9.5 19 28.5", " 9.5, 19 ;28.5 "])
def test_echo_times_may_be_separated_by_commas_or_spaces(text: str) -> None:
    assert echo_times_from(text) == (9.5, 19.0, 28.5)
