"""Calcifications of two result folders: limbs laid over one another by bone, lesions matched, slices side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.result_document import CT_IMAGE
from heliotrope.app.timepoints import Timepoint, obstacle, same_scanner
from heliotrope.domain.anatomy import Side
from heliotrope.domain.change import Repeatability
from heliotrope.domain.errors import FileFormatError, HeliotropeError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.domain.lesions import (
    CalcinosisFollowUp,
    Lesion,
    LesionChange,
    LesionCourse,
    LimbFollowUp,
    MatchedSlice,
)
from heliotrope.domain.measurement import Measurement
from heliotrope.io import nifti
from heliotrope.measure.calcium_change import LEAST_SEEN, component_centers, judge_total, match_components
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.calcium.body import split_limbs
from heliotrope.segment.calcium.geometry import Box, bounding_box
from heliotrope.segment.limb_alignment import Limb, align_limbs, in_other, resample_aligned

MASS, VOLUME = "calcinosis_mass", "calcinosis_volume"
COMPONENT = "component "
"""Levels of single calcifications begin so; their numbers mean nothing at another visit."""

SHOWN_SLICES = 8
"""Matched slices per limb."""

_SHOWN_FIRST = (
    LesionCourse.NEW,
    LesionCourse.RESOLVED,
    LesionCourse.MERGED,
    LesionCourse.SPLIT,
    LesionCourse.GROWN,
    LesionCourse.SHRUNK,
)


@dataclass(frozen=True, eq=False)
class CalciumScan:
    """What a result folder holds of a CT: arrays in axial axes.

    Parameters
    ----------
    labels : LabelMap
        Bone and numbered calcifications.
    numbers : int32 array (x, y, z)
        Component numbers, 0 elsewhere.
    body, bone : bool arrays
    limbs : uint8 array
        1 for the first limb by x, 2 for the second, 0 outside.
    ct : int16 array or None
        [HU]
    grid : Grid
    lesions : mapping of int to Lesion
    """

    numbers: NDArray[np.int32]
    body: NDArray[np.bool_]
    bone: NDArray[np.bool_]
    limbs: NDArray[np.uint8]
    ct: NDArray[np.float32] | None
    grid: Grid
    lesions: Mapping[int, Lesion]

    def limb(self, number: int) -> Limb:
        """Bone and body of one limb."""
        here = self.limbs == number
        return Limb(self.bone & here, here, self.grid)


def is_single_calcification(measurement: Measurement) -> bool:
    """True for a number on one component, whose number says nothing at another visit."""
    region = measurement.region
    return region.structure == "calcification" and (region.level or "").startswith(COMPONENT)


def follow_calcinosis(
    first: Timepoint, second: Timepoint, repeatability: Mapping[str, Repeatability]
) -> CalcinosisFollowUp | None:
    """What became of the calcifications; None unless a CT of both visits was assessed for calcium.

    Parameters
    ----------
    first, second : Timepoint
        Baseline and follow-up.
    repeatability : mapping of str to Repeatability
    """
    if not (_assessed(first) and _assessed(second)):
        return None
    known = repeatability[MASS]
    scans = [read_calcium_scan(item) for item in (first, second)]
    before, after = scans
    if before is None or after is None:
        which = " and ".join(name for name, scan in (("baseline", before), ("follow-up", after)) if scan is None)
        return CalcinosisFollowUp(
            notes=(f"Single calcifications could not be followed: the {which} was analyzed by a version that kept "
                   "no labels of calcium. Analyze it again.",),
        )  # fmt: skip
    same = same_scanner(first, second, MASS)
    against = _obstacle(first, second)
    counts = (int(before.limbs.max()), int(after.limbs.max()))
    if counts[0] != counts[1]:
        reason = f"one scan shows {min(counts)} limb and the other {max(counts)}; which is which cannot be told"
        refused = LimbFollowUp(None, None, refusal=reason, code="E_REGISTRATION")
        return CalcinosisFollowUp((refused,), limb_counts=counts)
    limbs = tuple(
        follow_limb(before, after, number, counts[0], known, same_protocol=same, against=against)
        for number in range(1, counts[0] + 1)
    )
    coefficient = known.coefficient if same else known.across_scanners
    return CalcinosisFollowUp(
        limbs,
        origin=known.origin,
        limit_percent=coefficient if known.relative else None,
        evidence=() if known.evidence is None else (known.evidence, "calcinosis-change-ct"),
        limb_counts=counts,
    )


def _assessed(timepoint: Timepoint) -> bool:
    return any(item.quantity == MASS and item.value is not None for item in timepoint.measurements)


def _obstacle(first: Timepoint, second: Timepoint) -> str:
    """Why masses may not be compared, coverage aside: lesions are compared only where they lie in both scans."""
    total = next((m for m in first.measurements if m.quantity == MASS and m.region.level is not None), None)
    methods = [{m.method for m in item.measurements if m.quantity == MASS} for item in (first, second)]
    if methods[0] != methods[1]:
        return f"method changed from {', '.join(sorted(methods[0]))} to {', '.join(sorted(methods[1]))}"
    if total is None:
        total = next((m for m in first.measurements if m.quantity == MASS), None)
    return "" if total is None else obstacle(first, second, total)


def read_calcium_scan(timepoint: Timepoint) -> CalciumScan | None:
    """Calcium of a result folder; None where its label map or map of planes is not there."""
    labels = _calcium_labels(timepoint)
    row = next((m for m in timepoint.document["maps"] if m["quantity"] == "calcinosis_plane"), None)
    if labels is None or row is None:
        return None
    try:
        planes = nifti.read_nifti(timepoint.folder / row["file"])
        file = timepoint.folder / CT_IMAGE
        ct = nifti.read_nifti(file) if file.is_file() else None
    except HeliotropeError:
        return None
    frame = AxialFrame.of(labels.grid)
    names = {n: region for n, region in labels.legend.items() if region.structure == "calcification"}
    table = np.zeros(int(labels.labels.max()) + 1, np.int32)
    for n, region in names.items():
        if n < table.size:
            table[n] = _component_of(region.level)
    values = np.ascontiguousarray(frame.to_axial(labels.labels))
    body = np.ascontiguousarray(frame.to_axial(np.isfinite(np.asarray(planes.data))))
    bone = np.isin(values, [n for n, region in labels.legend.items() if region.structure == "bone"])
    grid = frame.axial_grid
    described = {_component_of(region.level): (region.level or "").partition(": ")[2] for region in names.values()}
    return CalciumScan(
        table[values],
        body,
        bone,
        split_limbs(body, bone, grid.spacing_mm),
        None if ct is None else np.ascontiguousarray(frame.to_axial(np.asarray(ct.data, np.float32))),
        grid,
        _lesions(timepoint, described),
    )


def _calcium_labels(timepoint: Timepoint) -> LabelMap | None:
    document = timepoint.document
    for entry in (*document.get("further_labels", ()), document["labels"]):
        structures = set() if entry is None else {row["structure"] for row in entry["legend"].values()}
        if entry is None or not entry["source"].startswith("ct-calcinosis") or "bone" not in structures:
            continue
        file = timepoint.folder / entry["file"]
        try:
            return nifti.read_labels(file)
        except FileFormatError:
            return None
    return None


def _component_of(level: str | None) -> int:
    word = (level or "").removeprefix(COMPONENT).partition(":")[0]
    return int(word) if word.isdigit() else 0


def _lesions(timepoint: Timepoint, described: Mapping[int, str]) -> dict[int, Lesion]:
    rows: dict[str, dict[int, Measurement]] = {MASS: {}, VOLUME: {}}
    for m in timepoint.measurements:
        if m.quantity in rows and m.value is not None and is_single_calcification(m):
            rows[m.quantity][_component_of(m.region.level)] = m
    return {
        n: Lesion(n, described.get(n, ""), m.value or 0.0, m.ci95, 1000.0 * float(rows[VOLUME][n].value or 0.0))
        for n, m in rows[MASS].items()
        if n in rows[VOLUME]
    }


def follow_limb(
    before: CalciumScan,
    after: CalciumScan,
    number: int,
    count: int,
    repeatability: Repeatability,
    *,
    same_protocol: bool,
    against: str = "",
) -> LimbFollowUp:
    """One limb at both visits.

    Parameters
    ----------
    before, after : CalciumScan
    number, count : int
        Which of how many limbs, by x from the patient's right; the side of a lone limb is not known.
    repeatability : Repeatability
        Of the mass.
    same_protocol : bool
        Same scanner and kernel.
    against : str
        Why masses may not be compared; empty when they may.

    Returns
    -------
    LimbFollowUp
        With a refusal where the limb could not be laid over the baseline.
    """
    side = None if count == 1 else (Side.RIGHT, Side.LEFT)[number - 1]
    try:
        alignment = align_limbs(before.limb(number), after.limb(number))
    except HeliotropeError as error:
        return LimbFollowUp(side, None, refusal=error.message, code=error.code)
    matrix = np.array(alignment.matrix)
    box = bounding_box(before.limbs == number, before.grid.spacing_mm, margin_mm=4.0)
    assert box is not None
    grid = before.grid.part(box)
    mine = (before.numbers * (before.limbs == number))[box]
    other = after.numbers * (after.limbs == number)
    moved = resample_aligned(other, after.grid, grid, matrix, order=0)
    held = [set(np.unique(numbers).tolist()) - {0} for numbers in (mine, other)]
    changes = match_components(
        mine,
        moved,
        {n: lesion for n, lesion in before.lesions.items() if n in held[0]},
        {n: lesion for n, lesion in after.lesions.items() if n in held[1]},
        grid,
        repeatability=repeatability,
        same_protocol=same_protocol,
        outside_before=_outside(mine, grid, after.grid, matrix),
        outside_after=_outside(other, after.grid, before.grid, np.linalg.inv(matrix)),
        obstacle=against,
        places_after=_moved_centers(component_centers(other, after.grid), np.linalg.inv(matrix)),
    )
    total = judge_total(changes, repeatability=repeatability, same_protocol=same_protocol, obstacle=against)
    return LimbFollowUp(side, alignment, changes, _slices(before, after, grid, box, moved, changes, matrix), total)


def _moved_centers(
    centers: Mapping[int, NDArray[np.float64]], matrix: NDArray[np.float64]
) -> dict[int, NDArray[np.float64]]:
    return {n: matrix[:3, :3] @ center + matrix[:3, 3] for n, center in centers.items()}


def _outside(numbers: NDArray[np.int32], grid: Grid, other: Grid, matrix: NDArray[np.float64]) -> frozenset[int]:
    """Components of which less than `LEAST_SEEN` lies in the other scan."""
    index = np.argwhere(numbers > 0)
    owner = numbers[numbers > 0]
    seen = in_other(grid.positions_mm(index), matrix, other)
    sizes = np.bincount(owner)
    shares = np.bincount(owner, weights=seen) / np.maximum(sizes, 1)
    return frozenset(np.flatnonzero((sizes > 0) & (shares < LEAST_SEEN)).tolist())


def _slices(
    before: CalciumScan,
    after: CalciumScan,
    grid: Grid,
    box: Box,
    moved: NDArray[np.int32],
    changes: tuple[LesionChange, ...],
    matrix: NDArray[np.float64],
) -> dict[int, MatchedSlice]:
    """The slice through the middle of the changes a reader looks at first, cut at both visits."""
    if before.ct is None or after.ct is None:
        return {}
    wanted = [i for i, change in enumerate(changes) if change.course in _SHOWN_FIRST]
    out: dict[int, MatchedSlice] = {}
    mine = before.numbers[box]
    for i in wanted[:SHOWN_SLICES]:
        change = changes[i]
        olds, news = [lesion.number for lesion in change.before], [lesion.number for lesion in change.after]
        k = _fullest(np.isin(mine, olds) if olds else np.isin(moved, news))
        plane = grid.part((slice(None), slice(None), slice(k, k + 1)))
        shown = resample_aligned(after.ct, after.grid, plane, matrix, order=1, outside=-1000.0)
        out[i] = MatchedSlice(
            before.ct[box][:, :, k : k + 1],
            np.asarray(shown, np.float32),
            _marked(mine[:, :, k : k + 1], olds),
            _marked(moved[:, :, k : k + 1], news),
            plane,
            f"slice {box[2].start + k + 1} of {before.grid.shape[2]} of the baseline",
        )
    return out


def _fullest(mask: NDArray[np.bool_]) -> int:
    return int(mask.sum(axis=(0, 1)).argmax())


def _marked(numbers: NDArray[np.int32], mine: list[int]) -> NDArray[np.uint16]:
    return np.where(np.isin(numbers, mine), 1, np.where(numbers > 0, 2, 0)).astype(np.uint16)
