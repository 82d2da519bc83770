"""Slices of every timepoint at one level of the limb, side by side under one window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.domain.comparison import ComparedImages, Comparison, PositionMatch
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.domain.measurement import Missing
from heliotrope.domain.units import Unit
from heliotrope.measure.on_grid import values_on
from heliotrope.report.display import choose_slices, content_window, gray_window, view_of
from heliotrope.report.document import Block, Figure, Notice, Picture, Section
from heliotrope.report.figures import Overlay, draw_scale, draw_slice
from heliotrope.report.palette import Scale
from heliotrope.report.pictures import CT_LEVELS_HU, region_outlines, scale_for, side_words, slice_text
from heliotrope.report.vocabulary import capitalized, quantity_title
from heliotrope.segment.transfer import resample_labels

LEVELS = 2
"""Levels of the limb that are shown."""

MAXIMUM_TIMEPOINTS = 4
"""The baseline and so many less one of the follow-ups stand side by side."""

SHOWN_MAPS = ("stir_relative", "water_t2", "fat_fraction")
"""Maps in whose colors the levels are shown, most telling of activity first; at most two that every timepoint has."""


_BASELINE = ""
"""Key of the baseline's own slice in `_Level.slices`."""


@dataclass(frozen=True)
class _Level:
    """One level: the slice of every timepoint, of one limb or of all.

    Parameters
    ----------
    slices : mapping of timepoint to (index, distance)
        Slice on the grid of the labels, and how far its middle lies from the baseline's level. [mm]
    """

    side: Side | None
    slices: Mapping[str, tuple[int, float]]


def side_by_side_section(comparison: Comparison) -> Section | None:
    """Matched slices of the timepoints, or why they are not shown; None where no timepoint has images."""
    names = [item.name for item in comparison.timepoints]
    if len(names) < 2 or names[0] not in comparison.images:
        return None
    blocks: list[Block] = []
    matched: dict[str, tuple[PositionMatch, ...]] = {}
    for name in names[1:]:
        found = comparison.matches.get(name, Missing("M_NO_LABELS", "no labels"))
        if isinstance(found, Missing):
            blocks.append(Notice(f"{capitalized(name)} is not shown beside {names[0]}: {found.reason}."))
        elif len(matched) < MAXIMUM_TIMEPOINTS - 1:
            matched[name] = found
    levels = _levels(comparison.images[names[0]].labels, matched, comparison.images)
    if matched and not levels:
        blocks.append(Notice("No level is shown by all timepoints, so no slices stand side by side."))
    if levels:
        shown = {name: comparison.images[name] for name in (names[0], *matched)}
        blocks += _figures(shown, levels, synthetic=comparison.synthetic)
    return Section("side-by-side", "Side by side at matched levels", tuple(blocks)) if blocks else None


def _levels(
    labels: LabelMap, matched: Mapping[str, tuple[PositionMatch, ...]], images: Mapping[str, ComparedImages]
) -> tuple[_Level, ...]:
    if not matched:
        return ()
    view = view_of(labels.grid)
    sides = set.intersection(*({match.side for match in found} for found in matched.values()))
    tables = {
        side: _slices_of(labels, side, {n: _of(f, side) for n, f in matched.items()}, images)
        for side in sorted(sides, key=str)
    }
    weight = np.zeros(labels.grid.shape, dtype=bool)
    common = [k for k in range(view.n_slices) if any(k in table for table in tables.values())]
    index: list[slice | list[int]] = [slice(None)] * 3
    index[view.slice_axis] = common
    weight[tuple(index)] = (labels.labels > 0)[tuple(index)]
    if not weight.any():
        return ()
    levels: list[_Level] = []
    for k in choose_slices(weight, view, LEVELS):
        found = {side: table[k] for side, table in tables.items() if k in table}
        indices = [{name: index for name, (index, _) in row.items()} for row in found.values()]
        if len(found) == len(tables) and all(item == indices[0] for item in indices):
            farthest = {
                name: (index, max(row[name][1] for row in found.values())) for name, index in indices[0].items()
            }
            levels.append(_Level(None, {_BASELINE: (k, 0.0)} | farthest))
        else:  # the limbs moved apart, so each has its own level
            levels += [_Level(side, {_BASELINE: (k, 0.0)} | row) for side, row in found.items()]
    return tuple(levels)


def _of(found: Sequence[PositionMatch], side: Side | None) -> NDArray[np.float64]:
    return np.array(next(match.matrix for match in found if match.side == side), dtype=np.float64)


def _slices_of(
    labels: LabelMap,
    side: Side | None,
    moves: Mapping[str, NDArray[np.float64]],
    images: Mapping[str, ComparedImages],
) -> dict[int, dict[str, tuple[int, float]]]:
    """For every slice of the baseline that all others show: their nearest slice and its distance. [mm]"""
    limb = labels.labels > 0 if side is None else labels.mask_where(side=side)
    axis = view_of(labels.grid).slice_axis
    table: dict[int, dict[str, tuple[int, float]]] = {}
    for k in np.flatnonzero(limb.any(axis=tuple(a for a in range(3) if a != axis))):
        plane = np.argwhere(np.take(limb, k, axis=axis)).mean(axis=0)
        middle = labels.grid.positions_mm(np.insert(plane, axis, float(k)))
        row: dict[str, tuple[int, float]] = {}
        for name, move in moves.items():
            grid = images[name].labels.grid
            other = view_of(grid)
            place = float(grid.indices(move[:3, :3] @ middle + move[:3, 3])[other.slice_axis])
            nearest = round(place)
            if 0 <= nearest < other.n_slices:
                row[name] = (nearest, abs(place - nearest) * grid.spacing_mm[other.slice_axis])
        if len(row) == len(moves):
            table[int(k)] = row
    return table


def _figures(shown: Mapping[str, ComparedImages], levels: Sequence[_Level], *, synthetic: bool) -> list[Figure]:
    figures: list[Figure] = []
    first = next(iter(shown.values()))
    if all(images.gray is not None for images in shown.values()):
        caption = "The image on which regions were drawn, with their outlines. "
        caption += (
            "One window for all."
            if _is_ct(first)
            else "MR has no unit: the window is scaled by the middle gray of the labeled body."
        )
        figures.append(_figure(shown, levels, None, None, caption, synthetic=synthetic))
    common = [q for q in SHOWN_MAPS if all(q in images.maps for images in shown.values())]
    for quantity in common[:2]:
        parametric = first.maps[quantity]
        scale = scale_for(parametric)
        caption = f"{quantity_title(quantity)} under one color scale. Gray where the map is not valid."
        figures.append(_figure(shown, levels, quantity, scale, caption, synthetic=synthetic))
    return figures


def _is_ct(images: ComparedImages) -> bool:
    return images.gray is not None and images.gray.unit is Unit.HOUNSFIELD


def _figure(
    shown: Mapping[str, ComparedImages],
    levels: Sequence[_Level],
    quantity: str | None,
    scale: Scale | None,
    caption: str,
    *,
    synthetic: bool,
) -> Figure:
    reference = _middle_gray(next(iter(shown.values())))
    base = _gray_levels(next(iter(shown.values())))
    pictures: list[Picture] = []
    for level in levels:
        for number, (name, images) in enumerate(shown.items()):
            index, distance = level.slices[_BASELINE if number == 0 else name]
            factor = 1.0 if _is_ct(images) or not reference else (_middle_gray(images) or reference) / reference
            gray = (base[0] * factor, base[1] * factor)
            where = f", {distance:.0f} mm off" if number else ""
            pictures.append(
                _picture(name, images, level.side, index, where, quantity, scale, gray, synthetic=synthetic)
            )
    bar = None
    if scale is not None and quantity is not None:
        held = [images.maps[quantity].values[images.maps[quantity].valid] for images in shown.values()]
        bar = draw_scale(
            scale,
            next(iter(shown.values())).maps[quantity].unit,
            quantity_title(quantity),
            below=any(bool((values < scale.low).any()) for values in held),
            above=any(bool((values > scale.high).any()) for values in held),
        )
    caption += " Levels were matched by bone and limb outlines; the distance to the level of the first stands in each."
    return Figure(tuple(pictures), caption, scale=bar, columns=len(shown))


def _gray_levels(images: ComparedImages) -> tuple[float, float]:
    if images.gray is None:
        return (0.0, 1.0)
    return CT_LEVELS_HU if _is_ct(images) else gray_window(images.gray.data)


def _middle_gray(images: ComparedImages) -> float:
    """Median signal of the labeled body; 0 without an image."""
    if images.gray is None or not images.gray.grid.is_same_as(images.labels.grid):
        return 0.0
    return float(np.median(np.abs(images.gray.data[images.labels.labels > 0])))


def _picture(
    name: str,
    images: ComparedImages,
    side: Side | None,
    index: int,
    where: str,
    quantity: str | None,
    scale: Scale | None,
    gray: tuple[float, float],
    *,
    synthetic: bool,
) -> Picture:
    parametric = None if quantity is None else images.maps[quantity]
    grid = images.labels.grid if parametric is None else parametric.grid
    labels = images.labels if parametric is None else resample_labels(images.labels, grid)
    view = view_of(grid)
    if parametric is not None:
        index = _same_level(index, images.labels.grid, grid)
    limb = labels.labels > 0 if side is None else labels.mask_where(side=side)
    window = content_window(limb, view)
    whose = f"{side} limb, " if side is not None else ""
    text = f"{name}: {whose}{slice_text(view, index)}{where}"
    seen = "regions outlined" if parametric is None else f"{quantity_title(parametric.quantity)} in color"
    return draw_slice(
        _background(images, grid),
        view,
        index,
        window,
        levels=gray,
        overlay=None if parametric is None or scale is None else Overlay(np.asarray(parametric.values), scale),
        outlines=region_outlines(labels),
        text=text,
        synthetic=synthetic,
        alt=f"{capitalized(text)}, {seen}. {side_words(view)}",
    )


def _same_level(index: int, source: Grid, target: Grid) -> int:
    """Slice of `target` nearest to the middle of a slice of `source`, in one patient space."""
    if source.is_same_as(target):
        return index
    here, there = view_of(source), view_of(target)
    middle = (np.asarray(source.shape, dtype=np.float64) - 1.0) / 2.0
    middle[here.slice_axis] = index
    place = float(target.indices(source.positions_mm(middle))[there.slice_axis])
    return int(np.clip(round(place), 0, there.n_slices - 1))


def _background(images: ComparedImages, grid: Grid) -> NDArray[np.generic]:
    if images.gray is None:
        return np.zeros(grid.shape, dtype=np.float32)
    values = np.asarray(images.gray.data, dtype=np.float32)
    return np.nan_to_num(values_on(values, images.gray.grid, grid), nan=0.0)
