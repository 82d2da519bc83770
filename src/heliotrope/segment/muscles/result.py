"""What was named in the thighs of an image, what was withheld, and the sentences on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from heliotrope.domain.anatomy import STRUCTURES, Side
from heliotrope.domain.images import LabelMap

AGREE_WITH_TISSUES = 0.7
"""Dice of all muscle against the weight-free muscle below which the two are said to disagree (spec G2)."""


@dataclass(frozen=True, eq=False)
class LegMuscles:
    """What was decided for one leg.

    Parameters
    ----------
    side : Side
    levels : tuple of str
        Level of every answered slice, toward the head.
    refused : tuple of str
        Phrases for slices that are no thigh.
    confidence : mapping of structure to float
        Agreement of the answers per muscle and compartment, 0 to 1.
    withheld : mapping of structure to str
        Muscles that were not named, with the reason.
    dice_with_tissues : float
        All muscle by the network against the weight-free muscle and its fat; NaN without tissues.
    doubt : str
        Why no muscle of the leg is named and its compartments stay as the tissues have them; empty without doubt.
    near_knee : tuple of int
        Slices, as people count them, in which vastus intermedius is not named.
    """

    side: Side
    levels: tuple[str, ...]
    refused: tuple[str, ...]
    confidence: Mapping[str, float]
    withheld: Mapping[str, str]
    dice_with_tissues: float
    doubt: str = ""
    near_knee: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Muscles:
    """Labels with single muscles and how far they can be trusted."""

    labels: LabelMap
    legs: tuple[LegMuscles, ...]


def notes(leg: LegMuscles) -> tuple[str, ...]:
    """Sentences on what was refused and withheld in a leg."""
    found = []
    if leg.refused:
        found.append(f"Single muscles of the {leg.side} leg are not named in {'; '.join(leg.refused)}.")
    if leg.doubt:
        found.append(f"No muscle of the {leg.side} leg is named: {leg.doubt}.")
    elif leg.withheld:
        listed = "; ".join(f"{STRUCTURES[name].title} ({reason})" for name, reason in leg.withheld.items())
        found.append(f"Not named in the {leg.side} thigh, and counted with their compartment: {listed}.")
    if leg.near_knee:
        found.append(
            f"Vastus intermedius of the {leg.side} leg is counted with its compartment in "
            f"{len(leg.near_knee)} slices ({min(leg.near_knee)} to {max(leg.near_knee)}): the femur widens toward the "
            "knee, and the suprapatellar recess looks like muscle."
        )
    if leg.dice_with_tissues < AGREE_WITH_TISSUES:
        found.append(
            f"In the {leg.side} thigh the network and the weight-free tissues disagree on what is muscle (Dice "
            f"{leg.dice_with_tissues:.2f}, limit {AGREE_WITH_TISSUES}): look at the labels."
        )
    return tuple(found)
