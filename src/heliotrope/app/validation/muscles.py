"""Gates of single muscles on the digital thigh: its sectors are no real anatomy, so sides and steadiness are judged."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.app.validation.segmentation import ORIENTATIONS, SEEDS, digital_thigh, stored_otherwise
from heliotrope.backends.muscle_network import load_muscle_network
from heliotrope.domain.anatomy import STRUCTURES, Side, StructureKind
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.domain.units import Unit
from heliotrope.segment.muscles.label import label_muscles

SEED = 6
EARLY_ECHO = 1


@functools.cache
def _answers(effort: Effort) -> tuple[tuple[LabelMap, LabelMap], ...]:
    """Labels of a digital thigh as stored and stored otherwise, the second brought back to the first's voxels."""
    generator = np.random.default_rng(SEED)
    network = load_muscle_network()
    pairs = []
    for seed in SEEDS[effort][:1]:
        (train,) = digital_thigh(seed).with_role(Role.MULTI_ECHO_T2)
        image = train.volume.frame(EARLY_ECHO)
        first = label_muscles([image], network, withhold=False).labels
        for _ in range(ORIENTATIONS[effort] // 2):
            turned, order, flips = stored_otherwise(image, generator)
            second = label_muscles([turned], network, withhold=False).labels
            back = np.moveaxis(second.labels, (0, 1, 2), tuple(int(axis) for axis in order))
            back = np.flip(back, tuple(int(axis) for axis in np.flatnonzero(flips)))
            pairs.append((first, LabelMap(back, first.grid, second.legend, second.source)))
    return tuple(pairs)


def _muscle(labels: LabelMap, side: Side | None = None) -> NDArray[np.bool_]:
    numbers = [
        n
        for n, region in labels.legend.items()
        if STRUCTURES[region.structure].kind is StructureKind.MUSCLE and side in (None, region.side)
    ]
    return np.isin(labels.labels, numbers)


def measure_swapped_muscles(effort: Effort) -> float:
    """Percentage of named voxels on the wrong side, whatever the storage order and tilt."""
    truth = digital_thigh(SEEDS[effort][0]).truth_labels
    wrong = total = 0
    for pair in _answers(effort):
        for labels in pair:
            for side, other in ((Side.LEFT, Side.RIGHT), (Side.RIGHT, Side.LEFT)):
                named = _muscle(labels, side)
                wrong += int(np.count_nonzero(named & truth.mask_where(side=other)))
                total += int(np.count_nonzero(named))
    return 100.0 * wrong / total if total else float("nan")


def measure_steadiness(effort: Effort) -> float:
    """Smallest share of named voxels that keep their name in another storage order."""
    shares = []
    for first, second in _answers(effort):
        either = _muscle(first) | _muscle(second)
        shares.append(float(np.mean(first.labels[either] == second.labels[either])) if either.any() else float("nan"))
    return float(np.min(shares))


def measure_named_in_a_leg(_effort: Effort) -> float:
    """Muscles of a thigh named in a drawn lower leg of two bones. [count]"""
    size, pixel_mm = 160, 1.5
    line = (np.arange(size) - 0.5 * size) * pixel_mm
    x, y = np.meshgrid(line, line, indexing="ij")
    plane = np.zeros((size, size), np.float32)
    plane[np.hypot(x, y) < 55.0] = 400.0
    plane[np.hypot(x, y) < 48.0] = 150.0
    for center, radius in (((8.0, -18.0), 13.0), ((-26.0, 4.0), 7.0)):
        plane[np.hypot(x - center[0], y - center[1]) < radius] = 10.0
        plane[np.hypot(x - center[0], y - center[1]) < 0.6 * radius] = 380.0
    data = np.repeat(plane[:, :, None], 5, axis=2) + np.random.default_rng(1).normal(0.0, 4.0, (size, size, 5))
    matrix = np.diag([pixel_mm, pixel_mm, 8.0, 1.0])
    matrix[:3, 3] = [60.0, -0.5 * size * pixel_mm, 0.0]
    image = Volume(np.abs(data).astype(np.float32), Grid.from_matrix(data.shape, matrix))
    try:
        labels = label_muscles([image], load_muscle_network()).labels
    except QualityRefusal:
        return 0.0
    return float(sum(STRUCTURES[region.structure].kind is StructureKind.MUSCLE for region in labels.legend.values()))


GATES: tuple[Gate, ...] = (
    Gate(
        "muscle-sides-swapped",
        "Voxels of single muscles on the wrong side over random storage orders, directions and tilts.",
        0.0,
        Unit.PERCENT,
        Sense.AT_MOST,
        measure_swapped_muscles,
    ),
    Gate(
        "muscle-orientation",
        "Smallest share of voxels that keep their muscle in another storage order of the digital thigh.",
        0.99,
        Unit.ONE,
        Sense.AT_LEAST,
        measure_steadiness,
    ),
    Gate(
        "muscle-not-in-a-leg",
        "Single muscles of a thigh that are named in a drawn lower leg with two bones.",
        0.0,
        Unit.COUNT,
        Sense.AT_MOST,
        measure_named_in_a_leg,
    ),
)
"""Gates of this topic."""
