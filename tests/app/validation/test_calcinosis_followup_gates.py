"""Gates of followed calcifications."""

from __future__ import annotations

import math

import pytest

from heliotrope.app.validation import calcinosis_followup
from heliotrope.app.validation.calcinosis_followup import GATES, Outcome
from heliotrope.app.validation.gate import Effort, Gate, run_gate


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_a_gate_passes_at_reduced_effort(gate: Gate) -> None:
    found = run_gate(gate, Effort.REDUCED)
    assert found.passed, (found.value, found.limit)


def test_a_pair_that_could_not_be_registered_fails_every_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = (Outcome(math.nan, (), math.nan),)
    monkeypatch.setattr(calcinosis_followup, "_outcomes", lambda _: refused)
    assert not any(run_gate(gate, Effort.REDUCED).passed for gate in GATES)
