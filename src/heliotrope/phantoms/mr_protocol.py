"""The simulated examination: which sequences, on which grid, with which noise, and what their headers say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.phantoms.diffusion_signal import diffusion_signal, examination_scheme
from heliotrope.phantoms.fibers import Fibers
from heliotrope.phantoms.mr_signal import (
    MagnetizationModel,
    SuppressionFailure,
    dixon_signal,
    multi_echo_signal,
    scanner_water_and_fat,
    spin_echo_signal,
    stir_signal,
)
from heliotrope.phantoms.mr_tissue import FIELD_STRENGTH_T
from heliotrope.phantoms.study import PhantomSeries

MANUFACTURER = "Heliotrope digital phantom"
"""Stands where a scanner names its maker."""


class Sequence(StrEnum):
    """A simulated sequence."""

    T1 = "t1"
    STIR = "stir"
    MULTI_ECHO_T2 = "multi_echo_t2"
    COMPLEX_DIXON = "complex_dixon"
    SCANNER_DIXON = "scanner_dixon"
    DIFFUSION = "diffusion"


@dataclass(frozen=True)
class MrProtocol:
    """Parameters of the examination; all series share one grid and one coil.

    Parameters
    ----------
    matrix : tuple of 2 ints
        Pixels from right to left and from front to back.
    pixel_mm, slice_thickness_mm, slice_gap_mm : float
    n_slices : int
    first_slice_mm : float or None
        z of the first slice; None centers the stack at mid-thigh. [mm]
    sequences : tuple of Sequence
    t2_snr, stir_snr, t1_snr, dixon_snr, diffusion_snr : float
        Signal of healthy muscle (first echo, b 0) over the noise of one channel.
    diffusion_shells : tuple of (float, int)
        b-values [s/mm2] and frames of each.
    perfusion : tuple of 2 floats or None
        Perfusion fraction [1] and pseudo-diffusivity [mm2/s] of muscle in the diffusion series.
    noise_stream : int
        Other noise for the same person, e.g. a second visit.
    gain : float
        Signal of healthy muscle in the scanner's numbers.
    acquired_on : str
        Study date in the headers, ISO 8601; made up.
    """

    matrix: tuple[int, int] = (304, 160)
    pixel_mm: float = 1.25
    slice_thickness_mm: float = 8.0
    slice_gap_mm: float = 0.0
    n_slices: int = 9
    first_slice_mm: float | None = None
    sequences: tuple[Sequence, ...] = (
        Sequence.T1,
        Sequence.STIR,
        Sequence.MULTI_ECHO_T2,
        Sequence.COMPLEX_DIXON,
        Sequence.SCANNER_DIXON,
    )
    t2_snr: float = 60.0
    stir_snr: float = 25.0
    t1_snr: float = 50.0
    dixon_snr: float = 60.0
    diffusion_snr: float = 45.0
    diffusion_shells: tuple[tuple[float, int], ...] = ((0.0, 4), (400.0, 10), (800.0, 20))
    perfusion: tuple[float, float] | None = None
    noise_stream: int = 0
    gain: float = 500.0
    acquired_on: str = "2026-01-15"

    def grid(self) -> Grid:
        """Axial grid centered on the two limbs."""
        spacing = self.slice_thickness_mm + self.slice_gap_mm
        start = self.first_slice_mm if self.first_slice_mm is not None else -spacing * (self.n_slices - 1) / 2.0
        affine = np.diag([self.pixel_mm, self.pixel_mm, spacing, 1.0])
        affine[:3, 3] = (
            -self.pixel_mm * (self.matrix[0] - 1) / 2.0,
            -self.pixel_mm * (self.matrix[1] - 1) / 2.0,
            start,
        )
        return Grid.from_matrix((*self.matrix, self.n_slices), affine)


ECHO_SPACING_MS, N_ECHOES, T2_TR_MS = 9.5, 17, 3000.0
STIR_TI_MS, STIR_TR_MS, STIR_TE_MS = 220.0, 4500.0, 60.0
T1_TR_MS, T1_TE_MS = 600.0, 12.0
DIXON_ECHO_TIMES_MS = (1.15, 2.10, 3.05, 4.00, 4.95, 5.90)
DIXON_TR_MS, DIXON_FLIP_DEG = 10.0, 3.0
DIFFUSION_TR_MS, DIFFUSION_TE_MS, EPI_HZ_PER_PIXEL = 5000.0, 55.0, 60.0


def _acquisition(protocol: MrProtocol, **facts: object) -> Acquisition:
    common: dict[str, object] = {
        "modality": Modality.MR,
        "field_strength_t": FIELD_STRENGTH_T,
        "slice_thickness_mm": protocol.slice_thickness_mm,
        "slice_spacing_mm": protocol.slice_thickness_mm + protocol.slice_gap_mm,
        "manufacturer": MANUFACTURER,
        "body_part_claimed": "THIGH",
        "acquired_on": protocol.acquired_on,
    }
    return Acquisition(**(common | facts))  # type: ignore[arg-type]


def simulate_series(
    model: MagnetizationModel,
    protocol: MrProtocol,
    failure: SuppressionFailure | None,
    noise: np.random.Generator,
) -> tuple[PhantomSeries, ...]:
    """Run every sequence of the protocol, in its order."""
    grid = model.voxels.grid
    streams = noise.spawn(2 * len(Sequence))
    series: list[PhantomSeries] = []

    def add(
        data: NDArray[np.generic],
        role: Role,
        what: str,
        sequence: tuple[str, ...],
        variant: tuple[str, ...],
        **facts: object,
    ) -> None:
        acquisition = _acquisition(protocol, scanning_sequence=sequence, sequence_variant=variant, **facts)
        series.append(PhantomSeries(Volume(data, grid), acquisition, role, f"SYNTHETIC {what}"))

    for sequence in protocol.sequences:
        generator = streams[2 * list(Sequence).index(sequence) + protocol.noise_stream]
        if sequence is Sequence.T1:
            data = spin_echo_signal(
                model,
                repetition_time_ms=T1_TR_MS,
                echo_time_ms=T1_TE_MS,
                snr=protocol.t1_snr,
                gain=protocol.gain * 2.0,
                generator=generator,
            )
            add(
                data,
                Role.T1,
                "T1 spin echo",
                ("SE",),
                ("SK",),
                repetition_time_ms=T1_TR_MS,
                echo_times_ms=(T1_TE_MS,),
                flip_angle_deg=90.0,
                echo_train_length=1,
                image_type=("ORIGINAL", "PRIMARY", "M"),
                acquisition_type="2D",
                sequence_name="se2d1",
            )
        elif sequence is Sequence.STIR:
            data = stir_signal(
                model,
                inversion_time_ms=STIR_TI_MS,
                repetition_time_ms=STIR_TR_MS,
                echo_time_ms=STIR_TE_MS,
                snr=protocol.stir_snr,
                gain=protocol.gain * 8.0,
                failure=failure,
                generator=generator,
            )
            add(
                data,
                Role.STIR,
                "STIR",
                ("SE", "IR"),
                ("SK",),
                repetition_time_ms=STIR_TR_MS,
                echo_times_ms=(STIR_TE_MS,),
                inversion_time_ms=STIR_TI_MS,
                flip_angle_deg=150.0,
                echo_train_length=13,
                image_type=("ORIGINAL", "PRIMARY", "M"),
                acquisition_type="2D",
                sequence_name="tir2d1_13",
            )
        elif sequence is Sequence.MULTI_ECHO_T2:
            echoes = multi_echo_signal(
                model,
                echo_spacing_ms=ECHO_SPACING_MS,
                n_echoes=N_ECHOES,
                repetition_time_ms=T2_TR_MS,
                snr=protocol.t2_snr,
                gain=protocol.gain,
                generator=generator,
            )
            add(
                echoes,
                Role.MULTI_ECHO_T2,
                "T2 multi-echo spin echo",
                ("SE",),
                ("SP",),
                repetition_time_ms=T2_TR_MS,
                echo_times_ms=tuple(round(ECHO_SPACING_MS * (n + 1), 6) for n in range(N_ECHOES)),
                flip_angle_deg=180.0,
                refocusing_flip_angle_deg=180.0,
                echo_train_length=N_ECHOES,
                image_type=("ORIGINAL", "PRIMARY", "M", "SE"),
                acquisition_type="2D",
                sequence_name="se2d17",
            )
        elif sequence is Sequence.COMPLEX_DIXON:
            complex_echoes = dixon_signal(
                model,
                echo_times_ms=DIXON_ECHO_TIMES_MS,
                repetition_time_ms=DIXON_TR_MS,
                flip_angle_deg=DIXON_FLIP_DEG,
                snr=protocol.dixon_snr,
                gain=protocol.gain,
                generator=generator,
            )
            facts: dict[str, object] = {
                "repetition_time_ms": DIXON_TR_MS,
                "echo_times_ms": DIXON_ECHO_TIMES_MS,
                "flip_angle_deg": DIXON_FLIP_DEG,
                "acquisition_type": "3D",
                "sequence_name": "fl3d6",
            }
            magnitude = np.abs(complex_echoes).astype(np.float32)
            phase = np.angle(complex_echoes).astype(np.float32)
            kind = ("ORIGINAL", "PRIMARY")
            what = "multi-echo gradient echo"
            add(magnitude, Role.GRE_MAGNITUDE, f"{what} magnitude", ("GR",), ("SP",), image_type=(*kind, "M"), **facts)
            add(phase, Role.GRE_PHASE, f"{what} phase", ("GR",), ("SP",), image_type=(*kind, "P"), **facts)
        elif sequence is Sequence.DIFFUSION:
            scheme = examination_scheme(protocol.diffusion_shells)
            frames = diffusion_signal(
                model,
                Fibers.of(model.voxels),
                scheme,
                repetition_time_ms=DIFFUSION_TR_MS,
                echo_time_ms=DIFFUSION_TE_MS,
                perfusion=protocol.perfusion,
                bandwidth_hz_per_pixel=EPI_HZ_PER_PIXEL,
                snr=protocol.diffusion_snr,
                gain=protocol.gain,
                generator=generator,
            )
            add(
                frames,
                Role.DWI,
                "diffusion",
                ("EP", "SE"),
                ("SK", "SP"),
                repetition_time_ms=DIFFUSION_TR_MS,
                echo_times_ms=(DIFFUSION_TE_MS,),
                flip_angle_deg=90.0,
                b_values_s_per_mm2=scheme.b_values,
                b_vectors_lps=scheme.directions,
                image_type=("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"),
                acquisition_type="2D",
                sequence_name="ep_b",
            )
        else:
            water, fat = scanner_water_and_fat(
                model,
                repetition_time_ms=DIXON_TR_MS,
                flip_angle_deg=DIXON_FLIP_DEG,
                snr=protocol.dixon_snr,
                gain=protocol.gain,
                generator=generator,
            )
            for image, role, word in ((water, Role.DIXON_WATER, "WATER"), (fat, Role.DIXON_FAT, "FAT")):
                add(
                    image,
                    role,
                    f"Dixon {word.lower()}",
                    ("GR",),
                    ("SP",),
                    repetition_time_ms=DIXON_TR_MS,
                    echo_times_ms=(DIXON_ECHO_TIMES_MS[0],),
                    flip_angle_deg=DIXON_FLIP_DEG,
                    image_type=("DERIVED", "PRIMARY", "DIXON", word),
                    acquisition_type="3D",
                    sequence_name="fl3d6",
                )
    return tuple(series)
