"""Phantoms written as studies and read back through the same intake."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heliotrope.app import phantom as phantom_module
from heliotrope.app.phantom import PHANTOMS, WrittenPhantom, bundle_of, find_phantom, write_phantom
from heliotrope.app.phantom_bundle import PhantomEntry
from heliotrope.cli.main import main
from heliotrope.domain.errors import OptionError, OutputError
from heliotrope.domain.study import FileOutcome, Role
from heliotrope.io.intake import read_study, read_volume
from heliotrope.io.nifti import read_labels, read_nifti
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study
from heliotrope.phantoms.mr_protocol import MrProtocol
from heliotrope.phantoms.study import PhantomStudy

SMALL = MrProtocol(matrix=(152, 80), pixel_mm=2.5, n_slices=2)


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return build_thigh_study("active-dm", replace(SCENES["active-dm"], protocol=SMALL), 0)


@pytest.fixture
def small(study: PhantomStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue with one small phantom in place of the full ones."""
    entry = PhantomEntry(study.note, lambda seed: replace(bundle_of(study), seed=seed))
    monkeypatch.setattr(phantom_module, "PHANTOMS", {"active-dm": entry})


def write(folder: Path, image_format: str = "dicom") -> WrittenPhantom:
    return write_phantom("active-dm", folder, 0, image_format)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("image_format", ["dicom", "nifti"])
def test_a_written_phantom_reads_back_with_its_roles_and_its_signal(
    tmp_path: Path, study: PhantomStudy, image_format: str
) -> None:
    write(tmp_path / "p", image_format)
    back = read_study(tmp_path / "p")
    assert [series.role for series in back.series] == [series.role for series in study.series]
    assert all(series.synthetic for series in back.series)
    for series, original in zip(back.series, study.series, strict=True):
        assert series.grid is not None
        assert series.grid.is_same_as(replace(original.volume.grid, frame_of_reference_uid=None))
        signal = np.asarray(original.volume.data, dtype=float)
        # 16 bits hold one part in 32767 of the brightest voxel
        tolerance = np.abs(signal).max() / 32767.0
        read = np.asarray(read_volume(series).data, dtype=float)
        if series.role is Role.GRE_PHASE:
            continue
        assert np.abs(read - signal).max() <= tolerance


@pytest.mark.usefixtures("small")
def test_the_truth_beside_the_images_is_no_part_of_the_study(tmp_path: Path) -> None:
    write(tmp_path / "p")
    records = [record for record in read_study(tmp_path / "p").files if record.path.startswith("truth/")]
    assert records
    assert {record.outcome for record in records} == {FileOutcome.SKIPPED}
    assert all("truth" in record.reason for record in records)


@pytest.mark.usefixtures("small")
def test_truth_files_hold_what_was_put_in(tmp_path: Path, study: PhantomStudy) -> None:
    written = write(tmp_path / "p")
    truth = json.loads(written.truth.read_text(encoding="utf-8"))
    assert truth["synthetic"] is True
    assert len(truth["lesions"]) == len(study.lesions)
    labels = read_labels(tmp_path / "p" / "truth" / "labels.nii.gz")
    assert np.array_equal(labels.labels, study.truth_labels.labels)
    t2 = read_nifti(tmp_path / "p" / "truth" / "water_t2.nii.gz")
    np.testing.assert_array_equal(np.asarray(t2.data), study.truth_maps["water_t2"].values)


@pytest.mark.usefixtures("small")
def test_an_earlier_phantom_is_replaced_and_other_files_are_not_touched(tmp_path: Path) -> None:
    write(tmp_path / "p")
    write(tmp_path / "p", "nifti")
    assert not list((tmp_path / "p").rglob("*.dcm"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("irreplaceable", encoding="utf-8")
    with pytest.raises(OutputError, match="holds other files"):
        write(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text(encoding="utf-8") == "irreplaceable"


@pytest.mark.usefixtures("small")
def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name)
    first, second = (sorted(p for p in (tmp_path / n).rglob("*") if p.is_file()) for n in ("a", "b"))
    assert [p.name for p in first] == [p.name for p in second]
    assert all(x.read_bytes() == y.read_bytes() for x, y in zip(first, second, strict=True))


def test_an_unknown_phantom_names_what_exists() -> None:
    with pytest.raises(OptionError) as caught:
        find_phantom("ankle")
    assert "active-dm" in caught.value.hint


def test_an_unknown_format_and_a_negative_seed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="unknown format"):
        write_phantom("healthy", tmp_path, 0, "png")
    with pytest.raises(OptionError, match="seed -1"):
        write_phantom("healthy", tmp_path, -1)


def test_the_command_lists_phantoms_and_fails_on_unknown_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["phantom", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in listed["phantoms"]} == set(PHANTOMS)
    assert main(["phantom", "ankle", "--out", "nowhere"]) == 2
    assert "E_PHANTOM" in capsys.readouterr().err
