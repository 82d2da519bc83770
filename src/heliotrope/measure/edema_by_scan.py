"""STIR over normal muscle where each limb was scanned by itself: every scan has a gain and a reference of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import QualityRefusal
from heliotrope.measure.edema_reference import ReferenceMode, RelativeSignal

BoolArray = NDArray[np.bool_]

FOUND_IN_THE_SCAN = frozenset({ReferenceMode.PAIRED_T2, ReferenceMode.VIAL_RATIO, ReferenceMode.SPARED_MUSCLE})
"""References that the gain of a scan does not touch, because they were read in it."""


def relative_by_scan(scans: Sequence[BoolArray], find: Callable[[BoolArray], RelativeSignal]) -> RelativeSignal:
    """Signal relative to normal muscle, each part of the grid by the reference of its own scan.

    Parameters
    ----------
    scans : sequence of bool arrays (x, y, z)
        Where each scan lies; they do not overlap.
    find : callable
        Relative signal from what one scan holds.

    Returns
    -------
    RelativeSignal
        Invalid where a scan has no reference, with a note that says so; spread and uncertainty are the larger ones.
        The mode is that of the first scan, or ``SITE_RATIO`` where any scan rests on it.

    Raises
    ------
    QualityRefusal
        No scan has a reference: the reason of the first (``E_NO_REFERENCE``).
    """
    found: list[tuple[BoolArray, RelativeSignal]] = []
    refusals: list[QualityRefusal] = []
    for seen in scans:
        try:
            found.append((seen, find(seen)))
        except QualityRefusal as refusal:
            refusals.append(refusal)
    if not found:
        raise refusals[0]
    parts = [part for _, part in found]
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    if refusals:
        notes[f"One limb was scanned by itself and is not counted: {refusals[0].message}."] = None
    modes = {part.mode for part in parts}
    return replace(
        parts[0],
        values=_placed(found, [part.values for part in parts]),
        valid=np.any([seen & part.valid for seen, part in found], axis=0),
        level=_placed(found, [part.level for part in parts]),
        mode=ReferenceMode.SITE_RATIO if ReferenceMode.SITE_RATIO in modes else parts[0].mode,
        spread=max(part.spread for part in parts),
        uncertainty=max(part.uncertainty for part in parts),
        n_reference=sum(part.n_reference for part in parts),
        coil_corrected=all(part.coil_corrected for part in parts),
        notes=tuple(notes),
    )


def _placed(
    found: Sequence[tuple[BoolArray, RelativeSignal]], values: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    placed = np.full(values[0].shape, np.nan)
    for (seen, _), own in zip(found, values, strict=True):
        placed[seen] = own[seen]
    return placed
