"""Frames to volumes: geometric order, the fourth axis, gaps, duplicates, tilt; what does not fit is said."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.study import NO_PIXEL_SIZE_DEFECT, Modality
from heliotrope.io.frames import FrameFacts

SAME_SLICE_MM = 0.02
"""Frames closer than this along the normal lie in one slice. [mm]"""
SAME_LINE_MM = 0.5
"""Frames whose in-plane origins differ by less belong to one stack. [mm]"""
SPACING_TOLERANCE = 0.02
"""Largest departure of a slice from even spacing, as a fraction of the spacing. [1]"""
SPACING_FLOOR_MM = 0.05
"""Departure that is always tolerated: headers round positions. [mm]"""
TILT_STATED_DEG = 0.1
"""Stacking direction further than this from the slice normal is called tilted. [deg]"""
UNIT_DEPTH_MM = 1.0
"""Stands for the depth of a projection image, which has none. [mm]"""
PLANE_DEFECT = (
    "a plane image: its axes are those of the picture, not of the patient, and its depth of "
    f"{UNIT_DEPTH_MM:g} mm is a stand-in"
)


@dataclass(frozen=True)
class Stack:
    """Frames that form one series of the study.

    Parameters
    ----------
    frames : tuple of FrameFacts
        Slice-fastest, then the fourth axis.
    grid : Grid or None
    n_frames : int
        Length of the fourth axis.
    defects : tuple of str
    axis : str
        What the fourth axis is: ``"echo"``, ``"diffusion"``, ``"repetition"`` or ``""``.
    """

    frames: tuple[FrameFacts, ...]
    grid: Grid | None
    n_frames: int
    defects: tuple[str, ...]
    axis: str = ""


@dataclass
class Assembly:
    """What came of the frames of one series: stacks, and frames left out with the reason."""

    stacks: list[Stack] = field(default_factory=list)
    left_out: list[tuple[FrameFacts, str]] = field(default_factory=list)


def assemble(frames: Sequence[FrameFacts]) -> Assembly:
    """Group the frames of one series instance into stacks."""
    result = Assembly()
    unique = _without_copies(frames, result)
    groups: dict[tuple[object, ...], list[FrameFacts]] = defaultdict(list)
    for frame in unique:
        groups[_kind(frame)].append(frame)
    several = len(groups) > 1
    for members in groups.values():
        before = len(result.stacks)
        if members[0].position is None or members[0].row is None or members[0].row_spacing_mm is None:
            _unplaced(members, result)
        else:
            for part in _stations(members):
                _place(part, result)
        if several:
            words = "one of several kinds of images under one series identifier, told apart by " + _difference(groups)
            result.stacks[before:] = [replace(s, defects=(*s.defects, words)) for s in result.stacks[before:]]
    return result


def _rounded(values: Sequence[float] | None, digits: int) -> tuple[float, ...] | None:
    return None if values is None else tuple(round(v, digits) + 0.0 for v in values)


def _kind(frame: FrameFacts) -> tuple[object, ...]:
    context = frame.context
    spacing = None
    if frame.row_spacing_mm is not None and frame.column_spacing_mm is not None:
        spacing = (round(frame.row_spacing_mm, 4), round(frame.column_spacing_mm, 4))
    flip = None if frame.flip_angle_deg is None else round(frame.flip_angle_deg, 1)
    inversion = None if frame.inversion_time_ms is None else round(frame.inversion_time_ms, 1)
    return (
        frame.shape,
        spacing,
        (_rounded(frame.row, 3), _rounded(frame.column, 3)),
        context.component,
        context.image_type,
        frame.isotropic,
        inversion,
        flip,
        context.frame_of_reference,
        frame.position is None,
    )


_KIND_WORDS = (
    "image size",
    "pixel spacing",
    "orientation",
    "complex component",
    "image type",
    "kind of diffusion weighting",
    "inversion time",
    "flip angle",
    "frame of reference",
    "whether a position is stated",
)


def _difference(groups: dict[tuple[object, ...], list[FrameFacts]]) -> str:
    varying = [word for index, word in enumerate(_KIND_WORDS) if len({key[index] for key in groups}) > 1]
    return " and ".join(varying)


def _without_copies(frames: Sequence[FrameFacts], result: Assembly) -> list[FrameFacts]:
    seen: set[tuple[str, int]] = set()
    kept: list[FrameFacts] = []
    for frame in frames:
        identity = (frame.sop_uid or f"file {frame.file}", frame.source.frame)
        if identity in seen:
            result.left_out.append((frame, "a second copy of an image already read"))
        else:
            seen.add(identity)
            kept.append(frame)
    return kept


def _unplaced(members: list[FrameFacts], result: Assembly) -> None:
    """Images without a position in the patient: projections, ultrasound, screen captures."""
    members.sort(key=lambda f: (f.instance, f.source.frame))
    by_file: dict[int, list[FrameFacts]] = defaultdict(list)
    for frame in members:
        by_file[frame.file].append(frame)
    for part in by_file.values():
        first = part[0]
        flat = first.context.modality in (Modality.RADIOGRAPH, Modality.ULTRASOUND)
        if not flat:
            result.stacks.append(Stack(tuple(part), None, len(part), ("no position in the patient is stated",)))
            continue
        words: tuple[str, ...] = (PLANE_DEFECT,)
        spacing = (first.column_spacing_mm, first.row_spacing_mm)
        if spacing[0] is None or spacing[1] is None:
            words = (PLANE_DEFECT, NO_PIXEL_SIZE_DEFECT)
            spacing = (1.0, 1.0)
        affine = np.diag([spacing[0], spacing[1], UNIT_DEPTH_MM, 1.0])
        grid = Grid.from_matrix((first.shape[1], first.shape[0], 1), affine, first.context.frame_of_reference)
        axis = "repetition" if len(part) > 1 else ""
        result.stacks.append(Stack(tuple(part), grid, len(part), words, axis))


def _normal(frame: FrameFacts) -> NDArray[np.float64]:
    return np.cross(np.asarray(frame.row), np.asarray(frame.column))


def _stations(members: list[FrameFacts]) -> list[list[FrameFacts]]:
    """Split frames whose slices coincide along the normal but whose origins differ in the plane (table stations)."""
    positions = np.array([frame.position for frame in members], dtype=float)
    normal = _normal(members[0])
    along = positions @ normal
    in_plane = positions - np.outer(along, normal)
    lines: list[tuple[NDArray[np.float64], list[int]]] = []
    for index, point in enumerate(in_plane):
        home = next((line for line in lines if float(np.abs(line[0] - point).max()) < SAME_LINE_MM), None)
        if home is None:
            lines.append((point, [index]))
        else:
            home[1].append(index)
        if len(lines) > max(2, len(members) // 2):
            return [members]  # every slice has an origin of its own: a tilted stack
    if len(lines) < 2:
        return [members]
    levels = [set(np.round(along[index], 1)) for _, index in lines]
    shared = any(first & second for first, second in itertools.combinations(levels, 2))
    if not shared:
        return [members]
    return [[members[i] for i in index] for _, index in lines]


def _slice_numbers(along: NDArray[np.float64]) -> NDArray[np.intp]:
    order = np.argsort(along, kind="stable")
    steps = np.concatenate([[False], np.diff(along[order]) > SAME_SLICE_MM])
    numbers = np.empty(len(along), dtype=np.intp)
    numbers[order] = np.cumsum(steps)
    return numbers


_Key = tuple[object, ...]


def _state(frame: FrameFacts) -> _Key:
    return (
        None if frame.echo_time_ms is None else round(frame.echo_time_ms, 3),
        None if frame.b_value is None else round(frame.b_value),
        _rounded(frame.b_vector, 2),
        frame.temporal,
    )


def _keyed(
    members: list[FrameFacts], numbers: NDArray[np.intp], *, by_state: bool
) -> dict[_Key, dict[int, FrameFacts]]:
    """Fourth-axis state to slice to frame; equal states are numbered in order of acquisition."""
    queues: dict[tuple[int, _Key], list[FrameFacts]] = defaultdict(list)
    for frame, number in zip(members, numbers, strict=True):
        queues[int(number), _state(frame) if by_state else ()].append(frame)
    table: dict[_Key, dict[int, FrameFacts]] = defaultdict(dict)
    for (number, state), queue in queues.items():
        queue.sort(key=lambda f: (f.acquisition, f.instance, f.sop_uid, f.source.frame))
        for ordinal, frame in enumerate(queue):
            table[*state, ordinal][number] = frame
    return table


def _place(members: list[FrameFacts], result: Assembly) -> None:
    positions = np.array([frame.position for frame in members], dtype=float)
    numbers = _slice_numbers(positions @ _normal(members[0]))
    table = _keyed(members, numbers, by_state=True)
    n_slices = int(numbers.max()) + 1
    whole = [key for key, slices in table.items() if len(slices) == n_slices]
    if not whole and len({frame.acquisition for frame in members}) > 1:
        # overlapping slabs or passes: each acquisition stands for itself
        for _, part in itertools.groupby(sorted(members, key=lambda f: f.acquisition), key=lambda f: f.acquisition):
            _place_table(list(part), result)
        return
    if not whole:
        by_rank = _keyed(members, numbers, by_state=False)
        if any(len(slices) == n_slices for slices in by_rank.values()):
            table = by_rank
    _fill(table, result)


def _place_table(members: list[FrameFacts], result: Assembly) -> None:
    positions = np.array([frame.position for frame in members], dtype=float)
    _fill(_keyed(members, _slice_numbers(positions @ _normal(members[0])), by_state=True), result)


def _sort_key(frame: FrameFacts, axis: str) -> tuple[float, ...]:
    if axis == "echo":
        return (frame.echo_time_ms or 0.0, float(frame.instance))
    return (float(frame.temporal), float(frame.acquisition), float(frame.instance))


def _axis_of(table: dict[_Key, dict[int, FrameFacts]]) -> str:
    some = [next(iter(slices.values())) for slices in table.values()]
    if len(some) < 2:
        weighted = bool(some) and some[0].b_value is not None
        # some scanners state b = 0 on every image they make
        return "diffusion" if weighted and (some[0].b_value or "EP" in some[0].context.scanning_sequence) else ""
    if len({_state(frame)[1:3] for frame in some}) > 1:
        return "diffusion"
    if len({_state(frame)[0] for frame in some}) > 1:
        return "echo"
    return "repetition"


def _fill(table: dict[_Key, dict[int, FrameFacts]], result: Assembly) -> None:
    axis = _axis_of(table)
    keys = sorted(table, key=lambda key: _sort_key(min(table[key].values(), key=lambda f: f.instance), axis))
    slices = set().union(*(set(table[key]) for key in keys))
    defects: list[str] = []
    keys, slices = _make_rectangular(table, keys, slices, axis, defects, result)
    if len(keys) == 1 and axis != "diffusion":
        axis = ""
    if axis == "echo" and len(keys[0]) == 5 and len({_state(table[key][min(slices)])[0] for key in keys}) < len(keys):
        _repetitions(table, keys, slices, defects, result)
        return
    context = table[keys[0]][min(slices)].context
    if axis == "repetition" and context.modality is Modality.CT:
        for number, key in enumerate(keys, start=1):
            _runs(table, [key], sorted(slices), "", (*defects, f"pass {number} of {len(keys)} over one region"), result)
        return
    if axis == "repetition":
        defects.append(f"{len(keys)} repetitions of one image along the fourth axis")
    words = context.scanning_sequence
    if axis == "echo" and len(keys) == 2 and "SE" in words and "GR" not in words:
        # proton density and T2 of one train: two images, no relaxation measurement
        for number, key in enumerate(keys, start=1):
            _runs(table, [key], sorted(slices), "", (*defects, f"echo {number} of a dual-echo train"), result)
        return
    _runs(table, keys, sorted(slices), axis, tuple(defects), result)


def _repetitions(
    table: dict[_Key, dict[int, FrameFacts]], keys: list[_Key], slices: set[int], defects: list[str], result: Assembly
) -> None:
    """Several passes of one echo train: each pass is a series of its own."""
    passes: dict[tuple[object, ...], list[_Key]] = defaultdict(list)
    for key in keys:
        passes[key[3], key[4]].append(key)
    for number, part in enumerate(passes.values(), start=1):
        words = f"repetition {number} of {len(passes)} of one echo train"
        _runs(table, part, sorted(slices), "echo" if len(part) > 1 else "", (*defects, words), result)


def _make_rectangular(
    table: dict[_Key, dict[int, FrameFacts]],
    keys: list[_Key],
    slices: set[int],
    axis: str,
    defects: list[str],
    result: Assembly,
) -> tuple[list[_Key], set[int]]:
    """Drop the fewest frames so that every slice has every echo, weighting or time point."""
    keys, slices = list(keys), set(slices)
    while True:
        short_keys = [key for key in keys if not slices <= set(table[key])]
        if not short_keys:
            return keys, slices
        short_slices = [number for number in slices if any(number not in table[key] for key in keys)]

        costs = {key: _key_cost(table, keys, slices, key, axis) for key in short_keys}
        slice_costs = {number: _slice_cost(table, keys, slices, number) for number in short_slices}
        best_key = min(short_keys, key=lambda key: costs[key])
        best_slice = min(short_slices, key=lambda number: slice_costs[number])
        if costs[best_key][0] <= slice_costs[best_slice][0]:
            lost = [frame for number, frame in table[best_key].items() if number in slices]
            keys.remove(best_key)
            slices &= set().union(*(set(table[key]) for key in keys))
            words = f"an incomplete volume was left out: {len(lost)} of {len(slices)} slices arrived"
        else:
            lost = [table[key][best_slice] for key in keys if best_slice in table[key]]
            slices.remove(best_slice)
            keys = [key for key in keys if slices & set(table[key])]
            words = f"a slice was left out: {len(lost)} of its {len(keys)} images arrived"
        defects.append(words)
        result.left_out.extend((frame, words) for frame in lost)


def _key_cost(
    table: dict[_Key, dict[int, FrameFacts]], keys: list[_Key], slices: set[int], key: _Key, axis: str
) -> tuple[float, float]:
    # an echo missing from the middle of the train would break its even spacing
    inner = axis == "echo" and key != keys[-1] and len(keys) > 1
    return (float("inf") if inner else float(len(slices & set(table[key]))), -float(keys.index(key)))


def _slice_cost(
    table: dict[_Key, dict[int, FrameFacts]], keys: list[_Key], slices: set[int], number: int
) -> tuple[float, float]:
    """Frames lost with a slice; among equals the outer ones go first."""
    return (float(sum(number in table[key] for key in keys)), float(min(number - min(slices), max(slices) - number)))


def _runs(
    table: dict[_Key, dict[int, FrameFacts]],
    keys: list[_Key],
    slices: list[int],
    axis: str,
    defects: tuple[str, ...],
    result: Assembly,
) -> None:
    """Stacks of evenly spaced slices; a gap splits them, disorder refuses the grid."""
    points = np.array([table[keys[0]][number].position for number in slices], dtype=float)
    normal = _normal(table[keys[0]][slices[0]])
    parts = _even_parts(points, normal)
    if len(parts) > max(3, len(slices) // 4) and len(parts) > 1:
        words = f"the {len(slices)} slices are not evenly spaced and form no regular volume"
        frames = tuple(table[key][number] for key in keys for number in slices)
        result.stacks.append(Stack(frames, None, len(keys), (*defects, words), axis))
        return
    for number, part in enumerate(parts, start=1):
        members = [slices[i] for i in part]
        frames = tuple(table[key][index] for key in keys for index in members)
        more = defects
        if len(parts) > 1:
            more = (
                *defects,
                f"slices are missing: part {number} of {len(parts)}, split at the gaps ({len(members)} slices)",
            )
        result.stacks.append(_finish(frames, len(members), len(keys), axis, more))


def _even_parts(points: NDArray[np.float64], normal: NDArray[np.float64]) -> list[list[int]]:
    if len(points) < 3:
        return [list(range(len(points)))]
    along = points @ normal
    steps = np.diff(along)
    if _departure(points) <= max(SPACING_FLOOR_MM, SPACING_TOLERANCE * float(steps.mean())):
        return [list(range(len(points)))]
    common = Counter(np.round(steps, 1)).most_common(1)[0]
    base = float(np.median(steps[np.abs(steps - common[0]) < 0.11])) if common[1] > 1 else float(steps.min())
    tolerance = max(SPACING_FLOOR_MM, SPACING_TOLERANCE * base)
    parts: list[list[int]] = [[0]]
    for index, step in enumerate(steps, start=1):
        if abs(step - base) <= tolerance:
            parts[-1].append(index)
        else:
            parts.append([index])
    return parts


def _departure(points: NDArray[np.float64]) -> float:
    """Largest distance of a slice origin from even spacing between the first and the last. [mm]"""
    fractions = np.linspace(0.0, 1.0, len(points))[:, None]
    return float(np.linalg.norm(points - (points[0] + fractions * (points[-1] - points[0])), axis=1).max())


def _finish(frames: tuple[FrameFacts, ...], n_slices: int, n_frames: int, axis: str, defects: tuple[str, ...]) -> Stack:
    first = frames[0]
    points = np.array([frame.position for frame in frames[:n_slices]], dtype=float)
    normal = _normal(first)
    words = list(defects)
    if n_slices > 1:
        step = (points[-1] - points[0]) / (n_slices - 1)
        departure = _departure(points)
        if departure > max(SPACING_FLOOR_MM, SPACING_TOLERANCE * float(np.linalg.norm(step))):
            words.append(f"slices leave a straight, even line by {departure:.2g} mm")
            return Stack(frames, None, n_frames, tuple(words), axis)
        if departure > SPACING_FLOOR_MM:
            words.append(f"slice positions depart from even spacing by up to {departure:.2g} mm")
        cosine = float(np.clip(step @ normal / np.linalg.norm(step), -1.0, 1.0))
        angle = float(np.degrees(np.arccos(cosine)))
        if angle > TILT_STATED_DEG:
            words.append(
                f"slices are stacked {angle:.1f} degrees off their normal (gantry tilt); the grid keeps the shear"
            )
    else:
        depth = first.context.spacing_between_slices_mm or first.context.slice_thickness_mm
        if depth is None:
            words.append("a single slice of unstated thickness has no volume")
            return Stack(frames, None, n_frames, tuple(words), axis)
        step = normal * depth
    affine = np.eye(4)
    affine[:3, 0] = np.asarray(first.row) * (first.column_spacing_mm or 0.0)
    affine[:3, 1] = np.asarray(first.column) * (first.row_spacing_mm or 0.0)
    affine[:3, 2] = step
    affine[:3, 3] = points[0]
    try:
        grid = Grid.from_matrix((first.shape[1], first.shape[0], n_slices), affine, first.context.frame_of_reference)
    except GeometryError:
        words.append("orientation, spacing and positions form no volume")
        return Stack(frames, None, n_frames, tuple(words), axis)
    origins = {frame.scaling for frame in frames}
    if len(origins) > 1:
        words.append("images are scaled in different ways (" + ", ".join(sorted(origins)) + ") and cannot be compared")
        return Stack(frames, None, n_frames, tuple(words), axis)
    thickness = first.context.slice_thickness_mm
    if thickness is not None and n_slices > 1 and float(np.linalg.norm(step)) > 1.5 * thickness:
        apart = f"{float(np.linalg.norm(step)):.3g} mm apart and {thickness:.3g} mm thick"
        words.append(f"slices are {apart}: tissue between them was not imaged")
    return Stack(frames, grid, n_frames, tuple(words), axis)
