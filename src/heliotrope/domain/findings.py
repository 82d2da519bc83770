"""Statements drawn from measurements, with their evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from heliotrope.domain.anatomy import Region
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth


class FindingKind(StrEnum):
    """What a finding speaks of; also the order of the report."""

    QUALITY = "quality"
    EDEMA = "edema"
    FAT = "fat"
    ATROPHY = "atrophy"
    SYMMETRY = "symmetry"
    DISTRIBUTION = "distribution"
    WHOLE_BODY = "whole_body"
    FASCIA = "fascia"
    SUBCUTIS = "subcutis"
    SKIN = "skin"
    CALCINOSIS = "calcinosis"
    BIOPSY_SITE = "biopsy_site"
    SCORE = "score"
    CHANGE = "change"
    DIFFERENTIAL = "differential"


@dataclass(frozen=True)
class Place:
    """Where part of a finding lies.

    Parameters
    ----------
    position_mm : tuple of 3 floats
        LPS center, in the frame of reference of the finding. [mm]
    radius_mm : float
        All of this part lies within this distance of the center. [mm]
    volume_mm3 : float
        [mm3]
    """

    position_mm: tuple[float, float, float]
    radius_mm: float
    volume_mm3: float


@dataclass(frozen=True)
class Finding:
    """A statement a reader could sign after editing.

    Parameters
    ----------
    kind : FindingKind
    present : Truth
        UNKNOWN means not assessable; the statement then says why.
    statement : str
        One or two plain sentences.
    regions : tuple of Region
    measurements : tuple of Measurement
        The numbers it rests on.
    limits : tuple of str
        What the statement is not, and borrowed or default limits named as such.
    evidence : tuple of str
        Keys of the evidence ledger.
    details : mapping of str to str, float or None
        Machine-readable parts, e.g. pattern class or score items.
    places : tuple of Place
        Where it lies, part by part, for findings that later images are held against; empty for others.
    frame : str or None
        `Grid.frame_key` of `places`; positions of equal keys may be compared without registration.
    """

    kind: FindingKind
    present: Truth
    statement: str
    regions: tuple[Region, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    limits: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    details: dict[str, str | float | None] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    frame: str | None = None
