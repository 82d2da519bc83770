"""Files that are whole or absent: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from heliotrope.domain.errors import OutputError

_CAUSES = {
    errno.ENOSPC: (
        "no space is left on the disk",
        "free some space, then run again; finished files are kept",
        "E_DISK_FULL",
    ),
    errno.EDQUOT: (
        "the disk quota is used up",
        "free some space, then run again; finished files are kept",
        "E_DISK_FULL",
    ),
    errno.EACCES: (
        "no permission to write there",
        "choose another folder or ask for write permission",
        "E_NO_PERMISSION",
    ),
    errno.EPERM: (
        "no permission to write there",
        "choose another folder or ask for write permission",
        "E_NO_PERMISSION",
    ),
    errno.EROFS: ("the file system is read-only", "choose another folder", "E_NO_PERMISSION"),
}


def output_error(error: OSError, path: Path) -> OutputError:
    """The clear form of an operating-system error met while writing `path`."""
    cause, hint, code = _CAUSES.get(
        error.errno or 0,
        (error.strerror or "the operating system refused", "check the folder and run again", "E_OUTPUT"),
    )
    return OutputError(f"{path.name}: not written, {cause}", hint=hint, code=code)


@contextlib.contextmanager
def atomic_path(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well and vanishes when it does not.

    Parameters
    ----------
    path : Path
        Parent folders are made.
    sync : bool
        Wait until the disk holds the content; off for files that come in hundreds.

    Raises
    ------
    OutputError
        ``E_NO_PERMISSION``, ``E_DISK_FULL`` or ``E_OUTPUT``.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        if sync:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise output_error(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    # mkstemp makes files private; results carry the permissions any other new file would get
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1], 8) for line in text.splitlines() if line.startswith("Umask:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return 0o022


def write_bytes(path: Path, content: bytes, *, sync: bool = True) -> Path:
    """Write `content` to `path` atomically; returns `path`."""
    with atomic_path(path, sync=sync) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_text(path: Path, content: str) -> Path:
    """Write UTF-8 text to `path` atomically; returns `path`."""
    return write_bytes(path, content.encode("utf-8"))
