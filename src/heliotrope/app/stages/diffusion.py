"""The diffusion stages: ADC, IVIM and tensor, each where the b-values permit it."""

from __future__ import annotations

import numpy as np

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.errors import HeliotropeError, QualityRefusal
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.maps.adc import fit_adc
from heliotrope.maps.dti import TensorMethod, fit_dti, require_tensor_scheme
from heliotrope.maps.gradient_frame import FrameVerdict, check_gradient_frame
from heliotrope.maps.ivim import fit_ivim, require_ivim_scheme
from heliotrope.physics.diffusion import SNR_NEEDED_FOR_FA, SNR_NEEDED_FOR_IVIM, DiffusionScheme

ADC = Quantity(
    "adc",
    "Apparent diffusion coefficient",
    Unit.DIFFUSIVITY,
    "Mobility of water; rises with edema and falls with fat; not specific for inflammation.",
)


DTI = (
    Quantity(
        "mean_diffusivity",
        "Mean diffusivity",
        Unit.DIFFUSIVITY,
        "Mean mobility of water; rises with edema and falls with fat; not specific for inflammation.",
    ),
    Quantity(
        "fractional_anisotropy",
        "Fractional anisotropy",
        Unit.ONE,
        "How directed diffusion is; inflated by noise; not a measure of disease activity.",
    ),
)

IVIM = (
    Quantity(
        "ivim_d",
        "Tissue diffusivity (IVIM)",
        Unit.DIFFUSIVITY,
        "Mobility of water without perfusion; rises with edema; not specific for inflammation.",
    ),
    Quantity(
        "ivim_f",
        "Perfusion fraction (IVIM)",
        Unit.ONE,
        "Share of the signal from flowing blood; reported, never scored: published studies disagree on its direction.",
    ),
)

SEED = 20_261_122
"""Seed of the bootstrap: equal input gives equal output."""

FRAME_PASSED = {FrameVerdict.CONFIRMED: True, FrameVerdict.UNDECIDED: None, FrameVerdict.CONTRADICTED: False}
"""Quality verdict of each frame verdict; a wrong frame leaves the maps shown here as they are."""


def _scheme(series: Series, *, with_directions: bool) -> DiffusionScheme:
    acquisition = series.acquisition
    directions = acquisition.b_vectors_lps if with_directions else ()
    return DiffusionScheme(acquisition.b_values_s_per_mm2, directions)


def _diffusion_series(study: Study) -> tuple[Series, ...] | Missing:
    """Diffusion series with a grid and one b-value per frame, most frames first."""
    found = study.with_role(Role.DWI)
    if not found:
        return Missing("M_NO_SERIES", "no diffusion-weighted series")
    usable = [s for s in found if s.grid is not None and len(s.acquisition.b_values_s_per_mm2) == s.n_frames > 1]
    if not usable:
        return Missing("M_NO_B_VALUES", "the diffusion series states no b-value for each of its frames")
    return tuple(sorted(usable, key=lambda s: -s.n_frames))


def _select_adc(study: Study) -> tuple[Series, ...] | Missing:
    candidates = _diffusion_series(study)
    if isinstance(candidates, Missing):
        return candidates
    for series in candidates:
        try:
            _scheme(series, with_directions=False).require_shells(2, "ADC")
        except HeliotropeError:
            continue
        return (series,)
    return Missing("M_TOO_FEW_B_VALUES", "ADC needs two distinct b-values in one series")


def _run_adc(stage_input: StageInput) -> StageOutput:
    series = stage_input.series[0]
    result = fit_adc(stage_input.read_volume(series), _scheme(series, with_directions=False))
    if not result.adc.valid.any():
        raise QualityRefusal("ADC: no voxel could be fitted", hint="check that the images show tissue")
    return StageOutput(
        sentence=f"The apparent diffusion coefficient came from a {result.adc.flags[0]}.",
        evidence=("adc-perfusion-free", "edema-diffusivity-cutoff"),
        maps={"adc": result.adc},
    )


def _select_dti(study: Study) -> tuple[Series, ...] | Missing:
    candidates = _diffusion_series(study)
    if isinstance(candidates, Missing):
        return candidates
    reason = ""
    for series in candidates:
        try:
            require_tensor_scheme(_scheme(series, with_directions=True))
        except HeliotropeError as error:
            reason = error.message
            continue
        return (series,)
    return Missing("M_NO_TENSOR_SCHEME", reason)


def _run_dti(stage_input: StageInput) -> StageOutput:
    series = stage_input.series[0]
    scheme = _scheme(series, with_directions=True)
    result = fit_dti(stage_input.read_volume(series), scheme, method=TensorMethod.ROBUST)
    if not result.mean_diffusivity.valid.any():
        raise QualityRefusal("diffusion tensor: no voxel could be fitted", hint="check that the images show tissue")
    trusted = result.snr is not None and result.snr >= SNR_NEEDED_FOR_FA
    warning = result.fractional_anisotropy.flags[-1]
    frame = check_gradient_frame(result.v1, result.fractional_anisotropy)
    return StageOutput(
        sentence=(
            f"The diffusion tensor was fitted by weighted least squares to {len(scheme.b_values)} frames "
            f"({scheme.describe()}); {100 * result.outlier_part:.1f} % of the frames were left out as outliers. "
            f"{warning[:1].upper()}{warning[1:]}."
        ),
        evidence=("fa-rician-inflation", "fa-snr-gate", "fa-no-activity-score", "edema-diffusivity-cutoff"),
        maps={
            "mean_diffusivity": result.mean_diffusivity,
            "fractional_anisotropy": result.fractional_anisotropy,
        },
        quality=(
            QualityCheck("signal-to-noise ratio of the diffusion series", trusted, warning),
            QualityCheck("frame of the gradient directions", FRAME_PASSED[frame.verdict], frame.sentence),
        ),
    )


def _select_ivim(study: Study) -> tuple[Series, ...] | Missing:
    candidates = _diffusion_series(study)
    if isinstance(candidates, Missing):
        return candidates
    reason = ""
    for series in candidates:
        try:
            scheme = _scheme(series, with_directions=False)
            require_ivim_scheme(scheme)
        except HeliotropeError as error:
            reason = error.message
            continue
        if sum(5 < value < 200 for value in scheme.shells) >= 2:
            return (series,)
        reason = "IVIM needs two b-values between 0 and 200 s/mm2"
    return Missing("M_NO_IVIM_SCHEME", reason)


def _run_ivim(stage_input: StageInput) -> StageOutput:
    series = stage_input.series[0]
    scheme = _scheme(series, with_directions=False)
    result = fit_ivim(stage_input.read_volume(series), scheme, generator=np.random.default_rng(SEED))
    if not result.diffusivity.valid.any():
        raise QualityRefusal("IVIM: no voxel could be fitted", hint="check that the images show tissue")
    trusted = result.snr is not None and result.snr > SNR_NEEDED_FOR_IVIM
    ratio = "unknown" if result.snr is None else f"{result.snr:.0f}"
    detail = f"signal-to-noise ratio {ratio}, {SNR_NEEDED_FOR_IVIM:.0f} needed for the perfusion fraction"
    return StageOutput(
        sentence=f"Perfusion and diffusion were separated by a {result.diffusivity.flags[0]}; {detail}.",
        evidence=("ivim-segmented", "ivim-snr-gate", "ivim-information-limit"),
        maps={"ivim_d": result.diffusivity, "ivim_f": result.perfusion_fraction},
        quality=(QualityCheck("signal-to-noise ratio for IVIM", trusted, detail),),
    )


STAGES = (
    Stage("adc", 1, (ADC,), _select_adc, _run_adc, by_station=True),
    Stage("dti", 2, DTI, _select_dti, _run_dti, by_station=True),
    Stage("ivim", 1, IVIM, _select_ivim, _run_ivim, by_station=True),
)
