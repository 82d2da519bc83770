"""Other parts of the body in the place of a thigh."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Role
from heliotrope.segment.level import recognize_level
from heliotrope.segment.tissues import segment_tissues
from tests.segment import limbs
from tests.segment.trunks import draw_trunk


def test_a_trunk_on_mr_is_refused_and_named() -> None:
    hu = draw_trunk(gas=False).volume
    bright_fat = np.where(np.asarray(hu.data) < -50.0, 900.0, 350.0) * (np.asarray(hu.data) > -500.0)
    noisy = limbs.noisy(bright_fat, 10.0, 3)
    with pytest.raises(QualityRefusal, match="a pelvis or trunk") as caught:
        segment_tissues({Role.T1: Volume(noisy, hu.grid)})
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
        (0, 0.05, 18.0, "foot or hand"),
    ],
)
def test_levels_are_told_by_bones_and_areas(bones: int, share: float, area: float, name: str) -> None:
    level = recognize_level(np.full(5, bones), np.full(5, share), np.full(5, area))
    assert level.name == name
