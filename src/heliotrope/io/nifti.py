"""NIfTI images: the affine turned between the file's RAS and the product's LPS, bytes the same each time."""

from __future__ import annotations

import gzip
import json
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import STRUCTURES, WHERE_NAMES_ARE, Region, Side
from heliotrope.domain.errors import FileFormatError, GeometryError, InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.study import Acquisition, Role
from heliotrope.domain.units import Unit
from heliotrope.io.atomic import write_bytes, write_text

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns a RAS affine into an LPS affine and back."""
MAX_IMAGE_BYTES = 32 << 30
"""An image that would take more in memory is refused. [bytes]"""
_UNIT_MM = {"mm": 1.0, "meter": 1000.0, "micron": 1e-3, "unknown": 1.0}
_SHEAR_TOLERANCE = 1e-6
MILLISECONDS_PER_SECOND = 1000.0


def is_nifti_name(name: str) -> bool:
    """True for ``.nii`` and ``.nii.gz``."""
    return name.lower().endswith((".nii", ".nii.gz"))


def nifti_stem(name: str) -> str:
    """The name without ``.nii`` or ``.nii.gz``.

    Examples
    --------
    >>> nifti_stem("calf/water.nii.gz")
    'calf/water'
    """
    lower = name.lower()
    return name[: -len(".nii.gz")] if lower.endswith(".nii.gz") else name[: -len(".nii")]


def write_volume(path: Path, volume: Volume, *, earlier: Path | None = None) -> Path:
    """Write a signal image (float32, or complex64; CT in whole HU as int16) as NIfTI; ``.nii.gz`` is compressed.

    Parameters
    ----------
    path : Path
    volume : Volume
    earlier : Path or None
        File of an earlier run; where it holds the same image, its bytes are taken over instead of packing it again.
    """
    if volume.unit is Unit.HOUNSFIELD:
        limits = np.iinfo(np.int16)
        whole = np.clip(np.rint(volume.data), limits.min, limits.max).astype(np.int16)
        return _write(path, whole, volume.grid, volume.unit.value, earlier)
    kind = np.complex64 if np.iscomplexobj(volume.data) else np.float32
    return _write(path, np.asarray(volume.data, dtype=kind), volume.grid, volume.unit.value, earlier)


def write_map(path: Path, parametric_map: ParametricMap, *, earlier: Path | None = None) -> Path:
    """Write a parametric map as float32 NIfTI, NaN where it is not valid; `earlier` as in `write_volume`."""
    name = f"{parametric_map.quantity} {parametric_map.unit.value}"
    return _write(path, parametric_map.values.astype(np.float32, copy=False), parametric_map.grid, name, earlier)


def write_labels(path: Path, labels: LabelMap, *, legend_path: Path | None = None) -> tuple[Path, Path]:
    """Write a label map as uint16 NIfTI, and its legend as JSON beside it.

    Returns
    -------
    tuple of 2 paths
        Image and legend (``labels.json`` beside ``labels.nii.gz`` unless given).
    """
    path = Path(path)
    legend_file = legend_path or path.with_name(nifti_stem(path.name) + ".json")
    legend = {str(number): region_entry(region) for number, region in sorted(labels.legend.items())}
    written = _write(path, np.asarray(labels.labels, dtype=np.uint16), labels.grid, "labels")
    write_text(legend_file, json.dumps(legend, indent=2) + "\n")
    return written, legend_file


def region_entry(region: Region) -> dict[str, Any]:
    """A region as the legend states it: structure, side, codes, and the level where there is one."""
    entry: dict[str, Any] = {
        "structure": region.structure,
        "side": None if region.side is None else region.side.value,
        "codes": dict(STRUCTURES[region.structure].codes),
    }
    if region.level is not None:
        entry["level"] = region.level
    return entry


def _write(path: Path, data: NDArray[np.generic], grid: Grid, description: str, earlier: Path | None = None) -> Path:
    path = Path(path)
    if not is_nifti_name(path.name):
        raise InputError(f"image name {path.suffix!r}: .nii or .nii.gz needed", hint="name the file .nii.gz")
    affine = RAS_TO_LPS @ grid.matrix
    image = nib.Nifti1Image(data, affine)
    header = image.header
    header.set_xyzt_units("mm", "sec")
    header["descrip"] = description.encode("ascii", "replace")[:79]
    image.set_sform(affine, code=1)
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    # a quaternion cannot hold a shear: then only the sform speaks
    image.set_qform(affine, code=1 if np.abs(axes.T @ axes - np.eye(3)).max() < _SHEAR_TOLERANCE else 0)
    content = image.to_bytes()
    if path.name.lower().endswith(".gz"):
        content = _packed_before(content, earlier) or gzip.compress(content, compresslevel=6, mtime=0)
    return write_bytes(path, content)


def _packed_before(content: bytes, earlier: Path | None) -> bytes | None:
    """Bytes of a packed file that unpack to just `content`; None for another file or none."""
    try:
        packed = b"" if earlier is None else earlier.read_bytes()
    except OSError:
        return None
    # a packed file ends in checksum and length of what it holds: most others need not be unpacked
    if packed[-8:] != struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF):
        return None
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(packed, len(content) + 1)
    except zlib.error:
        return None
    return packed if unpacked == content else None


def open_nifti(path: Path | None, content: bytes | None = None) -> Any:
    """The image of a file or of bytes, pixels not yet read.

    Raises
    ------
    FileFormatError
        ``E_FILE``, ``E_TRUNCATED``, ``E_TOO_LARGE``.
    """
    try:
        if content is not None:
            plain = bounded_gunzip(content) if content[:2] == b"\x1f\x8b" else content
            kind = nib.Nifti2Image if plain[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") else nib.Nifti1Image
            image = kind.from_bytes(plain)
        else:
            image = nib.load(str(path))
        size = math.prod(int(n) for n in image.shape) * 8
    except FileFormatError:
        raise
    except Exception as error:  # nibabel raises many kinds on a damaged header
        raise FileFormatError("not a readable NIfTI image", hint="copy or convert the file again") from error
    if not isinstance(image, nib.Nifti1Image | nib.Nifti1Pair):
        raise FileFormatError("not a NIfTI image", hint="convert it to NIfTI")
    if size <= 0 or size > MAX_IMAGE_BYTES:
        raise FileFormatError(
            f"image of shape {tuple(image.shape)}: empty or too large", hint="check the file", code="E_TOO_LARGE"
        )
    return image


def bounded_gunzip(content: bytes) -> bytes:
    """Unpacked gzip bytes, at most `MAX_IMAGE_BYTES`."""
    decoder = zlib.decompressobj(wbits=31)
    try:
        plain = decoder.decompress(content, MAX_IMAGE_BYTES)
    except zlib.error as error:
        raise FileFormatError(
            "a compressed image is damaged", hint="copy the file again", code="E_TRUNCATED"
        ) from error
    if decoder.unconsumed_tail:
        raise FileFormatError("a compressed image unpacks beyond the limit", hint="check the file", code="E_TOO_LARGE")
    return plain


def nifti_grid(image: Any) -> tuple[Grid, int, tuple[str, ...]]:
    """Grid, length of the fourth axis and defects of an opened image.

    Raises
    ------
    GeometryError
        More than four axes in use, or no usable affine.
    """
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) == 5 and shape[3] == 1:
        shape = (*shape[:3], shape[4])
    if not 2 <= len(shape) <= 4:
        raise GeometryError(f"image of shape {shape}: three or four axes needed", hint="split the image")
    space = (*shape, 1)[:3] if len(shape) == 2 else shape[:3]
    defects: list[str] = []
    header = image.header
    unit = header.get_xyzt_units()[0]
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        defects.append("the file states no orientation: only voxel sizes are known, left and right are not")
    scale = np.diag([*[_UNIT_MM.get(unit, 1.0)] * 3, 1.0])
    affine = RAS_TO_LPS @ scale @ np.asarray(image.affine, dtype=float)
    grid = Grid.from_matrix(space, affine)
    return grid, shape[3] if len(shape) == 4 else 1, tuple(defects)


def nifti_array(image: Any, *, space: tuple[int, int, int], n_frames: int) -> NDArray[np.generic]:
    """Pixels after scaling, float32 or complex64, (x, y, z) or (x, y, z, n)."""
    try:
        kind = image.get_data_dtype()
        if kind.fields is not None:
            raise FileFormatError("a color image has no signal", hint="convert it to gray values")  # noqa: TRY301
        values = np.asarray(image.dataobj)
    except FileFormatError:
        raise
    except Exception as error:  # truncated or damaged pixel data
        raise FileFormatError(
            "the pixels of a NIfTI image cannot be read", hint="copy the file again", code="E_TRUNCATED"
        ) from error
    values = values.astype(np.complex64 if np.iscomplexobj(values) else np.float32, copy=False)
    return values.reshape(space if n_frames == 1 else (*space, n_frames))


def read_nifti(path: Path | str, *, unit: Unit = Unit.ARBITRARY) -> Volume:
    """Read a NIfTI image as float32 (or complex64) signal on its LPS grid."""
    image = _open_path(Path(path))
    grid, n_frames, _ = nifti_grid(image)
    return Volume(nifti_array(image, space=grid.shape, n_frames=n_frames), grid, unit)


def _open_path(path: Path) -> Any:
    if not path.is_file():
        raise FileFormatError("no such image file", hint="check the path", code="E_NOT_FOUND")
    return open_nifti(path)


def read_labels(path: Path | str, legend_path: Path | str | None = None) -> LabelMap:
    """Read a label map and its legend.

    Parameters
    ----------
    path : path
        ``.nii`` or ``.nii.gz`` of whole numbers.
    legend_path : path or None
        JSON legend; ``NAME.json`` beside ``NAME.nii.gz`` when not given.

    Raises
    ------
    FileFormatError
        No legend, or a legend of another form.
    InputError
        ``E_LABEL``: numbers that are not whole, not in range, or not named; unknown structure.
    """
    path = Path(path)
    image = _open_path(path)
    grid, n_frames, _ = nifti_grid(image)
    if n_frames != 1:
        raise InputError(
            f"label image with {n_frames} volumes: one needed", hint="give one 3-D label image", code="E_LABEL"
        )
    try:
        values = np.asarray(image.dataobj).reshape(grid.shape)
    except Exception as error:  # truncated or damaged pixel data
        raise FileFormatError(
            "the label image cannot be read", hint="copy the file again", code="E_TRUNCATED"
        ) from error
    if values.dtype.kind not in "iufb":
        raise InputError("the label image holds no whole numbers", hint="save labels as integers", code="E_LABEL")
    if values.dtype.kind == "f" and not np.array_equal(values, np.round(values)):
        raise InputError(
            "the label image holds fractions", hint="save labels as integers, without interpolation", code="E_LABEL"
        )
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise InputError(
            f"label numbers {low:g}..{high:g}: 0..65535 needed", hint="renumber the labels", code="E_LABEL"
        )
    legend_file = Path(legend_path) if legend_path is not None else path.with_name(nifti_stem(path.name) + ".json")
    return LabelMap(values.astype(np.uint16), grid, read_legend(legend_file), "person")


def read_legend(path: Path) -> dict[int, Region]:
    """Read ``{"1": {"structure": ..., "side": ...}, ...}``.

    Raises
    ------
    FileFormatError
        ``E_LEGEND``: missing, not JSON, or of another form; with the file's name and the entry.
    InputError
        ``E_LABEL``: an unknown structure, with the names nearest to it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileFormatError(
            f"no legend: there is no file {path.name} beside the labels",
            hint=f'write {path.name}: {{"1": {{"structure": "muscle", "side": "left"}}}}; {WHERE_NAMES_ARE}',
            code="E_LEGEND",
        ) from error
    except json.JSONDecodeError as error:
        raise FileFormatError(
            f"the legend {path.name} is not JSON: line {error.lineno}, column {error.colno}",
            hint="check commas, quotes and braces there",
            code="E_LEGEND",
        ) from error
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f"the legend {path.name} cannot be read as text", hint="save it as UTF-8 JSON", code="E_LEGEND"
        ) from error
    if not isinstance(content, Mapping):
        raise FileFormatError(
            f"the legend {path.name} is not a JSON object", hint="map numbers to structures", code="E_LEGEND"
        )
    return {int(key): region for key, entry in content.items() if (region := _region(path.name, key, entry))}


def _region(file: str, key: str, entry: object) -> Region | None:
    """Region of one entry of a legend; None for 0, which is no region."""
    if not str(key).isdigit() or not isinstance(entry, Mapping) or not isinstance(entry.get("structure"), str):
        raise FileFormatError(
            f"legend {file}, entry {key!r}: not of the form number: {{structure, side}}",
            hint='write entries like "1": {"structure": "muscle", "side": "left"}',
            code="E_LEGEND",
        )
    if int(key) == 0:
        return None
    side, level = entry.get("side"), entry.get("level")
    if side not in (None, "left", "right"):
        raise FileFormatError(
            f"legend {file}, entry {key}: side is {json.dumps(side)}; it must be left, right or null",
            hint="write the patient's side in lower case, or null where there is none",
            code="E_LEGEND",
        )
    if not (level is None or isinstance(level, str)):
        raise FileFormatError(
            f"legend {file}, entry {key}: level is {json.dumps(level)}; it must be text or null",
            hint="leave level out for a whole structure",
            code="E_LEGEND",
        )
    try:
        return Region(entry["structure"], None if side is None else Side(side), level)
    except InputError as error:
        raise InputError(f"legend {file}, entry {key}: {error.message}", hint=error.hint, code=error.code) from error


def write_sidecar(
    path: Path, acquisition: Acquisition, *, role: Role, synthetic: bool, description: str | None = None
) -> Path:
    """Write the BIDS-like JSON sidecar of a NIfTI image: times in seconds, role and origin stated.

    Parameters
    ----------
    path : Path
        Of the image or of the sidecar; ``NAME.json`` is written.
    """
    path = Path(path)
    target = path.with_name(nifti_stem(path.name) + ".json") if is_nifti_name(path.name) else path
    return write_text(
        target,
        json.dumps(sidecar(acquisition, role=role, synthetic=synthetic, description=description), indent=2) + "\n",
    )


def sidecar(acquisition: Acquisition, *, role: Role, synthetic: bool, description: str | None = None) -> dict[str, Any]:
    """The content of a sidecar; unknown values are absent."""
    echoes = [value / MILLISECONDS_PER_SECOND for value in acquisition.echo_times_ms]
    found: dict[str, Any] = {
        "Modality": acquisition.modality.value,
        "HeliotropeRole": role.value,
        "Synthetic": synthetic,
        "SeriesDescription": description,
        "EchoTime": echoes[0] if len(echoes) == 1 else None,
        "EchoTimes": echoes if len(echoes) > 1 else None,
        "RepetitionTime": _seconds(acquisition.repetition_time_ms),
        "InversionTime": _seconds(acquisition.inversion_time_ms),
        "FlipAngle": acquisition.flip_angle_deg,
        "RefocusingFlipAngle": acquisition.refocusing_flip_angle_deg,
        "EchoTrainLength": acquisition.echo_train_length,
        "MagneticFieldStrength": acquisition.field_strength_t,
        "BValues": list(acquisition.b_values_s_per_mm2) or None,
        "BVectorsLPS": [list(v) for v in acquisition.b_vectors_lps] or None,
        "SliceThickness": acquisition.slice_thickness_mm,
        "SpacingBetweenSlices": acquisition.slice_spacing_mm,
        "PixelBandwidth": acquisition.pixel_bandwidth_hz,
        "ScanningSequence": list(acquisition.scanning_sequence) or None,
        "SequenceVariant": list(acquisition.sequence_variant) or None,
        "ScanOptions": list(acquisition.scan_options) or None,
        "SequenceName": acquisition.sequence_name,
        "ImageType": list(acquisition.image_type) or None,
        "MRAcquisitionType": acquisition.acquisition_type,
        "Manufacturer": acquisition.manufacturer,
        "ManufacturersModelName": acquisition.model,
        "SoftwareVersions": acquisition.software,
        "BodyPartExamined": acquisition.body_part_claimed,
        "KVP": acquisition.tube_voltage_kv,
        "ConvolutionKernel": acquisition.convolution_kernel,
        "AcquisitionDate": acquisition.acquired_on,
        "InPlanePhaseEncodingDirectionDICOM": acquisition.phase_encoding_axis,
        "TransmitCoilName": acquisition.transmit_coil,
    }
    return {key: value for key, value in found.items() if value is not None}


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / MILLISECONDS_PER_SECOND
