"""What the page on change says first where calcifications were followed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.change import Change, ChangeVerdict
from heliotrope.domain.comparison import Comparison
from heliotrope.domain.lesions import (
    Alignment,
    CalcinosisFollowUp,
    EdemaLink,
    Lesion,
    LesionChange,
    LesionCourse,
    LimbFollowUp,
)
from heliotrope.domain.units import Unit
from heliotrope.measure.calcium_summary import WITHIN_OUTLINE
from heliotrope.report import comparison_to_html
from tests.report.page import Page
from tests.report.test_comparison import comparison

IDENTITY = tuple(tuple(float(i == j) for j in range(4)) for i in range(4))


def followed(before_mg: float, after_mg: float, course: LesionCourse, verdict: ChangeVerdict) -> LesionChange:
    def lesion(mass: float) -> tuple[Lesion, ...]:
        return (Lesion(1, "fascial sheet", mass, None, mass),) if mass else ()

    at = (0.0, 0.0, 0.0)
    return LesionChange(lesion(before_mg), lesion(after_mg), course, verdict, after_mg - before_mg, None, 9.0, at)


def limb() -> LimbFollowUp:
    changes = (
        *(followed(50.0, 90.0, LesionCourse.GROWN, ChangeVerdict.INCREASE) for _ in range(8)),
        *(followed(0.0, 60.0, LesionCourse.NEW, ChangeVerdict.INCREASE) for _ in range(2)),
        followed(70.0, 0.0, LesionCourse.RESOLVED, ChangeVerdict.DECREASE),
    )
    total = followed(470.0, 840.0, LesionCourse.GROWN, ChangeVerdict.INCREASE)
    return LimbFollowUp(Side.RIGHT, Alignment(IDENTITY, 0.5, 0.7, 90.0, slide_from_bone=True), changes, total=total)


def first_section(found: CalcinosisFollowUp, changes: tuple[Change, ...] = ()) -> str:
    known = comparison()
    two = {"T2": (*known.changes["T2"], *changes)}
    page = comparison_to_html(Comparison(known.timepoints[:2], two, calcifications={"T2": found}))
    text = Page(page).visible_text
    return text[text.index("What changed") : text.rindex("Calcifications, T1 to T2")]


def test_calcium_leads_with_its_total_its_verdict_and_what_became_of_each() -> None:
    text = first_section(CalcinosisFollowUp((limb(),)))
    total = "within both scans 470 to 840 mg: increase larger than measurement error."
    assert "Right limb, calcium." in text
    assert f"Total mass of the calcifications {total} One by one: 2 new, 1 resolved, 8 grown." in text
    assert text.index("One by one") < text.index("1 change larger than measurement error")
    assert "T2, numbers of regions." in text


def test_a_limb_that_was_not_followed_says_why_below_the_total_of_the_scan() -> None:
    mass = Change(
        Region("all"),
        "calcinosis_mass",
        "total",
        Unit.MILLIGRAM,
        470.0,
        480.0,
        ChangeVerdict.WITHIN,
        10.0,
        error_limit=70.5,
    )
    text = first_section(CalcinosisFollowUp((LimbFollowUp(None, None, refusal="no bone lies in both scans"),)), (mass,))
    whole = text.index("Total mass of the whole scan 470 to 480 mg: within measurement error.")
    why = text.index("Single calcifications were not followed: no bone lies in both scans.")
    assert whole < why < text.index("1 change larger")


@pytest.mark.parametrize("linked", [True, False])
def test_whether_places_of_earlier_edema_calcified_stands_first(linked: bool) -> None:
    link = EdemaLink(linked, "2 of 3 places of edema lie in the CT.")
    text = first_section(CalcinosisFollowUp(edema=(link,)))
    assert text.index("Calcium where edema lay.") < text.index("2 of 3 places") < text.index("1 change larger")


def test_what_could_not_be_told_of_edema_does_not_lead() -> None:
    untold = EdemaLink(None, "It cannot be told.")
    assert "cannot be told" not in first_section(CalcinosisFollowUp((replace(limb(), side=None),), edema=(untold,)))


def test_calcium_in_the_outline_of_a_muscle_is_named_so() -> None:
    mass = Change(
        Region("muscle", Side.LEFT),
        "calcinosis_mass",
        "total",
        Unit.MILLIGRAM,
        900.0,
        600.0,
        ChangeVerdict.DECREASE,
        -300.0,
        error_limit=135.0,
    )
    known = comparison()
    page = comparison_to_html(Comparison(known.timepoints[:2], {"T2": (mass,)}))
    text = Page(page).visible_text
    assert "Within the outline of left muscle." in text
    assert WITHIN_OUTLINE in text
