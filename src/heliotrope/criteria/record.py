"""Typed reading of a record; collects every problem and never corrects a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from heliotrope.criteria.exact import exact, text
from heliotrope.criteria.problems import Code, Problem, RecordError
from heliotrope.domain.truth import Truth


class Record:
    """A mapping of inputs under inspection.

    Parameters
    ----------
    values : object
        What the user gave; anything but a mapping is a problem, not an exception of Python.
    path : str
        Prefix of the field names in messages, e.g. ``"right."``.
    parent : Record, optional
        Where problems are collected.
    """

    __slots__ = ("_path", "problems", "values")

    def __init__(self, values: object, path: str = "", parent: Record | None = None) -> None:
        self._path = path
        self.problems: list[Problem] = [] if parent is None else parent.problems
        self.values: Mapping[Any, Any] = {}
        if isinstance(values, Mapping):
            self.values = values
        elif values is not None:
            name = path.rstrip(".") or "record"
            self._add(Code.TYPE, name, f"{kind(values)} where a mapping of fields is meant", "write field: value lines")

    @property
    def path(self) -> str:
        """Prefix of the field names in messages."""
        return self._path

    def _add(self, code: Code, field: str, message: str, hint: str) -> None:
        self.problems.append(Problem(code, field, message, hint))

    def problem(self, code: Code, field: str, message: str, hint: str) -> None:
        """Add a problem under this record's path."""
        self._add(code, self._path + field, message, hint)

    def only(self, known: Iterable[str]) -> None:
        """Every key must be one of `known`; a wrong one is named with the closest right one."""
        unknown = self.values.keys() - known
        if unknown:
            listed = ", ".join(sorted(known))
            for key in sorted(unknown, key=str):
                self.problem(Code.FIELD, field_name(key), "no such field", f"known here: {listed}")

    def given(self, field: str) -> bool:
        """Whether the field holds anything but null."""
        return self.values.get(field) is not None

    def truth(self, field: str) -> Truth:
        """A three-valued fact; absent and null are both unknown."""
        value = self.values.get(field)
        if value is None:
            return Truth.UNKNOWN
        if value is True:
            return Truth.TRUE
        if value is False:
            return Truth.FALSE
        self.problem(Code.TYPE, field, f"{kind(value)} where true, false or null is meant", "write true, false or null")
        return Truth.UNKNOWN

    def truths(self, fields: Iterable[str]) -> dict[str, Truth]:
        """Several facts at once."""
        return {field: self.truth(field) for field in fields}

    def number(
        self,
        field: str,
        low: int | None = None,
        high: int | None = None,
        unit: str = "",
        *,
        blame: str | None = None,
        whole: bool = False,
    ) -> Fraction | None:
        """An exact number within `low` to `high`, bounds included; None when unknown or wrong.

        Parameters
        ----------
        blame : str, optional
            Whole field name used in problems instead of the path to `field`.
        whole : bool
            Only whole numbers.
        """
        value = self.values.get(field)
        if value is None:
            return None
        named = self._path + field if blame is None else blame
        meant = "a whole number" if whole else "a number"
        try:
            number = exact(value)
        except OverflowError:
            self._add(Code.RANGE, named, "more digits than any such number has", self._limits(low, high, unit))
            return None
        if number is None or (whole and number.denominator != 1):
            shown = text(number) if number is not None else kind(value)
            self._add(Code.TYPE, named, f"{shown} where {meant} is meant", self._limits(low, high, unit))
            return None
        if (low is not None and number < low) or (high is not None and number > high):
            self._add(
                Code.RANGE,
                named,
                f"{text(number)} is outside {self._limits(low, high, unit).removeprefix('give ')}",
                "check the scale and unit; a value is never clamped or rescaled",
            )
            return None
        return number

    @staticmethod
    def _limits(low: int | None, high: int | None, unit: str) -> str:
        tail = f" {unit}" if unit else ""
        if low is None:
            return f"give a plain decimal number{tail}, or null when unknown"
        upper = "or more" if high is None else f"to {high}"
        return f"give {low} {upper}{tail}"

    def whole(self, field: str, low: int, high: int, *, blame: str | None = None) -> int | None:
        """A whole number within bounds; None when unknown or wrong."""
        number = self.number(field, low, high, blame=blame, whole=True)
        return None if number is None else int(number)

    def choice(self, field: str, options: Iterable[str], *, required: bool = False) -> str | None:
        """One of the named options; None when unknown or wrong."""
        value = self.values.get(field)
        known = tuple(options)
        if value is None:
            if required:
                self.problem(Code.MISSING, field, "not given", f"one of: {', '.join(known)}")
            return None
        if isinstance(value, str) and value in known:
            return value
        shown = "this text" if isinstance(value, str) else kind(value)
        self.problem(
            Code.ENUM, field, f"{shown} is not an option", f"one of: {', '.join(known)} (quote text like 'no')"
        )
        return None

    def section(self, field: str, path: str | None = None) -> Record:
        """A nested mapping, empty when absent; problems below it carry `path` (default ``field.``)."""
        return Record(self.values.get(field), self._path + (f"{field}." if path is None else path), self)

    def settle(self) -> None:
        """Raise every problem found.

        Raises
        ------
        RecordError
            When there is any.
        """
        if self.problems:
            unique = dict.fromkeys(self.problems)
            raise RecordError(tuple(unique))


def field_name(key: object) -> str:
    """A key as it may be shown: short and printable."""
    if not isinstance(key, str):
        return f"({kind(key)} as key)"
    return (key if key.isprintable() else ascii(key)[1:-1])[:80]


def kind(value: object) -> str:
    """The kind of a value in plain words; its content may be private and is not repeated."""
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    try:
        number = exact(value)
    except OverflowError:
        return "a huge number"
    return "a number" if number is not None else "something that is no finite number"
