"""A study as plain data: files and what became of them, series and what they are, acquisition facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from heliotrope.domain.geometry import Grid

NO_PIXEL_SIZE_DEFECT = "no pixel spacing is stated: lengths on this image are in pixels, not in millimeters"
"""One of `Series.defects`: the grid's spacing is a stand-in."""


GIVEN_PIXEL_SIZE = "the header states no pixel size; the user gave"
"""How the defect of a DICOM series begins whose pixel size a person gave."""


class Modality(StrEnum):
    """How the image was made."""

    MR = "MR"
    CT = "CT"
    RADIOGRAPH = "CR"
    ULTRASOUND = "US"
    OTHER = "OT"


class Role(StrEnum):
    """What a series is, decided from acquisition attributes."""

    T1 = "t1"
    T2 = "t2"
    T2_FAT_SUPPRESSED = "t2_fat_suppressed"
    STIR = "stir"
    MULTI_ECHO_T2 = "multi_echo_t2"
    DIXON_WATER = "dixon_water"
    DIXON_FAT = "dixon_fat"
    DIXON_IN_PHASE = "dixon_in_phase"
    DIXON_OPPOSED_PHASE = "dixon_opposed_phase"
    FAT_FRACTION = "fat_fraction"
    GRE_MAGNITUDE = "gre_magnitude"
    GRE_PHASE = "gre_phase"
    GRE_REAL = "gre_real"
    GRE_IMAGINARY = "gre_imaginary"
    DWI = "dwi"
    B1_MAP = "b1_map"
    T2_MAP = "t2_map"
    ADC_MAP = "adc_map"
    CT = "ct"
    RADIOGRAPH = "radiograph"
    ULTRASOUND = "ultrasound"
    RTSTRUCT = "rtstruct"
    SEGMENTATION = "segmentation"
    OTHER = "other"


class FileOutcome(StrEnum):
    """What became of an input file."""

    USED = "used"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True)
class FileRecord:
    """One input file.

    Parameters
    ----------
    path : str
        Relative to the study's root, never absolute.
    outcome : FileOutcome
    reason : str
        For skipped and refused files; empty for used ones.
    code : str or None
        Error code of a refused file.
    sha256 : str or None
        Content hash, where the file was read.
    """

    path: str
    outcome: FileOutcome
    reason: str = ""
    code: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class FrameSource:
    """Where one 2-D frame's pixels lie.

    Parameters
    ----------
    path : str
        File that holds the pixels, readable by the process that made this record.
    frame : int
        0-based frame number within the file (mosaic tile number for Siemens mosaics).
    """

    path: str
    frame: int = 0


@dataclass(frozen=True)
class Acquisition:
    """What the header says about how a series was acquired; None is unknown and never defaulted.

    Parameters
    ----------
    modality : Modality
    echo_times_ms : tuple of floats
        One per frame of the fourth axis for multi-echo series, one for a single echo, else empty. [ms]
    b_values_s_per_mm2 : tuple of floats
        One per frame of the fourth axis of a diffusion series. [s/mm2]
    b_vectors_lps : tuple of 3-tuples
        Unit vectors in patient LPS axes; (0, 0, 0) for b = 0.
    """

    modality: Modality
    field_strength_t: float | None = None
    repetition_time_ms: float | None = None
    echo_times_ms: tuple[float, ...] = ()
    inversion_time_ms: float | None = None
    flip_angle_deg: float | None = None
    refocusing_flip_angle_deg: float | None = None
    echo_train_length: int | None = None
    b_values_s_per_mm2: tuple[float, ...] = ()
    b_vectors_lps: tuple[tuple[float, float, float], ...] = ()
    slice_thickness_mm: float | None = None
    slice_spacing_mm: float | None = None
    pixel_bandwidth_hz: float | None = None
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    scan_options: tuple[str, ...] = ()
    sequence_name: str | None = None
    image_type: tuple[str, ...] = ()
    acquisition_type: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    software: str | None = None
    body_part_claimed: str | None = None
    tube_voltage_kv: float | None = None
    convolution_kernel: str | None = None
    contrast_agent: bool | None = None
    acquired_on: str | None = None
    phase_encoding_axis: str | None = None
    transmit_coil: str | None = None


@dataclass(frozen=True)
class Series:
    """One series, already put in geometric order.

    Parameters
    ----------
    key : str
        Short stable handle within the study, e.g. ``"s03"``; no identifier of the patient.
    uid : str
        Series instance UID (kept for provenance; never shown unless asked for).
    number : int or None
    description : str
        Scanner's series description; free text, shown only in `inspect`.
    role : Role
    role_reason : str
        The attributes that decided the role.
    acquisition : Acquisition
    grid : Grid or None
        None when the frames form no regular volume; `defects` then says why.
    n_frames : int
        Length of the fourth axis (echoes, b-values, time points).
    frames : tuple of FrameSource
        x-y frames ordered slice-fastest then fourth axis: ``frames[k + n_slices * t]``.
    defects : tuple of str
        Gaps, duplicates, tilt, interruption: what was found and what was done.
    synthetic : bool
        True when the header says the image was generated.
    stations : tuple of Series
        The series that this one is put together from, from its low end to its high end along the axis they follow;
        empty for a series as it was scanned. `frames` is then empty, and `grid` spans all of them.
    """

    key: str
    uid: str
    number: int | None
    description: str
    role: Role
    role_reason: str
    acquisition: Acquisition
    grid: Grid | None
    n_frames: int
    frames: tuple[FrameSource, ...]
    defects: tuple[str, ...] = ()
    synthetic: bool = False
    stations: tuple[Series, ...] = ()

    @property
    def is_plane_picture(self) -> bool:
        """True for a radiograph or an ultrasound still: its edges are those of the picture, not of the patient."""
        flat = self.grid is not None and min(self.grid.shape) == 1
        return flat and self.acquisition.modality in (Modality.RADIOGRAPH, Modality.ULTRASOUND)

    @property
    def has_pixel_size(self) -> bool:
        """False where the grid's spacing stands in for a pixel size that nothing states."""
        return NO_PIXEL_SIZE_DEFECT not in self.defects


@dataclass(frozen=True)
class Study:
    """All that one input path held for one patient.

    Parameters
    ----------
    key : str
        Pseudonym derived from the study UID by hash.
    subject_key : str
        Pseudonym of the patient by keyed hash; equal for two studies of one patient, otherwise meaningless.
    acquired_on : str or None
        Study date, ISO 8601.
    series : tuple of Series
    files : tuple of FileRecord
    synthetic : bool
    notes : tuple of str
        Conflicts among headers, e.g. a body part the images do not show.
    """

    key: str
    subject_key: str | None
    acquired_on: str | None
    series: tuple[Series, ...]
    files: tuple[FileRecord, ...]
    synthetic: bool = False
    notes: tuple[str, ...] = field(default=())

    def with_role(self, *roles: Role) -> tuple[Series, ...]:
        """Select the series of the given roles, in study order."""
        return tuple(series for series in self.series if series.role in roles)
