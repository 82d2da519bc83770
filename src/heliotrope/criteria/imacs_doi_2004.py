"""Preliminary IMACS definition of improvement (2004), and worsening as used in the RIM trial. Both unverified.

Change here is relative to the baseline value, unlike the Total Improvement Score. No consensus definition of flare
exists; worsening is reported by the name of its rule.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from heliotrope.criteria.exact import rounded, text
from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.logic import all_of, any_of, at_least, count, reaches
from heliotrope.criteria.record import Record
from heliotrope.domain.truth import Truth

# Measure: highest value of its scale, unit. MMT: the largest scale in use; the change is relative.
MEASURES: Final = {
    "physician_global": (10, "cm"),
    "patient_global": (10, "cm"),
    "mmt": (260, ""),
    "function": (3, ""),
    "enzyme": (None, ""),
    "extramuscular": (10, "cm"),
}
IMPROVED_PERCENT: Final = 20
WORSE_PERCENT: Final = -25
NEEDED_IMPROVED: Final = 3
ALLOWED_WORSE: Final = 2
RIM_GLOBAL_CM: Final = 2
RIM_MMT_PERCENT: Final = -20
RIM_WORSE_PERCENT: Final = -30
PERCENT_DECIMALS: Final = 2


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(MEASURES)
    pairs: dict[str, tuple[Fraction, Fraction] | None] = {}
    for name, (high, unit) in MEASURES.items():
        section = record.section(name)
        section.only(("baseline", "followup"))
        ends = [section.number(end, 0, high, unit, blame=name) for end in ("baseline", "followup")]
        pairs[name] = None if ends[0] is None or ends[1] is None else (ends[0], ends[1])
    record.settle()

    change: dict[str, Fraction | None] = {}
    for name, pair in pairs.items():
        if pair is None or pair[0] == 0:
            change[name] = None
        else:
            gain = pair[1] - pair[0] if name == "mmt" else pair[0] - pair[1]
            change[name] = 100 * gain / pair[0]
    improved = {name: _compare(value, IMPROVED_PERCENT, above=True) for name, value in change.items()}
    worse = {name: _compare(value, WORSE_PERCENT, above=False) for name, value in change.items()}
    n_improved, n_worse = count(improved.values()), count(worse.values())
    met = all_of(reaches(NEEDED_IMPROVED, n_improved), ~reaches(ALLOWED_WORSE + 1, n_worse), ~worse["mmt"])
    rim = any_of(
        all_of(_rise(pairs["physician_global"]), _compare(change["mmt"], RIM_MMT_PERCENT, above=False)),
        _rise(pairs["extramuscular"]),
        at_least(3, (_compare(value, RIM_WORSE_PERCENT, above=False) for value in change.values())),
    )
    if trace is not None:
        for name, value in change.items():
            said = "not assessable" if value is None else f"{text(value)} % of baseline, better positive"
            trace.add(name, said, "imacs-doi-2004-rule")
        said = f"improved by 20 % or more: {n_improved[0]} to {n_improved[1]}; worse by 25 % or more: "
        trace.add("improvement", f"{said}{n_worse[0]} to {n_worse[1]}; {met.name.lower()}", "imacs-doi-2004-rule")
        trace.add("worsening (RIM), this visit only", rim.name.lower(), "rim-worsening-rule", "no-flare-definition")
    return {
        "status": "complete" if None not in change.values() else "partial",
        "doi_met": met.value,
        "n_improved": n_improved[0],
        "n_worse": n_worse[0],
        "n_unknown": sum(value is None for value in change.values()),
        "relative_change": {
            name: None if value is None else rounded(value, PERCENT_DECIMALS) for name, value in change.items()
        },
        "worsening_rim_this_visit": rim.value,
    }


def _compare(percent: Fraction | None, limit: int, *, above: bool) -> Truth:
    if percent is None:
        return Truth.UNKNOWN
    return Truth.of(percent >= limit if above else percent <= limit)


def _rise(pair: tuple[Fraction, Fraction] | None) -> Truth:
    return Truth.UNKNOWN if pair is None else Truth.of(pair[1] - pair[0] >= RIM_GLOBAL_CM)


INSTRUMENT: Final = Instrument(
    key="imacs_doi_2004",
    title="IMACS preliminary definition of improvement (2004), and worsening by the RIM rule",
    version=1,
    purpose="Improvement between two visits, relative to baseline. Worsening counts when confirmed at the next visit.",
    evaluate=_evaluate,
    answer=("doi_met",),
    completions={
        (name,): ({"baseline": 2, "followup": 1}, {"baseline": 1, "followup": 2}, {"baseline": 1, "followup": 1})
        for name in MEASURES
    },
    evidence=("imacs-doi-2004-rule", "rim-worsening-rule", "no-flare-definition"),
)
