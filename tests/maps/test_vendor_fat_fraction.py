"""Fat fraction of images the scanner separated."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.errors import GeometryError, InputError, UnitError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.maps.fat_fraction.t1_guard import t1_guard
from heliotrope.maps.fat_fraction.vendor import fit_vendor_water_fat, read_vendor_fat_fraction
from heliotrope.physics.chemical_shift import apparent_fat_fraction

UNKNOWN = t1_guard(repetition_time_ms=None, flip_angle_deg=None, field_strength_t=3.0)
GRID = Grid.from_spacing((96, 56, 3), (2.5, 2.5, 6.0))


def two_legs(subcutis_mm: float = 10.0, muscle_percent: float = 6.0) -> NDArray[np.float64]:
    """Fat fraction [%] of two round legs with skin, subcutis, muscle, cortex (nan) and marrow; nan in air."""
    x, y = np.meshgrid(np.arange(96) * 2.5, np.arange(56) * 2.5, indexing="ij")
    plane = np.full((96, 56), np.nan)
    for center in (60.0, 180.0):
        radius = np.hypot(x - center, y - 70.0)
        plane[radius < 54] = 5.0
        plane[radius < 52] = 92.0
        plane[radius < 52 - subcutis_mm] = muscle_percent
        plane[radius < 14] = np.nan
        plane[radius < 9] = 88.0
    return np.repeat(plane[:, :, None], 3, axis=2)


def images(percent: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    fat = np.nan_to_num(percent) * 8.0
    water = np.where(np.isnan(percent), 0.0, 800.0 - fat)
    return water.astype(np.float32), fat.astype(np.float32)


def test_fat_fraction_is_fat_over_the_sum_in_percent() -> None:
    truth = two_legs()
    water, fat = images(truth)
    found = fit_vendor_water_fat(Volume(water, GRID), Volume(fat, GRID), guard=UNKNOWN)
    np.testing.assert_allclose(found.fat_fraction.values, truth, atol=1e-3)
    assert found.fat_fraction.invalid_reasons["signal too low"] == int(np.isnan(truth).sum())
    assert "T1 bias unknown: repetition time and flip angle not stated" in found.fat_fraction.flags


@pytest.mark.parametrize("muscle_percent", [3.0, 40.0])
@pytest.mark.parametrize("subcutis_mm", [4.0, 10.0])
def test_one_exchanged_leg_is_exchanged_back(subcutis_mm: float, muscle_percent: float) -> None:
    truth = two_legs(subcutis_mm, muscle_percent)
    water, fat = images(truth)
    water[:48], fat[:48] = fat[:48].copy(), water[:48].copy()
    found = fit_vendor_water_fat(Volume(water, GRID), Volume(fat, GRID), guard=UNKNOWN)
    assert found.quality["swapped_sections"] == 3
    np.testing.assert_allclose(found.fat_fraction.values, truth, atol=1e-3)


@pytest.mark.parametrize("subcutis_mm", [0.0, 2.5, 20.0])
def test_a_correct_leg_is_never_exchanged_however_thin_its_fat(subcutis_mm: float) -> None:
    truth = two_legs(subcutis_mm)
    water, fat = images(truth)
    found = fit_vendor_water_fat(Volume(water, GRID), Volume(fat, GRID), guard=UNKNOWN)
    assert found.quality["swapped_sections"] == 0
    np.testing.assert_allclose(found.fat_fraction.values, truth, atol=1e-3)


def test_fully_replaced_muscle_is_not_taken_for_an_exchange() -> None:
    truth = two_legs(10.0, 85.0)
    water, fat = images(truth)
    found = fit_vendor_water_fat(Volume(water, GRID), Volume(fat, GRID), guard=UNKNOWN)
    assert found.quality["swapped_sections"] == 0


def test_t1_weighting_is_undone_and_said() -> None:
    truth = two_legs()
    guard = t1_guard(repetition_time_ms=10.0, flip_angle_deg=10.0, field_strength_t=3.0)
    assert guard.gain is not None
    water, fat = images(apparent_fat_fraction(truth, guard.gain))
    found = fit_vendor_water_fat(Volume(water, GRID), Volume(fat, GRID), guard=guard)
    np.testing.assert_allclose(found.fat_fraction.values, truth, atol=1e-3)
    assert any("corrected for T1 weighting" in flag for flag in found.fat_fraction.flags)


@pytest.mark.parametrize(("full_scale", "name"), [(1.0, "fractions"), (100.0, "percent"), (1000.0, "per mille")])
def test_the_scale_of_the_scanners_map_is_detected(full_scale: float, name: str) -> None:
    truth = two_legs()
    found = read_vendor_fat_fraction(Volume((np.nan_to_num(truth) * full_scale / 100).astype(np.float32), GRID))
    np.testing.assert_allclose(found.fat_fraction.values, truth, rtol=1e-4)
    assert name in found.fat_fraction.flags[0]


def test_an_unknown_scale_is_refused_with_its_value() -> None:
    with pytest.raises(UnitError, match=r"near 1\.638e\+04"):
        read_vendor_fat_fraction(Volume((np.nan_to_num(two_legs()) * 178).astype(np.float32), GRID))


def test_grids_that_differ_are_refused() -> None:
    water, fat = images(two_legs())
    other = Grid.from_spacing(GRID.shape, (2.5, 2.5, 7.0))
    with pytest.raises(GeometryError, match="water image and fat image"):
        fit_vendor_water_fat(Volume(water, GRID), Volume(fat, other), guard=UNKNOWN)


@pytest.mark.parametrize("value", [np.nan, np.inf, -3.0])
def test_values_no_magnitude_can_have_are_refused(value: float) -> None:
    water, fat = images(two_legs())
    water[0, 0, 0] = value
    with pytest.raises(InputError, match="water image"):
        fit_vendor_water_fat(Volume(water, GRID), Volume(fat, GRID), guard=UNKNOWN)


@pytest.mark.real_data
def test_calf_muscle_reads_a_few_percent_fat_and_neither_leg_is_exchanged(shared_data: Path) -> None:
    water = nibabel.load(shared_data / "calf-qmr" / "water.nii.gz")
    fat = nibabel.load(shared_data / "calf-qmr" / "fat.nii.gz")
    labels = np.asarray(nibabel.load(shared_data / "calf-qmr" / "labels.nii.gz").dataobj)
    grid = Grid.from_matrix(water.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ water.affine)
    images_ = [Volume(np.asarray(item.dataobj, dtype=np.float32), grid) for item in (water, fat)]
    found = fit_vendor_water_fat(images_[0], images_[1], guard=UNKNOWN)
    assert found.quality["swapped_sections"] == 0
    assert found.quality["uncertain_sections"] == 0
    # labels lie on every second pixel of the same field of view (aligned by index, see the data's README)
    values = found.fat_fraction.values[::2, ::2]
    muscle = values[(labels[:, :, 1:24] > 0) & np.isfinite(values)]
    # README: near 4.6 %; one point for the choice of slices and the noise floor of magnitude images
    assert float(np.median(muscle)) == pytest.approx(4.6, abs=1.0)
