"""A person's labels come as NIfTI, DICOM segmentation or structure set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.person_labels import read_person_labels
from heliotrope.app.stage import StageInput
from heliotrope.app.stages.labels import PERSON_LABELS, STAGES
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import FileFormatError, GeometryError
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.domain.units import Unit
from heliotrope.io import nifti, read_study, read_volume
from tests.io.builders import numbered, write
from tests.io.test_dicom_objects import SHAPE, masks, segmentation


def test_a_segmentation_object_is_taken_on_the_series_it_was_drawn_on(tmp_path: Path) -> None:
    write(tmp_path / "ct", numbered(SHAPE), Acquisition(Modality.CT), Role.CT)
    labels, series = read_person_labels(segmentation(tmp_path, "BINARY"), read_study(tmp_path / "ct"))
    assert series.role is Role.CT
    left, _ = masks()
    np.testing.assert_array_equal(labels.mask(Region("sartorius", Side.LEFT)), left)


def test_a_segmentation_of_other_images_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "ct", numbered(SHAPE), Acquisition(Modality.CT), Role.CT)
    drawn = segmentation(tmp_path, "BINARY")
    write(tmp_path / "other", numbered((6, 6, 3), spacing=(3.0, 3.0, 9.0)), Acquisition(Modality.CT), Role.CT)
    with pytest.raises(GeometryError) as caught:
        read_person_labels(drawn, read_study(tmp_path / "other"))
    assert caught.value.code == "E_LABELS_GRID"


def _picture_study(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    levels = np.random.default_rng(3).integers(0, 256, (90, 120)).astype(np.uint8)
    Image.fromarray(levels).save(folder / "thigh.png")
    return folder / "thigh.png"


def _drawing(path: Path, shape: tuple[int, int] = (90, 120)) -> Path:
    drawn = np.zeros(shape, np.uint8)
    drawn[20:60, 30:100] = 1
    Image.fromarray(drawn).save(path)
    path.with_suffix(".json").write_text(json.dumps({"1": {"structure": "rectus_femoris", "side": "left"}}))
    return path


def test_regions_drawn_in_a_picture_of_the_same_size_are_taken(tmp_path: Path) -> None:
    study = read_study(_picture_study(tmp_path / "study"), role="ultrasound")
    labels, series = read_person_labels(_drawing(tmp_path / "drawn.png"), study)
    assert series.role is Role.ULTRASOUND
    inside = labels.mask(Region("rectus_femoris", Side.LEFT))
    assert inside.shape == (120, 90, 1)
    assert inside[30:100, 20:60].all()
    assert inside.sum() == 70 * 40


def test_a_drawing_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    study = read_study(_picture_study(tmp_path / "study"), role="ultrasound")
    with pytest.raises(GeometryError, match=r"100x80 .* \(120x90\)") as caught:
        read_person_labels(_drawing(tmp_path / "drawn.png", (80, 100)), study)
    assert caught.value.code == "E_LABELS_GRID"


def test_a_drawing_saved_as_jpeg_is_refused(tmp_path: Path) -> None:
    study = read_study(_picture_study(tmp_path / "study"), role="ultrasound")
    with pytest.raises(FileFormatError, match="compression"):
        read_person_labels(_drawing(tmp_path / "drawn.jpg"), study)


def test_ct_numbers_keep_their_sign_under_labels_and_before_engines(tmp_path: Path) -> None:
    numbers = np.linspace(-1000.0, 1000.0, int(np.prod(SHAPE))).reshape(SHAPE).astype(np.float32)
    write(tmp_path / "ct", Volume(numbers, numbered(SHAPE).grid), Acquisition(Modality.CT), Role.CT)
    study = read_study(tmp_path / "ct")
    drawn = nifti.write_labels(
        tmp_path / "drawn.nii.gz",
        LabelMap(np.ones(SHAPE, np.uint16), next(s.grid for s in study.series if s.grid), {1: Region("muscle")}, "p"),
    )[0]
    stage = next(s for s in STAGES if s.name == PERSON_LABELS)
    given = StageInput(study, study.series, AnalyzeOptions(labels=str(drawn)), read_volume)
    shown = stage.run(given).backgrounds["labels"]
    assert shown.unit is Unit.HOUNSFIELD
    assert float(np.asarray(shown.data).min()) == pytest.approx(-1000.0, abs=1.0)


def test_a_correction_that_is_missing_or_wrongly_named_is_refused_under_its_own_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "mine.nii.gz"
    assert main(["relabel", str(tmp_path), "--labels", str(drawn)]) != 0
    missing = capsys.readouterr().err
    assert "no such file: mine.nii.gz" in missing
    assert "E_NOT_FOUND" in missing
    drawn.write_bytes(b"")
    (tmp_path / "mine.json").write_text('{"1": {"structure": "gracillis", "side": "left"}}')
    assert main(["relabel", str(tmp_path), "--labels", str(drawn)]) != 0
    wrong = capsys.readouterr().err
    assert "mine.json, entry 1: unknown structure 'gracillis'" in wrong
    assert "did you mean gracilis" in wrong
    assert str(tmp_path) not in missing + wrong


def test_labels_that_are_missing_are_said_to_be(tmp_path: Path) -> None:
    study = read_study(_picture_study(tmp_path / "study"), role="ultrasound")
    with pytest.raises(FileFormatError, match=r"no such file: drawn\.nii\.gz") as caught:
        read_person_labels(tmp_path / "drawn.nii.gz", study)
    assert caught.value.code == "E_NOT_FOUND"
