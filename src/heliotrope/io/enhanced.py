"""Frames of an enhanced multi-frame MR or CT object (functional groups)."""

from __future__ import annotations

from heliotrope.domain.errors import FileFormatError
from heliotrope.io import tags
from heliotrope.io.frames import FrameFacts, PixelFormat
from heliotrope.io.header import Header


def is_enhanced(header: Header) -> bool:
    """True when geometry and timing stand in functional groups."""
    return tags.FRAME_GROUPS in header and tags.SHARED_GROUPS in header


def enhanced_frames(
    header: Header, *, file: int, path: str, stored: PixelFormat, offset: int
) -> tuple[FrameFacts, ...]:
    """The frames of one enhanced object."""
    del header, file, path, stored, offset
    raise FileFormatError("multi-frame layout not understood", hint="export as classic images", code="E_LAYOUT")
