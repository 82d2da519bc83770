"""Small images with a known value at every voxel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io.dicom_writer import synthetic_uid, write_dicom_series

FRAME = "1.2.3.4"


def numbered(shape: tuple[int, ...], *, spacing: tuple[float, float, float] = (1.5, 2.0, 5.0)) -> Volume:
    """A volume whose every voxel holds another whole number."""
    data = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = (-30.0, 12.0, -7.5)
    return Volume(data, Grid.from_matrix(shape, matrix, FRAME))


def multi_echo(n: int = 4) -> Acquisition:
    return Acquisition(
        Modality.MR,
        field_strength_t=3.0,
        repetition_time_ms=3000.0,
        echo_times_ms=tuple(10.0 * (i + 1) for i in range(n)),
        echo_train_length=n,
        refocusing_flip_angle_deg=180.0,
        scanning_sequence=("SE",),
        slice_thickness_mm=5.0,
        acquired_on="2026-01-31",
    )


def write(
    folder: Path,
    volume: Volume,
    acquisition: Acquisition,
    role: Role,
    *,
    number: int = 1,
    label: str = "a",
    study: str = "one",
) -> tuple[Path, ...]:
    return write_dicom_series(
        volume,
        acquisition,
        role=role,
        description=f"test {number}",
        series_number=number,
        study_uid=synthetic_uid("study", study, label),
        series_uid=synthetic_uid("series", study, label, number),
        patient_label=label,
        folder=folder,
    )
