"""T1 weighting of the fat fraction: predicted, corrected where it matters, unknown where the header is silent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.physics.chemical_shift import (
    fat_to_water_gain,
    largest_t1_bias,
    tissue_t1,
    true_fat_fraction,
)

CORRECT_ABOVE_POINTS = 1.0
"""Predicted T1 bias above which the map is corrected (project rule). [percentage points]"""


@dataclass(frozen=True)
class T1Guard:
    """What T1 weighting does to a map and what is done about it.

    Parameters
    ----------
    gain : float or None
        Signal of a fat proton over a water proton; None when repetition time or flip angle is unknown.
    correct : bool
    sentence : str
        For flags and methods text.
    """

    gain: float | None
    correct: bool
    sentence: str

    def apply(self, percent: NDArray[np.floating]) -> NDArray[np.float64]:
        """Corrected fat fraction; the input where nothing is corrected. Values outside 0 to 100 keep their distance."""
        values = np.asarray(percent, dtype=np.float64)
        if not self.correct or self.gain is None:
            return values
        inside = np.clip(values, 0.0, 100.0)
        return true_fat_fraction(inside, self.gain) + (values - inside)


def t1_guard(
    *, repetition_time_ms: float | None, flip_angle_deg: float | None, field_strength_t: float | None
) -> T1Guard:
    """Decide on the T1 correction from the acquisition.

    Examples
    --------
    >>> t1_guard(repetition_time_ms=10.0, flip_angle_deg=10.0, field_strength_t=3.0).correct
    True
    >>> t1_guard(repetition_time_ms=None, flip_angle_deg=10.0, field_strength_t=3.0).sentence
    'T1 bias unknown: repetition time not stated'
    """
    given = {
        "repetition time": repetition_time_ms,
        "flip angle": flip_angle_deg,
        "field strength": field_strength_t,
    }
    absent = [name for name, value in given.items() if value is None]
    if repetition_time_ms is None or flip_angle_deg is None or field_strength_t is None:
        return T1Guard(None, False, f"T1 bias unknown: {' and '.join(absent)} not stated")
    t1 = tissue_t1(field_strength_t)
    gain = fat_to_water_gain(repetition_time_ms, flip_angle_deg, t1)
    bias = largest_t1_bias(gain)
    if abs(bias) <= CORRECT_ABOVE_POINTS:
        return T1Guard(gain, False, f"T1 bias at most {abs(bias):.1f} percentage points: not corrected")
    return T1Guard(
        gain,
        True,
        f"corrected for T1 weighting (up to {bias:+.1f} percentage points) with assumed T1 of {t1.water_ms:.0f} ms "
        f"water and {t1.fat_ms:.0f} ms fat; edema lengthens the T1 of water and leaves a small residual bias",
    )
