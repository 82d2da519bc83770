"""The STIR-ratio stage: STIR over the Dixon water of the same session."""

from __future__ import annotations

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.app.stages import fat_fraction
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.maps.stir_ratio import stir_water_ratio

QUANTITY = Quantity(
    "stir_ratio",
    "STIR over Dixon water",
    Unit.ONE,
    "Rises with edema; comparable only with controls of the same protocol, coil and receiver gain.",
)


def _select(study: Study) -> tuple[Series, ...] | Missing:
    stir = [item for item in study.with_role(Role.STIR) if item.grid is not None and item.n_frames == 1]
    if not stir:
        return Missing("M_NO_SERIES", "no STIR series")
    chosen = fat_fraction.choose_input(study)
    if isinstance(chosen, Missing):
        return Missing("M_NO_WATER", f"no Dixon water image to relate STIR to: {chosen.reason}")
    if chosen.kind in (fat_fraction.InputKind.VENDOR_MAP, fat_fraction.InputKind.IN_OPPOSED):
        return Missing("M_NO_WATER", f"no Dixon water image to relate STIR to: only {chosen.kind.value}")
    water_grid = chosen.series[0].grid
    assert water_grid is not None
    for item in stir:
        assert item.grid is not None
        frames = {item.grid.frame_of_reference_uid, water_grid.frame_of_reference_uid} - {None}
        if len(frames) < 2:
            return (item,)
    return Missing("M_NO_WATER", "STIR and Dixon images have different frames of reference")


def _run(stage_input: StageInput) -> StageOutput:
    water = stage_input.maps.get("water_signal")
    if water is None:
        raise QualityRefusal("STIR ratio: no water image resulted", hint="see why the fat fraction failed")
    stir = stage_input.read_volume(stage_input.series[0])
    ratio = stir_water_ratio(stir, water, stage_input.maps.get("fat_fraction"))
    if not ratio.valid.any():
        raise QualityRefusal("STIR ratio: STIR and Dixon images do not overlap", hint="check the geometry")
    return StageOutput(
        sentence="STIR was divided by the Dixon water signal averaged over each STIR voxel.",
        evidence=("stir-water-ratio",),
        maps={"stir_ratio": ratio},
    )


STAGES = (Stage("stir-ratio", 1, (QUANTITY,), _select, _run, ("fat-fraction",)),)
