"""Pictures of single things: calcium by tissue plane, biopsy targets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import TissuePlane
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.result import AnalysisResult
from heliotrope.report.display import SliceView, choose_slices, content_window, foreground, view_of
from heliotrope.report.document import Figure, LegendEntry, Picture
from heliotrope.report.figures import Marker, Outline, Outlines, Overlay, draw_projection, draw_scale, draw_slice
from heliotrope.report.palette import PLANE_COLORS
from heliotrope.report.pictures import background_for, levels_for, scale_for, side_words, slice_pictures, slice_text
from heliotrope.report.vocabulary import capitalized, plural, quantity_title

CALCIUM_MAP = "calcinosis_plane"
"""Map whose values are plane codes: 0 none, else 1 + position in `TissuePlane`."""

POSITION_KEYS = ("x_mm", "y_mm", "z_mm")
"""Details of a finding that hold an LPS position. [mm]"""

SCORED_MAP = "stir_relative"
"""Map on which biopsy targets are shown where it lies on their image."""

CALCIUM_SLICES = 6


def planes_present(parametric: ParametricMap) -> dict[TissuePlane, int]:
    """Planes that occur, with their codes."""
    held = set(np.unique(parametric.values[parametric.valid]).astype(int).tolist())
    return {plane: code for code, plane in enumerate(TissuePlane, start=1) if code in held}


def _codes(parametric: ParametricMap) -> NDArray[np.uint16]:
    return np.where(parametric.valid, np.nan_to_num(parametric.values), 0.0).astype(np.uint16)


def plane_codes_of(labels: LabelMap) -> tuple[NDArray[np.uint16], dict[TissuePlane, int]]:
    """Calcifications of a label image by tissue plane, read from levels such as ``component 7: fascial sheet``.

    Returns
    -------
    codes : uint16 array (x, y, z)
        1 + position in `TissuePlane`, 0 elsewhere.
    present : dict
        Planes that occur, with their codes.
    """
    table = np.zeros(int(max(labels.legend, default=0)) + 1, dtype=np.uint16)
    for number, region in labels.legend.items():
        if region.structure == "calcification":
            words = (region.level or "").replace(":", " ").split()
            plane = next((p for p in TissuePlane if p.value in words), TissuePlane.MIXED)
            table[number] = 1 + list(TissuePlane).index(plane)
    codes = table[np.minimum(labels.labels, table.size - 1)]
    held = set(np.unique(codes).tolist())
    return codes, {plane: code for code, plane in enumerate(TissuePlane, start=1) if code in held}


def calcium_figures(result: AnalysisResult) -> tuple[Figure, ...]:
    """Projections from the front and the side, and slices, with calcium colored by its tissue plane.

    Calcium is read from a map of plane codes, or from the labels named ``calcification``.
    """
    sources = [
        (key, item.grid, _codes(item), planes_present(item))
        for key, item in result.maps.items()
        if item.quantity == CALCIUM_MAP
    ]
    if not sources and result.labels is not None:
        sources.append(("labels", result.labels.grid, *plane_codes_of(result.labels)))
    figures: list[Figure] = []
    for key, grid, codes, present in sources:
        if not present:
            continue
        background = background_for(result, key, grid)
        levels = levels_for(result, grid, background)
        legend = tuple(LegendEntry(PLANE_COLORS[plane], capitalized(plane)) for plane in present)
        figures.append(_projections(result, grid, background, codes, present, legend, levels))
        figures.append(_calcium_slices(result, grid, background, codes, present, legend, levels))
    return tuple(figures)


def _projections(
    result: AnalysisResult,
    grid: Grid,
    background: NDArray[np.generic],
    codes: NDArray[np.uint16],
    present: Mapping[TissuePlane, int],
    legend: tuple[LegendEntry, ...],
    levels: tuple[float, float],
) -> Figure:
    named = {str(plane): codes == code for plane, code in present.items()}
    pictures: list[Picture] = []
    across = [axis for axis, letter in enumerate(grid.axis_codes) if letter in "APLR" and grid.shape[axis] > 1]
    across.sort(key=lambda axis: grid.axis_codes[axis] in "LR")
    for axis in across:
        view = view_of(grid, slice_axis=axis)
        pictures.append(
            draw_projection(
                background,
                named,
                PLANE_COLORS,
                view,
                levels=(levels[0], 2.5 * levels[1]),
                synthetic=result.study.synthetic,
                alt=f"Maximum-intensity projection, {view.plane}, with calcium in {_listed(present)} colored. "
                f"{side_words(view)}",
            )
        )
    caption = "Maximum-intensity projections; calcium is colored by the tissue plane it lies in."
    return Figure(tuple(pictures), caption, legend=legend)


def _listed(present: Mapping[TissuePlane, int]) -> str:
    return ", ".join(f"{plane} tissue" if plane is TissuePlane.MIXED else str(plane) for plane in present)


def _calcium_slices(
    result: AnalysisResult,
    grid: Grid,
    background: NDArray[np.generic],
    codes: NDArray[np.uint16],
    present: Mapping[TissuePlane, int],
    legend: tuple[LegendEntry, ...],
    levels: tuple[float, float],
) -> Figure:
    view = view_of(grid)
    chosen = choose_slices(codes > 0, view, CALCIUM_SLICES)
    window = content_window((codes > 0) | foreground(background), view)
    numbered = _numbered(result, grid, codes, chosen, view, present)
    outlines = numbered or Outlines(
        codes, tuple(Outline((code,), PLANE_COLORS[plane], fill=0.45, width=1.0) for plane, code in present.items())
    )
    pictures = slice_pictures(
        background,
        view,
        chosen,
        window,
        what="with calcium outlined by tissue plane",
        levels=levels,
        outlines=outlines,
        synthetic=result.study.synthetic,
    )
    caption = (
        f"Calcium outlined and colored by tissue plane; {len(chosen)} of "
        f"{plural(view.n_slices, f'{view.plane} slice')} shown."
    )
    if numbered is not None:
        caption += " Numbers are those of the table of calcifications."
    return Figure(pictures, caption, legend=legend)


def _numbered(
    result: AnalysisResult,
    grid: Grid,
    codes: NDArray[np.uint16],
    chosen: tuple[int, ...],
    view: SliceView,
    present: Mapping[TissuePlane, int],
) -> Outlines | None:
    """Each component of the chosen slices with its number; None where no labels number them on this grid."""
    drawn = [labels for labels in (*result.further_labels.values(), result.labels) if labels is not None]
    labels = next((one for one in drawn if one.grid.is_same_as(grid) and any(_components(one))), None)
    if labels is None:
        return None
    planes = {code: plane for plane, code in present.items()}
    regions: list[Outline] = []
    for k in chosen:
        plane = view.cut(labels.labels, k)
        for label, component in _components(labels):
            inside = plane == label
            if inside.any() and label not in {n for region in regions for n in region.numbers}:
                code = int(view.cut(codes, k)[inside].max())
                color = PLANE_COLORS[planes[code]] if code in planes else "#FFFFFF"
                regions.append(Outline((label,), color, component, fill=0.45, width=1.0, beside=True))
    return Outlines(labels.labels, tuple(regions))


def _components(labels: LabelMap) -> list[tuple[int, str]]:
    """Label and component number of every calcification that carries one, e.g. ``component 7: fascial sheet``."""
    found = []
    for label, region in labels.legend.items():
        word, _, number = (region.level or "").partition(":")[0].partition(" ")
        if region.structure == "calcification" and word == "component" and number.isdigit():
            found.append((label, number))
    return found


def position_of(finding: Finding) -> tuple[float, float, float] | None:
    """LPS position in a finding's details, if it has one. [mm]"""
    values = [finding.details.get(key) for key in POSITION_KEYS]
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None


def target_figure(result: AnalysisResult) -> Figure | None:
    """Biopsy targets, each on its slice of the image the labels were drawn on."""
    targets = [
        (number, position)
        for number, finding in enumerate(
            (f for f in result.findings if f.kind is FindingKind.BIOPSY_SITE and position_of(f)), start=1
        )
        if (position := position_of(finding)) is not None
    ]
    volume = result.backgrounds.get("labels") or next(iter(result.backgrounds.values()), None)
    if not targets or volume is None:
        return None
    grid, view = volume.grid, view_of(volume.grid)
    background = volume.frame(0).data
    window = content_window(foreground(background), view)
    shown = next((m for m in result.maps.values() if m.quantity == SCORED_MAP and m.grid.is_same_as(grid)), None)
    scale = None if shown is None else scale_for(shown)
    over = None if shown is None or scale is None else Overlay(np.where(shown.valid, shown.values, np.nan), scale)
    pictures: list[Picture] = []
    for number, position in targets:
        x, y, z = (float(v) for v in grid.indices(position))
        index = _nearest_slice((x, y, z), view)
        if index is None:
            continue
        pictures.append(
            draw_slice(
                background,
                view,
                index,
                window,
                overlay=over,
                markers=(Marker((x, y, z), str(number)),),
                text=f"target {number}, {slice_text(view, index)}",
                synthetic=result.study.synthetic,
                alt=f"{capitalized(view.plane)} {slice_text(view, index)} with a ring around biopsy target {number}. "
                f"{side_words(view)}",
            )
        )
    if not pictures:
        return None
    caption = "Suggested biopsy targets, ringed"
    caption += "." if shown is None else f", on {quantity_title(SCORED_MAP)} in color."
    caption += " Verify vessels and nerves with ultrasound before any needle."
    bar = None
    if shown is not None and scale is not None:
        values = shown.values[shown.valid]
        below, above = bool((values < scale.low).any()), bool((values > scale.high).any())
        bar = draw_scale(scale, shown.unit, quantity_title(SCORED_MAP), below=below, above=above)
    return Figure(tuple(pictures), caption, scale=bar)


def _nearest_slice(index: tuple[float, float, float], view: SliceView) -> int | None:
    nearest = round(index[view.slice_axis])
    return nearest if 0 <= nearest < view.n_slices else None
