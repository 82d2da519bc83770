"""Legacy T2: a mono-exponential decay, for comparison with historic cut-offs only.

Imperfect refocusing and fat make this T2 longer than the T2 of muscle water: a true 35 ms reads 49 to 59 ms. It carries
its own quantity key and never enters a trend with water T2.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import numba
import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import GeometryError, InputError
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.physics.echo_train import require_echo_times, require_magnitudes
from heliotrope.physics.noise import signal_mask

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LEGACY_FLAG = (
    "legacy T2 (mono-exponential): raised by fat and imperfect refocusing, not water T2, not to be trended with it"
)
"""Must stand beside every number of this fit."""

VALID_T2_MS = (5.0, 300.0)
"""Beyond this the decay is not described by the echoes. [ms]"""

ITERATIONS = 30
"""Gauss-Newton steps at most. [1]"""


class LegacyMethod(StrEnum):
    """How the decay is fitted."""

    NLLS = "nlls"
    WLS = "wls"


@dataclass(frozen=True, eq=False)
class LegacyT2Maps:
    """What the legacy fit returns.

    Parameters
    ----------
    t2 : ParametricMap
        ``legacy_t2`` [ms]. Higher with edema, and with fat; not water T2.
    sd : ParametricMap
        ``legacy_t2_sd``: noise of the voxel's value, were the model true. [ms]
    residual : ParametricMap
        ``legacy_t2_residual``: chi-squared per degree of freedom. [1]
    """

    t2: ParametricMap
    sd: ParametricMap
    residual: ParametricMap


@numba.njit(nogil=True, cache=True)
def _fit_decays(
    signal: FloatArray,
    times_ms: FloatArray,
    iterate: bool,
    with_offset: bool,
    fitted: FloatArray,
    information: FloatArray,
) -> None:
    """Fit ``A exp(-R t) (+ C)``; fills `fitted` (n_voxel, 3: A, R, C) and `information` (n_voxel,) on R."""
    n_echoes = times_ms.size
    for v in range(signal.shape[0]):
        # log-linear with weights S^2
        s_w = s_x = s_y = s_xx = s_xy = 0.0
        for n in range(n_echoes):
            y = signal[v, n]
            if y > 0.0:
                w = y * y
                x = times_ms[n]
                log = np.log(y)
                s_w += w
                s_x += w * x
                s_y += w * log
                s_xx += w * x * x
                s_xy += w * x * log
        determinant = s_w * s_xx - s_x * s_x
        if determinant <= 1e-12 * s_w * s_xx:
            fitted[v, :] = np.nan
            information[v] = 0.0
            continue
        rate = -(s_w * s_xy - s_x * s_y) / determinant
        amplitude = np.exp((s_xx * s_y - s_x * s_xy) / determinant)
        offset = 0.0
        damping = 1e-3
        cost = 0.0
        for n in range(n_echoes):
            cost += (signal[v, n] - amplitude * np.exp(-rate * times_ms[n])) ** 2
        for _ in range(ITERATIONS if iterate else 0):
            a00 = a01 = a11 = a02 = a12 = 0.0
            g0 = g1 = g2 = 0.0
            for n in range(n_echoes):
                e = np.exp(-rate * times_ms[n])
                d = -amplitude * times_ms[n] * e
                r = signal[v, n] - amplitude * e - offset
                a00 += e * e
                a01 += e * d
                a11 += d * d
                a02 += e
                a12 += d
                g0 += e * r
                g1 += d * r
                g2 += r
            a22 = float(n_echoes)
            b00 = a00 * (1.0 + damping)
            b11 = a11 * (1.0 + damping)
            if with_offset:
                b22 = a22 * (1.0 + damping)
                whole = b00 * (b11 * b22 - a12 * a12) - a01 * (a01 * b22 - a12 * a02) + a02 * (a01 * a12 - b11 * a02)
                if abs(whole) < 1e-300:
                    break
                step0 = (
                    g0 * (b11 * b22 - a12 * a12) - a01 * (g1 * b22 - a12 * g2) + a02 * (g1 * a12 - b11 * g2)
                ) / whole
                step1 = (
                    b00 * (g1 * b22 - a12 * g2) - g0 * (a01 * b22 - a12 * a02) + a02 * (a01 * g2 - g1 * a02)
                ) / whole
                step2 = (
                    b00 * (b11 * g2 - g1 * a12) - a01 * (a01 * g2 - g1 * a02) + g0 * (a01 * a12 - b11 * a02)
                ) / whole
            else:
                whole = b00 * b11 - a01 * a01
                if abs(whole) < 1e-300:
                    break
                step0 = (g0 * b11 - a01 * g1) / whole
                step1 = (b00 * g1 - a01 * g0) / whole
                step2 = 0.0
            tried = 0.0
            for n in range(n_echoes):
                tried += (
                    signal[v, n] - (amplitude + step0) * np.exp(-(rate + step1) * times_ms[n]) - offset - step2
                ) ** 2
            if tried <= cost:
                amplitude += step0
                rate += step1
                offset += step2
                damping *= 0.2
                done = abs(step1) < 1e-9 * abs(rate) or cost - tried < 1e-14 * cost
                cost = tried
                if done:
                    break
            else:
                damping *= 10.0
                if damping > 1e8:
                    break
        # information on the rate after the other parameters are taken out
        e_e = e_d = d_d = e_1 = d_1 = 0.0
        for n in range(n_echoes):
            e = np.exp(-rate * times_ms[n])
            d = -amplitude * times_ms[n] * e
            e_e += e * e
            e_d += e * d
            d_d += d * d
            e_1 += e
            d_1 += d
        left = d_d - e_d * e_d / e_e
        if with_offset:
            ones = n_echoes - e_1 * e_1 / e_e
            cross = d_1 - e_d * e_1 / e_e
            left = left - cross * cross / ones if ones > 0.0 else 0.0
        fitted[v, 0] = amplitude
        fitted[v, 1] = rate
        fitted[v, 2] = offset
        information[v] = left


def fit_legacy_t2(
    echoes: Volume,
    *,
    echo_times_ms: Sequence[float],
    noise_sd: float,
    method: LegacyMethod = LegacyMethod.NLLS,
    offset: bool = False,
    skip_first_echo: bool = False,
    mask: BoolArray | None = None,
    workers: int | None = None,
) -> LegacyT2Maps:
    """T2 by a mono-exponential fit.

    Parameters
    ----------
    echoes : Volume of shape (x, y, z, n_echo)
        Magnitude signal. [arbitrary]
    echo_times_ms : sequence of n_echo floats
        Increasing; need not be equally spaced. At least 2 used echoes, 4 with an offset. [ms]
    noise_sd : float
        Noise sd, for the signal mask, the sd map and the residual.
    method : LegacyMethod
        ``nlls``: least squares on the signal. ``wls``: log-linear with weights S^2.
    offset : bool
        Fit a constant besides the decay (``nlls`` only).
    skip_first_echo : bool
        Leave out the first echo, which stimulated echoes do not reach.
    mask : bool array (x, y, z), optional
        Where to fit; the automatic signal mask when not given.
    workers : int, optional
        Threads; one per processor when not given.

    Notes
    -----
    No noise-bias correction is made, as in the historic fits.
    """
    require_magnitudes(echoes.data)
    fewest = (4 if offset else 2) + int(skip_first_echo)
    times = require_echo_times(echo_times_ms, echoes.n_frames, fewest=fewest)
    if not np.isfinite(noise_sd) or noise_sd <= 0.0:
        raise InputError(f"noise sd is {noise_sd:g}: a positive number needed", hint="estimate it", code="E_NOISE")
    if offset and method is LegacyMethod.WLS:
        raise InputError(
            "an offset cannot be fitted with wls: the logarithm of a sum is not linear", hint="use method nlls"
        )
    if mask is not None and mask.shape != echoes.grid.shape:
        raise GeometryError(
            f"mask of shape {mask.shape} for echoes on a grid of shape {echoes.grid.shape}",
            hint="draw the mask on the grid of the echoes",
        )
    body = mask if mask is not None else signal_mask(echoes.data, noise_sd, 1.0)
    first = int(skip_first_echo)
    used = np.ascontiguousarray(np.asarray(times)[first:])
    t2, sd, residual = (np.full(body.shape, np.nan, dtype=np.float32) for _ in range(3))
    freedom = max(used.size - (3 if offset else 2), 1)

    def one(z: int) -> None:
        here = body[:, :, z]
        if not here.any():
            return
        signal = np.ascontiguousarray(echoes.data[:, :, z][here][:, first:], dtype=np.float64)
        fitted, information = np.empty((signal.shape[0], 3)), np.empty(signal.shape[0])
        _fit_decays(signal, used, method is LegacyMethod.NLLS, offset, fitted, information)
        with np.errstate(all="ignore"):
            rate = fitted[:, 1]
            model = fitted[:, :1] * np.exp(-rate[:, None] * used) + fitted[:, 2:]
            t2[:, :, z][here] = 1.0 / rate
            sd[:, :, z][here] = noise_sd / np.sqrt(information) / rate**2
            residual[:, :, z][here] = np.sum((signal - model) ** 2, axis=1) / (noise_sd**2 * freedom)

    with ThreadPoolExecutor(max_workers=max(1, workers or os.cpu_count() or 1)) as pool:
        list(pool.map(one, range(body.shape[2])))
    with np.errstate(invalid="ignore"):
        in_range = (t2 > VALID_T2_MS[0]) & (t2 < VALID_T2_MS[1])
    reasons = {
        "outside the body or signal too low": int(np.count_nonzero(~body)),
        f"T2 outside {VALID_T2_MS[0]:g} to {VALID_T2_MS[1]:g} ms or no decay": int(np.count_nonzero(body & ~in_range)),
    }
    reasons = {reason: count for reason, count in reasons.items() if count}
    details = [str(method)] + (["offset"] if offset else []) + (["first echo left out"] if skip_first_echo else [])
    name, flags = f"mono-exponential-{method}/1", (LEGACY_FLAG, f"Fit: {', '.join(details)}.")

    def as_map(quantity: str, values: NDArray[np.float32], unit: Unit) -> ParametricMap:
        return ParametricMap(quantity, values, body & in_range, echoes.grid, unit, name, flags, reasons)

    return LegacyT2Maps(
        as_map("legacy_t2", t2, Unit.MILLISECOND),
        as_map("legacy_t2_sd", sd, Unit.MILLISECOND),
        as_map("legacy_t2_residual", residual, Unit.ONE),
    )
