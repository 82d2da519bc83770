"""Differences between two timepoints with their uncertainty."""

from __future__ import annotations

import math

from heliotrope.domain.change import Repeatability
from heliotrope.domain.measurement import Measurement

Z_OF_95_PERCENT = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


def difference_interval(baseline: Measurement, followup: Measurement) -> tuple[float, float] | None:
    """Combine both 95 % intervals in quadrature around the difference; None when either has none.

    Examples
    --------
    >>> from heliotrope.domain.anatomy import Region
    >>> from heliotrope.domain.units import Unit
    >>> def at(value):
    ...     interval = (value - 3, value + 3)
    ...     return Measurement(
    ...         Region("muscle"), "water_t2", "mean", value, Unit.MILLISECOND, "example/1", ci95=interval
    ...     )
    >>> low, high = difference_interval(at(35.0), at(45.0))
    >>> round(low, 2), round(high, 2)
    (5.76, 14.24)
    """
    if baseline.ci95 is None or followup.ci95 is None or baseline.value is None or followup.value is None:
        return None
    down = math.hypot(followup.value - followup.ci95[0], baseline.ci95[1] - baseline.value)
    up = math.hypot(followup.ci95[1] - followup.value, baseline.value - baseline.ci95[0])
    difference = followup.value - baseline.value
    return (difference - down, difference + up)


def error_limit(repeatability: Repeatability, baseline_value: float, *, same_scanner: bool) -> float | None:
    """Repeatability coefficient in the quantity's own unit; None when the scanners may not be compared."""
    coefficient = repeatability.coefficient if same_scanner else repeatability.across_scanners
    if coefficient is None:
        return None
    return coefficient / 100 * abs(baseline_value) if repeatability.relative else coefficient


def probability_of_increase(difference: float, limit: float) -> float:
    """Chance that the true value rose, for a normal error whose 95 % limit is `limit`.

    Examples
    --------
    >>> round(probability_of_increase(3.0, 3.0), 3)
    0.975
    """
    if limit <= 0:
        return 0.5 if difference == 0 else float(difference > 0)
    return 0.5 * (1 + math.erf(difference * Z_OF_95_PERCENT / limit / math.sqrt(2)))
