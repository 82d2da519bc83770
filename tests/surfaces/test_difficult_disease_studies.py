"""Studies and pairs of studies that invite a wrong answer, from the command line to what a reader sees."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heliotrope.app.phantom import TRUTH_FOLDER, PhantomFormat, bundle_of, write_bundle
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import Region, Side
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence
from tests.app.visits import visit
from tests.report.page import Page
from tests.segment.test_position_match import moved_by

COARSE = MrProtocol(matrix=(127, 67), pixel_mm=3.0, n_slices=3)


def analyzed(name: str, folder: Path, sequences: tuple[Sequence, ...], plan: dict[str, Any]) -> dict[str, Any]:
    """A coarse phantom as DICOM through ``heliotrope analyze`` with its true labels."""
    study = build_thigh_study(name, replace(SCENES[name], protocol=replace(COARSE, sequences=sequences)), 5)
    images, out, options = folder / "images", folder / "out", folder / "plan.json"
    write_bundle(bundle_of(study), images, PhantomFormat.DICOM)
    options.write_text(json.dumps({"only": ["edema", "layers", "findings"], **plan}))
    labels = str(images / TRUTH_FOLDER / "labels.nii.gz")
    status = main(["analyze", str(images), "--out", str(out), "--labels", labels, "--plan", str(options)])
    document: dict[str, Any] = json.loads((out / "result.json").read_text())
    return document | {"status": status, "page": (out / "report.html").read_text()}


def findings(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [item for item in document["findings"] if item["kind"] == kind]


def test_stir_without_any_reference_gives_no_fraction_and_says_why(tmp_path: Path) -> None:
    document = analyzed("active-dm", tmp_path, (Sequence.STIR, Sequence.SCANNER_DIXON), {})
    assert not [row for row in document["measurements"] if row["quantity"] == "edema_fraction"]
    (edema,) = findings(document, "edema")
    assert edema["present"] is None
    text = Page(document["page"]).visible_text
    assert "Edema cannot be counted on STIR" in text
    assert "there is no water T2 map with independently measured fat, no site ratio and no spared muscle" in text
    assert not [item for item in findings(document, "biopsy_site") if item["present"]]


def test_fat_suppression_that_failed_on_one_side_is_counted_and_the_sides_are_not_compared(tmp_path: Path) -> None:
    """Fat shines in front of the right thigh; the little edema that was put in is equal on both sides."""
    site = {"spared_muscle": "semitendinosus"}
    document = analyzed("suppression-failure", tmp_path, (Sequence.STIR, Sequence.SCANNER_DIXON), site)
    (check,) = [item for item in document["quality"] if item["name"] == "edema-assessable"]
    assert float(check["detail"].split("failed fat suppression ")[1].split(" %")[0]) > 5.0
    fraction = {
        row["region"]["side"]: row["value"]
        for row in document["measurements"]
        if row["quantity"] == "edema_fraction" and row["region"]["structure"] == "muscle" and row["region"]["side"]
    }
    # equal edema was put in; the right side shows less of it, for its front is not judged
    assert fraction["right"] < fraction["left"]
    (symmetry,) = [
        item for item in findings(document, "symmetry") if item["regions"][0]["structure"] == "anterior_thigh"
    ]
    assert symmetry["present"] is None
    assert "Fat suppression failed in" in symmetry["statement"]
    spoken = [item["statement"] for item in findings(document, "edema") if "right anterior" in item["statement"]]
    # what was lost on this side does not hide the edema that can be seen there
    assert "Edema-like signal" in spoken[0]
    assert "in the vastus lateralis" in spoken[0]
    assert "not assessable: rectus femoris" in spoken[0]


def test_timepoints_of_different_patients_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [visit(tmp_path / "a", range(3)), visit(tmp_path / "b", range(3), subject="subject-2")]
    out = tmp_path / "out"
    assert main(["compare", *map(str, folders), "--out", str(out), "--json"]) == 4
    answer = json.loads(capsys.readouterr().out)
    assert answer["code"] == "E_DIFFERENT_PATIENTS"
    assert "subject-2" not in json.dumps(answer)
    assert not out.exists()


def test_of_different_protocols_only_what_is_comparable_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Echo times changed: T2 is not compared, the sizes of the same limb are."""
    folders = [visit(tmp_path / "a", range(4)), visit(tmp_path / "b", range(4))]
    path = folders[1] / "result.json"
    document = json.loads(path.read_text())
    document["study"]["series"][0]["echo_times_ms"] = [12.0, 24.0]
    path.write_text(json.dumps(document))
    out = tmp_path / "out"
    assert main(["compare", *map(str, folders), "--out", str(out), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["changes"]
    t2 = {row["verdict"] for row in rows if row["quantity"] == "water_t2" and row["baseline"] is not None}
    assert t2 == {"not comparable"}
    assert "echo times differ" in next(row["reason"] for row in rows if row["quantity"] == "water_t2")
    assert "echo times differ" in Page((out / "report.html").read_text()).visible_text


def test_a_follow_up_with_other_coverage_is_compared_where_both_saw_the_limb(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [visit(tmp_path / "a", range(10)), visit(tmp_path / "b", range(6, 14), moved_by((2.0, 3.0, -40.0)))]
    out = tmp_path / "out"
    assert main(["compare", *map(str, folders), "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["common_part"]["common_mm"] == 32.0
    (row,) = [
        row
        for row in answer["changes"]
        if row["quantity"] == "water_t2"
        and row["statistic"] == "mean"
        and row["region"] == {"structure": "muscle", "side": "left", "level": None}
    ]
    assert row["verdict"] == "within measurement error"
    assert abs(row["difference"]) < 0.3
    assert "only the 32 mm that all show" in Page((out / "report.html").read_text()).visible_text


def test_a_phantom_truth_of_both_sides_is_equal_where_the_test_says_so() -> None:
    study = build_thigh_study(
        "suppression-failure", replace(SCENES["suppression-failure"], protocol=replace(COARSE, sequences=())), 5
    )
    shares = [
        float(np.nanmean(study.truth_maps["edema_fraction"].values[study.truth_labels.mask(Region(name, side))]))
        for name in ("vastus_lateralis", "vastus_medialis")
        for side in Side
    ]
    assert np.ptp(shares) < 5.0
