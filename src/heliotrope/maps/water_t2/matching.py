"""The matching loops: voxels against dictionary atoms, one voxel at a time, no allocation inside.

For a fixed signal fat fraction q the atom is ``(1-q) w + q f`` and the matched energy is its squared projection. In the
joint fit the two amplitudes are free and not negative: with unit atoms, a = w.y, b = f.y and c = w.f, the energy is
``(a^2 + b^2 - 2abc) / (1 - c^2)`` where both amplitudes are positive, otherwise the larger of a^2 and b^2.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from heliotrope.maps.water_t2.dictionary import COMPONENTS

Float32Array = NDArray[np.float32]

SMALLEST_SINE_SQUARED = 1e-6
"""Atoms closer than this (1 - c^2) count as one. [1]"""

SPARSE = 3
"""How many times wider the T2 stride is once a neighboring field value has been searched. [1]"""

_FAST = {"reassoc", "contract", "nsz", "arcp"}
_ZERO = np.float32(0.0)
_TWO = np.float32(2.0)
_ONE = np.float32(1.0)
_SINE_LIMIT = np.float32(SMALLEST_SINE_SQUARED)


@numba.njit(nogil=True, fastmath=_FAST, inline="always")
def _dot(first: Float32Array, second: Float32Array) -> np.float32:
    total = _ZERO
    for n in range(COMPONENTS):
        total += first[n] * second[n]
    return total


@numba.njit(nogil=True, fastmath=_FAST, inline="always")
def _energy(
    a: np.float32,
    b: np.float32,
    c: np.float32,
    water_norm: np.float32,
    fat_norm: np.float32,
    q: np.float32,
    joint: bool,
) -> np.float32:
    """Energy of the data that the best mixture of the two atoms takes up."""
    if joint:
        sine = _ONE - c * c
        if sine > _SINE_LIMIT and a > b * c and b > a * c:
            return (a * a + b * b - _TWO * a * b * c) / sine
        best = max(a, b)
        return np.float32(best * best) if best > _ZERO else _ZERO
    wet = (_ONE - q) * water_norm
    fatty = q * fat_norm
    projection = wet * a + fatty * b
    if projection <= _ZERO:
        return _ZERO
    return projection * projection / (wet * wet + fatty * fatty + _TWO * wet * fatty * c)


@numba.njit(nogil=True, fastmath=_FAST, cache=True)
def best_energy_per_b1(
    signal: Float32Array,
    q: Float32Array,
    joint: bool,
    n_t2: int,
    stride_t2: int,
    stride_b1: int,
    water: Float32Array,
    water_norm: Float32Array,
    product: Float32Array,
    fat: Float32Array,
    fat_norm: Float32Array,
    energy: Float32Array,
    fraction: Float32Array,
) -> None:
    """First pass: the best energy over T2 at every B1 node.

    `signal` is (n_voxel, COMPONENTS), `q` (n_voxel,); fills `energy` (n_voxel, n_node) and `fraction` (n_voxel,), the
    signal fat fraction at the best node. In the joint fit every `stride_t2`-th T2 is tried; with q fixed the peak in
    T2 is followed from node to node.
    """
    for v in range(signal.shape[0]):
        y = signal[v]
        start = -1
        top = np.float32(-1.0)
        fraction[v] = q[v]
        for node in range(energy.shape[1]):
            j = node * stride_b1
            b = _dot(fat[j], y)
            best = np.float32(-1.0)
            best_i = 0
            # with q fixed, a sparse look besides the last node's best guards against a second, lower peak
            stride = stride_t2 if joint or start < 0 else SPARSE * stride_t2
            for i in range(0, n_t2, stride):
                value = _energy(_dot(water[j, i], y), b, product[j, i], water_norm[j, i], fat_norm[j], q[v], joint)
                if value > best:
                    best = value
                    best_i = i
            from_start = False
            if not joint and start >= 0:
                value = _energy(
                    _dot(water[j, start], y), b, product[j, start], water_norm[j, start], fat_norm[j], q[v], joint
                )
                if value > best:
                    best = value
                    best_i = start
                    from_start = True
            if not joint:
                step = 1 if from_start else stride // 2
                while step >= 1:
                    moved = True
                    while moved:
                        moved = False
                        for direction in (-1, 1):
                            i = best_i + direction * step
                            if 0 <= i < n_t2:
                                value = _energy(
                                    _dot(water[j, i], y),
                                    b,
                                    product[j, i],
                                    water_norm[j, i],
                                    fat_norm[j],
                                    q[v],
                                    joint,
                                )
                                if value > best:
                                    best = value
                                    best_i = i
                                    moved = True
                                    break
                    step //= 2
                start = best_i
            energy[v, node] = best
            if joint and best > top:
                top = best
                a = _dot(water[j, best_i], y)
                c = product[j, best_i]
                wet = max(a - b * c, _ZERO) / water_norm[j, best_i]
                fatty = max(b - a * c, _ZERO) / fat_norm[j]
                fraction[v] = fatty / max(wet + fatty, np.float32(1e-20))


@numba.njit(nogil=True, fastmath=_FAST, cache=True)
def match_t2(
    signal: Float32Array,
    q: Float32Array,
    b1_index: NDArray[np.int32],
    joint: bool,
    n_t2: int,
    stride_t2: int,
    log_first: float,
    log_step: float,
    water: Float32Array,
    water_norm: Float32Array,
    product: Float32Array,
    fat: Float32Array,
    fat_norm: Float32Array,
    out: Float32Array,
) -> None:
    """Second pass: T2 at the voxel's transmit field.

    Fills `out` (n_voxel, 6): T2 [ms]; water amplitude; fat amplitude; matched energy; sd of ln(T2) per unit of noise
    sd (Cramer-Rao); 1 when the optimum lies on the edge of the searched T2 range.
    """
    d_water = np.zeros(COMPONENTS, dtype=np.float64)
    model = np.zeros(COMPONENTS, dtype=np.float64)
    for v in range(signal.shape[0]):
        y = signal[v]
        j = b1_index[v]
        b = _dot(fat[j], y)
        best = np.float32(-1.0)
        best_i = 0
        for i in range(0, n_t2, stride_t2):
            value = _energy(_dot(water[j, i], y), b, product[j, i], water_norm[j, i], fat_norm[j], q[v], joint)
            if value > best:
                best = value
                best_i = i
        step = stride_t2 // 2
        while step >= 1:
            center = best_i
            for i in (center - step, center + step):
                if 0 <= i < n_t2:
                    value = _energy(_dot(water[j, i], y), b, product[j, i], water_norm[j, i], fat_norm[j], q[v], joint)
                    if value > best:
                        best = value
                        best_i = i
            if best_i == center:
                step //= 2
        edge = best_i == 0 or best_i == n_t2 - 1
        offset = 0.0
        if not edge:
            below = _energy(
                _dot(water[j, best_i - 1], y),
                b,
                product[j, best_i - 1],
                water_norm[j, best_i - 1],
                fat_norm[j],
                q[v],
                joint,
            )
            above = _energy(
                _dot(water[j, best_i + 1], y),
                b,
                product[j, best_i + 1],
                water_norm[j, best_i + 1],
                fat_norm[j],
                q[v],
                joint,
            )
            curvature = float(below) - 2.0 * float(best) + float(above)
            if curvature < 0.0:
                offset = min(max(0.5 * (float(below) - float(above)) / curvature, -0.5), 0.5)
        a = _dot(water[j, best_i], y)
        c = product[j, best_i]
        wn = water_norm[j, best_i]
        fn = fat_norm[j]
        if joint:
            sine = _ONE - c * c
            if sine > _SINE_LIMIT and a > b * c and b > a * c:
                wet = (a - b * c) / sine / wn
                fatty = (b - a * c) / sine / fn
            elif a >= b:
                wet = max(a, _ZERO) / wn
                fatty = _ZERO
            else:
                wet = _ZERO
                fatty = max(b, _ZERO) / fn
        else:
            wn_q = (_ONE - q[v]) * wn
            fn_q = q[v] * fn
            amplitude = (wn_q * a + fn_q * b) / (wn_q * wn_q + fn_q * fn_q + _TWO * wn_q * fn_q * c)
            wet = amplitude * (_ONE - q[v])
            fatty = amplitude * q[v]
        # Cramer-Rao: derivative of the model by ln(T2), less what the free amplitudes can imitate
        low = max(best_i - 1, 0)
        high = min(best_i + 1, n_t2 - 1)
        norm = 0.0
        for n in range(COMPONENTS):
            d_water[n] = (
                float(water[j, high, n]) * float(water_norm[j, high])
                - float(water[j, low, n]) * float(water_norm[j, low])
            ) / ((high - low) * log_step)
            model[n] = (
                float(water[j, best_i, n])
                if joint
                else (1.0 - float(q[v])) * float(wn) * float(water[j, best_i, n])
                + float(q[v]) * float(fn) * float(fat[j, n])
            )
            norm += model[n] * model[n]
        along = 0.0
        for n in range(COMPONENTS):
            along += d_water[n] * model[n]
        for n in range(COMPONENTS):
            d_water[n] -= along / norm * model[n]
        if joint:
            # second direction: the fat atom made orthogonal to the water atom
            product_wf = 0.0
            for n in range(COMPONENTS):
                product_wf += model[n] * float(fat[j, n])
            norm_f = 0.0
            along = 0.0
            for n in range(COMPONENTS):
                other = float(fat[j, n]) - product_wf / norm * model[n]
                norm_f += other * other
                along += d_water[n] * other
            for n in range(COMPONENTS):
                d_water[n] -= along / max(norm_f, 1e-12) * (float(fat[j, n]) - product_wf / norm * model[n])
        left = 0.0
        for n in range(COMPONENTS):
            left += d_water[n] * d_water[n]
        left *= float(wet) * float(wet)
        out[v, 0] = math.exp(log_first + (best_i + offset) * log_step)
        out[v, 1] = wet
        out[v, 2] = fatty
        out[v, 3] = best
        out[v, 4] = math.sqrt(1.0 / left) if left > 0.0 else np.inf
        out[v, 5] = 1.0 if edge else 0.0
