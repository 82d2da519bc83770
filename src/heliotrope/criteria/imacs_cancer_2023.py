"""IMACS 2023 guideline for cancer screening in adult myositis: risk tier, and the screening to consider.

Which antibody or subtype sits in which list is largely unverified, and a published correction was not seen.
"""

from __future__ import annotations

from typing import Any, Final

from heliotrope.criteria.exact import text
from heliotrope.criteria.instrument import Instrument, Trace
from heliotrope.criteria.logic import all_of, any_of, count
from heliotrope.criteria.problems import Code
from heliotrope.criteria.record import Record
from heliotrope.domain.truth import Truth

SUBTYPES: Final = ("DM", "CADM", "PM", "IMNM", "ASyS", "overlap", "IBM")
MODERATE_SUBTYPES: Final = ("CADM", "PM", "IMNM")
SCORED_ANTIBODIES: Final = ("TIF1g", "NXP2", "SAE1", "HMGCR", "Mi2", "MDA5")
# Recorded; they never subtract.
STANDARD_ANTIBODIES: Final = (
    "SRP", "Jo1", "PL7", "PL12", "EJ", "OJ", "KS", "Zo", "Ha", "PMScl", "Ku", "RNP", "Ro", "La",
)  # fmt: skip
DYSPHAGIA: Final = ("none", "mild", "moderate", "severe")
ADULT_AGE: Final = 18
RISK_AGE: Final = 40
WINDOW_YEARS: Final = 3
TIERS: Final = ("standard", "moderate", "high")

_FACTS: Final = ("persistent_activity", "skin_necrosis", "npc_region", "initial_screen_negative")
_KNOWN: Final = (*_FACTS, "age_at_onset", "years_since_onset", "subtype", "antibodies", "dysphagia", "sex")
HIGH_EVIDENCE: Final = {
    "subtype_DM": "cancer-high-dm",
    "ab_TIF1g": "cancer-high-unverified",
    "ab_NXP2": "cancer-high-unverified",
    "age_over_40": "cancer-age-over-40",
    "persistent_activity": "cancer-high-unverified",
    "dysphagia_mod_severe": "cancer-high-dysphagia",
    "skin_necrosis": "cancer-high-unverified",
}
MODERATE_EVIDENCE: Final = {
    "subtype": "cancer-moderate-unverified",
    "ab_SAE1": "cancer-moderate-verified",
    "ab_HMGCR": "cancer-moderate-unverified",
    "ab_Mi2": "cancer-moderate-unverified",
    "ab_MDA5": "cancer-moderate-unverified",
    "male_sex": "cancer-moderate-verified",
}


def tier_rank(n_high: int, n_moderate: int) -> int:
    """Position in `TIERS`: two high factors; one high or two moderate; the rest."""
    return 2 if n_high >= 2 else 1 if n_high == 1 or n_moderate >= 2 else 0


def _is(value: str | None, *options: str) -> Truth:
    return Truth.UNKNOWN if value is None else Truth.of(value in options)


def _evaluate(record: Record, trace: Trace | None) -> dict[str, Any]:
    record.only(_KNOWN)
    if not record.given("age_at_onset"):
        record.problem(Code.MISSING, "age_at_onset", "not given", "give the age at onset; the scope depends on it")
    age = record.number("age_at_onset", 0, 120, "years")
    years = record.number("years_since_onset", 0, 120, "years")
    subtype = record.choice("subtype", SUBTYPES)
    sex = record.choice("sex", ("female", "male"))
    dysphagia = record.choice("dysphagia", DYSPHAGIA)
    facts = record.truths(_FACTS)
    antibodies = record.section("antibodies")
    antibodies.only((*SCORED_ANTIBODIES, *STANDARD_ANTIBODIES))
    positive = antibodies.truths((*SCORED_ANTIBODIES, *STANDARD_ANTIBODIES))
    record.settle()
    assert age is not None

    fields: dict[str, Any] = dict.fromkeys(OUTPUTS)
    reason = (
        "JUVENILE_ONSET" if age < ADULT_AGE
        else "MORE_THAN_3_YEARS" if years is not None and years > WINDOW_YEARS
        else "IBM" if subtype == "IBM"
        else None
    )  # fmt: skip
    if trace is not None:
        since = "unknown" if years is None else f"{text(years)} a"
        said = f"onset at {text(age)} a (18 or more), {since} ago (3 or less), subtype {subtype or 'unknown'}"
        trace.add("scope", f"{said}: {reason or 'within'}", "cancer-scope", "cancer-ibm")
    if reason is not None:
        return fields | {"applicable": False, "reason": reason}

    high = {
        "subtype_DM": _is(subtype, "DM"),
        "ab_TIF1g": positive["TIF1g"],
        "ab_NXP2": positive["NXP2"],
        "age_over_40": Truth.of(age > RISK_AGE),
        "persistent_activity": facts["persistent_activity"],
        "dysphagia_mod_severe": _is(dysphagia, "moderate", "severe"),
        "skin_necrosis": facts["skin_necrosis"],
    }
    moderate = {
        "subtype": _is(subtype, *MODERATE_SUBTYPES),
        **{f"ab_{name}": positive[name] for name in ("SAE1", "HMGCR", "Mi2", "MDA5")},
        "male_sex": _is(sex, "male"),
    }
    n_high, n_moderate = count(high.values()), count(moderate.values())
    ranks = [tier_rank(n_high[end], n_moderate[end]) for end in (0, 1)]
    tier = TIERS[ranks[0]] if ranks[0] == ranks[1] else None
    within = years is not None
    fields |= {
        "applicable": True if within else None,
        "reason": None if within else "YEARS_SINCE_ONSET_UNKNOWN",
        "tier": tier,
        "tier_min": TIERS[ranks[0]],
        "tier_max": TIERS[ranks[1]],
        "n_high": list(n_high),
        "n_moderate": list(n_moderate),
        "high_factors": {name: fact.value for name, fact in high.items()},
        "moderate_factors": {name: fact.value for name, fact in moderate.items()},
    }
    further = any_of(high["persistent_activity"], high["dysphagia_mod_severe"], high["skin_necrosis"])
    single = all_of(high["ab_TIF1g"], high["subtype_DM"], high["age_over_40"], further)
    if tier is not None and within:
        fields["actions"], fields["undecided_actions"] = _actions(tier, single, facts)
    if trace is not None:
        _trace(trace, high, moderate, fields)
    return fields


def _actions(tier: str, single: Truth, facts: dict[str, Truth]) -> tuple[list[str], list[str]]:
    """What to consider, and what an unknown item would add to it."""
    at_high = Truth.of(tier == "high")
    nothing_found = all_of(at_high, facts["initial_screen_negative"])
    wanted = {
        "basic_at_diagnosis": Truth.TRUE,
        "enhanced_at_diagnosis": Truth.of(tier != "standard"),
        "basic_annually_for_3_years": at_high,
        "consider_pet_ct": nothing_found,
        "consider_gi_endoscopy": nothing_found,
        "consider_pet_ct_as_single_test": single,
        "consider_nasoendoscopy": facts["npc_region"],
    }
    settled, undecided = (
        sorted(name for name, is_wanted in wanted.items() if is_wanted is fact) for fact in (Truth.TRUE, Truth.UNKNOWN)
    )
    return settled, undecided


def _trace(trace: Trace, high: dict[str, Truth], moderate: dict[str, Truth], fields: dict[str, Any]) -> None:
    for title, factors, evidence in (
        ("high-risk factor", high, HIGH_EVIDENCE),
        ("moderate-risk factor", moderate, MODERATE_EVIDENCE),
    ):
        for name, fact in factors.items():
            if fact is not Truth.FALSE:
                trace.add(title, f"{name}: {fact.name.lower()}", evidence[name])
    high_count = "{} to {}".format(*fields["n_high"])
    said = f"{high_count} high, {fields['n_moderate'][0]} to {fields['n_moderate'][1]} moderate factors"
    trace.add("tier", f"{said}: {fields['tier_min']} to {fields['tier_max']}", "cancer-tier-counts", "cancer-erratum")
    if fields["actions"] is not None:
        trace.add("to consider", ", ".join(fields["actions"]), *_ACTION_EVIDENCE)


_ACTION_EVIDENCE: Final = ("cancer-frequency", "cancer-basic-panel", "cancer-enhanced-panel", "cancer-additional-tests")
OUTPUTS: Final = (
    "applicable",
    "reason",
    "tier",
    "tier_min",
    "tier_max",
    "n_high",
    "n_moderate",
    "high_factors",
    "moderate_factors",
    "actions",
    "undecided_actions",
)
BASIC_PANEL: Final = (
    "history",
    "physical examination",
    "full blood count",
    "liver function tests",
    "ESR and CRP (or plasma viscosity)",
    "serum protein electrophoresis",
    "urinalysis",
    "chest radiograph",
)
ENHANCED_PANEL: Final = (
    "CT neck, thorax, abdomen and pelvis",
    "cervical screening (women)",
    "mammography (women)",
    "PSA (men)",
    "CA-125 (women)",
    "pelvic or transvaginal ultrasound (women)",
    "fecal occult blood",
)

INSTRUMENT: Final = Instrument(
    key="imacs_cancer_2023",
    title="IMACS 2023 guideline for myositis-associated cancer screening",
    version=1,
    purpose="Risk tier and the screening a clinician may consider; adults within three years of onset. Never an order.",
    evaluate=_evaluate,
    answer=("applicable", "tier", "actions"),
    completions={
        ("years_since_onset",): (0, 4),
        ("subtype",): ("DM", "CADM", "ASyS"),
        **{("antibodies", name): (True, False) for name in SCORED_ANTIBODIES},
        ("dysphagia",): ("none", "severe"),
        ("sex",): ("female", "male"),
        **{(name,): (True, False) for name in _FACTS},
    },
    evidence=("cancer-scope", "cancer-tier-counts", "cancer-erratum"),
    caveats=(
        "Membership of most risk lists is unverified and the correction of 2024 was not seen: read both papers first.",
        "moderate and standard are called intermediate and low elsewhere.",
    ),
)
