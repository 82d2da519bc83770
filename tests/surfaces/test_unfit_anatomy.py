"""``heliotrope analyze`` on what is no whole pair of thighs: refused by name, or a partial result with reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heliotrope.cli.main import main
from heliotrope.cli.shell import ExitStatus
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.io import nifti
from tests.segment import limbs
from tests.segment.trunks import draw_trunk

PIXEL_MM = 2.0
OUTLINE = tuple[float, float, float, float, float]
"""Center x and y, half axes, signal. [mm]"""


def _drawn(size: tuple[int, int], outlines: list[OUTLINE], slices: int = 5) -> Volume:
    """Ellipses painted one over the other on a T1-like image."""
    x, y = np.meshgrid(*((np.arange(n) - n / 2) * PIXEL_MM for n in size), indexing="ij")
    plane = np.zeros(size, np.float32)
    for middle_x, middle_y, half_x, half_y, signal in outlines:
        plane[np.hypot((x - middle_x) / half_x, (y - middle_y) / half_y) < 1.0] = signal
    data = limbs.noisy(np.repeat(plane[..., None], slices, axis=2), 8.0, 1)
    matrix = np.diag([PIXEL_MM, PIXEL_MM, 8.0, 1.0])
    matrix[:3, 3] = [-PIXEL_MM * size[0] / 2, -PIXEL_MM * size[1] / 2, 0.0]
    return Volume(data, Grid.from_matrix(data.shape, matrix))


def _pair(apart_mm: float, outlines: list[OUTLINE]) -> list[OUTLINE]:
    return [(side * (apart_mm + x), y, *rest) for side in (-1.0, 1.0) for x, y, *rest in outlines]  # type: ignore[misc] # five numbers


KNEES = _pair(85.0, [(0, 0, 60, 65, 900), (0, 0, 55, 60, 300), (0, -2, 36, 34, 15), (0, -2, 32, 30, 850)])
LEGS = _pair(
    75.0,
    [
        (0, 0, 52, 55, 900),
        (0, 0, 45, 48, 300),
        (0, -20, 14, 14, 15),
        (0, -20, 9, 9, 850),
        (25, 8, 8, 8, 15),
        (25, 8, 5, 5, 850),
    ],
)


def _thighs(slices: int = 4, sides: tuple[int, ...] = (-1, 1)) -> Volume:
    return limbs.t1_weighted(limbs.draw(spacing_mm=PIXEL_MM, slices=slices, limbs=sides))


def _slender() -> Volume:
    image = _thighs(sides=(1,))
    matrix = image.grid.matrix
    matrix[:2, :2] *= 0.5
    return Volume(image.data, Grid.from_matrix(image.grid.shape, matrix))


def _trunk() -> Volume:
    hu = np.asarray(draw_trunk(gas=False).volume.data)
    signal = np.where(hu < -50.0, 900.0, 350.0) * (hu > -500.0)
    return Volume(limbs.noisy(signal, 10.0, 3), draw_trunk(gas=False).volume.grid)


def _cut() -> Volume:
    image = _thighs()
    matrix = image.grid.matrix
    matrix[:3, 3] = image.grid.positions_mm([22, 0, 0])
    data = np.ascontiguousarray(np.asarray(image.data)[22:])
    return Volume(data, Grid.from_matrix(data.shape, matrix))


def _analyze(image: Volume, folder: Path, *options: str, role: str = "t1") -> tuple[int, dict[str, Any]]:
    path, out = folder / "image.nii.gz", folder / "out"
    nifti.write_volume(path, image)
    status = main(["analyze", str(path), "--role", role, "--out", str(out), "--only", "measurements", *options])
    result: dict[str, Any] = json.loads((out / "result.json").read_text()) if (out / "result.json").exists() else {}
    return status, result


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (
            Volume(np.zeros((60, 50, 4), np.float32), Grid.from_spacing((60, 50, 4), (3.0, 3.0, 8.0))),
            "no tissue signal",
        ),
        (_drawn((190, 90), KNEES), "looks like a knee or another joint"),
        (_trunk(), "looks like a pelvis or trunk"),
    ],
    ids=["empty", "knees", "abdomen"],
)
def test_what_is_no_limb_is_refused_with_what_it_looks_like(image: Volume, said: str, tmp_path: Path) -> None:
    status, result = _analyze(image, tmp_path)
    assert status == ExitStatus.REFUSED
    (failure,) = [item for item in result["failures"] if item["stage"] == "tissues"]
    assert said in failure["message"]
    assert not any(row["value"] is not None for row in result["measurements"])


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (_drawn((180, 80), LEGS), "looks like a leg or forearm, not a thigh"),
        (_slender(), "looks like an upper arm or a slender limb, not a thigh"),
    ],
    ids=["legs", "upper arm"],
)
def test_another_limb_gives_tissues_by_name_and_no_muscle_of_a_thigh(image: Volume, said: str, tmp_path: Path) -> None:
    status, result = _analyze(image, tmp_path)
    assert status == ExitStatus.OK
    assert any(said in note for note in result["labels"]["notes"])
    measured = {row["region"]["structure"] for row in result["measurements"] if row["value"] is not None}
    assert {"muscle", "subcutaneous_fat"} <= measured
    assert not any("thigh" in name or "vastus" in name for name in measured)


def test_one_slice_and_one_limb_are_measured(tmp_path: Path) -> None:
    status, result = _analyze(_thighs(slices=1, sides=(1,)), tmp_path)
    assert status == ExitStatus.OK
    assert {row["region"]["side"] for row in result["measurements"] if row["region"]["side"]} == {"left"}


def test_a_leg_cut_by_the_field_of_view_has_no_volume_with_that_reason(tmp_path: Path) -> None:
    status, result = _analyze(_cut(), tmp_path)
    assert status == ExitStatus.OK
    (row,) = [
        row
        for row in result["measurements"]
        if (row["quantity"], row["region"]["side"], row["region"]["structure"])
        == ("volume", "right", "subcutaneous_fat")
        and row["region"]["level"] is None
    ]
    assert row["value"] is None
    assert row["missing"]["code"] == "M_CUT_BY_FIELD_OF_VIEW"


def test_labels_with_unknown_numbers_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = _thighs()
    drawn = np.zeros(image.grid.shape, np.float32)
    drawn[20:40, 20:40] = 77.0
    nifti.write_volume(tmp_path / "mine.nii.gz", Volume(drawn, image.grid))
    (tmp_path / "mine.json").write_text(json.dumps({"1": {"structure": "muscle", "side": "left", "level": None}}))
    status, result = _analyze(image, tmp_path, "--labels", str(tmp_path / "mine.nii.gz"))
    said = json.dumps(result.get("failures", [])) + "".join(capsys.readouterr())
    assert status != ExitStatus.OK
    assert "77" in said
    assert "legend" in said
