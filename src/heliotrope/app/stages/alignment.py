"""The stage that looks whether labels lie where the limbs lie on every map's own image, and carries them where not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heliotrope.app.stage import Stage, StageInput, StageOutput
from heliotrope.app.stages.measurements import LABEL_STAGES, MAP_STAGES
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Modality, Role, Series, Study
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.carried_labels import (
    ROBUST_ROLES,
    CarriedLabels,
    carry_labels,
    only_outlines,
    outlines_of_limbs,
    surface_limit_mm,
)
from heliotrope.segment.contrast import body_of
from heliotrope.segment.position_match import apart_mm
from heliotrope.segment.tissues import segment_tissues

TISSUE_ROLES = frozenset({Role.T1, Role.DIXON_IN_PHASE, Role.T2, Role.MULTI_ECHO_T2})
"""Images on which tissues are drawn alone, for a rigid move by bone and outline."""


@dataclass(frozen=True, eq=False)
class _Place:
    """A grid that carries maps, and an image on it."""

    series: Series
    grid: Grid
    image: Volume


def _select(study: Study) -> tuple[Series, ...] | Missing:
    if sum(series.grid is not None and series.acquisition.modality is Modality.MR for series in study.series) > 1:
        return ()
    return Missing("M_NO_SERIES", "no second MR series to which labels would have to be carried")


def _run(given: StageInput) -> StageOutput:
    if given.labels is None:
        return StageOutput(sentence="")
    carried: list[LabelMap] = []
    checks: list[QualityCheck] = []
    for place in _places(given, given.labels):
        labels, check = _placed(given, given.labels, place)
        if labels is not None:
            carried.append(labels)
        checks.append(check)
    if not checks:
        return StageOutput(sentence="")
    return StageOutput(
        sentence=(
            "On every series that lies on another grid than the labels, the outline of the limbs was compared with the "
            "labels placed by the image headers; where they lay apart, labels were carried limb by limb (rigid by bone "
            "and outline, then affine and B-spline where both images are in-phase or T1), and left out where they did "
            "not fit. Maps were never warped."
        ),
        evidence=("registration-limit",),
        carried=tuple(carried),
        quality=tuple(checks),
    )


def _places(given: StageInput, labels: LabelMap) -> list[_Place]:
    """Grids of maps other than the labels', each with the image that shows the limbs best there."""
    grids: list[Grid] = []
    for parametric in given.maps.values():
        if not any(parametric.grid.is_same_as(known) for known in (labels.grid, *grids)):
            grids.append(parametric.grid)
    places = []
    for grid in grids:
        on_it = [s for s in given.study.series if s.grid is not None and s.grid.is_same_as(grid)]
        usable = [s for s in on_it if s.acquisition.modality is Modality.MR]
        if usable:
            series = min(usable, key=lambda s: (s.role not in ROBUST_ROLES, s.role not in TISSUE_ROLES))
            places.append(_Place(series, grid, given.read_volume(series)))
    return places


def _placed(given: StageInput, labels: LabelMap, place: _Place) -> tuple[LabelMap | None, QualityCheck]:
    """Labels carried to a grid, or None where the headers place them well; and what was found."""
    name = f"label-position/{place.series.role.replace('_', '-')}"
    first = np.abs(place.image.frame(0).data).astype(np.float32)
    try:
        outlines = _outlines(first, place.grid)
    except QualityRefusal as refusal:
        return None, QualityCheck(name, None, f"Where the limbs lie could not be told: {refusal.message}.")
    limit = surface_limit_mm(labels.grid, place.grid)
    apart, before = [], "in another frame of reference"
    if labels.grid.shares_frame_with(place.grid):
        by_header = only_outlines(labels)
        sides = [region.side for region in outlines.legend.values()]
        apart = [value for side in sides if np.isfinite(value := apart_mm(outlines, by_header, side))]
        before = f"{max(apart):.1f} mm apart" if apart else "without a common slice"
    if apart and max(apart) <= limit:
        return None, QualityCheck(name, True, f"Labels and limbs lie {before} (95th percentile, limit {limit:.1f} mm).")
    try:
        found = _carry(given, labels, place, first, outlines)
    except QualityRefusal as refusal:
        nothing = np.zeros(place.grid.shape, dtype=np.uint16)
        empty = LabelMap(nothing, place.grid, labels.legend, labels.source, {}, (refusal.message,))
        return empty, QualityCheck(
            name, False, f"By the headers labels and limbs lie {before}; {refusal.message}. Nothing was measured here."
        )
    words = "; ".join(
        f"{limb.side or 'limb'} {limb.surface_p95_mm:.1f} mm apart, overlap {limb.dice:.2f}, there and back "
        f"{limb.inverse_consistency_mm:.1f} mm{', bent' if limb.bent else ''}"
        for limb in found.limbs
    )
    whole = all(limb.fits for limb in found.limbs)
    return found.labels, QualityCheck(
        name,
        whole,
        f"By the headers labels and limbs lie {before}; labels were carried: {words} (limit {limit:.1f} mm).",
    )


def _outlines(image: np.ndarray[tuple[int, ...], np.dtype[np.float32]], grid: Grid) -> LabelMap:
    frame = AxialFrame.of(grid)
    signal = frame.to_axial(image)
    return outlines_of_limbs(body_of(signal, (frame.spacing_mm[0], frame.spacing_mm[1])), signal, grid)


def _carry(
    given: StageInput,
    labels: LabelMap,
    place: _Place,
    first: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    outlines: LabelMap,
) -> CarriedLabels:
    """Labels on another grid, by tissues where they can be drawn there, else by outlines."""
    own = outlines
    if place.series.role in TISSUE_ROLES:
        try:
            times = place.series.acquisition.echo_times_ms or None
            own = segment_tissues({place.series.role: place.image}, echo_times_ms=times)
        except QualityRefusal:
            own = outlines
    source = next(
        (
            series
            for series in given.study.series
            if series.role in ROBUST_ROLES and series.grid is not None and series.grid.is_same_as(labels.grid)
        ),
        None,
    )
    if source is not None and place.series.role in ROBUST_ROLES and own is not outlines:
        moving = given.read_volume(source).frame(0)
        return carry_labels(labels, own, moving=_magnitude(moving), fixed=Volume(first, place.grid))
    return carry_labels(labels, own)


def _magnitude(volume: Volume) -> Volume:
    return Volume(np.abs(volume.data).astype(np.float32), volume.grid, volume.unit)


STAGES: tuple[Stage, ...] = (Stage("alignment", 1, (), _select, _run, uses=(*LABEL_STAGES, *MAP_STAGES)),)
"""Stages of this topic."""
