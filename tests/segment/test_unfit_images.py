"""Images that are not what they should be: a clear refusal or a partial result with its reason, never a wrong map."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.errors import HeliotropeError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.measure.morphometry import measure_morphometry
from heliotrope.segment.label_quality import check_labels
from heliotrope.segment.tissues import segment_tissues
from tests.segment import limbs

STORED = (((0, 1, 2), (False, False, False)), ((2, 0, 1), (True, False, True)), ((1, 2, 0), (False, True, True)))
"""Three storage orders of one patient."""


def _water(thighs: limbs.DrawnThighs) -> dict[Role, Volume]:
    water, fat = limbs.dixon(thighs)
    return {Role.DIXON_WATER: water, Role.DIXON_FAT: fat}


def _stored(images: dict[Role, Volume], at: int) -> dict[Role, Volume]:
    return {role: limbs.turned(volume, *STORED[at]) for role, volume in images.items()}


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("level", [0.0, 500.0])
def test_an_empty_volume_is_refused(at: int, level: float) -> None:
    grid = Grid.from_spacing((60, 50, 4), (3.0, 3.0, 8.0))
    flat = {Role.T1: Volume(np.full(grid.shape, level, np.float32), grid)}
    with pytest.raises(QualityRefusal) as caught:
        segment_tissues(_stored(flat, at))
    assert caught.value.hint


@pytest.mark.parametrize("at", range(3))
def test_a_single_slice_gives_its_tissues(at: int) -> None:
    thighs = limbs.draw(spacing_mm=2.0, slices=1)
    labels = segment_tissues(_stored(_water(thighs), at))
    muscle = limbs.found(labels, "muscle")
    assert 0.8 < muscle.sum() / (thighs.tissue == limbs.MUSCLE).sum() < 1.2


@pytest.mark.parametrize("at", range(3))
def test_a_leg_cut_by_the_field_of_view_has_no_volume_but_its_whole_slices(at: int) -> None:
    thighs = limbs.draw(spacing_mm=2.0)
    images = _water(thighs)
    keep = slice(22, None)
    matrix = thighs.grid.matrix
    matrix[:3, 3] = thighs.grid.positions_mm([22, 0, 0])
    grid = Grid.from_matrix((thighs.grid.shape[0] - 22, *thighs.grid.shape[1:]), matrix)
    cut = {role: Volume(np.ascontiguousarray(v.data[keep]), grid) for role, v in images.items()}
    labels = segment_tissues(_stored(cut, at))
    checks = {check.name: check for check in check_labels(labels)}
    assert checks["label-field-of-view"].passed is False
    rows = measure_morphometry(labels)
    fat = {
        str(row.region.side): row
        for row in rows
        if row.region.structure == "subcutaneous_fat" and row.quantity == "volume"
    }
    assert fat["right"].value is None
    assert fat["right"].missing is not None
    assert fat["right"].missing.code == "M_CUT_BY_FIELD_OF_VIEW"
    assert fat["left"].value is not None


@pytest.mark.parametrize("at", range(3))
def test_a_single_limb_is_labeled_on_its_own_side_alone(at: int) -> None:
    thighs = limbs.draw(spacing_mm=2.0, limbs=(1,))
    labels = segment_tissues(_stored(_water(thighs), at))
    assert {str(region.side) for region in labels.legend.values()} == {"left"}


def test_metal_on_ct_is_no_muscle_and_no_fat() -> None:
    thighs = limbs.draw(spacing_mm=2.0)
    ct = limbs.computed_tomography(thighs)
    hu = np.array(ct.data)
    x, y = np.meshgrid(*(np.arange(n) for n in ct.grid.shape[:2]), indexing="ij")
    place = np.argwhere((thighs.tissue[:, :, 0] == limbs.MUSCLE) & (x > 120) & (y > 55)).mean(axis=0)
    nail = np.repeat((np.hypot(x - place[0], y - place[1]) < 4.0)[:, :, None], ct.grid.shape[2], axis=2)
    hu[nail] = 3000.0
    labels = segment_tissues({Role.CT: Volume(hu, ct.grid, ct.unit)})
    found = limbs.found(labels, "muscle") | limbs.found(labels, "subcutaneous_fat")
    assert not (found & nail).any()


def test_noise_is_refused() -> None:
    grid = Grid.from_spacing((60, 50, 4), (3.0, 3.0, 8.0))
    noise = limbs.noisy(np.zeros(grid.shape), 50.0, 3)
    with pytest.raises(QualityRefusal):
        segment_tissues({Role.T1: Volume(noise, grid)})


def test_labels_with_numbers_no_legend_names_are_refused() -> None:
    grid = Grid.from_spacing((4, 4, 2), (1.0, 1.0, 5.0))
    with pytest.raises(HeliotropeError, match="without a name") as caught:
        LabelMap(np.full(grid.shape, 7, np.uint16), grid, {}, "person")
    assert caught.value.code == "E_LABEL"
