"""Labels on other grids, eroded masks."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.anatomy import Region
from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.segment.transfer import erode_mask, resample_labels, touches_border

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


def test_erosion_takes_the_margin_and_says_how_much() -> None:
    mask = np.zeros((20, 20, 2), dtype=bool)
    mask[5:15, 5:15] = True
    eroded = erode_mask(mask, Grid.from_spacing((20, 20, 2), (1.0, 1.0, 8.0)), 1.0)
    assert eroded.mask.sum() == 8 * 8 * 2
    assert eroded.fraction_lost == pytest.approx(0.36)


def test_an_empty_mask_has_lost_everything() -> None:
    eroded = erode_mask(np.zeros((4, 4, 4), dtype=bool), Grid.from_spacing((4, 4, 4), (1.0, 1.0, 1.0)), 1.5)
    assert eroded.fraction_lost == 1.0


def test_a_mask_at_the_edge_of_the_image_is_known_to_be_cut() -> None:
    mask = np.zeros((6, 6, 6), dtype=bool)
    mask[2:4, 2:4, 5] = True
    assert touches_border(mask)
    assert not touches_border(mask, axes=(0, 1))
