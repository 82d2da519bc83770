"""The gates of edema and biopsy hold, and can fail."""

from dataclasses import replace

import pytest

from heliotrope.app.validation.edema import GATES
from heliotrope.app.validation.gate import Effort, Gate, run_gate

BY_NAME = {gate.name: gate for gate in GATES}
QUICK = ("edema-refused-without-reference", "biopsy-regret", "biopsy-forbidden-zone")


@pytest.mark.parametrize("name", QUICK)
def test_quick_gates_hold(name: str) -> None:
    result = run_gate(BY_NAME[name], Effort.REDUCED)
    assert result.passed, f"{result.value} against {result.limit}"


@pytest.mark.heavy
@pytest.mark.parametrize("gate", [gate for gate in GATES if gate.name not in QUICK], ids=lambda gate: gate.name)
def test_long_gates_hold(gate: Gate) -> None:
    result = run_gate(gate, Effort.REDUCED)
    assert result.passed, f"{result.value} against {result.limit}"


def test_a_gate_beyond_its_limit_fails() -> None:
    strict = replace(BY_NAME["edema-refused-without-reference"], limit=1.1)
    assert not run_gate(strict, Effort.REDUCED).passed
