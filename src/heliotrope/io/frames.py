"""One 2-D frame as the header describes it: where its pixels are, where it lies, how it was acquired."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from heliotrope.domain.study import FrameSource, Modality

Vector = tuple[float, float, float]


class Component(StrEnum):
    """Part of the complex MR signal."""

    MAGNITUDE = "magnitude"
    PHASE = "phase"
    REAL = "real"
    IMAGINARY = "imaginary"


class Content(StrEnum):
    """What the image type says was computed; PLAIN is signal as acquired."""

    PLAIN = "plain"
    WATER = "water"
    FAT = "fat"
    IN_PHASE = "in phase"
    OPPOSED_PHASE = "opposed phase"
    FAT_FRACTION = "fat fraction"
    T2_MAP = "T2 map"
    T2_STAR_MAP = "T2* or R2* map"
    T1_MAP = "T1 map"
    B1_MAP = "B1 map"
    B0_MAP = "field map"
    ADC_MAP = "diffusion coefficient map"
    DIFFUSION_TRACE = "trace-weighted image"
    DIFFUSION_DERIVED = "map derived from diffusion"
    PROJECTION = "projection of a volume"
    LOCALIZER = "localizer"
    SCREEN = "screen capture"


@dataclass(frozen=True)
class PixelFormat:
    """How pixels are stored.

    Parameters
    ----------
    transfer_syntax : str
        UID.
    rows, columns, samples, n_frames : int
    bits_allocated, bits_stored : int
    signed : bool
    photometric : str
    planar : int
        1 when color planes are stored one after another.
    real : bool
        True for float and double pixel elements.
    """

    transfer_syntax: str
    rows: int
    columns: int
    samples: int = 1
    n_frames: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    signed: bool = False
    photometric: str = "MONOCHROME2"
    planar: int = 0
    real: bool = False

    @property
    def frame_bytes(self) -> int:
        """Size of one uncompressed frame. [bytes]"""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


@dataclass(frozen=True)
class DicomFrame(FrameSource):
    """A frame whose pixels can be read without parsing the header again.

    Parameters
    ----------
    format : PixelFormat or None
        Never None for a frame made by the intake.
    offset : int
        Byte at which the pixel element begins; negative when it must be found again.
    slope, intercept : float
        Stored value to signal.
    tile : tuple of 3 ints or None
        Tiles per mosaic row, tile rows, tile columns; `frame` is then the tile number.
    """

    format: PixelFormat | None = None
    offset: int = -1
    slope: float = 1.0
    intercept: float = 0.0
    tile: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class SeriesContext:
    """What the frames of one acquisition share."""

    study_uid: str
    series_uid: str
    sop_class: str
    modality: Modality
    modality_claimed: str
    number: int | None
    description: str
    protocol: str
    frame_of_reference: str | None
    manufacturer: str | None
    model: str | None
    software: str | None
    field_strength_t: float | None
    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    scan_options: tuple[str, ...]
    sequence_name: str | None
    image_type: tuple[str, ...]
    acquisition_type: str | None
    echo_train_length: int | None
    pixel_bandwidth_hz: float | None
    slice_thickness_mm: float | None
    spacing_between_slices_mm: float | None
    body_part_claimed: str | None
    tube_voltage_kv: float | None
    convolution_kernel: str | None
    contrast_agent: bool | None
    acquired_on: str | None
    phase_encoding_axis: str | None
    transmit_coil: str | None
    rescale_type: str | None
    component: Component | None
    content: Content
    content_reason: str
    synthetic: bool
    fat_suppressed: str | None = None
    inversion: str | None = None
    vendor_notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FrameFacts:
    """One 2-D frame.

    Parameters
    ----------
    file : int
        Index of the input file among the entries.
    position, row, column : Vector or None
        Center of the first pixel, direction of growing column index, direction of growing row index; LPS. [mm]
    row_spacing_mm, column_spacing_mm : float or None
        Between rows (first value of Pixel Spacing) and between columns.
    b_vector : Vector or None
        LPS unit vector; None when no direction is stated.
    """

    file: int
    source: DicomFrame
    context: SeriesContext
    sop_uid: str
    shape: tuple[int, int]
    row_spacing_mm: float | None
    column_spacing_mm: float | None
    position: Vector | None
    row: Vector | None
    column: Vector | None
    instance: int
    acquisition: int = 0
    temporal: int = 0
    echo_time_ms: float | None = None
    repetition_time_ms: float | None = None
    inversion_time_ms: float | None = None
    flip_angle_deg: float | None = None
    refocusing_flip_angle_deg: float | None = None
    b_value: float | None = None
    b_vector: Vector | None = None
    isotropic: bool = False
    scaling: str = "stored values"
