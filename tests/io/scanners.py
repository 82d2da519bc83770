"""DICOM objects as scanners of several vendors write them, with known voxels."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from collections.abc import Sequence as Sequence_
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

from heliotrope.io.dicom_writer import synthetic_uid

IntArray = NDArray[np.uint16]


def base(sop_class: str, *, series: int, manufacturer: str, uid: str) -> Dataset:
    """A data set with patient, study and series as a scanner fills them."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    ds.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, uid
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Doe^Jane", "P-17", "19700101", "F"
    ds.StudyInstanceUID = synthetic_uid("scanner study")
    ds.SeriesInstanceUID = synthetic_uid("scanner series", series)
    ds.FrameOfReferenceUID = synthetic_uid("scanner frame")
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20260131"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = "101500"
    ds.Modality, ds.Manufacturer = "MR", manufacturer
    ds.SeriesNumber, ds.SeriesDescription, ds.ProtocolName = series, f"series {series}", f"series {series}"
    ds.MagneticFieldStrength = 3.0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PatientPosition = "HFS"
    return ds


def save(ds: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


def classic(
    folder: Path,
    pixels: IntArray,
    *,
    series: int = 1,
    manufacturer: str = "SIEMENS",
    row: tuple[float, ...] = (1.0, 0.0, 0.0),
    column: tuple[float, ...] = (0.0, 1.0, 0.0),
    step: tuple[float, ...] = (0.0, 0.0, 5.0),
    origin: tuple[float, ...] = (-10.0, -20.0, 30.0),
    spacing: tuple[float, float] = (2.0, 1.5),
    each: Mapping[int, Mapping[str, object]] | None = None,
    per_frame: Sequence_[Mapping[str, object]] | None = None,
    **common: object,
) -> list[Path]:
    """One file per slice and frame; pixels of shape (frames, slices, rows, columns); spacing (rows, columns) in mm."""
    frames, slices, rows, columns = pixels.shape
    paths = []
    for frame in range(frames):
        for index in range(slices):
            number = frame * slices + index + 1
            ds = base(
                MRImageStorage, series=series, manufacturer=manufacturer, uid=synthetic_uid("image", series, number)
            )
            ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
            ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "SE", "SK", "", "2D"
            ds.RepetitionTime, ds.EchoTime, ds.FlipAngle, ds.EchoTrainLength = 3000, 10.0 * (frame + 1), 180, 1
            ds.InstanceNumber, ds.AcquisitionNumber, ds.EchoNumbers = number, 1, frame + 1
            ds.Rows, ds.Columns = rows, columns
            ds.PixelSpacing = [*spacing]
            ds.SliceThickness = float(np.linalg.norm(step))
            ds.SpacingBetweenSlices = float(np.linalg.norm(step))
            ds.ImageOrientationPatient = [*row, *column]
            ds.ImagePositionPatient = [float(o + index * s) for o, s in zip(origin, step, strict=True)]
            ds.PixelData = np.ascontiguousarray(pixels[frame, index]).astype("<u2").tobytes()
            for changes in (common, (per_frame or [{}] * frames)[frame], (each or {}).get(number, {})):
                for name, value in changes.items():
                    setattr(ds, name, value)
            paths.append(save(ds, folder / f"{series:02d}" / f"IM{number:04d}"))
    return paths


def _item(**values: object) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def enhanced(
    path: Path,
    pixels: IntArray,
    *,
    echo_times_ms: tuple[float, ...],
    series: int = 1,
    manufacturer: str = "Philips Medical Systems",
    step: tuple[float, float, float] = (0.0, 0.0, 5.0),
    rescale: list[tuple[float, float]] | None = None,
    philips_scale: list[float] | None = None,
    b_values: tuple[float, ...] = (),
    vectors: tuple[tuple[float, float, float], ...] = (),
    planar: bool = False,
) -> Path:
    """One enhanced MR object; pixels of shape (frames, slices, rows, columns), frames stored echo-fastest."""
    n_frames, n_slices, rows, columns = pixels.shape
    ds = base(EnhancedMRImageStorage, series=series, manufacturer=manufacturer, uid=synthetic_uid("enhanced", series))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    ds.InstanceNumber, ds.AcquisitionNumber = 1, 1
    ds.NumberOfFrames, ds.Rows, ds.Columns = n_frames * n_slices, rows, columns
    ds.EchoPulseSequence, ds.MultipleSpinEcho, ds.EchoPlanarPulseSequence = "SPIN", "YES", "YES" if planar else "NO"
    ds.MRAcquisitionType, ds.PulseSequenceName, ds.ComplexImageComponent = "2D", "TSE", "MAGNITUDE"
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence(
        [_item(PixelSpacing=[2.0, 1.5], SliceThickness=4.0, SpacingBetweenSlices=5.0)]
    )
    shared.PlaneOrientationSequence = Sequence([_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
    shared.MRTimingAndRelatedParametersSequence = Sequence(
        [_item(RepetitionTime=3000.0, FlipAngle=90.0, RFEchoTrainLength=n_frames)]
    )
    shared.MRFOVGeometrySequence = Sequence([_item(InPlanePhaseEncodingDirection="COLUMN")])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    groups, planes = [], []
    for index in range(n_slices):
        for frame in range(n_frames):
            item = Dataset()
            position = [o + index * s for o, s in zip((-10.0, -20.0, 30.0), step, strict=True)]
            item.PlanePositionSequence = Sequence([_item(ImagePositionPatient=position)])
            item.FrameContentSequence = Sequence(
                [
                    _item(
                        StackID="1",
                        InStackPositionNumber=index + 1,
                        TemporalPositionIndex=1,
                        DimensionIndexValues=[1, index + 1, frame + 1],
                    )
                ]
            )
            item.MREchoSequence = Sequence(
                [_item(EffectiveEchoTime=float(echo_times_ms[min(frame, len(echo_times_ms) - 1)]))]
            )
            kind = ["ORIGINAL", "PRIMARY", "M", "NONE"]
            item.MRImageFrameTypeSequence = Sequence([_item(FrameType=kind, ComplexImageComponent="MAGNITUDE")])
            slope, intercept = (rescale or [(1.0, 0.0)] * n_frames)[frame]
            item.PixelValueTransformationSequence = Sequence(
                [_item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")]
            )
            if b_values:
                weight = _item(DiffusionBValue=float(b_values[frame]), DiffusionDirectionality="DIRECTIONAL")
                if b_values[frame] > 0:
                    weight.DiffusionGradientDirectionSequence = Sequence(
                        [_item(DiffusionGradientOrientation=list(vectors[frame]))]
                    )
                else:
                    weight.DiffusionDirectionality = "NONE"
                item.MRDiffusionSequence = Sequence([weight])
            if philips_scale is not None:
                private = Dataset()
                block = private.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
                block.add_new(0x0E, "FL", philips_scale[frame])
                block.add_new(0x0D, "FL", 0.0)
                outer = item.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
                outer.add_new(0x0F, "SQ", Sequence([private]))
                # the standard place of the private item is (2005,140F)
                item[0x2005140F] = pydicom.DataElement(0x2005140F, "SQ", Sequence([private]))
                item.add_new(0x20050014, "LO", "Philips MR Imaging DD 005")
            groups.append(item)
            planes.append(pixels[frame, index])
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    organization = synthetic_uid("dimensions")
    ds.DimensionOrganizationSequence = Sequence([_item(DimensionOrganizationUID=organization)])
    pointers = ((0x00209056, 0x00209111), (0x00209057, 0x00209111), (0x00189082, 0x00189114))
    ds.DimensionIndexSequence = Sequence(
        [
            _item(DimensionOrganizationUID=organization, DimensionIndexPointer=tag, FunctionalGroupPointer=group)
            for tag, group in pointers
        ]
    )
    ds.PixelData = np.stack(planes).astype("<u2").tobytes()
    return save(ds, path)


def csa(entries: dict[str, tuple[str, list[str]]]) -> bytes:
    """A Siemens CSA header (SV10) of name -> (representation, values)."""
    out = b"SV10\x04\x03\x02\x01" + struct.pack("<II", len(entries), 77)
    for name, (kind, values) in entries.items():
        items = max(6, len(values)) if values else 0
        out += name.encode().ljust(64, b"\0")[:64] + struct.pack("<i", len(values)) + kind.encode().ljust(4, b"\0")
        out += struct.pack("<iiI", 6 if kind in ("IS", "US") else 3, items, 77)
        for index in range(items):
            text = values[index].encode() + b"\0" if index < len(values) else b""
            out += struct.pack("<IIII", len(text), len(text), 77, len(text))
            out += text.ljust((len(text) + 3) // 4 * 4, b"\0")
    return out + b"\0" * 4


def mosaic(
    folder: Path,
    pixels: IntArray,
    *,
    b_values: tuple[float, ...],
    vectors: tuple[tuple[float, float, float], ...],
    series: int = 1,
    reverse: bool = False,
) -> list[Path]:
    """One Siemens mosaic per frame; pixels of shape (frames, slices, rows, columns)."""
    n_frames, n_slices, rows, columns = pixels.shape
    per_row = int(np.ceil(np.sqrt(n_slices)))
    paths = []
    first = np.array([-10.0, -20.0, 30.0])
    sign = -1.0 if reverse else 1.0
    corner = first - np.array([1.5 * (per_row - 1) * columns / 2, 2.0 * (per_row - 1) * rows / 2, 0.0])
    for frame in range(n_frames):
        canvas = np.zeros((rows * per_row, columns * per_row), dtype="<u2")
        for index in range(n_slices):
            top, left = divmod(index, per_row)
            canvas[top * rows : (top + 1) * rows, left * columns : (left + 1) * columns] = pixels[frame, index]
        ds = base(MRImageStorage, series=series, manufacturer="SIEMENS", uid=synthetic_uid("mosaic", series, frame))
        ds.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE", "ND", "MOSAIC"]
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "EP", "SK", "FS", "2D"
        ds.SequenceName = "ep_b0"
        ds.SoftwareVersions = "syngo MR E11"
        ds.RepetitionTime, ds.EchoTime, ds.FlipAngle = 5000, 60, 90
        ds.InstanceNumber, ds.AcquisitionNumber = frame + 1, frame + 1
        ds.AcquisitionTime = f"1015{frame:02d}"
        ds.Rows, ds.Columns = canvas.shape
        ds.PixelSpacing, ds.SliceThickness, ds.SpacingBetweenSlices = [2.0, 1.5], 4.0, 5.0
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [float(v) for v in corner]
        ds.InPlanePhaseEncodingDirection = "COL"
        block = ds.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0A, "US", n_slices)
        block.add_new(0x0C, "IS", str(int(b_values[frame])))
        if b_values[frame] > 0:
            block.add_new(0x0E, "FD", [float(v) for v in vectors[frame]])
        header = {
            "NumberOfImagesInMosaic": ("US", [f"{n_slices}"]),
            "SliceNormalVector": ("FD", ["0.0", "0.0", f"{sign}"]),
            "B_value": ("IS", [f"{int(b_values[frame])}"]),
            "DiffusionGradientDirection": ("FD", [f"{v:.8f}" for v in vectors[frame]] if b_values[frame] > 0 else []),
            "PhaseEncodingDirectionPositive": ("IS", ["1"]),
            "ProtocolSliceNumber": ("IS", ["0"]),
        }
        ds.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", csa(header))
        ds.PixelData = canvas.tobytes()
        paths.append(save(ds, folder / f"{series:02d}" / f"MOSAIC{frame:03d}.IMA"))
    return paths
