"""Where in the anatomy each calcification lies: in or beside which muscle or compartment, and in which body region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import STRUCTURES, BodyPart, Region, Side, StructureKind, TissuePlane
from heliotrope.segment.calcium.components import Component
from heliotrope.segment.calcium.geometry import Mask, Spacing, distance_to, grow_box

NEAR_MM = 5.0
"""Labels nearer than this to deep calcium name its place. Project rule. [mm]"""

BENEATH_MM = 30.0
"""Labels nearer than this below superficial calcium name what it lies over. Project rule. [mm]"""

CAVITY_MM = 20.0
"""Slices nearer than this to a body cavity are trunk or pelvis. Project rule. [mm]"""

LARGEST_SHARE, SECOND_SHARE = 0.6, 0.25
"""Share of the neighborhood from which one structure names the place alone, and from which a second is named too."""

TRUNK_OR_PELVIS, LIMB = "trunk or pelvis", "limb"

_NAMING = frozenset({StructureKind.MUSCLE, StructureKind.COMPARTMENT})
_SUPERFICIAL = frozenset({TissuePlane.CUTANEOUS, TissuePlane.SUBCUTANEOUS, TissuePlane.SUPERFICIAL})
_REGION_WORDS = {part: part.value.replace("_", " ") for part in BodyPart}


@dataclass(frozen=True)
class Place:
    """Where a calcification lies.

    Parameters
    ----------
    structures : tuple of str
        Keys of muscles or compartments, the nearest first; empty where no label names any.
    words : str or None
        ``"in vastus lateralis"``, ``"between X and Y"``, ``"over X"``; None where no label names it.
    region : str
        ``"thigh"`` and other parts of the body where labels name them; else ``"limb"`` or ``"trunk or pelvis"``.
    side : Side or None
    """

    structures: tuple[str, ...]
    words: str | None
    region: str
    side: Side | None

    @property
    def region_title(self) -> str:
        """With its side: ``left thigh``."""
        return f"{self.side} {self.region}" if self.side is not None else self.region


def name_places(
    numbers: NDArray[np.int32],
    components: tuple[Component, ...],
    cavity: Mask,
    spacing: Spacing,
    labels: NDArray[np.uint16] | None,
    legend: Mapping[int, Region],
) -> dict[int, Place]:
    """Place of every component.

    Parameters
    ----------
    numbers : int32 array (x, y, z)
        Components, from 1.
    components : tuple of Component
    cavity : bool array (x, y, z)
        Body cavities.
    spacing : tuple of 3 floats
        [mm]
    labels : uint16 array (x, y, z) or None
        Muscles or compartments on the same grid; None where there are none.
    legend : mapping of int to Region
        Of `labels`.

    Returns
    -------
    dict of component number to Place
    """
    named = {n: region for n, region in legend.items() if STRUCTURES[region.structure].kind in _NAMING}
    trunk = ndimage.maximum_filter1d(cavity.any(axis=(0, 1)), 2 * int(CAVITY_MM / spacing[2]) + 1)
    out = {}
    for component in components:
        shares: dict[Region, float] = {}
        if labels is not None and named:
            shares = _shares(numbers, component, labels, named, spacing)
        out[component.number] = _place(component, shares, in_trunk=bool(trunk[component.box[2]].mean() > 0.5))
    return out


def _shares(
    numbers: NDArray[np.int32],
    component: Component,
    labels: NDArray[np.uint16],
    named: Mapping[int, Region],
    spacing: Spacing,
) -> dict[Region, float]:
    """Share of each named region among the labeled voxels around a component, largest first."""
    superficial = component.plane in _SUPERFICIAL
    reach = BENEATH_MM if superficial else NEAR_MM
    box = grow_box(component.box, numbers.shape, spacing, reach)
    away = distance_to(numbers[box] == component.number, spacing)
    near = labels[box]
    known = np.isin(near, list(named)) & (away <= reach)
    if superficial and known.any():
        # what lies straight below: the nearest labels and those little farther
        known &= away <= float(away[known].min()) + NEAR_MM
    counts = np.bincount(near[known], minlength=1)
    total = float(counts.sum())
    found: dict[Region, float] = {}
    for n in np.flatnonzero(counts).tolist():
        found[named[n]] = found.get(named[n], 0.0) + float(counts[n]) / total
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _place(component: Component, shares: Mapping[Region, float], *, in_trunk: bool) -> Place:
    ranked = list(shares)
    if not ranked:
        return Place((), None, TRUNK_OR_PELVIS if in_trunk else LIMB, component.side)
    first = ranked[0]
    second = ranked[1] if len(ranked) > 1 and shares[ranked[1]] >= SECOND_SHARE else None
    titles = [STRUCTURES[region.structure].title for region in (first, second) if region is not None]
    if component.plane in _SUPERFICIAL:
        words = "over " + " and ".join(titles)
    elif component.plane is TissuePlane.FASCIAL:
        words = "on the fascia of " + " and ".join(titles)
    elif second is not None and (component.plane is TissuePlane.INTERMUSCULAR or shares[first] < LARGEST_SHARE):
        words = f"between {titles[0]} and {titles[1]}"
    elif component.plane is TissuePlane.INTERMUSCULAR:
        words = f"beside {titles[0]}"
    else:
        words = f"in {titles[0]}"
    side = component.side if component.side is not None else first.side
    structures = tuple(region.structure for region in (first, second) if region is not None)
    return Place(structures, words, _REGION_WORDS[STRUCTURES[first.structure].body_part], side)
