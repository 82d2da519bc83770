"""The stages over more than one region of the body: profile along the limbs, inventory and burden."""

from __future__ import annotations

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.anatomy import STRUCTURES
from heliotrope.domain.images import LabelMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import NotAssessed
from heliotrope.domain.study import Modality, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.domain.whole_body import inventory_compartment
from heliotrope.findings.whole_body import whole_body_finding
from heliotrope.measure.profile import limb_axis, profile_measurements, profile_of
from heliotrope.measure.regions import index_regions, is_lean
from heliotrope.measure.whole_body import measure_burden, take_inventory

PROFILE_QUANTITIES = (
    Quantity(
        "edema_profile",
        "Edema along the limb",
        Unit.PERCENT,
        "Edema fraction by height above the distal end of a region; where it lies, not how severe it is.",
    ),
    Quantity(
        "edema_slope",
        "Slope of edema along the limb",
        Unit.PERCENT_PER_CENTIMETER,
        "Change of the edema fraction per centimeter toward the head; positive is more proximal, not more severe.",
    ),
)

BURDEN_QUANTITIES = (
    Quantity(
        "contractile_area_below_other_side",
        "Contractile area below the other side",
        Unit.PERCENT,
        "How far the contractile area of a compartment is below that of the other side; above 15 % is called atrophy.",
    ),
    Quantity(
        "whole_body_coverage",
        "Coverage of the whole-body inventory",
        Unit.PERCENT,
        "Share of the 34 muscle compartments that could be assessed; sums speak of these alone.",
    ),
    Quantity(
        "whole_body_load",
        "Edema load of the whole body",
        Unit.RATIO_MILLILITER,
        "Sum of the edema loads of the compartments that were assessed; higher is more, and it does not say why.",
    ),
    Quantity(
        "whole_body_fraction",
        "Edema fraction of the whole body",
        Unit.PERCENT,
        "Volume-weighted edema fraction of the compartments that were assessed; higher is more.",
    ),
    Quantity(
        "active_compartments",
        "Active compartments",
        Unit.COUNT,
        "Assessed compartments with more than 2.5 % edema; a count, not a severity.",
    ),
    Quantity(
        "distal_active_compartments",
        "Active compartments of forearm and leg",
        Unit.COUNT,
        "The same for forearm and leg, which examination often misses.",
    ),
)

FEWEST_BODY_PARTS = 2
"""Body parts that labels must cover before an inventory of the whole body is taken."""

_LABEL_STAGES = ("tissues", "muscles", "person-labels", "alignment")


def _select(study: Study) -> tuple[Series, ...] | Missing:
    if any(series.grid is not None and series.acquisition.modality is Modality.MR for series in study.series):
        return ()
    return Missing("M_NO_SERIES", "No MR series with a regular geometry.")


def _nothing(quantities: tuple[Quantity, ...], code: str, reason: str) -> StageOutput:
    missing = Missing(code, reason)
    return StageOutput(sentence="", not_assessed=tuple(NotAssessed(item.key, missing) for item in quantities))


def _run_profile(given: StageInput) -> StageOutput:
    share = given.maps.get("edema_share")
    if given.labels is None or share is None:
        return _nothing(PROFILE_QUANTITIES, "M_NO_MAP", "A profile along the limb needs labels and counted edema.")
    labels = given.labels_on(share.grid)
    index = index_regions(labels)
    rows: list[Measurement] = []
    for region in index.members:
        if not is_lean(region) or region.side is None or region.level is not None:
            continue
        axis = limb_axis(labels, region)
        rows.extend(profile_measurements(region, profile_of(share, index.mask(region), axis), axis))
    return StageOutput(
        sentence=(
            "Along the axis of the bone the edema fraction was taken in stretches of at least 10 mm; its change is the "
            "Theil-Sen slope."
        ),
        evidence=("limb-profile",),
        measurements=tuple(rows),
    )


def covered_parts(labels: LabelMap) -> set[str]:
    """Body parts of which the labels hold a compartment of the inventory."""
    names = {inventory_compartment(region.structure) for region in labels.legend.values()}
    return {str(STRUCTURES[name].body_part) for name in names if name is not None}


def _run_burden(given: StageInput) -> StageOutput:
    if given.labels is None:
        return _nothing(BURDEN_QUANTITIES, "M_NO_LABELS", "No labels: nothing says which voxel is which muscle.")
    parts = covered_parts(given.labels)
    if len(parts) < FEWEST_BODY_PARTS:
        where = f"only the {next(iter(parts))}" if parts else "no compartment of the inventory"
        return _nothing(
            BURDEN_QUANTITIES, "M_ONE_REGION", f"The labels cover {where}; an inventory needs two parts of the body."
        )
    compartments = take_inventory(given.measurements)
    burden = measure_burden(compartments)
    extra = [row.below_other_side_percent for row in compartments if row.below_other_side_percent is not None]
    missing = [
        Measurement(row.region, "edema_fraction", "fraction", None, Unit.PERCENT, "whole-body-inventory/1", row.missing)
        for row in compartments
        if row.volume_ml is None and row.missing is not None
    ]
    return StageOutput(
        sentence=(
            "The 34 compartments of the whole-body inventory were filled from the labels; burden is summed over those "
            "that could be assessed, and prorated only when at most a fifth is missing."
        ),
        evidence=("whole-body-inventory", "whole-body-coverage"),
        measurements=(*burden, *missing, *extra),
        findings=(whole_body_finding(compartments, burden),),
    )


STAGES: tuple[Stage, ...] = (
    Stage("profile", 1, PROFILE_QUANTITIES, _select, _run_profile, uses=(*_LABEL_STAGES, "edema")),
    Stage(
        "whole-body",
        1,
        BURDEN_QUANTITIES,
        _select,
        _run_burden,
        uses=(*_LABEL_STAGES, "measurements", "edema", "layers"),
    ),
)
"""Stages of this topic."""
