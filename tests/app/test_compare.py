"""Comparison of result folders."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heliotrope.app import output_folder
from heliotrope.app.compare import compare_folders
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.pipeline import run_stages
from heliotrope.app.result_document import result_to_plain
from heliotrope.app.store import StageStore
from heliotrope.domain.errors import HeliotropeError, InputError, QualityRefusal
from heliotrope.domain.study import Study
from tests.app.examples import label_stage, read_ones, study_of, t2_stage


def _analyzed(folder: Path, t2_ms: float, *, echo_times_ms: tuple[float, ...] = (10.0, 20.0), **study: Any) -> Path:
    """A result folder as `analyze` leaves it, without maps and report."""
    folder.mkdir()
    image = folder.parent / f"{folder.name}.dcm"
    image.write_bytes(b"pixels")
    base = study_of(image)
    series = base.series[0]
    acquisition = replace(series.acquisition, echo_times_ms=echo_times_ms, manufacturer="Maker", model="M1")
    given: Study = replace(base, series=(replace(series, acquisition=acquisition),), **study)
    run = run_stages(
        given,
        (t2_stage(t2_ms), label_stage()),
        AnalyzeOptions(),
        read_volume=read_ones,
        store=StageStore(folder / output_folder.STAGES_FOLDER),
        progress=lambda *_: None,
    )
    document = result_to_plain(run.result, status="complete", failures=(), show_identifiers=False)
    with output_folder.publishing(folder) as fresh:
        (fresh / "result.json").write_text(json.dumps(document))
        (fresh / "run.json").write_text(json.dumps({"outputs": ["result.json", "run.json"]}))
    return folder


def _mean_t2(document: dict[str, Any]) -> dict[str, Any]:
    rows = [row for row in document["changes"] if row["quantity"] == "water_t2"]
    assert len(rows) == 1
    row: dict[str, Any] = rows[0]
    return row


def test_a_rise_beyond_the_limit_is_called_and_written(tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 41.0)]
    outcome = compare_folders(folders, tmp_path / "out")
    row = _mean_t2(outcome.document)
    assert row["verdict"] == "increase larger than measurement error"
    assert (row["difference"], row["error_limit"]) == (6.0, 3.0)
    written = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert written == outcome.document
    with (tmp_path / "out" / "changes.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert table[0]["verdict"] == row["verdict"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "measurement error" in page
    assert "responded" not in page


def test_the_sites_own_repeatability_replaces_the_default(tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 41.0)]
    site = {"water_t2": {"coefficient": 8.0}}
    row = _mean_t2(compare_folders(folders, tmp_path / "out", site_repeatability=site).document)
    assert row["verdict"] == "within measurement error"
    assert row["origin"] == "the site's own test-retest"


def test_other_echo_times_are_not_compared(tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 41.0, echo_times_ms=(12.0, 24.0))]
    row = _mean_t2(compare_folders(folders, tmp_path / "out").document)
    assert (row["verdict"], row["reason"]) == ("not comparable", "protocol changed: echo times differ")


def test_different_patients_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 41.0, subject_key="subject-2")]
    with pytest.raises(QualityRefusal) as caught:
        compare_folders(folders, tmp_path / "out")
    assert caught.value.code == "E_DIFFERENT_PATIENTS"
    assert "subject-2" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_unknown_subject_is_compared_with_a_note(tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0, subject_key=None), _analyzed(tmp_path / "b", 36.0)]
    outcome = compare_folders(folders, tmp_path / "out")
    assert "could not be checked" in outcome.document["notes"][0]


def test_blinded_timepoints_keep_their_order_in_a_file_of_its_own(tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 41.0)]
    outcome = compare_folders(folders, tmp_path / "out", blind_seed=3)
    assert outcome.document["timepoints"] == ["A", "B"]
    key = json.loads((tmp_path / "out" / "blinding-key.json").read_text())["timepoints"]
    assert sorted(key.values()) == ["visit 1", "visit 2"]
    assert "visit" not in (tmp_path / "out" / "comparison.json").read_text()


def test_a_folder_without_a_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="'empty' holds no finished result"):
        compare_folders([_analyzed(tmp_path / "a", 35.0), tmp_path / "empty"], tmp_path / "out")


@pytest.mark.parametrize("row", [{}, {"coefficient": -1}, {"coefficient": "wide"}, 3, None])
def test_a_senseless_repeatability_is_refused(row: object, tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 41.0)]
    with pytest.raises(HeliotropeError) as caught:
        compare_folders(folders, tmp_path / "out", site_repeatability={"water_t2": row})
    assert caught.value.code == "E_REPEATABILITY"
