"""Charts of edema along a limb: fraction by height, left and right in one frame."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from matplotlib.figure import Figure as Canvas

from heliotrope.domain.anatomy import STRUCTURES, BodyPart, Region, Side, StructureKind
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.result import AnalysisResult
from heliotrope.measure.profile import body_part_levels
from heliotrope.report.document import Figure, Picture
from heliotrope.report.figures import encode
from heliotrope.report.palette import ACCENT, INK, QUIET
from heliotrope.report.tables import structure_title
from heliotrope.report.vocabulary import interval_text, value_text

MOST_CHARTS = 8
"""So many structures are charted: those with most edema."""

_STYLES = {Side.LEFT: (ACCENT, "-", "o"), Side.RIGHT: ("#C2571A", "--", "s")}


def profile_figure(result: AnalysisResult) -> Figure | None:
    """Edema fraction by height of the limbs and of the structures with most edema; None without profiles."""
    rows = [m for m in result.measurements if m.quantity == "edema_profile" and m.value is not None]
    slopes = [m for m in result.measurements if m.quantity == "edema_slope"]
    highest: dict[str, float] = {}
    for row in rows:
        highest[row.region.structure] = max(highest.get(row.region.structure, 0.0), row.value or 0.0)
    # whole muscle of the limb first, then compartments before single muscles, most edema first
    order = sorted(highest, key=lambda name: (name != "muscle", _kind_rank(name), -highest[name]))
    shown = [name for name in order if name == "muscle" or highest[name] > 0.0][:MOST_CHARTS]
    if not shown:
        return None
    pictures = tuple(
        _draw(
            name,
            [row for row in rows if row.region.structure == name],
            [row for row in slopes if row.region.structure == name],
            levels=_levels(result, name),
            synthetic=result.study.synthetic,
        )
        for name in shown
    )
    caption = (
        "Edema fraction along the limb, from the distal end of each region (left of the chart) toward the head; solid "
        "with circles: left, dashed with squares: right. The slope is that of Theil and Sen with its 95 % interval."
    )
    if _levels(result, "muscle"):
        caption += " All muscle of a side is taken at each height, arms that hang beside the trunk included."
    return Figure(pictures, caption, columns=2, dark=False)


def _levels(result: AnalysisResult, name: str) -> tuple[tuple[BodyPart, float], ...]:
    """Parts of the body along a chart of muscle as a whole, by their middle heights. [mm]"""
    if name != "muscle" or result.labels is None:
        return ()
    return next((levels for side in Side if (levels := body_part_levels(result.labels, Region(name, side)))), ())


def _kind_rank(structure: str) -> int:
    return 0 if STRUCTURES[structure].kind is StructureKind.COMPARTMENT else 1


def height_of(row: Measurement) -> float:
    """Height above the distal end that a row's level states. [mm]

    Examples
    --------
    >>> from heliotrope.domain.anatomy import Region
    >>> from heliotrope.domain.units import Unit
    >>> at = Region("muscle", Side.LEFT, "25 mm above its distal end")
    >>> height_of(Measurement(at, "edema_profile", "fraction", 3.0, Unit.PERCENT, "m/1"))
    25.0
    """
    return float((row.region.level or "0").split()[0])


def _draw(
    name: str,
    rows: Sequence[Measurement],
    slopes: Sequence[Measurement],
    *,
    levels: Sequence[tuple[BodyPart, float]],
    synthetic: bool,
) -> Picture:
    canvas = Canvas(figsize=(5.2, 2.5), dpi=100, facecolor="white")
    axes = canvas.add_axes((0.11, 0.20, 0.86, 0.62))
    said = []
    for side, (color, line, mark) in _STYLES.items():
        own = sorted((row for row in rows if row.region.side is side), key=height_of)
        if not own:
            continue
        axes.plot(
            [height_of(row) for row in own],
            [row.value or 0.0 for row in own],
            linestyle=line,
            marker=mark,
            color=color,
            ms=3.5,
            lw=1.4,
            label=str(side),
        )
        slope = next((row for row in slopes if row.region.side is side), None)
        if slope is not None and slope.value is not None:
            interval = interval_text(slope)
            said.append(f"{side} {value_text(slope)}" + (f" ({interval})" if interval else ""))
    top = max(5.0, 1.08 * max((row.value or 0.0) for row in rows))
    axes.set_ylim(0.0, 1.30 * top if levels else 1.22 * top)  # room for legend and names above the curves
    for part, middle in levels:
        axes.text(middle, 1.12 * top, str(part).replace("_", " "), ha="center", va="top", fontsize=6, color=QUIET)
    for (_, low), (_, high) in itertools.pairwise(levels):
        axes.axvline((low + high) / 2.0, color=QUIET, lw=0.6, ls=":")
    axes.set_xlabel("mm above the distal end; to the right is toward the head", fontsize=8)
    axes.set_ylabel("edema [%]", fontsize=8)
    axes.tick_params(labelsize=7.5)
    axes.legend(fontsize=7.5, frameon=False, loc="upper right", ncols=2)
    title = "All muscle" if name == "muscle" else structure_title(name)
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    canvas.text(0.97, 0.935, "slope: " + (", ".join(said) or "not assessable"), ha="right", fontsize=7, color=QUIET)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    if synthetic:
        canvas.text(0.54, 0.5, "SYNTHETIC", ha="center", va="center", fontsize=24, rotation=14, alpha=0.12)
    png, width, height = encode(canvas)
    return Picture(
        png, f"Edema fraction along the limb, {title}; slope {', '.join(said) or 'not assessable'}.", width, height
    )
