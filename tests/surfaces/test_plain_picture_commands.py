"""Radiographs and ultrasound pictures through the commands, as a person who follows the guide would run them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from heliotrope.cli.main import main
from heliotrope.phantoms.radiograph import PIXEL_MM, build_radiograph

SIZE = (400, 300)
"""Width and height of the ultrasound picture. [pixels]"""

MUSCLE_GRAY, FAT_GRAY = 75.0, 50.0


def result_of(arguments: list[str], out: Path, status: int = 0) -> dict[str, Any]:
    assert main(["analyze", *arguments, "--out", str(out)]) == status
    return dict(json.loads((out / "result.json").read_text(encoding="utf-8")))


def value(document: Mapping[str, Any], quantity: str, structure: str = "all", statistic: str = "total") -> Any:
    rows = [
        row
        for row in document["measurements"]
        if (row["quantity"], row["statistic"], row["region"]["structure"]) == (quantity, statistic, structure)
    ]
    assert len(rows) == 1
    return rows[0]


def forearm(path: Path, *, scale: float = 1.0, inverted: bool = False) -> Path:
    """A radiograph as an 8-bit picture."""
    levels = np.asarray(build_radiograph(3001, scale=scale, net=False).volume.data[:, :, 0], dtype=np.float64).T
    gray = (255 * (levels - levels.min()) / np.ptp(levels)).astype(np.uint8)
    Image.fromarray(255 - gray if inverted else gray).save(path)
    return path


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Results of two visits of one forearm; at the second every spot covers 44 % more."""
    folder = tmp_path_factory.mktemp("radiographs")
    for name, scale in (("first", 1.0), ("second", 1.2)):
        picture = forearm(folder / f"{name}.png", scale=scale)
        result_of([str(picture), "--role", "radiograph", "--pixel-size-mm", str(PIXEL_MM)], folder / name)
    return folder / "first", folder / "second"


def test_a_picture_of_a_radiograph_gives_areas_and_no_volume_or_plane(radiographs: tuple[Path, Path]) -> None:
    document = json.loads((radiographs[0] / "result.json").read_text())
    true = build_radiograph(3001, net=False).area_cm2
    assert value(document, "calcinosis_projected_area")["value"] == pytest.approx(true, rel=0.35)
    for quantity in ("calcinosis_volume", "calcinosis_mass"):
        row = value(document, quantity)
        assert row["value"] is None
        assert "projection" in row["missing"]["reason"]
    (finding,) = [f for f in document["findings"] if f["kind"] == "calcinosis"]
    assert not any(plane in finding["statement"] for plane in ("cutaneous", "fascial", "muscular", "deep"))
    assert any("no tissue plane" in limit for limit in finding["limits"])
    assert [name for name in finding["details"] if name.startswith("zone_")] == [
        "zone_1_cm2",
        "zone_2_cm2",
        "zone_3_cm2",
    ]
    page = (radiographs[0] / "report.html").read_text()
    assert "The radiograph, and the same with" in page
    assert (radiographs[0] / "labels-radiograph-calcinosis.nii.gz").is_file()


def test_two_radiographs_are_held_against_the_borrowed_rule_for_hands(
    radiographs: tuple[Path, Path], tmp_path: Path
) -> None:
    assert main(["compare", *map(str, radiographs), "--out", str(tmp_path / "out")]) == 0
    document = json.loads((tmp_path / "out" / "comparison.json").read_text())
    (area,) = [row for row in document["changes"] if row["quantity"] == "calcinosis_projected_area"]
    assert area["verdict"] == "increase larger than measurement error"
    assert area["error_limit"] == pytest.approx(0.25 * area["baseline"])
    assert "borrowed" in area["origin"]
    assert "change-radiograph-borrowed" in area["evidence"]


def test_without_a_pixel_size_areas_are_withheld_and_counts_are_not(tmp_path: Path) -> None:
    document = result_of([str(forearm(tmp_path / "arm.png")), "--role", "radiograph"], tmp_path / "out")
    area = value(document, "calcinosis_projected_area")
    assert (area["value"], area["missing"]["code"]) == (None, "M_NO_PIXEL_SIZE")
    assert value(document, "calcinosis_radiograph_count")["value"] > 0
    assert any(not check["passed"] and "Pixel size" in check["name"] for check in document["quality"])


def test_a_given_pixel_size_serves_a_dicom_radiograph_that_states_none(tmp_path: Path) -> None:
    assert main(["phantom", "radiograph-calcinosis", "--seed", "3001", "--out", str(tmp_path / "arm")]) == 0
    for file in (tmp_path / "arm").rglob("*.dcm"):
        dataset = pydicom.dcmread(file)
        for name in ("PixelSpacing", "ImagerPixelSpacing"):
            dataset.pop(name, None)
        dataset.save_as(file)
    bare = value(result_of([str(tmp_path / "arm")], tmp_path / "bare"), "calcinosis_projected_area")
    assert bare["missing"]["code"] == "M_NO_PIXEL_SIZE"
    document = result_of([str(tmp_path / "arm"), "--pixel-size-mm", str(PIXEL_MM)], tmp_path / "out")
    area = value(document, "calcinosis_projected_area")["value"]
    assert area == pytest.approx(build_radiograph(3001).area_cm2, rel=0.6)
    checks = {check["name"]: check for check in document["quality"]}
    assert f"the user gave {PIXEL_MM:g} mm" in checks["Pixel size of the radiograph"]["detail"]
    assert main(["analyze", str(tmp_path / "arm"), "--pixel-size-mm", "70", "--out", str(tmp_path / "bad")]) != 0


def test_an_inverted_picture_is_refused_with_the_way_out(tmp_path: Path) -> None:
    picture = forearm(tmp_path / "arm.png", inverted=True)
    document = result_of([str(picture), "--role", "radiograph", "--pixel-size-mm", "0.2"], tmp_path / "out", 4)
    (failure,) = document["failures"]
    assert failure["code"] == "E_REVERSED_GRAY"
    assert "invert the image" in failure["hint"]


def speckle(*, text: str = "") -> NDArray[np.uint8]:
    """Skin, subcutaneous fat, fascia, muscle and bone in drawn speckle, with text over the muscle."""
    rng = np.random.default_rng(8)
    rows = np.repeat(np.arange(SIZE[1])[:, None], SIZE[0], axis=1)
    level = np.select([rows < 12, rows < 90, rows < 96, rows < 250], [200.0, FAT_GRAY, 190.0, MUSCLE_GRAY], 15.0)
    grain = np.hypot(rng.normal(size=level.shape), rng.normal(size=level.shape))
    grain = ndimage.gaussian_filter(grain, (0.8, 1.6))
    picture = Image.fromarray(np.clip(level * grain / grain.mean(), 0, 255).astype(np.uint8))
    if text:
        ImageDraw.Draw(picture).text((150, 150), text, fill=255)
    return np.asarray(picture)


def drawing(path: Path) -> Path:
    drawn = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    drawn[110:230, 80:320] = 1
    drawn[25:80, 60:340] = 2
    Image.fromarray(drawn).save(path)
    names = {1: "rectus_femoris", 2: "subcutaneous_fat"}
    legend = {str(n): {"structure": name, "side": "left"} for n, name in names.items()}
    path.with_suffix(".json").write_text(json.dumps(legend), encoding="utf-8")
    return path


def ultrasound(folder: Path, *more: str, text: str = "") -> dict[str, Any]:
    Image.fromarray(speckle(text=text)).save(folder / "picture.png")
    drawn = drawing(folder / "drawn.png")
    arguments = [str(folder / "picture.png"), "--role", "ultrasound", "--labels", str(drawn), *more]
    return result_of(arguments, folder / "out")


def test_gray_levels_of_drawn_regions_and_their_ratio_to_fat(tmp_path: Path) -> None:
    document = ultrasound(tmp_path)
    for statistic in ("mean", "median"):
        muscle = value(document, "echo_intensity", "rectus_femoris", statistic)
        assert muscle["value"] == pytest.approx(MUSCLE_GRAY, rel=0.05)
    ratio = value(document, "echo_intensity_ratio", "rectus_femoris", "mean")
    assert ratio["value"] == pytest.approx(MUSCLE_GRAY / FAT_GRAY, rel=0.05)
    z = value(document, "echo_intensity_z", "rectus_femoris", "mean")
    assert (z["value"], z["missing"]["code"]) == (None, "M_NO_CONTROLS")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "sides are not told: the edges are those of the picture" in page
    mass = value(document, "calcinosis_mass")
    assert (mass["value"], mass["missing"]["code"]) == (None, "M_NO_SERIES")


def test_controls_of_the_site_give_z_and_grades_are_shown_as_entered(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "echo_control_mean: 60.0\necho_control_sd: 5.0\necho_preset: machine A, muscle\nheckmatt_grade: 3\n"
        "ultrasound_shadowing: true\n"
    )
    document = ultrasound(tmp_path, "--plan", str(plan))
    z = value(document, "echo_intensity_z", "rectus_femoris", "mean")
    mean = value(document, "echo_intensity", "rectus_femoris", "mean")
    assert z["value"] == pytest.approx((mean["value"] - 60.0) / 5.0)
    assert any("machine A, muscle" in note for note in z["notes"])
    statements = {finding["statement"]: finding["limits"] for finding in document["findings"]}
    assert statements["Heckmatt grade 3, entered by a reader."] == ["Entered, not computed."]
    assert any("shadowing on ultrasound was seen by a reader" in statement for statement in statements)


def test_text_burned_in_over_the_region_refuses_that_region_alone(tmp_path: Path) -> None:
    document = ultrasound(tmp_path, text="RECTUS FEM 4.2 cm")
    muscle = value(document, "echo_intensity", "rectus_femoris", "mean")
    assert (muscle["value"], muscle["missing"]["code"]) == (None, "M_BURNED_IN_TEXT")
    fat = value(document, "echo_intensity", "subcutaneous_fat", "mean")
    assert fat["value"] == pytest.approx(FAT_GRAY, rel=0.05)
