"""A whole body in five stations, from files through the command line to what a reader sees."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from heliotrope.app.phantom import TRUTH_FILE, TRUTH_FOLDER, PhantomFormat, write_bundle
from heliotrope.app.phantom_whole_body import bundle_of_body
from heliotrope.app.validation.whole_body import PROTOCOL
from heliotrope.cli.main import main
from heliotrope.phantoms.whole_body import build_whole_body
from tests.report.page import Page

SEED = 5
PLAN = {"stir_ratio": 1.0, "stir_ratio_sd": 0.04}
"""The ratio of the phantom's healthy muscle."""
COMPARTMENT_TOLERANCE = 5.0
"""Edema fraction of one compartment, the limit of the gates. [percentage points]"""
GAIN_TOLERANCE = 0.02
"""Of a station's gain, relative; noise of 2.5 % over thousands of voxels."""


def _write_coarse(folder: Path, image_format: PhantomFormat) -> None:
    write_bundle(bundle_of_body(build_whole_body(SEED, PROTOCOL), SEED), folder, image_format)


def _analyze(folder: Path, images: Path, only: list[str]) -> dict[str, Any]:
    """``heliotrope analyze`` with the true labels and the site's ratio."""
    plan, out = folder / "plan.json", folder / "out"
    plan.write_text(json.dumps({**PLAN, **({"only": only} if only else {})}))
    labels = str(images / TRUTH_FOLDER / "labels.nii.gz")
    status = main(["analyze", str(images), "--labels", labels, "--plan", str(plan), "--out", str(out)])
    document: dict[str, Any] = json.loads((out / "result.json").read_text())
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    truth = json.loads((images / TRUTH_FOLDER / TRUTH_FILE).read_text())
    text = Page((out / "report.html").read_text(encoding="utf-8")).visible_text
    return document | {"exit": status, "text": text, "table": table, "truth": truth}


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("body")
    images = folder / "images"
    _write_coarse(images, PhantomFormat.DICOM)
    return _analyze(folder, images, ["stations", "profile", "whole-body", "findings"])


def _values(document: dict[str, Any], quantity: str, statistic: str) -> dict[tuple[str, str | None], float | None]:
    return {
        (row["region"]["structure"], row["region"]["side"]): row["value"]
        for row in document["measurements"]
        if row["quantity"] == quantity and row["statistic"] == statistic and row["region"]["level"] is None
    }


def _by_level(document: dict[str, Any], quantity: str, statistic: str) -> dict[str, float]:
    return {
        row["region"]["level"]: row["value"]
        for row in document["measurements"]
        if row["quantity"] == quantity and row["statistic"] == statistic
    }


def _check_against_truth(document: dict[str, Any]) -> None:
    """Compartments, burden and gains as they were put in."""
    found = _values(document, "edema_fraction", "fraction")
    truth = document["truth"]["compartments"]
    assert len(truth) == 34
    for row in truth:
        value = found[row["structure"], row["side"]]
        assert value is not None, row
        assert value == pytest.approx(row["edema_percent"], abs=COMPARTMENT_TOLERANCE), row
    volume = sum(row["volume_ml"] for row in truth)
    whole = sum(row["volume_ml"] * row["edema_percent"] for row in truth) / volume
    assert _values(document, "whole_body_fraction", "volume-weighted")["body", None] == pytest.approx(whole, abs=2.0)
    assert _values(document, "whole_body_coverage", "share of compartments")["body", None] == 100.0
    gains = _by_level(document, "station_gain", "factor")
    for contrast, key in (("STIR", "stir_gain"), ("Dixon water", "dixon_gain")):
        own = [value for level, value in gains.items() if level.startswith(contrast)]
        expected = [1.0 / row[key] for row in document["truth"]["stations"]]
        assert own == pytest.approx(expected, rel=GAIN_TOLERANCE)


def test_every_compartment_the_burden_and_the_gains_are_found_from_files(body: dict[str, Any]) -> None:
    assert body["exit"] == 0
    _check_against_truth(body)


def test_seams_are_told_once_for_each_contrast(body: dict[str, Any]) -> None:
    """Fat has the gain of its water, and no rows of its own."""
    steps = _by_level(body, "seam_error", "corrected")
    assert len(steps) == 8  # four seams of STIR, four of water
    assert all(step < 5.0 for step in steps.values())
    assert sum(level.startswith("STIR") for level in steps) == 4
    assert not any("fat" in level for level in steps)
    assert "Stir" not in body["text"]
    checks = {item["name"]: item["passed"] for item in body["quality"] if item["name"].startswith("seams of")}
    assert len(checks) == 2
    assert all(checks.values())


def test_edema_rises_along_the_thigh_as_it_was_put_in(body: dict[str, Any]) -> None:
    slopes = _values(body, "edema_slope", "Theil-Sen")
    truth = body["truth"]["edema_slope_percent_per_cm"]["quadriceps_femoris"]
    for side in ("left", "right"):
        assert slopes["quadriceps_femoris", side] == pytest.approx(truth, rel=0.25)


def test_the_report_shows_the_joined_body_its_inventory_and_its_distal_muscles(body: dict[str, Any]) -> None:
    text = body["text"]
    assert "joined from 5 stations" in text
    assert "34 of 34 compartments (100 %)" in text
    assert "In forearm and leg 2 of 10 do (left forearm extensors, right superficial posterior compartment" in text
    for name in ("forearm extensors", "superficial posterior leg", "neck muscles", "paraspinal muscles"):
        assert name in text.lower()
    assert "Edema-like signal in 36 % (95 % CI" in text  # the upper arm, among the key findings
    assert "Inventory of the whole body" in text
    assert "SYNTHETIC" in text


def test_the_table_holds_every_compartment_with_its_fraction(body: dict[str, Any]) -> None:
    rows = {
        (row["structure"], row["side"])
        for row in body["table"]
        if row["quantity"] == "edema_fraction" and not row["level"] and row["value"]
    }
    assert {(row["structure"], row["side"]) for row in body["truth"]["compartments"]} <= rows


def test_nifti_files_with_sidecars_give_the_same_seams_as_dicom(
    body: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    _write_coarse(images, PhantomFormat.NIFTI)
    assert main(["inspect", str(images), "--json"]) == 0
    (seen,) = json.loads(capsys.readouterr().out)["studies"]
    assert sum("joined from 5 stations" in item["reason"] for item in seen["series"]) == 3
    document = _analyze(tmp_path, images, ["stations"])
    for quantity, statistic in (("seam_error", "corrected"), ("station_gain", "factor"), ("station_shift", "length")):
        from_dicom = list(_by_level(body, quantity, statistic).values())
        # DICOM keeps whole numbers
        assert sorted(_by_level(document, quantity, statistic).values()) == pytest.approx(sorted(from_dicom), abs=0.05)


@pytest.mark.heavy
@pytest.mark.parametrize("image_format", ["dicom", "nifti"])
def test_the_phantom_of_a_user_goes_from_the_command_line_to_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], image_format: str
) -> None:
    images = tmp_path / "body"
    command = ["phantom", "whole-body-stations", "--out", str(images), "--seed", str(SEED), "--format", image_format]
    assert main(command) == 0
    assert main(["inspect", str(images)]) == 0
    assert capsys.readouterr().out.count("joined from 5 stations") == 3
    document = _analyze(tmp_path, images, [])
    assert document["exit"] == 0
    _check_against_truth(document)
