"""Closed curves around a center: unwrapping, the cheapest closed path, and the area it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True)
class PolarFrame:
    """Rays from a center in one slice.

    Parameters
    ----------
    center : tuple of 2 floats
        Pixel coordinates.
    spacing_mm : tuple of 2 floats
    n_angles : int
    step_mm : float
        Radial sampling. [mm]
    n_radii : int
    """

    center: tuple[float, float]
    spacing_mm: tuple[float, float]
    n_angles: int = 360
    step_mm: float = 0.5
    n_radii: int = 260

    @property
    def radii_mm(self) -> NDArray[np.float64]:
        """Radius of each sample. [mm]"""
        return np.asarray(np.arange(self.n_radii) * self.step_mm, dtype=np.float64)

    def coordinates(self) -> NDArray[np.float64]:
        """Pixel coordinates of every sample, (2, angle, radius); angle 0 is +x, 90 degrees is +y."""
        angles = np.arange(self.n_angles) * (2 * np.pi / self.n_angles)
        x = self.center[0] + np.cos(angles)[:, None] * self.radii_mm[None] / self.spacing_mm[0]
        y = self.center[1] + np.sin(angles)[:, None] * self.radii_mm[None] / self.spacing_mm[1]
        return np.stack([x, y])

    def unwrap(
        self, image: NDArray[np.generic], *, order: Literal[0, 1] = 1, outside: float = 0.0
    ) -> NDArray[np.float32]:
        """Image along the rays, (angle, radius)."""
        values = image.astype(np.float32)
        return np.asarray(
            ndimage.map_coordinates(values, self.coordinates(), order=order, mode="constant", cval=outside),
            dtype=np.float32,
        )

    def fill(self, radii_mm: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Pixels whose center lies within the closed curve r(angle)."""
        x = (np.arange(shape[0])[:, None] - self.center[0]) * self.spacing_mm[0]
        y = (np.arange(shape[1])[None, :] - self.center[1]) * self.spacing_mm[1]
        turns = (np.arctan2(y, x) / (2 * np.pi)) % 1.0 * self.n_angles
        limit = np.interp(turns.ravel(), np.arange(self.n_angles + 1), np.append(radii_mm, radii_mm[0]))
        inside = np.hypot(x, y) < limit.reshape(shape)
        return np.asarray(inside)


@njit(cache=True)
def _open_path(
    cost: NDArray[np.float32], start: int, max_step: int, smoothness: float
) -> NDArray[np.int64]:  # pragma: no cover - compiled
    n_angles, n_radii = cost.shape
    total = np.full((n_angles, n_radii), np.inf, dtype=np.float64)
    back = np.zeros((n_angles, n_radii), dtype=np.int64)
    for r in range(n_radii):
        if start < 0 or r == start:
            total[0, r] = cost[0, r]
    for a in range(1, n_angles):
        for r in range(n_radii):
            best, step = np.inf, 0
            for d in range(-max_step, max_step + 1):
                q = r + d
                if 0 <= q < n_radii:
                    value = total[a - 1, q] + smoothness * d * d
                    if value < best:
                        best, step = value, d
            total[a, r] = best + cost[a, r]
            back[a, r] = step
    low, high = 0, n_radii
    if start >= 0:
        low, high = max(0, start - max_step), min(n_radii, start + max_step + 1)
    end = low
    for r in range(low, high):
        if total[n_angles - 1, r] < total[n_angles - 1, end]:
            end = r
    path = np.zeros(n_angles, dtype=np.int64)
    path[n_angles - 1] = end
    for a in range(n_angles - 1, 0, -1):
        path[a - 1] = path[a] + back[a, path[a]]
    return path


def cheapest_closed_path(
    cost: NDArray[np.float32], *, max_step: int = 2, smoothness: float = 0.15
) -> NDArray[np.int64]:
    """Radius index per angle of the cheapest closed path by dynamic programming.

    A first open path finds where the curve passes when it has forgotten its ends; the second is forced to start and end
    there.

    Parameters
    ----------
    cost : float32 array (angle, radius)
    max_step : int
        Largest change of radius index from one angle to the next.
    smoothness : float
        Cost of a change of d steps is ``smoothness * d**2``.

    Returns
    -------
    int array (angle,)

    Examples
    --------
    >>> ring = np.ones((36, 9), dtype=np.float32)
    >>> ring[:, 4] = 0.0
    >>> cheapest_closed_path(ring).tolist() == [4] * 36
    True
    """
    contiguous = np.ascontiguousarray(cost, dtype=np.float32)
    n_angles = contiguous.shape[0]
    half = n_angles // 2
    first = _open_path(np.ascontiguousarray(np.roll(contiguous, -half, axis=0)), -1, max_step, smoothness)
    return np.asarray(_open_path(contiguous, int(first[n_angles - half]), max_step, smoothness))
