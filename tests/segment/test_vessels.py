"""Vessels are named where a round spot in fat runs on, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.domain.units import Unit
from heliotrope.segment.tissues import segment_tissues
from heliotrope.segment.vessels import LONGEST_STEP_MM, find_vessels
from tests.segment import limbs

SPACING_MM = (1.0, 1.0, 8.0)
SIZE, SLICES = 120, 8
CENTER = (75.0, 55.0)
LUMEN_MM, SHEATH_MM = 4.0, 6.5
VESSEL_DICE = 0.9
"""A disc 8 pixels across, its border to half a pixel."""


def _disc(center: tuple[float, float], radius_mm: float) -> NDArray[np.bool_]:
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
    return np.asarray(np.hypot(x - center[0], y - center[1]) < radius_mm)


class Scene:
    """A limb of muscle with a bone, in axial axes, to which spots in fat are added."""

    def __init__(self, fat_share: float = 0.05) -> None:
        shape = (SIZE, SIZE, SLICES)
        self.fat = np.full(shape, fat_share, np.float32)
        self.brightness = np.ones(shape, np.float32)
        self.void = np.zeros(shape, bool)
        self.inside = np.repeat(_disc((60.0, 60.0), 52.0)[..., None], SLICES, axis=2)
        self.bone = np.repeat(_disc((45.0, 60.0), 12.0)[..., None], SLICES, axis=2)
        self.truth = np.zeros(shape, bool)

    def add(
        self,
        center: tuple[float, float] = CENTER,
        *,
        slices: range = range(SLICES),
        drift_px: float = 1.0,
        lumen: str = "like muscle",
        sheath: bool = True,
    ) -> Scene:
        for k in slices:
            place = (center[0] + drift_px * k, center[1])
            if sheath:
                self.fat[:, :, k][_disc(place, SHEATH_MM)] = 0.9
            here = _disc(place, LUMEN_MM)
            self.fat[:, :, k][here] = 0.03
            self.brightness[:, :, k][here] = {"like muscle": 1.0, "bright": 1.8, "dark": 0.1}[lumen]
            self.void[:, :, k][here] = lumen == "dark"
            self.truth[:, :, k] |= here
        return self

    def found(
        self, spacing_mm: tuple[float, float, float] = SPACING_MM, *, inflow: bool = False
    ) -> tuple[NDArray[np.bool_], str]:
        result = find_vessels(self.brightness, self.fat, self.void, self.inside, self.bone, spacing_mm, inflow=inflow)
        return result.mask, result.reason


@pytest.mark.parametrize("lumen", ["like muscle", "bright", "dark"])
def test_a_tube_in_fat_is_a_vessel_whatever_its_blood_looks_like(lumen: str) -> None:
    scene = Scene().add(lumen=lumen).add((60.0, 88.0), lumen=lumen)
    mask, reason = scene.found()
    assert reason == ""
    assert 2.0 * (mask & scene.truth).sum() / (mask.sum() + scene.truth.sum()) > VESSEL_DICE


@pytest.mark.parametrize(
    "scene",
    [
        Scene(),
        Scene().add(slices=range(3)),
        Scene().add(drift_px=12.0, slices=range(4)),
        Scene().add(sheath=False, lumen="bright"),
        Scene().add((103.0, 60.0), drift_px=0.0),
    ],
    ids=["muscle alone", "ends after three slices", "jumps", "bright focus in muscle", "under the fascia"],
)
def test_what_is_no_tube_in_deep_fat_is_no_vessel(scene: Scene) -> None:
    """Under the fascia a wasted gracilis looks the same; a bright focus in muscle may be edema."""
    mask, reason = scene.found()
    assert not mask.any()
    assert "no small round spot runs through" in reason


def test_blood_that_flows_in_is_named_where_edema_is_not_bright() -> None:
    """Artery and vein beside one another, against muscle on all sides, as in the adductor canal."""
    scene = Scene().add((70.0, 60.0), sheath=False, lumen="bright").add((77.0, 62.0), sheath=False, lumen="bright")
    mask, reason = scene.found(inflow=True)
    assert reason == ""
    assert 2.0 * (mask & scene.truth).sum() / (mask.sum() + scene.truth.sum()) > 0.85
    assert not scene.found(inflow=False)[0].any()


def test_a_bright_muscle_is_no_vessel() -> None:
    scene = Scene()
    scene.brightness[_disc((85.0, 60.0), 14.0)] = 1.3
    assert not scene.found(inflow=True)[0].any()


def test_remnants_of_replaced_muscle_are_no_vessels() -> None:
    mask, reason = Scene(fat_share=0.9).add().found()
    assert not mask.any()
    assert "remnants of muscle look like vessels" in reason


def test_too_few_or_too_distant_slices_tell_nothing_and_say_so() -> None:
    scene = Scene().add()
    assert "runs on (limit" in scene.found((1.0, 1.0, LONGEST_STEP_MM + 1.0))[1]
    short = Scene().add()
    for name in ("fat", "brightness", "void", "inside", "bone"):
        setattr(short, name, getattr(short, name)[:, :, :2])
    assert "in 3 slices or more, here 2" in short.found()[1]


def _lit_ct(thighs: limbs.DrawnThighs, lumen_hu: float) -> tuple[Volume, NDArray[np.bool_]]:
    hu = np.array(limbs.computed_tomography(thighs, noise_hu=10.0).data)
    positions = thighs.grid.positions_mm(
        np.stack(np.meshgrid(*map(np.arange, thighs.grid.shape), indexing="ij"), axis=-1)
    )
    lumen = np.hypot(np.abs(positions[..., 0]) - 45.0, positions[..., 1] - 10.0) < 4.5
    hu[lumen] = lumen_hu
    return Volume(hu, thighs.grid, Unit.HOUNSFIELD), lumen


def test_vessels_full_of_contrast_medium_are_named_on_ct_and_others_are_not() -> None:
    thighs = limbs.draw(slices=8)
    image, lumen = _lit_ct(thighs, 280.0)
    labels = segment_tissues({Role.CT: image})
    found = labels.mask_where(structure="vessel")
    assert 2.0 * (found & lumen).sum() / (found.sum() + lumen.sum()) > 0.8
    assert not labels.mask_where(structure="muscle")[lumen].any()
    plain = segment_tissues({Role.CT: _lit_ct(thighs, 45.0)[0]})
    assert not plain.mask_where(structure="vessel").any()
    assert any("without it blood looks like muscle on CT" in note for note in plain.notes)


def _vessel_voxels(labels: LabelMap) -> dict[Side | None, int]:
    return {side: int(labels.mask_where(structure="vessel", side=side).sum()) for side in Side}


def test_vessels_are_labeled_by_side_apart_from_muscle() -> None:
    thighs = limbs.draw(slices=8)
    water, fat = (np.array(image.data) for image in limbs.dixon(thighs))
    positions = thighs.grid.positions_mm(
        np.stack(np.meshgrid(*map(np.arange, thighs.grid.shape), indexing="ij"), axis=-1)
    )
    away = np.hypot(np.abs(positions[..., 0]) - 45.0, positions[..., 1] - 8.0)
    for image, sheath, lumen in ((water, 60.0, 1400.0), (fat, 1000.0, 20.0)):
        image[away < SHEATH_MM] = sheath
        image[away < LUMEN_MM] = lumen
    labels = segment_tissues({Role.DIXON_WATER: Volume(water, thighs.grid), Role.DIXON_FAT: Volume(fat, thighs.grid)})
    wanted = int((away < LUMEN_MM).sum()) / 2
    assert all(0.8 * wanted < count < 1.25 * wanted for count in _vessel_voxels(labels).values())
    assert not any("Vessels" in note for note in labels.notes)
