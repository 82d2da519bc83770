"""Tissues of a trunk on CT, by Hounsfield units and shape: skin, fat, muscle of the body wall, bone, fat of the torso.

A trunk has no limb, no compartment and no side here. What lies within the wall of muscle and bone is the body cavity:
its fat is torso fat, its organs are no muscle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from heliotrope.domain.anatomy import Region
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.body import Limbs, depth_mm, open_mask
from heliotrope.segment.contrast import FAT_LIMIT, Contrast
from heliotrope.segment.ct import fill_shells
from heliotrope.segment.fascia import find_fascia
from heliotrope.segment.layers import Layers, skin_depth_limit_mm, skin_thickness_mm
from heliotrope.segment.polar import PolarFrame

STRUCTURES = ("skin", "subcutaneous_fat", "muscle", "intermuscular_fat", "bone", "torso_fat", "body_cavity")
"""Label order; the first is `FIRST_LABEL`."""
FIRST_LABEL = 41
WALL_MM = 25.0
"""Lean tissue met from the fascia inward counts as muscle of the wall up to this thickness. Project rule. [mm]"""
BACK_WALL_MM = 60.0
"""The same behind the vertebral body, where the erector of the spine lies. Project rule. [mm]"""
BACK_REACH_MM = 85.0
"""How far to both sides of the spine the back reaches. Project rule. [mm]"""
PSOAS_MM = 14.0
"""Lean tissue beside a vertebral body up to this far from it is psoas. Project rule. [mm]"""
LEAST_VERTEBRA_MM, MIDLINE_MM = 12.0, 40.0
"""Smallest radius of a vertebral body and its largest distance from the midline. Project rule. [mm]"""
SPINE_FRONT = 0.45
"""A vertebral body lies behind this share of the depth, the pubic symphysis before it. Project rule."""
SPINE_SLICES, SPINE_REACH_MM = 9, 25.0
"""Vertebral bodies that are averaged, and how far along the spine one is believed. Project rule. [slices, mm]"""
CANAL_MM = (9.0, 16.0)
"""Half width and depth of the spinal canal behind the vertebral body. Project rule. [mm]"""
ORGAN_RADIUS_MM, ORGAN_DEPTH_MM = 12.0, 16.0
"""Lean tissue this thick and this deep under the fascia is an organ. Project rule. [mm]"""
FAT_RADIUS_MM, FAT_DEPTH_MM = 4.0, 10.0
"""Fat this thick and this deep under the fascia is fat of the torso, not between muscles. Project rule. [mm]"""
SEEN_EDGE_HU_PER_MM = 6.0
"""Steepness from which a border between wall and cavity counts as seen. Project rule. [HU/mm]"""
DENSE_HU, SPONGY_HU, CORTEX_HU = 180.0, 130.0, 230.0
"""Bone of the trunk: its dense parts, what is followed from them, and what its densest tenth exceeds. Project rule.
[HU]"""
LEAST_RIB_MM3, LEAST_SPINE_MM3 = 250.0, 15000.0
"""Smallest dense part that may be a rib, and smallest that may be spine or pelvis. Project rule. [mm3]"""
RIB_DEPTH_MM = 30.0
"""Ribs and sternum lie nearer than this to the fascia. Project rule. [mm]"""
CORE_MM = 5.0
"""Depth inside a dense part at which contrast in a bowel is still dense and bone is spongy. Project rule. [mm]"""


def find_trunk_bone(
    hu: NDArray[np.float32], body: NDArray[np.bool_], inside: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Spine, ribs and pelvis: dense parts that are thin or have a denser shell.

    Parameters
    ----------
    hu : float32 array (x, y, z)
        Smoothed. [HU]
    body, inside : bool arrays (x, y, z)
        Body, and what lies deep to the fascia.
    spacing_mm : tuple of 3 floats

    Returns
    -------
    bool array (x, y, z)

    Notes
    -----
    Bowel or vessels full of contrast are dense through and through; bone is not.
    """
    voxel = float(np.prod(spacing_mm))
    dense = (hu > DENSE_HU) & body
    labels, _ = ndimage.label(dense, np.ones((3, 3, 3)))
    depth = _depth(dense, spacing_mm)
    fascia_depth = _depth(inside, spacing_mm)
    seeds = np.zeros_like(dense)
    for i, box in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[box] == i
        volume = float(part.sum()) * voxel
        if volume < LEAST_RIB_MM3 or float(np.percentile(hu[box][part], 90)) < CORTEX_HU:
            continue
        core = part & (depth[box] > CORE_MM)
        shell = part & (depth[box] <= max(CORE_MM - 2.0, 1.1 * max(spacing_mm)))
        if float(core.sum()) < 0.1 * float(part.sum()):
            shallow = float(np.median(fascia_depth[box][part])) < RIB_DEPTH_MM
            is_bone = shallow or volume > LEAST_SPINE_MM3
        else:
            is_bone = float(np.median(hu[box][core])) < 0.9 * float(np.percentile(hu[box][shell], 75))
        if is_bone:
            seeds[box] |= part
    if not seeds.any():
        return seeds
    near = ndimage.distance_transform_edt(~seeds, sampling=spacing_mm) <= 2.0 * CORE_MM
    grown = ndimage.binary_propagation(seeds, mask=(hu > SPONGY_HU) & body & near)
    return fill_shells(grown, spacing_mm, gap_mm=4.0) & body


def _depth(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Distance to the outside of a mask; the ends of the stack and the image border are no outside. [mm]"""
    padded = np.pad(mask, 1, mode="edge")
    if padded.all():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    inner = ndimage.distance_transform_edt(padded, sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    return np.asarray(inner, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Spine:
    """Places told from the vertebral body of each slice.

    Parameters
    ----------
    back, psoas, canal : bool arrays (x, y, z)
    slices : int
        Slices in which a vertebral body was seen.
    """

    back: NDArray[np.bool_]
    psoas: NDArray[np.bool_]
    canal: NDArray[np.bool_]
    slices: int


def _about_spine(bone: NDArray[np.bool_], inside: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> _Spine:
    plane = (spacing_mm[0], spacing_mm[1])
    bodies = {k: found for k in range(bone.shape[2]) if (found := _vertebra(bone[:, :, k], inside[:, :, k], plane))}
    back, psoas, canal = (np.zeros_like(bone) for _ in range(3))
    if bodies:
        levels = np.array(sorted(bodies))
        places = np.array([bodies[int(k)] for k in levels])
    for k in np.flatnonzero(inside.any(axis=(0, 1))) if bodies else ():
        # between two vertebral bodies lies a disk, which is no bone on CT
        near = np.argsort(np.abs(levels - k), kind="stable")[:SPINE_SLICES]
        if abs(int(levels[near[0]]) - int(k)) * spacing_mm[2] > SPINE_REACH_MM:
            continue
        cx, _, radius = np.median(places[near], axis=0)
        # at the level of a disk the thickest bone is the arch, behind the body
        cy = float(np.percentile(places[near, 1], 25.0))
        x = (np.arange(bone.shape[0])[:, None] - cx) * plane[0]
        y = (np.arange(bone.shape[1])[None, :] - cy) * plane[1]
        back[:, :, k] = (y > 0.9 * radius) & (np.abs(x) < BACK_REACH_MM)
        psoas[:, :, k] = (y > -0.3 * radius) & (y <= 0.9 * radius) & (np.abs(x) < radius + PSOAS_MM)
        behind = (np.abs(x) < CANAL_MM[0]) & (y > radius) & (y < radius + CANAL_MM[1])
        canal[:, :, k] = (behind | (np.hypot(x, y) < radius)) & ~bone[:, :, k] & inside[:, :, k]
    return _Spine(back, psoas & ~canal, canal, len(bodies))


def _vertebra(
    bone: NDArray[np.bool_], inside: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> tuple[float, float, float] | None:
    """Center in pixels and radius in mm of the thickest bone near the midline of a slice."""
    columns, rows = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if columns.size == 0 or not bone.any():
        return None
    middle, front = 0.5 * (columns[0] + columns[-1]), rows[0] + SPINE_FRONT * (rows[-1] - rows[0])
    central = bone & ((np.abs(np.arange(bone.shape[0]) - middle) * spacing_mm[0]) < MIDLINE_MM)[:, None]
    central &= (np.arange(bone.shape[1]) > front)[None, :]
    depth = ndimage.distance_transform_edt(central, sampling=spacing_mm)
    radius = float(depth.max())
    if radius < LEAST_VERTEBRA_MM:
        return None
    x, y = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return float(x), float(y), radius


def _wall(
    lean: NDArray[np.bool_],
    bone: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    thick: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
) -> NDArray[np.bool_]:
    """Tissue of one slice that is met from the fascia inward before any fat or gas.

    Where `thick` holds, at the back and about the hips, the wall may measure `BACK_WALL_MM`, and all that lies outside
    bone belongs to it.
    """
    x, y = np.nonzero(inside)
    center = (float(x.mean()), float(y.mean()))
    reach = float(np.hypot((x - center[0]) * spacing_mm[0], (y - center[1]) * spacing_mm[1]).max())
    frame = PolarFrame(center, spacing_mm, n_angles=720, n_radii=int(reach / 0.5) + 8)
    n = frame.n_radii
    index = np.arange(n)[None]

    def outermost(ray: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.where(ray.any(axis=1), n - 1 - np.argmax(ray[:, ::-1], axis=1), 0).astype(np.int64)

    outer = outermost(frame.unwrap(inside) > 0.5)
    skeleton = frame.unwrap(bone) > 0.5
    # the outermost 2 mm are blurred with the subcutaneous fat
    gap = (frame.unwrap(lean) <= 0.5) & ~skeleton & (index <= outer[:, None] - round(2.0 / frame.step_mm))
    stop = outermost(gap | skeleton)
    shielded = outermost(skeleton)
    at = np.clip((outer + stop) // 2, 0, n - 1)
    here_thick = (frame.unwrap(thick) > 0.5)[np.arange(frame.n_angles), at]
    limit = np.where(here_thick, BACK_WALL_MM, WALL_MM)
    whole = (outer - stop) * frame.step_mm <= limit
    # where no gap is met an organ lies on the wall: only the outermost layer is sure
    inner = np.where(whole, stop, outer - round(5.0 / frame.step_mm))
    inner = np.where(here_thick & (shielded > 0), np.minimum(inner, shielded), inner)
    shape = (inside.shape[0], inside.shape[1])
    return np.asarray(inside & ~frame.fill(np.maximum(inner, 0) * frame.step_mm + 0.1, shape))


def _hips(bone: NDArray[np.bool_], inside: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """Back and sides of a slice that shows hip bones; empty elsewhere."""
    columns, rows = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    lateral = np.abs(np.arange(bone.shape[0]) - 0.5 * (columns[0] + columns[-1])) * spacing_mm[0] > MIDLINE_MM
    core = open_mask(bone & lateral[:, None], HIP_HALF_MM, spacing_mm)
    if float(core.sum()) * spacing_mm[0] * spacing_mm[1] < HIP_AREA_MM2:
        return np.zeros_like(bone)
    front = rows[0] + 0.4 * (rows[-1] - rows[0])
    return np.asarray(inside & (np.arange(bone.shape[1]) > front)[None, :])


HIP_HALF_MM, HIP_AREA_MM2 = 5.0, 250.0
"""Bone beside the midline thicker than twice this and larger than this is a hip, no rib. Project rule. [mm, mm2]"""


def _cavity(
    contrast: Contrast,
    hu: NDArray[np.float32],
    bone: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    spine: _Spine,
    spacing_mm: tuple[float, float, float],
) -> tuple[NDArray[np.bool_], float]:
    """What lies within the wall, and the share of its border at which an edge is seen."""
    plane = (spacing_mm[0], spacing_mm[1])
    gas = np.zeros_like(inside) if contrast.gas is None else contrast.gas & inside
    solid = inside & ~gas & ~bone
    lean, fatty = solid & (contrast.fat < FAT_LIMIT), solid & (contrast.fat >= FAT_LIMIT)
    wall, organ, pad = (np.zeros_like(inside) for _ in range(3))
    for k in np.flatnonzero(inside.any(axis=(0, 1))):
        depth = depth_mm(inside[:, :, k], plane)
        thick = spine.back[:, :, k] | _hips(bone[:, :, k], inside[:, :, k] | bone[:, :, k], plane)
        wall[:, :, k] = _wall(lean[:, :, k], bone[:, :, k], inside[:, :, k] | bone[:, :, k], thick, plane)
        organ[:, :, k] = open_mask(lean[:, :, k], ORGAN_RADIUS_MM, plane) & (depth > ORGAN_DEPTH_MM) & ~wall[:, :, k]
        pad[:, :, k] = open_mask(fatty[:, :, k] & (depth > FAT_DEPTH_MM), FAT_RADIUS_MM, plane)
        gas[:, :, k] &= depth > 3.0
    sure_wall = (wall & lean | (lean & spine.psoas)) & ~spine.canal
    organ &= ~spine.psoas & ~(spine.back & (_depth(inside, spacing_mm) < BACK_WALL_MM))
    sure_cavity = (gas | (pad & ~spine.back) | organ | (spine.canal & inside)) & ~sure_wall
    clipped = np.clip(np.where(gas, -150.0, hu), -150.0, 120.0).astype(np.float32)
    steep = np.hypot(
        *(ndimage.gaussian_filter1d(clipped, 0.8, axis=axis, order=1) / spacing_mm[axis] for axis in (0, 1))
    )
    markers = np.where(bone | sure_wall, 2, 0)
    markers[sure_cavity] = 1
    if not sure_cavity.any():
        return np.zeros_like(inside), float("nan")
    cavity = (watershed(steep, markers, mask=inside) == 1) & ~bone
    flat = np.ones((3, 3, 1), dtype=bool)
    border = cavity & ndimage.binary_dilation(inside & ~cavity, flat)
    seen = steep[border] > SEEN_EDGE_HU_PER_MM
    return np.asarray(cavity), float(seen.mean()) if border.any() else float("nan")


def label_trunk(contrast: Contrast, hu: NDArray[np.float32], grid: Grid, place: str, *, method: str) -> Layers:
    """Label a trunk on CT.

    Parameters
    ----------
    contrast : Contrast
        Of the CT, in axial axes.
    hu : float32 array (x, y, z)
        Smoothed, in axial axes. [HU]
    grid : Grid
        As stored; the labels come back on it.
    place : str
        What the stack looks like, e.g. ``"an abdomen"``.
    method : str
        Name and version for `LabelMap.source`.

    Returns
    -------
    Layers
        One surface, no side. `LabelMap.confidence` of muscle and torso fat is the share of their common border at
        which an edge is seen.
    """
    frame = AxialFrame.of(grid)
    spacing = frame.spacing_mm
    plane = (spacing[0], spacing[1])
    body = _largest_part(contrast.body)
    gas = np.zeros_like(body) if contrast.gas is None else contrast.gas
    fat = np.where(gas, np.float32(0.0), contrast.fat)
    surface = find_fascia(fat, body, spacing, neutral=contrast.neutral, supple=True)
    inside = surface.inside
    bone = find_trunk_bone(hu, body, inside, spacing)
    spine = _about_spine(bone, inside, spacing)
    cavity, seen = _cavity(contrast, hu, bone, inside, spine, spacing)
    skin = skin_thickness_mm(contrast, body, spacing)
    values = np.zeros(body.shape, dtype=np.uint16)
    for k in np.flatnonzero(body.any(axis=(0, 1))):
        depth = depth_mm(body[:, :, k], plane) - 0.5 * min(plane)
        here = values[:, :, k]
        share, deep = contrast.fat[:, :, k], inside[:, :, k]
        here[body[:, :, k] & ~deep] = 2
        here[body[:, :, k] & (depth < skin_depth_limit_mm(skin))] = 1
        deep = deep & (here == 0)
        dense = (contrast.void[:, :, k] & ~gas[:, :, k]) & ~bone[:, :, k]
        within = cavity[:, :, k]
        here[deep & ~within & (share < FAT_LIMIT) & ~gas[:, :, k] & ~dense] = 3
        here[deep & ~within & (share >= FAT_LIMIT)] = 4
        here[deep & within & (share >= FAT_LIMIT) & ~gas[:, :, k]] = 6
        here[deep & within & ((share < FAT_LIMIT) | gas[:, :, k])] = 7
        here[bone[:, :, k]] = 5
    values[values > 0] += FIRST_LABEL - 1
    legend = {FIRST_LABEL + i: Region(name) for i, name in enumerate(STRUCTURES)}
    notes = _notes(place, seen, spine, body)
    found = np.flatnonzero(inside.any(axis=(0, 1)))
    outer = float(np.mean(surface.confidence[found])) if found.size else 0.0
    confidence = {FIRST_LABEL + 1: round(float(np.clip(outer, 0.0, 1.0)), 3)}
    if np.isfinite(seen):
        confidence |= {FIRST_LABEL + 2: round(seen, 3), FIRST_LABEL + 5: round(seen, 3)}
    labels = LabelMap(frame.from_axial(values), grid, legend, method, confidence, notes)
    limbs = Limbs(np.zeros(body.shape, np.uint8), (), f"no limb: looks like {place}", np.zeros_like(body))
    return Layers(labels, (surface,), limbs, np.zeros((0, body.shape[2]), np.int64), (skin,), notes)


def _largest_part(body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The trunk without arms that lie apart."""
    labels, count = ndimage.label(body)
    if count < 2:
        return body
    return np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))


def _notes(place: str, seen: float, spine: _Spine, body: NDArray[np.bool_]) -> tuple[str, ...]:
    notes = [
        f"The CT looks like {place}, not like limbs: tissues are given by Hounsfield units and shape, without sides, "
        "compartments or single muscles."
    ]
    if np.isfinite(seen):
        notes.append(
            f"The inner border of the body wall is seen in {100 * seen:.0f} % of its length; where an organ touches "
            "muscle without fat between, it was placed between what is surely wall and surely organ."
        )
    else:
        notes.append("No body cavity was recognized; organs, where there are any, count as muscle.")
    present = int(np.count_nonzero(body.any(axis=(0, 1))))
    if spine.slices < 0.5 * present:
        notes.append(
            f"A vertebral body was recognized in {spine.slices} of {present} slices; elsewhere muscle beside the spine "
            "may be missed."
        )
    return tuple(notes)
