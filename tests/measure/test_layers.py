"""Shells around muscle: shares and the signal of the skin carry intervals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.truth import Truth
from heliotrope.findings.layers import skin_finding
from heliotrope.measure.layers import SKIN_DILUTED, SubcutisSignal, layer_measurements, measure_skin
from heliotrope.report.statements import mark_of

SHAPE = (60, 60, 6)


def _ring(inner: float, outer: float) -> NDArray[np.bool_]:
    x, y, _ = np.indices(SHAPE)
    distance = np.hypot(x - 30, y - 30)
    return np.asarray((distance >= inner) & (distance < outer))


@pytest.mark.parametrize(("pixel_mm", "diluted"), [(0.8, False), (1.5, True)])
def test_skin_signal_is_its_median_over_normal_muscle(pixel_mm: float, diluted: bool) -> None:
    grid = Grid.from_spacing(SHAPE, (pixel_mm, pixel_mm, 8.0))
    layers = np.where(_ring(0, 25), 1.0, np.nan)
    skin = _ring(25, 28)
    layers[skin] = np.random.default_rng(1).normal(1.4, 0.2, int(skin.sum()))
    row = measure_skin(Side.LEFT, layers, skin, grid, generator=np.random.default_rng(2))
    assert row.region == Region("skin", Side.LEFT)
    assert row.value == pytest.approx(1.4, abs=0.03)
    assert row.ci95 is not None
    assert row.ci95[0] < 1.4 < row.ci95[1]
    assert (SKIN_DILUTED in row.notes) is diluted


def test_skin_is_stated_and_never_judged() -> None:
    grid = Grid.from_spacing(SHAPE, (1.0, 1.0, 8.0))
    skin = _ring(25, 28)
    bright = measure_skin(Side.LEFT, np.where(skin, 9.0, 1.0), skin, grid, generator=np.random.default_rng(2))
    assert skin_finding(bright).present is Truth.UNKNOWN
    assert mark_of(skin_finding(bright))[0] == ""
    absent = measure_skin(Side.LEFT, np.ones(SHAPE), np.zeros(SHAPE, bool), grid, generator=np.random.default_rng(2))
    assert (absent.value, absent.missing is None) == (None, False)
    assert "could not be assessed" in skin_finding(absent).statement


def test_the_share_of_bright_subcutis_has_an_interval_within_0_and_100() -> None:
    grid = Grid.from_spacing(SHAPE, (1.5, 1.5, 8.0))
    judged = _ring(15, 25)
    edema = judged & (np.indices(SHAPE)[0] > 40)
    share = float(edema.sum() / judged.sum())
    signal = SubcutisSignal(share, 0.5, 1.0, 0.0, None, edema, judged)
    rows = layer_measurements(Side.LEFT, None, signal, grid, generator=np.random.default_rng(3))
    row = next(item for item in rows if item.quantity == "subcutis_extent")
    assert row.value == pytest.approx(100.0 * share)
    assert row.ci95 is not None
    assert 0.0 <= row.ci95[0] < 100.0 * share < row.ci95[1] <= 100.0
