"""What else a calcification could be: nothing is chosen, nothing unknown counts."""

from __future__ import annotations

import pytest

from heliotrope.criteria.calcification_prompts import _REQUIRED, _RULES, Fact, Prompt, calcification_prompts
from heliotrope.criteria.differential import CALCIFICATION
from heliotrope.domain.truth import Truth


def by_key(facts: dict[Fact, Truth]) -> dict[str, Prompt]:
    return {prompt.row.key: prompt for prompt in calcification_prompts(facts)}


def test_every_condition_of_the_table_is_listed_in_its_order_with_its_sources() -> None:
    prompts = calcification_prompts({Fact.SHEETS: Truth.TRUE})
    assert [prompt.row for prompt in prompts] == list(CALCIFICATION)


def test_every_condition_has_rules_and_what_is_required_is_a_fitting_fact() -> None:
    assert set(_RULES) == {row.key for row in CALCIFICATION}
    for key, required in _REQUIRED.items():
        assert required <= set(_RULES[key][0])


def test_without_facts_everything_is_unknown() -> None:
    for prompt in calcification_prompts({}):
        assert prompt.supporting == ()
        assert prompt.contradicting == ()
        assert prompt.unknown


@pytest.mark.parametrize("fact", list(Fact))
def test_a_fact_stands_on_one_side_only(fact: Fact) -> None:
    for truth in Truth:
        for prompt in calcification_prompts({fact: truth}):
            sides = [set(prompt.supporting), set(prompt.contradicting), set(prompt.unknown)]
            assert sum(fact.value in side for side in sides) <= 1
            if truth is not Truth.UNKNOWN:
                assert fact.value not in prompt.unknown


def test_missing_bone_structure_speaks_against_ossification_only_when_it_was_examined() -> None:
    unexamined = by_key({})["ossification_fop"]
    examined = by_key({Fact.BONE_STRUCTURE: Truth.FALSE})["ossification_fop"]
    assert Fact.BONE_STRUCTURE.value in unexamined.unknown
    assert examined.contradicting == (f"absent: {Fact.BONE_STRUCTURE.value}",)


def test_normal_serum_supports_dystrophic_and_contradicts_metastatic() -> None:
    prompts = by_key({Fact.CALCIUM_RAISED: Truth.FALSE, Fact.PHOSPHATE_RAISED: Truth.FALSE})
    assert "serum calcium and phosphate not raised" in prompts["dystrophic"].supporting
    assert "serum calcium and phosphate not raised" in prompts["metastatic"].contradicting


def test_half_a_serum_result_supports_neither() -> None:
    prompts = by_key({Fact.CALCIUM_RAISED: Truth.FALSE})
    assert prompts["dystrophic"].supporting == ()
    assert prompts["metastatic"].contradicting == ()
