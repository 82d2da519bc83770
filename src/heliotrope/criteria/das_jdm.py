"""Disease Activity Score for juvenile dermatomyositis: skin 0-9, muscle 0-11, total 0-20."""

from __future__ import annotations

from typing import Any, Final

from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.record import Record

SKIN: Final = {"involvement": 4, "distribution": 3, "vasculitis": 1, "gottron": 1}
MUSCLE: Final = {
    "function": 3,
    "neck_flexor": 1,
    "abdominal": 1,
    "upper_proximal": 1,
    "lower_proximal": 1,
    "distal": 1,
    "gowers": 1,
    "dysphagia": 1,
    "nasal_speech": 1,
}


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    maxima = {**SKIN, **MUSCLE}
    record.only(maxima)
    items = {name: record.whole(name, 0, most) for name, most in maxima.items()}
    record.settle()

    fields: dict[str, Any] = {}
    for part, names in (("skin", SKIN), ("muscle", MUSCLE), ("total", maxima)):
        low = sum(items[name] or 0 for name in names)
        high = low + sum(most for name, most in names.items() if items[name] is None)
        fields[part] = low if low == high else None
        fields[f"{part}_min"], fields[f"{part}_max"] = low, high
        if trace is not None:
            trace.add(part, f"{low} to {high} of {sum(names.values())}", "das-ranges", "das-item-split")
    return fields


INSTRUMENT: Final = Instrument(
    key="das_jdm",
    title="Disease Activity Score for JDM",
    version=1,
    purpose="Skin and muscle activity of juvenile dermatomyositis; higher is worse.",
    evaluate=_evaluate,
    answer=("skin", "muscle", "total"),
    completions={(name,): (0, most) for name, most in {**SKIN, **MUSCLE}.items()},
    evidence=("das-ranges", "das-item-split"),
)
