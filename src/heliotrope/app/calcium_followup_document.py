"""Followed calcifications as plain JSON values and as rows of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from heliotrope.domain.lesions import CalcinosisFollowUp, Lesion, LesionChange, LimbFollowUp

COLUMNS = (
    "timepoint",
    "side",
    "components_before",
    "components_after",
    "description",
    "mass_before_mg",
    "mass_after_mg",
    "difference_mg",
    "ci95_low_mg",
    "ci95_high_mg",
    "error_limit_mg",
    "course",
    "verdict",
    "x_mm",
    "y_mm",
    "z_mm",
    "reason",
)


def followup_to_plain(followup: CalcinosisFollowUp) -> dict[str, Any]:
    """One entry of ``comparison.json``'s ``calcifications``; positions in the space of the baseline's CT, LPS."""
    return {
        "origin": followup.origin,
        "error_limit_percent": followup.limit_percent,
        "evidence": list(followup.evidence),
        "notes": list(followup.notes),
        "edema_links": [
            {
                "linked": link.linked,
                "statement": link.statement,
                "evidence": list(link.evidence),
                "details": dict(link.details),
            }
            for link in followup.edema
        ],
        "limbs": [_limb_to_plain(limb) for limb in followup.limbs],
    }


def _limb_to_plain(limb: LimbFollowUp) -> dict[str, Any]:
    alignment = limb.alignment
    return {
        "side": limb.side,
        "registration": None
        if alignment is None
        else {
            "matrix": [list(row) for row in alignment.matrix],
            "bone_p95_mm": alignment.bone_p95_mm,
            "skin_p95_mm": alignment.skin_p95_mm,
            "common_mm": alignment.common_mm,
            "slide_from_bone": alignment.slide_from_bone,
            "swelling_mm": alignment.swelling_mm,
            "slide_mm": alignment.slide_mm,
        },
        "refusal": {"code": limb.code, "reason": limb.refusal} if limb.refusal else None,
        "total": None if limb.total is None else _total_to_plain(limb.total),
        "lesions": [_change_to_plain(change) for change in limb.changes],
    }


def _total_to_plain(total: LesionChange) -> dict[str, Any]:
    plain = _change_to_plain(total)
    return {name: value for name, value in plain.items() if name not in ("before", "after", "course", "position_mm")}


def _change_to_plain(change: LesionChange) -> dict[str, Any]:
    return {
        "before": [_lesion_to_plain(lesion) for lesion in change.before],
        "after": [_lesion_to_plain(lesion) for lesion in change.after],
        "course": change.course,
        "verdict": change.verdict,
        "mass_before_mg": change.mass_before_mg,
        "mass_after_mg": change.mass_after_mg,
        "difference_mg": change.difference_mg,
        "ci95_mg": None if change.ci95_mg is None else list(change.ci95_mg),
        "error_limit_mg": change.error_limit_mg,
        "position_mm": list(change.position_mm),
        "reason": change.reason,
    }


def _lesion_to_plain(lesion: Lesion) -> dict[str, Any]:
    return {
        "component": lesion.number,
        "description": lesion.description,
        "mass_mg": lesion.mass_mg,
        "volume_mm3": lesion.volume_mm3,
    }


def followups_to_csv(followups: Mapping[str, CalcinosisFollowUp]) -> str:
    """One row per calcification and follow-up."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for name, followup in followups.items():
        for limb in followup.limbs:
            for change in limb.changes:
                low, high = change.ci95_mg or (None, None)
                writer.writerow(
                    (
                        name,
                        limb.side,
                        " ".join(str(lesion.number) for lesion in change.before),
                        " ".join(str(lesion.number) for lesion in change.after),
                        (change.before or change.after)[0].description,
                        *(change.mass_before_mg, change.mass_after_mg, change.difference_mg, low, high),
                        *(change.error_limit_mg, change.course, change.verdict, *change.position_mm, change.reason),
                    )
                )
    return text.getvalue()
