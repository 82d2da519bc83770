"""Accuracy gates of edema, its symmetry and pattern, the layers, and biopsy sites, on phantoms of known truth.

Maps are the truth with the noise of their fits, so that these gates speak of the reading; maps have gates of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput, StageOutput
from heliotrope.app.stages import edema as edema_stage
from heliotrope.app.stages import layers as layers_stage
from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import FindingKind
from heliotrope.domain.images import ParametricMap
from heliotrope.domain.study import FrameSource, Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.measure.biopsy import BONE_MM, VESSEL_MM, BiopsyImages, find_targets, score_sites
from heliotrope.measure.regions import index_regions
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study, uniform_edema
from heliotrope.phantoms.mr_protocol import STIR_TE_MS, MrProtocol, Sequence
from heliotrope.phantoms.study import PhantomStudy

PROTOCOL = MrProtocol(matrix=(254, 134), pixel_mm=1.5, n_slices=3, sequences=(Sequence.STIR, Sequence.SCANNER_DIXON))
T2_NOISE_MS = 1.6
"""Standard deviation of the two-pass water-T2 fit at signal-to-noise 60. [ms]"""

_N_CONTROLS = 5
_FIRST_MUSCLE = 21


def _fractions(effort: Effort) -> tuple[int, ...]:
    return (0, 30, 95) if effort is Effort.REDUCED else (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)


def _seeds(effort: Effort) -> tuple[int, ...]:
    return (11,) if effort is Effort.REDUCED else (11, 12, 13)


@cache
def _uniform(percent: int, seed: int) -> PhantomStudy:
    scene = replace(SCENES["healthy"], lesions=uniform_edema(percent / 100.0), protocol=PROTOCOL)
    return build_thigh_study(f"uniform-{percent}", scene, seed)


@cache
def _named(name: str, seed: int) -> PhantomStudy:
    return build_thigh_study(name, replace(SCENES[name], protocol=PROTOCOL), seed)


def _everywhere(study: PhantomStudy, key: str, values: NDArray[np.floating], unit: Unit) -> ParametricMap:
    grid = study.truth_labels.grid
    return ParametricMap(key, values.astype(np.float32), np.ones(grid.shape, dtype=bool), grid, unit, "simulated/1")


def _maps(study: PhantomStudy, *, with_t2: bool) -> dict[str, ParametricMap]:
    water = np.asarray(study.with_role(Role.DIXON_WATER)[0].volume.data, dtype=np.float64)
    fat = np.asarray(study.with_role(Role.DIXON_FAT)[0].volume.data, dtype=np.float64)
    maps = {
        "fat_fraction": _everywhere(study, "fat_fraction", 100.0 * fat / np.maximum(water + fat, 1e-3), Unit.PERCENT),
        "water_signal": _everywhere(study, "water_signal", water, Unit.ARBITRARY),
        "fat_signal": _everywhere(study, "fat_signal", fat, Unit.ARBITRARY),
    }
    if with_t2:
        truth = study.truth_maps["water_t2"]
        noise = np.random.default_rng([study.seed, 7]).normal(0.0, T2_NOISE_MS, truth.grid.shape).astype(np.float32)
        maps["water_t2"] = ParametricMap(
            "water_t2", truth.values + noise, truth.valid, truth.grid, Unit.MILLISECOND, "simulated-two-pass/1"
        )
    return maps


def _given(study: PhantomStudy, maps: dict[str, ParametricMap], options: AnalyzeOptions) -> StageInput:
    stir = study.with_role(Role.STIR)[0]
    series = Series(
        "s01", "1", 1, "", Role.STIR, "simulated", stir.acquisition, stir.volume.grid, 1, (FrameSource(""),), (), True
    )
    return StageInput(
        study=Study("phantom", None, None, (series,), (), synthetic=True),
        series=(series,),
        options=options,
        read_volume=lambda _: stir.volume,
        maps=maps,
        labels=study.truth_labels,
    )


@cache
def _read(name: str, seed: int) -> tuple[StageOutput, StageOutput]:
    """Edema and layers of a named phantom."""
    study = _named(name, seed)
    maps = _maps(study, with_t2=True)
    edema = edema_stage.STAGES[0].run(_given(study, maps, AnalyzeOptions()))
    layers = layers_stage.STAGES[0].run(_given(study, {**maps, **edema.maps}, AnalyzeOptions()))
    return edema, layers


@cache
def _site_options() -> AnalyzeOptions:
    """STIR-to-water ratio of healthy phantoms, as a site measures it in controls."""
    ratios = []
    for seed in range(100, 100 + _N_CONTROLS):
        scene = replace(SCENES["healthy"], protocol=replace(PROTOCOL, n_slices=1))
        control = build_thigh_study("control", scene, seed)
        stir = np.asarray(control.with_role(Role.STIR)[0].volume.data, dtype=np.float64)
        water = np.asarray(control.with_role(Role.DIXON_WATER)[0].volume.data, dtype=np.float64)
        lean = (control.truth_labels.labels >= _FIRST_MUSCLE) & (control.truth_maps["fat_fraction"].values < 6.0)
        ratios.append(float(np.median(stir[lean] / water[lean])))
    return AnalyzeOptions(stir_ratio=float(np.mean(ratios)), stir_ratio_sd=float(np.std(ratios, ddof=1)))


def _true_percent(study: PhantomStudy, side: Side) -> float:
    labels = study.truth_labels
    numbers = [n for n, region in labels.legend.items() if n >= _FIRST_MUSCLE and region.side is side]
    return float(np.nanmean(study.truth_maps["edema_fraction"].values[np.isin(labels.labels, numbers)]))


def _worst_fraction_error(effort: Effort, *, paired_t2: bool) -> float:
    """Largest error of the fraction of a side. [percentage points]"""
    worst = 0.0
    for seed in _seeds(effort):
        for percent in _fractions(effort):
            study = _uniform(percent, seed)
            options = AnalyzeOptions() if paired_t2 else _site_options()
            output = edema_stage.STAGES[0].run(_given(study, _maps(study, with_t2=paired_t2), options))
            for side in Side:
                measured = _fraction(output, side)
                worst = max(worst, abs(measured - _true_percent(study, side)))
    return worst


def _fraction(output: StageOutput, side: Side) -> float:
    region = Region("muscle", side)
    rows = [r for r in output.measurements if r.region == region and r.quantity == "edema_fraction"]
    return float("nan") if not rows or rows[0].value is None else rows[0].value


def _refusals(effort: Effort) -> float:
    """Share of studies without a reference in which a fraction was refused. [1]"""
    percents = _fractions(effort)
    refused = 0
    for percent in percents:
        study = _uniform(percent, _seeds(effort)[0])
        output = edema_stage.STAGES[0].run(_given(study, _maps(study, with_t2=False), AnalyzeOptions()))
        counted = any(r.quantity == "edema_fraction" and r.value is not None for r in output.measurements)
        refused += not counted and any(item.missing.code == "M_NO_REFERENCE" for item in output.not_assessed)
    return refused / len(percents)


def _true_ratio(study: PhantomStudy) -> NDArray[np.float64]:
    """Signal over normal muscle as STIR would show the true water T2; normal is this person's own muscle without edema.

    NaN outside muscle. [1]
    """
    t2 = study.truth_maps["water_t2"]
    spared = t2.valid & (np.nan_to_num(study.truth_maps["edema_fraction"].values, nan=100.0) == 0.0)
    values = t2.values.astype(np.float64)
    return np.asarray(np.exp(STIR_TE_MS * (1.0 / np.median(values[spared]) - 1.0 / values)))


def _worst_asymmetry_error(effort: Effort) -> float:
    """Largest error of the asymmetry of the anterior compartment, against the load that was put in. [1]"""
    worst = 0.0
    for seed in _seeds(effort):
        for name in ("asymmetric", "active-dm"):
            study = _named(name, seed)
            anterior = {"rectus_femoris", "vastus_lateralis", "vastus_intermedius", "vastus_medialis", "sartorius"}
            load = {}
            labels = study.truth_labels
            excess = np.nan_to_num(_true_ratio(study)) - 1.0
            put_in = excess * np.nan_to_num(study.truth_maps["edema_fraction"].values) / 100.0
            for side in Side:
                inside = np.isin(
                    labels.labels,
                    [n for n, r in labels.legend.items() if r.structure in anterior and r.side is side],
                )
                load[side] = float(put_in[inside].mean())
            truth = (load[Side.LEFT] - load[Side.RIGHT]) / (load[Side.LEFT] + load[Side.RIGHT])
            rows = _read(name, seed)[0].measurements
            found = next(r for r in rows if r.quantity == "edema_asymmetry" and r.region == Region("anterior_thigh"))
            worst = max(worst, abs((found.value if found.value is not None else float("nan")) - truth))
    return worst


@dataclass(frozen=True)
class _Expected:
    """What a reader would say of a phantom; None is not asked."""

    edema: bool
    spread: str | None
    symmetry: str | None
    fascia: bool
    subcutis: bool


_CATALOGUE = {
    "healthy": _Expected(False, None, None, False, False),
    "mild-patchy": _Expected(True, "patchy", "not asymmetric", False, False),
    "severe-diffuse": _Expected(True, "diffuse", "symmetric", False, False),
    "moderate-diffuse": _Expected(True, "patchy", "symmetric", False, False),
    "asymmetric": _Expected(True, "patchy", "asymmetric", False, False),
    "active-dm": _Expected(True, "patchy", "not asymmetric", True, True),
    "fascia-dominant": _Expected(True, None, "not asymmetric", True, False),
    "subcutis-reticular": _Expected(False, None, None, False, True),
    "fatty-edema": _Expected(True, "patchy", "not asymmetric", False, False),
    "focal": _Expected(True, "focal", None, False, False),
}


def _class_accuracy(effort: Effort) -> float:
    """Share of the answers about the catalogue that are right: edema, spread, symmetry, fascia, subcutis. [1]"""
    right = asked = 0
    for seed in _seeds(effort):
        for name, expected in _CATALOGUE.items():
            edema, layers = _read(name, seed)
            answers = _answers(edema, layers, expected)
            right += sum(answers)
            asked += len(answers)
    return right / asked


def _answers(edema: StageOutput, layers: StageOutput, expected: _Expected) -> list[bool]:
    vastus = Region("vastus_lateralis", Side.LEFT)
    present = any(f.kind is FindingKind.EDEMA and f.present is Truth.TRUE for f in edema.findings)
    answers = [present == expected.edema]
    if expected.spread is not None:
        spread = [
            f.details["spread"] for f in edema.findings if f.kind is FindingKind.DISTRIBUTION and vastus in f.regions
        ]
        answers.append(spread == [expected.spread])
    if expected.symmetry is not None:
        kinds = [
            f.details["class"]
            for f in edema.findings
            if f.kind is FindingKind.SYMMETRY and f.regions == (Region("anterior_thigh"),)
        ]
        wanted = expected.symmetry
        answers.append(kinds != ["asymmetric"] if wanted == "not asymmetric" else kinds == [wanted])
    for kind, wanted_present in ((FindingKind.FASCIA, expected.fascia), (FindingKind.SUBCUTIS, expected.subcutis)):
        found = [f.present is Truth.TRUE for f in layers.findings if f.kind is kind]
        answers.append(bool(found) and all(value == wanted_present for value in found))
    return answers


@dataclass(frozen=True)
class _BiopsyTrials:
    regrets: tuple[float, ...]
    forbidden: int


@cache
def _biopsy_trials(effort: Effort) -> _BiopsyTrials:
    """Sites chosen under noise, scored on the noise-free truth."""
    study = _named("active-dm", 11)
    labels, grid = study.truth_labels, study.truth_labels.grid
    index = index_regions(labels)
    ratio = _true_ratio(study)
    fat = np.nan_to_num(study.truth_maps["fat_fraction"].values.astype(np.float64), nan=100.0)
    truth = BiopsyImages(
        ratio=ratio,
        fat_percent=fat,
        regions={
            region: index.mask(region)
            for region in index.members
            if region.structure in ("vastus_lateralis", "rectus_femoris")
        },
        body=labels.labels > 0,
        bone=labels.mask_where(structure="bone_cortex") | labels.mask_where(structure="bone_marrow"),
        vessel=labels.mask_where(structure="vessel"),
        forbidden=np.zeros(grid.shape, dtype=bool),
        grid=grid,
    )
    score, _ = score_sites(truth)
    best = float(score.max())
    regrets, forbidden = [], 0
    for draw in range(20 if effort is Effort.REDUCED else 200):
        generator = np.random.default_rng([draw, 99])
        noisy = replace(
            truth,
            ratio=ratio
            * (1.0 + 0.08 * generator.standard_normal(ratio.shape))
            * (1.0 + 0.03 * generator.standard_normal()),
            fat_percent=fat + 1.5 * generator.standard_normal(fat.shape),
        )
        targets = find_targets(noisy)
        if not targets:
            regrets.append(1.0)
            continue
        for target in targets:
            near = (target.vessel_mm or 0.0) < VESSEL_MM or (target.bone_mm or 0.0) < BONE_MM
            forbidden += near or target.region.structure not in ("vastus_lateralis", "rectus_femoris")
        at = tuple(round(float(v)) for v in grid.indices(targets[0].position_mm))
        regrets.append(best - float(score[at[0], at[1], at[2]]))
    return _BiopsyTrials(tuple(regrets), forbidden)


def _gate(
    name: str,
    title: str,
    limit: float,
    unit: Unit,
    measure: Callable[[Effort], float],
    sense: Sense = Sense.AT_MOST,
) -> Gate:
    return Gate(name, title, limit, unit, sense, measure)


GATES: tuple[Gate, ...] = (
    _gate(
        "edema-fraction-paired-t2",
        "Edema fraction of a side, 0 to 95 % edema, against a paired water-T2 map: largest error in percentage points",
        5.0,
        Unit.PERCENT,
        lambda effort: _worst_fraction_error(effort, paired_t2=True),
    ),
    _gate(
        "edema-fraction-site-ratio",
        "Edema fraction of a side, 0 to 95 % edema, against the site's controls: largest error in percentage points",
        5.0,
        Unit.PERCENT,
        lambda effort: _worst_fraction_error(effort, paired_t2=False),
    ),
    _gate(
        "edema-refused-without-reference",
        "Share of studies without a reference in which no fraction is given",
        1.0,
        Unit.ONE,
        _refusals,
        Sense.AT_LEAST,
    ),
    _gate(
        "edema-asymmetry",
        "Asymmetry of edema of the anterior compartment: largest error",
        0.05,
        Unit.ONE,
        _worst_asymmetry_error,
    ),
    _gate(
        "edema-class-accuracy",
        "Share of right answers about the catalogue: edema, spread, symmetry, fascia, subcutis",
        0.90,
        Unit.ONE,
        _class_accuracy,
        Sense.AT_LEAST,
    ),
    _gate(
        "biopsy-regret",
        "Biopsy site under noise: 95th percentile of the score lost against the best site",
        0.10,
        Unit.ONE,
        lambda effort: float(np.percentile(_biopsy_trials(effort).regrets, 95.0)),
    ),
    _gate(
        "biopsy-forbidden-zone",
        "Biopsy sites proposed near vessels or bone, or outside the allowed muscles",
        0.0,
        Unit.COUNT,
        lambda effort: float(_biopsy_trials(effort).forbidden),
    ),
)
