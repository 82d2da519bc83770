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
            overlap = dice(found.mask_where(structure=structure, side=side), truth)
            limit = (
                0.88 if (name, structure) == ("noisy ct", "bone") else 0.93
            )  # 40 HU of noise blur its edge by a pixel
            assert overlap >= limit, f"{structure} {side}: {overlap:.3f}"


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
