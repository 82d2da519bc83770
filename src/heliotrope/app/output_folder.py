"""The folder a run writes: never half a result that looks whole, never another's files overwritten."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heliotrope.domain.errors import OutputError

MARKER = "run.json"
"""Written last; its presence says that the folder holds one whole run."""

STAGES_FOLDER = ".stages"
PICTURES_FOLDER = ".pictures"
"""Pictures of the report by what they show; like the stages, kept so that a later run need not make them again."""


def prepare(folder: Path) -> None:
    """Make `folder`, or accept it when it is empty or holds an earlier run.

    Raises
    ------
    OutputError
        It is a file, cannot be written, or holds something else (``E_OUTPUT_IN_USE``).
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [entry.name for entry in folder.iterdir()]
    if foreign and MARKER not in foreign and STAGES_FOLDER not in foreign:
        raise OutputError(
            f"output folder {folder.name!r} holds other files and no earlier run",
            hint="name an empty or new folder with --out",
            code="E_OUTPUT_IN_USE",
        )
    with writing(folder), tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"0")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the system's refusals to write into one clear line with a way out."""
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        reasons = {
            errno.ENOSPC: ("the disk is full", "free some space and run the same command again", "E_DISK_FULL"),
            errno.EDQUOT: (
                "the disk quota is used up",
                "free some space and run the same command again",
                "E_DISK_FULL",
            ),
            errno.EACCES: ("no permission to write", "name a folder you may write with --out", "E_NO_PERMISSION"),
            errno.EPERM: ("no permission to write", "name a folder you may write with --out", "E_NO_PERMISSION"),
            errno.EROFS: ("the file system is read-only", "name a folder you may write with --out", "E_NO_PERMISSION"),
            errno.ENOTDIR: ("a file stands where a folder is needed", "name another folder with --out", "E_OUTPUT"),
            errno.EEXIST: ("a file stands where a folder is needed", "name another folder with --out", "E_OUTPUT"),
        }
        if error.errno not in reasons:
            raise
        reason, hint, code = reasons[error.errno]
        raise OutputError(f"output folder {folder.name!r}: {reason}", hint=hint, code=code) from error


@contextmanager
def publishing(folder: Path) -> Iterator[Path]:
    """Yield a fresh folder; on success its content replaces the earlier run's, the marker last.

    When the body fails, the earlier run stays as it was.
    """
    with writing(folder):
        fresh = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
        try:
            yield fresh
            _replace(folder, fresh)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _replace(folder: Path, fresh: Path) -> None:
    for name in _published(folder):
        target = folder / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
    names = sorted(entry.name for entry in fresh.iterdir())
    for name in sorted(names, key=lambda name: name == MARKER):
        target = folder / name
        if target.is_dir():
            shutil.rmtree(target)
        (fresh / name).replace(target)
    for remains in folder.glob(".unfinished-*"):
        if remains != fresh:
            shutil.rmtree(remains, ignore_errors=True)


def _published(folder: Path) -> list[str]:
    """What the earlier run wrote, its marker first, so that an interrupted replacement never looks whole."""
    try:
        names = json.loads((folder / MARKER).read_text(encoding="utf-8"))["outputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return [MARKER]
    return [MARKER, *(name for name in names if isinstance(name, str) and Path(name).name == name and name != MARKER)]
