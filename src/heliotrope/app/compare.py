"""Two or more analyzed timepoints of one patient: what changed by more than the method's own error."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import heliotrope
from heliotrope import report
from heliotrope.app import codec, output_folder
from heliotrope.app.blinding import KEY_FILE, blinded, blinding_key, comparison_id
from heliotrope.app.calcium_followup import follow_calcinosis, is_single_calcification
from heliotrope.app.calcium_followup_document import followup_to_plain, followups_to_csv
from heliotrope.app.calcium_groups import with_absent_groups
from heliotrope.app.edema_link import link_edema
from heliotrope.app.matched_part import (
    CommonPart,
    Matches,
    common_part,
    match_all,
    measure_again,
    named_lengths_mm,
    read_images,
    unequal_naming,
)
from heliotrope.app.registry import quantities
from heliotrope.app.result_document import RESEARCH_USE
from heliotrope.app.timepoints import (
    SIZES,
    Timepoint,
    obstacle,
    read_timepoint,
    require_one_patient,
    same_scanner,
    unequal_coverage,
)
from heliotrope.app.visit_days import days_of
from heliotrope.domain.anatomy import Region
from heliotrope.domain.change import Change, ChangeVerdict, Repeatability
from heliotrope.domain.comparison import ComparedTimepoint, Comparison, PositionMatch
from heliotrope.domain.errors import InputError
from heliotrope.domain.lesions import CalcinosisFollowUp
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.findings.change import REPEATABILITY, find_changes

SCHEMA_ID = "heliotrope-comparison/1"


@dataclass(frozen=True, eq=False)
class ComparisonOutcome:
    """What a comparison left behind."""

    folder: Path
    comparison: Comparison
    document: dict[str, Any]


def compare_folders(
    folders: Sequence[Path],
    out: Path,
    *,
    site_repeatability: Mapping[str, Any] | None = None,
    blind_seed: int | None = None,
    key_file: Path | None = None,
    days: Sequence[int] | None = None,
) -> ComparisonOutcome:
    """Compare result folders; every follow-up is held against the first timepoint.

    Parameters
    ----------
    folders : sequence of Path
        Written by `analyze`, in order of time.
    site_repeatability : mapping, optional
        The site's own test-retest: quantity to ``{"coefficient": number, "relative": bool}``.
    blind_seed : int, optional
        Shuffle and letter the timepoints; which is which goes to the key file alone.
    key_file : Path, optional
        Where the key goes; ``blinding-key.json`` in `out` by default.
    days : sequence of int, optional
        Day of every visit on any count; else from study dates, where the results show them.

    Raises
    ------
    InputError
        Fewer than two folders, one that holds no result, or visits out of order in time.
    OptionError
        Days that do not fit the folders, or beside blinding.
    QualityRefusal
        Timepoints of different patients.
    """
    if len(folders) < 2:
        raise InputError("one timepoint cannot be compared", hint="give a baseline and at least one follow-up folder")
    timepoints = [read_timepoint(folder, f"visit {number + 1}") for number, folder in enumerate(folders)]
    notes = require_one_patient(timepoints)
    since_first = days_of(timepoints, days, blinded=blind_seed is not None)
    ordered = timepoints if blind_seed is None else blinded(timepoints, blind_seed)
    limits = REPEATABILITY if site_repeatability is None else {**REPEATABILITY, **_site_limits(site_repeatability)}
    names = [item.name for item in ordered]
    images = {item.name: found for item in ordered if (found := read_images(item)) is not None}
    matches = match_all(names, images)
    part = common_part(names, images, matches)
    measured = {item.name: {row.quantity for row in item.measurements} for item in ordered}
    again = (
        None
        if part is None
        else {
            name: {_key_of(row): row for row in measure_again(images[name], labels, measured[name])}
            for name, labels in part.labels.items()
        }
    )
    numbers: _Numbers = {
        item.name: {_key_of(row): row for row in item.measurements} | dict((again or {}).get(item.name, {}))
        for item in ordered
    }
    named = {
        name: named_lengths_mm(found.labels if part is None else part.labels.get(name, found.labels))
        for name, found in images.items()
    }
    calcifications = {item.name: _calcifications(ordered[0], item, limits, matches[item.name]) for item in ordered[1:]}
    changes = {
        item.name: _changes(
            ordered[0],
            item,
            numbers,
            _coverage_obstacle(ordered[0], item, matches, again, named),
            limits,
            followed=calcifications[item.name],
        )
        for item in ordered[1:]
    }
    comparison = Comparison(
        timepoints=tuple(
            ComparedTimepoint(name, tuple(numbers[name].values()), since_first.get(name)) for name in names
        ),
        changes=changes,
        notes=(*notes, *_part_notes(part)),
        blinded=blind_seed is not None,
        synthetic=any(item.document["study"]["synthetic"] for item in timepoints),
        images=images,
        matches=matches,
        titles={key: quantity.title for key, quantity in quantities().items()},
        calcifications={name: found for name, found in calcifications.items() if found is not None},
    )
    document = _to_plain(comparison, part)
    key = None if blind_seed is None else blinding_key(ordered, timepoints, document["comparison"])
    output_folder.prepare(out)
    with output_folder.publishing(out) as fresh:
        _write(fresh, comparison, document, key if key_file is None else None)
    if key is not None and key_file is not None:
        with output_folder.writing(key_file.parent):
            key_file.write_text(_json(key), encoding="utf-8")
    return ComparisonOutcome(out, comparison, document)


_Key = tuple[Region, str, str]


def _key_of(item: Measurement) -> _Key:
    return item.region, item.quantity, item.statistic


_Numbers = Mapping[str, Mapping[_Key, Measurement]]


def _coverage_obstacle(
    first: Timepoint,
    second: Timepoint,
    matches: Matches,
    again: _Numbers | None,
    named: Mapping[str, Mapping[Region, float]],
) -> Callable[[Measurement], str]:
    """Why a number that depends on the part imaged may not be compared.

    Parameters
    ----------
    again : mapping or None
        What was measured within the part that all timepoints show; None where they show one part.
    named : mapping of timepoint to mapping of Region to float
        Length over which each muscle is named in what is compared. [mm]
    """

    def naming(row: Measurement) -> str:
        lengths = [named.get(item.name, {}).get(row.region) for item in (first, second)]
        summed = row.statistic == "total" or row.quantity in SIZES
        return unequal_naming(row.region, lengths[0], lengths[1], summed=summed)

    unequal = unequal_coverage(first, second)
    if again is None:
        unmatched = isinstance(matches[second.name], Missing)
        reason = f"{unequal}, and positions could not be matched" if unequal and unmatched else ""
        return lambda row: reason or naming(row)
    if second.name not in again:
        return lambda _: "another part of the limb may be shown: positions could not be matched"
    reason = (unequal or "coverage changed") + "; this number stands for the whole stack, not for the shared part"
    return lambda row: naming(row) if _key_of(row) in again[first.name] else reason


def _part_notes(part: CommonPart | None) -> tuple[str, ...]:
    if part is None:
        return ()
    seen = ", ".join(f"{name} {length:.0f} mm" for name, length in part.length_mm.items())
    return (
        f"The timepoints show different parts ({seen}): only the {part.common_mm:.0f} mm that all show, matched by "
        "bone and limb outlines, were compared.",
    )


def _calcifications(
    first: Timepoint,
    second: Timepoint,
    limits: Mapping[str, Repeatability],
    matches: tuple[PositionMatch, ...] | Missing,
) -> CalcinosisFollowUp | None:
    """Calcifications of both visits, and those where edema lay; None where neither can be looked at."""
    followed = follow_calcinosis(first, second, limits)
    links = link_edema(first, second, matches)
    return replace(followed or CalcinosisFollowUp(), edema=links) if followed or links else None


def _site_limits(given: Mapping[str, Any]) -> dict[str, Repeatability]:
    limits = {}
    for quantity, row in given.items():
        try:
            coefficient, relative = float(row["coefficient"]), bool(row.get("relative", False))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise InputError(
                f"repeatability of {quantity!r}: coefficient and relative needed",
                hint=f"write {quantity}: {{coefficient: 2.0, relative: false}}",
                code="E_REPEATABILITY",
            ) from error
        if not 0 < coefficient < float("inf"):
            raise InputError(
                f"repeatability of {quantity!r}: coefficient {coefficient} must be positive",
                hint="give 2.77 times the within-subject standard deviation",
                code="E_REPEATABILITY",
            )
        known = REPEATABILITY.get(quantity)
        limits[quantity] = Repeatability(
            quantity,
            coefficient,
            relative,
            "the site's own test-retest",
            shared_percent=0.0 if known is None else known.shared_percent,
        )
    return limits


def _changes(
    first: Timepoint,
    second: Timepoint,
    numbers: _Numbers,
    coverage: Callable[[Measurement], str],
    limits: Mapping[str, Repeatability],
    *,
    followed: CalcinosisFollowUp | None,
) -> tuple[Change, ...]:
    # components are numbered anew at every visit: they are matched by place in `follow_calcinosis`
    old, new = (
        [row for row in numbers[item.name].values() if not is_single_calcification(row)] for item in (first, second)
    )
    limbs = None if followed is None else followed.limb_counts
    before, after = with_absent_groups(old, new, limbs), with_absent_groups(new, old, limbs)
    found: list[Change] = []
    nowhere = _without_series(before) & _without_series(after)
    for quantity in dict.fromkeys(item.quantity for item in (*before, *after) if item.quantity not in nowhere):
        found += find_changes(
            [item for item in before if item.quantity == quantity],
            [item for item in after if item.quantity == quantity],
            obstacle=lambda measurement: obstacle(first, second, measurement) or coverage(measurement),
            same_scanner=same_scanner(first, second, quantity),
            repeatability=limits,
        )
    return tuple(found)


def _without_series(measurements: Sequence[Measurement]) -> set[str]:
    """Quantities for which the study had no series at all."""
    return {m.quantity for m in measurements if m.missing is not None and m.missing.code == "M_NO_SERIES"}


def _to_plain(comparison: Comparison, part: CommonPart | None) -> dict[str, Any]:
    changes = [
        {"timepoint": name, **_change_to_plain(change)}
        for name, changes in comparison.changes.items()
        for change in changes
    ]
    return {
        "schema": SCHEMA_ID,
        "comparison": comparison_id(changes),
        "heliotrope": heliotrope.__version__,
        "statement": RESEARCH_USE,
        "synthetic": comparison.synthetic,
        "blinded": comparison.blinded,
        "notes": list(comparison.notes),
        "baseline": comparison.timepoints[0].name,
        "timepoints": [item.name for item in comparison.timepoints],
        "days": None
        if any(item.day is None for item in comparison.timepoints)
        else {item.name: item.day for item in comparison.timepoints},
        "positions": [row for name, found in comparison.matches.items() for row in _positions_to_plain(name, found)],
        "common_part": None if part is None else {"common_mm": part.common_mm, "imaged_mm": dict(part.length_mm)},
        "changes": changes,
        "calcifications": {name: followup_to_plain(found) for name, found in comparison.calcifications.items()},
    }


def _positions_to_plain(name: str, found: tuple[PositionMatch, ...] | Missing) -> list[dict[str, Any]]:
    if isinstance(found, Missing):
        return [{"timepoint": name, "side": None, "matrix": None, "surface_p95_mm": None, "reason": found.reason}]
    return [
        {
            "timepoint": name,
            "side": match.side,
            "matrix": [list(row) for row in match.matrix],
            "surface_p95_mm": match.surface_p95_mm,
            "reason": "",
        }
        for match in found
    ]


def _change_to_plain(change: Change) -> dict[str, Any]:
    return {
        **asdict(change),
        "region": codec.region_to_plain(change.region),
        "ci95": None if change.ci95 is None else list(change.ci95),
        "evidence": list(change.evidence),
    }


COLUMNS = (
    "timepoint",
    "structure",
    "side",
    "level",
    "quantity",
    "statistic",
    "unit",
    "baseline",
    "followup",
    "difference",
    "ci95_low",
    "ci95_high",
    "error_limit",
    "verdict",
    "reason",
    "origin",
)


def _to_csv(comparison: Comparison) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for name, changes in comparison.changes.items():
        for change in changes:
            region, (low, high) = change.region, change.ci95 or (None, None)
            writer.writerow(
                (
                    name,
                    *(region.structure, region.side, region.level),
                    *(change.quantity, change.statistic, change.unit),
                    *(change.baseline, change.followup, change.difference, low, high, change.error_limit),
                    *(change.verdict, change.reason, change.origin),
                )
            )
    return text.getvalue()


def _json(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _write(folder: Path, comparison: Comparison, document: dict[str, Any], key: dict[str, Any] | None) -> None:
    def write(name: str, plain: dict[str, Any]) -> None:
        (folder / name).write_text(_json(plain), encoding="utf-8")

    write("comparison.json", document)
    (folder / "changes.csv").write_text(_to_csv(comparison), encoding="utf-8", newline="")
    if comparison.calcifications:
        table = followups_to_csv(comparison.calcifications)
        (folder / "calcifications.csv").write_text(table, encoding="utf-8", newline="")
    (folder / "report.html").write_text(report.comparison_to_html(comparison), encoding="utf-8")
    if key is not None:
        write(KEY_FILE, key)
    outputs = sorted(entry.name for entry in folder.iterdir())
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    write(output_folder.MARKER, {"schema": "heliotrope-run/1", "ended": ended, "outputs": outputs})


def summary_lines(comparison: Comparison) -> tuple[str, ...]:
    """What a terminal shows: what became of calcifications, then how many changes of each verdict there are.

    Slices of two visits are never compared and not counted.
    """
    every = [change for changes in comparison.changes.values() for change in changes]
    verdicts = [change.verdict for change in every if change.region.level is None]
    counts = {verdict: verdicts.count(verdict) for verdict in ChangeVerdict}
    lines = (f"{count} {verdict}" for verdict, count in counts.items() if count)
    return (*report.calcium_headlines(comparison), *lines)
