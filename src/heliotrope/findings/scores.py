"""Published ordinal scores as views over continuous measures, item by item, with coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.domain.whole_body import INVENTORY, N_COMPARTMENTS, inventory_regions
from heliotrope.findings.change import REPEATABILITY
from heliotrope.findings.damage import ATROPHY_SHARE, compartments_told_by_muscles, fat_grade

FloatArray = NDArray[np.float64]

EXTENT_LIMITS = (2.5, 30.0, 75.0)
"""Extent 0-3 (Wilks, joined to the 2.5 % of Dahlqvist). [%]"""

INTENSITY_LIMITS = (1.25, 1.6, 2.2)
"""Intensity 0-3 of STIR over normal muscle. [1]"""

LAYER_PERCENT = 10.0
"""Share of fascia or subcutis over a compartment above which its item is 1; evidence ``fascia-rule``. [%]"""

AREA_REPEATABILITY_PERCENT = REPEATABILITY["contractile_area"].coefficient
"""How far two contractile areas of unchanged muscle may differ; the sides of a person are taken as two. [%]"""

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
    changes : float or None
        Probability that the grade would differ by one or more within the interval of its measurement, 0 to 1; None
        where the measurement has no interval.
    measured : str
        What the grade was read from, with its interval.
    """

    region: Region
    grade: int
    changes: float | None
    measured: str


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


def _values(rows: Sequence[Measurement]) -> dict[tuple[Region, str], Measurement]:
    """The row that speaks for a region and quantity: fraction, mean or total where there is one, else the first."""
    found: dict[tuple[Region, str], Measurement] = {}
    for row in reversed(rows):
        found[row.region, row.quantity] = row
    for row in reversed(rows):
        if row.statistic in ("fraction", "mean", "total"):
            found[row.region, row.quantity] = row
    return found


def muscles_of_rows(rows: Sequence[Measurement]) -> tuple[str, ...]:
    """Single muscles whose edema fraction was asked for, in the order of the rows."""
    asked = (row.region.structure for row in rows if row.quantity == "edema_fraction")
    return tuple(dict.fromkeys(name for name in asked if STRUCTURES[name].kind is StructureKind.MUSCLE))


def _draws(row: Measurement, generator: np.random.Generator) -> FloatArray | None:
    """Values a measurement could as well have had; None without an interval."""
    if row.value is None or row.ci95 is None:
        return None
    sd = (row.ci95[1] - row.ci95[0]) / 3.92
    return np.asarray(generator.normal(row.value, max(sd, 1e-12), N_DRAWS))


def _said(value: float, ci95: tuple[float, float] | None, what: str, digits: int) -> str:
    interval = "" if ci95 is None else f" ({ci95[0]:.{digits}f} to {ci95[1]:.{digits}f})"
    return f"{value:.{digits}f}{interval} {what}"


def _share(grades: FloatArray | None, grade: int) -> float | None:
    return None if grades is None else float(np.mean(grades != grade))


def _graded(values: FloatArray | None, grade: Callable[[float], int]) -> FloatArray | None:
    return None if values is None else np.array([grade(float(value)) for value in values], dtype=np.float64)


def _items(
    rows: Sequence[Measurement], structures: Sequence[str], generator: np.random.Generator
) -> Mapping[str, list[Item]]:
    """Extent, intensity, fat and combined grades of every region that was measured."""
    found: dict[str, list[Item]] = {name: [] for name in ("extent", "intensity", "fat", "combined", "binary", "muscle")}
    values = _values(rows)
    for structure in structures:
        for side in Side:
            region = Region(structure, side)
            fraction = values.get((region, "edema_fraction"))
            if fraction is not None and fraction.value is not None:
                for name, item in _edema_items(region, fraction, values.get((region, "edema_excess")), generator):
                    found[name].append(item)
            fat = values.get((region, "fat_fraction"))
            if fat is not None and fat.value is not None:
                grade = fat_grade(fat.value)
                moved = _graded(_draws(fat, generator), fat_grade)
                words = _said(fat.value, fat.ci95, "% fat", 1)
                found["fat"].append(Item(region, grade, _share(moved, grade), words))
    return found


def _edema_items(
    region: Region, fraction: Measurement, excess: Measurement | None, generator: np.random.Generator
) -> Iterator[tuple[str, Item]]:
    """Every grade that is read from fraction and brightness of edema, with the probability of another."""
    assert fraction.value is not None
    bright = excess if excess is not None and excess.value is not None else None
    ratio = 1.0 + (0.0 if bright is None or bright.value is None else bright.value)
    extent = extent_grade(fraction.value)
    intensity = intensity_grade(ratio) if extent else 0
    extents = _graded(_draws(fraction, generator), extent_grade)
    ratios = None if bright is None else _draws(bright, generator)
    intensities = None
    if extents is not None:
        drawn = np.full(extents.shape, ratio) if ratios is None else 1.0 + ratios
        grades = np.array([intensity_grade(float(value)) for value in drawn], dtype=np.float64)
        intensities = np.where(extents > 0, grades, 0.0)
    spread = _said(fraction.value, fraction.ci95, "% edema", 1)
    brightness = (
        "no edema"
        if bright is None
        else _said(
            ratio, None if bright.ci95 is None else (1.0 + bright.ci95[0], 1.0 + bright.ci95[1]), "times normal", 2
        )
    )

    def combined(i: float, e: float) -> int:
        return gramegna_grade(int(i), int(e))

    pairs = None if extents is None or intensities is None else zip(intensities, extents, strict=True)
    both = None if pairs is None else np.array([combined(i, e) for i, e in pairs], dtype=np.float64)
    muscle = _graded(intensities, lambda value: malattia_grade(int(value)))
    binary = None if extents is None else (extents > 0).astype(np.float64)
    together = combined(intensity, extent)
    yield "extent", Item(region, extent, _share(extents, extent), spread)
    yield "intensity", Item(region, intensity, _share(intensities, intensity), brightness)
    yield "combined", Item(region, together, _share(both, together), f"{spread}, {brightness}")
    yield "binary", Item(region, int(extent > 0), _share(binary, int(extent > 0)), spread)
    yield "muscle", Item(region, malattia_grade(intensity), _share(muscle, malattia_grade(intensity)), brightness)


def _binary_items(rows: Sequence[Measurement], generator: np.random.Generator) -> Mapping[str, list[Item]]:
    """Fascia, subcutis and atrophy, 0 or 1, of every compartment in which they were measured."""
    found: dict[str, list[Item]] = {"fascia": [], "subcutis": [], "atrophy": []}
    told = compartments_told_by_muscles(rows)
    by_region = _values(rows)
    for region in inventory_regions():
        for name, quantity in (("fascia", "fascia_extent"), ("subcutis", "subcutis_extent")):
            row = by_region.get((region, quantity))
            if row is not None and row.value is not None:
                grade = int(row.value > LAYER_PERCENT)
                moved = _graded(_draws(row, generator), lambda value: int(value > LAYER_PERCENT))
                found[name].append(Item(region, grade, _share(moved, grade), _said(row.value, row.ci95, "%", 1)))
        if not told:
            continue
        areas = [by_region.get((Region(region.structure, side), "contractile_area")) for side in (region.side, *Side)]
        values = [row.value for row in areas if row is not None and row.value is not None]
        if len(values) == len(areas) and max(values) > 0:
            below = 1.0 - values[0] / max(values)
            sd = AREA_REPEATABILITY_PERCENT / 1.96 / 100.0
            drawn = generator.normal(1.0 - values[0] / max(values[1:]), sd, N_DRAWS)
            grade = int(below > ATROPHY_SHARE)
            moved = (drawn > ATROPHY_SHARE).astype(np.float64)
            words = f"{100.0 * below:.0f} % below the other side"
            found["atrophy"].append(Item(region, grade, _share(moved, grade), words))
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
        details[f"measured {key}"] = item.measured
        details[f"may change {key}"] = None if item.changes is None else round(item.changes, 3)
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
    binary = _binary_items(rows, generator)
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
            for name, items in binary.items()
        ),
        _score(
            "malattia-36",
            "Whole-body score for juvenile dermatomyositis (36 groups), muscle",
            compartments["muscle"],
            36,
            "score-malattia-36",
            limits=(
                "Group list of the original is not public in full; the compartments of the whole-body inventory stand "
                "for its groups.",
            ),
        ),
        *(
            _score(
                f"malattia-36/{name}",
                f"Whole-body score for juvenile dermatomyositis (36 groups), {words}",
                binary[name],
                36,
                "score-malattia-36",
            )
            for name, words in (("fascia", "myofascial signal"), ("subcutis", "subcutaneous signal"))
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
