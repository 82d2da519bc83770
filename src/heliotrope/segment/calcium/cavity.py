"""Contents of the body cavities: bowel, bladder and what lies among them, which is no soft tissue of limb or wall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image

from heliotrope.segment.calcium.body import Body
from heliotrope.segment.calcium.bone import Skeleton
from heliotrope.segment.calcium.geometry import (
    Mask,
    Spacing,
    depth_inside,
    dilate,
    distance_to,
    label,
    sizes,
    smooth,
)

_LEAST_GAS_MM3 = 150.0
_GAS_DEPTH_MM = 18.0
_BESIDE_BONE_MM = 6.0
_BONE_SHARE = 0.3
_CONTRAST_HU = (130.0, 700.0)
_CONTRAST_CORE_MM = 3.5
_LEAST_CONTRAST_MM3 = 400.0
_LEAST_FAR_CONTRAST_MM3 = 4000.0
_REACH_MM = 38.0
_ALONG_MM = 12.0
_ABDOMEN_MM2 = 6000.0
_ABDOMEN_ALONG_MM = 45.0
_ABDOMEN_MARGIN_MM = 60.0
_WALL_MM = 15.0


def find_cavity(hu: NDArray[np.float32], body: Body, skeleton: Skeleton, spacing: Spacing) -> Mask:
    """Contents of abdomen and pelvis, recognized by gas and by lumens full of contrast.

    Parameters
    ----------
    hu : float32 array (x, y, z)
        CT. [HU]
    body : Body
    skeleton : Skeleton
    spacing : tuple of 3 floats
        [mm]

    Returns
    -------
    bool array
        Soft tissue, gas and lumens that lie nearer to a bowel or bladder lumen than to the skin and within 38 mm of it
        on a way around the bones; where lumens span a slice, also what lies between them. Empty when no lumen is seen,
        as in a limb.
    """
    seeds = _gas(body, skeleton, spacing)
    if not seeds.any():
        return seeds
    seeds |= _contrast(hu, body, skeleton, seeds, spacing)
    wall = skeleton.mask | skeleton.rim
    open_way = body.mask & ~wall & (distance_to(seeds, spacing) < body.skin_depth_mm)
    along = max(1, round(_ALONG_MM / spacing[2]))
    near = ndimage.maximum_filter1d(seeds.astype(np.uint8), 2 * along + 1, axis=2).astype(bool)
    out = np.zeros_like(seeds)
    for k in np.flatnonzero(near.any(axis=(0, 1))):
        out[:, :, k] = _reached(near[:, :, k] & ~wall[:, :, k], open_way[:, :, k], _REACH_MM, spacing)
    out |= _abdomen(seeds, near, body, wall, spacing)
    # small bones and calcium that the lumens' neighborhood encloses belong to it
    for k in np.flatnonzero(out.any(axis=(0, 1))):
        out[:, :, k] = ndimage.binary_fill_holes(out[:, :, k]) & ~skeleton.mask[:, :, k]
    return out


def _reached(start: Mask, open_way: Mask, reach_mm: float, spacing: Spacing) -> Mask:
    """What lies within a distance of a start, around bone rather than through it."""
    if not start.any():
        return start
    near = ndimage.distance_transform_edt(~start, sampling=spacing[:2]) <= reach_mm
    # steps run along the axes; the straight distance is bounded as well
    steps = int(np.ceil(np.sqrt(2.0) * reach_mm / min(spacing[:2])))
    return np.asarray(ndimage.binary_dilation(start, iterations=steps, mask=start | (open_way & near)))


def _abdomen(lumens: Mask, near: Mask, body: Body, wall: Mask, spacing: Spacing) -> Mask:
    """Where lumens of neighboring levels span much of a slice, what lies between them and 60 mm around, deep to the
    body wall: bowel without gas, kidneys, great vessels.
    """
    reach = max(1, round(_ABDOMEN_ALONG_MM / spacing[2]))
    out = np.zeros_like(lumens)
    for k in np.flatnonzero(near.any(axis=(0, 1))):
        plane = lumens[:, :, max(k - reach, 0) : k + reach + 1].any(axis=2)
        if plane.sum() < 10:
            continue
        hull = convex_hull_image(plane)
        if float(hull.sum()) * spacing[0] * spacing[1] < _ABDOMEN_MM2:
            continue
        deep = body.mask[:, :, k] & ~wall[:, :, k] & (body.skin_depth_mm[:, :, k] > _WALL_MM)
        out[:, :, k] = _reached(hull & deep, deep, _ABDOMEN_MARGIN_MM, spacing)
    return out


def _gas(body: Body, skeleton: Skeleton, spacing: Spacing) -> Mask:
    """Gas deep in the body; gas in bones and joints and the dark streaks of metal in them hold no bowel."""
    numbers, count = label(body.gas)
    if count == 0:
        return np.zeros_like(body.gas)
    voxels = sizes(numbers, count)
    deepest = ndimage.maximum(body.skin_depth_mm, numbers, np.arange(count + 1))
    keep = (voxels * float(np.prod(spacing)) >= _LEAST_GAS_MM3) & (np.asarray(deepest) > _GAS_DEPTH_MM)
    in_bone = numbers[distance_to(skeleton.mask, spacing) < _BESIDE_BONE_MM]
    keep &= np.bincount(in_bone, minlength=count + 1) < _BONE_SHARE * voxels
    # air of a fold that the image edge closes is no bowel gas
    edges = (numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1])
    keep[np.unique(np.concatenate([edge.ravel() for edge in edges]))] = False
    keep[0] = False
    return np.asarray(keep[numbers])


def _contrast(hu: NDArray[np.float32], body: Body, skeleton: Skeleton, gas: Mask, spacing: Spacing) -> Mask:
    """Thick dense lumens: large ones within 120 mm of gas, smaller ones beside gas or a large one."""
    even = smooth(hu, 1.0, spacing)
    dense = (even > _CONTRAST_HU[0]) & (even < _CONTRAST_HU[1]) & body.mask
    dense &= ~dilate(skeleton.mask | skeleton.joints, 3.0, spacing)
    core = depth_inside(dense, spacing) > _CONTRAST_CORE_MM
    numbers, count = label(dense)
    if count == 0 or not core.any():
        return np.zeros_like(dense)
    keep = np.zeros(count + 1, dtype=bool)
    volumes = sizes(numbers, count) * float(np.prod(spacing))
    for n in np.unique(numbers[core & (distance_to(gas, spacing) < 120.0)]):
        keep[n] = n > 0 and volumes[n] >= _LEAST_FAR_CONTRAST_MM3
    large = gas | keep[numbers]
    for n in np.unique(numbers[core & (distance_to(large, spacing) < 25.0)]):
        keep[n] = n > 0 and volumes[n] >= _LEAST_CONTRAST_MM3
    return np.asarray(keep[numbers])
