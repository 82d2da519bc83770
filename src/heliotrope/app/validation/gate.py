"""What an accuracy gate is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from heliotrope.domain.units import Unit


class Effort(Enum):
    """How many repetitions a gate runs: REDUCED in CI (can still fail), FULL for a site or a release."""

    REDUCED = "reduced"
    FULL = "full"


class Sense(Enum):
    """Which side of the limit passes."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


@dataclass(frozen=True)
class Gate:
    """A limit that a measured error must keep.

    Parameters
    ----------
    name : str
        Kebab case, e.g. ``"water-t2-bias"``.
    title : str
        One sentence: what is measured on which reference object.
    limit : float
        In `unit`.
    unit : Unit
    sense : Sense
    measure : callable
        Effort to the measured value, on digital reference objects with fixed seeds.
    """

    name: str
    title: str
    limit: float
    unit: Unit
    sense: Sense
    measure: Callable[[Effort], float]


@dataclass(frozen=True)
class GateResult:
    """What a gate measured."""

    name: str
    value: float
    limit: float
    unit: Unit
    sense: Sense
    passed: bool
    title: str = ""


def run_gate(gate: Gate, effort: Effort) -> GateResult:
    """Measure and compare; a value that is not a number fails."""
    value = gate.measure(effort)
    passed = value <= gate.limit if gate.sense is Sense.AT_MOST else value >= gate.limit
    return GateResult(gate.name, value, gate.limit, gate.unit, gate.sense, bool(passed), gate.title)
