"""Folders, archives, media directories, and what lies among the images."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from heliotrope.domain.errors import FileFormatError, HeliotropeError, OptionError, StudyError
from heliotrope.domain.study import FileOutcome, FileRecord, Role, Study
from heliotrope.io import nifti, read_studies, read_study, read_volume, sources
from heliotrope.io.dicom_writer import synthetic_uid
from tests.io import scanners
from tests.io.builders import multi_echo, numbered, write

IntArray = NDArray[np.uint16]


@pytest.fixture
def pixels() -> IntArray:
    return np.random.default_rng(7).integers(0, 4000, (3, 2, 6, 8)).astype(np.uint16)


def record(study: Study, name: str) -> FileRecord:
    return next(one for one in study.files if one.path == name)


def test_what_lies_among_the_images_is_named(tmp_path: Path, pixels: IntArray) -> None:
    scanners.classic(tmp_path / "deep" / "er", pixels)
    stray = {
        "notes.txt": (b"call the ward\n", FileOutcome.SKIPPED, "a text file"),
        "report.pdf": (b"%PDF-1.7 ...", FileOutcome.SKIPPED, "a PDF document"),
        "photo.jpg": (b"\xff\xd8\xff\xe0" + b"\0" * 99, FileOutcome.SKIPPED, "a JPEG picture"),
        "empty": (b"", FileOutcome.SKIPPED, "an empty file"),
        "noise": (bytes(range(256)) * 9, FileOutcome.SKIPPED, "no DICOM or NIfTI file"),
        "more.zip": (b"PK\x03\x04....", FileOutcome.SKIPPED, "an archive inside the study (unpack it to use it)"),
    }
    for name, (content, _, _) in stray.items():
        (tmp_path / name).write_bytes(content)
    study = read_study(tmp_path)
    for name, (_, outcome, reason) in stray.items():
        assert (record(study, name).outcome, record(study, name).reason) == (outcome, reason)
    assert sum(one.outcome is FileOutcome.USED for one in study.files) == 6
    assert all(one.sha256 for one in study.files)


def test_results_of_an_earlier_run_within_the_study_are_no_input(tmp_path: Path, pixels: IntArray) -> None:
    scanners.classic(tmp_path, pixels)
    before = read_study(tmp_path)
    for name in ("run.json", "result.json"):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text("{}", encoding="utf-8")
    nifti.write_volume(tmp_path / "out" / "maps" / "t2.nii.gz", numbered((4, 4, 3)))
    after = read_study(tmp_path)
    assert [one.uid for one in after.series] == [one.uid for one in before.series]
    assert record(after, "out/maps/t2.nii.gz").reason.startswith("results of an earlier analysis")


def test_a_truncated_image_is_refused_with_its_code(tmp_path: Path, pixels: IntArray) -> None:
    paths = scanners.classic(tmp_path, pixels)
    content = paths[-1].read_bytes()
    paths[-1].write_bytes(content[:-20])
    paths[0].write_bytes(paths[0].read_bytes()[:400])
    study = read_studies(tmp_path)[0]
    assert record(study, "01/IM0006").code == "E_TRUNCATED"
    assert record(study, "01/IM0001").outcome is FileOutcome.REFUSED


def test_reports_and_other_objects_are_skipped_by_name(tmp_path: Path, pixels: IntArray) -> None:
    scanners.classic(tmp_path, pixels)
    for number, (uid, words) in enumerate(
        {
            "1.2.840.10008.5.1.4.1.1.88.33": "a structured report: no image",
            "1.2.840.10008.5.1.4.1.1.11.1": "a presentation state: no image",
            "1.2.840.10008.5.1.4.1.1.104.1": "an encapsulated document: no image",
        }.items()
    ):
        ds = scanners.base(uid, series=90 + number, manufacturer="X", uid=synthetic_uid("object", number))
        for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
            delattr(ds, keyword)
        scanners.save(ds, tmp_path / f"object{number}")
        assert record(read_study(tmp_path), f"object{number}").reason == words


def test_a_zip_gives_the_same_study_as_its_folder(tmp_path: Path, pixels: IntArray) -> None:
    folder = tmp_path / "in"
    scanners.classic(folder, pixels)
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.rglob("IM*")):
            out.write(path, path.relative_to(folder))
    before = sorted(tmp_path.rglob("*"))
    first, second = read_study(folder), read_study(archive)
    assert first.key == second.key
    assert [one.sha256 for one in first.files] == [one.sha256 for one in second.files]
    np.testing.assert_array_equal(read_volume(first.series[0]).data, read_volume(second.series[0]).data)
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked


@pytest.mark.parametrize(
    "name", ["../outside.dcm", "/etc/outside.dcm", "a/../../outside.dcm", "..\\outside.dcm", "C:/outside.dcm"]
)
def test_archive_members_that_point_outside_are_refused(tmp_path: Path, pixels: IntArray, name: str) -> None:
    source = scanners.classic(tmp_path / "in", pixels)
    archive = tmp_path / "box" / "study.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as out:
        for path in source:
            out.write(path, path.name)
        member = zipfile.ZipInfo("placeholder")
        member.filename = name
        out.writestr(member, source[0].read_bytes())
    study = read_study(archive)
    assert [one.code for one in study.files if one.outcome is FileOutcome.REFUSED] == ["E_PATH"]
    assert sorted(path.name for path in archive.parent.iterdir()) == ["study.zip"]


def test_links_bombs_and_passwords_in_archives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "RATIO_FLOOR_BYTES", 1 << 16)
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("bomb", b"\0" * (1 << 20))
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(link, "/etc/passwd")
    with pytest.raises(StudyError) as caught:
        read_study(archive)
    assert caught.value.code == "E_NO_IMAGES"
    (study,) = read_studies(archive)
    assert {one.path: one.code for one in study.files} == {"bomb": "E_TOO_LARGE", "link": "E_PATH"}


def test_a_member_larger_than_it_says_is_not_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("liar", b"\0" * 100_000)
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = content.index(signature) + offset
        content[at : at + 4] = (50).to_bytes(4, "little")
    archive.write_bytes(content)
    (study,) = read_studies(archive)
    assert study.files[0].outcome is FileOutcome.REFUSED


def test_a_damaged_archive_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "study.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(FileFormatError) as caught:
        read_study(tmp_path / "study.zip")
    assert caught.value.code == "E_ARCHIVE"


def media(folder: Path, pixels: IntArray, *, first: list[str] | None = None) -> Path:
    """A disc with a DICOMDIR; `first` replaces the first listed file."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.1.3.10")
    ds.file_meta.MediaStorageSOPInstanceUID = UID(synthetic_uid("disc"))
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.FileSetID = "DISC"
    records = [Dataset(), Dataset()]
    records[0].DirectoryRecordType = "PATIENT"
    records[1].DirectoryRecordType = "SERIES"
    for number, path in enumerate(scanners.classic(folder, pixels)):
        item = Dataset()
        item.DirectoryRecordType = "IMAGE"
        item.ReferencedFileID = first if first is not None and number == 0 else list(path.relative_to(folder).parts)
        records.append(item)
    ds.DirectoryRecordSequence = Sequence(records)
    return scanners.save(ds, folder / "DICOMDIR")


def test_a_media_directory_names_its_files(tmp_path: Path, pixels: IntArray) -> None:
    directory = media(tmp_path / "disc", pixels)
    (tmp_path / "disc" / "unlisted.txt").write_text("x", encoding="ascii")
    study = read_study(directory)
    assert len(study.series) == 1
    assert sum(one.outcome is FileOutcome.USED for one in study.files) == 6
    assert record(study, "DICOMDIR").outcome is FileOutcome.SKIPPED
    next(path for path in (tmp_path / "disc").rglob("IM*") if path.is_file()).unlink()
    codes = [one.code for one in read_study(directory).files if one.outcome is FileOutcome.REFUSED]
    assert codes == ["E_MISSING_FILE"]


@pytest.mark.parametrize(
    "parts", [["..", "secret"], ["/etc", "passwd"], ["LINK", "secret"], ["01", "", "IM0001"], ["a/../../b"]]
)
def test_path_tricks_in_a_media_directory_are_refused(tmp_path: Path, pixels: IntArray, parts: list[str]) -> None:
    with pydicom.config.disable_value_validation():
        directory = media(tmp_path / "disc", pixels, first=parts)
    (tmp_path / "secret").write_bytes((tmp_path / "disc" / "01" / "IM0001").read_bytes())
    (tmp_path / "disc" / "LINK").symlink_to(tmp_path)
    study = read_study(directory)
    assert [one.code for one in study.files if one.outcome is FileOutcome.REFUSED] == ["E_PATH"]
    # the other echoes of that slice cannot stand alone
    assert sum(one.outcome is FileOutcome.USED for one in study.files) == 3
    assert not any("secret" in one.path and one.outcome is FileOutcome.USED for one in study.files)


def test_links_that_leave_the_folder_are_read_and_inner_ones_are_not_doubled(tmp_path: Path, pixels: IntArray) -> None:
    paths = scanners.classic(tmp_path / "store", pixels)
    folder = tmp_path / "view"
    folder.mkdir()
    for path in paths:
        (folder / path.name).symlink_to(path)
    (folder / "again").symlink_to(folder / paths[0].name)
    (folder / "loop").symlink_to(folder)
    study = read_study(folder)
    assert sum(one.outcome is FileOutcome.USED for one in study.files) == 6
    assert record(study, "loop").outcome is FileOutcome.SKIPPED


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, "E_NOT_FOUND"),
        (lambda path: path.mkdir(), "E_EMPTY"),
        (lambda path: (path.mkdir(), (path / "a.txt").write_text("hello", encoding="ascii")), "E_NO_IMAGES"),
    ],
)
def test_nothing_to_read_is_one_clear_error(tmp_path: Path, make: object, code: str) -> None:
    make(tmp_path / "study")  # type: ignore[operator]
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path / "study")
    assert caught.value.code == code
    assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_without_permission_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir(mode=0o000)
    with pytest.raises(StudyError):
        read_study(tmp_path / "study")


def two_patients(folder: Path) -> None:
    for number, label in enumerate(("first", "second"), start=1):
        write(folder / label, numbered((4, 4, 2, 4)), multi_echo(), Role.MULTI_ECHO_T2, number=number, label=label)


def test_two_patients_in_one_folder_are_refused_without_naming_them(tmp_path: Path) -> None:
    two_patients(tmp_path)
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path)
    assert caught.value.code == "E_MIXED_PATIENTS"
    assert "first" not in str(caught.value)
    assert "second" not in str(caught.value)
    studies = read_studies(tmp_path)
    assert len({one.subject_key for one in studies}) == 2
    chosen = read_study(tmp_path, study_key=studies[1].key)
    assert chosen.key == studies[1].key


def test_two_studies_of_one_patient_ask_for_a_choice(tmp_path: Path) -> None:
    for number, study in enumerate(("before", "after"), start=1):
        write(tmp_path / study, numbered((4, 4, 2, 4)), multi_echo(), Role.MULTI_ECHO_T2, number=number, study=study)
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path)
    assert caught.value.code == "E_MIXED_STUDIES"
    first, second = read_studies(tmp_path)
    assert first.key in caught.value.hint
    assert first.subject_key == second.subject_key
    with pytest.raises(StudyError) as unknown:
        read_study(tmp_path, study_key="study-none")
    assert unknown.value.code == "E_NO_STUDY"


@pytest.mark.parametrize(
    ("name", "value"), [("PatientBirthDate", "19991231"), ("PatientName", "Roe^Jim"), ("PatientID", "X")]
)
def test_one_study_that_names_two_people_is_refused(tmp_path: Path, pixels: IntArray, name: str, value: str) -> None:
    paths = scanners.classic(tmp_path, pixels)
    for path in paths[3:]:
        ds = pydicom.dcmread(path)
        setattr(ds, name, value)
        ds.save_as(path)
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path)
    assert caught.value.code == "E_MIXED_PATIENTS"
    for secret in (value, "Doe", "P-17"):
        assert secret not in str(caught.value).replace("E_MIXED", "")
    if name != "PatientID":
        # choosing the study by its key does not make it one person's
        with pytest.raises(StudyError) as chosen:
            read_study(tmp_path, study_key=read_studies(tmp_path)[0].key)
        assert chosen.value.code == "E_MIXED_PATIENTS"


def test_the_spelling_of_a_name_makes_no_second_patient(tmp_path: Path, pixels: IntArray) -> None:
    paths = scanners.classic(tmp_path, pixels)
    ds = pydicom.dcmread(paths[0])
    ds.PatientName = "DOE^JANE^^Dr"
    ds.save_as(paths[0])
    assert len(read_study(tmp_path).series) == 1


def test_pseudonyms_match_within_a_key_and_tell_nothing_without_it(
    tmp_path: Path, pixels: IntArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanners.classic(tmp_path / "in", pixels)
    first, second = read_study(tmp_path / "in"), read_study(tmp_path / "in")
    assert first.subject_key == second.subject_key
    monkeypatch.setenv("HELIOTROPE_PSEUDONYM_KEY_FILE", str(tmp_path / "other.key"))
    other = read_study(tmp_path / "in")
    assert other.subject_key != first.subject_key
    assert other.key == first.key
    assert stat.S_IMODE((tmp_path / "other.key").stat().st_mode) == 0o600
    for secret in ("Doe", "P-17"):
        assert secret not in repr(first)


def test_files_whose_study_identifiers_were_rewritten_are_one_study(tmp_path: Path, pixels: IntArray) -> None:
    for number, path in enumerate(scanners.classic(tmp_path, pixels)):
        ds = pydicom.dcmread(path)
        ds.StudyInstanceUID = synthetic_uid("rewritten", number)
        ds.save_as(path)
    study = read_study(tmp_path)
    assert len(study.series) == 1
    assert any("6 study identifiers" in note for note in study.notes)


def test_bare_nifti_needs_a_role_and_takes_it(tmp_path: Path) -> None:
    nifti.write_volume(tmp_path / "image.nii.gz", numbered((4, 4, 3)))
    (series,) = read_study(tmp_path).series
    assert series.role is Role.OTHER
    (series,) = read_study(tmp_path / "image.nii.gz", role="ct").series
    assert series.role is Role.CT
    assert "user stated" in series.role_reason
    with pytest.raises(OptionError) as caught:
        read_study(tmp_path, role="mri")
    assert "stir" in caught.value.hint


def test_nifti_echoes_in_files_of_their_own_are_one_series(tmp_path: Path) -> None:
    for number, echo in enumerate((0.0115, 0.00345, 0.0046), start=1):
        path = tmp_path / f"sub-01_echo-{number}_part-mag_MEGRE.nii.gz"
        nifti.write_volume(path, numbered((4, 4, 3)))
        path.with_name(nifti.nifti_stem(path.name) + ".json").write_text(
            f'{{"EchoTime": {echo}, "ScanningSequence": "GR", "Modality": "MR"}}', encoding="utf-8"
        )
    (series,) = read_study(tmp_path).series
    assert series.role is Role.GRE_MAGNITUDE
    assert series.acquisition.echo_times_ms == (3.45, 4.6, 11.5)
    assert read_volume(series).data.shape == (4, 4, 3, 3)


def test_a_sidecar_in_milliseconds_is_not_believed(tmp_path: Path) -> None:
    nifti.write_volume(tmp_path / "a.nii.gz", numbered((4, 4, 3)))
    (tmp_path / "a.json").write_text('{"EchoTime": 10.9, "ScanningSequence": "SE"}', encoding="utf-8")
    (series,) = read_study(tmp_path).series
    assert series.acquisition.echo_times_ms == ()
    assert any("BIDS wants seconds" in defect for defect in series.defects)


@pytest.mark.parametrize(
    ("sidecar", "role"),
    [
        ('{"ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER"]}', Role.DIXON_WATER),
        ('{"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"], "EchoTime": 0.00345, "FlipAngle": 8}', Role.GRE_MAGNITUDE),
        ('{"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"], "EchoTime": 0.00345}', Role.GRE_PHASE),
        ('{"Modality": "CT"}', Role.CT),
        ('{"ScanningSequence": "SE_IR", "InversionTime": 0.22, "RepetitionTime": 4, "EchoTime": 0.04}', Role.STIR),
        (
            '{"EchoTime": 0.08, "RepetitionTime": 4, "ScanningSequence": "SE", "ScanOptions": "PFP_FS"}',
            Role.T2_FAT_SUPPRESSED,
        ),
    ],
)
def test_sidecars_decide_the_role(tmp_path: Path, sidecar: str, role: Role) -> None:
    nifti.write_volume(tmp_path / "a.nii.gz", numbered((4, 4, 3)))
    (tmp_path / "a.json").write_text(sidecar, encoding="utf-8")
    (series,) = read_study(tmp_path).series
    assert series.role is role, series.role_reason


def test_a_screen_capture_is_no_ct(tmp_path: Path, pixels: IntArray) -> None:
    path = scanners.classic(tmp_path, pixels[:1, :1], Modality="CT")[0]
    ds = pydicom.dcmread(path)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    del ds.ImagePositionPatient
    ds.save_as(path)
    (series,) = read_study(tmp_path).series
    assert series.role is Role.OTHER
    assert series.grid is None


def test_a_color_ultrasound_becomes_gray_with_its_pixel_size(tmp_path: Path) -> None:
    color = np.zeros((6, 8, 3), dtype=np.uint8)
    color[2, 3] = (255, 255, 255)
    ds = scanners.base("1.2.840.10008.5.1.4.1.1.6.1", series=1, manufacturer="X", uid=synthetic_uid("us"))
    ds.Modality, ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = "US", 3, "RGB", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.Rows, ds.Columns = 8, 8, 7, 6, 8
    region = Dataset()
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.02, 0.03
    ds.SequenceOfUltrasoundRegions = Sequence([region])
    ds.PixelData = color.tobytes()
    scanners.save(ds, tmp_path / "us.dcm")
    (series,) = read_study(tmp_path).series
    assert series.role is Role.ULTRASOUND
    volume = read_volume(series)
    assert volume.data.shape == (8, 6, 1)
    assert float(volume.data[3, 2, 0]) == pytest.approx(255.0)
    np.testing.assert_allclose(volume.grid.spacing_mm[:2], (0.2, 0.3))


def test_two_bids_subjects_are_two_patients(tmp_path: Path) -> None:
    for subject in ("01", "02"):
        nifti.write_volume(tmp_path / f"sub-{subject}" / f"sub-{subject}_T1w.nii.gz", numbered((4, 4, 3)))
    with pytest.raises(StudyError) as caught:
        read_study(tmp_path)
    assert caught.value.code == "E_MIXED_PATIENTS"


def test_a_nifti_that_ends_early_is_refused(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii.gz"):
        path = nifti.write_volume(tmp_path / name, numbered((9, 9, 9)))
        path.write_bytes(path.read_bytes()[:-200])
    (study,) = read_studies(tmp_path)
    assert [one.code for one in study.files] == ["E_TRUNCATED", "E_TRUNCATED"]


def test_a_header_without_preamble_is_still_read(tmp_path: Path, pixels: IntArray) -> None:
    for path in scanners.classic(tmp_path, pixels):
        ds = pydicom.dcmread(path)
        bare = Dataset()
        bare.update({element.tag: element for element in ds})
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
        path.write_bytes(buffer.getvalue())
    (series,) = read_study(tmp_path).series
    np.testing.assert_array_equal(read_volume(series).data, pixels.transpose(3, 2, 1, 0).astype(np.float32))


def test_every_error_of_intake_is_one_of_ours(tmp_path: Path) -> None:
    for name in ("a\0b", "x" * 300):
        with pytest.raises(HeliotropeError):
            read_study(tmp_path / name)
