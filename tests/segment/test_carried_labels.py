"""Labels carried from one image to another, limb by limb."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.segment.carried_labels import carry_labels, only_outlines, surface_limit_mm
from heliotrope.segment.registration import affine_of, warped
from tests.segment import limbs

SPACING_MM = 3.0
FITTING_DICE = 0.93
"""A bone 9 pixels wide, carried to half a pixel."""


def drawn_labels(thighs: limbs.DrawnThighs) -> LabelMap:
    """The drawn tissues of both limbs as labels."""
    values = np.zeros(thighs.tissue.shape, dtype=np.uint16)
    legend: dict[int, Region] = {}
    for offset, code, side in ((0, 1, Side.LEFT), (10, -1, Side.RIGHT)):
        for number, (name, tissues) in enumerate(
            (
                ("subcutaneous_fat", (limbs.SKIN, limbs.FAT)),
                ("muscle", (limbs.MUSCLE, limbs.INTERMUSCULAR)),
                ("bone", (limbs.CORTEX, limbs.MARROW)),
            ),
            start=1,
        ):
            values[(thighs.side == code) & np.isin(thighs.tissue, tissues)] = offset + number
            legend[offset + number] = Region(name, side)
    return LabelMap(values, thighs.grid, legend, "drawn")


def _moved_limbs(array: np.ndarray, right: tuple[int, int], left: tuple[int, int]) -> np.ndarray:
    """The two halves of an array moved by whole voxels, each by its own step."""
    middle = array.shape[0] // 2
    parts = [np.roll(array[:middle], right, axis=(0, 1)), np.roll(array[middle:], left, axis=(0, 1))]
    return np.concatenate(parts)


def _dice(first: LabelMap, second: LabelMap, region: Region) -> float:
    one, two = first.mask(region), second.mask(region)
    return 2.0 * float((one & two).sum()) / float(one.sum() + two.sum())


@pytest.fixture(scope="module")
def thighs() -> limbs.DrawnThighs:
    return limbs.draw(spacing_mm=SPACING_MM, slices=5, gap_mm=30.0)


def test_each_limb_is_carried_by_its_own_move(thighs: limbs.DrawnThighs) -> None:
    labels = drawn_labels(thighs)
    truth = LabelMap(_moved_limbs(labels.labels, (-2, 3), (2, -3)), labels.grid, labels.legend, "drawn")
    found = carry_labels(labels, truth)
    assert {limb.side for limb in found.limbs} == set(Side)
    for limb in found.limbs:
        assert limb.fits
        assert limb.inverse_consistency_mm < SPACING_MM / 2.0
    for side in Side:
        for name in ("muscle", "bone"):
            assert _dice(found.labels, truth, Region(name, side)) > FITTING_DICE


def test_images_bend_labels_after_the_rigid_move(thighs: limbs.DrawnThighs) -> None:
    labels = drawn_labels(thighs)
    image = limbs.t1_weighted(thighs)
    moved = Volume(_moved_limbs(np.asarray(image.data), (-2, 3), (2, -3)), image.grid)
    truth = LabelMap(_moved_limbs(labels.labels, (-2, 3), (2, -3)), labels.grid, labels.legend, "drawn")
    found = carry_labels(labels, truth, moving=image, fixed=moved)
    assert all(limb.bent and limb.fits and limb.dice > FITTING_DICE for limb in found.limbs)
    assert all(limb.inverse_consistency_mm < SPACING_MM for limb in found.limbs)


def test_outlines_alone_carry_labels_rigidly(thighs: limbs.DrawnThighs) -> None:
    labels = drawn_labels(thighs)
    moved = LabelMap(_moved_limbs(labels.labels, (-2, 2), (2, -2)), labels.grid, labels.legend, "drawn")
    found = carry_labels(labels, only_outlines(moved))
    assert all(limb.fits and not limb.bent for limb in found.limbs)
    assert _dice(found.labels, moved, Region("muscle", Side.LEFT)) > FITTING_DICE


def test_a_limb_of_another_shape_is_left_out_and_said_so(thighs: limbs.DrawnThighs) -> None:
    labels = drawn_labels(thighs)
    values = np.array(labels.labels)
    half = values.shape[0] // 2
    # the left limb has lost a third of its width
    shrunken = values[half:][
        np.linspace(0, values.shape[0] - half - 1, int(0.65 * (values.shape[0] - half))).astype(int)
    ]
    values[half:] = 0
    values[half : half + shrunken.shape[0]] = shrunken
    found = carry_labels(labels, LabelMap(values, labels.grid, labels.legend, "drawn"))
    fits = {limb.side: limb.fits for limb in found.limbs}
    assert fits == {Side.LEFT: False, Side.RIGHT: True}
    assert not found.labels.mask_where(side=Side.LEFT).any()
    assert any("Not carried: left" in note for note in found.labels.notes)


def test_nothing_that_fits_is_refused(thighs: limbs.DrawnThighs) -> None:
    labels = drawn_labels(thighs)
    matrix = labels.grid.matrix
    matrix[:3, :2] *= 0.6
    small = LabelMap(labels.labels, Grid.from_matrix(labels.grid.shape, matrix), labels.legend, "drawn")
    with pytest.raises(QualityRefusal, match="mm apart") as caught:
        carry_labels(labels, small)
    assert caught.value.code == "E_REGISTRATION"


def test_labels_of_the_other_side_are_no_match(thighs: limbs.DrawnThighs) -> None:
    labels = drawn_labels(thighs)
    left, right = (
        LabelMap(
            np.where(labels.mask_where(side=side), labels.labels, 0).astype(np.uint16),
            labels.grid,
            {number: region for number, region in labels.legend.items() if region.side is side},
            "drawn",
        )
        for side in Side
    )
    with pytest.raises(QualityRefusal, match="no limb is labeled on both"):
        carry_labels(left, right)


def test_an_echo_train_is_no_image_to_register(thighs: limbs.DrawnThighs) -> None:
    labels = drawn_labels(thighs)
    train = Volume(np.zeros((*labels.grid.shape, 2), np.float32), labels.grid)
    with pytest.raises(InputError, match="two 3-D images"):
        carry_labels(labels, labels, moving=train, fixed=train)


def test_the_limit_is_three_millimeters_or_one_and_a_half_coarse_pixels() -> None:
    fine, coarse = Grid.from_spacing((4, 4, 2), (1.0, 1.0, 5.0)), Grid.from_spacing((4, 4, 2), (3.0, 3.0, 5.0))
    assert surface_limit_mm(fine, fine) == 3.0
    assert surface_limit_mm(fine, coarse) == 4.5


TILT_DEG = 10.0
"""Of the second series against the first, as a coronal-oblique plan of the slices gives it. [deg]"""


def _tilted_grid(size: tuple[int, int, int], center_mm: np.ndarray, tilt_deg: float) -> Grid:
    """Slices 8 mm apart whose normal leans to the front, about a center."""
    angle = np.radians(tilt_deg)
    lean = np.array(
        [[1.0, 0.0, 0.0], [0.0, np.cos(angle), -np.sin(angle)], [0.0, np.sin(angle), np.cos(angle)]]
    ) @ np.diag([SPACING_MM, SPACING_MM, 8.0])
    matrix = np.eye(4)
    matrix[:3, :3] = lean
    matrix[:3, 3] = center_mm - lean @ ((np.asarray(size) - 1.0) / 2.0)
    return Grid.from_matrix(size, matrix)


def _part(labels: LabelMap, first: int, stop: int) -> LabelMap:
    """Some slices of labels, at their place."""
    matrix = labels.grid.matrix
    matrix[:3, 3] += first * matrix[:3, 2]
    values = np.ascontiguousarray(labels.labels[:, :, first:stop])
    return LabelMap(values, Grid.from_matrix(values.shape, matrix), labels.legend, labels.source)


@pytest.fixture(scope="module")
def long_thighs() -> LabelMap:
    return drawn_labels(limbs.draw(spacing_mm=SPACING_MM, slices=24, gap_mm=30.0))


@pytest.mark.parametrize("header", ["right", "without the tilt", "shifted", "without tilt and shifted"])
@pytest.mark.parametrize("own_outlines", [True, False], ids=["outlines", "tissues"])
def test_labels_reach_a_tilted_series_that_they_cover_in_part(
    long_thighs: LabelMap, header: str, own_outlines: bool
) -> None:
    """Expected: the labels that lie there in truth, whatever the header of the second series says of its place."""
    labels = _part(long_thighs, 5, 17)
    middle = long_thighs.grid.positions_mm((np.asarray(long_thighs.grid.shape) - 1.0) / 2.0)
    center = middle + np.array([0.0, 0.0, 20.0])
    truly = _tilted_grid((120, 70, 10), center, TILT_DEG)
    anatomy = LabelMap(warped(long_thighs, truly, affine_of(np.eye(4))), truly, labels.legend, "drawn")
    wanted = warped(labels, truly, affine_of(np.eye(4)))
    error = np.array([9.0, -7.0, 12.0]) if "shifted" in header else np.zeros(3)
    stated = _tilted_grid(truly.shape, center + error, 0.0 if "without" in header else TILT_DEG)
    own = LabelMap(anatomy.labels, stated, labels.legend, "drawn")
    found = carry_labels(labels, only_outlines(own) if own_outlines else own)
    assert all(limb.fits for limb in found.limbs)
    assert {limb.side for limb in found.limbs} == set(Side)
    covered = (wanted > 0).any(axis=(0, 1))
    assert 6 <= covered.sum() < 10
    truth = LabelMap(wanted, stated, labels.legend, "drawn")
    for side in Side:
        assert _dice(found.labels, truth, Region("muscle", side)) > 0.9


def test_a_move_that_only_a_tip_survives_is_not_taken(long_thighs: LabelMap) -> None:
    """Laid so that one slice of each is left, outlines always fit."""
    first, second = _part(long_thighs, 0, 12), _part(long_thighs, 11, 23)
    found = carry_labels(first, second)
    wanted = np.flatnonzero(warped(first, second.grid, affine_of(np.eye(4))).any(axis=(0, 1)))
    kept = np.flatnonzero(found.labels.labels.any(axis=(0, 1)))
    assert set(wanted.tolist()) <= set(kept.tolist())


def test_a_bone_that_one_image_does_not_show_is_no_distance(thighs: limbs.DrawnThighs) -> None:
    """As the fibula, which tissues of a coarse image may lack."""
    labels = drawn_labels(thighs)
    values = np.array(labels.labels)
    for side, number in ((Side.LEFT, 3), (Side.RIGHT, 13)):
        x, y = (int(v.mean()) for v in np.nonzero(labels.mask_where(structure="bone", side=side).any(axis=2)))
        values[x - 2 : x + 3, y + 8 : y + 13] = number
    two_bones = LabelMap(values, labels.grid, labels.legend, "drawn")
    for first, second in ((two_bones, labels), (labels, two_bones)):
        assert all(limb.fits and limb.surface_p95_mm <= SPACING_MM for limb in carry_labels(first, second).limbs)


def test_a_void_within_a_limb_is_no_outline(thighs: limbs.DrawnThighs) -> None:
    """Vessels and deposits stay unlabeled on some images and not on others."""
    labels = drawn_labels(thighs)
    values = np.array(labels.labels)
    for side in Side:
        x, y = (int(v.mean()) for v in np.nonzero(labels.mask_where(structure="muscle", side=side).any(axis=2)))
        values[x - 4 : x + 4, y + 6 : y + 14] = 0
    found = carry_labels(labels, LabelMap(values, labels.grid, labels.legend, "drawn"))
    assert all(limb.surface_p95_mm < SPACING_MM for limb in found.limbs)
