"""Tables of measurements as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from heliotrope.domain.measurement import Measurement

COLUMNS = (
    "structure",
    "side",
    "level",
    "quantity",
    "statistic",
    "value",
    "unit",
    "ci95_low",
    "ci95_high",
    "n_voxels",
    "missing_code",
    "missing_reason",
    "method",
    "evidence",
    "notes",
)


def measurements_to_csv(measurements: Iterable[Measurement]) -> str:
    """One row per measurement (RFC 4180); a missing number is an empty cell beside its reason."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for item in measurements:
        low, high = item.ci95 if item.ci95 is not None else (None, None)
        writer.writerow(
            (
                item.region.structure,
                item.region.side,
                item.region.level,
                item.quantity,
                item.statistic,
                None if item.value is None else repr(float(item.value)),
                item.unit,
                low,
                high,
                item.n_voxels,
                None if item.missing is None else item.missing.code,
                None if item.missing is None else item.missing.reason,
                item.method,
                " ".join(item.evidence),
                " | ".join(item.notes),
            )
        )
    return text.getvalue()
