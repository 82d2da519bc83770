"""What the ledger holds: sources and the statements drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How far a number or rule has been checked."""

    VERIFIED = "verified"
    SECONDARY = "secondary"
    CONSISTENT = "consistent"
    MEASURED = "measured"
    PROJECT_RULE = "project rule"
    UNVERIFIED = "unverified"


@dataclass(frozen=True)
class Source:
    """A publication, data set or open program.

    Parameters
    ----------
    key : str
        Stable, e.g. ``"dahlqvist-2020"``.
    citation : str
        Short: authors, title or subject, journal, year. One work each, never two merged.
    doi, pmid, other : str or None
        Identifiers; `other` for what has neither.
    """

    key: str
    citation: str
    doi: str | None = None
    pmid: str | None = None
    other: str | None = None


@dataclass(frozen=True)
class Statement:
    """A number or rule with its origin.

    Parameters
    ----------
    key : str
        Stable, e.g. ``"muscle-t1-3t"``. What the product shows refers to it.
    text : str
        What is claimed, with value and unit.
    sources : tuple of str
        Keys of `Source`; empty only for project rules and own measurements.
    status : Status
    setting : str
        Population, field strength or conditions it holds for.
    used_by : str
        Module or result that relies on it.
    """

    key: str
    text: str
    sources: tuple[str, ...]
    status: Status
    setting: str = ""
    used_by: str = ""
