"""Small stages and studies for tests of the pipeline."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Acquisition, FileOutcome, FileRecord, FrameSource, Modality, Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit

GRID = Grid.from_spacing((4, 3, 2), (1.0, 1.0, 5.0))
WATER_T2 = Quantity("water_t2", "water T2", Unit.MILLISECOND, "T2 of muscle water; higher is worse; not a diagnosis.")
VOLUME = Quantity("volume", "volume", Unit.MILLILITER, "Volume of a structure.")


def study_of(*files: Path, role: Role = Role.MULTI_ECHO_T2) -> Study:
    """A study of one series whose frames are the given files."""
    series = Series(
        key="s01",
        uid="1.2.3",
        number=1,
        description="MESE of Jane Doe",
        role=role,
        role_reason="17 spin echoes",
        acquisition=Acquisition(Modality.MR, field_strength_t=3.0, echo_times_ms=(10.0, 20.0)),
        grid=GRID,
        n_frames=1,
        frames=tuple(FrameSource(str(path)) for path in files),
    )
    records = tuple(
        FileRecord(path.name, FileOutcome.USED, sha256=hashlib.sha256(path.read_bytes()).hexdigest()) for path in files
    )
    return Study("study-1", "subject-1", "2026-01-02", (series,), records)


def read_ones(_: Series) -> Volume:
    """A volume of ones for any series."""
    return Volume(np.ones(GRID.shape, np.float32), GRID)


def select_multi_echo(study: Study) -> tuple[Series, ...] | Missing:
    """The multi-echo series, or what is missing."""
    return study.with_role(Role.MULTI_ECHO_T2) or Missing("M_NO_SERIES", "no multi-echo T2 series")


def t2_stage(value_ms: float = 35.0, version: int = 1, calls: list[str] | None = None) -> Stage:
    """A stage that gives a constant map."""

    def run(given: StageInput) -> StageOutput:
        if calls is not None:
            calls.append("t2")
        data = given.read_volume(given.series[0]).data
        values = np.full(data.shape, value_ms, np.float32)
        item = ParametricMap(
            "water_t2", values, np.ones(data.shape, bool), GRID, Unit.MILLISECOND, "constant/1", ("flagged",)
        )
        return StageOutput(
            "T2 was set.", ("source-1",), maps={"water_t2": item}, backgrounds={"t2": Volume(data, GRID)}
        )

    return Stage("t2", version, (WATER_T2,), select_multi_echo, run)


def label_stage(calls: list[str] | None = None) -> Stage:
    """A stage that labels everything, measures it and states something."""

    def run(given: StageInput) -> StageOutput:
        if calls is not None:
            calls.append("labels")
        region = Region("muscle", Side.LEFT)
        labels = LabelMap(np.ones(GRID.shape, np.uint16), GRID, {1: region}, "test", {1: 0.5}, ("a note",))
        mean = float(given.maps["water_t2"].values.mean())
        measured = Measurement(
            region, "water_t2", "mean", mean, Unit.MILLISECOND, "mean/1", ci95=(mean - 1, mean + 1), n_voxels=24
        )
        absent = Measurement(
            Region("bone", Side.LEFT),
            "volume",
            "total",
            None,
            Unit.MILLILITER,
            "count/1",
            Missing("M_EMPTY_REGION", "no voxel"),
        )
        finding = Finding(
            FindingKind.EDEMA, Truth.UNKNOWN, "Not assessable.", (region,), (measured,), details={"mode": "d"}
        )
        return StageOutput(
            "Labels were set.",
            labels=labels,
            measurements=(measured, absent),
            findings=(finding,),
            quality=(QualityCheck("islands", True, "none"),),
        )

    return Stage("labels", 1, (VOLUME,), lambda _: (), run, uses=("t2",), reads=("labels",))
