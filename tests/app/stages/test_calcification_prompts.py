"""The stage that lists what else a calcification could be."""

from __future__ import annotations

import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput
from heliotrope.app.stages.calcification_prompts import STAGES, facts_of
from heliotrope.criteria.calcification_prompts import Fact
from heliotrope.domain.errors import OptionError
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Series, Study
from heliotrope.domain.truth import Truth

STUDY = Study("k", None, None, (), ())


def finding(present: Truth = Truth.TRUE, **details: str | float | None) -> Finding:
    return Finding(FindingKind.CALCINOSIS, present, "Calcifications.", details=details)


def no_pixels(series: Series) -> Volume:
    raise AssertionError("this stage reads no pixels")


def run(*findings: Finding, facts: dict[str, bool] | None = None) -> tuple[Finding, ...]:
    options = AnalyzeOptions(facts=facts or {})
    return STAGES[0].run(StageInput(STUDY, (), options, no_pixels, findings=findings)).findings


def test_no_calcification_no_list() -> None:
    assert run(finding(Truth.FALSE, components=0.0)) == ()


def test_a_fascial_sheet_is_listed_with_sources_and_without_a_verdict() -> None:
    out = run(finding(components=1.0, mass_mg_plane_fascial=90.0, mass_mg_shape_sheet=90.0))
    assert len(out) == 1
    assert out[0].kind is FindingKind.DIFFERENTIAL
    assert out[0].present is Truth.UNKNOWN
    details = out[0].details
    names = {str(v): k.rsplit("_", 1)[0] for k, v in details.items() if k.endswith("_name")}
    dystrophic = names["dystrophic"]
    assert Fact.SHEETS.value in str(details[f"{dystrophic}_supporting"])
    assert Fact.CALCIUM_RAISED.value in str(details[f"{dystrophic}_not_known"])
    assert "Hoeltzel" in str(details[f"{dystrophic}_sources"])
    unread = names["calciphylaxis"]
    assert details[f"{unread}_sources"] == "none read"
    assert details[f"{unread}_source_status"] == "unverified"
    assert Fact.SHEETS.value in str(details[f"{names['arterial, venous, phlebolith']}_contradicting"])


def test_withheld_planes_tell_nothing_about_muscle() -> None:
    facts = facts_of((finding(components=2.0, mass_mg_plane_deep=5.0, mass_mg_shape_clump=5.0),), {})
    assert Fact.BETWEEN_MUSCLES not in facts
    assert Fact.WITHIN_MUSCLE not in facts
    assert facts[Fact.DEEP] is Truth.TRUE
    assert facts[Fact.ROUND] is Truth.TRUE
    assert facts[Fact.SINGLE] is Truth.FALSE


def test_a_radiograph_tells_no_plane() -> None:
    assert facts_of((finding(patterns="plate", zone_1_cm2=3.0),), {}) == {}


def test_given_facts_are_used_and_misspelled_ones_refused() -> None:
    assert facts_of((), {"skin_necrosis": True})[Fact.SKIN_NECROSIS] is Truth.TRUE
    with pytest.raises(OptionError, match="skin_necrose"):
        AnalyzeOptions(facts={"skin_necrose": True})
    with pytest.raises(OptionError, match="true or false"):
        AnalyzeOptions.from_plan({"facts": {"skin_necrosis": "yes"}})
    with pytest.raises(OptionError, match="sheets"):
        AnalyzeOptions(facts={"sheets": True})
