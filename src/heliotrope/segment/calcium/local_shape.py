"""Shape of calcium around each voxel: line-like, sheet-like or solid, and the direction across a sheet."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from heliotrope.segment.calcium.geometry import Mask, Spacing

BALL_MM = 5.0
"""Radius of the neighborhood. [mm]"""


@numba.njit(parallel=True, cache=True)
def _local(
    mask: NDArray[np.bool_],
    points: NDArray[np.int64],
    sx: float,
    sy: float,
    sz: float,
    reach: float,
    shares: NDArray[np.float32],
    normals: NDArray[np.float32],
) -> None:
    nx, ny, nz = mask.shape
    rx, ry, rz = int(reach / sx), int(reach / sy), int(reach / sz)
    for p in numba.prange(points.shape[0]):
        i, j, k = points[p]
        n = 0.0
        mx = my = mz = 0.0
        c = np.zeros((3, 3))
        for a in range(max(i - rx, 0), min(i + rx + 1, nx)):
            x = (a - i) * sx
            for b in range(max(j - ry, 0), min(j + ry + 1, ny)):
                y = (b - j) * sy
                for d in range(max(k - rz, 0), min(k + rz + 1, nz)):
                    if not mask[a, b, d]:
                        continue
                    z = (d - k) * sz
                    if x * x + y * y + z * z > reach * reach:
                        continue
                    n += 1.0
                    mx += x
                    my += y
                    mz += z
                    c[0, 0] += x * x
                    c[1, 1] += y * y
                    c[2, 2] += z * z
                    c[0, 1] += x * y
                    c[0, 2] += x * z
                    c[1, 2] += y * z
        mx, my, mz = mx / n, my / n, mz / n
        c[0, 0] = c[0, 0] / n - mx * mx
        c[1, 1] = c[1, 1] / n - my * my
        c[2, 2] = c[2, 2] / n - mz * mz
        c[0, 1] = c[1, 0] = c[0, 1] / n - mx * my
        c[0, 2] = c[2, 0] = c[0, 2] / n - mx * mz
        c[1, 2] = c[2, 1] = c[1, 2] / n - my * mz
        values, vectors = np.linalg.eigh(c)
        e1 = np.sqrt(max(values[2], 1e-9))
        e2 = np.sqrt(max(values[1], 1e-9))
        e3 = np.sqrt(max(values[0], 1e-9))
        shares[p, 0], shares[p, 1], shares[p, 2] = (e1 - e2) / e1, (e2 - e3) / e1, e3 / e1
        normals[p, 0], normals[p, 1], normals[p, 2] = vectors[0, 0], vectors[1, 0], vectors[2, 0]


def local_shape(mask: Mask, spacing: Spacing) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Principal components of the calcium within 5 mm of every calcium voxel.

    Returns
    -------
    points : int array (n, 3)
        Voxels of the mask, in C order.
    shares : float32 array (n, 3)
        Line-, sheet- and solid-likeness, adding to 1.
    normals : float32 array (n, 3)
        Direction of least extent, unit length.

    Notes
    -----
    Dimensionality features of Demantke et al., ISPRS Archives 2011, XXXVIII-5/W12.
    """
    points = np.argwhere(mask).astype(np.int64)
    shares = np.zeros((len(points), 3), np.float32)
    normals = np.zeros((len(points), 3), np.float32)
    if len(points):
        _local(mask, points, *spacing, BALL_MM, shares, normals)
    return points, shares, normals
