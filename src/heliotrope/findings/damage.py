"""Damage in sentences: fat in muscle with its ordinal grades, and atrophy against the other side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from scipy import stats

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth

FATTY_PERCENT = 10.0
"""Mean fat fraction from which muscle is called fatty; evidence ``fat-grades``. [%]"""

FAT_MAY_EXPLAIN_PERCENT = 30.0
"""Above this fat fraction a long T2 may be fat, not edema; evidence ``fat-grades``. [%]"""

LIKELY_TO_CHANGE = 0.05
"""From this probability on a grade is said to be near its border. [1]"""

ATROPHY_SHARE = 0.15
"""Contractile area this much below the other side is called atrophy. [1]"""

_FAT_LIMITS = (10.0, 30.0, 60.0)
_GOUTALLIER_LIMITS = (5.0, 15.0, 45.0, 55.0)
_FISCHER_LIMITS = (5.0, 10.0, 50.0, 90.0)
_LAMMINEN_LIMITS = (10.0, 30.0, 90.0)


def fat_grade(percent: float) -> int:
    """Grade 0-3 of fat on T1 or Dixon, boundaries after Mercuri (fat fraction below 10, 30, 60 %).

    Examples
    --------
    >>> [fat_grade(p) for p in (4.0, 10.0, 45.0, 80.0)]
    [0, 1, 2, 3]
    """
    return sum(percent >= limit for limit in _FAT_LIMITS)


def goutallier_grade(percent: float) -> int:
    """Grade 0-4 after Goutallier from a fat fraction; 3 is about equal parts (45 to 55 %).

    Examples
    --------
    >>> [goutallier_grade(p) for p in (4.9, 5.0, 44.0, 50.0, 56.0)]
    [0, 1, 2, 3, 4]
    """
    return sum(percent >= limit for limit in _GOUTALLIER_LIMITS[:3]) + int(percent > _GOUTALLIER_LIMITS[3])


def fischer_grade(percent: float) -> int:
    """Grade 0-4 after Fischer: normal, traces, below half, above half, whole muscle."""
    return sum(percent >= limit for limit in _FISCHER_LIMITS)


def lamminen_grade(percent: float) -> int:
    """Grade 1-4 after Lamminen: normal (0 and 1 of the scale), slight and patchy, marked, whole muscle.

    Examples
    --------
    >>> [lamminen_grade(p) for p in (4.0, 20.0, 60.0, 95.0)]
    [1, 2, 3, 4]
    """
    return 1 + sum(percent >= limit for limit in _LAMMINEN_LIMITS)


GRADES: Mapping[str, Callable[[float], int]] = MappingProxyType(
    {
        "mercuri": fat_grade,
        "goutallier": goutallier_grade,
        "fischer": fischer_grade,
        "lamminen": lamminen_grade,
    }
)
"""Variant by name; grade from a fat fraction in %, evidence ``fat-grades``."""

_QUANTILES = (np.arange(200) + 0.5) / 200.0


def probability_of_other_grade(grade: Callable[[float], int], row: Measurement) -> float | None:
    """Chance that the grade would differ by one or more within the interval of a measurement; None without one.

    Examples
    --------
    >>> from heliotrope.domain.units import Unit
    >>> near = Measurement(Region("muscle"), "fat_fraction", "mean", 10.1, Unit.PERCENT, "example/1", ci95=(8.1, 12.1))
    >>> probability_of_other_grade(fat_grade, near)
    0.46
    """
    if row.value is None or row.ci95 is None:
        return None
    sd = max((row.ci95[1] - row.ci95[0]) / 3.92, 1e-12)
    values = stats.norm.ppf(_QUANTILES, row.value, sd)
    return float(np.mean([grade(float(value)) != grade(row.value) for value in values]))


def _pick(rows: Sequence[Measurement], region: Region, quantity: str, statistic: str) -> Measurement | None:
    return next((r for r in rows if r.region == region and r.quantity == quantity and r.statistic == statistic), None)


def fat_findings(rows: Sequence[Measurement]) -> tuple[Finding, ...]:
    """Fat of every muscle, or of compartments and sides where muscles were not drawn, with its grades."""
    means = [r for r in rows if r.quantity == "fat_fraction" and r.statistic == "mean" and r.region.side is not None]
    kinds = {r.region: STRUCTURES[r.region.structure].kind for r in means}
    single = [r for r in means if kinds[r.region] is StructureKind.MUSCLE]
    whole = [r for r in means if r.region.structure == "muscle" or kinds[r.region] is StructureKind.COMPARTMENT]
    return tuple(_fat_finding(row, rows) for row in (*whole, *single))


def _fat_finding(row: Measurement, rows: Sequence[Measurement]) -> Finding:
    region = row.region
    limits = ["Grades are derived from the fat fraction with system boundaries; a reader's grade may differ."]
    if row.value is None:
        reason = row.missing.reason if row.missing else ""
        text = f"Fat of the {region.title} could not be assessed: {reason}"
        return Finding(FindingKind.FAT, Truth.UNKNOWN, text, (region,), (), tuple(limits), ("fat-grades",))
    fatty = row.value >= FATTY_PERCENT
    interval = "" if row.ci95 is None else f" (95 % CI {row.ci95[0]:.1f} to {row.ci95[1]:.1f} %)"
    grades: dict[str, str | float | None] = {}
    for name, grade in GRADES.items():
        grades[f"{name}_by_fat_fraction"] = float(grade(row.value))
        grades[f"{name}_may_change"] = probability_of_other_grade(grade, row)
    title = f"muscle of the {region.side} side" if region.structure == "muscle" else region.title
    text = f"Fat fraction of the {title} is {row.value:.1f} %{interval}"
    text += f": fatty, grade {fat_grade(row.value)} of 3 (Mercuri)." if fatty else ", not raised."
    unsure = grades["mercuri_may_change"]
    if isinstance(unsure, float) and unsure >= LIKELY_TO_CHANGE:
        limits.append(f"The Mercuri grade would differ by one with a probability of {100 * unsure:.0f} %.")
    edema = _pick(rows, region, "edema_fraction", "fraction")
    if row.value >= FAT_MAY_EXPLAIN_PERCENT and edema is not None and (edema.value or 0.0) > 2.5:
        text += " Long T2 there may be fat rather than edema: damage and activity cannot be told apart by signal alone."
    details: dict[str, str | float | None] = {"fat_fraction_percent": row.value, **grades}
    return Finding(FindingKind.FAT, Truth.of(fatty), text, (region,), (row,), tuple(limits), ("fat-grades",), details)


def compartments_told_by_muscles(rows: Sequence[Measurement]) -> bool:
    """Whether compartments are the sum of named muscles; found by geometry alone, sides differ by more than muscle."""
    areas = (row.region.structure for row in rows if row.quantity == "contractile_area" and row.value is not None)
    return any(STRUCTURES[name].kind is StructureKind.MUSCLE for name in areas)


def atrophy_findings(rows: Sequence[Measurement]) -> tuple[Finding, ...]:
    """Contractile area of a muscle or compartment against the other side."""
    areas = {r.region: r for r in rows if r.quantity == "contractile_area" and r.value is not None}
    findings = []
    drawn = compartments_told_by_muscles(rows)
    for structure in dict.fromkeys(region.structure for region in areas):
        if STRUCTURES[structure].kind is StructureKind.COMPARTMENT and not drawn:
            continue
        left, right = (areas.get(Region(structure, side)) for side in Side)
        if left is None or right is None or left.value is None or right.value is None:
            continue
        larger = max(left.value, right.value)
        if larger <= 0:
            continue
        share = 1.0 - min(left.value, right.value) / larger
        side = Side.LEFT if left.value < right.value else Side.RIGHT
        small = share > ATROPHY_SHARE
        title = STRUCTURES[structure].title
        text = (
            f"Contractile area of the {side} {title} is {100 * share:.0f} % below the other side."
            if small
            else f"Contractile area of the {title} differs by {100 * share:.0f} % between sides."
        )
        findings.append(
            Finding(
                FindingKind.ATROPHY,
                Truth.of(small),
                text,
                (Region(structure, side),) if small else (Region(structure),),
                (left, right),
                (
                    "Compared with the other side only: atrophy of both sides alike is not seen. Positioning changes"
                    " areas.",
                ),
                ("atrophy-rule",),
                {"difference": share, "smaller_side": str(side)},
            )
        )
    return tuple(findings)
