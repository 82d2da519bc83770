"""Result folders as timepoints: read back, checked to be one patient, and asked whether they may be compared."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heliotrope.app import codec
from heliotrope.app.output_folder import MARKER
from heliotrope.app.person_labels import family
from heliotrope.app.result_document import SCHEMA_ID
from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.images import is_carried
from heliotrope.domain.measurement import Measurement
from heliotrope.maps.water_t2.fit import slab_ratio_of

TIME_TOLERANCE_MS = 0.5
"""Echo and inversion times that differ by less are one protocol. [ms]"""

SIZE_TOLERANCE = 0.2
"""Relative difference of slice thickness, spacing or repetition time that still counts as one protocol."""

SLAB_TOLERANCE = 0.05
"""Difference of the refocusing slab that still counts as one T2 model: 0.19 slices moved T2 of phantoms by 1.3 to
1.9 ms, hence 0.05 by up to 0.5. [slices]"""

COVERAGE_TOLERANCE = 0.1
"""Relative difference of the imaged length at which volumes still may be compared."""


SIZES = frozenset({"volume", "cross_section", "contractile_volume", "contractile_area"})
"""Quantities that are the size of what was drawn."""


@dataclass(frozen=True)
class Timepoint:
    """One analyzed study.

    Parameters
    ----------
    name : str
        ``"visit 1"``, ``"visit 2"``, ... in the order given, or a blinded letter.
    folder : Path
    document : dict
        Content of its ``result.json``.
    """

    name: str
    folder: Path
    document: dict[str, Any]

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Its measurements."""
        return tuple(codec.measurement_from_plain(row) for row in self.document["measurements"])

    @property
    def subject_key(self) -> str | None:
        """Pseudonym of the patient, where the images state one."""
        key: str | None = self.document["study"]["subject_key"]
        return key

    @property
    def covered_mm(self) -> float | None:
        """Length of the labeled stack along its slices. [mm]"""
        labels = self.document["labels"]
        return None if labels is None else float(labels["shape"][2] * labels["spacing_mm"][2])

    @property
    def label_source(self) -> str | None:
        """Who or what drew the labels."""
        labels = self.document["labels"]
        return None if labels is None else str(labels["source"])

    @property
    def labeled(self) -> frozenset[str]:
        """Structures that its labels name."""
        labels = self.document["labels"]
        return frozenset() if labels is None else frozenset(row["structure"] for row in labels["legend"].values())

    def series_behind(self, quantity: str) -> tuple[dict[str, Any], ...]:
        """Series of the steps that delivered a quantity."""
        keys = {key for step in self.document["methods"] if quantity in step["delivered"] for key in step["series"]}
        return tuple(row for row in self.document["study"]["series"] if row["key"] in keys)


def read_timepoint(folder: Path, name: str) -> Timepoint:
    """Read a result folder.

    Raises
    ------
    InputError
        Not a finished result of this product (``E_NOT_A_RESULT``).
    """
    document = _document_of(folder)
    timepoint = Timepoint(name, folder, document or {})
    try:
        _ = timepoint.measurements
    except (ValueError, KeyError, TypeError):
        document = None
    if document is None:
        raise InputError(
            f"folder {folder.name!r} holds no finished result of this version",
            hint="give folders written by `heliotrope analyze`",
            code="E_NOT_A_RESULT",
        )
    return timepoint


def _document_of(folder: Path) -> dict[str, Any] | None:
    try:
        document = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = (folder / MARKER).is_file() and isinstance(document, dict) and document.get("schema") == SCHEMA_ID
    return document if whole else None


def require_one_patient(timepoints: Sequence[Timepoint]) -> tuple[str, ...]:
    """Refuse timepoints of different patients; return notes on what could not be checked.

    Raises
    ------
    QualityRefusal
        Two different patients (``E_DIFFERENT_PATIENTS``).
    """
    require_one_subject({timepoint.subject_key for timepoint in timepoints})
    if any(timepoint.subject_key is None for timepoint in timepoints):
        return ("That all timepoints are of one patient could not be checked: some images name no subject.",)
    return ()


def require_one_subject(keys: Collection[str | None]) -> None:
    """Refuse pseudonyms of different patients; None stands for images that name no subject.

    Raises
    ------
    QualityRefusal
        ``E_DIFFERENT_PATIENTS``
    """
    if len(set(keys) - {None}) > 1:
        raise QualityRefusal(
            "the timepoints are of different patients",
            hint="compare studies of one patient; `heliotrope inspect` shows each study's subject key",
            code="E_DIFFERENT_PATIENTS",
        )


def same_scanner(first: Timepoint, second: Timepoint, quantity: str) -> bool:
    """Whether the series behind a quantity name one manufacturer, model, field strength and CT kernel."""
    return _scanners(first, quantity) == _scanners(second, quantity)


def _scanners(timepoint: Timepoint, quantity: str) -> set[tuple[Any, ...]]:
    rows = timepoint.series_behind(quantity)
    names = ("manufacturer", "model", "field_strength_t", "convolution_kernel")
    return {tuple(row[name] for name in names) for row in rows}


def _modalities(timepoint: Timepoint) -> set[str]:
    """Kinds of images that a study holds."""
    return {row["modality"] for row in timepoint.document["study"]["series"] if row["shape"] is not None}


def obstacle(first: Timepoint, second: Timepoint, measurement: Measurement) -> str:
    """Why a number may not be compared between two timepoints; empty when it may."""
    kinds = [_modalities(item) for item in (first, second)]
    if kinds[0] and kinds[1] and not kinds[0] & kinds[1]:
        return f"measured on {' and '.join(sorted(kinds[0]))} and then on {' and '.join(sorted(kinds[1]))}"
    rows = [timepoint.series_behind(measurement.quantity) for timepoint in (first, second)]
    by_role = [{row["role"]: row for row in found} for found in rows]
    if set(by_role[0]) != set(by_role[1]):
        return f"measured from other series: {_words(by_role[0])} and {_words(by_role[1])}"
    for role in by_role[0]:
        changed = _protocol_change(by_role[0][role], by_role[1][role])
        if changed:
            return f"protocol changed: {changed}"
    on_t2 = measurement.quantity == "water_t2" or measurement.quantity.startswith("t2_edema")
    slabs = [_slab_ratio(item) if on_t2 else None for item in (first, second)]
    if slabs[0] is not None and slabs[1] is not None and abs(slabs[0] - slabs[1]) > SLAB_TOLERANCE:
        return (
            f"the refocusing slab of the T2 model was {slabs[0]:.2f} and {slabs[1]:.2f} slices: analyze both visits "
            "with one slab_ratio"
        )
    drawing = drawing_change(first, second, measurement)
    if drawing:
        return drawing
    if measurement.region.level is not None and measurement.region.level.startswith("slice "):
        return "slices of two visits are not the same level by their number"
    return ""


def drawing_change(first: Timepoint, second: Timepoint, measurement: Measurement) -> str:
    """Why a number says nothing of change because its region was drawn otherwise; empty where both were drawn alike.

    Of muscle only sizes are refused: means are held against an error that holds the difference of drawings. Skin, fat
    and bone are thin or large, and automatic on a visit to which muscle was carried: none of their numbers is compared
    with those of a person's drawing.
    """
    structure, drawn = measurement.region.structure, [item.label_source for item in (first, second)]
    if drawn[0] is None or drawn[1] is None:
        return ""
    sources = [source for source in drawn if source is not None]
    carried = any(map(is_carried, sources))
    if family(measurement.region) != "muscle":
        if structure not in first.labeled | second.labeled:
            return ""
        by_person = ["person" in source and not is_carried(source) for source in sources]
        if by_person[0] != by_person[1]:
            return f"the {measurement.region.title} was drawn by a person at one visit and automatically at the other"
        return ""
    if measurement.quantity not in SIZES:
        return ""
    if carried:
        return "labels were carried from one visit to the other: their size follows the registration, not the image"
    if structure == "muscle":
        sources = [source.split("+")[0] for source in sources]  # naming single muscles leaves all muscle as it was
    return f"muscle was drawn differently: {sources[0]} and {sources[1]}" if sources[0] != sources[1] else ""


def _slab_ratio(timepoint: Timepoint) -> float | None:
    maps = [row for row in timepoint.document["maps"] if row["quantity"] == "water_t2"]
    return slab_ratio_of(flag for row in maps for flag in row["flags"])


def unequal_coverage(first: Timepoint, second: Timepoint) -> str:
    """Why numbers that depend on the part imaged may not be compared; empty where both stacks are equally long."""
    before, after = first.covered_mm, second.covered_mm
    if before is None or after is None or abs(before - after) <= COVERAGE_TOLERANCE * max(before, after):
        return ""
    return f"coverage changed: {before:.0f} mm and {after:.0f} mm of the limb were imaged"


def _words(roles: dict[str, Any]) -> str:
    return ", ".join(sorted(roles)) or "none"


def _protocol_change(before: dict[str, Any], after: dict[str, Any]) -> str:
    if before["field_strength_t"] != after["field_strength_t"]:
        return f"field strength {before['field_strength_t']} T and {after['field_strength_t']} T"
    for name, words in (("echo_times_ms", "echo times"), ("b_values_s_per_mm2", "b-values")):
        first, second = before[name], after[name]
        unlike = len(first) != len(second) or any(
            abs(a - b) > TIME_TOLERANCE_MS for a, b in zip(first, second, strict=True)
        )
        if unlike:
            return f"{words} differ"
    if _far(before["inversion_time_ms"], after["inversion_time_ms"], absolute=TIME_TOLERANCE_MS):
        return "inversion time differs"
    for name, words in (("repetition_time_ms", "repetition time"), ("slice_thickness_mm", "slice thickness")):
        if _far(before[name], after[name], relative=SIZE_TOLERANCE):
            return f"{words} {before[name]} and {after[name]}"
    if before["tube_voltage_kv"] != after["tube_voltage_kv"]:
        return f"tube voltage {before['tube_voltage_kv']} and {after['tube_voltage_kv']} kV"
    return ""


def _far(first: float | None, second: float | None, *, absolute: float = 0.0, relative: float = 0.0) -> bool:
    if first is None or second is None:
        return first is not second
    return abs(first - second) > max(absolute, relative * max(abs(first), abs(second)))
