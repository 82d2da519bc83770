"""What computed tomography shows by its numbers: body, bone, fat and lean tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import QualityRefusal, UnitError
from heliotrope.physics.noise import GAUSSIAN_MAD
from heliotrope.segment.calcium.vessels import looks_like_contrast_lumen
from heliotrope.segment.contrast import Contrast, fill_slices

AIR_HU = -350.0
"""Body against air (spec C8.1). [HU]"""
FAT_TOP_HU = -30.0
"""Upper end of the window of adipose tissue (spec B2, source S53). [HU]"""
FAT_BOTTOM_HU = -190.0
"""Lower end of the window of adipose tissue (spec B2, source S53). [HU]"""
LEAN_CENTER_HU = 50.0
"""Lean muscle at mid-thigh is 49.2 HU (spec B2, source S52). [HU]"""
MUSCLE_TOP_HU = 150.0
"""Upper end of the muscle window (spec B2, source S53). [HU]"""
BONE_HU = 250.0
"""Cortex (spec C8.2). [HU]"""
METAL_HU = 2600.0
"""Metal (spec C8.6: above 2500 to 3000). [HU]"""
CLEAN_SD_HU = 12.0
"""Noise in muscle that smoothing aims at, so that -30 HU parts fat from muscle. Project rule. [HU]"""


@dataclass(frozen=True, eq=False)
class CtBone:
    """Bone on CT.

    Parameters
    ----------
    mask : bool array (x, y, z)
        Cortex, marrow and the rim that partial volume lowers.
    marrow : bool array (x, y, z)
        Part of `mask` that is less dense than `BONE_HU` and lies under the rim: marrow and spongy bone.
    """

    mask: NDArray[np.bool_]
    marrow: NDArray[np.bool_]


def require_hounsfield(hu: NDArray[np.floating]) -> None:
    """Refuse an image that cannot be in Hounsfield units.

    Raises
    ------
    UnitError
        No air and nothing below -100: the rescale was not applied.
    QualityRefusal
        Nothing but air.
    """
    low, high = (float(v) for v in np.percentile(hu, [0.5, 99.5]))
    if (low > -50.0 and high > 600.0) or (high - low < 20.0 and low > -50):
        raise UnitError(
            f"CT values run from {low:.0f} to {high:.0f}: not Hounsfield units",
            hint="apply rescale slope and intercept",
        )
    if high < AIR_HU:
        raise QualityRefusal("the CT holds nothing but air", hint="check the series", code="E_EMPTY")


def noise_sd_hu(hu: NDArray[np.floating]) -> float:
    """Noise in lean tissue from differences of neighboring pixels. [HU]"""
    lean = (hu > -20) & (hu < 130)
    pair = lean[1:] & lean[:-1]
    if int(pair.sum()) < 200:
        return 0.0
    steps = np.abs(hu[1:][pair] - hu[:-1][pair])
    return float(np.median(steps) / GAUSSIAN_MAD / np.sqrt(2.0))


def smooth(hu: NDArray[np.floating], spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Gaussian in the plane, as wide as the noise demands and no wider than 1.6 mm."""
    noise = noise_sd_hu(hu)
    # white noise falls by 2 sqrt(pi) sigma[px]
    wanted_px = 0.0 if noise <= CLEAN_SD_HU else noise / CLEAN_SD_HU / (2 * np.sqrt(np.pi))
    pixel = min(spacing_mm[0], spacing_mm[1])
    sigma_mm = float(np.clip(wanted_px * pixel, 0.5, 1.6))
    sigma = (sigma_mm / spacing_mm[0], sigma_mm / spacing_mm[1], 0.0)
    return np.asarray(ndimage.gaussian_filter(hu.astype(np.float32, copy=False), sigma))


def find_body(hu: NDArray[np.floating], spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Body in air, holes filled slice by slice; thin tables and sheets are removed.

    Parameters
    ----------
    hu : float array (x, y, z)
        In axial axes. [HU]
    spacing_mm : tuple of 3 floats

    Returns
    -------
    bool array (x, y, z)
    """
    sigma = (0.7 / spacing_mm[0], 0.7 / spacing_mm[1], 0.0)
    tissue = ndimage.gaussian_filter(hu.astype(np.float32, copy=False), sigma) > AIR_HU
    kept = np.zeros_like(tissue)
    for k in range(hu.shape[2]):
        plane = tissue[:, :, k]
        if not plane.any():
            continue
        padded = np.pad(plane, 1, mode="edge")
        depth = ndimage.distance_transform_edt(padded, sampling=spacing_mm[:2])[1:-1, 1:-1]
        core = depth > TABLE_HALF_MM
        if not core.any():
            continue
        thick = ndimage.distance_transform_edt(~core, sampling=spacing_mm[:2]) <= TABLE_HALF_MM + 1.0
        kept[:, :, k] = plane & thick
    return fill_slices(kept)


TABLE_HALF_MM = 7.0
"""What is thinner than twice this is table, sheet or tubing. Project rule. [mm]"""


def find_bone(
    hu: NDArray[np.floating],
    quiet: NDArray[np.float32],
    body: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
) -> CtBone:
    """Bone by density, size, length and a lumen or spongy inside.

    Parameters
    ----------
    hu : float array (x, y, z)
        In axial axes, not smoothed. [HU]
    quiet : float32 array (x, y, z)
        As `smooth` leaves it. [HU]
    body : bool array (x, y, z)
    spacing_mm : tuple of 3 floats

    Returns
    -------
    CtBone

    Notes
    -----
    Calcium that clings to cortex by less than 2.4 mm is cut off by the opening; a periosteal plaque within the 1.6 mm
    rim counts
    as bone.
    """
    voxel = float(np.prod(spacing_mm))
    dense = (quiet > BONE_HU) & body
    core = _opened(dense, fill_shells(dense, spacing_mm, gap_mm=SHELL_GAP_MM), spacing_mm)
    labels, _ = ndimage.label(core, structure=np.ones((3, 3, 3)))
    seeds = np.zeros_like(dense)
    field_mm = hu.shape[2] * spacing_mm[2]
    for i, box in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[box] == i
        if _is_bone(part, hu[box], voxel, spacing_mm, field_mm):
            seeds[box] |= part
    del labels
    # spongy ends of bones are less dense than their shell
    reach = (2 * round(EDGE_REACH_MM / spacing_mm[0]) + 1, 2 * round(EDGE_REACH_MM / spacing_mm[1]) + 1)
    edge = np.empty_like(dense)
    for k in range(hu.shape[2]):
        edge[:, :, k] = quiet[:, :, k] > EDGE_SHARE * ndimage.maximum_filter(quiet[:, :, k], size=reach)
    spongy = body & edge & (quiet > SPONGY_HU)
    grown = ndimage.binary_propagation(seeds, mask=spongy & _near(seeds, GROWTH_MM, spacing_mm))
    # the plates under a joint are thin: their shell shows gaps
    filled = fill_shells(grown, spacing_mm, gap_mm=SHELL_GAP_MM)
    near = _near(filled, RIM_MM, spacing_mm)
    mask = (filled | (near & edge & (quiet > MUSCLE_TOP_HU))) & body
    return CtBone(mask, mask & (quiet <= BONE_HU) & _under_rim(mask, spacing_mm))


def _is_bone(
    part: NDArray[np.bool_],
    hu: NDArray[np.floating],
    voxel_mm3: float,
    spacing_mm: tuple[float, float, float],
    field_mm: float,
) -> bool:
    filled = fill_shells(part, spacing_mm)
    volume = float(filled.sum()) * voxel_mm3
    length = part.shape[2] * spacing_mm[2]
    if volume < 3000.0 * min(1.0, field_mm / 60.0):
        return False
    lumen = 1.0 - float(part.sum()) / float(filled.sum())
    peak = float(np.percentile(hu[part], 90))
    if length > 0.5 * field_mm and lumen > 0.1 and peak > 550.0:
        return True
    if length >= min(30.0, 0.5 * field_mm) and volume > 8000.0 and lumen > 0.1 and peak > 400.0:
        return True
    return length >= max(50.0, 0.4 * field_mm) and peak > 800.0 and _is_rod(part, spacing_mm)


def _is_rod(part: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> bool:
    """Compact in nearly every slice: a thin shaft whose lumen is too narrow to see."""
    compact = []
    for k in range(part.shape[2]):
        x, y = np.nonzero(part[:, :, k])
        if x.size:
            reach = max((np.ptp(x) + 1) * spacing_mm[0], (np.ptp(y) + 1) * spacing_mm[1])
            compact.append(x.size * spacing_mm[0] * spacing_mm[1] / reach**2)
    return bool(len(compact) > 0.9 * part.shape[2] and np.median(compact) > 0.5)


def _near(mask: NDArray[np.bool_], distance_mm: float, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    near = np.zeros_like(mask)
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        near[:, :, k] = ndimage.distance_transform_edt(~mask[:, :, k], sampling=spacing_mm[:2]) <= distance_mm
    return near


def _under_rim(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """What lies deeper in bone than the rim that partial volume lowers."""
    under = np.zeros_like(mask)
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        padded = np.pad(mask[:, :, k], 1, mode="edge")
        depth = ndimage.distance_transform_edt(padded, sampling=spacing_mm[:2])[1:-1, 1:-1]
        under[:, :, k] = depth > RIM_MM + 0.5 * min(spacing_mm[:2])
    return under


SPONGY_HU = 160.0
"""Spongy bone joined to a recognized bone. Project rule. [HU]"""
SHELL_GAP_MM = 3.0
"""Half of the widest gap in a shell of bone that is closed. Project rule. [mm]"""
GROWTH_MM = 12.0
"""How far spongy bone is followed within a slice. Project rule. [mm]"""
EDGE_SHARE = 0.4
"""The edge of bone lies where density has fallen to this share of the densest bone around. Project rule."""
EDGE_REACH_MM = 3.0
"""How far "around" reaches. Project rule. [mm]"""
RIM_MM = 1.6
"""Rim that partial volume lowers (spec C8.2). [mm]"""


def _opened(
    dense: NDArray[np.bool_], solid: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Opening by 1.2 mm in the plane, kept where it would erase thin cortex that closes a ring.

    `solid` is `dense` with its rings filled.
    """
    opened = np.zeros_like(dense)
    for k in np.flatnonzero(dense.any(axis=(0, 1))):
        plane = dense[:, :, k]
        filled = solid[:, :, k]
        inner = ndimage.distance_transform_edt(np.pad(filled, 1, mode="edge"), sampling=spacing_mm[:2])[1:-1, 1:-1]
        core = inner > 1.2
        if core.any():
            near = ndimage.distance_transform_edt(~core, sampling=spacing_mm[:2]) <= 1.2
            opened[:, :, k] = plane & near
    return opened


def fill_shells(
    part: NDArray[np.bool_], spacing_mm: tuple[float, float, float], *, gap_mm: float = 2.0
) -> NDArray[np.bool_]:
    """Fill the lumen slice by slice, closing gaps of the shell and its cut by the image border.

    Parameters
    ----------
    part : bool array (x, y, z)
    spacing_mm : tuple of 3 floats
    gap_mm : float
        Half of the widest gap that is closed. [mm]
    """
    pad = 2 + int(np.ceil(gap_mm / min(spacing_mm[:2])))
    out = np.zeros_like(part)
    for k in range(part.shape[2]):
        if not part[:, :, k].any():
            continue
        plane = np.pad(part[:, :, k], 1)
        for edge, inner in ((np.s_[0, :], np.s_[1, :]), (np.s_[-1, :], np.s_[-2, :])):
            for view in (plane, plane.T):
                touched = np.flatnonzero(view[inner])
                if touched.size > 1:
                    view[edge][touched[0] : touched[-1] + 1] = True
        plane = np.pad(plane, pad)
        wide = ndimage.distance_transform_edt(~plane, sampling=spacing_mm[:2]) <= gap_mm
        full = ndimage.binary_fill_holes(wide)
        closed = ndimage.distance_transform_edt(full, sampling=spacing_mm[:2]) > gap_mm
        out[:, :, k] = (closed | plane)[pad + 1 : -pad - 1, pad + 1 : -pad - 1]
    return out


def fat_share(hu: NDArray[np.floating]) -> NDArray[np.float32]:
    """Share of fat 0 to 1, one half at -30 HU: linear between lean muscle and its mirror in fat."""
    share = np.clip((LEAN_CENTER_HU - hu) / (2.0 * (LEAN_CENTER_HU - FAT_TOP_HU)), 0.0, 1.0)
    # voxels half filled with air at the skin pass through the window of fat and are not fat
    airy = np.clip((hu - FAT_BOTTOM_HU + 100.0) / 100.0, 0.0, 1.0)
    return np.asarray(share * airy, dtype=np.float32)


def from_ct(hu: NDArray[np.floating], spacing_mm: tuple[float, float, float]) -> Contrast:
    """Contrast from CT in axial axes; bone is given by density.

    Raises
    ------
    UnitError, QualityRefusal
        Not in Hounsfield units, or empty.
    """
    require_hounsfield(hu)
    body = find_body(hu, spacing_mm)
    quiet = smooth(hu, spacing_mm)
    bone = find_bone(hu, quiet, body, spacing_mm)
    gas = body & (quiet < -300.0)
    dense = body & (quiet > MUSCLE_TOP_HU) & ~bone.mask
    share = np.where(body & ~gas & ~bone.mask, fat_share(quiet), 0.0).astype(np.float32)
    brightness = np.where(body & ~gas, 1.0, 0.0).astype(np.float32)
    return Contrast(
        brightness,
        share,
        body,
        gas | dense,
        "CT",
        bone=bone.mask,
        neutral=dense,
        gas=gas,
        marrow=bone.marrow,
        vessel=_contrast_lumens(quiet, dense, spacing_mm),
    )


def _contrast_lumens(
    quiet: NDArray[np.float32], dense: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Vessels full of contrast medium among what is dense and no bone; none without contrast medium."""
    lumens = np.zeros_like(dense)
    pieces, _ = ndimage.label(dense, structure=np.ones((3, 3, 3)))
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        member = pieces[box] == number
        if looks_like_contrast_lumen(quiet[box], member, spacing_mm, length_mm=dense.shape[2] * spacing_mm[2]):
            lumens[box] |= member
    return lumens
