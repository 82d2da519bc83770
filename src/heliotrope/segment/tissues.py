"""Tissues of a limb from whatever contrast a study has, without any trained weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from heliotrope.domain.errors import InputError
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.contrast import Contrast, from_multi_echo
from heliotrope.segment.layers import Layers, label_layers

METHOD = "weight-free-tissues/1"
"""Name and version of the labels made here."""

PREFERENCE: tuple[tuple[Role, ...], ...] = ((Role.MULTI_ECHO_T2,),)
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
        No tissue, no contrast between fat and muscle, or no limb in the image.
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
    return label_layers(contrast, grid, method=METHOD, single=single_limb)


def _contrast(
    images: Mapping[Role, Volume], roles: tuple[Role, ...], frame: AxialFrame, echo_times_ms: tuple[float, ...] | None
) -> Contrast:
    spacing = (frame.spacing_mm[0], frame.spacing_mm[1])
    data = frame.to_axial(np.abs(images[roles[0]].data).astype(np.float32))
    return from_multi_echo(data, echo_times_ms, spacing)
