"""Calcium by plane, shape, region and side at two visits: what only one visit lists is 0 at the other, or untold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from heliotrope.app.calcium_followup import MASS, is_single_calcification
from heliotrope.domain.anatomy import TissuePlane
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.segment.calcium.places import LIMB, TRUNK_OR_PELVIS

STRUCTURE = "calcification"
_COARSE_PLANES = frozenset({TissuePlane.SUPERFICIAL.value, TissuePlane.DEEP.value})
_UNNAMED_REGIONS = frozenset({LIMB, TRUNK_OR_PELVIS})


def with_absent_groups(
    rows: Sequence[Measurement], other: Sequence[Measurement], limb_counts: tuple[int, int] | None
) -> list[Measurement]:
    """The rows of one visit, completed by the groups of calcium that only the other visit lists.

    Parameters
    ----------
    rows, other : sequence of Measurement
        Of two visits.
    limb_counts : tuple of 2 ints or None
        Limbs that each CT shows; None where that could not be told.

    Returns
    -------
    list of Measurement
        A missing group is 0 where calcium was looked for in the same way, and missing with the reason where groups
        of the two visits are not alike. Unchanged unless both visits looked for calcium on CT.
    """
    if not (_looked_for(rows) and _looked_for(other)):
        return list(rows)
    held = {(row.region, row.quantity, row.statistic) for row in rows}
    out = list(rows)
    for row in other:
        if _is_group(row) and (row.region, row.quantity, row.statistic) not in held:
            reason = _not_alike(row, rows, limb_counts)
            missing = Missing("M_OTHER_GROUPS", reason) if reason else None
            value = None if reason else 0.0
            out.append(replace(row, value=value, ci95=None, missing=missing, n_voxels=0, notes=()))
    return out


def _looked_for(rows: Sequence[Measurement]) -> bool:
    return any(row.quantity == MASS and row.region.structure == "all" and row.value is not None for row in rows)


def _is_group(row: Measurement) -> bool:
    kind = (row.region.level or "").partition(" ")[0]
    mine = row.region.structure == STRUCTURE and not is_single_calcification(row)
    return mine and kind in ("", "plane", "shape", "region")


def _names(rows: Sequence[Measurement], kind: str) -> set[str]:
    found = (row.region.level or "" for row in rows if row.region.structure == STRUCTURE)
    return {level.removeprefix(f"{kind} ") for level in found if level.startswith(f"{kind} ")}


def _not_alike(row: Measurement, rows: Sequence[Measurement], limb_counts: tuple[int, int] | None) -> str:
    """Why the absence of a group from these rows is not 0; empty when it is."""
    if limb_counts is None or limb_counts[0] != limb_counts[1]:
        return "that limb may not be in this scan: the two do not show the same number of limbs"
    kind, _, name = (row.region.level or "").partition(" ")
    if kind == "plane" and _of_another_kind(name, _names(rows, "plane"), _COARSE_PLANES):
        return "tissue planes were told apart in other detail"
    if kind == "region" and _of_another_kind(name, _names(rows, "region"), _UNNAMED_REGIONS):
        return "body regions were named by other labels"
    return ""


def _of_another_kind(name: str, names: set[str], kind: frozenset[str]) -> bool:
    """Whether a name and the names of the other visit lie on different sides of a kind."""
    return any((other in kind) != (name in kind) for other in names)
