"""Accuracy gates of change: a pair of phantom visits written as DICOM, analyzed and compared as a user would."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.analyze import analyze_study
from heliotrope.app.compare import ComparisonOutcome, compare_folders
from heliotrope.app.matched_part import common_part
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.phantom import TRUTH_FOLDER, PhantomFormat, bundle_of, write_bundle
from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.app.validation.segmentation import dice
from heliotrope.domain.anatomy import STRUCTURES, Region, StructureKind
from heliotrope.domain.change import Change, ChangeVerdict
from heliotrope.domain.images import LabelMap
from heliotrope.domain.units import Unit
from heliotrope.findings.change import REPEATABILITY
from heliotrope.io import nifti, read_study
from heliotrope.maps.water_t2.fit import slab_ratio_of
from heliotrope.measure.morphometry import slice_axis
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


LYING = np.array(
    [
        [np.cos(np.radians(4.0)), -np.sin(np.radians(4.0)), 0.0, 12.0],
        [np.sin(np.radians(4.0)), np.cos(np.radians(4.0)), 0.0, -9.0],
        [0.0, 0.0, 1.0, 25.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""How the person lies at the visit to which labels are carried: turned by 4 degrees and moved by 29 mm. [mm]"""
OTHER_LEVEL_MM = 3.0
"""How far the slices of that visit lie between those of the first. [mm]"""


def build_visit(name: str, seed: int, protocol: MrProtocol = SMALL) -> PhantomStudy:
    """One visit of the catalogue's pair under a protocol, with the noise and date of that visit."""
    scene = SCENES[name]
    own = replace(protocol, noise_stream=scene.protocol.noise_stream, acquired_on=scene.protocol.acquired_on)
    return build_thigh_study(name, replace(scene, protocol=own), seed)


def analyze_visit(
    study: PhantomStudy,
    folder: Path,
    *,
    only: tuple[str, ...] = STAGES,
    slab_ratio: float | None = None,
    labels_from: Path | None = None,
) -> Path:
    """Write a phantom as DICOM under `folder`, analyze it, and return the result folder.

    Parameters
    ----------
    labels_from : Path or None
        Result folder of an earlier visit whose labels are carried; the phantom's true labels by default.
    """
    images, out = folder / f"{study.name}-images", folder / study.name
    write_bundle(bundle_of(study), images, PhantomFormat.DICOM)
    true = str(images / TRUTH_FOLDER / "labels.nii.gz")
    options = AnalyzeOptions(
        labels=true if labels_from is None else None,
        labels_from=None if labels_from is None else str(labels_from),
        only=only,
        slab_ratio=slab_ratio,
    )
    analyze_study(read_study(images), out, options, progress=lambda *_: None)
    return out


@dataclass(frozen=True)
class _Recovered:
    """A change that was measured, and the one that was put in. [ms]"""

    region: Region
    change: Change
    truth: float


@dataclass(frozen=True)
class _Pair:
    """Changes of the muscles of one person, with true labels and with labels carried to a person who lies elsewhere.

    Parameters
    ----------
    dice : float
        Smallest overlap of a carried muscle with the true one, 0 to 1.
    """

    true: tuple[_Recovered, ...]
    carried: tuple[_Recovered, ...]
    dice: float


@cache
def _pair(seed: int) -> _Pair:
    visits = [build_visit(f"longitudinal-{name}", seed) for name in ("baseline", "follow-up")]
    start = -SMALL.slice_thickness_mm * (SMALL.n_slices - 1) / 2.0
    elsewhere = build_visit("longitudinal-follow-up", seed, replace(SMALL, first_slice_mm=start + OTHER_LEVEL_MM))
    elsewhere = replace(elsewhere.lying(LYING), name="lying-elsewhere")
    with tempfile.TemporaryDirectory() as folder:
        baseline = analyze_visit(visits[0], Path(folder))
        maps = json.loads((baseline / "result.json").read_text(encoding="utf-8"))["maps"]
        slab = slab_ratio_of(flag for row in maps if row["quantity"] == QUANTITY for flag in row["flags"])
        # as the guide asks: a later visit of one protocol is analyzed with the slab of the first
        later = analyze_visit(visits[1], Path(folder), slab_ratio=slab)
        outcome = compare_folders((baseline, later), Path(folder) / "comparison")
        moved = analyze_visit(elsewhere, Path(folder), slab_ratio=slab, labels_from=baseline)
        beside = compare_folders((baseline, moved), Path(folder) / "carried")
        drawn = nifti.read_labels(moved / "labels.nii.gz")
    return _Pair(
        _recovered(outcome, visits[0], visits[1]),
        _recovered(beside, visits[0], elsewhere),
        _worst_dice(drawn, elsewhere),
    )


def _worst_dice(drawn: LabelMap, study: PhantomStudy) -> float:
    """Smallest overlap of a muscle with its truth; 0 where one was not carried."""
    truth = study.truth_labels
    found = []
    for region in truth.legend.values():
        if STRUCTURES[region.structure].kind is StructureKind.MUSCLE:
            carried = region in drawn.legend.values()
            found.append(dice(drawn.mask(region), truth.mask(region)) if carried else 0.0)
    return min(found)


def _recovered(outcome: ComparisonOutcome, first: PhantomStudy, second: PhantomStudy) -> tuple[_Recovered, ...]:
    compared = outcome.comparison
    names = [item.name for item in compared.timepoints]
    part = common_part(names, compared.images, compared.matches)
    # where the visits show different parts, the truth is that of the part that was compared
    within = [None if part is None else part.labels[name].labels > 0 for name in names]
    found = []
    for change in outcome.comparison.changes["visit 2"]:
        single = STRUCTURES[change.region.structure].kind is StructureKind.MUSCLE
        if single and (change.quantity, change.statistic) == (QUANTITY, STATISTIC):
            before, after = (
                _true_mean(visit, change.region, where) for visit, where in zip((first, second), within, strict=True)
            )
            found.append(_Recovered(change.region, change, after - before))
    return tuple(found)


def _true_mean(study: PhantomStudy, region: Region, within: NDArray[np.bool_] | None) -> float:
    truth = study.truth_maps[QUANTITY]
    inside = study.truth_labels.mask(region) & truth.valid
    if within is not None:
        across = slice_axis(study.truth_labels.grid)
        inside &= within.any(axis=tuple(axis for axis in range(3) if axis != across), keepdims=True)
    return float(np.mean(truth.values[inside], dtype=np.float64))


def _pairs(effort: Effort) -> tuple[_Pair, ...]:
    return tuple(_pair(seed) for seed in ((3,) if effort is Effort.REDUCED else (3, 4, 5, 6, 7)))


def _worst_error(items: tuple[_Recovered, ...]) -> float:
    """Largest error of the change of a muscle; infinite where one was not compared. [ms]"""
    errors = [
        float("inf") if item.change.difference is None else abs(item.change.difference - item.truth) for item in items
    ]
    return max(errors, default=float("inf"))


def _right_verdicts(effort: Effort) -> float:
    """Share of muscles whose change is called, or not called, as its true size demands. [1]"""
    limit = REPEATABILITY[QUANTITY].coefficient
    items = [item for pair in _pairs(effort) for item in pair.true]
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
        lambda effort: max(_worst_error(pair.true) for pair in _pairs(effort)),
        Sense.AT_MOST,
    ),
    _gate(
        "change-carried-labels",
        "The same change where the person lies turned and moved and labels are carried from the first visit: largest "
        "error; the limit is half the repeatability coefficient",
        REPEATABILITY[QUANTITY].coefficient / 2.0,
        Unit.MILLISECOND,
        lambda effort: max(_worst_error(pair.carried) for pair in _pairs(effort)),
        Sense.AT_MOST,
    ),
    _gate(
        "carried-labels-overlap",
        "Smallest Dice of a muscle carried to that visit with the muscle that lies there",
        0.90,
        Unit.ONE,
        lambda effort: min(pair.dice for pair in _pairs(effort)),
        Sense.AT_LEAST,
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
