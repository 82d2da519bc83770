"""The part of the body that all timepoints show: positions matched by labels, numbers measured again within it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.stages.measurements import SEED, is_technical, measure_sizes
from heliotrope.app.timepoints import Timepoint
from heliotrope.domain.anatomy import Region
from heliotrope.domain.comparison import ComparedImages, PositionMatch
from heliotrope.domain.errors import GeometryError, HeliotropeError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.study import Modality
from heliotrope.domain.units import Unit
from heliotrope.io import nifti
from heliotrope.measure.edema_load import measure_share
from heliotrope.measure.map_statistics import measure_map
from heliotrope.measure.morphometry import slice_axis
from heliotrope.measure.regions import index_regions, is_lean
from heliotrope.segment.position_match import match_positions
from heliotrope.segment.transfer import resample_labels

SAME_PART = 0.9
"""Timepoints that share at least this much of each stack are compared as they were imaged. [1]"""

LIKE_PART = 0.7
"""Means and shares of a muscle are compared where it is named over at least this much of the longer one. Project rule;
both hold fat and edema of another part of the limb otherwise. [1]"""

Matches = Mapping[str, tuple[PositionMatch, ...] | Missing]


def read_images(timepoint: Timepoint) -> ComparedImages | None:
    """Labels, gray image and maps of a result folder; None where it holds no readable labels."""
    stated = timepoint.document["labels"]
    if stated is None:
        return None
    folder = timepoint.folder
    try:
        labels = replace(nifti.read_labels(folder / stated["file"]), source=stated["source"])
        gray = None
        if stated.get("image") is not None:
            gray = nifti.read_nifti(folder / stated["image"], unit=_unit_of_images(timepoint))
        maps = {
            row["quantity"]: _read_map(folder, row)
            for row in timepoint.document["maps"]
            if not is_technical(row["quantity"])
        }
    except (HeliotropeError, OSError):
        return None
    return ComparedImages(gray, labels, maps)


def _unit_of_images(timepoint: Timepoint) -> Unit:
    kinds = {row["modality"] for row in timepoint.document["study"]["series"] if row["shape"] is not None}
    return Unit.HOUNSFIELD if kinds == {Modality.CT} else Unit.ARBITRARY


def _read_map(folder: Path, row: Mapping[str, str]) -> ParametricMap:
    volume = nifti.read_nifti(folder / row["file"], unit=Unit(row["unit"]))
    values = np.asarray(volume.data, dtype=np.float32)
    return ParametricMap(
        row["quantity"], values, np.isfinite(values), volume.grid, volume.unit, row["method"], tuple(row["flags"])
    )


def match_all(names: Sequence[str], images: Mapping[str, ComparedImages]) -> Matches:
    """How each later timepoint lies against the first of `names`."""
    found: dict[str, tuple[PositionMatch, ...] | Missing] = {}
    for name in names[1:]:
        if names[0] not in images or name not in images:
            found[name] = Missing("M_NO_LABELS", "one of the two result folders holds no labels")
            continue
        try:
            found[name] = match_positions(images[names[0]].labels, images[name].labels)
        except HeliotropeError as error:
            found[name] = Missing(error.code, error.message)
    return found


@dataclass(frozen=True, eq=False)
class CommonPart:
    """What all matched timepoints show.

    Parameters
    ----------
    labels : mapping of str to LabelMap
        By timepoint, empty outside the common part.
    length_mm : mapping of str to float
        Imaged length of every timepoint. [mm]
    common_mm : float
        Length that all show. [mm]
    """

    labels: Mapping[str, LabelMap]
    length_mm: Mapping[str, float]
    common_mm: float


def common_part(names: Sequence[str], images: Mapping[str, ComparedImages], matches: Matches) -> CommonPart | None:
    """The shared part, where it is less than what single timepoints show; None where it is not, or nothing matched.

    Parameters
    ----------
    names : sequence of str
        The baseline first.
    """
    matched = {name: found for name, found in matches.items() if not isinstance(found, Missing)}
    if not matched:
        return None
    first = images[names[0]].labels
    kept = {name: np.zeros(images[name].labels.grid.shape, dtype=bool) for name in (names[0], *matched)}
    sides = [{match.side for match in found} for found in matched.values()]
    for side in set.intersection(*sides):
        moves = {
            name: np.array(next(m.matrix for m in found if m.side == side), dtype=np.float64)
            for name, found in matched.items()
        }
        here = first.labels > 0 if side is None else first.mask_where(side=side)
        for name, move in moves.items():
            here &= _seen(first.grid, images[name].labels.grid, move)
        kept[names[0]] |= here
        slices = _slices(here, first.grid)
        for name, move in moves.items():
            labels = images[name].labels
            there = labels.labels > 0 if side is None else labels.mask_where(side=side)
            there &= _seen(labels.grid, first.grid, np.asarray(np.linalg.inv(move), dtype=np.float64), slices)
            kept[name] |= there
    lengths = {name: _length_mm(images[name].labels.labels > 0, images[name].labels.grid) for name in kept}
    shared = {name: _length_mm(mask, images[name].labels.grid) for name, mask in kept.items()}
    if all(shared[name] >= SAME_PART * lengths[name] for name in kept):
        return None
    labels_of = {name: _within(images[name].labels, mask) for name, mask in kept.items()}
    return CommonPart(labels_of, lengths, min(shared.values()))


def _seen(grid: Grid, other: Grid, move: NDArray[np.float64], slices: range | None = None) -> NDArray[np.bool_]:
    """Voxels of a grid that lie within the slices of another after a move; whole slices, by their middle."""
    across = slice_axis(other)
    allowed = slices if slices is not None else range(other.shape[across])
    own = slice_axis(grid)
    index = np.tile((np.asarray(grid.shape, dtype=np.float64) - 1.0) / 2.0, (grid.shape[own], 1))
    index[:, own] = np.arange(grid.shape[own])
    there = other.indices(grid.positions_mm(index) @ move[:3, :3].T + move[:3, 3])[:, across]
    inside = (there >= allowed.start - 0.5) & (there <= allowed.stop - 0.5) if len(allowed) else there != there
    shape = [1, 1, 1]
    shape[own] = grid.shape[own]
    return np.broadcast_to(inside.reshape(shape), grid.shape)


def _slices(mask: NDArray[np.bool_], grid: Grid) -> range:
    across = slice_axis(grid)
    used = np.flatnonzero(mask.any(axis=tuple(axis for axis in range(3) if axis != across)))
    return range(int(used[0]), int(used[-1]) + 1) if used.size else range(0)


def _length_mm(mask: NDArray[np.bool_], grid: Grid) -> float:
    """Thickness of all slices in which a mask lies. [mm]"""
    across = slice_axis(grid)
    used = mask.any(axis=tuple(axis for axis in range(3) if axis != across))
    return float(np.count_nonzero(used) * grid.spacing_mm[across])


def named_lengths_mm(labels: LabelMap) -> dict[Region, float]:
    """Over how much of the limb each muscle, compartment and side is named. [mm]"""
    index = index_regions(labels)
    regions = [region for region in index.members if is_lean(region) and region.level is None]
    return {region: _length_mm(index.mask(region), labels.grid) for region in regions}


def unequal_naming(region: Region, first: float | None, second: float | None, *, summed: bool) -> str:
    """Why a number of a muscle may not be compared: it is named over another length of the limb. Empty where it may.

    Parameters
    ----------
    first, second : float or None
        Length over which it is named at each visit. [mm]
    summed : bool
        Whether the number grows with the length, as a volume or a load.
    """
    if (
        first is None
        or second is None
        or min(first, second) >= (SAME_PART if summed else LIKE_PART) * max(first, second)
    ):
        return ""
    return f"the {region.title} is named over {first:.0f} mm and {second:.0f} mm of the limb"


def _within(labels: LabelMap, mask: NDArray[np.bool_]) -> LabelMap:
    return replace(labels, labels=np.where(mask, labels.labels, 0).astype(np.uint16))


def measure_again(images: ComparedImages, labels: LabelMap, measured: Collection[str]) -> tuple[Measurement, ...]:
    """Every number that maps and labels alone give, within labels of a part of the image.

    Parameters
    ----------
    labels : LabelMap
        On the grid of the labels of `images`.
    measured : collection of str
        Quantities that were measured by region on the whole image; other maps are pictures only.

    Returns
    -------
    tuple of Measurement
        Statistics of maps, sizes, and fraction and volume of edema; under the names and units of the whole image.
    """
    generator = np.random.default_rng(SEED)
    found: list[Measurement] = []
    for quantity, parametric in images.maps.items():
        if quantity != "edema_share" and quantity not in measured:
            continue
        try:
            moved = resample_labels(labels, parametric.grid)
        except GeometryError:
            continue
        if quantity == "edema_share":
            found += measure_share(parametric, moved, generator=generator)
        else:
            found += measure_map(parametric, moved, generator=generator)
    return (*found, *measure_sizes(labels, images.maps.get("fat_fraction")))
