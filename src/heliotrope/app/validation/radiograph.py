"""Accuracy gates of calcification on radiographs, on digital forearms of known calcium."""

from __future__ import annotations

import functools

import numpy as np

from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.domain.units import Unit
from heliotrope.findings.change import REPEATABILITY
from heliotrope.measure.radiograph import measure_radiograph
from heliotrope.phantoms.radiograph import PIXEL_MM, RadiographPhantom, build_radiograph
from heliotrope.segment.radiograph import find_radiograph_calcium

SEEDS = tuple(range(3001, 3009))
"""Forearms that were not looked at while the rules were written."""

GROWTH = 1.2
"""Diameter of stones and plates at the second visit over that at the first: 44 % more area."""


def _seeds(effort: Effort) -> tuple[int, ...]:
    return SEEDS[:2] if effort is Effort.REDUCED else SEEDS


def _area(phantom: RadiographPhantom) -> float:
    """Measured projected area. [cm2]"""
    rows = measure_radiograph(find_radiograph_calcium(phantom.volume.data[:, :, 0], PIXEL_MM))
    area = next(row.value for row in rows if row.quantity == "calcinosis_projected_area")
    return float("nan") if area is None else area


@functools.cache
def _pairs(effort: Effort) -> tuple[tuple[float, float, float, float], ...]:
    """True and measured area at both visits. [cm2]"""
    out = []
    for seed in _seeds(effort):
        visits = [build_radiograph(seed, scale=scale, net=False) for scale in (1.0, GROWTH)]
        out.append((visits[0].area_cm2, _area(visits[0]), visits[1].area_cm2, _area(visits[1])))
    return tuple(out)


def _area_error(effort: Effort) -> float:
    return max(100 * abs(measured / true - 1) for true, measured, _, _ in _pairs(effort))


def _change_error(effort: Effort) -> float:
    return max(
        100 * abs(after / before - true_after / true_before)
        for true_before, before, true_after, after in _pairs(effort)
    )


def _without_calcium(effort: Effort) -> float:
    return float(np.max([_area(build_radiograph(seed, calcium=False)) for seed in _seeds(effort)]))


GATES: tuple[Gate, ...] = (
    Gate(
        "radiograph-area",
        "Error of the projected area of stones and plates on a forearm radiograph, worst of all.",
        35.0,
        Unit.PERCENT,
        Sense.AT_MOST,
        _area_error,
    ),
    Gate(
        "radiograph-change",
        "Error of the relative change of that area between two visits, in percentage points; half the 25 % rule.",
        REPEATABILITY["calcinosis_projected_area"].coefficient / 2,
        Unit.PERCENT,
        Sense.AT_MOST,
        _change_error,
    ),
    Gate(
        "radiograph-none",
        "Projected area reported on a forearm without calcium.",
        0.0,
        Unit.SQUARE_CENTIMETER,
        Sense.AT_MOST,
        _without_calcium,
    ),
)
