"""One limb of two CT scans laid over one another, rigidly, by the surfaces of bone and skin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.lesions import Alignment
from heliotrope.physics.noise import robust_sd

SURFACE_LIMIT_MM = 3.0
"""Largest 95th percentile of the distance between bone or skin surfaces (spec C11). [mm]"""

LEAST_COMMON_MM = 15.0
"""Less limb in both scans cannot be laid over one another. Project rule. [mm]"""

SKIN_WEIGHT = 0.3
"""Weight of a millimeter of skin against one of bone: skin moves with swelling and position. Project rule."""

RESIDUAL_SKIN_WEIGHT = 0.02
"""The same once the limb is found and the bone alone can hold it: a limb that swelled must not slide. Project rule."""

TOLERATED_MM = 1.5
"""Distance from which a surface counts less and less: a bulge must not drag the limb. Project rule. [mm]"""

LEAST_SLIDE_STIFFNESS = 0.008
"""Mean square of the bone surface's slope along the limb from which the bone fixes the place along it.

A cylinder reads 0.002 in voxels, a shaft with a knob 0.013, real bones with a joint 0.36; a project rule.
"""

_Number = TypeVar("_Number", bound="np.number[Any]")

LARGEST_SLIDE_MM = 3.0
"""Error of the place along a plain shaft from which single calcifications are not followed: as far as they are sought
around their place. Project rule. [mm]"""

SHAFT_ERROR_MM = 2.0
"""Least error stated there: digital thighs that swelled or wasted by up to 2 mm were off by 1.8 mm at most. [mm]"""

UNEVEN_MM = 1.0
"""No limb swells quite evenly: places some centimeters apart are taken to differ by this much. Project rule. [mm]"""

_SLIDE_MARGIN_MM = 15.0
_PATCH_MM = 20.0
_SCALE = np.array([0.02, 0.02, 0.02, 1.0, 1.0, 1.0])
_MAP_MM = 1.5
_FAR_MM = 25.0
_POINTS = 3000
_SEARCH_POINTS = 400
_TURNS_DEG = (-15.0, 0.0, 15.0)
_SLIDE_STEP_MM = 8.0


@dataclass(frozen=True, eq=False)
class Limb:
    """Bone and body of one limb in one scan.

    Parameters
    ----------
    bone, body : bool arrays (x, y, z)
    grid : Grid
    """

    bone: NDArray[np.bool_]
    body: NDArray[np.bool_]
    grid: Grid


@dataclass(frozen=True, eq=False)
class _DistanceMap:
    """Signed distance to a surface, negative inside, on a coarse grid of a limb. [mm]"""

    values: NDArray[np.float32]
    to_index: NDArray[np.float64]

    def at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        index = points @ self.to_index[:3, :3].T + self.to_index[:3, 3]
        return ndimage.map_coordinates(self.values, index.T, order=1, mode="constant", cval=np.nan)


def align_limbs(fixed: Limb, moving: Limb) -> Alignment:
    """Rigid alignment of a limb at follow-up with the same limb at baseline.

    Parameters
    ----------
    fixed, moving : Limb
        Baseline and follow-up.

    Returns
    -------
    Alignment
        ``matrix`` takes a position of `fixed` to that of `moving`.

    Raises
    ------
    QualityRefusal
        ``E_REGISTRATION``: no bone, too little common length, or surfaces further apart than `SURFACE_LIMIT_MM`.

    Notes
    -----
    Surface points of one scan are sought in the distance maps of the other, both ways, with a soft L1 loss [1]_. Bone
    leads, since neither swelling nor wasting moves it; skin helps where a plain shaft could slide or turn in itself,
    and then an even swelling is fitted beside the pose.

    References
    ----------
    .. [1] A. W. Fitzgibbon, Image Vis. Comput. 21:1145 (2003), doi 10.1016/j.imavis.2003.09.004.
    """
    for name, limb in (("baseline", fixed), ("follow-up", moving)):
        if not limb.bone.any():
            raise QualityRefusal(
                f"the {name} shows no bone of this limb to lay the scans over one another",
                hint="use scans that hold the same bone",
                code="E_REGISTRATION",
            )
    sides = [_Side.of(limb) for limb in (fixed, moving)]
    by_bone = _bone_fixes_slide(sides[0])
    pose = _search(sides[0], sides[1])
    pose = _refine(sides[0], sides[1], pose, _POINTS, SKIN_WEIGHT)
    if by_bone:
        pose = _refine(sides[0], sides[1], pose, _POINTS, RESIDUAL_SKIN_WEIGHT)
        swelling_mm, slide_mm = None, None
    else:
        pose, swelling_mm, slide_mm = _settle_on_shaft(sides[0], sides[1], pose)
    matrix = _matrix(pose, sides[0].center)
    common = _common_length(fixed, moving, matrix)
    if common < LEAST_COMMON_MM:
        raise QualityRefusal(
            f"only {common:.0f} mm of this limb lie in both scans (at least {LEAST_COMMON_MM:.0f} mm needed)",
            hint="use scans of the same part of the limb",
            code="E_REGISTRATION",
        )
    bone, skin = (_surface_distance(sides[0], sides[1], matrix, surface) for surface in (0, 1))
    for name, distance in (("bone", bone), ("skin", skin)):
        if not distance <= SURFACE_LIMIT_MM:
            raise QualityRefusal(
                f"the {name} of the two scans lies {distance:.1f} mm apart after registration "
                f"(95th percentile, limit {SURFACE_LIMIT_MM:g} mm)",
                hint="compare the totals; single calcifications need scans of the limb in a like position",
                code="E_REGISTRATION",
            )
    if slide_mm is not None and not slide_mm <= LARGEST_SLIDE_MM:
        told = f"only within {slide_mm:.0f} mm" if np.isfinite(slide_mm) else "not at all"
        raise QualityRefusal(
            f"the bone in view is a plain shaft, and the skin tells the place along it {told} "
            f"(limit {LARGEST_SLIDE_MM:g} mm)",
            hint="use scans that hold a bone end, or compare the totals",
            code="E_REGISTRATION",
        )
    rows = tuple(tuple(float(v) for v in row) for row in matrix)
    return Alignment(rows, bone, skin, common, by_bone, swelling_mm, slide_mm)


@dataclass(frozen=True, eq=False)
class _Side:
    """One scan prepared: surface points and distance maps of bone and of skin, in that order."""

    points: tuple[NDArray[np.float64], NDArray[np.float64]]
    maps: tuple[_DistanceMap, _DistanceMap]
    center: NDArray[np.float64]

    @classmethod
    def of(cls, limb: Limb) -> _Side:
        bone = _surface_points(limb.bone, limb.grid)
        return cls(
            (bone, _surface_points(limb.body, limb.grid)),
            (_distance_map(limb.bone, limb.grid), _distance_map(limb.body, limb.grid)),
            bone.mean(axis=0),
        )


def _surface_points(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """Centers of surface voxels, in mm; where the image cuts the mask there is no surface."""
    inner = ndimage.binary_erosion(mask, border_value=1)
    return grid.positions_mm(np.argwhere(mask & ~inner))


def _distance_map(mask: NDArray[np.bool_], grid: Grid) -> _DistanceMap:
    step = [max(1, round(_MAP_MM / spacing)) for spacing in grid.spacing_mm]
    spacing = [s * n for s, n in zip(grid.spacing_mm, step, strict=True)]
    coarse = mask[tuple(slice(None, None, n) for n in step)]
    # the image's end is no surface: the mask goes on beyond it
    pad = [int(np.ceil(_FAR_MM / s)) for s in spacing]
    wide = np.pad(coarse, [(p, p) for p in pad], mode="edge")
    inside = ndimage.distance_transform_edt(wide, sampling=spacing)
    outside = ndimage.distance_transform_edt(~wide, sampling=spacing)
    half = 0.5 * float(min(spacing))
    signed = np.where(wide, half - inside, outside - half)
    keep = tuple(slice(p, p + n) for p, n in zip(pad, coarse.shape, strict=True))
    scaled = grid.matrix.copy()
    scaled[:3, :3] = scaled[:3, :3] * np.array(step)
    return _DistanceMap(
        np.clip(signed[keep], -_FAR_MM, _FAR_MM).astype(np.float32), np.asarray(np.linalg.inv(scaled), dtype=np.float64)
    )


def _matrix(pose: NDArray[np.float64], center: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation vector [rad] about `center`, then shift [mm], as a 4x4 matrix."""
    turn = Rotation.from_rotvec(pose[:3]).as_matrix()
    out = np.eye(4)
    out[:3, :3] = turn
    out[:3, 3] = center - turn @ center + pose[3:]
    return out


def _thinned(points: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return points[:: max(1, len(points) // count)]


def _residuals(
    first: _Side, second: _Side, matrix: NDArray[np.float64], count: int, skin_weight: float = SKIN_WEIGHT
) -> list[tuple[NDArray[np.float64], float]]:
    """Distances of each surface both ways, with the weight of each; not a number outside the other scan. [mm]"""
    back = np.linalg.inv(matrix)
    rows = []
    for surface, weight in ((0, 1.0), (1, skin_weight)):
        there = _thinned(first.points[surface], count) @ matrix[:3, :3].T + matrix[:3, 3]
        here = _thinned(second.points[surface], count) @ back[:3, :3].T + back[:3, 3]
        rows += [(second.maps[surface].at(there), weight), (first.maps[surface].at(here), weight)]
    return rows


def _cost(first: _Side, second: _Side, pose: NDArray[np.float64], count: int) -> float:
    """Mean soft distance where the scans meet, with a charge for what does not."""
    total, weights = 0.0, 0.0
    for distances, weight in _residuals(first, second, _matrix(pose, first.center), count):
        known = np.isfinite(distances)
        lost = 1.0 - known.mean() if known.size else 1.0
        soft = np.sqrt(1 + (distances[known] / TOLERATED_MM) ** 2) - 1
        total += weight * ((float(soft.mean()) if known.any() else _FAR_MM) + lost)
        weights += weight
    return total / weights


def _search(first: _Side, second: _Side) -> NDArray[np.float64]:
    """Best of many starts: slides along the limb and turns about its axis, each with the bones' middles together."""
    axis = _long_axis(first)
    spread = [np.ptp(side.points[1] @ axis) for side in (first, second)]
    reach = 0.5 * (max(spread))
    slides = np.arange(-reach, reach + 1e-6, _SLIDE_STEP_MM)
    offset = second.center - first.center
    starts = [
        np.concatenate([axis * np.deg2rad(turn), offset + axis * slide]) for slide in slides for turn in _TURNS_DEG
    ]
    costs = [_cost(first, second, start, _SEARCH_POINTS) for start in starts]
    best = sorted(range(len(starts)), key=lambda i: costs[i])[:4]
    refined = [_refine(first, second, starts[i], _SEARCH_POINTS, SKIN_WEIGHT) for i in best]
    return min(refined, key=lambda pose: _cost(first, second, pose, _SEARCH_POINTS))


def _refine(
    first: _Side, second: _Side, pose: NDArray[np.float64], count: int, skin_weight: float
) -> NDArray[np.float64]:
    def residuals(at: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = _residuals(first, second, _matrix(at, first.center), count, skin_weight)
        # a point that leaves the other scan keeps a constant charge, so that leaving gains nothing
        return np.concatenate(
            [np.sqrt(weight / len(row)) * np.where(np.isfinite(row), row, TOLERATED_MM) for row, weight in rows]
        )

    size = float(np.sqrt(1.0 / count))
    found = optimize.least_squares(
        residuals,
        pose,
        x_scale=_SCALE,
        loss="soft_l1",
        f_scale=TOLERATED_MM * size,
        max_nfev=60,
        diff_step=np.full(6, 1e-3),
    )
    return np.asarray(found.x)


def _settle_on_shaft(
    first: _Side, second: _Side, pose: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """Refine a pose whose place along the limb only the skin can tell.

    Returns
    -------
    pose : float array (6,)
    swelling_mm : float
        How much further out the skin lies in the second scan, taken as even around and along. [mm]
    slide_mm : float
        Error of the place along the limb: half of a 95 % interval with `SHAFT_ERROR_MM`; infinite where nothing tells
        it. [mm]

    Notes
    -----
    A limb that tapers and swells looks like one that slid, so that the swelling is fitted beside the pose. Only points
    that stay within the other scan over a slide of 15 mm either way count: a charge on those that leave would pull the
    scans to their largest overlap. Slopes and residuals within a cell of `_PATCH_MM` count as one.
    """
    axis = np.concatenate([np.zeros(3), _long_axis(first)])
    known = [
        np.logical_and.reduce([np.isfinite(row) for row in rows])
        for rows in zip(
            *(
                [row for row, _ in _residuals(first, second, _matrix(pose + slide * axis, first.center), _POINTS)]
                for slide in (-_SLIDE_MARGIN_MM, 0.0, _SLIDE_MARGIN_MM)
            ),
            strict=True,
        )
    ]
    if min(int(inside.sum()) for inside in known) < 50:
        return pose, 0.0, float("inf")
    weights = (1.0, 1.0, SKIN_WEIGHT, SKIN_WEIGHT)
    share = [np.sqrt(weight / inside.sum()) for weight, inside in zip(weights, known, strict=True)]

    def distances(at: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        rows = [row for row, _ in _residuals(first, second, _matrix(at[:6], first.center), _POINTS)]
        grown = (0.0, 0.0, at[6], -at[6])
        return [
            np.nan_to_num(row[inside], nan=_SLIDE_MARGIN_MM) + more
            for row, inside, more in zip(rows, known, grown, strict=True)
        ]

    def residuals(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([part * row for part, row in zip(share, distances(at), strict=True)])

    found = optimize.least_squares(
        residuals,
        np.append(pose, 0.0),
        x_scale=np.append(_SCALE, 1.0),
        loss="soft_l1",
        f_scale=TOLERATED_MM * float(np.sqrt(1.0 / _POINTS)),
        max_nfev=100,
        diff_step=np.full(7, 1e-3),
    )
    slope = np.asarray(found.jac)
    information = np.zeros((7, 7))
    start = 0
    surfaces = (first.points[0], second.points[0], first.points[1], second.points[1])
    for part, row, points, inside in zip(share, distances(found.x), surfaces, known, strict=True):
        slopes = slope[start : start + row.size] / part
        start += row.size
        error = max(robust_sd(row), UNEVEN_MM)
        cells = np.floor(_thinned(points, _POINTS)[inside] / _PATCH_MM)
        owner = np.unique(cells, axis=0, return_inverse=True)[1].ravel()
        sums = np.stack([np.bincount(owner, weights=column) for column in slopes.T], axis=1)
        means = sums / np.bincount(owner)[:, None]  # the steps between voxels are no shape
        information += means.T @ means / error**2
    along = np.append(axis, 0.0)
    if np.linalg.matrix_rank(information) < len(information):
        return np.asarray(found.x[:6]), float(found.x[6]), float("inf")
    own = 1.96 * float(np.sqrt(along @ np.linalg.inv(information) @ along))
    return np.asarray(found.x[:6]), float(found.x[6]), float(np.hypot(own, SHAFT_ERROR_MM))


def _long_axis(side: _Side) -> NDArray[np.float64]:
    """Direction along which the bone is longest."""
    points = _thinned(side.points[0], _POINTS)
    return np.asarray(np.linalg.svd(points - side.center, full_matrices=False)[2][0])


def _surface_distance(first: _Side, second: _Side, matrix: NDArray[np.float64], surface: int) -> float:
    """95th percentile of the distance of one surface, both ways, where the scans meet; infinite where they do not."""
    rows = _residuals(first, second, matrix, 10 * _POINTS)[2 * surface : 2 * surface + 2]
    apart = np.abs(np.concatenate([row for row, _ in rows]))
    apart = apart[np.isfinite(apart)]
    return float(np.percentile(apart, 95)) if apart.size else float("inf")


def _common_length(fixed: Limb, moving: Limb, matrix: NDArray[np.float64]) -> float:
    """Length along the baseline's slices over which the limb lies in both scans. [mm]"""
    axis = int(np.argmax([abs(v) for v in (fixed.grid.matrix[2, :3] / np.array(fixed.grid.spacing_mm))]))
    step = tuple(slice(None, None, 4) if a != axis else slice(None) for a in range(3))
    index = np.argwhere(fixed.body[step]) * np.array([1 if a == axis else 4 for a in range(3)])
    inside = in_other(fixed.grid.positions_mm(index), matrix, moving.grid)
    shares = np.bincount(index[:, axis], weights=inside) / np.maximum(np.bincount(index[:, axis]), 1)
    return float((shares > 0.5).sum()) * fixed.grid.spacing_mm[axis]


def in_other(points_mm: NDArray[np.float64], matrix: NDArray[np.float64], grid: Grid) -> NDArray[np.bool_]:
    """Which positions of one scan lie within the image of the other, after alignment."""
    index = grid.indices(points_mm @ matrix[:3, :3].T + matrix[:3, 3])
    return np.asarray(((index >= -0.5) & (index <= np.array(grid.shape) - 0.5)).all(axis=-1))


def _bone_fixes_slide(side: _Side) -> bool:
    """Whether enough of the bone's surface faces along the limb."""
    points = _thinned(side.points[0], _POINTS)
    axis = _long_axis(side)
    normals = np.stack([side.maps[0].at(points + unit) - side.maps[0].at(points - unit) for unit in np.eye(3)], axis=1)
    known = np.isfinite(normals).all(axis=1)
    lengths = np.linalg.norm(normals[known], axis=1)
    normals = normals[known][lengths > 0.5] / lengths[lengths > 0.5][:, None]
    return bool(np.mean((normals @ axis) ** 2) > LEAST_SLIDE_STIFFNESS)


def resample_aligned(
    array: NDArray[_Number],
    source: Grid,
    target: Grid,
    matrix: NDArray[np.float64],
    *,
    order: Literal[0, 1],
    outside: float = 0.0,
) -> NDArray[_Number]:
    """An array of one scan on the grid of the other.

    Parameters
    ----------
    array : array (x, y, z)
        On `source`.
    source, target : Grid
    matrix : float array (4, 4)
        Position on `target` to position on `source`. [mm]
    order : 0 or 1
        0 for labels, 1 for images.
    outside : float
        Value beyond the ends of `source`.

    Returns
    -------
    array of shape ``target.shape``
        Of the dtype of `array`.
    """
    out = np.empty(target.shape, dtype=array.dtype)
    to_index = np.linalg.inv(source.matrix) @ matrix @ target.matrix
    first, second = np.meshgrid(np.arange(target.shape[0]), np.arange(target.shape[1]), indexing="ij")
    for k in range(target.shape[2]):
        index = [row[0] * first + row[1] * second + row[2] * k + row[3] for row in to_index[:3]]
        out[:, :, k] = ndimage.map_coordinates(array, index, order=order, mode="constant", cval=outside)
    return out
