"""Tissues on real images beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliotrope.domain.anatomy import Side
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.study import Role
from heliotrope.io import nifti, read_study, read_volume
from heliotrope.segment.tissues import segment_layers, segment_tissues
from tests.segment import limbs

pytestmark = pytest.mark.real_data


def test_real_thighs_have_the_proportions_of_thighs(shared_data: Path) -> None:
    (series,) = read_study(shared_data / "thigh-mese-dicom").with_role(Role.MULTI_ECHO_T2)
    layers = segment_layers({Role.MULTI_ECHO_T2: read_volume(series)}, echo_times_ms=series.acquisition.echo_times_ms)
    labels = layers.labels
    for side in Side:
        sizes = {
            name: int(limbs.found(labels, name, side).sum())
            for name in ("muscle", "subcutaneous_fat", "intermuscular_fat", "bone", "skin")
        }
        assert sizes["muscle"] == max(sizes.values())
        assert 0.03 < sizes["bone"] / sizes["muscle"] < 0.10
    assert all(0.8 < thickness < 3.1 for thickness in layers.skin_mm)
    assert labels.mask_where(structure="fiducial").any()
    assert (layers.bones_per_slice == 1).all()


def test_real_calves_have_two_bones_and_are_called_legs(shared_data: Path) -> None:
    folder = shared_data / "calf-qmr"
    images = {
        Role.DIXON_WATER: nifti.read_nifti(folder / "water.nii.gz"),
        Role.DIXON_FAT: nifti.read_nifti(folder / "fat.nii.gz"),
    }
    labels = segment_tissues(images)
    assert sum("looks like a leg" in note for note in labels.notes) == 2
    assert labels.mask_where(structure="muscle").sum() > 3 * labels.mask_where(structure="subcutaneous_fat").sum()


def test_a_real_water_station_gives_muscle_and_bone_alone(shared_data: Path) -> None:
    volume = nifti.read_nifti(shared_data / "leg-stations" / "Join_3.nii.gz")
    labels = segment_tissues({Role.DIXON_WATER: volume})
    assert {region.structure for region in labels.legend.values()} <= {"muscle", "bone", "fiducial"}
    muscle = {side: labels.mask_where(structure="muscle", side=side).sum() for side in Side}
    assert 0.8 < muscle[Side.LEFT] / muscle[Side.RIGHT] < 1.25
    for side in Side:
        assert 0.04 < labels.mask_where(structure="bone", side=side).sum() / muscle[side] < 0.2


def test_a_real_opposed_image_is_no_water_image(shared_data: Path) -> None:
    volume = nifti.read_nifti(shared_data / "thigh-labelled" / "image.nii.gz")
    with pytest.raises(QualityRefusal, match="marrow is bright"):
        segment_tissues({Role.DIXON_WATER: volume})


def test_a_real_foot_is_refused(shared_data: Path) -> None:
    volume = nifti.read_nifti(shared_data / "leg-stations" / "Join_1.nii.gz")
    with pytest.raises(QualityRefusal):
        segment_tissues({Role.DIXON_WATER: volume})
