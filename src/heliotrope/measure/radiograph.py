"""How much calcification a radiograph shows: projected area, integrated opacity, pattern and density grade."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from heliotrope.domain.anatomy import Region
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.segment.radiograph import METHOD, RadiographCalcium

DENSITY_GRADES = (0.25, 0.6)
"""Rise in opacity, as a share of soft tissue, at which density grade 1 becomes 2 and 2 becomes 3; a project rule."""

_EVIDENCE = ("calcinosis-radiograph-projection",)


def measure_radiograph(found: RadiographCalcium) -> tuple[Measurement, ...]:
    """Projected area [cm2], integrated opacity [cm2 x soft tissue], number of spots, density grade.

    Returns
    -------
    tuple of Measurement
        On ``all``. Zero where nothing was found; without a pixel size areas are missing, zero too: how small
        a spot would have been found is not known.
    """
    inside = found.numbers > 0
    area = float(inside.sum()) * found.pixel_mm**2 / 100.0
    opacity = float(found.opacity[inside].sum()) * found.pixel_mm**2 / 100.0
    count = int(found.numbers.max())
    no_size = Missing("M_NO_PIXEL_SIZE", "the image states no pixel size, so that areas cannot be given")
    hidden = None if found.scale_known else no_size
    notes = ("Projection: no depth and no tissue plane can be told.",)

    def row(quantity: str, value: float, unit: Unit, missing: Missing | None = None) -> Measurement:
        return Measurement(
            Region("all"),
            quantity,
            "total",
            None if missing else value,
            unit,
            METHOD,
            missing=missing,
            n_voxels=int(inside.sum()),
            evidence=_EVIDENCE,
            notes=notes,
        )

    return (
        row("calcinosis_projected_area", area, Unit.SQUARE_CENTIMETER, hidden),
        row("calcinosis_integrated_opacity", opacity, Unit.SQUARE_CENTIMETER, hidden),
        row("calcinosis_radiograph_count", float(count), Unit.COUNT),
        row("calcinosis_density_grade", float(density_grade(found)), Unit.SCORE),
    )


def density_grade(found: RadiographCalcium) -> int:
    """0 without calcification, else 1 to 3 by the median rise in opacity of its densest tenth."""
    inside = found.numbers > 0
    if not inside.any():
        return 0
    values = found.opacity[inside]
    dense = float(np.median(values[values >= np.quantile(values, 0.9)]))
    return 1 + sum(dense > limit for limit in DENSITY_GRADES)


def spot_patterns(found: RadiographCalcium) -> tuple[str, ...]:
    """Radiographic word that each spot fits: net, plate, stone or amorphous."""
    out = []
    for n, part in enumerate(ndimage.find_objects(found.numbers), start=1):
        member = found.numbers[part] == n
        area = float(member.sum()) * found.pixel_mm**2
        holes = int(ndimage.label(ndimage.binary_fill_holes(member) & ~member)[1])
        points = np.argwhere(member) * found.pixel_mm
        centered = points - points.mean(0)
        long, wide = (
            4 * np.sqrt(np.maximum(np.linalg.eigvalsh(centered.T @ centered / len(points))[::-1], 1e-6))
        ).tolist()
        filled = area / max(np.pi / 4 * long * wide, 1e-6)
        if holes >= 3:
            out.append("net")
        elif area > 80.0 and filled > 0.6:
            out.append("plate")
        elif filled > 0.75 and long < 2.0 * max(wide, found.pixel_mm):
            out.append("stone")
        else:
            out.append("amorphous")
    return tuple(out)


def zone_axis(found: RadiographCalcium) -> int:
    """Image axis along which zones follow one another: the longer one."""
    return int(np.argmax(found.limb.shape))


def zones(found: RadiographCalcium, n_zones: int = 3) -> tuple[float, ...]:
    """Projected area in equal parts along the limb's longer image axis, first row to last. [cm2]"""
    inside = np.moveaxis(found.numbers > 0, zone_axis(found), 0)
    return tuple(float(part.sum()) * found.pixel_mm**2 / 100.0 for part in np.array_split(inside, n_zones))
