"""From limbs, fascia and bones to one tissue per voxel."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.body import Limbs, depth_mm, open_mask
from heliotrope.segment.bone import Bone, find_bones, find_dark_bones, has_bright_marrow, marrow_like_share
from heliotrope.segment.compartments import COMPARTMENTS, LEAST_CONFIDENCE, SliceCompartments, find_compartments
from heliotrope.segment.contrast import FAT_LIMIT, Contrast
from heliotrope.segment.fascia import FasciaSurface, find_fascia
from heliotrope.segment.level import THIGH_AREA_CM2, Level, boneless_refusal, recognize_level
from heliotrope.segment.shafts import LONGEST_SINGLE_LEVEL_MM, only_shafts, shaft_slices
from heliotrope.segment.vessels import Vessels, find_vessels

TISSUE_STRUCTURES = ("skin", "subcutaneous_fat", "muscle", "intermuscular_fat", "bone")
"""Label order within a side; the left limb takes 1-5, the right 11-15, an unknown side 21-25."""
CORTEX, MARROW = 4, 8
"""Place within a side of cortex, which takes the place of bone, and of marrow, where the two are told apart."""
VESSEL = 9
"""Place within a side of vessels that are seen."""
FIDUCIAL = 31
"""Label of markers on the skin."""
THINNEST_SKIN_MM, THICKEST_SKIN_MM = 0.8, 3.1
"""Skin of the thigh on CT is 0.84-3.07 mm by site (spec B2, source S56). [mm]"""
DEFAULT_SKIN_MM = 1.8
"""Assumed where the outermost layer shows no step to fat: middle of the published range. Project rule. [mm]"""
SUPERFICIAL_LUMP_MM = 7.0
"""Lean tissue outside the fascia thicker than twice this is no subcutis: genitals, hands. Project rule. [mm]"""
VOID_CORE_MM = 1.7
"""A dark region inside the fascia thicker than twice this is not counted as muscle. Project rule. [mm]"""
FIDUCIAL_AREA_MM2 = (15.0, 600.0)
"""Cross-section of a marker on the skin. Project rule. [mm2]"""
_FIRST = {Side.LEFT: 1, Side.RIGHT: 11, None: 21}


@dataclass(frozen=True, eq=False)
class Layers:
    """Tissues with what the report needs to know of them.

    Parameters
    ----------
    labels : LabelMap
    fascia : tuple of FasciaSurface
        One per limb, in axial axes.
    limbs : Limbs
    bones_per_slice : float array (limb, z)
        Bones found.
    skin_mm : tuple of float
        Median thickness from surface to fat per limb; NaN where not resolved. [mm]
    """

    labels: LabelMap
    fascia: tuple[FasciaSurface, ...]
    limbs: Limbs
    bones_per_slice: NDArray[np.int64]
    skin_mm: tuple[float, ...]
    notes: tuple[str, ...] = field(default=())


def require_any_limb(limbs: Limbs) -> None:
    """Refuse an image in which nothing has the size of a limb.

    Raises
    ------
    QualityRefusal
        ``E_NO_LIMB``.
    """
    if not limbs.index.any():
        raise QualityRefusal(
            "no limb recognized: nothing in the image has the size and compactness of one",
            hint="check that the series shows a limb in axial slices",
            code="E_NO_LIMB",
        )


def label_layers(contrast: Contrast, limbs: Limbs, grid: Grid, *, method: str) -> Layers:
    """Label every voxel of the limbs.

    Parameters
    ----------
    contrast : Contrast
        In axial axes.
    limbs : Limbs
        As `find_limbs` parts the body.
    grid : Grid
        As stored; the labels come back on it.
    method : str
        Name and version for `LabelMap.source`.

    Returns
    -------
    Layers
    """
    frame = AxialFrame.of(grid)
    spacing = frame.spacing_mm
    values = np.zeros(contrast.body.shape, dtype=np.uint16)
    surfaces: list[FasciaSurface] = []
    counts = np.zeros((len(limbs.sides), contrast.body.shape[2]), dtype=np.int64)
    thickness: list[float] = []
    notes: list[str] = []
    levels: list[Level] = []
    legend: dict[int, Region] = {}
    compartment_confidence: dict[int, float] = {}
    unseen: dict[Side | None, str] = {}
    marrow_share = 0.0
    # on a water image alone a joint, a foot or a hand looks like muscle; in a short stack the level tells
    several_levels = not contrast.marrow_ring and contrast.body.shape[2] * spacing[2] > LONGEST_SINGLE_LEVEL_MM
    labeled = np.full(contrast.body.shape[2], not several_levels)
    for n, side in enumerate(limbs.sides, start=1):
        limb = limbs.index == n
        if not limb.any():
            continue
        first = _FIRST[side]
        legend |= {first + i: Region(name, side) for i, name in enumerate(TISSUE_STRUCTURES)}
        box = _box(limb)
        near, limb_near = _cropped(contrast, box), limb[box]
        fat = np.where(near.void, np.float32(0.0), near.fat * np.clip(near.brightness, 0.0, 1.0))
        local = find_fascia(fat, limb_near, spacing, neutral=near.neutral)
        skin = skin_thickness_mm(near, limb_near, spacing)
        bone, marrow, found = _bone_mask(near, limb_near, (spacing[0], spacing[1]))
        counts[n - 1] = found
        if not found.any():
            marrow_share = max(marrow_share, marrow_like_share(near.fat, local.inside, (spacing[0], spacing[1])))
        if not near.marrow_ring and has_bright_marrow(near.brightness, limb_near, (spacing[0], spacing[1])):
            raise QualityRefusal(
                "the image was given as a water image, but marrow is bright: fat is not dark on it",
                hint="give the series its true role, or water and fat images together",
                code="E_CONTRAST",
            )
        for k in range(limb.shape[2]):
            plane = _label_slice(near, limb_near, local.inside, bone, skin, spacing, k)
            here = values[box][:, :, k]
            here[plane > 0] = plane[plane > 0] + (first - 1)
        vessels = _vessels(near, local.inside & limb_near, bone, spacing)
        if vessels.mask.any():
            values[box][vessels.mask] = first + VESSEL
            legend[first + VESSEL] = Region("vessel", side)
        unseen[side] = vessels.reason
        if marrow.any():
            values[box][(values[box] == first + CORTEX) & marrow] = first + MARROW
            legend |= {first + CORTEX: Region("bone_cortex", side), first + MARROW: Region("bone_marrow", side)}
        parted, reason = _compartments(near, values[box], local, bone, found, side, spacing, first)
        if parted is not None:
            legend = {number: region for number, region in legend.items() if number != first + 2}
            legend |= {first + 5 + i: Region(name, side) for i, name in enumerate(COMPARTMENTS)}
            compartment_confidence |= {first + 5 + i: round(parted, 3) for i in range(3)}
        elif reason:
            notes.append(f"Compartments of the {side} limb are not given: {reason}.")
        surfaces.append(_placed(local, box, limb.shape))
        thickness.append(skin)
        notes += _notes(side, local, found, limb)
        if several_levels:
            drawn = values[box]
            lean = np.isin(drawn, [first + 2, *(first + 5 + i for i in range(len(COMPARTMENTS)))])
            shaft = shaft_slices(drawn == first + CORTEX, lean, spacing)
            drawn[(drawn >= first) & (drawn <= first + VESSEL) & ~shaft] = 0
            labeled |= shaft
            notes.append(only_shafts(side, shaft))
            continue
        levels.append(level := _level(local, bone, found, spacing))
        if level.name != "thigh":
            notes.append(
                f"The {side or 'only'} limb looks like {_WITH_ARTICLE[level.name]}, not a thigh: {level.reason}."
            )
    notes += _notes_on_vessels(unseen)
    _refuse_feet(levels)
    if not contrast.marrow_ring and _mostly_uncertain(surfaces):
        legend, values = _without_fat(legend, values)
        notes.append(
            "Only muscle and bone are given: skin and fat are dark on this image, and in most slices the deep fascia "
            "was not seen between subcutaneous and intermuscular fat."
        )
    if not all(np.isfinite(value) for value in thickness):
        notes.append("The skin is thinner than the voxels show; its thickness was assumed, not measured.")
    if (counts.shape[1] >= SLICES_TO_TELL and not counts.any()) or not labeled.any():
        raise boneless_refusal(marrow_share)
    markers = _markers(limbs, (spacing[0], spacing[1])) & labeled
    if markers.any():
        values[markers & (values == 0)] = FIDUCIAL
        legend[FIDUCIAL] = Region("fiducial")
        notes.append("A marker on the skin was found and left out of the tissues.")
    if None in limbs.sides:
        notes.append(limbs.side_reason[:1].upper() + limbs.side_reason[1:] + ".")
    confidence = {n: c for n, c in _confidence(limbs, surfaces).items() if n in legend} | compartment_confidence
    labels = LabelMap(frame.from_axial(values), grid, legend, method, confidence, tuple(notes))
    return Layers(labels, tuple(surfaces), limbs, counts, tuple(thickness), tuple(notes))


def skin_thickness_mm(contrast: Contrast, limb: NDArray[np.bool_], spacing: tuple[float, float, float]) -> float:
    """Median depth at which the outermost layer has become fat; NaN when no such step is seen. [mm]"""
    step = 0.25 * min(spacing[0], spacing[1])
    fatness = contrast.fat * np.clip(contrast.brightness, 0.0, 1.0)
    depths = []
    for k in np.flatnonzero(limb.any(axis=(0, 1))):
        depth = depth_mm(limb[:, :, k], (spacing[0], spacing[1]))
        near = limb[:, :, k] & (depth < 6.0)
        bins = np.round((depth[near] - 0.5 * min(spacing[0], spacing[1])) / step).astype(np.int64)
        total = np.bincount(np.maximum(bins, 0), fatness[:, :, k][near])
        count = np.bincount(np.maximum(bins, 0))
        filled = count > 0
        profile = total[filled] / count[filled]
        where = np.flatnonzero(filled) * step
        top = float(profile.max()) if profile.size else 0.0
        if top < 0.5 or profile[0] > 0.7 * top:
            continue
        half = 0.5 * (top + float(profile[0]))
        crossing = int(np.argmax(profile >= half))
        if crossing == 0:
            continue
        rise = float(profile[crossing] - profile[crossing - 1])
        share = (half - float(profile[crossing - 1])) / rise if rise > 0 else 1.0
        depths.append(float(where[crossing - 1] + share * (where[crossing] - where[crossing - 1])))
    return float(np.median(depths)) if depths else float("nan")


def skin_depth_limit_mm(measured_mm: float) -> float:
    """Depth down to which the outermost layer is skin: as measured, within the published range. [mm]"""
    known = measured_mm if np.isfinite(measured_mm) else DEFAULT_SKIN_MM
    return float(np.clip(known, THINNEST_SKIN_MM, THICKEST_SKIN_MM))


def _refuse_feet(levels: list[Level]) -> None:
    """Refuse a stack in which every limb looks like a foot or hand: what lies between its bones is not all muscle."""
    if levels and all(level.name == "foot or hand" for level in levels):
        raise QualityRefusal(
            f"not a limb: looks like a foot or hand, {levels[0].reason}",
            hint="give a series of the thighs, legs or arms; labels of your own are taken with --labels",
            code="E_NOT_A_LIMB",
        )


def _mostly_uncertain(surfaces: list[FasciaSurface]) -> bool:
    """Whether fewer than half of the directions show the fascia in most slices of the limbs."""
    support = [
        value
        for surface in surfaces
        for value, radii in zip(surface.confidence, surface.radii_mm, strict=True)
        if np.isfinite(radii).any()
    ]
    return bool(support) and float(np.mean([value < 0.5 for value in support])) > 0.5


def _without_fat(legend: dict[int, Region], values: NDArray[np.uint16]) -> tuple[dict[int, Region], NDArray[np.uint16]]:
    """Muscle and bone alone, where nothing tells fat under the skin from fat between muscles."""
    fat = [n for n, region in legend.items() if region.structure in {"skin", "subcutaneous_fat", "intermuscular_fat"}]
    kept = {number: region for number, region in legend.items() if number not in fat}
    return kept, np.where(np.isin(values, fat), 0, values).astype(np.uint16)


_WITH_ARTICLE = {
    "knee": "a knee",
    "pelvis": "a pelvis",
    "foot or hand": "a foot or hand",
    "leg or forearm": "a leg or forearm",
    "upper arm or slender limb": "an upper arm or a slender limb",
    "unknown": "no level that is known",
}


def _level(
    surface: FasciaSurface, bone: NDArray[np.bool_], found: NDArray[np.int64], spacing: tuple[float, float, float]
) -> Level:
    inner = np.count_nonzero(surface.inside | bone, axis=(0, 1))
    here = np.flatnonzero(inner > 0)
    share = np.count_nonzero(bone, axis=(0, 1))[here] / inner[here]
    return recognize_level(found[here], share, inner[here] * spacing[0] * spacing[1] / 100.0)


def _box(limb: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Smallest box of whole slices that holds a limb, with a margin of 3 pixels."""
    x, y = np.flatnonzero(limb.any(axis=(1, 2))), np.flatnonzero(limb.any(axis=(0, 2)))
    return (
        slice(max(0, int(x[0]) - 3), min(limb.shape[0], int(x[-1]) + 4)),
        slice(max(0, int(y[0]) - 3), min(limb.shape[1], int(y[-1]) + 4)),
        slice(0, limb.shape[2]),
    )


def _cropped(contrast: Contrast, box: tuple[slice, slice, slice]) -> Contrast:
    return Contrast(
        contrast.brightness[box],
        contrast.fat[box],
        contrast.body[box],
        contrast.void[box],
        contrast.name,
        bone=None if contrast.bone is None else contrast.bone[box],
        neutral=None if contrast.neutral is None else contrast.neutral[box],
        marrow_ring=contrast.marrow_ring,
        marrow=None if contrast.marrow is None else contrast.marrow[box],
        vessel=None if contrast.vessel is None else contrast.vessel[box],
        inflow=contrast.inflow,
    )


def _placed(surface: FasciaSurface, box: tuple[slice, slice, slice], shape: tuple[int, ...]) -> FasciaSurface:
    inside = np.zeros(shape, dtype=bool)
    inside[box] = surface.inside
    centers = surface.centers + np.array([box[0].start, box[1].start], dtype=np.float64)
    return FasciaSurface(inside, surface.radii_mm, centers, surface.confidence, surface.skin_mm)


def _bone_mask(
    contrast: Contrast, limb: NDArray[np.bool_], spacing: tuple[float, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Bone of a limb, its marrow (none where it cannot be told from cortex), and the number of bones per slice.

    A second bone stays only where most slices show one.
    """
    mask = np.zeros(limb.shape, dtype=bool)
    marrow = np.zeros(limb.shape, dtype=bool)
    counts = np.zeros(limb.shape[2], dtype=np.int64)
    if contrast.bone is not None:
        mask = contrast.bone & limb
        for k in range(limb.shape[2]):
            counts[k] = ndimage.label(mask[:, :, k])[1]
        return mask, marrow if contrast.marrow is None else contrast.marrow & limb, counts
    find = find_bones if contrast.marrow_ring else find_dark_bones
    found: list[tuple[Bone, ...]] = [
        find(contrast.brightness[:, :, k], contrast.fat[:, :, k], contrast.void[:, :, k], limb[:, :, k], spacing)
        if limb[:, :, k].any()
        else ()
        for k in range(limb.shape[2])
    ]
    slices = sum(1 for k in range(limb.shape[2]) if limb[:, :, k].any())
    keep = 2 if sum(1 for bones in found if len(bones) > 1) > 0.6 * max(slices, 1) else 1
    for k, bones in enumerate(found):
        for bone in bones[:keep]:
            mask[:, :, k] |= bone.outer
            marrow[:, :, k] |= bone.marrow
            counts[k] += 1
    return mask, marrow & mask & limb, counts


def _vessels(
    contrast: Contrast,
    inside: NDArray[np.bool_],
    bone: NDArray[np.bool_],
    spacing: tuple[float, float, float],
) -> Vessels:
    """Vessels of a limb where its contrast shows them."""
    if contrast.vessel is not None:
        lumens = contrast.vessel & inside & ~bone
        blood = "no vessel full of contrast medium is seen, and without it blood looks like muscle on CT"
        return Vessels(lumens, "" if lumens.any() else blood)
    if not contrast.marrow_ring:
        return Vessels(np.zeros_like(inside), "on a water image alone fat and dark vessels look alike")
    return find_vessels(contrast.brightness, contrast.fat, contrast.void, inside, bone, spacing, inflow=contrast.inflow)


def _notes_on_vessels(unseen: dict[Side | None, str]) -> list[str]:
    """Why vessels are not named; once where all limbs share the reason."""
    reasons = set(unseen.values())
    if len(reasons) == 1:
        return [f"Vessels are not named: {reason}." for reason in reasons if reason]
    return [
        f"Vessels of the {side or 'only'} limb are not named: {reason}." for side, reason in unseen.items() if reason
    ]


def _compartments(
    contrast: Contrast,
    values: NDArray[np.uint16],
    surface: FasciaSurface,
    bone: NDArray[np.bool_],
    found: NDArray[np.int64],
    side: Side | None,
    spacing: tuple[float, float, float],
    first: int,
) -> tuple[float | None, str]:
    """Give the muscle of a thigh its compartments in place; their confidence, or None and why they are not told apart.

    Only a limb with one bone in nearly every slice is a thigh or an upper arm; two bones are a leg.
    """
    muscle = values == first + 2
    slices = np.flatnonzero(muscle.any(axis=(0, 1)))
    if side is None or slices.size == 0:
        return None, ""
    if float(np.mean(found[slices] == 1)) < 0.8:
        if float(np.median(found[slices])) >= 2.0:
            return None, ""
        single = int(np.count_nonzero(found[slices] == 1))
        return None, f"one bone, as in a thigh, was seen in {single} of {slices.size} slices only"
    area_cm2 = np.count_nonzero(surface.inside, axis=(0, 1))[slices] * spacing[0] * spacing[1] / 100.0
    if float(np.median(area_cm2)) < THIGH_AREA_CM2:
        return None, ""
    centers = {int(k): ndimage.center_of_mass(bone[:, :, k]) for k in slices if found[k] == 1}
    parted: dict[int, SliceCompartments] = {}
    for k in slices:
        center = centers[min(centers, key=lambda known: abs(known - int(k)))]
        parted[int(k)] = find_compartments(
            np.where(contrast.void[:, :, k], np.float32(0.0), contrast.fat[:, :, k]),
            muscle[:, :, k],
            surface.inside[:, :, k],
            (float(center[0]), float(center[1])),
            side,
            (spacing[0], spacing[1]),
        )
    # the weaker slices decide: one confident level does not make the others right
    confidence = float(np.percentile([part.confidence for part in parted.values()], 20))
    if confidence < LEAST_CONFIDENCE:
        return None, f"the septa were followed with a confidence of {confidence:.2f}, below {LEAST_CONFIDENCE}"
    for number, part in parted.items():
        here = values[:, :, number]
        here[part.codes > 0] = part.codes[part.codes > 0] + np.uint16(first + 4)
    return confidence, ""


SLICES_TO_TELL = 3
"""With fewer slices a missing bone refuses nothing. Project rule."""


def _label_slice(
    contrast: Contrast,
    limbs: NDArray[np.bool_],
    deep_to_fascia: NDArray[np.bool_],
    bones: NDArray[np.bool_],
    skin_mm: float,
    spacing: tuple[float, float, float],
    k: int,
) -> NDArray[np.uint16]:
    """Labels 1-5 in the order of `TISSUE_STRUCTURES`."""
    plane = (spacing[0], spacing[1])
    limb, inside, bone = limbs[:, :, k], deep_to_fascia[:, :, k], bones[:, :, k]
    fat, void = contrast.fat[:, :, k], contrast.void[:, :, k]
    labels = np.zeros(limb.shape, dtype=np.uint16)
    if not limb.any():
        return labels
    depth, thick = depth_mm(limb, plane) - 0.5 * min(plane), skin_depth_limit_mm(skin_mm)
    outside = limb & ~inside & ~bone
    lumps = open_mask(outside & (fat < FAT_LIMIT), SUPERFICIAL_LUMP_MM, plane)
    labels[outside & ~lumps] = 2
    # the pixel in which skin ends is whichever fills more of it; not on CT, where noise would tell
    surely = depth < (thick if contrast.bone is not None else thick - max(plane))
    labels[limb & ~bone & (depth < thick) & (surely | (fat < FAT_LIMIT))] = 1
    deep = inside & ~bone & (labels == 0)
    fatty = deep & (fat >= FAT_LIMIT) & ~void
    dark = open_mask(deep & void, VOID_CORE_MM, plane)
    labels[deep & ~fatty & ~dark] = 3
    labels[fatty] = 4
    labels[bone & limb] = 5
    return labels


def _markers(limbs: Limbs, spacing: tuple[float, float]) -> NDArray[np.bool_]:
    """Small compact things on or near the skin that belong to no limb."""
    markers = np.zeros(limbs.index.shape, dtype=bool)
    pixel = spacing[0] * spacing[1]
    for k in range(limbs.index.shape[2]):
        plane = open_mask(limbs.appendages[:, :, k], 1.5, spacing)
        if not plane.any():
            continue
        near = ndimage.distance_transform_edt(limbs.index[:, :, k] == 0, sampling=spacing)
        labels, count = ndimage.label(plane)
        for i in range(1, count + 1):
            part = labels == i
            area = float(part.sum()) * pixel
            x, y = np.nonzero(part)
            extent = max((np.ptp(x) + 1) * spacing[0], (np.ptp(y) + 1) * spacing[1])
            compact = area > 0.5 * extent * extent
            if FIDUCIAL_AREA_MM2[0] <= area <= FIDUCIAL_AREA_MM2[1] and compact and float(near[part].min()) < 8.0:
                markers[:, :, k] |= part
    return markers


def _notes(side: Side | None, surface: FasciaSurface, bones: NDArray[np.int64], limb: NDArray[np.bool_]) -> list[str]:
    name = f"{side} limb" if side else "limb"
    present = np.flatnonzero(limb.any(axis=(0, 1)))
    notes = []
    weak = [int(k) for k in present if surface.confidence[k] < 0.5]
    if weak:
        notes.append(
            f"The deep fascia of the {name} is uncertain in {len(weak)} of {present.size} slices: "
            "fewer than half of the directions show an edge from muscle to fat."
        )
    boneless = [int(k) for k in present if bones[k] == 0]
    if boneless:
        notes.append(f"No bone was recognized in {len(boneless)} of {present.size} slices of the {name}.")
    return notes


def _confidence(limbs: Limbs, surfaces: list[FasciaSurface]) -> dict[int, float]:
    result: dict[int, float] = {}
    sides = [side for n, side in enumerate(limbs.sides, start=1) if (limbs.index == n).any()]
    for side, surface in zip(sides, surfaces, strict=True):
        used = np.isfinite(surface.radii_mm).all(axis=1)
        value = float(np.clip(np.mean(surface.confidence[used]) if used.any() else 0.0, 0.0, 1.0))
        for i, name in enumerate(TISSUE_STRUCTURES):
            if name in {"subcutaneous_fat", "muscle", "intermuscular_fat"}:
                result[_FIRST[side] + i] = round(value, 3)
    return result
