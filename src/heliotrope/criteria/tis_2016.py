"""2016 ACR/EULAR myositis response criteria: the Total Improvement Score between two visits.

Each of six measures gives an absolute percent change (improvement over the whole range of the measure, better is
positive); a bin of it gives points; points add to 0-100. Bins are upper-inclusive, thresholds lower-inclusive.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from fractions import Fraction
from typing import Any, Final

from heliotrope.criteria.enzymes import ANALYTES, limit_scale, most_abnormal, upper_limit
from heliotrope.criteria.exact import rounded, text
from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.problems import Code
from heliotrope.criteria.record import Record

_STANDARD_CUTS: Final = (5, 15, 25, 40)
# Measure: cut-points in percent, points in tenths.
BINS: Final = {
    "physician_global": (_STANDARD_CUTS, (0, 75, 150, 175, 200)),
    "patient_global": (_STANDARD_CUTS, (0, 25, 50, 75, 100)),
    "muscle": ((2, 10, 20, 30), (0, 100, 200, 275, 325)),
    "function": (_STANDARD_CUTS, (0, 50, 75, 75, 100)),
    "enzyme_or_chq": (_STANDARD_CUTS, (0, 25, 50, 75, 75)),
    "extramuscular_or_das": (_STANDARD_CUTS, (0, 75, 125, 150, 200)),
}
CATEGORIES: Final = ("none", "minimal", "moderate", "major")
# Tenths of a point, lower bounds inclusive.
THRESHOLDS: Final = {"adult": (200, 400, 600), "juvenile": (300, 450, 700)}
CORE_SETS: Final = ("IMACS", "PRINTO")
MUSCLE_RANGES: Final = {"MMT8_UNI": 80, "MMT8_BI": 150, "MMT24": 260, "CMAS": 52}
# Range of an enzyme as a multiple of its ULN; unverified, so shown in every output and open to a site's own values.
ENZYME_RANGE_MULTIPLIERS: Final = {"CK": 15, "aldolase": 6, "ALT": 3, "AST": 3, "LDH": 3}
PERCENT_DECIMALS: Final = 4

_COMMON: Final = ("population", "core_set", "physician_global", "patient_global", "muscle", "function")
_OF_SET: Final = {
    "IMACS": ("enzymes", "enzyme_range_multiplier", "extramuscular"),
    "PRINTO": ("chq_phs", "das"),
}
_KNOWN: Final = (*_COMMON, *_OF_SET["IMACS"], *_OF_SET["PRINTO"])


def _pair(record: Record, name: str, high: int, unit: str = "") -> tuple[Fraction, Fraction] | None:
    """Baseline and follow-up of one measure, both within its range; problems are blamed on the measure."""
    if not record.given(name):
        return None
    section = record.section(name)
    if name == "muscle":
        section.only(("baseline", "followup", "instrument"))
    else:
        section.only(("baseline", "followup"))
    baseline = section.number("baseline", 0, high, unit, blame=name)
    followup = section.number("followup", 0, high, unit, blame=name)
    return None if baseline is None or followup is None else (baseline, followup)


def _fall(pair: tuple[Fraction, Fraction] | None, full_range: int) -> Fraction | None:
    return None if pair is None else 100 * (pair[0] - pair[1]) / full_range


def _muscle(record: Record, population: str | None) -> Fraction | None:
    if not record.given("muscle"):
        return None
    section = record.section("muscle")
    scale = section.choice("instrument", MUSCLE_RANGES, required=True)
    if scale == "CMAS" and population == "adult":
        hint = "use MMT8_UNI, MMT8_BI or MMT24 in adults"
        section.problem(Code.CONFLICT, "instrument", "CMAS is a pediatric scale, the population is adult", hint)
    full_range = MUSCLE_RANGES[scale] if scale is not None else max(MUSCLE_RANGES.values())
    pair = _pair(record, "muscle", full_range)
    return None if pair is None else 100 * (pair[1] - pair[0]) / full_range


def range_multipliers(record: Record) -> dict[str, Fraction]:
    """The ranges a site chose itself, as multiples of the ULN."""
    section = record.section("enzyme_range_multiplier")
    section.only(ANALYTES)
    multipliers: dict[str, Fraction] = {}
    for name in ANALYTES:
        chosen = section.number(name, 0, 1000)
        if chosen == 0:
            section.problem(Code.RANGE, name, "0 is no range", "give the multiple of the ULN that spans the range")
        elif chosen is not None:
            multipliers[name] = chosen
    return multipliers


def _enzyme(record: Record, multipliers: dict[str, Fraction]) -> tuple[Fraction | None, str | None]:
    """Percent change of the enzyme that was most abnormal at baseline, which stays chosen at follow-up."""
    enzymes = record.section("enzymes")
    enzymes.only(ANALYTES)
    at_baseline: dict[str, Fraction] = {}
    at_followup: dict[str, Fraction] = {}
    for name in ANALYTES:
        if not enzymes.given(name):
            continue
        analyte = enzymes.section(name)
        analyte.only(("baseline", "followup", "uln", "unit", "uln_unit"))
        baseline, followup = (analyte.number(end, 0, None, blame=f"enzymes.{name}") for end in ("baseline", "followup"))
        limit, scale = upper_limit(analyte), limit_scale(analyte)
        if limit is not None and baseline is not None:
            at_baseline[name] = baseline * scale / limit
        if limit is not None and followup is not None:
            at_followup[name] = followup * scale / limit
    chosen = most_abnormal(at_baseline)
    if chosen is None or chosen not in at_followup:
        return None, chosen
    return 100 * (at_baseline[chosen] - at_followup[chosen]) / multipliers[chosen], chosen


def quality_of_life(record: Record, names: tuple[str, ...]) -> tuple[tuple[Fraction | None, ...], Fraction] | None:
    """CHQ-PhS values, and the width of the scale, whose ends must stand beside them."""
    if not record.given("chq_phs"):
        return None
    section = record.section("chq_phs")
    section.only((*names, "range_min", "range_max"))
    low, high = section.number("range_min"), section.number("range_max")
    if not (section.given("range_min") and section.given("range_max")):
        hint = "give range_min and range_max of the scale; the range in use was not found in any source"
        record.problem(Code.MISSING, "chq_phs", "the range of the scale is not given", hint)
    values = tuple(section.number(name, blame=f"{record.path}chq_phs") for name in names)
    if low is None or high is None:
        return None
    if high <= low:
        record.problem(Code.RANGE, "chq_phs", "range_max is not above range_min", "give the ends of the scale")
        return None
    for value in values:
        if value is not None and not low <= value <= high:
            said = f"{text(value)} is outside {text(low)} to {text(high)}"
            record.problem(Code.RANGE, "chq_phs", said, "check the range of the scale")
    return values, high - low


def _quality_change(record: Record) -> Fraction | None:
    read = quality_of_life(record, ("baseline", "followup"))
    if read is None:
        return None
    (baseline, followup), width = read
    return None if baseline is None or followup is None else 100 * (followup - baseline) / width


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(_KNOWN)
    population = record.choice("population", THRESHOLDS, required=True)
    core_set = record.choice("core_set", CORE_SETS, required=True)
    if core_set == "PRINTO" and population == "adult":
        record.problem(Code.CONFLICT, "core_set", "the PRINTO core set is for juvenile disease", "use IMACS in adults")
    if core_set is not None:
        other = CORE_SETS[1 - CORE_SETS.index(core_set)]
        for name in _OF_SET[other]:
            if record.given(name):
                said = f"a measure of the {other} core set in a score of the {core_set} core set"
                record.problem(Code.CONFLICT, name, said, "keep the measures of one core set in one score")
    multipliers = {name: Fraction(value) for name, value in ENZYME_RANGE_MULTIPLIERS.items()}
    multipliers |= range_multipliers(record)
    enzyme, enzyme_used = _enzyme(record, multipliers)
    quality = _quality_change(record)
    extramuscular = _fall(_pair(record, "extramuscular", 10, "cm"), 10)
    das = _fall(_pair(record, "das", 20), 20)
    is_imacs = core_set == "IMACS"
    change = {
        "physician_global": _fall(_pair(record, "physician_global", 10, "cm"), 10),
        "patient_global": _fall(_pair(record, "patient_global", 10, "cm"), 10),
        "muscle": _muscle(record, population),
        "function": _fall(_pair(record, "function", 3), 3),
        "enzyme_or_chq": enzyme if is_imacs else quality,
        "extramuscular_or_das": extramuscular if is_imacs else das,
    }
    record.settle()
    assert population is not None

    tenths: dict[str, int | None] = {}
    low = high = 0
    for name, (cuts, points) in BINS.items():
        percent = change[name]
        if percent is None:
            tenths[name] = None
            high += points[-1]
        else:
            scored = points[bisect_left(cuts, percent)]
            tenths[name] = scored
            low += scored
            high += scored
    assessable = tenths["physician_global"] is not None and tenths["muscle"] is not None
    complete = None not in tenths.values()
    thresholds = THRESHOLDS[population]
    rank_low, rank_high = bisect_right(thresholds, low), bisect_right(thresholds, high)
    fields = {
        "status": "complete" if complete else "partial" if assessable else "not_assessable",
        "tis": Fraction(low, 10) if complete else None,
        "tis_min": Fraction(low, 10) if assessable else None,
        "tis_max": Fraction(high, 10) if assessable else None,
        "category": CATEGORIES[rank_low] if assessable and rank_low == rank_high else None,
        "category_min": CATEGORIES[rank_low] if assessable else None,
        "category_max": CATEGORIES[rank_high] if assessable else None,
        "enzyme_used": enzyme_used if is_imacs else None,
        "pct": {name: None if value is None else rounded(value, PERCENT_DECIMALS) for name, value in change.items()},
        "points": {name: None if value is None else Fraction(value, 10) for name, value in tenths.items()},
        "enzyme_range_multiplier": multipliers[enzyme_used] if is_imacs and enzyme_used is not None else None,
    }
    if trace is not None:
        _trace(trace, change, tenths, fields, population)
    return fields


def _trace(
    trace: Trace,
    change: dict[str, Fraction | None],
    tenths: dict[str, int | None],
    fields: dict[str, Any],
    population: str,
) -> None:
    if fields["enzyme_used"] is not None:
        said = f"{fields['enzyme_used']}, range {text(fields['enzyme_range_multiplier'])} x ULN"
        trace.add("enzyme", said, "enzymes-most-abnormal", "tis-enzyme-range")
    if fields["enzyme_used"] is None and change["enzyme_or_chq"] is not None:
        trace.add("CHQ-PhS", "range as supplied with the record", "tis-chq-range")
    for name, (_cuts, points) in BINS.items():
        percent, scored = change[name], tenths[name]
        full = text(Fraction(points[-1], 10))
        if percent is None or scored is None:
            trace.add(name, f"not known: 0 to {full} points", "tis-bins", "tis-missing")
        else:
            said = f"{text(percent)} % of the range: {text(Fraction(scored, 10))} of {full} points"
            trace.add(name, said, "tis-bins", "tis-absolute-change")
    if fields["tis_min"] is None:
        trace.add("total", "physician global or muscle measure not known: not assessable", "tis-missing")
        return
    limits = ", ".join(
        f"{name} from {cut // 10}" for name, cut in zip(CATEGORIES[1:], THRESHOLDS[population], strict=True)
    )
    said = f"{text(fields['tis_min'])} to {text(fields['tis_max'])} of 100 points, {population} ({limits}): "
    trace.add("total", f"{said}{fields['category_min']} to {fields['category_max']}", "tis-thresholds")


def _ends(high: int) -> tuple[dict[str, int], ...]:
    return tuple({"baseline": high, "followup": value} for value in range(0, high + 1, max(1, high // 10)))


INSTRUMENT: Final = Instrument(
    key="tis_2016",
    title="2016 ACR/EULAR myositis response criteria, Total Improvement Score",
    version=1,
    purpose="Graded improvement between two visits, adult or juvenile thresholds. Worsening scores 0, never less.",
    evaluate=_evaluate,
    answer=("status", "category"),
    completions={
        ("physician_global",): _ends(10),
        ("patient_global",): _ends(10),
        ("function",): _ends(3),
        ("extramuscular",): _ends(10),
        ("enzymes",): tuple({"CK": {"baseline": 15, "followup": value, "uln": 1}} for value in range(16)),
        ("das",): _ends(20),
    },
    evidence=("tis-bins", "tis-thresholds", "tis-absolute-change", "global-vas-ranges"),
    caveats=("Absolute percent change over the range of each measure, not relative to baseline.",),
)
