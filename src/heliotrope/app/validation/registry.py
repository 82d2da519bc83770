"""Every accuracy gate, in the order they are shown."""

from __future__ import annotations

from heliotrope.app.validation import calcinosis, edema, segmentation, water_t2
from heliotrope.app.validation.gate import Gate

GATES: tuple[Gate, ...] = (*water_t2.GATES, *edema.GATES, *calcinosis.GATES, *segmentation.GATES)
