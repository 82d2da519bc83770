"""A small block of muscle for diffusion fits, with known truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.physics.diffusion import DiffusionScheme, ivim_signal, tensor_signal


@dataclass(frozen=True, eq=False)
class DiffusionBlock:
    """Signal with its truth.

    Parameters
    ----------
    volume : Volume of shape (x, y, z, n)
        Rician magnitude.
    scheme : DiffusionScheme
    eigenvalues : array (..., 3)
        Of the tensor, or three times the same diffusivity. [mm2/s]
    """

    volume: Volume
    scheme: DiffusionScheme
    eigenvalues: NDArray[np.float64]


def spread_directions(n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Directions (n, 3) driven apart as charges on a sphere, opposite ones counted as one."""
    vectors = generator.normal(size=(n, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for _ in range(200):
        force = np.zeros_like(vectors)
        for sign in (1.0, -1.0):
            apart = vectors[:, None] - sign * vectors[None]
            distance = np.linalg.norm(apart, axis=2)
            np.fill_diagonal(distance, 1e9)
            force += (apart / (distance[..., None] ** 3 + 1e-9)).sum(axis=1)
        vectors += 0.01 * force
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def tensor_scheme(
    b_value: float, n_directions: int, n_unweighted: int, generator: np.random.Generator
) -> DiffusionScheme:
    """Unweighted frames, then one shell of spread directions."""
    directions = [(0.0, 0.0, 0.0)] * n_unweighted
    directions += [(float(x), float(y), float(z)) for x, y, z in spread_directions(n_directions, generator)]
    return DiffusionScheme((0.0,) * n_unweighted + (b_value,) * n_directions, tuple(directions))


def muscle_tensor_block(
    generator: np.random.Generator,
    scheme: DiffusionScheme,
    *,
    snr: float,
    shape: tuple[int, int, int] = (16, 16, 8),
    eigenvalues: tuple[float, float, float] = (2.0e-3, 1.55e-3, 1.25e-3),
) -> DiffusionBlock:
    """Muscle of one tensor turned at random in each voxel; unweighted signal 100."""
    turns, _ = np.linalg.qr(generator.normal(size=(*shape, 3, 3)))
    tensors = turns @ np.diag(eigenvalues) @ np.swapaxes(turns, -1, -2)
    clean = 100.0 * tensor_signal(scheme, tensors)
    truth = np.broadcast_to(np.array(eigenvalues), (*shape, 3))
    return DiffusionBlock(_noisy(clean, snr, generator), scheme, truth)


def pennate_limb(
    generator: np.random.Generator,
    scheme: DiffusionScheme,
    *,
    snr: float,
    shape: tuple[int, int, int] = (48, 48, 16),
    slant_deg: float = 20.0,
    eigenvalues: tuple[float, float, float] = (2.0e-3, 1.55e-3, 1.25e-3),
) -> DiffusionBlock:
    """A round limb along the third axis, a bone in it, fibers slanting toward its middle as they go up; b 0 is 100.

    Voxels are 3 x 3 x 6 mm; outside the limb and in the bone there is noise only.
    """
    grid = Grid.from_spacing(shape, (3.0, 3.0, 6.0))
    x, y, _ = np.meshgrid(*[(np.arange(n) - (n - 1) / 2.0) * d for n, d in zip(shape, (3.0, 3.0, 6.0), strict=True)])
    x, y = np.swapaxes(x, 0, 1), np.swapaxes(y, 0, 1)
    radius = np.hypot(x, y)
    outer = 0.45 * min(shape[0], shape[1]) * 3.0
    muscle = (radius < outer) & (radius > 0.15 * outer)
    lean = np.tan(np.radians(slant_deg))
    away = np.maximum(radius, 1.0)
    first = np.stack([-lean * x / away, -lean * y / away, np.ones_like(x)], axis=-1)
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    second = np.cross(first, (0.0, 1.0, 0.0))
    second /= np.linalg.norm(second, axis=-1, keepdims=True)
    axes = np.stack([first, second, np.cross(first, second)], axis=-1)
    tensors = axes * np.array(eigenvalues) @ np.swapaxes(axes, -1, -2)
    clean = np.where(muscle[..., None], 100.0 * tensor_signal(scheme, tensors), 0.0)
    noise = generator.normal(0.0, 100.0 / snr, size=(2, *clean.shape))
    volume = Volume(np.hypot(clean + noise[0], noise[1]).astype(np.float32), grid)
    return DiffusionBlock(volume, scheme, np.broadcast_to(np.array(eigenvalues), (*shape, 3)))


def perfused_block(
    generator: np.random.Generator,
    scheme: DiffusionScheme,
    *,
    snr: float,
    diffusivity: float = 1.46e-3,
    perfusion_fraction: float = 0.11,
    pseudo_diffusivity: float = 29.7e-3,
    shape: tuple[int, int, int] = (16, 16, 8),
) -> DiffusionBlock:
    """Isotropic muscle with perfusion; unweighted signal 100."""
    clean = 100.0 * ivim_signal(
        scheme.b, np.full(shape, diffusivity), np.full(shape, perfusion_fraction), np.full(shape, pseudo_diffusivity)
    )
    return DiffusionBlock(_noisy(clean, snr, generator), scheme, np.full((*shape, 3), diffusivity))


def _noisy(clean: NDArray[np.float64], snr: float, generator: np.random.Generator) -> Volume:
    noise = generator.normal(0.0, 100.0 / snr, size=(2, *clean.shape))
    x, y, z = clean.shape[:3]
    return Volume(
        np.hypot(clean + noise[0], noise[1]).astype(np.float32), Grid.from_spacing((x, y, z), (2.5, 2.5, 6.0))
    )
