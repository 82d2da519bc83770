"""Gates of calcification on radiographs."""

import pytest

from heliotrope.app.validation.gate import Effort, Gate, run_gate
from heliotrope.app.validation.radiograph import GATES


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_a_gate_passes_at_reduced_effort(gate: Gate) -> None:
    found = run_gate(gate, Effort.REDUCED)
    assert found.passed, (found.value, found.limit)
