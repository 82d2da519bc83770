"""Intravoxel incoherent motion by the segmented fit: D and f per voxel, D* for a whole mask only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.physics.diffusion import (
    LARGEST_PLAUSIBLE_DIFFUSIVITY,
    SNR_NEEDED_FOR_IVIM,
    DiffusionScheme,
    require_diffusion_signal,
)

METHOD = "ivim-segmented/1"

TISSUE_B = 200.0
"""From this b-value on perfusion has faded; evidence `ivim-segmented`. [s/mm2]"""

SMALLEST_SNR = 3.0
"""Unweighted signal over noise below which a voxel is not fitted. [1]"""

FRACTION_RANGE = (-0.25, 0.75)
"""Perfusion fractions outside are failed fits; noise around 0 is kept so that means stay unbiased. [1]"""

PSEUDO_DIFFUSIVITY_RANGE = (4e-3, 300e-3)
"""Searched range of D*. [mm2/s]"""

N_BOOTSTRAP = 200
"""Resamplings of voxel blocks for the interval of D*. [1]"""

N_BLOCKS = 60
"""Blocks of voxels that are resampled. [1]"""


@dataclass(frozen=True)
class PseudoDiffusivity:
    """D* of the mean signal of a mask.

    Parameters
    ----------
    value : float
        [mm2/s]
    ci95 : tuple of 2 floats
        [mm2/s]
    fraction : float
        Perfusion fraction of the mean signal. [1]
    n_voxels : int
    at_bound : bool
        The interval touches the searched range: the data do not determine D*.
    """

    value: float
    ci95: tuple[float, float]
    fraction: float
    n_voxels: int
    at_bound: bool


@dataclass(frozen=True, eq=False)
class IvimMaps:
    """D, f and what the mask as a whole says of D*.

    Parameters
    ----------
    diffusivity : ParametricMap
        ``ivim_d``. [mm2/s]
    perfusion_fraction : ParametricMap
        ``ivim_f``. [1]
    pseudo_diffusivity : PseudoDiffusivity or None
        None without b-values between 0 and 200 s/mm2.
    noise_sd : float or None
        [arbitrary]
    snr : float or None
        Of the mean unweighted signal. [1]
    """

    diffusivity: ParametricMap
    perfusion_fraction: ParametricMap
    pseudo_diffusivity: PseudoDiffusivity | None
    noise_sd: float | None
    snr: float | None


def require_ivim_scheme(scheme: DiffusionScheme) -> None:
    """Raise `InputError` unless there are unweighted frames and two b-values from 200 s/mm2 on."""
    if not scheme.unweighted.any():
        raise InputError("IVIM: no frame with b = 0", hint="acquire an unweighted frame")
    tissue = [value for value in scheme.shells if value >= TISSUE_B * 0.975]
    if len(tissue) < 2:
        listed = ", ".join(f"{value:g}" for value in scheme.shells)
        raise InputError(
            f"IVIM: {len(tissue)} b-value(s) of {TISSUE_B:.0f} s/mm2 or more (b {listed}), two needed",
            hint="acquire two or more b-values from 200 s/mm2 on",
        )


def fit_ivim(
    volume: Volume,
    scheme: DiffusionScheme,
    *,
    generator: np.random.Generator,
    mask: NDArray[np.bool_] | None = None,
) -> IvimMaps:
    """Segmented IVIM fit.

    Parameters
    ----------
    volume : Volume of shape (x, y, z, n)
        Magnitude. [arbitrary]
    scheme : DiffusionScheme of n frames
    generator : numpy.random.Generator
        Bootstrap of D*.
    mask : bool array (x, y, z) or None
        Where D* is taken; every valid voxel when None.

    Returns
    -------
    IvimMaps

    Notes
    -----
    D from b >= 200 s/mm2 by weighted log-linear least squares; f = 1 - intercept / mean unweighted signal; D* last,
    from the mean signal of the mask with D fixed. No estimator can reach D* per voxel at clinical noise.
    """
    require_diffusion_signal(volume.data, scheme)
    require_ivim_scheme(scheme)
    b = scheme.b
    unweighted = scheme.unweighted
    tissue = b >= TISSUE_B * 0.975
    diffusivity, fraction, s0, residual = np.full((4, int(np.prod(volume.grid.shape))), np.nan)
    for place, signal in volume.blocks():
        fitted = _fit(signal, b, unweighted, tissue)
        diffusivity[place], fraction[place], s0[place], residual[place] = fitted
    level = float(np.nanpercentile(s0, 98)) if np.isfinite(s0).any() else 0.0
    freedom = int(tissue.sum()) - 2
    bright = np.isfinite(residual) & (s0 > 0.25 * level)
    noise_sd = None
    if freedom >= 1 and bright.any():
        median_of_chi2 = freedom * (1.0 - 2.0 / (9.0 * freedom)) ** 3
        noise_sd = float(np.sqrt(np.median(residual[bright]) / median_of_chi2))
    none = ~np.isfinite(diffusivity)
    with np.errstate(invalid="ignore"):
        low = ~(s0 > max(SMALLEST_SNR * (noise_sd or 0.0), 0.02 * level)) & ~none
        wild = ~((diffusivity > 0) & (diffusivity < LARGEST_PLAUSIBLE_DIFFUSIVITY)) & ~none & ~low
        beyond = ~((fraction > FRACTION_RANGE[0]) & (fraction < FRACTION_RANGE[1])) & ~none & ~low & ~wild
    valid_flat = ~(none | low | wild | beyond)
    counts = {
        "signal zero or negative": int(none.sum()),
        "signal too low": int(low.sum()),
        "no plausible diffusivity": int(wild.sum()),
        "no plausible perfusion fraction": int(beyond.sum()),
    }
    reasons = {key: count for key, count in counts.items() if count}
    snr = float(np.median(s0[valid_flat])) / noise_sd if noise_sd and valid_flat.any() else None
    flags = [f"segmented fit of {scheme.describe()}, tissue from {TISSUE_B:.0f} s/mm2 on"]
    if snr is None:
        flags.append("signal-to-noise ratio unknown")
    elif snr < SNR_NEEDED_FOR_IVIM:
        flags.append(f"signal-to-noise ratio {snr:.0f} (at least {SNR_NEEDED_FOR_IVIM:.0f} needed): f not trusted")
    grid = volume.grid
    valid = valid_flat.reshape(grid.shape)

    def one(quantity: str, values: NDArray[np.float64], unit: Unit) -> ParametricMap:
        shaped = values.reshape(grid.shape).astype(np.float32)
        return ParametricMap(quantity, shaped, valid, grid, unit, METHOD, tuple(flags), reasons)

    inside = valid if mask is None else valid & mask
    pseudo = _pseudo_diffusivity(_block_sums(volume, inside), int(inside.sum()), b, unweighted, tissue, generator)
    return IvimMaps(
        one("ivim_d", diffusivity, Unit.DIFFUSIVITY), one("ivim_f", fraction, Unit.ONE), pseudo, noise_sd, snr
    )


def _block_sums(volume: Volume, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Signal of a mask summed over `N_BLOCKS` runs of its voxels in C order, (N_BLOCKS, n_frames)."""
    where = inside.ravel()
    order = np.cumsum(where) - 1
    # runs of equal length, the longer ones first, as `numpy.array_split` cuts
    length, longer = divmod(int(where.sum()), N_BLOCKS)
    limit = longer * (length + 1)
    run = np.where(order < limit, order // (length + 1), longer + (order - limit) // max(length, 1))
    sums = np.zeros((N_BLOCKS, volume.n_frames))
    for place, signal in volume.blocks():
        here = where[place]
        np.add.at(sums, run[place][here], signal[here].astype(np.float64))
    return sums


def _pseudo_diffusivity(
    sums: NDArray[np.float64],
    n_voxels: int,
    b: NDArray[np.float64],
    unweighted: NDArray[np.bool_],
    tissue: NDArray[np.bool_],
    generator: np.random.Generator,
) -> PseudoDiffusivity | None:
    between = ~unweighted & ~tissue
    if len(np.unique(np.round(b[between], -1))) < 2 or n_voxels < N_BLOCKS:
        return None
    value, fraction = _decay_of_mean(sums.sum(axis=0), b, unweighted, tissue)
    draws = generator.integers(0, N_BLOCKS, size=(N_BOOTSTRAP, N_BLOCKS))
    found = np.array([_decay_of_mean(sums[draw].sum(axis=0), b, unweighted, tissue)[0] for draw in draws])
    low, high = (float(q) for q in np.percentile(found, [2.5, 97.5]))
    lowest, highest = PSEUDO_DIFFUSIVITY_RANGE
    at_bound = low <= lowest * 1.01 or high >= highest * 0.99
    return PseudoDiffusivity(value, (low, high), fraction, n_voxels, at_bound)


def _decay_of_mean(
    signal: NDArray[np.float64], b: NDArray[np.float64], unweighted: NDArray[np.bool_], tissue: NDArray[np.bool_]
) -> tuple[float, float]:
    """D* [mm2/s] and f [1] of one mean signal."""
    weights = signal[tissue]
    slope, intercept = np.polyfit(b[tissue], np.log(signal[tissue]), 1, w=weights)
    s0 = float(signal[unweighted].mean())
    rest = signal / s0 - np.exp(intercept + slope * b) / s0
    candidates = np.geomspace(*PSEUDO_DIFFUSIVITY_RANGE, 240)
    fast = np.exp(-np.outer(candidates, b))
    amplitude = np.maximum((fast @ rest) / (fast**2).sum(axis=1), 0.0)
    misfit = ((rest - amplitude[:, None] * fast) ** 2).sum(axis=1)
    best = int(np.argmin(misfit))
    return float(candidates[best]), 1.0 - float(np.exp(intercept)) / s0


@njit(parallel=True, cache=True, nogil=True)  # pragma: no cover - compiled
def _fit(
    flat: NDArray[np.float32], b: NDArray[np.float64], unweighted: NDArray[np.bool_], tissue: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    n_voxels, n = flat.shape
    diffusivity = np.full(n_voxels, np.nan)
    fraction = np.full(n_voxels, np.nan)
    s0 = np.full(n_voxels, np.nan)
    residual = np.full(n_voxels, np.nan)
    for voxel in prange(n_voxels):
        total = 0.0
        count = 0
        positive = True
        for j in range(n):
            if unweighted[j]:
                total += flat[voxel, j]
                count += 1
            elif tissue[j] and flat[voxel, j] <= 0.0:
                positive = False
        if not positive or total <= 0.0:
            continue
        s0[voxel] = total / count
        slope = 0.0
        intercept = 0.0
        for turn in range(2):
            sw = swb = swbb = swy = swby = 0.0
            for j in range(n):
                if not tissue[j]:
                    continue
                y = np.log(np.float64(flat[voxel, j]))
                w = np.float64(flat[voxel, j]) ** 2 if turn == 0 else np.exp(2.0 * (intercept + slope * b[j]))
                sw += w
                swb += w * b[j]
                swbb += w * b[j] * b[j]
                swy += w * y
                swby += w * b[j] * y
            determinant = sw * swbb - swb * swb
            slope = (sw * swby - swb * swy) / determinant
            intercept = (swy - slope * swb) / sw
        squares = 0.0
        for j in range(n):
            if tissue[j]:
                squares += (flat[voxel, j] - np.exp(intercept + slope * b[j])) ** 2
        diffusivity[voxel] = -slope
        fraction[voxel] = 1.0 - np.exp(intercept) / s0[voxel]
        residual[voxel] = squares
    return diffusivity, fraction, s0, residual
