"""What a train of spin echoes must be: times in order, equally spaced, magnitudes that are numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError

SPACING_TOLERANCE = 0.02
"""Largest departure of an echo time from the regular train, as a fraction of the echo spacing. [1]"""


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


def require_magnitudes(data: NDArray[np.generic]) -> None:
    """Echoes (x, y, z, n) that are real, finite, not negative and not empty."""
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
