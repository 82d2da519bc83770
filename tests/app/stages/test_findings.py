"""Layers, damage, scores and biopsy sites on phantoms whose disease is known."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from heliotrope.app.codec import finding_from_plain, finding_to_plain
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput, StageOutput
from heliotrope.app.stages import findings as findings_stage
from heliotrope.app.stages import layers as layers_stage
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.study import FrameSource, Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.findings.damage import atrophy_findings, fat_findings
from heliotrope.findings.scores import score_findings
from heliotrope.measure.biopsy import places_for_biopsy
from heliotrope.measure.map_statistics import measure_map
from heliotrope.measure.regions import is_lean
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence
from heliotrope.phantoms.study import PhantomStudy
from tests.app.stages.test_edema import maps_of
from tests.app.stages.test_edema import run as run_edema

FINE = MrProtocol(matrix=(254, 134), pixel_mm=1.5, n_slices=3, sequences=(Sequence.STIR, Sequence.SCANNER_DIXON))


@cache
def phantom(name: str) -> PhantomStudy:
    return build_thigh_study(name, replace(SCENES[name], protocol=FINE), 4)


@cache
def outputs(name: str) -> tuple[StageOutput, StageOutput, StageOutput]:
    """Edema, layers and findings of one phantom."""
    return outputs_on(name, phantom(name).truth_labels)


def outputs_on(name: str, labels: LabelMap) -> tuple[StageOutput, StageOutput, StageOutput]:
    study = phantom(name)
    maps = maps_of(study)
    edema = run_edema(study, maps)
    number, stir = next((i, s) for i, s in enumerate(study.series) if s.role is Role.STIR)
    series = Series(f"s{number}", "1", 1, "", Role.STIR, "", stir.acquisition, stir.volume.grid, 1, (FrameSource(""),))
    fat = measure_map(maps["fat_fraction"], study.truth_labels, generator=np.random.default_rng(0))
    given = StageInput(
        study=Study("s", None, None, (series,), ()),
        series=(series,),
        options=AnalyzeOptions(),
        read_volume=lambda _: stir.volume,
        maps={**maps, **edema.maps},
        labels=labels,
        measurements=(*fat, *edema.measurements),
        findings=edema.findings,
    )
    layers = layers_stage.STAGES[0].run(given)
    given = replace(given, findings=(*edema.findings, *layers.findings))
    return edema, layers, findings_stage.STAGES[0].run(given)


def of_kind(output: StageOutput, kind: FindingKind) -> list[Finding]:
    return [item for item in output.findings if item.kind is kind]


@pytest.mark.parametrize(
    ("name", "fascia", "subcutis"),
    [
        ("healthy", Truth.FALSE, Truth.FALSE),
        ("active-dm", Truth.TRUE, Truth.TRUE),
        ("fascia-dominant", Truth.TRUE, Truth.FALSE),
        ("subcutis-reticular", Truth.FALSE, Truth.TRUE),
    ],
)
def test_fascia_and_subcutis_are_told_apart(name: str, fascia: Truth, subcutis: Truth) -> None:
    layers = outputs(name)[1]
    assert {item.present for item in of_kind(layers, FindingKind.FASCIA)} == {fascia}
    assert {item.present for item in of_kind(layers, FindingKind.SUBCUTIS)} == {subcutis}


def _without_other_muscle(labels: LabelMap, kept: str, side: Side, slices: slice) -> LabelMap:
    """Labels in which one muscle of a side is drawn and the others are not, in some slices."""
    values = np.array(labels.labels)
    others = [n for n, r in labels.legend.items() if r.side is side and is_lean(r) and r.structure != kept]
    part = values[:, :, slices]
    part[np.isin(part, others)] = 0
    return LabelMap(values, labels.grid, labels.legend, "person")


def test_naming_one_muscle_of_a_compartment_keeps_the_places_for_a_biopsy_in_the_rest() -> None:
    truth = phantom("active-dm").truth_labels
    places = places_for_biopsy(truth)
    vasti = {region: mask for region, mask in places.items() if region.structure != "anterior_thigh"}
    whole = LabelMap(
        truth.labels,
        truth.grid,
        {n: replace(r, structure="anterior_thigh") if r in vasti else r for n, r in truth.legend.items()},
        "person",
    )
    one = Region("vastus_lateralis", Side.RIGHT)
    named = replace(whole, legend={n: one if truth.legend[n] == one else r for n, r in whole.legend.items()})
    found = places_for_biopsy(named)
    assert set(found) == {one, Region("anterior_thigh", Side.RIGHT), Region("anterior_thigh", Side.LEFT)}
    searched = np.any(list(places_for_biopsy(whole).values()), axis=0)
    assert np.array_equal(np.any(list(found.values()), axis=0), searched)


@pytest.mark.parametrize("name", ["healthy", "fascia-dominant"])
def test_beside_a_single_drawn_muscle_the_fascia_is_not_assessable(name: str) -> None:
    drawn = _without_other_muscle(phantom(name).truth_labels, "vastus_lateralis", Side.LEFT, slice(None))
    layers = outputs_on(name, drawn)[1]
    found = {item.regions[0].side: item for item in of_kind(layers, FindingKind.FASCIA)}
    assert found[Side.LEFT].present is Truth.UNKNOWN
    assert "In 3 of 3 slices less than 80 %" in found[Side.LEFT].statement
    assert found[Side.RIGHT].present is next(
        item.present for item in of_kind(outputs(name)[1], FindingKind.FASCIA) if item.regions[0].side is Side.RIGHT
    )
    rows = {row.region: row for row in layers.measurements if row.quantity in ("fascia_extent", "subcutis_extent")}
    assert rows[Region("anterior_thigh", Side.LEFT)].value is None
    assert rows[Region("anterior_thigh", Side.RIGHT)].value is not None


def test_slices_with_a_single_drawn_muscle_are_left_out_and_said_to_be() -> None:
    drawn = _without_other_muscle(phantom("healthy").truth_labels, "vastus_lateralis", Side.LEFT, slice(0, 1))
    found = of_kind(outputs_on("healthy", drawn)[1], FindingKind.FASCIA)
    left, right = (next(item for item in found if item.regions[0].side is side) for side in Side)
    assert left.present is right.present is Truth.FALSE
    assert any("In 1 of 3 slices" in line for line in left.limits)
    assert not any("slices" in line for line in right.limits)


def test_subcutaneous_signal_is_stored_with_its_position() -> None:
    left = next(item for item in of_kind(outputs("subcutis-reticular")[1], FindingKind.SUBCUTIS))
    assert left.regions[0].side is Side.LEFT
    assert isinstance(left.details["center_x_mm"], float)
    # the strands were put on the lateral side of the left thigh: larger x than its center at about 89 mm
    assert left.details["center_x_mm"] > 89.0


def test_the_places_of_subcutaneous_signal_cover_its_map_and_survive_json() -> None:
    study = phantom("subcutis-reticular")
    layers = outputs("subcutis-reticular")[1]
    kept = [finding_from_plain(json.loads(json.dumps(finding_to_plain(item)))) for item in layers.findings]
    grid = study.truth_labels.grid
    edema = layers.maps["subcutis_edema"]
    for side in Side:
        finding = next(i for i in kept if i.kind is FindingKind.SUBCUTIS and i.regions[0].side is side)
        assert finding.frame == grid.frame_key
        outside = study.truth_labels.mask_where(structure="subcutaneous_fat", side=side)
        voxels = np.argwhere((np.nan_to_num(edema.values) == 100.0) & outside)
        centers = np.array([place.position_mm for place in finding.places])
        apart = np.linalg.norm(grid.positions_mm(voxels)[:, None] - centers, axis=2)
        reached = apart <= np.array([place.radius_mm for place in finding.places])
        assert reached.any(axis=1).all()
        filled = sum(place.volume_mm3 for place in finding.places)
        assert filled == pytest.approx(len(voxels) * grid.voxel_volume_mm3)
    # the strands were drawn in the subcutis alone, so no place may lie in muscle
    assert not (study.truth_labels.labels[np.nan_to_num(edema.values) == 100.0] >= 21).any()


def test_subcutis_that_is_not_called_leaves_no_place() -> None:
    called = of_kind(outputs("healthy")[1], FindingKind.SUBCUTIS)
    assert [item.places for item in called] == [(), ()]


@pytest.mark.parametrize(("follows_stir", "bright"), [(True, True), (False, False)], ids=["alike", "flat"])
def test_diffusion_weighted_signal_is_said_beside_the_fascia_and_decides_nothing(
    follows_stir: bool, bright: bool
) -> None:
    study = phantom("fascia-dominant")
    edema = outputs("fascia-dominant")[0]
    stir = study.with_role(Role.STIR)[0]
    signal = np.asarray(stir.volume.data, dtype=np.float32)
    weighted = signal if follows_stir else np.full_like(signal, 50.0)
    volumes = {"s0": stir.volume, "s1": Volume(np.stack([2 * weighted, weighted], axis=-1), stir.volume.grid)}
    protocol = replace(stir.acquisition, b_values_s_per_mm2=(0.0, 600.0))
    series = (
        Series("s0", "1", 1, "", Role.STIR, "", stir.acquisition, stir.volume.grid, 1, (FrameSource(""),)),
        Series("s1", "2", 2, "", Role.DWI, "", protocol, stir.volume.grid, 2, (FrameSource(""),)),
    )
    given = StageInput(
        study=Study("s", None, None, series, ()),
        series=series[:1],
        options=AnalyzeOptions(),
        read_volume=lambda chosen: volumes[chosen.key],
        maps={**maps_of(study), **edema.maps},
        labels=study.truth_labels,
    )
    found = of_kind(layers_stage.STAGES[0].run(given), FindingKind.FASCIA)
    alone = of_kind(outputs("fascia-dominant")[1], FindingKind.FASCIA)
    assert [item.present for item in found] == [item.present for item in alone] == [Truth.TRUE, Truth.TRUE]
    for item in found:
        share = item.details["diffusion_share"]
        assert isinstance(share, float)
        assert (share > 0.8) is bright
        assert (share < 0.05) is not bright
        assert "On diffusion-weighted images" in item.statement
    assert all(item.details["diffusion_share"] is None for item in alone)


def test_layers_without_a_reference_are_not_assessed() -> None:
    output = layers_stage.STAGES[0].run(
        StageInput(
            study=Study("s", None, None, (), ()),
            series=(),
            options=AnalyzeOptions(),
            read_volume=lambda _: phantom("healthy").series[0].volume,
            labels=phantom("healthy").truth_labels,
        )
    )
    assert {item.missing.code for item in output.not_assessed} == {"M_NO_REFERENCE"}


def test_biopsy_sites_lie_in_lean_edema_of_allowed_muscle() -> None:
    study = phantom("active-dm")
    sites = of_kind(outputs("active-dm")[2], FindingKind.BIOPSY_SITE)
    assert 1 <= len(sites) <= 3
    for site in sites:
        assert site.present is Truth.TRUE
        assert site.regions[0].structure in ("vastus_lateralis", "rectus_femoris")
        place = [float(site.details[f"{axis}_mm"] or 0.0) for axis in "xyz"]
        at = tuple(np.round(study.truth_labels.grid.indices(place)).astype(int))
        assert study.truth_maps["edema_fraction"].values[at] > 50.0
        assert study.truth_maps["fat_fraction"].values[at] < 15.0
        assert any("ultrasound" in line for line in site.limits)
        assert float(site.details["vessel_mm"] or 0.0) >= 15.0
        assert float(site.details["bone_mm"] or 0.0) >= 8.0


def test_healthy_muscle_is_no_biopsy_site() -> None:
    sites = of_kind(outputs("healthy")[2], FindingKind.BIOPSY_SITE)
    assert [site.present for site in sites] == [Truth.FALSE]
    assert "No suitable biopsy site" in sites[0].statement


def test_fat_replaced_muscle_is_graded_and_never_proposed_for_biopsy() -> None:
    findings = outputs("fatty-edema")[2]
    fat = {item.regions[0]: item for item in of_kind(findings, FindingKind.FAT)}
    assert fat[Region("rectus_femoris", Side.LEFT)].details["mercuri_by_fat_fraction"] == 3.0
    assert fat[Region("semitendinosus", Side.RIGHT)].details["mercuri_by_fat_fraction"] == 2.0
    assert fat[Region("gracilis", Side.RIGHT)].present is Truth.FALSE
    proposed = {item.regions[0].structure for item in of_kind(findings, FindingKind.BIOPSY_SITE)}
    assert "rectus_femoris" not in {
        item.regions[0].structure for item in of_kind(findings, FindingKind.BIOPSY_SITE) if item.present is Truth.TRUE
    }
    assert proposed


def test_scores_state_what_they_cover_and_do_not_prorate_a_fifth_of_the_body() -> None:
    scores = {item.details["instrument"]: item for item in of_kind(outputs("active-dm")[2], FindingKind.SCORE)}
    whole_body = scores["nih-iim-34/extent"]
    assert whole_body.details["items_covered"] == 6.0
    assert whole_body.details["prorated"] is None
    assert "6 of 34" in whole_body.statement
    assert scores["ukichi-pattern-count"].details["honeycomb"] == "unknown"
    # fascia and subcutis were put in, so the count is at least two
    assert float(scores["ukichi-pattern-count"].details["low"] or 0.0) >= 2.0


def area(structure: str, side: Side, value: float) -> Measurement:
    return Measurement(Region(structure, side), "contractile_area", "max", value, Unit.SQUARE_MILLIMETER, "test/1")


def test_atrophy_is_called_on_the_smaller_side_beyond_its_limit() -> None:
    rows = (area("gracilis", Side.LEFT, 80.0), area("gracilis", Side.RIGHT, 100.0))
    finding = atrophy_findings(rows)[0]
    assert finding.present is Truth.TRUE
    assert finding.regions[0].side is Side.LEFT
    equal = (area("gracilis", Side.LEFT, 90.0), area("gracilis", Side.RIGHT, 100.0))
    assert atrophy_findings(equal)[0].present is Truth.FALSE


def test_compartments_found_by_geometry_alone_make_no_atrophy() -> None:
    rows = (area("posterior_thigh", Side.LEFT, 50.0), area("posterior_thigh", Side.RIGHT, 100.0))
    assert atrophy_findings(rows) == ()


def test_an_item_near_a_grade_border_says_that_it_may_change() -> None:
    region = Region("anterior_thigh", Side.LEFT)
    rows = (
        Measurement(region, "edema_fraction", "fraction", 29.5, Unit.PERCENT, "test/1", ci95=(24.5, 34.5)),
        Measurement(region, "edema_excess", "mean", 0.5, Unit.ONE, "test/1"),
    )
    scores = score_findings(rows, (), generator=np.random.default_rng(0))
    extent = next(item for item in scores if item.details["instrument"] == "nih-iim-34/extent")
    assert extent.details["item left anterior_thigh"] == 1.0
    assert float(extent.details["may change left anterior_thigh"] or 0.0) == pytest.approx(0.42, abs=0.1)


def test_missing_fat_is_not_assessed_rather_than_lean() -> None:
    row = Measurement(
        Region("gracilis", Side.LEFT),
        "fat_fraction",
        "mean",
        None,
        Unit.PERCENT,
        "test/1",
        Missing("M_EMPTY_REGION", "No voxel."),
    )
    assert fat_findings((row,))[0].present is Truth.UNKNOWN
