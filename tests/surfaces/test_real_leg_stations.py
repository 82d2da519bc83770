"""Seven real stations of a volunteer's legs, whose files lost their positions: joined, labeled with care, never ill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.cli.main import main
from tests.report.page import Page
from tests.surfaces.plain_words import states_disease

pytestmark = pytest.mark.real_data

N_STATIONS, N_SLICES = 7, 31
STEP_AS_SCANNED = (4.0, 34.0)
"""Smallest and largest brightness step at a seam as the stations were scanned. [%]"""
SEAM_LIMIT = 5.0
"""Of the program. The seam from thigh to pelvis reaches 4.9; without a fall that differs from side to side, 5.2. [%]"""
BONE_SHARE = (0.03, 0.16)
"""Bone in muscle and bone of a section through a shaft. [1]"""


@pytest.fixture(scope="module")
def legs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """``heliotrope analyze`` in the stated order, without single muscles."""
    folder = tmp_path_factory.mktemp("legs")
    plan, out = folder / "plan.json", folder / "out"
    plan.write_text(json.dumps({"muscles": "none"}))
    given = ["--role", "dixon_water", "--station-order", "foot_first", "--plan", str(plan)]
    status = main(["analyze", str(shared_data / "leg-stations"), *given, "--out", str(out)])
    document: dict[str, Any] = json.loads((out / "result.json").read_text())
    page = Page((out / "report.html").read_text(encoding="utf-8")).visible_text
    labels = np.asarray(nibabel.load(out / "labels.nii.gz").dataobj).astype(int)
    return document | {"exit": status, "text": page, "drawn": labels}


def _steps(legs: dict[str, Any], statistic: str) -> list[float]:
    rows = legs["measurements"]
    return [row["value"] for row in rows if row["quantity"] == "seam_error" and row["statistic"] == statistic]


def test_geometry_alone_joins_nothing_and_says_what_to_give(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(shared_data / "leg-stations"), "--json"]) == 0
    (study,) = json.loads(capsys.readouterr().out)["studies"]
    assert len(study["series"]) == N_STATIONS
    assert any("all state one place" in note and "--station-order foot_first" in note for note in study["notes"])


def test_the_reversed_order_is_refused(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--role", "dixon_water", "--station-order", "head_first", "--only", "stations", "--json"]
    assert main(["analyze", str(shared_data / "leg-stations"), *given, "--out", str(tmp_path / "out")]) != 0
    assert json.loads(capsys.readouterr().out)["code"] == "E_STATION_ORDER"


def test_every_seam_is_better_than_scanned_and_within_the_limit(legs: dict[str, Any]) -> None:
    before, after = _steps(legs, "as scanned"), _steps(legs, "corrected")
    assert len(before) == len(after) == N_STATIONS - 1
    assert STEP_AS_SCANNED[0] < min(before) < max(before) < STEP_AS_SCANNED[1]
    assert max(before) > 30.0
    assert all(a < b for a, b in zip(after, before, strict=True))
    assert max(after) < SEAM_LIMIT
    (check,) = [item for item in legs["quality"] if item["name"] == "seams of Dixon water"]
    assert check["passed"] is True


def test_the_report_says_where_positions_came_from_and_shows_the_seams(legs: dict[str, Any]) -> None:
    assert legs["exit"] == 0
    assert "were not in the files: they follow one another in the stated order" in legs["text"]
    assert "an overlap of 30 mm found in the images" in legs["text"]
    assert "joined from 7 stations" in legs["text"]
    assert "Dixon water, seam 6 to 7" in legs["text"]


def test_no_finding_calls_these_legs_ill(legs: dict[str, Any]) -> None:
    """A volunteer; and a water image alone holds no reference, so edema is not even asked."""
    assert not states_disease(legs["findings"])
    assert not [item for item in legs["findings"] if item["kind"] == "edema" and item["present"] is not None]


def _slices(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.flatnonzero(mask.any(axis=(0, 1)))


@pytest.mark.parametrize(("muscle", "bone"), [(3, 5), (13, 15)], ids=["left", "right"])
def test_tissues_are_given_along_leg_and_thigh_alone(legs: dict[str, Any], muscle: int, bone: int) -> None:
    """Feet, knees and pelvis were labeled as muscle before, hands beside the hip included."""
    drawn = legs["drawn"]
    labeled = _slices((drawn == muscle) | (drawn == bone))
    assert labeled.min() > N_SLICES  # foot and ankle: the first station
    assert not {98, 100, 102, 104, 106, 108} & set(labeled.tolist())  # knee
    assert labeled.max() < 176  # hip
    assert {60, 80, 130, 160} <= set(labeled.tolist())
    section = np.count_nonzero((drawn == muscle) | (drawn == bone), axis=(0, 1))
    assert section[labeled].min() * 0.0225 > 20.0  # no limb is halved where the other one ends [cm2]
    area = np.count_nonzero(drawn == bone, axis=(0, 1)) / np.maximum(
        np.count_nonzero((drawn == bone) | (drawn == muscle), axis=(0, 1)), 1
    )
    assert BONE_SHARE[0] < float(np.median(area[labeled])) < BONE_SHARE[1]
    assert "elsewhere no shaft of a long bone is followed over 80 mm" in legs["text"]


def test_both_legs_hold_as_much_muscle(legs: dict[str, Any]) -> None:
    left, right = (np.count_nonzero(legs["drawn"] == number) for number in (3, 13))
    assert 0.85 < left / right < 1.18
