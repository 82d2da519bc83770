"""The CT reference object keeps its own books."""

import numpy as np
import pytest

from heliotrope.domain.errors import InputError
from heliotrope.phantoms.ct_calcinosis import CtCalcinosisSettings, build_ct_calcinosis
from heliotrope.physics.ct_attenuation import table_calibration

SMALL = CtCalcinosisSettings(shape=(128, 128, 30), voxel_mm=(1.5, 1.5, 2.0), noise_hu=0.0)


def test_the_added_attenuation_is_the_mass_times_the_slope() -> None:
    plain = build_ct_calcinosis(3, settings=SMALL)
    grown = build_ct_calcinosis(3, settings=SMALL, growth=1.5)
    added = (
        float(np.asarray(grown.volume.data, float).sum() - np.asarray(plain.volume.data, float).sum())
        * plain.volume.grid.voxel_volume_mm3
    )
    expected = 0.5 * plain.total_mass_mg * table_calibration(120.0).slope_hu_per_mg_ml * 1000.0
    # CT numbers are whole and end at 3071
    assert added == pytest.approx(expected, rel=0.01)
    assert grown.total_mass_mg == pytest.approx(1.5 * plain.total_mass_mg)


def test_same_seed_same_scan_and_another_seed_another() -> None:
    first, again, other = (build_ct_calcinosis(seed, settings=SMALL) for seed in (4, 4, 5))
    assert np.array_equal(first.volume.data, again.volume.data)
    assert not np.array_equal(first.volume.data, other.volume.data)


def test_a_negative_noise_is_refused() -> None:
    with pytest.raises(InputError):
        CtCalcinosisSettings(noise_hu=-1.0)
