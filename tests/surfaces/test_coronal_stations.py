"""Coronal stations of the whole body: joined where they overlap, apart where one is missing, never prorated too far."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.app.phantom import PhantomFormat, write_bundle
from heliotrope.app.phantom_whole_body import bundle_of_body
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.io.nifti import write_labels
from heliotrope.phantoms.study import PhantomSeries
from heliotrope.phantoms.whole_body import WholeBodyPhantom, WholeBodyProtocol, build_whole_body
from tests.report.page import Page

PROTOCOL = WholeBodyProtocol(pixel_mm=4.0, slice_mm=6.0, matrix=(132, 64), n_slices=60, n_shared=8)
SLICES_TOGETHER = 2
"""So many planes of the axial phantom make one coronal slice of 8 mm."""
BODY_TOLERANCE = 4.0
"""Edema fraction of the body; a coronal slice of 8 mm holds more mixed voxels. [percentage points]"""


def _coronal(grid: Grid, n_slices: int) -> Grid:
    """The grid of the same stack with coronal slices: array axes to the left, to the feet, to the back."""
    matrix = grid.matrix[:, [0, 2, 1, 3]]
    matrix[:3, 3] = grid.positions_mm([0.0, (SLICES_TOGETHER - 1) / 2.0, grid.shape[2] - 1.0])
    matrix[:3, 1] *= -1.0
    matrix[:3, 2] *= SLICES_TOGETHER
    return Grid.from_matrix((grid.shape[0], grid.shape[2], n_slices), matrix, grid.frame_of_reference_uid)


def _sliced(data: NDArray[Any]) -> NDArray[Any]:
    """(x, y, z) to (x, row from head to feet, coronal slice, plane within it)."""
    turned = np.moveaxis(data, 1, 2)[:, ::-1]
    return turned.reshape(*turned.shape[:2], -1, SLICES_TOGETHER)


def _series(item: PhantomSeries) -> PhantomSeries:
    planes = _sliced(np.asarray(item.volume.data))
    volume = Volume(planes.mean(axis=-1).astype(np.float32), _coronal(item.volume.grid, planes.shape[2]))
    thickness = SLICES_TOGETHER * PROTOCOL.pixel_mm
    facts = replace(item.acquisition, slice_thickness_mm=thickness, slice_spacing_mm=thickness)
    return replace(item, volume=volume, acquisition=facts)


def _labels(labels: LabelMap, first: int, count: int) -> LabelMap:
    """Labels of a stretch of the body, on its coronal grid."""
    matrix = labels.grid.matrix
    matrix[:3, 3] = labels.grid.positions_mm([0, 0, first])
    part = np.ascontiguousarray(labels.labels[:, :, first : first + count])
    planes = _sliced(part)
    grid = _coronal(Grid.from_matrix(part.shape, matrix), planes.shape[2])
    return LabelMap(np.ascontiguousarray(planes[..., 0]), grid, labels.legend, labels.source)


def _analyzed(folder: Path, phantom: WholeBodyPhantom, left_out: Container[int], labels: LabelMap) -> dict[str, Any]:
    """Stations as coronal DICOM through ``heliotrope analyze``."""
    n = PROTOCOL.n_stations
    kept = [_series(item) for k, item in enumerate(phantom.series) if k * n // len(phantom.series) not in left_out]
    images, plan, out = folder / "images", folder / "plan.json", folder / "out"
    bundle = bundle_of_body(phantom, 5)
    write_bundle(replace(bundle, series=tuple(kept)), images, PhantomFormat.DICOM)
    write_labels(folder / "labels.nii.gz", labels)
    only = ["stations", "whole-body", "findings"]
    plan.write_text(json.dumps({"stir_ratio": 1.0, "stir_ratio_sd": 0.04, "muscles": "none", "only": only}))
    drawn = str(folder / "labels.nii.gz")
    assert main(["analyze", str(images), "--labels", drawn, "--plan", str(plan), "--out", str(out)]) == 0
    document: dict[str, Any] = json.loads((out / "result.json").read_text())
    return document | {"text": Page((out / "report.html").read_text()).visible_text}


def _value(document: dict[str, Any], quantity: str, statistic: str) -> dict[str, Any]:
    (row,) = [r for r in document["measurements"] if r["quantity"] == quantity and r["statistic"] == statistic]
    return dict(row)


def _inventory(document: dict[str, Any]) -> dict[str, str]:
    """Why each compartment does not count; empty where it does."""
    (finding,) = [item for item in document["findings"] if item["kind"] == "whole_body"]
    details = finding["details"]
    return {details[key]: details[key.replace("_name", "_why_missing")] for key in details if key.endswith("_name")}


def _title(row: dict[str, Any]) -> str:
    return Region(row["structure"], Side(row["side"])).title


@pytest.fixture(scope="module")
def phantom() -> WholeBodyPhantom:
    return build_whole_body(5, PROTOCOL)


@pytest.fixture(scope="module")
def whole(phantom: WholeBodyPhantom, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    labels = _labels(phantom.labels, 0, phantom.labels.grid.shape[2])
    return _analyzed(tmp_path_factory.mktemp("whole"), phantom, (), labels)


def test_coronal_stations_that_overlap_are_read_as_one_image(whole: dict[str, Any], phantom: WholeBodyPhantom) -> None:
    assert "joined from 5 stations" in whole["text"]
    steps = [row["value"] for row in whole["measurements"] if row["quantity"] == "seam_error"]
    assert len(steps) == 16  # four seams of two contrasts, as scanned and corrected
    assert all(item["passed"] for item in whole["quality"] if item["name"].startswith("seams of"))
    counted = {name for name, why in _inventory(whole).items() if not why}
    truth = [row for row in bundle_of_body(phantom, 5).truth["compartments"] if _title(row) in counted]
    volume = sum(row["volume_ml"] for row in truth)
    expected = sum(row["volume_ml"] * row["edema_percent"] for row in truth) / volume
    found = _value(whole, "whole_body_fraction", "volume-weighted")
    assert found["value"] == pytest.approx(expected, abs=BODY_TOLERANCE)


def test_compartments_that_are_cut_or_cannot_be_judged_are_named_and_bound_the_burden(whole: dict[str, Any]) -> None:
    """The ankles lie at the lower edge of coronal slices; beside the slender arms fat and muscle share a slice."""
    why = _inventory(whole)
    assert len(why) == 34
    assert all("cut by the edge of the image" in why[name] for name in why if name.endswith("compartment of leg"))
    missing = [name for name, reason in why.items() if reason]
    coverage = _value(whole, "whole_body_coverage", "share of compartments")["value"]
    assert coverage == pytest.approx(100.0 * (34 - len(missing)) / 34)
    prorated = _value(whole, "whole_body_load", "prorated")["value"]
    assert (prorated is None) == (len(missing) > 0.2 * 34)


def test_in_coronal_slices_neither_fascia_nor_honeycomb_is_assessed(whole: dict[str, Any]) -> None:
    fascia = [item for item in whole["findings"] if item["kind"] == "fascia"]
    assert fascia
    assert all(item["present"] is None and "these lie along it" in item["statement"] for item in fascia)
    honeycomb = [row for row in whole["measurements"] if row["quantity"] == "edema_honeycomb"]
    assert honeycomb
    assert all(row["value"] is None for row in honeycomb)


def test_without_the_middle_station_legs_and_trunk_stay_apart_and_nothing_is_prorated(
    phantom: WholeBodyPhantom, tmp_path: Path
) -> None:
    step = PROTOCOL.n_slices - PROTOCOL.n_shared
    upper = _labels(phantom.labels, 3 * step, PROTOCOL.n_slices + step)
    document = _analyzed(tmp_path, phantom, (2,), upper)
    gap_mm = (PROTOCOL.n_slices - 2 * PROTOCOL.n_shared) * PROTOCOL.slice_mm
    assert f"{gap_mm:.0f} mm between them were not imaged" in document["text"]
    coverage = _value(document, "whole_body_coverage", "share of compartments")["value"]
    assert 0.0 < coverage < 80.0
    prorated = _value(document, "whole_body_load", "prorated")
    assert prorated["value"] is None
    assert prorated["missing"]["code"] == "M_TOO_MUCH_MISSING"
    assert _value(document, "whole_body_load", "sum over covered")["value"] > 0.0
    assert "so no value for the whole body is given" in document["text"]
