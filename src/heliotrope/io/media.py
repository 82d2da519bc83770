"""DICOMDIR: the files a media directory lists, found beside it and nowhere else."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import pydicom

from heliotrope.domain.errors import FileFormatError
from heliotrope.domain.study import FileOutcome, FileRecord
from heliotrope.io.header import Header
from heliotrope.io.sources import Entry, Listing

DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
_RECORDS = 0x00041220
_FILE_ID = 0x00041500
_MAX_DIRECTORY_BYTES = 256 << 20


def is_media_directory(path: Path) -> bool:
    """True for a file whose content says that it is a DICOMDIR."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(1024)
    except (OSError, ValueError):
        return False
    return head[128:132] == b"DICM" and DIRECTORY_CLASS.encode("ascii") in head


def list_media(path: Path) -> Listing:
    """The files that a DICOMDIR lists.

    Names that lead outside its folder are refused; listed files that are not there are accounted for.

    Raises
    ------
    FileFormatError
        ``E_DIRECTORY``: not readable.
    """
    root = path.parent
    try:
        content = path.read_bytes() if path.stat().st_size <= _MAX_DIRECTORY_BYTES else b""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            records = Header(pydicom.dcmread(io.BytesIO(content))).items(_RECORDS)
            listed = [record.texts(_FILE_ID) for record in records]
    except Exception as error:  # pydicom raises many kinds on damage
        raise FileFormatError(
            "the DICOMDIR cannot be read", hint="give the folder that holds it", code="E_DIRECTORY"
        ) from error
    entries: list[Entry] = []
    away = [FileRecord(path.name, FileOutcome.SKIPPED, "a directory of the media; the files themselves are read")]
    seen: set[str] = set()
    for parts in listed:
        if not parts or "/".join(parts) in seen:
            continue
        seen.add("/".join(parts))
        found = _resolve(root, parts)
        if isinstance(found, Path):
            entries.append(Entry("/".join(parts), str(found), found.stat().st_size))
        else:
            shown = "/".join(part for part in parts if part not in ("", "..", "."))
            away.append(FileRecord(shown or "(no name)", FileOutcome.REFUSED, *found))
    return Listing(tuple(entries), tuple(away))


def _resolve(root: Path, parts: tuple[str, ...]) -> Path | tuple[str, str]:
    outside = ("its name leads outside the folder of the DICOMDIR", "E_PATH")
    if any(part in ("", ".", "..") or "/" in part or "\0" in part or ":" in part for part in parts):
        return outside
    current = root
    for part in parts:
        following = current / part
        if not following.exists():
            # discs write upper case, copies often lower case, some with a version number
            names = {name.upper(): name for name in _names(current)}
            match = names.get(part.upper())
            if match is None:
                return ("listed in the DICOMDIR but absent", "E_MISSING_FILE")
            following = current / match
        current = following
    real_root = os.path.realpath(root)
    if os.path.commonpath([os.path.realpath(current), real_root]) != real_root:
        return outside
    return current if current.is_file() else ("listed in the DICOMDIR but no file", "E_MISSING_FILE")


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names, not paths
    except OSError:
        return []
