"""Small charts of numbers over timepoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from matplotlib.figure import Figure as Canvas

from heliotrope.domain.units import Unit
from heliotrope.report.document import Picture
from heliotrope.report.figures import encode
from heliotrope.report.palette import ACCENT, INK, QUIET
from heliotrope.report.vocabulary import UNIT_STYLES, number_text, unit_symbol

_BAND = "#d9d3e6"
_TITLE_LETTERS = 36
"""Longest line of a heading that fits the chart's width."""

_DPI = 110
_LINE_INCHES = 0.14
"""Height of a line of names under the axis."""
_CROWDED = 0.22
"""Share of the chart's width under which two names under the axis would touch."""


@dataclass(frozen=True)
class ChartPoint:
    """One timepoint: its name, value and 95 % interval; a value of None leaves a gap that is named.

    Parameters
    ----------
    day : int or None
        Days since the first visit; None where unknown or hidden. [d]
    """

    name: str
    value: float | None
    ci95: tuple[float, float] | None = None
    day: int | None = None


def places_in_time(points: Sequence[ChartPoint]) -> list[float]:
    """Where points stand, 0 to n - 1: by their days, or evenly where a day is unknown or two are the same."""
    days = [point.day for point in points if point.day is not None]
    if len(set(days)) < len(points):
        return [float(n) for n in range(len(points))]
    span = (max(days) - min(days)) or 1
    return [(len(points) - 1) * (day - min(days)) / span for day in days]


def _labels_in_time(points: Sequence[ChartPoint], places: Sequence[float]) -> list[str]:
    """Name and day under each point; one that stands near the last takes the line below it."""
    texts: list[str] = []
    low, last = False, -float("inf")
    crowded = _CROWDED * max(1, len(points) - 1)
    for point, place in zip(points, places, strict=True):
        low = place - last < crowded and not low
        last = place
        text = point.name if point.day is None else f"{point.name}\n{point.day} d"
        texts.append(("\n" * (text.count("\n") + 1) if low else "") + text)
    return texts


def draw_course(
    points: Sequence[ChartPoint],
    unit: Unit,
    title: str,
    *,
    error_limit: float | None,
    connected: bool,
    synthetic: bool = False,
) -> Picture:
    """One region's values over timepoints.

    Parameters
    ----------
    points : sequence of ChartPoint
        The first is the baseline.
    unit : Unit
    title : str
    error_limit : float or None
        Half width of the band around the baseline within which a change is measurement error. [`unit`]
    connected : bool
        Join the points; False when their order in time is hidden.
    """
    factor = UNIT_STYLES[unit].factor
    places = places_in_time(points)
    labels = _labels_in_time(points, places)
    lines = max(label.count("\n") for label in labels)
    canvas = Canvas(figsize=(3.3, 2.3 + _LINE_INCHES * lines), dpi=_DPI, facecolor="white")
    height_inches = float(canvas.get_figheight())
    foot = (0.32 + _LINE_INCHES * lines) / height_inches
    axes = canvas.add_axes((0.19, foot, 0.77, 1.0 - foot - 0.5 / height_inches))
    baseline = points[0].value
    if baseline is not None and error_limit is not None:
        low, high = (baseline - error_limit) * factor, (baseline + error_limit) * factor
        axes.axhspan(low, high, color=_BAND, lw=0)
    known = [(x, p) for x, p in zip(places, points, strict=True) if p.value is not None]
    heights = [float(p.value or 0.0) * factor for _, p in known]
    axes.plot([x for x, _ in known], heights, "o-" if connected else "o", color=ACCENT, ms=5, lw=1.5)
    for (x, point), height in zip(known, heights, strict=True):
        if point.ci95 is not None:
            axes.plot([x, x], [point.ci95[0] * factor, point.ci95[1] * factor], color=ACCENT, lw=1.2)
        axes.annotate(
            number_text(float(point.value or 0.0), unit),
            (x, height),
            xytext=(5, 5),
            textcoords="offset points",
            fontsize=7.5,
            color=INK,
        )
    for x, point in zip(places, points, strict=True):
        if point.value is None:
            axes.annotate(
                "not\nassessable",
                (x, 0.5),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="center",
                fontsize=7,
                color=QUIET,
                style="italic",
            )
    axes.set_xlim(-0.4, len(points) - 0.4)
    axes.margins(y=0.25)
    axes.set_xticks(places, labels, fontsize=8)
    axes.tick_params(axis="y", labelsize=7.5)
    symbol = unit_symbol(unit)
    heading = wrap(title + (f" [{symbol}]" if symbol else ""), _TITLE_LETTERS)
    axes.set_title("\n".join(heading), fontsize=8.5, loc="left", color=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if synthetic:
        canvas.text(0.57, 0.5, "SYNTHETIC", ha="center", va="center", fontsize=22, rotation=18, alpha=0.12)
    png, width, height_px = encode(canvas)
    said = ", ".join(f"{p.name} {'not assessable' if p.value is None else number_text(p.value, unit)}" for p in points)
    return Picture(png, f"{title}: {said} {symbol}".strip() + ".", width, height_px)
