"""Three-valued counting: what nobody examined widens the count instead of lowering it."""

from __future__ import annotations

from collections.abc import Iterable

from heliotrope.domain.truth import Truth


def count(facts: Iterable[Truth]) -> tuple[int, int]:
    """How many of the facts hold, at least and at most.

    Examples
    --------
    >>> count((Truth.TRUE, Truth.UNKNOWN, Truth.FALSE))
    (1, 2)
    """
    low = high = 0
    for fact in facts:
        if fact is Truth.TRUE:
            low += 1
            high += 1
        elif fact is Truth.UNKNOWN:
            high += 1
    return low, high


def at_least(needed: int, facts: Iterable[Truth]) -> Truth:
    """Whether `needed` or more of the facts hold.

    Examples
    --------
    >>> at_least(2, (Truth.TRUE, Truth.UNKNOWN, Truth.FALSE)).name
    'UNKNOWN'
    """
    return reaches(needed, count(facts))


def reaches(needed: int, interval: tuple[int, int]) -> Truth:
    """Whether a count known as an interval is `needed` or more."""
    low, high = interval
    if low >= needed:
        return Truth.TRUE
    return Truth.FALSE if high < needed else Truth.UNKNOWN


def any_of(*facts: Truth) -> Truth:
    """Whether one of the facts holds."""
    return at_least(1, facts)


def all_of(*facts: Truth) -> Truth:
    """Whether every fact holds."""
    return at_least(len(facts), facts)
