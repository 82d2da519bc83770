"""Units of a phase image, detected and checked by its wraps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError, OptionError, UnitError


@dataclass(frozen=True)
class PhaseUnits:
    """How numbers of a phase image become radians.

    Parameters
    ----------
    name : str
        For people and for the option that overrides the detection.
    low, high : float
        Range of the image.
    turn : float
        Number that stands for a whole turn.
    """

    name: str
    low: float
    high: float
    turn: float

    def radians(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values in radians; constant offsets do not matter for water and fat. [rad]"""
        return np.asarray(values, dtype=np.float64) * (2 * np.pi / self.turn)


KNOWN_UNITS = (
    PhaseUnits("radians", -np.pi, np.pi, 2 * np.pi),
    PhaseUnits("radians-0-2pi", 0.0, 2 * np.pi, 2 * np.pi),
    PhaseUnits("degrees", -180.0, 180.0, 360.0),
    PhaseUnits("degrees-0-360", 0.0, 360.0, 360.0),
    PhaseUnits("scanner-0-4095", 0.0, 4096.0, 4096.0),
    PhaseUnits("scanner-4096", -4096.0, 4096.0, 8192.0),
    PhaseUnits("scanner-2048", -2048.0, 2048.0, 4096.0),
    PhaseUnits("milliradians", -1000 * np.pi, 1000 * np.pi, 2000 * np.pi),
)
"""Units met in the field: radians, degrees, scanner integers of several makers, milliradians."""

SMALLEST_COVERAGE = 0.80
"""A phase image is expected to fill at least this part of a whole turn. [1]"""

CHECKED_SLICES = 24
"""Slices along the third axis on which the wrap test is done; a longer stack is sampled evenly. [1]"""

LARGEST_WRAP_STEP_RAD = 1.0
"""Typical phase step left across a wrap in bright tissue; more means that the scale is wrong. [rad]"""


def phase_units_named(name: str) -> PhaseUnits:
    """The units of an option value, or an `OptionError` that lists them."""
    for units in KNOWN_UNITS:
        if units.name == name:
            return units
    known = ", ".join(["auto", *(units.name for units in KNOWN_UNITS)])
    raise OptionError(f"unknown phase units {name!r}", hint=f"units: {known}")


def detect_phase_units(phase: NDArray[np.floating], magnitude: NDArray[np.floating]) -> PhaseUnits:
    """Units of phase echoes by range, confirmed by the wrap test.

    Parameters
    ----------
    phase, magnitude : arrays (x, y, z, n_echo)

    Raises
    ------
    UnitError
        The range fits none of the known units, or wraps leave jumps (``E_PHASE_SCALE``).
    """
    low, high = float(np.min(phase)), float(np.max(phase))
    fitting: list[tuple[float, PhaseUnits]] = []
    for units in KNOWN_UNITS:
        slack = 0.002 * units.turn
        coverage = (high - low) / units.turn
        if low >= units.low - slack and high <= units.high + slack and coverage >= SMALLEST_COVERAGE:
            fitting.append((coverage, units))
    if not fitting:
        listed = ", ".join(f"{units.name} {units.low:.4g}..{units.high:.4g}" for units in KNOWN_UNITS)
        raise UnitError(
            f"phase images: values {low:.4g}..{high:.4g} fit none of the known units",
            hint=f"known: {listed}; state the unit with --phase-units",
            code="E_PHASE_SCALE",
        )
    best = max(fitting, key=lambda item: item[0])[1]
    require_smooth_wraps(phase, magnitude, best)
    return best


def require_smooth_wraps(phase: NDArray[np.floating], magnitude: NDArray[np.floating], units: PhaseUnits) -> None:
    """Raise `UnitError` when steps over a whole turn do not close to small ones in bright voxels."""
    if phase.shape != magnitude.shape:
        raise InputError(f"phase {phase.shape} and magnitude {magnitude.shape} differ", hint="give matching echoes")
    if not np.any(magnitude > 0):
        raise InputError("magnitude echoes: all voxels are 0", hint="check that the right files were given")
    every = -(-phase.shape[2] // CHECKED_SLICES)
    if np.any(magnitude[:, :, ::every] > 0):
        phase, magnitude = phase[:, :, ::every], magnitude[:, :, ::every]
    radians = units.radians(phase)
    bright = magnitude > 0.5 * float(np.percentile(magnitude[magnitude > 0], 90))
    steps: list[NDArray[np.float64]] = []
    for axis in (0, 1):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(4))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(4))
        both = bright[low] & bright[high]
        steps.append((radians[high] - radians[low])[both])
    step = np.concatenate(steps)
    # nearly a whole turn: a wrap rather than a steep but honest step
    crossing = step[np.abs(step) > 1.6 * np.pi]
    if crossing.size < 30:
        return
    closed = np.abs(crossing - 2 * np.pi * np.round(crossing / (2 * np.pi)))
    typical = float(np.median(closed))
    if typical > LARGEST_WRAP_STEP_RAD:
        raise UnitError(
            f"phase images read as {units.name}: a typical step of {typical:.2f} rad is left across wraps "
            f"(limit {LARGEST_WRAP_STEP_RAD} rad)",
            hint="the phase is scaled otherwise, unwrapped or filtered; state the unit with --phase-units",
            code="E_PHASE_SCALE",
        )
