"""Use case: measure the accuracy gates on digital reference objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from heliotrope.app.validation.gate import Effort, Gate, GateResult, run_gate
from heliotrope.app.validation.registry import GATES
from heliotrope.domain.errors import OptionError


def chosen_gates(only: Sequence[str], gates: tuple[Gate, ...] = GATES) -> tuple[Gate, ...]:
    """The gates of the given names or name beginnings (``water-t2``), every gate when none is named.

    Raises
    ------
    OptionError
        A name that fits no gate (``E_GATE``).
    """
    for name in only:
        if not any(_fits(gate, name) for gate in gates):
            known = ", ".join(gate.name for gate in gates)
            raise OptionError(f"unknown gate {name!r}", hint=f"gates: {known}", code="E_GATE")
    return tuple(gate for gate in gates if not only or any(_fits(gate, name) for name in only))


def _fits(gate: Gate, name: str) -> bool:
    return gate.name == name or gate.name.startswith(f"{name}-")


def validate(
    only: Sequence[str] = (), *, effort: Effort = Effort.REDUCED, progress: Callable[[str], None] = lambda _: None
) -> tuple[GateResult, ...]:
    """Measure the chosen gates.

    Parameters
    ----------
    only : sequence of str
        Names or name beginnings; empty measures all.
    effort : Effort
    progress : callable
        Called with the name of each gate before it runs.
    """
    results = []
    for gate in chosen_gates(only):
        progress(gate.name)
        results.append(run_gate(gate, effort))
    return tuple(results)


def validation_to_plain(results: Sequence[GateResult]) -> dict[str, Any]:
    """Build the JSON answer of ``heliotrope validate``; ``ok`` is false when a gate fails."""
    return {
        "ok": all(result.passed for result in results),
        "gates": [
            {
                "name": result.name,
                "value": result.value if math.isfinite(result.value) else None,
                "limit": result.limit,
                "unit": str(result.unit),
                "passed": result.passed,
            }
            for result in results
        ],
    }
