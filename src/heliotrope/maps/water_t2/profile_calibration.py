"""Width of the refocusing slab, from the echoes themselves.

The width is rarely stated, differs between vendors, and moves T2: pulses as wide as the slice leave its edges
poorly refocused. Thousands of lean muscle voxels, each free in T2 and transmit field, agree on the width that explains
the alternation of odd and even echoes best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.maps.water_t2.dictionary import B1_RANGE
from heliotrope.maps.water_t2.inputs import FEWEST_ECHOES_TWO_PASS, require_noise
from heliotrope.physics.echo_train import EchoTrain, require_echo_train, require_magnitudes
from heliotrope.physics.epg import echo_table
from heliotrope.physics.noise import signal_mask, without_noise_bias
from heliotrope.physics.slice_profile import REFOCUSING_SLAB_RATIO, ProfilePreset, slice_profile
from heliotrope.physics.tissue_constants import RelaxationConstants, relaxation_constants

FloatArray = NDArray[np.float64]

RATIOS = (0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 2.0, 2.2)
"""Tried widths of the refocusing slab over the excited slice. [1]"""

LEAN_SHARE = 0.15
"""Muscle voxels with at most this share of fat calibrate. [1]"""

FEWEST_VOXELS = 300
"""With fewer lean voxels the preset is kept. [1]"""

MOST_VOXELS = 1000
"""Voxels used at most, evenly spread. [1]"""

LEAST_GAIN = 0.015
"""The preset is kept unless the median misfit falls by more than this share. [1]"""


@dataclass(frozen=True)
class SlabRatio:
    """Width of the refocusing slab and how it was had.

    Parameters
    ----------
    ratio : float
        Over the excited slice. [1]
    calibrated : bool
        False when the preset was kept.
    misfit, preset_misfit : float
        Median unexplained share of the signal at `ratio` and at the preset. [1]
    sentence : str
        For flags and methods text.
    """

    ratio: float
    calibrated: bool
    misfit: float
    preset_misfit: float
    sentence: str


def fit_slab_ratio(
    echoes: Volume,
    *,
    echo_times_ms: Sequence[float],
    field_strength_t: float,
    noise_sd: float,
    noise_channels: float = 1.0,
    fat_fraction: ParametricMap | None = None,
    refocusing_flip_deg: float = 180.0,
) -> SlabRatio:
    """Width of the refocusing slab that lean muscle agrees on.

    Parameters
    ----------
    echoes : Volume of shape (x, y, z, n_echo)
    echo_times_ms, field_strength_t, noise_sd, noise_channels, refocusing_flip_deg
        As in `fit_two_pass`.
    fat_fraction : ParametricMap, optional
        On the grid of `echoes`; held when given, else the fat share is free in every voxel. [%]

    Returns
    -------
    SlabRatio
        The preset unless another width explains the echoes clearly better.
    """
    require_magnitudes(echoes.data)
    train = require_echo_train(echo_times_ms, echoes.n_frames, fewest=FEWEST_ECHOES_TWO_PASS)
    require_noise(noise_sd)
    constants = relaxation_constants(field_strength_t)
    body = signal_mask(echoes.data, noise_sd, noise_channels)
    if fat_fraction is not None:
        body &= fat_fraction.valid & (np.nan_to_num(fat_fraction.values) <= 100.0 * LEAN_SHARE)
    voxels = np.flatnonzero(body)
    voxels = voxels[:: max(1, -(-voxels.size // (3 * MOST_VOXELS)))]
    magnitudes = echoes.data.reshape(-1, echoes.n_frames)[voxels].astype(np.float64)
    clean = np.asarray(without_noise_bias(magnitudes, noise_sd, noise_channels), dtype=np.float64)
    q = None
    if fat_fraction is not None:
        q = np.clip(fat_fraction.values.reshape(-1)[voxels].astype(np.float64) / 100.0, 0.0, 1.0)
    misfit, share = _misfit(clean, q, REFOCUSING_SLAB_RATIO, train, constants, refocusing_flip_deg)
    # what the preset explains worst is vessel, skin or motion, not profile
    kept = np.flatnonzero((share <= LEAN_SHARE) & (misfit <= np.percentile(misfit, 90.0) if misfit.size else False))
    if kept.size < FEWEST_VOXELS:
        return _preset(f"too few lean voxels ({kept.size}, limit {FEWEST_VOXELS}) to calibrate it", float("nan"))
    kept = kept[:: -(-kept.size // MOST_VOXELS)]
    clean, q = clean[kept], None if q is None else q[kept]
    typical = np.array(
        [float(np.median(_misfit(clean, q, ratio, train, constants, refocusing_flip_deg)[0])) for ratio in RATIOS]
    )
    at_preset = float(typical[RATIOS.index(REFOCUSING_SLAB_RATIO)])
    best = int(np.argmin(typical))
    if typical[best] >= (1.0 - LEAST_GAIN) * at_preset:
        return _preset("no other width explains the echoes clearly better", at_preset)
    if best in (0, len(RATIOS) - 1):
        return _preset("the echoes ask for a width beyond those tried", at_preset)
    around = slice(best - 1, best + 2)
    curve = np.polyfit(np.asarray(RATIOS)[around], typical[around], 2)
    ratio = float(np.clip(-curve[1] / (2.0 * curve[0]), RATIOS[best - 1], RATIOS[best + 1]))
    return SlabRatio(
        round(ratio, 2),
        True,
        float(typical[best]),
        at_preset,
        f"Refocusing slab calibrated to {ratio:.2f} slices on {kept.size} lean voxels (median misfit "
        f"{100.0 * typical[best]:.2f} %, against {100.0 * at_preset:.2f} % at {REFOCUSING_SLAB_RATIO:g}).",
    )


def _preset(reason: str, misfit: float) -> SlabRatio:
    sentence = f"Refocusing slab taken as {REFOCUSING_SLAB_RATIO:g} slices: {reason}."
    return SlabRatio(REFOCUSING_SLAB_RATIO, False, misfit, misfit, sentence)


def _misfit(
    clean: FloatArray,
    q: FloatArray | None,
    ratio: float,
    train: EchoTrain,
    constants: RelaxationConstants,
    refocusing_flip_deg: float,
) -> tuple[FloatArray, FloatArray]:
    """Root of the unexplained share of each voxel's signal energy, and its share of fat; both (n_voxel,)."""
    fields = np.linspace(*B1_RANGE, 25)
    times = np.geomspace(15.0, 90.0, 64)
    flips = slice_profile(
        ProfilePreset.HANN_SINC, fields, refocusing_flip_deg=refocusing_flip_deg, refocusing_slab_ratio=ratio
    )

    def trains(t2_ms: FloatArray, t1_ms: float) -> FloatArray:
        table = echo_table(
            t2_ms=t2_ms,
            t1_ms=t1_ms,
            echo_spacing_ms=train.spacing_ms,
            n_echoes=train.n_echoes + train.skipped_echoes,
            excitation_rad=flips.excitation_rad,
            refocusing_rad=flips.refocusing_rad,
        )
        return np.abs(table[:, :, train.skipped_echoes :])

    water = trains(times, constants.muscle_t1_ms)
    fat = trains(np.array([constants.fat_t2_ms]), constants.fat_t1_ms)[:, 0]
    best = np.zeros(clean.shape[0])
    share = np.zeros(clean.shape[0]) if q is None else q.copy()
    for wet, fatty in zip(water, fat, strict=True):
        on_water, on_fat = wet @ clean.T, fatty @ clean.T
        norm_water, norm_fat = np.sum(wet * wet, axis=1)[:, None], float(fatty @ fatty)
        cross = (wet @ fatty)[:, None]
        if q is not None:
            projection = np.maximum((1.0 - q) * on_water + q * on_fat, 0.0)
            energy = projection**2 / ((1.0 - q) ** 2 * norm_water + q**2 * norm_fat + 2.0 * q * (1.0 - q) * cross)
            best = np.maximum(best, energy.max(axis=0))
            continue
        determinant = norm_water * norm_fat - cross**2
        of_water = (norm_fat * on_water - cross * on_fat) / determinant
        of_fat = (norm_water * on_fat - cross * on_water) / determinant
        both = (of_water > 0.0) & (of_fat > 0.0)
        alone = np.maximum(np.maximum(on_water, 0.0) ** 2 / norm_water, np.maximum(on_fat, 0.0) ** 2 / norm_fat)
        energy = np.where(both, of_water * on_water + of_fat * on_fat, alone)
        at = np.argmax(energy, axis=0)[None]
        top = np.take_along_axis(energy, at, axis=0)[0]
        water_part = np.maximum(np.take_along_axis(of_water, at, axis=0)[0], 0.0)
        fat_part = np.maximum(np.take_along_axis(of_fat, at, axis=0)[0], 0.0)
        better = top > best
        share[better] = (fat_part / np.maximum(fat_part + water_part, 1e-300))[better]
        best = np.maximum(best, top)
    whole = np.maximum(np.sum(clean * clean, axis=1), 1e-300)
    return np.sqrt(np.maximum(whole - best, 0.0) / whole), share
