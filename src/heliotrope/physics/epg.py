"""Echo amplitudes of a multi-echo spin-echo (CPMG) train by extended phase graphs.

With the excitation about y and the refocusing pulses about x all configuration states stay real. One refocusing
pulse of angle a mixes them (Weigel 2015, doi 10.1002/jmri.24619)::

    F+' = cos2(a/2) F+ + sin2(a/2) F- + sin(a) z
    F-' = sin2(a/2) F+ + cos2(a/2) F- - sin(a) z
    z'  = -sin(a)/2 (F+ - F-) + cos(a) z

Between pulses the transverse states decay with T2, the longitudinal ones with T1, and every transverse order moves up
by one. Fresh longitudinal magnetization never reaches an echo (the parity of its order is wrong), so no recovery term
is needed. The stimulated echoes that make the second echo larger than the first are part of the model.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError

FloatArray = NDArray[np.float64]


@numba.njit(nogil=True, cache=True)
def _add_echo_train(
    excitation: float,
    refocusing: float,
    decay_1: float,
    decay_2: float,
    decay_2_half: float,
    weight: float,
    echoes: FloatArray,
    f_plus: FloatArray,
    f_minus: FloatArray,
    z: FloatArray,
) -> None:
    """Add `weight` times one train to `echoes`; the three state arrays (n_echo + 2) are scratch."""
    n_echoes = echoes.size
    cosine = math.cos(refocusing)
    sine = math.sin(refocusing)
    keep = 0.5 * (1.0 + cosine)
    turn = 0.5 * (1.0 - cosine)
    f_plus[:] = 0.0
    f_minus[:] = 0.0
    z[:] = 0.0
    f_plus[0] = math.sin(excitation) * decay_2_half
    for n in range(n_echoes):
        # orders that can still come back to an echo
        orders = min(n + 1, n_echoes - n)
        for k in range(orders):
            a = f_plus[k]
            b = f_minus[k]
            c = z[k]
            f_plus[k] = keep * a + turn * b + sine * c
            f_minus[k] = turn * a + keep * b - sine * c
            z[k] = (cosine * c - 0.5 * sine * (a - b)) * decay_1
        echoes[n] += weight * f_minus[0] * decay_2_half
        folded = f_minus[0] * decay_2
        for k in range(orders, 0, -1):
            f_plus[k] = f_plus[k - 1] * decay_2
        f_plus[0] = folded
        for k in range(orders - 1):
            f_minus[k] = f_minus[k + 1] * decay_2
        f_minus[orders - 1] = 0.0


@numba.njit(nogil=True, cache=True)
def _fill_echo_table(
    t2_ms: FloatArray,
    t1_ms: float,
    echo_spacing_ms: float,
    excitation: FloatArray,
    refocusing: FloatArray,
    table: FloatArray,
) -> None:
    """Fill `table` (n_b1, n_t2, n_echo) with the mean over slice positions, the second axis of the two flip arrays."""
    n_b1, n_positions = excitation.shape
    n_echoes = table.shape[2]
    f_plus = np.zeros(n_echoes + 2)
    f_minus = np.zeros(n_echoes + 2)
    z = np.zeros(n_echoes + 2)
    decay_1 = math.exp(-echo_spacing_ms / t1_ms)
    for i in range(t2_ms.size):
        decay_2 = math.exp(-echo_spacing_ms / t2_ms[i])
        half = math.exp(-0.5 * echo_spacing_ms / t2_ms[i])
        for j in range(n_b1):
            for p in range(n_positions):
                _add_echo_train(
                    excitation[j, p],
                    refocusing[j, p],
                    decay_1,
                    decay_2,
                    half,
                    1.0 / n_positions,
                    table[j, i],
                    f_plus,
                    f_minus,
                    z,
                )


def echo_table(
    *,
    t2_ms: FloatArray,
    t1_ms: float,
    echo_spacing_ms: float,
    n_echoes: int,
    excitation_rad: FloatArray,
    refocusing_rad: FloatArray,
) -> FloatArray:
    """Echo amplitudes for many T2 values and many transmit-field values.

    Parameters
    ----------
    t2_ms : array (n_t2,)
        [ms]
    t1_ms : float
        [ms]
    echo_spacing_ms : float
        [ms]
    n_echoes : int
    excitation_rad, refocusing_rad : arrays (n_b1, n_positions)
        Flip angles across the slice, one row per transmit-field value. [rad]

    Returns
    -------
    array (n_b1, n_t2, n_echoes)
        Signed amplitude, averaged over the slice positions, as a fraction of the equilibrium magnetization.

    Examples
    --------
    A perfect train decays as ``exp(-TE/T2)``:

    >>> ideal = echo_table(
    ...     t2_ms=np.array([40.0]),
    ...     t1_ms=1400.0,
    ...     echo_spacing_ms=10.0,
    ...     n_echoes=2,
    ...     excitation_rad=np.array([[np.pi / 2]]),
    ...     refocusing_rad=np.array([[np.pi]]),
    ... )
    >>> np.round(ideal[0, 0], 4).tolist()
    [0.7788, 0.6065]
    """
    times = np.ascontiguousarray(t2_ms, dtype=np.float64)
    excitation = np.ascontiguousarray(excitation_rad, dtype=np.float64)
    refocusing = np.ascontiguousarray(refocusing_rad, dtype=np.float64)
    if excitation.ndim != 2 or excitation.shape != refocusing.shape:
        raise InputError(
            f"flip angles of shapes {excitation.shape} and {refocusing.shape}: two equal 2-D arrays needed",
            hint="give one row of slice positions per transmit-field value",
        )
    if n_echoes < 1 or not echo_spacing_ms > 0 or not t1_ms > 0 or times.size == 0 or not float(times.min()) > 0:
        raise InputError(
            f"echo train of {n_echoes} echoes, spacing {echo_spacing_ms} ms, T1 {t1_ms} ms: all must be positive",
            hint="check echo times and relaxation times; they are in milliseconds",
        )
    table = np.zeros((excitation.shape[0], times.size, n_echoes))
    _fill_echo_table(times, float(t1_ms), float(echo_spacing_ms), excitation, refocusing, table)
    return table


def echo_train(
    *,
    t2_ms: float,
    t1_ms: float,
    echo_spacing_ms: float,
    n_echoes: int,
    excitation_deg: float,
    refocusing_deg: float,
) -> FloatArray:
    """Echo amplitudes of one tissue at one pair of flip angles, (n_echoes,).

    Examples
    --------
    Without relaxation and with refocusing by 120 degrees:

    >>> train = echo_train(
    ...     t2_ms=1e12, t1_ms=1e12, echo_spacing_ms=1.0, n_echoes=4, excitation_deg=90.0, refocusing_deg=120.0
    ... )
    >>> np.round(train, 5).tolist()
    [0.75, 0.9375, 0.84375, 0.85547]
    """
    return np.asarray(
        echo_table(
            t2_ms=np.array([t2_ms]),
            t1_ms=t1_ms,
            echo_spacing_ms=echo_spacing_ms,
            n_echoes=n_echoes,
            excitation_rad=np.array([[math.radians(excitation_deg)]]),
            refocusing_rad=np.array([[math.radians(refocusing_deg)]]),
        )[0, 0]
    )
