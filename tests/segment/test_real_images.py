"""Tissues on real images beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.domain.study import Role
from heliotrope.io import nifti, read_study, read_volume
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.carried_labels import carry_labels, outlines_of_limbs
from heliotrope.segment.contrast import body_of
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


def test_limbs_of_real_calves_are_carried_to_a_tilted_series_by_its_own_headers(shared_data: Path) -> None:
    """The headers of the two series lie half a meter and ten degrees apart."""
    folder = shared_data / "calf-qmr"
    water, fat = (nifti.read_nifti(folder / f"{name}.nii.gz") for name in ("water", "fat"))
    echoes = nifti.read_nifti(folder / "T2data_reordered_17echo.nii.gz")

    def outlines(image: NDArray[np.generic], grid: Grid) -> LabelMap:
        frame = AxialFrame.of(grid)
        signal = frame.to_axial(np.abs(image).astype(np.float32))
        return outlines_of_limbs(body_of(signal, (frame.spacing_mm[0], frame.spacing_mm[1])), signal, grid)

    first = outlines(np.add(water.data, fat.data), water.grid)
    found = carry_labels(first, outlines(echoes.data[..., 0], echoes.grid))
    assert {limb.side for limb in found.limbs} == set(Side)
    assert all(limb.fits and limb.dice > 0.96 for limb in found.limbs)


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
