"""A long stack in slabs: working memory stays that of one slab, and the field runs on from slab to slab."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SLAB_VOXELS = 600_000
"""In-mask voxels solved at once at most: a thigh of 24 slices is one slab. [1]"""

OVERLAP_SLICES = 2
"""Slices of the slab before, whose field is known, that a slab starts with. [1]"""


@dataclass(frozen=True)
class Slab:
    """Slices solved together.

    Parameters
    ----------
    axis : int
        Array axis that the slices lie along.
    start, own, stop : int
        First slice solved, first slice that the slab contributes, slice after the last.
    """

    axis: int
    start: int
    own: int
    stop: int

    @property
    def index(self) -> tuple[slice, ...]:
        """Selects the slab from a volume."""
        return self._along(self.start, self.stop)

    @property
    def own_index(self) -> tuple[slice, ...]:
        """Selects what it contributes from a volume."""
        return self._along(self.own, self.stop)

    @property
    def own_part(self) -> tuple[slice, ...]:
        """Selects what it contributes from the slab."""
        return self._along(self.own - self.start, self.stop - self.start)

    def _along(self, first: int, last: int) -> tuple[slice, ...]:
        return tuple(slice(first, last) if a == self.axis else slice(None) for a in range(3))


def slabs_of(mask: NDArray[np.bool_], axis: int, largest: int) -> tuple[Slab, ...]:
    """Cut a mask along an axis into slabs of about equal numbers of voxels, none beyond `largest` where slices permit.

    Examples
    --------
    >>> mask = np.ones((10, 10, 8), dtype=bool)
    >>> [(slab.start, slab.own, slab.stop) for slab in slabs_of(mask, 2, 300)]
    [(0, 0, 2), (0, 2, 5), (3, 5, 8)]
    """
    counts = mask.sum(axis=tuple(a for a in range(3) if a != axis))
    n_slabs = int(np.ceil(counts.sum() / largest))
    if n_slabs <= 1:
        return (Slab(axis, 0, 0, mask.shape[axis]),)
    share = np.minimum(np.cumsum(counts) * n_slabs // max(int(counts.sum()), 1), n_slabs - 1)
    cuts = [0, *(int(n) for n in np.flatnonzero(np.diff(share)) + 1), mask.shape[axis]]
    return tuple(Slab(axis, max(0, first - OVERLAP_SLICES), first, last) for first, last in itertools.pairwise(cuts))


def pilot_of(mask: NDArray[np.bool_], axis: int, largest: int) -> tuple[slice, ...]:
    """Every n-th slice of a stack, so that the rest stands for it with at most `largest` voxels."""
    step = max(1, int(np.ceil(mask.sum() / largest)))
    return tuple(slice(None, None, step) if a == axis else slice(None) for a in range(3))
