"""Plain pictures of radiographs and ultrasound, read when somebody says what they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heliotrope.domain.errors import StudyError
from heliotrope.domain.study import FileOutcome, Role
from heliotrope.io import read_study, read_volume

GRAY = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80)
"""Rows by columns."""


@pytest.mark.parametrize(("name", "levels"), [("a.png", 65535), ("a.tif", 65535), ("b.png", 255), ("b.jpg", 255)])
def test_a_picture_keeps_its_gray_levels_columns_first(name: str, levels: int, tmp_path: Path) -> None:
    gray = GRAY if levels > 255 else (GRAY // 20).astype(np.uint8)
    Image.fromarray(gray).save(tmp_path / name)
    study = read_study(tmp_path, role="radiograph", pixel_size_mm=0.2)
    (series,) = study.with_role(Role.RADIOGRAPH)
    data = np.asarray(read_volume(series).data)
    assert series.grid is not None
    assert data.shape == (80, 60, 1)
    assert series.grid.spacing_mm[:2] == pytest.approx((0.2, 0.2))
    assert np.abs(data[:, :, 0].T - gray).max() <= (3 if name.endswith("jpg") else 0)


def test_a_file_beside_the_picture_states_what_it_is_and_its_pixel_size(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "hand.png", dpi=(96, 96))
    (tmp_path / "hand.json").write_text(json.dumps({"Modality": "DX", "PixelSpacing": [0.15, 0.15]}))
    study = read_study(tmp_path)
    (series,) = study.with_role(Role.RADIOGRAPH)
    assert series.grid is not None
    assert series.grid.spacing_mm[0] == pytest.approx(0.15)
    assert {record.path: record.outcome for record in study.files} == {
        "hand.png": FileOutcome.USED,
        "hand.json": FileOutcome.USED,
    }


def test_the_print_resolution_is_no_pixel_size(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "hand.png", dpi=(96, 96))
    (series,) = read_study(tmp_path, role="radiograph").series
    assert any("no pixel spacing is stated" in defect for defect in series.defects)


def test_a_picture_nobody_named_is_skipped(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "photo.png")
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path)
    assert caught.value.code == "E_NO_IMAGES"


def test_a_role_of_mr_makes_no_study_of_a_picture(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "photo.png")
    with pytest.raises(StudyError):
        read_study(tmp_path, role="stir")


def test_a_gray_picture_saved_in_color_is_read_and_a_colored_one_is_refused(tmp_path: Path) -> None:
    gray = np.repeat((GRAY // 20).astype(np.uint8)[:, :, None], 3, axis=2)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    colored = gray.copy()
    colored[:20, :, 0] = 255
    colored[:20, :, 1:] = 0
    Image.fromarray(colored).save(tmp_path / "flow.png")
    study = read_study(tmp_path, role="ultrasound")
    assert [series.role for series in study.series] == [Role.ULTRASOUND]
    codes = {record.path: record.code for record in study.files}
    assert codes == {"gray.png": None, "flow.png": "E_COLOR"}


@pytest.mark.parametrize("spacing", [0, -0.2, 50, [0.1, 0.2], "wide", True])
def test_a_senseless_pixel_size_is_refused(spacing: object, tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "hand.png")
    (tmp_path / "hand.json").write_text(json.dumps({"Modality": "CR", "PixelSpacing": spacing}))
    with pytest.raises(StudyError, match="no usable image"):
        read_study(tmp_path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"\xff\xd8\xff\xe0broken", b""])
def test_a_damaged_picture_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "hand.png").write_bytes(content)
    Image.fromarray(GRAY).save(tmp_path / "other.png")
    study = read_study(tmp_path, role="radiograph")
    refused = [record for record in study.files if record.outcome is FileOutcome.REFUSED]
    assert [record.path for record in refused] == ["hand.png"]


def test_a_picture_that_nobody_named_says_how_to_name_it(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((80, 90), np.uint8)).save(tmp_path / "arm.png")
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path / "arm.png")
    assert caught.value.code == "E_NO_IMAGES"
    assert "--role radiograph" in caught.value.hint
