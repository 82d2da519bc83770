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
CONTINUOUS_MM = 12.0
"""Slices nearer than this show one muscle as one body. Project rule. [mm]"""


def name_voxels(
    prediction: LegPrediction,
    slices: Sequence[int],
    leg: NDArray[np.bool_],
    tissue_muscle: NDArray[np.bool_] | None,
    network: MuscleNetwork,
    slice_spacing_mm: float,
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
    slice_spacing_mm : float

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
        named[:, :, k][box] = _of_few_pieces(plane.astype(np.uint8), probability, muscles)
    spacing = slice_spacing_mm * float(np.median(np.diff(prediction.planes))) if len(prediction.planes) > 1 else np.inf
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
    plane: NDArray[np.uint8], probability: NDArray[np.float32], muscles: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Give stray pieces of a muscle to the next likeliest muscle."""
    result = plane.copy()
    for channel in muscles[:-1]:
        pieces, count = ndimage.label(plane == channel)
        if count < 2:
            continue
        sizes = np.bincount(pieces.ravel())[1:]
        stray = np.isin(pieces, 1 + np.flatnonzero(sizes < LEAST_PIECE * sizes.max()))
        others = muscles[muscles != channel]
        result[stray] = others[np.argmax(probability[others][:, stray], axis=0)]
    return result


def _keep_bodies(named: NDArray[np.uint8], channels: Sequence[int]) -> None:
    """Unname what is not connected, over slices, with the largest body of its muscle or one near its size."""
    for channel in channels:
        pieces, count = ndimage.label(named == channel, structure=np.ones((3, 3, 3)))
        if count < 2:
            continue
        sizes = np.bincount(pieces.ravel())[1:]
        named[np.isin(pieces, 1 + np.flatnonzero(sizes < LEAST_PIECE * sizes.max()))] = 0


def border_share(piece: NDArray[np.bool_], other: NDArray[np.bool_], named: NDArray[np.bool_], reach: int) -> float:
    """Share of the named muscle around a piece that belongs to `other`; NaN where no named muscle is near.

    Parameters
    ----------
    piece, other, named : bool arrays (x, y)
    reach : int
        How far around the piece is looked. [pixels]
    """
    around = ndimage.binary_dilation(piece, iterations=reach) & ~piece & named
    total = int(np.count_nonzero(around))
    return int(np.count_nonzero(around & other)) / total if total else float("nan")
