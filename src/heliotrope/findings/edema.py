"""Edema of muscle in sentences: where, how much, on which reference, symmetric or not, and how it lies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from heliotrope.domain.anatomy import STRUCTURES, BodyPart, Region, Side, StructureKind
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.measure.distribution import EdemaDistribution

POSITIVE_PERCENT = 2.5
"""A muscle is positive when more of it exceeds the upper limit of normal; evidence ``stir-positive-fraction``. [%]"""

UNDRAWN_PERCENT = 10.0
"""Where single muscles are not labeled, vessels and septa within muscle reach up to this; evidence
``undrawn-muscle-fraction``. [%]"""

NOISY_PERCENT = 5.0
"""Where noise alone may put more than this above the limit, a fraction is neither stated nor excluded. Project rule.
[%]"""

SYMMETRY_BAND = 0.20
"""Asymmetry whose interval lies within this band is symmetric; evidence ``symmetry-band``. [1]"""

NODULE_ROUNDNESS = 0.85
"""Three or more sets of edema this round are nodules, rather than patches; evidence ``pattern-classes``. [1]"""

DISTAL_PARTS = (BodyPart.FOREARM, BodyPart.HAND, BodyPart.LEG, BodyPart.FOOT)
"""Parts whose muscles an examination of strength easily misses."""

NOT_A_DIAGNOSIS = "Edema-like signal is water; inflammation, denervation, exercise, injury and infection look alike."
"""Stands beside every edema finding."""


@dataclass(frozen=True)
class Pattern:
    """What the descriptors say about one region.

    Parameters
    ----------
    spread : str
        ``"none"``, ``"focal"``, ``"nodular"``, ``"patchy"``, ``"diffuse"`` or ``"undetermined"``.
    peripheral, honeycomb, foggy, strong : Truth
    """

    spread: str
    peripheral: Truth
    honeycomb: Truth
    foggy: Truth
    strong: Truth


def classify(found: EdemaDistribution) -> Pattern:
    """Classes of spec C6 (project rules; evidence ``pattern-classes``).

    Examples
    --------
    >>> from heliotrope.measure.distribution import EdemaDistribution
    >>> none = EdemaDistribution(0.01, 0, 0, 0, 0, 4, 0.1, 0.3, 1, None, None, None, None, None, None)
    >>> classify(none).spread
    'none'
    """
    f = found.fraction
    if f * 100.0 <= POSITIVE_PERCENT:
        no = Truth.FALSE
        return Pattern("none", no, no if found.honeycomb is not None else Truth.UNKNOWN, no, no)
    if f >= 0.75 and found.largest_share >= 0.9:
        spread = "diffuse"
    elif found.n_clusters == 1 and f < 0.15:
        spread = "focal"
    elif f < 0.30 and found.n_clusters >= 3 and (found.roundness or 0.0) >= NODULE_ROUNDNESS:
        spread = "nodular"
    elif f < 0.75 and (found.n_clusters >= 3 or found.largest_share < 0.7 or found.range_mm < 25.0):
        spread = "patchy"
    else:
        spread = "undetermined"
    peripheral = Truth.UNKNOWN
    if found.rim_index is not None and found.rim_fraction is not None and found.core_fraction is not None:
        peripheral = Truth.of(found.rim_index >= 0.5 and found.rim_fraction >= 2.0 * found.core_fraction)
    ratio = found.mean_ratio or 1.0
    honeycomb = Truth.UNKNOWN if found.honeycomb is None else Truth.of(found.honeycomb >= 0.3)
    fine = found.fine_power
    foggy = Truth.UNKNOWN if fine is None else Truth.of(f >= 0.3 and 1.25 <= ratio < 1.6 and fine < 0.15)
    return Pattern(spread, peripheral, honeycomb, foggy, Truth.of(ratio >= 2.2))


def name_region(region: Region) -> str:
    """For sentences: whole muscle is named as such, other regions by their title."""
    if region.structure != "muscle":
        return region.title
    return "muscle as a whole" if region.side is None else f"muscle of the {region.side} side"


def _number(value: float, ci95: tuple[float, float] | None, unit: str = " %") -> str:
    text = f"{value:.0f}{unit}"
    return text if ci95 is None else f"{text} (95 % CI {ci95[0]:.0f} to {ci95[1]:.0f}{unit})"


def _find(rows: Sequence[Measurement], region: Region, quantity: str) -> Measurement | None:
    return next((row for row in rows if row.region == region and row.quantity == quantity), None)


def expected_false_positive(median: float, spread_below: float, limit: float) -> float:
    """Share of normal voxels that noise alone puts above a limit, 0 where the median itself lies above it.

    Examples
    --------
    >>> round(expected_false_positive(34.0, 2.5, 39.0), 3)
    0.023
    """
    if median >= limit or spread_below <= 0.0:
        return 0.0
    return float(stats.norm.sf((limit - median) / spread_below))


def sides_with_muscles(regions: Iterable[Region]) -> frozenset[Side | None]:
    """Sides of which single muscles are labeled."""
    return frozenset(r.side for r in regions if STRUCTURES[r.structure].kind is StructureKind.MUSCLE)


def is_positive(fraction: Measurement, noise_percent: float, *, muscles_drawn: bool = True) -> Truth:
    """Whether a region is edematous: fraction beyond noise above the published 2.5 %; UNKNOWN when it was not measured.

    A fraction whose interval still reaches down to what noise alone gives is not called; where noise alone gives more
    than `NOISY_PERCENT`, a fraction above the published limit is UNKNOWN rather than absent. The published limit is of
    single muscles: of a region whose muscles were not drawn one by one, a fraction up to `UNDRAWN_PERCENT` is UNKNOWN.
    """
    if fraction.value is None:
        return Truth.UNKNOWN
    hidden = noise_percent > NOISY_PERCENT and fraction.value > POSITIVE_PERCENT
    if fraction.value - noise_percent <= POSITIVE_PERCENT:
        return Truth.UNKNOWN if hidden else Truth.FALSE
    if fraction.ci95 is not None and fraction.ci95[0] <= noise_percent:
        return Truth.UNKNOWN if hidden else Truth.FALSE
    if not muscles_drawn and fraction.value - noise_percent <= UNDRAWN_PERCENT:
        return Truth.UNKNOWN
    return Truth.TRUE


def edema_findings(
    rows: Sequence[Measurement],
    *,
    prefix: str,
    reference: str,
    noise_percent: Mapping[Region, float],
    excluded: Mapping[str, float],
    limits: tuple[str, ...],
    evidence: tuple[str, ...],
) -> tuple[Finding, ...]:
    """Findings of edema by side and compartment, with the muscles that carry it.

    Parameters
    ----------
    rows : sequence of Measurement
        From `measure_edema`.
    prefix : str
        Prefix of the quantities.
    reference : str
        What normal was, in words.
    noise_percent : mapping of Region to float
        Expected above the limit by noise. [%]
    excluded : mapping of reason to float
        Share of muscle left out. [%]
    """
    findings: list[Finding] = []
    quantity = f"{prefix}_fraction"
    groups = [
        row.region
        for row in rows
        if row.quantity == quantity
        and row.region.side is not None
        and (row.region.structure == "muscle" or STRUCTURES[row.region.structure].kind is StructureKind.COMPARTMENT)
    ]
    notes = _excluded_note(excluded)
    drawn = sides_with_muscles(row.region for row in rows)
    for region in groups:
        fraction = _find(rows, region, quantity)
        assert fraction is not None
        noise = noise_percent.get(region, 0.0)
        present = is_positive(fraction, noise, muscles_drawn=region.side in drawn)
        muscles = _muscles_of(rows, region, quantity, noise_percent)
        numbers = tuple(
            row
            for row in rows
            if row.region == region and row.quantity.startswith(f"{prefix}_") and row.value is not None
        )
        findings.append(
            Finding(
                kind=FindingKind.EDEMA,
                present=present,
                statement=_statement(
                    region, fraction, present, muscles, _unseen(rows, region, quantity), reference, noise
                ),
                regions=(region, *(row.region for row in muscles)),
                measurements=numbers,
                limits=(NOT_A_DIAGNOSIS, *limits, *notes),
                evidence=evidence if present is not Truth.UNKNOWN else (*evidence, "undrawn-muscle-fraction"),
                details={
                    "fraction_percent": fraction.value,
                    "reference": reference,
                    "expected_by_noise_percent": round(noise, 2),
                },
            )
        )
    return tuple(findings)


def _muscles_of(
    rows: Sequence[Measurement], region: Region, quantity: str, noise_percent: Mapping[Region, float]
) -> list[Measurement]:
    """Positive muscles of a side or compartment, most edema first."""
    if region.structure == "muscle":
        return []
    members = [
        row
        for row in rows
        if row.quantity == quantity
        and row.region.side == region.side
        and STRUCTURES[row.region.structure].kind is StructureKind.MUSCLE
        and STRUCTURES[row.region.structure].compartment == region.structure
        and is_positive(row, noise_percent.get(row.region, 0.0)) is Truth.TRUE
    ]
    return sorted(members, key=lambda row: -(row.value or 0.0))


def _unseen(rows: Sequence[Measurement], region: Region, quantity: str) -> list[Region]:
    """Muscles of a compartment that were drawn but could not be judged."""
    return [
        row.region
        for row in rows
        if row.quantity == quantity
        and row.region.side == region.side
        and STRUCTURES[row.region.structure].compartment == region.structure
        and row.missing is not None
        and row.missing.code != "M_EMPTY_REGION"
    ]


def _statement(
    region: Region,
    fraction: Measurement,
    present: Truth,
    muscles: Sequence[Measurement],
    unseen: Sequence[Region],
    reference: str,
    noise: float,
) -> str:
    where = name_region(region)
    if fraction.value is None:
        reason = fraction.missing.reason if fraction.missing else ""
        return f"Edema of the {where} could not be assessed: {reason}"
    amount = _number(fraction.value, fraction.ci95)
    if present is Truth.UNKNOWN and noise > NOISY_PERCENT:
        return (
            f"Signal above the limit in {amount} of the {where} (reference: {reference}): noise alone may put "
            f"{noise:.0f} % above it, so edema is neither stated nor excluded."
        )
    if present is Truth.UNKNOWN:
        return (
            f"Signal above the limit in {amount} of the {where} (reference: {reference}): as much as vessels and septa "
            "can give where single muscles are not labeled, so edema is neither stated nor excluded."
        )
    hidden = "; not assessable: " + ", ".join(STRUCTURES[item.structure].title for item in unseen) if unseen else ""
    if present is not Truth.TRUE:
        seen = "the part of the " if unseen else "the "
        text = f"No edema of {seen}{where}{' that can be judged' if unseen else ''} beyond measurement error"
        return f"{text} ({amount} above the limit; reference: {reference}){hidden}."
    text = f"Edema-like signal in {amount} of the {where} (reference: {reference})"
    if muscles:
        named = [f"{STRUCTURES[row.region.structure].title} {row.value:.0f} %" for row in muscles[:5]]
        text += ", " + ("in the " if len(named) == 1 else "most in the ") + ", ".join(named)
    return f"{text}{hidden}."


def distal_finding(
    rows: Sequence[Measurement], *, prefix: str, noise_percent: Mapping[Region, float], reference: str
) -> Finding:
    """Muscles of forearm, hand, leg and foot, named whether or not they were seen."""
    judged = [
        row
        for row in rows
        if row.quantity == f"{prefix}_fraction"
        and row.value is not None
        and STRUCTURES[row.region.structure].body_part in DISTAL_PARTS
    ]
    parts = " and ".join(sorted({STRUCTURES[row.region.structure].body_part.value for row in judged}))
    ill = [row for row in judged if is_positive(row, noise_percent.get(row.region, 0.0)) is Truth.TRUE]
    limits = ("Distal edema is easily missed on examination; published counts are of children on whole-body MR.",)
    if not judged:
        text = "No distal muscle (forearm, hand, leg, foot) is labeled by name here: not assessable."
        regions: tuple[Region, ...] = (Region("all"),)
    elif ill:
        ill.sort(key=lambda row: -(row.value or 0.0))
        named = ", ".join(f"{row.region.title} {row.value:.0f} %" for row in ill[:5])
        text = f"Distal muscles ({parts}): edema-like signal, most in {named} (reference: {reference})."
        regions = tuple(row.region for row in ill)
    else:
        text = f"Distal muscles ({parts}): no edema beyond measurement error in {len(judged)} regions."
        regions = tuple(row.region for row in judged)
    return Finding(
        FindingKind.EDEMA,
        Truth.UNKNOWN if not judged else Truth.of(bool(ill)),
        text,
        regions,
        tuple(ill),
        limits,
        ("distal-involvement",),
        {"distal_regions_judged": float(len(judged)), "distal_regions_positive": float(len(ill))},
    )


def _excluded_note(excluded: Mapping[str, float]) -> tuple[str, ...]:
    parts = [f"{name} {share:.0f} %" for name, share in excluded.items() if share >= 0.5]
    return (f"Not judged, as share of all muscle: {', '.join(parts)}.",) if parts else ()


def symmetry_finding(asymmetry: Measurement, *, positive: bool) -> Finding:
    """Symmetric, asymmetric or undetermined, from the interval of the asymmetry index of one structure."""
    title = name_region(asymmetry.region)
    limits = (
        f"System default, not a published cut-off: symmetric within {SYMMETRY_BAND:.2f} of zero.",
        *(note for note in asymmetry.notes if note.startswith("Left and right")),
    )
    evidence = ("symmetry-band",)
    details: dict[str, str | float | None] = {"asymmetry": asymmetry.value, "class": "not assessed"}
    if asymmetry.value is None or not positive:
        reason = asymmetry.missing.reason if asymmetry.missing else "No edema that could be compared."
        return Finding(
            FindingKind.SYMMETRY,
            Truth.UNKNOWN,
            f"Symmetry of edema of the {title} cannot be stated: {reason}",
            (asymmetry.region,),
            (asymmetry,),
            limits,
            evidence,
            details,
        )
    low, high = asymmetry.ci95 if asymmetry.ci95 is not None else (-1.0, 1.0)
    if low >= -SYMMETRY_BAND and high <= SYMMETRY_BAND:
        kind, present = "symmetric", Truth.TRUE
    elif low > SYMMETRY_BAND or high < -SYMMETRY_BAND:
        kind, present = "asymmetric", Truth.FALSE
    else:
        kind, present = "undetermined", Truth.UNKNOWN
    details["class"] = kind
    interval = f"index {asymmetry.value:+.2f}, 95 % CI {low:+.2f} to {high:+.2f}; positive is more on the left"
    side = Side.LEFT if asymmetry.value > 0 else Side.RIGHT
    words = {
        "symmetric": f"Edema of the {title} is symmetric ({interval}).",
        "asymmetric": f"Edema of the {title} is asymmetric, more on the {side} ({interval}).",
        "undetermined": f"Whether edema of the {title} is symmetric is undetermined ({interval}).",
    }
    return Finding(
        FindingKind.SYMMETRY, present, words[kind], (asymmetry.region,), (asymmetry,), limits, evidence, details
    )


def distribution_finding(region: Region, found: EdemaDistribution, rows: tuple[Measurement, ...]) -> Finding:
    """Patchy, diffuse or focal, with peripheral, honeycomb, foggy and strong where they can be judged."""
    pattern = classify(found)
    words = [] if pattern.spread == "none" else [pattern.spread]
    for name, truth in (("peripheral", pattern.peripheral), ("foggy", pattern.foggy), ("strong", pattern.strong)):
        if truth is Truth.TRUE:
            words.append(name)
    if pattern.honeycomb is Truth.TRUE:
        words.append("honeycomb-like")
    limits = ["Pattern names follow system rules; their published accuracy is that of readers, not of this program."]
    if pattern.honeycomb is Truth.UNKNOWN:
        limits.append(
            "Honeycomb not assessable: slices across the limb of at most 5 mm, with pixels of at most 1.0 mm, are "
            "needed."
        )
    present = Truth.UNKNOWN if pattern.spread == "undetermined" else Truth.of(pattern.spread != "none")
    if pattern.spread == "none":
        text = f"No edema pattern in the {name_region(region)}."
    elif pattern.spread == "undetermined":
        text = f"The pattern of edema in the {name_region(region)} is neither clearly patchy nor diffuse."
    else:
        size = f"; patches of about {found.range_mm:.0f} mm" if pattern.spread == "patchy" else ""
        sets = "one connected set" if found.n_clusters == 1 else f"{found.n_clusters} separate sets"
        text = f"Edema of the {name_region(region)} is {', '.join(words)} ({sets}{size})."
    return Finding(
        FindingKind.DISTRIBUTION,
        present,
        text,
        (region,),
        tuple(row for row in rows if row.value is not None),
        tuple(limits),
        ("pattern-classes",),
        {
            "spread": pattern.spread,
            "peripheral": pattern.peripheral.name.lower(),
            "honeycomb": pattern.honeycomb.name.lower(),
            "foggy": pattern.foggy.name.lower(),
            "strong": pattern.strong.name.lower(),
        },
    )


def no_reference_finding(reason: str, ranking: Sequence[tuple[Region, float]]) -> Finding:
    """STIR without a valid reference: no fraction, only the order of muscles."""
    order = ", ".join(region.title for region, _ in ranking[:3])
    text = f"Edema cannot be counted on STIR: {reason}."
    if order:
        text += f" Brightest on this image, which may be normal: {order}."
    return Finding(
        FindingKind.EDEMA,
        Truth.UNKNOWN,
        text,
        tuple(region for region, _ in ranking[:3]),
        (),
        (
            "Scoring against the patient's own median muscle would call widespread edema normal; it is not done.",
            NOT_A_DIAGNOSIS,
        ),
        ("stir-reference-order", "stir-median-rule-fails"),
        {"reference": "none"},
    )


def joint_fit_finding() -> Finding:
    """Water T2 that was fitted together with fat: region medians stand, edema is not called."""
    return Finding(
        FindingKind.EDEMA,
        Truth.UNKNOWN,
        "Edema was not assessed: water T2 was fitted jointly with fat, which is too imprecise for single voxels. "
        "Medians of "
        "regions are reported.",
        (),
        (),
        ("A Dixon series of the same session, or STIR with a reference, would allow it.", NOT_A_DIAGNOSIS),
        ("t2-upper-limit-default",),
        {"reference": "none"},
    )
