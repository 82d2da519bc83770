"""Apparent T2 of fat in the train at hand, from subcutaneous fat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import GeometryError, InputError
from heliotrope.domain.images import Volume
from heliotrope.maps.water_t2.dictionary import B1_RANGE
from heliotrope.maps.water_t2.inputs import FEWEST_ECHOES_TWO_PASS, require_noise
from heliotrope.physics.echo_train import require_echo_train, require_magnitudes
from heliotrope.physics.epg import echo_table
from heliotrope.physics.noise import without_noise_bias
from heliotrope.physics.slice_profile import ProfilePreset, slice_profile
from heliotrope.physics.tissue_constants import relaxation_constants

FAT_T2_RANGE_MS = (80.0, 300.0)
"""Searched apparent T2 of fat. [ms]"""

SUBCUTANEOUS_FAT_SIGNAL = 0.95
"""Share of fat in the signal of subcutaneous fat; the rest is water of connective tissue. [1]"""

SUBCUTANEOUS_WATER_T2_MS = 35.0
"""T2 given to that water. [ms]"""

FEWEST_VOXELS = 100
"""Fewer voxels of fat than this do not calibrate. [1]"""

MOST_VOXELS = 4000
"""Voxels used at most, evenly spread over the mask. [1]"""


@dataclass(frozen=True)
class FatT2:
    """Calibrated apparent T2 of fat.

    Parameters
    ----------
    t2_ms : float
        [ms]
    interquartile_ms : float
        Spread of the voxels' own values. [ms]
    n_voxels : int
    """

    t2_ms: float
    interquartile_ms: float
    n_voxels: int


def fit_fat_t2(
    echoes: Volume,
    fat_mask: NDArray[np.bool_],
    *,
    echo_times_ms: Sequence[float],
    field_strength_t: float,
    noise_sd: float,
    profile: ProfilePreset = ProfilePreset.HANN_SINC,
    refocusing_flip_deg: float = 180.0,
) -> FatT2:
    """Apparent T2 of fat: the median over `fat_mask` of each voxel's best value, its transmit field free.

    Parameters
    ----------
    echoes : Volume of shape (x, y, z, n_echo)
    fat_mask : bool array (x, y, z)
        Subcutaneous fat, away from skin and fascia.
    echo_times_ms, field_strength_t, noise_sd
        As in `fit_two_pass`.

    Raises
    ------
    InputError
        Too few voxels, or a median on the edge of the searched range.
    """
    require_magnitudes(echoes.data)
    train = require_echo_train(echo_times_ms, echoes.n_frames, fewest=FEWEST_ECHOES_TWO_PASS)
    require_noise(noise_sd)
    constants = relaxation_constants(field_strength_t)
    if fat_mask.shape != echoes.grid.shape:
        raise GeometryError(
            f"fat mask of shape {fat_mask.shape} for echoes on a grid of shape {echoes.grid.shape}",
            hint="draw the mask on the grid of the echoes",
        )
    voxels = np.flatnonzero(fat_mask)
    if voxels.size < FEWEST_VOXELS:
        raise InputError(
            f"fat mask holds {voxels.size} voxels (limit {FEWEST_VOXELS})", hint="mark more of the subcutaneous fat"
        )
    voxels = voxels[:: -(-voxels.size // MOST_VOXELS)]
    clean = without_noise_bias(echoes.data.reshape(-1, echoes.n_frames)[voxels].astype(np.float64), noise_sd)
    fields = np.linspace(*B1_RANGE, 41)
    times = np.geomspace(*FAT_T2_RANGE_MS, 67)
    flips = slice_profile(profile, fields, refocusing_flip_deg=refocusing_flip_deg)

    def trains(t2_ms: NDArray[np.float64], t1_ms: float) -> NDArray[np.float64]:
        table = echo_table(
            t2_ms=t2_ms,
            t1_ms=t1_ms,
            echo_spacing_ms=train.spacing_ms,
            n_echoes=train.n_echoes + train.skipped_echoes,
            excitation_rad=flips.excitation_rad,
            refocusing_rad=flips.refocusing_rad,
        )
        return np.abs(table[:, :, train.skipped_echoes :])

    water = trains(np.array([SUBCUTANEOUS_WATER_T2_MS]), constants.muscle_t1_ms)
    fat = trains(times, constants.fat_t1_ms)
    atoms = SUBCUTANEOUS_FAT_SIGNAL * fat + (1.0 - SUBCUTANEOUS_FAT_SIGNAL) * water
    atoms /= np.linalg.norm(atoms, axis=2, keepdims=True)
    energy = np.max(np.square(np.einsum("vn,bin->vbi", clean, atoms, optimize=True)), axis=1)
    own = times[np.argmax(energy, axis=1)]
    low, median, high = np.percentile(own, [25.0, 50.0, 75.0])
    if not times[1] < median < times[-2]:
        raise InputError(
            f"apparent T2 of fat lies at {median:.0f} ms, the edge of the searched range "
            f"({FAT_T2_RANGE_MS[0]:g} to {FAT_T2_RANGE_MS[1]:g} ms)",
            hint="check that the mask marks fat",
        )
    return FatT2(float(median), float(high - low), int(voxels.size))
