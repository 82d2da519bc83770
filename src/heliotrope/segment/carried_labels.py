"""Labels travel, maps do not: labels of one image carried to another of the same person, limb by limb, and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import CARRIED, LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.body import find_limbs
from heliotrope.segment.position_match import apart_mm, move_of_limb
from heliotrope.segment.registration import SURFACE_LIMIT_MM, affine_of, bent_by_images, imaged, warped

ROBUST_ROLES = frozenset({Role.T1, Role.DIXON_IN_PHASE})
"""Images whose contrast disease hardly changes; only these and a fat fraction may bend labels (spec C11)."""
NEAR_MM = 10.0
"""Images are compared within the limb and this far around it. Project rule. [mm]"""
JUDGED_POINTS = 500
"""Labeled points that are sent there and back. Project rule."""
SURFACE_LIMIT_PIXELS = 1.5
"""Outlines cannot be judged finer than this many pixels of the coarser image. Project rule. [pixels]"""


@dataclass(frozen=True)
class CarriedLimb:
    """How well the labels of one limb fit where they were carried.

    Parameters
    ----------
    side : Side or None
        None where labels name no side.
    inverse_consistency_mm : float
        Median distance from a labeled point to itself after going there and back. [mm]
    surface_p95_mm : float
        95th percentile of the distance between outlines of bone and limb. [mm]
    dice : float
        Overlap of all labeled voxels with the image's own tissue labels, 0 to 1.
    limit_mm : float
        Largest `surface_p95_mm` that is accepted. [mm]
    bent : bool
        Whether images moved the labels further than bone and outline: rigid, then affine and B-spline, each kept where
        the images then correlate better.
    """

    side: Side | None
    inverse_consistency_mm: float
    surface_p95_mm: float
    dice: float
    limit_mm: float
    bent: bool

    @property
    def fits(self) -> bool:
        """Whether the outlines lie near enough."""
        return self.surface_p95_mm <= self.limit_mm


@dataclass(frozen=True, eq=False)
class CarriedLabels:
    """Labels on the other image; no map was warped.

    Parameters
    ----------
    labels : LabelMap
        On the fixed grid; a limb that does not fit is left out.
    limbs : tuple of CarriedLimb
        Every limb that both images show, those that do not fit included.
    """

    labels: LabelMap
    limbs: tuple[CarriedLimb, ...]


def surface_limit_mm(first: Grid, second: Grid) -> float:
    """Largest distance between outlines that is accepted on two grids: 3 mm, more for coarse pixels. [mm]"""
    pixel = max(sorted(grid.spacing_mm)[1] for grid in (first, second))
    return max(SURFACE_LIMIT_MM, SURFACE_LIMIT_PIXELS * pixel)


def carry_labels(
    labels: LabelMap, own: LabelMap, *, moving: Volume | None = None, fixed: Volume | None = None
) -> CarriedLabels:
    """Carry labels of one image to another: rigid by bone and outline, then, given images, affine and B-spline.

    Parameters
    ----------
    labels : LabelMap
        To be carried, e.g. of an earlier visit or of another series.
    own : LabelMap
        The other image's own tissue labels, or its limbs alone; the rigid move and the judgment rest on them.
    moving, fixed : Volume or None
        Contrast-robust images, 3-D, on the grids of `labels` and `own`: fat fraction, in-phase or T1; never STIR or T2,
        whose disease would drive the warp. Without them the move is rigid.

    Raises
    ------
    InputError
        Images with more than one frame, or labels off their image.
    QualityRefusal
        ``E_REGISTRATION``: no limb is on both, or none fits within `surface_limit_mm`.
    """
    _require_images(labels, own, moving, fixed)
    values = np.zeros(own.grid.shape, dtype=np.uint16)
    limbs: list[CarriedLimb] = []
    outlined = all(region.structure == "limb" for region in own.legend.values())
    shapes = only_outlines(labels) if outlined else labels
    for side in _sides(labels, own):
        there, back = move_of_limb(own, shapes, side), move_of_limb(shapes, own, side)
        if there is None or back is None:
            continue
        forward, backward = affine_of(there), affine_of(back)
        if moving is not None and fixed is not None:
            forward = bent_by_images(fixed, moving, there, _near(own, side))
            backward = bent_by_images(moving, fixed, back, _near(labels, side))
        limb, drawn = _carried(labels, own, side, (forward, backward), bent=moving is not None)
        limbs.append(limb)
        if limb.fits:
            values = np.where(values == 0, drawn, values).astype(np.uint16)
    if not any(limb.fits for limb in limbs):
        raise QualityRefusal(
            "registration failed: "
            + ("; ".join(map(_misfit, limbs)) if limbs else "no limb is labeled on both images"),
            hint="draw labels on this image, or use tissues only",
            code="E_REGISTRATION",
        )
    source = f"{labels.source}{CARRIED}"
    notes = (*labels.notes, *(f"Not carried: {_misfit(limb)}." for limb in limbs if not limb.fits))
    carried = LabelMap(values, own.grid, labels.legend, source, labels.confidence, notes)
    return CarriedLabels(carried, tuple(limbs))


def _misfit(limb: CarriedLimb) -> str:
    return (
        f"{limb.side or 'limb'}: outlines lie {limb.surface_p95_mm:.1f} mm apart (95th percentile, limit "
        f"{limb.limit_mm:.1f} mm)"
    )


def _require_images(labels: LabelMap, own: LabelMap, moving: Volume | None, fixed: Volume | None) -> None:
    for image, drawn in ((moving, labels), (fixed, own)):
        if image is None:
            continue
        if image.n_frames != 1:
            raise InputError("registration takes two 3-D images", hint="give one echo or a map")
        if image.grid.shape != drawn.grid.shape:
            raise InputError("labels do not lie on their images", hint="give labels on the grids of the two images")


def _sides(labels: LabelMap, own: LabelMap) -> tuple[Side | None, ...]:
    named = [{region.side for region in drawn.legend.values()} - {None} for drawn in (labels, own)]
    both = tuple(side for side in Side if side in named[0] and side in named[1])
    return both if both or any(named) else (None,)


def _numbers(labels: LabelMap, side: Side | None) -> list[int]:
    return [number for number, region in labels.legend.items() if side is None or region.side is side]


def _near(labels: LabelMap, side: Side | None) -> NDArray[np.bool_]:
    body = np.isin(labels.labels, _numbers(labels, side))
    return np.asarray(ndimage.distance_transform_edt(~body, sampling=labels.grid.spacing_mm) <= NEAR_MM)


def _carried(
    labels: LabelMap, own: LabelMap, side: Side | None, transforms: tuple[Any, Any], *, bent: bool
) -> tuple[CarriedLimb, NDArray[np.uint16]]:
    there, back = transforms
    values = warped(labels, own.grid, there)
    values[~np.isin(values, _numbers(labels, side))] = 0
    drawn = LabelMap(values, own.grid, labels.legend, labels.source)
    places = np.argwhere(values > 0)
    points = own.grid.positions_mm(places[:: max(1, len(places) // JUDGED_POINTS)]).tolist()
    trips = [float(np.linalg.norm(np.subtract(back.TransformPoint(there.TransformPoint(p)), p))) for p in points]
    apart = apart_mm(own, drawn, side, imaged(labels.grid, own.grid, there))
    limit = surface_limit_mm(labels.grid, own.grid)
    consistency = float(np.median(trips)) if trips else float("nan")
    return CarriedLimb(side, consistency, apart, _dice(own, drawn, side), limit, bent), values


def _dice(own: LabelMap, drawn: LabelMap, side: Side | None) -> float:
    """Overlap of everything labeled of a limb, in the slices that hold both."""
    across = int(np.argmax(own.grid.spacing_mm))
    others = tuple(axis for axis in range(3) if axis != across)
    first, second = np.isin(own.labels, _numbers(own, side)), drawn.labels > 0
    shared = first.any(axis=others) & second.any(axis=others)
    first, second = np.compress(shared, first, axis=across), np.compress(shared, second, axis=across)
    total = int(first.sum()) + int(second.sum())
    return 2.0 * int((first & second).sum()) / total if total else 0.0


def outlines_of_limbs(body: NDArray[np.bool_], signal: NDArray[np.floating], grid: Grid) -> LabelMap:
    """Outlines of limbs as a label map, for images on which no tissue can be told: STIR, diffusion.

    Parameters
    ----------
    body : bool array (x, y, z)
        In axial axes.
    signal : float array (x, y, z)
        In axial axes.
    grid : Grid
        As stored; the labels come back on it.
    """
    frame = AxialFrame.of(grid)
    limbs = find_limbs(body, signal, frame.axial_grid)
    legend = {n: Region("limb", side) for n, side in enumerate(limbs.sides, start=1)}
    return LabelMap(frame.from_axial(limbs.index.astype(np.uint16)), grid, legend, "outline of the limbs")


def only_outlines(labels: LabelMap) -> LabelMap:
    """Every tissue of a side as one limb, holes filled; what `outlines_of_limbs` may be compared with."""
    sides = sorted({r.side for r in labels.legend.values() if r.structure != "fiducial"}, key=str)
    values = np.zeros(labels.grid.shape, dtype=np.uint16)
    across = int(np.argmax(labels.grid.spacing_mm))
    for n, side in enumerate(sides, start=1):
        numbers = [number for number, region in labels.legend.items() if region.side == side]
        for k in range(labels.grid.shape[across]):
            at: list[slice | int] = [slice(None)] * 3
            at[across] = k
            plane = ndimage.binary_fill_holes(np.isin(labels.labels[tuple(at)], numbers))
            values[tuple(at)][plane] = n
    legend = {n: Region("limb", side) for n, side in enumerate(sides, start=1)}
    return LabelMap(values, labels.grid, legend, "outline of the limbs")
