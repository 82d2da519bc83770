"""The stage that draws tissues on the best series of a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heliotrope.app.person_labels import merged, read_person_labels
from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.images import Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.segment.label_quality import check_labels
from heliotrope.segment.layers import Layers
from heliotrope.segment.tissues import PREFERENCE, segment_layers

TISSUE_LABELS = Quantity(
    "tissue_labels",
    "tissue labels",
    Unit.ONE,
    "Which voxel is skin, subcutaneous fat, muscle, intermuscular fat or bone, left and right; a region, not a number.",
)
"""What this stage delivers."""


def _select(study: Study) -> tuple[Series, ...] | Missing:
    for row in PREFERENCE:
        chosen = _row_of_one_grid(study, row)
        if chosen:
            return chosen
    wanted = ", ".join(" + ".join(role.replace("_", " ") for role in row) for row in PREFERENCE)
    return Missing("M_NO_SERIES", f"no series shows fat against muscle; one of these is needed: {wanted}")


def _row_of_one_grid(study: Study, row: tuple[Role, ...]) -> tuple[Series, ...]:
    """The largest series of the first role, with its partners on the same grid."""
    first = [s for s in study.with_role(row[0]) if s.grid is not None and s.acquisition is not None]
    for series in sorted(first, key=lambda s: -_covered_volume(s)):
        partners = [
            next((s for s in study.with_role(role) if s.grid is not None and _one_grid(series, s)), None)
            for role in row[1:]
        ]
        if all(partner is not None for partner in partners):
            return (series, *(partner for partner in partners if partner is not None))
    return ()


def _one_grid(first: Series, second: Series) -> bool:
    return first.grid is not None and second.grid is not None and first.grid.is_same_as(second.grid, 0.5)


def _covered_volume(series: Series) -> float:
    grid = series.grid
    return 0.0 if grid is None else float(np.prod(grid.shape)) * grid.voxel_volume_mm3


def _run(given: StageInput) -> StageOutput:
    images = {series.role: given.read_volume(series) for series in given.series}
    first = given.series[0]
    layers = segment_layers(images, echo_times_ms=first.acquisition.echo_times_ms or None)
    shown = _background(images[first.role])
    sides = " and ".join(str(side) for side in layers.limbs.sides if side is not None) or "unknown side"
    return StageOutput(
        sentence=(
            f"Tissues were labeled without trained weights on the {first.role.replace('_', ' ')} series "
            f"(limbs: {sides}): body mask, limbs, deep fascia as a closed minimal path per slice, bone as a dark ring "
            "around marrow, and half fat as the limit between muscle and intermuscular fat."
        ),
        evidence=("tissue-layers-classical", "skin-thickness-ct", "fascia-subvoxel", "fat-half-rule", "septum-angles"),
        labels=layers.labels,
        backgrounds={"labels": shown},
        quality=_checks(layers),
    )


def _background(volume: Volume) -> Volume:
    """The gray image under the labels: an early echo of a train, else the image."""
    if volume.data.ndim == 3:
        return Volume(np.abs(volume.data).astype(np.float32), volume.grid, volume.unit)
    return Volume(np.abs(volume.data[..., min(1, volume.n_frames - 1)]).astype(np.float32), volume.grid, volume.unit)


def _checks(layers: Layers) -> tuple[QualityCheck, ...]:
    confidence = [float(value) for surface in layers.fascia for value in surface.confidence if value > 0]
    share = float(np.mean([value >= 0.5 for value in confidence])) if confidence else 0.0
    return (
        QualityCheck(
            "fascia-edge",
            share >= 0.7,
            f"The path of the deep fascia is supported by a muscle-to-fat edge in {100 * share:.0f} % of limb slices.",
        ),
        QualityCheck(
            "limb-sides",
            None not in layers.limbs.sides,
            layers.limbs.side_reason[:1].upper() + layers.limbs.side_reason[1:] + ".",
        ),
        *check_labels(layers.labels),
    )


def _select_any(study: Study) -> tuple[Series, ...] | Missing:
    if any(series.grid is not None for series in study.series):
        return ()
    return Missing("M_NO_SERIES", "no series with a regular geometry, so there is nothing labels could lie on")


def _run_person(given: StageInput) -> StageOutput:
    if given.options.labels is None:
        return StageOutput(sentence="")
    person, series = read_person_labels(Path(given.options.labels), given.study)
    labels = merged(person, given.labels)
    shown = given.read_volume(series)
    return StageOutput(
        sentence="Labels drawn or corrected by a person took the place of the automatic ones.",
        labels=labels,
        backgrounds={"labels": _background(shown)},
        quality=check_labels(labels),
    )


STAGES: tuple[Stage, ...] = (
    Stage("tissues", 4, (TISSUE_LABELS,), _select, _run),
    Stage("person-labels", 1, (), _select_any, _run_person, uses=("tissues",), reads_labels=True),
)
"""Stages of this topic."""
