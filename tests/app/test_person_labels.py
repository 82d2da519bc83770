"""A person's labels come as NIfTI, DICOM segmentation or structure set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heliotrope.app.person_labels import read_person_labels
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import GeometryError
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io import read_study
from tests.io.builders import numbered, write
from tests.io.test_dicom_objects import SHAPE, masks, segmentation


def test_a_segmentation_object_is_taken_on_the_series_it_was_drawn_on(tmp_path: Path) -> None:
    write(tmp_path / "ct", numbered(SHAPE), Acquisition(Modality.CT), Role.CT)
    labels, series = read_person_labels(segmentation(tmp_path, "BINARY"), read_study(tmp_path / "ct"))
    assert series.role is Role.CT
    left, _ = masks()
    np.testing.assert_array_equal(labels.mask(Region("sartorius", Side.LEFT)), left)


def test_a_segmentation_of_other_images_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "ct", numbered(SHAPE), Acquisition(Modality.CT), Role.CT)
    drawn = segmentation(tmp_path, "BINARY")
    write(tmp_path / "other", numbered((6, 6, 3), spacing=(3.0, 3.0, 9.0)), Acquisition(Modality.CT), Role.CT)
    with pytest.raises(GeometryError) as caught:
        read_person_labels(drawn, read_study(tmp_path / "other"))
    assert caught.value.code == "E_LABELS_GRID"
