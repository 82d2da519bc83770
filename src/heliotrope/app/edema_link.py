"""Calcification of a later CT where subcutaneous edema lay on an earlier MR: a place in common, never a cause."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heliotrope.app import codec
from heliotrope.app.calcium_followup import MASS, CalciumScan, read_calcium_scan
from heliotrope.app.timepoints import Timepoint
from heliotrope.domain.comparison import PositionMatch
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.lesions import EdemaLink
from heliotrope.domain.measurement import Missing
from heliotrope.domain.truth import Truth

AT_THE_SITE_MM = 10.0
"""Calcium within this of a place of edema lies at its site; the places are 20 mm cells. Project rule. [mm]"""

EVIDENCE = ("subcutis-then-calcinosis",)

_POPULATION = (
    "In one series five children with juvenile dermatomyositis and subcutaneous edema of the thigh had calcinosis at "
    "that site within 9 months; this is a place in common and says nothing of a cause."
)


def link_edema(
    first: Timepoint, second: Timepoint, matches: tuple[PositionMatch, ...] | Missing
) -> tuple[EdemaLink, ...]:
    """Hold the calcifications of a CT against the places of subcutaneous edema of an earlier MR.

    Parameters
    ----------
    first, second : Timepoint
        Earlier MR and later CT.
    matches : tuple of PositionMatch or Missing
        How limbs of the two lie to one another, from their labels.

    Returns
    -------
    tuple of EdemaLink
        One per side on which edema lay; empty where the first shows none or the second was not assessed on CT.
    """
    edema = [codec.finding_from_plain(row) for row in first.document["findings"] if row.get("places")]
    edema = [finding for finding in edema if finding.kind is FindingKind.SUBCUTIS and finding.present is Truth.TRUE]
    assessed = any(m.quantity == MASS and m.value is not None for m in second.measurements)
    if not edema or not assessed:
        return ()
    scan = read_calcium_scan(second)
    if scan is None:
        reason = "the CT was analyzed by a version that kept no labels of calcium"
        return tuple(_untold(one, second, reason) for one in edema)
    frames = {row.get("frame") for row in second.series_behind(MASS)}
    return tuple(_link(one, first, second, scan, frames, matches) for one in edema)


def _untold(edema: Finding, second: Timepoint, reason: str) -> EdemaLink:
    where = edema.regions[0].title if edema.regions else "subcutaneous fat"
    text = f"Whether calcification of {second.name} lies where edema of the {where} lay cannot be told: {reason}."
    return EdemaLink(None, text, EVIDENCE)


def _link(
    edema: Finding,
    first: Timepoint,
    second: Timepoint,
    scan: CalciumScan,
    frames: set[str | None],
    matches: tuple[PositionMatch, ...] | Missing,
) -> EdemaLink:
    side = edema.regions[0].side if edema.regions else None
    if edema.frame is not None and frames == {edema.frame}:
        move, how = np.eye(4), "both lie in one frame of reference"
    elif isinstance(matches, Missing):
        return _untold(edema, second, f"their frames of reference differ and {matches.reason.rstrip('.')}")
    else:
        match = next((m for m in matches if m.side is side), None)
        if match is None:
            return _untold(edema, second, "their frames of reference differ and this limb could not be matched")
        move, how = np.array(match.matrix), "the limb was matched by bone and outline"
    centers = np.array([place.position_mm for place in edema.places])
    radii = np.array([place.radius_mm for place in edema.places])
    moved = centers @ move[:3, :3].T + move[:3, 3]
    near = _near(moved, radii + AT_THE_SITE_MM, scan)
    covered = _covered(moved, scan)
    where = edema.regions[0].title if edema.regions else "subcutaneous fat"
    held = [numbers for numbers in near if numbers]
    components = sorted({n for numbers in held for n in numbers})
    details: dict[str, str | float | None] = {
        "places": float(len(near)),
        "places_in_the_ct": float(covered.sum()),
        "places_with_calcification": float(len(held)),
        "components": " ".join(str(n) for n in components),
        "mass_mg": sum(scan.lesions[n].mass_mg for n in components if n in scan.lesions),
        "within_mm": AT_THE_SITE_MM,
    }
    if not covered.any():
        return _untold(edema, second, "the CT does not hold that part of the limb")
    seen = (
        f"{int(covered.sum())} of {len(near)} places of edema of the {where} at {first.name} lie in the CT of "
        f"{second.name}"
    )
    if held:
        text = (
            f"{seen}, and {len(held)} of them have calcification at the site (within {AT_THE_SITE_MM:.0f} mm; {how}), "
            f"{details['mass_mg']:.0f} mg in {len(components)} calcifications. {_POPULATION}"
        )
        return EdemaLink(True, text, EVIDENCE, details)
    text = f"{seen}; none has calcification at the site (within {AT_THE_SITE_MM:.0f} mm; {how})."
    return EdemaLink(False, text, EVIDENCE, details)


def _near(centers: NDArray[np.float64], reach: NDArray[np.float64], scan: CalciumScan) -> list[set[int]]:
    """Components that come within reach of each place."""
    index = np.argwhere(scan.numbers > 0)
    owner = scan.numbers[scan.numbers > 0]
    points = scan.grid.positions_mm(index)
    return [
        {int(n) for n in np.unique(owner[np.linalg.norm(points - center, axis=1) <= limit])}
        for center, limit in zip(centers, reach, strict=True)
    ]


def _covered(centers: NDArray[np.float64], scan: CalciumScan) -> NDArray[np.bool_]:
    """Places that lie within the image of the CT."""
    index = scan.grid.indices(centers)
    return np.asarray(((index >= 0) & (index <= np.array(scan.grid.shape) - 1)).all(axis=1))
