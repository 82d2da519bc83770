"""What the calcinosis stage makes of scans that are not as they should be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput, StageOutput
from heliotrope.app.stages.calcinosis import STAGES
from heliotrope.domain.anatomy import Region
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io import read_study, read_volume
from heliotrope.io.dicom_writer import synthetic_uid, write_dicom_series
from tests.segment.calcium.scenes import Scene

PLAIN = Acquisition(
    Modality.CT,
    slice_thickness_mm=1.0,
    slice_spacing_mm=1.0,
    tube_voltage_kv=120.0,
    convolution_kernel="STANDARD",
    contrast_agent=False,
)


def limb(*, cut: bool = False) -> Scene:
    scene = Scene((116, 116, 40))
    scene.limb((-20.0, 0.0) if cut else (0.0, 0.0))
    scene.ball((20.0, 8.0, -8.0), 4.0, 600.0)
    return scene


def analyzed(
    folder: Path,
    scene: Scene | Volume,
    acquisition: Acquisition = PLAIN,
    *,
    without: tuple[int, ...] = (),
) -> StageOutput | Missing:
    paths = write_dicom_series(
        scene if isinstance(scene, Volume) else scene.scan(noise_hu=12.0),
        acquisition,
        role=Role.CT,
        description="limb",
        series_number=1,
        study_uid=synthetic_uid("study"),
        series_uid=synthetic_uid("series"),
        patient_label="A1",
        folder=folder,
    )
    for number in without:
        paths[number].unlink()
    study = read_study(folder)
    selected = STAGES[0].select(study)
    if isinstance(selected, Missing):
        return selected
    # the writer of synthetic series leaves the contrast agent out
    series = replace(
        selected[0], acquisition=replace(selected[0].acquisition, contrast_agent=acquisition.contrast_agent)
    )
    return STAGES[0].run(StageInput(study, (series,), AnalyzeOptions(), read_volume))


def check(output: StageOutput | Missing, name: str) -> tuple[bool | None, str]:
    assert isinstance(output, StageOutput)
    found = next(q for q in output.quality if q.name == name)
    return found.passed, found.detail


def volume_ml(output: StageOutput | Missing) -> float:
    assert isinstance(output, StageOutput)
    rows = (m for m in output.measurements if m.quantity == "calcinosis_volume" and m.region == Region("all"))
    value = next(rows).value
    assert value is not None
    return value


def test_a_gap_leaves_a_partial_result_that_says_so(tmp_path: Path) -> None:
    output = analyzed(tmp_path, limb(), without=(30, 31, 32))
    passed, words = check(output, "CT completeness")
    assert passed is False
    assert "only this part was assessed" in words
    assert "slices are missing" in words
    assert volume_ml(output) > 0.15


def test_scattered_missing_slices_are_refused_with_the_reason(tmp_path: Path) -> None:
    output = analyzed(tmp_path, limb(), without=tuple(range(3, 39, 3)))
    assert isinstance(output, Missing)
    assert output.code == "M_IRREGULAR_SERIES"


def test_slices_of_12_mm_are_refused_with_the_reason(tmp_path: Path) -> None:
    output = analyzed(tmp_path, limb(), replace(PLAIN, slice_thickness_mm=12.0))
    assert isinstance(output, Missing)
    assert output.code == "M_THICK_SLICES"


def test_a_sharp_kernel_and_contrast_are_said(tmp_path: Path) -> None:
    output = analyzed(tmp_path, limb(), replace(PLAIN, convolution_kernel="B70f", contrast_agent=True))
    assert check(output, "CT kernel")[0] is False
    assert check(output, "CT contrast medium")[0] is False
    assert volume_ml(output) > 0.15


def test_a_limb_cut_by_the_image_edge_is_measured_and_said(tmp_path: Path) -> None:
    output = analyzed(tmp_path, limb(cut=True))
    passed, words = check(output, "CT field of view")
    assert passed is False
    assert "cut by the image edge" in words
    assert np.isclose(volume_ml(output), 0.268, rtol=0.4)


@pytest.mark.parametrize(("structure", "counted"), [("femur", False), ("bone", True)])
def test_bones_that_labels_name_are_bone_and_the_tissue_bone_is_no_proof(
    tmp_path: Path, structure: str, counted: bool
) -> None:
    scene = limb()
    analyzed(tmp_path, scene)
    study = read_study(tmp_path)
    selected = STAGES[0].select(study)
    assert not isinstance(selected, Missing)
    volume = read_volume(selected[0])
    dense = (np.asarray(volume.data) > 150.0).astype(np.uint16)
    labels = LabelMap(dense, volume.grid, {1: Region(structure)}, source="engine")
    output = STAGES[0].run(StageInput(study, selected, AnalyzeOptions(), read_volume, labels=labels))
    assert (volume_ml(output) > 0.15) is counted


def levels(output: StageOutput | Missing, beginning: str) -> set[str]:
    assert isinstance(output, StageOutput)
    found = {m.region.level or "" for m in output.measurements}
    return {level for level in found if level.startswith(beginning)}


def test_a_head_is_refused_by_name(tmp_path: Path) -> None:
    scene = Scene((90, 90, 40), (2.0, 2.0, 3.0))
    scene.ball((0, 0, 0), 78.0, 40.0)
    scene.ball((0, 0, 0), 74.0, 1100.0)
    scene.ball((0, 0, 0), 66.0, 35.0)
    with pytest.raises(QualityRefusal, match="a head"):
        analyzed(tmp_path, scene, replace(PLAIN, slice_thickness_mm=3.0, slice_spacing_mm=3.0))


@pytest.mark.parametrize(
    ("slope", "intercept", "reason"),
    [
        (1.0, 1024.0, "neither air"),
        (1.0, 45.0, "fat peaks"),
        (1.0, -45.0, "lean tissue peaks"),
        (0.5, -400.0, "no body found"),
    ],
)
def test_a_wrong_rescale_is_refused_with_the_reason(
    tmp_path: Path, slope: float, intercept: float, reason: str
) -> None:
    volume = limb().scan(noise_hu=12.0)
    wrong = replace(volume, data=np.rint(np.asarray(volume.data) * slope + intercept).astype(np.float32))
    with pytest.raises(QualityRefusal, match=reason) as refusal:
        analyzed(tmp_path, wrong)
    assert "rescale" in str(refusal.value.hint)


def test_in_slices_of_4_mm_planes_are_withheld_and_that_is_said(tmp_path: Path) -> None:
    scene = Scene((116, 116, 12), (1.0, 1.0, 4.0))
    scene.limb()
    scene.ball((20.0, 8.0, 0.0), 6.0, 600.0)
    output = analyzed(tmp_path, scene, replace(PLAIN, slice_thickness_mm=4.0, slice_spacing_mm=4.0))
    assert volume_ml(output) > 0.4
    assert levels(output, "plane ") == {"plane deep"}
    assert isinstance(output, StageOutput)
    assert any("withheld" in limit for finding in output.findings for limit in finding.limits)


def test_arteries_and_veins_full_of_contrast_are_listed_and_not_counted(tmp_path: Path) -> None:
    scene = Scene((116, 116, 40))
    scene.limb()
    scene.ball((-22.0, 14.0, 0.0), 4.0, 600.0)
    scene.rod((14, -12, -30), (17, -10, 30), 3.2, 280.0)
    scene.rod((21, -9, -30), (24, -7, 30), 3.6, 210.0)
    output = analyzed(tmp_path, scene, replace(PLAIN, contrast_agent=True))
    assert np.isclose(volume_ml(output), 0.268, rtol=0.4)
    assert "not counted: vessel filled with contrast" in levels(output, "not counted")
