"""Random shapes that exist at every point in space: smooth Gaussian fields and cellular walls, without a voxel grid."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

N_WAVES = 40
"""Cosines per field; enough for a marginal distribution close to Gaussian."""

FIBER_ELONGATION = 2.5
"""How much longer structures are along the limb than across it."""


def draw_field(generator: np.random.Generator, range_mm: float) -> NDArray[np.float64]:
    """Waves of a stationary Gaussian field with unit variance, by random Fourier features.

    Parameters
    ----------
    generator : numpy.random.Generator
    range_mm : float
        Correlation length across the limb: covariance ``exp(-d**2 / (2 range**2))``. [mm]

    Returns
    -------
    array of shape (N_WAVES, 4)
        Wave vector [rad/mm] and phase [rad] of each cosine.
    """
    waves = generator.normal(size=(N_WAVES, 3)) / range_mm
    waves[:, 2] /= FIBER_ELONGATION
    phases = generator.uniform(0.0, 2.0 * np.pi, size=(N_WAVES, 1))
    return np.hstack([waves, phases])


@numba.njit(cache=True, fastmath=True)
def field_at(waves: NDArray[np.float64], x: float, y: float, z: float) -> float:
    """Value of a Gaussian field at one point; mean 0, variance 1."""
    total = 0.0
    for j in range(waves.shape[0]):
        total += math.cos(waves[j, 0] * x + waves[j, 1] * y + waves[j, 2] * z + waves[j, 3])
    return total * math.sqrt(2.0 / waves.shape[0])


@numba.njit(cache=True, fastmath=True)
def field_plane(waves: NDArray[np.float64], x: float, y: float, z: float) -> tuple[float, float, float]:
    """Value of a Gaussian field at one point and its slopes along x and y, for steps within a pixel. [1/mm]"""
    total = slope_x = slope_y = 0.0
    for j in range(waves.shape[0]):
        angle = waves[j, 0] * x + waves[j, 1] * y + waves[j, 2] * z + waves[j, 3]
        total += math.cos(angle)
        fall = math.sin(angle)
        slope_x -= waves[j, 0] * fall
        slope_y -= waves[j, 1] * fall
    scale = math.sqrt(2.0 / waves.shape[0])
    return total * scale, slope_x * scale, slope_y * scale


@numba.njit(cache=True, parallel=True)
def sample_field(waves: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of a Gaussian field at points (n, 3). [mm in, standard deviations out]"""
    out = np.empty(points.shape[0])
    for i in numba.prange(points.shape[0]):
        out[i] = field_at(waves, points[i, 0], points[i, 1], points[i, 2])
    return out


@numba.njit(cache=True)
def _jitter(i: int, j: int, k: int, axis: int, seed: int) -> float:
    """Repeatable number in [0, 1) of a lattice cell (integer avalanche hash)."""
    h = (i * 73856093) ^ (j * 19349663) ^ (k * 83492791) ^ (axis * 39916801) ^ (seed * 2654435761)
    h &= 0x7FFFFFFF
    h = ((h >> 16) ^ h) * 0x45D9F3B & 0x7FFFFFFF
    h = ((h >> 16) ^ h) * 0x45D9F3B & 0x7FFFFFFF
    h = (h >> 16) ^ h
    return (h & 0xFFFFFF) / 16777216.0


@numba.njit(cache=True)
def cell_wall_distance(x: float, y: float, z: float, cell_mm: float, seed: int) -> float:
    """Distance to the nearest wall of a random closed-cell foam. [mm]

    Walls are the bisector planes between the two nearest of one jittered center per lattice cell.
    """
    px, py, pz = x / cell_mm, y / cell_mm, z / (cell_mm * FIBER_ELONGATION)
    i0, j0, k0 = math.floor(px), math.floor(py), math.floor(pz)
    best, second = 1e30, 1e30
    bx = by = bz = sx = sy = sz = 0.0
    for di in range(-1, 2):
        for dj in range(-1, 2):
            for dk in range(-1, 2):
                i, j, k = int(i0) + di, int(j0) + dj, int(k0) + dk
                cx = i + 0.15 + 0.7 * _jitter(i, j, k, 1, seed)
                cy = j + 0.15 + 0.7 * _jitter(i, j, k, 2, seed)
                cz = k + 0.15 + 0.7 * _jitter(i, j, k, 3, seed)
                d = (cx - px) ** 2 + (cy - py) ** 2 + (cz - pz) ** 2
                if d < best:
                    second, sx, sy, sz = best, bx, by, bz
                    best, bx, by, bz = d, cx, cy, cz
                elif d < second:
                    second, sx, sy, sz = d, cx, cy, cz
    # along the limb walls are rarely crossed, so the in-plane scale is the one that counts
    separation = math.sqrt((sx - bx) ** 2 + (sy - by) ** 2 + (sz - bz) ** 2)
    return (second - best) / (2.0 * separation) * cell_mm
