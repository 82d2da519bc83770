"""`heliotrope analyze --engine`: labels of an engine that a site installed, through stand-in programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heliotrope.backends.segmenter import EngineSettings
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io import nifti
from tests.backends.stand_in_engines import MUSCLEMAP, musclemap, nnunet, totalsegmentator
from tests.segment import limbs

ONLY = [word for stage in ("tissues", "person-labels", "measurements") for word in ("--only", stage)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    image = folder / "t2.nii.gz"
    nifti.write_volume(image, limbs.multi_echo(limbs.draw(spacing_mm=2.5, slices=2)))
    acquisition = Acquisition(modality=Modality.MR, echo_times_ms=limbs.ECHO_TIMES_MS)
    nifti.write_sidecar(image, acquisition, role=Role.MULTI_ECHO_T2, synthetic=True)
    return folder


@pytest.fixture(autouse=True)
def _no_network(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("muscles: none\n")


def _environment(tmp_path: Path) -> Path:
    """The `bin` of an environment in which TotalSegmentator 2.9.0 is installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    _install(tmp_path, "2.9.0")
    return programs


def _install(environment: Path, version: str) -> None:
    package = environment / "lib" / "python3.12" / "site-packages" / "totalsegmentator.dist-info"
    package.mkdir(parents=True, exist_ok=True)
    (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: TotalSegmentator\nVersion: {version}\n")


def _arguments(study: Path, out: Path, engine: str, settings: EngineSettings, *more: str) -> list[str]:
    places = ["--program", f"{engine}={settings.programs[engine]}"]
    places += ["--weights", f"{engine}={settings.weights_folders[engine]}"]
    places += ["--plan", str(out.parent / "plan.yaml")]
    return ["analyze", str(study), "--out", str(out), "--engine", engine, *places, *ONLY, *more]


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _step(out: Path, name: str = "person-labels") -> dict[str, Any]:
    (step,) = (step for step in _json(out / "run.json")["stages"] if step["name"].startswith(name))
    return dict(step)


def test_labels_of_totalsegmentator_are_measured_completed_and_checked(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = totalsegmentator(_environment(tmp_path), (850, 851))
    assert main(_arguments(study, out, "totalsegmentator", settings)) == 0
    labels = nifti.read_labels(out / "labels.nii.gz", out / "labels.json")
    gluteus = labels.mask(Region("gluteus_maximus", Side.LEFT))
    assert gluteus[0].all()
    assert not gluteus[1:].any()
    structures = {region.structure for region in labels.legend.values()}
    assert {"gluteus_maximus", "femur", "subcutaneous_fat"} <= structures
    assert "muscle" not in structures
    result = _json(out / "result.json")
    assert result["labels"]["source"] == "totalsegmentator 2.9.0 total_mr"
    assert "label-order" in {check["name"] for check in result["quality"]}
    measured = {item["region"]["structure"] for item in result["measurements"] if item["quantity"] == "volume"}
    assert {"gluteus_maximus", "femur", "subcutaneous_fat"} <= measured
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "totalsegmentator 2.9.0 total_mr" in page
    assert str(tmp_path) not in page + (out / "run.json").read_text(encoding="utf-8")


def test_another_version_of_the_engine_runs_again_and_the_same_does_not(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = _arguments(study, out, "totalsegmentator", totalsegmentator(_environment(tmp_path), (850, 851)))
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert _step(out)["reused"]
    _install(tmp_path, "2.10.0")
    assert main(arguments) == 0
    assert not _step(out)["reused"]
    assert _step(out, "tissues")["reused"]
    assert _json(out / "result.json")["labels"]["source"] == "totalsegmentator 2.10.0 total_mr"


def test_a_region_of_musclemap(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = musclemap(tmp_path, MUSCLEMAP)
    assert main(_arguments(study, out, "musclemap", settings, "--engine-task", "thigh")) == 0
    labels = nifti.read_labels(out / "labels.nii.gz", out / "labels.json")
    assert labels.mask(Region("vastus_lateralis", Side.LEFT))[0].all()


def test_an_nnunet_folder_named_in_a_plan_file(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "plan.yaml").write_text("engine: nnunet\nmuscles: none\n")
    arguments = _arguments(study, out, "nnunet", nnunet(tmp_path))
    at = arguments.index("--engine")
    assert main(arguments[:at] + arguments[at + 2 :]) == 0
    assert _json(out / "result.json")["labels"]["source"] == "nnunet of unknown version model"


def test_an_engines_labels_are_corrected_without_the_engine(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = totalsegmentator(_environment(tmp_path), (850, 851))
    assert main(_arguments(study, out, "totalsegmentator", settings)) == 0
    Path(settings.programs["totalsegmentator"]).unlink()
    labels = nifti.read_labels(out / "labels.nii.gz", out / "labels.json")
    number = next(n for n, region in labels.legend.items() if region.structure == "gluteus_maximus")
    values = np.array(labels.labels)
    values[2] = number
    corrected = tmp_path / "corrected.nii.gz"
    nifti.write_labels(corrected, type(labels)(values, labels.grid, labels.legend, "person"))
    assert main(["relabel", str(out), "--labels", str(corrected)]) == 0
    after = nifti.read_labels(out / "labels.nii.gz", out / "labels.json")
    assert after.mask(Region("gluteus_maximus", Side.LEFT))[2].all()
    assert _json(out / "result.json")["labels"]["source"] == "person"


def _refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main([*arguments, "--json"]) != 0
    answer: dict[str, str] = json.loads(capsys.readouterr().out)
    assert answer["hint"]
    return answer


def test_an_engine_that_is_not_installed_is_refused_with_the_way_out(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    answer = _refusal(["analyze", str(study), "--out", str(out), "--engine", "musclemap"], capsys)
    assert "mm_segment" in answer["error"]
    assert "heliotrope engines" in answer["hint"]
    assert not (out / "result.json").exists()


def test_a_licensed_task_runs_only_with_a_key(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("quadriceps_femoris_left",)
    settings = totalsegmentator(_environment(tmp_path), (850, 851, 857), names=names)
    task = ["--engine-task", "thigh_shoulder_muscles_mr"]
    arguments = _arguments(study, tmp_path / "out", "totalsegmentator", settings, *task)
    monkeypatch.delenv("HELIOTROPE_TOTALSEGMENTATOR_LICENSE", raising=False)
    assert "license key" in _refusal(arguments, capsys)["error"]
    monkeypatch.setenv("HELIOTROPE_TOTALSEGMENTATOR_LICENSE", "aca_0000")
    assert main(arguments) == 0
    kept = [path.read_bytes() for path in (tmp_path / "out").rglob("*.json")]
    assert not any(b"aca_0000" in content for content in kept)


def test_a_task_for_ct_is_refused_on_mr(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = totalsegmentator(_environment(tmp_path), (291, 292, 293, 294, 295))
    arguments = _arguments(study, tmp_path / "out", "totalsegmentator", settings, "--engine-task", "total")
    assert _refusal(arguments, capsys)["code"] == "E_ENGINE_IMAGE"


def test_labels_and_an_engine_exclude_one_another(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["analyze", str(study), "--out", str(tmp_path / "out"), "--engine", "nnunet", "--labels", "mine.nii.gz"]
    assert "exclude" in _refusal(arguments, capsys)["error"]


def test_an_engine_that_fails_leaves_the_automatic_labels_and_the_reason(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = musclemap(tmp_path, 'sys.exit("out of memory")')
    assert main(_arguments(study, out, "musclemap", settings, "--engine-task", "thigh")) == 3
    result = _json(out / "result.json")
    assert result["status"] == "partial"
    (left_out,) = (item for item in result["not_assessed"] if item["quantity"] == "engine_labels")
    assert "out of memory" in json.dumps(left_out)
    assert result["labels"]["source"] != "person"
