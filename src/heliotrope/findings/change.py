"""Change between two timepoints: larger than measurement error, within it, or not comparable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from heliotrope.domain.anatomy import Region
from heliotrope.domain.change import Change, ChangeVerdict, Repeatability
from heliotrope.domain.measurement import Measurement
from heliotrope.measure.calcium import MODEL_ERROR
from heliotrope.measure.change import difference_interval, error_limit, probability_of_increase

_DEFAULT, _BORROWED = (
    "system default, not measured at this site",
    "borrowed from the literature, not measured at this site",
)


def _row(
    quantity: str,
    coefficient: float,
    evidence: str,
    *,
    relative: bool = False,
    origin: str = _DEFAULT,
    across_scanners: float | None = None,
    shared_percent: float = 0.0,
) -> tuple[str, Repeatability]:
    return quantity, Repeatability(quantity, coefficient, relative, origin, evidence, across_scanners, shared_percent)


REPEATABILITY: Mapping[str, Repeatability] = MappingProxyType(
    dict(
        (
            _row("water_t2", 3.0, "change-t2-default"),
            _row("legacy_t2", 3.0, "change-t2-default"),
            _row("fat_fraction", 1.5, "change-fat-fraction-default", across_scanners=3.5),
            _row("mean_diffusivity", 10.0, "change-diffusivity-default", relative=True),
            _row("adc", 10.0, "change-diffusivity-default", relative=True),
            _row(
                "volume",
                4.2,
                "change-muscle-volume-borrowed",
                relative=True,
                origin=_BORROWED,
                across_scanners=4.2,
            ),
            _row("contractile_volume", 4.5, "change-contractile-default", relative=True),
            _row("contractile_area", 10.0, "change-contractile-default", relative=True),
            _row("edema_fraction", 10.0, "change-edema-default"),
            _row("t2_edema_fraction", 10.0, "change-edema-default"),
            _row("edema_load", 25.0, "change-edema-default", relative=True),
            _row("t2_edema_load", 25.0, "change-edema-default", relative=True),
            *(
                _row(
                    quantity,
                    15.0,
                    "change-calcium-default",
                    relative=True,
                    across_scanners=30.0,
                    shared_percent=100 * MODEL_ERROR,
                )
                for quantity in ("calcinosis_mass", "calcinosis_volume")
            ),
            _row(
                "calcinosis_projected_area",
                25.0,
                "change-radiograph-borrowed",
                relative=True,
                origin=_BORROWED,
                across_scanners=25.0,
            ),
            _row(
                "calcinosis_integrated_opacity",
                25.0,
                "change-radiograph-borrowed",
                relative=True,
                origin=_BORROWED,
            ),
        )
    )
)
"""Limits used until a site gives its own. [the quantity's unit, or % of the baseline]"""

LOCATION_STATISTICS = frozenset({"median", "mean", "total", "fraction", "max"})
"""Statistics a repeatability coefficient speaks of."""

Comparability = Callable[[Measurement], str]
"""Why a measurement may not be compared between the timepoints; empty when it may."""

Key = tuple[Region, str, str]


def find_changes(
    baseline: Iterable[Measurement],
    followup: Iterable[Measurement],
    *,
    obstacle: Comparability,
    same_scanner: bool,
    repeatability: Mapping[str, Repeatability] = REPEATABILITY,
) -> tuple[Change, ...]:
    """Compare every measurement that either timepoint holds.

    Parameters
    ----------
    obstacle : callable
        Asked for each baseline measurement: the reason against comparing it, or an empty text.
    same_scanner : bool
        One scanner at both timepoints; otherwise only quantities with a limit across scanners are judged.

    Returns
    -------
    tuple of Change
        In the order of the baseline, then what only the follow-up has.
    """
    first = {_key(item): item for item in baseline}
    second = {_key(item): item for item in followup}
    return tuple(
        _change(first.get(key), second.get(key), obstacle, same_scanner, repeatability)
        for key in dict.fromkeys([*first, *second])
    )


def _key(item: Measurement) -> Key:
    return item.region, item.quantity, item.statistic


def _change(
    before: Measurement | None,
    after: Measurement | None,
    obstacle: Comparability,
    same_scanner: bool,
    repeatability: Mapping[str, Repeatability],
) -> Change:
    named = before or after
    assert named is not None
    values = (None if before is None else before.value, None if after is None else after.value)

    def ended(verdict: ChangeVerdict, reason: str) -> Change:
        return Change(
            named.region, named.quantity, named.statistic, named.unit, values[0], values[1], verdict, reason=reason
        )

    if before is None or after is None:
        which = "baseline" if before is None else "follow-up"
        return ended(ChangeVerdict.NOT_ASSESSABLE, f"not measured at {which}")
    for item, which in ((before, "baseline"), (after, "follow-up")):
        if item.missing is not None:
            return ended(ChangeVerdict.NOT_ASSESSABLE, f"{which}: {item.missing.reason}")
    if before.method != after.method:
        return ended(ChangeVerdict.NOT_COMPARABLE, f"method changed from {before.method} to {after.method}")
    if before.unit != after.unit:
        return ended(ChangeVerdict.NOT_COMPARABLE, f"unit changed from {before.unit} to {after.unit}")
    reason = obstacle(before)
    if reason:
        return ended(ChangeVerdict.NOT_COMPARABLE, reason)
    return _judged(before, after, same_scanner, repeatability.get(before.quantity))


def _judged(before: Measurement, after: Measurement, same_scanner: bool, known: Repeatability | None) -> Change:
    assert before.value is not None
    assert after.value is not None
    difference = after.value - before.value
    verdict, reason, origin = ChangeVerdict.UNJUDGED, "no repeatability is known for this number", ""
    limit: float | None = None
    shared = 0.0 if known is None else known.shared_percent
    interval = difference_interval(before, after, shared_percent=shared)
    if known is not None and before.statistic in LOCATION_STATISTICS:
        limit = error_limit(known, before.value, same_scanner=same_scanner)
        origin = known.origin
        judged_by = interval or _against_nothing(before, after)
        if limit == 0 and judged_by is None and difference != 0:
            reason = "the baseline is 0, of which no percentage can be taken"
        elif limit is None:
            verdict, reason = (
                ChangeVerdict.NOT_COMPARABLE,
                "scanner or kernel changed and no limit across is known",
            )
        elif abs(difference) <= limit:
            verdict, reason = ChangeVerdict.WITHIN, ""
        elif judged_by is not None and judged_by[0] <= 0 <= judged_by[1]:
            verdict, reason = ChangeVerdict.WITHIN, "the 95 % interval of the difference includes zero"
        else:
            verdict, reason = (ChangeVerdict.INCREASE if difference > 0 else ChangeVerdict.DECREASE), ""
    return Change(
        region=before.region,
        quantity=before.quantity,
        statistic=before.statistic,
        unit=before.unit,
        baseline=before.value,
        followup=after.value,
        verdict=verdict,
        difference=difference,
        ci95=interval,
        error_limit=limit,
        probability_increase=None if limit is None else probability_of_increase(difference, limit),
        origin=origin,
        reason=reason,
        evidence=() if known is None or known.evidence is None else (known.evidence,),
    )


def _against_nothing(before: Measurement, after: Measurement) -> tuple[float, float] | None:
    """Interval of what one visit found where the other looked and found nothing, which has no interval of its own."""
    for other, found in ((before, after), (after, before)):
        if other.value == 0 and other.n_voxels == 0 and other.ci95 is None:
            return found.ci95
    return None
