"""Accuracy gates of CT calcinosis on digital thighs whose every calcification is known."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.domain.anatomy import TissuePlane
from heliotrope.domain.units import Unit
from heliotrope.measure.calcium import measure_calcium
from heliotrope.phantoms.ct_calcinosis import (
    CalcinosisVariant,
    CtCalcinosisPhantom,
    CtCalcinosisSettings,
    LesionTruth,
    build_ct_calcinosis,
)
from heliotrope.physics.ct_attenuation import table_calibration
from heliotrope.segment.calcium.find import find_calcinosis

SEEDS = tuple(range(7001, 7009))
"""Eight thighs; none was looked at while the rules were written."""

REDUCED_SEEDS = SEEDS[:1]
"""For CI."""

LEAST_WEIGHED_MM3 = 100.0
"""Smaller lesions are left out of the mass gates. [mm3]"""

_JOINED_SHARE = 0.1
"""A lesion belongs to a component that takes this share of its calcified voxels from it."""

_COMPACT = frozenset({"nodular", "clump"})
_BELOW_FASCIA = frozenset({TissuePlane.INTERMUSCULAR, TissuePlane.INTRAMUSCULAR})
_THIN_SEPTA_SETTINGS = CtCalcinosisSettings(shape=(190, 190, 60), voxel_mm=(1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Tally:
    """Calls against truth over several thighs.

    Parameters
    ----------
    components : tuple of (bool, float)
        Plane right or wrong, with volume. [mm3]
    mass_errors : tuple of (bool, float)
        Skin plaque or not, and relative mass error of a lesion above 100 mm3, or of lesions that one component joins.
        [%]
    shapes : tuple of (str, bool)
        True shape, and whether it was named so.
    """

    components: tuple[tuple[bool, float], ...]
    mass_errors: tuple[tuple[bool, float], ...]
    shapes: tuple[tuple[str, bool], ...]


def tally(phantom: CtCalcinosisPhantom) -> Tally:
    """Calls of one thigh against its truth; a lesion takes every component that mostly lies in it."""
    found = find_calcinosis(phantom.volume, slice_thickness_mm=phantom.volume.grid.spacing_mm[2])
    burdens = measure_calcium(found, table_calibration(phantom.settings.tube_voltage_kv))
    truths = {lesion.number: lesion for lesion in phantom.lesions}
    planes: list[tuple[bool, float]] = []
    mass: dict[int, float] = {}
    joined = {number: {number} for number in truths}
    largest: dict[int, tuple[float, str]] = {}
    for component, burden in zip(found.components, burdens, strict=True):
        inside = found.numbers[component.box] == component.number
        owners = phantom.labels.labels[component.box][inside]
        owners = owners[owners > 0]
        if owners.size == 0:
            planes.append((False, component.volume_mm3))
            continue
        counts = np.bincount(owners)
        truth = truths[int(counts.argmax())]
        planes.append((truth.plane is component.plane, component.volume_mm3))
        mass[truth.number] = mass.get(truth.number, 0.0) + burden.mass_mg
        _join(joined, [int(n) for n in np.flatnonzero(counts > _JOINED_SHARE * owners.size)])
        if component.volume_mm3 > largest.get(truth.number, (0.0, ""))[0]:
            largest[truth.number] = (component.volume_mm3, component.shape.value)
    errors = tuple(_mass_errors({lesion.number: lesion for lesion in phantom.calcinosis}, mass, joined))
    shapes = tuple(
        (lesion.shape, _same_shape(lesion.shape, largest.get(lesion.number, (0.0, "none"))[1]))
        for lesion in phantom.calcinosis
        if lesion.volume_mm3 > 20.0
    )
    return Tally(tuple(planes), errors, shapes)


def _join(joined: dict[int, set[int]], numbers: list[int]) -> None:
    """Lesions that one component holds together are weighed together."""
    group = set[int]().union(*(joined[n] for n in numbers))
    for n in group:
        joined[n] = group


def _mass_errors(
    lesions: dict[int, LesionTruth], mass: dict[int, float], joined: dict[int, set[int]]
) -> Iterator[tuple[bool, float]]:
    for group in {tuple(sorted(joined[n])) for n in lesions}:
        members = [lesions[n] for n in group if n in lesions]
        if sum(m.volume_mm3 for m in members) <= LEAST_WEIGHED_MM3 or any(m.shape == "reticular" for m in members):
            continue
        skin = max(members, key=lambda m: m.mass_mg).plane is TissuePlane.CUTANEOUS
        true = sum(m.mass_mg for m in members)
        yield skin, 100 * (sum(mass.get(n, 0.0) for n in group) / true - 1)


def _same_shape(truth: str, called: str) -> bool:
    return called in _COMPACT if truth in _COMPACT else called == truth


@functools.cache
def _tallies(effort: Effort) -> tuple[Tally, ...]:
    return tuple(tally(build_ct_calcinosis(seed)) for seed in _seeds(effort))


def _seeds(effort: Effort) -> tuple[int, ...]:
    return REDUCED_SEEDS if effort is Effort.REDUCED else SEEDS


def _plane_share(effort: Effort, *, by_volume: bool) -> float:
    rows = [row for one in _tallies(effort) for row in one.components]
    weights = [volume if by_volume else 1.0 for _, volume in rows]
    return 100 * sum(w for (right, _), w in zip(rows, weights, strict=True) if right) / sum(weights)


def _mass_error(effort: Effort, *, skin: bool) -> float:
    errors = [abs(error) for one in _tallies(effort) for cutaneous, error in one.mass_errors if cutaneous is skin]
    return float(np.quantile(errors, 0.9))


def _mass_share(effort: Effort, *, skin: bool, limit: float) -> float:
    errors = [abs(error) for one in _tallies(effort) for cutaneous, error in one.mass_errors if cutaneous is skin]
    return 100 * float(np.mean([error <= limit for error in errors]))


def _shape_share(effort: Effort, shapes: frozenset[str]) -> float:
    rows = [right for one in _tallies(effort) for shape, right in one.shapes if shape in shapes]
    return 100 * float(np.mean(rows))


def _thin_septa_share(effort: Effort) -> float:
    """Volume whose stated plane is true with septa of 0.3 mm: below the fascia ``deep`` is, a guess is not."""
    right = total = 0.0
    for seed in _seeds(effort)[:2]:
        phantom = build_ct_calcinosis(seed, variant=CalcinosisVariant.THIN_SEPTA, settings=_THIN_SEPTA_SETTINGS)
        found = find_calcinosis(phantom.volume)
        planes = {lesion.number: lesion.plane for lesion in phantom.lesions}
        for component in found.components:
            inside = found.numbers[component.box] == component.number
            counts = np.bincount(phantom.labels.labels[component.box][inside], minlength=2)
            true = planes.get(1 + int(counts[1:].argmax()))
            told = component.plane is TissuePlane.DEEP and true in _BELOW_FASCIA
            right += component.volume_mm3 * (told or component.plane is true)
            total += component.volume_mm3
    return 100 * right / total


def _fine_net_share(effort: Effort) -> float:
    """Nets of strands thinner than a voxel, called reticular."""
    settings = CtCalcinosisSettings(fine_net=True)
    rows = [tally(build_ct_calcinosis(seed, settings=settings)).shapes for seed in _seeds(effort)]
    return 100 * float(np.mean([right for one in rows for shape, right in one if shape == "reticular"]))


def _vascular_volume(effort: Effort) -> float:
    worst = 0.0
    for seed in _seeds(effort):
        phantom = build_ct_calcinosis(seed, variant=CalcinosisVariant.VASCULAR)
        found = find_calcinosis(phantom.volume)
        worst = max(worst, sum(c.volume_mm3 for c in found.components) / 1000)
    return worst


def _noisy_planes(effort: Effort, settings: CtCalcinosisSettings) -> float:
    rows = [
        row for seed in _seeds(effort)[:2] for row in tally(build_ct_calcinosis(seed, settings=settings)).components
    ]
    return 100 * sum(v for right, v in rows if right) / sum(v for _, v in rows)


def _shape_gate(name: str, shapes: frozenset[str], limit: float) -> Gate:
    return Gate(
        f"calcinosis-shape-{name}",
        f"Calcifications of shape {' or '.join(sorted(shapes))} named so, 1 mm slices.",
        limit,
        Unit.PERCENT,
        Sense.AT_LEAST,
        lambda effort: _shape_share(effort, shapes),
    )


def _gate(name: str, title: str, limit: float, unit: Unit, sense: Sense, measure: Callable[[Effort], float]) -> Gate:
    return Gate(f"calcinosis-{name}", title, limit, unit, sense, measure)


GATES: tuple[Gate, ...] = (
    _gate("plane-components", "Calcifications placed in their tissue plane, 1 mm slices, 18 HU noise.", 95.0,
          Unit.PERCENT, Sense.AT_LEAST, lambda effort: _plane_share(effort, by_volume=False)),
    _gate("plane-volume", "Calcified volume placed in its tissue plane, 1 mm slices, 18 HU noise.", 95.0,
          Unit.PERCENT, Sense.AT_LEAST, lambda effort: _plane_share(effort, by_volume=True)),
    _gate("mass", "Mass error of calcifications above 100 mm3, skin and nets left out, 90th percentile.", 15.0,
          Unit.PERCENT, Sense.AT_MOST, lambda effort: _mass_error(effort, skin=False)),
    _gate("mass-skin", "Mass error of skin plaques above 100 mm3, 90th percentile.", 20.0,
          Unit.PERCENT, Sense.AT_MOST, lambda effort: _mass_error(effort, skin=True)),
    _gate("mass-share", "Calcifications above 100 mm3, skin and nets left out, weighed within 15 %.", 95.0,
          Unit.PERCENT, Sense.AT_LEAST, lambda effort: _mass_share(effort, skin=False, limit=15.0)),
    _gate("mass-skin-share", "Skin plaques above 100 mm3 weighed within 20 %.", 95.0,
          Unit.PERCENT, Sense.AT_LEAST, lambda effort: _mass_share(effort, skin=True, limit=20.0)),
    _shape_gate("sheet", frozenset({"sheet"}), 90.0),
    _shape_gate("linear", frozenset({"linear"}), 90.0),
    _shape_gate("compact", _COMPACT, 90.0),
    _shape_gate("tumoral", frozenset({"tumoral"}), 80.0),
    _shape_gate("reticular", frozenset({"reticular"}), 70.0),
    _gate("shape-reticular-fine", "Nets of strands thinner than a voxel named reticular, 1 mm slices.", 70.0,
          Unit.PERCENT, Sense.AT_LEAST, _fine_net_share),
    _gate("plane-thin-septa", "Calcified volume whose stated plane is true where septa are too thin to see.", 95.0,
          Unit.PERCENT, Sense.AT_LEAST, _thin_septa_share),
    _gate("vascular", "Calcinosis reported in a thigh with calcium of the artery wall alone.", 0.0,
          Unit.MILLILITER, Sense.AT_MOST, _vascular_volume),
    _gate("plane-noise", "Calcified volume placed in its tissue plane at 36 HU noise.", 90.0, Unit.PERCENT,
          Sense.AT_LEAST, lambda effort: _noisy_planes(effort, CtCalcinosisSettings(noise_hu=36.0))),
    _gate("plane-3mm", "Calcified volume placed in its tissue plane at 3 mm slices.", 90.0, Unit.PERCENT,
          Sense.AT_LEAST, lambda effort: _noisy_planes(effort, CtCalcinosisSettings(slices_averaged=3))),
)  # fmt: skip
