"""The gates of fat fraction and diffusion hold at reduced effort."""

import pytest

from heliotrope.app.validation import diffusion, fat_fraction
from heliotrope.app.validation.gate import Effort, Gate, run_gate


@pytest.mark.parametrize("gate", [*fat_fraction.GATES, *diffusion.GATES], ids=lambda gate: gate.name)
def test_the_gate_holds(gate: Gate) -> None:
    result = run_gate(gate, Effort.REDUCED)
    assert result.passed, f"{result.value} against {result.limit}"


@pytest.mark.heavy
@pytest.mark.parametrize("gate", fat_fraction.GATES, ids=lambda gate: gate.name)
def test_the_gate_holds_at_full_effort(gate: Gate) -> None:
    assert run_gate(gate, Effort.FULL).passed
