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
from heliotrope.cli.main import main
from heliotrope.domain.errors import HeliotropeError, InputError, OptionError, QualityRefusal
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


def test_sizes_on_mr_and_on_ct_are_not_held_against_each_other(tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 35.0)]
    file = folders[1] / "result.json"
    document = json.loads(file.read_text())
    for series in document["study"]["series"]:
        series["modality"] = "CT"
    file.write_text(json.dumps(document))
    row = _mean_t2(compare_folders(folders, tmp_path / "out").document)
    assert (row["verdict"], row["reason"]) == ("not comparable", "measured on MR and then on CT")


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


def test_days_between_visits_are_given_or_told_by_dates_and_no_date_is_written(tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 41.0)]
    assert compare_folders(folders, tmp_path / "unknown").document["days"] is None
    assert compare_folders(folders, tmp_path / "given", days=(10, 192)).document["days"] == {
        "visit 1": 0,
        "visit 2": 182,
    }
    for folder, day in zip(folders, ("2026-01-02", "2026-03-03"), strict=True):
        result = json.loads((folder / "result.json").read_text())
        result["study"]["acquired_on"] = day
        (folder / "result.json").write_text(json.dumps(result))
    dated = compare_folders(folders, tmp_path / "dated")
    assert dated.document["days"] == {"visit 1": 0, "visit 2": 60}
    for file in (tmp_path / "dated").iterdir():
        assert "2026-03-03" not in file.read_text(encoding="utf-8")


def test_a_blinded_comparison_tells_no_days(tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 41.0)]
    for folder, day in zip(folders, ("2026-01-02", "2026-03-03"), strict=True):
        result = json.loads((folder / "result.json").read_text())
        result["study"]["acquired_on"] = day
        (folder / "result.json").write_text(json.dumps(result))
    outcome = compare_folders(folders, tmp_path / "out", blind_seed=3)
    assert outcome.document["days"] is None
    assert "60 d" not in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(OptionError) as caught:
        compare_folders(folders, tmp_path / "told", blind_seed=3, days=(0, 60))
    assert caught.value.code == "E_DAYS"


@pytest.mark.parametrize(("days", "code"), [((0,), "E_DAYS"), ((0, 5, 9), "E_DAYS"), ((9, 0), "E_ORDER")])
def test_days_that_do_not_fit_the_folders_are_refused(days: tuple[int, ...], code: str, tmp_path: Path) -> None:
    folders = [_analyzed(tmp_path / "a", 35.0), _analyzed(tmp_path / "b", 41.0)]
    with pytest.raises(HeliotropeError) as caught:
        compare_folders(folders, tmp_path / "out", days=days)
    assert caught.value.code == code


def test_days_on_the_command_line_are_whole_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(_analyzed(tmp_path / "a", 35.0)), str(_analyzed(tmp_path / "b", 41.0))]
    assert main(["compare", *folders, "--out", str(tmp_path / "out"), "--days", "0", "30", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["days"] == {"visit 1": 0, "visit 2": 30}
    assert main(["compare", *folders, "--out", str(tmp_path / "out"), "--days", "0,half", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "E_DAYS"
