"""Named checks of a label map: cuts by the field of view, islands, holes, sides, sizes and order of layers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.images import LabelMap
from heliotrope.domain.result import QualityCheck
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.label_coverage import LEAST_COVERED, covered_share

ISLAND_SHARE = 0.02
"""Share of a muscle's volume in separate pieces that is worth a word. Project rule."""
HOLE_SHARE = 0.02
"""Share of a muscle's volume in holes without any label that is worth a word. Project rule."""
LARGEST_SIDE_RATIO = 2.5
"""Muscle volume of one side over the other beyond which sizes are implausible. Project rule."""
_OUTSIDE_FASCIA = frozenset({"skin", "subcutaneous_fat", "fiducial", "body", "limb"})
_COVER, _DEEP, _MUSCLE = 1, 2, 3
_FRAME_OF_LIMB = frozenset({"skin", "subcutaneous_fat", "bone", "bone_cortex", "bone_marrow"})
"""What tells where a limb is, whatever muscle was drawn in it."""


def check_labels(labels: LabelMap) -> tuple[QualityCheck, ...]:
    """Every check of a label map, in a fixed order.

    Parameters
    ----------
    labels : LabelMap

    Returns
    -------
    tuple of QualityCheck
        ``label-field-of-view``, ``label-islands``, ``label-holes``, ``label-sides``, ``label-sizes``, ``label-order``.
    """
    frame = AxialFrame.of(labels.grid)
    values = frame.to_axial(labels.labels)
    return (
        _field_of_view(labels, values),
        _pieces(labels, values),
        _holes(labels, values),
        _sides(labels, values),
        _sizes(labels),
        _order(labels, values, frame.spacing_mm),
    )


def cut_regions(labels: LabelMap) -> tuple[Region, ...]:
    """Regions that reach the border of the image within a slice: their area there is a part of the whole.

    The first and last slice do not count: a stack nearly always ends inside a muscle.
    """
    values = AxialFrame.of(labels.grid).to_axial(labels.labels)
    return tuple(region for number, region in sorted(labels.legend.items()) if number in _border_numbers(values))


def unfinished_regions(labels: LabelMap) -> tuple[Region, ...]:
    """Regions that reach the first or last slice: their volume is the imaged part only."""
    values = AxialFrame.of(labels.grid).to_axial(labels.labels)
    ends = set(np.unique(values[:, :, [0, -1]]).tolist())
    return tuple(region for number, region in sorted(labels.legend.items()) if number in ends)


def _border_numbers(values: NDArray[np.uint16]) -> set[int]:
    edges = [values[0], values[-1], values[:, 0], values[:, -1]]
    return {int(number) for edge in edges for number in np.unique(edge)} - {0}


def _titles(regions: list[Region]) -> str:
    names = [region.title for region in regions[:4]]
    return ", ".join(names) + (f" and {len(regions) - 4} more" if len(regions) > 4 else "")


def _field_of_view(labels: LabelMap, values: NDArray[np.uint16]) -> QualityCheck:
    at_border = _border_numbers(values)
    cut = [region for number, region in sorted(labels.legend.items()) if number in at_border]
    if not cut:
        return QualityCheck("label-field-of-view", True, "No region is cut by the edge of the image within a slice.")
    return QualityCheck(
        "label-field-of-view", False, f"Cut by the edge of the image: {_titles(cut)}; areas and volumes are partial."
    )


def _is_muscle(region: Region) -> bool:
    kind = STRUCTURES[region.structure].kind
    return region.structure == "muscle" or kind in (StructureKind.MUSCLE, StructureKind.COMPARTMENT)


def _drawn(labels: LabelMap, boxes: Mapping[int, object]) -> list[Region]:
    return [region for number, region in labels.legend.items() if boxes.get(number) is not None]


def _pieces(labels: LabelMap, values: NDArray[np.uint16]) -> QualityCheck:
    scattered: list[Region] = []
    boxes = dict(enumerate(ndimage.find_objects(values), start=1))
    for number, region in sorted(labels.legend.items()):
        box = boxes.get(number)
        if box is None or STRUCTURES[region.structure].kind is not StructureKind.MUSCLE:
            continue
        mask = values[box] == number
        total = int(np.count_nonzero(mask))
        pieces, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
        largest = int(np.bincount(pieces.ravel())[1:].max())
        if total - largest > ISLAND_SHARE * total:
            scattered.append(region)
    if not any(STRUCTURES[region.structure].kind is StructureKind.MUSCLE for region in _drawn(labels, boxes)):
        return QualityCheck("label-islands", None, "No single muscle is named, so none can lie in pieces.")
    if not scattered:
        return QualityCheck("label-islands", True, "Every single muscle is of one piece.")
    return QualityCheck("label-islands", False, f"In separate pieces: {_titles(scattered)}; check the labels.")


def _holes(labels: LabelMap, values: NDArray[np.uint16]) -> QualityCheck:
    """Where only single muscles of a limb were drawn, the rest of it is no hole: holes are looked for within them."""
    total = empty = 0
    in_part = False
    for side in (*Side, None):
        own = {n: region for n, region in labels.legend.items() if region.side is side}
        layer = np.zeros(max((*labels.legend, int(values.max(initial=0)))) + 1, dtype=np.uint8)
        for number, region in own.items():
            layer[number] = _COVER if region.structure in _OUTSIDE_FASCIA else _MUSCLE if _is_muscle(region) else _DEEP
        boxes = [box for n, box in enumerate(ndimage.find_objects(values), start=1) if box is not None and n in own]
        if not boxes:
            continue
        rows, columns, slices = (
            slice(max(0, min(box[axis].start for box in boxes) - 1), max(box[axis].stop for box in boxes) + 1)
            for axis in range(3)
        )
        for k in range(*slices.indices(values.shape[2])):
            plane = values[rows, columns, k]
            layers = layer[plane]
            muscle = layers == _MUSCLE
            if not muscle.any():
                continue
            whole = covered_share(layers >= _DEEP, layers == _COVER) >= LEAST_COVERED
            in_part |= not whole
            filled = ndimage.binary_fill_holes(layers > 0 if whole else muscle)
            empty += int(np.count_nonzero(filled & (plane == 0)))
            total += int(np.count_nonzero(muscle))
    share = empty / total if total else 0.0
    where = "inside what was drawn of the muscle" if in_part else "inside the labeled body"
    return QualityCheck(
        "label-holes",
        None if total == 0 else share <= HOLE_SHARE,
        f"Voxels without a label {where}: {100 * share:.1f} % of the muscle.",
    )


@dataclass(frozen=True, eq=False)
class _Places:
    """Voxels of every label per axial slice, and the sum of their places toward the patient's left.

    Parameters
    ----------
    counts : int array (labels, slices)
        Row by label number.
    sums_mm : float array (labels, slices)
        [mm]
    """

    counts: NDArray[np.int64]
    sums_mm: NDArray[np.float64]

    @classmethod
    def of(cls, labels: LabelMap, values: NDArray[np.uint16]) -> _Places:
        toward_left = AxialFrame.of(labels.grid).axial_grid.matrix[0]
        shape = (max((*labels.legend, int(values.max(initial=0)))) + 1, values.shape[2])
        counts, sums_mm = np.zeros(shape, np.int64), np.zeros(shape)
        i, j = np.indices(values.shape[:2])
        in_plane = toward_left[0] * i + toward_left[1] * j + toward_left[3]
        # slice by slice: places of all voxels of a long scan at once would outweigh its labels twenty times
        for k in range(values.shape[2]):
            numbers = values[:, :, k].ravel()
            x_mm = (in_plane + toward_left[2] * k).ravel()
            counts[:, k] = np.bincount(numbers, minlength=shape[0])
            sums_mm[:, k] = np.bincount(numbers, weights=x_mm, minlength=shape[0])
        return cls(counts, sums_mm)

    def slices(self, number: int) -> NDArray[np.bool_]:
        """Slices that hold a label."""
        return np.asarray(self.counts[number] > 0)

    def center_mm(self, numbers: list[int], slices: NDArray[np.bool_]) -> float | None:
        """Mean place toward the left of some labels in some slices; None where they hold none. [mm]"""
        count = self.counts[numbers][:, slices].sum()
        return float(self.sums_mm[numbers][:, slices].sum() / count) if count else None


def _sides(labels: LabelMap, values: NDArray[np.uint16]) -> QualityCheck:
    sided = {side: [n for n, region in labels.legend.items() if region.side is side] for side in Side}
    places = _Places.of(labels, values)
    everywhere = np.ones(values.shape[2], dtype=bool)
    left, right = (places.center_mm(sided[side], everywhere) for side in (Side.LEFT, Side.RIGHT))
    if left is None or right is None:
        return QualityCheck("label-sides", None, "Fewer than two sides are labeled; a swap cannot be seen.")
    if left <= right:
        return QualityCheck(
            "label-sides",
            False,
            "Left and right are swapped: left labels lie toward the patient's right of the right ones.",
        )
    astray = [
        labels.legend[number]
        for side, numbers in sided.items()
        for number in sorted(numbers)
        if _lies_in_other_limb(number, side, sided, labels, places, values)
    ]
    if astray:
        return QualityCheck(
            "label-sides", False, f"Drawn in the limb of the other side: {_titles(astray)}; check their side."
        )
    return QualityCheck(
        "label-sides", True, "Left labels lie toward the patient's left of the right ones, each by itself."
    )


def _lies_in_other_limb(
    number: int,
    side: Side,
    sided: Mapping[Side, list[int]],
    labels: LabelMap,
    places: _Places,
    values: NDArray[np.uint16],
) -> bool:
    """Whether a region's center is nearer to the other limb than to its own, both without it, in its slices.

    Limbs are where their skin, fat and bone are, if both have them: whoever swapped one muscle may have swapped more.
    """
    slices = places.slices(number)
    center = places.center_mm([number], slices)
    if center is None:
        return False
    other = Side.RIGHT if side is Side.LEFT else Side.LEFT
    own_rest = [n for n in sided[side] if n != number]
    for kinds in (_FRAME_OF_LIMB, frozenset(STRUCTURES)):
        own, opposite = (
            places.center_mm([n for n in numbers if labels.legend[n].structure in kinds], slices)
            for numbers in (own_rest, sided[other])
        )
        if own is not None and opposite is not None:
            return abs(center - opposite) < abs(center - own)
    # nothing else of its side: it must not lie amid the other limb
    inside = np.isin(values[:, :, slices], sided[other]).any(axis=2)
    mine = (values[:, :, slices] == number).any(axis=2)
    return bool(inside.any()) and all(
        here.min() < middle.mean() < here.max()
        for here, middle in zip(np.nonzero(inside), np.nonzero(mine), strict=True)
    )


def _volume(labels: LabelMap, side: Side) -> int:
    numbers = [n for n, region in labels.legend.items() if region.side is side and _is_muscle(region)]
    return int(np.count_nonzero(np.isin(labels.labels, numbers)))


def _sizes(labels: LabelMap) -> QualityCheck:
    left, right = _volume(labels, Side.LEFT), _volume(labels, Side.RIGHT)
    if not left or not right:
        return QualityCheck("label-sizes", None, "Muscle is not labeled on both sides; sizes cannot be compared.")
    ratio = max(left, right) / min(left, right)
    return QualityCheck(
        "label-sizes",
        ratio <= LARGEST_SIDE_RATIO,
        f"Muscle of the larger side is {ratio:.2f} times that of the smaller (limit {LARGEST_SIDE_RATIO}).",
    )


def _order(labels: LabelMap, values: NDArray[np.uint16], spacing_mm: tuple[float, float, float]) -> QualityCheck:
    """From outside in: skin, subcutaneous fat, muscle. Mean depth under the surface must grow in that order."""
    names = ("skin", "subcutaneous_fat", "muscle")
    groups = [
        np.isin(
            values,
            [n for n, r in labels.legend.items() if (_is_muscle(r) if name == "muscle" else r.structure == name)],
        )
        for name in names
    ]
    body = values > 0
    depths: list[float] = []
    slices = np.flatnonzero(body.any(axis=(0, 1)))
    depth = np.zeros(values.shape, dtype=np.float32)
    for k in slices:
        plane = ndimage.binary_fill_holes(body[:, :, k])
        depth[:, :, k] = ndimage.distance_transform_edt(np.pad(plane, 1), sampling=spacing_mm[:2])[1:-1, 1:-1]
    depths = [float(depth[group].mean()) if group.any() else float("nan") for group in groups]
    known = [value for value in depths if np.isfinite(value)]
    if len(known) < 2:
        return QualityCheck("label-order", None, "Too few layers are labeled to check their order.")
    fine = all(first < second for first, second in itertools.pairwise(known))
    return QualityCheck(
        "label-order",
        fine,
        "Skin, subcutaneous fat and muscle follow one another from the surface inward."
        if fine
        else "Skin, subcutaneous fat and muscle do not follow one another from the surface inward.",
    )
