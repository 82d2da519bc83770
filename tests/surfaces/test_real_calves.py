"""The whole analysis on the calves of one volunteer: nothing here is myositis, and nothing may be called so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from heliotrope.cli.main import main
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io.nifti import RAS_TO_LPS, write_sidecar, write_volume
from tests.surfaces.plain_words import states_disease

pytestmark = pytest.mark.real_data

ECHO_SPACING_MS, N_ECHOES = 7.6, 17
HEALTHY_WATER_T2_MS = (27.0, 36.0)
"""Healthy calf muscle at 3 T; the 14 muscles of this volunteer read 28.8 to 33.6 ms. [ms]"""


def _centered(path: Path, spacing_mm: tuple[float, float, float]) -> Volume:
    """The image about one center, along the axes; by the headers of the files the series lie up to 20 mm apart."""
    data = np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj, dtype=np.float32)
    matrix = np.diag([*spacing_mm, 1.0])
    matrix[:3, 3] = [-0.5 * spacing * (count - 1) for spacing, count in zip(spacing_mm, data.shape, strict=False)]
    return Volume(data, Grid.from_matrix(data.shape[:3], RAS_TO_LPS @ matrix))


@pytest.fixture(scope="module")
def answer(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Result of ``heliotrope analyze`` on scanner water and fat images and the multi-echo series."""
    source, folder = shared_data / "calf-qmr", tmp_path_factory.mktemp("calves")
    study = folder / "study"
    study.mkdir()

    common: dict[str, Any] = {"field_strength_t": 3.0, "manufacturer": "Philips"}
    for name, role in (("water", Role.DIXON_WATER), ("fat", Role.DIXON_FAT)):
        path = study / f"{name}.nii.gz"
        write_volume(path, _centered(source / f"{name}.nii.gz", (1.5, 1.5, 6.0)))
        write_sidecar(path, Acquisition(Modality.MR, slice_thickness_mm=6.0, **common), role=role, synthetic=False)
    times = tuple(round(ECHO_SPACING_MS * (n + 1), 6) for n in range(N_ECHOES))
    path = study / "echoes.nii.gz"
    write_volume(path, _centered(source / "T2data_reordered_17echo.nii.gz", (3.0, 3.0, 12.0)))
    acquisition = Acquisition(Modality.MR, echo_times_ms=times, slice_thickness_mm=12.0, **common)
    write_sidecar(path, acquisition, role=Role.MULTI_ECHO_T2, synthetic=False)
    out = folder / "out"
    assert main(["analyze", str(study), "--out", str(out)]) == 0
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    result["page"] = (out / "report.html").read_text()
    return result


def test_no_sentence_of_the_report_states_edema_or_disease(answer: dict[str, Any]) -> None:
    """Why that is right: a healthy volunteer; water T2 of every muscle lies in the healthy band."""
    stated = [item["statement"] for item in answer["findings"] if item["kind"] == "edema" and item["present"]]
    assert stated == []
    assert not states_disease(answer["findings"])


def test_water_t2_and_fat_of_the_calves_are_physiology(answer: dict[str, Any]) -> None:
    values = {
        (row["region"]["side"], row["quantity"]): row["value"]
        for row in answer["measurements"]
        if row["region"]["structure"] == "muscle" and row["region"]["side"] and row["statistic"] == "median"
    }
    for side in ("left", "right"):
        assert HEALTHY_WATER_T2_MS[0] < values[side, "water_t2"] < HEALTHY_WATER_T2_MS[1]
        # README: near 4.6 % in muscle
        assert 2.5 < values[side, "fat_fraction"] < 8.0
