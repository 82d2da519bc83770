"""Findings, checks and verdicts as blocks of text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from heliotrope.domain.anatomy import STRUCTURES, Side, StructureKind
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.result import AnalysisResult, QualityCheck
from heliotrope.domain.truth import Truth
from heliotrope.domain.verdict import Verdict
from heliotrope.report.citations import Citations
from heliotrope.report.document import (
    Block,
    BulletItem,
    BulletList,
    Column,
    Facts,
    Foldable,
    Paragraph,
    Row,
    Subheading,
    Table,
    Text,
    Tone,
)
from heliotrope.report.tables import structure_title
from heliotrope.report.vocabulary import capitalized, joined, plural, sentence, words_of

KIND_TITLES: Mapping[FindingKind, str] = {
    FindingKind.QUALITY: "Image quality",
    FindingKind.EDEMA: "Edema",
    FindingKind.FAT: "Fat replacement",
    FindingKind.ATROPHY: "Atrophy",
    FindingKind.SYMMETRY: "Symmetry",
    FindingKind.DISTRIBUTION: "Distribution",
    FindingKind.WHOLE_BODY: "Whole body",
    FindingKind.FASCIA: "Fascia",
    FindingKind.SUBCUTIS: "Subcutaneous tissue",
    FindingKind.SKIN: "Skin",
    FindingKind.CALCINOSIS: "Calcinosis",
    FindingKind.BIOPSY_SITE: "Biopsy site",
    FindingKind.SCORE: "Scores",
    FindingKind.CHANGE: "Change",
    FindingKind.DIFFERENTIAL: "What else it could be",
}

_MARKS = {
    Truth.TRUE: ("present", Tone.ATTENTION),
    Truth.FALSE: ("not present", Tone.GOOD),
    Truth.UNKNOWN: ("not assessable", Tone.UNKNOWN),
}
_PRESENCE_KINDS = {
    FindingKind.EDEMA,
    FindingKind.FAT,
    FindingKind.ATROPHY,
    FindingKind.FASCIA,
    FindingKind.SUBCUTIS,
    FindingKind.SKIN,
    FindingKind.CALCINOSIS,
}
OWN_SECTION = (FindingKind.BIOPSY_SITE, FindingKind.SCORE, FindingKind.DIFFERENTIAL, FindingKind.CHANGE)
ITEM_KEY = "lesion"
"""Detail that numbers one of many lesions."""

UPRIGHT_MEMBERS, UPRIGHT_KEYS = 4, 6
"""At most so many findings, of more details than this, stand in columns beside each other."""

FEW_GROUPS = 8
"""Up to so many muscle groups and sides without any present finding are shown; more are folded away."""

_SMALL = {StructureKind.MUSCLE, StructureKind.COMPARTMENT}
_GROUP_SIDES: tuple[Side | None, ...] = (Side.RIGHT, Side.LEFT, None)


def mark_of(finding: Finding) -> tuple[str, Tone]:
    """Word in front of a finding, and its tone."""
    measured_only = finding.kind is FindingKind.SKIN and bool(finding.measurements)
    if finding.kind is FindingKind.DIFFERENTIAL or measured_only:
        return ("", Tone.PLAIN)
    if finding.kind in _PRESENCE_KINDS or finding.present is Truth.UNKNOWN:
        return _MARKS[finding.present]
    return ("", Tone.PLAIN)


def finding_item(finding: Finding, citations: Citations, *, lead: str = "") -> BulletItem:
    """One finding with its limits as smaller lines."""
    mark, tone = mark_of(finding)
    return BulletItem(Text(finding.statement, citations.cite(finding.evidence)), mark, tone, finding.limits, lead)


def is_itemized(finding: Finding) -> bool:
    """True for one of many calcifications, which stands in the table of all and not among the key findings."""
    return finding.kind is FindingKind.CALCINOSIS and ITEM_KEY in finding.details


def is_regional(finding: Finding) -> bool:
    """True when a finding speaks of one muscle or compartment only, unless it is a compartment in which edema is."""
    if finding.kind in (*OWN_SECTION, FindingKind.QUALITY) or is_itemized(finding):
        return False
    if finding.kind is FindingKind.EDEMA and finding.present is Truth.TRUE and finding.regions:
        return STRUCTURES[finding.regions[0].structure].kind is StructureKind.MUSCLE
    structures = {region.structure for region in finding.regions}
    return len(structures) == 1 and all(STRUCTURES[name].kind in _SMALL for name in structures)


def key_findings(findings: Sequence[Finding], citations: Citations) -> tuple[Block, ...]:
    """Findings on the whole study, a limb or a tissue, and edema that is present in a compartment, by kind."""
    items: list[BulletItem] = []
    # what holds for the whole body comes before its parts
    for kind in sorted(FindingKind, key=lambda kind: kind is not FindingKind.WHOLE_BODY):
        if kind is FindingKind.QUALITY:
            continue
        mine = [f for f in findings if f.kind is kind and not is_regional(f) and not is_itemized(f)]
        # muscle as a whole before its compartments
        mine.sort(key=lambda f: bool(f.regions) and f.regions[0].structure != "muscle" and kind is FindingKind.EDEMA)
        # a limit that several findings of a kind share stands once, below the last of them
        last = {limit: number for number, finding in enumerate(mine) for limit in finding.limits}
        for number, finding in enumerate(mine):
            item = finding_item(finding, citations, lead=KIND_TITLES[kind])
            notes = tuple(limit for limit in finding.limits if last[limit] == number)
            items.append(replace(item, notes=notes))
    return (BulletList(tuple(items)),) if items else ()


def group_of(finding: Finding) -> str:
    """Compartment of a regional finding, or the structure itself."""
    name = finding.regions[0].structure
    return STRUCTURES[name].compartment or name


def regional_findings(findings: Sequence[Finding], citations: Citations) -> tuple[Block, ...]:
    """Findings on single muscles and compartments, by group and side."""
    regional = [f for f in findings if is_regional(f)]
    order = list(STRUCTURES)
    blocks: list[Block] = []
    counts = Counter(limit for finding in regional for limit in finding.limits)
    shared = tuple(limit for limit, count in counts.items() if count > 1)
    without: list[Block] = []
    for group in sorted({group_of(f) for f in regional}, key=order.index):
        for side in _GROUP_SIDES:
            mine = [f for f in regional if group_of(f) == group and f.regions[0].side == side]
            if mine:
                mine.sort(key=lambda f: order.index(f.regions[0].structure))
                name = structure_title(group)
                items = (replace(finding_item(f, citations), notes=_own_limits(f, shared)) for f in mine)
                shown = blocks if any(_catches_the_eye(f) for f in mine) else without
                shown.append(Subheading(f"{name}, {side}" if side else name))
                shown.append(BulletList(tuple(items)))
    if len(without) > 2 * FEW_GROUPS:
        count = len(without) // 2
        without = [Foldable(f"{count} muscle groups and sides in which nothing is present", tuple(without))]
    blocks += without
    if shared:
        blocks += [Subheading("What holds for these findings"), BulletList(tuple(BulletItem(Text(s)) for s in shared))]
    return tuple(blocks)


def _catches_the_eye(finding: Finding) -> bool:
    """Whether something is there: present, or a difference of sides or a pattern of it."""
    if finding.kind is FindingKind.SYMMETRY:
        return finding.present is not Truth.UNKNOWN
    return finding.present is Truth.TRUE


def _own_limits(finding: Finding, shared: Sequence[str]) -> tuple[str, ...]:
    return tuple(limit for limit in finding.limits if limit not in shared)


def detail_text(value: object) -> str:
    """One machine-readable detail as words; None is said, not left blank."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Truth):
        return {Truth.TRUE: "yes", Truth.FALSE: "no", Truth.UNKNOWN: "unknown"}[value]
    if isinstance(value, float):
        return (f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}").replace("-", "−")
    if isinstance(value, Mapping):
        return "; ".join(f"{words_of(str(k))} {detail_text(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(detail_text(v) for v in value)
    return str(value)


_DETAIL_UNITS = {
    "mm": "mm",
    "mm2": "mm²",
    "mm3": "mm³",
    "cm2": "cm²",
    "ml": "mL",
    "mg": "mg",
    "ms": "ms",
    "hu": "HU",
    "deg": "°",
    "percent": "%",
}


def detail_title(key: str) -> str:
    """Name of a detail, with its unit in brackets where the key carries one.

    Examples
    --------
    >>> detail_title("depth_mm")
    'Depth [mm]'
    """
    stem, _, last = key.rpartition("_")
    if stem and last in _DETAIL_UNITS:
        return f"{capitalized(words_of(stem))} [{_DETAIL_UNITS[last]}]"
    return capitalized(words_of(key))


_NUMBERED = re.compile(r"^([a-z]+)_(\d+)_(.+)$")
_PER_ITEM = re.compile(r"^(item|measured|may change) (.+)$")
_PER_ITEM_TITLES = {
    "item": "Grade",
    "measured": "Measured (95 % interval)",
    "may change": "Probability of another grade",
}


def detail_blocks(title: str, findings: Sequence[Finding]) -> tuple[Block, ...]:
    """The machine-readable parts: tables where items repeat, names and values otherwise.

    Items repeat across findings that share their keys (biopsy targets), as ``component_7_mass_mg`` within one finding
    (calcifications), or as ``item left gracilis`` with ``may change left gracilis`` (scores).
    """
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        if finding.details:
            own = any(_PER_ITEM.match(key) for key in finding.details)
            groups.setdefault((*finding.details, finding.statement if own else ""), []).append(finding)
    blocks: list[Block] = []
    for members in groups.values():
        if len(members) == 1:
            inner: tuple[Block, ...] = (
                *_numbered_table(title, members[0]),
                *_item_table(members[0]),
                *_plain_facts(members[0]),
            )
            blocks.append(Foldable(members[0].statement, inner))
            continue
        keys = tuple(members[0].details)
        if len(members) <= UPRIGHT_MEMBERS and len(keys) > UPRIGHT_KEYS:
            blocks.append(_upright(title, members, keys))
            continue
        rows = tuple(
            Row((Text(str(number)), Text(_where(f)), *(Text(detail_text(f.details[key])) for key in keys)))
            for number, f in enumerate(members, start=1)
        )
        columns = (Column("No."), Column("Region"), *(Column(detail_title(key)) for key in keys))
        blocks.append(Table(f"{title}: each one", columns, rows))
    return tuple(blocks)


def _upright(title: str, members: Sequence[Finding], keys: Sequence[str]) -> Table:
    """Few findings of many details: one column each, so that the table is no wider than a page."""
    columns = (Column("Detail"), *(Column(f"{number}", numeric=True) for number in range(1, len(members) + 1)))
    where = Row((Text("Region"), *(Text(_where(f)) for f in members)))
    rows = (Row((Text(detail_title(key)), *(Text(detail_text(f.details[key])) for f in members))) for key in keys)
    return Table(f"{title}: each one", columns, (where, *rows))


def _plain_facts(finding: Finding) -> tuple[Facts, ...]:
    pairs = tuple(
        (detail_title(key), detail_text(value))
        for key, value in finding.details.items()
        if not _NUMBERED.match(key) and not _PER_ITEM.match(key) and key != "rows"
    )
    return (Facts(pairs),) if pairs else ()


def _numbered_table(title: str, finding: Finding) -> tuple[Table, ...]:
    rows: dict[str, dict[str, str]] = {}
    name = ""
    for key, value in finding.details.items():
        match = _NUMBERED.match(key)
        if match:
            name = match.group(1)
            rows.setdefault(match.group(2), {})[match.group(3)] = detail_text(value)
    if not rows:
        return ()
    keys = list(dict.fromkeys(key for row in rows.values() for key in row))
    columns = (Column(capitalized(name)), *(Column(detail_title(key)) for key in keys))
    body = tuple(
        Row((Text(number), *(Text(row.get(key, "not known")) for key in keys))) for number, row in rows.items()
    )
    return (Table(f"{title}: each one", columns, body),)


def _item_table(finding: Finding) -> tuple[Table, ...]:
    rows: dict[str, dict[str, str]] = {}
    for key, value in finding.details.items():
        match = _PER_ITEM.match(key)
        if match:
            rows.setdefault(match.group(2), {})[match.group(1)] = detail_text(value)
    if not rows:
        return ()
    kinds = [kind for kind in _PER_ITEM_TITLES if any(kind in row for row in rows.values())]
    columns = (Column("Item"), *(Column(_PER_ITEM_TITLES[kind]) for kind in kinds))
    body = tuple(
        Row((Text(capitalized(words_of(name))), *(Text(row.get(kind, "not known")) for kind in kinds)))
        for name, row in rows.items()
    )
    return (Table("Items of the score", columns, body),)


def _where(finding: Finding) -> str:
    return capitalized(joined([region.title for region in finding.regions])) or "–"


def quality_blocks(result: AnalysisResult, citations: Citations) -> tuple[Block, ...]:
    """Named checks, quality findings, conflicts among headers, notes on the labels."""
    items = [_check_item(check) for check in result.quality]
    for finding in result.findings:
        if finding.kind is FindingKind.QUALITY:
            mark, tone = {
                Truth.TRUE: ("attention", Tone.ATTENTION),
                Truth.FALSE: ("passed", Tone.GOOD),
                Truth.UNKNOWN: ("not checked", Tone.UNKNOWN),
            }[finding.present]
            items.append(
                BulletItem(Text(finding.statement, citations.cite(finding.evidence)), mark, tone, finding.limits)
            )
    items += [BulletItem(Text(sentence(note)), "attention", Tone.ATTENTION) for note in result.study.notes]
    order = {"failed": 0, "attention": 1, "not checked": 2}
    open_items = sorted((item for item in items if item.mark != "passed"), key=lambda item: order[item.mark])
    passed = tuple(item for item in items if item.mark == "passed")
    notes = () if result.labels is None else result.labels.notes
    if not items and not notes:
        return (Paragraph((Text("No check was made."),)),)
    blocks: list[Block] = []
    if open_items:
        blocks.append(BulletList(tuple(open_items)))
    if passed and open_items:
        blocks.append(Foldable(f"{plural(len(passed), 'check')} passed", (BulletList(passed),)))
    elif passed:
        blocks.append(BulletList(passed))
    if notes:
        listed = BulletList(tuple(BulletItem(Text(sentence(note))) for note in notes))
        blocks.append(Foldable(f"Notes on the labels ({len(notes)})", (listed,)))
    return tuple(blocks)


def _check_item(check: QualityCheck) -> BulletItem:
    mark, tone = {
        True: ("passed", Tone.GOOD),
        False: ("failed", Tone.ATTENTION),
        None: ("not checked", Tone.UNKNOWN),
    }[check.passed]
    name = check.name if " " in check.name else words_of(check.name)
    return BulletItem(Text(sentence(f"{name}: {check.detail}" if check.detail else name)), mark, tone)


def verdict_blocks(verdict: Verdict, citations: Citations) -> tuple[Block, ...]:
    """An instrument's answer, what would decide it, its caveats and its trace."""
    blocks: list[Block] = [Subheading(f"{verdict.instrument} ({verdict.rule_version})")]
    blocks.append(Facts(tuple((capitalized(words_of(k)), detail_text(v)) for k, v in _flat(verdict.fields))))
    items = [BulletItem(Text(item), "would decide") for item in verdict.would_decide]
    items += [BulletItem(Text(caveat), "note") for caveat in verdict.caveats]
    if items:
        blocks.append(BulletList(tuple(items)))
    if verdict.trace:
        rows = tuple(
            Row((Text(step.rule), Text(step.statement, citations.cite(step.evidence)))) for step in verdict.trace
        )
        table = Table(f"Rules of {verdict.instrument} that fired", (Column("Rule"), Column("What was compared")), rows)
        blocks.append(Foldable(f"How {verdict.instrument} came to this", (table,)))
    return tuple(blocks)


def _flat(fields: Mapping[str, Any]) -> tuple[tuple[str, object], ...]:
    return tuple((str(key), value) for key, value in fields.items())
