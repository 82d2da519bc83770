"""Tissues from MR without weights."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.segment.tissues import segment_tissues
from heliotrope.segment.transfer import resample_labels
from tests.segment import limbs


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return 2 * int(np.count_nonzero(first & second)) / max(1, int(np.count_nonzero(first) + np.count_nonzero(second)))


@pytest.fixture(scope="module")
def thighs() -> limbs.DrawnThighs:
    return limbs.draw()


@pytest.fixture(scope="module")
def labels(thighs: limbs.DrawnThighs) -> LabelMap:
    return segment_tissues({Role.MULTI_ECHO_T2: limbs.multi_echo(thighs)}, echo_times_ms=limbs.ECHO_TIMES_MS)


TISSUES = {
    "subcutaneous_fat": ((limbs.FAT,), 0.94),
    "muscle": ((limbs.MUSCLE,), 0.95),
    "bone": ((limbs.CORTEX, limbs.MARROW), 0.93),
}


@pytest.mark.parametrize("structure", sorted(TISSUES))
@pytest.mark.parametrize(("side", "sign"), [(Side.LEFT, 1), (Side.RIGHT, -1)])
def test_multi_echo_tissues_overlap_the_drawn_truth(
    labels: LabelMap, thighs: limbs.DrawnThighs, structure: str, side: Side, sign: int
) -> None:
    codes, limit = TISSUES[structure]
    truth = np.isin(thighs.tissue, codes) & (thighs.side == sign)
    assert dice(limbs.found(labels, structure, side), truth) >= limit


def test_cortex_and_marrow_are_told_apart(labels: LabelMap, thighs: limbs.DrawnThighs) -> None:
    one_pixel_of_error_on_four = 0.80
    assert dice(labels.mask_where(structure="bone_cortex"), thighs.tissue == limbs.CORTEX) > one_pixel_of_error_on_four
    assert dice(labels.mask_where(structure="bone_marrow"), thighs.tissue == limbs.MARROW) > one_pixel_of_error_on_four


def test_skin_is_found_where_it_is_two_voxels_thin(labels: LabelMap, thighs: limbs.DrawnThighs) -> None:
    one_voxel_of_error_on_two = 0.65
    truth = thighs.tissue == limbs.SKIN
    assert dice(labels.mask_where(structure="skin"), truth) > one_voxel_of_error_on_two


@pytest.mark.parametrize(
    ("order", "flips"),
    list(zip(itertools.permutations(range(3)), list(itertools.product((False, True), repeat=3))[1:7], strict=True)),
)
def test_left_stays_left_whatever_the_storage_order(
    thighs: limbs.DrawnThighs,
    labels: LabelMap,
    order: tuple[int, int, int],
    flips: tuple[bool, bool, bool],
) -> None:
    volume = limbs.turned(limbs.multi_echo(thighs), order, flips)
    turned = segment_tissues({Role.MULTI_ECHO_T2: volume}, echo_times_ms=limbs.ECHO_TIMES_MS)
    back = resample_labels(turned, labels.grid)
    left = back.mask_where(side=Side.LEFT)
    assert not (left & (thighs.side == -1)).any()
    assert dice(back.mask_where(structure="muscle"), labels.mask_where(structure="muscle")) > 0.995


def test_touching_thighs_are_parted_at_the_skin() -> None:
    touching = limbs.draw(gap_mm=-3.0)
    found = segment_tissues({Role.MULTI_ECHO_T2: limbs.multi_echo(touching)}, echo_times_ms=limbs.ECHO_TIMES_MS)
    left = found.mask_where(side=Side.LEFT)
    assert dice(left, touching.side == 1) > 0.97


def test_a_single_limb_gets_its_side_from_its_place_and_says_so() -> None:
    single = limbs.draw(limbs=(1,))
    found = segment_tissues({Role.MULTI_ECHO_T2: limbs.multi_echo(single)}, echo_times_ms=limbs.ECHO_TIMES_MS)
    assert {region.side for region in found.legend.values()} == {Side.LEFT}


def test_one_slice_is_enough() -> None:
    one = limbs.draw(slices=1)
    found = segment_tissues({Role.MULTI_ECHO_T2: limbs.multi_echo(one)}, echo_times_ms=limbs.ECHO_TIMES_MS)
    assert dice(found.mask_where(structure="muscle"), one.tissue == limbs.MUSCLE) > 0.95


def test_an_empty_image_is_refused() -> None:
    empty = Volume(np.zeros((32, 32, 2, 5), dtype=np.float32), Grid.from_spacing((32, 32, 2), (2.0, 2.0, 5.0)))
    with pytest.raises(QualityRefusal) as caught:
        segment_tissues({Role.MULTI_ECHO_T2: empty}, echo_times_ms=(10.0, 20.0, 30.0, 40.0, 50.0))
    assert caught.value.code == "E_EMPTY"


def test_noise_alone_is_refused() -> None:
    noise = limbs.noisy(np.zeros((64, 64, 2, 6)), 20.0, 3)
    with pytest.raises(QualityRefusal):
        segment_tissues({Role.MULTI_ECHO_T2: Volume(noise, Grid.from_spacing((64, 64, 2), (2.0, 2.0, 5.0)))})


def test_a_study_without_a_usable_contrast_says_what_would_do() -> None:
    volume = Volume(np.ones((8, 8, 2), dtype=np.float32), Grid.from_spacing((8, 8, 2), (2.0, 2.0, 5.0)))
    with pytest.raises(InputError, match="no image to draw tissues on"):
        segment_tissues({Role.ULTRASOUND: volume})
