"""Tissues of a limb from whatever contrast a study has, without any trained weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError, UnitError
from heliotrope.domain.geometry import require_same_grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.body import Limbs, close_limbs, closed_slices, find_limbs
from heliotrope.segment.contrast import (
    WATER_CLOSING_MM,
    Contrast,
    from_dixon,
    from_fat_bright,
    from_multi_echo,
    from_share,
    from_water,
)
from heliotrope.segment.ct import from_ct, smooth
from heliotrope.segment.layers import Layers, label_layers, require_any_limb
from heliotrope.segment.level import recognize_trunk
from heliotrope.segment.trunk import label_trunk

METHOD = "weight-free-tissues/1"
"""Name and version of the labels made here."""

PREFERENCE: tuple[tuple[Role, ...], ...] = (
    (Role.DIXON_WATER, Role.DIXON_FAT),
    (Role.FAT_FRACTION, Role.DIXON_IN_PHASE),
    (Role.FAT_FRACTION, Role.GRE_MAGNITUDE),
    (Role.FAT_FRACTION, Role.T1),
    (Role.MULTI_ECHO_T2,),
    (Role.T1,),
    (Role.T2,),
    (Role.DIXON_IN_PHASE,),
    (Role.DIXON_WATER,),
    (Role.CT,),
)
"""Contrasts in the order in which they are taken; every role of a row is needed."""


def choose(images: Mapping[Role, Volume]) -> tuple[Role, ...]:
    """Which of the given images the tissues are drawn on.

    Raises
    ------
    InputError
        None of the contrasts that show fat against muscle is there.
    """
    for row in PREFERENCE:
        if all(role in images for role in row):
            return row
    known = ", ".join("+".join(row) for row in PREFERENCE)
    raise InputError(
        f"no image to draw tissues on among: {', '.join(sorted(images)) or 'nothing'}",
        hint=f"give one of: {known}",
        code="E_NO_CONTRAST",
    )


def segment_tissues(
    images: Mapping[Role, Volume],
    *,
    echo_times_ms: tuple[float, ...] | None = None,
    single_limb: bool | None = None,
) -> LabelMap:
    """Skin, subcutaneous fat, muscle, intermuscular fat and bone of each limb, left and right.

    Parameters
    ----------
    images : mapping of Role to Volume
        What the study has; the best contrast is chosen (`PREFERENCE`).
    echo_times_ms : tuple of floats or None
        Of the multi-echo series, where that is used. [ms]
    single_limb : bool or None
        True when only one limb was imaged, None to find out.

    Returns
    -------
    LabelMap
        On the grid of the chosen image. Left and right are the patient's. `LabelMap.notes` says what is uncertain.

    Raises
    ------
    QualityRefusal
        No tissue, no contrast between fat and muscle, no limb in the image, or a trunk on MR. A trunk on CT is labeled
        without sides.
    """
    return segment_layers(images, echo_times_ms=echo_times_ms, single_limb=single_limb).labels


def segment_layers(
    images: Mapping[Role, Volume],
    *,
    echo_times_ms: tuple[float, ...] | None = None,
    single_limb: bool | None = None,
) -> Layers:
    """As `segment_tissues`, with fascia surfaces and limbs."""
    roles = choose(images)
    grid = images[roles[0]].grid
    frame = AxialFrame.of(grid)
    contrast = _contrast(images, roles, frame, echo_times_ms)
    limbs = find_limbs(contrast.body, contrast.brightness, frame.axial_grid, single=single_limb)
    require_any_limb(limbs)
    trunk = recognize_trunk(contrast.body, contrast.gas, limbs, frame.spacing_mm)
    if trunk is None:
        if not contrast.marrow_ring:
            limbs = _closed_limbs(contrast, limbs, frame, single=single_limb)
        return label_layers(contrast, limbs, grid, method=METHOD)
    if roles[0] is not Role.CT:
        raise trunk.refusal()
    quiet = smooth(frame.to_axial(_real(images[Role.CT], keep_sign=True)), frame.spacing_mm)
    return label_trunk(contrast, quiet, grid, trunk.place, method=METHOD)


def _closed_limbs(contrast: Contrast, limbs: Limbs, frame: AxialFrame, *, single: bool | None) -> Limbs:
    """Limbs with the dark bone that opens their outline; parted as before where closing would join them."""
    plane = (frame.spacing_mm[0], frame.spacing_mm[1])
    closed = closed_slices(contrast.body, WATER_CLOSING_MM, plane)
    found = find_limbs(closed, contrast.brightness, frame.axial_grid, single=single)
    return found if len(found.sides) >= len(limbs.sides) else close_limbs(limbs, WATER_CLOSING_MM, plane)


def _contrast(
    images: Mapping[Role, Volume], roles: tuple[Role, ...], frame: AxialFrame, echo_times_ms: tuple[float, ...] | None
) -> Contrast:
    spacing = (frame.spacing_mm[0], frame.spacing_mm[1])
    first = frame.to_axial(_real(images[roles[0]], keep_sign=roles[0] in {Role.CT, Role.FAT_FRACTION}))
    if roles[0] is Role.MULTI_ECHO_T2:
        return from_multi_echo(first, echo_times_ms, spacing)
    if roles[0] is Role.CT:
        return from_ct(first, frame.spacing_mm)
    if len(roles) > 1:
        require_same_grid(
            images[roles[0]].grid, images[roles[1]].grid, first_name=roles[0], second_name=roles[1], tolerance_mm=0.5
        )
        second = frame.to_axial(_real(images[roles[1]]))
        if roles[0] is Role.DIXON_WATER:
            return from_dixon(first, second, spacing)
        return from_share(_as_share(first), second, spacing, "fat fraction map")
    if roles[0] is Role.DIXON_WATER:
        return from_water(first, spacing, "water image")
    return from_fat_bright(first, spacing, roles[0].replace("_", " "))


def _real(volume: Volume, *, keep_sign: bool = False) -> NDArray[np.float32]:
    """One real image (x, y, z[, echo]); of several frames of anything but an echo train the first."""
    data = volume.data if keep_sign and not np.iscomplexobj(volume.data) else np.abs(volume.data)
    return np.asarray(data, dtype=np.float32)


def _as_share(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fat fraction as a share, from percent, permille or a share.

    Raises
    ------
    UnitError
        The range fits none of them.
    """
    top = float(np.nanpercentile(values, 99.0))
    for scale, low, high in ((1.0, 0.3, 1.2), (100.0, 30.0, 120.0), (1000.0, 300.0, 1200.0)):
        if low <= top <= high:
            return values / np.float32(scale)
    raise UnitError(
        f"fat fraction map: 99th percentile {top:.3g} fits neither a share, percent nor permille",
        hint="give the map in percent",
    )
