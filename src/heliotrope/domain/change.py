"""A measured change between two timepoints, held against measurement error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from heliotrope.domain.anatomy import Region
from heliotrope.domain.units import Unit


class ChangeVerdict(StrEnum):
    """What may be said of a change from images alone; never progression or response."""

    INCREASE = "increase larger than measurement error"
    DECREASE = "decrease larger than measurement error"
    WITHIN = "within measurement error"
    UNJUDGED = "measurement error not known"
    NOT_COMPARABLE = "not comparable"
    NOT_ASSESSABLE = "not assessable"


@dataclass(frozen=True)
class Repeatability:
    """How far two measurements of an unchanged subject may differ.

    Parameters
    ----------
    quantity : str
    coefficient : float
        1.96 * sqrt(2) * within-subject standard deviation, in the quantity's unit, or in percent of the
        baseline when `relative`.
    relative : bool
    origin : str
        Where it comes from: the site's own test-retest, or a named borrowed value or default.
    evidence : str or None
        Key of the ledger; None for a site's own value.
    across_scanners : float or None
        The coefficient to use when the scanners differ; None forbids the comparison.
    shared_percent : float
        Half-width of the part of each number's interval that is an error both visits share, as a method's bias; it
        cancels in the difference. [% of the number]
    """

    quantity: str
    coefficient: float
    relative: bool
    origin: str
    evidence: str | None = None
    across_scanners: float | None = None
    shared_percent: float = 0.0


@dataclass(frozen=True)
class Change:
    """One quantity in one region at two timepoints.

    Parameters
    ----------
    difference : float or None
        Follow-up minus baseline. [`unit`]
    ci95 : tuple of 2 floats or None
        Interval of the difference from both measurements' intervals. [`unit`]
    error_limit : float or None
        Repeatability coefficient applied here. [`unit`]
    probability_increase : float or None
        That the true value rose, given the repeatability; 0 to 1.
    reason : str
        Why it is not comparable or not assessable; empty otherwise.
    """

    region: Region
    quantity: str
    statistic: str
    unit: Unit
    baseline: float | None
    followup: float | None
    verdict: ChangeVerdict
    difference: float | None = None
    ci95: tuple[float, float] | None = None
    error_limit: float | None = None
    probability_increase: float | None = None
    origin: str = ""
    reason: str = ""
    evidence: tuple[str, ...] = ()
