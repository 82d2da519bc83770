"""How every command answers: stdout is data, stderr is talk, the exit status is documented."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from heliotrope.domain.errors import HeliotropeError


class ExitStatus(IntEnum):
    """Exit statuses of the command line."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    REFUSED = 4


def say(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(text + "\n")


def answer(payload: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """The command's data, on stdout: JSON with ``"ok": true``, or text."""
    if as_json:
        sys.stdout.write(json.dumps({"ok": True, **payload}, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(text.rstrip("\n") + "\n")


def answer_error(error: HeliotropeError, *, as_json: bool) -> int:
    """The one clear line of a failure; returns the exit status."""
    if as_json:
        payload = {"ok": False, "code": error.code, "error": error.message, "hint": error.hint}
        sys.stdout.write(json.dumps(payload, indent=2, ensure_ascii=False) + "\n")
    else:
        say(f"error: {error}")
    return error.exit_status
