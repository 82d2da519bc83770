"""The ultrasound stage: gray levels in regions a person drew, and what a reader saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.person_labels import read_person_labels
from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import NotAssessed
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.measure.echo_intensity import EchoControls, measure_echo_intensity

QUANTITIES = (
    Quantity(
        "echo_intensity",
        "Echo intensity",
        Unit.GRAY_LEVEL,
        "Gray level of a drawn region in a B-mode picture; higher is worse within one machine preset, and "
        "compares with no other preset.",
    ),
    Quantity(
        "echo_intensity_ratio",
        "Echo intensity over subcutaneous fat",
        Unit.ONE,
        "Mean gray level over that of subcutaneous fat in the same picture; higher is worse. Not a ratio "
        "of echo strengths.",
    ),
    Quantity(
        "echo_intensity_z",
        "Echo intensity against controls",
        Unit.ONE,
        "Standard deviations above the site's own controls for the machine preset; higher is worse. "
        "Never without them.",
    ),
)


def _select(study: Study) -> tuple[Series, ...] | Missing:
    found = study.with_role(Role.ULTRASOUND)
    if not found:
        return Missing("M_NO_SERIES", "no ultrasound series")
    flat = tuple(s for s in found if s.grid is not None and s.grid.shape[2] == 1 and s.n_frames == 1)
    if not flat:
        return Missing("M_NO_STILL", "the ultrasound holds no single B-mode picture, only loops or volumes")
    return flat


def _run(given: StageInput) -> StageOutput:
    seen = _reader_findings(given.options)
    if given.options.labels is None:
        reason = Missing("M_NO_REGION", "no region is drawn on the ultrasound picture; give one with --labels")
        return _none(reason, seen)
    labels, series = read_person_labels(Path(given.options.labels), given.study)
    if series.key not in {item.key for item in given.series}:
        return _none(Missing("M_NO_REGION", "the labels are drawn on another series than the ultrasound picture"), seen)
    volume = given.read_volume(series)
    gray = np.asarray(volume.data).reshape(volume.data.shape[:2])
    return StageOutput(
        sentence=(
            "Echo intensity is the mean and median gray level in regions a person drew on the B-mode picture; regions "
            "under burned-in text or marks were refused."
        ),
        evidence=("echo-intensity-settings",),
        backgrounds={"ultrasound": volume},
        measurements=measure_echo_intensity(gray, labels, controls_of(given.options)),
        findings=seen,
    )


def _none(reason: Missing, findings: tuple[Finding, ...]) -> StageOutput:
    return StageOutput(
        sentence="",
        not_assessed=tuple(NotAssessed(quantity.key, reason) for quantity in QUANTITIES),
        findings=findings,
    )


def controls_of(options: AnalyzeOptions) -> EchoControls | None:
    """The site's controls, where mean, standard deviation and preset are given."""
    mean, sd, preset = options.echo_control_mean, options.echo_control_sd, options.echo_preset
    return None if mean is None or sd is None or preset is None else EchoControls(preset, mean, sd)


def _reader_findings(options: AnalyzeOptions) -> tuple[Finding, ...]:
    """What a reader entered; the program grades nothing."""
    out = []
    if options.heckmatt_grade is not None:
        out.append(
            Finding(
                FindingKind.SCORE,
                Truth.TRUE,
                f"Heckmatt grade {options.heckmatt_grade}, entered by a reader.",
                limits=("Entered, not computed.",),
                evidence=("heckmatt-grade",),
                details={"heckmatt_grade": float(options.heckmatt_grade)},
            )
        )
    if options.ultrasound_shadowing is not None:
        out.append(
            Finding(
                FindingKind.CALCINOSIS,
                Truth.of(options.ultrasound_shadowing),
                "Calcification with acoustic shadowing on ultrasound "
                + ("was seen by a reader." if options.ultrasound_shadowing else "was not seen by a reader."),
                limits=("Entered, not computed.",),
            )
        )
    return tuple(out)


_READS = (
    "labels",
    "echo_control_mean",
    "echo_control_sd",
    "echo_preset",
    "heckmatt_grade",
    "ultrasound_shadowing",
)

STAGES = (Stage("echo-intensity", 1, QUANTITIES, _select, _run, reads=_READS),)
"""Stages of this topic."""
