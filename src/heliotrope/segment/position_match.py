"""Which place of a later image is which place of an earlier one: a rigid move of each limb, from labels alone.

Labels stand in for images, so neither disease nor scanner nor contrast drives the match, and it is judged by bone and
the outline of the limb. The level along the limb is found to about 1 mm on phantoms; the turn of a nearly round limb
about its own axis only to a few degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from heliotrope.domain.anatomy import STRUCTURES, Side, StructureKind
from heliotrope.domain.comparison import PositionMatch
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.segment.registration import SAMPLING_SEED, SURFACE_LIMIT_MM, image_of, matrix_of

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SHORTEST_OVERLAP = 0.3
"""Share of the shorter stack that both must show for a match. [1]"""

LARGEST_TURN_DEG = 15.0
"""A limb turned more than this against the slices is not shown side by side: the cuts are not alike. [deg]"""

_FEWEST_VOXELS = 200
_DENSITY: Mapping[str, float] = MappingProxyType({"muscle": 0.4, "fat": 1.0, "bone": 0.7})
"""Gray of each tissue in the image that is matched; muscle apart from fat apart from background. [1]"""

_FAT = frozenset({"subcutaneous_fat", "intermuscular_fat", "skin"})


@dataclass(frozen=True, eq=False)
class _Limb:
    """Tissues of one side on its grid."""

    density: NDArray[np.float32]
    bone: BoolArray
    body: BoolArray
    grid: Grid


def _limb(labels: LabelMap, side: Side | None) -> _Limb | None:
    density = np.zeros(labels.grid.shape, dtype=np.float32)
    bone = np.zeros(labels.grid.shape, dtype=bool)
    for number, region in labels.legend.items():
        if side is not None and region.side is not side:
            continue
        here = labels.labels == number
        hard = region.structure.startswith("bone") or STRUCTURES[region.structure].kind is StructureKind.BONE
        tissue = "bone" if hard else "fat" if region.structure in _FAT else "muscle"
        density[here] = _DENSITY[tissue]
        bone |= here & hard
    body = _filled(density > 0, int(np.argmax(labels.grid.spacing_mm)))
    if np.count_nonzero(body) < _FEWEST_VOXELS:
        return None
    return _Limb(density, bone, body, labels.grid)


def _filled(mask: BoolArray, across: int) -> BoolArray:
    """Every slice without holes: what is unlabeled within a limb is no outline."""
    planes = [ndimage.binary_fill_holes(np.take(mask, k, axis=across)) for k in range(mask.shape[across])]
    return np.asarray(np.stack(planes, axis=across), dtype=bool)


def _pair(first: LabelMap, second: LabelMap, side: Side | None) -> tuple[_Limb, _Limb] | None:
    """A limb on two label maps, without its bones where the two mostly show different numbers of them.

    A fibula, or a tibia at the skin, that one image does not show must neither drive a move nor count as a distance.
    """
    pair = (_limb(first, side), _limb(second, side))
    if pair[0] is None or pair[1] is None:
        return None
    if _usual_bones(pair[0]) != _usual_bones(pair[1]):
        return (_without_bone(pair[0]), _without_bone(pair[1]))
    return (pair[0], pair[1])


def _usual_bones(limb: _Limb) -> int:
    """Number of bones that most slices with bone show; 0 without any."""
    across = int(np.argmax(limb.grid.spacing_mm))
    counts = [ndimage.label(np.take(limb.bone, k, axis=across))[1] for k in range(limb.grid.shape[across])]
    shown = [count for count in counts if count]
    return int(np.argmax(np.bincount(shown))) if shown else 0


def _without_bone(limb: _Limb) -> _Limb:
    density = np.where(limb.bone, np.float32(_DENSITY["muscle"]), limb.density)
    return replace(limb, density=density, bone=np.zeros_like(limb.bone))


def match_positions(first: LabelMap, second: LabelMap) -> tuple[PositionMatch, ...]:
    """Where each limb of an earlier image lies in a later one.

    Parameters
    ----------
    first, second : LabelMap
        Tissues of the two images, each on its own grid.

    Returns
    -------
    tuple of PositionMatch
        One per side that both show and that could be matched; one without a side where labels name none.

    Raises
    ------
    QualityRefusal
        ``E_REGISTRATION``: no limb could be matched, with the reason.
    """
    found: list[PositionMatch] = []
    reasons: list[str] = []
    named = [{region.side for region in labels.legend.values()} - {None} for labels in (first, second)]
    sides: list[Side | None] = [side for side in Side if side in named[0] and side in named[1]]
    if not any(named):
        sides = [None]
    for side in sides:
        pair = _pair(first, second, side)
        if pair is None:
            continue
        try:
            found.append(_match(*pair, side))
        except QualityRefusal as refusal:
            reasons.append(f"{side or 'limb'}: {refusal.message}")
    if not found:
        raise QualityRefusal(
            "positions could not be matched: " + ("; ".join(reasons) or "no limb is labeled on both images"),
            hint="compare the pictures of the two reports by eye, or scan the same level",
            code="E_REGISTRATION",
        )
    return tuple(found)


def move_of_limb(first: LabelMap, second: LabelMap, side: Side | None) -> FloatArray | None:
    """Rigid move of a limb by bone and outline, 4x4 from positions of `first` to those of `second`, not judged.

    Headers may be right, miss a shift, or miss a tilt of the whole stack: each is a start, and the move that leaves the
    surfaces nearest is taken, among those after which a fair share of the limb lies in both images. None where one of
    them does not show the limb.
    """
    pair = _pair(first, second, side)
    return None if pair is None else _best_move(*pair)[0]


def _best_move(first: _Limb, second: _Limb) -> tuple[FloatArray, float]:
    """The move after which the surfaces lie nearest, and how far apart they then lie. [mm]"""
    moves = [_refined(first, second, start) for start in _starts(first, second)]
    judged = [_Surfaces.of(first, second, move) for move in moves]
    enough = FAIR_SHARE * max(surfaces.slices for surfaces in judged)
    fair = [i for i, surfaces in enumerate(judged) if surfaces.slices >= enough]
    best = min(fair, key=lambda i: judged[i].apart_mm)
    return moves[best], judged[best].apart_mm


FAIR_SHARE = 0.5
"""A move after which fewer slices than this share of the most can be compared is not considered. Project rule."""


def apart_mm(first: LabelMap, second: LabelMap, side: Side | None, imaged: NDArray[np.bool_] | None = None) -> float:
    """Larger 95th percentile of the distance between outlines of bone and of the whole limb, as they lie. [mm]

    Infinite where one does not show the limb, or no slice of it lies whole in both.
    `imaged` tells which voxels of `first` the image behind `second` showed, where `second` was drawn on the grid of
    `first`; a slice that it does not cover whole is not judged.
    """
    pair = _pair(first, second, side)
    return float("inf") if pair is None else _Surfaces.of(*pair, np.eye(4), imaged).apart_mm


def _match(first: _Limb, second: _Limb, side: Side | None) -> PositionMatch:
    matrix, apart = _best_move(first, second)
    turn = _turn_deg(matrix)
    if turn > LARGEST_TURN_DEG:
        raise QualityRefusal(
            f"the limb is turned by {turn:.0f} degrees (limit {LARGEST_TURN_DEG:.0f})",
            hint="scan the limb in the same position",
            code="E_REGISTRATION",
        )
    if not apart <= SURFACE_LIMIT_MM:
        raise QualityRefusal(
            f"surfaces lie {apart:.1f} mm apart (95th percentile, limit {SURFACE_LIMIT_MM:g} mm)",
            hint="compare the pictures of the two reports by eye",
            code="E_REGISTRATION",
        )
    rows = tuple(tuple(float(v) for v in row) for row in matrix)
    return PositionMatch(side, rows, apart)


def _starts(first: _Limb, second: _Limb) -> list[FloatArray]:
    """Moves to begin from: none, a shift, and a turn that lays the slices parallel with a shift; no two alike. [mm]"""
    axes = [_limb_axis(limb.grid) for limb in (first, second)]
    parallel, _ = Rotation.align_vectors(axes[1][None], axes[0][None])
    possible = [
        _level_start(first, second, np.eye(3)),
        _level_start(first, second, np.asarray(parallel.as_matrix(), dtype=np.float64)),
    ]
    if first.grid.shares_frame_with(second.grid):
        possible.insert(0, np.eye(4))
    corners = np.argwhere(np.ones((2, 2, 2))) * (np.asarray(first.grid.shape) - 1.0)
    points = np.concatenate([first.grid.positions_mm(corners), np.ones((8, 1))], axis=1)
    chosen: list[FloatArray] = []
    for move in possible:
        if all(np.abs(points @ (move - other).T).max() > SAME_START_MM for other in chosen):
            chosen.append(move)
    return chosen


SAME_START_MM = 3.0
"""Starts that differ less at every corner of the image lead to the same move. Project rule. [mm]"""


def _level_start(first: _Limb, second: _Limb, turn: FloatArray) -> FloatArray:
    """Move that turns, and lays the areas of the cross-sections and the middle of bone or body over each other. [mm]

    Levels are counted from the middle of each body, so that a turn does not move them.
    """
    middles = [limb.grid.positions_mm(np.argwhere(limb.body)).mean(axis=0) for limb in (first, second)]
    profiles = [_profile(limb, middle) for limb, middle in zip((first, second), middles, strict=True)]
    (level_a, area_a), (level_b, area_b) = profiles
    step = 1.0
    shortest = min(np.ptp(level_a), np.ptp(level_b))
    best, shift = np.inf, 0.0
    for offset in np.arange(level_b[0] - level_a[-1], level_b[-1] - level_a[0] + step, step):
        low, high = max(level_a[0], level_b[0] - offset), min(level_a[-1], level_b[-1] - offset)
        if high - low < max(SHORTEST_OVERLAP * shortest, 0.0):
            continue
        at = np.arange(low, high + 1e-6, 2.0)
        one = np.array([np.interp(at, level_a, row) for row in area_a])
        two = np.array([np.interp(at + offset, level_b, row) for row in area_b])
        cost = float(np.mean((one - two) ** 2 / np.maximum(area_a.mean(axis=1)[:, None] ** 2, 1.0)))
        if cost < best:
            best, shift = cost, float(offset)
    use = "bone" if first.bone.any() and second.bone.any() else "body"
    centers = [limb.grid.positions_mm(np.argwhere(getattr(limb, use))).mean(axis=0) for limb in (first, second)]
    axis = turn @ _limb_axis(first.grid)
    across = centers[1] - turn @ centers[0]
    along = middles[1] - turn @ middles[0]
    move = np.eye(4)
    move[:3, :3] = turn
    # along the limb the profile decides, across it the middle
    move[:3, 3] = across + axis * (shift + float(axis @ (along - across)))
    return move


def _limb_axis(grid: Grid) -> FloatArray:
    """Unit vector across the slices, toward the head where it can be told. [1]"""
    column = grid.matrix[:3, int(np.argmax(grid.spacing_mm))]
    unit = column / np.linalg.norm(column)
    return np.asarray(unit if unit[int(np.argmax(np.abs(unit)))] > 0 else -unit)


def _profile(limb: _Limb, middle_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Levels along the limb from a middle [mm], and areas of fat, bone and all at each [mm2], (3, n)."""
    grid = limb.grid
    across = int(np.argmax(grid.spacing_mm))
    others = tuple(axis for axis in range(3) if axis != across)
    pixel = grid.voxel_volume_mm3 / grid.spacing_mm[across]
    fat = limb.density == np.float32(_DENSITY["fat"])
    areas = np.array([mask.sum(axis=others) * pixel for mask in (fat, limb.bone, limb.body)], dtype=np.float64)
    index = np.zeros((grid.shape[across], 3))
    index[:, others] = (np.asarray(grid.shape, dtype=np.float64)[list(others)] - 1.0) / 2.0
    index[:, across] = np.arange(grid.shape[across])
    level = (grid.positions_mm(index) - middle_mm) @ _limb_axis(grid)
    order = np.argsort(level)
    return level[order], areas[:, order]


def _refined(first: _Limb, second: _Limb, start: FloatArray) -> FloatArray:
    """Rigid move that lays the tissues over each other, from a start; 4x4, positions of `first` to `second`."""
    fixed, moving = image_of(first.density, first.grid), image_of(second.density, second.grid)
    center = first.grid.positions_mm(np.argwhere(first.body)).mean(axis=0)
    begin = sitk.Euler3DTransform()
    begin.SetCenter(center.tolist())
    begin.SetMatrix(start[:3, :3].ravel().tolist())
    begin.SetTranslation((start[:3, 3] + start[:3, :3] @ center - center).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.3, SAMPLING_SEED)
    method.SetNumberOfWorkUnits(1)
    near = ndimage.binary_dilation(first.body, iterations=2).astype(np.uint8)
    method.SetMetricFixedMask(image_of(near, first.grid))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 0.005, 80, gradientMagnitudeTolerance=1e-7)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(begin, inPlace=False)
    found = sitk.Euler3DTransform(sitk.CompositeTransform(method.Execute(fixed, moving)).GetBackTransform())
    return matrix_of(found)


def _turn_deg(matrix: FloatArray) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1.0) / 2.0, -1.0, 1.0))))


@dataclass(frozen=True)
class _Surfaces:
    """How far outlines of bone and of the whole limb lie apart, in slices of the first image that both show whole.

    Parameters
    ----------
    apart_mm : float
        Larger 95th percentile of the two; infinite where no slice could be compared. [mm]
    slices : int
        Slices that were compared.
    """

    apart_mm: float
    slices: int

    @classmethod
    def of(cls, first: _Limb, second: _Limb, matrix: FloatArray, imaged: BoolArray | None = None) -> _Surfaces:
        index = np.stack(np.meshgrid(*[np.arange(n) for n in first.grid.shape], indexing="ij"), axis=-1)
        there = first.grid.positions_mm(index) @ matrix[:3, :3].T + matrix[:3, 3]
        where = np.moveaxis(second.grid.indices(there), -1, 0)
        depth = where[int(np.argmax(second.grid.spacing_mm))]
        last = second.grid.shape[int(np.argmax(second.grid.spacing_mm))] - 1
        seen = (depth > -0.5) & (depth < last + 0.5)
        if imaged is not None:
            seen &= imaged
        np.clip(depth, 0.0, last, out=depth)
        across = int(np.argmax(first.grid.spacing_mm))
        sampling = [s for axis, s in enumerate(first.grid.spacing_mm) if axis != across]
        worst = 0.0
        compared: set[int] = set()
        for name in ("bone", "body"):
            mine = getattr(first, name)
            other = ndimage.map_coordinates(getattr(second, name).astype(np.float32), where, order=1, cval=0.0) > 0.5
            apart: list[FloatArray] = []
            for k in range(first.grid.shape[across]):
                one, two = np.take(mine, k, axis=across), np.take(other, k, axis=across)
                whole = not (np.take(first.body, k, axis=across) & ~np.take(seen, k, axis=across)).any()
                if not whole or np.count_nonzero(one) < 10 or np.count_nonzero(two) < 10:
                    continue
                compared.add(k)
                edges = [plane & ~ndimage.binary_erosion(plane) for plane in (one, two)]
                apart += [
                    ndimage.distance_transform_edt(~edges[1 - i], sampling=sampling)[edges[i]].astype(np.float64)
                    for i in _to_measure_from(one, two)
                ]
            if apart:
                worst = max(worst, float(np.percentile(np.concatenate(apart), 95)))
        return cls(worst if compared else float("inf"), len(compared))


def _to_measure_from(one: BoolArray, two: BoolArray) -> tuple[int, ...]:
    """Which outlines of a slice have a partner in the other: where one shows fewer parts, only its own.

    A fibula that one image does not show is no distance.
    """
    parts = [ndimage.label(plane)[1] for plane in (one, two)]
    return (0, 1) if parts[0] == parts[1] else (int(np.argmin(parts)),)
