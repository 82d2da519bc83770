"""Two or more analyzed timepoints of one patient: what changed by more than the method's own error."""

from __future__ import annotations

import csv
import io
import json
import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import heliotrope
from heliotrope import report
from heliotrope.app import codec, output_folder
from heliotrope.app.result_document import RESEARCH_USE
from heliotrope.app.timepoints import Timepoint, obstacle, read_timepoint, require_one_patient, same_scanner
from heliotrope.domain.change import Change, ChangeVerdict, Repeatability
from heliotrope.domain.comparison import ComparedTimepoint, Comparison
from heliotrope.domain.errors import InputError
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
) -> ComparisonOutcome:
    """Compare result folders; every follow-up is held against the first timepoint.

    Parameters
    ----------
    folders : sequence of Path
        Written by `analyze`, in order of time.
    site_repeatability : mapping, optional
        The site's own test-retest: quantity to ``{"coefficient": number, "relative": bool}``.
    blind_seed : int, optional
        Shuffle and letter the timepoints; the key goes to ``blinding-key.json`` alone.

    Raises
    ------
    InputError
        Fewer than two folders, or one that holds no result.
    QualityRefusal
        Timepoints of different patients.
    """
    if len(folders) < 2:
        raise InputError("one timepoint cannot be compared", hint="give a baseline and at least one follow-up folder")
    timepoints = [read_timepoint(folder, f"visit {number + 1}") for number, folder in enumerate(folders)]
    notes = require_one_patient(timepoints)
    ordered = timepoints if blind_seed is None else _blinded(timepoints, blind_seed)
    limits = REPEATABILITY if site_repeatability is None else {**REPEATABILITY, **_site_limits(site_repeatability)}
    changes = {item.name: _changes(ordered[0], item, limits) for item in ordered[1:]}
    comparison = Comparison(
        timepoints=tuple(ComparedTimepoint(item.name, item.measurements) for item in ordered),
        changes=changes,
        notes=notes,
        blinded=blind_seed is not None,
        synthetic=any(item.document["study"]["synthetic"] for item in timepoints),
    )
    document = _to_plain(comparison)
    output_folder.prepare(out)
    with output_folder.publishing(out) as fresh:
        _write(fresh, comparison, document, None if blind_seed is None else _key(ordered, timepoints))
    return ComparisonOutcome(out, comparison, document)


def _blinded(timepoints: Sequence[Timepoint], seed: int) -> list[Timepoint]:
    shuffled = list(timepoints)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order to be forgotten, not a secret
    return [
        Timepoint(letter, item.folder, item.document)
        for letter, item in zip(string.ascii_uppercase, shuffled, strict=False)
    ]


def _key(ordered: Sequence[Timepoint], original: Sequence[Timepoint]) -> dict[str, str]:
    names = {item.folder: item.name for item in original}
    return {item.name: names[item.folder] for item in ordered}


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
        limits[quantity] = Repeatability(quantity, coefficient, relative, "the site's own test-retest")
    return limits


def _changes(first: Timepoint, second: Timepoint, limits: Mapping[str, Repeatability]) -> tuple[Change, ...]:
    found: list[Change] = []
    quantities = dict.fromkeys(item.quantity for item in (*first.measurements, *second.measurements))
    for quantity in quantities:
        found += find_changes(
            [item for item in first.measurements if item.quantity == quantity],
            [item for item in second.measurements if item.quantity == quantity],
            obstacle=lambda measurement: obstacle(first, second, measurement),
            same_scanner=same_scanner(first, second, quantity),
            repeatability=limits,
        )
    return tuple(found)


def _to_plain(comparison: Comparison) -> dict[str, Any]:
    return {
        "schema": SCHEMA_ID,
        "heliotrope": heliotrope.__version__,
        "statement": RESEARCH_USE,
        "synthetic": comparison.synthetic,
        "blinded": comparison.blinded,
        "notes": list(comparison.notes),
        "baseline": comparison.timepoints[0].name,
        "timepoints": [item.name for item in comparison.timepoints],
        "changes": [
            {"timepoint": name, **_change_to_plain(change)}
            for name, changes in comparison.changes.items()
            for change in changes
        ],
    }


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


def _write(folder: Path, comparison: Comparison, document: dict[str, Any], key: dict[str, str] | None) -> None:
    def write(name: str, plain: dict[str, Any]) -> None:
        text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")

    write("comparison.json", document)
    (folder / "changes.csv").write_text(_to_csv(comparison), encoding="utf-8", newline="")
    (folder / "report.html").write_text(report.comparison_to_html(comparison), encoding="utf-8")
    if key is not None:
        write("blinding-key.json", {"timepoints": key})
    outputs = sorted(entry.name for entry in folder.iterdir())
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    write(output_folder.MARKER, {"schema": "heliotrope-run/1", "ended": ended, "outputs": outputs})


def summary_counts(comparison: Comparison) -> dict[str, int]:
    """How many changes of each verdict were found."""
    verdicts = [change.verdict for changes in comparison.changes.values() for change in changes]
    return {verdict.value: verdicts.count(verdict) for verdict in ChangeVerdict}
