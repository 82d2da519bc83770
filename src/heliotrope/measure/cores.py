"""Regions without their margins, in the boxes around them: found once for every map on one grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.measure.regions import NOWHERE, Box, RegionIndex, index_regions
from heliotrope.segment.transfer import without_margin

MARGIN_MM = 1.5
"""Margin taken off a region before its map is read; at least one pixel (spec C12). [mm]"""


def margin_mm(grid: Grid) -> float:
    """One pixel or `MARGIN_MM`, whichever is more. [mm]"""
    return max(MARGIN_MM, sorted(grid.spacing_mm)[1]) * (1.0 + 1e-6)


@dataclass(frozen=True, eq=False)
class Core:
    """A region without its margin.

    Parameters
    ----------
    box : tuple of 3 slices
        Part of the grid that holds the region, one voxel more on every side.
    mask : bool array of the shape of the box
        Voxels farther from the outside than the margin, within their slice.
    n_drawn : int
        Voxels of the region, its margin included.
    """

    box: Box
    mask: NDArray[np.bool_]
    n_drawn: int

    @property
    def n_voxels(self) -> int:
        """Voxels that the margin left."""
        return int(np.count_nonzero(self.mask))

    @property
    def fraction_lost(self) -> float:
        """Share of the voxels that the margin took, 0 to 1; 1 for an empty region."""
        return 1.0 - self.n_voxels / self.n_drawn if self.n_drawn else 1.0

    @property
    def corner(self) -> tuple[int, int, int]:
        """Voxel of the grid at which the box begins."""
        return (self.box[0].start, self.box[1].start, self.box[2].start)


@dataclass(frozen=True, eq=False)
class Cores:
    """The regions of a label map without their margins."""

    index: RegionIndex
    _found: dict[Region, Core] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(labels: LabelMap) -> Cores:
        """Of every region of a label map and of what they add up to; each is eroded when it is first asked for."""
        return Cores(index_regions(labels))

    @property
    def grid(self) -> Grid:
        """Grid of the labels."""
        return self.index.labels.grid

    def core(self, region: Region) -> Core:
        """One region; empty where it is not drawn."""
        if region not in self._found:
            self._found[region] = self._eroded(region)
        return self._found[region]

    def _eroded(self, region: Region) -> Core:
        box = self.index.box(region, 1) if region in self.index.members else None
        if box is None:
            return Core(NOWHERE, np.zeros((0, 0, 0), dtype=bool), 0)
        drawn = self.index.mask_in(box, region)
        return Core(box, without_margin(drawn, self.grid, margin_mm(self.grid)), int(np.count_nonzero(drawn)))
