"""The gates of change hold, with true labels and with labels carried to a person who lies elsewhere."""

import pytest

from heliotrope.app.validation.change import GATES
from heliotrope.app.validation.gate import Effort, Gate, run_gate


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_gates_of_change_hold(gate: Gate) -> None:
    result = run_gate(gate, Effort.REDUCED)
    assert result.passed, f"{result.value} against {result.limit}"
