"""Measured numbers and missing numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from heliotrope.domain.anatomy import Region
from heliotrope.domain.errors import InputError
from heliotrope.domain.units import Unit


@dataclass(frozen=True)
class Missing:
    """Why a number could not be had.

    Parameters
    ----------
    code : str
        Stable, e.g. ``"M_EMPTY_REGION"``, ``"M_CUT_BY_FIELD_OF_VIEW"``, ``"M_NO_SERIES"``.
    reason : str
        One sentence for people.
    """

    code: str
    reason: str


@dataclass(frozen=True)
class Measurement:
    """One number on one region, or the reason there is none.

    Parameters
    ----------
    region : Region
    quantity : str
        Registry key, e.g. ``"water_t2"``, ``"fat_fraction"``, ``"volume"``.
    statistic : str
        ``"median"``, ``"mean"``, ``"iqr"``, ``"total"``, ``"fraction"`` ...
    value : float or None
        In `unit`. None exactly when `missing` is given.
    unit : Unit
    method : str
        Name and version of the method.
    missing : Missing or None
    ci95 : tuple of 2 floats or None
        95 % interval in `unit`; None where no honest interval exists.
    n_voxels : int or None
    evidence : tuple of str
        Keys of the evidence ledger.
    notes : tuple of str
        Sentences that must stand beside the number.

    Raises
    ------
    InputError
        Value and reason both given or both absent; value not finite; interval reversed.

    Examples
    --------
    >>> Measurement(Region("muscle"), "volume", "total", 412.0, Unit.MILLILITER, "voxel-count/1").value
    412.0
    """

    region: Region
    quantity: str
    statistic: str
    value: float | None
    unit: Unit
    method: str
    missing: Missing | None = None
    ci95: tuple[float, float] | None = None
    n_voxels: int | None = None
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        name = f"{self.quantity} {self.statistic} of {self.region.title}"
        if (self.value is None) == (self.missing is None):
            raise InputError(f"{name}: a value or a reason for its absence, never both", hint="give exactly one")
        if self.value is not None and not math.isfinite(self.value):
            raise InputError(f"{name}: value {self.value} is not finite", hint="report it as missing with a reason")
        if self.ci95 is not None and not self.ci95[0] <= self.ci95[1]:
            raise InputError(f"{name}: interval {self.ci95} is reversed or not a number", hint="order it low, high")
