"""Writes docs/guide/structures.md from the anatomy: every name that a legend of labels may hold."""

from __future__ import annotations

from pathlib import Path

from heliotrope.domain.anatomy import STRUCTURES, BodyPart

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "structures.md"

HEAD = """# Names of structures

Written by `scripts/structures.py`. These are the names that `structure` may hold in the legend of
[your labels](labels.md), as `{"1": {"structure": "vastus_lateralis", "side": "left"}}`; `side` is `left`, `right`
(the patient's) or `null`. In DICOM objects a side may stand before the name: `left_vastus_lateralis`.
"""


def page() -> str:
    """Text of the page."""
    parts = []
    for part in BodyPart:
        rows = [
            f"| `{row.name}` | {row.title} | {row.kind} | {f'`{row.compartment}`' if row.compartment else ''} |"
            for row in STRUCTURES.values()
            if row.body_part is part
        ]
        if rows:
            title = "Anywhere" if part is BodyPart.WHOLE_BODY else part.replace("_", " ").capitalize()
            head = f"\n## {title}\n\n| name | title | kind | belongs to |\n|---|---|---|---|\n"
            parts.append(head + "\n".join(rows) + "\n")
    return HEAD + "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
