"""Where along a limb the shaft of a long bone is followed: between ankle and knee, and between knee and hip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.segment.level import FOOT_AREA_CM2

LONGEST_SINGLE_LEVEL_MM = 300.0
"""A stack that is longer shows more than one level of a limb. Project rule. [mm]"""
SHAFT_SHARE = (0.03, 0.16)
"""Share of bone in muscle and bone along a shaft. Project rule; joints lie above `JOINT_BONE_SHARE`, and in the legs of
one volunteer shafts take 0.04-0.16, feet and knees more or none. [1]"""
SAME_BONE = 0.5
"""Share of the smaller of two neighboring sections of a bone that both must have in common. Project rule. [1]"""
SHORTEST_SHAFT_MM = 80.0
"""A shaft is followed over at least this. Project rule. [mm]"""
LARGEST_GAP_MM = 12.0
"""Within a shaft bone may be missed over this length. Project rule. [mm]"""


def shaft_slices(
    bone: NDArray[np.bool_], muscle: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Slices of a limb in which the shaft of a long bone is followed.

    Parameters
    ----------
    bone, muscle : bool arrays (x, y, z)
        Of one limb, in axial axes.
    spacing_mm : tuple of 3 floats

    Returns
    -------
    bool array (z,)
        True in runs of at least `SHORTEST_SHAFT_MM` in which bone takes a share within `SHAFT_SHARE` of a section
        larger than that of a foot, and stays in its place from slice to slice.

    Examples
    --------
    >>> bone, muscle = np.zeros((60, 60, 30), dtype=bool), np.ones((60, 60, 30), dtype=bool)
    >>> bone[20:34, 20:34, 10:] = True
    >>> found = shaft_slices(bone, muscle & ~bone, (1.0, 1.0, 6.0))
    >>> np.flatnonzero(found).tolist() == list(range(10, 30))
    True
    """
    sections = np.count_nonzero(bone, axis=(0, 1))
    total = sections + np.count_nonzero(muscle & ~bone, axis=(0, 1))
    share = sections / np.maximum(total, 1)
    common = np.count_nonzero(bone[:, :, 1:] & bone[:, :, :-1], axis=(0, 1))
    stays = common >= SAME_BONE * np.maximum(np.minimum(sections[1:], sections[:-1]), 1)
    either = np.concatenate([stays, [False]]) | np.concatenate([[False], stays])
    large = total * spacing_mm[0] * spacing_mm[1] / 100.0 >= FOOT_AREA_CM2
    fits = (share >= SHAFT_SHARE[0]) & (share <= SHAFT_SHARE[1]) & large & either
    for start, stop in _runs(~fits):
        if start > 0 and stop < fits.size and (stop - start) * spacing_mm[2] <= LARGEST_GAP_MM:
            fits[start:stop] = True
    for start, stop in _runs(fits):
        if (stop - start) * spacing_mm[2] < SHORTEST_SHAFT_MM:
            fits[start:stop] = False
    return np.asarray(fits)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and stop of every stretch of True."""
    steps = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


def only_shafts(side: Side | None, shaft: NDArray[np.bool_]) -> str:
    """What a reader is told of a limb that is labeled along its shafts alone."""
    return (
        f"Tissues of the {side or 'only'} limb are given in slices {slices_in_words(shaft)} alone: elsewhere no shaft "
        f"of a long bone is followed over {SHORTEST_SHAFT_MM:.0f} mm, as in foot, knee and hip, where a water image "
        "alone does not tell muscle from what lies beside it."
    )


def slices_in_words(flags: NDArray[np.bool_]) -> str:
    """Stretches of slices, counted from 1; "none" without any.

    Examples
    --------
    >>> slices_in_words(np.array([False, True, True, False, True]))
    '2-3 and 5'
    """
    words = [f"{start + 1}-{stop}" if stop - start > 1 else f"{stop}" for start, stop in _runs(flags)]
    return " and ".join(words) if words else "none"
