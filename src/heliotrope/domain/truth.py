"""Three-valued truth: what nobody examined is not absent."""

from __future__ import annotations

from enum import Enum


class Truth(Enum):
    """A clinical fact: true, false, or unknown.

    ``if fact:`` raises, so that an unknown never passes for absent.

    Examples
    --------
    >>> (Truth.TRUE & Truth.UNKNOWN).name
    'UNKNOWN'
    >>> (Truth.FALSE & Truth.UNKNOWN).name
    'FALSE'
    """

    TRUE = True
    FALSE = False
    UNKNOWN = None

    @classmethod
    def of(cls, value: bool | None) -> Truth:
        """Truth of a nullable bool."""
        return cls(value)

    def __bool__(self) -> bool:
        raise TypeError("a Truth has three values: compare with `is Truth.TRUE`")

    def __and__(self, other: Truth) -> Truth:
        if self is Truth.FALSE or other is Truth.FALSE:
            return Truth.FALSE
        return Truth.TRUE if self is Truth.TRUE and other is Truth.TRUE else Truth.UNKNOWN

    def __or__(self, other: Truth) -> Truth:
        if self is Truth.TRUE or other is Truth.TRUE:
            return Truth.TRUE
        return Truth.FALSE if self is Truth.FALSE and other is Truth.FALSE else Truth.UNKNOWN

    def __invert__(self) -> Truth:
        return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}[self]
