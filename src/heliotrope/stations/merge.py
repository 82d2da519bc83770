"""One image from several stations: where each lies, how its signal is scaled, and which one a slice is taken from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.stations.chain import solve_chain, solve_gains
from heliotrope.stations.layout import offset_in
from heliotrope.stations.overlap import (
    FALL_TERMS,
    LARGEST_FALL,
    LEAST_LIKENESS,
    Overlap,
    Shift,
    SignalRatio,
    aligned,
    compare_signal,
    field_terms,
    find_shift,
)

FloatArray = NDArray[np.float64]
Reader = Callable[[int], Volume]
"""Loads the volume of one station by its number; called anew whenever its voxels are needed."""

METHOD = "station-chain/2"
"""How stations are joined; a new number whenever joined voxels change."""

LARGEST_FIELD = float(np.log(1.5))
"""Roll-off at a seam is corrected up to this log factor. [1]"""

SEAM_LIMIT = 0.05
"""Median absolute ratio error of a good seam; evidence ``station-seam``. [1]"""


@dataclass(frozen=True)
class Seam:
    """How two neighboring stations fit.

    Parameters
    ----------
    low, high : int
        Numbers of the stations, from 0.
    overlap_mm : float
    likeness_before, likeness_after : float
        Correlation of both signals in their overlap as the headers place them, and after the shift; -1 to 1.
    shift_mm : float
        Length of the shift that was found. [mm]
    shift_beyond_limit : bool
    error_before, error_after : float or None
        Median absolute ratio error of local means without and with shift, gain and roll-off; None where too little
        tissue lies in the overlap. [1]
    """

    low: int
    high: int
    overlap_mm: float
    likeness_before: float
    likeness_after: float
    shift_mm: float
    shift_beyond_limit: bool
    error_before: float | None
    error_after: float | None

    @property
    def good(self) -> bool | None:
        """Whether both stations show one anatomy at one brightness; None when that could not be told."""
        if self.error_after is None:
            return None
        return self.error_after <= SEAM_LIMIT and self.likeness_after >= LEAST_LIKENESS and not self.shift_beyond_limit


@dataclass(frozen=True, eq=False)
class Placement:
    """Where each station lies in the composite.

    Parameters
    ----------
    grid : Grid
        Of the composite.
    axis : int
    offsets : array (n_stations, 3)
        Composite index of each station's first voxel, shifts included.
    shapes : tuple of 3-tuples
        Voxels of each station.
    """

    grid: Grid
    axis: int
    offsets: FloatArray
    shapes: tuple[tuple[int, int, int], ...]

    @classmethod
    def by_header(cls, grid: Grid, axis: int, grids: Sequence[Grid]) -> Placement:
        """As the headers state it."""
        return cls(grid, axis, np.array([offset_in(grid, item) for item in grids]), tuple(g.shape for g in grids))

    def nearest(self) -> NDArray[np.intp]:
        """Station from whose middle each composite slice along the axis is nearest, -1 where none reaches.

        The middle of a station stands for the isocenter: the table brings it there.
        """
        slices = np.arange(self.grid.shape[self.axis])
        distance = np.full((len(self.shapes), slices.size), np.inf)
        for k, shape in enumerate(self.shapes):
            start = int(np.round(self.offsets[k, self.axis]))
            length = shape[self.axis]
            inside = (slices >= start) & (slices < start + length)
            distance[k, inside] = np.abs(slices[inside] - (start + (length - 1) / 2.0))
        chosen = distance.argmin(axis=0)
        return np.where(np.isfinite(distance.min(axis=0)), chosen, -1)

    def weights(self) -> FloatArray:
        """Share of each station in each composite slice, (n_stations, n_slices): a ramp across every overlap."""
        slices = np.arange(self.grid.shape[self.axis], dtype=np.float64)
        depth = np.zeros((len(self.shapes), slices.size))
        for k, shape in enumerate(self.shapes):
            start = self.offsets[k, self.axis]
            last = start + shape[self.axis] - 1
            # half a slice beyond the last one: where a shift leaves a rim, the end slice stands
            depth[k] = np.clip(np.minimum(slices - start, last - slices) + 1.0, 0.0, None)
        total = depth.sum(axis=0)
        return np.asarray(depth / np.where(total > 0, total, 1.0))


@dataclass(frozen=True, eq=False)
class Harmony:
    """What was found in the overlaps: placement, gains, roll-off and how well the seams fit.

    Parameters
    ----------
    placement : Placement
    gains : array (n_stations,)
        Factor on each station's signal.
    fields : array (n_stations, 2, 6)
        Log roll-off at the low and the high end of each station, in the terms of `overlap.field_terms`; it fades
        to nothing at the station's middle.
    falls : array (n_stations, 2, 3)
        Log signal lost at the low and the high end of each station, over 1, x, y of `overlap.field_terms`.
    fall_slices : array (n_stations, 2)
        Slices over which it is lost: those of the overlap at that end.
    seams : tuple of Seam
    shifts_mm : array (n_stations, 3)
        How far each station was moved, along the array axes. [mm]
    """

    placement: Placement
    gains: FloatArray
    fields: FloatArray
    falls: FloatArray
    fall_slices: FloatArray
    seams: tuple[Seam, ...]
    shifts_mm: FloatArray

    def without_gains(self) -> Harmony:
        """The same placement for images whose numbers must stay as they are."""
        return replace(
            self,
            gains=np.ones_like(self.gains),
            fields=np.zeros_like(self.fields),
            falls=np.zeros_like(self.falls),
        )

    def roll_off(self, terms: FloatArray, k: int, z: int) -> FloatArray:
        """Factor that corrects a station's roll-off in one composite slice: full at its ends, none in its middle."""
        last = self.placement.shapes[k][self.placement.axis] - 1
        position = float(np.clip(z - self.placement.offsets[k, self.placement.axis], 0.0, last))
        height = 2.0 * position / max(last, 1) - 1.0
        end = 1 if height > 0 else 0
        from_end = last - position if end else position
        restored = fall_across(terms, self.falls[k, end]) * restored_share(from_end, self.fall_slices[k, end])
        return np.asarray(np.exp(_clipped(terms @ (self.fields[k, end] * abs(height))) + restored))


def fall_across(terms: FloatArray, fall: FloatArray) -> FloatArray:
    """Log signal lost at a station's very end at places across it, within `LARGEST_FALL`. [1]

    Examples
    --------
    >>> fall_across(np.array([1.0, -1.0, 0.0, 1.0, 0.0, 0.0]), np.array([0.1, 0.04, 0.0])).round(3).item()
    0.06
    """
    return np.asarray(np.clip(terms[..., FALL_TERMS] @ fall, -LARGEST_FALL, LARGEST_FALL))


def restored_share(from_end: float, n_slices: float) -> float:
    """Share of the signal lost at the very end that is lost so many slices before it; 0 beyond the overlap.

    Examples
    --------
    >>> [round(restored_share(n, 4), 3) for n in (0, 1, 3, 4)]
    [0.875, 0.625, 0.125, 0.0]
    """
    return max(0.0, 1.0 - (from_end + 0.5) / n_slices) if n_slices > 0 else 0.0


def by_header(placement: Placement) -> Harmony:
    """Stations as scanned: nothing moved, nothing scaled."""
    n = len(placement.shapes)
    fields, falls = np.zeros((n, 2, 6)), np.zeros((n, 2, 3))
    return Harmony(placement, np.ones(n), fields, falls, np.zeros((n, 2)), (), np.zeros((n, 3)))


def harmonize(placement: Placement, read: Reader, *, shifts: FloatArray | None = None) -> Harmony:
    """Find shift, gain and roll-off of every station from the overlaps of neighbors.

    Parameters
    ----------
    placement : Placement
        As the headers state it.
    read : callable
        Each station is read once and only its overlaps are kept.
    shifts : array (n_stations, 3), optional
        Shifts in voxels found on another contrast of the same stations; by default they are found here.
    """
    pairs = _pairs(placement)
    overlaps = _overlaps(placement, read, pairs)
    n = len(placement.shapes)
    found: dict[tuple[int, int], Shift] = {}
    steps: dict[tuple[int, int], tuple[FloatArray, float]] = {}
    for pair, overlap in overlaps.items():
        found[pair] = find_shift(overlap)
        steps[pair] = (-np.array(found[pair].voxels), 1.0)
    moves = solve_chain(n, steps) if shifts is None else shifts
    if moves.shape != (n, 3):
        moves = np.zeros((n, 3))
    moves = moves - moves[n // 2]  # the middle station stays where its header puts it
    log_ratios: dict[tuple[int, int], tuple[float, float]] = {}
    fields = np.zeros((n, 2, 6))
    falls, fall_slices = np.zeros((n, 2, 3)), np.zeros((n, 2))
    fitted: dict[tuple[int, int], tuple[Overlap, SignalRatio]] = {}
    for (low, high), overlap in overlaps.items():
        step = moves[high] - moves[low]
        together = aligned(overlap, Shift((-step[0], -step[1], -step[2]), 0.0, 0.0, beyond_limit=False))
        ratio = compare_signal(together)
        if ratio is None:
            continue
        log_ratios[low, high] = (ratio.log_gain, float(ratio.n_voxels))
        fitted[low, high] = (together, ratio)
        # along the overlap the log ratio runs from -fall to +fall: one station's loss at each of its ends
        falls[low, 1] = falls[high, 0] = ratio.end_fall
        fall_slices[low, 1] = fall_slices[high, 0] = overlap.low.shape[overlap.axis]
        fields[low, 1] += ratio.field / 2.0
        fields[high, 0] -= ratio.field / 2.0
    gains = solve_gains(n, log_ratios)
    seams = tuple(
        _seam(pair, overlap, found[pair], fitted.get(pair), gains, placement) for pair, overlap in overlaps.items()
    )
    moved = Placement(placement.grid, placement.axis, placement.offsets + moves, placement.shapes)
    return Harmony(moved, gains, fields, falls, fall_slices, seams, moves * np.asarray(placement.grid.spacing_mm))


def _pairs(placement: Placement) -> list[tuple[int, int]]:
    """Stations that share slices along the axis."""
    axis = placement.axis
    ends = [(o[axis], o[axis] + shape[axis]) for o, shape in zip(placement.offsets, placement.shapes, strict=True)]
    n = len(ends)
    return [(i, j) for i in range(n) for j in range(i + 1, n) if min(ends[i][1], ends[j][1]) - ends[j][0] >= 2]


def _overlaps(placement: Placement, read: Reader, pairs: list[tuple[int, int]]) -> dict[tuple[int, int], Overlap]:
    """Overlapping stretches on the composite's lattice; one station is in memory at a time."""
    axis, ends = placement.axis, {}
    for i, j in pairs:
        start = int(np.ceil(placement.offsets[j, axis] - 1e-6))
        stop = int(np.floor(placement.offsets[i, axis] + placement.shapes[i][axis] - 1 + 1e-6)) + 1
        ends[i, j] = (start, min(stop, int(np.floor(placement.offsets[j, axis] + placement.shapes[j][axis]))))
    parts: dict[tuple[tuple[int, int], int], FloatArray] = {}
    for k in range(len(placement.shapes)):
        mine = [pair for pair in pairs if k in pair]
        if not mine:
            continue
        signal = _magnitude(read(k))
        for pair in mine:
            parts[pair, k] = np.stack(
                [_slice_at(signal, placement, k, z) for z in range(*ends[pair])], axis=axis
            ).astype(np.float64)
    spacing = placement.grid.spacing_mm
    return {(i, j): Overlap(parts[(i, j), i], parts[(i, j), j], spacing, axis) for i, j in pairs}


def _magnitude(volume: Volume) -> NDArray[np.float32]:
    """The signal that is compared: the magnitude of the first frame."""
    data = volume.frame(0).data
    return np.asarray(np.abs(data) if np.iscomplexobj(data) else data, dtype=np.float32)


def _slice_at(signal: NDArray[np.generic], placement: Placement, k: int, z: int, *, whole: bool = False) -> FloatArray:
    """One composite slice of a station, laid out on the composite's lattice; 0 outside the station.

    Parameters
    ----------
    whole : bool
        Take the nearest voxels as they are, instead of interpolating between them.
    """
    axis = placement.axis
    across = [a for a in range(3) if a != axis]
    offset = placement.offsets[k]
    last = placement.shapes[k][axis] - 1
    position = float(np.clip(z - offset[axis], 0.0, last))
    if whole:
        plane = np.asarray(np.take(signal, int(np.round(position)), axis=axis))
    else:
        below = min(int(np.floor(position)), max(last - 1, 0))
        part = position - below
        plane = np.asarray(np.take(signal, below, axis=axis), dtype=np.float64)
        if part > 1e-3 and last > 0:
            plane = (1.0 - part) * plane + part * np.take(signal, below + 1, axis=axis)
    starts = [offset[a] for a in across]
    floors = [int(np.round(start)) for start in starts]
    rest = [start - floor for start, floor in zip(starts, floors, strict=True)]
    if not whole and max(abs(r) for r in rest) > 1e-3:
        plane = ndimage.shift(plane, [*rest, *(0.0,) * (plane.ndim - 2)], order=1, mode="nearest", prefilter=False)
    shape = [placement.grid.shape[a] for a in across]
    if floors == [0, 0] and list(plane.shape[:2]) == shape:
        return plane
    laid = np.zeros((*shape, *plane.shape[2:]), dtype=plane.dtype)
    source, target = [], []
    for start, size, room in zip(floors, plane.shape[:2], shape, strict=True):
        source.append(slice(max(0, -start), max(0, min(size, room - start))))
        target.append(slice(max(0, start), max(0, min(room, start + size))))
    laid[tuple(target)] = plane[tuple(source)]
    return laid


def _seam(
    pair: tuple[int, int],
    overlap: Overlap,
    shift: Shift,
    fitted: tuple[Overlap, SignalRatio] | None,
    gains: FloatArray,
    placement: Placement,
) -> Seam:
    low, high = pair
    before = compare_signal(overlap)
    after = None
    if fitted is not None:
        together, ratio = fitted
        terms = _plane_terms(together.low.shape, together.axis)
        across, fall = (
            np.expand_dims(plane, together.axis)
            for plane in (_clipped(terms @ ratio.field), fall_across(terms, ratio.end_fall))
        )
        n_slices = together.low.shape[together.axis]
        along = (np.arange(n_slices) + 0.5) / n_slices * 2.0 - 1.0
        shape = [n_slices if a == together.axis else 1 for a in range(3)]
        ramp = np.exp((across + fall * along.reshape(shape)) / 2.0)
        after = compare_signal(
            Overlap(
                together.low * gains[low] * ramp, together.high * gains[high] / ramp, together.spacing_mm, together.axis
            )
        )
    return Seam(
        low,
        high,
        overlap.low.shape[overlap.axis] * placement.grid.spacing_mm[overlap.axis],
        shift.likeness_before,
        shift.likeness_after,
        shift.length_mm(overlap.spacing_mm),
        shift.beyond_limit,
        None if before is None else before.error,
        None if after is None else after.error,
    )


def _plane_terms(shape: tuple[int, ...], axis: int) -> FloatArray:
    """Terms of the roll-off over one slice across the axis, (rows, columns, 6)."""
    across = [a for a in range(3) if a != axis]
    size = [shape[a] for a in across]
    index = np.zeros((size[0] * size[1], 3), dtype=np.intp)
    index[:, across] = np.argwhere(np.ones(size, dtype=bool))
    return field_terms(index, shape, axis).reshape(*size, -1)


def _clipped(field: FloatArray) -> FloatArray:
    return np.clip(field, -LARGEST_FIELD, LARGEST_FIELD)


def merge_signal(harmony: Harmony, read: Reader, *, blend: bool) -> Volume:
    """Merge a signal image, station by station and slice by slice.

    Parameters
    ----------
    harmony : Harmony
    read : callable
    blend : bool
        Mix neighbors by a ramp across their overlap, with interpolation where a station was moved; else each slice is
        taken, voxel by voxel as scanned, from the station whose middle is nearer.

    Returns
    -------
    Volume
        On the composite grid, (x, y, z) or (x, y, z, n), float32 (complex64 for complex stations).
    """
    placement = harmony.placement
    axis = placement.axis
    weights = placement.weights() if blend else _chosen_weights(placement)
    terms = _plane_terms(placement.grid.shape, axis)
    total: NDArray[Any] | None = None
    unit = None
    for k in range(len(placement.shapes)):
        volume = read(k)
        unit = unit or volume.unit
        data = volume.data
        kind = np.complex64 if np.iscomplexobj(data) else np.float32
        if total is None:
            total = np.zeros((*placement.grid.shape, *data.shape[3:]), dtype=kind)
        for z in np.flatnonzero(weights[k] > 0):
            plane = _slice_at(data, placement, k, int(z), whole=not blend).astype(kind, copy=False)
            scale = (weights[k, z] * harmony.gains[k] * harmony.roll_off(terms, k, int(z))).astype(np.float32)
            index: list[slice | int] = [slice(None)] * total.ndim
            index[axis] = int(z)
            total[tuple(index)] += plane * (scale if plane.ndim == 2 else scale[..., None])
    assert total is not None
    assert unit is not None
    return Volume(total, placement.grid, unit)


def _chosen_weights(placement: Placement) -> FloatArray:
    chosen = placement.nearest()
    return np.asarray([(chosen == k).astype(np.float64) for k in range(len(placement.shapes))])


class MapJoiner:
    """Puts maps of single stations together; a voxel is never a mean of two stations.

    Parameters
    ----------
    harmony : Harmony
        Each composite slice is taken from the station whose middle is nearer. Maps in arbitrary units are scaled by
        the gains and the roll-off; a map with a unit is left as it is.
    """

    def __init__(self, harmony: Harmony) -> None:
        self._harmony = harmony
        self._placement = harmony.placement
        self._terms = _plane_terms(harmony.placement.grid.shape, harmony.placement.axis)
        self._weights = _chosen_weights(harmony.placement)
        self._values: dict[str, NDArray[np.float32]] = {}
        self._valid: dict[str, NDArray[np.bool_]] = {}
        self._like: dict[str, ParametricMap] = {}
        self._flags: dict[str, dict[str, None]] = {}
        self._reasons: dict[str, dict[str, int]] = {}

    def add(self, k: int, name: str, item: ParametricMap) -> None:
        """Add the map of station `k`."""
        shape = self._placement.grid.shape
        if name not in self._values:
            self._values[name] = np.full(shape, np.nan, dtype=np.float32)
            self._valid[name] = np.zeros(shape, dtype=bool)
            self._like[name] = item
            self._flags[name], self._reasons[name] = {}, {}
        self._flags[name].update(dict.fromkeys(item.flags))
        for reason, count in item.invalid_reasons.items():
            self._reasons[name][reason] = self._reasons[name].get(reason, 0) + count
        for z in np.flatnonzero(self._weights[k] > 0):
            index: list[slice | int] = [slice(None)] * 3
            index[self._placement.axis] = int(z)
            valid = _slice_at(item.valid, self._placement, k, int(z), whole=True).astype(bool)
            values = _slice_at(item.values, self._placement, k, int(z), whole=True)
            if item.unit is Unit.ARBITRARY:
                values = values * (self._harmony.gains[k] * self._harmony.roll_off(self._terms, k, int(z)))
            self._values[name][tuple(index)] = np.where(valid, values, np.nan)
            self._valid[name][tuple(index)] = valid

    def joined(self) -> dict[str, ParametricMap]:
        """Every map on the composite grid."""
        return {
            name: ParametricMap(
                quantity=like.quantity,
                values=self._values[name],
                valid=self._valid[name],
                grid=self._placement.grid,
                unit=like.unit,
                method=like.method,
                flags=tuple(self._flags[name]),
                invalid_reasons=self._reasons[name],
            )
            for name, like in self._like.items()
        }
