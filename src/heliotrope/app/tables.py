"""Use case: look things up in the clinical tables. Information beside the images, never an input to a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from heliotrope.app.criteria import source_json
from heliotrope.criteria import antibodies, calcinosis, differential, recommendations, terminology
from heliotrope.domain.errors import OptionError
from heliotrope.evidence.ledger import ledger


def _antibodies() -> dict[str, Any]:
    return {
        "entries": {row.key: asdict(row) for row in antibodies.ANTIBODIES},
        "rules": [asdict(rule) for rule in antibodies.RULES],
        "conflict": antibodies.CONFLICT,
    }


def _differential() -> dict[str, Any]:
    return {
        "general": differential.MUSCLE_EDEMA_GENERAL,
        "entries": {row.key: asdict(row) for row in (*differential.MUSCLE_EDEMA, *differential.CALCIFICATION)},
        "questions": [asdict(question) for question in differential.QUESTIONS],
        "rules": list(differential.RULES),
    }


def _recommendations() -> dict[str, Any]:
    return {"entries": {row.key: asdict(row) for row in recommendations.RECOMMENDATIONS}}


def _terminology() -> dict[str, Any]:
    return {
        "entries": {row.label: asdict(row) for row in terminology.DISEASES},
        "snomed_ct": terminology.SNOMED_CT,
        "loinc_antibodies": terminology.LOINC_ANTIBODIES,
        "loinc_chemistry": {code: {"name": n, "ucum": u} for code, (n, u) in terminology.LOINC_CHEMISTRY.items()},
        "hpo": terminology.HPO,
        "ucum": list(terminology.UCUM),
        "traps": list(terminology.TRAPS),
    }


def _calcinosis() -> dict[str, Any]:
    return {
        "entries": {name: {"kind": "pattern"} for name in (*calcinosis.BLANE_PATTERNS, *calcinosis.OTHER_PATTERNS)},
        "other_subtypes": list(calcinosis.OTHER_SUBTYPES),
        "not_built": calcinosis.NOT_BUILT,
    }


_TABLES: Final[Mapping[str, tuple[Callable[[], dict[str, Any]], tuple[str, ...]]]] = {
    "antibodies": (_antibodies, antibodies.EVIDENCE),
    "differential": (_differential, differential.EVIDENCE),
    "imaging_recommendations": (_recommendations, recommendations.EVIDENCE),
    "terminology": (_terminology, terminology.EVIDENCE),
    "calcinosis": (_calcinosis, calcinosis.EVIDENCE),
}


def look_up(table: str, key: str | None = None) -> dict[str, Any]:
    """A whole table, or one entry of it, with the evidence it rests on.

    Raises
    ------
    OptionError
        No such table or entry.
    """
    if table not in _TABLES:
        raise OptionError(f"no table '{table[:60]}'", hint=f"one of: {', '.join(_TABLES)}")
    read, evidence = _TABLES[table]
    content = read()
    if key is not None:
        wanted = antibodies.antibody(key).key if table == "antibodies" else key
        if wanted not in content["entries"]:
            hint = f"one of: {', '.join(content['entries'])}"
            raise OptionError(f"no entry '{key[:60]}' in the table {table}", hint=hint)
        content = {"entry": content["entries"][wanted]}
    statements = [ledger().statement(name) for name in evidence]
    return {
        "table": table,
        **content,
        "evidence": [{"key": s.key, "status": str(s.status), "text": s.text} for s in statements],
        "sources": [source_json(source) for source in ledger().sources_of(*evidence)],
    }
