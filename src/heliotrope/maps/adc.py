"""Apparent diffusion coefficient by weighted log-linear least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.physics.diffusion import LARGEST_PLAUSIBLE_DIFFUSIVITY, DiffusionScheme, require_diffusion_signal

METHOD = "adc-wls/1"

SMALLEST_SNR = 3.0
"""Unweighted signal over noise below which a voxel is not fitted. [1]"""

AIR_FRACTION_OF_TISSUE = 0.08
"""Where the noise is unknown, unweighted signal below this fraction of the brightest counts as air. [1]"""

PERFUSION_FREE_B = 50.0
"""With b-values below this (other than 0) perfusion adds to the ADC; evidence `adc-perfusion-free`. [s/mm2]"""


@dataclass(frozen=True, eq=False)
class AdcMaps:
    """ADC, its standard deviation, and the figures behind them.

    Parameters
    ----------
    adc : ParametricMap
        [mm2/s]
    sd : ParametricMap or None
        Standard deviation per voxel; None when two frames leave no residual and the noise is not stated. [mm2/s]
    noise_sd : float or None
        Of the signal, given or from the fit residuals. [arbitrary]
    snr : float or None
        Median over valid voxels of unweighted signal over noise. [1]
    """

    adc: ParametricMap
    sd: ParametricMap | None
    noise_sd: float | None
    snr: float | None


def fit_adc(
    volume: Volume, scheme: DiffusionScheme, *, minimum_b: float = 0.0, noise_sd: float | None = None
) -> AdcMaps:
    r"""Apparent diffusion coefficient.

    Parameters
    ----------
    volume : Volume of shape (x, y, z, n)
        Magnitude. [arbitrary]
    scheme : DiffusionScheme of n frames
    minimum_b : float
        Frames with a smaller b-value are left out; 50 to 100 for an ADC free of perfusion. [s/mm2]
    noise_sd : float or None
        Noise per channel; when given, the signal is corrected for its Rician floor, :math:`\sqrt{|S^2-\sigma^2|}`.

    Returns
    -------
    AdcMaps
        ``adc`` [mm2/s], NaN where the signal was too low or the fit gave no diffusivity.

    Raises
    ------
    InputError
        Frames and b-values differ in number, fewer than two distinct b-values, signal not finite or all zero.

    Notes
    -----
    :math:`\ln S = \ln S_0 - bD` with weights S², first of the measured and then of the fitted signal (Salvador 2005,
    doi 10.1002/hbm.20076). Higher is freer water: edema raises the ADC, fat lowers it.
    """
    used, keep = _require(volume, scheme, minimum_b)
    b = used.b
    floor = float(noise_sd) if noise_sd is not None else 0.0
    diffusivity, s0, residual, spread = np.full((4, int(np.prod(volume.grid.shape))), np.nan)
    for place, signal in volume.blocks(keep):
        diffusivity[place], s0[place], residual[place], spread[place] = _fit(signal, b, floor)
    level = float(np.nanpercentile(s0, 98)) if np.isfinite(s0).any() else 0.0
    bright = s0 > 0.25 * level
    sigma = noise_sd if noise_sd is not None else _pooled_noise(residual[bright], b.size)
    shape = volume.grid.shape
    with np.errstate(invalid="ignore"):
        low = ~(s0 > (SMALLEST_SNR * sigma if sigma is not None else AIR_FRACTION_OF_TISSUE * level))
        wild = ~((diffusivity > 0) & (diffusivity < LARGEST_PLAUSIBLE_DIFFUSIVITY))
    no_signal = ~np.isfinite(diffusivity)
    valid = ~(no_signal | low | wild)
    reasons = {
        "signal zero or negative": int(no_signal.sum()),
        "signal too low": int((low & ~no_signal).sum()),
        "no plausible diffusivity": int((wild & ~low & ~no_signal).sum()),
    }
    flags = [f"weighted log-linear fit of {used.describe()}"]
    if any(0 < value < PERFUSION_FREE_B for value in used.shells if value > 5):
        flags.append(f"b-values below {PERFUSION_FREE_B:.0f} s/mm2 let perfusion raise the ADC")
    elif used.unweighted.any():
        flags.append("b = 0 is part of the fit: perfusion raises the ADC slightly")
    if noise_sd is None:
        flags.append("no correction for the Rician noise floor: noise not stated")
    if sigma is None:
        flags.append("no standard deviation: the frames leave no residual and the noise is not stated")
    reasons = {name: count for name, count in reasons.items() if count}
    grid = volume.grid
    adc = ParametricMap(
        "adc",
        diffusivity.reshape(shape).astype(np.float32),
        valid.reshape(shape),
        grid,
        Unit.DIFFUSIVITY,
        METHOD,
        tuple(flags),
        reasons,
    )
    if sigma is None:
        return AdcMaps(adc, None, None, None)
    sd_values = (np.sqrt(spread) * sigma).reshape(shape).astype(np.float32)
    sd = ParametricMap("adc_sd", sd_values, adc.valid, grid, Unit.DIFFUSIVITY, METHOD)
    snr = float(np.median(s0[valid]) / sigma) if valid.any() and sigma > 0 else None
    return AdcMaps(adc, sd, float(sigma), snr)


def _require(
    volume: Volume, scheme: DiffusionScheme, minimum_b: float
) -> tuple[DiffusionScheme, NDArray[np.bool_] | None]:
    require_diffusion_signal(volume.data, scheme)
    keep = scheme.b >= minimum_b
    used = scheme.where(keep)
    used.require_shells(2, "ADC")
    return used, None if keep.all() else keep


def _pooled_noise(residual: NDArray[np.float64], n_frames: int) -> float | None:
    """Noise sd from residual sums of squares; the median is that of a chi-squared of n - 2 degrees of freedom."""
    freedom = n_frames - 2
    usable = residual[np.isfinite(residual)]
    if freedom < 1 or usable.size == 0:
        return None
    median_of_chi2 = freedom * (1.0 - 2.0 / (9.0 * freedom)) ** 3
    return float(np.sqrt(np.median(usable) / median_of_chi2))


@njit(parallel=True, cache=True, nogil=True)  # pragma: no cover - compiled
def _fit(
    flat: NDArray[np.float32], b: NDArray[np.float64], noise_sd: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    n_voxels, n = flat.shape
    diffusivity = np.full(n_voxels, np.nan)
    s0 = np.full(n_voxels, np.nan)
    residual = np.full(n_voxels, np.nan)
    spread = np.full(n_voxels, np.nan)
    for voxel in prange(n_voxels):
        logs = np.empty(n)
        weights = np.empty(n)
        positive = True
        for j in range(n):
            value = float(flat[voxel, j])
            if value <= 0.0:
                positive = False
                break
            if noise_sd > 0.0:
                value = np.sqrt(abs(value * value - noise_sd * noise_sd))
                if value <= 0.0:
                    value = 1e-3 * noise_sd
            logs[j] = np.log(value)
            weights[j] = value * value
        if not positive:
            continue
        intercept = 0.0
        slope = 0.0
        determinant = 0.0
        sw = 0.0
        for _ in range(2):
            sw = swb = swbb = swy = swby = 0.0
            for j in range(n):
                w = weights[j]
                sw += w
                swb += w * b[j]
                swbb += w * b[j] * b[j]
                swy += w * logs[j]
                swby += w * b[j] * logs[j]
            determinant = sw * swbb - swb * swb
            if determinant <= 1e-12 * sw * swbb:
                positive = False
                break
            slope = (sw * swby - swb * swy) / determinant
            intercept = (swy - slope * swb) / sw
            for j in range(n):
                weights[j] = np.exp(2.0 * (intercept + slope * b[j]))
        if not positive:
            continue
        squares = 0.0
        for j in range(n):
            difference = np.exp(logs[j]) - np.exp(intercept + slope * b[j])
            squares += difference * difference
        diffusivity[voxel] = -slope
        s0[voxel] = np.exp(intercept)
        residual[voxel] = squares
        spread[voxel] = sw / determinant
    return diffusivity, s0, residual, spread
