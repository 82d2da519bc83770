"""Left and right thigh scanned one after the other, from files to what a reader is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.app.phantom import TRUTH_FOLDER, PhantomFormat, bundle_of, write_bundle
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import Side
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Role
from heliotrope.measure.edema_by_scan import relative_by_scan
from heliotrope.measure.edema_reference import ReferenceMode, RelativeSignal
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence
from heliotrope.phantoms.study import PhantomSeries, PhantomStudy
from tests.report.page import Page

LEFT_GAIN = 1.4
"""Receiver gain of the left STIR scan over that of the right one."""
AS_IN_ONE_IMAGE = 2.0
"""Edema fraction of a side against the same side scanned in one image; its own reference has noise of its own.
[percentage points]"""
EACH_SCAN_READS_ITSELF = (Sequence.STIR, Sequence.MULTI_ECHO_T2, Sequence.SCANNER_DIXON)
ONE_REFERENCE_FROM_OUTSIDE = (Sequence.STIR, Sequence.SCANNER_DIXON)


def _thighs(sequences: tuple[Sequence, ...]) -> PhantomStudy:
    protocol = MrProtocol(matrix=(128, 67), pixel_mm=3.0, n_slices=3, sequences=sequences)
    return build_thigh_study("active-dm", replace(SCENES["active-dm"], protocol=protocol), 5)


def _limb(series: PhantomSeries, side: Side) -> PhantomSeries:
    """One limb as a scan of its own, with a receiver gain of its own."""
    volume = series.volume
    n = volume.grid.shape[0]
    assert volume.grid.matrix[0, 0] > 0  # the patient's left lies at the end
    start, stop = (n // 2, n) if side is Side.LEFT else (0, n // 2)
    gain = LEFT_GAIN if side is Side.LEFT and series.role is Role.STIR else 1.0
    data = np.asarray(volume.data, dtype=np.float32)[start:stop] * np.float32(gain)
    matrix = volume.grid.matrix
    matrix[:3, 3] = volume.grid.positions_mm([start, 0, 0])
    grid = Grid.from_matrix(data.shape[:3], matrix, volume.grid.frame_of_reference_uid)
    return replace(series, volume=Volume(data, grid), description=f"{series.description} {side}")


def _ratio_of_normal_muscle(study: PhantomStudy) -> float:
    """STIR over water in muscle without edema, as a site would know it from controls."""
    (stir,), (water,) = study.with_role(Role.STIR), study.with_role(Role.DIXON_WATER)
    truth = study.truth_maps["edema_fraction"]
    normal = truth.valid & (truth.values == 0.0)
    return float(np.median(np.asarray(stir.volume.data)[normal] / np.asarray(water.volume.data)[normal]))


def _analyzed(folder: Path, study: PhantomStudy, *, by_side: bool) -> dict[str, Any]:
    folder.mkdir()
    images, out, options = folder / "images", folder / "out", folder / "plan.json"
    if by_side:
        limbs = tuple(_limb(item, side) for item in study.series for side in (Side.RIGHT, Side.LEFT))
        study = replace(study, series=limbs)
    write_bundle(bundle_of(study), images, PhantomFormat.DICOM)
    plan: dict[str, Any] = {"only": ["edema", "layers", "findings"], "muscles": "none"}
    if not study.with_role(Role.MULTI_ECHO_T2):
        plan |= {"stir_ratio": _ratio_of_normal_muscle(_thighs(ONE_REFERENCE_FROM_OUTSIDE)), "stir_ratio_sd": 0.02}
    options.write_text(json.dumps(plan))
    labels = str(images / TRUTH_FOLDER / "labels.nii.gz")
    status = main(["analyze", str(images), "--out", str(out), "--labels", labels, "--plan", str(options)])
    document: dict[str, Any] = json.loads((out / "result.json").read_text())
    return document | {"exit": status, "text": Page((out / "report.html").read_text()).visible_text}


def _rows(document: dict[str, Any], quantity: str, structure: str) -> dict[str | None, dict[str, Any]]:
    return {
        row["region"]["side"]: row
        for row in document["measurements"]
        if row["quantity"] == quantity and row["region"]["structure"] == structure and row["region"]["level"] is None
    }


def _symmetry(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in document["findings"] if item["kind"] == "symmetry"]


@pytest.fixture(scope="module")
def own_references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _analyzed(tmp_path_factory.mktemp("own") / "apart", _thighs(EACH_SCAN_READS_ITSELF), by_side=True)


def test_each_limb_is_read_by_its_own_scan_whatever_the_gain_of_the_other(
    own_references: dict[str, Any], tmp_path: Path
) -> None:
    """With one reference for both, a left gain of 1.4 would make all of the left thigh edematous."""
    together = _analyzed(tmp_path / "together", _thighs(EACH_SCAN_READS_ITSELF), by_side=False)
    assert own_references["exit"] == together["exit"] == 0
    apart, one = (_rows(document, "edema_fraction", "muscle") for document in (own_references, together))
    for side in Side:
        assert apart[side]["value"] == pytest.approx(one[side]["value"], abs=AS_IN_ONE_IMAGE)


def test_sides_with_references_of_their_own_are_compared_with_the_limit_beside_it(
    own_references: dict[str, Any],
) -> None:
    row = _rows(own_references, "edema_asymmetry", "muscle")[None]
    assert row["value"] is not None
    assert any("scanned separately" in note for note in row["notes"])
    # three slices are too few to call it symmetric; the index and its interval are told all the same
    compared = [item for item in _symmetry(own_references) if item["details"]["class"] != "not assessed"]
    assert [item["regions"][0]["structure"] for item in compared][:1] == ["muscle"]
    assert all(any("scanned separately" in limit for limit in item["limits"]) for item in compared)


def test_sizes_of_sides_are_compared_with_the_limit_beside_it(own_references: dict[str, Any]) -> None:
    atrophy = [item for item in own_references["findings"] if item["kind"] == "atrophy"]
    assert atrophy
    assert all(any("scanned separately" in limit for limit in item["limits"]) for item in atrophy)


def test_the_report_says_that_the_limbs_were_scanned_separately(own_references: dict[str, Any]) -> None:
    text = own_references["text"]
    assert "a right and a left limb scanned separately" in text
    assert "sides are compared with this limit" in text


def test_under_one_reference_from_outside_the_sides_are_not_compared(tmp_path: Path) -> None:
    document = _analyzed(tmp_path / "site", _thighs(ONE_REFERENCE_FROM_OUTSIDE), by_side=True)
    fraction = _rows(document, "edema_fraction", "muscle")
    assert fraction["right"]["value"] is not None
    assert fraction["left"]["value"] > fraction["right"]["value"] + 20.0  # what the gain alone does
    assert _rows(document, "edema_asymmetry", "muscle")[None]["value"] is None
    said = _symmetry(document)
    assert said
    assert all(item["present"] is None for item in said)
    assert any("would look like asymmetry" in item["statement"] for item in said)
    assert not any("is asymmetric" in item["statement"] for item in document["findings"])


def test_a_limb_without_a_reference_of_its_own_is_not_counted() -> None:
    """A vial lies beside one limb alone: it says nothing of the other scan."""
    shape = (4, 2, 2)
    right = np.zeros(shape, dtype=bool)
    right[:2] = True

    def find(seen: NDArray[np.bool_]) -> RelativeSignal:
        if not seen[0, 0, 0]:
            raise QualityRefusal("no vial", hint="label it", code="E_VIAL")
        ones = np.ones(shape)
        grid = Grid.from_spacing(shape, (1.0, 1.0, 1.0))
        return RelativeSignal(
            ones, np.ones(shape, bool), ones, grid, ReferenceMode.VIAL_RATIO, 0.1, 0.02, 0, coil_corrected=True
        )

    joined = relative_by_scan((right, ~right), find)
    assert joined.valid[right].all()
    assert not joined.valid[~right].any()
    assert "One limb was scanned by itself and is not counted: no vial." in joined.notes
    with pytest.raises(QualityRefusal, match="no vial"):
        relative_by_scan((~right,), find)
