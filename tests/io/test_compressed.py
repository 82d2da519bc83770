"""Compressed pixel data, against the pixels that went in and against pydicom's own samples."""

from __future__ import annotations

import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from heliotrope.domain.errors import FileFormatError
from heliotrope.domain.study import FileOutcome
from heliotrope.io import read_studies, read_study, read_volume
from tests.io import scanners

LOSSY_LEVELS = 40.0
"""Baseline JPEG of smooth 8-bit images stays within this many gray levels. [gray levels]"""


@pytest.fixture
def pixels() -> NDArray[np.uint16]:
    x, y, z = np.meshgrid(np.arange(16), np.arange(24), np.arange(3), indexing="ij")
    return np.asarray(100 * z + 60 * np.sin(x / 3.0) + 5 * y + 200).transpose(2, 0, 1)[None].astype(np.uint16)


def recode(paths: list[Path], syntax: str, encode: object, *, bits: int = 12) -> None:
    for path in paths:
        ds = pydicom.dcmread(path)
        image = np.frombuffer(ds.PixelData, dtype="<u2").reshape(ds.Rows, ds.Columns)
        if bits == 8:
            image = (image // 4).astype(np.uint8)
            ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        ds.PixelData = encapsulate([encode(image)])  # type: ignore[operator]
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = UID(syntax)
        ds.save_as(path)


def rle(image: NDArray[np.uint16]) -> bytes:
    from pydicom.pixels.encoders.native import _encode_frame

    class Runner:
        bits_allocated, samples_per_pixel, rows, columns = 16, 1, image.shape[0], image.shape[1]

        @staticmethod
        def get_option(name: str, default: object = None) -> object:
            return {"byteorder": "<"}.get(name, default)

    return bytes(_encode_frame(image.astype("<u2").tobytes(), Runner()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        ("1.2.840.10008.1.2.5", rle),
        ("1.2.840.10008.1.2.4.57", lambda image: imagecodecs.ljpeg_encode(image, bitspersample=12)),
        ("1.2.840.10008.1.2.4.70", lambda image: imagecodecs.ljpeg_encode(image, bitspersample=12)),
        ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
        ("1.2.840.10008.1.2.4.90", lambda image: imagecodecs.jpeg2k_encode(image, level=0, codecformat="j2k")),
    ],
    ids=["RLE", "JPEG lossless", "JPEG lossless SV1", "JPEG-LS", "JPEG 2000"],
)
def test_lossless_syntaxes_return_the_pixels(
    tmp_path: Path, pixels: NDArray[np.uint16], syntax: str, encode: object
) -> None:
    recode(scanners.classic(tmp_path, pixels), syntax, encode)
    (series,) = read_study(tmp_path).series
    np.testing.assert_array_equal(read_volume(series).data, pixels[0].transpose(2, 1, 0).astype(np.float32))


def test_baseline_jpeg_is_read(tmp_path: Path, pixels: NDArray[np.uint16]) -> None:
    recode(
        scanners.classic(tmp_path, pixels),
        "1.2.840.10008.1.2.4.50",
        lambda image: imagecodecs.jpeg8_encode(image, level=95),
        bits=8,
    )
    (series,) = read_study(tmp_path).series
    truth = (pixels[0].transpose(2, 1, 0) // 4).astype(float)
    assert float(np.abs(np.asarray(read_volume(series).data, dtype=float) - truth).max()) < LOSSY_LEVELS


def test_signed_pixels_keep_their_sign_through_compression(tmp_path: Path, pixels: NDArray[np.uint16]) -> None:
    paths = scanners.classic(tmp_path, pixels, PixelRepresentation=1, BitsStored=16, HighBit=15)
    shifted = (pixels.astype(np.int16) - 400).view(np.uint16)
    for path, image in zip(paths, shifted[0], strict=True):
        ds = pydicom.dcmread(path)
        ds.PixelData = image.tobytes()
        ds.save_as(path)
    recode(paths, "1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode)
    (series,) = read_study(tmp_path).series
    truth = pixels[0].transpose(2, 1, 0).astype(np.float32) - 400
    np.testing.assert_array_equal(read_volume(series).data, truth)


def test_a_damaged_stream_is_one_clear_error(tmp_path: Path, pixels: NDArray[np.uint16]) -> None:
    recode(
        scanners.classic(tmp_path, pixels), "1.2.840.10008.1.2.4.80", lambda image: b"\xff\xd8 nothing here \xff\xd9"
    )
    (series,) = read_study(tmp_path).series
    with pytest.raises(FileFormatError) as caught:
        read_volume(series)
    assert caught.value.code == "E_PIXELS"


def test_a_cut_stream_is_refused_at_once(tmp_path: Path, pixels: NDArray[np.uint16]) -> None:
    paths = scanners.classic(tmp_path, pixels)
    recode(paths, "1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode)
    paths[0].write_bytes(paths[0].read_bytes()[:-60])
    (study,) = read_studies(tmp_path)
    assert [one.code for one in study.files if one.outcome is FileOutcome.REFUSED] == ["E_TRUNCATED"]


def test_video_is_refused_by_its_transfer_syntax(tmp_path: Path, pixels: NDArray[np.uint16]) -> None:
    recode(scanners.classic(tmp_path, pixels), "1.2.840.10008.1.2.4.102", lambda image: b"\0\0\0\1")
    (study,) = read_studies(tmp_path)
    assert {one.code for one in study.files} == {"E_TRANSFER_SYNTAX"}


SAMPLES = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm",
    "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm",
    "J2K_pixelrep_mismatch.dcm", "examples_overlay.dcm",
)  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_agree_with_pydicom(name: str) -> None:
    from pydicom.data import get_testdata_file

    path = get_testdata_file(name, download=False)
    assert path is not None
    series = next(one for study in read_studies(str(path)) for one in study.series)
    assert series.grid is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(str(path))
        theirs = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns).astype(float)
    slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
    ours = np.asarray(read_volume(series).data, dtype=float).reshape(ds.Columns, ds.Rows, -1)
    order = [frame.frame for frame in series.frames]
    np.testing.assert_allclose(ours.transpose(2, 1, 0), theirs[order] * slope + intercept, rtol=1e-6)
