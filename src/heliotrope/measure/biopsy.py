"""Where a biopsy would find most: edema, leanness, evenness, safety and access multiplied at every place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.measure.morphometry import slice_axis

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

EDEMA_MIDDLE, EDEMA_WIDTH = 1.25, 0.15
"""Logistic of the signal ratio: half at the first, width the second. [1]"""

LEAN_PERCENT, FAT_PERCENT = 10.0, 40.0
"""Full credit up to the first fat fraction, none from the second. [%]"""

VESSEL_MM, BONE_MM, FAR_FASCIA_MM = 15.0, 8.0, 5.0
"""Nearer than this to a large vessel, to bone, or to the far side of the muscle: forbidden. [mm]"""

ACCESS_MM = 40.0
"""Depth under the skin at which access falls to 1/e. [mm]"""

CORE_DIAMETER_MM, CORE_LENGTH_MM = 5.0, 20.0
"""Cylinder along the limb that a sample represents. [mm]"""

SECTORS_DEG = {"vastus_lateralis": (5.0, 110.0), "rectus_femoris": (-35.0, 45.0), "anterior_thigh": (5.0, 100.0)}
"""Allowed structures and sectors, from anterior toward lateral; evidence ``biopsy-rule``. [deg]"""

LOWEST_SCORE = 0.3
"""Below this no site is proposed. [1]"""

AS_GOOD_WITHIN = 0.1
"""Places that score less than this below a target, joined to it, are as good: they give its size. Project rule. [1]"""

APART_MM = 25.0
"""Proposed targets of one side are at least this far apart. [mm]"""


@dataclass(frozen=True, eq=False)
class BiopsyImages:
    """What the score reads, on one grid.

    Parameters
    ----------
    ratio : array (x, y, z)
        Signal over normal muscle, from STIR or T2; NaN where not judged. [1]
    fat_percent : array (x, y, z)
        [%]
    regions : mapping of Region to BoolArray
        Allowed structures only, by side.
    body, bone, vessel, forbidden : bool arrays
        `forbidden` is calcification, ulcer or what a clinician excludes.
    grid : Grid
    """

    ratio: FloatArray
    fat_percent: FloatArray
    regions: dict[Region, BoolArray]
    body: BoolArray
    bone: BoolArray
    vessel: BoolArray
    forbidden: BoolArray
    grid: Grid


@dataclass(frozen=True)
class BiopsyTarget:
    """One proposed site.

    Parameters
    ----------
    region : Region
    position_mm : tuple of 3 floats
        LPS. [mm]
    slice_number : int
        1-based, in the image that was scored.
    depth_mm : float
        Under the nearest skin. [mm]
    score, edema, lean, even, access : float
        The score and its parts, 0 to 1. Safety is 1 wherever a site is allowed.
    spread : float
        Standard error of the score from the scatter within the core. [1]
    width_mm, length_mm : float
        How far one could miss: diameter within the slice, and length along the limb, of the joined part that scores
        within `AS_GOOD_WITHIN`. [mm]
    vessel_mm, bone_mm : float or None
        Distance to the nearest labeled vessel and bone; None where none is labeled. [mm]
    """

    region: Region
    position_mm: tuple[float, float, float]
    slice_number: int
    depth_mm: float
    score: float
    edema: float
    lean: float
    even: float
    access: float
    spread: float
    width_mm: float
    length_mm: float
    vessel_mm: float | None
    bone_mm: float | None


def places_for_biopsy(labels: LabelMap) -> dict[Region, NDArray[np.bool_]]:
    """Drawn muscle of the structures a biopsy may be taken from; of a compartment what no single muscle names."""
    numbers: dict[Region, list[int]] = {}
    for number, region in labels.legend.items():
        if region.structure in SECTORS_DEG and region.side is not None and region.level is None:
            numbers.setdefault(region, []).append(number)
    masks = {region: np.isin(labels.labels, named) for region, named in numbers.items()}
    drawn = {region: mask for region, mask in masks.items() if mask.any()}
    return {
        region: mask
        for region, mask in drawn.items()
        if region.structure != "anterior_thigh"
        or not all(Region(name, region.side) in drawn for name in SECTORS_DEG if name != region.structure)
    }


def _distance_mm(structure: BoolArray, grid: Grid) -> FloatArray:
    """Distance to the nearest voxel of a structure; infinite without one. [mm]"""
    if not structure.any():
        return np.full(grid.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(~structure, sampling=grid.spacing_mm))


def _core_mean(values: FloatArray, valid: BoolArray, grid: Grid) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation over the core around every voxel."""
    sigma = _footprint(grid)
    weight = np.maximum(ndimage.correlate(valid.astype(np.float64), sigma, mode="constant"), 1e-9)
    mean = ndimage.correlate(np.where(valid, values, 0.0), sigma, mode="constant") / weight
    square = ndimage.correlate(np.where(valid, values**2, 0.0), sigma, mode="constant") / weight
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def _footprint(grid: Grid) -> FloatArray:
    axis = slice_axis(grid)
    half = [
        max(0, round((CORE_LENGTH_MM if a == axis else CORE_DIAMETER_MM) / 2.0 / s))
        for a, s in enumerate(grid.spacing_mm)
    ]
    index = np.stack(np.meshgrid(*[np.arange(-h, h + 1) for h in half], indexing="ij"), axis=-1)
    offset = index * np.array(grid.spacing_mm)
    across = np.sqrt(sum(offset[..., a] ** 2 for a in range(3) if a != axis))
    along = np.abs(offset[..., axis])
    inside = (across <= CORE_DIAMETER_MM / 2.0 + 1e-6) & (along <= CORE_LENGTH_MM / 2.0 + 1e-6)
    return np.asarray(inside, dtype=np.float64) / max(1, int(inside.sum()))


def score_sites(images: BiopsyImages) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Score B = edema x lean x even x safety x access at every voxel, 0 to 1, and its parts.

    Returns
    -------
    score : array (x, y, z)
    parts : dict of name to array (x, y, z)
        ``edema``, ``lean``, ``even``, ``access``, ``scatter`` [1]; ``depth`` [mm]; distances ``vessel`` and ``bone``
        [mm], infinite where there is none.
    """
    grid, axis = images.grid, slice_axis(images.grid)
    known = np.isfinite(images.ratio)
    edema_here = 1.0 / (1.0 + np.exp(-np.clip((np.nan_to_num(images.ratio) - EDEMA_MIDDLE) / EDEMA_WIDTH, -40, 40)))
    edema, scatter = _core_mean(edema_here, known, grid)
    # 10th percentile of the core: mean minus 1.28 standard deviations
    even = np.clip((edema - 1.28 * scatter) / np.maximum(edema, 1e-6), 0.0, 1.0)
    fat, _ = _core_mean(np.nan_to_num(images.fat_percent, nan=100.0), np.ones(grid.shape, dtype=bool), grid)
    lean = np.clip((FAT_PERCENT - fat) / (FAT_PERCENT - LEAN_PERCENT), 0.0, 1.0)
    # depth under the skin within slices: what lies beyond the first and last slice is not air
    sampling = [s if a != axis else 1e6 for a, s in enumerate(grid.spacing_mm)]
    depth = np.asarray(ndimage.distance_transform_edt(images.body, sampling=sampling))
    access = np.exp(-depth / ACCESS_MM)
    vessel, bone = _distance_mm(images.vessel, grid), _distance_mm(images.bone, grid)
    clear = ~images.forbidden & (vessel >= VESSEL_MM) & (bone >= BONE_MM)
    safe = np.zeros(grid.shape, dtype=bool)
    for region, mask in images.regions.items():
        safe |= _allowed(region, mask, images) & clear
    coverage = ndimage.correlate(known.astype(np.float64), _footprint(grid), mode="constant")
    safe &= coverage > 0.5
    index: list[slice | int] = [slice(None)] * 3
    if grid.shape[axis] > 2:
        for end in (0, -1):  # half of the core would lie outside the images
            index[axis] = end
            safe[tuple(index)] = False
    score = np.where(safe, edema * lean * even * access, 0.0)
    parts = {"edema": edema, "lean": lean, "even": even, "access": access, "depth": depth, "scatter": scatter}
    return score, parts | {"vessel": vessel, "bone": bone}


def _allowed(region: Region, mask: BoolArray, images: BiopsyImages) -> BoolArray:
    """Voxels of an allowed structure far enough from its far fascia and within its sector."""
    grid, axis = images.grid, slice_axis(images.grid)
    sampling = [s if a != axis else 1e6 for a, s in enumerate(grid.spacing_mm)]
    inside = ndimage.distance_transform_edt(mask, sampling=sampling) >= FAR_FASCIA_MM
    start, stop = SECTORS_DEG[region.structure]
    angle = _angles(region.side, mask, images)
    return np.asarray(inside & (angle >= start) & (angle <= stop))


def _angles(side: Side | None, mask: BoolArray, images: BiopsyImages) -> FloatArray:
    """Angle from anterior toward lateral about the limb's center, slice by slice. [deg]"""
    grid, axis = images.grid, slice_axis(images.grid)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    points = grid.positions_mm(index)
    angle = np.full(grid.shape, np.nan)
    limb = images.bone if images.bone.any() else images.body
    sign = 1.0 if side is Side.LEFT else -1.0
    middle = float(points[..., 0][images.body].mean()) if images.body.any() else 0.0
    for k in np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))):
        plane: list[slice | int] = [slice(None)] * 3
        plane[axis] = int(k)
        here = points[tuple(plane)]
        own = limb[tuple(plane)] & ((here[..., 0] - middle) * sign > 0)
        if not own.any():
            own = mask[tuple(plane)]
        center = here[own].mean(axis=0)
        angle[tuple(plane)] = np.degrees(np.arctan2(sign * (here[..., 0] - center[0]), center[1] - here[..., 1]))
    return np.asarray(np.nan_to_num(angle, nan=999.0), dtype=np.float64)


def find_targets(images: BiopsyImages, n_targets: int = 3) -> tuple[BiopsyTarget, ...]:
    """Up to three targets that lie apart, best first; none below the lowest score."""
    score, parts = score_sites(images)
    grid, axis = images.grid, slice_axis(images.grid)
    cells = max(1.0, CORE_LENGTH_MM / grid.spacing_mm[axis] * (CORE_DIAMETER_MM / 4.0) ** 2)
    left = score.copy()
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    points = grid.positions_mm(index)
    found: list[BiopsyTarget] = []
    for _ in range(n_targets):
        at = np.unravel_index(int(np.argmax(left)), left.shape)
        best = float(left[at])
        if best < LOWEST_SCORE:
            break
        region = next(region for region, mask in images.regions.items() if mask[at])
        place = points[at]
        width, length = _size_mm(score, at, axis, grid)
        relative = float(parts["scatter"][at]) / max(float(parts["edema"][at]), 1e-6) / np.sqrt(cells)
        found.append(
            BiopsyTarget(
                region=region,
                position_mm=(float(place[0]), float(place[1]), float(place[2])),
                slice_number=int(at[axis]) + 1,
                depth_mm=float(parts["depth"][at]),
                score=best,
                edema=float(parts["edema"][at]),
                lean=float(parts["lean"][at]),
                even=float(parts["even"][at]),
                access=float(parts["access"][at]),
                spread=best * relative,
                width_mm=width,
                length_mm=length,
                vessel_mm=float(parts["vessel"][at]) if images.vessel.any() else None,
                bone_mm=float(parts["bone"][at]) if images.bone.any() else None,
            )
        )
        left[np.linalg.norm(points - place, axis=-1) < APART_MM] = 0.0
    return tuple(found)


def _size_mm(score: FloatArray, at: tuple[np.intp, ...], axis: int, grid: Grid) -> tuple[float, float]:
    """Diameter in the slice and length along the limb of what scores as well as a place and is joined to it. [mm]"""
    parts, _ = ndimage.label(score >= max(float(score[at]) - AS_GOOD_WITHIN, LOWEST_SCORE))
    part = parts == parts[at]
    area = np.count_nonzero(np.take(part, int(at[axis]), axis=axis)) * grid.voxel_volume_mm3 / grid.spacing_mm[axis]
    slices = np.count_nonzero(part.any(axis=tuple(a for a in range(3) if a != axis)))
    return 2.0 * float(np.sqrt(area / np.pi)), float(slices * grid.spacing_mm[axis])
