"""The folder a run writes."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from heliotrope.app import output_folder
from heliotrope.domain.errors import OutputError


def _publish(folder: Path, text: str) -> None:
    with output_folder.publishing(folder) as fresh:
        (fresh / "maps").mkdir()
        (fresh / "maps" / f"{text}.txt").write_text(text)
        (fresh / "report.html").write_text(text)
        (fresh / "run.json").write_text(json.dumps({"outputs": ["maps", "report.html", "run.json"]}))


def _break_while_publishing(folder: Path) -> None:
    with output_folder.publishing(folder) as fresh:
        (fresh / "report.html").write_text("half")
        raise RuntimeError("broken")


def test_a_new_run_replaces_everything_the_earlier_one_wrote(tmp_path: Path) -> None:
    output_folder.prepare(tmp_path / "out")
    _publish(tmp_path / "out", "first")
    output_folder.prepare(tmp_path / "out")
    _publish(tmp_path / "out", "second")
    assert sorted(path.name for path in (tmp_path / "out" / "maps").iterdir()) == ["second.txt"]
    assert not list((tmp_path / "out").glob(".unfinished-*"))


def test_a_failed_run_leaves_the_earlier_one_whole(tmp_path: Path) -> None:
    _publish(tmp_path, "first")
    with pytest.raises(RuntimeError, match="broken"):
        _break_while_publishing(tmp_path)
    assert (tmp_path / "report.html").read_text() == "first"
    assert (tmp_path / "run.json").exists()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("precious")
    with pytest.raises(OutputError) as caught:
        output_folder.prepare(tmp_path)
    assert caught.value.code == "E_OUTPUT_IN_USE"
    assert (tmp_path / "thesis.docx").read_text() == "precious"


def test_a_marker_that_names_files_outside_removes_nothing_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text(json.dumps({"outputs": ["../outside.txt", str(outside)]}))
    _publish(out, "first")
    assert outside.read_text() == "precious"


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "E_DISK_FULL"), (errno.EACCES, "E_NO_PERMISSION"), (errno.EROFS, "E_NO_PERMISSION")],
)
def test_the_systems_refusals_become_one_clear_line(number: int, code: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught, output_folder.writing(tmp_path):
        raise OSError(number, "as the system says")
    assert caught.value.code == code
    assert caught.value.hint


def test_a_file_in_place_of_the_folder_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError):
        output_folder.prepare(tmp_path / "out")
