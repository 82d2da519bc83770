"""The whole-body phantom by name: five stations from ankle to neck, with the truth of gains, shifts and edema."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from heliotrope.app.phantom_bundle import PhantomBundle, PhantomEntry
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.whole_body import INVENTORY, inventory_compartment
from heliotrope.phantoms.study import SYNTHETIC_NOTE
from heliotrope.phantoms.whole_body import SLOPED, WholeBodyPhantom, WholeBodyScene, build_whole_body, muscle_regions

NAME = "whole-body-stations"
TITLE = (
    "A coarse whole body from ankle to neck in five overlapping stations with unequal gains, small movements and coil "
    "roll-off; edema of hip, thigh, shoulder, arm, and one forearm and one calf."
)


def whole_body_bundle(seed: int) -> PhantomBundle:
    """The phantom of a seed with its truth in JSON."""
    return bundle_of_body(build_whole_body(seed), seed)


def bundle_of_body(phantom: WholeBodyPhantom, seed: int) -> PhantomBundle:
    """A whole body, scanned by any protocol, with its truth in JSON."""
    return PhantomBundle(
        name=NAME,
        seed=seed,
        subject=f"{NAME}-{seed}",
        note=f"{SYNTHETIC_NOTE} {TITLE}",
        series=phantom.series,
        label_maps={"labels": phantom.labels},
        maps={"edema_fraction": phantom.edema},
        truth=_truth(phantom),
    )


def _truth(phantom: WholeBodyPhantom) -> dict[str, Any]:
    protocol = phantom.protocol
    slices = int(phantom.labels.mask(Region(SLOPED, Side.LEFT)).any(axis=(0, 1)).sum())
    low, high = WholeBodyScene().slope
    return {
        "stations": [
            {
                "station": k + 1,
                "stir_gain": protocol.stir_gains[k],
                "dixon_gain": protocol.dixon_gains[k],
                "shift_mm": [protocol.pixel_mm * n for n in protocol.shifts_px[k]],
            }
            for k in range(protocol.n_stations)
        ],
        "overlap_mm": protocol.n_shared * protocol.slice_mm,
        "stir_ratio": phantom.stir_ratio,
        "edema_ratio": round(phantom.edema_ratio, 4),
        "edema_slope_percent_per_cm": {SLOPED: round(1000.0 * (high - low) / ((slices - 1) * protocol.slice_mm), 4)},
        "compartments": compartment_truth(phantom),
    }


def compartment_truth(phantom: WholeBodyPhantom) -> list[dict[str, Any]]:
    """Volume and edema of every compartment of the inventory that the phantom holds."""
    cell_ml = phantom.labels.grid.voxel_volume_mm3 / 1000.0
    rows = []
    for item in INVENTORY:
        for side in Side:
            members = [
                region
                for region in muscle_regions(phantom.labels)
                if region.side is side and inventory_compartment(region.structure) == item.structure
            ]
            if members:
                volume = cell_ml * float(np.count_nonzero(phantom.labels.mask(*members)))
                rows.append(
                    {
                        "structure": item.structure,
                        "side": side.value,
                        "volume_ml": round(volume, 3),
                        "edema_percent": round(phantom.fraction_percent(*members), 3),
                    }
                )
    return rows


WHOLE_BODY_PHANTOMS: Mapping[str, PhantomEntry] = MappingProxyType({NAME: PhantomEntry(TITLE, whole_body_bundle)})
"""Whole-body phantoms by name."""
