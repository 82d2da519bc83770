"""Moves between two images of one person: affine and B-spline on images, and labels drawn along a move."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume

SURFACE_LIMIT_MM = 3.0
"""Largest 95th percentile of the distance between skin or bone surfaces after registration (spec C11). [mm]"""
KNOT_SPACING_MM = 40.0
"""Distance of B-spline knots: coarse, so that disease does not drive the warp. Project rule. [mm]"""


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


TURNS_DEG = (-12.0, -8.0, -4.0, 0.0, 4.0, 8.0, 12.0)
"""Turns about the limb's axis from which the rigid move by images starts: outlines of a round limb tell no turn, and
the optimizer stops short of one of 4 degrees. Project rule, from phantoms. [deg]"""


def _method(mask: Any) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricSamplingStrategy(method.REGULAR)
    # seeded and on one thread: the same images always give the same transform
    method.SetMetricSamplingPercentage(0.15, SAMPLING_SEED)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([1])
    method.SetSmoothingSigmasPerLevel([1.0])
    return method


def _by_steps(method: Any, steps: int) -> Any:
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 0.005, steps, gradientMagnitudeTolerance=1e-7)
    method.SetOptimizerScalesFromPhysicalShift()
    return method


def bent_by_images(fixed: Volume, moving: Volume, start: NDArray[np.float64], near: NDArray[np.bool_]) -> Any:
    """Transform from fixed points to moving points: rigid, affine, then B-spline, from a rigid start.

    Affine and B-spline are kept only where the images then correlate better.

    Parameters
    ----------
    fixed, moving : Volume
        Contrast-robust images, 3-D: fat fraction, in-phase or T1; never STIR or T2, whose disease would drive the warp.
    start : float array (4, 4)
        Rigid move of fixed positions to moving positions. [mm]
    near : bool array (x, y, z)
        Part of the fixed image that is compared: one limb.
    """
    first = image_of(np.asarray(fixed.data, dtype=np.float32), fixed.grid)
    second = image_of(np.asarray(moving.data, dtype=np.float32), moving.grid)
    mask = image_of(near.astype(np.uint8), fixed.grid)
    rigid = affine_of(_turned_by_images(first, second, start, mask, fixed.grid, near))
    affine = sitk.AffineTransform(rigid)
    method = _by_steps(_method(mask), 60)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetInitialTransform(affine, inPlace=True)
    method.Execute(first, second)
    affine = _liker(first, second, mask, (rigid, affine))
    extent = np.asarray(first.GetSize()) * np.asarray(first.GetSpacing())
    mesh = [int(max(1, round(length / KNOT_SPACING_MM))) for length in extent]
    spline = sitk.BSplineTransformInitializer(first, mesh)
    method = _method(mask)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMovingInitialTransform(affine)
    method.SetInitialTransform(spline, inPlace=True)
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-4, numberOfIterations=30)
    method.Execute(first, second)
    return _liker(first, second, mask, (affine, sitk.CompositeTransform([affine, spline])))


def _liker(fixed: Any, moving: Any, mask: Any, moves: tuple[Any, Any]) -> Any:
    """The second move where it makes the images correlate better than the first: a step that ran away is dropped."""
    found = []
    for move in moves:
        method = _method(mask)
        method.SetMetricAsCorrelation()
        method.SetInitialTransform(move)
        found.append(float(method.MetricEvaluate(fixed, moving)))
    return moves[1] if found[1] < found[0] else moves[0]


def _turned_by_images(
    fixed: Any, moving: Any, start: NDArray[np.float64], mask: Any, grid: Grid, near: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Rigid move, 4x4, by correlation of the images: the best of several turns about the limb's axis, then refined."""
    center = grid.positions_mm(np.argwhere(near)).mean(axis=0)
    axis = grid.matrix[:3, int(np.argmax(grid.spacing_mm))] / max(grid.spacing_mm)
    found: list[tuple[float, Any]] = []
    for turn in TURNS_DEG:
        method = _by_steps(_method(mask), 60)
        method.SetMetricAsCorrelation()
        method.SetSmoothingSigmasPerLevel([2.0])
        move = _rigid_of(start, center, axis, turn)
        method.SetInitialTransform(move, inPlace=True)
        method.Execute(fixed, moving)
        found.append((float(method.GetMetricValue()), move))
    best = min(found, key=lambda item: item[0])[1]
    method = _by_steps(_method(mask), 200)
    method.SetMetricAsCorrelation()
    method.SetInitialTransform(best, inPlace=True)
    method.Execute(fixed, moving)
    return matrix_of(best)


def _rigid_of(
    start: NDArray[np.float64], center: NDArray[np.float64], axis: NDArray[np.float64], turn_deg: float
) -> Any:
    """A rigid move after a turn about an axis through a center, as a transform of the registration library."""
    turn = sitk.VersorTransform(axis.tolist(), float(np.radians(turn_deg)))
    rotation = start[:3, :3] @ np.asarray(turn.GetMatrix()).reshape(3, 3)
    move = sitk.Euler3DTransform()
    move.SetCenter(center.tolist())
    move.SetMatrix(rotation.ravel().tolist(), 1e-6)
    move.SetTranslation((start[:3, :3] @ center + start[:3, 3] - center).tolist())
    return move


def matrix_of(rigid: Any) -> NDArray[np.float64]:
    """A rigid transform of the registration library as a 4x4 matrix of positions. [mm]"""
    center = np.asarray(rigid.GetCenter())
    turn = np.asarray(rigid.GetMatrix()).reshape(3, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = center + np.asarray(rigid.GetTranslation()) - turn @ center
    return matrix


def affine_of(matrix: NDArray[np.float64]) -> Any:
    """A 4x4 matrix of positions as a transform of the registration library."""
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(matrix[:3, :3].ravel().tolist())
    affine.SetTranslation(matrix[:3, 3].tolist())
    return affine


def warped(labels: LabelMap, grid: Grid, transform: Any) -> NDArray[np.uint16]:
    """Label numbers on `grid`, by the nearest voxel at the transformed place."""
    return _nearest(labels.labels, labels.grid, grid, transform)


def _nearest(values: NDArray[np.uint16], source: Grid, grid: Grid, transform: Any) -> NDArray[np.uint16]:
    drawn = sitk.Resample(
        image_of(values, source),
        image_of(np.zeros(grid.shape, dtype=np.uint8), grid),
        transform,
        sitk.sitkNearestNeighbor,
        0.0,
        sitk.sitkUInt16,
    )
    return np.ascontiguousarray(sitk.GetArrayFromImage(drawn).transpose(2, 1, 0))


def imaged(source: Grid, grid: Grid, transform: Any) -> NDArray[np.bool_]:
    """Which voxels of `grid` lie, at the transformed place, between the first and the last slice of `source`.

    A cut within the slices is not a missing slice: the plane of `source` counts as `BEYOND_MM` larger on all sides.
    """
    across = int(np.argmax(source.spacing_mm))
    margin = [0 if axis == across else int(np.ceil(BEYOND_MM / s)) for axis, s in enumerate(source.spacing_mm)]
    matrix = source.matrix
    matrix[:3, 3] = source.positions_mm([-float(n) for n in margin])
    shape = tuple(n + 2 * m for n, m in zip(source.shape, margin, strict=True))
    return _nearest(np.ones(shape, dtype=np.uint16), Grid.from_matrix(shape, matrix), grid, transform) > 0


BEYOND_MM = 150.0
"""How far a slice is thought to go on beyond its image. Project rule. [mm]"""
