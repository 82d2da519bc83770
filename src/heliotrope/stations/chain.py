"""From pairs of neighbors to all stations: gains and shifts that agree over the whole row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

GAIN_LIMITS = (0.5, 2.0)
"""A station's gain is never changed by more; evidence ``station-gain``. [1]"""


def solve_gains(n_stations: int, log_ratios: Mapping[tuple[int, int], tuple[float, float]]) -> NDArray[np.float64]:
    """Factor by which each station's signal is multiplied.

    Parameters
    ----------
    n_stations : int
    log_ratios : mapping of (lower, upper) to (log ratio, weight)
        Log of upper over lower signal in their overlap, and its weight.

    Returns
    -------
    array (n_stations,)
        Least squares of ``g[upper] - g[lower] = log ratio`` with mean log gain 0, inverted and held within
        `GAIN_LIMITS`.

    Examples
    --------
    >>> solve_gains(2, {(0, 1): (float(np.log(1.44)), 1.0)}).round(3).tolist()
    [1.2, 0.833]
    """
    gains = solve_chain(n_stations, {pair: (np.array([ratio]), w) for pair, (ratio, w) in log_ratios.items()})
    return np.clip(np.exp(-gains[:, 0]), *GAIN_LIMITS)


def solve_chain(
    n_stations: int, steps: Mapping[tuple[int, int], tuple[NDArray[np.float64], float]]
) -> NDArray[np.float64]:
    """Values per station, (n_stations, n), whose differences fit the weighted steps best and whose mean is zero."""
    if not steps:
        return np.zeros((n_stations, 1))
    size = next(iter(steps.values()))[0].size
    rows, right = [], []
    for (low, high), (step, weight) in steps.items():
        row = np.zeros(n_stations)
        row[low], row[high] = -1.0, 1.0
        rows.append(np.sqrt(weight) * row)
        right.append(np.sqrt(weight) * np.asarray(step, dtype=np.float64))
    # the mean is free of the steps, so this row costs them nothing
    rows.append(np.full(n_stations, 1.0 / n_stations))
    right.append(np.zeros(size))
    solved = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    return np.asarray(solved - solved.mean(axis=0), dtype=np.float64)
