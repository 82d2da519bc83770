"""The page on change."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.change import Change, ChangeVerdict
from heliotrope.domain.comparison import ComparedTimepoint, Comparison
from heliotrope.domain.units import Unit
from heliotrope.report import comparison_to_html
from heliotrope.report.charts import ChartPoint, places_in_time
from tests.report.page import Page
from tests.report.sample import number

LEFT, RIGHT = Region("muscle", Side.LEFT), Region("muscle", Side.RIGHT)


def comparison(*, blinded: bool = False) -> Comparison:
    names = ("A", "B", "C") if blinded else ("T1", "T2", "T3")
    values = ((44.0, 36.0), (39.0, 36.4), (38.0, None))
    timepoints = tuple(
        ComparedTimepoint(
            name,
            (
                number(LEFT, "water_t2", left, Unit.MILLISECOND, ci95=(left - 0.5, left + 0.5)),
                number(RIGHT, "water_t2", right, Unit.MILLISECOND),
            ),
        )
        for name, (left, right) in zip(names, values, strict=True)
    )

    def change(region: Region, before: float, after: float | None, verdict: ChangeVerdict, reason: str = "") -> Change:
        difference = None if after is None else after - before
        return Change(
            region,
            "water_t2",
            "median",
            Unit.MILLISECOND,
            before,
            after,
            verdict,
            difference,
            error_limit=3.0,
            origin="system default, not published",
            reason=reason,
        )

    cut = "The field of view cuts this region."
    changes = {
        names[1]: (
            change(LEFT, 44.0, 39.0, ChangeVerdict.DECREASE),
            change(RIGHT, 36.0, 36.4, ChangeVerdict.WITHIN),
        ),
        names[2]: (
            change(LEFT, 44.0, 38.0, ChangeVerdict.DECREASE),
            change(RIGHT, 36.0, None, ChangeVerdict.NOT_ASSESSABLE, cut),
        ),
    }
    return Comparison(timepoints, changes, ("Not all images name a subject.",), blinded)


def test_a_change_is_said_with_both_values_unit_and_verdict() -> None:
    text = Page(comparison_to_html(comparison())).visible_text
    assert "T2, left muscle." in text
    assert "Water T2 (median): 44.0 to 39.0 ms; decrease larger than measurement error." in text
    assert "1 change larger than measurement error; 1 within measurement error" in text


def test_what_could_not_be_compared_is_listed_with_its_reason() -> None:
    text = Page(comparison_to_html(comparison())).visible_text
    assert "Not assessable: The field of view cuts this region." in text


def test_no_page_on_change_speaks_of_its_meaning_for_the_patient() -> None:
    text = Page(comparison_to_html(comparison())).visible_text.lower()
    spoken = text.replace("images alone say nothing of progression or response to treatment", "")
    assert not re.search(r"progress|respon|improv|worsen|deteriorat", spoken)


def test_charts_name_each_value_and_a_gap_in_words() -> None:
    pictures = [e.attributes["alt"] for e in Page(comparison_to_html(comparison())).all("img")]
    assert "Water T2, left muscle: T1 44.0, T2 39.0, T3 38.0 ms." in pictures
    assert "Water T2, right muscle: T1 36.0, T2 36.4, T3 not assessable ms." in pictures


def test_a_blinded_page_does_not_say_which_timepoint_came_first() -> None:
    text = Page(comparison_to_html(comparison(blinded=True))).visible_text
    assert "order in time is hidden" in text
    assert "Baseline" + "hidden" in text.replace("\n", "")


def _points(*days: int | None) -> list[ChartPoint]:
    return [ChartPoint(f"visit {n}", 40.0, day=day) for n, day in enumerate(days, start=1)]


def test_visits_stand_at_their_true_distance_in_time() -> None:
    assert places_in_time(_points(0, 30, 120)) == [0.0, 0.5, 2.0]


@pytest.mark.parametrize("days", [(None, None, None), (0, None, 90), (0, 0, 90)])
def test_visits_of_unknown_or_equal_days_stand_evenly(days: tuple[int | None, ...]) -> None:
    assert places_in_time(_points(*days)) == [0.0, 1.0, 2.0]


def test_the_page_says_how_visits_are_spaced() -> None:
    known = comparison()
    dated = replace(
        known, timepoints=tuple(replace(t, day=day) for t, day in zip(known.timepoints, (0, 30, 365), strict=True))
    )
    assert "true distance in time" in Page(comparison_to_html(dated)).visible_text
    assert "their distance says nothing about time" in Page(comparison_to_html(known)).visible_text
    assert "says nothing about time" in Page(comparison_to_html(comparison(blinded=True))).visible_text


def test_changes_are_listed_by_muscle_group_and_side() -> None:
    regions = [
        Region(name, side)
        for name in ("gracilis", "vastus_lateralis", "anterior_thigh")
        for side in (Side.LEFT, Side.RIGHT)
    ]
    changes = tuple(
        Change(
            region,
            "water_t2",
            "mean",
            Unit.MILLISECOND,
            40.0,
            50.0 + n,
            ChangeVerdict.INCREASE,
            10.0 + n,
            error_limit=3.0,
        )
        for n, region in enumerate(regions)
    )
    points = tuple(ComparedTimepoint(name, ()) for name in ("visit 1", "visit 2"))
    text = Page(comparison_to_html(Comparison(points, {"visit 2": changes}))).visible_text
    wanted = [
        "Right anterior compartment of thigh.",
        "Right vastus lateralis.",
        "Left anterior compartment of thigh.",
        "Left vastus lateralis.",
        "Right gracilis.",
        "Left gracilis.",
    ]
    places = [text.index(words) for words in wanted]
    assert places == sorted(places)


def test_the_coefficient_a_change_was_held_against_is_stated() -> None:
    assert "3.0 ms, system default, not published" in Page(comparison_to_html(comparison())).visible_text


def test_the_page_and_the_guide_ask_for_the_coefficient_and_for_the_interval() -> None:
    """As the program judges: see `test_a_difference_whose_interval_includes_zero_is_not_called`."""
    text = Page(comparison_to_html(comparison())).visible_text
    assert "its 95 % interval, where there is one, excludes zero, and method" in text
    guide = (Path(__file__).parents[2] / "docs/concepts/uncertainty.md").read_text(encoding="utf-8")
    assert "*and* its 95 % interval, where there is one, excludes zero" in " ".join(guide.split())
