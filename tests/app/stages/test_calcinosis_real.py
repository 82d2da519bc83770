"""Calcium in real CT of soft-tissue tumors: found where it is, nothing called calcium where there is none."""

import functools
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput, StageOutput
from heliotrope.app.stages.calcinosis import STAGES
from heliotrope.domain.anatomy import Region
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.units import Unit
from heliotrope.io import read_study, read_volume
from heliotrope.io.dicom_objects import rasterize_contours
from heliotrope.segment.calcium.find import find_calcinosis
from heliotrope.segment.calcium.geometry import depth_inside, dilate

pytestmark = pytest.mark.real_data

CALCIUM = "calcification"


@functools.cache
def analyzed(folder: Path) -> StageOutput:
    study = read_study(folder)
    selected = STAGES[0].select(study)
    assert not isinstance(selected, Missing)
    return STAGES[0].run(StageInput(study, selected, AnalyzeOptions(), read_volume))


def of_case(shared_data: Path, case: str) -> StageOutput:
    return analyzed(shared_data / "limb-ct-mr" / case / "CT" / "image")


def total_ml(output: StageOutput) -> float:
    row = next(m for m in output.measurements if m.quantity == "calcinosis_volume" and m.region == Region("all"))
    assert row.value is not None
    return row.value


def share_in_tumor(output: StageOutput, folder: Path) -> float:
    """Share of the calcified voxels inside or within 6 mm of the contour that a radiologist drew around the tumor."""
    assert output.labels is not None
    grid = output.labels.grid
    tumor = np.zeros(grid.shape, dtype=bool)
    for path in sorted(folder.rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        for roi in dataset.get("ROIContourSequence", ()):
            tumor |= rasterize_contours(roi, grid)
    calcium = np.isin(output.labels.labels, [n for n, r in output.labels.legend.items() if r.structure == CALCIUM])
    spacing = grid.spacing_mm
    return float(dilate(tumor, 6.0, (spacing[0], spacing[1], spacing[2]))[calcium].mean())


@pytest.mark.parametrize(
    ("case", "least_ml", "most_ml"),
    [("STS_003", 0.5, 1.0), ("STS_028", 0.7, 1.2), ("STS_044", 0.2, 0.5), ("STS_049", 0.45, 0.9)],
)
def test_calcified_tumor_is_found_and_its_plane_withheld(
    shared_data: Path, case: str, least_ml: float, most_ml: float
) -> None:
    """Amounts that were looked at slice by slice; there is no other measurement of them."""
    output = of_case(shared_data, case)
    assert least_ml < total_ml(output) < most_ml
    assert share_in_tumor(output, shared_data / "limb-ct-mr" / case / "CT" / "mask") > 0.8
    planes = {m.region.level for m in output.measurements if (m.region.level or "").startswith("plane ")}
    assert planes <= {"plane superficial", "plane deep"}
    assert any("withheld" in limit for finding in output.findings for limit in finding.limits)


@pytest.mark.parametrize("case", ["STS_007", "STS_010", "STS_016", "STS_034", "STS_046", "STS_051"])
def test_no_calcinosis_where_none_is(shared_data: Path, case: str) -> None:
    """Knee, hip, sacrum and coccyx among them; 007 is faint at most."""
    assert total_ml(of_case(shared_data, case)) < 0.1


@pytest.mark.parametrize("case", ["STS_044", "STS_046"])
def test_bowel_full_of_contrast_is_outside_what_was_assessed_and_that_is_said(shared_data: Path, case: str) -> None:
    output = of_case(shared_data, case)
    assert any("outside the assessed soft tissue" in finding.statement for finding in output.findings)
    row = next(m for m in output.measurements if m.region.level == "not counted: contents of a body cavity")
    assert row.value is not None
    assert row.value > 5.0


def test_nothing_in_an_abdomen_and_pelvis_is_called_calcinosis(shared_data: Path) -> None:
    """Stones, calcified arteries and the coccyx are there."""
    file = nibabel.as_closest_canonical(nibabel.load(shared_data / "body-ct" / "example_ct.nii.gz"))
    data = np.ascontiguousarray(np.asarray(file.dataobj, dtype=np.float32)[::-1, ::-1])
    grid = Grid.from_spacing(data.shape, (3.0, 3.0, 3.0))
    found = find_calcinosis(Volume(data, grid, Unit.HOUNSFIELD))
    assert sum(c.volume_mm3 for c in found.components) < 20.0
    assert found.cavity.sum() * grid.voxel_volume_mm3 / 1e6 > 4.0


BONES = (6151, 6152, 6160, 6171, 6172, 8151, 8152, 8161, 8162)
"""Ilium, sacrum, femur, tibia, fibula in the label maps."""


def drawn_ct(labels: NDArray[np.int64], spacing: tuple[float, float, float], *, noise_hu: float, seed: int) -> Volume:
    """CT out of a label map: muscle, fat around it, and bones with a thin cortex around trabecular bone."""
    rng = np.random.default_rng(seed)
    tissue = labels > 0
    body = dilate(tissue, 12.0, spacing)
    image = np.where(body, -100.0, -1000.0)
    image[tissue] = 50.0
    texture = ndimage.gaussian_filter(rng.standard_normal(labels.shape), 0.8)
    for value in BONES:
        bone = ndimage.gaussian_filter((labels == value).astype(float), 0.8) > 0.5
        image[bone] = 200.0 + 90.0 * texture[bone] / texture.std()
        image[bone & (depth_inside(bone, spacing) <= 1.8)] = 800.0
    image = ndimage.gaussian_filter(image, [0.7 / s for s in spacing])
    image = np.add.reduceat(image, np.arange(0, image.shape[2], 2), axis=2)[:, :, : image.shape[2] // 2] / 2
    noise = ndimage.gaussian_filter(rng.standard_normal(image.shape), (0.6, 0.6, 0.3))
    image += noise * noise_hu / noise.std()
    size = (spacing[0], spacing[1], 2 * spacing[2])
    return Volume(image.astype(np.float32), Grid.from_spacing(image.shape, size), Unit.HOUNSFIELD)


@pytest.mark.parametrize(
    ("name", "region"),
    [("knee", np.s_[25:125, 60:180, 0:60]), ("hip and ilium", np.s_[50:150, 70:165, 270:330])],
)
def test_real_bone_shapes_in_3_mm_slices_are_no_calcium(
    shared_data: Path, name: str, region: tuple[slice, slice, slice]
) -> None:
    file = nibabel.as_closest_canonical(nibabel.load(shared_data / "body-label-maps" / "hip-thigh-knee.nii.gz"))
    labels = np.ascontiguousarray(np.asarray(file.dataobj)[::-1, ::-1][region]).astype(np.int64)
    found = find_calcinosis(drawn_ct(labels, (1.5, 1.5, 1.5), noise_hu=22.0, seed=4))
    assert found.bone.sum() * np.prod(found.spacing) > 20_000.0, name
    assert sum(c.volume_mm3 for c in found.components) < 20.0, name
