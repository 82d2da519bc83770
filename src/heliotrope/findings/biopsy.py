"""Biopsy sites in sentences: support for a clinician, never a decision."""

from __future__ import annotations

from collections.abc import Sequence

from heliotrope.domain.anatomy import Region
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.truth import Truth
from heliotrope.measure.biopsy import BONE_MM, LOWEST_SCORE, VESSEL_MM, BiopsyTarget

ALWAYS = (
    "Verify vessels with ultrasound before any needle.",
    "Published gain of targeting is modest: 0.19 false negative in muscle bright on STIR against 0.23 of all biopsies.",
    "Limits and sectors are defaults for clinicians to edit, not published rules. The level along the thigh is that of "
    "the images: keep to the middle third of the muscle. Recent needle examination and bleeding risk are not known "
    "here.",
)
"""Stand beside every proposal."""


def biopsy_findings(
    targets: Sequence[BiopsyTarget], searched: Sequence[Region], *, vessels_labeled: bool
) -> tuple[Finding, ...]:
    """Up to three proposed sites, or the statement that there is none."""
    limits = (
        ALWAYS if vessels_labeled else (*ALWAYS, "Vessels are not labeled on these images; distance is not checked.")
    )
    avoided = (
        f"Avoided: the medial thigh and adductor canal, the deep border of the muscle, {BONE_MM:.0f} mm around bone"
        + (f", {VESSEL_MM:.0f} mm around vessels" if vessels_labeled else "")
        + ", muscle with much fat."
    )
    if not targets:
        text = (
            "No suitable biopsy site was found in the muscles searched (no place scored at least "
            f"{LOWEST_SCORE:.1f}): consider the other limb or an untargeted site."
        )
        return (
            Finding(
                FindingKind.BIOPSY_SITE,
                Truth.FALSE,
                text,
                tuple(searched),
                (),
                (*limits, avoided),
                ("biopsy-rule", "biopsy-gain"),
                {"score": None},
            ),
        )
    findings = []
    for number, target in enumerate(targets, start=1):
        text = (
            f"Possible biopsy site {number}: {target.region.title}, slice {target.slice_number}, "
            f"{target.depth_mm:.0f} mm under the skin, as good over {target.width_mm:.0f} mm across and "
            f"{target.length_mm:.0f} mm along the limb; score {target.score:.2f} (edema {target.edema:.2f}, lean "
            f"{target.lean:.2f}, even {target.even:.2f}, access {target.access:.2f})."
        )
        x, y, z = target.position_mm
        findings.append(
            Finding(
                FindingKind.BIOPSY_SITE,
                Truth.TRUE,
                text,
                (Region(target.region.structure, target.region.side, f"slice {target.slice_number}"),),
                (),
                (*limits, avoided),
                ("biopsy-rule", "biopsy-gain"),
                {
                    "score": target.score,
                    "score_low": max(0.0, target.score - 1.96 * target.spread),
                    "score_high": min(1.0, target.score + 1.96 * target.spread),
                    "edema": target.edema,
                    "lean": target.lean,
                    "even": target.even,
                    "access": target.access,
                    "depth_mm": target.depth_mm,
                    "width_mm": target.width_mm,
                    "length_mm": target.length_mm,
                    "x_mm": x,
                    "y_mm": y,
                    "z_mm": z,
                    "vessel_mm": target.vessel_mm,
                    "bone_mm": target.bone_mm,
                },
            )
        )
    return tuple(findings)
