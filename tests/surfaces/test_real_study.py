"""The main job on a real multi-echo study of healthy-looking thighs; nothing here is evidence about patients."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from heliotrope.cli.main import main

pytestmark = pytest.mark.real_data

HEALTHY_WATER_T2_MS = (28.0, 39.0)
"""Healthy thigh at 3 T is about 28 to 36 ms and a published control value is 39 ms. [ms]"""


@pytest.fixture(scope="module")
def answer(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """JSON answer of ``heliotrope analyze``."""
    out = tmp_path_factory.mktemp("real") / "out"
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = main(["analyze", str(shared_data / "thigh-mese-dicom"), "--out", str(out), "--json"])
    assert status == 0
    result: dict[str, Any] = json.loads(printed.getvalue())
    return result


def _value(answer: dict[str, Any], structure: str, side: str, quantity: str, statistic: str) -> float:
    values = [
        row["value"]
        for row in answer["measurements"]
        if row["region"] == {"structure": structure, "side": side, "level": None}
        and (row["quantity"], row["statistic"]) == (quantity, statistic)
    ]
    assert len(values) == 1
    return float(values[0])


def test_all_files_are_used_as_one_multi_echo_series(answer: dict[str, Any]) -> None:
    assert answer["study"]["file_counts"] == {"used": 119, "skipped": 0, "refused": 0}
    (series,) = answer["study"]["series"]
    assert series["role"] == "multi_echo_t2"
    assert series["shape"] == [384, 192, 7, 17]


@pytest.mark.parametrize("side", ["left", "right"])
def test_muscle_water_t2_is_physiology_and_flagged_as_joint(answer: dict[str, Any], side: str) -> None:
    low, high = HEALTHY_WATER_T2_MS
    assert low < _value(answer, "muscle", side, "water_t2", "median") < high
    (row,) = [item for item in answer["maps"] if item["quantity"] == "water_t2"]
    assert any("fat not independently measured" in flag.lower() for flag in row["flags"])


@pytest.mark.parametrize("side", ["left", "right"])
def test_tissues_have_the_order_of_an_adult_thigh(answer: dict[str, Any], side: str) -> None:
    volume = {name: _value(answer, name, side, "volume", "total") for name in ("muscle", "intermuscular_fat", "bone")}
    assert volume["bone"] < volume["intermuscular_fat"] < 0.4 * volume["muscle"]


def test_a_tissue_cut_by_the_image_has_no_volume_and_says_why(answer: dict[str, Any]) -> None:
    """The upper slices reach past the image's edge, so the skin's size is not known."""
    (row,) = [
        item
        for item in answer["measurements"]
        if item["region"] == {"structure": "skin", "side": "left", "level": None} and item["quantity"] == "volume"
    ]
    assert row["value"] is None
    assert "cut by the edge" in row["missing"]["reason"]


def test_the_legs_are_alike(answer: dict[str, Any]) -> None:
    volumes = [_value(answer, "muscle", side, "volume", "total") for side in ("left", "right")]
    assert max(volumes) / min(volumes) < 1.15


def test_the_claimed_body_part_is_noted_and_not_believed(answer: dict[str, Any]) -> None:
    assert any("CALF" in note for note in answer["study"]["notes"])


def test_nothing_calls_this_person_ill(answer: dict[str, Any]) -> None:
    words = json.dumps([finding["statement"] for finding in answer["findings"]]).lower()
    for forbidden in ("myositis", "progression", "response to treatment"):
        assert forbidden not in words
