"""Damaged and hostile input: no crash, nothing written, every file accounted for."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliotrope.domain.errors import HeliotropeError
from heliotrope.domain.study import FileOutcome, FileRecord, Role
from heliotrope.io import nifti, read_studies, read_volume
from heliotrope.io.elements import UnusualStructure, parse_header
from tests.io import scanners
from tests.io.builders import multi_echo, numbered, write

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIXELS = np.random.default_rng(11).integers(0, 4000, (2, 2, 6, 8)).astype(np.uint16)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("good")
    classic = scanners.classic(folder, PIXELS)[0]
    enhanced = scanners.enhanced(folder / "enhanced", PIXELS, echo_times_ms=(10.0, 20.0))
    mosaic = scanners.mosaic(folder, PIXELS, b_values=(0.0, 500.0), vectors=((0, 0, 0), (1, 0, 0)), series=3)[1]
    image = nifti.write_volume(folder / "a.nii", numbered((4, 3, 2)))
    packed = nifti.write_volume(folder / "a.nii.gz", numbered((4, 3, 2)))
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as out:
        out.write(classic, "a/b.dcm")
        out.write(enhanced, "c.dcm")
    return {
        "classic.dcm": classic.read_bytes(),
        "enhanced.dcm": enhanced.read_bytes(),
        "mosaic.dcm": mosaic.read_bytes(),
        "image.nii": image.read_bytes(),
        "image.nii.gz": packed.read_bytes(),
        "box.zip": box.getvalue(),
    }


def require_accounted(folder: Path, name: str) -> None:
    before = sorted(folder.rglob("*"))
    refusal: HeliotropeError | None = None
    records: list[FileRecord] = []
    try:
        studies = read_studies(folder / name)
        records = [record for study in studies for record in study.files]
        for series in (series for study in studies for series in study.series):
            if series.grid is not None:
                read_volume(series)
    except HeliotropeError as error:
        refusal = error
    assert records or refusal is not None
    assert refusal is None or (refusal.code.startswith("E_") and refusal.hint)
    assert all(record.outcome is FileOutcome.USED or record.reason for record in records)
    assert all(record.code for record in records if record.outcome is FileOutcome.REFUSED)
    assert sorted(folder.rglob("*")) == before


NAMES = st.sampled_from(["classic.dcm", "enhanced.dcm", "mosaic.dcm", "image.nii", "image.nii.gz", "box.zip"])


@FUZZ
@given(name=NAMES, keep=st.floats(0.0, 1.0))
def test_truncation(tmp_path: Path, good: dict[str, bytes], name: str, keep: float) -> None:
    (tmp_path / name).write_bytes(good[name][: int(keep * len(good[name]))])
    require_accounted(tmp_path, name)
    (tmp_path / name).unlink()


@FUZZ
@given(name=NAMES, flips=st.lists(st.tuples(st.floats(0.0, 0.999), st.integers(0, 7)), min_size=1, max_size=8))
def test_bit_flips(tmp_path: Path, good: dict[str, bytes], name: str, flips: list[tuple[float, int]]) -> None:
    content = bytearray(good[name])
    for place, bit in flips:
        content[int(place * len(content))] ^= 1 << bit
    (tmp_path / name).write_bytes(bytes(content))
    require_accounted(tmp_path, name)
    (tmp_path / name).unlink()


@FUZZ
@given(
    name=st.sampled_from(["classic.dcm", "enhanced.dcm", "mosaic.dcm"]),
    place=st.floats(0.03, 0.999),
    length=st.sampled_from([b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff", b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f"]),
)
def test_hostile_lengths(tmp_path: Path, good: dict[str, bytes], name: str, place: float, length: bytes) -> None:
    content = bytearray(good[name])
    at = int(place * (len(content) - 4))
    content[at : at + 4] = length
    (tmp_path / name).write_bytes(bytes(content))
    require_accounted(tmp_path, name)
    (tmp_path / name).unlink()


@FUZZ
@given(content=st.binary(max_size=400))
def test_noise_after_a_preamble(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "noise").write_bytes(b"\0" * 128 + b"DICM" + content)
    require_accounted(tmp_path, "noise")


def test_sequences_without_end_are_refused_not_followed(tmp_path: Path, good: dict[str, bytes]) -> None:
    start = good["classic.dcm"].index(b"\x08\x00\x08\x00CS")
    endless = (b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 5000
    (tmp_path / "deep.dcm").write_bytes(good["classic.dcm"][:start] + endless)
    with pytest.raises(UnusualStructure):
        parse_header((tmp_path / "deep.dcm").read_bytes())
    require_accounted(tmp_path, "deep.dcm")


def test_a_claimed_image_of_four_billion_pixels_takes_no_memory(tmp_path: Path) -> None:
    path = scanners.classic(tmp_path / "in", PIXELS, Rows=65535, Columns=65535)[0]
    (study,) = read_studies(path)
    assert study.files[0].code == "E_TRUNCATED"


def test_a_claim_of_many_frames_is_checked_against_the_file(tmp_path: Path) -> None:
    path = scanners.classic(tmp_path / "in", PIXELS, NumberOfFrames="90000")[0]
    (study,) = read_studies(path)
    assert study.files[0].code == "E_TRUNCATED"


def test_one_bad_file_leaves_the_others_usable(tmp_path: Path) -> None:
    write(tmp_path, numbered((4, 4, 3, 4)), multi_echo(), Role.MULTI_ECHO_T2)
    (tmp_path / "bad.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 300)
    (study,) = read_studies(tmp_path)
    assert [series.role for series in study.series] == [Role.MULTI_ECHO_T2]
    assert sum(record.outcome is FileOutcome.REFUSED for record in study.files) == 1
