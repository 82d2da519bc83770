"""Cutaneous Dermatomyositis Disease Area and Severity Index, version 2: activity 0-100, damage 0-32."""

from __future__ import annotations

from typing import Any, Final

from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.problems import Code
from heliotrope.criteria.record import Record, field_name
from heliotrope.domain.truth import Truth

SITES: Final = (
    "scalp",
    "malar",
    "periorbital",
    "rest_of_face",
    "v_area_neck",
    "posterior_neck",
    "upper_back_shoulders",
    "rest_of_back_buttocks",
    "abdomen",
    "lateral_upper_thigh",
    "rest_of_leg_feet",
    "arm",
    "mechanics_hand",
    "dorsum_hands_not_over_joints",
    "gottron_not_on_hands",
)
SITE_ACTIVITY: Final = {"erythema": 3, "scale": 2, "erosion_ulceration": 1}
SITE_DAMAGE: Final = {"poikiloderma": 1, "calcinosis": 1}
HAND_ERYTHEMA: Final = 3
PAPULES_FACTOR: Final = 2
HAND_ULCERATION: Final = 1
HAND_DAMAGE: Final = 2
PERIUNGUAL: Final = 2
ALOPECIA: Final = 1
MAX_ACTIVITY: Final = 100
MAX_DAMAGE: Final = 32

Bounds = tuple[int, int]


def _bounds(value: int | None, most: int) -> Bounds:
    return (0, most) if value is None else (value, value)


def _add(*parts: Bounds) -> Bounds:
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def _site(sites: Record, name: str, *, unlisted_clear: bool) -> tuple[Bounds, Bounds]:
    """Activity and damage of one site; what is not listed is clear only when the rater said so."""
    if name not in sites.values and unlisted_clear:
        return (0, 0), (0, 0)
    site = sites.section(name, f"{name}.")
    site.only((*SITE_ACTIVITY, *SITE_DAMAGE))
    examined = sites.given(name)

    def part(item: str, most: int) -> Bounds:
        if examined and item not in site.values and unlisted_clear:
            return (0, 0)
        return _bounds(site.whole(item, 0, most, blame=f"{name}.{item}"), most)

    activity = _add(*(part(item, most) for item, most in SITE_ACTIVITY.items()))
    return activity, _add(*(part(item, most) for item, most in SITE_DAMAGE.items()))


def _hands(record: Record) -> tuple[Bounds, Bounds]:
    """Gottron's papules of the hands: erythema counts twice with papules, once without; ulceration never twice."""
    hands = record.section("gottron_hands")
    hands.only(("erythema", "papules", "ulceration", "damage"))
    erythema = _bounds(hands.whole("erythema", 0, HAND_ERYTHEMA), HAND_ERYTHEMA)
    papules = hands.truth("papules")
    low = PAPULES_FACTOR if papules is Truth.TRUE else 1
    high = 1 if papules is Truth.FALSE else PAPULES_FACTOR
    ulceration = _bounds(hands.whole("ulceration", 0, HAND_ULCERATION), HAND_ULCERATION)
    damage = _bounds(hands.whole("damage", 0, HAND_DAMAGE), HAND_DAMAGE)
    return _add((erythema[0] * low, erythema[1] * high), ulceration), damage


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(("sites", "unlisted_sites_clear", "gottron_hands", "periungual", "alopecia"))
    unlisted_clear = record.truth("unlisted_sites_clear") is Truth.TRUE
    sites = record.section("sites", "")
    for name in sorted(sites.values.keys() - set(SITES), key=str):
        sites.problem(Code.FIELD, field_name(name), "not one of the 15 sites", f"the sites: {', '.join(SITES)}")
    by_site = {name: _site(sites, name, unlisted_clear=unlisted_clear) for name in SITES}
    hands_activity, hands_damage = _hands(record)
    periungual = _bounds(record.whole("periungual", 0, PERIUNGUAL), PERIUNGUAL)
    alopecia = _bounds(record.whole("alopecia", 0, ALOPECIA), ALOPECIA)
    record.settle()

    activity = _add(*(part[0] for part in by_site.values()), hands_activity, periungual, alopecia)
    damage = _add(*(part[1] for part in by_site.values()), hands_damage)
    exact = [low if low == high else None for low, high in (activity, damage)]
    if trace is not None:
        for name, (active, damaged) in by_site.items():
            if active[1] or damaged[1]:
                said = f"{name}: activity {active[0]} to {active[1]}, damage {damaged[0]} to {damaged[1]}"
                trace.add("site", said, "cdasi-form", "cdasi-poikiloderma")
        said = f"activity {hands_activity[0]} to {hands_activity[1]}, damage {hands_damage[0]} to {hands_damage[1]}"
        trace.add("gottron, hands", said, "cdasi-form")
        trace.add("periungual", f"{periungual[0]} to {periungual[1]}", "cdasi-form")
        trace.add("alopecia", f"{alopecia[0]} to {alopecia[1]}", "cdasi-alopecia-window")
        said = f"activity {activity[0]} to {activity[1]} of 100, damage {damage[0]} to {damage[1]} of 32"
        trace.add("totals", said, "cdasi-totals", "cdasi-severity", "cdasi-meaningful-change")
    return {
        "status": "partial" if None in exact else "complete",
        "activity": exact[0],
        "activity_min": activity[0],
        "activity_max": activity[1],
        "damage": exact[1],
        "damage_min": damage[0],
        "damage_max": damage[1],
    }


INSTRUMENT: Final = Instrument(
    key="cdasi_v2",
    title="Cutaneous Dermatomyositis Disease Area and Severity Index, version 2",
    version=1,
    purpose="Skin activity 0-100 and damage 0-32; higher is worse. Not comparable with version 1.",
    evaluate=_evaluate,
    answer=("activity", "damage"),
    completions={
        **{("sites", name): ({**SITE_ACTIVITY, **SITE_DAMAGE},) for name in SITES},
        ("gottron_hands",): ({"erythema": 0, "papules": False, "ulceration": 0, "damage": 0},),
        ("gottron_hands", "papules"): (True, False),
        ("periungual",): (0, PERIUNGUAL),
        ("alopecia",): (0, ALOPECIA),
    },
    evidence=("cdasi-form", "cdasi-totals", "cdasi-poikiloderma"),
)
