"""Labels on other grids, eroded masks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from heliotrope.domain.anatomy import Region
from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.segment.transfer import resample_labels, touches_border, without_margin

LEGEND = {1: Region("muscle"), 2: Region("bone")}


def _labels(values: np.ndarray[tuple[int, ...], np.dtype[np.uint16]], spacing: tuple[float, float, float]) -> LabelMap:
    shape = (values.shape[0], values.shape[1], values.shape[2])
    return LabelMap(values, Grid.from_spacing(shape, spacing), LEGEND, "person")


def test_labels_on_a_twice_finer_grid_cover_the_same_space() -> None:
    random = np.random.default_rng(5)
    values = random.integers(0, 3, (5, 4, 3)).astype(np.uint16)
    source = _labels(values, (2.0, 2.0, 2.0))
    matrix = np.diag([1.0, 1.0, 1.0, 1.0])
    matrix[:3, 3] = -0.5
    fine = resample_labels(source, Grid.from_matrix((10, 8, 6), matrix))
    assert np.array_equal(fine.labels, values.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_flipped_and_exchanged_axes_give_the_same_labels_at_the_same_place() -> None:
    values = np.arange(24).reshape(4, 3, 2).astype(np.uint16) % 3
    source = _labels(values, (1.0, 2.0, 5.0))
    matrix = np.array([[0, 0, -1.0, 3.0], [2.0, 0, 0, 0], [0, 5.0, 0, 0], [0, 0, 0, 1]])
    turned = resample_labels(source, Grid.from_matrix((3, 2, 4), matrix))
    assert np.array_equal(turned.labels, values.transpose(1, 2, 0)[:, :, ::-1])


def test_outside_the_source_there_is_no_label() -> None:
    source = _labels(np.ones((3, 3, 3), dtype=np.uint16), (1.0, 1.0, 1.0))
    matrix = np.eye(4)
    matrix[0, 3] = 2.0
    moved = resample_labels(source, Grid.from_matrix((3, 3, 3), matrix))
    assert moved.labels[0].all()
    assert not moved.labels[1:].any()


def test_another_frame_of_reference_is_refused() -> None:
    grid = Grid.from_matrix((2, 2, 2), np.eye(4), "1.2.3")
    source = LabelMap(np.ones((2, 2, 2), dtype=np.uint16), grid, LEGEND, "person")
    with pytest.raises(GeometryError, match="frames of reference"):
        resample_labels(source, Grid.from_matrix((2, 2, 2), np.eye(4), "1.2.4"))


def test_erosion_takes_the_margin_within_slices() -> None:
    mask = np.zeros((20, 20, 2), dtype=bool)
    mask[5:15, 5:15] = True
    kept = without_margin(mask, Grid.from_spacing((20, 20, 2), (1.0, 1.0, 8.0)), 1.0)
    assert kept[6:14, 6:14].all()
    assert kept.sum() == 8 * 8 * 2


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 8.0), (0.4, 0.7, 5.0), (6.0, 1.5, 1.2), (1.4, 1.4, 1.4)])
@pytest.mark.parametrize("margin_mm", [1.5000015, 3.1])
def test_what_is_kept_lies_farther_from_the_outside_than_the_margin(
    spacing: tuple[float, float, float], margin_mm: float
) -> None:
    field = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(30, 26, 28)), 3.0)
    mask = field > 0.0
    grid = Grid.from_spacing((30, 26, 28), spacing)
    across = int(np.argmax(spacing))
    far = np.zeros_like(mask)
    planes, into = np.moveaxis(mask, across, 0), np.moveaxis(far, across, 0)
    for plane, kept in zip(planes, into, strict=True):
        sampling = [s for axis, s in enumerate(spacing) if axis != across]
        kept[...] = ndimage.distance_transform_edt(plane, sampling=sampling) > margin_mm
    assert 0 < far.sum() < mask.sum()
    assert np.array_equal(without_margin(mask, grid, margin_mm), far)


def test_a_mask_that_fills_the_image_has_no_margin() -> None:
    full = np.ones((4, 4, 4), dtype=bool)
    assert without_margin(full, Grid.from_spacing((4, 4, 4), (1.0, 1.0, 1.0)), 1.5).all()


def test_a_mask_at_the_edge_of_the_image_is_known_to_be_cut() -> None:
    mask = np.zeros((6, 6, 6), dtype=bool)
    mask[2:4, 2:4, 5] = True
    assert touches_border(mask)
    assert not touches_border(mask, axes=(0, 1))
