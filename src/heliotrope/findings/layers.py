"""Deep fascia and subcutis in sentences."""

from __future__ import annotations

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import Finding, FindingKind, Place
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.measure.layers import FasciaSignal, SubcutisSignal

FASCIA_EXTENT, FASCIA_ARC_MM = 0.10, 30.0
"""Perifascial signal is present above this share of the surface [1] or along this arc [mm]."""

SUBCUTIS_EXTENT = 0.10
"""Subcutaneous signal is present above this share of the layer. [1]"""

_DEFAULT = "System default, not a published cut-off."


def _position(center: tuple[float, float, float] | None) -> dict[str, str | float | None]:
    x, y, z = center if center is not None else (None, None, None)
    return {"center_x_mm": x, "center_y_mm": y, "center_z_mm": z}


def fascia_finding(
    side: Side,
    found: FasciaSignal | None,
    rows: tuple[Measurement, ...],
    *,
    diffusion_share: float | None = None,
    gaps: str = "",
) -> Finding:
    """Perifascial signal of one side: present, absent or not assessable.

    Parameters
    ----------
    diffusion_share : float or None
        Share of the bright fascia that is bright on diffusion-weighted images as well; said beside it, decides
        nothing. None where there are none. [1]
    gaps : str
        Why the fascia of some slices was left out; empty where none was.
    """
    region = Region("fascia", side)
    limits: tuple[str, ...] = (
        _DEFAULT,
        "The fascia is thinner than a pixel: its excess is diluted, and only relative change has a meaning.",
    )
    if found is None:
        text = f"Signal along the {side} deep fascia could not be assessed."
        reason = next((row.missing.reason for row in rows if row.region == region and row.missing is not None), "")
        text += f" {reason}" if reason else ""
        return Finding(FindingKind.FASCIA, Truth.UNKNOWN, text, (region,), (), limits, ("fascia-rule",))
    if gaps:
        limits = (*limits, gaps)
    present = found.extent > FASCIA_EXTENT or found.longest_arc_mm >= FASCIA_ARC_MM
    if present:
        text = (
            f"High signal along {100 * found.extent:.0f} % of the {side} deep fascia, longest unbroken arc "
            f"{found.longest_arc_mm:.0f} mm."
        )
        if diffusion_share is not None:
            text += f" On diffusion-weighted images {100 * diffusion_share:.0f} % of it is bright too."
            limits = (
                *limits,
                "Diffusion-weighted images are distorted: they corroborate and decide nothing.",
            )
    else:
        text = f"No high signal along the {side} deep fascia ({100 * found.extent:.0f} % of the surface)."
    numbers = tuple(row for row in rows if row.region == region and row.value is not None)
    details = {
        "extent": found.extent,
        "longest_arc_mm": found.longest_arc_mm,
        "diffusion_share": diffusion_share if present else None,
        **_position(found.center_mm),
    }
    return Finding(FindingKind.FASCIA, Truth.of(present), text, (region,), numbers, limits, ("fascia-rule",), details)


def subcutis_finding(
    side: Side,
    found: SubcutisSignal | None,
    rows: tuple[Measurement, ...],
    *,
    places: tuple[Place, ...] = (),
    frame: str | None = None,
) -> Finding:
    """Subcutaneous signal of one side, with its places for later calcification there.

    Parameters
    ----------
    places : tuple of Place
        Kept where the signal is present.
    frame : str or None
        `Grid.frame_key` of `places`.
    """
    region = Region("subcutaneous_fat", side)
    if found is None:
        text = f"Signal of the {side} subcutis could not be assessed."
        return Finding(FindingKind.SUBCUTIS, Truth.UNKNOWN, text, (region,), (), (_DEFAULT,), ("fascia-rule",))
    limits = [_DEFAULT]
    if found.left_out > 0.01:
        limits.append(f"{100 * found.left_out:.0f} % of the layer was left out: fat suppression failed there.")
    present = found.extent > SUBCUTIS_EXTENT
    evidence: tuple[str, ...] = ("fascia-rule",)
    if present:
        shape = "reticular " if found.reticular >= 0.25 else ""
        text = f"High {shape}signal in {100 * found.extent:.0f} % of the {side} subcutaneous fat."
        limits.append(
            "In one series 5 children with subcutaneous edema of the thigh had calcinosis at that site within 9 "
            "months; its places are stored so that later images can be compared."
        )
        evidence = ("fascia-rule", "subcutis-then-calcinosis")
    else:
        text = f"No high signal of the {side} subcutaneous fat ({100 * found.extent:.0f} % of the layer)."
    numbers = tuple(row for row in rows if row.region == region and row.value is not None)
    details = {"extent": found.extent, "reticular": found.reticular, **_position(found.center_mm)}
    return Finding(
        FindingKind.SUBCUTIS,
        Truth.of(present),
        text,
        (region,),
        numbers,
        tuple(limits),
        evidence,
        details,
        places=places if present else (),
        frame=frame,
    )


def skin_finding(row: Measurement) -> Finding:
    """Signal of the skin of one side, stated and not judged: no limit of normal is published."""
    region = row.region
    limits = ("No published limit of normal tells edema of the skin.", *row.notes)
    if row.value is None:
        reason = "" if row.missing is None else f": {row.missing.reason}"
        text = f"Signal of the {region.title} could not be assessed{reason}"
        return Finding(FindingKind.SKIN, Truth.UNKNOWN, text, (region,), (), limits, ("skin-signal",))
    interval = "" if row.ci95 is None else f" (95 % CI {row.ci95[0]:.2f} to {row.ci95[1]:.2f})"
    text = f"Signal of the {region.title} is {row.value:.2f}{interval} times that of normal muscle; it is not judged."
    return Finding(FindingKind.SKIN, Truth.UNKNOWN, text, (region,), (row,), limits, ("skin-signal",))
