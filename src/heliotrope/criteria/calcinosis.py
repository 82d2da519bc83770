"""Calcinosis instruments: pattern labels only. No validated severity score exists for dermatomyositis."""

from __future__ import annotations

from typing import Final

# Radiographic patterns in children. Several may be present; they are not ranked.
BLANE_PATTERNS: Final = (
    "deep_calcareal_masses",
    "superficial_masses",
    "deep_linear",
    "lacy_diffuse_subcutaneous",
)
OTHER_PATTERNS: Final = ("milk_of_calcium",)
OTHER_SUBTYPES: Final = (
    "superficial plaques or nodules",
    "subcutaneous popcorn masses",
    "intermuscular fascial",
    "severe exoskeleton-like",
)
NOT_BUILT: Final = {
    "SCTC score of the hands": "its formula was not found; give the score and its change is classified",
    "Mawdsley questionnaire": "items, scoring and license were not seen",
    "Myositis Damage Index": "ranges only (extent 0-38, severity 0-110); calcinosis is one item of it",
}
EVIDENCE: Final = (
    "calcinosis-patterns",
    "calcinosis-subtypes",
    "calcinosis-frequency",
    "calcinosis-no-severity-score",
)
