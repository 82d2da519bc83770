"""The gates of edema and biopsy hold, and can fail."""

from dataclasses import replace

import pytest

from heliotrope.app.validation.edema import GATES
from heliotrope.app.validation.gate import Effort, Gate, run_gate

BY_NAME = {gate.name: gate for gate in GATES}


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_gates_of_edema_and_biopsy_hold(gate: Gate) -> None:
    result = run_gate(gate, Effort.REDUCED)
    assert result.passed, f"{result.value} against {result.limit}"


def test_a_gate_beyond_its_limit_fails() -> None:
    strict = replace(BY_NAME["edema-refused-without-reference"], limit=1.1)
    assert not run_gate(strict, Effort.REDUCED).passed
