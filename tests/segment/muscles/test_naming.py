"""Stray pieces of a muscle and unnamed muscle get the name that anatomy allows."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.segment.muscles.naming import FAT_GAP_MM, _of_few_pieces, lies_like_an_adductor
from tests.segment.muscles import oracle

SPACING_MM = (1.0, 1.0, 8.0)
SARTORIUS, OTHER, MAGNUS = (oracle.CLASSES.index(n) for n in ("sartorius", "other_muscle", "adductor_magnus"))


def _plane(gap_px: int, between: int) -> tuple[np.ndarray, np.ndarray]:
    """A sartorius in two pieces with something between; the next likeliest muscle is the unnamed one."""
    plane = np.zeros((60, 30), np.uint8)
    plane[5:25, 5:25] = SARTORIUS
    plane[25 : 25 + gap_px, 5:25] = between
    plane[25 + gap_px : 37 + gap_px, 5:25] = SARTORIUS
    probability = np.zeros((len(oracle.CLASSES), 60, 30), np.float32)
    probability[SARTORIUS], probability[OTHER], probability[MAGNUS] = 0.5, 0.3, 0.2
    return plane, probability


@pytest.mark.parametrize(
    ("gap_px", "between", "kept"),
    [(3, 0, True), (int(FAT_GAP_MM) + 4, 0, False), (3, OTHER, False)],
    ids=["parted by fat", "far away", "another muscle between"],
)
def test_a_muscle_of_one_belly_keeps_what_only_fat_parts(gap_px: int, between: int, kept: bool) -> None:
    plane, probability = _plane(gap_px, between)
    named = _of_few_pieces(plane, probability, oracle.network(), SPACING_MM)
    assert (named[5:25, 5:25] == SARTORIUS).all()
    assert (named[25 + gap_px : 37 + gap_px, 5:25] == (SARTORIUS if kept else OTHER)).all()


def test_gluteus_and_tensor_do_not_lie_where_adductors_do() -> None:
    femur, magnus = (0.0, 0.0), (30.0, -25.0)
    assert lies_like_an_adductor((35.0, 5.0), femur, magnus)
    assert not lies_like_an_adductor((-15.0, -60.0), femur, magnus)  # gluteus maximus
    assert not lies_like_an_adductor((-50.0, 40.0), femur, magnus)  # tensor fasciae latae
