"""What the water-T2 fit accepts, and what it refuses with a name, a value and a limit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError, UnitError
from heliotrope.domain.images import ParametricMap
from heliotrope.domain.units import Unit

FEWEST_ECHOES_JOINT = 6
"""Two amplitudes, T2 and transmit field are four unknowns; two more echoes leave a residual to judge. [1]"""

FEWEST_ECHOES_TWO_PASS = 5
"""Amplitude, T2 and transmit field are three unknowns; two more echoes leave a residual to judge. [1]"""


def require_percent(values: NDArray[np.floating], *, name: str) -> None:
    """A fat fraction that is in percent; `UnitError` when it looks like 0-1."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise InputError(f"{name} holds no finite value", hint="check the map", code="E_NOT_FINITE")
    highest, lowest = float(finite.max()), float(finite.min())
    if highest <= 1.5 and int(np.count_nonzero(np.abs(finite) > 1e-6)) > 0:
        raise UnitError(
            f"{name}: largest value is {highest:.3g} where percent (0 to 100) is meant (limit: above 1.5)",
            hint="multiply a 0-1 fat fraction by 100",
            code="E_UNIT_PERCENT",
        )
    if highest > 200.0 or lowest < -100.0:
        raise UnitError(
            f"{name}: values run from {lowest:.4g} to {highest:.4g} where percent (0 to 100) is meant",
            hint="check the scaling of the map; some scanners store permille",
            code="E_UNIT_PERCENT",
        )


def require_fat_fraction(fat_fraction: ParametricMap) -> None:
    """A map of the fat fraction whose unit and values are percent."""
    if fat_fraction.unit is not Unit.PERCENT:
        raise UnitError(
            f"{fat_fraction.quantity} map is in '{fat_fraction.unit}': percent needed",
            hint="give the proton-density fat fraction in percent",
            code="E_UNIT_PERCENT",
        )
    require_percent(fat_fraction.values, name=f"{fat_fraction.quantity} map")


def require_transmit_field(b1: ParametricMap) -> None:
    """A transmit-field map as a fraction of nominal (around 1)."""
    finite = b1.values[np.isfinite(b1.values)]
    if finite.size == 0:
        raise InputError("B1 map holds no finite value", hint="check the map", code="E_NOT_FINITE")
    typical = float(np.median(finite[finite > 0.0])) if bool((finite > 0.0).any()) else 0.0
    if b1.unit is not Unit.ONE or not 0.2 < typical < 3.0:
        raise UnitError(
            f"B1 map: unit '{b1.unit}', median {typical:.4g}; a fraction of nominal (median 0.2 to 3) is meant",
            hint="divide a B1 map in percent by 100, or one in degrees by the nominal flip angle",
            code="E_UNIT_B1",
        )


def require_noise(noise_sd: float) -> float:
    """Noise sd that is finite and positive."""
    if not math.isfinite(noise_sd) or noise_sd <= 0.0:
        raise InputError(
            f"noise sd is {noise_sd:g}: a positive number in the unit of the image needed",
            hint="estimate it with heliotrope.physics.noise.estimate_noise",
            code="E_NOISE",
        )
    return float(noise_sd)
