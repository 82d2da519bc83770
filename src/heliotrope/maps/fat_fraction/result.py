"""What every fat-fraction method returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap
from heliotrope.domain.units import Unit

PLAUSIBLE_PERCENT = (-15.0, 115.0)
"""Fat fractions outside this range are no noise but a failed fit; the voxel is invalid. [%]"""


@dataclass(frozen=True, eq=False)
class FatFractionMaps:
    """A fat-fraction map and what came with it.

    Parameters
    ----------
    fat_fraction : ParametricMap
        [%]; estimates are not clipped, so noise around 0 % and 100 % averages out.
    water, fat : ParametricMap or None
        Signal at echo time 0. [arbitrary]
    field_map : ParametricMap or None
        [Hz]
    r2star : ParametricMap or None
        [1/s]
    sd : ParametricMap or None
        Cramer-Rao standard deviation of the fat fraction per voxel. [percentage points]
    actions : tuple of str
        What was detected and done to the input: phase units, exchanged limbs, corrections.
    quality : mapping of str to float
        Machine-readable figures of the fit.
    """

    fat_fraction: ParametricMap
    water: ParametricMap | None = None
    fat: ParametricMap | None = None
    field_map: ParametricMap | None = None
    r2star: ParametricMap | None = None
    sd: ParametricMap | None = None
    actions: tuple[str, ...] = ()
    quality: dict[str, float] = field(default_factory=dict)

    @property
    def maps(self) -> dict[str, ParametricMap]:
        """The maps that exist, by quantity key."""
        present = (self.fat_fraction, self.water, self.fat, self.field_map, self.r2star, self.sd)
        return {item.quantity: item for item in present if item is not None}


def companion_map(
    quantity: str,
    values: NDArray[np.generic],
    valid: NDArray[np.bool_],
    grid: Grid,
    unit: Unit,
    method: str,
    flags: tuple[str, ...] = (),
) -> ParametricMap:
    """A map that shares its mask with the fat fraction."""
    return ParametricMap(quantity, np.asarray(values, dtype=np.float32), valid, grid, unit, method, flags)


def count_invalid(**reasons: NDArray[np.bool_]) -> dict[str, int]:
    """Voxels by reason, each voxel counted under its first reason only."""
    counts: dict[str, int] = {}
    seen: NDArray[np.bool_] | None = None
    for name, where in reasons.items():
        fresh = where if seen is None else where & ~seen
        number = int(np.count_nonzero(fresh))
        if number:
            counts[name.replace("_", " ")] = number
        seen = where if seen is None else seen | where
    return counts
