"""Labels carried from one visit to another."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.segment.registration import carry_labels
from heliotrope.segment.tissues import segment_tissues
from tests.segment import limbs


@pytest.fixture(scope="module")
def visit() -> tuple[Volume, LabelMap]:
    image = limbs.t1_weighted(limbs.draw(spacing_mm=4.0, slices=5))
    return image, segment_tissues({Role.T1: image})


def _moved(volume: Volume, shift_mm: tuple[float, float, float]) -> Grid:
    matrix = volume.grid.matrix
    matrix[:3, 3] += shift_mm
    return Grid.from_matrix(volume.grid.shape, matrix)


def test_a_shifted_visit_gets_its_labels_back(visit: tuple[Volume, LabelMap]) -> None:
    image, labels = visit
    grid = _moved(image, (9.0, -6.0, 0.0))
    fixed = Volume(image.data, grid)
    own = LabelMap(labels.labels, grid, labels.legend, "own")
    carried = carry_labels(labels, image, fixed, own)
    assert carried.dice > 0.97
    assert carried.inverse_consistency_mm < 2.0
    assert np.mean(carried.labels.labels == labels.labels) > 0.95


def test_labels_that_do_not_fit_are_refused(visit: tuple[Volume, LabelMap]) -> None:
    image, labels = visit
    wrong = LabelMap(np.roll(labels.labels, 8, axis=1), image.grid, labels.legend, "own")
    with pytest.raises(QualityRefusal, match="mm apart") as caught:
        carry_labels(labels, image, image, wrong)
    assert caught.value.code == "E_REGISTRATION"


def test_an_echo_train_is_no_image_to_register(visit: tuple[Volume, LabelMap]) -> None:
    image, labels = visit
    train = Volume(np.repeat(np.asarray(image.data)[..., None], 2, axis=3), image.grid)
    with pytest.raises(InputError, match="two 3-D images"):
        carry_labels(labels, train, train, labels)
