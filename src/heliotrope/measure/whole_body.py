"""Burden over the inventory of the whole body: sums over what was covered, how much that is, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.domain.whole_body import N_COMPARTMENTS, inventory_regions, is_distal

METHOD = "whole-body-inventory/1"

ACTIVE_PERCENT = 2.5
"""Edema fraction above which a compartment counts as active; evidence ``stir-positive-fraction``. [%]"""

LARGEST_MISSING = 0.20
"""Share of missing compartments up to which a value is prorated; evidence ``whole-body-coverage``. [1]"""

_BODY = Region("body")


@dataclass(frozen=True, eq=False)
class Compartment:
    """What was measured in one compartment of the inventory.

    Parameters
    ----------
    region : Region
    volume_ml, fraction_percent, load, fat_percent : Measurement or None
        Muscle volume [mL], edema fraction [%], edema load [mL times ratio], mean fat fraction [%]; None where no stage
        looked.
    below_other_side_percent, fascia_percent, subcutis_percent : Measurement or None
        How far its contractile area is below the other side [%], and perifascial and subcutaneous signal over it [%].
    missing : Missing or None
        Why the compartment does not count; None when volume, fraction and load are known.
    """

    region: Region
    volume_ml: Measurement | None
    fraction_percent: Measurement | None
    load: Measurement | None
    fat_percent: Measurement | None
    below_other_side_percent: Measurement | None
    fascia_percent: Measurement | None
    subcutis_percent: Measurement | None
    missing: Missing | None

    @property
    def is_active(self) -> bool:
        """Whether it counts and holds more edema than `ACTIVE_PERCENT`."""
        return self.missing is None and _value(self.fraction_percent) > ACTIVE_PERCENT


def _value(row: Measurement | None) -> float:
    assert row is not None
    assert row.value is not None
    return row.value


def take_inventory(rows: Sequence[Measurement]) -> tuple[Compartment, ...]:
    """The 34 compartments, from neck to leg, out of measurements of regions."""
    found = {(r.region, r.quantity, r.statistic): r for r in rows if r.region.level is None}
    return tuple(_compartment(region, found) for region in inventory_regions())


def _compartment(region: Region, found: Mapping[tuple[Region, str, str], Measurement]) -> Compartment:
    volume = found.get((region, "volume", "total"))
    fraction = found.get((region, "edema_fraction", "fraction"))
    load = found.get((region, "edema_load", "total"))
    missing: Missing | None = None
    if volume is None:
        missing = Missing("M_NOT_COVERED", f"The labels hold no part of the {region.title}.")
    elif fraction is None or load is None:
        missing = Missing("M_NO_EDEMA_IMAGE", f"Edema was not measured in the {region.title}.")
    else:
        missing = next((row.missing for row in (volume, fraction, load) if row.missing is not None), None)
    return Compartment(
        region=region,
        volume_ml=volume,
        fraction_percent=fraction,
        load=load,
        fat_percent=found.get((region, "fat_fraction", "mean")),
        below_other_side_percent=_below_other_side(region, found),
        fascia_percent=found.get((region, "fascia_extent", "fraction")),
        subcutis_percent=found.get((region, "subcutis_extent", "fraction")),
        missing=missing,
    )


def _below_other_side(region: Region, found: Mapping[tuple[Region, str, str], Measurement]) -> Measurement | None:
    """Contractile area below that of the other side; 0 for the larger side. [%]"""
    pair = [found.get((Region(region.structure, side), "contractile_area", "max")) for side in Side]
    own = found.get((region, "contractile_area", "max"))
    values = [row.value for row in pair if row is not None and row.value is not None]
    if own is None or own.value is None or len(values) < len(Side) or max(values) <= 0:
        return None
    return Measurement(
        region,
        "contractile_area_below_other_side",
        "share",
        100.0 * (1.0 - own.value / max(values)),
        Unit.PERCENT,
        METHOD,
        evidence=("atrophy-rule",),
    )


def measure_burden(compartments: Sequence[Compartment]) -> tuple[Measurement, ...]:
    """Total inflammatory burden over the compartments that count.

    Returns
    -------
    tuple of Measurement
        ``whole_body_coverage`` [% of 34 compartments], ``whole_body_load`` (sum, and prorated where at most a fifth is
        missing) [mL times ratio], ``whole_body_fraction`` (volume-weighted) [%], ``active_compartments`` and
        ``distal_active_compartments`` (forearm and leg). Intervals add the limits of the compartments, since one
        reference moves them all together. None of them says why muscle holds more water.
    """
    covered = [row for row in compartments if row.missing is None]
    n_missing = N_COMPARTMENTS - len(covered)
    nothing = None if covered else Missing("M_NOT_COVERED", "No compartment of the inventory could be assessed.")
    too_few = nothing
    if too_few is None and n_missing > LARGEST_MISSING * N_COMPARTMENTS:
        too_few = Missing(
            "M_TOO_MUCH_MISSING",
            f"{n_missing} of {N_COMPARTMENTS} compartments are missing; beyond {100 * LARGEST_MISSING:.0f} % no value "
            "for the whole body is given.",
        )
    load, load_ci = _weighted_sum([(1.0, row.load) for row in covered])
    scale = N_COMPARTMENTS / max(len(covered), 1)
    volumes = [_value(row.volume_ml) for row in covered]
    total = sum(volumes) or 1.0
    fraction, fraction_ci = _weighted_sum(
        [(volume / total, row.fraction_percent) for volume, row in zip(volumes, covered, strict=True)]
    )
    distal = [row for row in covered if is_distal(row.region.structure)]
    no_distal = None if distal else Missing("M_NOT_COVERED", "No compartment of forearm or leg could be assessed.")
    share = 100.0 * len(covered) / N_COMPARTMENTS
    unit = Unit.RATIO_MILLILITER
    return (
        _row("whole_body_coverage", "share of compartments", share, Unit.PERCENT, None),
        _row("whole_body_load", "sum over covered", load, unit, nothing, load_ci),
        _row("whole_body_load", "prorated", load * scale, unit, too_few, _scaled(load_ci, scale)),
        _row("whole_body_fraction", "volume-weighted", fraction, Unit.PERCENT, nothing, fraction_ci),
        _row("active_compartments", "count", _n_active(covered), Unit.COUNT, nothing),
        _row("distal_active_compartments", "count", _n_active(distal), Unit.COUNT, no_distal),
    )


def _n_active(compartments: Sequence[Compartment]) -> float:
    return float(sum(row.is_active for row in compartments))


def _weighted_sum(
    parts: Sequence[tuple[float, Measurement | None]],
) -> tuple[float, tuple[float, float] | None]:
    """Weighted sum with limits added; without an interval where a part has none."""
    total = sum(weight * _value(row) for weight, row in parts)
    limits = [(weight, row.ci95) for weight, row in parts if row is not None]
    if not limits or any(ci95 is None for _, ci95 in limits):
        return total, None
    low = sum(weight * ci95[0] for weight, ci95 in limits if ci95 is not None)
    high = sum(weight * ci95[1] for weight, ci95 in limits if ci95 is not None)
    return total, (min(low, total), max(high, total))


def _scaled(ci95: tuple[float, float] | None, factor: float) -> tuple[float, float] | None:
    return None if ci95 is None else (ci95[0] * factor, ci95[1] * factor)


def _row(
    quantity: str,
    statistic: str,
    value: float,
    unit: Unit,
    missing: Missing | None,
    ci95: tuple[float, float] | None = None,
) -> Measurement:
    return Measurement(
        _BODY,
        quantity,
        statistic,
        None if missing else value,
        unit,
        METHOD,
        missing,
        None if missing else ci95,
        evidence=("whole-body-inventory", "whole-body-coverage"),
    )
