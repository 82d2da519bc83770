"""One candidate per voxel so that the field map is smooth: tree-reweighted message passing on the voxel grid."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

N_SWEEPS = 24
"""Forward-backward sweeps at most. [1]"""

N_REGION_PASSES = 6
"""Passes over whole regions at most. [1]"""


def neighbors(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Next and previous in-mask voxel along each axis.

    Returns
    -------
    forward, backward : int32 arrays (n_voxels, 3)
        Position among the in-mask voxels in C order, -1 where there is none.
    """
    number = np.full(mask.shape, -1, dtype=np.int32)
    n_voxels = int(np.count_nonzero(mask))
    number[mask] = np.arange(n_voxels, dtype=np.int32)
    forward = np.full((n_voxels, 3), -1, dtype=np.int32)
    backward = np.full((n_voxels, 3), -1, dtype=np.int32)
    for axis in range(3):
        ahead = np.full(mask.shape, -1, dtype=np.int32)
        behind = np.full(mask.shape, -1, dtype=np.int32)
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        ahead[low] = number[high]
        behind[high] = number[low]
        forward[:, axis] = ahead[mask]
        backward[:, axis] = behind[mask]
    return forward, backward


def choose_candidates(
    field_hz: NDArray[np.float32],
    cost: NDArray[np.float32],
    forward: NDArray[np.int32],
    backward: NDArray[np.int32],
    *,
    field_sd_hz: tuple[float, float, float],
    largest_jump_hz: float,
    period_hz: float,
    shift_hz: float,
) -> NDArray[np.int32]:
    r"""Candidate of each voxel that minimizes residual plus field roughness.

    Parameters
    ----------
    field_hz, cost : float32 arrays (n_voxels, n_candidates)
        Candidates [Hz] and their residual over the noise variance [1]; NaN and inf where there is none.
    forward, backward : int32 arrays (n_voxels, 3)
        From `neighbors`.
    field_sd_hz : tuple of 3 floats
        Expected field difference of neighbors along each axis. [Hz]
    largest_jump_hz : float
        Differences beyond this cost no more. [Hz]
    period_hz : float
        Differences are taken modulo this; 0 for none. [Hz]
    shift_hz : float
        Fat relative to water: what separates a wrong region from a right one. [Hz]

    Returns
    -------
    int32 array (n_voxels,)

    Notes
    -----
    Energy :math:`\sum_i c_i(k_i)+\sum_{ij}\min(|\psi_i-\psi_j|,\psi_{max})^2/\sigma_{ij}^2`, minimized by sequential
    tree-reweighted message passing (Kolmogorov 2006, doi 10.1109/TPAMI.2006.200); the labeling of the lowest energy
    seen is kept, finished by iterated conditional modes and by moves of whole regions.
    """
    weights = np.array([1.0 / sd**2 for sd in field_sd_hz], dtype=np.float32)
    finite = np.where(np.isfinite(cost), cost, np.float32(1e9))
    places = np.where(np.isfinite(field_hz), field_hz, np.float32(0.0))
    places, finite = np.ascontiguousarray(places), np.ascontiguousarray(finite)
    single = np.float32(largest_jump_hz), np.float32(period_hz)
    # candidates that exist come first in each voxel
    count = np.maximum(np.isfinite(cost).sum(axis=1), 1).astype(np.int32)
    labels = np.asarray(_sweep(places, finite, forward, backward, count, weights, *single, N_SWEEPS), dtype=np.int32)
    limit, period = float(largest_jump_hz), float(period_hz)
    for _ in range(N_REGION_PASSES):
        if _move_regions(places, finite, forward, backward, weights, limit, period, labels, 0.5 * limit, shift_hz) == 0:
            break
    return labels


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _gap(a: float, b: float, period: float, limit: float) -> float:
    """Squared field difference of two candidates, each within one period. [Hz2]"""
    difference = abs(a - b)
    if period > 0.0:
        difference = min(difference, abs(period - difference))
    difference = min(difference, limit)
    return difference * difference


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _energy(
    field: NDArray[np.float32],
    cost: NDArray[np.float32],
    forward: NDArray[np.int32],
    weights: NDArray[np.float32],
    limit: float,
    period: float,
    labels: NDArray[np.int32],
) -> float:
    total = 0.0
    for i in range(field.shape[0]):
        total += cost[i, labels[i]]
        for axis in range(3):
            j = forward[i, axis]
            if j >= 0:
                total += weights[axis] * _gap(field[i, labels[i]], field[j, labels[j]], period, limit)
    return total


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _sweep(
    field: NDArray[np.float32],
    cost: NDArray[np.float32],
    forward: NDArray[np.int32],
    backward: NDArray[np.int32],
    count: NDArray[np.int32],
    weights: NDArray[np.float32],
    limit: float,
    period: float,
    n_sweeps: int,
) -> NDArray[np.int32]:
    n, n_labels = field.shape
    # message into i from its forward (0..2) and backward (3..5) neighbor along each axis
    incoming = np.zeros((n, 6, n_labels), dtype=np.float32)
    labels = np.zeros(n, dtype=np.int32)
    best = np.zeros(n, dtype=np.int32)
    for i in range(n):
        for k in range(1, count[i]):
            if cost[i, k] < cost[i, best[i]]:
                best[i] = k
    lowest = _energy(field, cost, forward, weights, limit, period, best)
    belief = np.zeros(n_labels, dtype=np.float32)
    message = np.zeros(n_labels, dtype=np.float32)
    stale = 0
    for _ in range(n_sweeps):
        for direction in range(2):
            for step in range(n):
                i = step if direction == 0 else n - 1 - step
                n_forward = 0
                n_backward = 0
                for axis in range(3):
                    n_forward += forward[i, axis] >= 0
                    n_backward += backward[i, axis] >= 0
                share = np.float32(1.0) / np.float32(max(n_forward, n_backward, 1))
                for k in range(count[i]):
                    total = cost[i, k]
                    for side in range(6):
                        total += incoming[i, side, k]
                    belief[k] = total
                if direction == 0:
                    # decode along the forward sweep: neighbors already visited have labels
                    chosen = 0
                    value = np.float32(np.inf)
                    for k in range(count[i]):
                        trial = cost[i, k]
                        for axis in range(3):
                            j = backward[i, axis]
                            if j >= 0:
                                trial += weights[axis] * _gap(field[i, k], field[j, labels[j]], period, limit)
                            trial += incoming[i, axis, k]
                        if trial < value:
                            value = trial
                            chosen = k
                    labels[i] = chosen
                for axis in range(3):
                    j = forward[i, axis] if direction == 0 else backward[i, axis]
                    if j < 0:
                        continue
                    came = axis if direction == 0 else axis + 3
                    goes = axis + 3 if direction == 0 else axis
                    smallest = np.float32(np.inf)
                    for other in range(count[j]):
                        low = np.float32(np.inf)
                        for k in range(count[i]):
                            trial = share * belief[k] - incoming[i, came, k]
                            trial += weights[axis] * _gap(field[i, k], field[j, other], period, limit)
                            low = min(low, trial)
                        message[other] = low
                        smallest = min(smallest, low)
                    for other in range(count[j]):
                        incoming[j, goes, other] = message[other] - smallest
        energy = _energy(field, cost, forward, weights, limit, period, labels)
        if energy < lowest - 1e-6 * abs(lowest):
            lowest = energy
            best[:] = labels
            stale = 0
        else:
            stale += 1
            if stale == 4:
                break
    for _ in range(5):
        changed = 0
        for i in range(n):
            lowest_here = np.inf
            chosen = best[i]
            for k in range(count[i]):
                price = float(cost[i, k])
                for axis in range(3):
                    j = forward[i, axis]
                    if j >= 0:
                        price += weights[axis] * _gap(field[i, k], field[j, best[j]], period, limit)
                    j = backward[i, axis]
                    if j >= 0:
                        price += weights[axis] * _gap(field[i, k], field[j, best[j]], period, limit)
                if price < lowest_here:
                    lowest_here = price
                    chosen = k
            if chosen != best[i]:
                best[i] = chosen
                changed += 1
        if changed == 0:
            break
    return best


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _signed_gap(a: float, b: float, period: float) -> float:
    difference = a - b
    if period > 0.0:
        difference -= period * np.round(difference / period)
    return difference


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _nearest(
    field: NDArray[np.float32],
    cost: NDArray[np.float32],
    labels: NDArray[np.int32],
    i: int,
    pull: float,
    weight: float,
    limit: float,
    period: float,
) -> int:
    """Candidate of voxel i that serves best near its present field plus `pull`."""
    target = field[i, labels[i]] + pull
    if period > 0.0:
        target -= period * np.round(target / period)
    lowest = np.inf
    chosen = labels[i]
    for k in range(field.shape[1]):
        value = cost[i, k] + weight * _gap(field[i, k], target, period, limit)
        if value < lowest:
            lowest = value
            chosen = k
    return int(chosen)


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _move_regions(
    field: NDArray[np.float32],
    cost: NDArray[np.float32],
    forward: NDArray[np.int32],
    backward: NDArray[np.int32],
    weights: NDArray[np.float32],
    limit: float,
    period: float,
    labels: NDArray[np.int32],
    edge_hz: float,
    shift_hz: float,
) -> int:
    """Shift whole smooth regions by the fat shift where that lowers the energy; changes `labels`, returns the count."""
    n = field.shape[0]
    part = np.full(n, -1, dtype=np.int32)
    members = np.empty(n, dtype=np.int32)
    starts = np.empty(n + 1, dtype=np.int32)
    n_parts = 0
    tail = 0
    for seed in range(n):
        if part[seed] >= 0:
            continue
        starts[n_parts] = tail
        head = tail
        members[tail] = seed
        tail += 1
        part[seed] = n_parts
        while head < tail:
            i = members[head]
            head += 1
            for side in range(6):
                j = forward[i, side] if side < 3 else backward[i, side - 3]
                if j < 0 or part[j] >= 0:
                    continue
                if abs(_signed_gap(field[j, labels[j]], field[i, labels[i]], period)) < edge_hz:
                    part[j] = n_parts
                    members[tail] = j
                    tail += 1
        n_parts += 1
    starts[n_parts] = tail
    sizes = starts[1 : n_parts + 1] - starts[:n_parts]
    order = np.argsort(sizes)
    trial = labels.copy()
    moved = 0
    for position in range(n_parts):
        region = order[position]
        first = starts[region]
        last = starts[region + 1]
        best_change = 0.0
        best_pull = 0.0
        for option in range(2):
            pull = shift_hz if option == 0 else -shift_hz
            change = 0.0
            for place in range(first, last):
                trial[members[place]] = _nearest(field, cost, labels, members[place], pull, weights[0], limit, period)
            for place in range(first, last):
                i = members[place]
                change += cost[i, trial[i]] - cost[i, labels[i]]
                for side in range(6):
                    j = forward[i, side] if side < 3 else backward[i, side - 3]
                    if j < 0:
                        continue
                    share = 0.5 if part[j] == region else 1.0
                    after = _gap(field[i, trial[i]], field[j, trial[j]], period, limit)
                    before = _gap(field[i, labels[i]], field[j, labels[j]], period, limit)
                    change += share * weights[side % 3] * (after - before)
            for place in range(first, last):
                trial[members[place]] = labels[members[place]]
            if change < best_change:
                best_change = change
                best_pull = pull
        if best_change < 0.0:
            moved += 1
            for place in range(first, last):
                i = members[place]
                trial[i] = _nearest(field, cost, labels, i, best_pull, weights[0], limit, period)
            for place in range(first, last):
                labels[members[place]] = trial[members[place]]
    return moved


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _unwrap(
    field: NDArray[np.float64], forward: NDArray[np.int32], backward: NDArray[np.int32], period: float
) -> NDArray[np.int32]:
    n = field.shape[0]
    part = np.full(n, -1, dtype=np.int32)
    queue = np.empty(n, dtype=np.int32)
    n_parts = 0
    for seed in range(n):
        if part[seed] >= 0:
            continue
        head = 0
        tail = 1
        queue[0] = seed
        part[seed] = n_parts
        while head < tail:
            i = queue[head]
            head += 1
            for side in range(6):
                j = forward[i, side] if side < 3 else backward[i, side - 3]
                if j < 0 or part[j] >= 0:
                    continue
                field[j] += period * np.round((field[i] - field[j]) / period)
                part[j] = n_parts
                queue[tail] = j
                tail += 1
        n_parts += 1
    return part


def unwrapped(
    field_hz: NDArray[np.float64],
    forward: NDArray[np.int32],
    backward: NDArray[np.int32],
    period_hz: float,
    weight: NDArray[np.float64],
    known_hz: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Field map without alias jumps, each connected part nearest to what is known of it, else to zero. [Hz]"""
    result = np.array(field_hz, dtype=np.float64)
    if period_hz <= 0:
        return result
    part = _unwrap(result, forward, backward, period_hz)
    apart, counted = result, weight
    if known_hz is not None:
        known = np.isfinite(known_hz)
        anchored = np.bincount(part, weights=known) > 0
        apart = np.where(known, result - np.nan_to_num(known_hz), result)
        counted = np.where(anchored[part] & ~known, 0.0, weight)
    sums = np.bincount(part, weights=counted * apart)
    means = sums / np.maximum(np.bincount(part, weights=counted), 1e-30)
    return np.asarray(result - period_hz * np.round(means / period_hz)[part])
