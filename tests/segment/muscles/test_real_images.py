"""The shipped network on real images beside the checkout; nothing was chosen by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.muscle_network.evaluate import compare, swapped

from heliotrope.backends.muscle_network import load_muscle_network
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.images import Volume
from heliotrope.io import nifti
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.muscles.label import label_muscles

pytestmark = pytest.mark.real_data

MEASURED = {
    "mean_of_muscles": 0.859,
    "anterior_thigh of named muscles": 0.959,
    "posterior_thigh of named muscles": 0.910,
    "medial_thigh of named muscles": 0.934,
}
"""On slices 3 to 22; the model card holds all figures."""


def every(volume: Volume, slices: slice) -> Volume:
    """Some slices of a volume, where they lie."""
    return volume.part((slice(None), slice(None), slices))


def test_muscles_of_a_real_thigh_agree_with_another_network(shared_data: Path) -> None:
    step = slice(3, 23, 4)
    volume = every(nifti.read_nifti(shared_data / "thigh-labelled" / "image.nii.gz"), step)
    raw = every(nifti.read_nifti(shared_data / "thigh-labelled" / "labels.nii.gz"), step)
    found = label_muscles([volume], load_muscle_network(), withhold=False)
    reference = AxialFrame.of(raw.grid).to_axial(np.asarray(raw.data)).astype(np.int32)
    overlap = compare(found, reference, slice(None))
    below_what_was_measured = 0.03
    assert overlap["mean_of_muscles"] > MEASURED["mean_of_muscles"] - below_what_was_measured
    for group in ("anterior_thigh", "posterior_thigh", "medial_thigh"):
        name = f"{group} of named muscles"
        assert overlap[name] > MEASURED[name] - below_what_was_measured
    assert swapped(found) == 0


def test_no_calf_gets_muscles_of_a_thigh(shared_data: Path) -> None:
    volume = every(nifti.read_nifti(shared_data / "calf-qmr" / "water.nii.gz"), slice(2, 23, 5))
    with pytest.raises(QualityRefusal) as caught:
        label_muscles([volume], load_muscle_network())
    assert caught.value.code == "E_NOT_A_THIGH"
