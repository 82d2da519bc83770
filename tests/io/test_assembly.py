"""Frames that do not fit: gaps, copies, interruptions, tilt, mixed orientations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.uid import UID

from heliotrope.domain.errors import FileFormatError, GeometryError
from heliotrope.domain.study import FileOutcome, FrameSource, Role, Study
from heliotrope.io import read_study, read_volume
from heliotrope.io.assembly import assemble
from heliotrope.io.dicom_writer import synthetic_uid
from tests.io import scanners

IntArray = NDArray[np.uint16]


@pytest.fixture
def pixels() -> IntArray:
    return np.random.default_rng(7).integers(0, 4000, (4, 5, 6, 8)).astype(np.uint16)


def reasons(study: Study) -> list[str]:
    return [record.reason for record in study.files if record.outcome is not FileOutcome.USED]


def test_order_of_files_and_instance_numbers_does_not_matter(tmp_path: Path, pixels: IntArray) -> None:
    paths = scanners.classic(tmp_path, pixels)
    order = np.random.default_rng(1).permutation(len(paths))
    for path, number in zip(paths, order, strict=True):
        ds = pydicom.dcmread(path)
        ds.InstanceNumber = int(number) + 1
        ds.save_as(path.with_name(f"x{number:04d}"))
        path.unlink()
    (series,) = read_study(tmp_path).series
    np.testing.assert_array_equal(read_volume(series).data, pixels.transpose(3, 2, 1, 0).astype(np.float32))


def test_a_missing_slice_of_one_echo_splits_at_the_gap(tmp_path: Path, pixels: IntArray) -> None:
    paths = scanners.classic(tmp_path, pixels)
    paths[1 * 5 + 2].unlink()  # echo 2, middle slice
    study = read_study(tmp_path)
    assert [(one.grid.shape[2], one.n_frames) for one in study.series if one.grid] == [(2, 4), (2, 4)]
    assert all(one.acquisition.echo_times_ms == (10.0, 20.0, 30.0, 40.0) for one in study.series)
    assert len(reasons(study)) == 3
    assert any("slices are missing" in defect for defect in study.series[0].defects)


def test_an_interrupted_last_echo_is_left_out_and_said(tmp_path: Path, pixels: IntArray) -> None:
    paths = scanners.classic(tmp_path, pixels)
    for path in paths[-3:]:
        path.unlink()
    study = read_study(tmp_path)
    (series,) = study.series
    assert series.acquisition.echo_times_ms == (10.0, 20.0, 30.0)
    assert series.grid is not None
    assert series.grid.shape[2] == 5
    assert len(reasons(study)) == 2
    assert "incomplete volume" in series.defects[0]


def test_a_copy_of_an_image_is_used_once(tmp_path: Path, pixels: IntArray) -> None:
    paths = scanners.classic(tmp_path, pixels)
    (tmp_path / "copy").write_bytes(paths[3].read_bytes())
    study = read_study(tmp_path)
    assert reasons(study) == ["a second copy of an image already read"]
    assert study.series[0].n_frames == 4


def test_a_slice_sent_twice_under_new_identifiers_is_left_out(tmp_path: Path, pixels: IntArray) -> None:
    paths = scanners.classic(tmp_path, pixels[:1])
    ds = pydicom.dcmread(paths[2])
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(synthetic_uid("sent again"))
    ds.save_as(tmp_path / "again")
    study = read_study(tmp_path)
    (series,) = study.series
    assert series.n_frames == 1
    assert len(reasons(study)) == 1


def test_repetitions_become_the_fourth_axis(tmp_path: Path, pixels: IntArray) -> None:
    scanners.classic(tmp_path, pixels, EchoTime=80.0, EchoNumbers=1)
    (series,) = read_study(tmp_path).series
    assert series.n_frames == 4
    assert series.acquisition.echo_times_ms == (80.0,)
    np.testing.assert_array_equal(read_volume(series).data, pixels.transpose(3, 2, 1, 0).astype(np.float32))


def test_two_passes_of_a_ct_are_two_series(tmp_path: Path, pixels: IntArray) -> None:
    scanners.classic(tmp_path, pixels[:2], SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT", EchoTime=None)
    study = read_study(tmp_path)
    assert [(one.role, one.n_frames) for one in study.series] == [(Role.CT, 1), (Role.CT, 1)]
    assert "pass 2 of 2" in study.series[1].defects[0]


def test_frames_known_by_path_alone_are_found_again(tmp_path: Path, pixels: IntArray) -> None:
    paths = scanners.classic(tmp_path, pixels)
    (series,) = read_study(tmp_path).series
    plain = replace(series, frames=tuple(FrameSource(frame.path, frame.frame) for frame in series.frames))
    np.testing.assert_array_equal(read_volume(plain).data, read_volume(series).data)
    paths[0].unlink()
    with pytest.raises(FileFormatError) as caught:
        read_volume(plain)
    assert caught.value.code == "E_UNREADABLE"


def test_a_tilted_gantry_keeps_its_shear(tmp_path: Path, pixels: IntArray) -> None:
    scanners.classic(tmp_path, pixels[:1], step=(0.0, 1.0, 5.0))
    (series,) = read_study(tmp_path).series
    assert series.grid is not None
    np.testing.assert_allclose(series.grid.matrix[:3, 2], [0.0, 1.0, 5.0], atol=1e-9)
    assert any("11.3 degrees" in defect for defect in series.defects)
    np.testing.assert_allclose(series.grid.positions_mm((0, 0, 4)), [-10.0, -16.0, 50.0], atol=1e-9)


def test_a_localizer_of_three_planes_is_split(tmp_path: Path, pixels: IntArray) -> None:
    planes = {
        1: {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        2: {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]},
        3: {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
    }
    scanners.classic(tmp_path, pixels[:1, :3], each=planes)
    study = read_study(tmp_path)
    assert len(study.series) == 3
    assert all("orientation" in one.defects[-1] for one in study.series)


def test_uneven_slices_are_refused_with_the_reason(tmp_path: Path, pixels: IntArray) -> None:
    positions = [0.0, 5.0, 11.0, 18.0, 26.0]
    each = {i + 1: {"ImagePositionPatient": [-10.0, -20.0, z]} for i, z in enumerate(positions)}
    scanners.classic(tmp_path, pixels[:1], each=each)
    (series,) = read_study(tmp_path).series
    assert series.grid is None
    with pytest.raises(GeometryError, match="not evenly spaced"):
        read_volume(series)


def test_table_stations_side_by_side_are_told_apart(tmp_path: Path, pixels: IntArray) -> None:
    each = {}
    for station in range(2):
        for index in range(5):
            each[station * 5 + index + 1] = {
                "ImagePositionPatient": [-10.0, -20.0 + 5.0 * index, 300.0 - 250.0 * station],
                "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
                "EchoTime": 40.0,
            }
    scanners.classic(tmp_path, pixels[:2], each=each)
    study = read_study(tmp_path)
    assert [one.grid.shape[2] for one in study.series if one.grid] == [5, 5]


@pytest.mark.parametrize(
    ("offset_mm", "slices", "left_out"),
    [(25.0, [10], 0), (20.0, [9], 1), (22.5, [5, 5], 0), (60.0, [5, 5], 0)],
    ids=["abutting", "one slice shared", "interleaved", "apart"],
)
def test_axial_stations_under_one_identifier(
    tmp_path: Path, pixels: IntArray, offset_mm: float, slices: list[int], left_out: int
) -> None:
    second = {i + 6: {"ImagePositionPatient": [-10.0, -20.0, 30.0 + 5.0 * i + offset_mm]} for i in range(5)}
    passes = [{"EchoTime": 80.0, "AcquisitionNumber": number} for number in (1, 2)]
    scanners.classic(tmp_path, pixels[:2], per_frame=passes, each=second)
    study = read_study(tmp_path)
    assert [one.grid.shape[2] for one in study.series if one.grid] == slices
    assert len(reasons(study)) == left_out
    assert all(one.n_frames == 1 and one.role is Role.T2 for one in study.series)


def test_echo_times_that_jitter_from_slice_to_slice_are_one_train(tmp_path: Path, pixels: IntArray) -> None:
    jitter = {i + 1: {"EchoTime": 10.0 * (i // 5 + 1) + 0.004 * (i % 5)} for i in range(20)}
    scanners.classic(tmp_path, pixels, each=jitter)
    (series,) = read_study(tmp_path).series
    assert series.acquisition.echo_times_ms == (10.0, 20.0, 30.0, 40.0)


def test_scaling_of_only_some_images_is_refused(tmp_path: Path, pixels: IntArray) -> None:
    scanners.classic(tmp_path, pixels, per_frame=[{"RescaleSlope": 2.0, "RescaleIntercept": 0.0}, {}, {}, {}])
    (series,) = read_study(tmp_path).series
    assert series.grid is None
    assert "scaled in different ways" in series.defects[-1]


def test_magnitude_and_phase_of_one_series_are_two_series(tmp_path: Path, pixels: IntArray) -> None:
    scanners.classic(
        tmp_path,
        pixels,
        ScanningSequence="GR",
        FlipAngle=8,
        per_frame=[
            {"EchoTime": 3.45, "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]},
            {"EchoTime": 3.45, "ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
            {"EchoTime": 4.60, "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]},
            {"EchoTime": 4.60, "ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
        ],
    )
    study = read_study(tmp_path)
    assert [one.role for one in study.series] == [Role.GRE_MAGNITUDE, Role.GRE_PHASE]
    assert all(one.acquisition.echo_times_ms == (3.45, 4.6) for one in study.series)


def test_a_dual_echo_train_is_two_images(tmp_path: Path, pixels: IntArray) -> None:
    scanners.classic(tmp_path, pixels[:2], per_frame=[{"EchoTime": 15.0}, {"EchoTime": 90.0}])
    study = read_study(tmp_path)
    assert [(one.role, one.acquisition.echo_times_ms) for one in study.series] == [
        (Role.OTHER, (15.0,)),
        (Role.T2, (90.0,)),
    ]


def test_two_passes_of_an_echo_train_are_two_series(tmp_path: Path, pixels: IntArray) -> None:
    times = [{"EchoTime": time} for time in (10.0, 20.0, 30.0) * 2]
    scanners.classic(tmp_path, np.concatenate([pixels, pixels[:2]]), per_frame=times)
    study = read_study(tmp_path)
    assert [one.acquisition.echo_times_ms for one in study.series] == [(10.0, 20.0, 30.0)] * 2
    assert "repetition 2 of 2" in study.series[1].defects[0]


def rotation(angles: tuple[float, float, float]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = c
        turn[i, j], turn[j, i] = -s, s
        matrix = turn @ matrix
    return matrix


@settings(max_examples=12, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_the_same_object_in_any_orientation_lies_at_the_same_place(
    tmp_path_factory: pytest.TempPathFactory, angles: tuple[float, float, float], flips: tuple[bool, bool, bool]
) -> None:
    axes = rotation(angles)
    row, column = axes[:, 0], axes[:, 1] * (-1 if flips[1] else 1)
    step = axes[:, 2] * 5.0 * (-1 if flips[2] else 1)
    origin = np.array([3.0, -40.0, 12.0])

    def value(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.round(2000.0 + points @ np.array([7.0, 3.0, 5.0])))

    k, j, i = np.meshgrid(np.arange(3), np.arange(4), np.arange(5), indexing="ij")
    points = origin + i[..., None] * 1.5 * row + j[..., None] * 2.0 * column + k[..., None] * step
    folder = tmp_path_factory.mktemp("turned")
    scanners.classic(
        folder,
        value(points)[None].astype(np.uint16),
        row=tuple(row),
        column=tuple(column),
        step=tuple(step),
        origin=tuple(origin),
    )
    (series,) = read_study(folder).series
    volume = read_volume(series)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in volume.grid.shape], indexing="ij"), -1)
    # header positions are decimal strings of 16 characters: a gray level may round the other way
    assert np.abs(np.asarray(volume.data, dtype=float) - value(volume.grid.positions_mm(index))).max() <= 1.0


def test_no_frames_make_no_stacks() -> None:
    assert assemble([]).stacks == []
