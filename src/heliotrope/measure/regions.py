"""Which voxels belong to which region: labels as drawn, and the compartments and whole tissues they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.images import LabelMap
from heliotrope.domain.whole_body import inventory_compartment

Box = tuple[slice, slice, slice]
"""Part of an image: a range of voxels along every axis."""
NOWHERE: Box = (slice(0, 0), slice(0, 0), slice(0, 0))
"""The box of what is not drawn."""

_PARTS_OF_BONE = frozenset({"bone_cortex", "bone_marrow"})


@dataclass(frozen=True, eq=False)
class RegionIndex:
    """Regions of a label map, each as the label numbers that make it up.

    Parameters
    ----------
    labels : LabelMap
    members : mapping of Region to tuple of ints
        Label numbers; a region that was named in the legend but not drawn has numbers without voxels.
    """

    labels: LabelMap
    members: Mapping[Region, tuple[int, ...]]

    @cached_property
    def _boxes(self) -> Mapping[int, Box]:
        found = ndimage.find_objects(self.labels.labels)
        return {n: (box[0], box[1], box[2]) for n, box in enumerate(found, start=1) if box is not None}

    def box(self, region: Region, margin: int = 0) -> Box | None:
        """Smallest box around a region, with a margin of voxels within the image; None where nothing is drawn."""
        boxes = [self._boxes[number] for number in self.members[region] if number in self._boxes]
        if not boxes:
            return None
        first, second, third = (
            slice(
                max(0, min(box[axis].start for box in boxes) - margin),
                min(size, max(box[axis].stop for box in boxes) + margin),
            )
            for axis, size in enumerate(self.labels.grid.shape)
        )
        return first, second, third

    def mask_in(self, box: Box, region: Region) -> NDArray[np.bool_]:
        """Voxels of a region within a box."""
        drawn = [number for number in self.members[region] if number in self._boxes]
        table = np.zeros(max(self._boxes, default=0) + 1, dtype=bool)
        table[drawn] = True
        return np.asarray(table[self.labels.labels[box]])

    def mask(self, region: Region) -> NDArray[np.bool_]:
        """Voxels of a region."""
        whole = np.zeros(self.labels.grid.shape, dtype=bool)
        box = self.box(region)
        if box is not None:
            whole[box] = self.mask_in(box, region)
        return whole


def index_regions(labels: LabelMap) -> RegionIndex:
    """Regions of the legend plus what they add up to.

    Single muscles also make their compartment and the whole ``muscle`` of their side, and compartments the whole
    ``muscle``; both sides together make one ``muscle`` without a side. Parts of bone make ``bone``. A voxel has one
    label, so what is drawn as ``muscle`` or as a compartment beside its parts is the rest of it, and counts with them.

    Examples
    --------
    >>> import numpy as np
    >>> from heliotrope.domain.geometry import Grid
    >>> drawn = LabelMap(
    ...     np.array([[[1, 2]]], dtype=np.uint16),
    ...     Grid.from_spacing((1, 1, 2), (1, 1, 1)),
    ...     {1: Region("gracilis", Side.LEFT), 2: Region("sartorius", Side.LEFT)},
    ...     "person",
    ... )
    >>> index_regions(drawn).members[Region("muscle", Side.LEFT)]
    (1, 2)
    """
    drawn: dict[Region, list[int]] = {}
    derived: dict[Region, list[int]] = {}
    for number, region in sorted(labels.legend.items()):
        drawn.setdefault(region, []).append(number)
    for region, numbers in drawn.items():
        if region.level is not None:
            continue
        for whole in _wholes(region, drawn):
            derived.setdefault(whole, []).extend(numbers)
    members = {region: [*drawn.get(region, []), *derived.get(region, [])] for region in (*drawn, *derived)}
    sides = [members.get(Region("muscle", side), []) for side in Side]
    whole = Region("muscle")
    if whole not in members and all(sides):
        members[whole] = [number for numbers in sides for number in numbers]
    unique = {region: tuple(dict.fromkeys(numbers)) for region, numbers in members.items()}
    return RegionIndex(labels, MappingProxyType(unique))


def _wholes(region: Region, drawn: Mapping[Region, list[int]]) -> tuple[Region, ...]:
    structure = STRUCTURES[region.structure]
    if structure.kind is StructureKind.MUSCLE:
        # a muscle drawn beside its own parts (quadriceps beside its heads) would be counted twice
        if region.structure == "quadriceps_femoris" and any(
            Region(head, region.side) in drawn
            for head in ("rectus_femoris", "vastus_lateralis", "vastus_intermedius", "vastus_medialis")
        ):
            return ()
        names = dict.fromkeys(("muscle", structure.compartment, inventory_compartment(region.structure)))
        return tuple(Region(name, region.side) for name in names if name is not None and name != region.structure)
    if structure.kind is StructureKind.COMPARTMENT:
        parts = dict.fromkeys(("muscle", inventory_compartment(region.structure)))
        return tuple(Region(name, region.side) for name in parts if name is not None and name != region.structure)
    is_bone = region.structure in _PARTS_OF_BONE or structure.kind is StructureKind.BONE
    if is_bone and Region("bone", region.side) not in drawn:
        return (Region("bone", region.side),)
    return ()


def is_lean(region: Region) -> bool:
    """True for muscle tissue, compartments and muscles: where water T2 and diffusion have a meaning."""
    kind = STRUCTURES[region.structure].kind
    return region.structure == "muscle" or kind in (StructureKind.MUSCLE, StructureKind.COMPARTMENT)


def muscles_of(index: RegionIndex) -> tuple[Region, ...]:
    """Single muscles, in the order of anatomy, left before right."""
    order = list(STRUCTURES)
    found = [r for r in index.members if STRUCTURES[r.structure].kind is StructureKind.MUSCLE and r.level is None]
    return tuple(sorted(found, key=lambda r: (order.index(r.structure), str(r.side))))


def compartments_of(index: RegionIndex) -> tuple[Region, ...]:
    """Compartments, in the order of anatomy, left before right."""
    order = list(STRUCTURES)
    found = [r for r in index.members if STRUCTURES[r.structure].kind is StructureKind.COMPARTMENT and r.level is None]
    return tuple(sorted(found, key=lambda r: (order.index(r.structure), str(r.side))))
