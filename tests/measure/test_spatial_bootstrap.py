"""Intervals from draws of whole blocks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, stats

from heliotrope.domain.geometry import Grid
from heliotrope.measure.spatial_bootstrap import (
    BLOCKS_DRAWN_TOGETHER,
    N_DRAWS,
    Blocks,
    bootstrap_mean,
    bootstrap_quantile,
    draw_weights,
    group_blocks,
    interval,
)

GRID = Grid.from_spacing((40, 30, 6), (2.0, 2.0, 5.0))


def _apart(n_blocks: int) -> NDArray[np.int64]:
    """Cells so far from each other that each is drawn alone."""
    return BLOCKS_DRAWN_TOGETHER * np.arange(n_blocks)[:, None] * np.ones((1, 3), np.int64)


def test_neighboring_blocks_are_drawn_together() -> None:
    blocks = Blocks(np.zeros(0, np.intp), np.argwhere(np.ones((9, 6, 1), bool)))
    weights = draw_weights(blocks, np.random.default_rng(1))
    assert weights.shape == (N_DRAWS, 54)
    lattice = weights.reshape(N_DRAWS, 9, 6)
    together = [np.corrcoef(lattice[:, i, 2], lattice[:, 4, 2])[0, 1] for i in range(9)]
    assert together[3] > 0.4
    assert together[5] > 0.4
    assert abs(together[0]) < 0.3
    assert weights.mean() == pytest.approx(1.0, abs=0.05)


def test_draws_of_lone_blocks_follow_the_multinomial_distribution() -> None:
    n_blocks, n_draws = 25, 40_000
    weights = draw_weights(Blocks(np.zeros(0, np.intp), _apart(n_blocks)), np.random.default_rng(2), n_draws)
    assert (weights.sum(axis=1) == n_blocks).all()
    expected = stats.multinomial.cov(n_blocks, np.full(n_blocks, 1.0 / n_blocks))
    assert weights.mean(axis=0) == pytest.approx(np.ones(n_blocks), abs=5.0 / np.sqrt(n_draws))
    # standard error of a variance near 1 is about 1.5 / sqrt(n); five of them
    assert np.abs(np.cov(weights.T) - expected).max() < 7.5 / np.sqrt(n_draws)
    rare = float(np.mean(weights[:, 0] >= 4))
    assert rare == pytest.approx(float(stats.binom.sf(3, n_blocks, 1.0 / n_blocks)), abs=0.004)


def test_blocks_are_joined_in_every_way_of_the_lattice() -> None:
    blocks = Blocks(np.zeros(0, np.intp), np.array([[0, 0, 0], [1, 0, 0], [5, 0, 0]]))
    joined = {tuple(part == part[0]) for part in blocks.parts}
    assert len(blocks.parts) == BLOCKS_DRAWN_TOGETHER**3
    assert joined == {(True, True, False), (True, False, False)}
    assert blocks.n_drawn == pytest.approx((2 + 2 + 3) / 3)


@pytest.mark.parametrize(("deviation_mm", "fewest", "most"), [(0.5, 0.90, 1.0), (2.0, 0.88, 1.0), (3.0, 0.83, 1.0)])
def test_intervals_hold_the_mean_that_a_map_varies_about(deviation_mm: float, fewest: float, most: float) -> None:
    grid = Grid.from_spacing((26, 20, 20), (1.5, 1.5, 6.0))
    x, y, _ = np.indices(grid.shape)
    muscle = ((x - 12.5) / 12) ** 2 + ((y - 9.5) / 9) ** 2 <= 1
    blocks = group_blocks(muscle, grid)
    random = np.random.default_rng(11)
    held = []
    for _ in range(200):
        noise = random.standard_normal([n + 24 for n in grid.shape])
        field = ndimage.gaussian_filter(noise, deviation_mm / np.array(grid.spacing_mm))
        found = bootstrap_mean(field[12:-12, 12:-12, 12:-12][muscle], blocks, random)
        assert found is not None
        held.append(found[0] <= 0.0 <= found[1])
    assert fewest <= np.mean(held) <= most


@pytest.mark.parametrize(("n_voxels", "n_blocks"), [(7, 6), (128, 9), (129, 9), (1000, 40), (30_011, 700)])
def test_a_drawn_quantile_is_the_quantile_of_the_voxels_as_often_as_they_were_drawn(
    n_voxels: int, n_blocks: int
) -> None:
    random = np.random.default_rng(n_voxels)
    values = random.normal(30.0, 5.0, n_voxels)
    number = random.integers(n_blocks, size=n_voxels)
    number[:n_blocks] = np.arange(n_blocks)
    blocks = Blocks(number, _apart(n_blocks))
    every = max(1, n_voxels // 8000)
    used, member = values[::every], number[::every]
    weights = draw_weights(blocks, np.random.default_rng(5))
    drawn = []
    for weight in weights.astype(int):
        repeated = np.sort(np.repeat(used, weight[member]))
        drawn.append(repeated[max(0, int(np.ceil(0.3 * len(repeated))) - 1)])
    found = bootstrap_quantile(values, 0.3, blocks, np.random.default_rng(5))
    assert found == interval(float(np.quantile(values, 0.3)), np.array(drawn), n_blocks)


def test_the_interval_reaches_as_far_as_the_quantile_of_student() -> None:
    draws = np.random.default_rng(6).normal(0.0, 2.0, 500)
    found = interval(10.0, draws, 12)
    assert found is not None
    spread = draws.std(ddof=1) * np.sqrt(12.0 / 11.0)
    assert found[1] - 10.0 == pytest.approx(stats.t.ppf(0.975, 11) * spread)


def test_a_box_groups_its_voxels_as_the_whole_image_does() -> None:
    mask = np.random.default_rng(7).random(GRID.shape) > 0.6
    mask[:13] = mask[:, :7] = mask[:, :, :1] = False
    whole = group_blocks(mask, GRID)
    boxed = group_blocks(mask[13:, 7:, 1:], GRID, corner=(13, 7, 1))
    assert np.array_equal(whole.number, boxed.number)
    assert whole.n_blocks == boxed.n_blocks


def test_the_mean_of_equal_blocks_has_the_spread_of_the_blocks() -> None:
    random = np.random.default_rng(8)
    n_blocks, per_block = 60, 20
    level = random.normal(0.0, 1.0, n_blocks)
    values = np.repeat(level, per_block)
    found = bootstrap_mean(values, Blocks(np.repeat(np.arange(n_blocks), per_block), _apart(n_blocks)), random)
    assert found is not None
    half = (found[1] - found[0]) / 2.0
    expected = stats.t.ppf(0.975, n_blocks - 1) * level.std(ddof=1) / np.sqrt(n_blocks)
    # the spread of 200 draws is known to 5 %; four of them
    assert half == pytest.approx(expected, rel=0.2)
