"""Calcification of a later CT held against the places of earlier subcutaneous edema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heliotrope.app import codec
from heliotrope.app.edema_link import link_edema
from heliotrope.app.timepoints import Timepoint
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.comparison import PositionMatch
from heliotrope.domain.findings import Finding, FindingKind, Place
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.io import nifti

GRID = Grid.from_spacing((80, 80, 30), (1.0, 1.0, 2.0))
FRAME = "frame-1"
CALCIUM = (60.0, 40.0, 30.0)


def edema(position: tuple[float, float, float], *, present: bool = True) -> Timepoint:
    finding = Finding(
        FindingKind.SUBCUTIS,
        Truth.of(present),
        "High signal.",
        (Region("subcutaneous_fat", Side.LEFT),),
        places=(Place(position, 8.0, 500.0),),
        frame=FRAME,
    )
    document = {"findings": [codec.finding_to_plain(finding)], "measurements": []}
    return Timepoint("visit 1", Path(), document)


def ct(folder: Path, frame: str | None) -> Timepoint:
    """A round limb with a bone and one calcification of 25 mg at `CALCIUM`."""
    x, y, _ = np.indices(GRID.shape)
    values = np.zeros(GRID.shape, np.uint16)
    values[np.hypot(x - 40, y - 40) < 8] = 1
    i, j, k = np.rint(GRID.indices(CALCIUM)).astype(int)
    values[i - 2 : i + 3, j - 2 : j + 3, k - 1 : k + 2] = 11
    legend = {1: Region("bone"), 11: Region("calcification", None, "component 1: subcutaneous nodular")}
    nifti.write_labels(folder / "labels.nii.gz", LabelMap(values, GRID, legend, "ct-calcinosis/1"))
    body = np.hypot(x - 40, y - 40) < 36
    planes = ParametricMap(
        "calcinosis_plane", np.where(values == 11, 2, 0).astype(np.float32), body, GRID, Unit.ONE, "m"
    )
    nifti.write_map(folder / "planes.nii.gz", planes)
    rows = [
        Measurement(
            Region("calcification", None, "component 1"), "calcinosis_mass", "total", 25.0, Unit.MILLIGRAM, "m"
        ),
        Measurement(
            Region("calcification", None, "component 1"), "calcinosis_volume", "total", 0.1, Unit.MILLILITER, "m"
        ),
    ]
    document: dict[str, Any] = {
        "findings": [],
        "measurements": [codec.measurement_to_plain(row) for row in rows],
        "maps": [{"quantity": "calcinosis_plane", "file": "planes.nii.gz"}],
        "labels": {"file": "labels.nii.gz", "source": "ct-calcinosis/1", "legend": codec.legend_to_plain(legend)},
        "methods": [{"delivered": ["calcinosis_mass"], "series": ["s01"]}],
        "study": {"series": [{"key": "s01", "frame": frame}]},
    }
    return Timepoint("visit 2", folder, document)


def test_calcification_at_a_place_of_edema_is_linked_within_one_frame(tmp_path: Path) -> None:
    (link,) = link_edema(edema((64.0, 44.0, 30.0)), ct(tmp_path, FRAME), Missing("M_NO_LABELS", "no labels"))
    assert link.linked is True
    assert link.details["mass_mg"] == 25.0
    assert "five children" in link.statement
    assert "says nothing of a cause" in link.statement
    assert link.evidence == ("subcutis-then-calcinosis",)


def test_calcification_elsewhere_is_not_linked(tmp_path: Path) -> None:
    (link,) = link_edema(edema((20.0, 40.0, 30.0)), ct(tmp_path, FRAME), ())
    assert link.linked is False
    assert "none has calcification" in link.statement


def test_in_other_frames_the_place_is_moved_with_the_limb(tmp_path: Path) -> None:
    move = np.eye(4)
    move[:3, 3] = (40.0, 0.0, 0.0)
    match = PositionMatch(Side.LEFT, tuple(tuple(row) for row in move.tolist()), 1.0)
    (link,) = link_edema(edema((20.0, 40.0, 30.0)), ct(tmp_path, "frame-2"), (match,))
    assert link.linked is True
    assert "matched by bone and outline" in link.statement


@pytest.mark.parametrize("matches", [Missing("E_REGISTRATION", "surfaces lie 9 mm apart"), ()])
def test_unmatched_limbs_cannot_be_linked_and_it_is_said_why(
    matches: tuple[PositionMatch, ...] | Missing, tmp_path: Path
) -> None:
    (link,) = link_edema(edema(CALCIUM), ct(tmp_path, "frame-2"), matches)
    assert link.linked is None
    assert "cannot be told" in link.statement


def test_a_place_outside_the_ct_cannot_be_judged(tmp_path: Path) -> None:
    (link,) = link_edema(edema((60.0, 40.0, 300.0)), ct(tmp_path, FRAME), ())
    assert link.linked is None
    assert "does not hold that part" in link.statement


def test_without_edema_there_is_nothing_to_link(tmp_path: Path) -> None:
    assert link_edema(edema(CALCIUM, present=False), ct(tmp_path, FRAME), ()) == ()
