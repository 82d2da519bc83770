"""Sums of calcium by whole study, plane, shape and side, as measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.images import LabelMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.measure.calcium import METHOD, MODEL_ERROR, Burden
from heliotrope.measure.regions import index_regions, is_lean
from heliotrope.physics.ct_attenuation import HydroxyapatiteCalibration
from heliotrope.segment.calcium.components import Component
from heliotrope.segment.calcium.find import Calcinosis
from heliotrope.segment.calcium.geometry import sizes
from heliotrope.segment.calcium.places import Place

_EVIDENCE = ("calcium-threshold", "calcium-mass-integral", "calcium-hydroxyapatite-slope", "calcium-mass-phantom-error")
_MOST_COMPONENTS = 200

NOTHING_FOUND = (
    "None was found. This does not exclude calcium below the threshold, thin nets (strands of a voxel or less), "
    "calcium beside bone, or calcium in body cavities that were left out; zero has no interval."
)
WITHIN_OUTLINE = (
    "Within the outline of a muscle or compartment, calcium counts with the share of its voxels that lies there, in "
    "whatever tissue plane: calcium of fascia and septa too. It is not the plane intramuscular."
)


@dataclass(frozen=True)
class _Group:
    region: Region
    members: tuple[int, ...]


def summarize_calcium(
    found: Calcinosis,
    burdens: tuple[Burden, ...],
    calibration: HydroxyapatiteCalibration,
    places: Mapping[int, Place],
) -> tuple[Measurement, ...]:
    """Totals on ``all``, then splits on ``calcification`` by side, plane, shape and body region, then every component.

    Parameters
    ----------
    found : Calcinosis
    burdens : tuple of Burden
        One per component, in order.
    calibration : HydroxyapatiteCalibration
    places : mapping of int to Place
        Of every component.

    Returns
    -------
    tuple of Measurement
        Zero without an interval when calcium was looked for and not found.
    """
    components = found.components
    everyone = tuple(range(len(components)))
    notes = (f"Calibration: {calibration.name}.", *found.notes, *(() if components else (NOTHING_FOUND,)))
    out = list(_totals(_Group(Region("all"), everyone), burdens, notes))
    for group in (*_splits(components), *_regions(components, places)):
        out.extend(_totals(group, burdens, ()))
    ranked = sorted(everyone, key=lambda i: -burdens[i].mass_mg)[:_MOST_COMPONENTS]
    for i in ranked:
        region = Region("calcification", components[i].side, f"component {components[i].number}")
        out.extend(_totals(_Group(region, (i,)), burdens, (), short=True))
        out.extend(_split_volumes(components[i], burdens[i]))
    for reason, volume in sorted(found.excluded_mm3.items()):
        out.append(
            Measurement(
                Region("calcification", None, f"not counted: {reason}"),
                "calcinosis_excluded_volume",
                "total",
                volume / 1000.0,
                Unit.MILLILITER,
                METHOD,
                evidence=("calcium-threshold",),
            )
        )
    return tuple(out)


def calcium_by_muscle(
    found: Calcinosis, burdens: tuple[Burden, ...], labels: LabelMap, calibration: HydroxyapatiteCalibration
) -> tuple[Measurement, ...]:
    """Volume and mass of calcium within the outline of every labeled muscle, compartment and side; zero where none is.

    A component that lies in several counts with the share of its voxels in each, whatever its tissue plane: this is
    not the calcium of the plane ``intramuscular``.

    Parameters
    ----------
    found : Calcinosis
    burdens : tuple of Burden
        One per component, in order.
    labels : LabelMap
        On the axes of `found.numbers`.
    """
    index = index_regions(labels)
    highest = int(found.numbers.max(initial=0))
    voxels = sizes(found.numbers, highest)
    rows: list[Measurement] = []
    for region in index.members:
        if not is_lean(region) or region.level is not None:
            continue
        mask = index.mask(region)
        if not mask.any():
            continue
        inside = np.bincount(found.numbers[mask], minlength=highest + 1)
        shares = [
            (burden, inside[component.number] / voxels[component.number])
            for component, burden in zip(found.components, burdens, strict=True)
            if inside[component.number]
        ]
        mass = sum(share * burden.mass_mg for burden, share in shares)
        half = sum(share * (burden.mass_ci95_mg[1] - burden.mass_mg) for burden, share in shares)
        volume = sum(share * burden.volume_mm3 for burden, share in shares) / 1000.0
        relative = half / mass if mass > 0 else 0.0
        for quantity, value, unit, reach in (
            ("calcinosis_volume", volume, Unit.MILLILITER, volume * relative),
            ("calcinosis_mass", mass, Unit.MILLIGRAM, half),
        ):
            rows.append(
                Measurement(
                    region,
                    quantity,
                    "total",
                    value,
                    unit,
                    METHOD,
                    ci95=(max(value - reach, 0.0), value + reach) if shares else None,
                    n_voxels=int(inside[1:].sum()),
                    evidence=_EVIDENCE,
                    notes=(f"Calibration: {calibration.name}.", WITHIN_OUTLINE, *(() if shares else (NOTHING_FOUND,))),
                )
            )
    return tuple(rows)


def missing_calcium(missing: Missing) -> tuple[Measurement, ...]:
    """Totals that could not be had, with the reason."""
    return tuple(
        Measurement(
            Region("all"), quantity, "total", None, unit, METHOD, missing=missing, evidence=("calcium-threshold",)
        )
        for quantity, unit in (("calcinosis_volume", Unit.MILLILITER), ("calcinosis_mass", Unit.MILLIGRAM))
    )


def _splits(components: tuple[Component, ...]) -> Iterable[_Group]:
    known = sorted({c.side for c in components if c.side is not None})
    sides: list[Side | None] = [*known] or [None]
    for one in known:
        yield _Group(Region("calcification", one), _where(components, lambda c, s=one: c.side is s))
    for side in sides:
        for plane in sorted({c.plane for c in components if c.side is side}):
            members = _where(components, lambda c, s=side, p=plane: c.side is s and c.plane is p)
            yield _Group(Region("calcification", side, f"plane {plane}"), members)
        for shape in sorted({c.shape for c in components if c.side is side}):
            members = _where(components, lambda c, s=side, f=shape: c.side is s and c.shape is f)
            yield _Group(Region("calcification", side, f"shape {shape}"), members)


def _regions(components: tuple[Component, ...], places: Mapping[int, Place]) -> Iterable[_Group]:
    known = [places[c.number] for c in components]
    for region, side in sorted({(place.region, place.side) for place in known}, key=str):
        members = tuple(i for i, place in enumerate(known) if (place.region, place.side) == (region, side))
        yield _Group(Region("calcification", side, f"region {region}"), members)


def _split_volumes(component: Component, burden: Burden) -> Iterable[Measurement]:
    """Thresholded volume by plane of a calcification that lies in more than one; noise as for that many voxels."""
    if component.second_plane is None:
        return
    for plane, share in component.plane_shares.items():
        if share > 0:
            volume = share * component.volume_mm3 / 1000.0
            noise = 1.96 * float(np.sqrt(share)) * burden.threshold_volume_sd_mm3 / 1000.0
            yield Measurement(
                Region("calcification", component.side, f"component {component.number}, plane {plane}"),
                "calcinosis_threshold_volume",
                "total",
                volume,
                Unit.MILLILITER,
                METHOD,
                ci95=(max(volume - noise, 0.0), volume + noise),
                evidence=("calcium-planes",),
            )


def _where(components: tuple[Component, ...], holds: Callable[..., bool]) -> tuple[int, ...]:
    return tuple(i for i, component in enumerate(components) if holds(component))


def _totals(
    group: _Group, burdens: tuple[Burden, ...], notes: tuple[str, ...], *, short: bool = False
) -> Iterable[Measurement]:
    chosen = [burdens[i] for i in group.members]
    voxels = sum(b.n_voxels for b in chosen)
    mass = sum(b.mass_mg for b in chosen)
    half = _half_width(chosen)
    volume = sum(b.volume_mm3 for b in chosen) / 1000.0
    share = half / mass if mass > 0 else 0.0

    def row(quantity: str, value: float, unit: Unit, ci: tuple[float, float] | None = None) -> Measurement:
        return Measurement(
            group.region,
            quantity,
            "total",
            value,
            unit,
            METHOD,
            ci95=ci if chosen else None,
            n_voxels=voxels,
            evidence=_EVIDENCE,
            notes=notes,
        )

    yield row("calcinosis_mass", mass, Unit.MILLIGRAM, (max(mass - half, 0.0), mass + half))
    yield row("calcinosis_volume", volume, Unit.MILLILITER, (max(volume * (1 - share), 0.0), volume * (1 + share)))
    thresholded = sum(b.threshold_volume_mm3 for b in chosen) / 1000.0
    noise = 1.96 * float(np.hypot.reduce([b.threshold_volume_sd_mm3 for b in chosen] or [0.0])) / 1000.0
    yield row(
        "calcinosis_threshold_volume",
        thresholded,
        Unit.MILLILITER,
        (max(thresholded - noise, 0.0), thresholded + noise),
    )
    if short:
        return
    # the same voxels count, so noise moves both in proportion
    agatston = sum(b.agatston for b in chosen)
    moved = agatston * noise / thresholded if thresholded > 0 else 0.0
    yield row("calcinosis_agatston", agatston, Unit.SCORE, (max(agatston - moved, 0.0), agatston + moved))
    certain = sum(b.mass_ci95_mg[0] > 0 for b in chosen)
    yield row("calcinosis_count", float(len(chosen)), Unit.COUNT, (float(certain), float(len(chosen))))
    areas = [[b.skin_area_ci95_cm2[0], b.skin_area_at_risk_cm2, b.skin_area_ci95_cm2[1]] for b in chosen]
    low, area, high = np.sum(areas, axis=0).tolist() if areas else (0.0, 0.0, 0.0)
    yield row("calcinosis_skin_at_risk", area, Unit.SQUARE_CENTIMETER, (low, high))


def _half_width(chosen: list[Burden]) -> float:
    """Half a 95 % interval of a sum: the method's error is taken as common to all, the rest as independent."""
    common = sum(MODEL_ERROR * b.mass_mg for b in chosen)
    own = [max((b.mass_ci95_mg[1] - b.mass_mg) ** 2 - (MODEL_ERROR * b.mass_mg) ** 2, 0.0) for b in chosen]
    return float(np.hypot(common, np.sqrt(sum(own))))
