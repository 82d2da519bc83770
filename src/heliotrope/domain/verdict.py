"""Outcome of a clinical instrument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TraceStep:
    """One rule that fired.

    Parameters
    ----------
    rule : str
        Rule and version.
    statement : str
        What was compared, with value and unit.
    evidence : tuple of str
        Keys of the evidence ledger.
    """

    rule: str
    statement: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What an instrument says, with everything that led there.

    Parameters
    ----------
    instrument : str
    rule_version : str
    fields : mapping
        The instrument's outputs under their published names; None is unknown.
    trace : tuple of TraceStep
    would_decide : tuple of str
        Single missing items that would change the answer.
    caveats : tuple of str
    """

    instrument: str
    rule_version: str
    fields: Mapping[str, Any]
    trace: tuple[TraceStep, ...] = ()
    would_decide: tuple[str, ...] = ()
    caveats: tuple[str, ...] = field(default=())
