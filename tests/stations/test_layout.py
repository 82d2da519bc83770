"""Which series are stations of one another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from heliotrope.domain.geometry import Grid
from heliotrope.domain.study import Role
from heliotrope.stations.layout import Arrangement, composite_grid, find_layout, is_scanned_by_side, scans_by_side
from tests.stations.scenes import series_on, station_grids


def _moved(grid: Grid, *, x: float = 0.0, z: float = 0.0, frame: str | None = "1.2.3") -> Grid:
    matrix = grid.matrix
    matrix[0, 3] += x
    matrix[2, 3] += z
    return Grid.from_matrix(grid.shape, matrix, frame)


def test_overlapping_series_of_one_contrast_are_stations_from_foot_to_head() -> None:
    grids = station_grids(3, 20, 5)
    series = [series_on(f"s{k}", grids[k]) for k in (2, 0, 1)]
    layout = find_layout(series)
    assert layout.notes == ()
    (group,) = layout.groups
    assert [item.key for item in group.series] == ["s0", "s1", "s2"]
    assert group.arrangement is Arrangement.STATIONS
    assert group.axis == 2
    assert group.grid.shape == (64, 48, 50)
    assert group.overlaps_mm == pytest.approx((25.0, 25.0))


def test_series_stored_from_head_to_foot_are_joined_along_their_own_axis() -> None:
    grids = []
    for grid in station_grids(2, 20, 5):
        matrix = grid.matrix @ np.diag([1.0, 1.0, -1.0, 1.0])
        matrix[:3, 3] = grid.positions_mm([0, 0, 19])
        grids.append(Grid.from_matrix(grid.shape, matrix, "1.2.3"))
    (group,) = find_layout([series_on(f"s{k}", grid) for k, grid in enumerate(grids)]).groups
    assert [item.key for item in group.series] == ["s1", "s0"]
    assert group.grid.shape == (64, 48, 35)


def test_coronal_stations_are_joined_within_their_slices() -> None:
    grids = []
    for k in range(2):
        matrix = np.array([[2.0, 0, 0, 0], [0, 0, 6.0, 0], [0, 2.0, 0, k * 150.0], [0, 0, 0, 1]])
        grids.append(Grid.from_matrix((64, 100, 10), matrix, "1.2.3"))
    (group,) = find_layout([series_on(f"s{k}", grid) for k, grid in enumerate(grids)]).groups
    assert group.axis == 1
    assert group.grid.shape == (64, 175, 10)


def test_a_missing_station_leaves_two_stretches_apart_and_says_so() -> None:
    grids = station_grids(5, 20, 5)
    layout = find_layout([series_on(f"s{k}", grids[k]) for k in (0, 1, 3, 4)])
    assert [[item.key for item in group.series] for group in layout.groups] == [["s0", "s1"], ["s3", "s4"]]
    assert layout.notes == ("series s1 and s3 are neighbors and stay apart: 50 mm between them were not imaged",)


def test_an_overlap_below_twenty_millimeters_keeps_stations_apart() -> None:
    layout = find_layout([series_on(f"s{k}", grid) for k, grid in enumerate(station_grids(2, 20, 3))])
    assert layout.groups == ()
    assert layout.notes == ("series s0 and s1 are neighbors and stay apart: they share 15 mm, and 20 mm are needed",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"repetition_time_ms": 6000.0}, "repetition times differ"),
        ({"inversion_time_ms": 160.0}, "inversion times differ"),
        ({"field_strength_t": 1.5}, "field strengths differ"),
    ],
)
def test_stations_of_another_protocol_stay_apart(change: dict[str, Any], words: str) -> None:
    grids = station_grids(2, 20, 5)
    facts: dict[str, Any] = {"repetition_time_ms": 4500.0, "inversion_time_ms": 220.0, "field_strength_t": 3.0}
    layout = find_layout([series_on("s1", grids[0], **facts), series_on("s2", grids[1], **(facts | change))])
    assert layout.groups == ()
    assert words in layout.notes[0]


def test_stations_of_another_resolution_stay_apart() -> None:
    low, high = station_grids(2, 20, 5)
    matrix = high.matrix @ np.diag([1.5, 1.5, 1.0, 1.0])
    layout = find_layout([series_on("s1", low), series_on("s2", Grid.from_matrix(high.shape, matrix, "1.2.3"))])
    assert layout.groups == ()
    assert "voxels differ (2 x 2 x 5 and 3 x 3 x 5 mm)" in layout.notes[0]


def test_stations_of_another_frame_of_reference_stay_apart() -> None:
    low, high = station_grids(2, 20, 5)
    layout = find_layout([series_on("s1", low), series_on("s2", _moved(high, frame="9.9"))])
    assert layout.groups == ()
    assert "frames of reference differ" in layout.notes[0]


def test_a_station_scanned_twice_counts_once_and_the_later_one() -> None:
    grids = station_grids(2, 20, 5)
    layout = find_layout([series_on("s1", grids[0]), series_on("s2", grids[1]), series_on("s3", grids[1])])
    assert [item.key for item in layout.groups[0].series] == ["s1", "s3"]
    assert layout.notes == ("series s2 and s3 show one place twice; the later one, s3, counts",)


def test_one_image_scanned_twice_is_no_station() -> None:
    grid = station_grids(1, 20, 5)[0]
    layout = find_layout([series_on("s1", grid), series_on("s2", grid)])
    assert layout == find_layout([])


def test_images_of_unknown_role_are_never_joined() -> None:
    grids = station_grids(2, 20, 5)
    assert find_layout([series_on(f"s{k}", grid, Role.OTHER) for k, grid in enumerate(grids)]).groups == ()


def test_a_limb_on_each_side_is_recognized_as_sides() -> None:
    right = station_grids(1, 20, 5)[0]
    left = _moved(right, x=120.0)
    (group,) = find_layout([series_on("s1", left), series_on("s2", right)]).groups
    assert group.arrangement is Arrangement.SIDES
    assert [item.key for item in group.series] == ["s2", "s1"]
    assert group.grid.shape == (124, 48, 20)


def test_sides_in_several_stations_are_joined_side_by_side_never_across() -> None:
    grids = station_grids(2, 20, 5)
    series = [series_on(f"s{k}", grid) for k, grid in enumerate([*grids, *(_moved(g, x=150.0) for g in grids)])]
    layout = find_layout(series)
    assert [[item.key for item in group.series] for group in layout.groups] == [["s0", "s1"], ["s2", "s3"]]
    assert "each side is an image of its own and results are read on the larger one" in layout.notes[0]


def test_limbs_of_two_frames_of_reference_stay_apart_and_the_reader_is_told_what_is_read() -> None:
    right = station_grids(1, 20, 5)[0]
    layout = find_layout([series_on("s1", right), series_on("s2", _moved(right, x=120.0, frame="9.9"))])
    assert layout.groups == ()
    (note,) = layout.notes
    assert note.startswith("series s1 and s2 show one limb each and stay apart: their frames of reference differ")
    assert "analyze the sides one after the other" in note


def test_scans_of_two_limbs_are_parted_half_way_between_them() -> None:
    right = station_grids(1, 20, 5)[0]
    (group,) = find_layout([series_on("s1", right), series_on("s2", _moved(right, x=140.0))]).groups
    joined = replace(series_on("s3", group.grid), stations=group.series)
    is_right, is_left = scans_by_side([series_on("s4", right), joined], group.grid)
    assert not (is_right & is_left).any()
    assert is_right[:64].all()  # 64 columns of 2 mm, a gap of six, and 64 more
    assert is_left[70:].all()
    assert scans_by_side([series_on("s4", right)], group.grid) == ()


def test_composite_holds_every_station() -> None:
    grids = station_grids(3, 20, 5)
    whole = composite_grid(grids)
    for grid in grids:
        ends = whole.indices(grid.positions_mm([[0, 0, 0], [63, 47, 19]]))
        assert (ends >= -1e-6).all()
        assert (ends <= np.array(whole.shape) - 1 + 1e-6).all()


def test_a_series_as_scanned_is_not_by_side() -> None:
    assert not is_scanned_by_side(series_on("s1", station_grids(1, 20, 5)[0]))
