"""Each calcification: its tissue plane, its shape, and what both rest on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from heliotrope.domain.anatomy import Side, TissuePlane
from heliotrope.segment.calcium.geometry import (
    Box,
    Mask,
    Spacing,
    depth_inside,
    grow_box,
)


class CalciumShape(StrEnum):
    """Shape of a calcification."""

    SHEET = "sheet"
    LINEAR = "linear"
    NODULAR = "nodular"
    CLUMP = "clump"
    TUMORAL = "tumoral"
    RETICULAR = "reticular"


class PlaneDetail(StrEnum):
    """How finely the tissue plane may be told at the scan's slice thickness."""

    ALL_PLANES = "all planes"
    NO_SEPTA = "deep to the fascia, septa not resolved"
    SUPERFICIAL_OR_DEEP = "superficial or deep only"


@dataclass(frozen=True, eq=False)
class Component:
    """One calcification.

    Parameters
    ----------
    number : int
        Its number in the component array.
    box : tuple of 3 slices
        Where it lies in the array.
    plane : TissuePlane
        ``SUPERFICIAL`` or ``DEEP`` where finer planes are withheld; ``MIXED`` when no plane holds 40 % of it.
    second_plane : TissuePlane or None
        A further plane with at least a quarter of the component.
    plane_shares : mapping of TissuePlane to float
        Share of voxels by plane.
    shape : CalciumShape
    side : Side or None
    volume_mm3 : float
        Thresholded. [mm3]
    lengths_mm : tuple of 3 floats
        Principal lengths. [mm]
    thickness_mm : float
        Twice the 90th percentile of the depth inside. [mm]
    euler_number : int
    flatness : float
        Mean sheet-likeness, 0 to 1.
    lineness : float
        Mean line-likeness, 0 to 1.
    tangent_fat : float or None
        Share of fat in the ring that continues the component's own plane.
    fluid_level : bool
        A flat horizontal border between lighter and denser contents: milk of calcium.
    """

    number: int
    box: Box
    plane: TissuePlane
    second_plane: TissuePlane | None
    plane_shares: dict[TissuePlane, float]
    shape: CalciumShape
    side: Side | None
    volume_mm3: float
    lengths_mm: tuple[float, float, float]
    thickness_mm: float
    euler_number: int
    flatness: float
    lineness: float
    tangent_fat: float | None
    fluid_level: bool = False
    region: str = ""
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, eq=False)
class Setting:
    """Arrays on one limb's box that the rules read.

    Parameters
    ----------
    numbers : int32 array
        Components.
    smoothed : float32 array
        [HU]
    fascia_distance_mm, depth_mm : float32 arrays
        Signed distance to the deep fascia (outside positive) and depth below the skin. [mm]
    bone : bool array
        Bones with their rim.
    shares, normals : float32 arrays (n, 3)
        Of `local_shape`, for every voxel of `numbers` in C order.
    skin_thickness_mm : float
        [mm]
    """

    numbers: NDArray[np.int32]
    smoothed: NDArray[np.float32]
    fascia_distance_mm: NDArray[np.float32]
    depth_mm: NDArray[np.float32]
    bone: Mask
    shares: NDArray[np.float32]
    normals: NDArray[np.float32]
    skin_thickness_mm: float
    spacing: Spacing
    detail: PlaneDetail


SKIN_MARGIN_MM = 0.7
"""A voxel counts as skin down to this much below the skin's own thickness. [mm]"""

FASCIA_HALF_WIDTH_MM = 1.3
"""Band around the fascia's surface that counts as fascial. [mm]"""

FASCIA_HALF_WIDTH_SHEET_MM = 3.0
"""The same for sheets that run parallel to the fascia. [mm]"""

_FAT_LIMIT_HU = 25.0
_EVEN_PIXELS = 2.0
_TANGENT = 0.35
_TANGENT_FAT = 0.35
_FIRST_SHARE, _SECOND_SHARE = 0.4, 0.25


def describe(setting: Setting, count: int, side: Side | None) -> tuple[Component, ...]:
    """Plane and shape of every component."""
    parts = ndimage.find_objects(setting.numbers, max_label=count)
    owners = setting.numbers[setting.numbers > 0]
    rows = np.argsort(owners, kind="stable")
    starts = np.searchsorted(owners[rows], np.arange(1, count + 2))
    return tuple(
        _describe(setting, n, part, rows[starts[n - 1] : starts[n]], side) for n, part in enumerate(parts, start=1)
    )


def _outward(setting: Setting, box: Box, member: Mask) -> NDArray[np.float32]:
    """Direction away from the fascia's inside at every voxel of a component, unit length."""
    distance = setting.fascia_distance_mm
    wide = grow_box(box, distance.shape, (1.0, 1.0, 1.0), 4.0 * _EVEN_PIXELS + 1.0)
    inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))
    even = ndimage.gaussian_filter(distance[wide], _EVEN_PIXELS)
    steps = [np.gradient(even, setting.spacing[a], axis=a)[inner][member] for a in range(3)]
    outward = np.stack(steps, axis=-1)
    return np.asarray(outward / (np.linalg.norm(outward, axis=1, keepdims=True) + 1e-6), dtype=np.float32)


def _describe(
    setting: Setting,
    number: int,
    part: tuple[slice, ...],
    rows: NDArray[np.intp],
    side: Side | None,
) -> Component:
    spacing = setting.spacing
    box = grow_box(part, setting.numbers.shape, spacing, 5.0)
    member = setting.numbers[box] == number
    shares = setting.shares[rows].mean(0)
    normals = setting.normals[rows]
    features = _features(member, spacing)
    volume = float(member.sum()) * float(np.prod(spacing))
    shape = _shape_of(volume, features, float(shares[0]), float(shares[1]))
    plane, second, by_plane, fat = _plane_of(setting, box, member, normals, float(shares[1]))
    return Component(
        number=number,
        box=(part[0], part[1], part[2]),
        plane=plane,
        second_plane=second,
        plane_shares=by_plane,
        shape=shape,
        side=side,
        volume_mm3=volume,
        lengths_mm=features.lengths,
        thickness_mm=features.thickness,
        euler_number=features.euler,
        flatness=float(shares[1]),
        lineness=float(shares[0]),
        tangent_fat=fat,
        fluid_level=_fluid_level(setting.smoothed[box], member, spacing),
    )


@dataclass(frozen=True)
class _Features:
    lengths: tuple[float, float, float]
    thickness: float
    euler: int
    solidity: float
    openness: float


def _features(member: Mask, spacing: Spacing) -> _Features:
    points = np.argwhere(member) * np.asarray(spacing)
    if len(points) >= 4:
        centered = points - points.mean(0)
        values = np.linalg.eigvalsh(centered.T @ centered / len(points))[::-1]
        lengths = 4 * np.sqrt(np.maximum(values, 1e-9))
    else:
        lengths = np.full(3, min(spacing))
    depth = depth_inside(np.pad(member, 1), spacing)[1:-1, 1:-1, 1:-1]
    thickness = 2 * float(np.percentile(depth[member], 90))
    ellipsoid = 4 / 3 * np.pi * float(np.prod(np.maximum(lengths, thickness) / 2)) * (np.sqrt(5) / 2) ** 3
    volume = float(member.sum()) * float(np.prod(spacing))
    # share of a closing's volume that is holes: high in a net, low in a sheet or solid
    pad = [int(np.ceil(4.0 / s)) for s in spacing]
    wide = np.pad(member, [(p, p) for p in pad])
    from_member = ndimage.distance_transform_edt(~wide, sampling=spacing) if len(points) > 60 else None
    openness = 0.0
    if from_member is not None:
        closed = ndimage.distance_transform_edt(from_member <= 3.2, sampling=spacing) > 3.2
        openness = 1 - volume / max(float((closed | wide).sum()) * float(np.prod(spacing)), volume)
    return _Features(
        (float(lengths[0]), float(lengths[1]), float(lengths[2])),
        thickness,
        int(measure.euler_number(np.pad(member, 1), 3)),
        volume / max(ellipsoid, 1e-9),
        openness,
    )


def _shape_of(volume: float, f: _Features, lineness: float, flatness: float) -> CalciumShape:
    long, wide, _ = f.lengths
    if volume > 2500.0 and f.thickness > 6.0:
        return CalciumShape.TUMORAL
    if f.openness > 0.38 and f.euler <= -3 and f.thickness < 4.5 and volume > 100.0 and wide > 6.0:
        return CalciumShape.RETICULAR
    if long > 4 * max(wide, f.thickness) and lineness > 0.45 and long > 8:
        return CalciumShape.LINEAR
    if wide > 2.2 * f.thickness and flatness > 0.3 and f.thickness < 5 and long > 6:
        return CalciumShape.SHEET
    if f.solidity > 0.6 and long < 1.9 * max(f.lengths[2], f.thickness):
        return CalciumShape.NODULAR
    return CalciumShape.CLUMP


def _plane_of(
    setting: Setting,
    box: Box,
    member: Mask,
    normals: NDArray[np.float32],
    flatness: float,
) -> tuple[TissuePlane, TissuePlane | None, dict[TissuePlane, float], float | None]:
    s = setting.fascia_distance_mm[box][member]
    depth = setting.depth_mm[box][member]
    if setting.detail is PlaneDetail.SUPERFICIAL_OR_DEEP:
        share = float((s > 0).mean())
        shares = {TissuePlane.SUPERFICIAL: share, TissuePlane.DEEP: 1 - share}
        plane = TissuePlane.SUPERFICIAL if share > 0.5 else TissuePlane.DEEP
        second = next((p for p, v in shares.items() if p is not plane and v >= _SECOND_SHARE), None)
        return plane, second, shares, None
    outward = _outward(setting, box, member)
    parallel = float((np.abs((normals * outward).sum(1)) > 0.8).mean())
    tau = FASCIA_HALF_WIDTH_SHEET_MM if flatness > 0.4 and parallel > 0.6 else FASCIA_HALF_WIDTH_MM
    skin = depth <= setting.skin_thickness_mm + SKIN_MARGIN_MM
    below, fat = _below_fascia(setting, box, member, normals, flatness)
    masses = {
        TissuePlane.CUTANEOUS: skin,
        TissuePlane.SUBCUTANEOUS: (s > tau) & ~skin,
        TissuePlane.FASCIAL: (np.abs(s) <= tau) & ~skin,
        below: (s < -tau) & ~skin,
    }
    shares = {plane: float(mask.mean()) for plane, mask in masses.items()}
    ranked = sorted(shares, key=lambda p: -shares[p])
    second = ranked[1] if shares[ranked[1]] >= _SECOND_SHARE else None
    first = ranked[0] if shares[ranked[0]] >= _FIRST_SHARE else TissuePlane.MIXED
    return first, second, shares, fat


def _below_fascia(
    setting: Setting, box: Box, member: Mask, normals: NDArray[np.float32], flatness: float
) -> tuple[TissuePlane, float | None]:
    """Between or within muscles: calcium replaces the septum it lies in, so the septum goes on as fat from its
    edges.
    """
    if setting.detail is PlaneDetail.NO_SEPTA:
        return TissuePlane.DEEP, None
    spacing = np.asarray(setting.spacing)
    away, nearest = ndimage.distance_transform_edt(~member, sampling=setting.spacing, return_indices=True)
    low, high = 0.9, max(3.2, 1.6 * float(max(setting.spacing)))
    ring = (away > low) & (away <= high) & (setting.numbers[box] == 0) & ~setting.bone[box]
    ring &= setting.fascia_distance_mm[box] < -1.5
    if ring.sum() < 15:
        return TissuePlane.INTRAMUSCULAR, None
    at = np.argwhere(ring)
    source = np.stack([nearest[a][ring] for a in range(3)], axis=1)
    way = (at - source) * spacing
    row = np.empty(member.shape, np.int64)
    row[member] = np.arange(len(normals))
    across = np.abs((way * normals[row[source[:, 0], source[:, 1], source[:, 2]]]).sum(1)) / np.maximum(
        np.linalg.norm(way, axis=1), 1e-6
    )
    fat = setting.smoothed[box][ring] < _FAT_LIMIT_HU
    tangent = across < _TANGENT
    share = float(fat[tangent].mean()) if flatness > 0.4 and tangent.sum() > 15 else float(fat.mean())
    return (TissuePlane.INTERMUSCULAR if share > _TANGENT_FAT else TissuePlane.INTRAMUSCULAR), share


def _fluid_level(smoothed: NDArray[np.float32], member: Mask, spacing: Spacing) -> bool:
    """True when the posterior part is clearly denser than the anterior part, with a flat border across the
    component.
    """
    if float(member.sum()) * float(np.prod(spacing)) < 1500.0:
        return False
    rows = np.flatnonzero(member.any(axis=(0, 2)))
    if rows.size * spacing[1] < 10.0:
        return False
    middle = [float(np.median(smoothed[:, j, :][member[:, j, :]])) for j in rows]
    spread = [float(np.std(smoothed[:, j, :][member[:, j, :]])) for j in rows]
    steps = np.diff(ndimage.uniform_filter1d(np.asarray(middle), 3))
    jump = abs(float(steps[np.argmax(np.abs(steps))])) if steps.size else 0.0
    half = len(middle) // 2
    contrast = abs(float(np.mean(middle[half:])) - float(np.mean(middle[:half])))
    return jump > 60.0 and contrast > 120.0 and contrast > 2.5 * float(np.mean(spread))
