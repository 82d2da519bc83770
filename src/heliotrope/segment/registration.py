"""Carrying labels from one image to another of the same person: rigid, affine, then B-spline, with its own checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume

SURFACE_LIMIT_MM = 3.0
"""Largest 95th percentile of the distance between skin or bone surfaces after registration (spec C11). [mm]"""
KNOT_SPACING_MM = 40.0
"""Distance of B-spline knots: coarse, so that disease does not drive the warp. Project rule. [mm]"""


@dataclass(frozen=True, eq=False)
class CarriedLabels:
    """Labels on the fixed image, and how well they fit.

    Parameters
    ----------
    labels : LabelMap
        On the fixed grid; no map was warped.
    inverse_consistency_mm : float
        Median distance from a labeled point to itself after going there and back. [mm]
    surface_p95_mm : float
        95th percentile of the distance between the outer surfaces. [mm]
    dice : float
        Overlap of all labeled voxels with the fixed image's own tissue labels, 0 to 1.
    """

    labels: LabelMap
    inverse_consistency_mm: float
    surface_p95_mm: float
    dice: float


SAMPLING_SEED = 20260
"""Seed of the points at which images are compared; without one the library takes the clock."""


def image_of(data: NDArray[np.generic], grid: Grid) -> Any:
    """The array as an image of the registration library, at its place in the patient."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(data).transpose(2, 1, 0)))
    matrix = grid.matrix
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(tuple(matrix[:3, 3]))
    image.SetDirection((matrix[:3, :3] / np.asarray(grid.spacing_mm)).ravel().tolist())
    return image


def _method(*, steps: int) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    # seeded and on one thread: the same images always give the same transform
    method.SetMetricSamplingPercentage(0.15, SAMPLING_SEED)
    method.SetNumberOfWorkUnits(1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, steps, gradientMagnitudeTolerance=1e-5)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2.0, 0.0])
    return method


def _align(fixed: Any, moving: Any) -> Any:
    """Transform from fixed points to moving points: rigid, affine, B-spline."""
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    method = _method(steps=100)
    method.SetInitialTransform(start, inPlace=False)
    rigid = sitk.Euler3DTransform(sitk.CompositeTransform(method.Execute(fixed, moving)).GetBackTransform())
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    affine.SetCenter(rigid.GetCenter())
    method = _method(steps=60)
    method.SetInitialTransform(affine, inPlace=True)
    method.Execute(fixed, moving)
    extent = np.asarray(fixed.GetSize()) * np.asarray(fixed.GetSpacing())
    mesh = [int(max(1, round(length / KNOT_SPACING_MM))) for length in extent]
    spline = sitk.BSplineTransformInitializer(fixed, mesh)
    method = _method(steps=30)
    method.SetMovingInitialTransform(affine)
    method.SetInitialTransform(spline, inPlace=True)
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-4, numberOfIterations=30)
    method.Execute(fixed, moving)
    return sitk.CompositeTransform([affine, spline])


def carry_labels(labels: LabelMap, moving: Volume, fixed: Volume, own: LabelMap) -> CarriedLabels:
    """Carry labels of one image to another.

    Parameters
    ----------
    labels : LabelMap
        On the grid of `moving`, e.g. of an earlier visit.
    moving, fixed : Volume
        Contrast-robust images, 3-D: fat fraction, in-phase or T1; never STIR or T2, whose disease would drive the warp.
    own : LabelMap
        The fixed image's own tissue labels, against which the fit is judged.

    Raises
    ------
    InputError
        Images with more than one frame, or labels off their image.
    QualityRefusal
        ``E_REGISTRATION``: the surfaces of body or bone lie further apart than `SURFACE_LIMIT_MM`.
    """
    if moving.n_frames != 1 or fixed.n_frames != 1:
        raise InputError("registration takes two 3-D images", hint="give one echo or a map")
    if labels.grid.shape != moving.grid.shape or own.grid.shape != fixed.grid.shape:
        raise InputError("labels do not lie on their images", hint="give labels on the grids of the two images")
    first = image_of(np.asarray(fixed.data, dtype=np.float32), fixed.grid)
    second = image_of(np.asarray(moving.data, dtype=np.float32), moving.grid)
    there, back = _align(first, second), _align(second, first)
    drawn = image_of(labels.labels, labels.grid)
    warped = sitk.Resample(drawn, first, there, sitk.sitkNearestNeighbor, 0.0, sitk.sitkUInt16)
    values = sitk.GetArrayFromImage(warped).transpose(2, 1, 0)
    carried = LabelMap(values, fixed.grid, labels.legend, f"{labels.source}, carried", labels.confidence, labels.notes)
    points = fixed.grid.positions_mm(np.argwhere(values > 0)[:: max(1, int((values > 0).sum() // 500))])
    round_trip = [np.linalg.norm(np.subtract(back.TransformPoint(there.TransformPoint(p)), p)) for p in points.tolist()]
    overlap, distance = _fit(carried, own)
    if distance > SURFACE_LIMIT_MM:
        raise QualityRefusal(
            f"registration failed: surfaces lie {distance:.1f} mm apart (95th percentile, limit {SURFACE_LIMIT_MM} mm)",
            hint="draw labels on this image, or use tissues only",
            code="E_REGISTRATION",
        )
    return CarriedLabels(carried, float(np.median(round_trip)) if round_trip else float("nan"), distance, overlap)


def _fit(carried: LabelMap, own: LabelMap) -> tuple[float, float]:
    """Dice of everything labeled, and the larger surface distance of body and bone."""
    pairs = [(carried.labels > 0, own.labels > 0)]
    pairs += [(carried.mask_where(structure="bone"), own.mask_where(structure="bone"))]
    first, second = pairs[0]
    total = int(first.sum()) + int(second.sum())
    overlap = 2.0 * int((first & second).sum()) / total if total else 0.0
    worst = 0.0
    for a, b in pairs:
        if not a.any() or not b.any():
            worst = worst if not (a.any() or b.any()) else float("inf")
            continue
        edges = [mask & ~ndimage.binary_erosion(mask, np.ones((3, 3, 1), dtype=bool)) for mask in (a, b)]
        apart = [ndimage.distance_transform_edt(~edges[1 - i], sampling=own.grid.spacing_mm)[edges[i]] for i in (0, 1)]
        worst = max(worst, float(np.percentile(np.concatenate(apart), 95)))
    return overlap, worst
