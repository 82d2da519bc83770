"""Neighboring slices decide where a slice alone is unsure."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.segment.muscles.crops import CropFrame
from heliotrope.segment.muscles.predict import with_neighbors

PIXELS = 24
PIXEL_MM = 1.5


def _frames(centers_mm: list[float]) -> list[CropFrame]:
    return [CropFrame((c, 0.0), Side.RIGHT, (1.5, 1.5), PIXEL_MM, PIXELS) for c in centers_mm]


def _halves(share: float, n_slices: int = 5, middle: float | None = None) -> NDArray[np.float32]:
    """Slices (n, 3, x, y) of classes 1 and 2: the first holds `share` of the lower half, the second of the upper."""
    answer = np.zeros((n_slices, 3, PIXELS, PIXELS), np.float32)
    answer[:, 1], answer[:, 2] = 1 - share, share
    answer[:, 1, : PIXELS // 2], answer[:, 2, : PIXELS // 2] = share, 1 - share
    if middle is not None:
        answer[n_slices // 2, 1, : PIXELS // 2], answer[n_slices // 2, 2, : PIXELS // 2] = middle, 1 - middle
    return answer


def test_a_slice_that_is_unsure_follows_its_neighbors() -> None:
    found = with_neighbors(_halves(0.95, middle=0.3), np.arange(5) * 6.0, _frames([0.0] * 5))
    assert (np.argmax(found[2], axis=0)[: PIXELS // 2 - 2] == 1).all()
    assert (np.argmax(found[2], axis=0)[PIXELS // 2 + 2 :] == 2).all()
    assert found.sum(axis=1) == pytest.approx(np.ones((5, PIXELS, PIXELS)), abs=1e-5)


def test_a_slice_that_is_sure_keeps_what_its_neighbors_do_not_show() -> None:
    found = with_neighbors(_halves(0.95, middle=0.002), np.arange(5) * 6.0, _frames([0.0] * 5))
    assert (np.argmax(found[2], axis=0) == 2).all()


@pytest.mark.parametrize("spacing_mm", [45.0, 100.0])
def test_distant_slices_have_no_say(spacing_mm: float) -> None:
    alone = _halves(0.95, middle=0.3)
    found = with_neighbors(alone, np.arange(5) * spacing_mm, _frames([0.0] * 5))
    assert found == pytest.approx(alone, abs=1e-5)


def test_crops_of_neighbors_are_laid_over_one_another_first() -> None:
    moved = _halves(0.95, middle=0.45)
    shift = 3
    for k in (0, 1, 3, 4):
        # these crops lie 3 pixels further toward medial, so that what they show lies 3 pixels lower in them
        moved[k] = np.roll(moved[k], -shift, axis=1)
        moved[k, :, -shift:] = moved[k, :, -shift - 1 : -shift]
    centers = [shift * PIXEL_MM if k != 2 else 0.0 for k in range(5)]
    found = np.argmax(with_neighbors(moved, np.arange(5) * 6.0, _frames(centers))[2], axis=0)
    assert np.flatnonzero(found[:, PIXELS // 2] == 1).max() == PIXELS // 2 - 1
