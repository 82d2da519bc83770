"""Frames of a Siemens mosaic: one picture that tiles all slices of a volume."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from heliotrope.domain.errors import FileFormatError
from heliotrope.io import tags, vendor
from heliotrope.io.classic import classic_frames
from heliotrope.io.frames import FrameFacts, PixelFormat, SeriesContext, Vector
from heliotrope.io.header import Header, HeaderCache

IMAGES_IN_MOSAIC = 0x0019100A


def is_mosaic(header: Header) -> bool:
    """True when the image type says MOSAIC."""
    return "MOSAIC" in {word.upper() for word in header.texts(tags.IMAGE_TYPE)}


def mosaic_frames(
    header: Header, *, file: int, path: str, stored: PixelFormat, offset: int, contexts: HeaderCache[SeriesContext]
) -> tuple[FrameFacts, ...]:
    """The tiles of one mosaic as frames.

    The header's position is that of a mosaic-sized image around the slice center; the slice's own first pixel lies
    half the difference of the sizes further in. Slices follow the CSA slice normal.

    Raises
    ------
    FileFormatError
        ``E_LAYOUT``: the number of tiles or their geometry is not stated.
    """
    (whole,) = classic_frames(
        header, file=file, path=path, stored=replace(stored, n_frames=1), offset=offset, contexts=contexts
    )
    csa = vendor.csa_header(header)
    number = header.number(IMAGES_IN_MOSAIC, "US")
    count = int(number) if number else int(next(iter(csa.get("NumberOfImagesInMosaic", ())), 0))
    per_row = math.ceil(math.sqrt(count)) if count > 0 else 0
    unknown = None in (whole.position, whole.row, whole.column, whole.row_spacing_mm, whole.column_spacing_mm)
    if count < 1 or unknown or stored.rows % per_row or stored.columns % per_row:
        raise FileFormatError(
            "a mosaic whose tiles or geometry are not stated", hint="export as classic images", code="E_LAYOUT"
        )
    rows, columns = stored.rows // per_row, stored.columns // per_row
    row, column = np.asarray(whole.row), np.asarray(whole.column)
    row_step, column_step = whole.row_spacing_mm or 0.0, whole.column_spacing_mm or 0.0
    normal = np.cross(row, column)
    stated = csa.get("SliceNormalVector", ())
    if len(stated) == 3 and float(np.dot(normal, stated)) < 0:
        normal = -normal
    spacing = whole.context.spacing_between_slices_mm or whole.context.slice_thickness_mm
    if spacing is None:
        raise FileFormatError("a mosaic without slice spacing", hint="export as classic images", code="E_LAYOUT")
    origin = (
        np.asarray(whole.position)
        + row * column_step * (stored.columns - columns) / 2.0
        + column * row_step * (stored.rows - rows) / 2.0
    )
    tiles = []
    for index in range(count):
        point = origin + normal * spacing * index
        position: Vector = (float(point[0]), float(point[1]), float(point[2]))
        source = replace(whole.source, frame=index, tile=(per_row, rows, columns))
        tiles.append(replace(whole, source=source, shape=(rows, columns), position=position))
    return tuple(tiles)
