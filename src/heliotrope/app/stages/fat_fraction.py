"""The fat-fraction stage: the best images a study has for it, and the fit they permit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Acquisition, Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.maps.fat_fraction.result import FatFractionMaps
from heliotrope.maps.fat_fraction.t1_guard import T1Guard, t1_guard
from heliotrope.maps.fat_fraction.vendor import fit_vendor_water_fat, read_vendor_fat_fraction

QUANTITIES = (
    Quantity(
        "fat_fraction",
        "Fat fraction",
        Unit.PERCENT,
        "Proton-density fat fraction; higher is more fatty replacement, i.e. damage; it does not measure inflammation.",
    ),
    Quantity(
        "water_signal",
        "Water signal",
        Unit.ARBITRARY,
        "Signal of water at echo time 0; used as reference for other images, not comparable between scans.",
    ),
    Quantity(
        "fat_signal",
        "Fat signal",
        Unit.ARBITRARY,
        "Signal of fat at echo time 0; not comparable between scans.",
    ),
    Quantity(
        "field_map",
        "Field map",
        Unit.HERTZ,
        "Local deviation of the main field; large values warn of failed fat suppression in other images.",
    ),
    Quantity(
        "r2star",
        "R2*",
        Unit.PER_SECOND,
        "Common effective decay rate of water and fat; not a disease measure here.",
    ),
)


class InputKind(StrEnum):
    """What a fat fraction can be made from, best first."""

    VENDOR_MAP = "vendor fat-fraction image"
    VENDOR_WATER_FAT = "vendor water and fat images"


@dataclass(frozen=True)
class FatFractionInput:
    """The chosen series, in the order the fit wants them."""

    kind: InputKind
    series: tuple[Series, ...]


def choose_input(study: Study) -> FatFractionInput | Missing:
    """The best input of a study, or what is missing."""
    for image in sorted(study.with_role(Role.FAT_FRACTION), key=_size, reverse=True):
        if image.grid is not None and image.n_frames == 1:
            return FatFractionInput(InputKind.VENDOR_MAP, (image,))
    pairs = matching_pairs(study.with_role(Role.DIXON_WATER), study.with_role(Role.DIXON_FAT))
    if pairs:
        return FatFractionInput(InputKind.VENDOR_WATER_FAT, pairs[0])
    return Missing(
        "M_NO_SERIES",
        "no images to make a fat fraction from: needed are multi-echo gradient echoes, or the scanner's fat-fraction "
        "image, or its water and fat images on one grid",
    )


def matching_pairs(first: tuple[Series, ...], second: tuple[Series, ...]) -> tuple[tuple[Series, Series], ...]:
    """Pairs of 3-D series on one grid, largest first; nearer series numbers first among equals."""
    pairs = [
        (a, b)
        for a in first
        for b in second
        if a.grid is not None and b.grid is not None and a.n_frames == b.n_frames == 1 and a.grid.is_same_as(b.grid)
    ]
    return tuple(sorted(pairs, key=lambda pair: (-_size(pair[0]), abs((pair[0].number or 0) - (pair[1].number or 0)))))


def _size(series: Series) -> int:
    if series.grid is None:
        return 0
    x, y, z = series.grid.shape
    return x * y * z


def _select(study: Study) -> tuple[Series, ...] | Missing:
    chosen = choose_input(study)
    return chosen if isinstance(chosen, Missing) else chosen.series


def _guard(acquisition: Acquisition) -> T1Guard:
    return t1_guard(
        repetition_time_ms=acquisition.repetition_time_ms,
        flip_angle_deg=acquisition.flip_angle_deg,
        field_strength_t=acquisition.field_strength_t,
    )


def _run(stage_input: StageInput) -> StageOutput:
    roles = tuple(series.role for series in stage_input.series)
    guard = _guard(stage_input.series[0].acquisition)
    volumes = [stage_input.read_volume(series) for series in stage_input.series]
    if roles == (Role.FAT_FRACTION,):
        result = read_vendor_fat_fraction(volumes[0], guard=guard)
        sentence = "Fat fraction was the scanner's own map."
    else:
        result = fit_vendor_water_fat(volumes[0], volumes[1], guard=guard)
        sentence = "Fat fraction was computed from the scanner's water and fat images."
    return output(result, sentence)


def output(result: FatFractionMaps, sentence: str) -> StageOutput:
    """A stage's output from the maps of any method."""
    if not result.fat_fraction.valid.any():
        raise QualityRefusal(
            "fat fraction: no voxel could be fitted", hint="check that the images show tissue", code="E_QUALITY"
        )
    keys = {quantity.key for quantity in QUANTITIES}
    actions = "; ".join(result.actions)
    uncertain = result.quality.get("uncertain_sections")
    quality: tuple[QualityCheck, ...] = ()
    if "limb_sections" in result.quality:
        passed = None if result.quality["limb_sections"] == 0 else not uncertain
        quality = (QualityCheck("water-fat exchange", passed, actions),)
    return StageOutput(
        sentence=f"{sentence} {actions[:1].upper()}{actions[1:]}." if actions else sentence,
        evidence=("pdff-definition", "muscle-water-t1-3t", "fat-t1-3t"),
        maps={key: item for key, item in result.maps.items() if key in keys},
        quality=quality,
    )


STAGES = (Stage("fat-fraction", 1, QUANTITIES, _select, _run),)
