"""Small bodies cut into stations, with known gains, shifts and roll-off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Acquisition, Modality, Role, Series

SPACING_MM = (2.0, 2.0, 5.0)
SHAPE = (64, 48)


def body(n_slices: int, seed: int = 1) -> NDArray[np.float64]:
    """Two tapering limbs with smooth texture and a bright strand, (64, 48, n_slices)."""
    generator = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.arange(n, dtype=float) for n in (*SHAPE, n_slices)), indexing="ij")
    signal = np.zeros(x.shape)
    texture = ndimage.gaussian_filter(generator.normal(size=x.shape), (3, 3, 1.5))
    texture /= texture.std()
    for center in (18.0, 46.0):
        radius = 9.0 + 3.5 * np.sin(z / 9.0 + center) + 0.02 * z
        middle = 24.0 + 2.0 * np.sin(z / 14.0)
        inside = np.hypot(x - center, y - middle) < radius
        signal += inside * 100.0 * (1.0 + 0.12 * texture)
        signal += 60.0 * (np.hypot(x - center - 3.0, y - middle + 0.3 * radius) < 1.6)
    return ndimage.gaussian_filter(signal, (0.6, 0.6, 0.3))


def station_grids(n_stations: int, n_slices: int, shared: int) -> list[Grid]:
    """Axial grids one above the other."""
    grids = []
    for k in range(n_stations):
        matrix = np.diag([*SPACING_MM, 1.0])
        matrix[2, 3] = k * (n_slices - shared) * SPACING_MM[2]
        grids.append(Grid.from_matrix((*SHAPE, n_slices), matrix, "1.2.3"))
    return grids


def cut(
    whole: NDArray[np.float64],
    grids: Sequence[Grid],
    *,
    gains: Sequence[float] | None = None,
    shifts: Sequence[tuple[float, float, float]] | None = None,
    tilt: float = 0.0,
    fall_of_one_side: float = 0.0,
    noise: float = 1.0,
) -> list[Volume]:
    """Stations of a body.

    `gains` multiply, `shifts` move by voxels, `tilt` is a roll-off across x that turns over from the low to the high
    end, and `fall_of_one_side` is signal that one side loses and the other gains toward both ends.
    """
    generator = np.random.default_rng(7)
    volumes = []
    for k, grid in enumerate(grids):
        start = round(grid.matrix[2, 3] / SPACING_MM[2])
        moved = whole if shifts is None else ndimage.shift(whole, shifts[k], order=1, mode="nearest")
        part = moved[:, :, start : start + grid.shape[2]].copy()
        across = np.linspace(-1.0, 1.0, SHAPE[0])[:, None, None]
        height = np.linspace(-1.0, 1.0, grid.shape[2])[None, None, :]
        part *= np.exp(across * (tilt * height + fall_of_one_side * height**2))
        part = part * (1.0 if gains is None else gains[k])
        noisy = np.hypot(part + noise * generator.normal(size=part.shape), noise * generator.normal(size=part.shape))
        volumes.append(Volume(noisy.astype(np.float32), grid))
    return volumes


def series_on(key: str, grid: Grid, role: Role = Role.STIR, **facts: Any) -> Series:
    """A series of a grid; `facts` go into its acquisition."""
    acquisition = Acquisition(Modality.MR, **facts)
    return Series(key, f"uid-{key}", int(key[1:]), "", role, "stated", acquisition, grid, 1, ())
