"""Water-fat exchange by the scanner or the solver: found by anatomy, limb by limb and slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.geometry import Grid
from heliotrope.maps.fat_fraction.foreground import LimbSection, axial_axis, limb_cross_sections

RING_MM = (1.5, 8.0)
"""Depth below the skin within which fat is expected; the outermost pixels mix skin and air. [mm]"""

CORE_MM = 12.0
"""Depth beyond which muscle is expected. [mm]"""

RING_WATER_LIMIT = 0.5
"""A limb whose ring is more than this fraction water-like may be swapped. [1]"""

MARROW_CM2 = (0.4, 14.0)
"""Cross-section of a bone's marrow, phalanx to femoral metaphysis. [cm2]"""


@dataclass(frozen=True)
class SwapReport:
    """Outcome of the anatomical swap test.

    Parameters
    ----------
    swapped : bool array (x, y, z)
        Limb sections in which water and fat stand exchanged.
    n_sections, n_swapped, n_uncertain : int
        Limb cross-sections judged, exchanged, and not decidable.
    """

    swapped: NDArray[np.bool_]
    n_sections: int
    n_swapped: int
    n_uncertain: int

    def sentences(self) -> tuple[str, ...]:
        """What to tell the reader."""
        lines: list[str] = []
        if self.n_sections == 0:
            lines.append("no limb cross-section large enough for the swap test: exchange of water and fat not excluded")
        if self.n_swapped:
            lines.append(f"water and fat stood exchanged in {self.n_swapped} of {self.n_sections} limb cross-sections")
        if self.n_uncertain:
            lines.append(
                f"{self.n_uncertain} of {self.n_sections} limb cross-sections show no fat under the skin and no fatty "
                "marrow: exchange of water and fat not excluded there"
            )
        return tuple(lines)


def find_swaps(
    percent: NDArray[np.floating],
    mask: NDArray[np.bool_],
    grid: Grid,
    sections: Sequence[LimbSection] | None = None,
) -> SwapReport:
    """Judge each limb cross-section by its subcutaneous ring, core and marrow.

    Parameters
    ----------
    percent : array (x, y, z)
        Fat fraction. [%]
    mask : bool array (x, y, z)
        Tissue.
    grid : Grid
    sections : sequence of LimbSection or None
        From `limb_cross_sections` of the same mask, where several maps of it are judged.

    Returns
    -------
    SwapReport

    Notes
    -----
    Exchanged: most of the ring reads as water while the core reads as fat. A ring of water over a core of water is a
    lean limb when a fatty marrow disc is found in it, and undecidable otherwise.
    """
    swapped = np.zeros(mask.shape, dtype=bool)
    judged = np.zeros(mask.shape, dtype=bool)
    axis = axial_axis(grid)
    spacing = tuple(s for a, s in enumerate(grid.spacing_mm) if a != axis)
    pixel_cm2 = spacing[0] * spacing[1] / 100.0
    n_sections = n_swapped = n_uncertain = 0
    for index, section, depth in limb_cross_sections(mask, grid) if sections is None else sections:
        plane, tissue = percent[index], mask[index]
        ring = section & tissue & (depth >= RING_MM[0]) & (depth <= RING_MM[1])
        core = section & tissue & (depth > min(CORE_MM, 0.4 * float(depth.max())))
        if ring.sum() < 20 or core.sum() < 20:
            continue
        n_sections += 1
        judged[index] |= section
        ring_water = float(np.mean(plane[ring] < 50.0))
        core_median = float(np.median(plane[core]))
        if ring_water > RING_WATER_LIMIT and core_median > 50.0:
            swapped[index] |= section
            n_swapped += 1
        elif ring_water > 0.8 and not _has_fatty_marrow(plane, core, pixel_cm2):
            n_uncertain += 1
    _extend_to_fragments(swapped, judged, mask, axis)
    return SwapReport(swapped, n_sections, n_swapped, n_uncertain)


def _extend_to_fragments(
    swapped: NDArray[np.bool_], judged: NDArray[np.bool_], mask: NDArray[np.bool_], axis: int
) -> None:
    """Small tissue fragments beside a limb section share its verdict; changes `swapped`."""
    for number in range(mask.shape[axis]):
        index = tuple(number if a == axis else slice(None) for a in range(3))
        loose = mask[index] & ~judged[index]
        if not loose.any() or not swapped[index].any():
            continue
        nearest = ndimage.distance_transform_edt(~judged[index], return_distances=False, return_indices=True)
        rows, columns = np.asarray(nearest)
        plane = swapped[index]
        swapped[index] = plane | (loose & plane[rows, columns])


def _has_fatty_marrow(plane: NDArray[np.floating], core: NDArray[np.bool_], pixel_cm2: float) -> bool:
    labels, n_parts = ndimage.label(core & (plane > 60.0))
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None or n_parts == 0:
            continue
        part = labels[box] == number
        area = float(part.sum()) * pixel_cm2
        compact = part.sum() / max(part.size, 1)
        if MARROW_CM2[0] <= area <= MARROW_CM2[1] and compact > 0.6:
            return True
    return False
