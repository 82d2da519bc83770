"""What a calcified place would read without its calcium: the same tissue near by, layer by layer where tissue is
layered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import TissuePlane
from heliotrope.segment.calcium.body import SKIN_LIMIT_HU
from heliotrope.segment.calcium.components import Component
from heliotrope.segment.calcium.geometry import Mask, Spacing, dilate

_BIN_MM = 0.35
_RING_MM = (2.2, 5.0)
_LATERAL_MM = 14.0
_BESIDE_FASCIA_MM = 7.0
_BELOW_FASCIA_MM = 3.5
_LEAST_SAMPLES = 25
_FLAT = 0.4
_ALONG_SHEET_MM = 3.0
_AIR_BLUR_PIXELS = 1.6
_DARKER_THAN_FAT_HU = -190.0


@dataclass(frozen=True, eq=False)
class Surroundings:
    """A component's box.

    Parameters
    ----------
    hu : float32 array
        CT. [HU]
    member : bool array
        The component.
    away_mm : float32 array
        Distance from the component. [mm]
    free : bool array
        Voxels that hold no calcium, bone or anything kept out.
    body : bool array
    fascia_distance_mm, depth_mm : float32 arrays
        Signed distance to the fascia and depth below the skin. [mm]
    spacing : tuple of 3 floats
        [mm]
    """

    hu: NDArray[np.float32]
    member: Mask
    away_mm: NDArray[np.float32]
    free: Mask
    body: Mask
    fascia_distance_mm: NDArray[np.float32]
    depth_mm: NDArray[np.float32]
    spacing: Spacing


def background(around: Surroundings, component: Component, roi: Mask) -> tuple[NDArray[np.float32], float]:
    """Background below every voxel of a region, and its typical value.

    Parameters
    ----------
    around : Surroundings
    component : Component
        Its plane decides which layer is sampled.
    roi : bool array
        Component with its blur.

    Returns
    -------
    float32 array (n voxels of `roi`,), float
        [HU]
    """
    plane = component.plane
    layered: NDArray[np.float32] | None = None
    if plane is TissuePlane.CUTANEOUS:
        layered = _by_layer(around, around.depth_mm, roi, around.away_mm <= _LATERAL_MM, outside_too=True)
    elif plane in (TissuePlane.FASCIAL, TissuePlane.MIXED):
        over = around.fascia_distance_mm
        if plane is TissuePlane.FASCIAL and component.flatness > _FLAT:
            over = over - _own_middle(around)
        near = around.away_mm <= _BESIDE_FASCIA_MM
        layered = _by_layer(around, around.fascia_distance_mm, roi, near, over=over)
    elif plane is TissuePlane.INTERMUSCULAR and component.flatness > _FLAT:
        off, beyond_edges = _off_plane(around)
        below = around.fascia_distance_mm < -_BELOW_FASCIA_MM
        # the septum is read beyond the edges, the muscle on both faces of the sheet
        where = (beyond_edges | (off > _RING_MM[0])) & below & (around.away_mm <= _BESIDE_FASCIA_MM)
        layered = _by_layer(around, off, roi, where)
    if layered is not None:
        return layered, float(np.median(layered))
    flat = _ring(around, plane)
    hu = around.hu[roi]
    # blur that mixes with air says nothing of calcium
    return np.where(_beside_air(around)[roi], hu, np.float32(flat)).astype(np.float32), flat


def _beside_air(around: Surroundings) -> Mask:
    """Voxels around the component that air reaches by its blur: beside the body, in a fold of skin, in a lumen."""
    air = ~around.body | (around.hu < SKIN_LIMIT_HU)
    near = dilate(air, _AIR_BLUR_PIXELS * max(around.spacing[:2]), around.spacing)
    return (near | (around.hu < _DARKER_THAN_FAT_HU)) & ~around.member


def _ring(around: Surroundings, plane: TissuePlane) -> float:
    same = around.free & around.body
    s = around.fascia_distance_mm
    if plane is TissuePlane.SUBCUTANEOUS:
        same = same & (s > 1.0) & (around.depth_mm > 2.5)
    elif plane in (TissuePlane.INTRAMUSCULAR, TissuePlane.INTERMUSCULAR):
        same = same & (s < -1.5)
    for far in (_RING_MM[1], 2 * _RING_MM[1], np.inf):
        ring = same & (around.away_mm > _RING_MM[0]) & (around.away_mm <= far)
        if int(ring.sum()) >= _LEAST_SAMPLES:
            return float(np.median(around.hu[ring]))
    ring = around.free & around.body
    return float(np.median(around.hu[ring])) if ring.any() else float(np.min(around.hu[around.member]))


def _by_layer(
    around: Surroundings,
    coordinate: NDArray[np.float32],
    roi: Mask,
    where: Mask,
    *,
    outside_too: bool = False,
    over: NDArray[np.float32] | None = None,
) -> NDArray[np.float32] | None:
    """Mean CT number as a function of the layer coordinate, sampled beside the component; `over` holds the coordinate
    on the component itself where it is known better there.
    """
    wanted = (coordinate if over is None else over)[roi]
    if not np.isfinite(wanted).all():
        return None
    sample = around.free & where & np.isfinite(coordinate) & (around.away_mm > _RING_MM[0])
    if not outside_too:
        sample &= around.body
    low, high = float(np.nanmin(wanted)) - _BIN_MM, float(np.nanmax(wanted)) + _BIN_MM
    sample &= (coordinate >= low) & (coordinate <= high)
    if int(sample.sum()) < 4 * _LEAST_SAMPLES:
        return None
    n_bins = max(3, int(np.ceil((high - low) / _BIN_MM)))
    edges = np.linspace(low, high, n_bins + 1)
    which = np.clip(np.digitize(coordinate[sample], edges) - 1, 0, n_bins - 1)
    count = np.bincount(which, minlength=n_bins).astype(np.float64)
    total = np.bincount(which, weights=around.hu[sample].astype(np.float64), minlength=n_bins)
    filled = count >= 6
    if filled.sum() < 3:
        return None
    centers = (edges[:-1] + edges[1:]) / 2
    profile = np.interp(centers, centers[filled], total[filled] / count[filled])
    return np.interp(wanted, centers, profile).astype(np.float32)


def _own_middle(around: Surroundings) -> NDArray[np.float32]:
    """Distance from the fascia's surface to the middle of a sheet of calcium in it, smooth along the sheet. [mm]

    Calcium replaces the fascia it lies in, so that its own middle shows where the fascia runs; the surface there is
    only carried across from beside.
    """
    distance = np.where(np.isfinite(around.fascia_distance_mm), around.fascia_distance_mm, 0.0)
    sigma = [_ALONG_SHEET_MM / s for s in around.spacing]
    weight = around.member.astype(np.float32)
    total = ndimage.gaussian_filter(weight, sigma, mode="constant")
    middle = ndimage.gaussian_filter(weight * distance, sigma, mode="constant") / np.maximum(total, 1e-4)
    return np.asarray(middle, dtype=np.float32)


def _off_plane(around: Surroundings) -> tuple[NDArray[np.float32], Mask]:
    """Distance from a flat component's own middle surface, carried on beyond its edges; and where it is beyond them."""
    points = np.argwhere(around.member) * np.asarray(around.spacing)
    middle = points.mean(0)
    axes = np.linalg.eigh((points - middle).T @ (points - middle))[1]
    u, v, w = axes[:, 2], axes[:, 1], axes[:, 0]
    rel = points - middle
    a, b, c = rel @ u, rel @ v, rel @ w
    # a smooth surface c(a, b) of second order
    design = np.stack([np.ones_like(a), a, b, a * a, a * b, b * b], axis=1)
    shape = np.linalg.lstsq(design, c, rcond=None)[0]
    grid = np.indices(around.member.shape).reshape(3, -1).T * np.asarray(around.spacing) - middle
    ga, gb, gc = grid @ u, grid @ v, grid @ w
    surface = np.stack([np.ones_like(ga), ga, gb, ga * ga, ga * gb, gb * gb], axis=1) @ shape
    off = np.abs(gc - surface).reshape(around.member.shape).astype(np.float32)
    beyond_edges = ~_footprint(a, b, ga, gb).reshape(around.member.shape)
    return off, beyond_edges


def _footprint(
    a: NDArray[np.float64], b: NDArray[np.float64], ga: NDArray[np.float64], gb: NDArray[np.float64]
) -> Mask:
    """Positions that lie above or below the sheet, not beyond its edges."""
    cell = 1.5
    low = np.array([a.min(), b.min()]) - 2 * cell
    size = np.ceil((np.array([a.max(), b.max()]) + 2 * cell - low) / cell).astype(int) + 1
    plan = np.zeros(tuple(size), dtype=bool)
    plan[((a - low[0]) / cell).astype(int), ((b - low[1]) / cell).astype(int)] = True
    plan = ndimage.binary_closing(np.pad(plan, 2), iterations=2)[2:-2, 2:-2]
    i, j = ((ga - low[0]) / cell).astype(int), ((gb - low[1]) / cell).astype(int)
    seen = (i >= 0) & (j >= 0) & (i < size[0]) & (j < size[1])
    out = np.zeros(ga.shape, dtype=bool)
    out[seen] = plan[i[seen], j[seen]]
    return out
