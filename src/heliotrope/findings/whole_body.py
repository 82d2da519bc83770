"""Burden of the whole body in sentences: how much, in how many compartments, how far, and what was not covered."""

from __future__ import annotations

from collections.abc import Sequence

from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.domain.whole_body import N_COMPARTMENTS, is_distal
from heliotrope.measure.whole_body import LARGEST_MISSING, Compartment

_LIMITS = (
    "Compartments follow a published count of 34; the list itself is a choice of this program. Sums are over what was "
    "assessed.",
    "Edema-like signal is not specific for inflammation.",
    "Lungs, bone marrow and neoplasm are not looked at by this program: a reader looks for them.",
)


def whole_body_finding(compartments: Sequence[Compartment], burden: Sequence[Measurement]) -> Finding:
    """The burden, forearm and leg by name, and the inventory in its details."""
    rows = {(row.quantity, row.statistic): row for row in burden}
    covered = [row for row in compartments if row.missing is None]
    coverage = f"{len(covered)} of {N_COMPARTMENTS} compartments ({100 * len(covered) / N_COMPARTMENTS:.0f} %)"
    active = rows["active_compartments", "count"]
    fraction = rows["whole_body_fraction", "volume-weighted"]
    load, prorated = rows["whole_body_load", "sum over covered"], rows["whole_body_load", "prorated"]
    if fraction.value is None or load.value is None or active.value is None:
        text = f"The inflammatory burden of the whole body could not be assessed: {coverage} were covered."
        present = Truth.UNKNOWN
    else:
        text = (
            f"Edema-like signal in {fraction.value:.1f} % of the muscle of {coverage} that were assessed (load "
            f"{load.value:.1f} mL x ratio); {active.value:.0f} of them hold more than 2.5 %."
        )
        text += _distal_words(compartments)
        if len(covered) < N_COMPARTMENTS and prorated.value is not None:
            text += f" Prorated to all compartments the load is {prorated.value:.1f} mL x ratio."
        elif len(covered) < N_COMPARTMENTS:
            text += f" More than {100 * LARGEST_MISSING:.0f} % are missing, so no value for the whole body is given."
        present = Truth.of(active.value > 0)
    return Finding(
        FindingKind.WHOLE_BODY,
        present,
        text,
        (),
        tuple(rows.values()),
        _LIMITS,
        ("whole-body-inventory", "whole-body-coverage", "distal-involvement"),
        _details(compartments),
    )


def _details(compartments: Sequence[Compartment]) -> dict[str, str | float | None]:
    """One numbered row per compartment; what is missing is null, with the reason beside it."""
    details: dict[str, str | float | None] = {}
    for number, row in enumerate(compartments, start=1):
        key = f"compartment_{number}_"
        details[key + "name"] = row.region.title
        for name, measured in (
            ("volume_ml", row.volume_ml),
            ("edema_percent", row.fraction_percent),
            ("edema_load", row.load),
            ("fat_percent", row.fat_percent),
            ("below_other_side_percent", row.below_other_side_percent),
            ("fascia_percent", row.fascia_percent),
            ("subcutis_percent", row.subcutis_percent),
        ):
            details[key + name] = None if measured is None else measured.value
        details[key + "why_missing"] = "" if row.missing is None else row.missing.reason
    return details


def _distal_words(compartments: Sequence[Compartment]) -> str:
    """How many compartments of forearm and leg are active, since examination misses them."""
    distal = [row for row in compartments if is_distal(row.region.structure)]
    seen = [row for row in distal if row.missing is None]
    if not seen:
        return " None in forearm or leg was assessed."
    active = [row.region.title for row in seen if row.is_active]
    named = f" ({', '.join(active)})" if active else ""
    unseen = f"; {len(distal) - len(seen)} were not assessed" if len(seen) < len(distal) else ""
    return f" In forearm and leg {len(active)} of {len(seen)} do{named}{unseen}."
