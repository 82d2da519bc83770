"""Fat and muscle that a gap parts from the rest of the limb: their field must go on across the gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LARGEST_PART = 0.3
"""Parts smaller than this fraction of the largest are islands: marrow behind cortical bone, not the other leg. [1]"""

LARGEST_GAP_MM = 15.0
"""Beyond it the surroundings say nothing of an island's field: thickest cortex and a pixel. [mm]"""


def settle_islands(
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    field_hz: NDArray[np.float32],
    cost: NDArray[np.float32],
    chosen_hz: NDArray[np.float64],
    *,
    shift_hz: float,
    period_hz: float,
    field_sd_hz: float,
    field_sd_hz_per_mm: float,
    largest_jump_hz: float,
) -> NDArray[np.float64]:
    r"""Shift islands by the fat shift where echoes and surroundings together ask for it.

    Parameters
    ----------
    mask : bool array (x, y, z)
    spacing_mm : tuple of 3 floats
    field_hz, cost : arrays (n_voxels, n_candidates)
        Candidates of each in-mask voxel [Hz] and their residual over the noise variance [1]; NaN, inf for none.
    chosen_hz : array (n_voxels,)
        Field chosen so far. [Hz]
    shift_hz : float
        Fat relative to water. [Hz]
    period_hz : float
        Alias period; 0 for none. [Hz]
    field_sd_hz, field_sd_hz_per_mm : float
        Field difference expected of neighbors, and its growth with distance. [Hz], [Hz/mm]
    largest_jump_hz : float
        Differences beyond it cost no more. [Hz]

    Returns
    -------
    array (n_voxels,)
        [Hz]

    Notes
    -----
    Energy of an island: :math:`\sum_i c_i+\min(|\psi_i-\psi_{n(i)}|,\psi_{max})^2/\sigma(d_i)^2`, n(i) the nearest
    voxel of the large parts. Echoes half a fat period apart tell fat from water by minor peaks only, and an isolated
    marrow disc then follows an error of 0.003 rad.
    """
    parts, n_parts = ndimage.label(mask)
    if n_parts < 2:
        return chosen_hz
    sizes = np.bincount(parts.ravel())[1:]
    large = np.concatenate([[False], sizes >= LARGEST_PART * sizes.max()])
    distance, nearest = ndimage.distance_transform_edt(~large[parts], sampling=spacing_mm, return_indices=True)
    number = np.full(mask.shape, -1, dtype=np.int64)
    number[mask] = np.arange(chosen_hz.size)
    island = mask & ~large[parts]
    near = distance[island] <= LARGEST_GAP_MM
    if not near.any():
        return chosen_hz
    voxel = number[island]
    beyond = chosen_hz[number[tuple(axis[island] for axis in nearest)]]
    sd = field_sd_hz + field_sd_hz_per_mm * distance[island]
    rows = np.arange(voxel.size)

    def gap(difference: NDArray[np.float64]) -> NDArray[np.float64]:
        if period_hz > 0:
            difference = difference - period_hz * np.round(difference / period_hz)
        return np.minimum(np.abs(difference), largest_jump_hz)

    options, energies = [], []
    for pull in (0.0, shift_hz, -shift_hz):
        away = np.nan_to_num(gap(field_hz[voxel] - (chosen_hz[voxel] + pull)[:, None]), nan=np.inf)
        best = np.argmin(cost[voxel] + (away / field_sd_hz) ** 2, axis=1)
        place = chosen_hz[voxel] if pull == 0.0 else field_hz[voxel, best].astype(np.float64)
        options.append(place)
        energies.append(cost[voxel, best] + np.where(near, (gap(place - beyond) / sd) ** 2, 0.0))
    group = parts[island]
    total = np.stack([np.bincount(group, energy, n_parts + 1) for energy in energies])
    # an island far from everything stays as its echoes have it
    total[1:, np.bincount(group[near], minlength=n_parts + 1) == 0] = np.inf
    winner = np.argmin(total, axis=0)[group]
    settled = chosen_hz.copy()
    settled[voxel] = np.stack(options)[winner, rows]
    return settled
