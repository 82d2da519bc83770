"""Published ordinal scores as views over continuous measures, item by item, with coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.domain.whole_body import INVENTORY, N_COMPARTMENTS, inventory_regions
from heliotrope.findings.damage import ATROPHY_SHARE, fat_grade

EXTENT_LIMITS = (2.5, 30.0, 75.0)
"""Extent 0-3 (Wilks, joined to the 2.5 % of Dahlqvist). [%]"""

INTENSITY_LIMITS = (1.25, 1.6, 2.2)
"""Intensity 0-3 of STIR over normal muscle. [1]"""

LAYER_PERCENT = 10.0
"""Share of fascia or subcutis over a compartment above which its item is 1; evidence ``fascia-rule``. [%]"""

N_DRAWS = 200

_GRAMEGNA = (
    "sartorius",
    "rectus_femoris",
    "vastus_lateralis",
    "vastus_intermedius",
    "vastus_medialis",
    "gracilis",
    "adductor_magnus",
    "adductor_longus",
    "biceps_femoris_long_head",
    "semitendinosus",
    "semimembranosus",
    "tibialis_anterior",
    "extensor_digitorum_longus",
    "fibularis_longus",
    "tibialis_posterior",
    "flexor_hallucis_longus",
    "soleus",
    "gastrocnemius_medial_head",
    "gastrocnemius_lateral_head",
)
_PIPITONE = (
    *_GRAMEGNA[:11],
    "biceps_femoris_short_head",
    "gluteus_maximus",
    "gluteus_medius",
    "gluteus_minimus",
    "tensor_fasciae_latae",
    "iliopsoas",
)


@dataclass(frozen=True)
class Item:
    """One graded region.

    Parameters
    ----------
    region : Region
    grade : int
    changes : float
        Probability that the grade would differ by one or more within the interval of its measurement, 0 to 1.
    """

    region: Region
    grade: int
    changes: float


def extent_grade(percent: float) -> int:
    """Extent 0-3: up to 2.5, 30, 75 % of the muscle.

    Examples
    --------
    >>> [extent_grade(p) for p in (2.5, 2.6, 30.0, 31.0, 76.0)]
    [0, 1, 1, 2, 3]
    """
    return sum(percent > limit for limit in EXTENT_LIMITS)


def intensity_grade(ratio: float) -> int:
    """Intensity 0-3 of the mean ratio inside edema."""
    return sum(ratio >= limit for limit in INTENSITY_LIMITS)


def gramegna_grade(intensity: int, extent: int) -> int:
    """0 where either is 0, else the rounded root of their product, at least 1.

    Examples
    --------
    >>> [gramegna_grade(i, e) for i, e in ((0, 3), (1, 1), (2, 3), (3, 3))]
    [0, 1, 2, 3]
    """
    return 0 if intensity == 0 or extent == 0 else max(1, round(float(np.sqrt(intensity * extent))))


def malattia_grade(intensity: int) -> int:
    """Muscle item 0-2 from intensity 0-3."""
    return min(2, round(intensity * 2 / 3))


def _value(rows: Sequence[Measurement], region: Region, quantity: str) -> Measurement | None:
    found = [r for r in rows if r.region == region and r.quantity == quantity]
    preferred = [r for r in found if r.statistic in ("fraction", "mean", "total")]
    return next(iter(preferred or found), None)


def muscles_of_rows(rows: Sequence[Measurement]) -> tuple[str, ...]:
    """Single muscles whose edema fraction was asked for, in the order of the rows."""
    asked = (row.region.structure for row in rows if row.quantity == "edema_fraction")
    return tuple(dict.fromkeys(name for name in asked if STRUCTURES[name].kind is StructureKind.MUSCLE))


def _draws(row: Measurement, generator: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    assert row.value is not None
    sd = 0.0 if row.ci95 is None else (row.ci95[1] - row.ci95[0]) / 3.92
    return np.asarray(generator.normal(row.value, max(sd, 1e-12), N_DRAWS))


def _items(
    rows: Sequence[Measurement], structures: Sequence[str], generator: np.random.Generator
) -> Mapping[str, list[Item]]:
    """Extent, intensity, fat and combined grades of every region that was measured."""
    found: dict[str, list[Item]] = {"extent": [], "intensity": [], "fat": [], "combined": [], "binary": []}
    for structure in structures:
        for side in Side:
            region = Region(structure, side)
            fraction = _value(rows, region, "edema_fraction")
            fat = _value(rows, region, "fat_fraction")
            if fraction is not None and fraction.value is not None:
                excess = _value(rows, region, "edema_excess")
                ratio = 1.0 + (excess.value if excess is not None and excess.value is not None else 0.0)
                extent = extent_grade(fraction.value)
                intensity = intensity_grade(ratio) if extent else 0
                moved = np.array([extent_grade(v) for v in _draws(fraction, generator)])
                brighter = 1.0 + _draws(excess, generator) if excess is not None and excess.value is not None else ratio
                graded = np.where(moved > 0, [intensity_grade(v) for v in np.broadcast_to(brighter, moved.shape)], 0)
                combined = gramegna_grade(intensity, extent)
                both = np.array([gramegna_grade(i, e) for i, e in zip(graded.tolist(), moved.tolist(), strict=True)])
                found["extent"].append(Item(region, extent, float(np.mean(moved != extent))))
                found["intensity"].append(Item(region, intensity, float(np.mean(graded != intensity))))
                found["combined"].append(Item(region, combined, float(np.mean(both != combined))))
                found["binary"].append(Item(region, int(extent > 0), float(np.mean((moved > 0) != (extent > 0)))))
            if fat is not None and fat.value is not None:
                grade = fat_grade(fat.value)
                moved = np.array([fat_grade(v) for v in _draws(fat, generator)])
                found["fat"].append(Item(region, grade, float(np.mean(moved != grade))))
    return found


def _binary_items(rows: Sequence[Measurement]) -> Mapping[str, list[Item]]:
    """Fascia, subcutis and atrophy, 0 or 1, of every compartment in which they were measured."""
    found: dict[str, list[Item]] = {"fascia": [], "subcutis": [], "atrophy": []}
    for region in inventory_regions():
        for name, quantity in (("fascia", "fascia_extent"), ("subcutis", "subcutis_extent")):
            row = _value(rows, region, quantity)
            if row is not None and row.value is not None:
                found[name].append(Item(region, int(row.value > LAYER_PERCENT), 0.0))
        areas = [_value(rows, Region(region.structure, side), "contractile_area") for side in (region.side, *Side)]
        values = [row.value for row in areas if row is not None and row.value is not None]
        if len(values) == len(areas) and max(values) > 0:
            found["atrophy"].append(Item(region, int(1.0 - values[0] / max(values) > ATROPHY_SHARE), 0.0))
    return found


def _score(
    instrument: str, text: str, items: Sequence[Item], possible: int, evidence: str, *, limits: tuple[str, ...] = ()
) -> Finding:
    total = float(sum(item.grade for item in items))
    details: dict[str, str | float | None] = {
        "instrument": instrument,
        "sum_over_covered": total if items else None,
        "items_covered": float(len(items)),
        "items_of_instrument": float(possible),
        "prorated": None,
    }
    for item in items:
        key = f"{item.region.side} {item.region.structure}"
        details[f"item {key}"] = float(item.grade)
        details[f"may change {key}"] = round(item.changes, 3)
    if not items:
        statement = f"{text}: not derivable, none of its regions was measured."
        present = Truth.UNKNOWN
    else:
        statement = f"{text}: {total:.0f} over {len(items)} of {possible} items"
        missing = 1.0 - len(items) / possible
        if missing > 0.2:
            statement += "; too few are covered to estimate the whole."
        else:
            details["prorated"] = total * possible / len(items)
            statement += "." if missing == 0 else f"; prorated to all items {details['prorated']:.0f}."
        present = Truth.of(total > 0)
    note = (
        "Derived from measurements as a view; published performance is that of readers and holds for their populations."
    )
    return Finding(
        FindingKind.SCORE,
        present,
        statement,
        tuple(item.region for item in items),
        (),
        (note, *limits),
        (evidence,),
        details,
    )


def score_findings(
    rows: Sequence[Measurement], other: Sequence[Finding], *, generator: np.random.Generator
) -> tuple[Finding, ...]:
    """Every score the study allows, in parallel; none is the product's own.

    Parameters
    ----------
    rows : sequence of Measurement
    other : sequence of Finding
        Fascia, subcutis and distribution, for the pattern count.
    generator : numpy.random.Generator
    """
    compartments = _items(rows, [row.structure for row in INVENTORY], generator)
    muscles = _items(rows, _GRAMEGNA, generator)
    pelvis = _items(rows, _PIPITONE, generator)
    results = [
        _score(
            "nih-iim-34/intensity",
            "NIH whole-body tool, STIR intensity",
            compartments["intensity"],
            N_COMPARTMENTS,
            "score-nih-34",
        ),
        _score(
            "nih-iim-34/extent",
            "NIH whole-body tool, STIR extent",
            compartments["extent"],
            N_COMPARTMENTS,
            "score-nih-34",
        ),
        _score("nih-iim-34/fat", "NIH whole-body tool, fat", compartments["fat"], N_COMPARTMENTS, "score-nih-34"),
        *(
            _score(f"nih-iim-34/{name}", f"NIH whole-body tool, {name}", items, N_COMPARTMENTS, "score-nih-34")
            for name, items in _binary_items(rows).items()
        ),
        _score(
            "malattia-36",
            "Whole-body score for juvenile dermatomyositis (36 groups), muscle",
            [Item(i.region, malattia_grade(i.grade), i.changes) for i in compartments["intensity"]],
            36,
            "score-malattia-36",
            limits=(
                "Group list of the original is not public in full; the compartments of the whole-body inventory stand "
                "for its groups.",
            ),
        ),
        _score(
            "gramegna-lower-limb",
            "Lower-limb edema score (Gramegna)",
            muscles["combined"],
            38,
            "score-gramegna",
            limits=("A published cut-off of 18 of 114 applies to the full score only.",),
        ),
        _score(
            "pipitone-binary", "Binary edema of thigh and pelvis (Pipitone)", pelvis["binary"], 34, "score-pipitone"
        ),
        _score(
            "quantitative-stir",
            "Muscles positive by quantitative STIR (more than 2.5 % above the limit)",
            _items(rows, muscles_of_rows(rows), generator)["binary"],
            2 * len(muscles_of_rows(rows)),
            "score-quantitative-stir",
            limits=("Counts the muscles labeled here; it has no fixed list and no sum to prorate to.",),
        ),
        _ukichi(other),
    ]
    derived = [
        item for item in results if item.present is not Truth.UNKNOWN or item.details.get("high") in (1.0, 2.0, 3.0)
    ]
    if not derived:
        return ()
    derived.append(
        Finding(
            FindingKind.SCORE,
            Truth.UNKNOWN,
            "The thigh tool of Davis and the JDM Image Score are entered by a reader: their item weights are not "
            "public.",
            details={"instrument": "davis-jdm-thigh, jdm-image-score", "source": "reader-entered"},
            evidence=("score-reader-entered",),
        )
    )
    return tuple(derived)


def _ukichi(other: Sequence[Finding]) -> Finding:
    """Count of subcutaneous, fascial, peripheral and honeycomb signal; an interval when some could not be judged."""

    def any_of(truths: Sequence[Truth]) -> Truth:
        if Truth.TRUE in truths:
            return Truth.TRUE
        return Truth.UNKNOWN if not truths or Truth.UNKNOWN in truths else Truth.FALSE

    def pattern(key: str) -> Truth:
        words = [str(f.details.get(key)) for f in other if f.kind is FindingKind.DISTRIBUTION]
        return any_of([{"true": Truth.TRUE, "false": Truth.FALSE}.get(word, Truth.UNKNOWN) for word in words])

    items = {
        "subcutaneous": any_of([f.present for f in other if f.kind is FindingKind.SUBCUTIS]),
        "fascial": any_of([f.present for f in other if f.kind is FindingKind.FASCIA]),
        "peripheral": pattern("peripheral"),
        "honeycomb": pattern("honeycomb"),
    }
    low = sum(item is Truth.TRUE for item in items.values())
    high = low + sum(item is Truth.UNKNOWN for item in items.values())
    total = f"{low}" if low == high else f"{low} to {high}"
    unknown = [name for name, item in items.items() if item is Truth.UNKNOWN]
    text = f"Pattern count (Ukichi): {total} of 4"
    text += "." if not unknown else f"; not assessable: {', '.join(unknown)}."
    reached = Truth.TRUE if low >= 3 else Truth.FALSE if high < 3 else Truth.UNKNOWN
    return Finding(
        FindingKind.SCORE,
        reached,
        text,
        limits=(
            "Among 36 dermatomyositis and 52 other patients, three or more had sensitivity 72.2 % and specificity "
            "88.5 % by "
            "readers; this says nothing about a single patient.",
        ),
        evidence=("score-ukichi",),
        details={
            "instrument": "ukichi-pattern-count",
            "low": float(low),
            "high": float(high),
            **{name: item.name.lower() for name, item in items.items()},
        },
    )
