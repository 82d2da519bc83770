"""Diffusion-weighted signal: mono-exponential, perfusion (IVIM) and tensor models, acquisition checks and bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heliotrope.domain.errors import InputError

LARGEST_B0 = 5.0
"""b-values up to this count as unweighted; some scanners store 1 instead of 0. [s/mm2]"""

UNIT_VECTOR_TOLERANCE = 0.02
"""Gradient directions whose length differs from 1 by more are refused: text files carry 3 to 6 decimals. [1]"""

LARGEST_PLAUSIBLE_B = 50_000.0
"""Larger b-values are in another unit. [s/mm2]"""

FREE_WATER_DIFFUSIVITY_37C = 3.0e-3
"""Self-diffusion of water at body temperature, rounded; nothing in tissue diffuses faster. [mm2/s]"""

LARGEST_PLAUSIBLE_DIFFUSIVITY = 6.0e-3
"""Twice free water: beyond it there is flow, motion or noise, not diffusion. [mm2/s]"""

RICIAN_FA_INFLATION = ((15.0, 0.263), (25.0, 0.242), (40.0, 0.237), (60.0, 0.233))
"""Signal-to-noise ratio and mean fitted FA at b 500 for a true FA of 0.232; evidence `fa-rician-inflation`."""

RICIAN_FA_TRUE = 0.232
"""True FA of `RICIAN_FA_INFLATION`. [1]"""

SNR_NEEDED_FOR_FA = 25.0
"""Signal-to-noise ratio of the unweighted image below which FA is not to be trusted; evidence `fa-snr-gate`. [1]"""

SNR_NEEDED_FOR_IVIM = 35.0
"""Signal-to-noise ratio below which IVIM is not to be trusted; evidence `ivim-snr-gate`. [1]"""


@dataclass(frozen=True)
class DiffusionScheme:
    """b-values and, where known, gradient directions.

    Parameters
    ----------
    b_values : tuple of n floats
        [s/mm2]
    directions : tuple of n 3-tuples
        Unit vectors along patient axes (LPS), zero for unweighted frames; empty when not known.

    Raises
    ------
    InputError
        Negative, not finite or implausible b-value; a vector that is not unit; counts that differ.
    """

    b_values: tuple[float, ...]
    directions: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        for position, value in enumerate(self.b_values):
            if not np.isfinite(value) or value < 0:
                raise InputError(f"b-value {position} is {value}: 0 or more needed", hint="b-values are in s/mm2")
            if value > LARGEST_PLAUSIBLE_B:
                raise InputError(
                    f"b-value {position} is {value:g} (limit {LARGEST_PLAUSIBLE_B:g} s/mm2)", hint="give them in s/mm2"
                )
        if self.b_values and 0 < max(self.b_values) < 20:
            raise InputError(
                f"largest b-value is {max(self.b_values):g} s/mm2 (at least 20 needed)",
                hint="b-values in ms/um2 must be multiplied by 1000",
            )
        if not self.directions:
            return
        if len(self.directions) != len(self.b_values):
            raise InputError(
                f"{len(self.b_values)} b-values and {len(self.directions)} directions",
                hint="give one direction per b-value",
            )
        for position, (value, vector) in enumerate(zip(self.b_values, self.directions, strict=True)):
            length = float(np.linalg.norm(vector))
            if value <= LARGEST_B0:
                continue
            if not np.isfinite(length) or abs(length - 1.0) > UNIT_VECTOR_TOLERANCE:
                raise InputError(
                    f"b-vector {position} (b = {value:g} s/mm2) has length {length:.4g}, 1 within "
                    f"{UNIT_VECTOR_TOLERANCE} needed",
                    hint="give unit vectors; scaling by b belongs into the b-values",
                    code="E_BVEC_LENGTH",
                )

    @property
    def b(self) -> NDArray[np.float64]:
        """b-values as an array. [s/mm2]"""
        return np.asarray(self.b_values, dtype=np.float64)

    @property
    def unweighted(self) -> NDArray[np.bool_]:
        """Frames that count as b = 0."""
        return self.b <= LARGEST_B0

    @property
    def shells(self) -> tuple[float, ...]:
        """Distinct b-values, within 5 % or 5 s/mm2 of one another, as means. [s/mm2]"""
        means: list[float] = []
        members: list[float] = []
        for value in sorted(self.b_values):
            if members and value - members[0] > max(5.0, 0.05 * members[0]):
                means.append(float(np.mean(members)))
                members = []
            members.append(value)
        return (*means, float(np.mean(members))) if members else ()

    def require_frames(self, n_frames: int) -> None:
        """Raise `InputError` unless there is one b-value per frame."""
        if len(self.b_values) != n_frames:
            raise InputError(
                f"{n_frames} diffusion frames and {len(self.b_values)} b-values", hint="give one b-value per frame"
            )

    def require_shells(self, at_least: int, purpose: str) -> None:
        """Raise `InputError` unless there are enough distinct b-values."""
        if len(self.shells) < at_least:
            listed = ", ".join(f"{value:g}" for value in self.shells)
            raise InputError(
                f"{purpose}: {len(self.shells)} distinct b-value(s) ({listed}), at least {at_least} needed",
                hint="acquire more b-values",
            )

    def where(self, keep: NDArray[np.bool_]) -> DiffusionScheme:
        """The scheme of a subset of frames."""
        return DiffusionScheme(
            tuple(b for b, use in zip(self.b_values, keep, strict=True) if use),
            tuple(v for v, use in zip(self.directions, keep, strict=True) if use) if self.directions else (),
        )

    def describe(self) -> str:
        """The b-values for people, e.g. ``"b 0, 400, 800 s/mm2"``."""
        return "b " + ", ".join(f"{value:.0f}" for value in self.shells) + " s/mm2"


def require_diffusion_signal(data: NDArray[np.generic], scheme: DiffusionScheme) -> None:
    """Raise `InputError` unless frames (x, y, z, n) are finite, not all 0, and as many as b-values."""
    if data.ndim != 4:
        raise InputError(f"diffusion image of shape {data.shape}: four axes needed", hint="give all frames in one file")
    scheme.require_frames(data.shape[3])
    frames = [data[..., number] for number in range(data.shape[3])]
    bad = sum(int(np.count_nonzero(~np.isfinite(frame))) for frame in frames)
    if bad:
        raise InputError(f"diffusion image: {bad} values are not finite", hint="repair the image before fitting")
    if not any(np.any(frame) for frame in frames):
        raise InputError("diffusion image: all voxels are 0", hint="check that the right file was given")


def mono_exponential_signal(b_values: ArrayLike, diffusivity: ArrayLike) -> NDArray[np.float64]:
    """exp(-b D); (...,) in, (..., n_b) out. [1]

    Examples
    --------
    >>> float(mono_exponential_signal([1000.0], 1e-3)[0].round(4))
    0.3679
    """
    return np.asarray(np.exp(-np.asarray(diffusivity, dtype=np.float64)[..., None] * np.asarray(b_values)))


def ivim_signal(
    b_values: ArrayLike, diffusivity: ArrayLike, perfusion_fraction: ArrayLike, pseudo_diffusivity: ArrayLike
) -> NDArray[np.float64]:
    """(1 - f) exp(-b D) + f exp(-b D*). [1]

    Notes
    -----
    Intravoxel incoherent motion: Le Bihan et al. 1988, doi 10.1148/radiology.168.2.3393671.
    """
    f = np.asarray(perfusion_fraction, dtype=np.float64)[..., None]
    tissue = mono_exponential_signal(b_values, diffusivity)
    return np.asarray((1 - f) * tissue + f * mono_exponential_signal(b_values, pseudo_diffusivity))


def tensor_signal(scheme: DiffusionScheme, tensors: ArrayLike) -> NDArray[np.float64]:
    """exp(-b gᵀ D g); tensors (..., 3, 3) [mm2/s] in, (..., n) out. [1]"""
    vectors = np.asarray(scheme.directions, dtype=np.float64)
    squares = (vectors[:, :, None] * vectors[:, None, :]).reshape(-1, 9)
    matrices = np.asarray(tensors, dtype=np.float64)
    exponent = matrices.reshape(*matrices.shape[:-2], 9) @ squares.T
    return np.asarray(np.exp(-scheme.b * exponent))


def mean_diffusivity(eigenvalues: ArrayLike) -> NDArray[np.float64]:
    """Mean of the three eigenvalues. [mm2/s]"""
    return np.asarray(np.mean(np.asarray(eigenvalues, dtype=np.float64), axis=-1))


def fractional_anisotropy(eigenvalues: ArrayLike) -> NDArray[np.float64]:
    """Fractional anisotropy, 0 isotropic to 1 linear. [1]

    Notes
    -----
    Basser & Pierpaoli 1996, doi 10.1006/jmrb.1996.0086.

    Examples
    --------
    >>> float(fractional_anisotropy([2.0e-3, 1.55e-3, 1.25e-3]).round(3))
    0.232
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    spread = ((values - values.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return np.asarray(np.sqrt(1.5 * spread / (values**2).sum(axis=-1)))


def published_fa_inflation(snr: float) -> float:
    """Rician FA inflation at an SNR, read off the reference curve; nan below its first point. [1]

    Examples
    --------
    >>> round(published_fa_inflation(25.0), 3)
    0.01
    """
    ratios = np.array([ratio for ratio, _ in RICIAN_FA_INFLATION])
    excess = np.array([fa - RICIAN_FA_TRUE for _, fa in RICIAN_FA_INFLATION])
    if snr < ratios[0]:
        return float("nan")
    return float(np.interp(snr, ratios, excess))


def adc_crlb(b_values: ArrayLike, diffusivity: float, snr: float) -> float:
    """Smallest relative sd of the diffusivity; free: S0 and D. [1]

    Examples
    --------
    >>> round(100 * adc_crlb([0, 800], 1.5e-3, 30), 1)
    9.6
    """
    b = np.asarray(b_values, dtype=np.float64)
    signal = np.exp(-b * diffusivity)
    jacobian = np.stack([signal, -b * diffusivity * signal], axis=1)
    return float(np.sqrt(np.linalg.inv(jacobian.T @ jacobian)[1, 1]) / snr)


def ivim_crlb(
    b_values: ArrayLike, *, diffusivity: float, perfusion_fraction: float, pseudo_diffusivity: float, snr: float
) -> tuple[float, float, float]:
    """Smallest sd of f [1] and relative sd of D and D* [1]; free: S0, f, D, D*."""
    b = np.asarray(b_values, dtype=np.float64)
    slow, fast = np.exp(-b * diffusivity), np.exp(-b * pseudo_diffusivity)
    f = perfusion_fraction
    jacobian = np.stack(
        [
            (1 - f) * slow + f * fast,
            f * (fast - slow),
            -(1 - f) * b * diffusivity * slow,
            -f * b * pseudo_diffusivity * fast,
        ],
        axis=1,
    )
    deviations = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian))) / snr
    return float(deviations[1] * f), float(deviations[2]), float(deviations[3])


def pvp_diffusivity_ratio(concentration_weight_percent: ArrayLike) -> NDArray[np.float64]:
    """Diffusivity of a polyvinylpyrrolidone solution over that of water at one temperature. [1]

    Notes
    -----
    12.5e-5 c² - 23.2e-3 c + 1; evidence `pvp-diffusivity`.

    Examples
    --------
    >>> float(pvp_diffusivity_ratio(40.0).round(3))
    0.272
    """
    c = np.asarray(concentration_weight_percent, dtype=np.float64)
    return np.asarray(12.5e-5 * c**2 - 23.2e-3 * c + 1.0)
