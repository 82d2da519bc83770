"""The stage that turns measurements into findings of damage, scores and possible biopsy sites."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.app.stages.measurements import SEED
from heliotrope.domain.findings import Finding
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import NotAssessed
from heliotrope.domain.study import Modality, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.findings.biopsy import biopsy_findings
from heliotrope.findings.damage import atrophy_findings, fat_findings
from heliotrope.findings.scores import score_findings
from heliotrope.measure.biopsy import BiopsyImages, find_targets, places_for_biopsy
from heliotrope.measure.on_grid import values_on
from heliotrope.stations.layout import is_scanned_by_side

QUANTITIES = (
    Quantity(
        "biopsy_site",
        "Possible biopsy site",
        Unit.ONE,
        "Score of a place for biopsy, 0 to 1; support for a clinician, never a decision.",
    ),
)

SIZES_APART = (
    "Left and right were scanned separately: another level or position of one limb looks like a difference of size."
)
"""Stands beside every comparison of sizes of sides that were not in one image."""

_BESIDE_BODY = frozenset({"vial", "fiducial"})
_BONE = frozenset({"bone", "bone_cortex", "bone_marrow", "femur"})


def _select(study: Study) -> tuple[Series, ...] | Missing:
    if any(series.grid is not None and series.acquisition.modality is Modality.MR for series in study.series):
        return ()
    return Missing("M_NO_SERIES", "No MR series with a regular geometry.")


def _biopsy_images(
    labels: LabelMap, ratio: ParametricMap, fat: ParametricMap, share: ParametricMap | None
) -> BiopsyImages:
    grid = ratio.grid

    def named(names: frozenset[str]) -> NDArray[np.bool_]:
        numbers = [n for n, region in labels.legend.items() if region.structure in names]
        return np.isin(labels.labels, numbers)

    values = np.where(ratio.valid, ratio.values, np.nan).astype(np.float64)
    if share is not None and share.grid.is_same_as(grid):
        values[~share.valid] = np.nan  # vessels, failed fat suppression and borders are no target
    return BiopsyImages(
        ratio=values,
        fat_percent=values_on(np.where(fat.valid, fat.values, np.nan), fat.grid, grid),
        regions=places_for_biopsy(labels),
        body=(labels.labels > 0) & ~named(_BESIDE_BODY),
        bone=named(_BONE),
        vessel=named(frozenset({"vessel"})),
        forbidden=named(frozenset({"calcification", "metal"})),
        grid=grid,
    )


def _run(given: StageInput) -> StageOutput:
    atrophy = atrophy_findings(given.measurements)
    if any(is_scanned_by_side(series) for series in given.study.series):
        atrophy = tuple(replace(item, limits=(*item.limits, SIZES_APART)) for item in atrophy)
    findings: list[Finding] = [*fat_findings(given.measurements), *atrophy]
    generator = np.random.default_rng(SEED)
    findings.extend(score_findings(given.measurements, given.findings, generator=generator))
    not_assessed: list[NotAssessed] = []
    ratio, fat = given.maps.get("stir_relative"), given.maps.get("fat_fraction")
    if given.labels is None or ratio is None or fat is None:
        reason = "A biopsy site needs labels, STIR with a valid reference, and a fat fraction."
        not_assessed.append(NotAssessed("biopsy_site", Missing("M_NO_MAP", reason)))
    else:
        images = _biopsy_images(given.labels_on(ratio.grid), ratio, fat, given.maps.get("edema_share"))
        if images.regions:
            found = find_targets(images)
            labeled = bool(images.vessel.any())
            findings.extend(biopsy_findings(found, tuple(images.regions), vessels_labeled=labeled))
        else:
            reason = "No muscle that a biopsy may be taken from is labeled."
            not_assessed.append(NotAssessed("biopsy_site", Missing("M_EMPTY_REGION", reason)))
    return StageOutput(
        sentence=(
            "Fat was graded from its fraction, atrophy from contractile area against the other side; published "
            "scores were "
            "derived as views; possible biopsy sites were scored by edema, leanness, evenness, safety and access."
        ),
        evidence=("fat-grades", "atrophy-rule", "biopsy-rule", "biopsy-gain"),
        findings=tuple(findings),
        not_assessed=tuple(not_assessed),
    )


STAGES: tuple[Stage, ...] = (
    Stage(
        "findings",
        4,
        QUANTITIES,
        _select,
        _run,
        uses=("tissues", "muscles", "person-labels", "alignment", "fat-fraction", "measurements", "edema", "layers"),
    ),
)
