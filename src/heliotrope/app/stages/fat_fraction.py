"""The fat-fraction stage: the best images a study has for it, and the fit they permit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Acquisition, Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.maps.fat_fraction.complex_fit import fit_complex_fat_fraction
from heliotrope.maps.fat_fraction.decisions import LARGEST_MISFIT
from heliotrope.maps.fat_fraction.echo_images import complex_echoes
from heliotrope.maps.fat_fraction.magnitude_fit import fit_magnitude_fat_fraction, read_in_opposed_fat_fraction
from heliotrope.maps.fat_fraction.result import FatFractionMaps
from heliotrope.maps.fat_fraction.t1_guard import T1Guard, t1_guard
from heliotrope.maps.fat_fraction.vendor import fit_vendor_water_fat, read_vendor_fat_fraction

QUANTITIES = (
    Quantity(
        "fat_fraction",
        "Fat fraction",
        Unit.PERCENT,
        "Proton-density fat fraction; higher is more fatty replacement, i.e. damage; it does not measure inflammation.",
    ),
    Quantity(
        "water_signal",
        "Water signal",
        Unit.ARBITRARY,
        "Signal of water at echo time 0; used as reference for other images, not comparable between scans.",
    ),
    Quantity(
        "fat_signal",
        "Fat signal",
        Unit.ARBITRARY,
        "Signal of fat at echo time 0; not comparable between scans.",
    ),
    Quantity(
        "field_map",
        "Field map",
        Unit.HERTZ,
        "Local deviation of the main field; large values warn of failed fat suppression in other images.",
    ),
    Quantity(
        "r2star",
        "R2*",
        Unit.PER_SECOND,
        "Common effective decay rate of water and fat; not a disease measure here.",
    ),
)


class InputKind(StrEnum):
    """What a fat fraction can be made from, best first."""

    COMPLEX_ECHOES = "complex gradient echoes"
    MAGNITUDE_ECHOES = "magnitude gradient echoes"
    VENDOR_MAP = "vendor fat-fraction image"
    VENDOR_WATER_FAT = "vendor water and fat images"
    IN_OPPOSED = "in- and opposed-phase images"


@dataclass(frozen=True)
class FatFractionInput:
    """The chosen series, in the order the fit wants them."""

    kind: InputKind
    series: tuple[Series, ...]


def choose_input(study: Study) -> FatFractionInput | Missing:
    """The best input of a study, or what is missing."""
    magnitude = echo_groups(study.with_role(Role.GRE_MAGNITUDE))
    for first_role, second in (
        (Role.GRE_MAGNITUDE, echo_groups(study.with_role(Role.GRE_PHASE))),
        (Role.GRE_REAL, echo_groups(study.with_role(Role.GRE_IMAGINARY))),
    ):
        first = magnitude if first_role is Role.GRE_MAGNITUDE else echo_groups(study.with_role(first_role))
        for group in first:
            for partner in second:
                if _same_echoes(group, partner):
                    return FatFractionInput(InputKind.COMPLEX_ECHOES, (*group, *partner))
    if magnitude:
        return FatFractionInput(InputKind.MAGNITUDE_ECHOES, magnitude[0])
    for image in sorted(study.with_role(Role.FAT_FRACTION), key=_size, reverse=True):
        if image.grid is not None and image.n_frames == 1:
            return FatFractionInput(InputKind.VENDOR_MAP, (image,))
    pairs = matching_pairs(study.with_role(Role.DIXON_WATER), study.with_role(Role.DIXON_FAT))
    if pairs:
        return FatFractionInput(InputKind.VENDOR_WATER_FAT, pairs[0])
    for opposed, in_phase in matching_pairs(
        study.with_role(Role.DIXON_OPPOSED_PHASE), study.with_role(Role.DIXON_IN_PHASE)
    ):
        stated = len(opposed.acquisition.echo_times_ms) == len(in_phase.acquisition.echo_times_ms) == 1
        if stated and opposed.acquisition.field_strength_t is not None:
            return FatFractionInput(InputKind.IN_OPPOSED, (opposed, in_phase))
    return Missing(
        "M_NO_SERIES",
        "no images to make a fat fraction from: needed are three or more gradient echoes with stated echo times and "
        "field strength, or the scanner's fat-fraction image, or its water and fat images on one grid",
    )


def echo_groups(series: tuple[Series, ...]) -> tuple[tuple[Series, ...], ...]:
    """Series that together hold three or more echoes of one acquisition, in order of echo time, most echoes first.

    One series may hold every echo, or each echo may be a series of its own; those belong together when grid, repetition
    time, flip angle and field strength agree.
    """
    groups: list[list[Series]] = []
    for item in series:
        times = item.acquisition.echo_times_ms
        usable = item.grid is not None and item.acquisition.field_strength_t is not None
        if not usable or not times or len(times) != item.n_frames:
            continue
        for group in groups:
            if item.n_frames == 1 and group[0].n_frames == 1 and _belong(group, item):
                group.append(item)
                break
        else:
            groups.append([item])
    ordered = [tuple(sorted(group, key=lambda one: one.acquisition.echo_times_ms)) for group in groups]
    complete = [group for group in ordered if len(_times(group)) >= 3]
    return tuple(sorted(complete, key=lambda group: -len(_times(group))))


def _belong(group: list[Series], item: Series) -> bool:
    first, other = group[0], item
    assert first.grid is not None
    assert other.grid is not None
    facts = (first.acquisition, other.acquisition)
    same_facts = all(
        getattr(facts[0], name) == getattr(facts[1], name)
        for name in ("repetition_time_ms", "flip_angle_deg", "field_strength_t")
    )
    fresh = other.acquisition.echo_times_ms[0] not in [one.acquisition.echo_times_ms[0] for one in group]
    return fresh and same_facts and first.grid.is_same_as(other.grid)


def _times(group: tuple[Series, ...]) -> tuple[float, ...]:
    return tuple(time for item in group for time in item.acquisition.echo_times_ms)


def _same_echoes(first: tuple[Series, ...], second: tuple[Series, ...]) -> bool:
    times = (_times(first), _times(second))
    if len(times[0]) != len(times[1]) or any(abs(a - b) > 0.01 for a, b in zip(*times, strict=True)):
        return False
    return first[0].grid is not None and second[0].grid is not None and first[0].grid.is_same_as(second[0].grid)


def matching_pairs(first: tuple[Series, ...], second: tuple[Series, ...]) -> tuple[tuple[Series, Series], ...]:
    """Pairs of 3-D series on one grid, largest first; nearer series numbers first among equals."""
    pairs = [
        (a, b)
        for a in first
        for b in second
        if a.grid is not None and b.grid is not None and a.n_frames == b.n_frames == 1 and a.grid.is_same_as(b.grid)
    ]
    return tuple(sorted(pairs, key=lambda pair: (-_size(pair[0]), abs((pair[0].number or 0) - (pair[1].number or 0)))))


def _size(series: Series) -> int:
    if series.grid is None:
        return 0
    x, y, z = series.grid.shape
    return x * y * z


def _select(study: Study) -> tuple[Series, ...] | Missing:
    chosen = choose_input(study)
    return chosen if isinstance(chosen, Missing) else chosen.series


def _guard(acquisition: Acquisition) -> T1Guard:
    return t1_guard(
        repetition_time_ms=acquisition.repetition_time_ms,
        flip_angle_deg=acquisition.flip_angle_deg,
        field_strength_t=acquisition.field_strength_t,
    )


def _run(stage_input: StageInput) -> StageOutput:
    series = stage_input.series
    roles = {item.role for item in series}
    facts = series[0].acquisition
    guard = _guard(facts)
    if roles & {Role.GRE_MAGNITUDE, Role.GRE_REAL}:
        return _run_echoes(stage_input, guard)
    volumes = [stage_input.read_volume(item) for item in series]
    if roles == {Role.FAT_FRACTION}:
        return output(read_vendor_fat_fraction(volumes[0], guard=guard), "Fat fraction was the scanner's own map.")
    if roles == {Role.DIXON_OPPOSED_PHASE, Role.DIXON_IN_PHASE}:
        result = read_in_opposed_fat_fraction(
            volumes[0],
            volumes[1],
            opposed_echo_ms=facts.echo_times_ms[0],
            in_phase_echo_ms=series[1].acquisition.echo_times_ms[0],
            field_strength_t=facts.field_strength_t or 0.0,
            guard=guard,
        )
        return output(result, "Fat fraction was read from in- and opposed-phase magnitudes, inside muscle only.")
    result = fit_vendor_water_fat(volumes[0], volumes[1], guard=guard)
    return output(result, "Fat fraction was computed from the scanner's water and fat images.")


def _run_echoes(stage_input: StageInput, guard: T1Guard) -> StageOutput:
    first_roles = (Role.GRE_MAGNITUDE, Role.GRE_REAL)
    first = tuple(item for item in stage_input.series if item.role in first_roles)
    second = tuple(item for item in stage_input.series if item.role not in first_roles)
    times = _times(first)
    field = first[0].acquisition.field_strength_t or 0.0
    data, grid = _stacked(stage_input, first)
    listed = ", ".join(f"{time:.2f}" for time in times)
    if not second:
        result = fit_magnitude_fat_fraction(
            Volume(data, grid), echo_times_ms=times, field_strength_t=field, guard=guard
        )
        return output(result, f"Fat fraction was fitted to magnitude gradient echoes at {listed} ms.")
    other, _ = _stacked(stage_input, second)
    if second[0].role is Role.GRE_PHASE:
        echoes, action = complex_echoes(data, other, "auto")
    else:
        echoes, action = (data + 1j * other).astype(np.complex64), "real and imaginary images combined"
    result = fit_complex_fat_fraction(Volume(echoes, grid), echo_times_ms=times, field_strength_t=field, guard=guard)
    result = replace(result, actions=(action, *result.actions))
    return output(result, f"Fat fraction was fitted to complex gradient echoes at {listed} ms.")


def _stacked(stage_input: StageInput, series: tuple[Series, ...]) -> tuple[NDArray[Any], Grid]:
    first = stage_input.read_volume(series[0])
    n_frames = sum(item.n_frames for item in series)
    data = np.empty((*first.grid.shape, n_frames), dtype=first.data.dtype)
    done = 0
    for item in series:
        volume = stage_input.read_volume(item)
        for number in range(volume.n_frames):
            data[..., done] = volume.frame(number).data
            done += 1
    return data, first.grid


def output(result: FatFractionMaps, sentence: str) -> StageOutput:
    """A stage's output from the maps of any method."""
    if not result.fat_fraction.valid.any():
        raise QualityRefusal(
            "fat fraction: no voxel could be fitted", hint="check that the images show tissue", code="E_QUALITY"
        )
    keys = {quantity.key for quantity in QUANTITIES}
    actions = "; ".join(result.actions)
    uncertain = result.quality.get("uncertain_sections")
    quality: tuple[QualityCheck, ...] = ()
    if "limb_sections" in result.quality:
        passed = None if result.quality["limb_sections"] == 0 else not uncertain
        quality = (QualityCheck("water-fat exchange", passed, actions),)
    if "misfit_over_noise" in result.quality:
        misfit = result.quality["misfit_over_noise"]
        detail = f"residual of the fit {misfit:.1f} times the noise of the images (limit {LARGEST_MISFIT:g})"
        quality = (*quality, QualityCheck("fit of water and fat to the echoes", misfit <= LARGEST_MISFIT, detail))
    return StageOutput(
        sentence=f"{sentence} {actions[:1].upper()}{actions[1:]}." if actions else sentence,
        evidence=("pdff-definition", "muscle-water-t1-3t", "fat-t1-3t"),
        maps={key: item for key, item in result.maps.items() if key in keys},
        quality=quality,
    )


STAGES = (Stage("fat-fraction", 3, QUANTITIES, _select, _run, by_station=True),)
