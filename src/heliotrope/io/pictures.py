"""Plain pictures (PNG, JPEG, TIFF) of radiographs and ultrasound as studies, where somebody states what they are."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from heliotrope.domain.errors import FileFormatError, HeliotropeError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import (
    GIVEN_PIXEL_SIZE,
    NO_PIXEL_SIZE_DEFECT,
    Acquisition,
    FileOutcome,
    FileRecord,
    FrameSource,
    Modality,
    Role,
    Series,
    Study,
)
from heliotrope.io.identity import study_key
from heliotrope.io.sources import Entry, Reader, read_head

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
LOSSY_SUFFIXES = (".jpg", ".jpeg")
"""Their compression changes gray levels a little: enough to spoil numbers of regions."""
FORMATS = ("PNG", "JPEG", "TIFF")
MAX_PIXELS = 200_000_000
"""A larger picture is refused."""
LEAST_PIXEL_MM, MOST_PIXEL_MM = 0.01, 5.0
"""Pixel sizes outside are no sizes of a radiograph or ultrasound picture. [mm]"""
COLOR_STEPS = 12
"""Channels that differ by more gray levels are color: JPEG blurs color a little. [of 255]"""
COLOR_SHARE = 0.02
"""Largest share of colored pixels in a picture that is taken for gray."""

_ROLE_OF_MODALITY = {
    "CR": Role.RADIOGRAPH,
    "DX": Role.RADIOGRAPH,
    "RG": Role.RADIOGRAPH,
    "US": Role.ULTRASOUND,
}
_MODALITY = {Role.RADIOGRAPH: Modality.RADIOGRAPH, Role.ULTRASOUND: Modality.ULTRASOUND}


@dataclass(frozen=True)
class PictureFrame(FrameSource):
    """The one frame of a plain picture."""


def is_picture_name(name: str) -> bool:
    """True for names of PNG, JPEG and TIFF files."""
    return name.lower().endswith(SUFFIXES)


def picture_studies(
    entries: Sequence[Entry], companions: Sequence[Entry], role: Role | None, pixel_size_mm: float | None
) -> tuple[Study, Mapping[str, FileRecord]] | None:
    """One study of all pictures that somebody says to be a radiograph or ultrasound; None when there is none.

    Parameters
    ----------
    entries : sequence of Entry
        PNG, JPEG and TIFF files.
    companions : sequence of Entry
        ``.json`` files; ``NAME.json`` beside ``NAME.png`` may state ``Modality`` (CR, DX, US) and ``PixelSpacing``
        [mm].
    role : Role or None
        Of pictures without such a file.
    pixel_size_mm : float or None
        Of pictures without such a file. The print resolution in a picture's own header is no pixel size. [mm]

    Returns
    -------
    tuple of Study and the companion files it used, or None
    """
    beside = {entry.name: entry for entry in companions}
    used: dict[str, FileRecord] = {}
    series: list[Series] = []
    records: list[FileRecord] = []
    hashes: list[str] = []
    with Reader() as reader:
        for entry in entries:
            facts = _sidecar(reader, beside, entry, used)
            stated = _ROLE_OF_MODALITY.get(str(facts.get("Modality", "")).upper()) or role
            if stated not in _MODALITY:
                continue
            try:
                head = read_head(reader, entry.source)
                shape = read_gray(reader.read(entry.source)).shape
                size = _pixel_size(facts, pixel_size_mm)
            except HeliotropeError as error:
                records.append(FileRecord(entry.name, FileOutcome.REFUSED, error.message, error.code))
                continue
            key = f"s{len(series) + 1:02d}"
            reason = "stated beside the picture" if "Modality" in facts else "as the user stated; a plain picture"
            synthetic = facts.get("Synthetic") is True
            series.append(_series(entry, key, head.sha256, shape, stated, reason, size, synthetic=synthetic))
            records.append(FileRecord(entry.name, FileOutcome.USED, sha256=head.sha256))
            hashes.append(head.sha256)
    if not series and not records:
        return None
    study = Study(
        key=study_key("\0".join(("picture", *sorted(hashes)))),
        subject_key=None,
        acquired_on=None,
        series=tuple(series),
        files=(*records, *used.values()),
        synthetic=bool(series) and all(one.synthetic for one in series),
    )
    return study, used


def _sidecar(
    reader: Reader, beside: Mapping[str, Entry], entry: Entry, used: dict[str, FileRecord]
) -> Mapping[str, Any]:
    companion = beside.get(str(PurePosixPath(entry.name).with_suffix(".json")))
    if companion is None:
        return {}
    try:
        content = json.loads(reader.read(companion.source).decode("utf-8"))
    except (ValueError, HeliotropeError):
        content = None
    if not isinstance(content, dict):
        used[companion.name] = FileRecord(
            companion.name, FileOutcome.REFUSED, "the sidecar is not a JSON object", "E_SIDECAR"
        )
        return {}
    if "Modality" not in content and "PixelSpacing" not in content:
        return {}
    used[companion.name] = FileRecord(
        companion.name, FileOutcome.USED, sha256=read_head(reader, companion.source).sha256
    )
    return content


def with_given_pixel_size(study: Study, pixel_size_mm: float) -> Study:
    """Radiographs and ultrasound of a study that state no pixel size, with the one that a person gives.

    Raises
    ------
    FileFormatError
        ``E_PIXEL_SIZE``: no possible size.
    """
    size = _pixel_size({}, pixel_size_mm)
    assert size is not None

    def given(series: Series) -> Series:
        if series.role not in _MODALITY or series.has_pixel_size or series.grid is None:
            return series
        scale = size / series.grid.spacing_mm[0]
        matrix = np.array(series.grid.matrix)
        matrix[:3, :2] *= scale
        defects = tuple(defect for defect in series.defects if defect != NO_PIXEL_SIZE_DEFECT)
        return replace(
            series,
            grid=Grid.from_matrix(series.grid.shape, matrix, series.grid.frame_of_reference_uid),
            defects=(*defects, f"{GIVEN_PIXEL_SIZE} {size:g} mm"),
        )

    return replace(study, series=tuple(given(series) for series in study.series))


def _pixel_size(facts: Mapping[str, Any], stated_mm: float | None) -> float | None:
    given = facts.get("PixelSpacing", stated_mm)
    if given is None:
        return None
    values = given if isinstance(given, list) else [given]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    if len(numbers) != len(values) or not 1 <= len(numbers) <= 2 or not math.isclose(numbers[0], numbers[-1]):
        raise FileFormatError(
            f"pixel size {given!r}: one number in mm needed, the same along both edges",
            hint='write "PixelSpacing": 0.2 beside the picture, or give --pixel-size-mm 0.2',
            code="E_PIXEL_SIZE",
        )
    if not LEAST_PIXEL_MM <= numbers[0] <= MOST_PIXEL_MM:
        raise FileFormatError(
            f"pixel size {numbers[0]:g} mm: {LEAST_PIXEL_MM:g} to {MOST_PIXEL_MM:g} mm are possible",
            hint="state the size of one pixel in the detector plane, in mm",
            code="E_PIXEL_SIZE",
        )
    return numbers[0]


def _series(
    entry: Entry,
    key: str,
    sha256: str,
    shape: tuple[int, ...],
    role: Role,
    reason: str,
    pixel_mm: float | None,
    *,
    synthetic: bool,
) -> Series:
    size = 1.0 if pixel_mm is None else pixel_mm
    defects = () if pixel_mm is not None else (NO_PIXEL_SIZE_DEFECT,)
    return Series(
        key=key,
        uid=f"picture:{sha256[:32]}",
        number=None,
        description="",
        role=role,
        role_reason=reason,
        acquisition=Acquisition(_MODALITY[role]),
        grid=Grid.from_spacing((shape[0], shape[1], 1), (size, size, 1.0)),
        n_frames=1,
        frames=(PictureFrame(entry.source),),
        defects=(*defects, "a plain picture: acquisition parameters are unknown"),
        synthetic=synthetic,
    )


def read_gray(content: bytes) -> NDArray[np.float32]:
    """Gray levels of a picture (x, y), as stored.

    Raises
    ------
    FileFormatError
        Damaged (``E_FILE``), too large (``E_TOO_LARGE``), animated or in color (``E_COLOR``).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                _require_one_frame(picture)
                gray = _gray(picture)
    except FileFormatError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise FileFormatError("a picture that cannot be read", hint="export it again", code="E_FILE") from error
    return np.ascontiguousarray(gray.T, dtype=np.float32)


def _require_one_frame(picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large()
    if getattr(picture, "n_frames", 1) != 1:
        raise FileFormatError("a picture of several frames", hint="export a single frame", code="E_FILE")


def _too_large() -> FileFormatError:
    return FileFormatError(
        f"a picture of more than {MAX_PIXELS // 1_000_000} million pixels", hint="check the file", code="E_TOO_LARGE"
    )


def _gray(picture: Image.Image) -> NDArray[np.generic]:
    if picture.mode in ("L", "I", "F", "I;16", "I;16B", "I;16L"):
        return np.asarray(picture)
    if picture.mode == "1":
        raise FileFormatError("a picture of black and white alone", hint="export it in gray levels", code="E_COLOR")
    if picture.mode == "LA":
        return np.asarray(picture)[..., 0]
    colors = np.asarray(picture.convert("RGB"), dtype=np.int16)
    colored = np.ptp(colors, axis=2) > COLOR_STEPS
    if float(colored.mean()) > COLOR_SHARE:
        raise FileFormatError(
            f"a picture in color ({100 * float(colored.mean()):.0f} % of its pixels)",
            hint="export the image in gray levels, without color flow, maps or marks",
            code="E_COLOR",
        )
    return np.asarray(colors[..., 1])


def read_picture_volume(series: Series) -> Volume:
    """The pixels of a picture on its grid, one slice."""
    if series.grid is None or len(series.frames) != 1:
        raise FileFormatError(f"series {series.key} is no plain picture", hint="choose another series")
    with Reader() as reader:
        gray = read_gray(reader.read(series.frames[0].path))
    return Volume(gray[:, :, None], series.grid)
