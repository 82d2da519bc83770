"""What the water-T2 fit accepts, and what it refuses with a name, a value and a limit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError, UnitError
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit

SPACING_TOLERANCE = 0.02
"""Largest departure of an echo time from the regular train, as a fraction of the echo spacing. [1]"""

FEWEST_ECHOES_JOINT = 6
"""Two amplitudes, T2 and transmit field are four unknowns; two more echoes leave a residual to judge. [1]"""

FEWEST_ECHOES_TWO_PASS = 5
"""Amplitude, T2 and transmit field are three unknowns; two more echoes leave a residual to judge. [1]"""


@dataclass(frozen=True)
class EchoTrain:
    """A regular echo train.

    Parameters
    ----------
    spacing_ms : float
        [ms]
    n_echoes : int
    skipped_echoes : int
        Echoes of the train before the first one at hand.
    """

    spacing_ms: float
    n_echoes: int
    skipped_echoes: int


def require_echo_times(echo_times_ms: Sequence[float], n_frames: int, *, fewest: int) -> tuple[float, ...]:
    """Echo times that are finite, positive, increasing and one per frame. [ms]"""
    times = tuple(float(time) for time in echo_times_ms)
    if len(times) != n_frames:
        raise InputError(
            f"{len(times)} echo times for {n_frames} echoes: one per echo needed",
            hint="list the echo time of every volume, in milliseconds",
            code="E_ECHO_COUNT",
        )
    if len(times) < fewest:
        raise InputError(
            f"{len(times)} echo{'es' if len(times) != 1 else ''}: at least {fewest} needed for this fit",
            hint="use a multi-echo series, or the legacy fit for short trains",
            code="E_ECHO_COUNT",
        )
    for number, time in enumerate(times, start=1):
        if not math.isfinite(time) or time <= 0.0:
            raise InputError(
                f"echo time {number} is {time:g} ms: a positive number needed",
                hint="give echo times in milliseconds from (0018,0081)",
                code="E_ECHO_TIME",
            )
    for number, (before, after) in enumerate(itertools.pairwise(times), start=2):
        if after <= before:
            raise InputError(
                f"echo time {number} is {after:g} ms after {before:g} ms: echoes must be in increasing order",
                hint="order the echoes and their times together",
                code="E_ECHO_ORDER",
            )
    if times[-1] < 1.0:
        raise InputError(
            f"last echo time is {times[-1]:g} ms: these look like seconds, milliseconds are meant",
            hint="multiply the echo times by 1000",
            code="E_ECHO_TIME",
        )
    return times


def require_echo_train(echo_times_ms: Sequence[float], n_frames: int, *, fewest: int) -> EchoTrain:
    """Echo times of a regular train; the first echo may be missing, a gap may not."""
    times = require_echo_times(echo_times_ms, n_frames, fewest=fewest)
    spacing = (times[-1] - times[0]) / (len(times) - 1)
    first = round(times[0] / spacing)
    if first >= 1:
        # the whole train is a multiple of the spacing, which pins it down better than the differences
        spacing = times[-1] / (first + len(times) - 1)
    expected = spacing * (np.arange(len(times)) + max(first, 1))
    departures = np.abs(np.asarray(times) - expected)
    worst = int(np.argmax(departures))
    if first < 1 or departures[worst] > SPACING_TOLERANCE * spacing:
        raise InputError(
            f"echo time {worst + 1} is {times[worst]:g} ms, {departures[worst]:.3g} ms off a train of spacing "
            f"{spacing:.4g} ms (limit {SPACING_TOLERANCE * spacing:.3g} ms): unequal echo spacing",
            hint="the extended-phase-graph fit needs equally spaced echoes at multiples of the spacing; "
            "use --mode legacy for other trains",
            code="E_ECHO_SPACING",
        )
    return EchoTrain(spacing, len(times), first - 1)


def require_magnitudes(echoes: Volume) -> None:
    """Echoes that are a real, finite, not negative, not empty 4-D volume."""
    data = echoes.data
    if data.ndim != 4 or data.shape[3] < 2:
        raise InputError(
            f"echoes of shape {data.shape}: (x, y, z, echo) with at least 2 echoes needed",
            hint="give one 4-D volume, or one 3-D volume per echo",
            code="E_ECHO_COUNT",
        )
    if np.iscomplexobj(data):
        raise InputError("echoes are complex: magnitudes needed", hint="give the magnitude images")
    lowest, highest = 0.0, 0.0
    for n in range(data.shape[3]):
        frame = data[..., n]
        bad = 0 if np.issubdtype(frame.dtype, np.integer) else int(frame.size - np.count_nonzero(np.isfinite(frame)))
        if bad:
            raise InputError(
                f"echo {n + 1} holds {bad} values that are not finite (limit 0)",
                hint="replace NaN and infinity by 0 where there is no signal",
                code="E_NOT_FINITE",
            )
        lowest, highest = min(lowest, float(frame.min())), max(highest, float(frame.max()))
    if highest <= 0.0:
        raise InputError(
            f"echoes hold no signal: largest value {highest:g}, above 0 needed",
            hint="check that the right series was given and read with its rescale slope",
            code="E_NO_SIGNAL",
        )
    if lowest < -0.05 * highest:
        raise InputError(
            f"smallest echo value is {lowest:g} (limit {-0.05 * highest:.3g}): magnitudes are not negative",
            hint="give magnitude images, not phase, real or difference images",
            code="E_NEGATIVE_SIGNAL",
        )


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
