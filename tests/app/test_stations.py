"""Every result of a run speaks of one stretch of the body; what lies elsewhere is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliotrope.app.stations import on_one_stretch, with_stations
from heliotrope.domain.geometry import Grid
from heliotrope.domain.study import Role, Series, Study
from tests.stations.scenes import series_on, station_grids

LEGS, _, TRUNK = station_grids(3, 20, 0)


def _study(*series: Series) -> Study:
    return Study("study-1", "subject-1", None, series, ())


def _moved(grid: Grid, x_mm: float) -> Grid:
    matrix = grid.matrix
    matrix[0, 3] += x_mm
    return Grid.from_matrix(grid.shape, matrix, grid.frame_of_reference_uid)


def test_the_stretch_with_more_contrasts_is_read_and_the_other_named() -> None:
    study = _study(series_on("s1", LEGS), series_on("s2", TRUNK), series_on("s3", TRUNK, Role.DIXON_WATER))
    found = on_one_stretch(study)
    assert [item.key for item in found.series] == ["s2", "s3"]
    (note,) = found.notes
    assert note.startswith("series s1 show other levels or the other side and were not read beside s2")


def test_labels_decide_which_stretch_is_read() -> None:
    legs = series_on("s1", LEGS)
    study = _study(legs, series_on("s2", TRUNK), series_on("s3", TRUNK, Role.DIXON_WATER))
    found = on_one_stretch(study, legs)
    assert [item.key for item in found.series] == ["s1", "s3"]  # nothing else shows water


def test_the_other_side_is_another_stretch() -> None:
    right, left = series_on("s1", LEGS), series_on("s2", _moved(LEGS, 200.0))
    assert [item.key for item in on_one_stretch(_study(right, left), left).series] == ["s2"]


@pytest.mark.parametrize("role", [Role.T1, Role.OTHER])
def test_a_series_that_nothing_replaces_stays(role: Role) -> None:
    study = _study(series_on("s1", LEGS, role), series_on("s2", TRUNK))
    assert on_one_stretch(study, study.series[1]) == study


def test_repeats_at_one_place_stay() -> None:
    study = _study(series_on("s1", LEGS), series_on("s2", LEGS))
    assert on_one_stretch(study) == study


def test_a_short_series_within_a_long_one_is_not_apart() -> None:
    short = Grid.from_matrix((64, 48, 3), LEGS.matrix, LEGS.frame_of_reference_uid)  # 15 mm, less than stations share
    study = _study(series_on("s1", LEGS), series_on("s2", short))
    assert on_one_stretch(study) == study


def test_joined_stations_are_one_stretch() -> None:
    grids = station_grids(5, 20, 5)
    study = with_stations(_study(*(series_on(f"s{k}", grids[k]) for k in (0, 1, 3, 4))))
    found = on_one_stretch(study)
    assert len(study.series) == 2
    assert len(found.series) == 1
    assert replace(found, notes=()).series[0].key == "s0..s1"
