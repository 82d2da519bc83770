"""The radiograph stage: calcification in projection."""

from __future__ import annotations

import numpy as np

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.measure.radiograph import density_grade, measure_radiograph, patterns, zones
from heliotrope.segment.radiograph import find_radiograph_calcium

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
    if series.grid is None or any("no pixel spacing" in defect for defect in series.defects):
        return None
    return float(series.grid.spacing_mm[0])


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
    limits = (
        "A radiograph has no depth: no tissue plane is told.",
        "Calcification over or next to bone, and within 5 mm of the skin line, is not assessed.",
        *(() if pixel else ("No pixel size is stated; areas are withheld.",)),
    )
    names = sorted(patterns(found))
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
        backgrounds={"radiograph": volume},
        measurements=measurements,
        findings=(finding,),
    )


STAGES = (Stage("radiograph-calcinosis", 2, QUANTITIES, _select, _run),)
