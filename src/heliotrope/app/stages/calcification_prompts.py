"""The stage that sets calcification beside the table of what else it could be; prompts for a reader, no diagnosis."""

from __future__ import annotations

from collections.abc import Mapping

from heliotrope.app.stage import Stage, StageInput, StageOutput
from heliotrope.criteria.calcification_prompts import MANY_FROM, Fact, Prompt, calcification_prompts
from heliotrope.criteria.differential import EVIDENCE, RULES
from heliotrope.domain.anatomy import TissuePlane
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.evidence.ledger import ledger
from heliotrope.findings.calcinosis import SUPERFICIAL_PLANES

_PLANE, _SHAPE = "mass_mg_plane_", "mass_mg_shape_"
_VESSEL_REASONS = ("artery_wall_ml", "phlebolith_ml")
_UNDETERMINED = frozenset({TissuePlane.MIXED, TissuePlane.DEEP, TissuePlane.SUPERFICIAL})
"""Planes in which between, within, subcutaneous or fascial were not told apart."""


def _select(study: Study) -> tuple[Series, ...] | Missing:
    found = study.with_role(Role.CT, Role.RADIOGRAPH)
    return () if found else Missing("M_NO_SERIES", "no CT series and no radiograph")


def facts_of(findings: tuple[Finding, ...], given: Mapping[str, bool]) -> dict[Fact, Truth]:
    """Facts read off the findings on calcification, and those a person gave.

    Parameters
    ----------
    findings : tuple of Finding
        Of the stages on CT and radiographs.
    given : mapping of str to bool
        `AnalyzeOptions.facts`.

    Returns
    -------
    dict of Fact to Truth
        Without what is unknown: a radiograph tells no plane, withheld planes tell no muscle.
    """
    details: dict[str, str | float | None] = {}
    for finding in findings:
        if finding.kind in (FindingKind.CALCINOSIS, FindingKind.QUALITY):
            details.update(finding.details)
    planes = {TissuePlane(key.removeprefix(_PLANE)) for key in details if key.startswith(_PLANE)}
    shapes = {key.removeprefix(_SHAPE) for key in details if key.startswith(_SHAPE)}
    facts: dict[Fact, Truth] = {}
    if planes:
        facts |= _plane_facts(planes, details)
    if shapes:
        facts |= {
            Fact.SHEETS: Truth.of(bool(shapes & {"sheet", "reticular", "linear"})),
            Fact.ROUND: Truth.of(bool(shapes & {"nodular", "clump"})),
            Fact.LINES: Truth.of("linear" in shapes),
            Fact.NET: Truth.of("reticular" in shapes),
            Fact.TUMORAL: Truth.of("tumoral" in shapes),
        }
    count = details.get("components")
    if isinstance(count, float):
        facts |= {Fact.SINGLE: Truth.of(count == 1), Fact.MANY: Truth.of(count >= MANY_FROM)}
    facts |= {Fact[name.upper()]: Truth.of(value) for name, value in given.items()}
    return {fact: truth for fact, truth in facts.items() if truth is not Truth.UNKNOWN}


def _plane_facts(planes: set[TissuePlane], details: Mapping[str, str | float | None]) -> dict[Fact, Truth]:
    whole = not planes & _UNDETERMINED

    def seen(plane: TissuePlane) -> Truth:
        return Truth.TRUE if plane in planes else Truth.FALSE if whole else Truth.UNKNOWN

    levels = [value for key, value in details.items() if key.endswith("_fluid_level")]
    return {
        Fact.SUPERFICIAL: Truth.of(
            True if planes & SUPERFICIAL_PLANES else None if TissuePlane.MIXED in planes else False
        ),
        Fact.DEEP: Truth.of(True if planes - SUPERFICIAL_PLANES - {TissuePlane.MIXED} else None),
        Fact.BETWEEN_MUSCLES: seen(TissuePlane.INTERMUSCULAR),
        Fact.WITHIN_MUSCLE: seen(TissuePlane.INTRAMUSCULAR),
        Fact.FLUID_LEVEL: Truth.of("yes" in levels) if levels else Truth.UNKNOWN,
        Fact.VESSEL_WALLS: Truth.of(any(name in details for name in _VESSEL_REASONS)),
    }


def _run(given: StageInput) -> StageOutput:
    present = [f for f in given.findings if f.kind is FindingKind.CALCINOSIS and f.present is Truth.TRUE]
    if not present:
        return StageOutput(sentence="")
    prompts = calcification_prompts(facts_of(given.findings, given.options.facts))
    details: dict[str, str | float | None] = {"rows": float(len(prompts))}
    for number, prompt in enumerate(prompts, start=1):
        details |= {f"condition_{number}_{name}": text for name, text in _row(prompt).items()}
    finding = Finding(
        FindingKind.DIFFERENTIAL,
        Truth.UNKNOWN,
        f"{len(prompts)} conditions that calcify soft tissue are listed with what was seen for and against each; "
        "none is chosen.",
        limits=(
            *RULES,
            "The order is that of the table and no ranking; what was not examined is listed as not known.",
        ),
        evidence=EVIDENCE[1:],
        details=details,
    )
    return StageOutput(
        sentence=(
            "Plane, shape and number of calcifications, and facts a person gave, were set beside a table of conditions."
        ),
        evidence=EVIDENCE[1:],
        findings=(finding,),
    )


def _row(prompt: Prompt) -> dict[str, str]:
    sources = ledger().sources
    cited = [sources[key].citation for key in prompt.row.sources if key in sources]
    return {
        "name": prompt.row.label,
        "supporting": "; ".join(prompt.supporting) or "nothing seen or given",
        "contradicting": "; ".join(prompt.contradicting) or "nothing seen or given",
        "not_known": "; ".join(prompt.unknown) or "nothing",
        "expected": f"{prompt.row.pattern}; serum: {prompt.row.serum}; context: {prompt.row.context}",
        "sources": "; ".join(cited) or "none read",
        "source_status": prompt.row.status.replace(" U", " unverified") if prompt.row.status != "U" else "unverified",
    }


STAGES = (
    Stage(
        "calcification-prompts",
        1,
        (),
        _select,
        _run,
        uses=("calcinosis", "radiograph-calcinosis"),
        reads=("facts",),
    ),
)
"""Stages of this topic."""
