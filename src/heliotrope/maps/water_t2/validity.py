"""Which voxels carry a water T2, and why the others do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from heliotrope.maps.water_t2.slices import FATTY_SIGNAL_FRACTION, FittedArrays

BoolArray = NDArray[np.bool_]

VESSEL_T2_MS = 120.0
"""Above this a voxel is taken for a vessel or fluid. [ms]"""

MISFIT_TAIL = 1e-4
"""Chance that noise alone makes a voxel look misfitted. [1]"""

MISFIT_OVER_MEDIAN = 6.0
"""Where the whole image misfits (profile, motion), a voxel is an outlier this many times above the median. [1]"""

MISFIT_SHARE = 0.03
"""A voxel whose unexplained signal is below this share is kept whatever its chi-squared. [1]"""


def judge_voxels(
    fitted: FittedArrays, body: BoolArray, known: BoolArray, *, n_echoes: int, n_parameters: int, unknown: str
) -> tuple[BoolArray, dict[str, int]]:
    """Valid voxels, and how many were left out for which (first) reason.

    Parameters
    ----------
    fitted : FittedArrays
    body, known : bool arrays (x, y, z)
        Where there is signal; where the fit had all it needed.
    n_echoes, n_parameters : int
        For the degrees of freedom.
    unknown : str
        Reason for voxels of `body` that are not `known`.
    """
    freedom = max(n_echoes - n_parameters, 1)
    typical = float(np.median(fitted.chi_squared[known])) if bool(known.any()) else 1.0
    tail = float(stats.chi2.isf(MISFIT_TAIL, freedom)) / freedom
    with np.errstate(invalid="ignore"):
        tests = (
            ("outside the body or signal too low", ~body),
            (unknown, body & ~known),
            ("signal fat fraction above 50 %", fitted.fat_percent > 100.0 * FATTY_SIGNAL_FRACTION),
            ("T2 above 120 ms: vessel or fluid", fitted.t2_ms > VESSEL_T2_MS),
            ("T2 on the edge of the searched range", fitted.edge),
            (
                "signal does not follow the model",
                (fitted.chi_squared > max(tail, MISFIT_OVER_MEDIAN * typical)) & (fitted.misfit > MISFIT_SHARE),
            ),
            ("no finite result", ~(np.isfinite(fitted.t2_ms) & np.isfinite(fitted.sd_ms))),
        )
    valid = np.ones(body.shape, dtype=np.bool_)
    reasons: dict[str, int] = {}
    for reason, hit in tests:
        count = int(np.count_nonzero(hit & valid))
        if count:
            reasons[reason] = count
        valid &= ~hit
    return valid, reasons
