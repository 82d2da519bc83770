"""Gains, shifts and roll-off that were put in are found again; numbers with a meaning are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.stations.chain import GAIN_LIMITS, solve_chain, solve_gains
from heliotrope.stations.layout import composite_grid
from heliotrope.stations.merge import MapJoiner, Placement, by_header, harmonize, merge_signal
from heliotrope.stations.overlap import Overlap, find_shift, likeness
from tests.stations.scenes import SHAPE, SPACING_MM, body, cut, station_grids

N_SLICES, SHARED = 24, 6
GAIN_TOLERANCE = 0.02
"""Relative; noise of one percent over about 3000 voxels and a trend along the overlap."""
SHIFT_TOLERANCE_VOXELS = 0.35
"""A parabola through three likenesses of textured limbs."""


def _placed(volumes: list[Volume]) -> Placement:
    grids = [volume.grid for volume in volumes]
    return Placement.by_header(composite_grid(grids), 2, grids)


def _whole(n_stations: int) -> NDArray[np.float64]:
    return body(n_stations * (N_SLICES - SHARED) + SHARED)


def test_gains_are_recovered_with_mean_log_gain_zero() -> None:
    gains = np.array([1.3, 0.8, 1.1, 0.7, 1.25])
    volumes = cut(_whole(5), station_grids(5, N_SLICES, SHARED), gains=gains.tolist())
    found = harmonize(_placed(volumes), lambda k: volumes[k])
    wanted = np.exp(np.log(gains).mean()) / gains
    np.testing.assert_allclose(found.gains, wanted, rtol=GAIN_TOLERANCE)
    assert float(np.log(found.gains).mean()) == pytest.approx(0.0, abs=1e-9)


def test_seams_are_better_after_than_before_and_below_the_limit() -> None:
    volumes = cut(_whole(3), station_grids(3, N_SLICES, SHARED), gains=[1.4, 0.75, 1.1], tilt=0.15)
    for seam in harmonize(_placed(volumes), lambda k: volumes[k]).seams:
        assert seam.error_before is not None
        assert seam.error_after is not None
        assert seam.error_before > 0.2
        assert seam.error_after < 0.05
        assert seam.good is True


def test_roll_off_across_the_field_of_view_is_taken_out_at_the_seam() -> None:
    volumes = cut(_whole(2), station_grids(2, N_SLICES, SHARED), tilt=0.2, noise=0.3)
    harmony = harmonize(_placed(volumes), lambda k: volumes[k])
    merged = np.asarray(merge_signal(harmony, lambda k: volumes[k], blend=False).data, dtype=np.float64)
    truth = _whole(2)
    seam = N_SLICES - SHARED // 2
    inside = truth[:, :, seam - 1 : seam + 1] > 60.0
    ratio = merged[:, :, seam - 1 : seam + 1] / np.maximum(truth[:, :, seam - 1 : seam + 1], 1.0)
    step = np.abs(np.log(ratio[..., 1] / ratio[..., 0]))[inside.all(axis=-1)]
    assert float(np.median(step)) < 0.03  # without correction 0.15 at the limbs' middles


def test_a_fall_toward_the_ends_that_differs_from_side_to_side_is_restored() -> None:
    """Seen in all six overlaps of seven real stations; the ratio then turns over along every overlap."""
    volumes = cut(_whole(2), station_grids(2, N_SLICES, SHARED), fall_of_one_side=0.25, noise=0.3)
    harmony = harmonize(_placed(volumes), lambda k: volumes[k])
    (seam,) = harmony.seams
    assert seam.error_before is not None
    assert seam.error_after is not None
    assert seam.error_before > 0.03
    assert seam.error_after < 0.01
    merged = np.asarray(merge_signal(harmony, lambda k: volumes[k], blend=False).data, dtype=np.float64)
    assert np.isfinite(merged).all()
    np.testing.assert_allclose(harmony.falls[0, 1], harmony.falls[1, 0])
    assert harmony.falls[0, 1, 1] < -0.1  # more is lost where x is small


def test_a_shifted_station_is_moved_back() -> None:
    shifts = [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1.6, -1.3, 0.0)]
    volumes = cut(_whole(3), station_grids(3, N_SLICES, SHARED), shifts=shifts, noise=0.5)
    placement = _placed(volumes)
    harmony = harmonize(placement, lambda k: volumes[k])
    moved = harmony.placement.offsets - placement.offsets
    np.testing.assert_allclose(moved[:2], 0.0, atol=1e-9)
    np.testing.assert_allclose(moved[2], [-1.6, 1.3, 0.0], atol=SHIFT_TOLERANCE_VOXELS)


def test_a_shift_along_the_body_is_found() -> None:
    volumes = cut(_whole(2), station_grids(2, N_SLICES, SHARED), shifts=[(0, 0, 0), (0, 0, 0.8)], noise=0.5)
    placement = _placed(volumes)
    moved = harmonize(placement, lambda k: volumes[k]).placement.offsets - placement.offsets
    np.testing.assert_allclose(moved[0] - moved[1], [0.0, 0.0, 0.8], atol=SHIFT_TOLERANCE_VOXELS)


def test_a_shift_beyond_five_millimeters_is_not_applied_and_the_seam_is_not_good() -> None:
    volumes = cut(_whole(2), station_grids(2, N_SLICES, SHARED), shifts=[(0, 0, 0), (3.5, 3.5, 0)], noise=0.5)
    harmony = harmonize(_placed(volumes), lambda k: volumes[k])
    (seam,) = harmony.seams
    assert float(np.abs(harmony.shifts_mm).max()) == 0.0
    assert seam.good is False


def test_stations_that_fit_are_left_where_their_headers_put_them() -> None:
    volumes = cut(_whole(4), station_grids(4, N_SLICES, SHARED), noise=5.0)
    assert float(np.abs(harmonize(_placed(volumes), lambda k: volumes[k]).shifts_mm).max()) == 0.0


def test_gains_never_leave_their_limits() -> None:
    gains = solve_gains(2, {(0, 1): (float(np.log(9.0)), 1.0)})
    assert gains.tolist() == [GAIN_LIMITS[1], GAIN_LIMITS[0]]


def test_a_loop_of_stations_shares_its_disagreement() -> None:
    """Three steps of which the direct one disagrees by 0.3: least squares moves each by a third of it."""
    steps = {(0, 1): (np.array([1.0]), 1.0), (1, 2): (np.array([1.0]), 1.0), (0, 2): (np.array([2.3]), 1.0)}
    values = solve_chain(3, steps)[:, 0]
    np.testing.assert_allclose(np.diff(values), [1.1, 1.1])


def test_a_map_with_a_unit_is_never_averaged_or_scaled() -> None:
    volumes = cut(_whole(2), station_grids(2, N_SLICES, SHARED), gains=[1.5, 0.8])
    harmony = harmonize(_placed(volumes), lambda k: volumes[k])
    joiner = MapJoiner(harmony)
    for k, (volume, value) in enumerate(zip(volumes, (30.0, 40.0), strict=True)):
        shape = volume.grid.shape
        full = np.full(shape, value, dtype=np.float32)
        joiner.add(k, "t2", ParametricMap("water_t2", full, np.ones(shape, bool), volume.grid, Unit.MILLISECOND, "m/1"))
    values = joiner.joined()["t2"].values
    assert set(np.unique(values).tolist()) == {30.0, 40.0}
    per_slice = values[0, 0]
    assert int((per_slice == 30.0).sum()) == N_SLICES - SHARED // 2
    assert np.all(np.diff(per_slice) >= 0)


def test_a_signal_map_is_scaled_like_its_images() -> None:
    volumes = cut(_whole(2), station_grids(2, N_SLICES, SHARED), gains=[1.5, 0.75])
    harmony = harmonize(_placed(volumes), lambda k: volumes[k])
    joiner = MapJoiner(harmony)
    for k, volume in enumerate(volumes):
        valid = np.ones(volume.grid.shape, dtype=bool)
        joiner.add(k, "w", ParametricMap("water_signal", volume.data, valid, volume.grid, Unit.ARBITRARY, "m/1"))  # type: ignore[arg-type]
    merged = merge_signal(harmony, lambda k: volumes[k], blend=False)
    np.testing.assert_allclose(joiner.joined()["w"].values, np.asarray(merged.data, np.float32), rtol=1e-5)


def test_as_scanned_every_slice_is_a_slice_of_the_nearer_station() -> None:
    volumes = cut(_whole(3), station_grids(3, N_SLICES, SHARED))
    merged = merge_signal(by_header(_placed(volumes)), lambda k: volumes[k], blend=False).data
    np.testing.assert_array_equal(merged[:, :, 0], volumes[0].data[:, :, 0])
    np.testing.assert_array_equal(merged[:, :, N_SLICES], volumes[1].data[:, :, SHARED])
    np.testing.assert_array_equal(merged[:, :, -1], volumes[2].data[:, :, -1])


def test_mixed_neighbors_weigh_one_in_every_slice() -> None:
    weights = _placed(cut(_whole(3), station_grids(3, N_SLICES, SHARED))).weights()
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)


def test_echoes_keep_their_ratio() -> None:
    """All echoes of a voxel come from one station with one factor, so that decay is untouched."""
    volumes = cut(_whole(2), station_grids(2, N_SLICES, SHARED), gains=[1.4, 0.8])
    trains = [Volume(np.stack([np.asarray(v.data), 0.5 * np.asarray(v.data)], axis=-1), v.grid) for v in volumes]
    harmony = harmonize(_placed(volumes), lambda k: trains[k])
    merged = np.asarray(merge_signal(harmony, lambda k: trains[k], blend=False).data, dtype=np.float32)
    np.testing.assert_allclose(merged[..., 1], 0.5 * merged[..., 0], rtol=1e-5)


def test_one_station_is_read_at_a_time() -> None:
    volumes = cut(_whole(4), station_grids(4, N_SLICES, SHARED))
    calls: list[int] = []

    def read(k: int) -> Volume:
        calls.append(k)
        return volumes[k]

    harmony = harmonize(_placed(volumes), read)
    assert calls == [0, 1, 2, 3]
    merge_signal(harmony, read, blend=False)
    assert calls == [0, 1, 2, 3] * 2


def test_likeness_does_not_depend_on_gain() -> None:
    whole = _whole(1)
    assert likeness(whole, 3.0 * whole) == pytest.approx(1.0)


def test_an_empty_overlap_moves_nothing() -> None:
    empty = np.zeros((*SHAPE, SHARED))
    shift = find_shift(Overlap(empty, empty, SPACING_MM, 2))
    assert shift.voxels == (0.0, 0.0, 0.0)
