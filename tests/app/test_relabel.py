"""A person's labels and their revisions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

from heliotrope.app.analyze import analyze_study
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.person_labels import merged, read_person_labels
from heliotrope.app.relabel import relabel, remember_source
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import FileFormatError, GeometryError, StudyError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io import nifti, read_study
from heliotrope.report import figures
from tests.segment import limbs

ONLY = ("tissues", "person-labels", "measurements")


def _silent(_done: int, _total: int, _line: str) -> None:
    return None


@pytest.fixture(scope="module")
def study_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    image = folder / "t2.nii.gz"
    nifti.write_volume(image, limbs.multi_echo(limbs.draw(spacing_mm=2.5, slices=2)))
    acquisition = Acquisition(modality=Modality.MR, echo_times_ms=limbs.ECHO_TIMES_MS)
    nifti.write_sidecar(image, acquisition, role=Role.MULTI_ECHO_T2, synthetic=True)
    return folder


@pytest.fixture
def result(study_path: Path, tmp_path: Path) -> Path:
    out = tmp_path / "result"
    options = AnalyzeOptions(only=ONLY)
    analyze_study(read_study(study_path), out, options, progress=_silent)
    remember_source(out, study_path, options)
    return out


def _corrected(result: Path, folder: Path) -> Path:
    """The folder's labels with the front of the left muscle made fat by hand."""
    labels = nifti.read_labels(result / "labels.nii.gz", result / "labels.json")
    values = np.array(labels.labels)
    left_muscle = labels.mask_where(structure="muscle", side=Side.LEFT)
    number = next(n for n, r in labels.legend.items() if r == Region("intermuscular_fat", Side.LEFT))
    front = np.zeros_like(left_muscle)
    front[:, : values.shape[1] // 2] = True
    values[left_muscle & front] = number
    path = folder / "corrected.nii.gz"
    nifti.write_labels(path, LabelMap(values, labels.grid, labels.legend, "person"))
    path.with_name("corrected.json").unlink()
    return path


def test_a_corrected_label_map_reruns_only_what_depends_on_it(result: Path, tmp_path: Path) -> None:
    done = relabel(result, _corrected(result, tmp_path), study_path=None, by="reader 1", progress=_silent)
    assert "tissues" in done.reused
    assert set(done.reran) == {"person-labels", "measurements"}


def test_the_new_labels_are_what_is_measured(result: Path, tmp_path: Path) -> None:
    before = json.loads((result / "result.json").read_text(encoding="utf-8"))
    drawn = nifti.read_labels(result / "labels.nii.gz", result / "labels.json")
    corrected = _corrected(result, tmp_path)
    changed = np.count_nonzero(np.asarray(nibabel.load(corrected).dataobj) != np.asarray(drawn.labels))
    removed_ml = changed * drawn.grid.voxel_volume_mm3 / 1000.0
    relabel(result, corrected, study_path=None, by=None, progress=_silent)
    after = json.loads((result / "result.json").read_text(encoding="utf-8"))

    def volume(document: dict[str, list[dict[str, object]]]) -> float:
        found = [
            m["value"]
            for m in document["measurements"]
            if m["quantity"] == "volume" and m["region"] == {"structure": "muscle", "side": "left", "level": None}
        ]
        return float(str(found[0]))

    assert removed_ml > 5.0
    assert volume(after) == pytest.approx(volume(before) - removed_ml, abs=0.01)


def test_every_revision_is_kept_with_who_when_and_what(result: Path, tmp_path: Path) -> None:
    corrected = _corrected(result, tmp_path)
    relabel(result, corrected, study_path=None, by="reader 1", progress=_silent)
    relabel(result, corrected, study_path=None, by="reader 2", progress=_silent)
    history = json.loads((result / "revisions" / "revisions.json").read_text(encoding="utf-8"))["revisions"]
    assert [entry["by"] for entry in history] == ["reader 1", "reader 2"]
    assert (result / "revisions" / "001.nii.gz").is_file()
    assert {change["structure"] for change in history[0]["changes"]} == {"muscle", "intermuscular_fat"}
    assert history[1]["changes"] == []


def test_a_folder_without_a_result_cannot_be_relabeled(tmp_path: Path) -> None:
    drawn = tmp_path / "x.nii.gz"
    drawn.write_bytes(b"")
    with pytest.raises(StudyError) as caught:
        relabel(tmp_path, drawn, study_path=None, by=None, progress=_silent)
    assert caught.value.code == "E_NO_RESULT"


def test_labels_on_another_grid_are_refused_and_leave_no_revision(result: Path, tmp_path: Path) -> None:
    labels = nifti.read_labels(result / "labels.nii.gz", result / "labels.json")
    matrix = labels.grid.matrix
    matrix[0, 3] += 20.0
    path = tmp_path / "moved.nii.gz"
    nifti.write_labels(path, LabelMap(labels.labels, Grid.from_matrix(labels.grid.shape, matrix), labels.legend, "p"))
    with pytest.raises(GeometryError, match="20 mm away"):
        relabel(result, path, study_path=None, by=None, progress=_silent)
    assert not list((result / "revisions").glob("001*"))


def test_the_image_under_corrected_labels_is_the_one_they_were_drawn_on(study_path: Path, tmp_path: Path) -> None:
    """A T1 series of the same grid stands before the echoes from which the tissues are drawn."""
    study = tmp_path / "study"
    shutil.copytree(study_path, study)
    nifti.write_volume(study / "a-t1.nii.gz", limbs.t1_weighted(limbs.draw(spacing_mm=2.5, slices=2)))
    nifti.write_sidecar(study / "a-t1.nii.gz", Acquisition(modality=Modality.MR), role=Role.T1, synthetic=True)
    out = tmp_path / "result"
    analyze_study(read_study(study), out, AnalyzeOptions(only=ONLY), progress=_silent)
    image = (out / "image.nii.gz").read_bytes()
    relabel(out, _corrected(out, tmp_path), study_path=study, by=None, progress=_silent)
    assert (out / "image.nii.gz").read_bytes() == image


def test_pictures_that_show_no_corrected_label_are_not_drawn_again(
    result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two slices the corrected one is drawn again and the other is not."""
    labels = nifti.read_labels(result / "labels.nii.gz", result / "labels.json")
    values = np.array(labels.labels)
    first = values[:, :, 0]
    first[labels.mask_where(structure="muscle", side=Side.LEFT)[:, :, 0]] = next(
        n for n, r in labels.legend.items() if r == Region("intermuscular_fat", Side.LEFT)
    )
    corrected = tmp_path / "first-slice.nii.gz"
    nifti.write_labels(corrected, LabelMap(values, labels.grid, labels.legend, "person"))
    drawn: list[Canvas] = []
    encode = figures.encode

    def counted(canvas: Canvas) -> tuple[bytes, int, int]:
        drawn.append(canvas)
        return encode(canvas)

    monkeypatch.setattr(figures, "encode", counted)
    relabel(result, corrected, study_path=None, by=None, progress=_silent)
    first_time = len(drawn)
    page = (result / "report.html").read_text(encoding="utf-8")
    relabel(result, corrected, study_path=None, by=None, progress=_silent)
    assert 0 < first_time < page.count("data:image/png")
    assert len(drawn) == first_time


def test_labels_of_another_shape_name_both_shapes(study_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.nii.gz"
    small = LabelMap(np.ones((4, 4, 4), np.uint16), Grid.from_spacing((4, 4, 4), (1, 1, 1)), {1: Region("muscle")}, "p")
    nifti.write_labels(path, small)
    with pytest.raises(GeometryError, match="4x4x4"):
        read_person_labels(path, read_study(study_path))


def test_a_missing_label_file_is_one_clear_error(study_path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError) as caught:
        read_person_labels(tmp_path / "none.nii.gz", read_study(study_path))
    assert caught.value.code == "E_NOT_FOUND"


def test_what_a_person_erased_stays_erased_and_what_they_left_out_is_completed() -> None:
    grid = Grid.from_spacing((4, 1, 1), (1, 1, 1))
    automatic = LabelMap(
        np.array([1, 1, 2, 2], np.uint16).reshape(4, 1, 1),
        grid,
        {1: Region("muscle", Side.LEFT), 2: Region("subcutaneous_fat", Side.LEFT)},
        "auto",
    )
    person = LabelMap(
        np.array([5, 0, 0, 0], np.uint16).reshape(4, 1, 1), grid, {5: Region("gracilis", Side.LEFT)}, "person"
    )
    found = merged(person, automatic)
    assert [found.legend[n].structure if n else None for n in found.labels.ravel().tolist()] == [
        "gracilis",
        None,
        "subcutaneous_fat",
        "subcutaneous_fat",
    ]
