"""Where input bytes come from: a folder of any nesting, a zip archive, one file. Nothing is ever unpacked to disk.

A source is a string: a path, or ``archive.zip!/member`` for a file within an archive.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from heliotrope.domain.errors import FileFormatError, StudyError
from heliotrope.domain.study import FileOutcome, FileRecord

MEMBER_MARK = "!/"
MAX_FILES = 1_000_000
"""More files than this under one input are refused."""
MAX_MEMBER_BYTES = 4 << 30
"""Largest unpacked size of one archive member. [bytes]"""
MAX_ARCHIVE_BYTES = 64 << 30
"""Largest unpacked size of a whole archive. [bytes]"""
MAX_COMPRESSION_RATIO = 200.0
"""An archive member above this ratio and above `RATIO_FLOOR_BYTES` is taken for a decompression bomb."""
RATIO_FLOOR_BYTES = 16 << 20
HEAD_BYTES = 1 << 18
"""What the first pass keeps of a file; longer headers are read again. [bytes]"""


@dataclass(frozen=True)
class Entry:
    """One input file.

    Parameters
    ----------
    name : str
        Relative to the input, with forward slashes.
    source : str
        Path, or ``archive.zip!/member``.
    size : int
        [bytes]
    """

    name: str
    source: str
    size: int


@dataclass(frozen=True)
class Head:
    """The beginning of a file and the hash of all of it.

    Parameters
    ----------
    head : bytes
        At most `HEAD_BYTES`.
    sha256 : str
    size : int
        As read. [bytes]
    """

    head: bytes
    sha256: str
    size: int


@dataclass(frozen=True)
class Listing:
    """All files of an input, and those turned away by their name, size or kind alone."""

    entries: tuple[Entry, ...]
    turned_away: tuple[FileRecord, ...]


def list_input(path: Path) -> Listing:
    """List every file under a folder or in an archive, or the one file given.

    Raises
    ------
    StudyError
        ``E_NOT_FOUND``, ``E_EMPTY``, ``E_NO_PERMISSION``, ``E_TOO_MANY_FILES``.
    FileFormatError
        ``E_ARCHIVE`` for an archive that cannot be listed.
    """
    path = Path(path)
    try:
        kind = path.stat().st_mode
    except PermissionError as error:
        raise StudyError(
            "the study: no permission to read", hint="ask for read permission", code="E_NO_PERMISSION"
        ) from error
    except (OSError, ValueError) as error:
        raise StudyError(
            "the study: no such file or folder", hint="check the path; quote it if it has spaces", code="E_NOT_FOUND"
        ) from error
    if stat.S_ISDIR(kind):
        listing = _list_folder(path)
    elif not stat.S_ISREG(kind):
        raise StudyError(
            "the study: neither a folder nor a file", hint="give a folder, a .zip or an image file", code="E_NOT_FOUND"
        )
    elif is_archive(path):
        listing = _list_archive(path)
    else:
        listing = Listing((Entry(path.name, str(path), path.stat().st_size),), ())
    if not listing.entries and not listing.turned_away:
        raise StudyError("the study holds no file", hint="give the folder that holds the images", code="E_EMPTY")
    return listing


def is_archive(path: Path) -> bool:
    """True for a zip archive, by content (and by name when damaged)."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(4) in (b"PK\x03\x04", b"PK\x05\x06"):
            return True
    return path.suffix.lower() == ".zip"


def _list_folder(root: Path) -> Listing:
    entries: list[Entry] = []
    away: list[FileRecord] = []
    real_root = os.path.realpath(root)

    def unreadable(error: OSError) -> None:
        name = os.path.relpath(str(error.filename), root) if error.filename else "."
        away.append(
            FileRecord(name.replace(os.sep, "/"), FileOutcome.REFUSED, "folder not readable", "E_NO_PERMISSION")
        )

    for folder, folders, files in os.walk(root, onerror=unreadable, followlinks=False):
        folders.sort()
        for linked in [name for name in folders if (Path(folder) / name).is_symlink()]:
            name = os.path.relpath(str(Path(folder) / linked), root).replace(os.sep, "/")
            away.append(FileRecord(name, FileOutcome.SKIPPED, "a link to a folder is not followed"))
        for file in sorted(files):
            full = Path(folder) / file
            name = os.path.relpath(str(full), root).replace(os.sep, "/")
            if len(entries) >= MAX_FILES:
                raise StudyError(
                    f"the study holds more than {MAX_FILES} files",
                    hint="give the folder of one study",
                    code="E_TOO_MANY_FILES",
                )
            record = _odd_file(full, name, real_root)
            if record is None:
                entries.append(Entry(name, str(full), full.stat().st_size))
            else:
                away.append(record)
    return Listing(tuple(entries), tuple(away))


def _odd_file(full: Path, name: str, real_root: str) -> FileRecord | None:
    try:
        if full.is_symlink():
            target = os.path.realpath(full)
            if os.path.commonpath([target, real_root]) == real_root:
                return FileRecord(name, FileOutcome.SKIPPED, "a link to another file of the same folder")
        mode = full.stat().st_mode
    except (OSError, ValueError):
        return FileRecord(name, FileOutcome.REFUSED, "the file or what it links to cannot be reached", "E_UNREADABLE")
    if not stat.S_ISREG(mode):
        return FileRecord(name, FileOutcome.SKIPPED, "not a regular file")
    return None


def _list_archive(path: Path) -> Listing:
    entries: list[Entry] = []
    away: list[FileRecord] = []
    total = 0
    seen: set[str] = set()
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    # zipfile answers an archive of a newer format with NotImplementedError
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise FileFormatError(
            "the archive cannot be read: not a whole zip file", hint="copy or export it again", code="E_ARCHIVE"
        ) from error
    if len(members) > MAX_FILES:
        raise StudyError(
            f"the archive holds more than {MAX_FILES} files",
            hint="give the archive of one study",
            code="E_TOO_MANY_FILES",
        )
    for member in sorted(members, key=lambda one: one.filename):
        if member.is_dir():
            continue
        refused = _odd_member(member, seen)
        seen.add(member.filename)
        total += member.file_size
        if refused is None and total > MAX_ARCHIVE_BYTES:
            refused = ("the archive unpacks to more than the limit", "E_TOO_LARGE")
        if refused is not None:
            name = PurePosixPath("/" + member.filename.replace("\\", "/")).as_posix().lstrip("/")
            away.append(FileRecord(name or "(no name)", FileOutcome.REFUSED, *refused))
            continue
        entries.append(Entry(member.filename, f"{path}{MEMBER_MARK}{member.filename}", member.file_size))
    return Listing(tuple(entries), tuple(away))


def _odd_member(member: zipfile.ZipInfo, seen: set[str]) -> tuple[str, str] | None:
    name = member.filename
    if (
        name.startswith(("/", "\\"))
        or "\\" in name
        or ".." in name.split("/")
        or ":" in name.split("/")[0]
        or "\0" in name
    ):
        return "its name points outside the archive", "E_PATH"
    if name in seen:
        return "a second member of the same name", "E_DUPLICATE_NAME"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link within an archive is not followed", "E_PATH"
    if member.flag_bits & 0x1:
        return "encrypted", "E_ENCRYPTED"
    if member.file_size > MAX_MEMBER_BYTES:
        return f"unpacks to {member.file_size >> 20} MiB (limit {MAX_MEMBER_BYTES >> 20} MiB)", "E_TOO_LARGE"
    if member.file_size > RATIO_FLOOR_BYTES and member.file_size > MAX_COMPRESSION_RATIO * max(member.compress_size, 1):
        return f"unpacks to more than {MAX_COMPRESSION_RATIO:g} times its size", "E_TOO_LARGE"
    return None


class Reader:
    """Opens sources; keeps archives open while it lives. Threads may share one.

    Use as a context manager.
    """

    def __init__(self) -> None:
        self._archives: dict[str, zipfile.ZipFile] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._archives.values():
            archive.close()
        self._archives.clear()

    @contextlib.contextmanager
    def open(self, source: str) -> Iterator[BinaryIO]:
        """A seekable binary file of a source.

        Raises
        ------
        FileFormatError
            ``E_UNREADABLE`` or ``E_ARCHIVE``.
        """
        if MEMBER_MARK in source and not Path(source).exists():
            yield io.BytesIO(self._member(source))
            return
        try:
            file = Path(source).open("rb")  # noqa: SIM115 - closed below
        except (OSError, ValueError) as error:
            raise FileFormatError(
                "an image file cannot be opened any more",
                hint="check that the study is still there",
                code="E_UNREADABLE",
            ) from error
        with file:
            yield file

    def read(self, source: str) -> bytes:
        """All bytes of a source."""
        with self.open(source) as file:
            return file.read()

    def _member(self, source: str) -> bytes:
        container, _, name = source.partition(MEMBER_MARK)
        try:
            with self._lock:
                archive = self._archives.get(container)
                if archive is None:
                    archive = self._archives[container] = zipfile.ZipFile(container)
            info = archive.getinfo(name)
            with archive.open(info) as file:
                # one byte more than stated: a member that lies about its size is caught, not unpacked
                content = file.read(info.file_size + 1)
        except Exception as error:  # zipfile and zlib raise many kinds on damage
            raise FileFormatError(
                "a file in the archive is damaged", hint="copy or export the archive again", code="E_ARCHIVE"
            ) from error
        if len(content) != info.file_size:
            raise FileFormatError(
                "a file in the archive is not of its stated size", hint="export the archive again", code="E_ARCHIVE"
            )
        return content


def read_head(reader: Reader, source: str) -> Head:
    """The first `HEAD_BYTES` of a source and the hash of the whole."""
    digest = hashlib.sha256()
    with reader.open(source) as file:
        head = file.read(HEAD_BYTES)
        digest.update(head)
        size = len(head)
        while len(head) == HEAD_BYTES and (chunk := file.read(1 << 20)):
            digest.update(chunk)
            size += len(chunk)
    return Head(head, digest.hexdigest(), size)
