"""What must hold for every record: bounds contain every completion, monotone items are monotone, order is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliotrope.criteria import cmas, eular_acr_2017, imacs_cancer_2023, tis_2016
from heliotrope.criteria.bohan_peter_1975 import WITH_RASH
from heliotrope.criteria.instrument import evaluate
from heliotrope.criteria.problems import RecordError
from heliotrope.criteria.registry import INSTRUMENTS, find
from tests.criteria.strategies import ALWAYS, COMPLETE, blanked, eular_acr, graded, paths, response

RANKS: dict[str, tuple[Any, ...]] = {
    "eular_acr_2017": eular_acr_2017.CATEGORIES,
    "tis_2016": tis_2016.CATEGORIES,
    "imacs_cancer_2023": imacs_cancer_2023.TIERS,
    "bohan_peter_1975": WITH_RASH,
}
# Said about the record at hand, not about the patient; an unknown may change them.
ABOUT_THE_RECORD = {
    "status", "flags", "n_missing", "n_unknown", "n_improved", "n_worse", "left_substituted", "reason", "imnm",
    "enzyme_used", "enzyme_range_multiplier", "undecided_actions", "probability_min", "probability_max", "n_categories",
}  # fmt: skip
COUNTS = {"count", "n_high", "n_moderate"}


def answer(key: str, record: Mapping[str, Any]) -> Mapping[str, Any]:
    return evaluate(find(key), record, explain=False, provisional=True).fields


def rank(key: str, value: object) -> Any:
    return value if isinstance(value, int | Fraction) else RANKS[key].index(value)


def contradictions(key: str, partial: Mapping[str, Any], full: Mapping[str, Any]) -> list[str]:
    """Fields in which a completion leaves the bounds, or a stated answer."""
    found = []
    for name, said in partial.items():
        then = full[name]
        if name in ABOUT_THE_RECORD or partial.get("status") == "not_assessable":
            continue
        if name.endswith("_min"):
            fine = rank(key, said) <= rank(key, then)
        elif name.endswith("_max"):
            fine = rank(key, said) >= rank(key, then)
        elif said is None or said == "indeterminate":
            continue
        elif name == "actions":
            fine = set(said) <= set(then) <= {*said, *partial["undecided_actions"]}
        elif name in COUNTS:
            fine = said[0] <= then[0] and then[1] <= said[1]
        elif isinstance(said, dict):
            fine = all(part is None or part == then[item] for item, part in said.items())
        else:
            fine = said == then
        if not fine:
            found.append(f"{name}: {said} but {then} when completed")
    return found


@pytest.mark.parametrize("key", sorted(COMPLETE))
@settings(max_examples=35, deadline=None)
@given(data=st.data())
def test_bounds_contain_every_completion(key: str, data: st.DataObject) -> None:
    complete = data.draw(COMPLETE[key])
    places = paths(complete, ALWAYS.get(key, set()))
    unknown = data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=8)) if places else []
    partial = blanked(complete, unknown, absent=data.draw(st.booleans()) and key != "haq_chaq")
    assert contradictions(key, answer(key, partial), answer(key, complete)) == []


@pytest.mark.parametrize("key", sorted(COMPLETE))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_order_of_items_never_matters(key: str, data: st.DataObject) -> None:
    record = data.draw(COMPLETE[key])

    def shuffled(part: dict[str, Any]) -> dict[str, Any]:
        names = data.draw(st.permutations(list(part)))
        return {name: shuffled(part[name]) if isinstance(part[name], dict) else part[name] for name in names}

    assert answer(key, shuffled(record)) == answer(key, record)


@settings(max_examples=80, deadline=None)
@given(record=eular_acr(), data=st.data())
def test_one_more_eular_acr_item_never_lowers_the_score(record: dict[str, Any], data: st.DataObject) -> None:
    absent = [name for name in (*eular_acr_2017.ITEMS, *eular_acr_2017.BIOPSY_ITEMS) if record.get(name) is False]
    if not absent:
        return
    before = answer("eular_acr_2017", record)
    after = answer("eular_acr_2017", {**record, data.draw(st.sampled_from(absent)): True})
    assert after["score_min"] > before["score_min"]
    assert rank("eular_acr_2017", after["category_min"]) >= rank("eular_acr_2017", before["category_min"])


@settings(max_examples=80, deadline=None)
@given(record=response(), data=st.data())
def test_a_better_followup_never_lowers_the_improvement_score(record: dict[str, Any], data: st.DataObject) -> None:
    measures = [
        name for name in ("physician_global", "patient_global", "function", "extramuscular", "das") if name in record
    ]
    name = data.draw(st.sampled_from(measures))
    followup = record[name]["followup"]
    better = {**record, name: {**record[name], "followup": data.draw(st.integers(0, int(10 * followup))) / Decimal(10)}}
    assert answer("tis_2016", better)["tis"] >= answer("tis_2016", record)["tis"]


@settings(max_examples=100, deadline=None)
@given(record=COMPLETE["imacs_cancer_2023"], data=st.data())
def test_one_more_risk_factor_never_lowers_the_tier(record: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(imacs_cancer_2023.SCORED_ANTIBODIES))
    more = {**record, "antibodies": {**record["antibodies"], name: True}, "skin_necrosis": True}
    tiers = imacs_cancer_2023.TIERS
    before, after = (answer("imacs_cancer_2023", case)["tier"] for case in (record, more))
    assert tiers.index(after) >= tiers.index(before)


@settings(max_examples=35, deadline=None)
@given(record=graded(cmas.MAXIMA), name=st.sampled_from(list(cmas.MAXIMA)))
def test_a_better_maneuver_raises_cmas_by_its_points(record: dict[str, int], name: str) -> None:
    best = {**record, name: cmas.MAXIMA[name]}
    gain = cmas.MAXIMA[name] - record[name]
    assert answer("cmas", best)["score"] - answer("cmas", record)["score"] == gain


NAMES = sorted(
    {path for instrument in INSTRUMENTS.values() for places in instrument.completions for path in places}
    | {"mode", "right", "left", "items", "aid_or_help", "baseline", "followup", "uln", "unit", "value", "core_set",
       "population", "instrument", "grade", "item", "seconds", "sites", "categories", "biopsy_performed", "chq_phs",
       "range_min", "range_max", "muscle", "inputs", "age_years"}
)  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.decimals(),
    st.sampled_from(
        ["DM", "no", "on", "y", "HAQ", "IMACS", "CMAS", "adult", "unilateral", "U/L", "4-", "10", "", "2024-13-40"]
    ),
    st.text(max_size=5),
    st.just(Decimal("1e999999")),
    st.just(Decimal("-1e-999999")),
    st.binary(max_size=3),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.booleans(), st.none(), st.integers()), inner, max_size=5),
    ),
    max_leaves=25,
)


@pytest.mark.parametrize("key", sorted(INSTRUMENTS))
@settings(max_examples=35, deadline=None)
@given(data=st.data())
def test_any_record_is_answered_or_refused_with_every_problem_named(key: str, data: st.DataObject) -> None:
    own = sorted({path[0] for path in find(key).completions} | {"instrument", "mode", "right", "sites", "categories"})
    record = data.draw(st.dictionaries(st.one_of(st.sampled_from(own), st.sampled_from(NAMES)), ANYTHING, max_size=6))
    try:
        fields = evaluate(find(key), record, provisional=True).fields
    except RecordError as error:
        problems = error.problems
    else:
        assert fields
        problems = ()
    named = [problem.field and problem.hint and len(problem.message) < 300 for problem in problems]
    assert all(named)
    assert problems or set(record) <= set(NAMES)
