"""Large vessels of a limb on MR without trained weights: small round spots that follow one another as a tube.

Blood is dark (flow), bright (inflow) or like muscle, so no level of signal tells it alone. A spot counts where it lies
in fat deep to the fascia, or, on images on which edema is not bright, where it is brighter than the muscle around it;
and only where it runs through the stack. What blood does to STIR, edema's own image, is `measure.edema_mask`'s part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.segment.body import depth_mm, open_mask
from heliotrope.segment.contrast import FAT_LIMIT, smooth_within


@dataclass(frozen=True)
class Sign:
    """What a cross-section of a vessel looks like by one of its signs. Project rules.

    Parameters
    ----------
    area_mm2 : tuple of 2 floats
        Femoral artery and vein have 30 to 80 each. [mm2]
    round_share : float
        Share of the square about its largest extent that it fills at least; a disc fills 0.79.
    fat_around : float
        Share of directions in which fat parts it from muscle at least.
    deep_mm : float
        No part of it lies nearer to the fascia: a wasted gracilis or sartorius is as round and lies there. [mm]
    """

    area_mm2: tuple[float, float]
    round_share: float
    fat_around: float
    deep_mm: float


IN_FAT = Sign((12.0, 115.0), 0.5, 0.6, 8.0)
"""Lean or dark, in fat."""
INFLOW = Sign((25.0, 230.0), 0.3, 0.0, 6.0)
"""Bright by blood flowing in, artery and vein perhaps as one."""
RING_MM = 2.0
"""Width of the ring in which fat about a spot is looked for. Project rule. [mm]"""
BRIGHT = 1.10
"""Brightness over that of the muscle around from which lean tissue is blood flowing in. Project rule."""
QUIET_MM, AROUND_MM = 0.8, 10.0
"""Widths over which a spot and the muscle around it are averaged. Project rule. [mm]"""
BONE_MM = 3.0
"""Nearer to bone no vessel is named: nutrient vessels, partial volume of cortex. Project rule. [mm]"""
MOST_FAT = 0.4
"""Share of fat deep to the fascia beyond which remnants of muscle look like vessels. Project rule."""
DRIFT = 0.35
"""Sideways run of a vessel per millimeter along the limb that still links two spots. Project rule."""
SPOT_MM = 4.0
"""Sideways distance that links two spots in any case. Project rule. [mm]"""
LONGEST_STEP_MM = 25.0
"""Slices farther apart link no spots: the nearest one need not be the same vessel. Project rule. [mm]"""
FEWEST_SLICES = 3
"""Fewer slices cannot tell a tube from a spot. Project rule."""
LEAST_RUN = 0.6
"""Share of the limb's slices through which a vessel must run. Project rule."""
OPENING_MM = 1.2
"""Bridges between a vessel in fat and muscle up to twice this are cut. Project rule. [mm]"""
BRIGHT_OPENING_MM = 1.6
"""What is bright and thinner than twice this is texture of muscle. Project rule. [mm]"""


@dataclass(frozen=True, eq=False)
class Vessels:
    """What was found in one limb.

    Parameters
    ----------
    mask : bool array (x, y, z)
    reason : str
        Why nothing is named; empty where vessels were seen.
    """

    mask: NDArray[np.bool_]
    reason: str


@dataclass(frozen=True, eq=False)
class _Spot:
    mask: NDArray[np.bool_]
    box: tuple[slice, slice]
    center_mm: NDArray[np.float64]


def find_vessels(
    brightness: NDArray[np.float32],
    fat: NDArray[np.float32],
    void: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    bone: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    *,
    inflow: bool,
) -> Vessels:
    """Vessels of one limb that are seen as tubes.

    Parameters
    ----------
    brightness, fat : float32 arrays (x, y, z)
        As in `Contrast`, in axial axes.
    void, inside, bone : bool arrays (x, y, z)
        Voids of signal, everything deep to the fascia, and bone.
    spacing_mm : tuple of 3 floats
    inflow : bool
        Whether lean tissue brighter than muscle can only be blood: gradient echoes, on which edema is not bright.

    Returns
    -------
    Vessels
    """
    nothing = np.zeros(inside.shape, dtype=bool)
    slices = np.flatnonzero(inside.any(axis=(0, 1)))
    if slices.size < FEWEST_SLICES:
        return Vessels(nothing, f"a tube is told from a spot in {FEWEST_SLICES} slices or more, here {slices.size}")
    if spacing_mm[2] > LONGEST_STEP_MM:
        return Vessels(
            nothing,
            f"slices {spacing_mm[2]:.0f} mm apart do not show that a spot runs on (limit {LONGEST_STEP_MM:g} mm)",
        )
    fatty = float(np.mean(fat[inside & ~bone] >= FAT_LIMIT)) if (inside & ~bone).any() else 0.0
    if fatty > MOST_FAT:
        return Vessels(
            nothing,
            f"{100 * fatty:.0f} % of what lies deep to the fascia is fat, and remnants of muscle look like vessels "
            f"(limit {100 * MOST_FAT:.0f} %)",
        )
    plane = (spacing_mm[0], spacing_mm[1])
    spots = {
        int(k): _spots(
            brightness[:, :, k], fat[:, :, k], void[:, :, k], inside[:, :, k], bone[:, :, k], plane, inflow=inflow
        )
        for k in slices
    }
    reach = SPOT_MM + DRIFT * spacing_mm[2]
    runs = _linked(spots, reach)
    needed = max(FEWEST_SLICES, int(np.ceil(LEAST_RUN * slices.size)))
    kept = [run for run in runs if len({k for k, _ in run}) >= needed]
    for run in kept:
        for k, spot in run:
            nothing[:, :, k][spot.box] |= spot.mask
    if not kept:
        return Vessels(nothing, f"no small round spot runs through {needed} of {slices.size} slices")
    return Vessels(nothing, "")


def _spots(
    brightness: NDArray[np.float32],
    fat: NDArray[np.float32],
    void: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    bone: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    *,
    inflow: bool,
) -> list[_Spot]:
    within = inside & ~bone
    depth = depth_mm(inside, spacing_mm)
    if bone.any():
        depth[ndimage.distance_transform_edt(~bone, sampling=spacing_mm) <= BONE_MM] = 0.0
    lean = within & (fat < FAT_LIMIT) & ~void
    looks = [(IN_FAT, open_mask(lean, OPENING_MM, spacing_mm)), (IN_FAT, within & void)]
    if inflow:
        bright = lean & (_over_surroundings(brightness, lean, spacing_mm) > BRIGHT)
        looks.insert(0, (INFLOW, open_mask(bright, BRIGHT_OPENING_MM, spacing_mm)))
    found: list[_Spot] = []
    for sign, wanted in looks:
        for spot in _round_pieces(wanted & within, sign, spacing_mm):
            if float(depth[spot.box][spot.mask].min()) <= sign.deep_mm or _known(spot, found):
                continue
            if not sign.fat_around or _share_of_fat_around(spot, fat, void, spacing_mm) >= sign.fat_around:
                found.append(spot)
    return found


def _over_surroundings(
    brightness: NDArray[np.float32], lean: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> NDArray[np.float32]:
    """Brightness of lean tissue over that of the lean tissue around it."""
    near, around = (
        smooth_within(brightness[..., None], lean[..., None], (width / spacing_mm[0], width / spacing_mm[1]))[..., 0]
        for width in (QUIET_MM, AROUND_MM)
    )
    return np.asarray(near / np.maximum(around, 1e-6), dtype=np.float32)


def _known(spot: _Spot, found: list[_Spot]) -> bool:
    """Whether the same place was found before by another of its signs."""
    return any(np.linalg.norm(spot.center_mm - other.center_mm) < SPOT_MM for other in found)


def _round_pieces(mask: NDArray[np.bool_], sign: Sign, spacing_mm: tuple[float, float]) -> list[_Spot]:
    pieces, _ = ndimage.label(mask)
    pixel = spacing_mm[0] * spacing_mm[1]
    found = []
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        extent = max((part.stop - part.start) * spacing for part, spacing in zip(box, spacing_mm, strict=True))
        if extent**2 > sign.area_mm2[1] / sign.round_share:
            continue
        piece = pieces[box] == number
        area = float(np.count_nonzero(piece)) * pixel
        if sign.area_mm2[0] <= area <= sign.area_mm2[1] and area > sign.round_share * extent**2:
            x, y = (float(v.mean()) for v in np.nonzero(piece))
            center = np.array([(box[0].start + x) * spacing_mm[0], (box[1].start + y) * spacing_mm[1]])
            found.append(_Spot(piece, (box[0], box[1]), center))
    return found


def _share_of_fat_around(
    spot: _Spot, fat: NDArray[np.float32], void: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> float:
    margin = [int(np.ceil(RING_MM / s)) + 1 for s in spacing_mm]
    wide = tuple(
        slice(max(0, part.start - m), min(n, part.stop + m))
        for part, m, n in zip(spot.box, margin, fat.shape, strict=True)
    )
    inner = np.zeros(fat.shape, dtype=bool)[wide]
    offset = [part.start - outer.start for part, outer in zip(spot.box, wide, strict=True)]
    inner[offset[0] : offset[0] + spot.mask.shape[0], offset[1] : offset[1] + spot.mask.shape[1]] = spot.mask
    away = ndimage.distance_transform_edt(~inner, sampling=spacing_mm)
    ring = (away > 0) & (away <= max(RING_MM, 1.5 * max(spacing_mm)))
    # every direction counts once: fat anywhere across the ring parts the spot from muscle there
    x, y = np.nonzero(ring)
    middle = [offset[0] + 0.5 * (spot.mask.shape[0] - 1), offset[1] + 0.5 * (spot.mask.shape[1] - 1)]
    sector = (
        np.floor((np.arctan2(y - middle[1], x - middle[0]) + np.pi) / (2.0 * np.pi / SECTORS)).astype(int) % SECTORS
    )
    fatty = (fat[wide] >= FAT_IN_RING)[ring] & ~void[wide][ring]
    seen = np.bincount(sector, minlength=SECTORS) > 0
    parted = np.bincount(sector, weights=fatty, minlength=SECTORS) > 0
    return float(np.mean(parted[seen])) if seen.any() else 0.0


SECTORS = 12
"""Directions in which the ring around a spot is judged."""
FAT_IN_RING = 0.3
"""Share of fat from which a voxel of the ring counts as fat: a sheath is thinner than a voxel. Project rule."""


def _linked(spots: dict[int, list[_Spot]], reach_mm: float) -> list[list[tuple[int, _Spot]]]:
    """Spots of neighboring slices whose middles lie near one another, as runs; one missing slice is bridged."""
    runs: list[list[tuple[int, _Spot]]] = []
    for k in sorted(spots):
        free = list(spots[k])
        for run in runs:
            last, end = run[-1]
            if last >= k or k - last > 2 or not free:
                continue
            distances = [float(np.linalg.norm(spot.center_mm - end.center_mm)) for spot in free]
            nearest = int(np.argmin(distances))
            if distances[nearest] <= reach_mm * (k - last):
                run.append((k, free.pop(nearest)))
        runs += [[(k, spot)] for spot in free]
    return runs
