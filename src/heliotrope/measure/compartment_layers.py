"""Which muscle compartment the signal of fascia and subcutis lies over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.images import LabelMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.domain.whole_body import INVENTORY, inventory_compartment
from heliotrope.measure.layers import (
    FASCIA_EXCESS,
    FasciaSignal,
    SubcutisSignal,
    fascia_interval,
    subcutis_interval,
)
from heliotrope.measure.morphometry import slice_axis

METHOD = "nearest-compartment/1"

FEWEST_SAMPLES = 100
"""Points of fascia, or voxels of subcutis, over a compartment that are needed for its share."""

LARGEST_DISTANCE_MM = 60.0
"""A layer further from any compartment of its slice belongs to none. [mm]"""

SECOND_LIMB = 0.1
"""Size of a second body part of a side, over the first, from which a slice shows more than one limb. [1]"""


def measure_compartment_layers(
    side: Side,
    fascia: FasciaSignal | None,
    subcutis: SubcutisSignal | None,
    labels: LabelMap,
    *,
    generator: np.random.Generator,
    drawn_whole: NDArray[np.bool_] | None = None,
) -> tuple[Measurement, ...]:
    """Perifascial and subcutaneous signal over every labeled compartment of a side.

    Each sample belongs to the compartment nearest to it within its slice. Fascia is read only where a side shows one
    limb: beside a trunk the rays that follow it cross the arm.

    Parameters
    ----------
    side : Side
    fascia, subcutis : as sampled on the grid of `labels`, or None
    labels : LabelMap
    drawn_whole : bool array (slices) or None
        Slices in which all muscle is labeled: elsewhere the nearest label says nothing. None where all are.
    """
    nearest, single = _nearest(side, labels)
    drawn = [n for n, row in enumerate(INVENTORY, start=1) if (nearest == n).any()]
    if not drawn:
        return ()
    if drawn_whole is not None:
        np.moveaxis(nearest, slice_axis(labels.grid), 0)[~drawn_whole] = 0
    fascia_of = np.zeros(0, dtype=np.intp)
    high = seen = np.zeros(0, dtype=bool)
    if fascia is not None:
        index = np.round(labels.grid.indices(fascia.points_mm)).astype(np.intp)
        index = np.clip(index, 0, np.array(labels.grid.shape) - 1)
        fascia_of = nearest[tuple(np.moveaxis(index, -1, 0))]
        seen = np.isfinite(fascia.excess) & single[index[..., slice_axis(labels.grid)]]
        high = seen & (np.nan_to_num(fascia.excess) > FASCIA_EXCESS)
    rows = []
    for number in drawn:
        region = Region(INVENTORY[number - 1].structure, side)
        over = fascia_of == number if fascia is not None else seen
        along = None if fascia is None else fascia_interval(fascia, seen & over, generator)
        rows.append(_row(region, "fascia_extent", int((high & over).sum()), int((seen & over).sum()), along))
        judged = np.zeros(labels.grid.shape, dtype=bool) if subcutis is None else subcutis.judged & (nearest == number)
        bright = 0 if subcutis is None else int(np.count_nonzero(subcutis.edema & judged))
        within = None if subcutis is None else subcutis_interval(subcutis, judged, labels.grid, generator)
        rows.append(_row(region, "subcutis_extent", bright, int(np.count_nonzero(judged)), within))
    return tuple(rows)


def _row(region: Region, quantity: str, n_high: int, n_seen: int, ci95: tuple[float, float] | None) -> Measurement:
    missing = None
    if n_seen < FEWEST_SAMPLES:
        missing = Missing("M_NOT_ASSESSABLE", f"Too little of this layer can be judged over the {region.title}.")
    value = None if missing else 100.0 * n_high / n_seen
    return Measurement(
        region,
        quantity,
        "fraction",
        value,
        Unit.PERCENT,
        METHOD,
        missing,
        None if missing else ci95,
        n_seen,
        ("fascia-rule",),
    )


def _nearest(side: Side, labels: LabelMap) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Number in the inventory (from 1) of the compartment nearest to each voxel, 0 for none; and slices of one limb."""
    table = np.zeros(int(labels.labels.max(initial=0)) + 1, dtype=np.intp)
    names = [row.structure for row in INVENTORY]
    own = np.zeros(table.size, dtype=bool)
    for number, region in labels.legend.items():
        if number < table.size and region.side is side:
            name = inventory_compartment(region.structure)
            table[number] = 0 if name is None else names.index(name) + 1
            own[number] = True
    compartments = table[labels.labels]
    axis = slice_axis(labels.grid)
    spacing = [size for a, size in enumerate(labels.grid.spacing_mm) if a != axis]
    nearest = np.zeros_like(compartments)
    single = np.zeros(labels.grid.shape[axis], dtype=bool)
    for k in range(labels.grid.shape[axis]):
        plane = np.take(compartments, k, axis=axis)
        if not plane.any():
            continue
        distance, (i, j) = ndimage.distance_transform_edt(plane == 0, sampling=spacing, return_indices=True)
        index: list[slice | int] = [slice(None)] * 3
        index[axis] = k
        nearest[tuple(index)] = np.where(distance <= LARGEST_DISTANCE_MM, plane[i, j], 0)
        parts, n = ndimage.label(own[np.take(labels.labels, k, axis=axis)])
        sizes = np.sort(np.bincount(parts.ravel())[1:])[::-1] if n else np.zeros(0)
        single[k] = n == 1 or (n > 1 and sizes[1] < SECOND_LIMB * sizes[0])
    return nearest, single
