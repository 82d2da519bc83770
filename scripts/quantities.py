"""Writes docs/guide/quantities.md from the registry: every quantity the product knows, and its measurement error."""

from __future__ import annotations

from pathlib import Path

from heliotrope.app.registry import STAGES, quantities
from heliotrope.findings.change import REPEATABILITY

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "quantities.md"

HEAD = """# Every quantity

Written by `scripts/quantities.py` from the registry. Units are UCUM codes. The last column is the difference between
two timepoints that `heliotrope compare` takes for measurement error unless a site gives its own; "not known" means that
a difference is shown and not judged.

| key | title | unit | from stage | what it is, and is not | measurement error |
|---|---|---|---|---|---|
"""


def measurement_error(key: str) -> str:
    """The default limit of change in words."""
    known = REPEATABILITY.get(key)
    if known is None:
        return "not known"
    return f"{known.coefficient:g} %, relative" if known.relative else f"{known.coefficient:g}"


def page() -> str:
    """Text of the page."""
    stages: dict[str, list[str]] = {}
    for stage in STAGES:
        for quantity in stage.quantities:
            stages.setdefault(quantity.key, []).append(stage.name)
    rows = [
        f"| `{item.key}` | {item.title} | `{item.unit}` | {', '.join(dict.fromkeys(stages[item.key]))} "
        f"| {item.meaning} | {measurement_error(item.key)} |"
        for item in sorted(quantities().values(), key=lambda item: item.key)
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
