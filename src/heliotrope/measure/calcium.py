"""How much calcium: mineral mass, volumes and an Agatston-type sum of every component."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtr

from heliotrope.measure.calcium_background import Surroundings, background
from heliotrope.physics.ct_attenuation import HydroxyapatiteCalibration
from heliotrope.segment.calcium.components import Component
from heliotrope.segment.calcium.find import Calcinosis
from heliotrope.segment.calcium.geometry import Box, Mask, Spacing, grow_box

METHOD = "calcium-mass/1"

HALO_MM = 1.7
"""Blur around the thresholded component that still holds its signal. [mm]"""

AGATSTON_WEIGHTS = ((400.0, 4.0), (300.0, 3.0), (200.0, 2.0), (130.0, 1.0))
"""Weight of a lesion's area by its peak in the slice [HU], after the coronary score."""

MODEL_ERROR = 0.15
"""Share of its mass within which 115 of 116 calcifications of phantoms were weighed; part of every interval."""

SKIN_AT_RISK_MM = 3.0
"""Calcium closer to the skin than this may break through; a project rule. [mm]"""


@dataclass(frozen=True)
class Burden:
    """Amount of calcium of one component.

    Parameters
    ----------
    number : int
        Component.
    mass_mg : float
        Hydroxyapatite equivalent. [mg]
    mass_ci95_mg : tuple of 2 floats
        From noise, background and the method's error on phantoms; the slope's error is not in it. [mg]
    volume_mm3 : float
        Corrected for partial volume. [mm3]
    threshold_volume_mm3 : float
        Voxels above the threshold. [mm3]
    threshold_volume_sd_mm3 : float
        Its standard deviation by noise alone; what blur adds to thin sheets is not in it. [mm3]
    agatston : float
        Area [mm2] x weight, summed over slices and scaled to 3 mm slices.
    mean_hu, peak_hu, background_hu : float
        [HU]
    skin_distance_mm : float
        Least depth below the skin. [mm]
    skin_area_at_risk_cm2 : float
        Skin over calcium nearer than 3 mm. [cm2]
    skin_area_ci95_cm2 : tuple of 2 floats
        The same with the skin half a pixel farther and nearer. [cm2]
    n_voxels : int
    """

    number: int
    mass_mg: float
    mass_ci95_mg: tuple[float, float]
    volume_mm3: float
    threshold_volume_mm3: float
    threshold_volume_sd_mm3: float
    agatston: float
    mean_hu: float
    peak_hu: float
    background_hu: float
    skin_distance_mm: float
    skin_area_at_risk_cm2: float
    skin_area_ci95_cm2: tuple[float, float]
    n_voxels: int


def measure_calcium(found: Calcinosis, calibration: HydroxyapatiteCalibration) -> tuple[Burden, ...]:
    """Burden of every component.

    Parameters
    ----------
    found : Calcinosis
        Segmentation, with the CT it rests on.
    calibration : HydroxyapatiteCalibration
        Slope of CT number with mineral.

    Notes
    -----
    Mass = sum over the component and its blur of (HU - background) x voxel volume / slope. The sum does not depend
    on the
    point spread. The background is that of the same tissue: the ring around a compact component, and the
    undisturbed layer
    at equal depth for skin, fascia and septa.
    """
    return tuple(_measure(found, component, calibration) for component in found.components)


def _measure(found: Calcinosis, component: Component, calibration: HydroxyapatiteCalibration) -> Burden:
    spacing = found.spacing
    voxel = float(np.prod(spacing))
    box = grow_box(component.box, found.hu.shape, spacing, 16.0)
    numbers = found.numbers[box]
    member = numbers == component.number
    hu = found.hu[box]
    depth = found.depth_mm[box].astype(np.float32)
    roi, away, others = _region(found, box, member, numbers)
    surroundings = Surroundings(
        hu=hu,
        member=member,
        away_mm=away,
        free=~others & (away > HALO_MM + 0.3) & ~(found.bone | found.bone_rim)[box] & (found.excluded[box] == 0),
        body=found.body[box],
        fascia_distance_mm=found.fascia_distance_mm[box].astype(np.float32),
        depth_mm=depth,
        spacing=spacing,
    )
    below, typical = background(surroundings, component, roi)
    excess = hu[roi] - below
    integral = float(excess.sum()) * voxel
    mass = max(calibration.mass_mg(integral), 0.0)
    plateau = max(float(np.percentile(hu[member], 90)), typical + 60.0)
    share = np.clip(excess / np.maximum(plateau - below, 60.0), -0.2, 1.1)
    volume = max(float(share.sum()) * voxel, 0.0)
    # correlated noise: about four voxels share one independent value
    noise = calibration.mass_mg(found.noise_hu * 2.0 * float(np.sqrt(roi.sum())) * voxel)
    shift = calibration.mass_mg(5.0 * float(roi.sum()) * voxel)
    half = float(np.hypot(1.96 * noise, np.hypot(1.96 * shift, MODEL_ERROR * mass)))
    half_pixel = 0.5 * max(spacing[:2])
    areas = [_skin_area(depth, member, spacing, SKIN_AT_RISK_MM + shift) for shift in (-half_pixel, 0.0, half_pixel)]
    below_skin = depth[member & np.isfinite(depth)]
    return Burden(
        number=component.number,
        mass_mg=mass,
        mass_ci95_mg=(max(mass - half, 0.0), mass + half),
        volume_mm3=volume,
        threshold_volume_mm3=float(member.sum()) * voxel,
        threshold_volume_sd_mm3=_noise_of_count(hu[roi], found) * voxel,
        agatston=_agatston(hu, member, spacing),
        mean_hu=float(hu[member].mean()),
        peak_hu=float(hu[member].max()),
        background_hu=typical,
        skin_distance_mm=float(max(below_skin.min(), 0.0)) if below_skin.size else 0.0,
        skin_area_at_risk_cm2=areas[1],
        skin_area_ci95_cm2=(min(areas), max(areas)),
        n_voxels=int(member.sum()),
    )


def _region(
    found: Calcinosis, box: Box, member: Mask, numbers: NDArray[np.int32]
) -> tuple[Mask, NDArray[np.float32], Mask]:
    """Component with its blur, the distance from it, and what belongs to other calcium or bone."""
    spacing = found.spacing
    away = ndimage.distance_transform_edt(~member, sampling=spacing).astype(np.float32)
    other = (numbers > 0) & ~member
    taken = found.excluded[box] > 0
    halo = max(HALO_MM, 1.01 * max(spacing))
    roi = (away <= halo) & ~found.bone[box] & ~taken
    near_other = other
    if other.any():
        from_other = ndimage.distance_transform_edt(~other, sampling=spacing)
        roi &= away <= from_other
        near_other = from_other <= halo
    if (found.bone_rim[box] & roi).any():
        roi &= ~(found.bone_rim[box] & ~member)
    return roi, away, near_other


def _agatston(hu: NDArray[np.float32], member: Mask, spacing: tuple[float, float, float]) -> float:
    total = 0.0
    for k in np.flatnonzero(member.any(axis=(0, 1))):
        inside = member[:, :, k]
        peak = float(hu[:, :, k][inside].max())
        weight = next((w for limit, w in AGATSTON_WEIGHTS if peak >= limit), 0.0)
        total += float(inside.sum()) * spacing[0] * spacing[1] * weight
    return total * spacing[2] / 3.0


def _noise_of_count(hu: NDArray[np.float32], found: Calcinosis) -> float:
    """Standard deviation of the number of voxels above the threshold when noise is drawn anew."""
    above = ndtr((hu - found.threshold_hu) / max(found.noise_hu, 1.0))
    # correlated noise: about four voxels share one independent value
    return float(2.0 * np.sqrt((above * (1.0 - above)).sum()))


def _skin_area(depth: NDArray[np.float32], member: Mask, spacing: Spacing, limit_mm: float) -> float:
    """Area of skin below which calcium lies nearer than a limit: volume of the shallow calcium's shadow over a 1 mm
    shell.
    """
    shallow = member & (depth < limit_mm)
    if not shallow.any():
        return 0.0
    width = max(spacing[:2])
    shell = (depth > 0) & (depth <= width)
    reach = float(depth[shallow].max()) + width
    shadow = shell & (ndimage.distance_transform_edt(~shallow, sampling=spacing) <= reach)
    # the shadow is dilated by the depth of the calcium; its rim is taken back from the perimeter
    area = float(shadow.sum()) * float(np.prod(spacing)) / width
    radius = np.sqrt(area / np.pi)
    inner = max(radius - 0.5 * reach, 0.5 * radius)
    return float(np.pi * inner * inner) / 100.0
