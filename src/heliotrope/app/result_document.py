"""``result.json``: an `AnalysisResult` in its published, versioned form."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any

import heliotrope
from heliotrope.app import codec
from heliotrope.app.pipeline import Failure
from heliotrope.domain.images import LabelMap
from heliotrope.domain.result import AnalysisResult
from heliotrope.domain.study import FileOutcome

SCHEMA_ID = "heliotrope-result/1"
CT_IMAGE = "ct.nii.gz"
"""The CT on which calcium was sought: published, so that a later visit can be shown beside it."""

RADIOGRAPH_IMAGE = "radiograph.nii.gz"
"""The radiograph on which calcium was sought."""

IMAGES_BESIDE = {"calcinosis": ("ct", CT_IMAGE), "radiograph-calcinosis": ("radiograph", RADIOGRAPH_IMAGE)}
"""Stage whose labels lie beside the main ones, to the gray image under them: name among backgrounds, and file."""

LABELED_IMAGE = "image.nii.gz"
"""Gray image on which the labels were drawn."""
RESEARCH_USE = "For research and decision support. Not a medical device; gives no diagnosis and no order."


@cache
def result_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) that every ``result.json`` satisfies."""
    text = resources.files("heliotrope.app").joinpath("schemas/result-1.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def further_labels_file(stage: str) -> str:
    """Name of the file that holds a stage's labels beside ``labels.nii.gz``."""
    return f"labels-{stage}.nii.gz"


def _labels_to_plain(labels: LabelMap, file: str) -> dict[str, Any]:
    return {
        "file": file,
        "source": labels.source,
        "shape": list(labels.grid.shape),
        "spacing_mm": [round(value, 4) for value in labels.grid.spacing_mm],
        "legend": codec.legend_to_plain(labels.legend),
        "confidence": {str(number): value for number, value in sorted(labels.confidence.items())},
        "notes": list(labels.notes),
    }


def result_to_plain(
    result: AnalysisResult, *, status: str, failures: Sequence[Failure], show_identifiers: bool
) -> dict[str, Any]:
    """Build the content of ``result.json``; two runs on the same input give the same content."""
    study = result.study
    counts = Counter(record.outcome for record in study.files)
    return {
        "schema": SCHEMA_ID,
        "heliotrope": heliotrope.__version__,
        "statement": RESEARCH_USE,
        "status": status,
        "study": {
            "key": study.key,
            "subject_key": study.subject_key,
            "acquired_on": study.acquired_on if show_identifiers else None,
            "synthetic": study.synthetic,
            "notes": list(study.notes),
            "series": [codec.series_to_plain(item, show_identifiers=show_identifiers) for item in study.series],
            "file_counts": {outcome: counts.get(outcome, 0) for outcome in FileOutcome},
            "files_not_used": [
                codec.file_to_plain(record) for record in study.files if record.outcome is not FileOutcome.USED
            ],
        },
        "maps": [codec.map_to_plain(item, f"maps/{name}.nii.gz") for name, item in result.maps.items()],
        "labels": None
        if result.labels is None
        else {
            **_labels_to_plain(result.labels, "labels.nii.gz"),
            "image": LABELED_IMAGE if "labels" in result.backgrounds else None,
        },
        "further_labels": [
            {
                **_labels_to_plain(labels, further_labels_file(name)),
                "image": IMAGES_BESIDE[name][1] if IMAGES_BESIDE[name][0] in result.backgrounds else None,
            }
            for name, labels in result.further_labels.items()
        ],
        "measurements": [codec.measurement_to_plain(item) for item in result.measurements],
        "findings": [codec.finding_to_plain(item) for item in result.findings],
        "not_assessed": [codec.not_assessed_to_plain(item) for item in result.not_assessed],
        "quality": [codec.quality_to_plain(item) for item in result.quality],
        "methods": [codec.method_to_plain(item) for item in result.methods],
        "failures": [asdict(item) for item in failures],
    }
