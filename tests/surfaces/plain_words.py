"""What findings on people without myositis may not say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

DISEASE_WORDS = (
    "myositis",
    "dermatomyositis",
    "inflammatory disease",
    "diagnos",
    "progression",
    "response to treatment",
)


def states_disease(findings: Iterable[dict[str, Any]]) -> list[str]:
    """Statements that name a disease, or state activity of it as present."""
    activity = {"edema", "symmetry", "distribution", "fascia", "subcutis"}
    return [
        item["statement"]
        for item in findings
        if any(word in item["statement"].lower() for word in DISEASE_WORDS)
        or (item["kind"] in activity and item["present"] is True)
        or (item["kind"] == "biopsy_site" and item["present"] is True)
    ]
