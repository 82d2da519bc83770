"""Complex echoes from magnitude and phase images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError
from heliotrope.maps.fat_fraction.phase_units import (
    detect_phase_units,
    phase_units_named,
    require_smooth_wraps,
)


def complex_echoes(magnitude: NDArray[Any], phase: NDArray[Any], phase_units: str) -> tuple[NDArray[np.complex64], str]:
    """Complex echoes, and the sentence that says how the phase was read.

    Raises
    ------
    InputError
        Phase missing for an echo, not finite, or constant.
    UnitError
        Units not recognized or the wrap test failed.
    """
    if phase.shape[3] != magnitude.shape[3]:
        raise InputError(
            f"{magnitude.shape[3]} magnitude and {phase.shape[3]} phase echoes: phase is missing for an echo",
            hint="give one phase image per magnitude image",
            code="E_PHASE_COUNT",
        )
    n_echo = phase.shape[3]
    images = [image[..., number] for image in (phase, magnitude) for number in range(n_echo)]
    bad = sum(int(np.count_nonzero(~np.isfinite(image))) for image in images)
    if bad:
        raise InputError(f"echoes: {bad} values are not finite", hint="repair the images before fitting")
    low = float(magnitude.min())
    if low < 0:
        raise InputError(f"magnitude echoes: smallest value {low:.4g}, never negative", hint="give the magnitude")
    for number in range(n_echo):
        one = phase[..., number]
        if float(one.min()) == float(one.max()):
            raise InputError(
                f"phase of echo {number + 1} is {float(one.min()):.4g} everywhere",
                hint="give the phase image of this echo",
                code="E_PHASE_COUNT",
            )
    if phase_units == "auto":
        units = detect_phase_units(phase, magnitude)
        how = "detected by range and confirmed by the wrap test"
    else:
        units = phase_units_named(phase_units)
        require_smooth_wraps(phase, magnitude, units)
        how = "as stated, confirmed by the wrap test"
    data = np.empty(magnitude.shape, dtype=np.complex64)
    for number in range(n_echo):
        data[..., number] = magnitude[..., number] * np.exp(1j * units.radians(phase[..., number]))
    return data, f"phase read as {units.name} ({units.low:.4g} to {units.high:.4g}), {how}"
