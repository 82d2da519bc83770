"""Echo intensity of ultrasound: gray levels in a drawn region, beside subcutaneous fat and a site's controls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Region
from heliotrope.domain.errors import InputError
from heliotrope.domain.images import LabelMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.segment.screen_text import find_screen_text

METHOD = "echo-intensity/1"
FEWEST_PIXELS = 100
"""Below this many pixels no gray level is stated."""
TEXT_MARGIN_PIXELS = 3
"""Pixels this near to a stroke of text belong to it: edges are smoothed and compressed. [pixels]"""
CLIPPED_SHARE = 0.05
"""A region with more than this share at the ends of the gray scale is said to be clipped. [1]"""
REFERENCE = "subcutaneous_fat"
_EVIDENCE = ("echo-intensity-settings",)
_NOTE = "Gray levels depend on machine, preset, gain, depth and probe; compare within one preset only."


@dataclass(frozen=True)
class EchoControls:
    """Gray level of a site's own controls.

    Parameters
    ----------
    preset : str
        Machine and preset they were scanned with, as the site calls it.
    mean, sd : float
        Mean gray level of the muscle in the controls, and its standard deviation among them.

    Raises
    ------
    InputError
        No preset named, or a standard deviation that is not positive.
    """

    preset: str
    mean: float
    sd: float

    def __post_init__(self) -> None:
        if not self.preset.strip():
            raise InputError("echo controls: no preset named", hint="name machine and preset of the controls")
        if not (np.isfinite(self.mean) and np.isfinite(self.sd) and self.sd > 0 and self.mean >= 0):
            raise InputError(
                f"echo controls: mean {self.mean:g}, standard deviation {self.sd:g}",
                hint="a mean of 0 or more and a standard deviation above 0 are needed",
            )


def measure_echo_intensity(
    gray: NDArray[np.generic], labels: LabelMap, controls: EchoControls | None = None
) -> tuple[Measurement, ...]:
    """Mean and median gray level, ratio to subcutaneous fat, and z-score of every drawn region.

    Parameters
    ----------
    gray : array (x, y)
        B-mode picture as shown.
    labels : LabelMap (x, y, 1)
        Drawn on it. A region ``subcutaneous_fat`` is the reference.
    controls : EchoControls or None
        None gives no z-score.

    Returns
    -------
    tuple of Measurement
        A region that is empty, small, or under burned-in text is missing with the reason.

    Raises
    ------
    InputError
        Picture and labels differ in shape.
    """
    picture = np.asarray(gray, dtype=np.float64)
    drawn = np.asarray(labels.labels)
    if drawn.ndim != 3 or drawn.shape != (*picture.shape, 1):
        raise InputError(
            f"labels of shape {drawn.shape} on a picture of shape {picture.shape}",
            hint="draw the region on the picture itself",
        )
    ink = find_screen_text(picture)
    near = ndimage.binary_dilation(ink, iterations=TEXT_MARGIN_PIXELS) if ink.any() else ink
    regions: dict[Region, NDArray[np.bool_]] = {}
    for number, region in labels.legend.items():
        member = drawn[:, :, 0] == number
        regions[region] = regions[region] | member if region in regions else member
    reference, why_not = _reference(picture, regions, near)
    rows: list[Measurement] = []
    for region, inside in regions.items():
        missing = _unfit(picture, inside, near)
        rows += _levels(picture, region, inside, missing)
        if region.structure != REFERENCE:
            rows.append(_ratio(picture, region, inside, missing or why_not, reference))
            if region.structure != "all":
                rows.append(_z_score(picture, region, inside, missing, controls))
    return tuple(rows)


def _unfit(picture: NDArray[np.float64], inside: NDArray[np.bool_], near: NDArray[np.bool_]) -> Missing | None:
    count = int(inside.sum())
    if count < FEWEST_PIXELS:
        return Missing("M_EMPTY_REGION", f"the region has {count} pixels (at least {FEWEST_PIXELS})")
    if (inside & near).any():
        return Missing("M_BURNED_IN_TEXT", "text or marks are burned into the picture over the region")
    if not np.isfinite(picture[inside]).all():
        return Missing("M_NO_VALUES", "the picture holds values in the region that are no numbers")
    return None


def _reference(
    picture: NDArray[np.float64], regions: dict[Region, NDArray[np.bool_]], near: NDArray[np.bool_]
) -> tuple[float, Missing | None]:
    parts = [mask for region, mask in regions.items() if region.structure == REFERENCE]
    if not parts:
        return 0.0, Missing("M_NO_REFERENCE", "no region of subcutaneous fat is drawn")
    mask = np.logical_or.reduce(parts)
    problem = _unfit(picture, mask, near)
    if problem is not None:
        return 0.0, Missing("M_NO_REFERENCE", f"subcutaneous fat: {problem.reason}")
    level = float(picture[mask].mean())
    if not level > 0:
        return 0.0, Missing("M_NO_REFERENCE", "the region of subcutaneous fat is black")
    return level, None


def _levels(
    picture: NDArray[np.float64], region: Region, inside: NDArray[np.bool_], missing: Missing | None
) -> list[Measurement]:
    values = picture[inside]
    notes = [_NOTE]
    if missing is None:
        ends = float(np.mean((values <= picture.min()) | (values >= picture.max())))
        if ends > CLIPPED_SHARE:
            notes.append(
                f"{100 * ends:.0f} % of the region lies at the ends of the gray scale: gain was too high or low."
            )
        if picture.max() > 255 or picture.min() < 0:
            notes.append("The picture holds other than 8-bit gray levels; published cut-offs do not apply.")
    statistics = {} if missing else {"mean": float(values.mean()), "median": float(np.median(values))}
    return [
        Measurement(
            region,
            "echo_intensity",
            name,
            statistics.get(name),
            Unit.GRAY_LEVEL,
            METHOD,
            missing=missing,
            n_voxels=int(inside.sum()),
            evidence=_EVIDENCE,
            notes=tuple(notes),
        )
        for name in ("mean", "median")
    ]


def _ratio(
    picture: NDArray[np.float64], region: Region, inside: NDArray[np.bool_], missing: Missing | None, reference: float
) -> Measurement:
    return Measurement(
        region,
        "echo_intensity_ratio",
        "mean",
        None if missing else float(picture[inside].mean()) / reference,
        Unit.ONE,
        METHOD,
        missing=missing,
        n_voxels=int(inside.sum()),
        evidence=("echo-intensity-subcutis",),
        notes=("Display compression bends the ratio; it is no ratio of echo strengths.",),
    )


def _z_score(
    picture: NDArray[np.float64],
    region: Region,
    inside: NDArray[np.bool_],
    missing: Missing | None,
    controls: EchoControls | None,
) -> Measurement:
    if missing is None and controls is None:
        missing = Missing("M_NO_CONTROLS", "no controls of this site for this machine preset were given")
    value = None
    notes: tuple[str, ...] = ()
    if missing is None and controls is not None:
        value = (float(picture[inside].mean()) - controls.mean) / controls.sd
        notes = (
            f"Against the site's controls of preset {controls.preset}; that this picture has that preset, and the "
            "controls' muscle, age and sex, are the reader's to check.",
        )
    return Measurement(
        region,
        "echo_intensity_z",
        "mean",
        value,
        Unit.ONE,
        METHOD,
        missing=missing,
        n_voxels=int(inside.sum()),
        evidence=("echo-intensity-z",),
        notes=notes,
    )
