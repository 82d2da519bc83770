"""Body and its skin in CT, without table, sheets and whatever lies beside the patient; limbs apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import QualityRefusal
from heliotrope.segment.calcium.geometry import Box, Mask, Spacing, bounding_box, distance_to, label, sizes

SKIN_LIMIT_HU = -350.0
"""Between air and skin or fat. [HU]"""

GAS_HU = -400.0
"""Below this inside the body: gas. [HU]"""

FOLD_HU = -250.0
"""Below this, voxels of air in a narrow skin fold are still told from fat. [HU]"""

BESIDE_BODY_MM = 25.0
"""Air kept around the body when a scan is cut down to it: wider than anything looks for a table or a sheet, and than
a limb moves between two outlined slices. [mm]"""

_OUTLINED_EVERY_MM = 5.0
_TABLE_RADIUS_MM = 5.0
_LEAST_BODY_ML = 20.0


@dataclass(frozen=True, eq=False)
class Body:
    """The patient in the scan.

    Parameters
    ----------
    mask : bool array
        Body with its gas, without the table.
    gas : bool array
        Gas inside the body.
    skin_depth_mm : float32 array
        Distance to the skin inside the body, 0 outside. Scan ends and image edges are no skin. [mm]
    """

    mask: Mask
    gas: Mask
    skin_depth_mm: NDArray[np.float32]


def box_around_body(hu: NDArray[np.float32], spacing: Spacing) -> Box:
    """The part of a scan, in all slices, in which `find_body` finds what it finds in the whole scan; refuses like it.

    The body is outlined in a slice every 5 mm, and 25 mm of air are kept beside it.
    """
    step = max(1, int(_OUTLINED_EVERY_MM / spacing[2]))
    sparse = (spacing[0], spacing[1], step * spacing[2])
    found = bounding_box(_outline(hu[:, :, ::step], sparse), sparse, margin_mm=BESIDE_BODY_MM)
    assert found is not None
    return (found[0], found[1], slice(0, hu.shape[2]))


def find_body(hu: NDArray[np.float32], spacing: Spacing) -> Body:
    """Body, gas and skin depth.

    Parameters
    ----------
    hu : float32 array (x, y, z)
        CT. [HU]
    spacing : tuple of 3 floats
        [mm]

    Raises
    ------
    QualityRefusal
        No body of 20 mL or more.
    """
    mask = _outline(hu, spacing)
    return Body(mask, _gas(hu, mask), skin_depth(mask, spacing))


def _outline(hu: NDArray[np.float32], spacing: Spacing) -> Mask:
    solid = np.empty(hu.shape, dtype=bool)
    reach = _TABLE_RADIUS_MM
    for k in range(hu.shape[2]):
        plane = ndimage.gaussian_filter(hu[:, :, k], [0.7 / s for s in spacing[:2]]) > SKIN_LIMIT_HU
        # thin things beside the patient (table, sheet, cable) do not survive an opening
        padded = np.pad(ndimage.binary_fill_holes(plane), 1, mode="edge")
        inner = ndimage.distance_transform_edt(padded, sampling=spacing[:2]) > reach
        near = ndimage.distance_transform_edt(~inner, sampling=spacing[:2]) <= reach + 1.5 * max(spacing[:2])
        solid[:, :, k] = near[1:-1, 1:-1] & plane if inner.any() else False
    numbers = np.zeros(solid.shape, dtype=np.int32)
    count = int(ndimage.label(solid, output=numbers))
    volumes = sizes(numbers, count) * float(np.prod(spacing)) / 1000.0
    volumes[0] = 0.0
    if count == 0 or volumes.max() < _LEAST_BODY_ML:
        raise QualityRefusal(
            f"CT: no body found, largest solid part {volumes.max():.1f} mL (at least {_LEAST_BODY_ML:g} mL needed)",
            hint="check rescale slope and intercept; air must read about -1000 HU",
        )
    mask = (volumes >= max(_LEAST_BODY_ML, 0.02 * float(volumes.max())))[numbers]
    for k in range(hu.shape[2]):
        mask[:, :, k] = ndimage.binary_fill_holes(mask[:, :, k])
    return np.asarray(mask)


def _gas(hu: NDArray[np.float32], mask: Mask) -> Mask:
    """Gas that has no way out: air of a skin fold, closed in one slice, is open in the next or through its neck."""
    open_ = hu < FOLD_HU
    numbers, count = ndimage.label(open_)
    outside = np.zeros(count + 1, dtype=bool)
    outside[np.unique(numbers[open_ & ~mask])] = True
    return np.asarray((hu < GAS_HU) & mask & ~outside[numbers])


def skin_depth(mask: Mask, spacing: Spacing) -> NDArray[np.float32]:
    """Distance to the nearest voxel outside the body; the ends of the scan and the edges of the image do not count."""
    pad = [int(np.ceil(12.0 / s)) for s in spacing]
    wide = np.pad(mask, [(p, p) for p in pad], mode="edge")
    inside = tuple(slice(p, p + n) for p, n in zip(pad, mask.shape, strict=True))
    return np.ascontiguousarray(distance_to(~wide, spacing)[inside])


def split_limbs(mask: Mask, bone: Mask, spacing: Spacing) -> NDArray[np.uint8]:
    """Two limbs side by side apart, also where they touch: the seam runs where the long bones are equally far.

    Parameters
    ----------
    mask, bone : bool arrays
        Body and bone.

    Returns
    -------
    uint8 array
        0 outside the body, 1 for the first (or only) limb by x index, 2 for the second.

    Notes
    -----
    Limbs are told apart where bodies are separate components in at least a third of the slices; slices in which
    they touch are
    split at the watershed of the distance from the skin, seeded by the bones.
    """
    out = mask.astype(np.uint8)
    centers = []
    for k in range(mask.shape[2]):
        numbers, count = ndimage.label(bone[:, :, k])
        areas = np.bincount(numbers.ravel(), minlength=count + 1)[1:] * spacing[0] * spacing[1]
        large = [n + 1 for n in range(count) if areas[n] > 150.0]
        if len(large) >= 2:
            xs = np.array([c[0] for c in ndimage.center_of_mass(bone[:, :, k], numbers, large)])
            spread = (xs.max() - xs.min()) * spacing[0]
            if spread > 80.0:
                centers.append((k, (xs.max() + xs.min()) / 2))
    parts, count = label(mask)
    voxels = sizes(parts, count)
    voxels[0] = 0
    big = [n for n in range(1, count + 1) if voxels[n] > 0.25 * voxels.max()]
    if len(big) >= 2:
        x_of = {n: float(np.flatnonzero((parts == n).any(axis=(1, 2))).mean()) for n in big}
        ordered = sorted(big, key=lambda n: x_of[n])
        seam = (x_of[ordered[0]] + x_of[ordered[-1]]) / 2
        for n in range(1, count + 1):
            if n in x_of:
                side = 2 if x_of[n] > seam else 1
            else:
                side = 2 if float(np.flatnonzero((parts == n).any(axis=(1, 2))).mean()) > seam else 1
            out[parts == n] = side
        return out
    if len(centers) < mask.shape[2] / 3:
        return out
    levels = np.array([c[0] for c in centers])
    middles = ndimage.median_filter(np.array([c[1] for c in centers]), size=9, mode="nearest")
    seams = np.interp(np.arange(mask.shape[2]), levels, middles)
    seams = _narrowest(mask, seams, spacing)
    x = np.arange(mask.shape[0])[:, None, None]
    out[mask & (x > seams[None, None, :])] = 2
    return out


def _narrowest(mask: Mask, seams: NDArray[np.float64], spacing: Spacing) -> NDArray[np.float64]:
    """Move each slice's seam to the thinnest front-to-back bridge within 25 mm."""
    reach = int(25.0 / spacing[0])
    out = seams.copy()
    for k in range(mask.shape[2]):
        middle = int(seams[k])
        low, high = max(middle - reach, 0), min(middle + reach + 1, mask.shape[0])
        bridge = mask[low:high, :, k].sum(1).astype(float)
        bridge += 0.02 * np.abs(np.arange(low, high) - middle)
        out[k] = low + int(np.argmin(bridge))
    return np.asarray(ndimage.median_filter(out, size=5, mode="nearest"))
