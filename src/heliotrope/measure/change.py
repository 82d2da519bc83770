"""Differences between two timepoints with their uncertainty."""

from __future__ import annotations

import math

from heliotrope.domain.change import Repeatability
from heliotrope.domain.measurement import Measurement

Z_OF_95_PERCENT = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


def difference_interval(
    baseline: Measurement, followup: Measurement, *, shared_percent: float = 0.0
) -> tuple[float, float] | None:
    """Combine both 95 % intervals in quadrature around the difference; None when either has none.

    Parameters
    ----------
    baseline, followup : Measurement
    shared_percent : float
        Part of each half-width that both measurements share, in percent of the value: it scales with the difference.

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
    difference = followup.value - baseline.value

    def own(half: float, measurement: Measurement) -> float:
        return math.sqrt(max(half**2 - (shared_percent / 100 * (measurement.value or 0.0)) ** 2, 0.0))

    common = shared_percent / 100 * difference
    first, second = baseline.value, followup.value
    down = math.hypot(own(second - followup.ci95[0], followup), own(baseline.ci95[1] - first, baseline), common)
    up = math.hypot(own(followup.ci95[1] - second, followup), own(first - baseline.ci95[0], baseline), common)
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
