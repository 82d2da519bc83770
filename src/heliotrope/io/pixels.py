"""Pixels to arrays: native and compressed transfer syntaxes, scaled to signal."""

from __future__ import annotations

import io
import struct
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.utils import pixel_array

from heliotrope.domain.errors import FileFormatError, GeometryError, HeliotropeError
from heliotrope.domain.images import Volume
from heliotrope.domain.study import FrameSource, Modality, Series
from heliotrope.domain.units import Unit
from heliotrope.io import codecs
from heliotrope.io.frames import DicomFrame, PixelFormat
from heliotrope.io.sources import Reader

READ_THREADS = 4
MAX_VOLUME_BYTES = 32 << 30
"""A volume larger than this in memory is refused. [bytes]"""

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_NATIVE = (IMPLICIT_LITTLE, EXPLICIT_LITTLE)


def stored_dtype(stored: PixelFormat) -> np.dtype[np.generic]:
    """Little-endian array type of stored pixels."""
    if stored.real:
        return np.dtype("<f4" if stored.bits_allocated == 32 else "<f8")
    return np.dtype(f"<{'i' if stored.signed else 'u'}{stored.bits_allocated // 8}")


def read_dicom_volume(series: Series) -> Volume:
    """The pixels of a DICOM series as float32 signal on its grid.

    Returns
    -------
    Volume of shape (x, y, z) or (x, y, z, n)
        ``[hnsf'U]`` for CT, ``[arb'U]`` otherwise.

    Raises
    ------
    GeometryError
        The series forms no regular volume.
    FileFormatError
        Pixels are damaged or of an unsupported kind.
    """
    if series.grid is None:
        reason = series.defects[-1] if series.defects else "its images form no regular volume"
        raise GeometryError(f"series {series.key}: {reason}", hint="choose another series or repair this one")
    columns, rows, n_slices = series.grid.shape
    n_frames = series.n_frames
    size = 4 * rows * columns * n_slices * n_frames
    if size > MAX_VOLUME_BYTES:
        raise FileFormatError(
            f"series {series.key}: {size >> 30} GiB in memory (limit {MAX_VOLUME_BYTES >> 30} GiB)",
            hint="give fewer images at a time",
            code="E_TOO_LARGE",
        )
    out = np.empty((n_frames, n_slices, rows, columns), dtype=np.float32)
    flat = out.reshape(n_frames * n_slices, rows, columns)
    jobs: dict[str, list[tuple[int, DicomFrame]]] = defaultdict(list)
    for index, frame in enumerate(series.frames):
        jobs[frame.path].append((index, located(frame)))
    batches = list(jobs.items())
    chunks = [batches[start::READ_THREADS] for start in range(READ_THREADS)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's remarks on odd headers; damage raises below
        with Reader() as reader, ThreadPoolExecutor(READ_THREADS) as pool:
            for done in [pool.submit(_read_files, reader, chunk, flat, series.key) for chunk in chunks if chunk]:
                done.result()
    data = out.transpose(3, 2, 1, 0)
    unit = Unit.HOUNSFIELD if series.acquisition.modality is Modality.CT else Unit.ARBITRARY
    return Volume(data[..., 0] if n_frames == 1 else data, series.grid, unit)


def located(frame: FrameSource) -> DicomFrame:
    """The frame with its pixel format, parsed from the file when the frame does not carry it."""
    if isinstance(frame, DicomFrame) and frame.format is not None:
        return frame
    raise FileFormatError(
        "a frame without its pixel format", hint="read the study again with heliotrope.io.read_study", code="E_FILE"
    )


def _read_files(
    reader: Reader, batches: Sequence[tuple[str, list[tuple[int, DicomFrame]]]], flat: NDArray[np.float32], key: str
) -> None:
    for path, wanted in batches:
        try:
            with reader.open(path) as file:
                _read_file(file, wanted, flat)
        except HeliotropeError as error:
            raise FileFormatError(f"series {key}: {error.message}", hint=error.hint, code=error.code) from error
        except Exception as error:  # decoders raise many kinds on damaged streams
            raise FileFormatError(
                f"series {key}: the pixels of an image cannot be decoded",
                hint="export the series again, uncompressed if possible",
                code="E_PIXELS",
            ) from error


def _read_file(file: BinaryIO, wanted: list[tuple[int, DicomFrame]], flat: NDArray[np.float32]) -> None:
    first = wanted[0][1]
    stored = first.format
    if stored is None:
        raise FileFormatError("a frame without its pixel format", hint="read the study again")
    frame_of = _frame_reader(file, stored, first.offset, sorted({_file_frame(frame) for _, frame in wanted}))
    for index, frame in wanted:
        pixels = frame_of(_file_frame(frame))
        if frame.tile is not None:
            per_row, rows, columns = frame.tile
            top, left = divmod(frame.frame, per_row)
            pixels = pixels[top * rows : (top + 1) * rows, left * columns : (left + 1) * columns]
        target = flat[index]
        if pixels.shape != target.shape:
            raise FileFormatError(
                f"an image of {pixels.shape} pixels where its header says {target.shape}",
                hint="export the series again",
                code="E_PIXELS",
            )
        target[...] = pixels
        if frame.slope != 1.0:
            target *= np.float32(frame.slope)
        if frame.intercept != 0.0:
            target += np.float32(frame.intercept)


def _file_frame(frame: DicomFrame) -> int:
    return 0 if frame.tile is not None else frame.frame


def _frame_reader(
    file: BinaryIO, stored: PixelFormat, offset: int, numbers: list[int]
) -> Callable[[int], NDArray[np.generic]]:
    plain = stored.bits_allocated >= 8 and stored.photometric != "YBR_FULL_422"
    if stored.transfer_syntax in _NATIVE and offset >= 0 and plain:
        start, length = pixel_element(file, offset, stored.transfer_syntax)
        needed = stored.frame_bytes * stored.n_frames
        if length < needed:
            raise FileFormatError(
                f"pixel data of {length} bytes where {needed} are needed",
                hint="copy the file again",
                code="E_TRUNCATED",
            )

        def native(number: int) -> NDArray[np.generic]:
            file.seek(start + number * stored.frame_bytes)
            content = file.read(stored.frame_bytes)
            if len(content) != stored.frame_bytes:
                raise FileFormatError("pixel data end early", hint="copy the file again", code="E_TRUNCATED")
            return _gray(np.frombuffer(content, dtype=stored_dtype(stored)), stored)

        return native
    decoded = _decode_all(file, stored, offset, numbers)
    return lambda number: decoded[number]


def pixel_element(file: BinaryIO, offset: int, transfer_syntax: str) -> tuple[int, int]:
    """Start and stated length of a native pixel element at `offset`. [bytes]"""
    file.seek(offset)
    head = file.read(12)
    if len(head) < 8:
        raise FileFormatError("the pixel data are missing", hint="copy the file again", code="E_TRUNCATED")
    if transfer_syntax == IMPLICIT_LITTLE:
        (length,) = struct.unpack("<I", head[4:8])
        return offset + 8, length
    if len(head) < 12:
        raise FileFormatError("the pixel data are missing", hint="copy the file again", code="E_TRUNCATED")
    (length,) = struct.unpack("<I", head[8:12])
    return offset + 12, length


def fragments(file: BinaryIO, offset: int) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """Basic offset table, and start and length of each fragment of an encapsulated pixel element.

    Lengths are followed, nothing is searched for: a stream may hold any bytes.

    Raises
    ------
    FileFormatError
        ``E_TRUNCATED``: a fragment reaches beyond the file.
    """
    size = file.seek(0, 2)
    file.seek(offset + 4)
    # some files keep the implicit form of the element even around compressed data
    position = offset + (8 if file.read(4) == b"\xff\xff\xff\xff" else 12)
    found: list[tuple[int, int]] = []
    while position + 8 <= size:
        file.seek(position)
        item = file.read(8)
        length = int.from_bytes(item[4:8], "little")
        if item[:4] == b"\xfe\xff\xdd\xe0":
            break
        if item[:4] != b"\xfe\xff\x00\xe0" or position + 8 + length > size:
            raise FileFormatError("the compressed pixel data end early", hint="copy the file again", code="E_TRUNCATED")
        found.append((position + 8, length))
        position += 8 + length
    if len(found) < 2:
        raise FileFormatError("the compressed pixel data are missing", hint="copy the file again", code="E_TRUNCATED")
    start, length = found[0]
    file.seek(start)
    table = struct.unpack(f"<{length // 4}I", file.read(length // 4 * 4))
    return table, found[1:]


def encapsulated_frames(file: BinaryIO, offset: int, n_frames: int) -> list[bytes]:
    """The compressed stream of each frame."""
    table, pieces = fragments(file, offset)

    def content(start: int, length: int) -> bytes:
        file.seek(start)
        return file.read(length)

    if n_frames == 1:
        return [b"".join(content(*piece) for piece in pieces)]
    if len(pieces) == n_frames:
        return [content(*piece) for piece in pieces]
    if len(table) != n_frames or list(table) != sorted(table):
        raise FileFormatError(
            f"{len(pieces)} compressed fragments for {n_frames} frames",
            hint="export the series again",
            code="E_TRUNCATED",
        )
    first = pieces[0][0] - 8
    streams = [b""] * n_frames
    for start, length in pieces:
        number = sum(entry <= start - 8 - first for entry in table) - 1
        streams[number] += content(start, length)
    return streams


def _gray(values: NDArray[np.generic], stored: PixelFormat) -> NDArray[np.generic]:
    """A 2-D image; color is turned into luminance (ITU-R BT.601)."""
    if stored.samples == 1:
        image = values.reshape(stored.rows, stored.columns)
        return _trim(image, stored)
    if stored.planar == 1 and stored.transfer_syntax in _NATIVE:
        color = values.reshape(stored.samples, stored.rows, stored.columns).transpose(1, 2, 0)
    else:
        color = values.reshape(stored.rows, stored.columns, stored.samples)
    return luminance(color, stored.photometric)


def luminance(color: NDArray[np.generic], photometric: str) -> NDArray[np.generic]:
    """Luminance of an RGB or YBR image of shape (rows, columns, 3). [stored units]"""
    if photometric.startswith("YBR"):
        return np.asarray(color[..., 0])
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.asarray(color[..., :3].astype(np.float32) @ weights)


def _trim(image: NDArray[Any], stored: PixelFormat) -> NDArray[np.generic]:
    """Drop what lies above the stored bits (old overlays, burned flags)."""
    spare = 8 * image.dtype.itemsize - stored.bits_stored
    if stored.real or spare <= 0 or image.dtype.kind not in "iu":
        return image
    if stored.signed:
        return np.asarray((image << spare) >> spare)
    return np.asarray(image & np.array((1 << stored.bits_stored) - 1, dtype=image.dtype))


def _decode_all(file: BinaryIO, stored: PixelFormat, offset: int, numbers: list[int]) -> dict[int, NDArray[np.generic]]:
    if codecs.is_encapsulated(stored.transfer_syntax) and not codecs.needs_color_care(stored):
        streams = encapsulated_frames(file, offset, stored.n_frames)
        found: dict[int, NDArray[np.generic]] = {}
        for number in numbers:
            values, photometric = codecs.decode(streams[number], stored)
            found[number] = _decoded_gray(values, stored, photometric)
        return found
    file.seek(0)
    content = file.read()
    dataset = pydicom.dcmread(io.BytesIO(content), force=True)
    array = np.asarray(pixel_array(dataset, raw=True)) if not stored.real else _real(dataset, stored)
    frames = array.reshape(stored.n_frames, *array.shape[(1 if stored.n_frames > 1 else 0) :])
    return {
        number: luminance(frames[number], stored.photometric) if stored.samples > 1 else frames[number]
        for number in numbers
    }


def _real(dataset: pydicom.Dataset, stored: PixelFormat) -> NDArray[np.generic]:
    name = "FloatPixelData" if stored.bits_allocated == 32 else "DoubleFloatPixelData"
    values = np.frombuffer(getattr(dataset, name), dtype=stored_dtype(stored))
    shape = (stored.rows, stored.columns) if stored.n_frames == 1 else (stored.n_frames, stored.rows, stored.columns)
    return values.reshape(shape)


def _decoded_gray(values: NDArray[np.generic], stored: PixelFormat, photometric: str) -> NDArray[np.generic]:
    if values.ndim == 3:
        return luminance(values, photometric)
    if stored.signed and values.dtype.kind == "u":
        values = values.astype(f"<u{stored.bits_allocated // 8}").view(f"<i{stored.bits_allocated // 8}")
    return _trim(values, stored)
