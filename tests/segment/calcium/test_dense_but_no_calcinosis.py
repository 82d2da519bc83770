"""Bone, contrast, metal, tubes, table and phleboliths are dense and no calcinosis; calcium beside them is."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.anatomy import TissuePlane
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.units import Unit
from heliotrope.measure.calcium import measure_calcium
from heliotrope.physics.ct_attenuation import HydroxyapatiteCalibration
from heliotrope.segment.calcium.candidates import Exclusion
from heliotrope.segment.calcium.find import Calcinosis, find_calcinosis
from tests.segment.calcium.scenes import Scene, hand

SIZE = (116, 116, 44)


def volume_mm3(found: Calcinosis) -> float:
    return sum(component.volume_mm3 for component in found.components)


def excluded_mm3(found: Calcinosis, *reasons: Exclusion) -> float:
    return sum(found.excluded_mm3.get(reason, 0.0) for reason in reasons)


def test_a_lump_two_millimeters_off_the_cortex_is_kept() -> None:
    scene = Scene(SIZE)
    scene.limb()
    scene.ball((-4 + 11 + 2 + 4.0, 2, 0), 4.0, 700.0)
    found = find_calcinosis(scene.scan())
    assert volume_mm3(found) == pytest.approx(4 / 3 * np.pi * 4.0**3, rel=0.4)


def test_a_plaque_on_the_cortex_is_stated_as_not_counted() -> None:
    scene = Scene(SIZE)
    scene.limb()
    scene.rod((-4 + 11.5, 2, -6), (-4 + 11.5, 2, 6), 1.6, 600.0)
    found = find_calcinosis(scene.scan())
    assert volume_mm3(found) < 5.0
    assert excluded_mm3(found, Exclusion.JUXTACORTICAL) > 10.0 or found.bone[SIZE[0] // 2 + 8, SIZE[1] // 2 + 2].any()


def test_bones_of_a_hand_are_no_calcium() -> None:
    found = find_calcinosis(hand().scan(noise_hu=20.0))
    assert volume_mm3(found) < 5.0


def test_bones_of_a_hand_in_3_mm_slices_are_no_calcium() -> None:
    found = find_calcinosis(hand((0.98, 0.98, 3.0)).scan(noise_hu=20.0, fwhm_mm=1.5))
    assert volume_mm3(found) < 20.0


def test_calcium_in_the_palm_is_found() -> None:
    scene = hand()
    scene.ball((8.0, -10.0, -15.0), 2.0, 700.0)
    found = find_calcinosis(scene.scan(noise_hu=20.0))
    assert volume_mm3(found) > 8.0


@pytest.mark.parametrize("stated", [True, None])
def test_vessels_full_of_contrast_are_no_calcium_and_calcium_beside_them_is(stated: bool | None) -> None:
    scene = Scene(SIZE)
    scene.limb()
    scene.rod((14, -12, -30), (17, -10, 30), 3.2, 280.0)
    scene.rod((21, -9, -30), (24, -7, 30), 3.6, 210.0)
    scene.rod((15, -11, 0), (22, 14, 22), 1.7, 260.0)
    lump = scene.ball((-22, 14, -4), 4.0, 600.0)
    found = find_calcinosis(scene.scan(), contrast=stated)
    assert volume_mm3(found) == pytest.approx(4 / 3 * np.pi * 4.0**3, rel=0.4)
    assert (found.numbers[lump] > 0).mean() > 0.8
    assert excluded_mm3(found, Exclusion.CONTRAST_VESSEL) > 500.0


def test_a_sharp_kernel_neither_hides_nor_adds_calcium() -> None:
    scene = Scene(SIZE)
    scene.limb()
    scene.ball((-22, 14, 0), 4.0, 500.0)
    found = find_calcinosis(scene.scan(noise_hu=20.0, sharpen=1.5))
    assert len(found.components) == 1
    # noise of 46 HU leaves the extent to the smoothed image, which widens it; the mass does not depend on it
    calibration = HydroxyapatiteCalibration(1.35, "test", verified=True)
    mass = measure_calcium(found, calibration)[0].mass_mg
    assert mass == pytest.approx(calibration.mass_mg(4 / 3 * np.pi * 4.0**3 * (500 - 52)), rel=0.2)


def test_metal_and_its_streaks_are_kept_out_with_their_volume() -> None:
    scene = Scene(SIZE)
    scene.limb()
    x, y, _ = scene.axes
    screw = (20.0, 4.0)
    # dark and bright streaks that fade with distance, as of a screw of steel
    angle = np.arctan2(y - screw[1], x - screw[0])
    away = np.hypot(x - screw[0], y - screw[1])
    scene.hu += np.where(scene.hu > -500, 900.0 * np.sin(9 * angle) * np.exp(-away / 5.0), 0.0).astype(np.float32)
    scene.rod((20, 4, -10), (20, 4, 10), 2.5, 8000.0)
    lump = scene.ball((-24, 16, 0), 4.0, 600.0)
    found = find_calcinosis(scene.scan())
    assert excluded_mm3(found, Exclusion.METAL) > 100.0
    assert (found.numbers[lump] > 0).mean() > 0.8
    assert volume_mm3(found) < 1.5 * 4 / 3 * np.pi * 4.0**3


def test_a_drain_through_the_skin_is_no_calcium() -> None:
    scene = Scene(SIZE)
    scene.limb()
    scene.rod((46, -4, -18), (16, -18, 20), 2.2, 450.0, lumen=1.1, within=20.0)
    found = find_calcinosis(scene.scan())
    assert volume_mm3(found) < 10.0
    assert excluded_mm3(found, Exclusion.TUBE, Exclusion.ON_SKIN) > 50.0


def test_a_table_under_the_limb_and_an_electrode_on_the_skin_are_no_calcium() -> None:
    scene = Scene(SIZE)
    scene.limb()
    scene.plate(44.0, 12.0, 250.0)
    scene.ball((0, -46.5, 0), 2.5, 1500.0)
    found = find_calcinosis(scene.scan())
    assert volume_mm3(found) < 5.0


def test_a_bone_cut_by_the_image_edge_is_no_calcium_and_what_is_inside_is_found() -> None:
    scene = Scene(SIZE)
    scene.limb()
    lump = scene.ball((24, 14, 0), 4.0, 600.0)
    whole = scene.scan()
    # through the middle of the bone
    cut = Volume(
        np.ascontiguousarray(whole.data[SIZE[0] // 2 - 4 :]),
        Grid.from_spacing((SIZE[0] // 2 + 4, *SIZE[1:]), scene.voxel_mm),
        Unit.HOUNSFIELD,
    )
    found = find_calcinosis(cut)
    assert (found.numbers[lump[SIZE[0] // 2 - 4 :]] > 0).mean() > 0.8
    assert volume_mm3(found) == pytest.approx(4 / 3 * np.pi * 4.0**3, rel=0.4)


def test_the_denser_half_of_milk_of_calcium_is_seen_as_a_level() -> None:
    for level in (True, False):
        scene = Scene(SIZE)
        scene.limb(radius=50.0)
        inside = scene.ball((26, 8, 0), 10.0, 220.0)
        if level:
            _, y, _ = scene.axes
            scene.hu[inside & ((y > 8) & np.ones(SIZE, bool))] = 620.0
        else:
            scene.hu[inside] = 420.0
        found = find_calcinosis(scene.scan())
        assert [c.fluid_level for c in found.components] == [level]


def test_thighs_that_touch_keep_their_sides() -> None:
    scene = Scene((190, 104, 36))
    scene.limb((-43.0, 0.0), radius=45.0)
    scene.limb((43.0, 0.0), radius=45.0)
    right = scene.ball((-20.0, 10.0, 0.0), 4.0, 600.0)
    left = scene.ball((62.0, -14.0, 0.0), 4.0, 600.0)
    found = find_calcinosis(scene.scan())
    by_side = {c.side: c for c in found.components}
    assert {side.value for side in by_side if side is not None} == {"left", "right"}
    assert len(found.components) == 2
    assert (found.numbers[right] > 0).mean() > 0.8
    assert (found.numbers[left] > 0).mean() > 0.8
    assert {c.plane for c in found.components} <= {
        TissuePlane.INTRAMUSCULAR,
        TissuePlane.INTERMUSCULAR,
        TissuePlane.DEEP,
    }


@pytest.mark.parametrize("in_trunk", [True, False])
def test_a_small_round_deep_piece_is_a_phlebolith_beside_pelvic_bone_and_calcium_in_a_limb(in_trunk: bool) -> None:
    scene = Scene(SIZE)
    scene.limb(radius=55.0, bone=False)
    if in_trunk:
        scene.small_bone((-22.0, 12.0, 0.0), (20.0, 18.0, 18.0))
    else:
        scene.shaft((-14.0, 8.0))
    scene.ball((12.0, -8.0, 0.0), 2.4, 800.0)
    found = find_calcinosis(scene.scan())
    assert (volume_mm3(found) > 20.0) is not in_trunk
    assert (excluded_mm3(found, Exclusion.PHLEBOLITH) > 20.0) is in_trunk
