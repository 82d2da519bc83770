"""Burden of the whole body in sentences: how much, in how many compartments, how far, and what was not covered."""

from __future__ import annotations

from collections.abc import Sequence

from heliotrope.domain.anatomy import STRUCTURES
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.domain.whole_body import N_COMPARTMENTS, is_distal
from heliotrope.measure.whole_body import LARGEST_MISSING, Compartment

_LIMITS = (
    "Compartments follow a published count of 34; the list itself is a choice of this program. Sums are over what was "
    "assessed.",
    "Edema-like signal is not specific for inflammation.",
)


def whole_body_findings(compartments: Sequence[Compartment], burden: Sequence[Measurement]) -> tuple[Finding, ...]:
    """The burden with its inventory, and the distal compartments by name."""
    by_key = {(row.quantity, row.statistic): row for row in burden}
    return (_burden(compartments, by_key), _distal(compartments))


def _burden(compartments: Sequence[Compartment], rows: dict[tuple[str, str], Measurement]) -> Finding:
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
        if len(covered) == N_COMPARTMENTS:
            pass
        elif prorated.value is not None:
            text += f" Prorated to all compartments the load is {prorated.value:.1f} mL x ratio."
        else:
            text += f" More than {100 * LARGEST_MISSING:.0f} % are missing, so no value for the whole body is given."
        present = Truth.of(active.value > 0)
    return Finding(
        FindingKind.WHOLE_BODY,
        present,
        text,
        (),
        tuple(rows.values()),
        _LIMITS,
        ("whole-body-inventory", "whole-body-coverage"),
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


def _distal(compartments: Sequence[Compartment]) -> Finding:
    """Forearm and leg by name, since examination misses them."""
    distal = [row for row in compartments if is_distal(row.region.structure)]
    seen = [row for row in distal if row.missing is None]
    active = [row for row in seen if row.is_active]
    unseen = [row for row in distal if row.missing is not None]
    if not seen:
        text = "Distal muscles (forearm and leg) could not be assessed."
        present = Truth.UNKNOWN
    elif not active:
        text = f"No edema beyond 2.5 % in the {len(seen)} distal compartments that were assessed."
        present = Truth.FALSE
    else:
        named = [f"{row.region.title} {_percent(row):.0f} %" for row in active]
        text = f"Edema-like signal in distal compartments: {', '.join(named)}."
        present = Truth.TRUE
    if seen and unseen:
        parts = sorted({str(STRUCTURES[row.region.structure].body_part) for row in unseen})
        text += f" Not assessed: {len(unseen)} of {len(distal)} ({', '.join(parts)})."
    return Finding(
        FindingKind.WHOLE_BODY,
        present,
        text,
        tuple(row.region for row in active),
        (),
        ("Examination of strength often misses the forearm and the leg.",),
        ("distal-often-subclinical",),
    )


def _percent(row: Compartment) -> float:
    return (row.fraction_percent.value if row.fraction_percent is not None else None) or 0.0
