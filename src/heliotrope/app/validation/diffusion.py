"""Accuracy gates of the diffusion maps on blocks of muscle with known truth."""

from __future__ import annotations

import numpy as np

from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.domain.units import Unit
from heliotrope.maps.adc import fit_adc
from heliotrope.maps.dti import TensorMethod, fit_dti
from heliotrope.maps.ivim import fit_ivim
from heliotrope.phantoms.diffusion import muscle_tensor_block, perfused_block, tensor_scheme
from heliotrope.physics.diffusion import (
    RICIAN_FA_INFLATION,
    DiffusionScheme,
    adc_crlb,
)

SNR = 30.0
ADC_B = (0.0, 0.0, 400.0, 400.0, 400.0, 800.0, 800.0, 800.0, 800.0, 800.0, 800.0)
IVIM_B = tuple(float(b) for b in np.repeat([0, 10, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400, 500, 600, 800], 3))
ADC_CRLB_TABLE = (((0.0, 800.0), 9.6), ((0.0, 400.0, 800.0), 7.9), ((0.0,) * 2 + (800.0,) * 6, 4.2))
"""b-values and bound at SNR 30 and 1.5e-3 mm2/s, to one decimal. [%]"""


def _shape(effort: Effort) -> tuple[int, int, int]:
    return (16, 16, 8) if effort is Effort.REDUCED else (40, 40, 20)


def _adc_bias(effort: Effort) -> float:
    scheme = DiffusionScheme(ADC_B)
    worst = 0.0
    for seed, truth in enumerate((1.0e-3, 1.5e-3, 2.0e-3)):
        block = perfused_block(
            np.random.default_rng(seed),
            scheme,
            snr=SNR,
            diffusivity=truth,
            perfusion_fraction=0.0,
            shape=_shape(effort),
        )
        worst = max(worst, abs(float(np.nanmean(fit_adc(block.volume, scheme).adc.values)) / truth - 1.0))
    return 100.0 * worst


def _md_bias(effort: Effort) -> float:
    scheme = tensor_scheme(500.0, 30, 3, np.random.default_rng(1))
    block = muscle_tensor_block(np.random.default_rng(2), scheme, snr=SNR, shape=_shape(effort))
    found = fit_dti(block.volume, scheme, method=TensorMethod.WLS)
    truth = float(block.eigenvalues.mean())
    return 100.0 * abs(float(np.nanmean(found.mean_diffusivity.values)) / truth - 1.0)


def _fa_curve(effort: Effort) -> float:
    scheme = tensor_scheme(500.0, 30, 3, np.random.default_rng(1))
    worst = 0.0
    for seed, (snr, expected) in enumerate(RICIAN_FA_INFLATION):
        block = muscle_tensor_block(np.random.default_rng(10 + seed), scheme, snr=snr, shape=_shape(effort))
        found = fit_dti(block.volume, scheme, method=TensorMethod.WLS)
        worst = max(worst, abs(float(np.nanmean(found.fractional_anisotropy.values)) - expected))
    return worst


def _ivim_bias(effort: Effort) -> float:
    scheme = DiffusionScheme(IVIM_B)
    block = perfused_block(np.random.default_rng(3), scheme, snr=40.0, shape=_shape(effort))
    found = fit_ivim(block.volume, scheme, generator=np.random.default_rng(4))
    return 100.0 * abs(float(np.nanmean(found.diffusivity.values)) / 1.46e-3 - 1.0)


def _crlb_difference(effort: Effort) -> float:
    del effort
    return max(abs(100.0 * adc_crlb(b, 1.5e-3, 30.0) - expected) for b, expected in ADC_CRLB_TABLE)


GATES: tuple[Gate, ...] = (
    Gate("adc-bias", "Largest bias of the ADC at SNR 30.", 2.0, Unit.PERCENT, Sense.AT_MOST, _adc_bias),
    Gate("dti-md-bias", "Bias of the mean diffusivity at SNR 30.", 1.0, Unit.PERCENT, Sense.AT_MOST, _md_bias),
    Gate(
        "dti-fa-curve",
        "Largest distance of the mean fitted FA from the reference curve of Rician inflation, SNR 15 to 60.",
        0.004,
        Unit.ONE,
        Sense.AT_MOST,
        _fa_curve,
    ),
    Gate("ivim-d-bias", "Bias of the tissue diffusivity at SNR 40.", 2.0, Unit.PERCENT, Sense.AT_MOST, _ivim_bias),
    Gate(
        "adc-crlb",
        "Largest distance of the analytic bound from the table, half of its last digit allowed.",
        0.05,
        Unit.PERCENT,
        Sense.AT_MOST,
        _crlb_difference,
    ),
)
