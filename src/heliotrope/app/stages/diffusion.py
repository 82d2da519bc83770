"""The diffusion stages: ADC, IVIM and tensor, each where the b-values permit it."""

from __future__ import annotations

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.errors import HeliotropeError, QualityRefusal
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.maps.adc import fit_adc
from heliotrope.physics.diffusion import DiffusionScheme

ADC = Quantity(
    "adc",
    "Apparent diffusion coefficient",
    Unit.DIFFUSIVITY,
    "Mobility of water; rises with edema and falls with fat; not specific for inflammation.",
)


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


STAGES = (Stage("adc", 1, (ADC,), _select_adc, _run_adc),)
