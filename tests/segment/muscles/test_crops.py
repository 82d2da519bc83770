"""A leg is cut, turned into one canonical leg and put back without a shift."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.segment.muscles.crops import CropFrame, View, axis_weights, between, normalized

SHAPE = (120, 100)
SPACING = (0.9, 1.1)
PIXEL_MM, PIXELS = 1.35, 64


def smooth(offset_x_mm: float, offset_y_mm: float) -> NDArray[np.float32]:
    """A bump at a place of the slice."""
    x, y = np.meshgrid(np.arange(SHAPE[0]) * SPACING[0], np.arange(SHAPE[1]) * SPACING[1], indexing="ij")
    bump = np.exp(-((x - offset_x_mm) ** 2 + (y - offset_y_mm) ** 2) / 200.0)
    return np.asarray(bump, dtype=np.float32)


def frame(side: Side) -> CropFrame:
    return CropFrame((55.0, 50.0), side, SPACING, PIXEL_MM, PIXELS)


def test_weights_interpolate_and_read_nothing_outside() -> None:
    weights = axis_weights(np.array([0.25, 2.6, -0.2, 9.0]), 3, 1.0, 1.0)
    assert weights[0].tolist() == pytest.approx([0.75, 0.25, 0.0])
    assert not weights[1].any()
    assert weights[2].tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert not weights[3].any()


def test_coarser_samples_skip_nothing() -> None:
    weights = axis_weights(np.arange(1.0, 20.0, 4.0), 20, 1.0, 4.0)
    reached = weights.sum(axis=0)
    assert (reached[2:18] > 0).all()


@pytest.mark.parametrize(("side", "medial"), [(Side.LEFT, -1.0), (Side.RIGHT, 1.0)])
def test_medial_and_anterior_are_up_in_the_crop_of_either_leg(side: Side, medial: float) -> None:
    at = frame(side)
    image = smooth(55.0 + medial * 20.0, 50.0 - 12.0)  # 20 mm medial and 12 mm anterior of the center
    first, second = at.weights_into(SHAPE, View())
    found = np.unravel_index(np.argmax(between(first, image, second)), (PIXELS, PIXELS))
    middle = 0.5 * PIXELS - 0.5
    assert (found[0] - middle) * PIXEL_MM == pytest.approx(20.0, abs=PIXEL_MM)
    assert (found[1] - middle) * PIXEL_MM == pytest.approx(12.0, abs=PIXEL_MM)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("view", [View(), View(0.93, 4.0, -4.0), View(1.07, -4.0, 4.0)])
def test_what_is_cut_comes_back_where_it_was(side: Side, view: View) -> None:
    at, image = frame(side), smooth(48.0, 57.0)
    crop = between(at.weights_into(SHAPE, view)[0], image, at.weights_into(SHAPE, view)[1])
    plain = between(at.weights_to_plain_view(view)[0], crop, at.weights_to_plain_view(view)[1])
    box = at.covered(SHAPE)
    back = between(at.weights_back(box)[0], plain, at.weights_back(box)[1])
    interpolated_twice_at_1_35_mm = 0.06
    assert np.abs(back - image[box])[8:-8, 8:-8].max() < interpolated_twice_at_1_35_mm


def test_gray_scale_follows_the_own_slice_and_leaves_an_empty_neighbor_empty() -> None:
    own = np.linspace(100.0, 200.0, PIXELS * PIXELS).reshape(PIXELS, PIXELS).astype(np.float32)
    slices = np.stack([own + 50.0, own, np.zeros_like(own)])
    shown = normalized(slices)
    assert shown[1].min() == 0.0
    assert shown[1].max() == pytest.approx(1.0, abs=0.02)
    assert shown[0].max() == pytest.approx(1.3)
    assert not shown[2].any()
