"""The main job on the built-in demonstration study, as a new user runs it."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import jsonschema
import nibabel
import numpy as np
import pytest

from heliotrope.app.result_document import result_schema
from heliotrope.cli.main import main
from heliotrope.evidence.ledger import ledger


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The demonstration's folder and its JSON answer."""
    folder = tmp_path_factory.mktemp("demo") / "heliotrope-demo"
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = main(["demo", "--out", str(folder), "--json"])
    assert status == 0
    return folder, json.loads(printed.getvalue())


def _values(answer: dict[str, Any], structure: str, quantity: str, statistic: str) -> dict[str | None, float]:
    return {
        row["region"]["side"]: row["value"]
        for row in answer["measurements"]
        if (row["region"]["structure"], row["quantity"], row["statistic"]) == (structure, quantity, statistic)
        and row["region"]["level"] is None
    }


def test_every_promised_file_is_there(demonstration: tuple[Path, dict[str, Any]]) -> None:
    analysis = demonstration[0] / "analysis"
    for name in ("report.html", "result.json", "measurements.csv", "labels.nii.gz", "labels.json", "run.json"):
        assert (analysis / name).stat().st_size > 0
    assert (analysis / "maps" / "water_t2.nii.gz").is_file()
    assert not list(analysis.rglob("*unfinished*"))


def test_the_answer_is_the_written_result_and_keeps_the_schema(demonstration: tuple[Path, dict[str, Any]]) -> None:
    folder, answer = demonstration
    written = json.loads((folder / "analysis" / "result.json").read_text())
    assert {key: answer[key] for key in written} == written
    jsonschema.validate(written, result_schema())
    with (folder / "analysis" / "measurements.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == len(written["measurements"])


def test_every_page_and_header_says_synthetic(demonstration: tuple[Path, dict[str, Any]]) -> None:
    folder, answer = demonstration
    assert answer["study"]["synthetic"] is True
    assert all(series["synthetic"] for series in answer["study"]["series"])
    page = (folder / "analysis" / "report.html").read_text()
    assert "SYNTHETIC" in page
    assert "Not a medical device" in page
    assert "http-equiv" not in page
    assert "<script src" not in page


def test_tissue_volumes_are_those_of_the_phantom(demonstration: tuple[Path, dict[str, Any]]) -> None:
    """Muscle and bone within 10 % of truth: a check of the chain, the gates of accuracy stand elsewhere."""
    folder, answer = demonstration
    truth = json.loads((folder / "study" / "truth" / "truth.json").read_text())["regions"]
    not_muscle = {
        "skin",
        "subcutaneous_fat",
        "intermuscular_fat",
        "bone_cortex",
        "bone_marrow",
        "vessel",
        "fascia_lata",
    }
    measured = _values(answer, "muscle", "volume", "total")
    bone = _values(answer, "bone", "volume", "total")
    for side in ("left", "right"):
        rows = [row for row in truth if row["side"] == side]
        true_muscle = sum(row["volume_ml"] for row in rows if row["structure"] not in not_muscle)
        true_bone = sum(row["volume_ml"] for row in rows if row["structure"].startswith("bone"))
        assert measured[side] == pytest.approx(true_muscle, rel=0.10)
        assert bone[side] == pytest.approx(true_bone, rel=0.15)


def test_water_t2_of_patchy_edema_lies_above_healthy_muscle(demonstration: tuple[Path, dict[str, Any]]) -> None:
    means = _values(demonstration[1], "muscle", "water_t2", "mean")
    assert all(35.0 < means[side] < 42.0 for side in ("left", "right"))


def test_labels_have_a_legend_and_lie_on_their_series_grid(demonstration: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = demonstration
    labels = nibabel.load(folder / "analysis" / "labels.nii.gz")
    legend = json.loads((folder / "analysis" / "labels.json").read_text())
    present = set(np.unique(np.asarray(labels.dataobj)).tolist()) - {0}
    assert {str(number) for number in present} <= set(legend)
    assert {row["side"] for row in legend.values()} >= {"left", "right"}
    t2 = nibabel.load(folder / "analysis" / "maps" / "water_t2.nii.gz")
    assert t2.shape == labels.shape
    np.testing.assert_allclose(t2.affine, labels.affine, atol=1e-4)


def test_every_number_and_statement_shown_points_to_the_ledger(demonstration: tuple[Path, dict[str, Any]]) -> None:
    answer = demonstration[1]
    book = ledger()
    known = set(book.statements) | set(book.sources)
    for row in (*answer["measurements"], *answer["findings"]):
        assert row["evidence"], f"{row.get('quantity', row.get('kind'))} is shown without a source"
        assert set(row["evidence"]) <= known


def test_a_second_run_reuses_every_stage_and_changes_nothing(demonstration: tuple[Path, dict[str, Any]]) -> None:
    folder, answer = demonstration
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = main(["analyze", str(folder / "study"), "--out", str(folder / "analysis"), "--json"])
    assert status == 0
    again = json.loads(printed.getvalue())
    assert all(stage["reused"] for stage in json.loads((folder / "analysis" / "run.json").read_text())["stages"])
    assert again["measurements"] == answer["measurements"]
    assert again["findings"] == answer["findings"]
