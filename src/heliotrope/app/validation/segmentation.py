"""Accuracy gates of the tissue labels on the digital thigh, whose every voxel is known."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.domain.anatomy import STRUCTURES, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.domain.units import Unit
from heliotrope.measure.regions import index_regions
from heliotrope.phantoms.catalogue import SCENES, ThighScene, build_thigh_study
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence
from heliotrope.phantoms.mr_tissue import as_tissues
from heliotrope.phantoms.study import PhantomStudy
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.compartments import COMPARTMENTS
from heliotrope.segment.layers import Layers
from heliotrope.segment.tissues import segment_layers, segment_tissues

SCENE = "active-dm"
TISSUES = ("subcutaneous_fat", "muscle", "bone")
"""Tissues thicker than a few voxels. Skin and septa are one to two voxels thin: their overlap tells of the grid, "
"not of us."""
SEEDS = {Effort.REDUCED: (11,), Effort.FULL: (11, 12, 13, 14)}
ORIENTATIONS = {Effort.REDUCED: 4, Effort.FULL: 24}
LARGEST_OBLIQUITY_DEG = 20.0


@functools.cache
def digital_thigh(seed: int) -> PhantomStudy:
    """Three slices of the digital thigh with active disease; built once per seed."""
    protocol = MrProtocol(n_slices=3, sequences=(Sequence.MULTI_ECHO_T2, Sequence.SCANNER_DIXON))
    scene = SCENES[SCENE]
    return build_thigh_study(SCENE, ThighScene(scene.lesions, scene.note, protocol=protocol), seed)


def _images(study: PhantomStudy) -> Iterator[tuple[dict[Role, Volume], tuple[float, ...] | None]]:
    (train,) = study.with_role(Role.MULTI_ECHO_T2)
    yield {Role.MULTI_ECHO_T2: train.volume}, train.acquisition.echo_times_ms
    yield {role: study.with_role(role)[0].volume for role in (Role.DIXON_WATER, Role.DIXON_FAT)}, None


@functools.cache
def _segmented(effort: Effort) -> tuple[tuple[PhantomStudy, Layers], ...]:
    found: list[tuple[PhantomStudy, Layers]] = []
    for seed in SEEDS[effort]:
        study = digital_thigh(seed)
        found.extend((study, segment_layers(images, echo_times_ms=times)) for images, times in _images(study))
    return tuple(found)


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Overlap of two masks, 1 for identical ones, NaN for two empty ones."""
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2.0 * int(np.count_nonzero(first & second)) / total if total else float("nan")


def _muscle(labels: LabelMap, side: Side | None = None) -> NDArray[np.bool_]:
    numbers = [
        n
        for n, r in labels.legend.items()
        if r.structure in {"muscle", *COMPARTMENTS} and (side is None or r.side is side)
    ]
    return np.isin(labels.labels, numbers)


def _whole(labels: LabelMap, structure: str) -> NDArray[np.bool_]:
    """A structure with what adds up to it: bone is cortex and marrow."""
    index = index_regions(labels)
    regions = [region for region in index.members if region.structure == structure]
    return np.asarray(np.any([index.mask(region) for region in regions], axis=0))


def measure_tissue_dice(effort: Effort) -> float:
    """Smallest Dice of any tissue, contrast and seed."""
    values = []
    for study, layers in _segmented(effort):
        truth = as_tissues(study.truth_labels)
        for name in TISSUES:
            found = _muscle(layers.labels) if name == "muscle" else _whole(layers.labels, name)
            values.append(dice(found, _whole(truth, name)))
    return float(np.min(values))


def measure_vessel_dice(effort: Effort) -> float:
    """Smallest Dice of the vessels of a side on Dixon images; an echo train does not part slow blood from fat."""
    values = []
    # multi-echo and Dixon alternate
    for study, layers in _segmented(effort)[1::2]:
        for side in Side:
            true, found = (
                labels.mask_where(structure="vessel", side=side) for labels in (study.truth_labels, layers.labels)
            )
            values.append(dice(found, true))
    return float(np.min(values))


def measure_compartment_dice(effort: Effort) -> float:
    """Smallest over the compartments of the mean Dice over limbs for which they were given; NaN when most were "
    "withheld.
    """
    values: dict[str, list[float]] = {name: [] for name in COMPARTMENTS}
    for study, layers in _segmented(effort):
        truth = study.truth_labels
        for name in COMPARTMENTS:
            for side in Side:
                numbers = [
                    n for n, r in truth.legend.items() if r.side is side and STRUCTURES[r.structure].compartment == name
                ]
                found = layers.labels.mask_where(structure=name, side=side)
                if found.any():
                    values[name].append(dice(found, np.isin(truth.labels, numbers)))
    if min(map(len, values.values())) < len(_segmented(effort)):
        return float("nan")
    return float(min(np.mean(numbers) for numbers in values.values()))


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask & ~ndimage.binary_erosion(mask)


def measure_fascia_p95(effort: Effort) -> float:
    """Largest 95th percentile, over contrasts and seeds, of the distance between found and true fascia. [mm]"""
    values = []
    for study, layers in _segmented(effort):
        frame = AxialFrame.of(study.truth_labels.grid)
        spacing = frame.spacing_mm[:2]
        truth = frame.to_axial(study.truth_labels.labels)
        outer = {n for n, r in study.truth_labels.legend.items() if r.structure in {"skin", "subcutaneous_fat"}}
        distances = []
        for surface, side in zip(layers.fascia, layers.limbs.sides, strict=True):
            deep = [n for n, r in study.truth_labels.legend.items() if r.side is side and n not in outer]
            inside = np.isin(truth, deep)
            for k in range(truth.shape[2]):
                first = _edge(ndimage.binary_fill_holes(inside[:, :, k]))
                second = _edge(ndimage.binary_fill_holes(surface.inside[:, :, k]))
                for one, other in ((first, second), (second, first)):
                    distances.append(ndimage.distance_transform_edt(~other, sampling=spacing)[one])
        values.append(float(np.percentile(np.concatenate(distances), 95)))
    return float(np.max(values))


def stored_otherwise(
    volume: Volume, generator: np.random.Generator
) -> tuple[Volume, NDArray[np.int64], NDArray[np.bool_]]:
    """The same patient stored in another axis order, reversed at random and tilted; order and flips that were used."""
    order = generator.permutation(3)
    flips = generator.random(3) < 0.5
    matrix = volume.grid.matrix
    data = volume.data
    for axis in range(3):
        if flips[axis]:
            matrix[:3, 3] += matrix[:3, axis] * (data.shape[axis] - 1)
            matrix[:3, axis] *= -1
            data = np.flip(data, axis)
    stored = matrix.copy()
    for target, source in enumerate(order):
        stored[:3, target] = matrix[:3, source]
    angle = np.radians(generator.uniform(-LARGEST_OBLIQUITY_DEG, LARGEST_OBLIQUITY_DEG))
    tilt = np.eye(4)
    tilt[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    data = np.ascontiguousarray(np.moveaxis(data, order, (0, 1, 2)))
    return Volume(data, Grid.from_matrix(data.shape[:3], tilt @ stored), volume.unit), order, flips


def measure_swapped_sides(effort: Effort) -> float:
    """Percentage of labeled voxels on the wrong side over random storage orders and tilts."""
    generator = np.random.default_rng(5)
    study = digital_thigh(SEEDS[effort][0])
    images, times = next(_images(study))
    truth = study.truth_labels
    left = truth.mask_where(side=Side.LEFT)
    right = truth.mask_where(side=Side.RIGHT)
    wrong = total = 0
    for _ in range(ORIENTATIONS[effort]):
        turned, order, flips = stored_otherwise(images[Role.MULTI_ECHO_T2], generator)
        labels = segment_tissues({Role.MULTI_ECHO_T2: turned}, echo_times_ms=times)
        for side, opposite in ((Side.LEFT, right), (Side.RIGHT, left)):
            there = np.flip(opposite, tuple(int(a) for a in np.flatnonzero(flips)))
            there = np.moveaxis(there, order, (0, 1, 2))
            found = labels.mask_where(side=side)
            wrong += int(np.count_nonzero(found & there))
            total += int(np.count_nonzero(found))
    return 100.0 * wrong / total if total else float("nan")


def _gate(name: str, title: str, limit: float, unit: Unit, sense: Sense, measure: Callable[[Effort], float]) -> Gate:
    return Gate(name, title, limit, unit, sense, measure)


GATES: tuple[Gate, ...] = (
    _gate(
        "tissue-dice",
        "Smallest Dice of subcutaneous fat, muscle and bone, multi-echo and Dixon images of the digital thigh with "
        "active "
        "dermatomyositis.",
        0.95,
        Unit.ONE,
        Sense.AT_LEAST,
        measure_tissue_dice,
    ),
    _gate(
        "compartment-dice",
        "Smallest mean Dice of the anterior, medial and posterior compartment on the digital thigh.",
        0.80,
        Unit.ONE,
        Sense.AT_LEAST,
        measure_compartment_dice,
    ),
    _gate(
        "vessel-dice",
        "Smallest Dice of femoral artery and vein together, per side, on Dixon images of the digital thigh.",
        0.85,
        Unit.ONE,
        Sense.AT_LEAST,
        measure_vessel_dice,
    ),
    _gate(
        "fascia-surface",
        "95th percentile of the distance between found and true deep fascia on the digital thigh.",
        3.0,
        Unit.MILLIMETER,
        Sense.AT_MOST,
        measure_fascia_p95,
    ),
    _gate(
        "sides-swapped",
        "Voxels labeled on the wrong side over random storage orders, directions and tilts.",
        0.0,
        Unit.PERCENT,
        Sense.AT_MOST,
        measure_swapped_sides,
    ),
)
"""Gates of this topic."""
