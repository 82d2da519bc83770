"""Every stage the product knows, in the order they run, and every quantity they can deliver."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from heliotrope.app.stage import Quantity, Stage
from heliotrope.app.stages import (
    alignment,
    calcification_prompts,
    calcinosis,
    diffusion,
    echo_intensity,
    edema,
    fat_fraction,
    findings,
    labels,
    layers,
    measurements,
    radiograph,
    stations,
    stir_ratio,
    t2,
    whole_body,
)

STAGES: tuple[Stage, ...] = (
    *stations.STAGES,
    *fat_fraction.STAGES,
    *t2.STAGES,
    *diffusion.STAGES,
    *stir_ratio.STAGES,
    *radiograph.STAGES,
    *echo_intensity.STAGES,
    *labels.STAGES,
    *alignment.STAGES,
    *calcinosis.STAGES,
    *calcification_prompts.STAGES,
    *measurements.STAGES,
    *edema.STAGES,
    *layers.STAGES,
    *whole_body.STAGES,
    *findings.STAGES,
)


def quantities(stages: tuple[Stage, ...] = STAGES) -> Mapping[str, Quantity]:
    """Every quantity by key; a quantity two stages can deliver has one description."""
    return MappingProxyType({quantity.key: quantity for stage in stages for quantity in stage.quantities})
