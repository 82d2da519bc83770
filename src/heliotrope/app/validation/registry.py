"""Every accuracy gate, in the order they are shown."""

from __future__ import annotations

from heliotrope.app.validation import (
    calcinosis,
    calcinosis_followup,
    change,
    diffusion,
    edema,
    fat_fraction,
    muscles,
    radiograph,
    segmentation,
    water_t2,
    whole_body,
)
from heliotrope.app.validation.gate import Gate

GATES: tuple[Gate, ...] = (
    *water_t2.GATES,
    *fat_fraction.GATES,
    *diffusion.GATES,
    *edema.GATES,
    *change.GATES,
    *calcinosis.GATES,
    *calcinosis_followup.GATES,
    *radiograph.GATES,
    *segmentation.GATES,
    *muscles.GATES,
    *whole_body.GATES,
)
