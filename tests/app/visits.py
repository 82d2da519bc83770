"""Result folders of drawn thighs, each a part of one limb, written by `analyze_study` with a stage that knows all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.analyze import analyze_study
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.app.stages.measurements import SEED, measure_sizes
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.measure.map_statistics import measure_map
from tests.app.examples import study_of
from tests.segment.test_position_match import drawn_labels

QUANTITIES = (
    Quantity("water_t2", "Water T2", Unit.MILLISECOND, "T2 of muscle water."),
    Quantity("volume", "Volume", Unit.MILLILITER, "Volume."),
)


def water_t2_of(labels: LabelMap, first_slice: int) -> NDArray[np.float32]:
    """34 ms in the lower half of the drawn limb, 44 ms in the upper: what is imaged decides the mean. [ms]"""
    values = np.full(labels.grid.shape, 34.0, dtype=np.float32)
    values[:, :, max(0, 6 - first_slice) :] = 44.0
    return values


def visit(
    folder: Path,
    slices: range,
    move: NDArray[np.float64] | None = None,
    *,
    subject: str | None = "subject-1",
    acquired_on: str = "2026-01-02",
    gain: float = 100.0,
    slab_ratio: float = 1.2,
) -> Path:
    """A result folder that shows some slices of the drawn thighs where a move takes them."""
    labels = drawn_labels(slices, move)
    muscle = labels.mask_where(structure="muscle")
    flags = (f"Slice profile: hann-sinc, refocusing 180 degrees over {slab_ratio:.2f} slices.",)
    item = ParametricMap(
        "water_t2", water_t2_of(labels, slices.start), muscle, labels.grid, Unit.MILLISECOND, "drawn/1", flags
    )
    gray = Volume((labels.labels % 10).astype(np.float32) * np.float32(gain), labels.grid)

    def run(_: StageInput) -> StageOutput:
        generator = np.random.default_rng(SEED)
        rows = (*measure_map(item, labels, generator=generator), *measure_sizes(labels, None))
        return StageOutput(
            "Drawn.", labels=labels, maps={"water_t2": item}, backgrounds={"labels": gray}, measurements=rows
        )

    image = folder.parent / f"{folder.name}.dcm"
    image.write_bytes(b"pixels")
    study = replace(study_of(image), subject_key=subject, acquired_on=acquired_on)
    stage = Stage("drawn", 1, QUANTITIES, lambda given: given.series, run)
    analyze_study(study, folder, AnalyzeOptions(), progress=lambda *_: None, stages=(stage,))
    return folder
