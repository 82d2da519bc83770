"""Inversion recovery against the repeated sequence itself."""

import numpy as np
import pytest

from heliotrope.domain.errors import InputError
from heliotrope.physics.inversion_recovery import (
    inversion_recovery,
    nulling_inversion_time_ms,
    stir_signal_factor,
)


def _repeated(t1_ms: float, ti_ms: float, tr_ms: float, efficiency: float) -> float:
    """Play invert, wait TI, excite by 90 degrees, wait for the rest, until steady."""
    longitudinal, at_excitation = 1.0, 0.0
    for _ in range(20):
        longitudinal *= -efficiency
        longitudinal = 1.0 + (longitudinal - 1.0) * np.exp(-ti_ms / t1_ms)
        at_excitation, longitudinal = longitudinal, 0.0
        longitudinal = 1.0 - np.exp(-(tr_ms - ti_ms) / t1_ms)
    return at_excitation


@pytest.mark.parametrize("t1_ms", [310.0, 1400.0, 3000.0])
@pytest.mark.parametrize("efficiency", [1.0, 0.6, -1.0])
def test_the_steady_state_of_the_repeated_sequence_is_met(t1_ms: float, efficiency: float) -> None:
    formula = inversion_recovery(t1_ms, inversion_time_ms=180.0, repetition_time_ms=3000.0, efficiency=efficiency)
    assert float(formula) == pytest.approx(_repeated(t1_ms, 180.0, 3000.0, efficiency), abs=1e-12)


def test_the_nulling_time_nulls() -> None:
    time = nulling_inversion_time_ms(365.0, 3000.0)
    assert float(inversion_recovery(365.0, inversion_time_ms=time, repetition_time_ms=3000.0)) == pytest.approx(0.0)


@pytest.mark.parametrize(("t2_ms", "ratio"), [(40.0, 1.39), (50.0, 1.90), (60.0, 2.34)])
def test_edema_brightens_stir_as_tabulated(t2_ms: float, ratio: float) -> None:
    protocol = {"inversion_time_ms": 220.0, "repetition_time_ms": 4500.0, "echo_time_ms": 60.0}
    healthy = stir_signal_factor(1400.0, 33.0, **protocol)
    edema = stir_signal_factor(1400.0 + 10.0 * (t2_ms - 33.0), t2_ms, **protocol)
    # the table rounds and does not state its proton density
    assert float(edema / healthy) == pytest.approx(ratio, rel=0.05)


def test_an_inversion_time_beyond_the_repetition_time_is_refused() -> None:
    with pytest.raises(InputError, match="0 <= TI < TR"):
        inversion_recovery(1400.0, inversion_time_ms=5000.0, repetition_time_ms=4500.0)
