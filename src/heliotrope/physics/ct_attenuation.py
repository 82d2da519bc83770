"""CT attenuation: tissue values, and how much hydroxyapatite raises them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from heliotrope.domain.errors import InputError

AIR_HU = -1000.0
"""Attenuation of air. [HU]"""

FAT_HU = -102.0
"""Subcutaneous fat at 120 kVp; inside the -190 to -30 HU adipose window (PMID 24393306). [HU]"""

MUSCLE_HU = 54.0
"""Lean resting muscle; published mid-thigh mean 49.2 (SD 2.8) (J Appl Physiol 2000;89:104). [HU]"""

SKIN_HU = 55.0
"""Dermis, water-like soft tissue. [HU]"""

ADIPOSE_WINDOW_HU = (-190.0, -30.0)
"""Adipose tissue (PMID 24393306). [HU]"""

LEAN_WINDOW_HU = (-29.0, 150.0)
"""Lean tissue (PMID 24393306). [HU]"""

CALCIUM_THRESHOLD_HU = 130.0
"""The coronary calcium threshold, borrowed for soft tissue. [HU]"""

METAL_HU = 2500.0
"""Above this no calcification of soft tissue is expected; metal is assumed. [HU]"""

SLOPE_BY_TUBE_VOLTAGE: Mapping[float, float] = MappingProxyType({80.0: 1.90, 100.0: 1.60, 120.0: 1.35, 140.0: 1.20})
"""Rise of CT number per concentration of hydroxyapatite, by tube voltage. [HU per mg/mL]

The literature range at 120 kVp is about 1.2 to 1.5, higher at low voltage; these table values are not verified against
a phantom. A site's own phantom replaces them.
"""


@dataclass(frozen=True)
class HydroxyapatiteCalibration:
    """How CT numbers become mineral.

    Parameters
    ----------
    slope_hu_per_mg_ml : float
        Rise of CT number per concentration of hydroxyapatite. [HU per mg/mL]
    name : str
        How the slope was had, for the report.
    verified : bool
        True only for a phantom scanned with the protocol.
    """

    slope_hu_per_mg_ml: float
    name: str
    verified: bool

    def __post_init__(self) -> None:
        if not 0.2 <= self.slope_hu_per_mg_ml <= 5.0:
            raise InputError(
                f"hydroxyapatite slope {self.slope_hu_per_mg_ml} HU per mg/mL: 0.2 to 5 is possible",
                hint="give the slope of a calibration phantom in HU per mg/mL",
            )

    def concentration_mg_ml(self, excess_hu: float) -> float:
        """Mineral concentration of a rise above the tissue's own CT number. [mg/mL]"""
        return excess_hu / self.slope_hu_per_mg_ml

    def mass_mg(self, integral_hu_mm3: float) -> float:
        """Mineral mass of a background-subtracted CT number integral [HU mm3]. [mg]

        Examples
        --------
        >>> round(HydroxyapatiteCalibration(1.35, "table", False).mass_mg(1350.0 * 1000.0), 1)
        1000.0
        """
        return integral_hu_mm3 / 1000.0 / self.slope_hu_per_mg_ml


def table_calibration(tube_voltage_kv: float | None) -> HydroxyapatiteCalibration:
    """Slope out of the tube-voltage table, linear in between; 120 kVp is assumed, and said, when it is unknown.

    Parameters
    ----------
    tube_voltage_kv : float or None
        From (0018,0060). [kV]

    Returns
    -------
    HydroxyapatiteCalibration
        Not verified.

    Examples
    --------
    >>> table_calibration(120.0).slope_hu_per_mg_ml
    1.35
    >>> round(table_calibration(110.0).slope_hu_per_mg_ml, 3)
    1.475
    """
    voltages = sorted(SLOPE_BY_TUBE_VOLTAGE)
    if tube_voltage_kv is None:
        return HydroxyapatiteCalibration(
            SLOPE_BY_TUBE_VOLTAGE[120.0],
            "table slope for 120 kVp; the header states no tube voltage (unverified)",
            False,
        )
    if not 60.0 <= tube_voltage_kv <= 160.0:
        raise InputError(
            f"tube voltage {tube_voltage_kv:g} kV: 60 to 160 kV is possible in CT",
            hint="check (0018,0060) of the series",
        )
    low = max((v for v in voltages if v <= tube_voltage_kv), default=voltages[0])
    high = min((v for v in voltages if v >= tube_voltage_kv), default=voltages[-1])
    weight = 0.0 if high == low else (tube_voltage_kv - low) / (high - low)
    slope = (1 - weight) * SLOPE_BY_TUBE_VOLTAGE[low] + weight * SLOPE_BY_TUBE_VOLTAGE[high]
    return HydroxyapatiteCalibration(slope, f"table slope for {tube_voltage_kv:g} kVp (unverified)", False)
