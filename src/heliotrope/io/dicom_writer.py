"""Synthetic images as classic DICOM MR, CT or CR; every header says that no patient is behind them."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import config, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
)
from pydicom.valuerep import format_number_as_ds

from heliotrope import __version__
from heliotrope.domain.errors import InputError
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io import tags
from heliotrope.io.atomic import write_bytes

IMAGE_COMMENT = "SYNTHETIC image computed by Heliotrope; not of a patient; research use only"
CT_INTERCEPT_HU = -1024.0
_LARGEST_STORED = 32767.0
_SEQUENCES: dict[Role, tuple[str, ...]] = {
    Role.STIR: ("SE", "IR"),
    Role.DWI: ("EP",),
    Role.ADC_MAP: ("EP",),
    Role.DIXON_WATER: ("GR",),
    Role.DIXON_FAT: ("GR",),
    Role.DIXON_IN_PHASE: ("GR",),
    Role.DIXON_OPPOSED_PHASE: ("GR",),
    Role.FAT_FRACTION: ("GR",),
    Role.GRE_MAGNITUDE: ("GR",),
    Role.GRE_PHASE: ("GR",),
    Role.GRE_REAL: ("GR",),
    Role.GRE_IMAGINARY: ("GR",),
    Role.B1_MAP: ("GR",),
}
_IMAGE_TYPES: dict[Role, tuple[str, ...]] = {
    Role.GRE_PHASE: ("P",),
    Role.GRE_REAL: ("R",),
    Role.GRE_IMAGINARY: ("I",),
    Role.DIXON_WATER: ("M", "DIXON", "WATER"),
    Role.DIXON_FAT: ("M", "DIXON", "FAT"),
    Role.DIXON_IN_PHASE: ("M", "DIXON", "IN_PHASE"),
    Role.DIXON_OPPOSED_PHASE: ("M", "DIXON", "OPP_PHASE"),
    Role.FAT_FRACTION: ("OTHER", "DIXON", "FAT_FRACTION"),
    Role.T2_MAP: ("T2 MAP",),
    Role.B1_MAP: ("OTHER", "B1_MAP"),
    Role.ADC_MAP: ("OTHER", "ADC"),
    Role.CT: ("AXIAL",),
}
_SIGNED = (Role.GRE_PHASE, Role.GRE_REAL, Role.GRE_IMAGINARY)


def synthetic_uid(*parts: str | int) -> str:
    """A UID that depends on its arguments alone.

    Examples
    --------
    >>> synthetic_uid("demo", 1) == synthetic_uid("demo", 1)
    True
    """
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode("utf-8")).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def write_dicom_series(
    volume: Volume,
    acquisition: Acquisition,
    *,
    role: Role,
    description: str,
    series_number: int,
    study_uid: str,
    series_uid: str,
    patient_label: str,
    folder: Path,
) -> tuple[Path, ...]:
    """Write a synthetic volume as one classic DICOM file per slice and frame.

    Parameters
    ----------
    volume : Volume of shape (x, y, z) or (x, y, z, n)
        Real signal; HU for CT. Quantized to 16 bits with one slope for the whole series (CT to 1 HU).
    acquisition : Acquisition
        Echo times, b-values and vectors per frame of the fourth axis; what is unknown is left empty.
    role : Role
        Decides image type and scanning sequence.
    description : str
        Series description, at most 64 characters.
    series_number : int
    study_uid, series_uid : str
        See `synthetic_uid`.
    patient_label : str
        Letters and digits; the patient is named ``SYNTHETIC^<label>``.
    folder : Path
        Made when absent.

    Returns
    -------
    tuple of Path
        In order of slice, then frame.

    Raises
    ------
    InputError
        Complex or non-finite signal, a role that is no image, a fourth axis without its echo times or b-values.
    OutputError
        The folder cannot be written.
    """
    if np.iscomplexobj(volume.data):
        raise InputError("a complex volume has no DICOM form here", hint="write real and imaginary parts as two series")
    data = np.asarray(volume.data, dtype=np.float64)
    if not np.isfinite(data).all():
        raise InputError("the volume holds values that are not finite", hint="replace them before writing")
    if data.ndim == 3:
        data = data[..., np.newaxis]
    n_frames = data.shape[3]
    _require_axis(acquisition, n_frames)
    modality = _modality(role, acquisition)
    stored, slope, intercept, signed = _quantize(data, role, modality)
    template = _template(
        volume, acquisition, role, modality, description, series_number, study_uid, series_uid, patient_label
    )
    template.PixelRepresentation = int(signed)
    if modality is Modality.CT or slope != 1.0 or intercept != 0.0:
        template.RescaleIntercept = _ds(intercept)
        template.RescaleSlope = _ds(slope)
        template.RescaleType = "HU" if modality is Modality.CT else "US"
    folder = Path(folder)
    paths = []
    n_slices = data.shape[2]
    for frame in range(n_frames):
        _set_frame(template, acquisition, role, modality, frame, n_frames)
        for index in range(n_slices):
            number = frame * n_slices + index + 1
            _set_slice(template, volume, modality, index)
            template.InstanceNumber = str(number)
            template.SOPInstanceUID = synthetic_uid(series_uid, "instance", number)
            template.file_meta.MediaStorageSOPInstanceUID = template.SOPInstanceUID
            template.PixelData = np.ascontiguousarray(stored[:, :, index, frame].T).tobytes()
            paths.append(write_bytes(folder / f"s{series_number:03d}_{number:05d}.dcm", _encode(template), sync=False))
    return tuple(paths)


def _require_axis(acquisition: Acquisition, n_frames: int) -> None:
    if n_frames > 1 and n_frames not in (len(acquisition.echo_times_ms), len(acquisition.b_values_s_per_mm2)):
        raise InputError(
            f"{n_frames} frames with {len(acquisition.echo_times_ms)} echo times and "
            f"{len(acquisition.b_values_s_per_mm2)} b-values",
            hint="state one echo time or one b-value per frame",
        )


def _modality(role: Role, acquisition: Acquisition) -> Modality:
    if role in (Role.ULTRASOUND, Role.RTSTRUCT, Role.SEGMENTATION):
        raise InputError(f"role {role.value}: cannot be written as MR, CT or CR", hint="choose an image role")
    if role is Role.CT:
        return Modality.CT
    if role is Role.RADIOGRAPH:
        return Modality.RADIOGRAPH
    return acquisition.modality if acquisition.modality in (Modality.CT, Modality.RADIOGRAPH) else Modality.MR


def _quantize(
    data: NDArray[np.float64], role: Role, modality: Modality
) -> tuple[NDArray[np.generic], float, float, bool]:
    """16-bit values with slope and intercept; whole numbers that fit are kept as they are."""
    low, high = float(data.min()), float(data.max())
    if modality is Modality.CT:
        stored = np.round(data - CT_INTERCEPT_HU)
        if stored.min() < -32768 or stored.max() > _LARGEST_STORED:
            raise InputError(f"CT values {low:g}..{high:g} HU do not fit 16 bits", hint="clip to -33000..31000 HU")
        return stored.astype("<i2"), 1.0, CT_INTERCEPT_HU, True
    signed = low < 0 or role in _SIGNED
    whole = bool(np.array_equal(data, np.round(data)))
    if whole and (low >= -32768 and high <= _LARGEST_STORED if signed else high <= 65535):
        return data.astype("<i2" if signed else "<u2"), 1.0, 0.0, signed
    peak = max(abs(low), abs(high))
    # the written decimal string is what a reader multiplies with
    slope = float(_ds(peak / _LARGEST_STORED * (1 + 1e-9))) if peak > 0 else 1.0
    return np.round(data / slope).astype("<i2" if signed else "<u2"), slope, 0.0, signed


def _ds(value: float) -> str:
    return format_number_as_ds(float(value))


def _template(
    volume: Volume,
    acquisition: Acquisition,
    role: Role,
    modality: Modality,
    description: str,
    series_number: int,
    study_uid: str,
    series_uid: str,
    patient_label: str,
) -> Dataset:
    label = re.sub(r"[^A-Za-z0-9_-]", "-", patient_label)[:32] or "phantom"
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = [
        "DERIVED",
        "PRIMARY",
        *_IMAGE_TYPES.get(role, () if modality is Modality.RADIOGRAPH else ("M",)),
    ]
    dataset.SOPClassUID = {
        Modality.CT: CTImageStorage,
        Modality.RADIOGRAPH: ComputedRadiographyImageStorage,
    }.get(modality, MRImageStorage)
    # (0008,001C) Synthetic Data is too new for the validators in use, which call it an error
    dataset.private_block(tags.HELIOTROPE_GROUP, tags.HELIOTROPE_CREATOR, create=True).add_new(0x01, "CS", "SYNTHETIC")
    date = (acquisition.acquired_on or "").replace("-", "")
    dataset.StudyDate = date
    dataset.SeriesDate = date
    dataset.AcquisitionDate = date
    dataset.ContentDate = date
    dataset.StudyTime = "000000" if date else ""
    dataset.ContentTime = dataset.StudyTime
    dataset.AccessionNumber = ""
    dataset.Modality = modality.value
    dataset.Manufacturer = acquisition.manufacturer or "Heliotrope"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "SYNTHETIC"
    dataset.SeriesDescription = description[:64]
    dataset.ManufacturerModelName = acquisition.model or "synthetic"
    dataset.PatientName = f"SYNTHETIC^{label}"
    dataset.PatientID = f"SYNTHETIC-{label}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.SoftwareVersions = acquisition.software or f"heliotrope {__version__}"
    dataset.ContentQualification = "RESEARCH"
    dataset.Laterality = ""
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.StudyID = "1"
    dataset.SeriesNumber = str(series_number)
    dataset.AcquisitionNumber = "1"
    dataset.ImageComments = IMAGE_COMMENT
    dataset.BurnedInAnnotation = "NO"
    if acquisition.body_part_claimed:
        dataset.BodyPartExamined = acquisition.body_part_claimed
    _set_geometry(dataset, volume, acquisition, modality, study_uid)
    if modality is Modality.MR:
        _set_mr(dataset, acquisition, role)
    elif modality is Modality.CT:
        dataset.KVP = "" if acquisition.tube_voltage_kv is None else _ds(acquisition.tube_voltage_kv)
        if acquisition.convolution_kernel:
            dataset.ConvolutionKernel = acquisition.convolution_kernel
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = volume.grid.shape[1]
    dataset.Columns = volume.grid.shape[0]
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = UID(synthetic_uid("heliotrope", "implementation"))
    dataset.file_meta.ImplementationVersionName = "HELIOTROPE"
    return dataset


def _set_geometry(
    dataset: Dataset, volume: Volume, acquisition: Acquisition, modality: Modality, study_uid: str
) -> None:
    spacing = volume.grid.spacing_mm
    in_plane = [_ds(spacing[1]), _ds(spacing[0])]
    if modality is Modality.RADIOGRAPH:
        dataset.ImagerPixelSpacing = in_plane
        dataset.BodyPartExamined = acquisition.body_part_claimed or ""
        dataset.ViewPosition = ""
        dataset.PatientOrientation = ["", ""]
        return
    axes = volume.grid.matrix[:3, :3] / np.asarray(spacing)
    if abs(float(axes[:, 0] @ axes[:, 1])) > 1e-4:
        raise InputError(
            "rows and columns are not perpendicular: DICOM has no form for them", hint="resample the volume"
        )
    dataset.PixelSpacing = in_plane
    dataset.ImageOrientationPatient = [_ds(value) for value in (*axes[:, 0], *axes[:, 1])]
    dataset.FrameOfReferenceUID = volume.grid.frame_of_reference_uid or synthetic_uid(study_uid, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFS"
    dataset.SliceThickness = _ds(acquisition.slice_thickness_mm or spacing[2])
    if modality is Modality.MR:
        dataset.SpacingBetweenSlices = _ds(spacing[2])


def _set_mr(dataset: Dataset, acquisition: Acquisition, role: Role) -> None:
    sequence = acquisition.scanning_sequence or _SEQUENCES.get(role, ("SE",))
    if role is Role.STIR and "IR" not in sequence:
        sequence = (*sequence, "IR")
    dataset.ScanningSequence = list(sequence)
    dataset.SequenceVariant = list(acquisition.sequence_variant) or "NONE"
    dataset.ScanOptions = list(acquisition.scan_options) or ("FS" if role is Role.T2_FAT_SUPPRESSED else "")
    dataset.MRAcquisitionType = acquisition.acquisition_type or "2D"
    if acquisition.sequence_name:
        dataset.SequenceName = acquisition.sequence_name[:16]
    dataset.RepetitionTime = _optional(acquisition.repetition_time_ms)
    dataset.EchoTime = ""
    if "IR" in sequence:
        dataset.InversionTime = _optional(acquisition.inversion_time_ms)
    dataset.EchoTrainLength = "" if acquisition.echo_train_length is None else str(acquisition.echo_train_length)
    if acquisition.field_strength_t is not None:
        dataset.MagneticFieldStrength = _ds(acquisition.field_strength_t)
    flip = acquisition.flip_angle_deg
    if "SE" in sequence and acquisition.refocusing_flip_angle_deg is not None:
        flip = acquisition.refocusing_flip_angle_deg  # scanners state the refocusing angle of a spin echo here
    if flip is not None:
        dataset.FlipAngle = _ds(flip)
    if acquisition.pixel_bandwidth_hz is not None:
        dataset.PixelBandwidth = _ds(acquisition.pixel_bandwidth_hz)
    if acquisition.phase_encoding_axis in ("ROW", "COL"):
        dataset.InPlanePhaseEncodingDirection = acquisition.phase_encoding_axis
    if acquisition.transmit_coil:
        dataset.TransmitCoilName = acquisition.transmit_coil[:16]
    if role in _SIGNED or role is Role.GRE_MAGNITUDE:
        dataset.ComplexImageComponent = {
            Role.GRE_PHASE: "PHASE",
            Role.GRE_REAL: "REAL",
            Role.GRE_IMAGINARY: "IMAGINARY",
        }.get(role, "MAGNITUDE")


def _optional(value: float | None) -> str:
    return "" if value is None else _ds(value)


def _set_frame(
    dataset: Dataset, acquisition: Acquisition, role: Role, modality: Modality, frame: int, n_frames: int
) -> None:
    if modality is not Modality.MR:
        return
    echoes = acquisition.echo_times_ms
    if len(echoes) == n_frames:
        dataset.EchoTime = _ds(echoes[frame])
        dataset.EchoNumbers = str(frame + 1)
    elif len(echoes) == 1:
        dataset.EchoTime = _ds(echoes[0])
    if len(acquisition.b_values_s_per_mm2) == n_frames and role is Role.DWI:
        b_value = acquisition.b_values_s_per_mm2[frame]
        dataset.DiffusionBValue = float(b_value)
        vectors = acquisition.b_vectors_lps
        vector = vectors[frame] if len(vectors) == n_frames else (0.0, 0.0, 0.0)
        if any(vector):
            dataset.DiffusionDirectionality = "DIRECTIONAL"
            dataset.DiffusionGradientOrientation = [float(v) for v in vector]
        else:
            dataset.DiffusionDirectionality = "NONE" if b_value == 0 else "ISOTROPIC"
            if "DiffusionGradientOrientation" in dataset:
                del dataset.DiffusionGradientOrientation
        dataset.AcquisitionNumber = str(frame + 1)


def _set_slice(dataset: Dataset, volume: Volume, modality: Modality, index: int) -> None:
    if modality is Modality.RADIOGRAPH:
        return
    origin = volume.grid.positions_mm((0.0, 0.0, float(index)))
    dataset.ImagePositionPatient = [_ds(value) for value in origin]
    axes = volume.grid.matrix[:3, :2]
    normal = np.cross(axes[:, 0], axes[:, 1])
    dataset.SliceLocation = _ds(float(origin @ normal / np.linalg.norm(normal)))


def _encode(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    with config.disable_value_validation():
        dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
