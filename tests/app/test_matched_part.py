"""Visits that show different parts of one limb: matched by position, compared where both saw the limb, shown so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heliotrope.app.blinding import blinded
from heliotrope.app.compare import compare_folders
from heliotrope.app.matched_part import unequal_naming
from heliotrope.app.timepoints import Timepoint
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import Region, Side
from heliotrope.io import nifti
from tests.app.visits import visit
from tests.report.page import Page
from tests.segment.test_position_match import moved_by


def changes(document: dict[str, Any], quantity: str, statistic: str, structure: str = "muscle") -> list[dict[str, Any]]:
    return [
        row
        for row in document["changes"]
        if (row["quantity"], row["statistic"]) == (quantity, statistic)
        and row["region"]["structure"] == structure
        and row["region"]["side"] is not None
        and row["region"]["level"] is None
    ]


def test_only_the_part_that_both_show_is_compared(tmp_path: Path) -> None:
    """Nothing changed; the second visit shows a higher part of longer T2: whole stacks would read an increase."""
    folders = [
        visit(tmp_path / "a", range(10)),
        visit(tmp_path / "b", range(5, 14), moved_by((4.0, -3.0, 60.0)), acquired_on="2026-07-02"),
    ]
    document = compare_folders(folders, tmp_path / "out").document
    assert document["common_part"]["common_mm"] == 40.0
    assert document["common_part"]["imaged_mm"] == {"visit 1": 80.0, "visit 2": 72.0}
    assert "only the 40 mm that all show" in document["notes"][0]
    rows = changes(document, "water_t2", "mean")
    assert [row["verdict"] for row in rows] == ["within measurement error"] * 2
    assert all(abs(row["difference"]) < 0.3 for row in rows)
    volumes = changes(document, "volume", "total")
    assert [row["verdict"] for row in volumes] == ["within measurement error"] * 2
    whole = [json.loads((folder / "result.json").read_text())["measurements"] for folder in folders]
    means = [
        next(
            row["value"]
            for row in rows
            if row["statistic"] == "mean" and row["region"] == {"structure": "muscle", "side": "left", "level": None}
        )
        for rows in whole
    ]
    assert means[1] - means[0] > 3.0  # what whole stacks would have said


@pytest.mark.parametrize(("slab_ratio", "compared"), [(1.23, True), (1.39, False)])
def test_t2_under_another_refocusing_slab_is_another_method(slab_ratio: float, compared: bool, tmp_path: Path) -> None:
    """The calibrated slab may differ between visits; on phantoms 0.19 slices moved every muscle by 1.3 to 1.9 ms."""
    folders = [visit(tmp_path / "a", range(4)), visit(tmp_path / "b", range(4), slab_ratio=slab_ratio)]
    rows = changes(compare_folders(folders, tmp_path / "out").document, "water_t2", "mean")
    assert {row["verdict"] for row in rows} == {"within measurement error" if compared else "not comparable"}
    if not compared:
        assert "analyze both visits with one slab_ratio" in rows[0]["reason"]


def test_slices_at_matched_levels_stand_side_by_side(tmp_path: Path) -> None:
    folders = [
        visit(tmp_path / "a", range(10)),
        visit(tmp_path / "b", range(3, 13), moved_by((0.0, 0.0, 100.0)), gain=250.0),
        visit(tmp_path / "c", range(1, 11)),
    ]
    compare_folders(folders, tmp_path / "out")
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert "Side by side at matched levels" in page.visible_text
    alts = [e.attributes["alt"] for e in page.all("img") if "regions outlined" in e.attributes["alt"]]
    assert len(alts) == 6
    shown = [int(text.split("slice ")[1].split(" of")[0]) for text in alts]
    for first, second, third in zip(shown[::3], shown[1::3], shown[2::3], strict=True):
        assert (second, third) == (first - 3, first - 1)


def test_positions_that_cannot_be_matched_are_not_drawn_and_the_reason_is_said(tmp_path: Path) -> None:
    enlarged = moved_by((0.0, 0.0, 0.0))
    enlarged[0, 0] = enlarged[1, 1] = 1.3
    folders = [visit(tmp_path / "a", range(8)), visit(tmp_path / "b", range(8), enlarged)]
    document = compare_folders(folders, tmp_path / "out").document
    assert document["positions"][0]["matrix"] is None
    assert "mm apart" in document["positions"][0]["reason"]
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert "Visit 2 is not shown beside visit 1: positions could not be matched" in page.visible_text
    assert not [e for e in page.all("img") if "regions outlined" in e.attributes["alt"]]


def test_a_shorter_follow_up_that_cannot_be_matched_is_not_compared_by_region(tmp_path: Path) -> None:
    enlarged = moved_by((0.0, 0.0, 0.0))
    enlarged[0, 0] = enlarged[1, 1] = 1.3
    folders = [visit(tmp_path / "a", range(10)), visit(tmp_path / "b", range(5), enlarged)]
    rows = changes(compare_folders(folders, tmp_path / "out").document, "water_t2", "mean")
    assert {row["verdict"] for row in rows} == {"not comparable"}
    assert "80 mm and 40 mm of the limb were imaged, and positions could not be matched" in rows[0]["reason"]


def test_a_blinded_comparison_tells_neither_order_nor_dates(tmp_path: Path) -> None:
    folders = [
        visit(tmp_path / "first", range(8), acquired_on="2026-01-02"),
        visit(tmp_path / "later", range(8), acquired_on="2026-07-02"),
    ]
    key = tmp_path / "key.json"
    compare_folders(folders, tmp_path / "out", blind_seed=2, key_file=key)
    written = [path for path in (tmp_path / "out").iterdir() if path.is_file()]
    assert key.is_file()
    assert "blinding-key.json" not in {path.name for path in written}
    for path in written:
        text = path.read_text(encoding="utf-8")
        for telling in ("2026-01-02", "2026-07-02", "visit 1", "visit 2", "first/", "later"):
            assert telling not in text or path.name == "run.json", (path.name, telling)
    assert "Side by side" in (tmp_path / "out" / "report.html").read_text()


def test_the_key_alone_opens_a_blinded_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [visit(tmp_path / name, range(4)) for name in ("a", "b")]
    out, key = tmp_path / "out", tmp_path / "key.json"
    arguments = ["compare", *map(str, folders), "--out", str(out), "--blind", "2", "--blinding-key", str(key)]
    assert main(arguments) == 0
    capsys.readouterr()
    assert main(["unblind", str(out), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "E_BLINDING_KEY"
    assert main(["unblind", str(out), "--key", str(key), "--json"]) == 0
    opened = json.loads(capsys.readouterr().out)["timepoints"]
    assert opened == {"A": "visit 2", "B": "visit 1"} or opened == {"A": "visit 1", "B": "visit 2"}
    damaged = json.loads(key.read_text()) | {"comparison": "comparison-000000000000"}
    key.write_text(json.dumps(damaged))
    assert main(["unblind", str(out), "--key", str(key)]) == 1
    assert "another comparison" in capsys.readouterr().err
    assert main(["unblind", str(folders[0])]) == 1
    assert "E_NOT_BLINDED" in capsys.readouterr().err


def test_the_seed_decides_the_letters_and_some_seed_hides_the_order() -> None:
    visits = [Timepoint(f"visit {n}", Path(f"{n}"), {}) for n in (1, 2, 3)]
    orders = [[item.folder.name for item in blinded(visits, seed)] for seed in range(8)]
    assert orders == [[item.folder.name for item in blinded(visits, seed)] for seed in range(8)]
    assert len({tuple(order) for order in orders}) > 2
    assert [item.name for item in blinded(visits, 0)] == ["A", "B", "C"]


def test_a_muscle_named_over_another_length_is_not_compared(tmp_path: Path) -> None:
    """Nothing changed, but at the second visit the left muscle is named in half of the slices: its volume is halved."""
    folders = [visit(tmp_path / "a", range(10)), visit(tmp_path / "b", range(10))]
    file = folders[1] / "labels.nii.gz"
    labels = nifti.read_labels(file)
    values = np.array(labels.labels)
    left = labels.mask_where(structure="muscle", side=Side.LEFT)
    fat = next(n for n, r in labels.legend.items() if r == Region("intermuscular_fat", Side.LEFT))
    left[:, :, 5:] = False
    values[left] = fat
    nifti.write_labels(file, replace(labels, labels=values))
    document = compare_folders(folders, tmp_path / "out").document
    for quantity, statistic in (("water_t2", "mean"), ("volume", "total")):
        rows = {row["region"]["side"]: row for row in changes(document, quantity, statistic)}
        assert rows["right"]["verdict"] == "within measurement error"
        assert rows["left"]["verdict"] == "not comparable"
        assert rows["left"]["reason"] == "the left muscle is named over 80 mm and 40 mm of the limb"


@pytest.mark.parametrize(
    ("lengths", "summed", "comparable"),
    [
        ((80.0, 72.0), True, True),
        ((80.0, 64.0), True, False),
        ((80.0, 64.0), False, True),
        ((80.0, 40.0), False, False),
    ],
)
def test_sums_need_nearly_the_same_length_and_means_most_of_it(
    lengths: tuple[float, float], summed: bool, comparable: bool
) -> None:
    assert (not unequal_naming(Region("gracilis", Side.LEFT), *lengths, summed=summed)) is comparable
