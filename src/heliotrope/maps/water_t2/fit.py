"""Water T2 maps: with a known fat fraction in two passes, or jointly when no fat fraction was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import GeometryError, InputError
from heliotrope.domain.geometry import require_same_grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.maps.water_t2.dictionary import B1_RANGE, JOINT_T2_LIMIT_MS, build_dictionary
from heliotrope.maps.water_t2.inputs import (
    FEWEST_ECHOES_JOINT,
    FEWEST_ECHOES_TWO_PASS,
    require_fat_fraction,
    require_noise,
    require_transmit_field,
)
from heliotrope.maps.water_t2.slices import FitPlan, FittedArrays, fit_slices
from heliotrope.maps.water_t2.validity import judge_voxels
from heliotrope.physics.echo_train import require_echo_train, require_magnitudes
from heliotrope.physics.noise import signal_mask
from heliotrope.physics.slice_profile import REFOCUSING_SLAB_RATIO, ProfilePreset
from heliotrope.physics.tissue_constants import relaxation_constants

METHOD_JOINT = "epg-joint/1"
METHOD_TWO_PASS = "epg-two-pass/1"  # noqa: S105 - a method, not a secret

SLAB_RATIO_LIMITS = (0.8, 4.0)
"""Refocusing slabs narrower or wider than this are not built. [1]"""

JOINT_FLAG = "fat not independently measured, T2 imprecise"
"""Must stand beside every number of the joint fit."""

_OVER, _SLICES = " over ", " slices"


def slab_ratio_of(flags: Iterable[str]) -> float | None:
    """Width of the refocusing slab that a water-T2 map states in its flags; None for a map that has none. [slices]

    Examples
    --------
    >>> slab_ratio_of(("Slice profile: hann-sinc, refocusing 180 degrees over 1.39 slices.",))
    1.39
    """
    for flag in flags:
        if flag.startswith("Slice profile:") and _OVER in flag:
            return float(flag.split(_OVER)[1].split(_SLICES)[0])
    return None


@dataclass(frozen=True)
class WaterT2Options:
    """What the forward model assumes.

    Parameters
    ----------
    profile : ProfilePreset
        ``hann-sinc`` for two-dimensional sequences, ``ideal`` for non-selective refocusing.
    refocusing_flip_deg : float
        Nominal refocusing angle. [deg]
    slab_ratio : float
        Width of the refocusing slab over the excited slice, e.g. from `fit_slab_ratio`. [1]
    repetition_time_ms : float or None
        Turns the proton-density fat fraction into the signal fat fraction; None takes them as equal, flagged. [ms]
    fat_t2_ms : float or None
        Apparent T2 of fat in this train, e.g. from `fit_fat_t2`; None takes the constant of the field strength. [ms]
    noise_channels : float
        Effective channels of the noise law; 1 is Rician.
    workers : int or None
        Threads; None takes one per processor. The result does not depend on it.
    """

    profile: ProfilePreset = ProfilePreset.HANN_SINC
    refocusing_flip_deg: float = 180.0
    slab_ratio: float = REFOCUSING_SLAB_RATIO
    repetition_time_ms: float | None = None
    fat_t2_ms: float | None = None
    noise_channels: float = 1.0
    workers: int | None = None


@dataclass(frozen=True, eq=False)
class WaterT2Maps:
    """What a water-T2 fit returns, all on the grid of the echoes.

    Parameters
    ----------
    t2 : ParametricMap
        ``water_t2`` [ms]. Higher is worse (edema); not the T2 a scanner shows, which fat and imperfect pulses raise.
    sd : ParametricMap
        ``water_t2_sd``: Cramer-Rao bound of the voxel's T2 at the given noise, transmit field and (two-pass) fat
        fraction held. [ms] Not included: errors of those two, and misfit of the model.
    b1 : ParametricMap
        ``transmit_field``, fraction of nominal. [1]
    fat_signal_fraction : ParametricMap
        ``fat_signal_fraction``: share of fat in the signal at full recovery of the sequence's repetition time. [%]
    residual : ParametricMap
        ``water_t2_residual``: chi-squared per degree of freedom; 1 is noise alone. [1]
    """

    t2: ParametricMap
    sd: ParametricMap
    b1: ParametricMap
    fat_signal_fraction: ParametricMap
    residual: ParametricMap


def fit_joint(
    echoes: Volume,
    *,
    echo_times_ms: Sequence[float],
    field_strength_t: float,
    noise_sd: float,
    b1: ParametricMap | None = None,
    mask: NDArray[np.bool_] | None = None,
    options: WaterT2Options | None = None,
) -> WaterT2Maps:
    """Water T2 together with the fat share of the signal, from the echo train alone.

    Parameters
    ----------
    echoes : Volume of shape (x, y, z, n_echo)
        Magnitude signal. [arbitrary]
    echo_times_ms : sequence of n_echo floats
        Multiples of one spacing, at least 6. [ms]
    field_strength_t : float
        1.5 or 3 (no others have known constants). [T]
    noise_sd : float
        Noise sd of one channel, unit of the signal.
    b1 : ParametricMap, optional
        Measured transmit field, fraction of nominal; skips its estimation.
    mask : bool array (x, y, z), optional
        Where to fit; the automatic signal mask when not given.
    options : WaterT2Options, optional

    Returns
    -------
    WaterT2Maps
        T2 searched from 12 to 120 ms. Flagged: water and fat decay too alike for one train to part them well; at a
        first-echo signal-to-noise ratio of 60 the Cramer-Rao sd is 1.8 ms at T2 35 ms but 6.0 ms at 60 ms.
    """
    return _fit(
        echoes,
        echo_times_ms=echo_times_ms,
        field_strength_t=field_strength_t,
        noise_sd=noise_sd,
        fat_fraction=None,
        b1=b1,
        mask=mask,
        options=options or WaterT2Options(),
    )


def fit_two_pass(
    echoes: Volume,
    *,
    echo_times_ms: Sequence[float],
    fat_fraction: ParametricMap,
    field_strength_t: float,
    noise_sd: float,
    b1: ParametricMap | None = None,
    mask: NDArray[np.bool_] | None = None,
    options: WaterT2Options | None = None,
) -> WaterT2Maps:
    """Water T2 with the fat fraction held at a measured value.

    The transmit field is estimated first from pooled misfit curves, then held for the T2 search.

    Parameters
    ----------
    fat_fraction : ParametricMap
        Proton-density fat fraction on the grid of `echoes`. [%]

    Other Parameters
    ----------------
    echoes, echo_times_ms, field_strength_t, noise_sd, b1, mask, options
        As in `fit_joint`; at least 5 echoes.

    Returns
    -------
    WaterT2Maps
        T2 searched from 12 to 180 ms, valid up to 120 ms and a signal fat fraction of 50 %.

    Notes
    -----
    A fat fraction wrong by +1 percentage point lowers T2 by 0.5 to 1.5 ms, typically 0.85 ms.
    """
    require_fat_fraction(fat_fraction)
    return _fit(
        echoes,
        echo_times_ms=echo_times_ms,
        field_strength_t=field_strength_t,
        noise_sd=noise_sd,
        fat_fraction=fat_fraction,
        b1=b1,
        mask=mask,
        options=options or WaterT2Options(),
    )


def signal_fraction(
    fat_fraction_percent: NDArray[np.floating], *, repetition_time_ms: float, muscle_t1_ms: float, fat_t1_ms: float
) -> NDArray[np.floating]:
    """Share of fat in the spin-echo signal from the share in the protons.

    ``q = p g_f / (p g_f + (1-p) g_w)`` with ``g = 1 - exp(-TR/T1)``.

    Examples
    --------
    >>> q = signal_fraction(np.array([10.0]), repetition_time_ms=3000.0, muscle_t1_ms=1400.0, fat_t1_ms=365.0)
    >>> round(float(q[0]), 3)
    0.112
    """
    p = np.clip(fat_fraction_percent / 100.0, 0.0, 1.0)
    fat = p * (1.0 - np.exp(-repetition_time_ms / fat_t1_ms))
    water = (1.0 - p) * (1.0 - np.exp(-repetition_time_ms / muscle_t1_ms))
    return np.asarray(fat / (fat + water))


def _fit(
    echoes: Volume,
    *,
    echo_times_ms: Sequence[float],
    field_strength_t: float,
    noise_sd: float,
    fat_fraction: ParametricMap | None,
    b1: ParametricMap | None,
    mask: NDArray[np.bool_] | None,
    options: WaterT2Options,
) -> WaterT2Maps:
    joint = fat_fraction is None
    require_magnitudes(echoes.data)
    train = require_echo_train(
        echo_times_ms, echoes.n_frames, fewest=FEWEST_ECHOES_JOINT if joint else FEWEST_ECHOES_TWO_PASS
    )
    noise_sd = require_noise(noise_sd)
    constants = relaxation_constants(field_strength_t)
    if not 60.0 <= options.refocusing_flip_deg <= 180.0:
        raise InputError(
            f"refocusing flip angle is {options.refocusing_flip_deg:g} degrees (limit 60 to 180)",
            hint="give the nominal refocusing angle of the sequence",
        )
    if not SLAB_RATIO_LIMITS[0] <= options.slab_ratio <= SLAB_RATIO_LIMITS[1]:
        raise InputError(
            f"refocusing slab ratio is {options.slab_ratio:g} (limit {SLAB_RATIO_LIMITS[0]:g} to "
            f"{SLAB_RATIO_LIMITS[1]:g})",
            hint="give the width of the refocusing slab over that of the slice",
        )
    if b1 is not None:
        require_transmit_field(b1)
        require_same_grid(b1.grid, echoes.grid, first_name="B1 map", second_name="echoes")
    if mask is not None and mask.shape != echoes.grid.shape:
        raise GeometryError(
            f"mask of shape {mask.shape} for echoes on a grid of shape {echoes.grid.shape}",
            hint="draw the mask on the grid of the echoes",
        )
    body = mask if mask is not None else signal_mask(echoes.data, noise_sd, options.noise_channels)
    slab = f"{_OVER}{options.slab_ratio:.2f}{_SLICES}" if options.profile is ProfilePreset.HANN_SINC else ""
    flags = [f"Slice profile: {options.profile}, refocusing {options.refocusing_flip_deg:g} degrees{slab}."]
    if joint:
        flags.insert(0, JOINT_FLAG)
    q: NDArray[np.float32] | None = None
    if fat_fraction is not None:
        require_same_grid(fat_fraction.grid, echoes.grid, first_name="fat-fraction map", second_name="echoes")
        q, sentence = _held_fraction(fat_fraction, options, constants.muscle_t1_ms, constants.fat_t1_ms)
        flags.append(sentence)
    if b1 is not None:
        flags.append("Transmit field taken from a measured map.")
        beyond = int(np.count_nonzero(body & b1.valid & ((b1.values < B1_RANGE[0]) | (b1.values > B1_RANGE[1]))))
        if beyond:
            flags.append(f"Transmit field clipped to {B1_RANGE[0]:g}-{B1_RANGE[1]:g} in {beyond} voxels.")
    dictionary = build_dictionary(
        n_echoes=train.n_echoes,
        skipped_echoes=train.skipped_echoes,
        echo_spacing_ms=train.spacing_ms,
        constants=constants,
        fat_t2_ms=options.fat_t2_ms if options.fat_t2_ms is not None else constants.fat_t2_ms,
        preset=options.profile,
        refocusing_flip_deg=options.refocusing_flip_deg,
        slab_ratio=options.slab_ratio,
    )
    plan = FitPlan(
        dictionary=dictionary,
        noise_sd=noise_sd,
        noise_channels=options.noise_channels,
        joint=joint,
        highest_t2_ms=JOINT_T2_LIMIT_MS if joint else float(dictionary.t2_ms[-1]),
        spacing_mm=echoes.grid.spacing_mm[:2],
        workers=options.workers,
    )
    known = body if q is None else body & np.isfinite(q)
    if b1 is not None:
        known = known & b1.valid
    fitted = fit_slices(echoes.data, known, q, None if b1 is None else b1.values, plan)
    valid, reasons = judge_voxels(
        fitted, body, known, n_echoes=train.n_echoes, n_parameters=3 if joint else 2, unknown=_unknown_reason(q, b1)
    )
    return _as_maps(fitted, valid, known, reasons, echoes, METHOD_JOINT if joint else METHOD_TWO_PASS, tuple(flags))


def _unknown_reason(q: NDArray[np.float32] | None, b1: ParametricMap | None) -> str:
    missing = [name for name, given in (("fat fraction", q), ("measured transmit field", b1)) if given is not None]
    return f"{' or '.join(missing)} not known here" if missing else "not fitted"


def _held_fraction(
    fat_fraction: ParametricMap, options: WaterT2Options, muscle_t1_ms: float, fat_t1_ms: float
) -> tuple[NDArray[np.float32], str]:
    """Signal fat fraction, NaN where the map is not valid, and the sentence that says how it was had."""
    percent = np.where(fat_fraction.valid, fat_fraction.values, np.nan)
    if options.repetition_time_ms is None:
        q: NDArray[np.floating] = np.clip(percent / 100.0, 0.0, 1.0)
        sentence = (
            "Repetition time unknown: signal fat fraction taken as the proton-density fat fraction "
            "(T2 off by about 1 ms at 10 % fat)."
        )
    else:
        if not options.repetition_time_ms > 0.0:
            raise InputError(
                f"repetition time is {options.repetition_time_ms:g} ms: a positive number needed",
                hint="give the repetition time in milliseconds",
            )
        q = signal_fraction(
            percent, repetition_time_ms=options.repetition_time_ms, muscle_t1_ms=muscle_t1_ms, fat_t1_ms=fat_t1_ms
        )
        sentence = f"Fat fraction held at the measured map, T1-weighted for TR {options.repetition_time_ms:g} ms."
    return q.astype(np.float32), sentence


def _as_maps(
    fitted: FittedArrays,
    valid: NDArray[np.bool_],
    known: NDArray[np.bool_],
    reasons: dict[str, int],
    echoes: Volume,
    method: str,
    flags: tuple[str, ...],
) -> WaterT2Maps:
    def as_map(quantity: str, values: NDArray[np.float32], where: NDArray[np.bool_], unit: Unit) -> ParametricMap:
        return ParametricMap(quantity, values, where, echoes.grid, unit, method, flags, reasons)

    return WaterT2Maps(
        t2=as_map("water_t2", fitted.t2_ms, valid, Unit.MILLISECOND),
        sd=as_map("water_t2_sd", fitted.sd_ms, valid, Unit.MILLISECOND),
        b1=as_map("transmit_field", fitted.b1, known, Unit.ONE),
        fat_signal_fraction=as_map("fat_signal_fraction", fitted.fat_percent, known, Unit.PERCENT),
        residual=as_map("water_t2_residual", fitted.chi_squared, known, Unit.ONE),
    )
