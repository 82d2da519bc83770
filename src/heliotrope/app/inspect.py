"""What a study holds, and for each result the product knows: computable, or exactly what is missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from heliotrope.app import codec
from heliotrope.app.registry import STAGES
from heliotrope.app.stage import Quantity, Stage
from heliotrope.app.stations import with_stations
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import FileOutcome, Study


@dataclass(frozen=True)
class Prospect:
    """Whether one stage can deliver a quantity from this study.

    Parameters
    ----------
    series : tuple of str
        Keys of the series it would use.
    missing : Missing or None
        None when computable.
    """

    quantity: Quantity
    stage: str
    series: tuple[str, ...]
    missing: Missing | None


def prospects(study: Study, stages: tuple[Stage, ...] = STAGES) -> tuple[Prospect, ...]:
    """Ask every stage's protocol guard, in order of running."""
    found: list[Prospect] = []
    for stage in stages:
        selected = stage.select(study)
        missing = selected if isinstance(selected, Missing) else None
        keys = () if isinstance(selected, Missing) else tuple(series.key for series in selected)
        found.extend(Prospect(quantity, stage.name, keys, missing) for quantity in stage.quantities)
    return tuple(found)


def inspection_to_plain(studies: tuple[Study, ...], *, show_identifiers: bool) -> dict[str, Any]:
    """Build the JSON answer of ``heliotrope inspect``."""
    joined = [with_stations(study) for study in studies]
    return {"studies": [_study_to_plain(study, show_identifiers=show_identifiers) for study in joined]}


def _study_to_plain(study: Study, *, show_identifiers: bool) -> dict[str, Any]:
    counts = Counter(record.outcome for record in study.files)
    return {
        "key": study.key,
        "subject_key": study.subject_key,
        "acquired_on": study.acquired_on if show_identifiers else None,
        "synthetic": study.synthetic,
        "notes": list(study.notes),
        "series": [codec.series_to_plain(series, show_identifiers=show_identifiers) for series in study.series],
        "results": [
            {
                "quantity": item.quantity.key,
                "title": item.quantity.title,
                "unit": item.quantity.unit,
                "stage": item.stage,
                "computable": item.missing is None,
                "series": list(item.series),
                "missing": codec.missing_to_plain(item.missing),
            }
            for item in prospects(study)
        ],
        "file_counts": {outcome: counts.get(outcome, 0) for outcome in FileOutcome},
        "files": [codec.file_to_plain(record) for record in study.files],
    }
