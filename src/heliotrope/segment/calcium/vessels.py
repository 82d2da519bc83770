"""Calcium of artery walls (tram tracks, rings) and lumens full of contrast medium."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.physics.noise import robust_sd
from heliotrope.segment.calcium.geometry import Mask, Spacing, depth_inside

_RADIUS_MM = (1.5, 6.0)
_LEAST_ARC_RAD = 2.0
_LEAST_HEIGHT_MM = 3.5
_THICKEST_WALL_MM = 4.0
_LUMEN_DIAMETER_MM = (3.8, 16.0)
_LUMEN_HU = (130.0, 500.0)


def fit_circle(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Least-squares circle: center x, y, radius and root mean square residual.

    Examples
    --------
    >>> a = np.linspace(0, 5, 20)
    >>> [round(v, 6) + 0.0 for v in fit_circle(3 + 2 * np.cos(a), 1 + 2 * np.sin(a))]
    [3.0, 1.0, 2.0, 0.0]
    """
    design = np.stack([2 * x, 2 * y, np.ones_like(x)], axis=1)
    solution = np.linalg.lstsq(design, x * x + y * y, rcond=None)[0]
    radius = float(np.sqrt(max(solution[2] + solution[0] ** 2 + solution[1] ** 2, 0.0)))
    residual = float(np.sqrt(np.mean((np.hypot(x - solution[0], y - solution[1]) - radius) ** 2)))
    return float(solution[0]), float(solution[1]), radius, residual


def looks_like_artery_wall(hu: NDArray[np.float32], member: Mask, spacing: Spacing, *, depth_mm: float) -> bool:
    """True for arcs around one axis, slice after slice, with a lumen of blood inside and fat around.

    Parameters
    ----------
    hu, member : arrays of one shape
        CT [HU] and the component, framed by 3 mm or more.
    depth_mm : float
        Median depth of the component below the skin; arteries that calcify lie deeper than 8 mm. [mm]
    """
    if depth_mm < 8.0:
        return False
    radii, residuals, arcs, middles = [], [], [], []
    for k in range(member.shape[2]):
        points = np.argwhere(member[:, :, k]) * np.asarray(spacing[:2])
        if len(points) < 6:
            continue
        x, y, radius, residual = fit_circle(points[:, 0], points[:, 1])
        angles = np.sort(np.arctan2(points[:, 1] - y, points[:, 0] - x))
        gap = float(np.max(np.diff(np.append(angles, angles[0] + 2 * np.pi))))
        radii.append(radius)
        residuals.append(residual)
        arcs.append(2 * np.pi - gap)
        middle = (round(x / spacing[0]), round(y / spacing[1]))
        if 0 <= middle[0] < hu.shape[0] and 0 <= middle[1] < hu.shape[1]:
            middles.append(float(hu[middle[0], middle[1], k]))
    if len(radii) < max(2, round(_LEAST_HEIGHT_MM / spacing[2])) or not middles:
        return False
    radius, residual, arc = float(np.median(radii)), float(np.median(residuals)), float(np.median(arcs))
    thickness = 2 * float(np.percentile(depth_inside(member, spacing)[member], 90))
    lumen = float(np.median(middles))
    return (
        _RADIUS_MM[0] < radius < _RADIUS_MM[1]
        and residual < 0.22 * radius + 0.15
        and arc > _LEAST_ARC_RAD
        and thickness < _THICKEST_WALL_MM
        and -20.0 < lumen < 0.75 * float(np.median(hu[member]))
    )


def looks_like_contrast_lumen(hu: NDArray[np.float32], member: Mask, spacing: Spacing, *, length_mm: float) -> bool:
    """True for a long even tube of 3.8 to 16 mm between 130 and 500 HU that runs through much of the scan.

    Parameters
    ----------
    hu, member : arrays of one shape
        CT [HU] and the component.
    length_mm : float
        Length of the scan along z. [mm]
    """
    levels = np.flatnonzero(member.any(axis=(0, 1)))
    span = (levels[-1] - levels[0] + 1) * spacing[2]
    if span < max(30.0, 0.6 * length_mm) or len(levels) < 0.9 * (levels[-1] - levels[0] + 1):
        return False
    inner = ndimage.binary_erosion(member, structure=np.ones((3, 3, 1), dtype=bool), border_value=0)
    if inner.sum() < 0.15 * member.sum() or inner.sum() < 30:
        return False
    areas = member.sum(axis=(0, 1))[levels] * spacing[0] * spacing[1]
    diameter = 2 * np.sqrt(float(np.median(areas)) / np.pi)
    values = hu[inner]
    middle = float(np.median(values))
    spread = robust_sd(values)
    return (
        _LUMEN_DIAMETER_MM[0] < diameter < _LUMEN_DIAMETER_MM[1]
        and _LUMEN_HU[0] < middle < _LUMEN_HU[1]
        and spread < 0.2 * middle
    )
