"""Manual muscle testing on the 0-10 scale: the eight designated muscles, and the set of 24; Kendall's grades."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.problems import Code
from heliotrope.criteria.record import Record

MAX_GRADE: Final = 10
PAIRED: Final = (
    "deltoid",
    "biceps",
    "wrist_extensors",
    "gluteus_maximus",
    "gluteus_medius",
    "quadriceps",
    "ankle_dorsiflexors",
)
AXIAL: Final = ("neck_flexors",)
MMT24_AXIAL: Final = ("neck_flexors", "neck_extensors")
MMT24_PROXIMAL: Final = (
    "trapezius",
    "deltoid",
    "biceps",
    "gluteus_maximus",
    "gluteus_medius",
    "iliopsoas",
    "hamstrings",
    "quadriceps",
)
MMT24_DISTAL: Final = ("wrist_extensors", "wrist_flexors", "ankle_dorsiflexors", "ankle_plantar_flexors")
MODES: Final = ("unilateral", "bilateral")
SIDES: Final = ("right", "left")
KENDALL: Final = {
    "0": 0,
    "T": 1,
    "2-": 1,
    "2": 2,
    "2+": 3,
    "3-": 4,
    "3": 5,
    "3+": 6,
    "4-": 7,
    "4": 8,
    "4+": 9,
    "5": 10,
}


def _side(record: Record, side: str, muscles: tuple[str, ...]) -> dict[str, int | None]:
    section = record.section(side)
    section.only(muscles)
    return {name: section.whole(name, 0, MAX_GRADE) for name in muscles}


def _total(grades: list[int | None]) -> dict[str, Any]:
    known = [grade for grade in grades if grade is not None]
    missing = len(grades) - len(known)
    return {
        "status": "partial" if missing else "complete",
        "score": None if missing else sum(known),
        "score_min": sum(known),
        "score_max": sum(known) + MAX_GRADE * missing,
        "max": MAX_GRADE * len(grades),
        "n_missing": missing,
    }


def _evaluate_mmt8(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(("mode", *AXIAL, *SIDES))
    mode = record.choice("mode", MODES, required=True)
    neck = record.whole("neck_flexors", 0, MAX_GRADE)
    right, left = (_side(record, side, PAIRED) for side in SIDES)
    record.settle()

    substituted: list[str] = []
    if mode == "bilateral":
        grades = [neck, *right.values(), *left.values()]
    else:
        substituted = [name for name in PAIRED if right[name] is None and left[name] is not None]
        grades = [neck, *(left[name] if name in substituted else right[name] for name in PAIRED)]
    fields = _total(grades)
    fields["left_substituted"] = substituted
    if trace is not None:
        statement = "mmt8-unilateral" if mode == "unilateral" else "mmt8-bilateral"
        said = (
            f"{fields['score_min']} to {fields['score_max']} of {fields['max']}, {fields['n_missing']} grades missing"
        )
        trace.add(f"sum, {mode}", said, statement, "mmt8-muscles")
        for name in substituted:
            trace.add("side", f"{name}: left, because the right could not be tested", "mmt8-unilateral")
    return fields


def _evaluate_mmt24(record: Record, trace: Trace | None) -> dict[str, Any]:
    paired = (*MMT24_PROXIMAL, *MMT24_DISTAL)
    record.only((*MMT24_AXIAL, *SIDES))
    axial = [record.whole(name, 0, MAX_GRADE) for name in MMT24_AXIAL]
    sides = [_side(record, side, paired) for side in SIDES]
    record.settle()

    parts = {
        "axial": _total(axial),
        "proximal": _total([side[name] for side in sides for name in MMT24_PROXIMAL]),
        "distal": _total([side[name] for side in sides for name in MMT24_DISTAL]),
    }
    fields = _total([*axial, *(grade for side in sides for grade in side.values())])
    fields |= {name: part["score"] for name, part in parts.items()}
    if trace is not None:
        for name, part in (*parts.items(), ("total", fields)):
            said = f"{part['score_min']} to {part['score_max']} of {part['max']}"
            trace.add(name, said, "mmt24-ranges")
    return fields


def _evaluate_grade(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(("grade",))
    if "grade" not in record.values:
        record.problem(Code.MISSING, "grade", "not given", f"one of: {', '.join(KENDALL)}")
    grade = record.choice("grade", KENDALL)
    record.settle()
    if trace is not None:
        said = "grade unknown" if grade is None else f"grade {grade} is {KENDALL[grade]} of 10"
        trace.add("key", said, "mmt-kendall-key")
    return {"score": None if grade is None else KENDALL[grade]}


def _extremes(paired: tuple[str, ...], axial: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[int, int]]]:
    for name in axial:
        yield (name,), (0, MAX_GRADE)
    for side in SIDES:
        for name in paired:
            yield (side, name), (0, MAX_GRADE)


MMT8: Final = Instrument(
    key="mmt8",
    title="Manual muscle testing, eight designated muscles",
    version=1,
    purpose="Strength, 0-80 (one side) or 0-150 (both); the two scales are never converted. Higher is stronger.",
    evaluate=_evaluate_mmt8,
    answer=("status",),
    completions=dict(_extremes(PAIRED, AXIAL)),
    evidence=("mmt8-muscles", "mmt8-unilateral", "mmt8-bilateral"),
)
MMT24: Final = Instrument(
    key="mmt24",
    title="Manual muscle testing, 24 muscles",
    version=1,
    purpose="Strength 0-260: axial 0-20, proximal 0-160, distal 0-80. Higher is stronger.",
    evaluate=_evaluate_mmt24,
    answer=("status",),
    completions=dict(_extremes((*MMT24_PROXIMAL, *MMT24_DISTAL), MMT24_AXIAL)),
    evidence=("mmt24-ranges",),
)
GRADE_MAP: Final = Instrument(
    key="mmt_grade_map",
    title="Kendall muscle grade on the 0-10 scale",
    version=1,
    purpose="One grade; T and 2- both map to 1. An MRC grade is not half of a 0-10 grade.",
    evaluate=_evaluate_grade,
    answer=("score",),
    completions={},
    evidence=("mmt-kendall-key",),
)
