"""Compressed pixel streams to arrays, with permissively licensed decoders only."""

from __future__ import annotations

from typing import Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import FileFormatError
from heliotrope.io.frames import PixelFormat

RLE: Final = "1.2.840.10008.1.2.5"
_JPEG: Final = {
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless, first-order prediction",
}
_JPEG_LS: Final = {"1.2.840.10008.1.2.4.80": "JPEG-LS lossless", "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless"}
_JPEG_2000: Final = {
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.202": "HTJ2K lossless RPCL",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
}
_UNCOMPRESSED: Final = {
    "1.2.840.10008.1.2": "implicit little endian",
    "1.2.840.10008.1.2.1": "explicit little endian",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "explicit big endian",
}
SUPPORTED: Final = {**_UNCOMPRESSED, RLE: "RLE", **_JPEG, **_JPEG_LS, **_JPEG_2000}
"""Transfer syntaxes whose pixels can be read, with their names."""


def is_encapsulated(transfer_syntax: str) -> bool:
    """True for compressed pixel data."""
    return transfer_syntax not in _UNCOMPRESSED


def needs_color_care(stored: PixelFormat) -> bool:
    """True for lossy color JPEG, whose color transform only the header tells."""
    lossy = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
    return stored.samples > 1 and stored.transfer_syntax in lossy


def decode(stream: bytes, stored: PixelFormat) -> tuple[NDArray[np.generic], str]:
    """One compressed frame.

    Returns
    -------
    array of shape (rows, columns) or (rows, columns, 3)
        As stored; unsigned where the codec does not know the sign.
    str
        Photometric interpretation of what came out.
    """
    syntax = stored.transfer_syntax
    if syntax == RLE:
        return _rle(stream, stored), stored.photometric
    if syntax in _JPEG:
        return _jpeg(stream), "RGB" if stored.samples > 1 else stored.photometric
    if syntax in _JPEG_LS:
        return np.asarray(imagecodecs.jpegls_decode(stream)), stored.photometric
    if syntax in _JPEG_2000:
        return _jpeg_2000(stream), "RGB" if stored.samples > 1 else stored.photometric
    raise FileFormatError(
        "compressed in a way that cannot be read", hint="export the series uncompressed", code="E_TRANSFER_SYNTAX"
    )


def _jpeg(stream: bytes) -> NDArray[np.generic]:
    return np.asarray(imagecodecs.jpeg_decode(stream))


def _jpeg_2000(stream: bytes) -> NDArray[np.generic]:
    return np.asarray(imagecodecs.jpeg2k_decode(stream))


def _rle(stream: bytes, stored: PixelFormat) -> NDArray[np.generic]:
    dtype = np.dtype(f"<{'i' if stored.signed else 'u'}{stored.bits_allocated // 8}")
    content = np.frombuffer(imagecodecs.dicomrle_decode(stream, dtype=dtype), dtype=dtype)
    if stored.samples == 1:
        return content.reshape(stored.rows, stored.columns)
    return content.reshape(stored.samples, stored.rows, stored.columns).transpose(1, 2, 0)
