"""Whether muscles lie where muscles of a thigh lie, and how large they are among themselves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

ORDER_TOLERANCE_MM = 3.0
"""Centers nearer than this along an axis say nothing of their order. [mm]"""
FEWEST_PARTNERS = 3
"""With fewer other muscles in a slice its order is not judged. Project rule."""
MOST_BROKEN = 0.34
"""Share of broken relations in a slice beyond which a muscle lies in a wrong place there. Project rule."""
LARGEST_WRONG_SHARE = 0.2
"""Share of a muscle's volume in slices with a wrong place or size beyond which it is withheld. Project rule."""
SHARE_MARGIN = 1.5
"""A muscle may exceed the largest share seen in the label maps by this factor. Project rule."""

_SA, _RF, _VL, _VI, _VM = (
    "sartorius",
    "rectus_femoris",
    "vastus_lateralis",
    "vastus_intermedius",
    "vastus_medialis",
)
_AM, _GR = "adductor_magnus", "gracilis"
_BFL, _BFS, _ST, _SM = (
    "biceps_femoris_long_head",
    "biceps_femoris_short_head",
    "semitendinosus",
    "semimembranosus",
)

MEDIAL_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        _SA: (_VL, _VI, _VM, _RF, _BFL, _BFS),
        _GR: (_VL, _VI, _RF, _AM, _ST, _SM, _BFL, _BFS),
        _AM: (_VL, _VI, _BFL, _BFS),
        _ST: (_VL, _BFL, _BFS),
        _SM: (_VL, _VI, _BFL, _BFS),
        _VM: (_VL, _VI, _BFL, _BFS),
        _VI: (_VL,),
        _RF: (_VL,),
    }
)
"""Whose center lies toward medial of whose; ledger `muscle-order`."""
ANTERIOR_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        _RF: (_VL, _VI, _VM, _AM, _GR, _BFL, _BFS, _ST, _SM),
        _VL: (_AM, _BFL, _BFS, _ST, _SM),
        _VI: (_AM, _BFL, _BFS, _ST, _SM),
        _VM: (_AM, _BFL, _BFS, _ST, _SM),
        _SA: (_GR, _BFL, _ST, _SM),
        _AM: (_BFL, _ST, _SM),
        _BFS: (_BFL,),
    }
)
"""Whose center lies toward anterior of whose; ledger `muscle-order`."""
LARGEST_SHARE: Mapping[str, float] = MappingProxyType(
    {
        _SA: 0.143,
        _RF: 0.257,
        _VL: 0.487,
        _VI: 0.260,
        _VM: 0.373,
        _AM: 0.370,
        _GR: 0.126,
        _BFL: 0.164,
        _ST: 0.158,
        _SM: 0.282,
        _BFS: 0.233,
    }
)
"""Largest share of the eleven muscles' area in a slice, 99.5th percentile; ledger `muscle-order`."""


def broken_order(centers_mm: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Share of broken relations of every muscle of a slice.

    Parameters
    ----------
    centers_mm : mapping of structure to (medial, anterior)
        [mm]

    Returns
    -------
    dict of structure to float
        Muscles with too few partners are left out.

    Examples
    --------
    >>> found = broken_order(
    ...     {"rectus_femoris": (0, 50), "vastus_lateralis": (-50, 0), "semitendinosus": (0, -60), "gracilis": (60, -20)}
    ... )
    >>> found["rectus_femoris"]
    0.0
    """
    kept = {name: [0, 0] for name in centers_mm}
    for relations, axis in ((MEDIAL_OF, 0), (ANTERIOR_OF, 1)):
        for first, others in relations.items():
            for second in others:
                if first not in centers_mm or second not in centers_mm:
                    continue
                wrong = centers_mm[first][axis] - centers_mm[second][axis] < -ORDER_TOLERANCE_MM
                for name in (first, second):
                    kept[name][0] += wrong
                    kept[name][1] += 1
    return {name: wrong / total for name, (wrong, total) in kept.items() if total >= FEWEST_PARTNERS}


def implausible(
    areas_mm2: NDArray[np.float64], centers_mm: NDArray[np.float64], names: tuple[str, ...]
) -> dict[str, str]:
    """Muscles that lie in a wrong place or are too large, each with the reason.

    Parameters
    ----------
    areas_mm2 : float array (n, muscles)
        Per slice.
    centers_mm : float array (n, muscles, 2)
        Toward medial and anterior; anything where the area is 0.
    names : tuple of str
        Of the muscles.
    """
    total = areas_mm2.sum(axis=1)
    misplaced = np.zeros(len(names))
    oversized = np.zeros(len(names))
    for i in range(len(areas_mm2)):
        present = [m for m in range(len(names)) if areas_mm2[i, m] > 0]
        order = broken_order({names[m]: (centers_mm[i, m, 0], centers_mm[i, m, 1]) for m in present})
        for m in present:
            if order.get(names[m], 0.0) > MOST_BROKEN:
                misplaced[m] += areas_mm2[i, m]
            limit = LARGEST_SHARE.get(names[m], 1.0)
            if len(present) >= FEWEST_PARTNERS and areas_mm2[i, m] > SHARE_MARGIN * limit * total[i]:
                oversized[m] += areas_mm2[i, m]
    reasons = {}
    for m, name in enumerate(names):
        volume = float(areas_mm2[:, m].sum())
        if volume <= 0:
            continue
        if misplaced[m] > LARGEST_WRONG_SHARE * volume:
            reasons[name] = f"{100 * misplaced[m] / volume:.0f} % of it lie on the wrong side of its neighbors"
        elif oversized[m] > LARGEST_WRONG_SHARE * volume:
            reasons[name] = f"{100 * oversized[m] / volume:.0f} % of it lie in slices where it is too large"
    return reasons
