"""The same tissues from every contrast a study may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from heliotrope.domain.anatomy import Side
from heliotrope.domain.errors import QualityRefusal, UnitError
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Role
from heliotrope.domain.units import Unit
from heliotrope.segment.tissues import segment_tissues
from tests.segment import limbs
from tests.segment.test_tissues import dice


def _dixon(thighs: limbs.DrawnThighs) -> Mapping[Role, Volume]:
    water, fat = limbs.dixon(thighs)
    return {Role.DIXON_WATER: water, Role.DIXON_FAT: fat}


def _fraction(thighs: limbs.DrawnThighs) -> Mapping[Role, Volume]:
    water, fat = (np.asarray(image.data, dtype=np.float32) for image in limbs.dixon(thighs))
    total = np.maximum(water + fat, np.float32(1.0))
    percent = Volume(np.float32(100.0) * fat / total, thighs.grid, Unit.PERCENT)
    return {Role.FAT_FRACTION: percent, Role.DIXON_IN_PHASE: Volume(total, thighs.grid)}


CONTRASTS: dict[str, Callable[[limbs.DrawnThighs], Mapping[Role, Volume]]] = {
    "dixon": _dixon,
    "fat fraction": _fraction,
    "t1": lambda thighs: {Role.T1: limbs.t1_weighted(thighs)},
    "ct": lambda thighs: {Role.CT: limbs.computed_tomography(thighs)},
    "noisy ct": lambda thighs: {Role.CT: limbs.computed_tomography(thighs, noise_hu=40.0)},
}


@pytest.fixture(scope="module")
def thighs() -> limbs.DrawnThighs:
    return limbs.draw()


@pytest.mark.parametrize("name", sorted(CONTRASTS))
def test_every_contrast_gives_the_drawn_tissues(name: str, thighs: limbs.DrawnThighs) -> None:
    found = segment_tissues(CONTRASTS[name](thighs))
    for structure, codes in (
        ("subcutaneous_fat", (limbs.FAT,)),
        ("muscle", (limbs.MUSCLE,)),
        ("bone", (limbs.CORTEX, limbs.MARROW)),
    ):
        for side, sign in ((Side.LEFT, 1), (Side.RIGHT, -1)):
            truth = np.isin(thighs.tissue, codes) & (thighs.side == sign)
            overlap = dice(limbs.found(found, structure, side), truth)
            limit = (
                0.88 if (name, structure) == ("noisy ct", "bone") else 0.93
            )  # 40 HU of noise blur its edge by a pixel
            assert overlap >= limit, f"{structure} {side}: {overlap:.3f}"


def test_ct_tells_marrow_from_cortex(thighs: limbs.DrawnThighs) -> None:
    found = segment_tissues({Role.CT: limbs.computed_tomography(thighs)})
    one_pixel_of_error_on_ten = 0.85
    assert dice(found.mask_where(structure="bone_marrow"), thighs.tissue == limbs.MARROW) > one_pixel_of_error_on_ten


def test_the_table_is_no_tissue(thighs: limbs.DrawnThighs) -> None:
    found = segment_tissues({Role.CT: limbs.computed_tomography(thighs)})
    assert not (np.asarray(found.labels > 0) & (thighs.tissue == limbs.AIR))[:, -7:].any()


def test_ct_without_rescale_is_refused(thighs: limbs.DrawnThighs) -> None:
    raw = limbs.computed_tomography(thighs)
    stored = Volume(np.asarray(raw.data, dtype=np.float32) + 1024.0, raw.grid, Unit.HOUNSFIELD)
    with pytest.raises(UnitError, match="not Hounsfield"):
        segment_tissues({Role.CT: stored})


def test_ct_of_air_is_refused(thighs: limbs.DrawnThighs) -> None:
    air = Volume(np.full(thighs.grid.shape, -1000.0, dtype=np.float32), thighs.grid, Unit.HOUNSFIELD)
    with pytest.raises(QualityRefusal):
        segment_tissues({Role.CT: air})


def test_a_fat_fraction_in_unknown_units_is_refused(thighs: limbs.DrawnThighs) -> None:
    images = dict(_fraction(thighs))
    share = images[Role.FAT_FRACTION]
    images[Role.FAT_FRACTION] = Volume(np.asarray(share.data, dtype=np.float32) * 0.05, share.grid, Unit.PERCENT)
    with pytest.raises(UnitError, match="fits neither"):
        segment_tissues(images)


def test_an_image_with_bright_marrow_is_no_water_image(thighs: limbs.DrawnThighs) -> None:
    opposed = {limbs.SKIN: 0.6, limbs.FAT: 0.9, limbs.MUSCLE: 1.0, limbs.INTERMUSCULAR: 0.5}
    levels = {**opposed, limbs.CORTEX: 0.02, limbs.MARROW: 0.6}
    image = limbs.noisy(1000.0 * limbs.painted(thighs.tissue, levels), 12.0, 9)
    with pytest.raises(QualityRefusal, match="marrow is bright") as caught:
        segment_tissues({Role.DIXON_WATER: Volume(image, thighs.grid)})
    assert caught.value.code == "E_CONTRAST"


def test_the_level_of_muscle_follows_a_dropout_of_the_coil(thighs: limbs.DrawnThighs) -> None:
    water, _ = limbs.dixon(thighs)
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in water.grid.shape[:2]), indexing="ij")
    dropout = 1.0 - 0.55 * np.exp(-(((x + 0.4) / 0.25) ** 2) - ((y + 0.5) / 0.4) ** 2)
    dimmed = Volume((np.asarray(water.data) * dropout[..., None]).astype(np.float32), water.grid)
    found = segment_tissues({Role.DIXON_WATER: dimmed})
    muscle = thighs.tissue == limbs.MUSCLE
    lost = muscle & (dropout[..., None] < 0.6) & ~limbs.found(found, "muscle")
    assert lost.sum() < 0.1 * (muscle & (dropout[..., None] < 0.6)).sum()
