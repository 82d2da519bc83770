"""Diffusion-weighted echo-planar signal of the thigh phantom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heliotrope.phantoms.diffusion import spread_directions
from heliotrope.phantoms.fibers import Fibers
from heliotrope.phantoms.mr_signal import MagnetizationModel, rician
from heliotrope.phantoms.mr_tissue import FAT_T1_MS, FAT_T2_MS, MUSCLE_T1_MS, MUSCLE_T2_MS
from heliotrope.phantoms.thigh_voxels import Component
from heliotrope.physics.diffusion import DiffusionScheme, tensor_signal
from heliotrope.physics.fat_spectrum import SIX_PEAK

FLOWING_DIFFUSIVITY = 3.0e-2
"""Blood moves in all directions of a voxel: signal is gone at b 200. [mm2/s]"""

FLUID_DIFFUSIVITY = 2.4e-3
"""Free fluid along fascia and in strands. [mm2/s]"""

OTHER_DIFFUSIVITY = 1.1e-3
"""Skin, fascia, marrow water: a choice of this phantom. [mm2/s]"""

FAT_DIFFUSIVITY = 2.0e-5
"""Lipid hardly diffuses: a choice of this phantom. [mm2/s]"""

DIRECTION_SEED = 20_261_128
"""Every examination plays the same gradient directions."""

_ISOTROPIC = {
    Component.ARTERY: FLOWING_DIFFUSIVITY,
    Component.VEIN: FLOWING_DIFFUSIVITY,
    Component.FASCIAL_FLUID: FLUID_DIFFUSIVITY,
    Component.SUBCUTIS_FLUID: FLUID_DIFFUSIVITY,
}


def examination_scheme(shells: tuple[tuple[float, int], ...]) -> DiffusionScheme:
    """b-values with their numbers of frames; each weighted shell has its own spread directions.

    Parameters
    ----------
    shells : tuple of (float, int)
        b-value [s/mm2] and frames.
    """
    generator = np.random.default_rng(DIRECTION_SEED)
    values: list[float] = []
    directions: list[tuple[float, float, float]] = []
    for b_value, frames in shells:
        values += [b_value] * frames
        if b_value == 0:
            directions += [(0.0, 0.0, 0.0)] * frames
        else:
            directions += [(float(x), float(y), float(z)) for x, y, z in spread_directions(frames, generator)]
    return DiffusionScheme(tuple(values), tuple(directions))


def diffusion_signal(
    model: MagnetizationModel,
    fibers: Fibers,
    scheme: DiffusionScheme,
    *,
    repetition_time_ms: float,
    echo_time_ms: float,
    perfusion: tuple[float, float] | None,
    bandwidth_hz_per_pixel: float,
    snr: float,
    gain: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Magnitude frames of a fat-suppressed spin-echo echo-planar series, (x, y, z, n).

    Parameters
    ----------
    perfusion : tuple of 2 floats or None
        Perfusion fraction of muscle [1] and its pseudo-diffusivity [mm2/s]; None for none.
    bandwidth_hz_per_pixel : float
        Along the second image axis, the phase-encoding one; off-resonance displaces signal along it. [Hz]

    Notes
    -----
    The olefinic peak of fat lies beside water, is not suppressed and does not diffuse: it lowers the apparent
    diffusivity of fatty muscle, as it does in patients.
    """

    def weight(t1: NDArray[np.float64] | float, t2: NDArray[np.float64] | float) -> NDArray[np.float64]:
        recovered = 1.0 - np.exp(-repetition_time_ms / np.asarray(t1, dtype=np.float64))
        return np.asarray(recovered * np.exp(-echo_time_ms / np.asarray(t2, dtype=np.float64)))

    olefinic = float(SIX_PEAK.weights[0])
    fat = model.fat.sum(axis=-1) * float(weight(FAT_T1_MS, FAT_T2_MS)) * olefinic
    total = fat[..., None] * np.exp(-scheme.b * FAT_DIFFUSIVITY)
    for component in list(Component)[1:]:
        protons = model.water[..., component] * weight(model.t1_ms(component), model.t2_ms(component))
        if component in (Component.MUSCLE, Component.EDEMA):
            where = protons > 0
            decay = tensor_signal(scheme, fibers.tensors(component)[where])
            if perfusion is not None:
                fraction, pseudo = perfusion
                decay = (1.0 - fraction) * decay + fraction * np.exp(-scheme.b * pseudo)
            total[where] += protons[where][:, None] * decay
        else:
            diffusivity = _ISOTROPIC.get(component, OTHER_DIFFUSIVITY)
            total += protons[..., None] * np.exp(-scheme.b * diffusivity)
    healthy = float(weight(MUSCLE_T1_MS, MUSCLE_T2_MS))
    scaled = total * (gain * model.maps.receive / healthy)[..., None]
    return rician(displaced(scaled, model.maps.b0_hz / bandwidth_hz_per_pixel), gain / snr, generator)


def displaced(signal: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signal moved along the second axis, split between the two pixels it falls on; what leaves the image is lost.

    Parameters
    ----------
    signal : array (x, y, z, n)
    pixels : array (x, y, z)
        Displacement of each voxel. [pixels]
    """
    n_lines = signal.shape[1]
    out = np.zeros_like(signal)
    columns, slices = np.arange(signal.shape[0])[:, None], np.arange(signal.shape[2])[None, :]
    for start in range(n_lines):
        goal = start + pixels[:, start]
        for line in (np.floor(goal), np.floor(goal) + 1.0):
            share = np.where((line >= 0) & (line < n_lines), 1.0 - np.abs(goal - line), 0.0)
            # within one line no two voxels fall on the same pixel
            target = np.clip(line, 0, n_lines - 1).astype(np.intp)
            out[columns, target, slices] += share[..., None] * signal[:, start]
    return out
