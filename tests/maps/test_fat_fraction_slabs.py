"""Long stacks in slabs, islands behind bone, and what the residual says of the echoes."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import BLOCK_VOXELS, Volume
from heliotrope.maps.fat_fraction import complex_fit
from heliotrope.maps.fat_fraction.complex_fit import fit_complex_fat_fraction
from heliotrope.maps.fat_fraction.decisions import LARGEST_MISFIT
from heliotrope.maps.fat_fraction.islands import settle_islands
from heliotrope.maps.fat_fraction.slabs import OVERLAP_SLICES, pilot_of, slabs_of
from heliotrope.maps.fat_fraction.t1_guard import t1_guard
from heliotrope.phantoms.dixon import acquire, dixon_thighs

UNKNOWN = t1_guard(repetition_time_ms=None, flip_angle_deg=None, field_strength_t=3.0)
THREE = (3.45, 4.60, 5.75)


def test_slabs_give_the_map_of_the_whole_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    truth = dixon_thighs(generator, shape=(88, 48, 8), spacing_mm=(4.0, 4.0, 6.0))
    volume = acquire(truth, echo_times_ms=THREE, field_strength_t=3.0, snr=40.0, generator=generator)
    whole = fit_complex_fat_fraction(volume, echo_times_ms=THREE, field_strength_t=3.0, guard=UNKNOWN)
    monkeypatch.setattr(complex_fit, "SLAB_VOXELS", 7_000)
    parts = fit_complex_fat_fraction(volume, echo_times_ms=THREE, field_strength_t=3.0, guard=UNKNOWN)
    difference = np.abs(parts.fat_fraction.values - whole.fat_fraction.values)
    # the prior of weak voxels sees the slab's own noise and its own surroundings; a tenth of the noise
    assert float(np.nanpercentile(difference, 99)) < 0.2
    assert np.array_equal(parts.fat_fraction.valid, whole.fat_fraction.valid)
    assert parts.field_map is not None
    assert whole.field_map is not None
    # one alias period is 870 Hz: no slab sits in another alias
    assert float(np.nanmax(np.abs(parts.field_map.values - whole.field_map.values))) < 100.0
    assert parts.quality["limb_sections"] == whole.quality["limb_sections"]


def test_slabs_cover_every_slice_once_and_start_with_known_ones() -> None:
    mask = np.random.default_rng(1).random((12, 30, 10)) < 0.4
    slabs = slabs_of(mask, 1, 300)
    assert [slab.own for slab in slabs[1:]] == [slab.stop for slab in slabs[:-1]]
    assert slabs[0].own == 0
    assert slabs[-1].stop == 30
    assert all(slab.own - slab.start == min(OVERLAP_SLICES, slab.own) for slab in slabs)
    assert max(int(mask[slab.own_index].sum()) for slab in slabs) < 1.3 * 300


def test_the_grid_of_a_part_lies_where_the_part_lies() -> None:
    grid = Grid.from_spacing((8, 9, 10), (1.0, 2.0, 3.0))
    index = (slice(None), slice(2, 6), slice(None, None, 3))
    part = grid.part(index)
    assert part.shape == (8, 4, 4)
    np.testing.assert_allclose(part.positions_mm(np.array([[1, 1, 2]])), grid.positions_mm(np.array([[1, 3, 6]])))
    assert pilot_of(np.ones((10, 10, 8), dtype=bool), 2, 250)[2] == slice(None, None, 4)


def test_marrow_behind_bone_follows_the_field_of_the_limb_around_it() -> None:
    mask = np.zeros((15, 15, 1), dtype=bool)
    mask[:] = True
    mask[4:11, 4:11] = False
    mask[6:9, 6:9] = True
    n = int(mask.sum())
    inner = np.zeros(mask.shape, dtype=bool)
    inner[6:9, 6:9] = True
    island = inner[mask]
    field = np.full((n, 2), np.nan, dtype=np.float32)
    cost = np.full((n, 2), np.inf, dtype=np.float32)
    field[:, 0], cost[:, 0] = 10.0, 0.0
    # in the island the exchanged solution fits a trace better
    field[island], cost[island] = (444.0, 12.0), (0.0, 0.1)
    chosen = np.where(island, 444.0, 10.0)
    settled = settle_islands(
        mask,
        (2.0, 2.0, 8.0),
        field,
        cost,
        chosen,
        shift_hz=-434.0,
        period_hz=870.0,
        field_sd_hz=9.0,
        field_sd_hz_per_mm=2.5,
        largest_jump_hz=300.0,
    )
    np.testing.assert_allclose(settled[island], 12.0)
    np.testing.assert_allclose(settled[~island], 10.0)


@pytest.mark.parametrize(("seed", "error_rad"), [(0, 0.1), (1, 0.3)])
def test_three_echoes_with_a_bipolar_phase_error_are_repaired(seed: int, error_rad: float) -> None:
    generator = np.random.default_rng(seed)
    truth = dixon_thighs(generator, shape=(88, 48, 2))
    volume = acquire(
        truth,
        echo_times_ms=THREE,
        field_strength_t=3.0,
        snr=40.0,
        generator=generator,
        alternating_phase_rad=error_rad,
    )
    found = fit_complex_fat_fraction(volume, echo_times_ms=THREE, field_strength_t=3.0, guard=UNKNOWN)
    error = found.fat_fraction.values - truth.percent
    assert any("bipolar" in action for action in found.actions)
    # uncorrected: 3 to 20 points
    assert abs(float(np.nanmean(error[truth.muscle]))) < 0.5
    assert int((np.abs(error[np.isfinite(error)]) > 40.0).sum()) == 0
    assert found.quality["misfit_over_noise"] < 1.5


def test_echoes_that_water_and_fat_do_not_explain_are_flagged() -> None:
    generator = np.random.default_rng(2)
    truth = dixon_thighs(generator, shape=(88, 48, 2))
    data = np.array(acquire(truth, echo_times_ms=THREE, field_strength_t=3.0, snr=60.0, generator=generator).data)
    # a phase error that is not linear in space, as an eddy current may leave, is not corrected
    data[..., 1] *= np.exp(0.8j * np.cos(np.arange(88) / 4.0))[:, None, None]
    found = fit_complex_fat_fraction(Volume(data, truth.grid), echo_times_ms=THREE, field_strength_t=3.0, guard=UNKNOWN)
    assert found.quality["misfit_over_noise"] > LARGEST_MISFIT
    assert any("worse than their noise" in flag for flag in found.fat_fraction.flags)


def test_blocks_of_a_volume_are_its_voxels_in_order() -> None:
    shape = (7, 300, 200)
    data = np.arange(7 * 300 * 200 * 2, dtype=np.float32).reshape(*shape, 2)
    volume = Volume(np.asfortranarray(data), Grid.from_spacing(shape, (1.0, 1.0, 1.0)))
    pieces = list(volume.blocks(np.array([False, True])))
    assert len(pieces) == 4
    assert all(signal.shape[0] <= BLOCK_VOXELS for _, signal in pieces)
    np.testing.assert_array_equal(np.concatenate([signal for _, signal in pieces]), data.reshape(-1, 2)[:, 1:])
    assert [place.start for place, _ in pieces] == [0, 120_000, 240_000, 360_000]
