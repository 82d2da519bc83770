"""Grades with their doubt, atrophy, pattern classes and distal muscles, from numbers whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.change import ChangeVerdict
from heliotrope.domain.findings import FindingKind
from heliotrope.domain.geometry import Grid
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.findings.change import find_changes
from heliotrope.findings.damage import GRADES, fat_findings, fat_grade, probability_of_other_grade
from heliotrope.findings.edema import classify, distal_finding, distribution_finding, edema_findings
from heliotrope.findings.scores import score_findings
from heliotrope.measure.distribution import describe_distribution
from heliotrope.measure.edema_load import EdemaImage
from heliotrope.measure.edema_mask import EdemaMask

VASTUS, SOLEUS = Region("vastus_lateralis", Side.LEFT), Region("soleus", Side.RIGHT)
PIXEL_MM = 1.0
"""Pixel of the drawn muscle. [mm]"""


def percent(region: Region, quantity: str, value: float, reach: float = 1.0, statistic: str = "mean") -> Measurement:
    return Measurement(
        region, quantity, statistic, value, Unit.PERCENT, "test/1", ci95=(value - reach, value + reach), n_voxels=500
    )


def test_every_variant_of_fat_grading_is_named_with_its_own_doubt() -> None:
    details = fat_findings((percent(VASTUS, "fat_fraction", 29.0, reach=4.0),))[0].details
    assert set(GRADES) == {"mercuri", "goutallier", "fischer", "lamminen"}
    for name in GRADES:
        assert isinstance(details[f"{name}_by_fat_fraction"], float)
        assert isinstance(details[f"{name}_may_change"], float)
    assert details["mercuri_by_fat_fraction"] == 1.0
    # the border at 30 % lies half a standard deviation above; those of Fischer at 10 and 50 % are far
    assert details["mercuri_may_change"] == pytest.approx(0.5 * math.erfc(0.49 / math.sqrt(2.0)), abs=0.01)
    assert details["fischer_may_change"] == 0.0


def test_a_grade_near_its_border_says_so_in_words() -> None:
    near, far = (fat_findings((percent(VASTUS, "fat_fraction", value),))[0] for value in (10.2, 20.0))
    assert any("Mercuri grade would differ" in line for line in near.limits)
    assert not any("would differ" in line for line in far.limits)


def test_a_grade_without_an_interval_has_no_probability() -> None:
    row = Measurement(VASTUS, "fat_fraction", "mean", 12.0, Unit.PERCENT, "test/1")
    assert probability_of_other_grade(fat_grade, row) is None


def test_the_doubt_of_an_intensity_grade_is_that_of_the_excess() -> None:
    """A ratio at the border of 1.6 changes its grade in half of the draws, whatever the extent."""
    anterior = Region("anterior_thigh", Side.LEFT)
    rows = (
        percent(anterior, "edema_fraction", 50.0, statistic="fraction"),
        Measurement(anterior, "edema_excess", "mean", 0.6, Unit.ONE, "test/1", ci95=(0.5, 0.7)),
    )
    scores = {f.details["instrument"]: f for f in score_findings(rows, (), generator=np.random.default_rng(1))}
    assert scores["nih-iim-34/intensity"].details["may change left anterior_thigh"] == pytest.approx(0.5, abs=0.12)
    assert scores["nih-iim-34/extent"].details["may change left anterior_thigh"] == 0.0


def test_muscles_positive_by_quantitative_stir_are_counted_with_their_population() -> None:
    rows = tuple(
        percent(Region("gracilis", side), "edema_fraction", value, 0.1, "fraction")
        for side, value in zip(Side, (2.4, 2.6), strict=True)
    )
    scores = {f.details["instrument"]: f for f in score_findings(rows, (), generator=np.random.default_rng(1))}
    assert scores["quantitative-stir"].details["sum_over_covered"] == 1.0
    assert scores["quantitative-stir"].evidence == ("score-quantitative-stir",)


@pytest.mark.parametrize(
    ("after", "verdict"), [(88.0, ChangeVerdict.DECREASE), (97.0, ChangeVerdict.WITHIN)], ids=["smaller", "alike"]
)
def test_contractile_volume_against_an_earlier_study_is_judged(after: float, verdict: ChangeVerdict) -> None:
    before, later = (
        Measurement(VASTUS, "contractile_volume", "total", value, Unit.MILLILITER, "test/1") for value in (100.0, after)
    )
    (change,) = find_changes([before], [later], obstacle=lambda _: "", same_scanner=True)
    assert change.verdict is verdict
    assert change.evidence == ("change-contractile-default",)


def drawn(
    discs: list[tuple[float, float, float]], *, pixel_mm: float = PIXEL_MM, slice_mm: float = 6.0, ratio: float = 2.0
) -> EdemaImage:
    """A muscle of 80 x 80 mm on three slices with bright discs: x, y, radius. [mm]"""
    n = round(80.0 / pixel_mm)
    grid = Grid.from_spacing((n, n, 3), (pixel_mm, pixel_mm, slice_mm))
    x, y = np.meshgrid(*[(np.arange(n) + 0.5) * pixel_mm] * 2, indexing="ij")
    plane = np.zeros((n, n), dtype=bool)
    for cx, cy, radius in discs:
        plane |= np.hypot(x - cx, y - cy) < radius
    edema: NDArray[np.bool_] = np.repeat(plane[..., None], 3, axis=2)
    assessed = np.ones(grid.shape, dtype=bool)
    mask = EdemaMask(edema, edema.astype(np.float64), assessed, 1.25, {}, grid)
    values = np.where(edema, ratio, 1.0) + 0.02 * np.random.default_rng(0).standard_normal(grid.shape)
    return EdemaImage(values, 1.0, 0.02, mask, "edema", Unit.RATIO_MILLILITER, "test/1", ())


def spread_of(image: EdemaImage) -> str:
    found = describe_distribution(image, np.ones(image.mask.grid.shape, dtype=bool))
    assert found is not None
    return classify(found).spread


def test_round_sets_are_nodular_ragged_ones_patchy_and_one_is_focal() -> None:
    nodules = [(20.0, 20.0, 7.0), (60.0, 22.0, 6.0), (40.0, 60.0, 8.0)]
    assert spread_of(drawn(nodules)) == "nodular"
    # each patch is a row of touching discs, long and lobed
    ragged = [(cx + 4.0 * k, cy + 1.5 * (k % 2), 3.0) for cx, cy in ((10, 15), (45, 40), (15, 65)) for k in range(7)]
    assert spread_of(drawn(ragged)) == "patchy"
    assert spread_of(drawn([(40.0, 40.0, 9.0)])) == "focal"
    assert spread_of(drawn([(40.0, 40.0, 80.0)])) == "diffuse"


@pytest.mark.parametrize(
    ("pixel_mm", "slice_mm", "assessable"), [(1.0, 5.0, True), (1.0, 6.0, False), (1.5, 5.0, False)]
)
def test_honeycomb_is_not_assessable_below_its_resolution(pixel_mm: float, slice_mm: float, assessable: bool) -> None:
    """Walls can be seen in pixels of at most 1 mm and slices of at most 5 mm."""
    image = drawn([(30.0, 30.0, 12.0), (55.0, 55.0, 9.0)], pixel_mm=pixel_mm, slice_mm=slice_mm)
    found = describe_distribution(image, np.ones(image.mask.grid.shape, dtype=bool))
    assert found is not None
    assert (found.honeycomb is not None) is assessable
    finding = distribution_finding(VASTUS, found, ())
    assert (finding.details["honeycomb"] == "unknown") is not assessable
    assert any("Honeycomb not assessable" in line for line in finding.limits) is not assessable


def test_strong_and_foggy_edema_are_told_apart_by_how_bright_it_is() -> None:
    broad = [(40.0, 40.0, 34.0)]
    strong = describe_distribution(drawn(broad, ratio=2.6), np.ones((80, 80, 3), dtype=bool))
    foggy = describe_distribution(drawn(broad, ratio=1.4), np.ones((80, 80, 3), dtype=bool))
    assert strong is not None
    assert foggy is not None
    assert (classify(strong).strong, classify(strong).foggy) == (Truth.TRUE, Truth.FALSE)
    assert (classify(foggy).strong, classify(foggy).foggy) == (Truth.FALSE, Truth.TRUE)


def test_an_edematous_rim_is_peripheral() -> None:
    image = drawn([])
    n = image.mask.grid.shape[0]
    depth = np.minimum.reduce(np.meshgrid(*[np.minimum(np.arange(n), n - 1 - np.arange(n))] * 2, indexing="ij"))
    edema = np.repeat((depth < 4)[..., None], 3, axis=2)
    mask = EdemaMask(edema, edema.astype(np.float64), image.mask.assessed, 1.25, {}, image.mask.grid)
    ringed = EdemaImage(np.where(edema, 2.0, image.values), 1.0, 0.02, mask, "edema", image.load_unit, "test/1", ())
    found = describe_distribution(ringed, np.ones((n, n, 3), dtype=bool))
    assert found is not None
    assert classify(found).peripheral is Truth.TRUE


def test_distal_muscles_are_named_whether_ill_spared_or_not_seen() -> None:
    def said(*rows: Measurement) -> tuple[Truth, str]:
        finding = distal_finding(rows, prefix="edema", noise_percent={}, reference="paired water T2 map")
        assert finding.kind is FindingKind.EDEMA
        return finding.present, finding.statement

    ill = percent(SOLEUS, "edema_fraction", 22.0, statistic="fraction")
    spared = percent(SOLEUS, "edema_fraction", 0.5, 0.4, "fraction")
    thigh = percent(VASTUS, "edema_fraction", 22.0, statistic="fraction")
    assert said(ill) == (
        Truth.TRUE,
        "Distal muscles (leg): edema-like signal, most in right soleus 22 % (reference: paired water T2 map).",
    )
    assert said(spared)[0] is Truth.FALSE
    present, text = said(thigh)
    assert present is Truth.UNKNOWN
    assert "not assessable" in text


def test_a_small_fraction_is_called_only_where_single_muscles_are_labeled() -> None:
    """Healthy calves reach 6 to 7 % above the limit through vessels and septa when muscle is labeled as one."""
    whole = Region("muscle", Side.LEFT)

    def said(*rows: Measurement) -> tuple[Truth, str]:
        findings = edema_findings(
            rows, prefix="edema", reference="water T2", noise_percent={}, excluded={}, limits=(), evidence=("e",)
        )
        finding = next(item for item in findings if item.regions[0] == whole)
        return finding.present, finding.statement

    def fraction(value: float) -> Measurement:
        return percent(whole, "edema_fraction", value, statistic="fraction")

    muscle = percent(VASTUS, "edema_fraction", 7.0, statistic="fraction")
    present, text = said(fraction(7.0))
    assert present is Truth.UNKNOWN
    assert "neither stated nor excluded" in text
    assert said(fraction(7.0), muscle)[0] is Truth.TRUE
    assert said(fraction(12.0))[0] is Truth.TRUE
    assert said(fraction(2.4))[0] is Truth.FALSE
