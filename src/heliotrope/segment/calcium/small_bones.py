"""Bones of hand and foot, ribs and vertebral pieces: small, dense outside, less dense inside, and never alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from heliotrope.segment.calcium.geometry import Box, Mask, Spacing, depth_inside, distance_to

LEAST_SMALL_BONE_MM3 = 120.0
"""Smaller dense pieces are judged by what lies beside them. [mm3]"""

_LARGEST_MM3 = 40_000.0
_SHELL_HU = 350.0
_LEAST_DEPTH_MM = 1.8
_LEAST_SOLIDITY = 0.8
_LEAST_PIXELS = 8
_INSIDE_OVER_SHELL = 0.65
_COMPANY = 3
_BESIDE_BONE_MM = 15.0
_JOINT_MM = 5.0
_JOINTS_AWAY = 3
_LARGEST_PHALANX_MM3 = 2500.0
_PHALANX_HU = 500.0


@dataclass(frozen=True, eq=False)
class SmallBone:
    """A piece that looks like a small bone.

    Parameters
    ----------
    box : tuple of 3 slices
    mask : bool array
        The piece with its marrow, in the box.
    """

    box: Box
    mask: Mask


def as_small_bone(hu: NDArray[np.float32], solid: Mask, filled: Mask, box: Box, spacing: Spacing) -> SmallBone | None:
    """A compact piece with a dense shell around a less dense inside; None for anything else.

    Parameters
    ----------
    hu, solid, filled : arrays of one shape
        CT [HU], the dense piece, and the piece with what it encloses in each slice.
    box : tuple of 3 slices
        Where they lie.
    spacing : tuple of 3 floats
        [mm]

    Notes
    -----
    Calcium is as dense inside as outside, up to blur. A shell of calcium around a nodule looks like a small bone; it
    counts as one only where more such pieces or bones are near.
    """
    voxel = float(np.prod(spacing))
    if not LEAST_SMALL_BONE_MM3 <= float(filled.sum()) * voxel <= _LARGEST_MM3:
        return None
    is_open = bool((filled & ~ndimage.binary_fill_holes(solid)).any())
    if is_open and _solidity(filled) < _LEAST_SOLIDITY:
        return None
    # open ends of a cut or a thin cap are no outside
    wide = np.pad(filled, [(1, 1), (1, 1), (2, 2)], mode="edge")
    depth = depth_inside(wide, spacing)[1:-1, 1:-1, 2:-2]
    deepest = float(depth.max())
    if deepest < _LEAST_DEPTH_MM:
        return None
    inside = filled & (depth > 0.62 * deepest)
    shell = filled & (depth < 0.5 * deepest)
    if int(inside.sum()) < 4 or not shell.any():
        return None
    dense = float(np.percentile(hu[shell], 85))
    if dense < _SHELL_HU or float(np.median(hu[inside])) > _INSIDE_OVER_SHELL * dense:
        return None
    return SmallBone(box, filled)


def _solidity(filled: Mask) -> float:
    """Median over slices of area over that of the convex hull."""
    found = [
        float(measure.regionprops(filled[:, :, k].astype(np.uint8))[0].solidity)
        for k in range(filled.shape[2])
        if int(filled[:, :, k].sum()) >= _LEAST_PIXELS
    ]
    return float(np.median(found)) if found else 1.0


def join_small_bones(mask: Mask, pieces: list[SmallBone], others: list[SmallBone], spacing: Spacing) -> None:
    """Add to the bones those pieces that keep company: three or more of them, or within 15 mm of a bone.

    Parameters
    ----------
    mask : bool array
        Bones; written to.
    pieces : list of SmallBone
        Of `as_small_bone`.
    others : list of SmallBone
        Dense pieces whose inside is not resolved. Where three or more small bones are, as in hand and foot, those a
        joint's width away from a bone are the phalanges beyond it.
    """
    if not pieces:
        return
    if len(pieces) < _COMPANY:
        beside = distance_to(mask, spacing) < _BESIDE_BONE_MM
        pieces = [piece for piece in pieces if beside[piece.box][piece.mask].any()]
        others = []
    for piece in pieces:
        mask[piece.box] |= piece.mask
    joint = max(_JOINT_MM, 2.1 * max(spacing))
    for _ in range(_JOINTS_AWAY):
        beside = distance_to(mask, spacing) <= joint if others else mask
        near = [piece for piece in others if beside[piece.box][piece.mask].any()]
        if not near:
            return
        for piece in near:
            mask[piece.box] |= piece.mask
        others = [piece for piece in others if not any(piece is one for one in near)]


def as_phalanx(hu: NDArray[np.float32], filled: Mask, box: Box, spacing: Spacing) -> SmallBone | None:
    """A dense piece of the size of a phalanx whose inside is not resolved; None for anything else."""
    volume = float(filled.sum()) * float(np.prod(spacing))
    small = LEAST_SMALL_BONE_MM3 <= volume <= _LARGEST_PHALANX_MM3
    if not small or float(np.percentile(hu[filled], 90)) < _PHALANX_HU or _solidity(filled) < _LEAST_SOLIDITY:
        return None
    return SmallBone(box, filled)
