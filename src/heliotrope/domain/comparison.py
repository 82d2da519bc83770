"""Two or more timepoints of one patient side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from heliotrope.domain.change import Change
from heliotrope.domain.measurement import Measurement


@dataclass(frozen=True)
class ComparedTimepoint:
    """One timepoint as it is shown: its name and its numbers."""

    name: str
    measurements: tuple[Measurement, ...]


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
    """

    timepoints: tuple[ComparedTimepoint, ...]
    changes: Mapping[str, tuple[Change, ...]]
    notes: tuple[str, ...] = ()
    blinded: bool = False
    synthetic: bool = False
