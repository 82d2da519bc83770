"""Cases as YAML: reading them, and comparing an answer with what a case expects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TOLERANCE = 1e-6  # the specification's, for numbers that were printed to four decimals at most


@dataclass(frozen=True)
class Case:
    """One case of an instrument."""

    instrument: str
    name: str
    inputs: dict[str, Any]
    expected: dict[str, Any]


def cases_in(folder: Path) -> Iterator[Case]:
    """Every case of every file in a folder; the file name is the instrument."""
    for file in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        for vector in document["vectors"]:
            yield Case(file.stem, vector["name"], vector["inputs"], vector["expected"])


def agrees(expected: object, actual: object) -> bool:
    """Whether an answer says what is expected: same truth, same text, numbers within tolerance, nothing more."""
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and expected.keys() == actual.keys()
            and all(agrees(value, actual[key]) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(expected) == len(actual)
            and all(agrees(one, other) for one, other in zip(expected, actual, strict=True))
        )
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        is_number = isinstance(actual, int | float) and not isinstance(actual, bool)
        return is_number and abs(expected - actual) <= TOLERANCE  # type: ignore[operator]
    return type(expected) is type(actual) and expected == actual
