"""The radiograph stage: calcification in projection."""

from __future__ import annotations

import numpy as np

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.anatomy import Region
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import GIVEN_PIXEL_SIZE, Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.measure.radiograph import density_grade, measure_radiograph, spot_patterns, zone_axis, zones
from heliotrope.segment.radiograph import METHOD, RadiographCalcium, find_radiograph_calcium, on_image

QUANTITIES = (
    Quantity(
        "calcinosis_projected_area",
        "Projected area of calcification",
        Unit.SQUARE_CENTIMETER,
        "Area of calcification of the soft tissue on a radiograph; more is worse. A projection: no volume, no depth.",
    ),
    Quantity(
        "calcinosis_integrated_opacity",
        "Integrated opacity of calcification",
        Unit.SQUARE_CENTIMETER,
        "Area weighted by opacity relative to soft tissue; more is worse. Depends on exposure and processing.",
    ),
    Quantity("calcinosis_radiograph_count", "Spots of calcification", Unit.COUNT, "Separate spots on the radiograph."),
    Quantity(
        "calcinosis_density_grade",
        "Density grade of calcification",
        Unit.SCORE,
        "0 none, 1 to 3 by opacity relative to soft tissue; a project rule, no published score.",
    ),
)


def _select(study: Study) -> tuple[Series, ...] | Missing:
    found = [s for s in study.with_role(Role.RADIOGRAPH) if s.grid is not None]
    if not found:
        return Missing("M_NO_SERIES", "no radiograph")
    return (found[0],)


def pixel_size_mm(series: Series) -> float | None:
    """Pixel size of a radiograph; None where the header states none. [mm]"""
    return float(series.grid.spacing_mm[0]) if series.grid is not None and series.has_pixel_size else None


def radiograph_labels(found: RadiographCalcium, grid: Grid) -> LabelMap:
    """Bone with its margin, and every spot with its pattern, on the grid of the radiograph.

    Notes
    -----
    A spot's level reads ``"spot 2: stone"``; numbers start at 11.
    """
    labels = np.where(found.numbers > 0, found.numbers + 10, found.bone.astype(np.int32))
    legend = {1: Region("bone", None, "with a margin that was not assessed")} if found.bone.any() else {}
    for number, pattern in enumerate(spot_patterns(found), start=1):
        legend[number + 10] = Region("calcification", None, f"spot {number}: {pattern}")
    return LabelMap(on_image(labels.astype(np.uint16), grid.shape[:2])[:, :, None], grid, legend, source=METHOD)


def _run(stage_input: StageInput) -> StageOutput:
    series = stage_input.series[0]
    volume = stage_input.read_volume(series)
    gray = np.asarray(volume.data)
    if gray.ndim != 3 or gray.shape[2] != 1:
        raise QualityRefusal(
            f"radiograph of shape {gray.shape}: a single image is needed", hint="choose one projection"
        )
    pixel = pixel_size_mm(series)
    found = find_radiograph_calcium(gray[:, :, 0], pixel)
    measurements = measure_radiograph(found)
    count = int(found.numbers.max())
    names = sorted(set(spot_patterns(found)))
    across = "left to right" if zone_axis(found) == 0 else "top to bottom"
    limits = (
        "A radiograph has no depth: no tissue plane is told.",
        "Calcification over or next to bone, and within 5 mm of the skin line, is not assessed.",
        "Fine nets, and plates that fill most of the soft tissue, are mostly missed: look at the picture.",
        *(() if pixel else ("No pixel size is stated; areas are withheld.",)),
        *((f"Zones are thirds of the picture from {across}.",) if count else ()),
    )
    statement = (
        f"{count} spot{'s' if count > 1 else ''} of calcification of the soft tissue, pattern {', '.join(names)}, "
        f"density grade {density_grade(found)}."
        if count
        else "No calcification of the assessed soft tissue on the radiograph."
    )
    finding = Finding(
        FindingKind.CALCINOSIS,
        Truth.TRUE if count else Truth.FALSE,
        statement,
        measurements=measurements,
        limits=limits,
        evidence=("calcinosis-radiograph-projection", "calcinosis-change-radiograph"),
        details={
            "patterns": "; ".join(names),
            **{f"zone_{n}_cm2": (area if pixel else None) for n, area in enumerate(zones(found), start=1)},
        },
    )
    return StageOutput(
        sentence=(
            "Calcification on the radiograph was sought as spots above a running median background, bone left out."
        ),
        evidence=("calcinosis-radiograph-projection",),
        labels=radiograph_labels(found, volume.grid),
        backgrounds={"radiograph": volume},
        measurements=measurements,
        findings=(finding,),
        quality=_quality(series),
    )


def _quality(series: Series) -> tuple[QualityCheck, ...]:
    given = next((defect for defect in series.defects if defect.startswith(GIVEN_PIXEL_SIZE)), None)
    stated = "stated in the detector's or a given plane"
    return (
        QualityCheck(
            "Pixel size of the radiograph",
            series.has_pixel_size,
            f"{given or stated}; the body is nearer to the tube and is shown magnified"
            if series.has_pixel_size
            else "none is stated: the picture was searched as if 0.2 mm, so that small spots may be missed or added",
        ),
        QualityCheck("Gray scale of the radiograph", True, "dense parts are bright within the limb"),
    )


STAGES = (Stage("radiograph-calcinosis", 4, QUANTITIES, _select, _run),)
