"""Frames of a Siemens mosaic: one picture that tiles all slices of a volume."""

from __future__ import annotations

from heliotrope.domain.errors import FileFormatError
from heliotrope.io import tags
from heliotrope.io.frames import FrameFacts, PixelFormat
from heliotrope.io.header import Header


def is_mosaic(header: Header) -> bool:
    """True when the image type says MOSAIC."""
    return "MOSAIC" in {word.upper() for word in header.texts(tags.IMAGE_TYPE)}


def mosaic_frames(header: Header, *, file: int, path: str, stored: PixelFormat, offset: int) -> tuple[FrameFacts, ...]:  # noqa: ARG001
    """The tiles of one mosaic."""
    raise FileFormatError("multi-frame layout not understood", hint="export as classic images", code="E_LAYOUT")
