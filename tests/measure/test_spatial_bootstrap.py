"""Intervals from draws of whole blocks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from heliotrope.domain.geometry import Grid
from heliotrope.measure.spatial_bootstrap import (
    N_DRAWS,
    Blocks,
    bootstrap_mean,
    bootstrap_quantile,
    draw_weights,
    group_blocks,
    interval,
)

GRID = Grid.from_spacing((40, 30, 6), (2.0, 2.0, 5.0))


def test_every_draw_holds_as_many_blocks_as_there_are() -> None:
    weights = draw_weights(Blocks(np.zeros(0, np.intp), 37), np.random.default_rng(1))
    assert weights.shape == (N_DRAWS, 37)
    assert (weights.sum(axis=1) == 37).all()


def test_draws_follow_the_multinomial_distribution() -> None:
    n_blocks, n_draws = 25, 40_000
    weights = draw_weights(Blocks(np.zeros(0, np.intp), n_blocks), np.random.default_rng(2), n_draws)
    expected = stats.multinomial.cov(n_blocks, np.full(n_blocks, 1.0 / n_blocks))
    assert weights.mean(axis=0) == pytest.approx(np.ones(n_blocks), abs=5.0 / np.sqrt(n_draws))
    # standard error of a variance near 1 is about 1.5 / sqrt(n); five of them
    assert np.abs(np.cov(weights.T) - expected).max() < 7.5 / np.sqrt(n_draws)
    rare = float(np.mean(weights[:, 0] >= 4))
    assert rare == pytest.approx(float(stats.binom.sf(3, n_blocks, 1.0 / n_blocks)), abs=0.004)


@pytest.mark.parametrize(("n_voxels", "n_blocks"), [(7, 6), (128, 9), (129, 9), (1000, 40), (30_011, 700)])
def test_a_drawn_quantile_is_the_quantile_of_the_voxels_as_often_as_they_were_drawn(
    n_voxels: int, n_blocks: int
) -> None:
    random = np.random.default_rng(n_voxels)
    values = random.normal(30.0, 5.0, n_voxels)
    number = random.integers(n_blocks, size=n_voxels)
    number[:n_blocks] = np.arange(n_blocks)
    blocks = Blocks(number, n_blocks)
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
    found = bootstrap_mean(values, Blocks(np.repeat(np.arange(n_blocks), per_block), n_blocks), random)
    assert found is not None
    half = (found[1] - found[0]) / 2.0
    expected = stats.t.ppf(0.975, n_blocks - 1) * level.std(ddof=1) / np.sqrt(n_blocks)
    # the spread of 200 draws is known to 5 %; four of them
    assert half == pytest.approx(expected, rel=0.2)
