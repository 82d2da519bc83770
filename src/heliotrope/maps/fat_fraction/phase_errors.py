"""Phase errors of the read-out: bipolar gradients, eddy currents in the first echo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heliotrope.maps.fat_fraction.echo_fit import EchoFit

SMALLEST_ERROR_RAD = 0.015
"""Read-out phase errors below this change the fat fraction by less than noise does; they are left. [rad]"""


def echo_patterns(n_echo: int) -> dict[str, NDArray[np.float64]]:
    """Echo weights of the read-out phase errors that can be told apart from water and fat; none below four echoes."""
    if n_echo < 4:
        return {}
    alternating = np.where(np.arange(n_echo) % 2 == 0, 1.0, -1.0)
    first = np.zeros(n_echo)
    first[0] = 1.0
    return {"alternating (bipolar read-out)": alternating, "first-echo": first}


def smooth_phase_error(
    fit: EchoFit, position: NDArray[np.float64], noise_sd: float
) -> tuple[NDArray[np.float64], float, float]:
    """Linear-in-space phase error from its voxel estimates.

    Parameters
    ----------
    fit : EchoFit
        With a fitted pattern.
    position : array (n_voxels, 3)
        Scaled to -1..1.
    noise_sd : float
        Per channel. [signal]

    Returns
    -------
    coefficients : array (4,)
        Constant and slopes along the three positions, for `phase_error_at`. [rad]
    size_rad : float
        Root mean square of it. [rad]
    significance : float
        Its drop of the weighted sum of squares over that of noise alone. [1]
    """
    variance = fit.pattern_variance.astype(np.float64) * noise_sd**2
    estimate = fit.pattern_rad.astype(np.float64)
    usable = np.isfinite(variance) & (variance > 0) & np.isfinite(estimate) & (np.abs(estimate) < 1.2)
    if usable.sum() < 50:
        return np.zeros(4), 0.0, 0.0
    basis = np.column_stack([np.ones(position.shape[0]), position])
    # 0.05 rad of model error keeps a few very bright voxels from ruling
    weight = np.where(usable, 1.0 / np.sqrt(np.where(usable, variance, 1.0) + 0.05**2), 0.0)
    target = np.where(usable, estimate, 0.0)
    coefficients = np.zeros(4)
    for _ in range(3):
        coefficients = np.linalg.lstsq(basis * weight[:, None], target * weight, rcond=None)[0]
        misfit = np.abs(target - basis @ coefficients)
        weight = np.where(misfit * weight > 3.0, weight * 0.3, weight)
    error = basis @ coefficients
    before = float(((target * weight) ** 2).sum())
    after = float((((target - error) * weight) ** 2).sum())
    size = float(np.sqrt(np.mean(error[usable] ** 2)))
    return coefficients, size, (before - after) / max(after / usable.sum(), 1e-12)


def phase_error_at(coefficients: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Phase error at positions (n, 3) scaled to -1..1, from `smooth_phase_error`. [rad]"""
    return np.asarray(coefficients[0] + position @ coefficients[1:])
