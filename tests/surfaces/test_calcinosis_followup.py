"""Two CT visits through the command line: analyzed, compared, reported."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from heliotrope.app.phantom_calcinosis import calcinosis_bundle
from heliotrope.app.validation.calcinosis_followup import REDUCED_SETTINGS
from heliotrope.cli.main import main
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.io.dicom_writer import synthetic_uid, write_dicom_series
from heliotrope.phantoms.ct_calcinosis import CtCalcinosisPhantom
from heliotrope.phantoms.ct_longitudinal import CtPair, build_ct_pair


def _write_study(phantom: CtCalcinosisPhantom, folder: Path, visit: str) -> Path:
    bundle = calcinosis_bundle(visit, phantom, "", "one-person")
    series = bundle.series[0]
    write_dicom_series(
        series.volume,
        series.acquisition,
        role=series.role,
        description=series.description,
        series_number=1,
        study_uid=synthetic_uid("study", visit),
        series_uid=synthetic_uid("series", visit),
        patient_label=bundle.subject,
        folder=folder,
    )
    return folder


def _analyzed(study: Path, out: Path) -> Path:
    assert main(["analyze", str(study), "--out", str(out), "--only", "calcinosis"]) == 0
    return out


@pytest.fixture(scope="module")
def pair() -> CtPair:
    return build_ct_pair(2001, settings=REDUCED_SETTINGS)


@pytest.fixture(scope="module")
def visits(pair: CtPair, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("visits")
    first, second = (
        _analyzed(_write_study(phantom, folder / name, name), folder / f"{name}-result")
        for name, phantom in (("first", pair.baseline), ("second", pair.followup))
    )
    return first, second


@pytest.fixture(scope="module")
def compared(visits: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared") / "out"
    assert main(["compare", str(visits[0]), str(visits[1]), "--out", str(out)]) == 0
    return out


def test_every_kind_of_course_is_found_by_the_commands(compared: Path, pair: CtPair) -> None:
    document = json.loads((compared / "comparison.json").read_text())
    (limb,) = document["calcifications"]["visit 2"]["limbs"]
    assert limb["refusal"] is None
    assert limb["registration"]["bone_p95_mm"] < 3.0
    courses = {row["course"] for row in limb["lesions"]}
    assert {"new", "resolved", "grown", "shrunk", "merged", "split", "within measurement error"} <= courses
    sums = [sum(getattr(c, name) for c in pair.courses) for name in ("mass_before_mg", "mass_after_mg")]
    measured = limb["total"]["mass_after_mg"] / limb["total"]["mass_before_mg"]
    assert abs(measured - sums[1] / sums[0]) < 0.075
    assert document["calcifications"]["visit 2"]["error_limit_percent"] == 15.0
    assert "system default" in document["calcifications"]["visit 2"]["origin"]


def test_lesions_stand_in_a_table_of_their_own(compared: Path) -> None:
    with (compared / "calcifications.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {"new", "resolved"} <= {row["course"] for row in rows}
    new = next(row for row in rows if row["course"] == "new")
    assert (new["components_before"], float(new["mass_before_mg"])) == ("", 0.0)


def test_numbers_of_single_components_are_not_held_against_each_other_by_their_number(compared: Path) -> None:
    document = json.loads((compared / "comparison.json").read_text())
    levels = {row["region"]["level"] or "" for row in document["changes"]}
    assert not any(level.startswith("component ") for level in levels)


def test_the_method_says_what_the_interval_of_the_mass_holds(visits: tuple[Path, Path]) -> None:
    page = (visits[0] / "report.html").read_text()
    assert "holds image noise, the uncertainty of the background" in page
    assert "taken as 15 %" in page


def test_the_page_shows_both_visits_side_by_side(compared: Path) -> None:
    page = (compared / "report.html").read_text()
    assert "Calcifications, visit 1 to visit 2" in page
    assert len(re.findall(r'alt="Axial CT of visit 1', page)) == len(re.findall(r'alt="Axial CT of visit 2', page)) > 0
    assert "progression" not in page.replace("say nothing of progression", "")


def test_another_tube_voltage_leaves_places_and_withholds_masses(
    visits: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(visits[1], other)
    result = json.loads((other / "result.json").read_text())
    for series in result["study"]["series"]:
        series["tube_voltage_kv"] = 100.0
    (other / "result.json").write_text(json.dumps(result))
    assert main(["compare", str(visits[0]), str(other), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert re.match(r"Calcium of the limb: Total mass .* not comparable \(.*tube voltage", told[0])
    assert "mass not comparable" in told[0]
    assert told[-1].startswith("report: ")
    document = json.loads((tmp_path / "out" / "comparison.json").read_text())
    (limb,) = document["calcifications"]["visit 2"]["limbs"]
    assert {row["course"] for row in limb["lesions"]} <= {"mass not comparable", "not in both scans"}
    assert all(row["difference_mg"] is None for row in limb["lesions"])
    assert "tube voltage 120.0 and 100.0 kV" in limb["lesions"][0]["reason"]
    totals = [
        row
        for row in document["changes"]
        if row["quantity"] == "calcinosis_mass" and row["region"]["structure"] == "all"
    ]
    assert [row["verdict"] for row in totals] == ["not comparable"]


def test_groups_that_one_visit_lacks_are_zero_and_what_became_of_each_stands_first(compared: Path) -> None:
    document = json.loads((compared / "comparison.json").read_text())
    groups = [row for row in document["changes"] if (row["region"]["level"] or "").startswith(("plane ", "shape "))]
    assert groups
    assert not any("not measured" in row["reason"] for row in groups)
    page = (compared / "report.html").read_text()
    assert re.search(r"One by one: \d+ new, \d+ resolved", page)
    assert "Mass by plane, shape, region and side" in page


def test_what_lies_beyond_a_shorter_follow_up_is_neither_resolved_nor_in_a_trend(
    visits: tuple[Path, Path], pair: CtPair, tmp_path: Path
) -> None:
    whole = pair.followup.volume
    kept = whole.grid.shape[2] - 18
    grid = Grid.from_matrix((*whole.grid.shape[:2], kept), whole.grid.matrix)
    shorter = replace(pair.followup, volume=Volume(whole.data[:, :, :kept], grid, whole.unit))
    result = _analyzed(_write_study(shorter, tmp_path / "shorter", "shorter"), tmp_path / "result")
    assert main(["compare", str(visits[0]), str(result), "--out", str(tmp_path / "out")]) == 0
    document = json.loads((tmp_path / "out" / "comparison.json").read_text())
    (limb,) = document["calcifications"]["visit 2"]["limbs"]
    beyond = [row for row in limb["lesions"] if row["course"] == "not in both scans"]
    assert beyond
    assert all(row["difference_mg"] is None for row in beyond)
    top = max(row["position_mm"][2] for row in limb["lesions"])
    assert any(row["position_mm"][2] == top for row in beyond)
    (mass,) = [
        row
        for row in document["changes"]
        if row["quantity"] == "calcinosis_mass" and row["region"]["structure"] == "all"
    ]
    assert mass["verdict"] == "not comparable"


def test_results_without_the_labels_of_calcium_are_compared_by_their_totals_alone(
    visits: tuple[Path, Path], tmp_path: Path
) -> None:
    stripped = tmp_path / "stripped"
    shutil.copytree(visits[1], stripped)
    for file in stripped.glob("labels*.nii.gz"):
        file.unlink()
    assert main(["compare", str(visits[0]), str(stripped), "--out", str(tmp_path / "out")]) == 0
    document = json.loads((tmp_path / "out" / "comparison.json").read_text())
    followed = document["calcifications"]["visit 2"]
    assert followed["limbs"] == []
    assert "Analyze it again" in followed["notes"][0]
    assert any(row["quantity"] == "calcinosis_mass" for row in document["changes"])
