"""Timepoints in a hidden order for trials: letters instead of visits, and the key in a file of its own."""

from __future__ import annotations

import hashlib
import json
import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from heliotrope.app.timepoints import Timepoint
from heliotrope.domain.errors import InputError

KEY_SCHEMA = "heliotrope-blinding-key/1"
KEY_FILE = "blinding-key.json"
"""Name of the key where no other place was given."""


def blinded(timepoints: Sequence[Timepoint], seed: int) -> list[Timepoint]:
    """Shuffle and letter the timepoints; the seed decides, so that the same call gives the same letters."""
    if len(timepoints) > len(string.ascii_uppercase):
        raise InputError(
            f"{len(timepoints)} timepoints cannot be lettered", hint="compare at most 26 in one blinded reading"
        )
    shuffled = list(timepoints)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order to be forgotten, not a secret
    return [replace(item, name=letter) for letter, item in zip(string.ascii_uppercase, shuffled, strict=False)]


def blinding_key(ordered: Sequence[Timepoint], original: Sequence[Timepoint], comparison: str) -> dict[str, Any]:
    """What the key file holds: which letter is which visit, and of which comparison."""
    names = {item.folder: item.name for item in original}
    return {
        "schema": KEY_SCHEMA,
        "comparison": comparison,
        "timepoints": {item.name: names[item.folder] for item in ordered},
    }


def comparison_id(changes: object) -> str:
    """Identity of a comparison by its numbers, so that no key opens another's letters."""
    text = json.dumps(changes, sort_keys=True, allow_nan=False)
    return "comparison-" + hashlib.sha256(text.encode()).hexdigest()[:12]


def unblind(folder: Path, key_file: Path | None = None) -> dict[str, str]:
    """Read which letter of a blinded comparison is which visit.

    Parameters
    ----------
    folder : Path
        Written by `compare_folders` with a blind seed.
    key_file : Path, optional
        ``blinding-key.json`` of the folder by default.

    Returns
    -------
    dict of letter to visit

    Raises
    ------
    InputError
        ``E_NOT_BLINDED`` where the folder holds no blinded comparison, ``E_BLINDING_KEY`` where the key is missing,
        damaged, or of another comparison.
    """
    document = _read(folder / "comparison.json")
    if document is None or not document.get("blinded"):
        raise InputError(
            f"folder {folder.name!r} holds no blinded comparison",
            hint="give a folder written by `heliotrope compare --blind`",
            code="E_NOT_BLINDED",
        )
    key = _read(key_file or folder / KEY_FILE)
    if key is None or key.get("schema") != KEY_SCHEMA or not isinstance(key.get("timepoints"), dict):
        raise InputError(
            "the blinding key is missing or damaged", hint="give its file with --key", code="E_BLINDING_KEY"
        )
    if key.get("comparison") != document["comparison"]:
        raise InputError(
            "the blinding key is of another comparison",
            hint="give the key written with this one",
            code="E_BLINDING_KEY",
        )
    return {str(letter): str(visit) for letter, visit in sorted(key["timepoints"].items())}


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
