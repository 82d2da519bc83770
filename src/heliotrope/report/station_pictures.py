"""How joined stations are shown: a coronal and a sagittal plane with the seams marked, and a table of the seams."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.result import AnalysisResult
from heliotrope.domain.study import Series
from heliotrope.report.display import content_window, foreground, gray_window, view_of
from heliotrope.report.document import Block, Column, Figure, Picture, Row, Table, Text
from heliotrope.report.figures import Rule, draw_slice
from heliotrope.report.pictures import side_words
from heliotrope.report.vocabulary import ROLE_TITLES, capitalized, plural, value_text

PLANES = ("stations_coronal", "stations_sagittal")
"""Backgrounds that hold one plane of the joined image each."""

_SEAM_QUANTITIES = (
    ("seam_error", "as scanned", "Brightness step as scanned"),
    ("seam_error", "corrected", "Brightness step corrected"),
    ("seam_likeness", "correlation", "Likeness of both stations"),
)


def station_blocks(result: AnalysisResult) -> tuple[Block, ...]:
    """Pictures and seam table of joined stations; nothing when no stations were joined."""
    joined = next((series for series in result.study.series if series.stations), None)
    planes = [result.backgrounds[name] for name in PLANES if name in result.backgrounds]
    if joined is None or not planes:
        return ()
    pictures = tuple(_picture(plane, joined, synthetic=result.study.synthetic) for plane in planes)
    role = ROLE_TITLES.get(joined.role, joined.role.value)
    caption = (
        f"{role}, joined from {plural(len(joined.stations), 'station')}; dashed: seams between stations, where the "
        "station changes from which a slice is taken."
    )
    table = seam_table(result.measurements)
    figure = Figure(pictures, caption)
    return (figure,) if table is None else (figure, table)


def _picture(plane: Volume, joined: Series, *, synthetic: bool) -> Picture:
    view = view_of(plane.grid)
    signal = plane.frame(0).data
    window = content_window(foreground(signal), view)
    rules = seam_rules(joined, plane.grid, view.row_axis)
    alt = (
        f"{view.plane.capitalize()} plane of the image joined from {len(joined.stations)} stations, with "
        f"{plural(len(rules), 'seam')} marked. {side_words(view)}"
    )
    return draw_slice(
        signal, view, 0, window, levels=gray_window(signal), rules=rules, text=view.plane, synthetic=synthetic, alt=alt
    )


def seam_rules(joined: Series, grid: Grid, axis: int) -> tuple[Rule, ...]:
    """A line half way between the middles of neighboring stations, as an index along an axis of a grid."""
    middles = [_middle(station.grid) for station in joined.stations if station.grid is not None]
    rules = []
    for number, (low, high) in enumerate(itertools.pairwise(middles), start=1):
        index = grid.indices((low + high) / 2.0)
        rules.append(Rule(float(index[axis]), f"{number} | {number + 1}"))
    return tuple(rules)


def _middle(grid: Grid) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return grid.positions_mm((np.asarray(grid.shape) - 1) / 2.0)


def seam_table(measurements: Iterable[Measurement]) -> Table | None:
    """One row per seam: brightness step before and after, likeness."""
    rows: dict[str, dict[tuple[str, str], Measurement]] = {}
    for item in measurements:
        if item.quantity.startswith("seam_") and item.region.level is not None:
            rows.setdefault(item.region.level, {})[item.quantity, item.statistic] = item
    if not rows:
        return None
    columns = (Column("Seam"), *(Column(title, numeric=True) for *_, title in _SEAM_QUANTITIES))
    body = tuple(
        Row(
            (
                Text(capitalized(level)),
                *(Text(value_text(found[q, s]) if (q, s) in found else "–") for q, s, _ in _SEAM_QUANTITIES),
            )
        )
        for level, found in rows.items()
    )
    note = (
        "Median absolute ratio error of local means in the overlap; below 5 % is the limit of this program, not a "
        "published one."
    )
    return Table("How neighboring stations fit", columns, body, (note,))
