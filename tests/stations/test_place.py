"""Stations without positions are placed by their overlap, or refused."""

from __future__ import annotations

import pytest

from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.images import Volume
from heliotrope.stations.place import StationOrder, place_in_order
from tests.stations.scenes import SPACING_MM, body, cut, station_grids

N_SLICES, SHARED, N = 24, 6, 4


def _lost() -> list[Volume]:
    grids = station_grids(N, N_SLICES, SHARED)
    volumes = cut(body(N * (N_SLICES - SHARED) + SHARED), grids, gains=[1.2, 0.8, 1.1, 0.9])
    return [Volume(volume.data, grids[0]) for volume in volumes]


def test_the_common_overlap_is_found_from_foot_to_head() -> None:
    lost = _lost()
    placed, overlap_mm, likeness = place_in_order([v.grid for v in lost], lambda k: lost[k], StationOrder.FOOT_FIRST)
    assert overlap_mm == SHARED * SPACING_MM[2]
    assert [grid.matrix[2, 3] for grid in placed] == pytest.approx([90.0 * k for k in range(N)])
    assert likeness > 0.9


def test_names_from_head_to_foot_lead_to_the_same_body() -> None:
    lost = _lost()[::-1]
    placed, overlap_mm, _ = place_in_order([v.grid for v in lost], lambda k: lost[k], StationOrder.HEAD_FIRST)
    assert overlap_mm == SHARED * SPACING_MM[2]
    assert [grid.matrix[2, 3] for grid in placed] == pytest.approx([-90.0 * k for k in range(N)])


def test_a_wrong_order_is_refused() -> None:
    lost = _lost()
    with pytest.raises(QualityRefusal, match="do not show the same anatomy") as refused:
        place_in_order([v.grid for v in lost], lambda k: lost[k], StationOrder.HEAD_FIRST)
    assert refused.value.code == "E_STATION_ORDER"


def test_a_missing_station_is_refused_and_named() -> None:
    lost = _lost()
    del lost[2]
    with pytest.raises(QualityRefusal, match="stations 2 and 3"):
        place_in_order([v.grid for v in lost], lambda k: lost[k], StationOrder.FOOT_FIRST)
