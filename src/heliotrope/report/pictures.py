"""Which pictures a result gets: labels, maps, supporting maps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import STRUCTURES, Region, StructureKind
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import CARRIED, LabelMap, ParametricMap, Volume, is_carried
from heliotrope.domain.result import AnalysisResult
from heliotrope.domain.units import Unit
from heliotrope.report.display import (
    SliceView,
    Window,
    choose_slices,
    content_window,
    foreground,
    gray_window,
    view_of,
)
from heliotrope.report.document import Figure, LegendEntry, Picture
from heliotrope.report.figures import Outline, Outlines, Overlay, draw_scale, draw_slice
from heliotrope.report.palette import FURTHER_COLORS, MAP_SCALES, MUSCLE_COLORS, TISSUE_COLORS, Scale
from heliotrope.report.plain_pictures import plane_picture, view_of_picture
from heliotrope.report.tables import ordered_structures, structure_title
from heliotrope.report.vocabulary import (
    MUSCLE_ABBREVIATIONS,
    is_supporting,
    plural,
    quantity_title,
    sentence,
    with_unit,
    words_of,
)

PICTURES_OF_MAIN_MAPS = 14
"""Shared among the main maps, so that a report stays a few megabytes."""
PICTURES_PER_MAP = 4
SUPPORTING_MAPS = 8
CT_LEVELS_HU = (-160.0, 400.0)
"""Shown as black and white on CT: soft tissue stays visible below bone. [HU]"""

SECONDARY_MAPS = frozenset({"stir_ratio", "stir_layers", "fascia_distance"})
"""Maps that other maps or findings are made from; shown folded, with the supporting ones."""

CODED_MAPS = frozenset({"calcinosis_plane"})
"""Maps of codes; they have pictures of their own."""


def background_for(result: AnalysisResult, key: str, grid: Grid) -> NDArray[np.generic]:
    """Gray image on exactly this grid: the map's own, else any, else black."""
    preferred = [key, "labels", *result.backgrounds]
    for name in preferred:
        volume = result.backgrounds.get(name)
        if volume is not None and volume.grid.is_same_as(grid):
            return first_frame(volume)
    return np.zeros(grid.shape, dtype=np.float32)


def levels_for(result: AnalysisResult, grid: Grid, background: NDArray[np.generic]) -> tuple[float, float]:
    """What is shown as black and as white: fixed on CT, else robust levels of the image."""
    on_ct = any(v.unit is Unit.HOUNSFIELD and v.grid.is_same_as(grid) for v in result.backgrounds.values())
    return CT_LEVELS_HU if on_ct else gray_window(background)


def first_frame(volume: Volume) -> NDArray[np.generic]:
    """The first echo or time point of a volume."""
    return volume.frame(0).data


def scale_for(parametric: ParametricMap) -> Scale:
    """Fixed range of a known quantity, else the central 96 % of the values."""
    known = MAP_SCALES.get(parametric.quantity)
    if known is not None:
        return known
    values = parametric.values[parametric.valid]
    if values.size == 0:
        return Scale("cividis", 0.0, 1.0)
    low, high = (float(v) for v in np.percentile(values, [2.0, 98.0]))
    if high <= low:
        high = low + (abs(low) or 1.0)
    return Scale("cividis", low, high)


def slice_text(view: SliceView, index: int) -> str:
    """Number of a slice among all, as written in pictures; empty for a picture that is no slice of a volume."""
    return f"slice {index + 1} of {view.n_slices}" if view.left_letter else ""


def slice_pictures(
    background: NDArray[np.generic],
    view: SliceView,
    chosen: tuple[int, ...],
    window: Window,
    *,
    what: str,
    after: str = "",
    levels: tuple[float, float],
    overlay: Overlay | None = None,
    outlines: Outlines | None = None,
    synthetic: bool,
    scaled: bool = True,
) -> tuple[Picture, ...]:
    """Slices of one volume that carry the same things, each told in words as well.

    Parameters
    ----------
    what : str
        What is drawn on them, for readers who cannot see it.
    after : str
        Numbers that follow.
    """
    return tuple(
        draw_slice(
            background,
            view,
            index,
            window,
            levels=levels,
            overlay=overlay,
            outlines=outlines,
            text=slice_text(view, index),
            synthetic=synthetic,
            scaled=scaled,
            alt=f"{_picture_words(view, index)} {what}. {side_words(view)}{after}",
        )
        for index in chosen
    )


def _picture_words(view: SliceView, index: int) -> str:
    return f"{view.plane.capitalize()} {slice_text(view, index)}" if view.left_letter else "Picture"


def _body_window(background: NDArray[np.generic], content: NDArray[np.bool_], view: SliceView) -> Window:
    body = foreground(background) if np.any(background) else np.zeros(background.shape, dtype=bool)
    return content_window(body | content, view)


def label_styles(labels: LabelMap) -> tuple[dict[str, str], dict[str, str]]:
    """Color and mark of each structure: tissues and muscles of the thigh have colors of their own, others cycle.

    Whatever is no tissue carries letters, or a number where it has none.
    """
    names = [name for name, _ in ordered_structures({region.structure for region in labels.legend.values()})]
    fixed = {**TISSUE_COLORS, **MUSCLE_COLORS}
    taken = {fixed[name] for name in present_structures(labels) if name in fixed}
    free = [color for color in FURTHER_COLORS if color not in taken] or list(FURTHER_COLORS)
    colors: dict[str, str] = {}
    marks: dict[str, str] = {}
    cycled = 0
    for name in names:
        if name in TISSUE_COLORS:
            colors[name] = TISSUE_COLORS[name]
            continue
        marks[name] = MUSCLE_ABBREVIATIONS.get(name, str(len(marks) + 1))
        if name in fixed:
            colors[name] = fixed[name]
        else:
            colors[name] = free[cycled % len(free)]
            cycled += 1
    return colors, marks


def present_structures(labels: LabelMap) -> tuple[str, ...]:
    """Structures that occur in the label image, in anatomical order."""
    counts = np.bincount(labels.labels.ravel())
    names = {region.structure for number, region in labels.legend.items() if number < counts.size and counts[number]}
    return tuple(name for name, _ in ordered_structures(names))


def label_figure(result: AnalysisResult) -> Figure | None:
    """Outlines of all labels on the image they were drawn on."""
    labels = result.labels
    if labels is None or not labels.labels.any():
        return None
    picture = plane_picture(result, labels.grid)
    view = view_of(labels.grid) if picture is None else view_of_picture(labels.grid)
    background = background_for(result, "labels", labels.grid)
    chosen = choose_slices(labels.labels > 0, view, PICTURES_PER_MAP)
    window = _body_window(background, labels.labels > 0, view)
    colors, marks = label_styles(labels)
    names = present_structures(labels)
    outlines = Outlines(
        labels.labels,
        tuple(
            Outline(sided, colors[name], marks.get(name, ""), fill=0.14, width=1.0)
            for name in names
            for sided in _numbers_by_side(labels, name)
        ),
    )
    levels = levels_for(result, labels.grid, background)
    listed = ", ".join(STRUCTURES[name].title for name in names)
    pictures = slice_pictures(
        background,
        view,
        chosen,
        window,
        what=f"with the outlines of {listed}",
        levels=levels,
        outlines=outlines,
        synthetic=result.study.synthetic,
        scaled=picture is None or picture.has_pixel_size,
    )
    legend = tuple(
        LegendEntry(colors[name], (f"{marks[name]} " if name in marks else "") + structure_title(name))
        for name in names
    )
    shown = _shown(view, chosen) if picture is None else "sides are not told: the edges are those of the picture"
    caption = f"Regions that were measured, {_origin(labels.source)}; {shown}."
    return Figure(pictures, caption, legend=legend)


def _origin(source: str) -> str:
    drawn = source.removesuffix(CARRIED)
    words = "drawn by a person" if drawn == "person" else f"made by {drawn}"
    return f"{words} on an earlier visit and carried to this one" if is_carried(source) else words


def side_words(view: SliceView) -> str:
    """Which side of the patient is on the left of the picture."""
    names = {"R": "right", "L": "left", "A": "front", "P": "back", "I": "feet", "S": "head"}
    if not view.left_letter:
        return "Which side of the patient it shows is not told."
    return f"The patient's {names[view.left_letter]} is on the left of the picture."


def _shown(view: SliceView, chosen: tuple[int, ...]) -> str:
    return f"{len(chosen)} of {plural(view.n_slices, f'{view.plane} slice')} shown"


def _numbers_by_side(labels: LabelMap, structure: str) -> tuple[tuple[int, ...], ...]:
    """Label numbers of a structure, one group per side, whatever their level."""
    groups: dict[str, list[int]] = {}
    for number, region in sorted(labels.legend.items()):
        if region.structure == structure:
            groups.setdefault(region.side or "", []).append(number)
    return tuple(tuple(numbers) for numbers in groups.values())


def label_numbers(labels: LabelMap, region: Region) -> tuple[int, ...]:
    """Label numbers of a region."""
    return tuple(number for number, named in sorted(labels.legend.items()) if named == region)


def region_outlines(labels: LabelMap) -> Outlines:
    """Thin outlines of muscles and compartments, or of muscle as a whole where neither is labeled."""
    muscular = {StructureKind.MUSCLE, StructureKind.COMPARTMENT}
    fine = [r for r in set(labels.legend.values()) if STRUCTURES[r.structure].kind in muscular]
    regions = fine or [r for r in set(labels.legend.values()) if r.structure == "muscle"]
    ordered = sorted(regions, key=lambda r: r.title)
    return Outlines(
        labels.labels, tuple(Outline(label_numbers(labels, region), "#FFFFFF", width=0.7) for region in ordered)
    )


def _weight(valid: NDArray[np.bool_], outlines: Outlines | None) -> NDArray[np.bool_]:
    """Where the picture's content lies: the map inside the outlined regions, or the whole map."""
    if outlines is None:
        return valid
    numbers = [number for region in outlines.regions for number in region.numbers]
    inside = valid & np.isin(outlines.labels, numbers)
    return inside if inside.any() else valid


def _numbers_for_alt(result: AnalysisResult, quantity: str) -> str:
    said = [
        f"{m.region.side or 'both sides'} {m.value:.3g} {with_unit('', m.unit).strip()}".strip()
        for m in result.measurements
        if m.quantity == quantity
        and m.region.structure == "muscle"
        and m.region.level is None
        and m.statistic == "median"
        and m.value is not None
    ]
    return f" Median in muscle: {', '.join(said)}." if said else ""


def map_figure(
    result: AnalysisResult, key: str, parametric: ParametricMap, count: int, *, brief: bool = False
) -> Figure | None:
    """A map over the gray image, with outlines of the muscles where they are on its grid."""
    if not parametric.valid.any():
        return None
    view = view_of(parametric.grid)
    background = background_for(result, key, parametric.grid)
    drawn = result.labels
    outlines = region_outlines(drawn) if drawn is not None and drawn.grid.is_same_as(parametric.grid) else None
    chosen = choose_slices(_weight(parametric.valid, outlines), view, count)
    window = _body_window(background, parametric.valid, view)
    scale = scale_for(parametric)
    levels = levels_for(result, parametric.grid, background)
    known = result.quantities.get(parametric.quantity)
    title = known.title if known else quantity_title(parametric.quantity)
    values = np.asarray(parametric.values)
    pictures = slice_pictures(
        background,
        view,
        chosen,
        window,
        what=f"with {title} in color",
        after=_numbers_for_alt(result, parametric.quantity),
        levels=levels,
        overlay=Overlay(values, scale),
        outlines=outlines,
        synthetic=result.study.synthetic,
    )
    shown = values[parametric.valid]
    bar = draw_scale(
        scale,
        parametric.unit,
        title,
        below=bool((shown < scale.low).any()),
        above=bool((shown > scale.high).any()),
    )
    caption = f"{title} ({parametric.method}); {_shown(view, chosen)}. Gray where the map is not valid."
    if brief:
        return Figure(pictures, caption, scale=bar)
    if parametric.invalid_reasons:
        counted = [f"{words_of(reason)} {count}" for reason, count in parametric.invalid_reasons.items() if count]
        if counted:
            caption += f" Voxels left out: {', '.join(counted)}."
    caption += "".join(f" {sentence(flag)}" for flag in parametric.flags)
    return Figure(pictures, caption, scale=bar)


def _is_folded(quantity: str) -> bool:
    return is_supporting(quantity) or quantity in SECONDARY_MAPS


def main_map_figures(maps: Mapping[str, ParametricMap], result: AnalysisResult) -> tuple[Figure, ...]:
    """Figures of the main maps."""
    main = {
        key: value for key, value in maps.items() if not _is_folded(value.quantity) and value.quantity not in CODED_MAPS
    }
    count = max(1, min(PICTURES_PER_MAP, PICTURES_OF_MAIN_MAPS // max(1, len(main))))
    figures = (map_figure(result, key, value, count) for key, value in main.items())
    return tuple(figure for figure in figures if figure is not None)


def supporting_map_figures(maps: Mapping[str, ParametricMap], result: AnalysisResult) -> tuple[Figure, ...]:
    """One slice of each supporting map."""
    supporting = [(key, value) for key, value in maps.items() if _is_folded(value.quantity)][:SUPPORTING_MAPS]
    figures = (map_figure(result, key, value, 1, brief=True) for key, value in supporting)
    return tuple(figure for figure in figures if figure is not None)
