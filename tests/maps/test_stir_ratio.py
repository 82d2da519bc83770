"""STIR over Dixon water."""

import numpy as np
import pytest

from heliotrope.domain.errors import InputError, UnitError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.maps.stir_ratio import stir_water_ratio

FINE = Grid.from_spacing((20, 20, 8), (1.0, 1.0, 2.0))
COARSE = Grid.from_matrix((10, 10, 4), np.array([[2.0, 0, 0, 0.5], [0, 2.0, 0, 0.5], [0, 0, 4.0, 1.0], [0, 0, 0, 1]]))


def _water(values: np.ndarray) -> ParametricMap:
    return ParametricMap("water_signal", values.astype(np.float32), np.isfinite(values), FINE, Unit.ARBITRARY, "test/1")


def test_coil_sensitivity_cancels() -> None:
    x = np.arange(20)[:, None, None] * np.ones(FINE.shape)
    water = _water(100.0 * (1 + 0.05 * x))
    coarse_x = (2 * np.arange(10) + 0.5)[:, None, None] * np.ones(COARSE.shape)
    stir = Volume(25.0 * (1 + 0.05 * coarse_x), COARSE)
    found = stir_water_ratio(stir, water)
    assert found.valid.all()
    np.testing.assert_allclose(found.values, 0.25, rtol=1e-5)


def test_voxels_without_water_cover_are_left_out_and_counted() -> None:
    shifted = Grid.from_matrix((10, 10, 4), COARSE.matrix + np.array([[0, 0, 0, 10.0]] + [[0.0] * 4] * 3))
    found = stir_water_ratio(Volume(np.ones(shifted.shape), shifted), _water(np.full(FINE.shape, 4.0)))
    assert found.invalid_reasons["not covered by the water image"] == 5 * 10 * 4
    assert int(found.valid.sum()) == 5 * 10 * 4


def test_fatty_voxels_are_left_out() -> None:
    fat = np.full(FINE.shape, 5.0, dtype=np.float32)
    fat[:10] = 80.0
    percent = ParametricMap("fat_fraction", fat, np.ones(FINE.shape, bool), FINE, Unit.PERCENT, "test/1")
    found = stir_water_ratio(Volume(np.ones(COARSE.shape), COARSE), _water(np.full(FINE.shape, 4.0)), percent)
    assert found.invalid_reasons["fat fraction above 50 %"] == 5 * 10 * 4


def test_a_fat_fraction_that_is_not_in_percent_is_refused() -> None:
    percent = ParametricMap(
        "fat_fraction", np.zeros(FINE.shape, np.float32), np.ones(FINE.shape, bool), FINE, Unit.ONE, "test/1"
    )
    with pytest.raises(UnitError):
        stir_water_ratio(Volume(np.ones(COARSE.shape), COARSE), _water(np.full(FINE.shape, 4.0)), percent)


def test_an_empty_stir_image_is_refused() -> None:
    with pytest.raises(InputError, match="all voxels are 0"):
        stir_water_ratio(Volume(np.zeros(COARSE.shape), COARSE), _water(np.full(FINE.shape, 4.0)))
