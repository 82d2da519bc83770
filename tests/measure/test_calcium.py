"""Mineral mass and volume of calcium."""

import numpy as np
import pytest
from scipy import ndimage

from heliotrope.domain.anatomy import Region
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.findings.calcinosis import find_calcinosis_statements
from heliotrope.measure.calcium import measure_calcium
from heliotrope.measure.calcium_summary import NOTHING_FOUND, WITHIN_OUTLINE, calcium_by_muscle, summarize_calcium
from heliotrope.physics.ct_attenuation import HydroxyapatiteCalibration, table_calibration
from heliotrope.segment.calcium.find import find_calcinosis
from heliotrope.segment.calcium.places import Place
from tests.segment.calcium.scenes import Scene


def limb_with_a_ball(radius_mm: float, excess_hu: float, seed: int = 0) -> Volume:
    """A round limb of muscle in fat with a bone, and a blurred ball of calcium in the muscle."""
    grid = Grid.from_spacing((120, 120, 40), (1.0, 1.0, 1.0))
    x, y, z = np.indices(grid.shape).astype(np.float32)
    r = np.hypot(x - 60, y - 60)
    data = np.full(grid.shape, -1000.0, np.float32)
    data[r < 52] = 50.0
    data[r < 50] = -100.0
    data[r < 42] = 52.0
    bone = np.hypot(x - 55, y - 60)
    data[bone < 12] = 1100.0
    data[bone < 7] = -60.0
    if radius_mm:
        distance = np.sqrt((x - 80) ** 2 + (y - 60) ** 2 + (z - 20) ** 2)
        data += excess_hu * np.clip(radius_mm - distance + 0.5, 0, 1)
    return Volume(data + np.random.default_rng(seed).normal(0, 8, grid.shape).astype(np.float32), grid, Unit.HOUNSFIELD)


def test_mass_of_a_ball_is_its_volume_times_its_concentration() -> None:
    calibration = HydroxyapatiteCalibration(1.5, "test", True)
    found = find_calcinosis(limb_with_a_ball(5.0, 450.0))
    burden = measure_calcium(found, calibration)
    truth = 4 / 3 * np.pi * 5.0**3 / 1000 * 300.0
    assert len(burden) == 1
    assert burden[0].mass_mg == pytest.approx(truth, rel=0.05)
    assert burden[0].volume_mm3 == pytest.approx(4 / 3 * np.pi * 125, rel=0.08)
    assert burden[0].mass_ci95_mg[0] < truth < burden[0].mass_ci95_mg[1]


def test_thresholded_volume_moves_with_noise_as_its_interval_says() -> None:
    """White noise: the interval, made for correlated noise, is at most a few times too wide."""
    calibration = HydroxyapatiteCalibration(1.5, "test", True)
    scans = [find_calcinosis(limb_with_a_ball(5.0, 160.0, seed)) for seed in range(6)]
    burdens = [burden for found in scans for burden in measure_calcium(found, calibration)]
    spread = float(np.std([b.threshold_volume_mm3 for b in burdens], ddof=1))
    stated = float(np.mean([b.threshold_volume_sd_mm3 for b in burdens]))
    assert len(burdens) == len(scans)
    assert 0.7 * spread < stated < 5.0 * spread


def test_every_amount_has_an_interval_that_holds_it() -> None:
    found = find_calcinosis(limb_with_a_ball(5.0, 450.0))
    calibration = HydroxyapatiteCalibration(1.5, "test", True)
    places = {c.number: Place((), None, "limb", None) for c in found.components}
    rows = summarize_calcium(found, measure_calcium(found, calibration), calibration, places)
    amounts = [row for row in rows if row.quantity != "calcinosis_excluded_volume"]
    assert len(amounts) > 20
    for row in amounts:
        assert row.ci95 is not None, row.quantity
        assert row.value is not None
        assert row.ci95[0] <= row.value <= row.ci95[1]


def test_a_limb_without_calcium_measures_zero_not_missing() -> None:
    found = find_calcinosis(limb_with_a_ball(0.0, 0.0))
    rows = summarize_calcium(found, (), table_calibration(120.0), {})
    total = {m.quantity: m.value for m in rows if m.region == Region("all")}
    assert total["calcinosis_volume"] == 0.0
    assert total["calcinosis_mass"] == 0.0
    assert total["calcinosis_count"] == 0.0
    assert all(m.ci95 is None and NOTHING_FOUND in m.notes for m in rows if m.region == Region("all"))
    finding = find_calcinosis_statements(found, (), rows, {})[0]
    assert finding.limits[0] == NOTHING_FOUND
    assert "thin nets" in NOTHING_FOUND


def test_calcium_of_a_muscle_is_its_share_and_zero_where_none_lies() -> None:
    """The ball lies with half of its voxels in each of two muscles, and none in the third."""
    calibration = HydroxyapatiteCalibration(1.5, "test", True)
    found = find_calcinosis(limb_with_a_ball(5.0, 450.0))
    burdens = measure_calcium(found, calibration)
    values = np.zeros(found.numbers.shape, dtype=np.uint16)
    values[:, :60], values[:, 60:], values[:20] = 1, 2, 3
    legend = {1: Region("gracilis"), 2: Region("sartorius"), 3: Region("soleus")}
    labels = LabelMap(values, Grid.from_spacing((120, 120, 40), (1.0, 1.0, 1.0)), legend, "drawn")
    rows = calcium_by_muscle(found, burdens, labels, calibration)
    mass = {r.region.structure: r.value for r in rows if r.quantity == "calcinosis_mass"}
    assert mass["soleus"] == 0.0
    assert float(mass["gracilis"] or 0) + float(mass["sartorius"] or 0) == pytest.approx(burdens[0].mass_mg)
    assert mass["gracilis"] == pytest.approx(mass["sartorius"], rel=0.35)
    assert all(row.ci95 is not None and row.ci95[0] <= row.value <= row.ci95[1] for row in rows if row.value)
    assert all(row.ci95 is None and NOTHING_FOUND in row.notes for row in rows if row.value == 0)
    assert all(WITHIN_OUTLINE in row.notes for row in rows)


def test_air_in_a_fold_of_skin_takes_nothing_from_the_mass_of_calcium_beside_it() -> None:
    """A ball 2 mm below a fold that tissue closes on all sides, in slices of 4 mm."""
    fine = np.array(limb_with_a_ball(0.0, 0.0).data, np.float32)
    fine[98:118, 40:80] = 50.0
    fine[110:113, 45:75] = -1000.0
    x, y, z = np.indices(fine.shape).astype(np.float32)
    fine += 500.0 * np.clip(4.5 - np.sqrt((x - 104) ** 2 + (y - 60) ** 2 + (z - 20) ** 2), 0, 1)
    blurred = ndimage.gaussian_filter(fine, (0.8, 0.8, 0.0))
    thick = blurred.reshape(120, 120, 10, 4).mean(-1)
    found = find_calcinosis(Volume(thick, Grid.from_spacing(thick.shape, (1.0, 1.0, 4.0)), Unit.HOUNSFIELD))
    (burden,) = measure_calcium(found, HydroxyapatiteCalibration(1.5, "test", True))
    truth = 4 / 3 * np.pi * 4.0**3 / 1000 * 500.0 / 1.5
    assert burden.mass_mg == pytest.approx(truth, rel=0.2)


def test_calcium_across_the_fascia_is_split_by_plane() -> None:
    scene = Scene((116, 116, 36))
    scene.limb()
    scene.ball((33.0, 8.0, 0.0), 6.0, 500.0)
    found = find_calcinosis(scene.scan())
    rows = summarize_calcium(
        found,
        measure_calcium(found, table_calibration(120.0)),
        table_calibration(120.0),
        {c.number: Place((), None, "limb", None) for c in found.components},
    )
    (component,) = found.components
    assert component.second_plane is not None
    split = [m for m in rows if (m.region.level or "").startswith(f"component {component.number}, plane ")]
    assert len(split) >= 2
    assert sum(m.value or 0.0 for m in split) == pytest.approx(component.volume_mm3 / 1000.0)
