"""Calcification on radiographs: spots are found, a normal leg shows none, unfit images are refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.errors import QualityRefusal
from heliotrope.io import read_study, read_volume
from heliotrope.measure.radiograph import measure_radiograph
from heliotrope.segment.radiograph import find_radiograph_calcium


def leg(spots: tuple[tuple[int, int], ...] = ()) -> NDArray[np.float32]:
    """A leg with one bone in air, 0.4 mm pixels, dense is bright; spots of 3 mm radius."""
    x, y = np.indices((300, 400)).astype(np.float32)
    across = np.abs(x - 150)
    gray = np.where(across < 110, 300 + 250 * np.sqrt(np.clip(1 - (across / 110) ** 2, 0, 1)), 20.0)
    gray = gray + np.where(across < 28, 260.0, 0.0)
    for i, j in spots:
        gray = gray + np.where((x - i) ** 2 + (y - j) ** 2 < 7.5**2, 140.0, 0.0)
    gray = gray + np.random.default_rng(2).normal(0, 4, gray.shape)
    return np.asarray(gray, dtype=np.float32)


def test_three_spots_have_the_area_of_three_disks() -> None:
    found = find_radiograph_calcium(leg(((80, 100), (85, 220), (220, 300))), 0.4)
    rows = {m.quantity: m.value for m in measure_radiograph(found)}
    assert rows["calcinosis_radiograph_count"] == 3
    assert rows["calcinosis_projected_area"] == pytest.approx(3 * np.pi * 3.0**2 / 100, rel=0.15)


def test_a_leg_without_calcium_measures_zero() -> None:
    rows = {m.quantity: m.value for m in measure_radiograph(find_radiograph_calcium(leg(), 0.4))}
    assert rows["calcinosis_projected_area"] == 0.0
    assert rows["calcinosis_density_grade"] == 0.0


def test_an_area_without_a_pixel_size_is_missing() -> None:
    rows = {
        m.quantity: m
        for m in measure_radiograph(find_radiograph_calcium(np.kron(leg(((80, 100),)), np.ones((2, 2))), None))
    }
    missing = rows["calcinosis_projected_area"].missing
    assert missing is not None
    assert missing.code == "M_NO_PIXEL_SIZE"


def test_an_area_of_nothing_without_a_pixel_size_is_missing_too() -> None:
    rows = {m.quantity: m for m in measure_radiograph(find_radiograph_calcium(np.kron(leg(), np.ones((2, 2))), None))}
    for quantity in ("calcinosis_projected_area", "calcinosis_integrated_opacity"):
        assert rows[quantity].value is None
        assert rows[quantity].missing is not None
    assert rows["calcinosis_radiograph_count"].value == 0


def test_a_reversed_gray_scale_is_refused() -> None:
    image = leg()
    with pytest.raises(QualityRefusal) as refusal:
        find_radiograph_calcium(image.max() - image, 0.4)
    assert refusal.value.code == "E_REVERSED_GRAY"


@pytest.mark.real_data
def test_a_normal_leg_shows_almost_no_calcification(shared_data: Path) -> None:
    studies = read_study(shared_data / "radiograph" / "RG3_UNCR.dcm")
    series = studies.series[0]
    gray = np.asarray(read_volume(series).data)[:, :, 0]
    found = find_radiograph_calcium(gray, 0.2)
    area = next(m.value for m in measure_radiograph(found) if m.quantity == "calcinosis_projected_area")
    assert area is not None
    assert area < 0.1
