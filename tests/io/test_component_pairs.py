"""Magnitude images whose phase image tells what they are."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np

from heliotrope.domain.study import Role
from heliotrope.io import read_study


def _write(folder: Path, name: str, **facts: object) -> None:
    data = np.random.default_rng(len(name)).integers(0, 4095, (8, 6, 3)).astype(np.int16)
    nibabel.Nifti1Image(data, np.diag([2.0, 2.0, 8.0, 1.0])).to_filename(folder / f"{name}.nii.gz")
    (folder / f"{name}.json").write_text(json.dumps({"MagneticFieldStrength": 3, **facts}), encoding="utf-8")


def _roles(folder: Path) -> list[Role]:
    return [series.role for series in read_study(folder).series]


def test_a_magnitude_of_an_unstated_sequence_joins_its_phase_image(tmp_path: Path) -> None:
    _write(tmp_path, "a", EchoTime=0.00345, ImageType=["ORIGINAL", "PRIMARY", "M"])
    _write(tmp_path, "b", EchoTime=0.00345, ImageType=["ORIGINAL", "PRIMARY", "P"])
    study = read_study(tmp_path)
    assert [series.role for series in study.series] == [Role.GRE_MAGNITUDE, Role.GRE_PHASE]
    assert "phase image s02" in study.series[0].role_reason


def test_a_magnitude_part_in_the_file_name_joins_its_phase_image(tmp_path: Path) -> None:
    for part in ("mag", "phase"):
        _write(tmp_path, f"sub-1_part-{part}_images", EchoTime=0.00345)
    assert _roles(tmp_path) == [Role.GRE_MAGNITUDE, Role.GRE_PHASE]


def test_a_magnitude_without_phase_or_of_another_echo_stays_unknown(tmp_path: Path) -> None:
    _write(tmp_path, "a", EchoTime=0.00345, ImageType=["ORIGINAL", "PRIMARY", "M"])
    assert _roles(tmp_path) == [Role.OTHER]
    _write(tmp_path, "b", EchoTime=0.0046, ImageType=["ORIGINAL", "PRIMARY", "P"])
    assert _roles(tmp_path) == [Role.OTHER, Role.GRE_PHASE]


def test_a_magnitude_that_is_no_gradient_echo_stays_unknown(tmp_path: Path) -> None:
    facts = {"EchoTime": 0.080, "RepetitionTime": 3.0}
    _write(tmp_path, "a", ImageType=["ORIGINAL", "PRIMARY", "M"], **facts)
    _write(tmp_path, "b", ImageType=["ORIGINAL", "PRIMARY", "P"], **facts)
    assert _roles(tmp_path)[0] is Role.OTHER
