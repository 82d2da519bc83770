"""Gates of single muscles."""

from __future__ import annotations

import pytest

from heliotrope.app.validation.gate import Effort, Gate, run_gate
from heliotrope.app.validation.muscles import GATES


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_single_muscles_keep_their_gates(gate: Gate) -> None:
    result = run_gate(gate, Effort.REDUCED)
    assert result.passed, f"{result.value} {gate.sense} {gate.limit}"
