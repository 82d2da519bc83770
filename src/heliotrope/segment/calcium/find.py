"""Calcinosis in a CT: from CT numbers to placed and named components."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Side, TissuePlane
from heliotrope.domain.errors import GeometryError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.segment.calcium.body import find_body, skin_depth, split_limbs
from heliotrope.segment.calcium.bone import find_skeleton
from heliotrope.segment.calcium.candidates import Exclusion, find_candidates
from heliotrope.segment.calcium.cavity import find_cavity
from heliotrope.segment.calcium.components import CalciumShape, Component, PlaneDetail, Setting, describe
from heliotrope.segment.calcium.fascia import find_surfaces, lean_compartment
from heliotrope.segment.calcium.geometry import (
    Box,
    Mask,
    Spacing,
    bounding_box,
    depth_inside,
    dilate,
    distance_to,
    grow_box,
    label,
    sizes,
    smooth,
)
from heliotrope.segment.calcium.local_shape import local_shape
from heliotrope.segment.calcium.tissue import read_tissue

METHOD = "ct-calcinosis/1"

ALL_PLANES_SLICE_MM = 1.5
"""Up to this slice thickness every plane is told. [mm]"""

PLANES_SLICE_MM = 3.05
"""Up to this slice thickness planes are told with a warning; beyond it only superficial or deep. [mm]"""

THICKEST_SLICE_MM = 10.0
"""Thicker slices are refused. [mm]"""

LEAST_SEPTAL_FAT = 0.03
"""Below this share of fat among the tissue deep to the fascia, septa cannot be resolved.
On digital thighs septa of 0.3 mm show 1.3 to 1.6 %, of 1.6 mm 7.8 to 9.1 %. Project rule."""

_SLIVER = 0.08


@dataclass(frozen=True, eq=False, kw_only=True)
class Survey:
    """The whole scan before calcium is placed, in arrays of its own grid brought to axes left, posterior, superior.

    Parameters
    ----------
    body, bone, bone_rim, cavity : bool arrays
    excluded : uint8 array
        1 + position in `Exclusion`.
    excluded_mm3 : mapping of Exclusion to float
        [mm3]
    muscle_hu, noise_hu, threshold_hu : float
        Median lean tissue, noise, and median threshold. [HU]
    """

    body: Mask
    bone: Mask
    bone_rim: Mask
    cavity: Mask
    excluded: NDArray[np.uint8]
    excluded_mm3: dict[Exclusion, float]
    muscle_hu: float
    noise_hu: float
    threshold_hu: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Calcinosis(Survey):
    """What was found.

    Parameters
    ----------
    hu : float32 array (x, y, z)
        CT. [HU]
    spacing : tuple of 3 floats
        [mm]
    numbers : int32 array
        Components, from 1.
    components : tuple of Component
    fascia_distance_mm, depth_mm : float16 arrays
        NaN outside the assessed limbs; exact to 0.01 mm within 16 mm. [mm]
    skin_thickness_mm : float
        [mm]
    detail : PlaneDetail
    notes : tuple of str
        Sentences for the report.
    """

    hu: NDArray[np.float32]
    spacing: Spacing
    numbers: NDArray[np.int32]
    components: tuple[Component, ...]
    fascia_distance_mm: NDArray[np.float16]
    depth_mm: NDArray[np.float16]
    skin_thickness_mm: float
    detail: PlaneDetail
    notes: tuple[str, ...] = field(default=())


def find_calcinosis(
    volume: Volume,
    *,
    slice_thickness_mm: float | None = None,
    contrast: bool | None = None,
    known_bones: Mask | None = None,
) -> Calcinosis:
    """Find, place and name calcifications of the soft tissue.

    Parameters
    ----------
    volume : Volume
        CT with axes along left, posterior and superior (see `to_lps`). [HU]
    slice_thickness_mm : float or None
        From (0018,0050); the slice spacing is used when it is larger or the thickness unknown. [mm]
    contrast : bool or None
        Contrast medium was given; None when the header is silent, then none is assumed.
    known_bones : bool array (x, y, z) or None
        Bones named by labels of an engine or a person; None leaves them to texture and connectivity.

    Raises
    ------
    QualityRefusal
        Slices thicker than 10 mm, no body, or values that are not Hounsfield units.
    """
    hu = np.asarray(volume.data, dtype=np.float32)
    if hu.ndim != 3:
        raise GeometryError(f"CT of shape {hu.shape}: a single 3-D volume is needed", hint="choose one CT series")
    spacing = volume.grid.spacing_mm
    thickness = max(spacing[2], slice_thickness_mm or 0.0)
    if thickness > THICKEST_SLICE_MM:
        raise QualityRefusal(
            f"CT: slices {thickness:.1f} mm apart or thick (at most {THICKEST_SLICE_MM:g} mm)",
            hint="use a reconstruction with slices of 1 mm",
            code="E_SLICE_THICKNESS",
        )
    calcium, survey = _survey(hu, spacing, contrast=bool(contrast), known_bones=known_bones)
    detail = _detail(thickness)
    limbs = split_limbs(survey.body, survey.bone, spacing)
    fascia = np.full(hu.shape, np.nan, np.float16)
    depth = np.full(hu.shape, np.nan, np.float16)
    numbers = np.zeros(hu.shape, np.int32)
    components: list[Component] = []
    notes: list[str] = []
    skins: list[float] = []
    n_limbs = int(limbs.max())
    for limb_number in range(1, n_limbs + 1):
        limb = limbs == limb_number
        box = bounding_box(limb, spacing, margin_mm=4.0)
        if box is None:
            continue
        found, skin_mm, said = _assess_limb(
            limb[box], hu, calcium, survey, box, spacing, detail, _side(limb, volume.grid, n_limbs)
        )
        offset = len(components)
        mine = found.numbers > 0
        numbers[box][mine] = found.numbers[mine] + offset
        here = limb[box] | ((limbs[box] == 0) & np.isnan(depth[box]))
        fascia[box][here] = found.fascia[here]
        depth[box][here] = found.depth[here]
        components.extend(replace(c, number=c.number + offset, box=_shift(c.box, box)) for c in found.components)
        skins.append(skin_mm)
        notes.extend(s for s in said if s not in notes)
    return Calcinosis(
        **vars(survey),
        hu=hu,
        spacing=spacing,
        numbers=numbers,
        components=tuple(components),
        fascia_distance_mm=fascia,
        depth_mm=depth,
        skin_thickness_mm=float(np.median(skins)) if skins else 2.0,
        detail=detail,
        notes=tuple(notes),
    )


def _survey(
    hu: NDArray[np.float32], spacing: Spacing, *, contrast: bool, known_bones: Mask | None
) -> tuple[Mask, Survey]:
    """Calcium that may be counted, and what lies around it; all else that finding it needed is left behind."""
    body = find_body(hu, spacing)
    skeleton = find_skeleton(hu, body.mask, body.skin_depth_mm, spacing, known_bones)
    cavity = find_cavity(hu, body, skeleton, spacing)
    tissue = read_tissue(hu, body, skeleton, cavity, spacing, contrast=contrast)
    candidates = find_candidates(hu, body, skeleton, cavity, tissue, spacing)
    return candidates.numbers > 0, Survey(
        body=body.mask,
        bone=skeleton.mask,
        bone_rim=skeleton.rim,
        cavity=cavity,
        excluded=candidates.excluded,
        excluded_mm3=candidates.excluded_mm3,
        muscle_hu=tissue.muscle_hu,
        noise_hu=tissue.noise_hu,
        threshold_hu=float(np.median(tissue.threshold)),
    )


@dataclass(frozen=True, eq=False)
class _Limb:
    numbers: NDArray[np.int32]
    components: tuple[Component, ...]
    fascia: NDArray[np.float32]
    depth: NDArray[np.float32]


def _assess_limb(
    limb: Mask,
    scan_hu: NDArray[np.float32],
    scan_calcium: Mask,
    survey: Survey,
    box: Box,
    spacing: Spacing,
    detail: PlaneDetail,
    side: Side | None,
) -> tuple[_Limb, float, list[str]]:
    notes: list[str] = []
    hu, body, bone_mask = scan_hu[box], survey.body[box], survey.bone[box]
    smoothed = _smoothed(scan_hu, box, spacing)
    calcium = limb & scan_calcium[box]
    bone = bone_mask | survey.bone_rim[box]
    near_calcium = dilate(calcium, 1.2, spacing)
    surfaces = None
    if detail is not PlaneDetail.SUPERFICIAL_OR_DEEP:
        surfaces = find_surfaces(smoothed, limb, near_calcium, bone_mask, spacing)
    if surfaces is not None and surfaces.unsure.mean() < 0.5:
        fascia, depth = surfaces.signed_distances(limb.shape, spacing)
        skin_mm = surfaces.skin_thickness_mm
        fused = _fused_slices(hu, limb, body, spacing)
        if fused.any():
            depth[:, :, fused] = np.where(body, skin_depth(body, spacing), -1.0)[:, :, fused]
        if (
            detail is PlaneDetail.ALL_PLANES
            and _septal_fat(smoothed, fascia, limb, bone, near_calcium) < LEAST_SEPTAL_FAT
        ):
            notes.append("Septa between muscles are too thin to be seen; calcium below the fascia is called deep.")
            detail = PlaneDetail.NO_SEPTA
    else:
        if detail is not PlaneDetail.SUPERFICIAL_OR_DEEP:
            notes.append("The limb's outline is incomplete or not round; only superficial and deep are told apart.")
        detail = PlaneDetail.SUPERFICIAL_OR_DEEP
        inside = lean_compartment(smoothed, limb, near_calcium, bone_mask, spacing)
        fascia = np.where(inside, -depth_inside(inside, spacing), distance_to(inside, spacing)).astype(np.float32)
        depth = skin_depth(limb, spacing)
        skin_mm = 2.0
    numbers, count = _number(calcium, spacing)
    del calcium, near_calcium
    _, shares, normals = local_shape(numbers > 0, spacing)
    setting = Setting(numbers, smoothed, fascia, depth, bone, shares, normals, skin_mm, spacing, detail)
    return _Limb(numbers, describe(setting, count, side), fascia, depth), skin_mm, notes


def _smoothed(hu: NDArray[np.float32], box: Box, spacing: Spacing) -> NDArray[np.float32]:
    """CT of a box after 0.6 mm smoothing, with what lies beside the box taken along. [HU]"""
    wide = grow_box(box, hu.shape, spacing, 3.0)
    inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))
    return smooth(hu[wide], 0.6, spacing)[inner]


def _detail(thickness_mm: float) -> PlaneDetail:
    return PlaneDetail.ALL_PLANES if thickness_mm <= PLANES_SLICE_MM else PlaneDetail.SUPERFICIAL_OR_DEEP


def _shift(inner: Box, outer: Box) -> Box:
    moved = tuple(slice(i.start + o.start, i.stop + o.start) for i, o in zip(inner, outer, strict=True))
    return (moved[0], moved[1], moved[2])


def _side(limb: Mask, grid: Grid, n_limbs: int) -> Side | None:
    """With two limbs, the one on the left of the midline between them is the left; a lone limb's side is not known."""
    if n_limbs < 2:
        return None
    middle = np.argwhere(limb.any(axis=(1, 2))).mean()
    x = float(grid.positions_mm([[middle, 0, 0]])[0, 0])
    center = float(grid.positions_mm([[(grid.shape[0] - 1) / 2, 0, 0]])[0, 0])
    return Side.LEFT if x > center else Side.RIGHT


def _fused_slices(hu: NDArray[np.float32], limb: Mask, body: Mask, spacing: Spacing) -> Mask:
    """Slices in which the seam to the other limb runs through fat or muscle, with no skin of its own."""
    out = np.zeros(limb.shape[2], dtype=bool)
    for k in range(limb.shape[2]):
        other = body[:, :, k] & ~limb[:, :, k]
        seam = ndimage.binary_dilation(other, iterations=2) & limb[:, :, k]
        if seam.sum() * min(spacing[:2]) > 30.0:
            out[k] = float(np.median(hu[:, :, k][seam])) < -45.0
    return out


def _septal_fat(
    smoothed: NDArray[np.float32], fascia: NDArray[np.float32], limb: Mask, bone: Mask, calcium: Mask
) -> float:
    deep = limb & (fascia < -4.0) & ~bone & ~calcium
    return float((smoothed[deep] < 0.0).mean()) if deep.any() else 0.0


def _number(calcium: Mask, spacing: Spacing) -> tuple[NDArray[np.int32], int]:
    """Connected pieces get numbers of their own; masses fused with nets or sheets come apart by thickness."""
    pieces, count = label(calcium)
    voxel = float(np.prod(spacing))
    out = np.zeros_like(pieces)
    n_out = 0
    for n, part in enumerate(ndimage.find_objects(pieces, max_label=count), start=1):
        member = pieces[part] == n
        size = float(member.sum()) * voxel
        if size < max(2.0, 1.5 * voxel):
            continue
        split = _by_thickness(member, spacing) if size > 2000.0 else None
        if split is None:
            n_out += 1
            out[part][member] = n_out
        else:
            for m in range(1, int(split.max()) + 1):
                n_out += 1
                out[part][split == m] = n_out
    return out, n_out


def _by_thickness(member: Mask, spacing: Spacing) -> NDArray[np.int32] | None:
    """A thick core and the thin remainder that hangs on it, when both are substantial."""
    voxel = float(np.prod(spacing))
    pad = 2
    wide = np.pad(member, pad)
    depth = depth_inside(wide, spacing)
    core = depth > 2.2
    if float(core.sum()) * voxel < 300.0:
        return None
    parts, count = label(core)
    volumes = sizes(parts, count) * voxel
    volumes[0] = 0
    core = (volumes > 200.0)[parts]
    thick = wide & (distance_to(core, spacing) <= 3.6)
    thin = wide & ~thick
    pieces, n_pieces = label(thin)
    own = sizes(pieces, n_pieces) * voxel > max(150.0, _SLIVER * float(member.sum()) * voxel)
    own[0] = False
    if not own.any():
        return None
    seeds = np.zeros(wide.shape, np.int32)
    seeds[thick] = 1
    for rank, n in enumerate(np.flatnonzero(own), start=2):
        seeds[pieces == n] = rank
    loose = wide & (seeds == 0)
    if loose.any():
        nearest = ndimage.distance_transform_edt(
            seeds == 0, sampling=spacing, return_distances=False, return_indices=True
        )
        seeds[loose] = seeds[nearest[0][loose], nearest[1][loose], nearest[2][loose]]
    inner = tuple(slice(pad, -pad) for _ in range(3))
    return seeds[inner]


SUPERFICIAL = (TissuePlane.CUTANEOUS, TissuePlane.SUBCUTANEOUS, TissuePlane.SUPERFICIAL)
"""Planes outside the deep fascia."""

COMPACT_SHAPES = (CalciumShape.NODULAR, CalciumShape.CLUMP)
"""Shapes that the literature does not tell apart sharply."""
