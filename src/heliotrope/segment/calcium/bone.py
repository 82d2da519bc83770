"""Skeleton in CT: dense shells around marrow or trabecular bone, told from dense solids by what they enclose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from heliotrope.domain.errors import QualityRefusal
from heliotrope.segment.calcium.geometry import (
    Mask,
    Spacing,
    bounding_box,
    depth_inside,
    dilate,
    distance_to,
    fill_slices_cut_by_the_field,
    grow_box,
    label,
    opened,
    smooth,
)
from heliotrope.segment.calcium.small_bones import (
    LEAST_SMALL_BONE_MM3,
    SmallBone,
    as_phalanx,
    as_small_bone,
    join_small_bones,
)

BONE_HU = 200.0
"""Outline of bone on slightly smoothed CT. [HU]"""

CORTEX_HU = 350.0
"""A bone's densest tenth lies above this. [HU]"""

_CUT_GAP_MM = 50.0
_NET_DEPTH_MM = 16.0
_NET_STRAND_MM = 2.8
_LEAST_BONE_MM3 = 1500.0
_LEAST_BRAIN_MM3 = 150_000.0
_SHAFT_AREA_MM2 = (100.0, 1600.0)
_SHAFT_OUTLINE_MM2 = (30.0, 1600.0)
_BONE_END_MM = 12.0
_SHAFT_SOLIDITY = 0.88
_FAT_MARROW_HU = 60.0
_LEAST_MARROW_SHARE = 0.12
_NECK_MM = 3.0
_PROUD_MM = 5.0
_LUMP_CORE_MM2 = 25.0
_LARGEST_LUMP_MM3 = 800.0
_TRABECULAR_HU = (90.0, 700.0)
_JOINT_CLOSING_MM = 8.0
_SKIN_MM = 1.0
_AT_SKIN_PERCENT = 3.0
_LARGEST_DRAIN_MM3 = 3000.0


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Bones of the scan.

    Parameters
    ----------
    mask : bool array
        Cortex, trabecular bone and marrow.
    trabecular : bool array
        Dense interior: ends of long bones, vertebrae, small bones of hand and foot.
    irregular : bool array
        Bone that is no shaft in its slice: ends, flat bones, vertebrae, sacrum. Small bones lie beside such bone.
    joints : bool array
        Clefts and hollows between and within such ends, closed over 8 mm: joint spaces, intercondylar notch, foramina.
    rim : bool array
        Blurred margin of the bones, where calcium cannot be told from cortex.
    rim_mm : float
        Width of the margin. [mm]
    """

    mask: Mask
    trabecular: Mask
    irregular: Mask
    joints: Mask
    rim: Mask
    rim_mm: float


def find_skeleton(
    hu: NDArray[np.float32],
    body: Mask,
    skin_depth_mm: NDArray[np.float32],
    spacing: Spacing,
    known: Mask | None = None,
) -> Skeleton:
    """Bones, from what dense components enclose.

    Parameters
    ----------
    hu : float32 array (x, y, z)
        CT. [HU]
    body : bool array
    skin_depth_mm : float32 array
        Distance to the skin. [mm]
    spacing : tuple of 3 floats
        [mm]
    known : bool array or None
        Bones that labels name; added to what is found.

    Notes
    -----
    A dense component is bone when it holds marrow or trabecular bone behind a denser shell, or when it is long and
    dense and
    hollow over most of its length. What stands more than 5 mm proud of a bone's shaft on a thin neck is given back:
    plaques
    grown onto cortex. Ends, where every outline is irregular, give nothing back.
    """
    smoothed = smooth(hu, 0.6, spacing)
    dense = (smoothed > BONE_HU) & body
    numbers, count = label(dense)
    mask = np.zeros_like(dense)
    voxel = float(np.prod(spacing))
    small: list[SmallBone] = []
    unresolved: list[SmallBone] = []
    for n, part in enumerate(ndimage.find_objects(numbers, max_label=count), start=1):
        size = float(np.prod([(p.stop - p.start) * s for p, s in zip(part, spacing, strict=True)]))
        if size < LEAST_SMALL_BONE_MM3:
            continue
        box = grow_box(part, hu.shape, spacing, max(spacing) + 0.1)
        solid = numbers[box] == n
        if float(solid.sum()) * voxel < LEAST_SMALL_BONE_MM3:
            continue
        filled = _fill(solid, box, hu.shape, spacing)
        shallow = float(np.median(skin_depth_mm[box][solid])) < _NET_DEPTH_MM
        if _is_bone(hu[box], solid, filled, spacing) and not (shallow and _is_net(solid, filled, spacing)):
            kept = filled & ~_proud_of_shaft(smoothed[box], solid, filled, spacing)
            mask[box] |= kept & body[box]
        elif _reaches_skin(skin_depth_mm[box][solid], voxel):
            continue
        elif (bone := as_small_bone(hu[box], solid, filled, box, spacing)) is not None:
            small.append(bone)
        elif (piece := as_phalanx(hu[box], filled, box, spacing)) is not None:
            unresolved.append(piece)
    if known is not None:
        mask |= known & body
    join_small_bones(mask, small, unresolved, spacing)
    mask = _fill(mask, (slice(0, 10**6),) * 3, hu.shape, spacing) & body if mask.any() else mask
    rim_mm = 1.6 + 0.25 * max(spacing[2] - 1.0, 0.0)
    rim = _margin(mask, rim_mm, spacing) & ~mask
    trabecular = np.zeros_like(mask)
    box_or_none = bounding_box(mask, spacing, margin_mm=2.0)
    if box_or_none is not None:
        b = box_or_none
        calm = smooth(hu[b], 1.2, spacing)
        band = (depth_inside(mask[b], spacing) > 4.0) & (calm > _TRABECULAR_HU[0]) & (calm < _TRABECULAR_HU[1])
        # the blurred inner face of a thick cortex reads alike, but is thin
        trabecular[b] = opened(band, 2.6, spacing)
    irregular = mask & ~_shafts(smoothed, mask, spacing)
    return Skeleton(mask, trabecular, irregular, _joints(mask, trabecular, body, spacing), rim, rim_mm)


def _shafts(smoothed: NDArray[np.float32], mask: Mask, spacing: Spacing) -> Mask:
    """Round outlines of long bones around one lumen of fat marrow, more than 12 mm from where the bone ends."""
    out = np.zeros_like(mask)
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        outlines = measure.label(mask[:, :, k])
        for outline in measure.regionprops(outlines):
            area = float(outline.area) * spacing[0] * spacing[1]
            if not _SHAFT_OUTLINE_MM2[0] < area < _SHAFT_OUTLINE_MM2[1] or outline.solidity < _SHAFT_SOLIDITY:
                continue
            marrow = outline.image & (smoothed[:, :, k][outline.slice] < _FAT_MARROW_HU)
            if float(marrow.sum()) > _LEAST_MARROW_SHARE * float(outline.area):
                out[:, :, k][outline.slice] |= outline.image
    numbers, count = label(mask)
    end = round(_BONE_END_MM / spacing[2])
    for n, part in enumerate(ndimage.find_objects(numbers, max_label=count), start=1):
        low, high = part[2].start, part[2].stop
        low = 0 if low == 0 else low + end
        high = high if high == mask.shape[2] else high - end
        outside = np.ones(part[2].stop - part[2].start, dtype=bool)
        outside[max(low - part[2].start, 0) : max(high - part[2].start, 0)] = False
        out[part][(numbers[part] == n) & outside[None, None, :]] = False
    return out


def _joints(mask: Mask, trabecular: Mask, body: Mask, spacing: Spacing) -> Mask:
    """What an 8 mm closing adds to the skeleton within 15 mm of trabecular bone."""
    out = np.zeros_like(mask)
    box = bounding_box(trabecular, spacing, margin_mm=25.0)
    if box is None:
        return out
    shape = mask[box].shape
    pad = [int(np.ceil(10.0 / s)) for s in spacing]
    wide = np.pad(mask[box], [(p, p) for p in pad], mode="edge")
    grown = distance_to(wide, spacing) <= _JOINT_CLOSING_MM
    closed = depth_inside(grown, spacing) > _JOINT_CLOSING_MM
    closed = closed[tuple(slice(p, p + n) for p, n in zip(pad, shape, strict=True))]
    for k in range(shape[2]):
        closed[:, :, k] = ndimage.binary_fill_holes(closed[:, :, k] | mask[box][:, :, k])
    out[box] = closed & ~mask[box] & body[box] & (distance_to(trabecular[box], spacing) < 15.0)
    return out


def _margin(mask: Mask, width_mm: float, spacing: Spacing) -> Mask:
    """Dilation by a width in plane, and by one slice where slices are thicker than the width."""
    near = dilate(mask, max(width_mm, 1.01 * max(spacing[:2])), spacing)
    if spacing[2] > width_mm:
        flat = ndimage.binary_dilation(mask, structure=np.ones((1, 1, 3), dtype=bool))
        near |= dilate(flat, max(width_mm, 1.01 * max(spacing[:2])), spacing)
    return near


def _fill(solid: Mask, box: tuple[slice, ...], shape: tuple[int, ...], spacing: Spacing) -> Mask:
    """Close holes slice by slice; outlines that leave the image are closed along its edge."""
    at_edge = [box[0].start <= 0, box[0].stop >= shape[0], box[1].start <= 0, box[1].stop >= shape[1]]
    if not any(at_edge):
        out = np.empty_like(solid)
        for k in range(solid.shape[2]):
            out[:, :, k] = ndimage.binary_fill_holes(solid[:, :, k])
        return out
    return fill_slices_cut_by_the_field(solid, spacing, gap_mm=_CUT_GAP_MM)


def _reaches_skin(depth_mm: NDArray[np.floating], voxel_mm3: float) -> bool:
    """A plaque in the skin, or a drain through it: bones lie below, but for a tip of a large one."""
    slight = depth_mm.size * voxel_mm3 < _LARGEST_DRAIN_MM3
    return bool(np.percentile(depth_mm, 0.0 if slight else _AT_SKIN_PERCENT) <= _SKIN_MM)


def _is_bone(hu: NDArray[np.float32], solid: Mask, filled: Mask, spacing: Spacing) -> bool:
    voxel = float(np.prod(spacing))
    volume = float(filled.sum()) * voxel
    if volume < _LEAST_BONE_MM3 or float(np.percentile(hu[solid], 90)) < CORTEX_HU:
        return False
    lumens, count = ndimage.label(filled & ~solid)
    largest = 0.0
    hollow_slices = 0
    _refuse_head(hu, filled & ~solid, voxel)
    for k in range(solid.shape[2]):
        sizes = np.bincount(lumens[:, :, k].ravel(), minlength=count + 1)[1:]
        area = float(filled[:, :, k].sum())
        top = float(sizes.max()) if sizes.size else 0.0
        largest = max(largest, top * spacing[0] * spacing[1])
        hollow_slices += area > 0 and top > 0.15 * area
    slices = int((filled.any(axis=(0, 1))).sum())
    if hollow_slices >= max(2, 0.3 * slices) and largest > 25.0:
        return _encloses_marrow(hu, filled, lumens > 0, spacing)
    # no lumen at this threshold: trabecular bone shows a denser shell around a calmer, less dense inside
    depth = depth_inside(np.pad(filled, 1, mode="edge"), spacing)[1:-1, 1:-1, 1:-1]
    inside, shell = depth > 4.5, filled & (depth > 0.5) & (depth <= 3.0)
    if float(inside.sum()) * voxel < 300.0 or not shell.any():
        return False
    return float(np.median(hu[inside])) < 0.85 * float(np.percentile(hu[shell], 75)) and volume > 4000.0


def _is_net(solid: Mask, filled: Mask, spacing: Spacing) -> bool:
    """Thin strands around many cells of like size: calcium of the subcutis; a bone has one lumen,
    a rounded outline or thick parts.
    """
    if float(np.percentile(depth_inside(solid, spacing)[solid], 99)) > _NET_STRAND_MM:
        return False
    shares: list[float] = []
    rounded: list[float] = []
    for k in range(solid.shape[2]):
        if filled[:, :, k].sum() > 12:
            outline = measure.regionprops(filled[:, :, k].astype(np.uint8))[0]
            rounded.append(float(outline.solidity))
        cells, count = ndimage.label(filled[:, :, k] & ~solid[:, :, k])
        if count:
            sizes = np.bincount(cells.ravel())[1:]
            shares.append(float(sizes.max()) / float(sizes.sum()))
    many_cells = bool(shares) and float(np.median(shares)) < 0.6
    return many_cells or (bool(rounded) and float(np.median(rounded)) < 0.7)


def _refuse_head(hu: NDArray[np.float32], lumen: Mask, voxel: float) -> None:
    """A closed shell around much fat-free soft tissue is a skull."""
    if float(lumen.sum()) * voxel < _LEAST_BRAIN_MM3:
        return
    values = hu[lumen]
    if 5.0 < float(np.median(values)) < 70.0 and float((values < -40.0).mean()) < 0.03:
        raise QualityRefusal(
            f"CT: a closed shell of bone holds {float(lumen.sum()) * voxel / 1000:.0f} mL of fat-free "
            "soft tissue: a head",
            hint="calcinosis is measured in limbs and body wall; choose a CT of these",
            code="E_HEAD",
        )


def _encloses_marrow(hu: NDArray[np.float32], filled: Mask, inside: Mask, spacing: Spacing) -> bool:
    """False for a shell of calcium around a limb: what it encloses is wider than any marrow, or holds another bone."""
    widest = max(float(filled[:, :, k].sum()) for k in range(filled.shape[2])) * spacing[0] * spacing[1]
    if widest > 20000.0:
        return False
    net_like = ndimage.label(inside)[1] > 40 and float(np.percentile(depth_inside(inside, spacing)[inside], 90)) < 3.5
    # gaps between trabeculae still read denser than muscle; the cells of a net hold fat
    return not net_like or float(np.median(hu[inside])) > _TRABECULAR_HU[0]


def _lumps(inner: Mask, pixel_mm2: float) -> Mask:
    """Cores of a slice that are small, and small beside the largest: of lumps that touch the bone."""
    numbers, count = ndimage.label(inner)
    if count < 2:
        return np.zeros_like(inner)
    sizes = np.bincount(numbers.ravel()) * pixel_mm2
    return np.asarray(((sizes <= 0.1 * sizes[1:].max()) & (sizes <= _LUMP_CORE_MM2))[numbers] & inner)


def _proud_of_shaft(smoothed: NDArray[np.float32], solid: Mask, filled: Mask, spacing: Spacing) -> Mask:
    """Calcium grown onto a shaft: pieces behind a neck thinner than 6 mm that reach 5 mm beyond the shaft, and small
    lumps that only blur joins to it.
    """
    lumen = filled & ~solid
    shaft = np.zeros(filled.shape[2], dtype=bool)
    core = np.zeros_like(filled)
    lumps = np.zeros_like(filled)
    for k in range(filled.shape[2]):
        plane = filled[:, :, k]
        if not plane.any():
            continue
        inner = ndimage.distance_transform_edt(np.pad(plane, 1), sampling=spacing[:2])[1:-1, 1:-1] > _NECK_MM
        core[:, :, k] = _grown(inner, plane, spacing)
        small = _lumps(inner, spacing[0] * spacing[1])
        if small.any():
            lumps[:, :, k] = _grown(small, plane, spacing) & ~_grown(inner & ~small, plane, spacing)
        area = float(core[:, :, k].sum()) * spacing[0] * spacing[1]
        marrow = lumen[:, :, k]
        if not _SHAFT_AREA_MM2[0] < area < _SHAFT_AREA_MM2[1] or not marrow.any():
            continue
        shaft[k] = float(np.median(smoothed[:, :, k][marrow])) < 60.0 and float(marrow.sum()) > 0.15 * float(
            plane.sum()
        )
    if not shaft.any() or not core.any():
        return np.zeros_like(filled)
    out = _proud_pieces(filled & shaft[None, None, :], core, spacing)
    if lumps.any():
        freed = _proud_pieces(filled & shaft[None, None, :], core & ~lumps, spacing)
        pieces, count = label(freed)
        for n in range(1, count + 1):
            piece = pieces == n
            if float(piece.sum()) * float(np.prod(spacing)) < _LARGEST_LUMP_MM3:
                out |= piece
    return out


def _grown(inner: Mask, plane: Mask, spacing: Spacing) -> Mask:
    return np.asarray(ndimage.distance_transform_edt(~inner, sampling=spacing[:2]) <= _NECK_MM) & plane


def _proud_pieces(filled: Mask, core: Mask, spacing: Spacing) -> Mask:
    """Pieces beyond the core that reach 5 mm from it."""
    out = np.zeros_like(filled)
    if not core.any():
        return out
    away = distance_to(core, spacing)
    pieces, count = label(filled & ~core & (away > 1.0))
    for n in range(1, count + 1):
        piece = pieces == n
        if float(away[piece].max()) > _PROUD_MM:
            out |= piece
    return out
