"""Cut-offs are met exactly; the counts are those the specification states for its own table."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

from heliotrope.criteria import eular_acr_2017, tis_2016
from heliotrope.criteria.exact import exact, plain, rounded, text
from heliotrope.criteria.instrument import evaluate
from heliotrope.criteria.registry import find


@pytest.mark.parametrize(("column", "lost"), [(0, 6), (1, 25)])
def test_item_sets_that_binary_floats_lose_are_as_many_as_published(column: int, lost: int) -> None:
    tables = [eular_acr_2017.ITEMS] if column == 0 else [eular_acr_2017.ITEMS, eular_acr_2017.BIOPSY_ITEMS]
    weights = [(name, values[column]) for table in tables for name, values in table.items()]
    found = 0
    for age, points in zip((17, 30, 50), eular_acr_2017.AGE_POINTS[column], strict=True):
        for present in product((False, True), repeat=len(weights)):
            tenths, binary = points, points / 10
            for (_, weight), is_present in zip(weights, present, strict=True):
                tenths += weight * is_present
                binary += weight / 10 if is_present else 0.0
            if tenths in eular_acr_2017.CUTOFFS[column] and binary < tenths / 10:
                found += 1
                record: dict[str, object] = {name: value for (name, _), value in zip(weights, present, strict=True)}
                record |= {"age_at_onset": age, "biopsy_performed": bool(column)}
                fields = evaluate(find("eular_acr_2017"), record, explain=False).fields
                cut = eular_acr_2017.CUTOFFS[column].index(tenths)
                assert fields["category"] == eular_acr_2017.CATEGORIES[cut + 1]
    assert found == lost


def test_visual_analog_pairs_that_binary_floats_misplace_are_scored_exactly() -> None:
    misplaced = 0
    for baseline, followup in product(range(101), repeat=2):
        binary = 100 * (baseline / 10 - followup / 10) / 10
        percent = baseline - followup
        cuts, points = tis_2016.BINS["physician_global"]
        right = points[sum(percent > cut for cut in cuts)]
        if points[sum(binary > cut for cut in cuts)] == right:
            continue
        misplaced += 1
        ends = {"baseline": baseline / 10, "followup": followup / 10}
        record = {"population": "adult", "core_set": "IMACS", "physician_global": ends}
        fields = evaluate(find("tis_2016"), record, explain=False).fields
        assert fields["points"]["physician_global"] == Fraction(right, 10)
    assert misplaced == 26


def test_tables_reach_their_published_totals() -> None:
    assert sum(points[-1] for _, points in tis_2016.BINS.values()) == 1000
    assert len(eular_acr_2017.ITEMS) + len(eular_acr_2017.BIOPSY_ITEMS) + 2 == 16  # two age rows


def test_rounded_cutoffs_do_not_reproduce_their_nominal_probability_without_biopsy() -> None:
    shown = [
        [round(eular_acr_2017.probability(cut, column), 4) for cut in eular_acr_2017.CUTOFFS[column]]
        for column in (0, 1)
    ]
    assert shown == [[0.4925, 0.5424, 0.8975], [0.5025, 0.5523, 0.9011]]


def test_a_float_stands_for_the_decimal_it_is_written_as() -> None:
    assert exact(0.1) == Fraction(1, 10)
    assert exact(float("nan")) is None
    assert exact("1") is None
    assert exact(Fraction(1, 3)) == Fraction(1, 3)
    with pytest.raises(OverflowError):
        exact(10**400)


def test_display_rounds_only_at_the_end() -> None:
    assert plain(rounded(Fraction(200, 3), 4)) == 66.6667
    assert plain(Fraction(4, 2)) == 2
    assert isinstance(plain(Fraction(4, 2)), int)
    assert text(Fraction(-40, 3)) == "-13.3333"
