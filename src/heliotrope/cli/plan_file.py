"""Small YAML or JSON files of options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from heliotrope.domain.errors import InputError, OptionError

LARGEST_BYTES = 1_000_000


def read_mapping(path: Path, *, what: str) -> dict[str, Any]:
    """Read a file that holds one mapping.

    Raises
    ------
    InputError
        Not readable, too large, not YAML or JSON, or not a mapping (``E_PLAN``).
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(LARGEST_BYTES).decode("utf-8")
        content = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = "not found" if isinstance(error, FileNotFoundError) else "not readable YAML or JSON"
        raise InputError(f"{what}: {reason}", hint="give a small YAML or JSON file", code="E_PLAN") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise OptionError(f"{what}: a mapping is needed", hint="write one `name: value` a line", code="E_PLAN")
    return {str(name): value for name, value in content.items()}
