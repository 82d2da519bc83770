"""Two or more timepoints of one patient side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from heliotrope.domain.anatomy import Side
from heliotrope.domain.change import Change
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.lesions import CalcinosisFollowUp
from heliotrope.domain.measurement import Measurement, Missing


@dataclass(frozen=True)
class ComparedTimepoint:
    """One timepoint as it is shown: its name and its numbers.

    Parameters
    ----------
    day : int or None
        Days since the first visit; None where unknown or hidden. [d]
    """

    name: str
    measurements: tuple[Measurement, ...]
    day: int | None = None


@dataclass(frozen=True)
class PositionMatch:
    """Where a limb of the baseline lies at another timepoint.

    Parameters
    ----------
    side : Side or None
        None where labels name no side.
    matrix : 4x4 nested tuple of floats
        LPS positions of the baseline to those of the other timepoint; rigid. [mm]
    surface_p95_mm : float
        95th percentile of the distance between outlines of bone and limb after the move. [mm]
    """

    side: Side | None
    matrix: tuple[tuple[float, ...], ...]
    surface_p95_mm: float


@dataclass(frozen=True, eq=False)
class ComparedImages:
    """What is drawn of a timepoint.

    Parameters
    ----------
    gray : Volume or None
        Image the labels were drawn on.
    labels : LabelMap
    maps : mapping of quantity to ParametricMap
    """

    gray: Volume | None
    labels: LabelMap
    maps: Mapping[str, ParametricMap]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What changed between timepoints.

    Parameters
    ----------
    timepoints : tuple of ComparedTimepoint
        The first is the baseline.
    changes : mapping of str to tuple of Change
        Per follow-up name, each against the baseline.
    blinded : bool
        True when the order in time is hidden.
    images : mapping of str to ComparedImages
        By timepoint; those whose folder holds labels.
    matches : mapping of str to tuple of PositionMatch, or Missing
        Per follow-up: each limb that was matched with the baseline, or why none could be.
    titles : mapping of str to str
        Title of every quantity.
    calcifications : mapping of str to CalcinosisFollowUp
        Per follow-up name, where a CT of both visits was assessed for calcium.
    """

    timepoints: tuple[ComparedTimepoint, ...]
    changes: Mapping[str, tuple[Change, ...]]
    notes: tuple[str, ...] = ()
    blinded: bool = False
    synthetic: bool = False
    images: Mapping[str, ComparedImages] = field(default_factory=dict)
    matches: Mapping[str, tuple[PositionMatch, ...] | Missing] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    calcifications: Mapping[str, CalcinosisFollowUp] = field(default_factory=dict)
