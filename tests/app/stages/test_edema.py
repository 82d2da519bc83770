"""The edema stage on phantoms whose edema is known: fractions, refusals, and what the wrong way would have said."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput, StageOutput
from heliotrope.app.stages.edema import STAGES
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import OptionError
from heliotrope.domain.findings import FindingKind
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.study import FrameSource, Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study, uniform_edema
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence
from heliotrope.phantoms.study import PhantomStudy

STAGE = STAGES[0]
COARSE = MrProtocol(matrix=(190, 100), pixel_mm=2.0, n_slices=4, sequences=(Sequence.STIR, Sequence.SCANNER_DIXON))
T2_NOISE_MS = 1.6
"""Standard deviation of the two-pass water-T2 fit at signal-to-noise 60."""

FRACTION_TOLERANCE = 5.0
"""Percentage points; the accuracy the product promises."""


@cache
def phantom(name: str) -> PhantomStudy:
    if name.startswith("uniform-"):
        scene = replace(SCENES["healthy"], lesions=uniform_edema(float(name[8:]) / 100.0, t2_ms=50.0))
    else:
        scene = SCENES[name]
    return build_thigh_study(name, replace(scene, protocol=COARSE), 5)


def maps_of(study: PhantomStudy, *, with_t2: bool = True, method: str = "two-pass/1") -> dict[str, ParametricMap]:
    """Maps as the earlier stages would give them: truth with the noise of the fit."""
    noise = np.random.default_rng(1).normal(0.0, T2_NOISE_MS, study.truth_labels.grid.shape).astype(np.float32)
    truth = study.truth_maps["water_t2"]
    water = np.asarray(study.with_role(Role.DIXON_WATER)[0].volume.data, dtype=np.float32)
    fat = np.asarray(study.with_role(Role.DIXON_FAT)[0].volume.data, dtype=np.float32)
    everywhere = np.ones(truth.grid.shape, dtype=bool)

    def companion(key: str, values: np.ndarray, unit: Unit) -> ParametricMap:
        return ParametricMap(key, values.astype(np.float32), everywhere, truth.grid, unit, "test/1")

    maps = {
        "fat_fraction": companion("fat_fraction", 100.0 * fat / np.maximum(water + fat, 1e-3), Unit.PERCENT),
        "water_signal": companion("water_signal", water, Unit.ARBITRARY),
        "fat_signal": companion("fat_signal", fat, Unit.ARBITRARY),
    }
    if with_t2:
        maps["water_t2"] = ParametricMap(
            "water_t2", truth.values + noise, truth.valid, truth.grid, Unit.MILLISECOND, method
        )
    return maps


def run(
    study: PhantomStudy,
    maps: Mapping[str, ParametricMap],
    options: AnalyzeOptions | None = None,
    *,
    with_stir: bool = True,
) -> StageOutput:
    chosen = tuple(
        Series(f"s{i}", str(i), i, "", s.role, "", s.acquisition, s.volume.grid, s.volume.n_frames, (FrameSource(""),))
        for i, s in enumerate(study.series)
        if s.role is Role.STIR
    )
    volumes = {f"s{i}": s.volume for i, s in enumerate(study.series)}

    def read_volume(series: Series) -> Volume:
        return volumes[series.key]

    return STAGE.run(
        StageInput(
            study=Study("s", None, None, chosen, ()),
            series=chosen if with_stir else (),
            options=options or AnalyzeOptions(),
            read_volume=read_volume,
            maps=maps,
            labels=study.truth_labels,
        )
    )


def pick(output: StageOutput, region: Region, quantity: str) -> Measurement:
    return next(row for row in output.measurements if row.region == region and row.quantity == quantity)


def true_fraction(study: PhantomStudy, side: Side) -> float:
    labels = study.truth_labels
    numbers = [n for n, region in labels.legend.items() if n >= 21 and region.side is side]
    return float(np.nanmean(study.truth_maps["edema_fraction"].values[np.isin(labels.labels, numbers)]))


def median_rule_percent(study: PhantomStudy) -> float:
    """What scoring against the patient's own median muscle says: median + 2.5 robust standard deviations."""
    labels = study.truth_labels.labels
    signal = np.asarray(study.with_role(Role.STIR)[0].volume.data, dtype=float)[labels >= 21]
    middle = np.median(signal)
    spread = 1.4826 * np.median(np.abs(signal - middle))
    return float(100.0 * np.mean(signal > middle + 2.5 * spread))


@cache
def site_options() -> AnalyzeOptions:
    """STIR-to-water ratio of healthy phantoms, as a site would measure it in controls."""
    ratios = []
    for seed in range(100, 104):
        control = build_thigh_study("control", replace(SCENES["healthy"], protocol=COARSE), seed)
        stir = np.asarray(control.with_role(Role.STIR)[0].volume.data, dtype=float)
        water = np.asarray(control.with_role(Role.DIXON_WATER)[0].volume.data, dtype=float)
        lean = (control.truth_labels.labels >= 21) & (control.truth_maps["fat_fraction"].values < 6.0)
        ratios.append(float(np.median(stir[lean] / water[lean])))
    return AnalyzeOptions(stir_ratio=float(np.mean(ratios)), stir_ratio_sd=float(np.std(ratios, ddof=1)))


@pytest.mark.parametrize("percent", [0, 30, 95])
def test_the_fraction_is_right_against_a_paired_t2_map(percent: int) -> None:
    study = phantom(f"uniform-{percent}")
    output = run(study, maps_of(study))
    for side in Side:
        measured = pick(output, Region("muscle", side), "edema_fraction")
        assert measured.value == pytest.approx(true_fraction(study, side), abs=FRACTION_TOLERANCE)
        assert "paired water T2" in measured.method


@pytest.mark.parametrize("percent", [0, 60, 95])
def test_the_fraction_is_right_against_the_sites_controls(percent: int) -> None:
    study = phantom(f"uniform-{percent}")
    output = run(study, maps_of(study, with_t2=False), site_options())
    for side in Side:
        measured = pick(output, Region("muscle", side), "edema_fraction")
        assert measured.value == pytest.approx(true_fraction(study, side), abs=FRACTION_TOLERANCE)
        assert "controls" in measured.method


@pytest.mark.parametrize("percent", [60, 95])
def test_the_median_rule_would_have_called_widespread_edema_nearly_normal(percent: int) -> None:
    study = phantom(f"uniform-{percent}")
    wrong = median_rule_percent(study)
    right = pick(run(study, maps_of(study)), Region("muscle", Side.LEFT), "edema_fraction").value
    assert wrong < 5.0
    assert right is not None
    assert right > percent - FRACTION_TOLERANCE


def test_without_any_reference_there_is_no_fraction_and_the_reason_is_said() -> None:
    study = phantom("uniform-60")
    output = run(study, maps_of(study, with_t2=False))
    assert not [row for row in output.measurements if row.quantity == "edema_fraction"]
    assert output.not_assessed[0].missing.code == "M_NO_REFERENCE"
    finding = next(item for item in output.findings if item.kind is FindingKind.EDEMA)
    assert finding.present is Truth.UNKNOWN
    assert "cannot be counted" in finding.statement


VIAL_OVER_WATER, VIAL_SIGNAL = 0.6, 400.0
"""STIR-to-water ratio of the drawn vial, and its water signal."""


def with_vial(study: PhantomStudy, *, scaling: float = 1.0, bubbles: bool = False) -> PhantomStudy:
    """The study with a vial on the table beside the limbs, and STIR scaled anew by the scanner."""
    inside = (slice(4, 20), slice(4, 20), slice(None))
    labels = study.truth_labels.labels.copy()
    assert not labels[inside].any()
    labels[inside] = 99
    generator = np.random.default_rng(8)
    series = []
    for item in study.series:
        data = np.array(item.volume.data, dtype=np.float32)
        level = {Role.STIR: VIAL_OVER_WATER * VIAL_SIGNAL, Role.DIXON_WATER: VIAL_SIGNAL}.get(item.role, 0.0)
        data[inside] = level * (1.0 + 0.03 * generator.standard_normal(data[inside].shape))
        if bubbles and item.role is Role.STIR:
            data[inside][::2] *= 0.3
        if item.role is Role.STIR:
            data *= scaling
        series.append(replace(item, volume=Volume(data, item.volume.grid)))
    legend = {**study.truth_labels.legend, 99: Region("vial")}
    return replace(study, series=tuple(series), truth_labels=replace(study.truth_labels, labels=labels, legend=legend))


def vial_options() -> AnalyzeOptions:
    """Ratio of muscle over vial as measured in controls scanned with the vial."""
    site = site_options()
    assert site.stir_ratio is not None
    assert site.stir_ratio_sd is not None
    ratio, sd = site.stir_ratio / VIAL_OVER_WATER, site.stir_ratio_sd / VIAL_OVER_WATER
    return AnalyzeOptions(vial_ratio=ratio, vial_ratio_sd=sd)


def test_a_vial_serves_where_the_scanner_scales_stir_anew() -> None:
    study = with_vial(phantom("uniform-60"), scaling=1.7)
    maps = maps_of(study, with_t2=False)
    output = run(study, maps, vial_options())
    rescaled = run(study, maps, site_options())
    for side in Side:
        measured = pick(output, Region("muscle", side), "edema_fraction")
        assert measured.value == pytest.approx(true_fraction(study, side), abs=FRACTION_TOLERANCE)
        assert "vial" in measured.method
        # the controls' ratio holds for their own scaling only
        assert (pick(rescaled, Region("muscle", side), "edema_fraction").value or 0.0) > 90.0


def test_a_vial_with_bubbles_is_refused_by_name_and_another_reference_still_serves() -> None:
    study = with_vial(phantom("uniform-30"), bubbles=True)
    refused = run(study, maps_of(study, with_t2=False), vial_options())
    assert "vial: its signal varies" in refused.not_assessed[0].missing.reason
    paired = run(study, maps_of(study), vial_options())
    row = pick(paired, Region("muscle", Side.LEFT), "edema_fraction")
    assert row.value is not None
    assert any("its signal varies" in note for note in row.notes)


def test_a_vial_that_is_not_labeled_is_said() -> None:
    study = phantom("uniform-30")
    refused = run(study, maps_of(study, with_t2=False), vial_options())
    assert "not labeled" in refused.not_assessed[0].missing.reason


def test_half_a_vial_reference_is_refused() -> None:
    with pytest.raises(OptionError, match="vial_ratio and vial_ratio_sd belong together"):
        AnalyzeOptions(vial_ratio=1.0)


def test_a_muscle_named_as_spared_is_vetted() -> None:
    """In the active phantom the gracilis is spared and the vastus lateralis is half edematous."""
    study = phantom("active-dm")
    maps = maps_of(study, with_t2=False)
    spared = run(study, maps, AnalyzeOptions(spared_muscle="gracilis"))
    measured = pick(spared, Region("muscle", Side.LEFT), "edema_fraction")
    assert measured.value == pytest.approx(true_fraction(study, Side.LEFT), abs=FRACTION_TOLERANCE)
    refused = run(study, maps, AnalyzeOptions(spared_muscle="vastus lateralis"))
    assert "two populations" in refused.not_assessed[0].missing.reason


def test_an_unknown_spared_muscle_is_refused() -> None:
    study = phantom("active-dm")
    with pytest.raises(OptionError, match="unknown muscle"):
        run(study, maps_of(study, with_t2=False), AnalyzeOptions(spared_muscle="left wing"))


def test_healthy_muscle_has_no_edema_finding() -> None:
    study = phantom("healthy")
    output = run(study, maps_of(study))
    assert not [item for item in output.findings if item.kind is FindingKind.EDEMA and item.present is Truth.TRUE]


def test_active_disease_is_found_symmetric_and_patchy_where_it_was_put() -> None:
    study = phantom("active-dm")
    output = run(study, maps_of(study))
    edema = {item.regions[0]: item for item in output.findings if item.kind is FindingKind.EDEMA}
    assert edema[Region("anterior_thigh", Side.LEFT)].present is Truth.TRUE
    assert "vastus lateralis" in edema[Region("anterior_thigh", Side.LEFT)].statement
    symmetry = next(
        item for item in output.findings if item.kind is FindingKind.SYMMETRY and item.regions[0].structure == "muscle"
    )
    assert symmetry.details["class"] != "asymmetric"
    spread = next(
        item.details["spread"]
        for item in output.findings
        if item.kind is FindingKind.DISTRIBUTION and item.regions[0] == Region("vastus_lateralis", Side.LEFT)
    )
    assert spread == "patchy"


def test_asymmetry_is_found_with_its_side() -> None:
    study = phantom("asymmetric")
    output = run(study, maps_of(study))
    finding = next(
        item
        for item in output.findings
        if item.kind is FindingKind.SYMMETRY and item.regions[0].structure == "anterior_thigh"
    )
    assert finding.details["class"] == "asymmetric"
    assert "left" in finding.statement
    truth = {row.region: row.volume_ml for row in study.lesions}
    left = sum(ml for region, ml in truth.items() if region.side is Side.LEFT)
    right = sum(ml for region, ml in truth.items() if region.side is Side.RIGHT)
    asymmetry = pick(output, Region("anterior_thigh"), "edema_asymmetry")
    assert asymmetry.value == pytest.approx((left - right) / (left + right), abs=0.05)


def test_t2_alone_leads_where_there_is_no_stir() -> None:
    study = phantom("uniform-30")
    output = run(study, maps_of(study), with_stir=False)
    measured = pick(output, Region("muscle", Side.RIGHT), "edema_fraction")
    assert measured.method.startswith("water-t2-limit")
    assert measured.value == pytest.approx(true_fraction(study, Side.RIGHT), abs=FRACTION_TOLERANCE)


def test_a_joint_t2_fit_gives_no_edema_fraction() -> None:
    study = phantom("uniform-30")
    output = run(study, maps_of(study, method="epg-joint/1"), with_stir=False)
    assert not [row for row in output.measurements if row.quantity.endswith("edema_fraction")]
    assert {item.missing.code for item in output.not_assessed} == {"M_T2_IMPRECISE"}


def test_stir_and_t2_agree_and_that_is_checked() -> None:
    study = phantom("uniform-30")
    check = next(item for item in run(study, maps_of(study)).quality if item.name == "edema-stir-against-t2")
    assert check.passed is True


def test_failed_fat_suppression_is_left_out_and_counted() -> None:
    study = phantom("suppression-failure")
    output = run(study, maps_of(study))
    check = next(item for item in output.quality if item.name == "edema-assessable")
    share = float(check.detail.split("failed fat suppression ")[1].split(" %")[0])
    assert share > 5.0
    left = pick(output, Region("muscle", Side.LEFT), "edema_fraction")
    assert left.value == pytest.approx(true_fraction(study, Side.LEFT), abs=FRACTION_TOLERANCE)


def test_intervals_hold_the_truth_of_whole_sides() -> None:
    study = phantom("uniform-30")
    output = run(study, maps_of(study))
    for side in Side:
        row = pick(output, Region("muscle", side), "edema_fraction")
        assert row.ci95 is not None
        assert row.ci95[0] <= true_fraction(study, side) <= row.ci95[1]
