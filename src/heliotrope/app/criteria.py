"""Use case: list the clinical instruments, and evaluate one on a record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from heliotrope.criteria.exact import to_json
from heliotrope.criteria.instrument import Instrument, WhatIf, evaluate, what_if
from heliotrope.criteria.problems import Code, Problem, RecordError
from heliotrope.criteria.record import field_name, kind
from heliotrope.criteria.registry import INSTRUMENTS, find
from heliotrope.domain.errors import FileFormatError
from heliotrope.domain.verdict import Verdict
from heliotrope.evidence.ledger import ledger
from heliotrope.evidence.model import Source
from heliotrope.io.records import DuplicateKeyError, read_record

# What may stand beside `inputs:` in a file; nothing of it is read.
_ENVELOPE: Final = frozenset(
    {"inputs", "name", "instrument", "set", "expected", "anchored_fields", "why", "source", "provenance", "note"}
)


def read_mapping(path: Path) -> Mapping[str, Any]:
    """The mapping a record file holds.

    Raises
    ------
    RecordError
        It cannot be read, holds no mapping, or a field twice.
    """
    try:
        record = read_record(path)
    except DuplicateKeyError as error:
        raise RecordError((Problem(Code.CONFLICT, field_name(error.key), "given twice", error.hint),)) from None
    except FileFormatError as error:
        raise RecordError((Problem(Code.FILE, "file", error.message, error.hint),)) from None
    if not isinstance(record, Mapping):
        hint = "write the inputs as field: value lines, or under inputs:"
        raise RecordError((Problem(Code.TYPE, "record", f"{kind(record)} where a mapping is meant", hint),))
    return record


def read_inputs(path: Path, instrument: Instrument) -> Mapping[str, Any]:
    """The inputs of a record file: its mapping, or what stands under ``inputs:``.

    Raises
    ------
    RecordError
        It cannot be read, holds no mapping, a field twice, or inputs of another instrument.
    """
    record = read_mapping(path)
    if "inputs" not in record:
        return record
    problems = [
        Problem(Code.FIELD, field_name(key), "no such field beside inputs", f"known: {', '.join(sorted(_ENVELOPE))}")
        for key in sorted(record.keys() - _ENVELOPE, key=str)
    ]
    named = record.get("instrument")
    if named is not None and named != instrument.key:
        said = f"the file names another instrument than {instrument.key}"
        problems.append(Problem(Code.CONFLICT, "instrument", said, "run the instrument the file was written for"))
    inputs = record["inputs"]
    if not isinstance(inputs, Mapping):
        hint = "write the inputs as field: value lines"
        problems.append(Problem(Code.TYPE, "inputs", f"{kind(inputs)} where a mapping is meant", hint))
    if problems:
        raise RecordError(tuple(problems))
    return dict(inputs)


def run_instrument(name: str, path: Path) -> dict[str, Any]:
    """Evaluate one instrument on one file.

    Naming a provisional instrument here is the switch that turns it on; its answer says that it is provisional.

    Returns
    -------
    dict
        The instrument's fields at the top level, with ``instrument``, ``title``, ``rule_version``, ``provisional``,
        ``trace``, ``would_decide``, ``what_if``, ``caveats`` and ``sources``.
    """
    instrument = find(name)
    inputs = read_inputs(path, instrument)
    verdict = evaluate(instrument, inputs, provisional=True)
    return payload(instrument, verdict, what_if(instrument, inputs))


def payload(instrument: Instrument, verdict: Verdict, changes: tuple[WhatIf, ...]) -> dict[str, Any]:
    """A verdict as JSON."""
    keys = dict.fromkeys((*instrument.evidence, *(key for step in verdict.trace for key in step.evidence)))
    fields = to_json(dict(verdict.fields))
    assert isinstance(fields, dict)
    return {
        **fields,
        "instrument": instrument.key,
        "title": instrument.title,
        "rule_version": verdict.rule_version,
        "provisional": instrument.provisional,
        "trace": [
            {"rule": step.rule, "statement": step.statement, "evidence": list(step.evidence)} for step in verdict.trace
        ],
        "would_decide": list(verdict.would_decide),
        "what_if": [
            {"item": change.item, "value": to_json(change.value), "answer": to_json(dict(change.answer))}
            for change in changes
        ],
        "caveats": list(verdict.caveats),
        "evidence": [
            {"key": statement.key, "status": str(statement.status), "text": statement.text}
            for statement in map(ledger().statement, keys)
        ],
        "sources": [source_json(source) for source in ledger().sources_of(*keys)],
    }


def source_json(source: Source) -> dict[str, str]:
    """A source with the identifiers it has."""
    identifiers = {"doi": source.doi, "pmid": source.pmid, "other": source.other}
    return {"key": source.key, "citation": source.citation} | {k: v for k, v in identifiers.items() if v is not None}


def list_instruments() -> list[dict[str, Any]]:
    """Every instrument with what it is for, its version and how firm its rules are."""
    return [
        {
            "instrument": instrument.key,
            "title": instrument.title,
            "rule_version": instrument.rule_version,
            "purpose": instrument.purpose,
            "provisional": instrument.provisional,
            "on": not instrument.provisional,
            "status": sorted({str(ledger().statement(key).status) for key in instrument.evidence}),
        }
        for instrument in INSTRUMENTS.values()
    ]
