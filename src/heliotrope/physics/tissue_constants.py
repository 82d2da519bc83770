"""Relaxation constants of muscle water and fat at the two field strengths for which they are known."""

from __future__ import annotations

from dataclasses import dataclass

from heliotrope.domain.errors import InputError

FIELD_STRENGTH_TOLERANCE_T = 0.15
"""Scanners sold as 1.5 T or 3 T state 1.494 to 1.5 and 2.89 to 3 T. [T]"""


@dataclass(frozen=True)
class RelaxationConstants:
    """Relaxation times of the two pools.

    Parameters
    ----------
    field_strength_t : float
        Nominal. [T]
    muscle_t1_ms, fat_t1_ms : float
        [ms]
    fat_t2_ms : float
        Apparent T2 of fat in a spin-echo train, J-coupling included. [ms]
    evidence : tuple of str
        Keys of the ledger, topic ``mr_physics``.
    """

    field_strength_t: float
    muscle_t1_ms: float
    fat_t1_ms: float
    fat_t2_ms: float
    evidence: tuple[str, ...]


CONSTANTS = (
    RelaxationConstants(
        1.5, 1050.0, 310.0, 165.0, ("muscle-t1-1.5t-unverified", "fat-t1-1.5t-unverified", "fat-t2-1.5t-unverified")
    ),
    RelaxationConstants(3.0, 1400.0, 365.0, 151.0, ("muscle-t1-3t", "fat-t1-3t", "fat-t2-3t")),
)
"""[ms] at [T]; sources in `heliotrope.evidence.mr_physics`."""


def relaxation_constants(field_strength_t: float) -> RelaxationConstants:
    """Constants at a field strength.

    Parameters
    ----------
    field_strength_t : float
        From (0018,0087). [T]

    Raises
    ------
    InputError
        The field strength is not one of those with known constants; nothing is interpolated.

    Examples
    --------
    >>> relaxation_constants(2.89).muscle_t1_ms
    1400.0
    """
    for constants in CONSTANTS:
        if abs(field_strength_t - constants.field_strength_t) <= FIELD_STRENGTH_TOLERANCE_T:
            return constants
    known = ", ".join(f"{constants.field_strength_t:g} T" for constants in CONSTANTS)
    raise InputError(
        f"field strength {field_strength_t:g} T: relaxation constants are known at {known} "
        f"(tolerance {FIELD_STRENGTH_TOLERANCE_T} T)",
        hint="check that the field strength is in tesla; other scanners need constants measured there first",
        code="E_FIELD_STRENGTH",
    )
