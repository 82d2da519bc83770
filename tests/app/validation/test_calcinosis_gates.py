"""The gates of calcinosis hold on one thigh, and can fail."""

from dataclasses import replace

import pytest

from heliotrope.app.validation.calcinosis import GATES
from heliotrope.app.validation.gate import Effort, Gate, Sense, run_gate


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_gates_of_calcinosis_hold(gate: Gate) -> None:
    result = run_gate(gate, Effort.REDUCED)
    assert result.passed, f"{result.value} against {result.limit}"


@pytest.mark.parametrize("gate", GATES[:1], ids=lambda gate: gate.name)
def test_a_gate_beyond_its_limit_fails(gate: Gate) -> None:
    assert gate.sense is Sense.AT_LEAST
    assert not run_gate(replace(gate, limit=100.1), Effort.REDUCED).passed
