"""The stage that reads every map in every labeled region and measures the regions' size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import NotAssessed
from heliotrope.domain.study import Modality, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.measure.cores import Cores
from heliotrope.measure.map_statistics import level_medians, measure_map
from heliotrope.measure.morphometry import measure_morphometry
from heliotrope.segment.transfer import resample_labels

QUANTITIES = (
    Quantity(
        "volume",
        "Volume",
        Unit.MILLILITER,
        "Volume of the imaged part of a region; smaller muscle than before may be atrophy, or another field of view.",
    ),
    Quantity(
        "cross_section",
        "Cross-section",
        Unit.SQUARE_MILLIMETER,
        "Area of a region within a slice; depends on the level, so compare only matched slices.",
    ),
    Quantity(
        "thickness",
        "Thickness",
        Unit.MILLIMETER,
        "Mean thickness of the subcutaneous fat as a ring; not a measure of nutrition.",
    ),
    Quantity(
        "contractile_volume",
        "Contractile volume",
        Unit.MILLILITER,
        "Volume of muscle without its fat; lower is more damage or smaller muscle. Not a measure of strength.",
    ),
    Quantity(
        "margin_loss",
        "Share lost to the margin",
        Unit.PERCENT,
        "Share of a region that lies in its margin and was left out of a map's statistics; a large share makes the "
        "numbers of thin muscles less sure. Not a finding.",
    ),
    Quantity(
        "contractile_area",
        "Contractile area",
        Unit.SQUARE_MILLIMETER,
        "Largest cross-section of muscle without its fat; lower is more damage or smaller muscle.",
    ),
)

_TECHNICAL_ENDINGS = ("_sd", "_residual", "_signal", "_amplitude", "_chi_squared")
_TECHNICAL = {"calcinosis_plane", "fascia_distance", "transmit_field", "field_map", "b1"}
LABEL_STAGES = ("tissues", "muscles", "person-labels")
MAP_STAGES = (
    "water-t2",
    "water-t2-joint",
    "legacy-t2",
    "fat-fraction",
    "adc",
    "ivim",
    "dti",
    "stir-ratio",
)
GAP_LIMIT = 1.25
"""Slice distance over thickness from which a volume says that it fills gaps; a 20 % gap is usual."""

_VOLUMETRIC = {Modality.MR, Modality.CT, Modality.OTHER}
_FILLED_BETWEEN_SLICES = {"volume", "contractile_volume"}
SEED = 20260
"""Seed of the block draws: the same study gives the same intervals."""


def is_technical(quantity: str) -> bool:
    """True for maps that support others and are no result in a region."""
    return quantity in _TECHNICAL or quantity.endswith(_TECHNICAL_ENDINGS)


def _select(study: Study) -> tuple[Series, ...] | Missing:
    if any(series.grid is not None and series.acquisition.modality in _VOLUMETRIC for series in study.series):
        return ()
    return Missing("M_NO_SERIES", "no series with a regular geometry, so there are no regions to measure")


def _run(given: StageInput) -> StageOutput:
    if given.labels is None:
        missing = Missing("M_NO_LABELS", "no labels: nothing says which voxel belongs to which region")
        return StageOutput(
            sentence="No region was measured, since there are no labels.",
            not_assessed=tuple(NotAssessed(quantity.key, missing) for quantity in QUANTITIES),
        )
    generator = np.random.default_rng(SEED)
    known = [Cores.of(labels) for labels in (given.labels, *given.carried)]
    results: list[Measurement] = []
    not_assessed: list[NotAssessed] = []
    measured: list[str] = []
    for name, parametric in sorted(given.maps.items()):
        if is_technical(parametric.quantity):
            continue
        try:
            cores = _cores_on(parametric.grid, given.labels, known)
        except GeometryError as error:
            not_assessed.append(NotAssessed(parametric.quantity, Missing("M_OTHER_FRAME", error.message)))
            continue
        results.extend(measure_map(parametric, cores, generator=generator))
        results.extend(level_medians(parametric, cores))
        measured.append(name.replace("_", " "))
    sizes = measure_sizes(given.labels, given.maps.get("fat_fraction"), known)
    gap = _gap_note(given.study, given.labels.grid)
    results.extend(
        replace(item, notes=(*item.notes, gap)) if gap and item.quantity in _FILLED_BETWEEN_SLICES else item
        for item in sizes
    )
    what = ", ".join(measured) if measured else "no map"
    return StageOutput(
        sentence=(
            f"In every region ({what}) the median, mean and interquartile range were taken after removing a margin of "
            "one pixel (at least 1.5 mm) within each slice; intervals are from a bootstrap over 10 mm blocks. Of "
            "regions that lose more than 60 % to it, a mean freed of their neighbors by regression is given too."
        ),
        evidence=(
            "spatial-block-bootstrap",
            "margin-erosion",
            "partial-volume-regression",
            "voxel-count",
            "contractile-area",
            "ring-thickness",
        ),
        measurements=tuple(results),
        not_assessed=tuple(not_assessed),
    )


def measure_sizes(
    labels: LabelMap, fat_fraction: ParametricMap | None, known: list[Cores] | None = None
) -> tuple[Measurement, ...]:
    """Sizes on the grid the labels were drawn on; the contractile part on the grid of the fat fraction.

    Parameters
    ----------
    known : list of Cores, optional
        Of labels that were resampled already; grows.
    """
    known = [Cores.of(labels)] if known is None else known
    if fat_fraction is None:
        return measure_morphometry(labels)
    if fat_fraction.grid.is_same_as(labels.grid):
        return measure_morphometry(labels, fat_fraction)
    try:
        moved = _cores_on(fat_fraction.grid, labels, known).index.labels
    except GeometryError:
        return measure_morphometry(labels)
    contractile = measure_morphometry(moved, fat_fraction)
    return (*measure_morphometry(labels), *(item for item in contractile if item.quantity.startswith("contractile")))


def _gap_note(study: Study, grid: Grid) -> str:
    """What a volume rests on where slices are thinner than their distance; empty where they touch."""
    for series in study.series:
        thickness, drawn_on = series.acquisition.slice_thickness_mm, series.grid
        if thickness is None or drawn_on is None or not drawn_on.is_same_as(grid):
            continue
        distance = drawn_on.spacing_mm[2]
        if distance > GAP_LIMIT * thickness:
            return (
                f"Slices are {thickness:g} mm thick and {distance:g} mm apart: tissue between them was not imaged and "
                "is counted as like its neighbors."
            )
    return ""


def _cores_on(grid: Grid, labels: LabelMap, known: list[Cores]) -> Cores:
    """Labels on a map's grid and their regions without margins: resampled and eroded once per grid."""
    for cores in known:
        if cores.grid.is_same_as(grid):
            return cores
    known.append(Cores.of(resample_labels(labels, grid)))
    return known[-1]


STAGES: tuple[Stage, ...] = (
    Stage("measurements", 6, QUANTITIES, _select, _run, uses=(*LABEL_STAGES, *MAP_STAGES, "alignment")),
)
