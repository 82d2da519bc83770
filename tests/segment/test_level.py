"""Other parts of the body in the place of a thigh."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Role
from heliotrope.domain.units import Unit
from heliotrope.segment.level import recognize_level
from heliotrope.segment.tissues import segment_tissues
from tests.segment import limbs


def _trunk(*, gas: bool) -> Volume:
    """An ellipse of 330 x 210 mm with a spine, muscle wall, organs and, if asked, bowel gas."""
    x, y = np.meshgrid(np.arange(-190.0, 190, 3), np.arange(-130.0, 130, 3), indexing="ij")
    radius = np.hypot(x / 165, y / 105)
    plane = np.full(x.shape, -1000.0, np.float32)
    plane[radius < 1.0] = -100.0
    plane[radius < 0.88] = 50.0
    plane[radius < 0.7] = -90.0
    plane[np.hypot(x, y - 45) < 20] = 300.0
    if gas:
        plane[np.hypot(x - 40, y + 20) < 18] = -900.0
    data = np.repeat(plane[:, :, None], 4, axis=2) + np.random.default_rng(1).normal(0, 8, (*plane.shape, 4))
    return Volume(
        data.astype(np.float32), Grid.from_spacing((data.shape[0], data.shape[1], 4), (3, 3, 5)), Unit.HOUNSFIELD
    )


@pytest.mark.parametrize(("gas", "place"), [(True, "an abdomen"), (False, "a pelvis or trunk")])
def test_a_trunk_is_refused_and_named(gas: bool, place: str) -> None:
    with pytest.raises(QualityRefusal, match=place) as caught:
        segment_tissues({Role.CT: _trunk(gas=gas)})
    assert caught.value.code == "E_NOT_A_LIMB"


def test_a_limb_without_any_bone_is_refused() -> None:
    thighs = limbs.draw(spacing_mm=2.5)
    thighs.tissue[np.isin(thighs.tissue, (limbs.CORTEX, limbs.MARROW))] = limbs.MUSCLE
    with pytest.raises(QualityRefusal, match="no slice shows a long bone"):
        segment_tissues({Role.MULTI_ECHO_T2: limbs.multi_echo(thighs)}, echo_times_ms=limbs.ECHO_TIMES_MS)


@pytest.mark.parametrize(
    ("bones", "share", "area", "name"),
    [
        (1, 0.05, 130.0, "thigh"),
        (1, 0.08, 30.0, "upper arm or slender limb"),
        (2, 0.10, 60.0, "leg or forearm"),
        (1, 0.40, 90.0, "knee"),
        (4, 0.12, 200.0, "pelvis"),
        (0, 0.0, 100.0, "unknown"),
    ],
)
def test_levels_are_told_by_bones_and_areas(bones: int, share: float, area: float, name: str) -> None:
    level = recognize_level(np.full(5, bones), np.full(5, share), np.full(5, area))
    assert level.name == name
