"""The real images beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heliotrope.domain.study import FileOutcome, Role
from heliotrope.io import read_study, read_volume

pytestmark = pytest.mark.real_data


def test_the_thigh_study_is_one_multi_echo_series(shared_data: Path) -> None:
    study = read_study(shared_data / "thigh-mese-dicom")
    (series,) = study.series
    assert series.role is Role.MULTI_ECHO_T2
    assert series.grid is not None
    assert series.grid.shape == (384, 192, 7)
    assert series.n_frames == 17
    np.testing.assert_allclose(series.acquisition.echo_times_ms, 10.9 * np.arange(1, 18), atol=1e-9)
    assert len(study.files) == 119
    assert {record.outcome for record in study.files} == {FileOutcome.USED}
    # the header's body part is wrong: it is reported as a claim and decides nothing
    assert series.acquisition.body_part_claimed == "CALF"
    assert any("CALF" in note for note in study.notes)


def test_the_signal_of_muscle_decays_over_the_echoes(shared_data: Path) -> None:
    (series,) = read_study(shared_data / "thigh-mese-dicom").series
    data = np.asarray(read_volume(series).data)
    bright = data[..., 0] > np.percentile(data[..., 0], 80)
    medians = [float(np.median(data[..., echo][bright])) for echo in range(17)]
    assert medians[0] > 2 * medians[-1]


def test_ct_and_mr_with_contours_are_told_apart(shared_data: Path) -> None:
    study = read_study(shared_data / "limb-ct-mr" / "STS_003")
    assert [series.role for series in study.series] == [Role.CT, Role.T1, Role.RTSTRUCT, Role.RTSTRUCT]


def test_compressed_ct_without_identifiers_is_still_read(shared_data: Path) -> None:
    (series,) = read_study(shared_data / "body-ct" / "example_ct_dicom").series
    data = np.asarray(read_volume(series).data)
    assert data.shape == (512, 512, 20)
    assert data.min() == -1024
