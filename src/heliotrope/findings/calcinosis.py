"""What the calcium amounts to, in words: amount, planes, shapes, the published pattern names, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping

from heliotrope.domain.anatomy import Region, TissuePlane
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.truth import Truth
from heliotrope.measure.calcium import Burden
from heliotrope.measure.calcium_summary import NOTHING_FOUND
from heliotrope.segment.calcium.candidates import Exclusion
from heliotrope.segment.calcium.components import CalciumShape, Component, PlaneDetail
from heliotrope.segment.calcium.find import Calcinosis
from heliotrope.segment.calcium.places import Place

SUPERFICIAL_PLANES = frozenset({TissuePlane.CUTANEOUS, TissuePlane.SUBCUTANEOUS, TissuePlane.SUPERFICIAL})
"""Planes outside the deep fascia."""

LEAST_NAMED_MM3 = 10.0
"""Less is called under 0.01 mL. [mm3]"""

_LISTED = 200
_TOLD_SHARE = 0.05


def blane_patterns(components: tuple[Component, ...]) -> frozenset[str]:
    """Published radiographic pattern names that the components fit; a set, never ranked.

    Returns
    -------
    frozenset of str
        Of ``"deep calcareal masses"``, ``"superficial masses"``, ``"deep linear"``, ``"lacy diffuse subcutaneous"``,
        ``"milk of calcium"``.
    """
    out = set()
    for c in components:
        superficial = c.plane in SUPERFICIAL_PLANES
        if c.fluid_level:
            out.add("milk of calcium")
        if superficial and c.shape is CalciumShape.RETICULAR:
            out.add("lacy diffuse subcutaneous")
        elif superficial:
            out.add("superficial masses")
        elif c.shape in (CalciumShape.SHEET, CalciumShape.LINEAR):
            out.add("deep linear")
        else:
            out.add("deep calcareal masses")
    return frozenset(out)


def patterns_by_region(components: tuple[Component, ...], places: Mapping[int, Place]) -> dict[str, tuple[str, ...]]:
    """`blane_patterns` of each body region, as sets: regions and patterns in alphabetic order, never ranked."""
    regions: dict[str, list[Component]] = {}
    for c in components:
        regions.setdefault(places[c.number].region_title, []).append(c)
    return {region: tuple(sorted(blane_patterns(tuple(mine)))) for region, mine in sorted(regions.items())}


def find_calcinosis_statements(
    found: Calcinosis, burdens: tuple[Burden, ...], measurements: tuple[Measurement, ...], places: Mapping[int, Place]
) -> tuple[Finding, ...]:
    """Statements on calcium in CT.

    Parameters
    ----------
    found : Calcinosis
    burdens : tuple of Burden
    measurements : tuple of Measurement
        Of `summarize_calcium`.
    places : mapping of int to Place
        Of every component.

    Returns
    -------
    tuple of Finding
        The total with patterns; the lesion table in ``details``; and what lies outside the assessed tissue.
    """
    totals = tuple(m for m in measurements if m.region == Region("all"))
    weighed = next(m for m in totals if m.quantity == "calcinosis_mass")
    limits = [
        *weighed.notes[:1],
        "Volume and mass are exploratory measures, not a published instrument.",
        "Reliability was measured on digital phantoms and on CT of soft-tissue tumors, not on patients with myositis.",
        *found.notes,
    ]
    if found.detail is PlaneDetail.SUPERFICIAL_OR_DEEP:
        limits.append(
            "Tissue planes are withheld at this slice thickness or outline; only superficial and deep are told apart."
        )
    elif found.spacing[2] > 1.5:
        limits.append(
            f"Slices are {found.spacing[2]:.1f} mm apart: plane calls of small components are uncertain above 1.5 mm."
        )
    out = [_total(found, burdens, totals, tuple(limits), places), *_outside(found)]
    if found.components:
        out.insert(1, _table(found, burdens, places))
    return tuple(out)


def _total(
    found: Calcinosis,
    burdens: tuple[Burden, ...],
    totals: tuple[Measurement, ...],
    limits: tuple[str, ...],
    places: Mapping[int, Place],
) -> Finding:
    if not found.components:
        return Finding(
            FindingKind.CALCINOSIS,
            Truth.FALSE,
            "No calcification of the assessed soft tissue was found.",
            measurements=totals,
            limits=(NOTHING_FOUND, *limits),
            evidence=("calcium-threshold",),
            details={"components": 0.0},
        )
    amounts = {m.quantity: m for m in totals}
    mass, volume = (amounts[quantity].value or 0.0 for quantity in ("calcinosis_mass", "calcinosis_volume"))
    interval = amounts["calcinosis_mass"].ci95
    within = "" if interval is None else f" (95 % interval {interval[0]:.0f} to {interval[1]:.0f})"
    planes: dict[str, float] = {}
    shapes: dict[str, float] = {}
    for c, b in zip(found.components, burdens, strict=True):
        planes[c.plane] = planes.get(c.plane, 0.0) + b.mass_mg
        shapes[c.shape] = shapes.get(c.shape, 0.0) + b.mass_mg
    patterns = sorted(blane_patterns(found.components))
    by_region = patterns_by_region(found.components, places)
    order = sorted(planes, key=lambda p: -planes[p])
    words = ", ".join(f"{plane} {_percent(planes[plane] / max(mass, 1e-9))}" for plane in order)
    count = len(found.components)
    statement = (
        f"{count} calcification{'s' if count > 1 else ''} of the soft tissue, {mass:.0f} mg hydroxyapatite equivalent"
        f"{within}, {volume:.2f} mL; by mass: {words}. Published pattern names that fit: "
        + "; ".join(f"{region}: {', '.join(held)}" for region, held in by_region.items())
        + "."
    )
    details: dict[str, str | float | None] = {
        "components": float(count),
        "patterns": "; ".join(patterns),
        **{f"patterns_{region.replace(' ', '_')}": "; ".join(held) for region, held in by_region.items()},
        **{f"mass_mg_plane_{plane}": value for plane, value in planes.items()},
        **{f"mass_mg_shape_{shape}": value for shape, value in shapes.items()},
    }
    return Finding(
        FindingKind.CALCINOSIS,
        Truth.TRUE,
        statement,
        regions=(Region("calcification"),),
        measurements=totals,
        limits=limits,
        evidence=(
            "calcium-threshold",
            "calcium-mass-integral",
            "calcium-planes",
            "calcium-shapes",
            "calcinosis-patterns",
        ),
        details=details,
    )


def _percent(share: float) -> str:
    return "under 1 %" if share < 0.005 else f"{100 * share:.0f} %"


def _table(found: Calcinosis, burdens: tuple[Burden, ...], places: Mapping[int, Place]) -> Finding:
    """Lesion table: `details` holds one ``component_N_...`` group per lesion, heaviest first."""
    rows = sorted(zip(found.components, burdens, strict=True), key=lambda row: -row[1].mass_mg)
    details: dict[str, str | float | None] = {"rows": float(min(len(rows), _LISTED))}
    for c, b in rows[:_LISTED]:
        key = f"component_{c.number}"
        place = places[c.number]
        details[f"{key}_region"] = place.region_title
        details[f"{key}_place"] = place.words
        details[f"{key}_plane"] = str(c.plane)
        details[f"{key}_second_plane"] = str(c.second_plane) if c.second_plane is not None else None
        if c.second_plane is not None:
            shares = sorted(c.plane_shares.items(), key=lambda item: -item[1])
            details[f"{key}_plane_shares"] = ", ".join(f"{p} {100 * v:.0f} %" for p, v in shares if v >= _TOLD_SHARE)
        details[f"{key}_shape"] = str(c.shape)
        details[f"{key}_mass_mg"] = round(b.mass_mg, 3)
        details[f"{key}_volume_mm3"] = round(b.volume_mm3, 3)
        details[f"{key}_threshold_volume_mm3"] = round(b.threshold_volume_mm3, 3)
        details[f"{key}_peak_hu"] = round(b.peak_hu, 1)
        details[f"{key}_skin_distance_mm"] = round(b.skin_distance_mm, 2)
        details[f"{key}_fluid_level"] = "yes" if c.fluid_level else "no"
    near = [c.number for c, b in rows if b.skin_distance_mm < 3.0]
    statement = f"The {'largest ' if len(rows) > _LISTED else ''}calcifications are listed with plane, shape and mass."
    if near:
        statement += f" {len(near)} of {len(rows)} come closer than 3 mm to the skin."
    return Finding(
        FindingKind.CALCINOSIS,
        Truth.TRUE,
        statement,
        regions=tuple(Region("calcification", c.side, f"component {c.number}") for c, _ in rows[:_LISTED]),
        limits=("A fluid-calcium level is noted only where a flat step between lighter and denser contents is seen.",),
        evidence=("calcium-planes", "calcium-shapes", "calcium-skin-at-risk"),
        details=details,
    )


def _outside(found: Calcinosis) -> tuple[Finding, ...]:
    """What was dense and not counted, and where nobody looked."""
    out = []
    if found.excluded_mm3:
        listed = "; ".join(
            f"{reason} {volume / 1000:.2f} mL" if volume >= LEAST_NAMED_MM3 else f"{reason} under 0.01 mL"
            for reason, volume in sorted(found.excluded_mm3.items(), key=lambda item: -item[1])
        )
        out.append(
            Finding(
                FindingKind.QUALITY,
                Truth.TRUE,
                f"Dense structures that were not counted as calcinosis: {listed}.",
                limits=("Calcium grown onto bone cannot be told from cortex and is among these.",)
                if Exclusion.JUXTACORTICAL in found.excluded_mm3
                else (),
                evidence=("calcium-threshold",),
                details={f"{reason.name.lower()}_ml": volume / 1000 for reason, volume in found.excluded_mm3.items()},
            )
        )
    if found.cavity.any():
        cavity_ml = float(found.cavity.sum()) * _voxel(found) / 1000
        out.append(
            Finding(
                FindingKind.QUALITY,
                Truth.TRUE,
                f"The contents of the body cavities (bowel, bladder and what lies among them), {cavity_ml:.0f} mL, are "
                "outside the assessed soft tissue; calcium and contrast medium there were not assessed.",
                limits=(
                    "The cavities are drawn generously: muscle of groin, buttock and back within 60 mm of bowel or "
                    "bladder is left out with them. The label map shows where.",
                ),
                regions=(Region("body_cavity"),),
                details={"body_cavity_ml": cavity_ml},
            )
        )
    return tuple(out)


def _voxel(found: Calcinosis) -> float:
    return found.spacing[0] * found.spacing[1] * found.spacing[2]
