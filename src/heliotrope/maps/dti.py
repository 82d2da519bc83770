"""Diffusion tensor by weighted least squares, with outlying frames left out where asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.physics.diffusion import (
    LARGEST_PLAUSIBLE_DIFFUSIVITY,
    SNR_NEEDED_FOR_FA,
    DiffusionScheme,
    fractional_anisotropy,
    published_fa_inflation,
    require_diffusion_signal,
    tensor_signal,
)
from heliotrope.physics.noise import GAUSSIAN_MAD

WLS_METHOD = "dti-wls/1"
ROBUST_METHOD = "dti-robust/1"

SMALLEST_SNR = 3.0
"""Unweighted signal over noise below which a voxel is not fitted. [1]"""

OUTLIER_SD = 3.5
"""Frames further than this from the fit count as outliers. [noise sd]"""

LARGEST_OUTLIER_PART = 0.3
"""A voxel with more outlying frames keeps the plain fit. [1]"""

MUSCLE_EIGENVALUES = (2.0e-3, 1.55e-3, 1.25e-3)
"""Tensor of muscle used to simulate the FA inflation (FA 0.232). [mm2/s]"""


class TensorMethod(StrEnum):
    """How the tensor is fitted."""

    WLS = "wls"
    ROBUST = "robust"


@dataclass(frozen=True, eq=False)
class DtiMaps:
    """Tensor maps and the figures behind them.

    Parameters
    ----------
    mean_diffusivity, radial_diffusivity, l1, l2, l3 : ParametricMap
        [mm2/s], eigenvalues in descending order.
    fractional_anisotropy : ParametricMap
        [1]
    v1 : float32 array (x, y, z, 3)
        Direction of the largest eigenvalue along patient axes (LPS), NaN where invalid.
    noise_sd : float
        Of the signal, from the residuals. [arbitrary]
    snr : float or None
        Median over valid voxels of the fitted unweighted signal over noise. [1]
    outlier_part : float
        Frames left out of the robust fit. [1]
    """

    mean_diffusivity: ParametricMap
    radial_diffusivity: ParametricMap
    l1: ParametricMap
    l2: ParametricMap
    l3: ParametricMap
    fractional_anisotropy: ParametricMap
    v1: NDArray[np.float32]
    noise_sd: float
    snr: float | None
    outlier_part: float

    @property
    def maps(self) -> dict[str, ParametricMap]:
        """The maps by quantity key."""
        every = (
            self.mean_diffusivity,
            self.fractional_anisotropy,
            self.radial_diffusivity,
            self.l1,
            self.l2,
            self.l3,
        )
        return {item.quantity: item for item in every}


def tensor_design(scheme: DiffusionScheme) -> NDArray[np.float64]:
    """Design matrix (n_frames, 7) of ln S in Dxx, Dxy, Dyy, Dxz, Dyz, Dzz [1e-3 mm2/s] and ln S0."""
    g = np.asarray(scheme.directions, dtype=np.float64)
    b = scheme.b * 1e-3
    x, y, z = g[:, 0], g[:, 1], g[:, 2]
    columns = [b * x * x, 2 * b * x * y, b * y * y, 2 * b * x * z, 2 * b * y * z, b * z * z]
    return np.column_stack([*(-column for column in columns), np.ones(b.size)])


def require_tensor_scheme(scheme: DiffusionScheme) -> None:
    """Raise `InputError` unless directions and b-values determine a tensor."""
    if not scheme.directions:
        raise InputError("tensor fit: no gradient directions", hint="give the b-vectors")
    weighted = int(np.count_nonzero(~scheme.unweighted))
    scheme.require_shells(2, "tensor fit")
    design = tensor_design(scheme)
    scaled = design / np.maximum(np.linalg.norm(design, axis=0), 1e-30)
    singular = np.linalg.svd(scaled, compute_uv=False)
    if weighted < 6 or design.shape[0] < 7 or singular[-1] < 1e-3 * singular[0]:
        raise InputError(
            f"tensor fit: {weighted} weighted frames whose directions do not determine a tensor (6 spread ones needed)",
            hint="acquire six or more directions that are not in one plane",
            code="E_DIRECTIONS",
        )


def fit_dti(volume: Volume, scheme: DiffusionScheme, *, method: TensorMethod, minimum_b: float = 0.0) -> DtiMaps:
    """Diffusion tensor of each voxel.

    Parameters
    ----------
    volume : Volume of shape (x, y, z, n)
        Magnitude. [arbitrary]
    scheme : DiffusionScheme of n frames
        With directions.
    method : TensorMethod
        ``wls``: ordinary then one weighted fit; ``robust``: frames beyond 3.5 noise sd are left out, then refitted.
    minimum_b : float
        Weighted frames below it are left out; unweighted ones stay. [s/mm2]

    Returns
    -------
    DtiMaps
        ``mean_diffusivity``, ``radial_diffusivity``, eigenvalues [mm2/s] and ``fractional_anisotropy`` [1].

    Raises
    ------
    InputError
        Directions missing, not unit or degenerate; frames and b-values differ in number; no finite signal.

    Notes
    -----
    Weights are the squared signals predicted by ordinary least squares (Chung 2006,
    doi 10.1016/j.neuroimage.2006.07.001).
    Noise inflates FA and leaves MD unbiased; FA is not a measure of disease activity.
    """
    used, keep = _require(volume, scheme, minimum_b)
    design = tensor_design(used)
    voxels = _fit_blocks(volume, keep, design, 0.0, 0)
    noise_sd = _noise(voxels, design.shape[0])
    outlier_part = 0.0
    if method is TensorMethod.ROBUST and noise_sd > 0 and design.shape[0] >= 12:
        voxels = _fit_blocks(volume, keep, design, noise_sd, 4)
        outlier_part = float(np.nanmean(voxels.outliers)) / design.shape[0]
    return _maps(volume, used, voxels, noise_sd, outlier_part, method)


@dataclass(frozen=True, eq=False)
class _Voxels:
    """What the fit leaves of each voxel, arrays of n_voxels: eigenvalues [mm2/s], first eigenvector, figures."""

    values: NDArray[np.float32]
    mean: NDArray[np.float32]
    radial: NDArray[np.float32]
    anisotropy: NDArray[np.float32]
    vector: NDArray[np.float32]
    s0: NDArray[np.float64]
    squares: NDArray[np.float64]
    outliers: NDArray[np.float32]


def _fit_blocks(
    volume: Volume, keep: NDArray[np.bool_] | None, design: NDArray[np.float64], noise_sd: float, n_robust: int
) -> _Voxels:
    """Fit block by block; only what the maps need is kept of each voxel."""
    n_voxels = int(np.prod(volume.grid.shape))
    inverse = np.linalg.pinv(design)
    values, vector = np.empty((2, n_voxels, 3), dtype=np.float32)
    mean, radial, anisotropy, outliers = np.empty((4, n_voxels), dtype=np.float32)
    s0, squares = np.empty((2, n_voxels))
    found = _Voxels(values, mean, radial, anisotropy, vector, s0, squares, outliers)
    for place, signal in volume.blocks(keep):
        columns = _fit(signal, design, inverse, noise_sd, n_robust, OUTLIER_SD, LARGEST_OUTLIER_PART)
        fitted = columns[:, 0:3]
        values[place], vector[place] = fitted, columns[:, 3:6]
        mean[place], radial[place] = fitted.mean(axis=1), fitted[:, 1:].mean(axis=1)
        with np.errstate(invalid="ignore"):
            anisotropy[place] = fractional_anisotropy(fitted)
        s0[place], squares[place], outliers[place] = columns[:, 6], columns[:, 7], columns[:, 9]
    return found


def simulated_fa_inflation(scheme: DiffusionScheme, snr: float, generator: np.random.Generator) -> float:
    """Mean fitted FA of muscle at an SNR less the true one, by simulation of this very scheme. [1]"""
    require_tensor_scheme(scheme)
    turn, _ = np.linalg.qr(generator.normal(size=(400, 3, 3)))
    tensors = turn @ np.diag(MUSCLE_EIGENVALUES) @ np.swapaxes(turn, 1, 2)
    clean = tensor_signal(scheme, tensors)
    noise = generator.normal(0.0, 1.0 / snr, size=(2, *clean.shape))
    noisy = np.hypot(clean + noise[0], noise[1]).astype(np.float32)
    design = tensor_design(scheme)
    columns = _fit(noisy, design, np.linalg.pinv(design), 0.0, 0, OUTLIER_SD, LARGEST_OUTLIER_PART)
    found = fractional_anisotropy(columns[:, 0:3])
    return float(np.nanmean(found) - fractional_anisotropy(MUSCLE_EIGENVALUES))


def _require(
    volume: Volume, scheme: DiffusionScheme, minimum_b: float
) -> tuple[DiffusionScheme, NDArray[np.bool_] | None]:
    require_diffusion_signal(volume.data, scheme)
    keep = scheme.unweighted | (scheme.b >= minimum_b)
    used = scheme if keep.all() else scheme.where(keep)
    require_tensor_scheme(used)
    return used, None if keep.all() else keep


def _noise(voxels: _Voxels, n_frames: int) -> float:
    freedom = max(n_frames - 7, 1)
    s0, squares = voxels.s0, voxels.squares
    usable = np.isfinite(squares) & (s0 > 0.25 * np.nanpercentile(s0, 98)) if np.isfinite(s0).any() else s0 > 0
    if n_frames <= 7 or not usable.any():
        return 0.0
    median_of_chi2 = freedom * (1.0 - 2.0 / (9.0 * freedom)) ** 3
    return float(np.sqrt(np.median(squares[usable]) / median_of_chi2))


def _maps(
    volume: Volume,
    scheme: DiffusionScheme,
    voxels: _Voxels,
    noise_sd: float,
    outlier_part: float,
    method: TensorMethod,
) -> DtiMaps:
    grid = volume.grid
    name = WLS_METHOD if method is TensorMethod.WLS else ROBUST_METHOD
    s0, mean = voxels.s0, voxels.mean
    none = ~np.isfinite(mean)
    with np.errstate(invalid="ignore"):
        low = ~(s0 > max(SMALLEST_SNR * noise_sd, 0.02 * float(np.nanpercentile(s0, 98)))) & ~none
        wild = ~((mean > 0) & (mean < LARGEST_PLAUSIBLE_DIFFUSIVITY)) & ~none & ~low
    valid_flat = ~(none | low | wild)
    valid = valid_flat.reshape(grid.shape)
    counts = {
        "signal zero or negative": int(none.sum()),
        "signal too low": int(low.sum()),
        "no plausible diffusivity": int(wild.sum()),
    }
    reasons = {key: count for key, count in counts.items() if count}
    snr = float(np.median(s0[valid_flat]) / noise_sd) if valid_flat.any() and noise_sd > 0 else None
    flags = [f"tensor of {len(scheme.b_values)} frames, {scheme.describe()}"]
    anisotropy_flags = [*flags, *fa_warnings(snr)]
    if any(5 < value < 100 for value in scheme.shells):
        flags.append("b-values below 100 s/mm2 let perfusion raise the diffusivity")

    def one(quantity: str, data: NDArray[np.float32], unit: Unit, notes: list[str]) -> ParametricMap:
        return ParametricMap(quantity, data.reshape(grid.shape), valid, grid, unit, name, tuple(notes), reasons)

    vector = np.where(valid[..., None], voxels.vector.reshape(*grid.shape, 3), np.float32(np.nan))
    return DtiMaps(
        one("mean_diffusivity", mean, Unit.DIFFUSIVITY, flags),
        one("radial_diffusivity", voxels.radial, Unit.DIFFUSIVITY, flags),
        one("diffusivity_l1", voxels.values[:, 0], Unit.DIFFUSIVITY, flags),
        one("diffusivity_l2", voxels.values[:, 1], Unit.DIFFUSIVITY, flags),
        one("diffusivity_l3", voxels.values[:, 2], Unit.DIFFUSIVITY, flags),
        one("fractional_anisotropy", voxels.anisotropy, Unit.ONE, anisotropy_flags),
        vector,
        noise_sd,
        snr,
        outlier_part,
    )


def fa_warnings(snr: float | None) -> list[str]:
    """What must stand beside an FA at this signal-to-noise ratio."""
    if snr is None:
        return ["signal-to-noise ratio unknown: FA may be inflated by noise"]
    inflation = published_fa_inflation(snr)
    amount = "more than 0.031" if np.isnan(inflation) else f"about {max(inflation, 0.0):.3f}"
    line = f"signal-to-noise ratio {snr:.0f}: noise inflates FA by {amount} (reference simulation, FA 0.232, b 500)"
    if snr < SNR_NEEDED_FOR_FA:
        return [f"{line}; below {SNR_NEEDED_FOR_FA:.0f} FA is not to be trusted"]
    return [line]


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _weighted(
    logs: NDArray[np.float64],
    weights: NDArray[np.float64],
    design: NDArray[np.float64],
    products: NDArray[np.float64],
    sums: NDArray[np.float64],
    matrix: NDArray[np.float64],
    beta: NDArray[np.float64],
) -> bool:
    """Weighted least squares by Cholesky of the 7x7 normal matrix; solution in `beta`."""
    for k in range(28):
        sums[k] = 0.0
    for a in range(7):
        beta[a] = 0.0
    for j in range(logs.size):
        w = weights[j]
        for k in range(28):
            sums[k] += w * products[j, k]
        w *= logs[j]
        for a in range(7):
            beta[a] += w * design[j, a]
    k = 0
    for a in range(7):
        for c in range(a + 1):
            matrix[a, c] = sums[k]
            k += 1
    for a in range(7):
        for c in range(a + 1):
            total = matrix[a, c]
            for k in range(c):
                total -= matrix[a, k] * matrix[c, k]
            if a == c:
                if total <= 0.0:
                    return False
                matrix[a, a] = np.sqrt(total)
            else:
                matrix[a, c] = total / matrix[c, c]
    for a in range(7):
        total = beta[a]
        for k in range(a):
            total -= matrix[a, k] * beta[k]
        beta[a] = total / matrix[a, a]
    for a in range(6, -1, -1):
        total = beta[a]
        for k in range(a + 1, 7):
            total -= matrix[k, a] * beta[k]
        beta[a] = total / matrix[a, a]
    return True


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _eigen(beta: NDArray[np.float64], m: NDArray[np.float64], v: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Eigenvalues (descending) and first eigenvector of the tensor by Jacobi rotations."""
    m[0, 0], m[1, 1], m[2, 2] = beta[0], beta[2], beta[5]
    m[0, 1] = m[1, 0] = beta[1]
    m[0, 2] = m[2, 0] = beta[3]
    m[1, 2] = m[2, 1] = beta[4]
    for a in range(3):
        for c in range(3):
            v[a, c] = 1.0 if a == c else 0.0
    for _ in range(12):
        off = m[0, 1] ** 2 + m[0, 2] ** 2 + m[1, 2] ** 2
        if off <= 1e-28 * (m[0, 0] ** 2 + m[1, 1] ** 2 + m[2, 2] ** 2):
            break
        for p in range(2):
            for q in range(p + 1, 3):
                if m[p, q] == 0.0:
                    continue
                theta = (m[q, q] - m[p, p]) / (2.0 * m[p, q])
                t = 1.0 / (abs(theta) + np.sqrt(theta * theta + 1.0))
                if theta < 0.0:
                    t = -t
                c1 = 1.0 / np.sqrt(t * t + 1.0)
                s1 = t * c1
                for k in range(3):
                    mp, mq = m[k, p], m[k, q]
                    m[k, p] = c1 * mp - s1 * mq
                    m[k, q] = s1 * mp + c1 * mq
                for k in range(3):
                    mp, mq = m[p, k], m[q, k]
                    m[p, k] = c1 * mp - s1 * mq
                    m[q, k] = s1 * mp + c1 * mq
                for k in range(3):
                    vp, vq = v[k, p], v[k, q]
                    v[k, p] = c1 * vp - s1 * vq
                    v[k, q] = s1 * vp + c1 * vq
    first, second, third = 0, 1, 2
    if m[first, first] < m[second, second]:
        first, second = second, first
    if m[second, second] < m[third, third]:
        second, third = third, second
    if m[first, first] < m[second, second]:
        first, second = second, first
    out[0], out[1], out[2] = m[first, first], m[second, second], m[third, third]
    for k in range(3):
        out[3 + k] = v[k, first]


@njit(parallel=True, cache=True, nogil=True)  # pragma: no cover - compiled
def _fit(
    flat: NDArray[np.float32],
    design: NDArray[np.float64],
    inverse: NDArray[np.float64],
    noise_sd: float,
    n_robust: int,
    outlier_sd: float,
    outlier_part: float,
) -> NDArray[np.float64]:
    n_voxels, n = flat.shape
    out = np.full((n_voxels, 10), np.nan)
    smallest = 1e-6 / np.abs(design[:, :6]).max()
    # lower triangle of the outer product of each design row: the normal matrix is their weighted sum
    products = np.empty((n, 28))
    for j in range(n):
        place = 0
        for a in range(7):
            for c in range(a + 1):
                products[j, place] = design[j, a] * design[j, c]
                place += 1
    for voxel in prange(n_voxels):
        logs = np.empty(n)
        weights = np.empty(n)
        positive = True
        for j in range(n):
            value = flat[voxel, j]
            if value <= 0.0:
                positive = False
                break
            logs[j] = np.log(np.float64(value))
        if not positive:
            continue
        beta = np.zeros(7)
        matrix = np.zeros((7, 7))
        sums = np.zeros(28)
        for a in range(7):
            total = 0.0
            for j in range(n):
                total += inverse[a, j] * logs[j]
            beta[a] = total
        for j in range(n):
            total = 0.0
            for a in range(7):
                total += design[j, a] * beta[a]
            weights[j] = np.exp(2.0 * total)
        if not _weighted(logs, weights, design, products, sums, matrix, beta):
            continue
        dropped = 0
        for _ in range(n_robust):
            now = 0
            trial = np.empty(n)
            away = np.empty(n)
            for j in range(n):
                total = 0.0
                for a in range(7):
                    total += design[j, a] * beta[a]
                away[j] = abs(np.exp(logs[j]) - np.exp(total))
                trial[j] = np.exp(2.0 * total)
            scale = max(noise_sd, np.median(away) / GAUSSIAN_MAD)
            for j in range(n):
                if away[j] > outlier_sd * scale:
                    trial[j] = 0.0
                    now += 1
            if now == dropped or now > outlier_part * n:
                break
            kept = beta.copy()
            if not _weighted(logs, trial, design, products, sums, matrix, beta):
                beta[:] = kept
                break
            dropped = now
        squares = 0.0
        for j in range(n):
            total = 0.0
            for a in range(7):
                total += design[j, a] * beta[a]
            squares += (np.exp(logs[j]) - np.exp(total)) ** 2
        values = np.empty(6)
        _eigen(beta, np.empty((3, 3)), np.empty((3, 3)), values)
        for a in range(3):
            out[voxel, a] = 1e-3 * max(values[a], smallest)
            out[voxel, 3 + a] = values[3 + a]
        out[voxel, 6] = np.exp(beta[6])
        out[voxel, 7] = squares
        out[voxel, 9] = dropped
    return out
