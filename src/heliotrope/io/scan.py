"""First pass over the input: what each file is, from its header alone."""

from __future__ import annotations

import io
import struct
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import UID

from heliotrope.domain.errors import HeliotropeError
from heliotrope.domain.study import FileOutcome, FileRecord
from heliotrope.io import classic, codecs, tags
from heliotrope.io.elements import UnusualStructure, parse_header
from heliotrope.io.enhanced import enhanced_frames, is_enhanced
from heliotrope.io.frames import FrameFacts, PixelFormat, SeriesContext
from heliotrope.io.header import Header, HeaderCache
from heliotrope.io.identity import Patient
from heliotrope.io.mosaic import is_mosaic, mosaic_frames
from heliotrope.io.pixels import IMPLICIT_LITTLE, fragments, pixel_element
from heliotrope.io.sources import HEAD_BYTES, Entry, Head, Reader, read_head

READ_THREADS = 4
BATCH = 64
"""Files read as one piece of work."""
BATCHES_AHEAD = 3
"""Batches read ahead of the parser; bounds memory."""
MAX_HEADER_BYTES = 256 << 20
"""No header is longer. [bytes]"""

RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
_OTHER_OBJECTS = {
    "1.2.840.10008.5.1.4.1.1.88": "a structured report",
    "1.2.840.10008.5.1.4.1.1.11": "a presentation state",
    "1.2.840.10008.5.1.4.1.1.104": "an encapsulated document",
    "1.2.840.10008.5.1.4.1.1.481": "a radiotherapy object",
    "1.2.840.10008.5.1.4.1.1.9": "a waveform",
    "1.2.840.10008.5.1.4.1.1.66": "a registration, surface or raw-data object",
    "1.2.840.10008.5.1.4.1.1.4.2": "MR spectroscopy",
    "1.2.840.10008.5.1.4.1.1.200": "a protocol definition",
}
_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a bitmap picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"PK\x03\x04", "an archive inside the study (unpack it to use it)"),
    (b"\x1f\x8b", "a gzip-compressed file (unpack it to use it)"),
    (b"Rar!", "an archive inside the study (unpack it to use it)"),
    (b"7z\xbc\xaf", "an archive inside the study (unpack it to use it)"),
    (b"<?xml", "an XML document"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"SQLite", "a database"),
)


@dataclass(frozen=True)
class ScannedObject:
    """A DICOM object that belongs to a study but is no image: contours or a segmentation."""

    file: int
    path: str
    sop_class: str
    study_uid: str
    series_uid: str
    number: int | None
    description: str
    acquired_on: str | None
    synthetic: bool


@dataclass(frozen=True)
class Scanned:
    """One file after the first pass; exactly one of `record`, `frames` and `thing` says what it is."""

    entry: Entry
    sha256: str | None
    record: FileRecord | None = None
    frames: tuple[FrameFacts, ...] = ()
    thing: ScannedObject | None = None
    patient: Patient | None = None
    study_uid: str = ""
    study_date: str | None = None


@dataclass(frozen=True)
class _Shelf:
    """What the parsing of many files shares."""

    reader: Reader
    contexts: HeaderCache[SeriesContext] = field(default_factory=HeaderCache)
    formats: HeaderCache[PixelFormat | None] = field(default_factory=HeaderCache)
    patients: HeaderCache[Patient] = field(default_factory=HeaderCache)


class _Turned(Exception):  # noqa: N818 - carries an outcome, is no error
    def __init__(self, outcome: FileOutcome, reason: str, code: str | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.code = code


def scan(entries: Sequence[Entry]) -> Iterator[Scanned]:
    """Read and hash files ahead in threads, parse their headers in order."""
    with warnings.catch_warnings(), Reader() as reader, ThreadPoolExecutor(READ_THREADS) as pool:
        warnings.simplefilter("ignore")  # remarks on odd headers name values; the accounting below replaces them
        shelf = _Shelf(reader)
        ahead: deque[tuple[int, list[Future[list[Head | HeliotropeError]]]]] = deque()
        starts = iter(range(0, len(entries), BATCH))
        while True:
            while len(ahead) < BATCHES_AHEAD and (start := next(starts, None)) is not None:
                batch = entries[start : start + BATCH]
                parts = [batch[first::READ_THREADS] for first in range(READ_THREADS)]
                ahead.append((start, [pool.submit(_read_heads, reader, part) for part in parts if part]))
            if not ahead:
                return
            start, futures = ahead.popleft()
            heads = [future.result() for future in futures]
            for index, entry in enumerate(entries[start : start + BATCH]):
                head = heads[index % READ_THREADS][index // READ_THREADS]
                yield _scan_one(shelf, start + index, entry, head)


def _read_heads(reader: Reader, entries: Sequence[Entry]) -> list[Head | HeliotropeError]:
    found: list[Head | HeliotropeError] = []
    for entry in entries:
        try:
            found.append(read_head(reader, entry.source))
        except HeliotropeError as error:
            found.append(error)
        except OSError as error:
            words = f"not readable: {error.strerror}"
            found.append(HeliotropeError(words, hint="check the disk", code="E_UNREADABLE"))
    return found


def _scan_one(shelf: _Shelf, index: int, entry: Entry, head: Head | HeliotropeError) -> Scanned:
    if isinstance(head, HeliotropeError):
        record = FileRecord(entry.name, FileOutcome.REFUSED, head.message, head.code)
        return Scanned(entry, None, record)
    try:
        return _parse(shelf, index, entry, head)
    except _Turned as turned:
        record = FileRecord(entry.name, turned.outcome, turned.reason, turned.code, head.sha256)
    except HeliotropeError as error:
        record = FileRecord(entry.name, FileOutcome.REFUSED, error.message, error.code, head.sha256)
    except Exception:  # noqa: BLE001 - a hostile header may break the parser anywhere; the file is accounted for
        record = FileRecord(entry.name, FileOutcome.REFUSED, "the header is damaged", "E_FILE", head.sha256)
    return Scanned(entry, head.sha256, record)


def _parse(shelf: _Shelf, index: int, entry: Entry, head: Head) -> Scanned:
    _turn_away_foreign(head)
    header, syntax, meta_class, end = _header(shelf.reader, entry, head)
    sop_class = header.text(tags.SOP_CLASS_UID) or meta_class
    if sop_class == _DICOMDIR_CLASS:
        raise _Turned(FileOutcome.SKIPPED, "a directory of the media; the files themselves are read")
    base = Scanned(
        entry,
        head.sha256,
        patient=shelf.patients.get(header, _patient),
        study_uid=header.text(tags.STUDY_UID) or _stand_in(entry, header, tags.STUDY_DATE),
        study_date=classic.iso_date(header.text(tags.STUDY_DATE)),
    )
    if sop_class == RTSTRUCT_CLASS or sop_class in SEGMENTATION_CLASSES:
        thing = ScannedObject(
            file=index,
            path=entry.source,
            sop_class=sop_class,
            study_uid=base.study_uid,
            series_uid=header.text(tags.SERIES_UID) or "",
            number=header.integer(tags.SERIES_NUMBER),
            description=header.text(tags.SERIES_DESCRIPTION) or "",
            acquired_on=base.study_date,
            synthetic=classic.is_synthetic(header),
        )
        return _with(base, thing=thing)
    frames = _image(shelf, index, entry, head, header, syntax, sop_class, end)
    if frames and not frames[0].context.series_uid:
        context = replace(
            frames[0].context,
            series_uid=_stand_in(entry, header, tags.SERIES_NUMBER, tags.SERIES_DESCRIPTION, tags.FRAME_OF_REFERENCE),
            vendor_notes=(*frames[0].context.vendor_notes, "no series identifier: grouped by folder, number and name"),
        )
        frames = tuple(replace(frame, context=context) for frame in frames)
    return _with(base, frames=frames)


def _stand_in(entry: Entry, header: Header, *stated: int) -> str:
    """Groups files whose identifiers were removed: by folder and what else they state."""
    folder = entry.name.rpartition("/")[0]
    return "\0".join(("unstated", folder, *(header.text(tag) or "" for tag in stated)))


def _with(base: Scanned, *, frames: tuple[FrameFacts, ...] = (), thing: ScannedObject | None = None) -> Scanned:
    return Scanned(base.entry, base.sha256, None, frames, thing, base.patient, base.study_uid, base.study_date)


def _turn_away_foreign(head: Head) -> None:
    if head.size == 0:
        raise _Turned(FileOutcome.SKIPPED, "an empty file")
    if head.head[128:132] == b"DICM":
        return
    for signature, words in _SIGNATURES:
        if head.head.startswith(signature):
            raise _Turned(FileOutcome.SKIPPED, words)
    # without a preamble only data sets that begin with group 0008 (or file meta, 0002) are taken for DICOM
    if head.head[:2] not in (b"\x08\x00", b"\x02\x00", b"\x00\x08"):
        sample = head.head[:4096]
        text = not any(byte < 9 or 13 < byte < 32 for byte in sample)
        raise _Turned(FileOutcome.SKIPPED, "a text file" if text else "no DICOM or NIfTI file")


def _header(reader: Reader, entry: Entry, head: Head) -> tuple[Header, str, str, int]:
    """Header, transfer syntax, object class of the meta information, and the byte where pixels begin (-1: unknown)."""
    try:
        parsed = parse_header(head.head)
        if parsed.end < len(head.head) or head.size == len(head.head):
            end = parsed.end if _at_pixels(head.head, parsed.end) else -1
            return Header(parsed.elements), parsed.transfer_syntax, parsed.sop_class, end
    except (UnusualStructure, struct.error):
        pass
    if head.size > len(head.head):
        # long headers (functional groups, private blocks) reach beyond the first part of the file
        with reader.open(entry.source) as file:
            longer = file.read(MAX_HEADER_BYTES)
        try:
            parsed = parse_header(longer)
            end = parsed.end if _at_pixels(longer, parsed.end) else -1
            return Header(parsed.elements), parsed.transfer_syntax, parsed.sop_class, end
        except (UnusualStructure, struct.error):
            pass
    dataset, end = _dataset(reader, entry, head)
    syntax = str(getattr(dataset.file_meta, "TransferSyntaxUID", "") or IMPLICIT_LITTLE)
    return Header(dataset), syntax, str(getattr(dataset.file_meta, "MediaStorageSOPClassUID", "")), end


def _dataset(reader: Reader, entry: Entry, head: Head) -> tuple[FileDataset, int]:
    """The header and the byte at which the pixel element begins (-1 when that is not known)."""
    force = head.head[128:132] != b"DICM"
    whole = head.size <= HEAD_BYTES
    buffer = io.BytesIO(head.head)
    failed = False
    try:
        dataset = pydicom.dcmread(buffer, stop_before_pixels=True, force=force)
        end = buffer.tell()
    except Exception:
        if whole:
            raise
        failed = True
    if failed or (not whole and not _at_pixels(head.head, end)):
        with reader.open(entry.source) as file:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=force)
            end = file.tell()
            file.seek(end)
            at = _at_pixels(file.read(4), 0)
    else:
        at = _at_pixels(head.head, end)
    if force and tags.SOP_CLASS_UID not in dataset:
        raise _Turned(FileOutcome.SKIPPED, "no DICOM or NIfTI file")
    return dataset, end if at else -1


def _at_pixels(content: bytes, offset: int) -> bool:
    return content[offset : offset + 4] in (b"\xe0\x7f\x10\x00", b"\xe0\x7f\x08\x00", b"\xe0\x7f\x09\x00")


def _patient(header: Header) -> Patient:
    return Patient(
        identifier=header.text(tags.PATIENT_ID) or "",
        issuer=header.text(tags.PATIENT_ID_ISSUER) or "",
        name=header.text(tags.PATIENT_NAME) or "",
        birth_date=header.text(tags.PATIENT_BIRTH_DATE) or "",
        sex=(header.text(tags.PATIENT_SEX) or "").upper(),
    )


def _image(
    shelf: _Shelf, index: int, entry: Entry, head: Head, header: Header, syntax: str, sop_class: str, end: int
) -> tuple[FrameFacts, ...]:
    stored = shelf.formats.get(header, lambda one: classic.pixel_format(one, syntax))
    if stored is not None and stored.transfer_syntax != syntax:
        stored = replace(stored, transfer_syntax=syntax)
    if stored is None:
        for prefix, words in _OTHER_OBJECTS.items():
            if sop_class.startswith(prefix) and (len(sop_class) == len(prefix) or sop_class[len(prefix)] == "."):
                raise _Turned(FileOutcome.SKIPPED, f"{words}: no image")
        if tags.ROWS not in header and tags.COLUMNS not in header:
            if UID(sop_class).name.endswith("Image Storage"):
                raise _Turned(FileOutcome.REFUSED, "an image whose header ends early", "E_TRUNCATED")
            if not sop_class and tags.MODALITY not in header:
                raise _Turned(FileOutcome.REFUSED, "the header is damaged", "E_FILE")
            raise _Turned(FileOutcome.SKIPPED, "a DICOM object without an image")
        raise _Turned(FileOutcome.REFUSED, "image size, bits or frame count are damaged", "E_FILE")
    if syntax not in codecs.SUPPORTED:
        raise _Turned(FileOutcome.REFUSED, "compressed in a way that cannot be read", "E_TRANSFER_SYNTAX")
    stored = _check_pixels(shelf.reader, entry, head, stored, end)
    if is_enhanced(header):
        return enhanced_frames(header, file=index, path=entry.source, stored=stored, offset=end)
    if is_mosaic(header):
        return mosaic_frames(header, file=index, path=entry.source, stored=stored, offset=end, contexts=shelf.contexts)
    return classic.classic_frames(
        header, file=index, path=entry.source, stored=stored, offset=end, contexts=shelf.contexts
    )


def _check_pixels(reader: Reader, entry: Entry, head: Head, stored: PixelFormat, end: int) -> PixelFormat:
    """Refuse a file whose pixels are missing or end early, as far as lengths tell."""
    syntax = stored.transfer_syntax
    if syntax == "1.2.840.10008.1.2.1.99" or (syntax == "1.2.840.10008.1.2.2" and end < 0):
        return stored
    if end < 0:
        raise _Turned(FileOutcome.REFUSED, "the pixel data are missing: the file ends early", "E_TRUNCATED")
    if codecs.is_encapsulated(syntax):
        with reader.open(entry.source) as file:
            fragments(file, end)
        return stored
    if end + 12 <= len(head.head):
        file = io.BytesIO(head.head[end : end + 12])
        start, length = pixel_element(file, 0, syntax)
        element, start = head.head[end : end + 4], start + end
    else:
        with reader.open(entry.source) as file:
            file.seek(end)
            element = file.read(4)
            start, length = pixel_element(file, end, syntax)
    needed = (stored.rows * stored.columns * stored.samples * stored.bits_allocated * stored.n_frames + 7) // 8
    if stored.photometric == "YBR_FULL_422":
        needed = needed * 2 // 3
    available = head.size - start
    if min(length, available) < needed:
        words = f"the pixel data end early: {max(0, min(length, available))} of {needed} bytes"
        raise _Turned(FileOutcome.REFUSED, words, "E_TRUNCATED")
    if element != b"\xe0\x7f\x10\x00":
        return PixelFormat(**{**stored.__dict__, "real": True})
    return stored
