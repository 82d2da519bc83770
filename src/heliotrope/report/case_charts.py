"""The course of one patient in one picture: activity, strength, skin, enzymes, imaging and treatment over time."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import date2num, num2date
from matplotlib.figure import Figure as Canvas

from heliotrope.criteria.case_course import Course, VisitSummary
from heliotrope.criteria.case_record import PartialDate, Treatment
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.units import Unit
from heliotrope.report.document import Picture
from heliotrope.report.palette import ACCENT, INK, LINE, QUIET
from heliotrope.report.tables import ordered_quantities
from heliotrope.report.vocabulary import UNIT_STYLES, is_supporting, quantity_title, unit_symbol

_COLORS: Final = (ACCENT, "#0072B2", "#B34700", "#007353", "#8A4466")
_MARKERS: Final = ("o", "s", "^", "D", "v")
_WIDTH_IN: Final = 5.2
_PANEL_IN: Final = 1.15
_TREATMENT_ROW_IN: Final = 0.24
_MAX_IMAGING_PANELS: Final = 3
_MAX_TREATMENTS: Final = 14
_MONTH_STEPS: Final = (1, 2, 3, 6, 12, 24, 60, 120, 240)
_MOST_TICKS: Final = 5
_SCALE_MAXIMA: Final = {"MMT8_UNI": 80, "MMT8_BI": 150, "MMT24": 260, "CMAS": 52}
_WHOLE: Final = ("muscle", "all")


@dataclass(frozen=True)
class Sample:
    """One value at one visit; `low` to `high` where only bounds are known."""

    date: PartialDate
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One quantity over time."""

    name: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Panel:
    """One axis over time, all its lines in one unit."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    limits: tuple[float, float] | None = None
    logarithmic: bool = False
    reference: float | None = None


def course_panels(course: Course, imaging: Mapping[str, Sequence[Measurement]]) -> tuple[Panel, ...]:
    """What can be drawn of a course; a panel without any value is left out."""
    dated = [(visit.date, visit) for visit in course.visits if visit.date is not None]
    panels = [
        Panel(
            "Global activity, lower is better",
            "cm",
            tuple(
                _line(name.replace("_global", "").replace("_", " "), dated, lambda v, n=name: v.visit.globals_cm.get(n))
                for name in ("physician_global", "patient_global", "extramuscular_global")
            ),
            (0, 10),
        ),
        *(
            Panel(
                f"Strength, {scale.replace('_', ' ')}, higher is better",
                f"of {most}",
                (_strength(scale, dated),),
                (0, most),
            )
            for scale, most in _SCALE_MAXIMA.items()
        ),
        Panel(
            "Function (HAQ or CHAQ), lower is better",
            "of 3",
            (_scored("index", "haq_chaq", "score", dated),),
            (0, 3),
        ),
        Panel(
            "Skin (CDASI v2), lower is better",
            "points",
            (_scored("activity", "cdasi_v2", "activity", dated), _scored("damage", "cdasi_v2", "damage", dated)),
        ),
        Panel(
            "Disease Activity Score (JDM), lower is better",
            "of 20",
            (_scored("total", "das_jdm", "total", dated),),
            (0, 20),
        ),
        Panel(
            "Muscle enzymes",
            "x ULN",
            tuple(
                _line(name, dated, lambda v, n=name: v.ratios.get(n))
                for name in ("CK", "aldolase", "ALT", "AST", "LDH")
            ),
            logarithmic=True,
            reference=1.0,
        ),
        *_imaging_panels(dated, imaging),
    ]
    kept = (
        Panel(p.title, p.unit, tuple(line for line in p.lines if line.samples), p.limits, p.logarithmic, p.reference)
        for p in panels
    )
    return tuple(panel for panel in kept if panel.lines)


def _line(name: str, dated: Sequence[tuple[PartialDate, VisitSummary]], value: Any) -> Line:
    found = [(date, value(visit)) for date, visit in dated]
    return Line(name, tuple(Sample(date, float(v), float(v)) for date, v in found if v is not None))


def _strength(scale: str, dated: Sequence[tuple[PartialDate, VisitSummary]]) -> Line:
    samples: list[Sample] = []
    for date, visit in dated:
        if scale in visit.strength:
            samples.append(Sample(date, float(visit.strength[scale]), float(visit.strength[scale])))
            continue
        for key in ("mmt8", "cmas"):
            fields = visit.verdicts[key].fields if key in visit.verdicts else {}
            if fields and fields["max"] == _SCALE_MAXIMA[scale]:
                samples.append(Sample(date, float(fields["score_min"]), float(fields["score_max"])))
    return Line(scale, tuple(samples))


def _scored(name: str, key: str, field: str, dated: Sequence[tuple[PartialDate, VisitSummary]]) -> Line:
    samples: list[Sample] = []
    for date, visit in dated:
        if key not in visit.verdicts:
            continue
        fields = visit.verdicts[key].fields
        low, high = fields.get(f"{field}_min"), fields.get(f"{field}_max")
        if low is not None and high is not None:
            samples.append(Sample(date, float(low), float(high)))
    return Line(name, tuple(samples))


def whole_muscle(measurements: Sequence[Measurement], quantity: str) -> Measurement | None:
    """The number that stands for a study: the quantity on all muscle, or on the whole study."""
    for structure in _WHOLE:
        for statistic in ("median", "mean", "total", "value"):
            for m in measurements:
                region = m.region
                plain = region.structure == structure and region.side is None and region.level is None
                if plain and m.quantity == quantity and m.statistic == statistic:
                    return m
    return None


def _imaging_panels(
    dated: Sequence[tuple[PartialDate, VisitSummary]], imaging: Mapping[str, Sequence[Measurement]]
) -> list[Panel]:
    every = [m for measurements in imaging.values() for m in measurements]
    panels: list[Panel] = []
    for quantity in ordered_quantities(every):
        if is_supporting(quantity) or len(panels) == _MAX_IMAGING_PANELS:
            continue
        samples: list[Sample] = []
        unit = Unit.ONE
        for date, visit in dated:
            found = whole_muscle(imaging.get(visit.visit.written.key, ()), quantity)
            if found is not None and found.value is not None:
                unit = found.unit
                height = found.value * UNIT_STYLES[unit].factor
                samples.append(Sample(date, height, height))
        if samples:
            title = f"Imaging: {quantity_title(quantity)}, all muscle"
            panels.append(Panel(title, unit_symbol(unit), (Line(quantity_title(quantity), tuple(samples)),)))
    return panels


def draw_case(course: Course, imaging: Mapping[str, Sequence[Measurement]]) -> Picture | None:
    """The chart of a course as SVG; None when no visit has a date and a value.

    Parameters
    ----------
    course : Course
    imaging : mapping of visit key to measurements
    """
    panels = course_panels(course, imaging)
    treatments = [row for row in course.case.treatments if row.start is not None or row.stop is not None]
    shown = treatments[:_MAX_TREATMENTS]
    if not panels:
        return None
    heights = [_PANEL_IN] * len(panels) + ([0.25 + _TREATMENT_ROW_IN * len(shown)] if shown else [])
    total = sum(heights) + 0.42 * len(heights) + 0.4
    style = {"font.size": 9, "svg.fonttype": "path", "svg.hashsalt": "heliotrope", "axes.edgecolor": QUIET}
    with rc_context(style):
        canvas = Canvas(figsize=(_WIDTH_IN, total), facecolor="white", layout="constrained")
        axes = canvas.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axis, panel in zip(axes, panels, strict=False):
            _draw_panel(axis, panel)
        if shown:
            _draw_treatments(axes[-1], shown, course)
        first, last = _span(panels)
        axes[0].set_xlim(first, last)
        days = month_ticks(num2date(first).date(), num2date(last).date())
        axes[-1].set_xticks([date2num(day) for day in days], [day.isoformat()[:7] for day in days])
        drawn = io.BytesIO()
        FigureCanvasSVG(canvas).print_svg(drawn, metadata={"Date": None, "Creator": None})
    width, height = round(_WIDTH_IN * 96), round(total * 96)
    markup = re.sub(rb"^.*?(?=<svg)", b"", drawn.getvalue(), count=1, flags=re.DOTALL)
    return Picture(markup, _described(panels, shown), width, height, media_type="image/svg+xml")


def _span(panels: Sequence[Panel]) -> tuple[float, float]:
    dates = [sample.date for panel in panels for line in panel.lines for sample in line.samples]
    first = date2num(min(date.earliest for date in dates))
    last = date2num(max(date.latest for date in dates))
    margin = max(20.0, 0.05 * (last - first))
    return first - margin, last + margin


def month_ticks(first: dt.date, last: dt.date) -> tuple[dt.date, ...]:
    """First days of months, evenly apart and few enough to read.

    Examples
    --------
    >>> [day.isoformat() for day in month_ticks(dt.date(2021, 1, 20), dt.date(2021, 11, 2))]
    ['2021-03-01', '2021-05-01', '2021-07-01', '2021-09-01', '2021-11-01']
    """
    start, stop = first.year * 12 + first.month, last.year * 12 + last.month - 1
    step = next((step for step in _MONTH_STEPS if (stop - start) // step < _MOST_TICKS), _MONTH_STEPS[-1])
    months = range(-(-start // step) * step, stop + 1, step)
    return tuple(dt.date(month // 12, month % 12 + 1, 1) for month in months) or (first,)


def _middle(date: PartialDate) -> dt.date:
    return date.earliest + (date.latest - date.earliest) / 2


def _draw_panel(axis: Any, panel: Panel) -> None:
    for number, line in enumerate(panel.lines):
        color = _COLORS[number % len(_COLORS)]
        places = [date2num(_middle(sample.date)) for sample in line.samples]
        heights = [(sample.low + sample.high) / 2 for sample in line.samples]
        axis.plot(places, heights, "-", color=color, lw=1.1, alpha=0.75, zorder=2)
        for x, y, sample in zip(places, heights, line.samples, strict=True):
            axis.plot(x, y, _MARKERS[number % len(_MARKERS)], color=color, ms=4.2, zorder=3,
                      mfc=color if sample.low == sample.high else "white")  # fmt: skip
            if sample.low < sample.high:
                axis.plot([x, x], [sample.low, sample.high], color=color, lw=2.2, alpha=0.6, solid_capstyle="butt")
            if sample.date.earliest < sample.date.latest:
                ends = [date2num(sample.date.earliest), date2num(sample.date.latest)]
                axis.plot(ends, [y, y], color=color, lw=0.8, ls=":")
        axis.plot([], [], _MARKERS[number % len(_MARKERS)] + "-", color=color, ms=4.2, lw=1.1, label=line.name)
    if panel.logarithmic:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.yaxis.set_minor_formatter(lambda _value, _: "")
    elif panel.limits is not None:
        low, high = panel.limits
        axis.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    else:
        axis.margins(y=0.3)
    if panel.reference is not None:
        axis.axhline(panel.reference, color=QUIET, lw=0.8, ls="--")
    axis.set_title(f"{panel.title} [{panel.unit}]" if panel.unit else panel.title, loc="left", fontsize=9.5, color=INK)
    axis.grid(axis="x", color=LINE, lw=0.5)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    if len(panel.lines) > 1:
        axis.legend(
            fontsize=8.5, frameon=False, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.6
        )


def _draw_treatments(axis: Any, rows: Sequence[Treatment], course: Course) -> None:
    dates = [visit.date for visit in course.visits if visit.date is not None]
    end = max(date.latest for date in dates)
    begin = min(date.earliest for date in dates)
    for place, row in enumerate(reversed(rows)):
        start = row.start.earliest if row.start is not None else begin
        stop = row.stop.latest if row.stop is not None else max(end, start)
        axis.barh(place, max(date2num(stop) - date2num(start), 1.0), left=date2num(start), height=0.62, color="#d9d3e6",
                  edgecolor=ACCENT, lw=0.7)  # fmt: skip
        said = f"{row.drug} {row.dose}".strip()
        begins = max(date2num(start), date2num(begin))
        late = begins > 0.5 * (date2num(begin) + date2num(end))
        place_x = min(date2num(stop), date2num(end)) if late else begins
        text = axis.annotate(said, (place_x, place), xytext=(-3 if late else 3, 0),
                             textcoords="offset points", va="center",
                             ha="right" if late else "left", fontsize=8, color=INK)  # fmt: skip
        text.set_in_layout(False)
    axis.set_yticks([])
    axis.set_ylim(-0.7, len(rows) - 0.3)
    axis.set_title("Treatment as recorded", loc="left", fontsize=9.5, color=INK)
    axis.grid(axis="x", color=LINE, lw=0.5)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _described(panels: Sequence[Panel], treatments: Sequence[Treatment]) -> str:
    parts = []
    for panel in panels:
        lines = "; ".join(
            f"{line.name} " + ", ".join(f"{sample.date}: {_said(sample)}" for sample in line.samples)
            for line in panel.lines
        )
        parts.append(f"{panel.title} [{panel.unit}]: {lines}.")
    if treatments:
        parts.append("Treatment: " + "; ".join(f"{row.drug} {row.dose}".strip() for row in treatments) + ".")
    return " ".join(parts)


def _said(sample: Sample) -> str:
    return f"{sample.low:g}" if sample.low == sample.high else f"{sample.low:g} to {sample.high:g}"
