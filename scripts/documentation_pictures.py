"""Pictures of the documentation, taken from a report on the demonstration study.

usage: .venv/bin/python scripts/documentation_pictures.py heliotrope-demo/report.html
"""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path

from PIL import Image

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"
GAP_PX = 6


def pictures_of(page: str) -> list[tuple[str, Image.Image]]:
    """Alternative text and picture of every image in a report."""
    found = re.findall(r'<img[^>]*src="data:image/png;base64,([^"]+)"[^>]*alt="([^"]*)"', page)
    return [(alt, Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) for data, alt in found]


def first(pictures: list[tuple[str, Image.Image]], words: str, skip: int = 0) -> Image.Image:
    """The first picture whose text holds the words, after `skip` others."""
    return [picture for alt, picture in pictures if words in alt][skip]


def main(report: Path) -> None:
    """Regions beside water T2, and the color scale below."""
    pictures = pictures_of(report.read_text(encoding="utf-8"))
    regions, t2 = first(pictures, "with the outlines of", 1), first(pictures, "Water T2 in color", 1)
    scale = first(pictures, "Color scale of Water T2")
    width = regions.width + GAP_PX + t2.width
    sheet = Image.new("RGB", (width, max(regions.height, t2.height) + scale.height + GAP_PX), "white")
    sheet.paste(regions, (0, 0))
    sheet.paste(t2, (regions.width + GAP_PX, 0))
    sheet.paste(scale, (width - scale.width, max(regions.height, t2.height) + GAP_PX))
    ASSETS.mkdir(exist_ok=True)
    sheet.save(ASSETS / "thighs.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
