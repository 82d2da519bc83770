"""The stage that finds edema of muscle on STIR and on water T2, by an outside reference or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.stage import Stage, StageInput, StageOutput
from heliotrope.app.stages.edema_quantities import QUANTITIES
from heliotrope.app.stages.edema_scene import Scene, is_fat_measured, relative_to_normal, scene_on
from heliotrope.app.stages.measurements import SEED
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.findings import Finding
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import NotAssessed, QualityCheck
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.findings.edema import (
    distal_finding,
    distribution_finding,
    edema_findings,
    expected_false_positive,
    is_positive,
    joint_fit_finding,
    no_reference_finding,
    sides_with_muscles,
    symmetry_finding,
)
from heliotrope.measure.distribution import describe_distribution, measure_distribution
from heliotrope.measure.edema_by_scan import FOUND_IN_THE_SCAN, relative_by_scan
from heliotrope.measure.edema_load import EdemaImage, measure_asymmetry, measure_edema, neighbor_spread
from heliotrope.measure.edema_mask import FAILED_SUPPRESSION, mark_stir_edema, mark_t2_edema
from heliotrope.measure.edema_reference import (
    RelativeSignal,
    healthy_t2_band_ms,
)
from heliotrope.measure.regions import RegionIndex, is_lean, muscles_of
from heliotrope.stations.layout import is_scanned_by_side, scans_by_side

T2_LIMIT_MS = {3.0: 39.0, 1.5: 41.0}
"""Upper limit of normal water T2 unless the site gives its own; evidence ``t2-upper-limit-default``. [ms]"""

DISAGREEMENT_POINTS = 10.0
"""STIR and T2 fractions that differ by more are flagged. [percentage points]"""

FEWEST_FOR_NOISE = 30
"""Of fewer voxels below the limit no noise is estimated."""

SIDES_APART = (
    "Left and right were scanned separately: a difference of receiver gain or position between both scans is part of "
    "this asymmetry."
)
"""Stands beside every comparison of sides that were not in one image."""

GAIN_UNKNOWN = Missing(
    "M_SIDES_APART",
    "Left and right were scanned separately and read by one reference from outside: a difference of receiver gain "
    "between both scans would look like asymmetry.",
)
"""Why sides are not compared whose scans hold no reference of their own."""

WATER_ROLES = (Role.DIXON_WATER, Role.GRE_MAGNITUDE, Role.GRE_REAL)
"""Images whose gain is in the water signal that STIR is divided by."""


def _select(study: Study) -> tuple[Series, ...] | Missing:
    for role in (Role.STIR, Role.T2_FAT_SUPPRESSED):
        found = [series for series in study.with_role(role) if series.grid is not None]
        if found:
            return (max(found, key=lambda s: int(np.prod(s.grid.shape)) if s.grid else 0),)
    if study.with_role(Role.MULTI_ECHO_T2, Role.T2_MAP):
        return ()
    return Missing("M_NO_SERIES", "Edema needs STIR, fat-suppressed T2 or a multi-echo T2 series.")


def _field_strength(given: StageInput) -> float:
    found = {series.acquisition.field_strength_t for series in given.study.series} - {None}
    values = [value for value in found if value is not None]
    if not values:
        raise QualityRefusal(
            "field strength unknown: no limit of normal applies",
            hint="use series whose headers state it",
            code="E_NO_FIELD_STRENGTH",
        )
    return max(values)


def _stir_image(
    given: StageInput, scene: Scene, stir: Volume, field_t: float
) -> tuple[EdemaImage, dict[str, ParametricMap], RelativeSignal]:
    scans = scans_by_side((given.series[0], *given.study.with_role(*WATER_ROLES)), stir.grid)
    if scans:
        relative = relative_by_scan(
            scans, lambda seen: relative_to_normal(given, scene.limited_to(seen), stir, field_t)
        )
    else:
        relative = relative_to_normal(given, scene, stir, field_t)
    raw = np.asarray(stir.data, dtype=np.float64)
    mask = mark_stir_edema(relative, scene.muscle, subcutis=scene.subcutis, fat_percent=scene.fat, raw_signal=raw)
    image = EdemaImage(
        values=np.where(relative.valid, relative.values, 1.0),
        normal=1.0,
        normal_uncertainty=relative.uncertainty,
        mask=mask,
        prefix="edema",
        load_unit=Unit.RATIO_MILLILITER,
        method=f"stir-relative/1 ({relative.mode.value})",
        evidence=("stir-reference-order", "stir-edema-limit", "stir-positive-fraction"),
        notes=relative.notes,
    )
    maps = {
        "stir_relative": ParametricMap(
            "stir_relative",
            np.nan_to_num(relative.values).astype(np.float32),
            relative.valid & (scene.muscle | scene.subcutis),
            scene.grid,
            Unit.ONE,
            image.method,
            relative.notes,
        ),
        "stir_layers": ParametricMap(
            "stir_layers",
            (raw / np.maximum(relative.level, 1e-9)).astype(np.float32),
            np.isfinite(relative.level) & (relative.level > 0) & (scene.index.labels.labels > 0),
            scene.grid,
            Unit.ONE,
            image.method,
            relative.notes,
        ),
    }
    return image, maps, relative


def _t2_image(given: StageInput, scene: Scene, field_t: float, *, leads: bool) -> tuple[EdemaImage, str]:
    assert scene.water_t2 is not None
    default = T2_LIMIT_MS[1.5 if field_t < 2.2 else 3.0]
    limit = given.options.t2_upper_limit_ms or default
    band = healthy_t2_band_ms(field_t)
    normal = min((band[0] + band[1]) / 2.0, limit - 1.0)
    own = "of this site" if given.options.t2_upper_limit_ms else "system default, not a published cut-off"
    mask = mark_t2_edema(
        scene.water_t2, scene.muscle, limit_ms=limit, normal_ms=normal, fat_percent=scene.fat, grid=scene.grid
    )
    scale = normal if leads else 1.0  # the leading image reports in multiples of normal, whatever it is
    image = EdemaImage(
        values=np.nan_to_num(scene.water_t2, nan=normal) / scale,
        normal=normal / scale,
        normal_uncertainty=0.02,
        mask=replace(mask, limit=mask.limit / scale),
        prefix="edema" if leads else "t2_edema",
        load_unit=Unit.RATIO_MILLILITER if leads else Unit.MILLISECOND_MILLILITER,
        method="water-t2-limit/1",
        evidence=("t2-upper-limit-default", "stir-positive-fraction"),
    )
    return image, f"water T2 above {limit:g} ms, {own}"


def _noise(image: EdemaImage, index: RegionIndex, regions: list[Region]) -> dict[Region, float]:
    """What noise alone puts above the limit, per region, from the muscle that lies below it. [%]"""
    found = {}
    for region in regions:
        here = image.mask.assessed & index.mask(region)
        normal = image.values[here & (image.values <= image.mask.limit)]
        spread = neighbor_spread(image.values, here, image.mask.grid)
        if normal.size >= FEWEST_FOR_NOISE and spread is not None:
            found[region] = 100.0 * expected_false_positive(float(np.median(normal)), spread, image.mask.limit)
    return found


def _excluded(image: EdemaImage, muscle: NDArray[np.bool_]) -> dict[str, float]:
    total = max(1, int(np.count_nonzero(muscle)))
    return {name: 100.0 * n / total for name, n in image.mask.counts(muscle).items()}


def _read(
    image: EdemaImage,
    scene: Scene,
    reference: str,
    generator: np.random.Generator,
    *,
    leads: bool,
    comparable: bool = True,
) -> tuple[tuple[Measurement, ...], tuple[Finding, ...]]:
    """Measures and findings of one image in which edema was marked.

    `comparable` tells whether sides that were scanned separately can be compared all the same.
    """
    index = scene.index
    regions = [region for region in index.members if is_lean(region) and region.level is None]
    rows = measure_edema(image, index, regions, generator=generator)
    structures = list(dict.fromkeys(region.structure for region in regions))
    asymmetry = measure_asymmetry(image, index, structures, generator=generator)
    if any(is_scanned_by_side(series) for series in scene.study.series):
        asymmetry = tuple(_between_scans(item, comparable=comparable) for item in asymmetry)
    if not leads:
        return (*rows, *asymmetry), ()
    noise = _noise(image, index, regions)
    findings = list(
        edema_findings(
            rows,
            prefix=image.prefix,
            reference=reference,
            noise_percent=noise,
            excluded=_excluded(image, scene.muscle),
            limits=image.notes,
            evidence=image.evidence,
        )
    )
    findings.append(distal_finding(rows, prefix=image.prefix, noise_percent=noise, reference=reference))
    drawn = sides_with_muscles(regions)
    positive = {
        row.region: is_positive(row, noise.get(row.region, 0.0), muscles_drawn=row.region.side in drawn) is Truth.TRUE
        for row in rows
        if row.quantity == f"{image.prefix}_fraction"
    }
    muscles = set(muscles_of(index))
    for item in asymmetry:
        sides = [positive.get(Region(item.region.structure, side), False) for side in Side]
        if item.region not in muscles and Region(item.region.structure, Side.LEFT) not in muscles:
            findings.append(symmetry_finding(item, positive=any(sides)))
    descriptors: list[Measurement] = []
    for region in regions:
        if region.side is None:
            continue
        found = describe_distribution(image, index.mask(region))
        described = measure_distribution(region, found)
        descriptors.extend(described)
        if found is not None and positive.get(region):
            findings.append(distribution_finding(region, found, described))
    return (*rows, *asymmetry, *descriptors), tuple(findings)


def _run(given: StageInput) -> StageOutput:
    if given.labels is None:
        raise QualityRefusal(
            "no labels: nothing says which voxel is muscle",
            hint="give a label map with --labels, or a series that shows fat against muscle",
            code="E_NO_LABELS",
        )
    field_t = _field_strength(given)
    generator = np.random.default_rng(SEED)
    measurements: list[Measurement] = []
    findings: list[Finding] = []
    maps: dict[str, ParametricMap] = {}
    not_assessed: list[NotAssessed] = []
    quality: list[QualityCheck] = []
    sentences: list[str] = []
    leading: EdemaImage | None = None
    if given.series:
        stir = given.read_volume(given.series[0]).frame(0)
        scene = scene_on(given, stir.grid)
        try:
            leading, maps, relative = _stir_image(given, scene, stir, field_t)
        except QualityRefusal as refusal:
            findings.append(no_reference_finding(refusal.message.split(": ", 1)[-1], _ranking(stir, scene)))
            not_assessed.append(NotAssessed("edema_fraction", Missing("M_NO_REFERENCE", refusal.message)))
            sentences.append("STIR had no valid reference, so edema was not counted on it.")
        else:
            mode = relative.mode.value
            comparable = relative.mode in FOUND_IN_THE_SCAN
            rows, said = _read(leading, scene, mode, generator, leads=True, comparable=comparable)
            measurements += rows
            findings += said
            maps["edema_share"] = _share_map(leading)
            quality.append(_exclusion_check(_excluded(leading, scene.muscle)))
            sentences.append(
                f"STIR was divided by the signal of normal muscle ({mode}); edema is above {leading.mask.limit:.2f} "
                "times normal, below half fat, in sets of at least 30 mm3, without vessels, failed fat suppression, "
                "seams and borders to fat."
            )
    t2 = given.maps.get("water_t2")
    if t2 is not None and is_fat_measured(t2):
        scene = scene_on(given, t2.grid)
        image, words = _t2_image(given, scene, field_t, leads=leading is None)
        rows, said = _read(image, scene, words, generator, leads=leading is None)
        measurements += rows
        if leading is None:
            findings = [*said, *findings]
            maps["edema_share"] = _share_map(image)
        else:
            quality.append(_agreement(measurements))
        sentences.append(f"On the water-T2 map edema is {words}.")
    elif t2 is not None:
        not_assessed.append(
            NotAssessed(
                "t2_edema_fraction",
                Missing("M_T2_IMPRECISE", "Fat was not measured independently: single T2 values are too imprecise."),
            )
        )
        if leading is None and not given.series:
            findings.append(joint_fit_finding())
            sentences.append("Edema was not assessed: T2 was fitted jointly with fat.")
            not_assessed.append(
                NotAssessed(
                    "edema_fraction",
                    Missing(
                        "M_T2_IMPRECISE", "Only a joint fit of T2 and fat exists; a Dixon series or STIR is needed."
                    ),
                )
            )
    elif not given.series:
        raise QualityRefusal("no water T2 map was made", hint="see the water-T2 stage for the reason", code="E_NO_MAP")
    return StageOutput(
        sentence=" ".join(sentences),
        evidence=("stir-reference-order", "stir-edema-limit", "t2-upper-limit-default", "pattern-classes"),
        maps=maps,
        measurements=tuple(measurements),
        findings=tuple(findings),
        not_assessed=tuple(not_assessed),
        quality=tuple(quality),
    )


def _between_scans(item: Measurement, *, comparable: bool) -> Measurement:
    """A comparison of sides that were not in one image: with its limit, or withheld."""
    if not comparable and item.value is not None:
        item = replace(item, value=None, ci95=None, missing=GAIN_UNKNOWN)
    return replace(item, notes=(*item.notes, SIDES_APART))


def _share_map(image: EdemaImage) -> ParametricMap:
    percent = (100.0 * image.mask.share).astype(np.float32)
    return ParametricMap("edema_share", percent, image.mask.assessed, image.mask.grid, Unit.PERCENT, image.method)


def _ranking(stir: Volume, scene: Scene) -> list[tuple[Region, float]]:
    signal = np.asarray(stir.data, dtype=np.float64)
    found = [
        (region, float(np.median(signal[mask])))
        for region in muscles_of(scene.index)
        if (mask := scene.index.mask(region)).any()
    ]
    return sorted(found, key=lambda item: -item[1])


def _exclusion_check(excluded: Mapping[str, float]) -> QualityCheck:
    total = sum(share for name, share in excluded.items() if name in (FAILED_SUPPRESSION, "seam", "no signal"))
    parts = ", ".join(f"{name} {share:.1f} %" for name, share in excluded.items())
    return QualityCheck("edema-assessable", total < 20.0, f"Muscle left out of the edema count: {parts}.")


def _agreement(rows: list[Measurement]) -> QualityCheck:
    """Whether STIR and T2 tell the same fraction for whole sides."""

    def fraction(quantity: str, side: Side) -> float | None:
        region = Region("muscle", side)
        return next((row.value for row in rows if row.quantity == quantity and row.region == region), None)

    gaps = []
    for side in Side:
        stir, t2 = fraction("edema_fraction", side), fraction("t2_edema_fraction", side)
        if stir is not None and t2 is not None:
            gaps.append(abs(stir - t2))
    if not gaps:
        return QualityCheck("edema-stir-against-t2", None, "STIR and water T2 could not be compared.")
    worst = max(gaps)
    return QualityCheck(
        "edema-stir-against-t2",
        worst <= DISAGREEMENT_POINTS,
        f"Edema fractions by STIR and water T2 differ by up to {worst:.0f} points (limit {DISAGREEMENT_POINTS:.0f}).",
    )


STAGES: tuple[Stage, ...] = (
    Stage(
        "edema",
        8,
        QUANTITIES,
        _select,
        _run,
        uses=("tissues", "muscles", "person-labels", "alignment", "water-t2", "water-t2-joint", "fat-fraction"),
        reads=(
            "stir_ratio",
            "stir_ratio_sd",
            "vial_ratio",
            "vial_ratio_sd",
            "spared_muscle",
            "t2_upper_limit_ms",
        ),
    ),
)
