"""Distance, morphology and labels in millimeters, on anisotropic voxels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

Spacing = tuple[float, float, float]
Mask = NDArray[np.bool_]
Box = tuple[slice, slice, slice]

ANY_NEIGHBOR = np.ones((3, 3, 3), dtype=bool)
"""26-connectivity."""

FAR_MM = np.float32(999.0)
"""Distance reported where there is nothing to be distant from. [mm]"""


def distance_to(mask: Mask, spacing: Spacing) -> NDArray[np.float32]:
    """Distance from voxel centers to the nearest voxel of a mask, 0 inside it. [mm]"""
    if not mask.any():
        return np.full(mask.shape, FAR_MM, dtype=np.float32)
    image = SimpleITK.GetImageFromArray(mask.transpose(2, 1, 0).astype(np.uint8))
    image.SetSpacing(spacing)
    found = SimpleITK.SignedMaurerDistanceMap(
        image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    out = SimpleITK.GetArrayViewFromImage(found).transpose(2, 1, 0)
    return np.asarray(np.maximum(out, 0), dtype=np.float32)


def depth_inside(mask: Mask, spacing: Spacing) -> NDArray[np.float32]:
    """Distance from voxel centers inside a mask to the nearest voxel outside it, 0 outside. [mm]"""
    return distance_to(~mask, spacing)


def dilate(mask: Mask, radius_mm: float, spacing: Spacing) -> Mask:
    """All voxels within a distance of a mask."""
    box = bounding_box(mask, spacing, margin_mm=radius_mm + max(spacing))
    out = np.zeros_like(mask)
    if box is not None:
        out[box] = distance_to(mask[box], spacing) <= radius_mm
    return out


def erode(mask: Mask, radius_mm: float, spacing: Spacing) -> Mask:
    """All voxels of a mask farther than a distance from its outside; the edge of the array is no outside."""
    return np.asarray(depth_inside(mask, spacing) > radius_mm) & mask


def opened(mask: Mask, radius_mm: float, spacing: Spacing) -> Mask:
    """A mask without its parts thinner than twice a radius."""
    inner = erode(mask, radius_mm, spacing)
    return dilate(inner, radius_mm, spacing) & mask


def opened_in_plane(plane: Mask, radius_mm: float, spacing: Spacing) -> Mask:
    """One slice without its parts thinner than twice a radius; the edge of the image is no outside."""
    padded = np.pad(plane, 1, mode="edge")
    inner = ndimage.distance_transform_edt(padded, sampling=spacing[:2]) > radius_mm
    if not inner.any():
        return np.zeros_like(plane)
    near = ndimage.distance_transform_edt(~inner, sampling=spacing[:2]) <= radius_mm
    return np.asarray(near[1:-1, 1:-1] & plane)


def bounding_box(mask: Mask, spacing: Spacing, *, margin_mm: float = 0.0) -> Box | None:
    """Smallest box around a mask, with a margin; None for an empty mask."""
    slices = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if hit.size == 0:
            return None
        pad = int(np.ceil(margin_mm / spacing[axis]))
        slices.append(slice(max(int(hit[0]) - pad, 0), min(int(hit[-1]) + pad + 1, mask.shape[axis])))
    return (slices[0], slices[1], slices[2])


def grow_box(box: tuple[slice, ...], shape: tuple[int, ...], spacing: Spacing, margin_mm: float) -> Box:
    """A box widened by a margin, inside an array."""
    wide = []
    for part, size, step in zip(box, shape, spacing, strict=True):
        pad = int(np.ceil(margin_mm / step))
        wide.append(slice(max(part.start - pad, 0), min(part.stop + pad, size)))
    return (wide[0], wide[1], wide[2])


def label(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """26-connected components."""
    numbers = np.zeros(mask.shape, dtype=np.int32)
    count = ndimage.label(mask, structure=ANY_NEIGHBOR, output=numbers)
    return numbers, int(count)


def sizes(numbers: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Voxels of every component, the background first."""
    total = np.zeros(count + 1, dtype=np.int64)
    # counting turns what it is given into 64 bits, so it is given one sheet at a time
    for sheet in numbers:
        total += np.bincount(sheet.ravel(), minlength=count + 1)
    return total


def fill_slices(mask: Mask) -> Mask:
    """Holes closed slice by slice along the last axis."""
    out = np.empty_like(mask)
    for k in range(mask.shape[2]):
        out[:, :, k] = ndimage.binary_fill_holes(mask[:, :, k]) if mask[:, :, k].any() else False
    return out


def fill_slices_cut_by_the_field(mask: Mask, spacing: Spacing, *, gap_mm: float) -> Mask:
    """Holes closed slice by slice, also those whose outline runs out of the image.

    Two places where the outline crosses one edge of the image count as joined along that edge when they lie within
    `gap_mm` of each other.
    """
    gaps = [max(1, round(gap_mm / spacing[1])), max(1, round(gap_mm / spacing[0]))]
    out = np.empty_like(mask)
    for k in range(mask.shape[2]):
        plane = mask[:, :, k]
        if not plane.any():
            out[:, :, k] = False
            continue
        padded = np.pad(plane, 1)
        padded[0, 1:-1] = _bridge(plane[0], gaps[0])
        padded[-1, 1:-1] = _bridge(plane[-1], gaps[0])
        padded[1:-1, 0] = _bridge(plane[:, 0], gaps[1])
        padded[1:-1, -1] = _bridge(plane[:, -1], gaps[1])
        out[:, :, k] = ndimage.binary_fill_holes(padded)[1:-1, 1:-1]
    return out


def _bridge(line: Mask, gap: int) -> Mask:
    hit = np.flatnonzero(line)
    out = line.copy()
    for first, second in pairwise(hit.tolist()):
        if 1 < second - first <= gap:
            out[first:second] = True
    return out


def smooth(values: NDArray[np.float32], sigma_mm: float, spacing: Spacing) -> NDArray[np.float32]:
    """Gaussian smoothing with one width in millimeters along every axis."""
    return np.asarray(ndimage.gaussian_filter(values, [sigma_mm / s for s in spacing], truncate=3.0), dtype=np.float32)
