"""The stage that states how the stations of a study fit together, and shows the merged image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.anatomy import Region
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.stations.layout import axis_along, find_layout, is_scanned_by_side
from heliotrope.stations.merge import METHOD, Harmony, Seam

QUANTITIES = (
    Quantity(
        "seam_error",
        "Brightness step at a seam",
        Unit.PERCENT,
        "Median absolute ratio error of two stations where they overlap; lower is better; not a tissue property.",
    ),
    Quantity(
        "seam_likeness",
        "Likeness of stations at a seam",
        Unit.ONE,
        "Correlation of two stations where they overlap, -1 to 1; low means that they show different anatomy.",
    ),
    Quantity(
        "station_gain",
        "Gain of a station",
        Unit.ONE,
        "Factor that brings a station to the brightness of the others; not a tissue property.",
    ),
    Quantity(
        "station_shift",
        "Shift of a station",
        Unit.MILLIMETER,
        "How far a station was moved against its header to fit its neighbors; not a measure of quality by itself.",
    ),
)

CORONAL, SAGITTAL = "stations_coronal", "stations_sagittal"
"""Names of the merged pictures; the same with ``_as_scanned`` holds the stations before correction."""

_WHOLE = "all"
_LEFT_RIGHT, _FRONT_BACK, _HEAD_FOOT = 0, 1, 2


def _select(study: Study) -> tuple[Series, ...] | Missing:
    joined = [series for series in study.series if series.stations and not is_scanned_by_side(series)]
    if joined:
        return tuple(joined)
    if any(is_scanned_by_side(series) for series in study.series):
        return Missing(
            "M_NO_STATIONS", "left and right were scanned separately; there is no overlap to compare them in"
        )
    apart = find_layout(study.series).notes
    return Missing("M_NO_STATIONS", apart[0] if apart else "no two series are stations of one another")


def _run(given: StageInput) -> StageOutput:
    assert given.harmony_of is not None
    measurements: list[Measurement] = []
    quality: list[QualityCheck] = []
    shown: dict[str, Volume] = {}
    told: list[Harmony] = []
    for series in given.series:
        harmony = given.harmony_of(series)
        # fat goes with its water: one acquisition has one gain, told once
        if not harmony.seams or any(harmony is other for other in told):
            continue
        told.append(harmony)
        name = _name(series, alone=sum(other.role is series.role for other in given.series) == 1)
        measurements += _rows(name, harmony)
        quality.append(_check(name, harmony.seams))
    leader = given.series[0]
    shown |= _pictures(given.read_volume(leader), "")
    seams = sum(len(series.stations) - 1 for series in given.series)
    return StageOutput(
        sentence=(
            f"{len(given.series)} series were joined from {len(leader.stations)} stations each ({seams} seams): shifts "
            "of up to 5 mm and gains were found in the overlaps, gains by least squares over all stations with mean "
            "log gain 0 and within 0.5 to 2, and the in-plane roll-off by a polynomial of second order; every slice of "
            "an image that is measured comes from one station."
        ),
        evidence=("station-overlap", "station-shift", "station-gain", "station-seam", "station-nearest"),
        backgrounds=shown,
        measurements=tuple(measurements),
        quality=tuple(quality),
    )


def _name(series: Series, *, alone: bool) -> str:
    """The contrast in words; several series of one contrast are told apart by their keys."""
    words = "STIR" if series.role is Role.STIR else series.role.value.replace("_", " ").replace("dixon", "Dixon")
    return words if alone else f"{words} ({series.key})"


def _rows(name: str, harmony: Harmony) -> list[Measurement]:
    rows = []

    def row(level: str, quantity: str, statistic: str, value: float | None, unit: Unit) -> None:
        missing = None if value is not None else Missing("M_NOT_ASSESSABLE", "Too little tissue lies in the overlap.")
        rows.append(
            Measurement(
                Region(_WHOLE, None, level),
                quantity,
                statistic,
                value,
                unit,
                METHOD,
                missing,
                evidence=("station-seam",) if quantity.startswith("seam") else ("station-gain",),
            )
        )

    for seam in harmony.seams:
        level = f"{name}, seam {seam.low + 1} to {seam.high + 1}"
        row(level, "seam_error", "as scanned", _percent(seam.error_before), Unit.PERCENT)
        row(level, "seam_error", "corrected", _percent(seam.error_after), Unit.PERCENT)
        row(level, "seam_likeness", "correlation", seam.likeness_after, Unit.ONE)
    for k, (gain, shift) in enumerate(zip(harmony.gains, harmony.shifts_mm, strict=True)):
        level = f"{name}, station {k + 1}"
        row(level, "station_gain", "factor", float(gain), Unit.ONE)
        row(level, "station_shift", "length", float(np.linalg.norm(shift)), Unit.MILLIMETER)
    return rows


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


def _check(contrast: str, seams: tuple[Seam, ...]) -> QualityCheck:
    """Whether every seam of a series is good, with the numbers before and after."""
    name = f"seams of {contrast}"
    known = [seam for seam in seams if seam.error_before is not None and seam.error_after is not None]
    if not known:
        return QualityCheck(name, None, "too little tissue lies in the overlaps to compare the stations")
    before = [100.0 * (seam.error_before or 0.0) for seam in known]
    after = [100.0 * (seam.error_after or 0.0) for seam in known]
    detail = (
        f"median ratio error in {len(known)} of {len(seams)} overlaps {min(before):.1f} to {max(before):.1f} % as "
        f"scanned, {min(after):.1f} to {max(after):.1f} % corrected (limit 5 %)"
    )
    bad = [seam for seam in seams if seam.good is False]
    if bad:
        detail += "; not good: " + ", ".join(
            f"station {seam.low + 1} to {seam.high + 1} ({_why(seam)})" for seam in bad
        )
    return QualityCheck(name, not bad, detail)


def _why(seam: Seam) -> str:
    if seam.shift_beyond_limit:
        return "moved by more than 5 mm"
    if seam.likeness_after < 0.5:
        return f"likeness {seam.likeness_after:.2f}"
    return f"ratio error {100.0 * (seam.error_after or 0.0):.1f} %"


def _pictures(merged: Volume, ending: str) -> dict[str, Volume]:
    """A coronal and a sagittal plane through most tissue, each one voxel thick."""
    signal = np.asarray(np.abs(merged.frame(0).data), dtype=np.float32)
    planes = {}
    for name, direction in ((CORONAL, _FRONT_BACK), (SAGITTAL, _LEFT_RIGHT)):
        axis = axis_along(merged.grid, direction)
        k = _fullest(signal, axis)
        planes[name + ending] = _plane(signal, merged.grid, axis, k)
    return planes


def _fullest(signal: NDArray[np.float32], axis: int) -> int:
    """The plane in which tissue reaches furthest along the body."""
    bright = float(np.percentile(signal, 99.5))
    others = tuple(a for a in range(3) if a != axis)
    return int(np.argmax((signal > 0.2 * bright).sum(axis=others)))


def _plane(signal: NDArray[np.float32], grid: Grid, axis: int, k: int) -> Volume:
    index = tuple(slice(k, k + 1) if a == axis else slice(None) for a in range(3))
    return Volume(np.ascontiguousarray(signal[index]), grid.part(index))


STAGES: tuple[Stage, ...] = (Stage("stations", 2, QUANTITIES, _select, _run),)
"""Stages of this topic."""
