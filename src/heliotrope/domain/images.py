"""Images in memory: signal volumes, parametric maps and label maps, each on a `Grid`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region
from heliotrope.domain.errors import GeometryError, InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.units import Unit

BLOCK_VOXELS = 131_072
"""Voxels of one block of `Volume.blocks`. [1]"""


CARRIED = ", carried"
"""Ends `LabelMap.source` of labels that registration took from another image."""


def is_carried(source: str) -> bool:
    """Whether labels were taken from another image rather than drawn on this one."""
    return source.endswith(CARRIED)


def _read_only(array: NDArray[np.generic]) -> NDArray[np.generic]:
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class Volume:
    """A signal image.

    Parameters
    ----------
    data : array of shape (x, y, z) or (x, y, z, n)
        Real or complex signal after rescale; n runs over echoes, b-values or time points.
    grid : Grid
        Geometry of the first three axes.
    unit : Unit
        ``[arb'U]`` for MR signal, ``[hnsf'U]`` for CT.
    """

    data: NDArray[np.generic]
    grid: Grid
    unit: Unit = Unit.ARBITRARY

    def __post_init__(self) -> None:
        if self.data.ndim not in (3, 4) or self.data.shape[:3] != self.grid.shape:
            raise GeometryError(
                f"volume of shape {self.data.shape} on a grid of shape {self.grid.shape}",
                hint="give data whose first three axes are the grid's",
            )
        object.__setattr__(self, "data", _read_only(self.data))

    @property
    def n_frames(self) -> int:
        """Length of the fourth axis, 1 for a 3-D volume."""
        return 1 if self.data.ndim == 3 else int(self.data.shape[3])

    def frame(self, index: int) -> Volume:
        """The 3-D volume of one echo, b-value or time point."""
        return self if self.data.ndim == 3 else Volume(self.data[..., index], self.grid, self.unit)

    def part(self, box: tuple[slice, slice, slice]) -> Volume:
        """The image in a box of voxels, without a copy."""
        return Volume(self.data[box], self.grid.part(box), self.unit)

    def blocks(self, keep: NDArray[np.bool_] | None = None) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Voxels block by block, so that work on a long stack needs the memory of one block.

        Parameters
        ----------
        keep : bool array (n_frames,) or None
            Frames wanted; all when None.

        Yields
        ------
        place : slice
            Of the voxels in C order.
        signal : float32 array (n_voxels of the block, n_frames kept)
        """
        x, y, z = self.grid.shape
        rows = max(1, BLOCK_VOXELS // (y * z))
        for first in range(0, x, rows):
            last = min(first + rows, x)
            part = self.data[first:last].reshape(last - first, y, z, -1)
            chosen = part if keep is None else part[..., keep]
            signal = np.ascontiguousarray(chosen, dtype=np.float32).reshape((last - first) * y * z, -1)
            yield slice(first * y * z, last * y * z), signal


@dataclass(frozen=True, eq=False)
class ParametricMap:
    """A map of one quantity.

    Parameters
    ----------
    quantity : str
        Registry key, e.g. ``"water_t2"``.
    values : float32 array (x, y, z)
        NaN wherever `valid` is False. [`unit`]
    valid : bool array (x, y, z)
        Where the value may be used.
    grid : Grid
    unit : Unit
    method : str
        Name and version of the method, e.g. ``"epg-joint/1"``.
    flags : tuple of str
        Sentences that must stand beside every number taken from this map.
    invalid_reasons : mapping of str to int
        Voxels left out, counted by reason.
    """

    quantity: str
    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    grid: Grid
    unit: Unit
    method: str
    flags: tuple[str, ...] = ()
    invalid_reasons: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.values.shape != self.grid.shape or self.valid.shape != self.grid.shape:
            raise GeometryError(
                f"{self.quantity} map: values {self.values.shape}, valid {self.valid.shape}, grid {self.grid.shape}",
                hint="all three must have one shape",
            )
        if not self._is_clean():
            given = self.values.astype(np.float32, copy=False)
            valid = self.valid & np.isfinite(given)
            object.__setattr__(self, "values", _read_only(np.where(valid, given, np.float32(np.nan))))
            object.__setattr__(self, "valid", _read_only(valid))
        object.__setattr__(self, "invalid_reasons", MappingProxyType(dict(self.invalid_reasons)))

    def _is_clean(self) -> bool:
        """Whether both arrays may be kept as they are: nobody can write to them, and NaN lies just where it must."""
        if self.values.flags.writeable or self.valid.flags.writeable or self.values.dtype != np.float32:
            return False
        return bool(
            all(
                (np.isfinite(values) == valid).all() and (np.isnan(values) != valid).all()
                for values, valid in zip(self.values, self.valid, strict=True)
            )
        )


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label image; 0 is background, every other number has a `Region` in the legend.

    Parameters
    ----------
    labels : uint16 array (x, y, z)
    grid : Grid
    legend : mapping of int to Region
        Must name every number that occurs in `labels`.
    source : str
        Engine and version, or ``"person"`` for hand-drawn or corrected labels; ends in `CARRIED` where registration
        took them from another image.
    confidence : mapping of int to float
        Per label, 0 to 1, where the engine states one.
    notes : tuple of str
        Sentences for the report, e.g. what was refused and why.
    """

    labels: NDArray[np.uint16]
    grid: Grid
    legend: Mapping[int, Region]
    source: str
    confidence: Mapping[int, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.labels.shape != self.grid.shape:
            raise GeometryError(
                f"labels of shape {self.labels.shape} on a grid of shape {self.grid.shape}",
                hint="draw the labels on this image's grid",
            )
        if self.labels.dtype != np.uint16:
            low, high = (int(self.labels.min()), int(self.labels.max())) if self.labels.size else (0, 0)
            if low < 0 or high > np.iinfo(np.uint16).max:
                raise InputError(f"label numbers {low}..{high}: 0..65535 needed", hint="renumber the labels")
            object.__setattr__(self, "labels", self.labels.astype(np.uint16))
        present = {int(n) for sheet in self.labels for n in np.flatnonzero(np.bincount(sheet.ravel()))} - {0}
        unknown = sorted(present - set(self.legend))
        if unknown:
            raise InputError(
                f"labels without a name in the legend: {unknown[:8]}",
                hint="name every number in the legend",
                code="E_LABEL",
            )
        object.__setattr__(self, "labels", _read_only(self.labels))
        object.__setattr__(self, "legend", MappingProxyType(dict(self.legend)))
        object.__setattr__(self, "confidence", MappingProxyType(dict(self.confidence)))

    def mask(self, *regions: Region) -> NDArray[np.bool_]:
        """Bool array: where the label is one of `regions`."""
        numbers = [n for n, region in self.legend.items() if region in regions]
        return np.isin(self.labels, numbers)

    def mask_where(self, *, structure: str | None = None, side: str | None = None) -> NDArray[np.bool_]:
        """Bool array of every label of a structure and/or side."""
        numbers = [
            n
            for n, region in self.legend.items()
            if (structure is None or region.structure == structure) and (side is None or region.side == side)
        ]
        return np.isin(self.labels, numbers)
