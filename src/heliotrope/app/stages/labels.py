"""The stage that draws tissues on the best series of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.earlier_labels import carry_to_visit, read_earlier_visit, require_tissues, robust_images
from heliotrope.app.engines import Segmenter
from heliotrope.app.person_labels import have_one_grid, merged, read_person_labels
from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.app.stages.fat_fraction import InputKind, choose_input
from heliotrope.app.stages.muscles import ROLES as IMAGES_OF_ANATOMY
from heliotrope.app.stages.muscles import STAGES as MUSCLE_STAGES
from heliotrope.domain.errors import EngineError, QualityRefusal
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.carried_labels import ROBUST_ROLES
from heliotrope.segment.fascia import distance_to_fascia_mm
from heliotrope.segment.label_quality import check_labels
from heliotrope.segment.layers import Layers
from heliotrope.segment.tissues import METHOD, PREFERENCE, segment_layers

TISSUE_LABELS = Quantity(
    "tissue_labels",
    "tissue labels",
    Unit.ONE,
    "Which voxel is skin, subcutaneous fat, muscle, intermuscular fat or bone, left and right; a region, not a number.",
)
"""What this stage delivers."""
ENGINE_LABELS = Quantity(
    "engine_labels",
    "labels of an engine",
    Unit.ONE,
    "Which voxel belongs to which structure, by an engine that the site installed; a region, not a number.",
)
"""What the stage of labels delivers where an engine was named."""
FASCIA_DISTANCE = Quantity(
    "fascia_distance",
    "distance to the deep fascia",
    Unit.MILLIMETER,
    "Signed distance within the slice to the deep fascia found as a surface: negative in muscle, positive in the "
    "subcutis; a place, not a thickness.",
)
"""The surface of the deep fascia, kept for whoever needs it."""

FITTED_BEFORE: tuple[Role, ...] = (Role.T1,)
"""The row of `PREFERENCE` before which the fat share fitted to complex gradient echoes is taken.

Smallest Dice on two digital thighs with active disease: muscle 0.986 and subcutaneous fat 0.958 on a multi-echo T2
series, 0.971 and 0.954 on the fitted share, 0.947 and 0.929 on a T1 image. Measured here; the order is a project rule.
"""
GRADIENT_ECHOES = (Role.GRE_MAGNITUDE, Role.GRE_PHASE, Role.GRE_REAL, Role.GRE_IMAGINARY)
"""Roles of the echoes a complex fit takes."""


def _select(study: Study) -> tuple[Series, ...] | Missing:
    return _best(study, fitted=True)


def _best(study: Study, *, fitted: bool) -> tuple[Series, ...] | Missing:
    """The best series; `fitted` tells whether a fat fraction fitted to complex gradient echoes may be used."""
    for row in PREFERENCE:
        if fitted and row == FITTED_BEFORE and (echoes := _complex_echoes(study)):
            return echoes
        chosen = _row_of_one_grid(study, row)
        if chosen:
            return chosen
    wanted = ", ".join(" + ".join(role.replace("_", " ") for role in row) for row in PREFERENCE)
    return Missing(
        "M_NO_SERIES",
        f"no series shows fat against muscle; one of these is needed: {wanted}, or complex gradient echoes",
    )


def _complex_echoes(study: Study) -> tuple[Series, ...]:
    chosen = choose_input(study)
    if isinstance(chosen, Missing) or chosen.kind is not InputKind.COMPLEX_ECHOES:
        return ()
    return chosen.series


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
    series = given.series
    from_echoes = all(item.role in GRADIENT_ECHOES for item in series)
    images = _fitted_images(given) if from_echoes else None
    fitted = images is not None
    if images is None:
        series = _without_fit(given) if from_echoes else series
        images = {item.role: given.read_volume(item) for item in series}
    first = series[0]
    layers = segment_layers(images, echo_times_ms=None if fitted else first.acquisition.echo_times_ms or None)
    shown = _background(images[Role.GRE_MAGNITUDE if fitted else first.role])
    on_ct = first.role is Role.CT
    shown_on = "CT" if on_ct else first.role.replace("_", " ")
    source = "fat share fitted to the complex gradient echoes" if fitted else f"{shown_on} series"
    return StageOutput(
        sentence=f"Tissues were labeled without trained weights on the {source} {_how(layers, by_density=on_ct)}",
        evidence=("tissue-layers-classical", "skin-thickness-ct", "fascia-subvoxel", "fat-half-rule", "septum-angles"),
        labels=layers.labels,
        maps={FASCIA_DISTANCE.key: _fascia_distance(layers)},
        backgrounds={"labels": shown},
        quality=_checks(layers),
    )


def _how(layers: Layers, *, by_density: bool) -> str:
    """How the tissues of limbs or of a trunk were found."""
    sides = layers.limbs.sides
    if not sides:
        return (
            "(a trunk): body mask, deep fascia as a closed minimal path per slice, bone by density and shape, and the "
            "inner border of the body wall by a watershed between what is surely wall and surely cavity."
        )
    known = [str(side) for side in sides if side is not None]
    unknown = len(sides) - len(known)
    if unknown:
        known.append("a limb whose side is not known" if unknown == 1 else f"{unknown} limbs whose side is not known")
    shown = " and ".join(known)
    bone = "bone by its density" if by_density else "bone as a dark ring around marrow"
    return (
        f"({shown if unknown == len(sides) else f'limbs: {shown}'}): body mask, limbs, deep fascia as a closed minimal "
        f"path per slice, {bone}, and half fat as the limit between muscle and intermuscular fat."
    )


def _fascia_distance(layers: Layers) -> ParametricMap:
    grid = layers.labels.grid
    frame = AxialFrame.of(grid)
    inside = np.any([surface.inside for surface in layers.fascia], axis=0)
    distance = frame.from_axial(distance_to_fascia_mm(inside, frame.spacing_mm))
    valid = (layers.labels.labels > 0) & np.isfinite(distance)
    return ParametricMap(FASCIA_DISTANCE.key, distance, valid, grid, FASCIA_DISTANCE.unit, METHOD)


def _fitted_images(given: StageInput) -> dict[Role, Volume] | None:
    """Fat share of the fitted signals and a gray image, on the grid of the echoes; None when there was no fit."""
    water, fat = given.maps.get("water_signal"), given.maps.get("fat_signal")
    grid = given.series[0].grid
    if water is None or fat is None or grid is None or not water.grid.is_same_as(grid, 0.5):
        return None
    known = water.valid & fat.valid
    total = np.where(known, np.abs(water.values) + np.abs(fat.values), 0.0)
    known &= total > 0
    percent = np.full(total.shape, np.nan, dtype=np.float32)
    percent[known] = 100.0 * np.abs(fat.values[known]) / total[known]
    return {
        Role.FAT_FRACTION: Volume(percent, water.grid, Unit.PERCENT),
        Role.GRE_MAGNITUDE: Volume(_brightest_echo(given), water.grid),
    }


def _brightest_echo(given: StageInput) -> NDArray[np.float32]:
    """Largest magnitude of any echo (x, y, z): where water and fat oppose in one echo, they agree in another."""
    first = [item for item in given.series if item.role in {Role.GRE_MAGNITUDE, Role.GRE_REAL}]
    second = [item for item in given.series if item.role is Role.GRE_IMAGINARY]
    magnitudes = [np.abs(frame) for frame in _frames(given, first)]
    if second:
        magnitudes = [np.hypot(a, np.abs(b)) for a, b in zip(magnitudes, _frames(given, second), strict=True)]
    return np.asarray(np.max(magnitudes, axis=0), dtype=np.float32)


def _frames(given: StageInput, series: Sequence[Series]) -> list[NDArray[np.float32]]:
    volumes = [given.read_volume(item) for item in series]
    return [np.asarray(volume.frame(k).data, np.float32) for volume in volumes for k in range(volume.n_frames)]


def _without_fit(given: StageInput) -> tuple[Series, ...]:
    """The next best series of a study whose gradient echoes could not be fitted."""
    other = _best(given.study, fitted=False)
    if isinstance(other, Missing):
        raise QualityRefusal(
            "the gradient echoes gave no fat fraction, and no other series shows fat against muscle",
            hint="see why the stage fat-fraction was refused, or give a T1, Dixon or multi-echo series",
            code="E_NO_CONTRAST",
        )
    return other


def _background(volume: Volume) -> Volume:
    """The gray image under the labels: an early echo of a train, else the image; CT numbers keep their sign."""
    shown = volume.frame(min(1, volume.n_frames - 1))
    gray = shown.data if shown.unit is Unit.HOUNSFIELD else np.abs(shown.data)
    return Volume(np.asarray(gray, dtype=np.float32), shown.grid, shown.unit)


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
            None not in layers.limbs.sides if layers.limbs.sides else None,
            layers.limbs.side_reason[:1].upper() + layers.limbs.side_reason[1:] + ".",
        ),
        *check_labels(layers.labels),
    )


def _select_any(study: Study) -> tuple[Series, ...] | Missing:
    if any(series.grid is not None for series in study.series):
        return ()
    return Missing("M_NO_SERIES", "no series with a regular geometry, so there is nothing labels could lie on")


def _run_person(given: StageInput) -> StageOutput:
    if given.options.labels_from is not None:
        return _run_earlier(given, Path(given.options.labels_from))
    if given.options.labels is None:
        return StageOutput(sentence="")
    person, series = read_person_labels(Path(given.options.labels), given.study)
    labels = merged(person, given.labels)
    # labels that were corrected on the image of the automatic ones keep it, whichever series has that grid too
    automatic = given.backgrounds.get("labels")
    kept = automatic is not None and have_one_grid(automatic.grid, labels.grid)
    shown = automatic if automatic is not None and kept else _background(given.read_volume(series))
    return StageOutput(
        sentence="Labels drawn or corrected by a person took the place of the automatic ones.",
        labels=labels,
        backgrounds={"labels": shown},
        quality=check_labels(labels),
    )


def _run_earlier(given: StageInput, folder: Path) -> StageOutput:
    own = require_tissues(given.labels)
    images = robust_images(given.maps.get("fat_fraction"), own.grid)
    for series in given.study.series:
        if series.role in ROBUST_ROLES and series.grid is not None and series.grid.is_same_as(own.grid):
            images.setdefault(series.role, _background(given.read_volume(series)))
    found = carry_to_visit(read_earlier_visit(folder, given.study), own, images)
    by = None if found.by is None else found.by.replace("_", " ")
    how = "without bending" if by is None else f"then by the images of both visits ({by}): rigid, affine and B-spline"
    return StageOutput(
        sentence=(
            "Labels of muscle were carried from an earlier visit, limb by limb, rigidly by bone and outline, "
            f"{how}; skin, fat and bone are this visit's own. No map was moved."
        ),
        evidence=("registration-limit",),
        labels=found.labels,
        quality=(*found.quality, *check_labels(found.labels)),
    )


PERSON_LABELS = "person-labels"
"""Name of the stage that puts other labels in the place of the automatic ones."""


def with_engine(stages: tuple[Stage, ...], engine: Segmenter, study: Study) -> tuple[Stage, ...]:
    """The stages, with an engine where a person's labels would come in.

    Raises
    ------
    EngineError
        The engine is not ready, or the study has no image for it; so it is refused before anything runs.
    """
    identity = engine.identify()
    series = _shown_to(engine, identity.source, study)

    def run(given: StageInput) -> StageOutput:
        image = _background(given.read_volume(series))
        found = engine(image)
        if not found.legend:
            raise QualityRefusal(
                f"{identity.source} labeled nothing that has a name here",
                hint="choose a task that fits this part of the body",
                code="E_LABEL",
            )
        labels = merged(found, given.labels)
        shown = series.role.replace("_", " ")
        return StageOutput(
            sentence=f"Labels that {identity.source} made on the {shown} series took the place of the automatic ones.",
            labels=labels,
            backgrounds={"labels": image},
            quality=check_labels(labels),
        )

    def placed(stage: Stage) -> Stage:
        if stage.name != PERSON_LABELS:
            return stage
        material = f"{identity.source} {identity.weights}"
        return replace(
            stage, quantities=(ENGINE_LABELS,), select=lambda _: (series,), run=run, material=lambda: material
        )

    return tuple(map(placed, stages))


def _shown_to(engine: Segmenter, source: str, study: Study) -> Series:
    """The image an engine sees: the largest of the kind that shows anatomy best, of a modality it knows."""
    for role in IMAGES_OF_ANATOMY:
        shown = [item for item in study.with_role(role) if item.grid is not None]
        fit = [item for item in shown if engine.modality in (None, item.acquisition.modality)]
        if fit:
            return max(fit, key=_covered_volume)
    raise EngineError(
        f"the study has no {engine.modality or 'MR or CT'} series of a known kind for {source}",
        hint="choose an engine or task for this modality, or name the role of the images with --role",
        code="E_ENGINE_IMAGE",
    )


STAGES: tuple[Stage, ...] = (
    Stage("tissues", 12, (TISSUE_LABELS, FASCIA_DISTANCE), _select, _run, uses=("fat-fraction",)),
    *MUSCLE_STAGES,
    Stage(
        PERSON_LABELS,
        5,
        (),
        _select_any,
        _run_person,
        uses=("tissues", "muscles", "fat-fraction"),
        reads=("labels", "labels_from"),
    ),
)
"""Stages of this topic."""
