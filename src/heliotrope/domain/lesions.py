"""Calcifications of two scans of one patient: which became which, how they were laid over one another, and links."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.domain.change import ChangeVerdict
from heliotrope.domain.geometry import Grid


class LesionCourse(StrEnum):
    """What became of a calcification; from images alone, never progression or response."""

    NEW = "new"
    RESOLVED = "resolved"
    GROWN = "grown"
    SHRUNK = "shrunk"
    MERGED = "merged"
    SPLIT = "split"
    UNCHANGED = "within measurement error"
    TOO_SMALL = "too small to trend"
    OUTSIDE = "not in both scans"
    NOT_COMPARED = "mass not comparable"


@dataclass(frozen=True)
class Lesion:
    """A calcification of one scan, as its result states it.

    Parameters
    ----------
    number : int
        Of its component.
    description : str
        Tissue plane and shape, e.g. ``"fascial sheet"``.
    mass_mg : float
        Hydroxyapatite equivalent. [mg]
    mass_ci95_mg : tuple of 2 floats or None
        [mg]
    volume_mm3 : float
        Corrected for partial volume. [mm3]
    """

    number: int
    description: str
    mass_mg: float
    mass_ci95_mg: tuple[float, float] | None
    volume_mm3: float


@dataclass(frozen=True)
class LesionChange:
    """One calcification, or those that merged or came apart, at both visits.

    Parameters
    ----------
    before, after : tuple of Lesion
        At baseline and follow-up; empty where there was none.
    course : LesionCourse
    verdict : ChangeVerdict
        Of the mass, also for what merged or came apart.
    difference_mg : float or None
        Follow-up minus baseline; None where only one visit speaks. [mg]
    ci95_mg : tuple of 2 floats or None
        Of the difference, without the error both scans share. [mg]
    error_limit_mg : float or None
        Repeatability coefficient applied. [mg]
    position_mm : tuple of 3 floats
        Center in the baseline's space, LPS. [mm]
    reason : str
        Why it is not compared; empty otherwise.
    """

    before: tuple[Lesion, ...]
    after: tuple[Lesion, ...]
    course: LesionCourse
    verdict: ChangeVerdict
    difference_mg: float | None
    ci95_mg: tuple[float, float] | None
    error_limit_mg: float | None
    position_mm: tuple[float, float, float]
    reason: str = ""

    @property
    def mass_before_mg(self) -> float:
        """Sum at baseline. [mg]"""
        return sum(lesion.mass_mg for lesion in self.before)

    @property
    def mass_after_mg(self) -> float:
        """Sum at follow-up. [mg]"""
        return sum(lesion.mass_mg for lesion in self.after)


@dataclass(frozen=True)
class Alignment:
    """How one limb of the follow-up was laid over the baseline.

    Parameters
    ----------
    matrix : 4x4 nested tuple of floats
        LPS position at baseline to LPS position at follow-up, rigid. [mm]
    bone_p95_mm, skin_p95_mm : float
        95th percentile of the distance between the surfaces of bone and of skin. [mm]
    common_mm : float
        Length of limb that lies in both scans. [mm]
    slide_from_bone : bool
        False where the bone in view is a plain shaft, so that the place along it comes from the skin.
    swelling_mm : float or None
        On a plain shaft: how much further out the skin lies at follow-up. [mm]
    slide_mm : float or None
        On a plain shaft: half of the 95 % interval of the place along it. [mm]
    """

    matrix: tuple[tuple[float, ...], ...]
    bone_p95_mm: float
    skin_p95_mm: float
    common_mm: float
    slide_from_bone: bool
    swelling_mm: float | None = None
    slide_mm: float | None = None


@dataclass(frozen=True, eq=False)
class MatchedSlice:
    """The same cut through a limb at both visits.

    Parameters
    ----------
    before, after : float32 arrays (x, y, 1)
        CT of baseline and follow-up on one grid. [HU]
    lesions_before, lesions_after : uint16 arrays (x, y, 1)
        1 where the calcification of `change` lies, 2 where other calcifications lie.
    grid : Grid
        One slice of the baseline.
    text : str
        Which slice it is.
    """

    before: NDArray[np.float32] = field(repr=False)
    after: NDArray[np.float32] = field(repr=False)
    lesions_before: NDArray[np.uint16] = field(repr=False)
    lesions_after: NDArray[np.uint16] = field(repr=False)
    grid: Grid
    text: str


@dataclass(frozen=True, eq=False)
class LimbFollowUp:
    """Calcifications of one limb at two visits.

    Parameters
    ----------
    side : Side or None
    alignment : Alignment or None
        None where the limb could not be laid over the baseline; `refusal` then says why.
    changes : tuple of LesionChange
        Heaviest first; empty when refused.
    slices : mapping of position in `changes` to MatchedSlice
    total : LesionChange or None
        All that lies in both scans, taken together; its `course` has no meaning, its `verdict` has.
    refusal : str
        Why lesions were not matched; empty when they were.
    code : str
        Code of the refusal.
    """

    side: Side | None
    alignment: Alignment | None
    changes: tuple[LesionChange, ...] = ()
    slices: dict[int, MatchedSlice] = field(default_factory=dict)
    total: LesionChange | None = None
    refusal: str = ""
    code: str = ""


@dataclass(frozen=True)
class EdemaLink:
    """Calcification at follow-up where subcutaneous edema lay before, or why that cannot be told.

    Parameters
    ----------
    linked : bool or None
        None where it could not be told.
    statement : str
    details : mapping
        Distances and numbers.
    evidence : tuple of str
    """

    linked: bool | None
    statement: str
    evidence: tuple[str, ...] = ()
    details: dict[str, str | float | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CalcinosisFollowUp:
    """What became of the calcifications between two visits.

    Parameters
    ----------
    limbs : tuple of LimbFollowUp
    origin : str
        Whose repeatability was applied.
    limit_percent : float or None
        Repeatability coefficient, where it is relative. [%]
    evidence : tuple of str
    edema : tuple of EdemaLink
    notes : tuple of str
    limb_counts : tuple of 2 ints or None
        Limbs that the CT of baseline and follow-up show; None where it was not told.
    """

    limbs: tuple[LimbFollowUp, ...] = ()
    origin: str = ""
    limit_percent: float | None = None
    evidence: tuple[str, ...] = ()
    edema: tuple[EdemaLink, ...] = ()
    notes: tuple[str, ...] = ()
    limb_counts: tuple[int, int] | None = None
