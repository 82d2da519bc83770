"""Gates of joined stations pass at reduced effort, and would not without the joining."""

from __future__ import annotations

import numpy as np

from heliotrope.app.validation.gate import Effort, run_gate
from heliotrope.app.validation.whole_body import GATES, PROTOCOL


def test_every_gate_of_stations_and_burden_passes() -> None:
    results = [run_gate(gate, Effort.REDUCED) for gate in GATES]
    assert [(result.name, result.value) for result in results if not result.passed] == []


def test_stations_as_scanned_would_fail_the_gain_gate() -> None:
    """The gains that were put in are far beyond the limit, so that the gate can fail."""
    limit = next(gate.limit for gate in GATES if gate.name == "station-gain")
    assert 100.0 * float(np.abs(np.asarray(PROTOCOL.stir_gains) - 1.0).max()) > 5.0 * limit
