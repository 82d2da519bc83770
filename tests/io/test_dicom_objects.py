"""Segmentations and structure sets land on the voxels they were drawn on."""

from __future__ import annotations

import warnings
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import FileFormatError, GeometryError, InputError
from heliotrope.domain.study import Acquisition, Modality, Role, Series
from heliotrope.io import read_study
from heliotrope.io.dicom_objects import RTSTRUCT_CLASS, rasterize_contours, read_object_labels, region_of_name
from heliotrope.io.dicom_writer import synthetic_uid
from tests.io import scanners
from tests.io.builders import numbered, write

SHAPE = (10, 8, 4)


@pytest.fixture
def series(tmp_path: Path) -> Series:
    write(tmp_path / "ct", numbered(SHAPE), Acquisition(Modality.CT), Role.CT)
    return read_study(tmp_path / "ct").series[0]


def masks() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    left, right = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    left[6:9, 2:6, 1:3] = True
    right[1:4, 2:7, 0:4] = True
    return left, right


def segmentation(folder: Path, kind: str) -> Path:
    left, right = masks()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = [pydicom.dcmread(path) for path in sorted((folder / "ct").glob("*.dcm"))]
        array = np.stack([left, right], axis=-1).transpose(2, 1, 0, 3)
        descriptions = [
            highdicom.seg.SegmentDescription(
                segment_number=number,
                segment_label=label,
                segmented_property_category=codes.SCT.Tissue,
                segmented_property_type=Code(value, "SCT", label),
                algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
            )
            for number, label, value in ((1, "sartorius left", "181683006"), (2, "right vastus lateralis", "0"))
        ]
        seg = highdicom.seg.Segmentation(
            source_images=images,
            pixel_array=array.astype(np.uint8 if kind != "FRACTIONAL" else np.float32),
            segmentation_type=kind,
            segment_descriptions=descriptions,
            series_instance_uid=synthetic_uid("seg"),
            series_number=9,
            sop_instance_uid=synthetic_uid("seg", 1),
            instance_number=1,
            manufacturer="x",
            manufacturer_model_name="x",
            software_versions="x",
            device_serial_number="x",
        )
        seg.save_as(folder / "seg.dcm")
    return folder / "seg.dcm"


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_a_segmentation_keeps_its_voxels_and_sides(tmp_path: Path, series: Series, kind: str) -> None:
    labels = read_object_labels(segmentation(tmp_path, kind), series)
    left, right = masks()
    np.testing.assert_array_equal(labels.mask(Region("sartorius", Side.LEFT)), left)
    np.testing.assert_array_equal(labels.mask(Region("vastus_lateralis", Side.RIGHT)), right)


def test_a_segmentation_of_another_grid_is_refused(tmp_path: Path, series: Series) -> None:
    path = segmentation(tmp_path, "BINARY")
    ds = pydicom.dcmread(path)
    for groups in ds.PerFrameFunctionalGroupsSequence:
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        groups.PlanePositionSequence[0].ImagePositionPatient = [float(position[0]) + 0.7, *position[1:]]
    ds.save_as(path)
    with pytest.raises(GeometryError, match="another grid"):
        read_object_labels(path, series)


def contour(points: list[tuple[float, float, float]]) -> Dataset:
    item = Dataset()
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(points)
    item.ContourData = [float(v) for point in points for v in point]
    return item


def square(series: Series, low: float, high: float, level: float) -> Dataset:
    assert series.grid is not None
    corners = [(low, low, level), (high, low, level), (high, high, level), (low, high, level)]
    return contour([tuple(point) for point in series.grid.positions_mm(corners)])


def structures(path: Path, contours: dict[str, list[Dataset]]) -> Path:
    ds = scanners.base(RTSTRUCT_CLASS, series=5, manufacturer="x", uid=synthetic_uid("rt"))
    names, drawn = [], []
    for number, (name, items) in enumerate(contours.items(), start=1):
        one = Dataset()
        one.ROINumber, one.ROIName = number, name
        names.append(one)
        two = Dataset()
        two.ReferencedROINumber = number
        two.ContourSequence = Sequence(items)
        drawn.append(two)
    ds.StructureSetROISequence, ds.ROIContourSequence = Sequence(names), Sequence(drawn)
    return scanners.save(ds, path)


def test_contours_fill_the_voxels_inside_and_leave_holes(tmp_path: Path, series: Series) -> None:
    path = structures(
        tmp_path / "rt.dcm",
        {
            "Femur_L": [square(series, 0.6, 6.4, 2.0), square(series, 2.6, 4.4, 2.0)],
            "GTV": [square(series, 0.6, 2.4, 1.0)],
        },
    )
    labels = read_object_labels(path, series)
    truth = np.zeros(SHAPE, dtype=bool)
    truth[1:7, 1:7, 2] = True
    truth[3:5, 3:5, 2] = False
    np.testing.assert_array_equal(labels.mask(Region("femur", Side.LEFT)), truth)
    assert any("unknown" in note for note in labels.notes)


def test_contours_between_slices_are_refused(tmp_path: Path, series: Series) -> None:
    with pytest.raises(GeometryError, match="slice"):
        read_object_labels(structures(tmp_path / "rt.dcm", {"femur": [square(series, 1, 4, 1.5)]}), series)


def test_labels_of_nothing_known_are_refused_with_the_way_out(tmp_path: Path, series: Series) -> None:
    with pytest.raises(InputError) as caught:
        read_object_labels(structures(tmp_path / "rt.dcm", {"GTV": [square(series, 1, 4, 1.0)]}), series)
    assert caught.value.code == "E_LABEL"


def test_a_file_that_is_no_object_is_refused(tmp_path: Path, series: Series) -> None:
    (tmp_path / "x").write_bytes(b"hello")
    with pytest.raises(FileFormatError):
        read_object_labels(tmp_path / "x", series)
    with pytest.raises(FileFormatError):
        read_object_labels(next((tmp_path / "ct").iterdir()), series)


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("left_vastus_lateralis", Region("vastus_lateralis", Side.LEFT)),
        ("Sartorius R", Region("sartorius", Side.RIGHT)),
        ("muscle", Region("muscle")),
        ("Right muscle", Region("muscle", Side.RIGHT)),
        ("anterior compartment of thigh", Region("anterior_thigh")),
        ("left right femur", None),
        ("something else", None),
        ("", None),
    ],
)
def test_names_of_people_mean_regions(name: str, region: Region | None) -> None:
    assert region_of_name(name) == region


@pytest.mark.real_data
def test_the_contours_of_a_real_tumor_lie_within_its_ct(shared_data: Path) -> None:
    study = read_study(shared_data / "limb-ct-mr" / "STS_003")
    ct = study.with_role(Role.CT)[0]
    assert ct.grid is not None
    volumes = []
    for one in study.with_role(Role.RTSTRUCT):
        ds = pydicom.dcmread(one.frames[0].path)
        try:
            mask = rasterize_contours(ds.ROIContourSequence[0], ct.grid)
        except GeometryError:
            continue
        volumes.append(float(mask.sum()) * ct.grid.voxel_volume_mm3 / 1000)
    # a soft-tissue sarcoma of the thigh: tens to thousands of milliliters
    assert any(20 < volume < 4000 for volume in volumes)
