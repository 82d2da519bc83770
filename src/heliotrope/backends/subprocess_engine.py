"""Engines that live in an environment of their own and are called as a program."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from heliotrope.backends.segmenter import EngineSettings
from heliotrope.domain.errors import EngineError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume

TIME_LIMIT_S = 3600.0
"""An engine that has not answered by then is ended. [s]"""
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_GRID_TOLERANCE_MM = 0.1


def find_program(engine: str, names: Sequence[str], settings: EngineSettings) -> str | None:
    """Path of an engine's program: where the site says, else on the search path."""
    given = settings.programs.get(engine)
    if given is not None:
        return given if Path(given).is_file() and os.access(given, os.X_OK) else None
    for name in names:
        found = shutil.which(name, path=settings.environment.get("PATH", ""))
        if found is not None:
            return found
    return None


def installed_version(program: str, distribution: str) -> str:
    """Version of the package a program belongs to, read from the environment the program lies in."""
    environment = Path(program).resolve().parent.parent
    patterns = ("lib/python*/site-packages", "Lib/site-packages")
    places = [str(path) for pattern in patterns for path in environment.glob(pattern)]
    found = next(iter(metadata.distributions(name=distribution, path=places)), None) if places else None
    return "of unknown version" if found is None else found.version


def hash_of_listing(folder: Path) -> str:
    """Hash over name, size and time of every file of a folder; weights are too large to be read for it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{p.relative_to(folder)} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_image(path: Path, volume: Volume) -> None:
    """Write a 3-D volume as NIfTI for an engine."""
    data = np.asarray(np.abs(volume.data) if np.iscomplexobj(volume.data) else volume.data, dtype=np.float32)
    nib.save(nib.Nifti1Image(data, _RAS_TO_LPS @ volume.grid.matrix), str(path))


def read_answer(path: Path, grid: Grid, *, engine: str) -> NDArray[np.uint16]:
    """Labels an engine wrote, checked to lie on `grid`; axis order and flips that it changed are undone.

    Raises
    ------
    EngineError
        No file, not whole numbers, or another grid.
    """
    if not path.is_file():
        raise EngineError(
            f"{engine} wrote no labels", hint="run the engine by hand on one image and look at its output"
        )
    image = nib.load(str(path))
    wanted = _RAS_TO_LPS @ grid.matrix
    start = nib.orientations.io_orientation(image.affine)
    turn = nib.orientations.ornt_transform(start, nib.orientations.io_orientation(wanted))
    turned = image.as_reoriented(turn)
    values = np.asarray(turned.dataobj)
    got = Grid.from_matrix(values.shape, _RAS_TO_LPS @ turned.affine) if values.ndim == 3 else None
    if got is None or got.shape != grid.shape or got.corner_distance_mm(grid) > _GRID_TOLERANCE_MM:
        raise EngineError(
            f"{engine} answered on another grid than the image's",
            hint="check the engine's resampling options",
            code="E_ENGINE_GRID",
        )
    rounded = np.round(values)
    if float(np.abs(values - rounded).max(initial=0)) > 1e-3 or rounded.min() < 0 or rounded.max() > 65535:
        raise EngineError(
            f"{engine} wrote labels that are no whole numbers 0..65535", hint="check the engine's version"
        )
    return rounded.astype(np.uint16)


def run_program(
    command: Sequence[str], *, engine: str, environment: Mapping[str, str], limit_s: float = TIME_LIMIT_S
) -> str:
    """Run an engine without a shell; its last lines come back.

    Raises
    ------
    EngineError
        It could not be started, failed, or took too long. Its last line is quoted without paths.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a program the site installed, arguments are ours
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"{engine} took longer than {limit_s:.0f} s", hint="use a faster machine or the engine's fast mode"
        ) from error
    except OSError as error:
        raise EngineError(f"{engine} could not be started", hint="check its installation") from error
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        last = " ".join(word for word in (lines[-1] if lines else "no message").split() if "/" not in word)
        raise EngineError(
            f"{engine} ended with status {done.returncode}: {last[:160]}", hint="run the engine by hand on one image"
        )
    return done.stdout


class Workplace:
    """A temporary folder with the image an engine is to label."""

    def __init__(self, volume: Volume) -> None:
        self._held = tempfile.TemporaryDirectory(prefix="heliotrope-engine-")
        self._volume = volume

    def __enter__(self) -> Path:
        folder = Path(self._held.__enter__())
        write_image(folder / "image_0000.nii.gz", self._volume)
        return folder

    def __exit__(self, *problem: Any) -> None:
        self._held.__exit__(*problem)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of an engine's files; empty when there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
