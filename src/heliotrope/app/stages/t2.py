"""Water T2 of a study: from the echo train and the fat fraction where one was measured, else jointly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from heliotrope.app.map_grids import resample_map
from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.app.stages import fat_fraction
from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Acquisition, Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.maps.water_t2 import WaterT2Maps, WaterT2Options, fit_joint, fit_slab_ratio, fit_two_pass
from heliotrope.maps.water_t2.inputs import FEWEST_ECHOES_JOINT, FEWEST_ECHOES_TWO_PASS
from heliotrope.physics.echo_train import require_echo_train, require_magnitudes
from heliotrope.physics.noise import NoiseEstimate, estimate_noise, signal_mask
from heliotrope.physics.slice_profile import ProfilePreset
from heliotrope.physics.tissue_constants import relaxation_constants

QUANTITIES = (
    Quantity(
        "water_t2",
        "Water T2",
        Unit.MILLISECOND,
        "Transverse relaxation time of muscle water; rises with edema. Not the T2 of a scanner's own map, which fat "
        "and imperfect refocusing raise.",
    ),
    Quantity(
        "water_t2_sd",
        "Water T2, expected noise",
        Unit.MILLISECOND,
        "Cramer-Rao standard deviation of a voxel's water T2 at the noise of the image; smaller is better.",
    ),
    Quantity(
        "transmit_field",
        "Transmit field",
        Unit.ONE,
        "Radiofrequency field as a fraction of nominal; not a tissue property.",
    ),
    Quantity(
        "fat_signal_fraction",
        "Fat share of the echo signal",
        Unit.PERCENT,
        "Share of fat in the fully echoed signal; in the joint fit not an independent fat fraction.",
    ),
    Quantity(
        "water_t2_residual",
        "Misfit of the water T2 model",
        Unit.ONE,
        "Chi-squared per degree of freedom of the echo train; 1 is noise alone.",
    ),
)

SMALLEST_NOISE_SHARE = 1e-3
"""Noise below this share of the typical signal cannot be measured and is taken as this. [1]"""

LEAST_COVERED_BODY = 0.5
"""Share of the body in the echoes that the fat-fraction map must cover. [1]"""

LARGEST_TYPICAL_MISFIT = 25.0
"""Median chi-squared per degree of freedom beyond which the forward model does not describe the series. [1]"""


def select_echo_train(study: Study, *, fewest: int) -> tuple[Series, ...] | Missing:
    """The multi-echo series with most slices and echoes, or what is missing or unfit about all of them."""
    candidates = study.with_role(Role.MULTI_ECHO_T2)
    if not candidates:
        return Missing("M_NO_SERIES", "No multi-echo spin-echo series in the study.")
    reasons: list[Missing] = []
    fit: list[Series] = []
    for series in candidates:
        reason = _unfit(series, fewest)
        if reason is None:
            fit.append(series)
        else:
            reasons.append(reason)
    if not fit:
        return reasons[0]
    return (max(fit, key=lambda series: (series.grid.shape[2] if series.grid else 0, series.n_frames)),)


def _unfit(series: Series, fewest: int) -> Missing | None:
    facts = series.acquisition
    if series.grid is None:
        return Missing("M_NO_VOLUME", f"Multi-echo series {series.key} forms no regular volume.")
    if facts.field_strength_t is None:
        return Missing("M_NO_FIELD_STRENGTH", f"Multi-echo series {series.key} does not state its field strength.")
    try:
        require_echo_train(facts.echo_times_ms, series.n_frames, fewest=fewest)
        relaxation_constants(facts.field_strength_t)
    except InputError as error:
        return Missing(error.code.replace("E_", "M_", 1), f"Multi-echo series {series.key}: {error.message}.")
    return None


def fit_options(facts: Acquisition, noise: NoiseEstimate) -> WaterT2Options:
    """Forward-model options from the header."""
    angle = facts.refocusing_flip_angle_deg
    if angle is None and facts.flip_angle_deg is not None and 100.0 < facts.flip_angle_deg <= 180.0:
        # in the header of a spin-echo train an angle this large is the refocusing angle
        angle = facts.flip_angle_deg
    return WaterT2Options(
        profile=ProfilePreset.IDEAL if facts.acquisition_type == "3D" else ProfilePreset.HANN_SINC,
        refocusing_flip_deg=180.0 if angle is None else angle,
        repetition_time_ms=facts.repetition_time_ms,
        noise_channels=noise.channels,
    )


def with_slab_ratio(
    options: WaterT2Options,
    echoes: Volume,
    *,
    echo_times_ms: Sequence[float],
    field_strength_t: float,
    noise: NoiseEstimate,
    fat_fraction: ParametricMap | None,
    given: float | None = None,
) -> tuple[WaterT2Options, str]:
    """Options with the refocusing slab as given, else calibrated on the echoes, and the sentence that says so."""
    if options.profile is ProfilePreset.IDEAL:
        return options, "Non-selective refocusing: no slab to calibrate."
    if given is not None:
        return replace(options, slab_ratio=given), f"Refocusing slab given as {given:g} slices."
    slab = fit_slab_ratio(
        echoes,
        echo_times_ms=echo_times_ms,
        field_strength_t=field_strength_t,
        noise_sd=noise.sd,
        noise_channels=noise.channels,
        fat_fraction=fat_fraction,
        refocusing_flip_deg=options.refocusing_flip_deg,
    )
    return replace(options, slab_ratio=slab.ratio), slab.sentence


def usable_noise(echoes: Volume) -> NoiseEstimate:
    """Noise of the echoes; never zero, so that a noiseless phantom still has a scale."""
    noise = estimate_noise(echoes.data, signal_mask=signal_mask(echoes.data, 0.0, 1.0))
    first = np.asarray(echoes.data[..., 0], dtype=np.float32)
    bright = first[first > 0.0]
    typical = float(np.median(bright)) if bright.size else 0.0
    if noise.sd < SMALLEST_NOISE_SHARE * typical:
        sentence = f"Noise too small to measure: taken as {100 * SMALLEST_NOISE_SHARE:g} % of the typical signal."
        return NoiseEstimate(SMALLEST_NOISE_SHARE * typical, 1.0, "floor/1", (sentence,))
    return noise


def as_mapping(maps: WaterT2Maps) -> Mapping[str, ParametricMap]:
    """The maps of a fit by quantity."""
    every = (maps.t2, maps.sd, maps.b1, maps.fat_signal_fraction, maps.residual)
    return {item.quantity: item for item in every}


def fit_checks(maps: WaterT2Maps, noise: NoiseEstimate) -> tuple[QualityCheck, ...]:
    """Noise and misfit in words."""
    residual = maps.residual.values[maps.t2.valid]
    typical = float(np.median(residual)) if residual.size else None
    detail = f"noise sd {noise.sd:.3g} by {noise.method}, {noise.channels:.1f} channels. " + " ".join(noise.flags)
    checks = [QualityCheck("water T2 noise", bool(residual.size), detail.strip())]
    if typical is not None:
        sentence = f"median chi-squared per degree of freedom {typical:.2g}; 1 is noise alone"
        checks.append(QualityCheck("water T2 misfit", typical < LARGEST_TYPICAL_MISFIT, sentence))
    return tuple(checks)


def _select_joint(study: Study) -> tuple[Series, ...] | Missing:
    return select_echo_train(study, fewest=FEWEST_ECHOES_JOINT)


def _select_two_pass(study: Study) -> tuple[Series, ...] | Missing:
    train = select_echo_train(study, fewest=FEWEST_ECHOES_TWO_PASS)
    if isinstance(train, Missing):
        return train
    for stage in fat_fraction.STAGES:
        images = stage.select(study)
        if isinstance(images, Missing):
            return Missing("M_NO_FAT_FRACTION", f"No measured fat fraction to hold: {images.reason}")
    return train


@dataclass(frozen=True, eq=False)
class _Train:
    """An echo train read, with its noise and the options of its model."""

    echoes: Volume
    facts: Acquisition
    noise: NoiseEstimate
    options: WaterT2Options


def _read(inputs: StageInput) -> _Train:
    (series,) = inputs.series
    echoes = inputs.read_volume(series)
    require_magnitudes(echoes.data)
    noise = usable_noise(echoes)
    return _Train(echoes, series.acquisition, noise, fit_options(series.acquisition, noise))


def _run_joint(inputs: StageInput) -> StageOutput:
    if "water_t2" in inputs.maps:
        return StageOutput("A joint fit of water T2 and fat was not needed, because the fat fraction was measured.")
    return _fitted(_read(inputs), None, slab_ratio=inputs.options.slab_ratio)


def _run_two_pass(inputs: StageInput) -> StageOutput:
    measured = inputs.maps.get("fat_fraction")
    if measured is None:
        raise QualityRefusal(
            "the fat fraction of this study could not be computed, so it cannot be held",
            hint="see why the fat fraction was refused; the joint fit stands in, flagged as imprecise",
        )
    train = _read(inputs)
    held = resample_map(measured, train.echoes.grid, thickness_mm=train.facts.slice_thickness_mm)
    body = signal_mask(train.echoes.data, train.noise.sd, train.noise.channels)
    covered = float(np.count_nonzero(held.valid & body)) / max(1, int(np.count_nonzero(body)))
    if covered < LEAST_COVERED_BODY:
        raise QualityRefusal(
            f"the fat-fraction map covers {100.0 * covered:.0f} % of the body in the echoes "
            f"(limit {100.0 * LEAST_COVERED_BODY:g} %)",
            hint="acquire both over the same slices",
        )
    return _fitted(train, held, slab_ratio=inputs.options.slab_ratio)


def _fitted(train: _Train, held: ParametricMap | None, *, slab_ratio: float | None) -> StageOutput:
    """Water T2 with the fat fraction held, or, without one, jointly with the fat share of the signal."""
    times, field_t = train.facts.echo_times_ms, train.facts.field_strength_t or 0.0
    options, slab = with_slab_ratio(
        train.options,
        train.echoes,
        echo_times_ms=times,
        field_strength_t=field_t,
        noise=train.noise,
        fat_fraction=held,
        given=slab_ratio,
    )
    noise_sd = train.noise.sd
    if held is None:
        maps = fit_joint(
            train.echoes, echo_times_ms=times, field_strength_t=field_t, noise_sd=noise_sd, options=options
        )
        sentence = (
            f"Water T2 was fitted jointly with the fat share of the signal from {_train_words(train.facts)} by "
            f"matching {_model_words(options)} and a transmit field pooled over neighboring voxels; fat was not "
            f"independently measured, so T2 is imprecise. {slab}"
        )
        return _output(maps, train, sentence, "joint-t2-imprecise")
    maps = fit_two_pass(
        train.echoes,
        echo_times_ms=times,
        fat_fraction=held,
        field_strength_t=field_t,
        noise_sd=noise_sd,
        options=options,
    )
    sentence = (
        f"Water T2 was fitted to {_train_words(train.facts)} with the fat fraction held at the measured map, by "
        f"matching {_model_words(options)}; the transmit field was estimated first from neighboring voxels together "
        f"and then held. {slab}"
    )
    return _output(maps, train, sentence, "fat-fraction-leverage")


def _train_words(facts: Acquisition) -> str:
    times = facts.echo_times_ms
    return f"{len(times)} spin echoes ({times[0]:g} to {times[-1]:g} ms, {facts.field_strength_t:g} T)"


def _model_words(options: WaterT2Options) -> str:
    return (
        f"extended-phase-graph signals with a simulated {options.profile} slice profile "
        f"(refocusing {options.refocusing_flip_deg:g} degrees)"
    )


def _output(maps: WaterT2Maps, train: _Train, sentence: str, evidence: str) -> StageOutput:
    if not maps.t2.valid.any():
        reasons = "; ".join(f"{count} voxels {why}" for why, count in maps.t2.invalid_reasons.items())
        raise QualityRefusal(
            f"no voxel has a valid water T2: {reasons}",
            hint="check that the series is a multi-echo spin echo of a limb",
        )
    every = ("epg-forward-model", "slice-profile-preset", "rician-correction", evidence)
    return StageOutput(
        sentence,
        evidence=(*every, *relaxation_constants(train.facts.field_strength_t or 0.0).evidence),
        maps=as_mapping(maps),
        backgrounds={"echo": train.echoes.frame(0)},
        quality=fit_checks(maps, train.noise),
    )


STAGES: tuple[Stage, ...] = (
    Stage(
        name="water-t2",
        version=1,
        quantities=QUANTITIES,
        select=_select_two_pass,
        run=_run_two_pass,
        uses=("fat-fraction",),
        reads=("slab_ratio",),
        by_station=True,
    ),
    Stage(
        name="water-t2-joint",
        version=1,
        quantities=QUANTITIES,
        select=_select_joint,
        run=_run_joint,
        uses=("water-t2",),
        reads=("slab_ratio",),
        by_station=True,
    ),
)
