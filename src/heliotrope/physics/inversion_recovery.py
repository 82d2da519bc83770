r"""Inversion recovery: longitudinal magnetization at excitation, the signal of STIR, and the inversion time that nulls.

A pulse of efficiency :math:`\eta` (1 is a perfect inversion) meets the magnetization that has recovered since the last
excitation; with a 90-degree excitation, complete spoiling and the echo time short against TR, the steady state is
:math:`M_z/M_0 = 1-(1+\eta)e^{-TI/T_1}+\eta e^{-TR/T_1}` (Bydder and Young 1985, J Comput Assist Tomogr 9:659).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError

FloatArray = NDArray[np.float64]


def inversion_recovery(
    t1_ms: FloatArray | float,
    *,
    inversion_time_ms: float,
    repetition_time_ms: float,
    efficiency: FloatArray | float = 1.0,
) -> FloatArray:
    r"""Signed longitudinal magnetization at excitation, :math:`1-(1+\eta)e^{-TI/T_1}+\eta e^{-TR/T_1}`. [1]

    Parameters
    ----------
    t1_ms : array or float
        [ms]
    inversion_time_ms, repetition_time_ms : float
        [ms]
    efficiency : array or float
        1 inverts fully, 0 saturates, -1 leaves the magnetization alone. [1]

    Examples
    --------
    >>> float(np.round(inversion_recovery(365.0, inversion_time_ms=220.0, repetition_time_ms=4500.0), 4))
    -0.0946
    """
    if not 0.0 <= inversion_time_ms < repetition_time_ms:
        raise InputError(
            f"inversion time {inversion_time_ms:g} ms with a repetition time of {repetition_time_ms:g} ms: "
            "0 <= TI < TR needed",
            hint="check that both are in milliseconds",
        )
    recovery = np.exp(-inversion_time_ms / np.asarray(t1_ms, dtype=np.float64))
    cycle = np.exp(-repetition_time_ms / np.asarray(t1_ms, dtype=np.float64))
    return np.asarray(1.0 - (1.0 + efficiency) * recovery + efficiency * cycle)


def stir_signal_factor(
    t1_ms: FloatArray | float,
    t2_ms: FloatArray | float,
    *,
    inversion_time_ms: float,
    repetition_time_ms: float,
    echo_time_ms: float,
) -> FloatArray:
    """Magnitude STIR signal per proton density, ``|Mz| exp(-TE/T2)``. [1]

    Examples
    --------
    Muscle with T2 50 ms against 33 ms (T1 rising by 50 ms per 5 ms):

    >>> protocol = {"inversion_time_ms": 220.0, "repetition_time_ms": 4500.0, "echo_time_ms": 60.0}
    >>> edema, healthy = (stir_signal_factor(t1, t2, **protocol) for t1, t2 in ((1570.0, 50.0), (1400.0, 33.0)))
    >>> round(float(edema / healthy), 2)
    1.89
    """
    longitudinal = inversion_recovery(t1_ms, inversion_time_ms=inversion_time_ms, repetition_time_ms=repetition_time_ms)
    return np.asarray(np.abs(longitudinal) * np.exp(-echo_time_ms / np.asarray(t2_ms, dtype=np.float64)))


def nulling_inversion_time_ms(t1_ms: float, repetition_time_ms: float) -> float:
    """Inversion time at which a tissue gives no signal, ``T1 (ln 2 - ln(1 + exp(-TR/T1)))``. [ms]

    Examples
    --------
    >>> round(nulling_inversion_time_ms(365.0, 4500.0), 1)
    253.0
    """
    return t1_ms * (math.log(2.0) - math.log1p(math.exp(-repetition_time_ms / t1_ms)))
