"""Gradient tables in the FSL convention: along the voxel axes, the first turned around where they are right-handed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.study import Acquisition
from heliotrope.io.atomic import write_text
from heliotrope.io.nifti import nifti_stem


def fsl_to_lps(vectors: NDArray[np.float64], grid: Grid) -> tuple[tuple[float, float, float], ...]:
    """FSL gradient directions (3, n) to patient axes (LPS), lengths kept so that bad ones show."""
    world = _table_to_lps(grid) @ vectors
    return tuple((float(v[0]), float(v[1]), float(v[2])) for v in world.T)


def lps_to_fsl(directions: tuple[tuple[float, float, float], ...], grid: Grid) -> NDArray[np.float64]:
    """Directions along patient axes (LPS) as an FSL table (3, n)."""
    return np.asarray(_table_to_lps(grid).T @ np.asarray(directions, dtype=np.float64).reshape(-1, 3).T)


def _table_to_lps(grid: Grid) -> NDArray[np.float64]:
    axes = grid.matrix[:3, :3] / np.asarray(grid.spacing_mm)
    # nearest rotation or reflection: a sheared affine must not change lengths
    left, _, right = np.linalg.svd(axes)
    flip = np.diag([-1.0 if np.linalg.det(axes) > 0 else 1.0, 1.0, 1.0])
    return np.asarray(left @ right @ flip)


def write_gradients(path: Path, acquisition: Acquisition, grid: Grid) -> tuple[Path, ...]:
    """Write ``NAME.bval`` and, where directions are known, ``NAME.bvec`` beside a diffusion image."""
    stem = nifti_stem(Path(path).name)
    values = " ".join(f"{value:g}" for value in acquisition.b_values_s_per_mm2)
    written = [write_text(Path(path).with_name(f"{stem}.bval"), values + "\n")]
    if acquisition.b_vectors_lps:
        rows = lps_to_fsl(acquisition.b_vectors_lps, grid)
        lines = "".join(" ".join(f"{component:.6f}" for component in row) + "\n" for row in rows)
        written.append(write_text(Path(path).with_name(f"{stem}.bvec"), lines))
    return tuple(written)
