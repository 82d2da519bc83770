"""Accuracy gates of change: a pair of phantom visits written as DICOM, analyzed and compared as a user would."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from heliotrope.app.analyze import analyze_study
from heliotrope.app.compare import compare_folders
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.phantom import TRUTH_FOLDER, PhantomFormat, bundle_of, write_bundle
from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.domain.anatomy import STRUCTURES, Region, StructureKind
from heliotrope.domain.change import Change, ChangeVerdict
from heliotrope.domain.units import Unit
from heliotrope.findings.change import REPEATABILITY
from heliotrope.io import read_study
from heliotrope.maps.water_t2.fit import slab_ratio_of
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence
from heliotrope.phantoms.study import PhantomStudy

SMALL = MrProtocol(
    matrix=(190, 100),
    pixel_mm=2.0,
    n_slices=5,
    sequences=(Sequence.STIR, Sequence.MULTI_ECHO_T2, Sequence.SCANNER_DIXON),
)
"""Protocol of the visits: coarse, so that a pair is analyzed in seconds."""

STAGES = ("measurements", "edema", "findings")
"""What is run of an analysis, with all it uses."""

QUANTITY, STATISTIC = "water_t2", "mean"


def build_visit(name: str, seed: int, protocol: MrProtocol = SMALL) -> PhantomStudy:
    """One visit of the catalogue's pair under a protocol, with the noise and date of that visit."""
    scene = SCENES[name]
    own = replace(protocol, noise_stream=scene.protocol.noise_stream, acquired_on=scene.protocol.acquired_on)
    return build_thigh_study(name, replace(scene, protocol=own), seed)


def analyze_visit(
    study: PhantomStudy, folder: Path, *, only: tuple[str, ...] = STAGES, slab_ratio: float | None = None
) -> Path:
    """Write a phantom as DICOM under `folder`, analyze it with its true labels, and return the result folder."""
    images, out = folder / f"{study.name}-images", folder / study.name
    write_bundle(bundle_of(study), images, PhantomFormat.DICOM)
    labels = images / TRUTH_FOLDER / "labels.nii.gz"
    options = AnalyzeOptions(labels=str(labels), only=only, slab_ratio=slab_ratio)
    analyze_study(read_study(images), out, options, progress=lambda *_: None)
    return out


@dataclass(frozen=True)
class _Recovered:
    """A change that was measured, and the one that was put in. [ms]"""

    region: Region
    change: Change
    truth: float


@cache
def _pair(seed: int) -> tuple[_Recovered, ...]:
    visits = [build_visit(f"longitudinal-{name}", seed) for name in ("baseline", "follow-up")]
    with tempfile.TemporaryDirectory() as folder:
        baseline = analyze_visit(visits[0], Path(folder))
        maps = json.loads((baseline / "result.json").read_text(encoding="utf-8"))["maps"]
        slab = slab_ratio_of(flag for row in maps if row["quantity"] == QUANTITY for flag in row["flags"])
        # as the guide asks: a later visit of one protocol is analyzed with the slab of the first
        later = analyze_visit(visits[1], Path(folder), slab_ratio=slab)
        outcome = compare_folders((baseline, later), Path(folder) / "comparison")
    found = []
    for change in outcome.comparison.changes["visit 2"]:
        single = STRUCTURES[change.region.structure].kind is StructureKind.MUSCLE
        if single and (change.quantity, change.statistic) == (QUANTITY, STATISTIC):
            before, after = (_true_mean(visit, change.region) for visit in visits)
            found.append(_Recovered(change.region, change, after - before))
    return tuple(found)


def _true_mean(study: PhantomStudy, region: Region) -> float:
    truth = study.truth_maps[QUANTITY]
    return float(np.mean(truth.values[study.truth_labels.mask(region) & truth.valid], dtype=np.float64))


def _all(effort: Effort) -> tuple[_Recovered, ...]:
    seeds = (3,) if effort is Effort.REDUCED else (3, 4, 5, 6, 7)
    return tuple(item for seed in seeds for item in _pair(seed))


def _worst_error(effort: Effort) -> float:
    """Largest error of the change of a muscle; not a number where one was not compared. [ms]"""
    return max(
        float("nan") if item.change.difference is None else abs(item.change.difference - item.truth)
        for item in _all(effort)
    )


def _right_verdicts(effort: Effort) -> float:
    """Share of muscles whose change is called, or not called, as its true size demands. [1]"""
    limit = REPEATABILITY[QUANTITY].coefficient
    items = _all(effort)
    right = sum(
        item.change.verdict is (ChangeVerdict.INCREASE if item.truth > limit else ChangeVerdict.WITHIN)
        for item in items
    )
    return right / len(items)


def _gate(name: str, title: str, limit: float, unit: Unit, measure: Callable[[Effort], float], sense: Sense) -> Gate:
    return Gate(name, title, limit, unit, sense, measure)


GATES: tuple[Gate, ...] = (
    _gate(
        "change-recovered",
        "Change of a muscle's mean water T2 between two visits, 5 ms or none, from DICOM to the comparison: largest "
        "error; the limit is half the repeatability coefficient",
        REPEATABILITY[QUANTITY].coefficient / 2.0,
        Unit.MILLISECOND,
        _worst_error,
        Sense.AT_MOST,
    ),
    _gate(
        "change-verdicts",
        "Share of muscles of these visits whose change is called or not called as it should be",
        0.95,
        Unit.ONE,
        _right_verdicts,
        Sense.AT_LEAST,
    ),
)
