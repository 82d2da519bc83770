"""Stations whose files lost their table position: placed by what their ends show, in a stated order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.stations.layout import SMALLEST_OVERLAP_MM, axis_along
from heliotrope.stations.overlap import LEAST_LIKENESS, likeness

LARGEST_OVERLAP = 0.5
"""Largest part of a station that may be shared with the next one. [1]"""

CLEAR_PEAK = 0.2
"""Share of the unlikeness of steps two slices away that the best step must remove. [1]"""

COARSE_MM = 3.0
"""Pixels finer than this are skipped within slices: the search is along the axis. [mm]"""

_HEAD_FOOT = 2


class StationOrder(StrEnum):
    """How the names of station files follow one another."""

    FOOT_FIRST = "foot_first"
    HEAD_FIRST = "head_first"


def place_in_order(
    grids: Sequence[Grid], read: Callable[[int], Volume], order: StationOrder
) -> tuple[tuple[Grid, ...], float, float]:
    """Grids of stations one above the other with one common overlap, found from the images.

    Parameters
    ----------
    grids : sequence of Grid
        Alike, all at one place; the first one stays where it is.
    read : callable
        Volume of a station by its number; each is read once and only its ends are kept.
    order : StationOrder

    Returns
    -------
    tuple of Grid
        In the order given.
    float
        Common overlap. [mm]
    float
        Smallest likeness of two neighbors, -1 to 1.

    Raises
    ------
    QualityRefusal
        ``E_STATION_ORDER``: no overlap fits all neighbors, as with a wrong order or a missing station.
    """
    axis = axis_along(grids[0], _HEAD_FOOT)
    spacing = grids[0].spacing_mm[axis]
    n = grids[0].shape[axis]
    fewest = max(2, int(np.ceil(SMALLEST_OVERLAP_MM / spacing - 1e-6)))
    most = int(LARGEST_OVERLAP * n)
    upward = (grids[0].matrix[_HEAD_FOOT, axis] > 0) == (order is StationOrder.FOOT_FIRST)
    tops, bottoms = [], []
    for k in range(len(grids)):
        signal = _coarse(read(k), axis)
        tops.append(_end(signal, axis, most, last=upward))
        bottoms.append(_end(signal, axis, most, last=not upward))
    scores = np.array(
        [
            [likeness(*_shared(tops[k], bottoms[k + 1], axis, m, upward)) for m in range(fewest, most + 1)]
            for k in range(len(grids) - 1)
        ]
    )
    mean = scores.mean(axis=0)
    best = int(np.argmax(mean))
    beside = [mean[i] for i in (best - 2, best + 2) if 0 <= i < mean.size]
    worst = int(np.argmin(scores[:, best]))
    if scores[worst, best] < LEAST_LIKENESS or 1.0 - mean[best] > (1.0 - CLEAR_PEAK) * (1.0 - max(beside)):
        raise QualityRefusal(
            f"stations {worst + 1} and {worst + 2} do not show the same anatomy in any overlap of {fewest} slices or "
            f"more (likeness {scores[worst, best]:.2f}, limit {LEAST_LIKENESS:g})",
            hint="check the order of the file names, whether a station is missing, or restore the positions in the "
            "files",
            code="E_STATION_ORDER",
        )
    shared = fewest + best
    step = (n - shared) * (1 if upward else -1)
    placed = []
    for k, grid in enumerate(grids):
        matrix = grid.matrix
        index = np.zeros(3)
        index[axis] = step * k
        matrix[:3, 3] = grid.positions_mm(index)
        placed.append(Grid.from_matrix(grid.shape, matrix, grid.frame_of_reference_uid))
    return tuple(placed), shared * spacing, float(scores[worst, best])


def _coarse(volume: Volume, axis: int) -> NDArray[np.float32]:
    steps = [1 if a == axis else max(1, int(COARSE_MM / size)) for a, size in enumerate(volume.grid.spacing_mm)]
    data = volume.frame(0).data[tuple(slice(None, None, step) for step in steps)]
    return np.asarray(np.abs(data), dtype=np.float32)


def _end(signal: NDArray[np.float32], axis: int, count: int, *, last: bool) -> NDArray[np.float32]:
    n = signal.shape[axis]
    return np.take(signal, range(n - count, n) if last else range(count), axis=axis)


def _shared(
    top: NDArray[np.float32], bottom: NDArray[np.float32], axis: int, count: int, upward: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The last `count` slices of one end and the first `count` of the next, in step with one another."""
    return _end(top, axis, count, last=upward), _end(bottom, axis, count, last=not upward)
