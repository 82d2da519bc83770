"""A trunk on CT: tissues by Hounsfield units and shape."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.io import nifti
from heliotrope.segment.tissues import segment_layers
from tests.segment.trunks import DrawnTrunk, draw_trunk

DRAWN_DICE = {"subcutaneous_fat": 0.90, "muscle": 0.90, "bone": 0.90, "torso_fat": 0.90}
"""The wall is 4 to 5 voxels thick: half a voxel on both faces costs a tenth."""
GIVEN_DICE = {"skeletal_muscle": 0.77, "subcutaneous_fat": 0.86, "torso_fat": 0.79}
"""Against a network's masks at 3 mm, where flank muscles are 1 to 3 voxels thick, the network leaves the outermost
voxel to the skin, and organs touch the wall without fat between. Measured: 0.83, 0.90, 0.83; a border half a voxel off
costs about 0.05."""


def _dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return 2.0 * float((first & second).sum()) / float(first.sum() + second.sum())


@pytest.fixture(scope="module", params=[True, False], ids=["with gas", "without gas"])
def labeled(request: pytest.FixtureRequest) -> tuple[DrawnTrunk, LabelMap]:
    trunk = draw_trunk(gas=request.param)
    return trunk, segment_layers({Role.CT: trunk.volume}).labels


def test_a_trunk_has_its_tissues_and_no_side(labeled: tuple[DrawnTrunk, LabelMap]) -> None:
    trunk, labels = labeled
    assert {region.side for region in labels.legend.values()} == {None}
    found = {name: _dice(labels.mask_where(structure=name), trunk.drawn[name]) for name in DRAWN_DICE}
    assert all(found[name] >= limit for name, limit in DRAWN_DICE.items()), found


def test_an_organ_on_the_wall_is_no_muscle(labeled: tuple[DrawnTrunk, LabelMap]) -> None:
    _, labels = labeled
    inside_the_liver = (slice(38, 48), slice(36, 42))
    assert not labels.mask_where(structure="muscle")[inside_the_liver].any()


def test_the_notes_say_what_a_trunk_lacks(labeled: tuple[DrawnTrunk, LabelMap]) -> None:
    _, labels = labeled
    assert any("without sides, compartments or single muscles" in note for note in labels.notes)


def test_contrast_in_a_bowel_is_no_bone() -> None:
    trunk = draw_trunk(gas=True)
    hu = np.array(trunk.volume.data)
    x, y = np.meshgrid(np.arange(-186.0, 187, 3), np.arange(-132.0, 133, 3), indexing="ij")
    bowel = np.hypot(x - 60, y - 15) < 16
    hu[bowel] = 420.0
    labels = segment_layers({Role.CT: Volume(hu, trunk.volume.grid, trunk.volume.unit)}).labels
    assert not labels.mask_where(structure="bone")[bowel].any()


@pytest.mark.real_data
def test_a_real_abdomen_agrees_with_given_masks(shared_data: Path) -> None:
    folder = shared_data / "body-ct"
    labels = segment_layers({Role.CT: nifti.read_nifti(folder / "example_ct_sm.nii.gz")}).labels
    found = {}
    for name in GIVEN_DICE:
        given = np.asarray(nib.load(folder / "example_seg_tissue_types" / f"{name}.nii.gz").dataobj) > 0
        ours = labels.mask_where(structure="muscle" if name == "skeletal_muscle" else name)
        found[name] = _dice(ours, given)
    assert all(found[name] >= limit for name, limit in GIVEN_DICE.items()), found
