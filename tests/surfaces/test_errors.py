"""What a person or a program sees when something is wrong: one clear line with a code and a way out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from heliotrope.cli.main import main


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A NIfTI file that says nothing of how it was made."""
    path = tmp_path / "image.nii.gz"
    data = np.random.default_rng(1).random((8, 8, 3)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(data, np.diag([1.0, 1.0, 5.0, 1.0])), path)
    return path


def _fails(arguments: list[str], capsys: pytest.CaptureFixture[str], *, status: int) -> dict[str, str]:
    assert main([*arguments, "--json"]) == status
    answer: dict[str, str] = json.loads(capsys.readouterr().out)
    assert not answer["ok"]
    assert answer["hint"]
    assert main(arguments) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert answer["code"] in shown.err
    return answer


def test_a_path_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = _fails(["inspect", str(tmp_path / "nowhere")], capsys, status=1)
    assert answer["code"] == "E_NOT_FOUND"


def test_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    answer = _fails(["analyze", str(tmp_path / "empty"), "--out", str(tmp_path / "out")], capsys, status=1)
    assert answer["code"] == "E_EMPTY"
    assert not (tmp_path / "out").exists()


def test_a_folder_without_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "letter.txt").write_text("Dear Jane Doe")
    answer = _fails(["analyze", str(tmp_path / "text"), "--out", str(tmp_path / "out")], capsys, status=1)
    assert answer["code"] == "E_NO_IMAGES"
    assert "Jane" not in json.dumps(answer)


def test_an_unknown_command_and_an_unknown_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert _fails(["dissect"], capsys, status=2)["code"] == "E_USAGE"
    assert _fails(["inspect", str(tmp_path), "--colour"], capsys, status=2)["code"] == "E_USAGE"


def test_an_unknown_role_lists_the_roles(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["analyze", str(image), "--out", str(tmp_path / "out"), "--role", "t9"]
    answer = _fails(arguments, capsys, status=2)
    assert answer["code"] == "E_ROLE"
    assert "multi_echo_t2" in answer["hint"]


def test_an_unknown_plan_option(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("colour: red\n")
    arguments = ["analyze", str(image), "--out", str(tmp_path / "out"), "--plan", str(plan)]
    assert _fails(arguments, capsys, status=2)["code"] == "E_PLAN"


@pytest.mark.parametrize("text", ["[1, 2", "- a\n- b\n", "\x00\x01", "a: &a [*a]\n" * 3])
def test_a_damaged_plan(text: str, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(text)
    assert main(["analyze", str(image), "--out", str(tmp_path / "out"), "--plan", str(plan)]) in (1, 2)
    assert "E_PLAN" in capsys.readouterr().err


def test_an_image_without_role_gives_a_report_that_says_what_is_missing(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(image), "--out", str(tmp_path / "out"), "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "partial"
    assert answer["maps"] == []
    assert all(item["missing"]["reason"] for item in answer["not_assessed"])
    assert (tmp_path / "out" / "report.html").is_file()


def test_an_output_folder_in_use(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.docx").write_text("precious")
    assert _fails(["analyze", str(image), "--out", str(out)], capsys, status=1)["code"] == "E_OUTPUT_IN_USE"
    assert [path.name for path in out.iterdir()] == ["thesis.docx"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert _fails(["analyze", str(image), "--out", str(locked / "out")], capsys, status=1)["code"] == "E_NO_PERMISSION"


def test_a_full_disk_is_one_clear_line(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("heliotrope.app.output_folder.tempfile.mkdtemp", full)
    arguments = ["analyze", str(image), "--out", str(tmp_path / "out"), "--role", "t1"]
    assert _fails(arguments, capsys, status=1)["code"] == "E_DISK_FULL"
