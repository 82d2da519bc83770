"""Size of regions: volume, cross-section, thickness of the subcutis, and the contractile part of muscle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid, require_same_grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.measure.regions import NOWHERE, Box, RegionIndex, index_regions, is_lean

METHOD = "voxel-count/1"

FEWEST_FAT_COVERAGE = 0.8
"""Share of a muscle's voxels with a valid fat fraction needed for its contractile size. [1]"""

_INSIDE_FASCIA = ("muscle", "intermuscular_fat", "bone", "vessel")


def slice_axis(grid: Grid) -> int:
    """The axis across the slices: the coarsest one; the third where all are alike."""
    spacing = grid.spacing_mm
    return 2 if max(spacing) - min(spacing) < 1e-6 else int(np.argmax(spacing))


def cuts_across(grid: Grid) -> bool:
    """Whether slices lie across the long axis of body and limbs, so that each shows closed outlines.

    Examples
    --------
    >>> cuts_across(Grid.from_spacing((4, 4, 4), (1.0, 1.0, 5.0)))
    True
    >>> cuts_across(Grid.from_spacing((4, 4, 4), (1.0, 5.0, 1.0)))
    False
    """
    axis = slice_axis(grid)
    others = np.delete(grid.matrix[:3, :3], axis, axis=1)
    normal = np.cross(others[:, 0], others[:, 1])
    return bool(abs(normal[2]) > np.sqrt(0.5) * np.linalg.norm(normal))


def pixel_area_mm2(grid: Grid) -> float:
    """Area of one pixel within a slice. [mm2]"""
    axes = [axis for axis in range(3) if axis != slice_axis(grid)]
    return float(np.linalg.norm(np.cross(grid.matrix[:3, axes[0]], grid.matrix[:3, axes[1]])))


def measure_morphometry(labels: LabelMap, fat_fraction: ParametricMap | None = None) -> tuple[Measurement, ...]:
    """Volume and cross-sections of every region, thickness of the subcutis, contractile size of muscle.

    Parameters
    ----------
    labels : LabelMap
    fat_fraction : ParametricMap or None
        In % and on the grid of the labels; without it the contractile size is not measured.

    Returns
    -------
    tuple of Measurement
        ``volume`` [mL] (total), ``cross_section`` [mm2] per slice and its largest value, ``thickness`` of subcutaneous
        fat [mm], ``contractile_volume`` [mL] and ``contractile_area`` [mm2] of muscle. A region cut by the edge of the
        image within a slice has no volume; one that only leaves through the first or last slice has the volume of its
        imaged part, and says so.
    """
    if fat_fraction is not None:
        require_same_grid(labels.grid, fat_fraction.grid, first_name="label map", second_name="fat-fraction map")
    index = index_regions(labels)
    results: list[Measurement] = []
    for region in index.members:
        drawn = _Drawn.of(index, region)
        results.extend(_size(region, drawn))
        if fat_fraction is not None and is_lean(region):
            results.extend(_contractile(region, drawn, fat_fraction))
    for side in Side:
        fat = Region("subcutaneous_fat", side)
        inside = [Region(name, side) for name in _INSIDE_FASCIA]
        if fat in index.members and any(region in index.members for region in inside):
            lean = np.zeros(labels.grid.shape, dtype=bool)
            for region in inside:
                if region in index.members:
                    lean |= index.mask(region)
            results.append(_ring_thickness(fat, _Drawn.of(index, fat), lean))
    return tuple(results)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A region in the box around it.

    Parameters
    ----------
    grid : Grid
    box : tuple of 3 slices
    mask : bool array of the shape of the box
    """

    grid: Grid
    box: Box
    mask: NDArray[np.bool_]

    @classmethod
    def of(cls, index: RegionIndex, region: Region) -> _Drawn:
        box = index.box(region) or NOWHERE
        return cls(index.labels.grid, box, index.mask_in(box, region))

    @property
    def axis(self) -> int:
        return slice_axis(self.grid)

    @cached_property
    def count(self) -> int:
        return int(np.count_nonzero(self.mask))

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """Voxels in each slice of the image, (n_slices,)."""
        return self.by_slice(np.count_nonzero(self.mask, axis=self.within))

    @property
    def within(self) -> tuple[int, ...]:
        """The two axes within a slice."""
        return tuple(axis for axis in range(3) if axis != self.axis)

    def by_slice(self, values: NDArray[np.generic]) -> NDArray[Any]:
        """Values of the slices of the box for every slice of the image; 0 elsewhere."""
        whole = np.zeros(self.grid.shape[self.axis], dtype=values.dtype)
        whole[self.box[self.axis]] = values
        return whole

    @cached_property
    def cut(self) -> NDArray[np.bool_]:
        """Whether the region reaches the image edge within each slice, (n_slices,)."""
        found = np.zeros(self.mask.shape[self.axis], dtype=bool)
        slices = np.moveaxis(self.mask, self.axis, 0)
        for n, axis in enumerate(self.within, start=1):
            if self.count and self.box[axis].start == 0:
                found |= np.any(np.take(slices, 0, axis=n), axis=1)
            if self.box[axis].stop == self.grid.shape[axis]:
                found |= np.any(np.take(slices, -1, axis=n), axis=1)
        return self.by_slice(found)

    @property
    def leaves_through_ends(self) -> bool:
        """Whether the region reaches the first or last slice."""
        return bool(self.counts[0] or self.counts[-1])

    @property
    def areas_mm2(self) -> NDArray[np.float64]:
        """Cross-section in each slice of the image, (n_slices,). [mm2]"""
        return np.asarray(self.counts * pixel_area_mm2(self.grid), dtype=np.float64)


def _empty(region: Region) -> Missing:
    return Missing("M_EMPTY_REGION", f"The labels hold no voxel of the {region.title}.")


def _size(region: Region, drawn: _Drawn) -> list[Measurement]:
    count, grid = drawn.count, drawn.grid

    def row(
        at: Region,
        quantity: str,
        statistic: str,
        value: float | None,
        unit: Unit,
        missing: Missing | None,
        notes: str = "",
    ) -> Measurement:
        return Measurement(
            region=at,
            quantity=quantity,
            statistic=statistic,
            value=value,
            unit=unit,
            method=METHOD,
            missing=missing,
            n_voxels=count,
            evidence=("voxel-count",),
            notes=(notes,) if notes else (),
        )

    if count == 0:
        nothing = _empty(region)
        return [
            row(region, "volume", "total", None, Unit.MILLILITER, nothing),
            row(region, "cross_section", "max", None, Unit.SQUARE_MILLIMETER, nothing),
        ]
    cut = Missing(
        "M_CUT_BY_FIELD_OF_VIEW", f"The {region.title} is cut by the edge of the image; its true size is not known."
    )
    imaged = np.flatnonzero(drawn.counts)
    span = (imaged[-1] - imaged[0] + 1) * grid.spacing_mm[drawn.axis]
    note = f"Continues beyond the imaged slices: size of the imaged {span:.0f} mm." if drawn.leaves_through_ends else ""
    areas = drawn.areas_mm2
    if drawn.cut.any():
        results = [
            row(region, "volume", "total", None, Unit.MILLILITER, cut),
            row(region, "cross_section", "max", None, Unit.SQUARE_MILLIMETER, cut),
        ]
    else:
        volume = count * grid.voxel_volume_mm3 / 1000.0
        results = [
            row(region, "volume", "total", volume, Unit.MILLILITER, None, note),
            row(region, "cross_section", "max", float(areas.max()), Unit.SQUARE_MILLIMETER, None, note),
        ]
    for k in imaged:
        at = Region(region.structure, region.side, f"slice {k + 1}")
        if drawn.cut[k]:
            results.append(row(at, "cross_section", "total", None, Unit.SQUARE_MILLIMETER, cut))
        else:
            results.append(row(at, "cross_section", "total", float(areas[k]), Unit.SQUARE_MILLIMETER, None))
    return results


def _contractile(region: Region, drawn: _Drawn, fat_fraction: ParametricMap) -> list[Measurement]:
    grid = fat_fraction.grid
    valid = drawn.mask & fat_fraction.valid[drawn.box]
    count, n_valid = drawn.count, int(np.count_nonzero(valid))
    missing: Missing | None = None
    if count == 0:
        missing = _empty(region)
    elif n_valid < FEWEST_FAT_COVERAGE * count:
        missing = Missing(
            "M_NO_VALID_VOXELS",
            f"Fat fraction is valid in {100 * n_valid / count:.0f} % of the {region.title}; "
            f"{100 * FEWEST_FAT_COVERAGE:.0f} % are needed.",
        )
    elif drawn.cut.any():
        missing = Missing("M_CUT_BY_FIELD_OF_VIEW", f"The {region.title} is cut by the edge of the image.")
    volume = area = None
    levels: list[Measurement] = []
    if missing is None:
        lean = np.where(valid, 1.0 - np.clip(fat_fraction.values[drawn.box], 0.0, 100.0) / 100.0, 0.0)
        scale = count / n_valid  # voxels without a fat fraction count as the others of the region
        volume = float(lean.sum(dtype=np.float64)) * scale * grid.voxel_volume_mm3 / 1000.0
        areas = drawn.by_slice(lean.sum(axis=drawn.within, dtype=np.float64)) * scale * pixel_area_mm2(grid)
        area = float(areas.max())
        levels = [
            Measurement(
                region=Region(region.structure, region.side, f"slice {k + 1}"),
                quantity="contractile_area",
                statistic="total",
                value=float(areas[k]),
                unit=Unit.SQUARE_MILLIMETER,
                method=METHOD,
                n_voxels=int(drawn.counts[k]),
                evidence=("contractile-area",),
            )
            for k in np.flatnonzero(drawn.counts)
        ]
    whole = [
        Measurement(region, quantity, statistic, value, unit, METHOD, missing, None, count, ("contractile-area",))
        for quantity, statistic, value, unit in (
            ("contractile_volume", "total", volume, Unit.MILLILITER),
            ("contractile_area", "max", area, Unit.SQUARE_MILLIMETER),
        )
    ]
    return [*whole, *levels]


def _ring_thickness(region: Region, fat: _Drawn, inside: NDArray[np.bool_]) -> Measurement:
    """Thickness of the ring of equal area around a disc of equal area, median over slices that hold both."""
    outer = fat.areas_mm2
    inner = np.count_nonzero(inside, axis=fat.within) * pixel_area_mm2(fat.grid)
    usable = (outer > 0) & (inner > 0)
    missing = None
    value = None
    if not usable.any():
        missing = _empty(region)
    elif fat.cut.any():
        missing = Missing("M_CUT_BY_FIELD_OF_VIEW", f"The {region.title} is cut by the edge of the image.")
    else:
        ring = np.sqrt((outer[usable] + inner[usable]) / np.pi) - np.sqrt(inner[usable] / np.pi)
        value = float(np.median(ring))
    return Measurement(
        region,
        "thickness",
        "median",
        value,
        Unit.MILLIMETER,
        METHOD,
        missing,
        None,
        fat.count,
        ("ring-thickness",),
    )
