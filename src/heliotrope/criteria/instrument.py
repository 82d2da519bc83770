"""What an instrument is, and how it is evaluated, traced and questioned."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from heliotrope.criteria.problems import RecordError
from heliotrope.criteria.record import Record
from heliotrope.domain.errors import OptionError
from heliotrope.domain.verdict import TraceStep, Verdict
from heliotrope.evidence.ledger import ledger
from heliotrope.evidence.model import Status

Path = tuple[str, ...]


class Trace:
    """Collects every rule that fired."""

    __slots__ = ("_version", "steps")

    def __init__(self, version: str) -> None:
        self._version = version
        self.steps: list[TraceStep] = []

    def add(self, rule: str, statement: str, *evidence: str) -> None:
        """One rule, what it compared with value and unit, and the statements of the ledger it rests on."""
        self.steps.append(TraceStep(f"{self._version} {rule}", statement, evidence))


@dataclass(frozen=True)
class Instrument:
    """A clinical instrument.

    Parameters
    ----------
    key : str
        Name on the command line.
    title : str
    version : int
        Raised whenever the same record may give another answer.
    purpose : str
        What it is for, and what it is not.
    evaluate : callable
        ``(record, trace or None) -> fields``; reads the record, calls ``record.settle()``, then applies the rules.
    answer : tuple of str
        The fields that are the answer, for telling whether a missing item would change it.
    completions : mapping of path to values
        For each item, values that span what it could be (both truths; lowest and highest grade).
    evidence : tuple of str
        Statements every result of the instrument rests on.
    caveats : tuple of str
    provisional : bool
        Off unless switched on: its rule rests on memory alone.
    """

    key: str
    title: str
    version: int
    purpose: str
    evaluate: Callable[[Record, Trace | None], dict[str, Any]]
    answer: tuple[str, ...]
    completions: Mapping[Path, tuple[Any, ...]]
    evidence: tuple[str, ...]
    caveats: tuple[str, ...] = ()
    provisional: bool = False

    @property
    def rule_version(self) -> str:
        """Key and version, as every output names them."""
        return f"{self.key}/{self.version}"


@dataclass(frozen=True)
class WhatIf:
    """A missing item that alone would change the answer.

    Parameters
    ----------
    item : str
        Dotted path.
    value : object
        The value tried.
    answer : mapping
        The answer it would give.
    """

    item: str
    value: object
    answer: Mapping[str, Any] = field(default_factory=dict)


def evaluate(
    instrument: Instrument, facts: Mapping[str, Any], *, explain: bool = True, provisional: bool = False
) -> Verdict:
    """What the instrument says about a record.

    Parameters
    ----------
    instrument : Instrument
    facts : mapping
        Inputs under the instrument's names; null is unknown.
    explain : bool
        Also trace every rule, name what would decide, and repeat unverified statements as caveats. Off for bulk work.
    provisional : bool
        Switches provisional instruments on.

    Returns
    -------
    Verdict
        Exact fields; numbers are `fractions.Fraction` or int.

    Raises
    ------
    RecordError
        Every problem of the record.
    OptionError
        The instrument is provisional and not switched on.
    """
    if instrument.provisional and not provisional:
        raise OptionError(
            f"{instrument.key} is provisional: its rule rests on memory and is switched off",
            hint="switch provisional instruments on to see it, and do not rely on it",
            code="E_PROVISIONAL",
        )
    if not explain:
        fields = instrument.evaluate(Record(facts), None)
        return Verdict(instrument.key, instrument.rule_version, fields, caveats=instrument.caveats)
    trace = Trace(instrument.rule_version)
    fields = instrument.evaluate(Record(facts), trace)
    deciding = dict.fromkeys(would_change.item for would_change in what_if(instrument, facts))
    return Verdict(
        instrument.key,
        instrument.rule_version,
        fields,
        trace=tuple(trace.steps),
        would_decide=tuple(deciding),
        caveats=(*instrument.caveats, *_unverified(instrument, trace)),
    )


def what_if(instrument: Instrument, facts: Mapping[str, Any]) -> tuple[WhatIf, ...]:
    """Every single missing item, and value, that would change the answer."""
    now = _answer(instrument, facts)
    changes: list[WhatIf] = []
    for path, values in instrument.completions.items():
        if not _is_open(facts, path):
            continue
        for value in values:
            try:
                then = _answer(instrument, _completed(facts, path, value))
            except RecordError:
                continue
            if then != now:
                changes.append(WhatIf(".".join(path), value, then))
    return tuple(changes)


def _answer(instrument: Instrument, facts: Mapping[str, Any]) -> dict[str, Any]:
    fields = instrument.evaluate(Record(facts), None)
    return {name: fields.get(name) for name in instrument.answer}


def _is_open(facts: Mapping[str, Any], path: Path) -> bool:
    value: Any = facts
    for key in path:
        if not isinstance(value, Mapping):
            return False
        value = value.get(key)
        if value is None:
            return True
    return False


def _completed(facts: Mapping[str, Any], path: Path, value: object) -> dict[str, Any]:
    changed = dict(facts)
    place = changed
    for key in path[:-1]:
        inner = place.get(key)
        place[key] = dict(inner) if isinstance(inner, Mapping) else {}
        place = place[key]
    place[path[-1]] = copy.deepcopy(value)
    return changed


def _unverified(instrument: Instrument, trace: Trace) -> tuple[str, ...]:
    keys = dict.fromkeys((*instrument.evidence, *(key for step in trace.steps for key in step.evidence)))
    statements = (ledger().statement(key) for key in keys)
    return tuple(f"unverified: {statement.text}" for statement in statements if statement.status is Status.UNVERIFIED)
