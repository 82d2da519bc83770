"""Which slices of a leg the network may name muscles in, and what the others look like."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import EngineError
from heliotrope.segment.muscles.network import KNEE_OR_LEG, THIGH

ELSEWHERE = "elsewhere"
"""Level of slices that the gate knows as nothing it was shown."""
FROM_FOOT_TO_HEAD = (ELSEWHERE, KNEE_OR_LEG, THIGH, "hip", ELSEWHERE)
"""Levels in the order in which a stack can show them; a stack may begin and end anywhere."""
NO_FEMUR = "no_femur"
"""Level of slices that the gate takes for a thigh and in which no single bone like a femur is seen."""
TWO_BONES = "two_bones"
"""Level of slices in which the weight-free tissues show two bones, as a leg or a forearm has."""
TITLES = {
    "hip": "hip or buttock",
    KNEE_OR_LEG: "knee or leg",
    ELSEWHERE: "neither thigh, hip, knee nor leg",
    NO_FEMUR: "no single bone like a femur",
    TWO_BONES: "two bones, as in a leg or forearm",
}
"""What slices that are no thigh are called."""
LEAST_FEMUR_CM2 = 3.0
"""A femur has at least this cross-section; an adult's shaft has 5-8, and bones of a leg look smaller to the network.
Project rule. [cm2]"""
SECOND_BONE_SHARE = 0.3
"""A second bone of this share of the first means that this is no thigh. Project rule."""
FIBULA_SHARE = 0.12
"""A second bone of this share of the first is a fibula, which the tissues draw more finely. Project rule."""
FEMUR_REACH_MM = 20.0
"""Neighbors within this, and always the next ones, help to decide whether there is a femur. Project rule. [mm]"""
FEMUR_MAJORITY = 0.6
"""Share of them that must show one. Project rule."""
_SMALLEST = 0.02
"""No answer of the gate counts as more certain than this: one slice must not outvote its neighbors. Project rule."""


def order_levels(probability: NDArray[np.float64], levels: Sequence[str]) -> tuple[str, ...]:
    """Level of every slice: the most probable sequence that runs once from foot to head.

    Parameters
    ----------
    probability : float array (n, levels)
        Of each slice, toward the head.
    levels : sequence of str
        What the columns mean.

    Returns
    -------
    tuple of n str

    Raises
    ------
    EngineError
        The network tells apart other levels than are known here.

    Examples
    --------
    >>> gate = np.array([[0.8, 0.0, 0.2, 0.0], [0.4, 0.6, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0]])
    >>> order_levels(gate, ("thigh", "hip", "knee_or_leg", "elsewhere"))
    ('thigh', 'thigh', 'thigh')
    """
    if set(levels) != set(FROM_FOOT_TO_HEAD):
        raise EngineError(
            f"muscle network: levels {', '.join(levels)} are not {', '.join(dict.fromkeys(FROM_FOOT_TO_HEAD))}",
            hint="use a network made for this version",
        )
    if len(probability) == 0:
        return ()
    columns = [list(levels).index(name) for name in FROM_FOOT_TO_HEAD]
    gain = np.log(np.maximum(probability[:, columns], _SMALLEST))
    best = gain[0]
    came_from = np.zeros(gain.shape, dtype=np.int64)
    for i in range(1, len(gain)):
        for state in range(len(columns)):
            came_from[i, state] = int(np.argmax(best[: state + 1]))
        best = best[came_from[i]] + gain[i]
    path = [int(np.argmax(best))]
    for i in range(len(gain) - 1, 0, -1):
        path.append(int(came_from[i, path[-1]]))
    return tuple(FROM_FOOT_TO_HEAD[state] for state in reversed(path))


def name_level(gate: str, *, one_femur: bool, two_bones: bool, knee: bool) -> str:
    """Level of a slice from what the gate and the bones say: the gate knows no bones, so they have the last word.

    Examples
    --------
    >>> name_level("thigh", one_femur=True, two_bones=False, knee=False)
    'thigh'
    >>> name_level("elsewhere", one_femur=False, two_bones=True, knee=False)  # a leg on CT that the gate does not know
    'two_bones'
    """
    if two_bones and gate in (THIGH, ELSEWHERE):
        return TWO_BONES
    if gate != THIGH:
        return gate
    if not one_femur:
        return NO_FEMUR
    return KNEE_OR_LEG if knee else THIGH


def show_femur(bone: NDArray[np.bool_], pixel_mm: float, places_mm: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether each slice, by itself and its neighbors, shows one bone as large as a femur.

    Parameters
    ----------
    bone : bool array (n, crop, crop)
        Bone by the network, toward the head.
    pixel_mm : float
    places_mm : float array (n,)
        Along the leg. [mm]

    Returns
    -------
    bool array (n,)
    """
    single = np.zeros(len(bone), dtype=bool)
    for i, plane in enumerate(bone):
        first, second = _largest_two_cm2(plane, pixel_mm**2)
        single[i] = first >= LEAST_FEMUR_CM2 and second < SECOND_BONE_SHARE * first
    return _by_majority(single, places_mm)


def widen_toward_knee(bone: NDArray[np.bool_], pixel_mm: float, share: float) -> NDArray[np.bool_]:
    """Which slices show the femur as it widens toward the knee, below its shaft.

    Parameters
    ----------
    bone : bool array (n, crop, crop)
        Bone by the network in slices of one leg, toward the head.
    pixel_mm : float
    share : float
        Cross-section over that of the shaft from which a slice counts: `RECESS` or `KNEE`.

    Returns
    -------
    bool array (n,)
    """
    areas = np.array([_largest_two_cm2(plane, pixel_mm**2)[0] for plane in bone])
    if not (areas > 0).any():
        return np.zeros(len(bone), dtype=bool)
    shaft = int(np.argmin(np.where(areas > 0, areas, np.inf)))
    return np.asarray((areas > share * areas[shaft]) & (np.arange(len(bone)) < shaft))


RECESS, KNEE = 1.5, 2.5
"""Cross-section of the femur over that of its shaft from which the suprapatellar recess, which looks like vastus
intermedius, lies beside it, and from which it is a knee. Project rule."""


def show_two_bones(bone: NDArray[np.bool_], pixel_mm2: float, places_mm: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether each slice, by itself and its neighbors, shows a second bone in the weight-free tissues.

    Parameters
    ----------
    bone : bool array (n, x, y)
        Bone of one limb by the tissues, toward the head.
    pixel_mm2 : float
        Area of a pixel. [mm2]
    places_mm : float array (n,)
        Along the limb. [mm]

    Returns
    -------
    bool array (n,)
    """
    double = np.zeros(len(bone), dtype=bool)
    for i, plane in enumerate(bone):
        first, second = _largest_two_cm2(plane, pixel_mm2)
        double[i] = second >= FIBULA_SHARE * first > 0.0
    return _by_majority(double, places_mm)


def _largest_two_cm2(plane: NDArray[np.bool_], pixel_mm2: float) -> tuple[float, float]:
    """Areas of the two largest bones of a slice; 0 where there is none. [cm2]"""
    pieces, count = ndimage.label(plane)
    if count == 0:
        return 0.0, 0.0
    areas = np.sort(np.bincount(pieces.ravel())[1:])[::-1] * pixel_mm2 / 100.0
    return float(areas[0]), float(areas[1]) if count > 1 else 0.0


def _by_majority(told: NDArray[np.bool_], places_mm: NDArray[np.floating]) -> NDArray[np.bool_]:
    """What each slice and its neighbors say together."""
    agreed = np.zeros(len(told), dtype=bool)
    order = np.arange(len(told))
    for i in range(len(told)):
        near = (np.abs(places_mm - places_mm[i]) <= FEMUR_REACH_MM) | (np.abs(order - i) <= 1)
        agreed[i] = float(np.mean(told[near])) >= FEMUR_MAJORITY
    return agreed


def describe_refused(levels: Sequence[str], slices: Sequence[int]) -> tuple[str, ...]:
    """Phrases for the slices that are no thigh, by range.

    Parameters
    ----------
    levels : sequence of n str
        Toward the head.
    slices : sequence of n ints
        Their numbers as people see them, from 1, in the same order.

    Examples
    --------
    >>> describe_refused(("knee_or_leg", "knee_or_leg", "thigh"), (1, 2, 3))
    ('slices 1-2: knee or leg',)
    """
    phrases = []
    for level, run in itertools.groupby(zip(levels, slices, strict=True), key=lambda pair: pair[0]):
        numbers = [number for _, number in run]
        if level != THIGH:
            low, high = min(numbers), max(numbers)
            where = f"slice {low}" if low == high else f"slices {low}-{high}"
            phrases.append(f"{where}: {TITLES[level]}")
    return tuple(phrases)
