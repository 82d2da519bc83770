"""From the averaged answer for a leg to a name for every voxel of its muscle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.segment.muscles.crops import between
from heliotrope.segment.muscles.network import OTHER_MUSCLE, MuscleNetwork
from heliotrope.segment.muscles.predict import LegPrediction

LEAST_SHARE = 0.25
"""A voxel that the tissues call muscle and the network does not takes its likeliest muscle from this probability on.
Project rule."""
LEAST_PIECE = 0.25
"""A separate piece of a muscle in a slice stays from this share of the largest piece on. Project rule."""
ONE_BELLY = (
    "sartorius",
    "rectus_femoris",
    "gracilis",
    "biceps_femoris_long_head",
    "biceps_femoris_short_head",
    "semitendinosus",
    "semimembranosus",
)
"""Muscles that any cross-section of a thigh shows once: of pieces that lie apart one is the muscle."""
FAT_GAP_MM = 4.0
"""Pieces nearer than this are one belly that fat parts. Project rule. [mm]"""
CONTINUOUS_MM = 12.0
"""Slices nearer than this show one muscle as one body. Project rule. [mm]"""


def name_voxels(
    prediction: LegPrediction,
    slices: Sequence[int],
    leg: NDArray[np.bool_],
    tissue_muscle: NDArray[np.bool_] | None,
    network: MuscleNetwork,
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.uint8]:
    """Channel of the muscle in every voxel of the given slices, 0 where none.

    Parameters
    ----------
    prediction : LegPrediction
    slices : sequence of int
        Slices that may be named.
    leg : bool array (x, y, z)
    tissue_muscle : bool array (x, y, z) or None
        Muscle found without weights; where given, nothing else is named.
    network : MuscleNetwork
    spacing_mm : tuple of 3 floats

    Returns
    -------
    uint8 array (x, y, z)
        In axial axes; the class ``other_muscle`` is kept, muscle that no class takes is 0.
    """
    named = np.zeros(leg.shape, dtype=np.uint8)
    muscles = np.array([channel for channel, _ in network.muscles] + [network.channel(OTHER_MUSCLE)])
    for k in slices:
        box, probability = _on_slice(prediction, int(k), (leg.shape[0], leg.shape[1]))
        if probability.shape[1] == 0 or probability.shape[2] == 0:
            continue
        here = leg[:, :, k][box]
        best = np.argmax(probability, axis=0)
        likeliest = muscles[np.argmax(probability[muscles], axis=0)]
        if tissue_muscle is None:
            plane = np.where(here & np.isin(best, muscles), best, 0)
        else:
            sure = probability[muscles].max(axis=0) >= LEAST_SHARE
            plane = np.where(tissue_muscle[:, :, k][box] & sure, likeliest, 0)
        named[:, :, k][box] = _of_few_pieces(plane.astype(np.uint8), probability, network, spacing_mm)
    spacing = spacing_mm[2] * float(np.median(np.diff(prediction.planes))) if len(prediction.planes) > 1 else np.inf
    if spacing <= CONTINUOUS_MM:
        _keep_bodies(named, [channel for channel, _ in network.muscles])
    return named


def _on_slice(
    prediction: LegPrediction, k: int, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Box of a slice and the probabilities in it, between answered slices by distance."""
    after = int(np.searchsorted(prediction.planes, k))
    near = sorted({min(max(i, 0), len(prediction.planes) - 1) for i in (after - 1, after)})
    box = prediction.frames[near[-1]].covered(shape)
    if prediction.planes[near[-1]] == k or len(near) == 1:
        parts = [(near[-1], 1.0)]
    else:
        low, high = (int(prediction.planes[i]) for i in near)
        share = (k - low) / (high - low)
        parts = [(near[0], 1.0 - share), (near[1], share)]
    total = np.zeros((prediction.probability.shape[1], *(s.stop - s.start for s in box)), dtype=np.float32)
    for i, weight in parts:
        total += np.float32(weight) * between(
            (back := prediction.frames[i].weights_back(box))[0], prediction.probability[i], back[1]
        )
    return box, total


def _of_few_pieces(
    plane: NDArray[np.uint8],
    probability: NDArray[np.float32],
    network: MuscleNetwork,
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.uint8]:
    """Give stray pieces of a muscle to the next likeliest muscle."""
    result = plane.copy()
    muscles = np.array([channel for channel, _ in network.muscles] + [network.channel(OTHER_MUSCLE)])
    for channel, name in network.muscles:
        pieces, count = ndimage.label(plane == channel)
        if count < 2:
            continue
        if name in ONE_BELLY:
            stray = _apart_from_the_largest(plane == channel, plane == 0, spacing_mm)
        else:
            sizes = np.bincount(pieces.ravel())[1:]
            stray = np.isin(pieces, 1 + np.flatnonzero(sizes < LEAST_PIECE * sizes.max()))
        others = muscles[muscles != channel]
        result[stray] = others[np.argmax(probability[others][:, stray], axis=0)]
    return result


def _apart_from_the_largest(
    muscle: NDArray[np.bool_], unnamed: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Pieces that another muscle, or more than a gap of fat, parts from the largest group of pieces."""
    near = ndimage.distance_transform_edt(~muscle, sampling=spacing_mm[:2]) <= 0.5 * FAT_GAP_MM
    near &= muscle | unnamed
    groups = np.where(muscle, ndimage.label(near)[0], 0)
    sizes = np.bincount(groups.ravel())
    sizes[0] = 0
    return np.asarray((groups > 0) & (groups != int(np.argmax(sizes))))


def _keep_bodies(named: NDArray[np.uint8], channels: Sequence[int]) -> None:
    """Unname what is not connected, over slices, with the largest body of its muscle or one near its size."""
    boxes = ndimage.find_objects(named)
    for channel in channels:
        box = boxes[channel - 1] if channel <= len(boxes) else None
        if box is None:
            continue
        pieces, count = ndimage.label(named[box] == channel, structure=np.ones((3, 3, 3)))
        if count < 2:
            continue
        sizes = np.bincount(pieces.ravel())[1:]
        stray = np.concatenate([[False], sizes < LEAST_PIECE * sizes.max()])
        named[box][stray[pieces]] = 0


def lies_like_an_adductor(
    piece_mm: tuple[float, float], femur_mm: tuple[float, float], magnus_mm: tuple[float, float]
) -> bool:
    """Whether unnamed muscle lies where adductors longus and brevis lie: medial of the femur, in front of the magnus.

    Parameters
    ----------
    piece_mm, femur_mm, magnus_mm : tuple of 2 floats
        Centers in one slice, toward medial and anterior; ledger `muscle-order`. [mm]

    Examples
    --------
    >>> lies_like_an_adductor((35.0, 5.0), (0.0, 0.0), (30.0, -25.0))
    True
    >>> lies_like_an_adductor((-10.0, -60.0), (0.0, 0.0), (30.0, -25.0))  # gluteus maximus
    False
    """
    return piece_mm[0] - femur_mm[0] > MEDIAL_OF_FEMUR_MM and piece_mm[1] > magnus_mm[1]


MEDIAL_OF_FEMUR_MM = 10.0
"""Unnamed muscle counts as an adductor from this far toward medial of the middle of the femur. Project rule. [mm]"""
