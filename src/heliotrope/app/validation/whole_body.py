"""Accuracy gates of joined stations and of the burden read on them, on the whole-body phantom."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.validation.gate import Effort, Gate, Sense
from heliotrope.domain.anatomy import Region
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.study import Role
from heliotrope.domain.units import Unit
from heliotrope.domain.whole_body import inventory_compartment, inventory_regions
from heliotrope.measure.edema_load import EdemaImage, measure_edema
from heliotrope.measure.edema_mask import mark_stir_edema
from heliotrope.measure.edema_reference import SiteRatio, relative_signal
from heliotrope.measure.morphometry import measure_morphometry
from heliotrope.measure.regions import index_regions
from heliotrope.measure.whole_body import measure_burden, take_inventory
from heliotrope.phantoms.mr_tissue import FIELD_STRENGTH_T
from heliotrope.phantoms.whole_body import WholeBodyPhantom, WholeBodyProtocol, build_whole_body, muscle_regions
from heliotrope.stations.layout import composite_grid
from heliotrope.stations.merge import Harmony, Placement, harmonize, merge_signal

PROTOCOL = WholeBodyProtocol(pixel_mm=4.0, slice_mm=12.0, matrix=(132, 64), n_slices=30, n_shared=4)
"""Coarser than the phantom a user gets, so that the gate is cheap."""

SITE_SD = 0.04
"""Spread of the site's STIR-to-water ratio that goes into the reading. [1]"""

_ROLES = (Role.STIR, Role.DIXON_WATER)


def _seeds(effort: Effort) -> tuple[int, ...]:
    return (21,) if effort is Effort.REDUCED else (21, 22, 23, 24, 25)


@cache
def _phantom(seed: int) -> WholeBodyPhantom:
    return build_whole_body(seed, PROTOCOL)


def _volumes(seed: int, role: Role) -> list[Volume]:
    return [series.volume for series in _phantom(seed).with_role(role)]


@cache
def _harmony(seed: int, role: Role) -> Harmony:
    volumes = _volumes(seed, role)
    grids: list[Grid] = [volume.grid for volume in volumes]
    return harmonize(Placement.by_header(composite_grid(grids), 2, grids), lambda k: volumes[k])


def _worst_gain_error(effort: Effort) -> float:
    """Largest relative error of a station's gain. [%]"""
    worst = 0.0
    for seed in _seeds(effort):
        for role, gains in zip(_ROLES, (PROTOCOL.stir_gains, PROTOCOL.dixon_gains), strict=True):
            found = _harmony(seed, role).gains * np.asarray(gains)
            worst = max(worst, 100.0 * float(np.abs(found - 1.0).max()))
    return worst


def _worst_shift_error(effort: Effort) -> float:
    """Largest error of a station's shift. [mm]"""
    truth = np.array([[-x * PROTOCOL.pixel_mm, -y * PROTOCOL.pixel_mm, 0.0] for x, y in PROTOCOL.shifts_px])
    return max(
        float(np.linalg.norm(_harmony(seed, role).shifts_mm - truth, axis=1).max())
        for seed in _seeds(effort)
        for role in _ROLES
    )


def _worst_seam(effort: Effort) -> float:
    """Largest median ratio error of a corrected seam. [%]"""
    errors = [
        float("nan") if seam.error_after is None else seam.error_after
        for seed in _seeds(effort)
        for role in _ROLES
        for seam in _harmony(seed, role).seams
    ]
    return 100.0 * float(np.max(errors))


def _merged(seed: int, role: Role) -> NDArray[np.float64]:
    volumes = _volumes(seed, role)
    found = _harmony(seed, Role.STIR if role is Role.STIR else Role.DIXON_WATER)
    merged = merge_signal(found, lambda k: volumes[k], blend=False)
    return np.asarray(merged.data, dtype=np.float64)


def _burden_error(effort: Effort) -> float:
    """Largest error of the edema fraction of the whole body. [percentage points]"""
    worst = 0.0
    for seed in _seeds(effort):
        phantom = _phantom(seed)
        found = {(row.quantity, row.statistic): row for row in _burden(phantom, seed)}
        row = found["whole_body_fraction", "volume-weighted"]
        truth = phantom.fraction_percent(*_counted(phantom))
        worst = max(worst, abs((float("nan") if row.value is None else row.value) - truth))
    return worst


def _counted(phantom: WholeBodyPhantom) -> list[Region]:
    """Muscles of the phantom that belong to the inventory."""
    return [region for region in muscle_regions(phantom.labels) if inventory_compartment(region.structure) is not None]


def _burden(phantom: WholeBodyPhantom, seed: int) -> tuple[Measurement, ...]:
    """Read the merged images as the analysis does, with the site's ratio as reference."""
    stir, water, fat = (_merged(seed, role) for role in (Role.STIR, Role.DIXON_WATER, Role.DIXON_FAT))
    index = index_regions(phantom.labels)
    muscle = phantom.labels.mask(*muscle_regions(phantom.labels))
    subcutis = phantom.labels.mask_where(structure="subcutaneous_fat")
    percent = 100.0 * fat / np.maximum(water + fat, 1e-3)
    volume = Volume(stir.astype(np.float32), phantom.labels.grid)
    relative = relative_signal(
        volume,
        muscle,
        field_strength_t=FIELD_STRENGTH_T,
        water_t2_ms=None,
        fat_percent=percent,
        water_signal=water,
        fat_signal=fat,
        subcutis=subcutis,
        site_ratio=SiteRatio(phantom.stir_ratio, SITE_SD),
        spared=None,
    )
    mask = mark_stir_edema(relative, muscle, subcutis=subcutis, fat_percent=percent, raw_signal=stir)
    image = EdemaImage(
        values=np.where(relative.valid, relative.values, 1.0),
        normal=1.0,
        normal_uncertainty=relative.uncertainty,
        mask=mask,
        prefix="edema",
        load_unit=Unit.RATIO_MILLILITER,
        method="stir-relative/1",
        evidence=(),
    )
    regions = [region for region in inventory_regions() if region in index.members]
    rows = measure_edema(image, index, regions, generator=np.random.default_rng(seed))
    return measure_burden(take_inventory((*rows, *measure_morphometry(phantom.labels))))


GATES: tuple[Gate, ...] = (
    Gate(
        "station-gain",
        "Largest error of a station's gain on the whole-body phantom.",
        5.0,
        Unit.PERCENT,
        Sense.AT_MOST,
        _worst_gain_error,
    ),
    Gate(
        "station-shift",
        "Largest error of a station's shift on the whole-body phantom, whose stations are off by up to 4 mm.",
        1.0,
        Unit.MILLIMETER,
        Sense.AT_MOST,
        _worst_shift_error,
    ),
    Gate(
        "station-seam",
        "Largest median ratio error of local means at a corrected seam of the whole-body phantom.",
        5.0,
        Unit.PERCENT,
        Sense.AT_MOST,
        _worst_seam,
    ),
    Gate(
        "whole-body-fraction",
        "Largest error of the volume-weighted edema fraction over the compartments of the whole-body phantom.",
        5.0,
        Unit.PERCENT,
        Sense.AT_MOST,
        _burden_error,
    ),
)
