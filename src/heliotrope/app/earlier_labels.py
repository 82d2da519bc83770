"""Muscle labels of an earlier visit carried to a later one: labels travel, maps do not (spec C11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from heliotrope.app.matched_part import read_images
from heliotrope.app.person_labels import family, merged
from heliotrope.app.timepoints import Timepoint, read_timepoint, require_one_subject
from heliotrope.domain.errors import GeometryError, InputError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Study
from heliotrope.measure.on_grid import values_on
from heliotrope.segment.carried_labels import ROBUST_ROLES, CarriedLimb, carry_labels

IMAGE_ORDER = ("fat_fraction", *sorted(ROBUST_ROLES, reverse=True))
"""Which image moves labels, the best first."""
OWN_TO_EVERY_VISIT = frozenset({"fiducial", "vial"})
"""Structures that lie elsewhere at every visit and are never carried."""
NEVER_MUSCLE = frozenset({"skin", "subcutaneous_fat", "bone"})
"""What a later visit shows as one of these is not muscle there, whatever was carried; families of `family`."""

MOST_DROPPED_PERCENT = 5.0
"""A larger share of carried labels that lies on other tissue says that muscle shrank or the move is wrong: look at the
outlines. Project rule. [%]"""


@dataclass(frozen=True, eq=False)
class EarlierVisit:
    """What is carried from a result folder.

    Parameters
    ----------
    labels : LabelMap
        With the source its own analysis states.
    images : mapping of str to Volume
        Contrast-robust images on the grid of the labels: ``fat_fraction``, or the role of the labeled image.
    subject_known : bool
        Whether both studies name their subject, and it is the same.
    """

    labels: LabelMap
    images: Mapping[str, Volume]
    subject_known: bool


@dataclass(frozen=True, eq=False)
class CarriedVisit:
    """Labels on the later visit, how well they fit, and by which images the move was found after bone and outline."""

    labels: LabelMap
    quality: tuple[QualityCheck, ...]
    by: str | None


def read_earlier_visit(folder: Path, study: Study) -> EarlierVisit:
    """Labels of an analyzed visit, of the patient of `study`.

    Raises
    ------
    InputError
        No finished result (``E_NOT_A_RESULT``), or one without labels (``E_NO_LABELS``).
    QualityRefusal
        Of another patient (``E_DIFFERENT_PATIENTS``).
    """
    earlier = read_timepoint(folder, "the earlier visit")
    require_one_subject({earlier.subject_key, study.subject_key})
    images = read_images(earlier)
    if images is None:
        raise InputError(
            f"folder {folder.name!r} holds no labels that could be carried",
            hint="give the result folder of a visit in which muscle was labeled",
            code="E_NO_LABELS",
        )
    known = None not in (earlier.subject_key, study.subject_key)
    robust = robust_images(images.maps.get("fat_fraction"), images.labels.grid)
    role = _labeled_role(earlier)
    if role in ROBUST_ROLES and images.gray is not None and images.gray.grid.is_same_as(images.labels.grid):
        robust = {**robust, role: images.gray}
    return EarlierVisit(images.labels, robust, known)


def _labeled_role(earlier: Timepoint) -> str | None:
    """Role of the image on which the labels were drawn; None where it cannot be told."""
    labels, study = earlier.document["labels"], earlier.document["study"]
    steps = {step["name"].split("/")[0]: step["series"] for step in earlier.document["methods"]}
    if labels["source"] != "person" and steps.get("tissues"):
        first = steps["tissues"][0]
        return next((row["role"] for row in study["series"] if row["key"] == first), None)
    alike = (
        row["role"]
        for row in study["series"]
        if row["shape"] is not None and (row["shape"][:3], row["spacing_mm"]) == (labels["shape"], labels["spacing_mm"])
    )
    return next(alike, None)


def robust_images(fat_fraction: ParametricMap | None, grid: Grid) -> dict[str, Volume]:
    """The fat fraction as an image on the grid of labels, where there is one in the same space."""
    if fat_fraction is None:
        return {}
    try:
        values = values_on(np.where(fat_fraction.valid, fat_fraction.values, np.nan), fat_fraction.grid, grid)
    except GeometryError:
        return {}
    return {"fat_fraction": Volume(np.nan_to_num(values, nan=0.0).astype(np.float32), grid)}


def carry_to_visit(earlier: EarlierVisit, own: LabelMap, images: Mapping[str, Volume]) -> CarriedVisit:
    """Labels of muscle, and of what this visit does not draw itself, carried from the earlier visit.

    Skin, fat and bone are the later visit's own, and what they cover is taken from the carried labels. The move is
    rigid by bone and outline, then, by the first image both visits have, rigid, affine and B-spline.

    Parameters
    ----------
    own : LabelMap
        The later visit's own labels of tissues, on whose grid the carried labels lie.
    images : mapping of str to Volume
        Of the later visit, as `EarlierVisit.images`, on the grid of `own`.

    Raises
    ------
    QualityRefusal
        ``E_REGISTRATION``: no limb fits within the limit.
    """
    by = next((name for name in IMAGE_ORDER if name in earlier.images and name in images), None)
    pair = (None, None) if by is None else (earlier.images[by], images[by])
    found = carry_labels(earlier.labels, own, moving=pair[0], fixed=pair[1])
    drawn_here = {family(region) for region in own.legend.values()}
    legend = {
        number: region
        for number, region in found.labels.legend.items()
        if family(region) == "muscle"
        or (family(region) not in drawn_here and region.structure not in OWN_TO_EVERY_VISIT)
    }
    values = np.where(np.isin(found.labels.labels, list(legend)), found.labels.labels, 0)
    other = [number for number, region in own.legend.items() if family(region) in NEVER_MUSCLE]
    taken = (values > 0) & (np.isin(own.labels, other) | (own.labels == 0))
    share = 100.0 * int(np.count_nonzero(taken)) / max(1, int(np.count_nonzero(values)))
    carried = replace(found.labels, labels=np.where(taken, 0, values).astype(np.uint16), legend=legend)
    return CarriedVisit(
        merged(carried, own), (*map(_check, found.limbs), _taken(share), *_turn(by), *_subject(earlier)), by
    )


def _check(limb: CarriedLimb) -> QualityCheck:
    end = "" if limb.fits else " Its muscles were left out: draw them on this visit."
    return QualityCheck(
        f"carried-labels/{limb.side or 'limb'}",
        limb.fits,
        f"Labels of the earlier visit: outlines of bone and limb {limb.surface_p95_mm:.1f} mm apart (95th percentile, "
        f"limit {limb.limit_mm:.1f} mm), overlap with the tissues of this visit {limb.dice:.2f} (Dice), "
        f"{limb.inverse_consistency_mm:.1f} mm off after there and back{', bent' if limb.bent else ', rigid'}.{end}",
    )


def _taken(percent: float) -> QualityCheck:
    return QualityCheck(
        "carried-labels",
        percent <= MOST_DROPPED_PERCENT,
        f"{percent:.1f} % of what was carried lay on skin, subcutaneous fat, bone or air here and was dropped (limit "
        f"{MOST_DROPPED_PERCENT:g} %).",
    )


def _turn(by: str | None) -> tuple[QualityCheck, ...]:
    if by is not None:
        return ()
    text = (
        "The visits have no image in common that disease leaves alone (fat fraction, T1, in phase): labels were placed "
        "by bone and outline only, which do not tell how far a round limb is turned. Look at the outlines."
    )
    return (QualityCheck("carried-labels/turn", False, text),)


def _subject(earlier: EarlierVisit) -> tuple[QualityCheck, ...]:
    if earlier.subject_known:
        return ()
    text = "That both visits are of one patient could not be checked: some images name no subject."
    return (QualityCheck("carried-labels/subject", None, text),)


def require_tissues(own: LabelMap | None) -> LabelMap:
    """Tissues of the later visit itself, by which carried labels are placed and judged.

    Raises
    ------
    QualityRefusal
        ``E_NO_LABELS``
    """
    if own is None:
        raise QualityRefusal(
            "no tissues could be drawn on this visit, so labels cannot be carried to it",
            hint="give labels drawn on this visit with --labels",
            code="E_NO_LABELS",
        )
    return own
