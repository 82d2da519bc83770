"""Gates of the segmentation."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.app.validation.gate import Effort, Gate, run_gate
from heliotrope.app.validation.segmentation import GATES, dice


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_segmentation_keeps_its_gates(gate: Gate) -> None:
    result = run_gate(gate, Effort.REDUCED)
    assert result.passed, f"{result.value} {gate.sense} {gate.limit}"


def test_dice_of_half_an_overlap_is_one_half() -> None:
    first, second = np.array([True, True, False]), np.array([False, True, True])
    assert dice(first, second) == 0.5


def test_dice_of_nothing_is_not_a_number_and_fails_a_gate() -> None:
    assert np.isnan(dice(np.zeros(3, dtype=bool), np.zeros(3, dtype=bool)))
