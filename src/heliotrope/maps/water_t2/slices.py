"""The fit slice by slice, so that memory stays near the size of the input however long the stack."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.maps.water_t2.dictionary import B1_NODE_STRIDE, Dictionary
from heliotrope.maps.water_t2.matching import best_energy_per_b1, match_t2
from heliotrope.maps.water_t2.transmit_field import pooled_transmit_field
from heliotrope.physics.noise import without_noise_bias

Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

STRIDE_HELD = 8
"""First T2 stride with the fat fraction held; halving finds the peak from here. [steps]"""

STRIDE_JOINT = 2
"""T2 stride of the joint search, whose valley is flat and must be looked at nearly everywhere. [steps]"""

CHUNK_VOXELS = 16384
"""Voxels matched in one call: the misfit curves of a chunk stay near 3 MB."""

MODEL_ERROR = 0.01
"""Share of the root-mean-square signal that the model may err by in an echo, however low the noise. [1]"""

FATTY_SIGNAL_FRACTION = 0.5
"""Above this the water part is too small to speak of its T2. [1]"""


@dataclass(frozen=True, eq=False)
class FitPlan:
    """What is the same for every slice."""

    dictionary: Dictionary
    noise_sd: float
    noise_channels: float
    joint: bool
    highest_t2_ms: float
    spacing_mm: tuple[float, float]
    workers: int | None

    @property
    def n_t2(self) -> int:
        """How many entries of the T2 grid are searched."""
        return int(np.searchsorted(self.dictionary.t2_ms, self.highest_t2_ms * (1.0 + 1e-9)))


@dataclass(frozen=True, eq=False)
class FittedArrays:
    """Raw results on the grid, NaN where not fitted; float32 arrays (x, y, z).

    Parameters
    ----------
    t2_ms, sd_ms : [ms]
    b1 : [1]
    fat_percent : share of fat in the signal [%]
    chi_squared : per degree of freedom [1]
    misfit : root of the unexplained share of the signal energy [1]
    edge : bool, optimum on the edge of the searched T2 range
    """

    t2_ms: Float32Array
    sd_ms: Float32Array
    b1: Float32Array
    fat_percent: Float32Array
    chi_squared: Float32Array
    misfit: Float32Array
    edge: BoolArray


def fit_slices(
    data: NDArray[np.generic], mask: BoolArray, q: Float32Array | None, b1: Float32Array | None, plan: FitPlan
) -> FittedArrays:
    """Fit every voxel of `mask`.

    Parameters
    ----------
    data : real array (x, y, z, n_echo)
    mask : bool array (x, y, z)
    q : float32 array (x, y, z) or None
        Signal fat fraction held; None fits it. [1]
    b1 : float32 array (x, y, z) or None
        Transmit field held; None estimates it. [1]
    plan : FitPlan
    """
    names = ("t2_ms", "sd_ms", "b1", "fat_percent", "chi_squared", "misfit")
    maps = {name: np.full(mask.shape, np.nan, dtype=np.float32) for name in names}
    edge = np.zeros(mask.shape, dtype=np.bool_)
    out = FittedArrays(**maps, edge=edge)

    def one(z: int) -> None:
        if mask[:, :, z].any():
            _fit_slice(
                data[:, :, z],
                mask[:, :, z],
                None if q is None else q[:, :, z],
                None if b1 is None else b1[:, :, z],
                plan,
                out,
                z,
            )

    workers = plan.workers if plan.workers is not None else (os.cpu_count() or 1)
    with ThreadPoolExecutor(max_workers=max(1, min(workers, mask.shape[2]))) as pool:
        list(pool.map(one, range(mask.shape[2])))
    return out


def _fit_slice(
    data: NDArray[np.generic],
    mask: BoolArray,
    q: Float32Array | None,
    b1: Float32Array | None,
    plan: FitPlan,
    out: FittedArrays,
    z: int,
) -> None:
    dictionary = plan.dictionary
    signal, energy = _projected(data, mask, plan)
    held = np.zeros(signal.shape[0], dtype=np.float32) if q is None else np.ascontiguousarray(q[mask])
    field = b1 if b1 is not None else _transmit_field(signal, energy, held, mask, plan, data.shape[-1])
    local = field[mask]
    result = np.empty((signal.shape[0], 6), dtype=np.float32)
    match_t2(
        signal,
        held,
        dictionary.nearest_b1(local),
        plan.joint,
        plan.n_t2,
        STRIDE_JOINT if plan.joint else STRIDE_HELD,
        float(np.log(dictionary.t2_ms[0])),
        dictionary.log_step,
        dictionary.water,
        dictionary.water_norm,
        dictionary.product,
        dictionary.fat,
        dictionary.fat_norm,
        result,
    )
    total = result[:, 1] + result[:, 2]
    left = np.maximum(energy - result[:, 3], 0.0)
    freedom = max(data.shape[-1] - (3 if plan.joint else 2), 1)
    out.t2_ms[:, :, z][mask] = result[:, 0]
    out.sd_ms[:, :, z][mask] = result[:, 0] * result[:, 4] * plan.noise_sd
    out.b1[:, :, z][mask] = np.clip(local, dictionary.b1[0], dictionary.b1[-1])
    out.fat_percent[:, :, z][mask] = 100.0 * np.divide(
        result[:, 2], total, out=np.full_like(total, np.nan), where=total > 0.0
    )
    out.chi_squared[:, :, z][mask] = left / (plan.noise_sd**2 * freedom)
    out.misfit[:, :, z][mask] = np.sqrt(left / np.maximum(energy, 1e-30))
    out.edge[:, :, z][mask] = result[:, 5] > 0.0


def _projected(data: NDArray[np.generic], mask: BoolArray, plan: FitPlan) -> tuple[Float32Array, Float32Array]:
    """Bias-corrected signal in the dictionary's basis (n_voxel, COMPONENTS) and its whole energy (n_voxel,)."""
    clean = without_noise_bias(data[mask].astype(np.float32), plan.noise_sd, plan.noise_channels)
    signal = np.ascontiguousarray(clean @ plan.dictionary.basis.astype(np.float32))
    return signal, np.einsum("vn,vn->v", clean, clean)


def _transmit_field(
    signal: Float32Array, energy: Float32Array, held: Float32Array, mask: BoolArray, plan: FitPlan, n_echoes: int
) -> Float32Array:
    dictionary = plan.dictionary
    nodes = dictionary.b1[::B1_NODE_STRIDE]
    misfit = np.empty((signal.shape[0], nodes.size), dtype=np.float32)
    fraction = np.empty(signal.shape[0], dtype=np.float32)
    freedom = max(n_echoes - (4 if plan.joint else 3), 1)
    for start in range(0, signal.shape[0], CHUNK_VOXELS):
        part = slice(start, start + CHUNK_VOXELS)
        best_energy_per_b1(
            signal[part],
            held[part],
            plan.joint,
            plan.n_t2,
            STRIDE_JOINT if plan.joint else STRIDE_HELD,
            B1_NODE_STRIDE,
            dictionary.water,
            dictionary.water_norm,
            dictionary.product,
            dictionary.fat,
            dictionary.fat_norm,
            misfit[part],
            fraction[part],
        )
        np.subtract(energy[part, None], misfit[part], out=misfit[part])
        # a voxel that the model fits badly speaks with its own, larger, scatter
        scatter = np.maximum(misfit[part].min(axis=1) / freedom, np.float32(plan.noise_sd**2))
        scatter = np.maximum(scatter, np.float32(MODEL_ERROR**2 / n_echoes) * energy[part])
        misfit[part] /= scatter[:, None]
    useful = fraction <= FATTY_SIGNAL_FRACTION
    if not useful.any():
        useful[:] = True
    lean = mask.copy()
    lean[mask] = useful
    return pooled_transmit_field(misfit[useful], lean, nodes, plan.spacing_mm)
