"""Noise is told from edema and from shading: differences of neighbors, not the spread of a region."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.findings.edema import edema_findings, is_positive
from heliotrope.measure.edema_load import neighbor_spread

SHAPE = (60, 60, 4)
GRID = Grid.from_spacing(SHAPE, (1.5, 1.5, 8.0))
SD = 0.05


def test_patches_and_shading_do_not_pass_for_noise() -> None:
    x, y, _ = np.indices(SHAPE)
    values = 1.0 + np.random.default_rng(1).normal(0.0, SD, SHAPE)
    values -= 0.4 * np.exp(-(((x - 10) / 15.0) ** 2))  # what failed suppression leaves beside it
    values[((x // 12 + y // 12) % 2 == 0) & (x > 30)] += 0.8
    whole = np.ones(SHAPE, dtype=bool)
    assert neighbor_spread(values, whole, GRID) == pytest.approx(SD, rel=0.35)
    assert np.median(values) - np.quantile(values, 0.1587) > 3.0 * SD  # what the spread of the region would say


def test_without_neighbors_no_noise_is_stated() -> None:
    assert neighbor_spread(np.ones(SHAPE), np.zeros(SHAPE, dtype=bool), GRID) is None


def _fraction(value: float, reach: float = 1.0) -> Measurement:
    region = Region("muscle", Side.LEFT)
    ci95 = (value - reach, value + reach)
    return Measurement(region, "edema_fraction", "fraction", value, Unit.PERCENT, "drawn/1", ci95=ci95)


@pytest.mark.parametrize(
    ("percent", "noise", "said"),
    [
        (14.0, 20.0, Truth.UNKNOWN),
        (6.0, 5.5, Truth.UNKNOWN),
        (2.0, 20.0, Truth.FALSE),
        (4.0, 3.0, Truth.FALSE),
        (14.0, 0.2, Truth.TRUE),
    ],
)
def test_a_fraction_that_noise_could_give_is_not_called_absent(percent: float, noise: float, said: Truth) -> None:
    assert is_positive(_fraction(percent), noise) is said


def test_the_sentence_says_that_noise_hides_edema() -> None:
    row = _fraction(14.0)
    (finding,) = edema_findings(
        (row,), prefix="edema", reference="drawn", noise_percent={row.region: 20.0}, excluded={}, limits=(), evidence=()
    )
    assert finding.present is Truth.UNKNOWN
    assert "noise alone may put 20 % above it" in finding.statement
