"""The network's answer for one leg: several images, scales and shifts, averaged, and how well they agree."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Side
from heliotrope.segment.muscles.crops import CropFrame, View, between, normalized
from heliotrope.segment.muscles.network import MuscleNetwork

VIEWS = (
    View(),
    View(0.93, 4.0, -4.0),
    View(1.07, -4.0, 4.0),
    View(1.0, -6.0, -4.0),
    View(0.96, 5.0, 6.0),
    View(1.04, 0.0, -7.0),
)
"""Ways of showing a leg, the plain one first. Project rule."""
VIEWS_OF_IMAGES = {1: (VIEWS,), 2: (VIEWS[:3], (VIEWS[0], *VIEWS[3:5])), 3: (VIEWS[:2], VIEWS[0:3:2], VIEWS[0:4:3])}
"""Views of each image, by the number of images: six answers in all."""
PLANE_STEP_MM = 4.0
"""Slices nearer than this are averaged, and every such slab is answered once. Project rule. [mm]"""
NEIGHBOR_DISTANCE_MM = 8.0
"""The neighbors shown are the slices nearest to this distance; in training they lay 4 to 26 mm away. [mm]"""
EXPECTATION_SIGMA_MM = 16.0
"""Width over which the answers of neighboring slices make up what is expected of a slice; chosen on generated stacks of
held-out people. Project rule. [mm]"""
EXPECTATION_BLUR_PIXELS = 2.0
"""Muscles move from slice to slice: what is expected is blurred within the slice. Project rule. [pixel]"""
SURPRISE = 0.01
"""Least probability that neighbors leave to a class they do not show: a slice may still see what begins there. Project
rule. [1]"""
SMALLEST_LEG_CM2 = 20.0
"""Cross-sections below this are not shown to the network. Project rule; a child's thigh has about 60. [cm2]"""
BATCH = 8


@dataclass(frozen=True, eq=False)
class LegPrediction:
    """What the network says of one leg.

    Parameters
    ----------
    planes : int array (n,)
        Axial slices that were answered, toward the head.
    frames : tuple of n CropFrame
    probability : float32 array (n, classes, crop, crop)
        Averaged over images and views; of `predict_leg` times what the neighboring slices let expect.
    level : float64 array (n, levels)
        Probability of each level.
    answers : uint8 array (views, n, crop, crop)
        Most probable class of every single answer, for their agreement.
    """

    planes: NDArray[np.int64]
    frames: tuple[CropFrame, ...]
    probability: NDArray[np.float32]
    level: NDArray[np.float64]
    answers: NDArray[np.uint8]


def predict_leg(
    images: Sequence[NDArray[np.float32]],
    leg: NDArray[np.bool_],
    side: Side,
    spacing_mm: tuple[float, float, float],
    network: MuscleNetwork,
) -> LegPrediction | None:
    """Ask the network about one leg, and let neighboring slices decide where a slice alone is unsure.

    Parameters and what is returned as in `answer_slices`.
    """
    alone = answer_slices(images, leg, side, spacing_mm, network)
    if alone is None:
        return None
    return replace(alone, probability=with_neighbors(alone.probability, alone.planes * spacing_mm[2], alone.frames))


def answer_slices(
    images: Sequence[NDArray[np.float32]],
    leg: NDArray[np.bool_],
    side: Side,
    spacing_mm: tuple[float, float, float],
    network: MuscleNetwork,
) -> LegPrediction | None:
    """Ask the network about every slice of one leg by itself.

    Parameters
    ----------
    images : sequence of 1 to 3 float32 arrays (x, y, z)
        Of one grid, in axial axes, 0 outside the body.
    leg : bool array (x, y, z)
        Body of this leg.
    side : Side
    spacing_mm : tuple of 3 floats
    network : MuscleNetwork

    Returns
    -------
    LegPrediction or None
        None where no slice shows enough of the leg.
    """
    area_cm2 = np.count_nonzero(leg, axis=(0, 1)) * spacing_mm[0] * spacing_mm[1] / 100.0
    shown = np.flatnonzero(area_cm2 >= SMALLEST_LEG_CM2)
    if shown.size == 0:
        return None
    step = max(1, round(PLANE_STEP_MM / spacing_mm[2]))
    planes = shown[(shown.size - 1) % step // 2 :: step]
    frames = tuple(_frame(leg[:, :, k], side, spacing_mm, network) for k in planes)
    slabs = [_slabs(image, step) for image in images]
    n_classes, pixels = len(network.classes), network.crop_pixels
    total = np.zeros((planes.size, n_classes, pixels, pixels), dtype=np.float32)
    seen = np.zeros((planes.size, 1, pixels, pixels), dtype=np.float32)
    level = np.zeros((planes.size, len(network.levels)))
    pairs = [(slab, view) for slab, views in zip(slabs, VIEWS_OF_IMAGES[len(slabs)], strict=True) for view in views]
    answers = np.zeros((len(pairs), planes.size, pixels, pixels), dtype=np.uint8)
    for number, (slab, view) in enumerate(pairs):
        for start in range(0, planes.size, BATCH):
            chosen = range(start, min(start + BATCH, planes.size))
            batch = np.stack([_shown(slab, int(planes[i]), frames[i], view, spacing_mm, network) for i in chosen])
            classes, levels = network.run(batch)
            level[chosen] += _softmax(levels) / len(pairs)
            for i, answer in zip(chosen, _softmax(classes), strict=True):
                plain, coverage = _plain(answer, frames[i], view)
                total[i] += plain
                seen[i] += coverage
                answers[number, i] = np.argmax(plain, axis=0)
    total /= np.maximum(seen, 1e-6)
    return LegPrediction(planes, frames, total, level, answers)


def _frame(
    plane: NDArray[np.bool_], side: Side, spacing_mm: tuple[float, float, float], network: MuscleNetwork
) -> CropFrame:
    x, y = np.nonzero(plane)
    center = (float(x.mean()) * spacing_mm[0], float(y.mean()) * spacing_mm[1])
    return CropFrame(center, side, (spacing_mm[0], spacing_mm[1]), network.pixel_mm, network.crop_pixels)


def _slabs(image: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    return image if step == 1 else ndimage.uniform_filter1d(image, step, axis=2, mode="nearest")


def _shown(
    image: NDArray[np.float32],
    k: int,
    frame: CropFrame,
    view: View,
    spacing_mm: tuple[float, float, float],
    network: MuscleNetwork,
) -> NDArray[np.float32]:
    """Crops (3, crop, crop) of a slice and its neighbors; a neighbor that is absent or far is empty."""
    first, second = frame.weights_into((image.shape[0], image.shape[1]), view)
    slices = np.zeros((3, network.crop_pixels, network.crop_pixels), dtype=np.float32)
    beside = max(1, round(NEIGHBOR_DISTANCE_MM / spacing_mm[2]))
    for position, offset in enumerate((-beside, 0, beside)):
        near = abs(offset) * spacing_mm[2] <= network.largest_gap_mm
        if near and 0 <= k + offset < image.shape[2]:
            slices[position] = between(first, image[:, :, k + offset], second)
    return normalized(slices)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over the second axis."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)


def _plain(
    answer: NDArray[np.float32], frame: CropFrame, view: View
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """An answer on the plain crop, and how much of each pixel the view saw."""
    if view == View():
        return answer, np.ones((1, *answer.shape[1:]), dtype=np.float32)
    first, second = frame.weights_to_plain_view(view)
    coverage = first.sum(axis=1)[:, None] * second.sum(axis=1)[None, :]
    return between(first, answer, second), coverage[None].astype(np.float32)


def with_neighbors(
    probability: NDArray[np.float32], places_mm: NDArray[np.floating], frames: Sequence[CropFrame]
) -> NDArray[np.float32]:
    """What each slice shows and what its neighbors let expect, multiplied: no muscle jumps from slice to slice.

    Parameters
    ----------
    probability : float32 array (n, classes, crop, crop)
        Of each slice by itself; sums to 1 over the classes.
    places_mm : float array (n,)
        Along the leg. [mm]
    frames : sequence of n CropFrame

    Returns
    -------
    float32 array (n, classes, crop, crop)
        Sums to 1 over the classes. A slice without a neighbor near keeps its own.
    """
    weights = np.exp(-0.5 * ((places_mm[:, None] - places_mm[None, :]) / EXPECTATION_SIGMA_MM) ** 2)
    np.fill_diagonal(weights, 0.0)
    weights[weights < NEGLIGIBLE] = 0.0
    sigma = (0.0, EXPECTATION_BLUR_PIXELS, EXPECTATION_BLUR_PIXELS)
    blurred = [ndimage.gaussian_filter(answer, sigma) for answer in probability]
    result = np.array(probability)
    for i, frame in enumerate(frames):
        near = np.flatnonzero(weights[i]).tolist()
        if not near:
            continue
        # crops are first laid over one another
        moved = (np.float32(weights[i, j]) * _laid_over(blurred[j], frames[j], frame) for j in near)
        expected = sum(moved, np.zeros_like(probability[i])) / np.float32(weights[i].sum())
        result[i] = (probability[i] + LEAST_OWN) * (expected + np.float32(SURPRISE))
    return np.asarray(result / np.maximum(result.sum(axis=1, keepdims=True), 1e-9), dtype=np.float32)


NEGLIGIBLE = 0.03
"""Weight of a neighbor below which it is left out. Project rule. [1]"""
LEAST_OWN = np.float32(0.001)
"""Least probability a slice's own answer leaves to a class. Project rule. [1]"""


def _laid_over(probability: NDArray[np.float32], source: CropFrame, target: CropFrame) -> NDArray[np.float32]:
    """A neighbor's answer on this slice's crop: whole pixels of shift between the two centers."""
    toward_medial = -1.0 if target.side is Side.LEFT else 1.0
    medial = toward_medial * (target.center_mm[0] - source.center_mm[0]) / target.pixel_mm
    anterior = (source.center_mm[1] - target.center_mm[1]) / target.pixel_mm
    shifted = np.zeros_like(probability)
    (to_x, from_x), (to_y, from_y) = (_overlap(round(v), target.pixels) for v in (medial, anterior))
    shifted[:, to_x, to_y] = probability[:, from_x, from_y]
    return shifted


def _overlap(shift: int, count: int) -> tuple[slice, slice]:
    """Slices of target and source where target pixel i shows source pixel i + shift."""
    low, high = max(0, -shift), min(count, count - shift)
    low = min(low, count)
    return slice(low, max(low, high)), slice(low + shift, max(low, high) + shift)


def agreement(answers: NDArray[np.uint8], classes: Sequence[int]) -> float:
    """Mean Dice, over pairs of answers, of the union of some classes; NaN where no answer holds any.

    Parameters
    ----------
    answers : uint8 array (views, n, crop, crop)
    classes : sequence of int

    Examples
    --------
    >>> agreement(np.array([[[[1, 1]]], [[[1, 0]]]], dtype=np.uint8), [1])
    0.6666666666666666
    """
    masks = np.isin(answers, classes).reshape(answers.shape[0], -1)
    sizes = masks.sum(axis=1)
    values = []
    for first, second in itertools.combinations(range(len(masks)), 2):
        total = int(sizes[first]) + int(sizes[second])
        if total:
            values.append(2.0 * int(np.count_nonzero(masks[first] & masks[second])) / total)
    return float(np.mean(values)) if values else float("nan")
