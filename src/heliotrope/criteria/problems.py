"""What is wrong with a record: every problem at once, each with a code, a field and a way out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from heliotrope.domain.errors import InputError


class Code(StrEnum):
    """The closed list of record error codes."""

    RANGE = "E_RANGE"
    TYPE = "E_TYPE"
    FIELD = "E_FIELD"
    ENUM = "E_ENUM"
    CONFLICT = "E_CONFLICT"
    MISSING = "E_MISSING"
    FILE = "E_FILE"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a record.

    Parameters
    ----------
    code : Code
    field : str
        Where, as a dotted path.
    message : str
        Thing, value, limit; never free text of the record.
    hint : str
        The way out.
    """

    code: Code
    field: str
    message: str
    hint: str

    def to_json(self) -> dict[str, str]:
        """The problem as the command line prints it."""
        return {"code": str(self.code), "field": self.field, "error": self.message, "hint": self.hint}


class RecordError(InputError):
    """A record cannot be evaluated as written; nothing was guessed.

    Parameters
    ----------
    problems : tuple of Problem
        All of them, in the order of the record's definition.
    """

    default_code = "E_RECORD"
    exit_status: ClassVar[int] = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first = problems[0]
        message = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        super().__init__(message, hint=first.hint, code=str(first.code))
        self.problems = problems
