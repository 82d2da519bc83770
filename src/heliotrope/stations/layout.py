"""Which series are stations of one another, by geometry and contrast alone; no pixel is read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.study import Modality, Role, Series

SMALLEST_OVERLAP_MM = 20.0
"""Neighbors must share this much for shift and gain to be found in their overlap; evidence ``station-overlap``. [mm]"""

REPEAT_SHARE = 0.5
"""Two series that share more than this part of the shorter one are repeats, not neighbors. [1]"""

SAME_PLACE_SHARE = 0.95
"""Two series that share more than this part of the shorter one show one place. [1]"""

SPACING_TOLERANCE = 0.01
"""Relative difference of voxel sizes up to which stations count as one resolution. [1]"""

TIMING_TOLERANCE = 0.10
"""Relative difference of repetition times up to which stations count as one contrast; their gains take it up. [1]"""

LARGEST_TILT_DEG = 0.5
"""Angle between the axes of two stations up to which they are parallel. [deg]"""

ONE_SIDE_READ = (
    "each side is an image of its own and results are read on the larger one: analyze the sides one after the other, "
    "each from its own folder"
)
"""What happens to limbs that cannot be brought into one image, and the way out."""

_NEVER_JOINED = frozenset({Role.OTHER, Role.RADIOGRAPH, Role.ULTRASOUND, Role.RTSTRUCT, Role.SEGMENTATION})
_HEAD_FOOT, _LEFT_RIGHT = 2, 0


class Arrangement(StrEnum):
    """How the series of a group lie to one another."""

    STATIONS = "stations"
    SIDES = "sides"


@dataclass(frozen=True)
class StationGroup:
    """Series that together make one image.

    Parameters
    ----------
    series : tuple of Series
        From low to high along `axis` of the first one's grid.
    arrangement : Arrangement
        ``stations`` one above the other, ``sides`` a left and a right limb scanned separately.
    axis : int
        Array axis along which they follow one another.
    grid : Grid
        Spans all of them on the lattice of the first.
    overlaps_mm : tuple of floats
        Shared length of each neighboring pair. [mm]
    """

    series: tuple[Series, ...]
    arrangement: Arrangement
    axis: int
    grid: Grid
    overlaps_mm: tuple[float, ...]


@dataclass(frozen=True)
class Layout:
    """What was found: groups to be joined, and why others stay apart.

    Parameters
    ----------
    groups : tuple of StationGroup
    notes : tuple of str
        One sentence per pair or series that was left apart or left out.
    """

    groups: tuple[StationGroup, ...]
    notes: tuple[str, ...]


def find_layout(series: Sequence[Series]) -> Layout:
    """Group the series of a study into stations of one another.

    Stations are series of one role and one acquisition with parallel axes and equal voxels, next to one another along
    the body or, for a limb on each side, across it. Neighbors that overlap by less than `SMALLEST_OVERLAP_MM`, that
    differ in resolution, timing or frame of reference, or between which a station is missing, stay apart, and a note
    says so.
    """
    groups: list[StationGroup] = []
    notes: list[str] = []
    for family in _families(series):
        found, said = _group_family(family)
        groups += found
        notes += said
    return Layout(tuple(groups), tuple(dict.fromkeys(notes)))


def _families(series: Sequence[Series]) -> list[list[Series]]:
    """Usable series by role and echo times: what could be stations at all."""
    families: dict[tuple[object, ...], list[Series]] = {}
    for item in series:
        if item.grid is None or item.role in _NEVER_JOINED or item.acquisition.modality is Modality.CT:
            continue
        facts = item.acquisition
        echoes = tuple(round(t, 1) for t in facts.echo_times_ms)
        key = (item.role, item.n_frames, echoes, facts.b_values_s_per_mm2)
        families.setdefault(key, []).append(item)
    return [family for family in families.values() if len(family) > 1]


def _group_family(family: list[Series]) -> tuple[list[StationGroup], list[str]]:
    limbs = _by_side(family)
    if len(limbs) == 2 and all(len(limb) == 1 for limb in limbs):
        return _sides(limbs[0][0], limbs[1][0])
    groups: list[StationGroup] = []
    notes: list[str] = []
    for limb in limbs:
        ordered = sorted(limb, key=lambda item: span_mm(_grid(item), _HEAD_FOOT))
        members, said = _without_repeats(ordered)
        if len(members) < 2 or not _follow(members):
            continue
        runs, apart = _runs(members)
        groups += [_stations(run) for run in runs if len(run) > 1]
        notes += [*said, *apart]
    if len(limbs) == 2 and groups:
        notes.append(f"left and right were scanned separately in several stations; {ONE_SIDE_READ}")
    return groups, notes


def _by_side(family: list[Series]) -> list[list[Series]]:
    """Series of the right and of the left limb where they lie beside one another, else all as one."""
    ordered = sorted(family, key=lambda item: sum(span_mm(_grid(item), _LEFT_RIGHT)))
    for cut in range(1, len(ordered)):
        parts = [ordered[:cut], ordered[cut:]]
        apart = all(_shared(_grid(a), _grid(b), _LEFT_RIGHT) <= REPEAT_SHARE / 2.0 for a in parts[0] for b in parts[1])
        beside = any(_shared(_grid(a), _grid(b), _HEAD_FOOT) > REPEAT_SHARE for a in parts[0] for b in parts[1])
        if apart and beside:
            return parts
    return [family]


def _grid(series: Series) -> Grid:
    assert series.grid is not None
    return series.grid


def span_mm(grid: Grid, direction: int) -> tuple[float, float]:
    """Lowest and highest LPS coordinate of a grid's cells along one patient axis. [mm]"""
    half = [np.array([-0.5, n - 0.5]) for n in grid.shape]
    corners = np.stack(np.meshgrid(*half, indexing="ij"), axis=-1).reshape(-1, 3)
    values = grid.positions_mm(corners)[:, direction]
    return float(values.min()), float(values.max())


def _overlap_mm(first: Grid, second: Grid, direction: int) -> float:
    """Shared length, negative for a gap. [mm]"""
    a, b = span_mm(first, direction), span_mm(second, direction)
    return min(a[1], b[1]) - max(a[0], b[0])


def _shared(first: Grid, second: Grid, direction: int) -> float:
    """Shared length over the shorter of both. [1]"""
    spans = [span_mm(grid, direction) for grid in (first, second)]
    return _overlap_mm(first, second, direction) / min(high - low for low, high in spans)


def _without_repeats(ordered: list[Series]) -> tuple[list[Series], list[str]]:
    """Series at different places; of several at one place the last one scanned stays."""
    kept: list[Series] = []
    notes: list[str] = []
    for item in ordered:
        if kept and _shared(_grid(kept[-1]), _grid(item), _HEAD_FOOT) > SAME_PLACE_SHARE:
            earlier, later = sorted((kept[-1], item), key=lambda one: (one.number or 0, one.key))
            kept[-1] = later
            notes.append(
                f"series {earlier.key} and {later.key} show one place twice; the later one, {later.key}, counts"
            )
        else:
            kept.append(item)
    return kept, notes if len(kept) > 1 else []


def _follow(members: list[Series]) -> bool:
    """Whether no neighbor lies mostly over the one before it."""
    pairs = itertools.pairwise(members)
    return all(_shared(_grid(a), _grid(b), _HEAD_FOOT) <= REPEAT_SHARE for a, b in pairs)


def _runs(members: list[Series]) -> tuple[list[list[Series]], list[str]]:
    """Stretches whose neighbors fit together, and why each break is one."""
    runs, notes = [[members[0]]], []
    for before, after in itertools.pairwise(members):
        reason = mismatch(before, after)
        overlap = _overlap_mm(_grid(before), _grid(after), _HEAD_FOOT)
        if reason is None and overlap < -1e-3:
            reason = f"{-overlap:.0f} mm between them were not imaged"
        elif reason is None and overlap < SMALLEST_OVERLAP_MM:
            reason = f"they share {max(overlap, 0.0):.0f} mm, and {SMALLEST_OVERLAP_MM:.0f} mm are needed"
        if reason is None:
            runs[-1].append(after)
        else:
            runs.append([after])
            notes.append(f"series {before.key} and {after.key} are neighbors and stay apart: {reason}")
    return runs, notes


def mismatch(first: Series, second: Series) -> str | None:
    """Why two series cannot be stations of one image, or None."""
    a, b = _grid(first), _grid(second)
    if len({a.frame_of_reference_uid, b.frame_of_reference_uid} - {None}) == 2:
        return "their frames of reference differ"
    if any(abs(x / y - 1.0) > SPACING_TOLERANCE for x, y in zip(a.spacing_mm, b.spacing_mm, strict=True)):
        sizes = [" x ".join(f"{v:.3g}" for v in grid.spacing_mm) for grid in (a, b)]
        return f"their voxels differ ({sizes[0]} and {sizes[1]} mm)"
    if largest_tilt_deg(a, b) > LARGEST_TILT_DEG:
        return f"their axes differ by {largest_tilt_deg(a, b):.1f} degrees"
    for name, title in (
        ("repetition_time_ms", "repetition times"),
        ("inversion_time_ms", "inversion times"),
        ("flip_angle_deg", "flip angles"),
        ("field_strength_t", "field strengths"),
    ):
        x, y = getattr(first.acquisition, name), getattr(second.acquisition, name)
        tolerance = TIMING_TOLERANCE if name == "repetition_time_ms" else SPACING_TOLERANCE
        if x is not None and y is not None and abs(x - y) > tolerance * max(abs(x), abs(y)):
            return f"their {title} differ ({x:g} and {y:g})"
    return None


def largest_tilt_deg(first: Grid, second: Grid) -> float:
    """Largest angle between matching array axes. [deg]"""
    directions = [grid.matrix[:3, :3] / np.asarray(grid.spacing_mm) for grid in (first, second)]
    cosines = np.clip((directions[0] * directions[1]).sum(axis=0), -1.0, 1.0)
    return float(np.degrees(np.arccos(cosines)).max())


def axis_along(grid: Grid, direction: int) -> int:
    """Array axis that runs nearest to a patient axis (0 left-right, 1 front-back, 2 head-foot)."""
    directions = np.abs(grid.matrix[:3, :3] / np.asarray(grid.spacing_mm))
    return int(np.argmax(directions[direction]))


def _stations(run: list[Series]) -> StationGroup:
    return _group(run, Arrangement.STATIONS, _HEAD_FOOT)


def _sides(right: Series, left: Series) -> tuple[list[StationGroup], list[str]]:
    """A limb on each side of the middle, over mostly the same levels; else why they stay apart."""
    reason = mismatch(right, left)
    if reason is None:
        return [_group([right, left], Arrangement.SIDES, _LEFT_RIGHT)], []
    return [], [f"series {right.key} and {left.key} show one limb each and stay apart: {reason}; {ONE_SIDE_READ}"]


def _group(members: list[Series], arrangement: Arrangement, direction: int) -> StationGroup:
    axis = axis_along(_grid(members[0]), direction)
    if _grid(members[0]).matrix[direction, axis] < 0:
        members.reverse()
    grids = [_grid(item) for item in members]
    overlaps = tuple(_overlap_mm(a, b, direction) for a, b in itertools.pairwise(grids))
    return StationGroup(tuple(members), arrangement, axis, composite_grid(grids), overlaps)


def composite_grid(grids: Sequence[Grid]) -> Grid:
    """The smallest grid on the lattice of the first one that holds the voxel centers of all.

    Examples
    --------
    >>> low = Grid.from_spacing((8, 8, 10), (1.0, 1.0, 5.0))
    >>> high = Grid.from_matrix((8, 8, 10), [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 5, 30], [0, 0, 0, 1]])
    >>> composite_grid([low, high]).shape
    (8, 8, 16)
    """
    first = grids[0]
    offsets = np.array([np.round(offset_in(first, grid)) for grid in grids])
    low = offsets.min(axis=0)
    high = (offsets + np.array([grid.shape for grid in grids])).max(axis=0)
    matrix = first.matrix
    matrix[:3, 3] = first.positions_mm(low)
    frames = [grid.frame_of_reference_uid for grid in grids if grid.frame_of_reference_uid is not None]
    return Grid.from_matrix(tuple(int(n) for n in high - low), matrix, frames[0] if frames else None)


def offset_in(composite: Grid, grid: Grid) -> NDArray[np.float64]:
    """Index in `composite` of the first voxel of `grid`, (3,); fractional where the lattices differ."""
    return composite.indices(grid.positions_mm(np.zeros(3)))


def is_scanned_by_side(series: Series) -> bool:
    """Whether a series is a left and a right limb that were scanned separately."""
    if len(series.stations) != 2:
        return False
    first, second = (_grid(item) for item in series.stations)
    return _shared(first, second, _HEAD_FOOT) > REPEAT_SHARE


def lie_apart(first: Grid, second: Grid) -> bool:
    """Whether two images show different levels of the body, or different sides: they share nothing to speak of."""
    return (
        _overlap_mm(first, second, _HEAD_FOOT) < SMALLEST_OVERLAP_MM
        and _shared(first, second, _HEAD_FOOT) < REPEAT_SHARE
    ) or _overlap_mm(first, second, _LEFT_RIGHT) <= 0.0


def scans_by_side(series: Iterable[Series], grid: Grid) -> tuple[NDArray[np.bool_], ...]:
    """Where on a grid the scans of a right and of a left limb lie, parted half way between their middles.

    Parameters
    ----------
    series : iterable of Series
        Those that matter together; the first that was scanned by side decides.
    grid : Grid

    Returns
    -------
    tuple of bool arrays (x, y, z)
        Right and left; empty when no series was scanned by side.
    """
    apart = next((item for item in series if is_scanned_by_side(item)), None)
    if apart is None:
        return ()
    border = float(np.mean([sum(span_mm(_grid(item), _LEFT_RIGHT)) / 2.0 for item in apart.stations]))
    axes = np.ix_(*(np.arange(n) for n in grid.shape))
    row = grid.matrix[_LEFT_RIGHT]
    x = sum((row[a] * axes[a] for a in range(3)), start=np.full(grid.shape, row[3]))
    return x < border, x >= border
