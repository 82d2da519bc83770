"""Labels of an earlier visit are carried to a later one on which the person lies elsewhere, or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heliotrope.app.earlier_labels import EarlierVisit, carry_to_visit, read_earlier_visit
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.timepoints import Timepoint, drawing_change
from heliotrope.app.validation.change import LYING, OTHER_LEVEL_MM, SMALL, build_visit
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.errors import InputError, OptionError, QualityRefusal
from heliotrope.domain.images import LabelMap, Volume, is_carried
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.study import Role
from heliotrope.domain.units import Unit
from heliotrope.phantoms.study import PhantomStudy
from heliotrope.segment.tissues import segment_tissues
from tests.app.examples import study_of
from tests.app.visits import visit

FITTING_DICE = 0.9
"""A muscle of a few hundred voxels of 2 mm, carried to half a voxel."""
START_MM = -SMALL.slice_thickness_mm * (SMALL.n_slices - 1) / 2.0


def _fat_percent(study: PhantomStudy) -> Volume:
    water, fat = (
        np.asarray(study.with_role(role)[0].volume.data, dtype=np.float64)
        for role in (Role.DIXON_WATER, Role.DIXON_FAT)
    )
    total = water + fat
    percent = np.where(total > 0.1 * total.max(), 100.0 * fat / np.maximum(total, 1e-3), 0.0)
    return Volume(percent.astype(np.float32), study.truth_labels.grid)


def _tissues(study: PhantomStudy) -> LabelMap:
    return segment_tissues({r: study.with_role(r)[0].volume for r in (Role.DIXON_WATER, Role.DIXON_FAT)})


@pytest.fixture(scope="module")
def baseline() -> PhantomStudy:
    return build_visit("longitudinal-baseline", 3)


@pytest.fixture(scope="module")
def later() -> PhantomStudy:
    """The second visit: T2 of two muscles is longer, the person turned and moved, the slices between the first's."""
    protocol = replace(SMALL, first_slice_mm=START_MM + OTHER_LEVEL_MM)
    return build_visit("longitudinal-follow-up", 3, protocol).lying(LYING)


@pytest.fixture(scope="module")
def own(later: PhantomStudy) -> LabelMap:
    return _tissues(later)


def _single(labels: LabelMap) -> list[Region]:
    return [r for r in labels.legend.values() if STRUCTURES[r.structure].kind is StructureKind.MUSCLE]


def test_muscles_are_found_where_the_person_lies_now(
    baseline: PhantomStudy, later: PhantomStudy, own: LabelMap
) -> None:
    earlier = EarlierVisit(baseline.truth_labels, {"fat_fraction": _fat_percent(baseline)}, subject_known=True)
    found = carry_to_visit(earlier, own, {"fat_fraction": _fat_percent(later)})
    truth = later.truth_labels
    assert found.by == "fat_fraction"
    assert len(_single(truth)) == 22
    for region in _single(truth):
        one, two = found.labels.mask(region), truth.mask(region)
        assert 2.0 * float((one & two).sum()) / float(one.sum() + two.sum()) > FITTING_DICE, region.title
    assert is_carried(found.labels.source)
    assert any(note.startswith("Carried from an earlier visit") for note in found.labels.notes)
    by_name = {check.name: check for check in found.quality}
    for side in Side:
        check = by_name[f"carried-labels/{side}"]
        assert check.passed
        assert "Dice" in check.detail
        assert "there and back" in check.detail
    assert "carried-labels/turn" not in by_name


def test_without_a_common_image_the_turn_is_said_to_be_unknown(baseline: PhantomStudy, own: LabelMap) -> None:
    found = carry_to_visit(EarlierVisit(baseline.truth_labels, {}, subject_known=True), own, {})
    turn = next(check for check in found.quality if check.name == "carried-labels/turn")
    assert turn.passed is False


def test_what_is_fat_or_bone_now_is_no_longer_muscle(baseline: PhantomStudy, own: LabelMap) -> None:
    found = carry_to_visit(EarlierVisit(baseline.truth_labels, {}, subject_known=True), own, {}).labels
    for name in ("subcutaneous_fat", "skin"):
        numbers = [number for number, region in own.legend.items() if region.structure == name]
        there = np.isin(own.labels, numbers)
        carried = {found.legend[int(number)].structure for number in np.unique(found.labels[there]) if number}
        assert carried <= {"skin", "subcutaneous_fat"}


def test_a_limb_of_another_size_is_refused(baseline: PhantomStudy) -> None:
    limb = replace(SMALL, pixel_mm=1.5)
    small = build_visit("longitudinal-baseline", 3, limb)
    shrunk = replace(small.truth_labels, grid=baseline.truth_labels.grid)
    with pytest.raises(QualityRefusal) as caught:
        carry_to_visit(EarlierVisit(baseline.truth_labels, {}, subject_known=True), shrunk, {})
    assert caught.value.code == "E_REGISTRATION"
    assert "limit 3.0 mm" in caught.value.message


def test_labels_of_another_patient_are_refused(tmp_path: Path) -> None:
    folder = visit(tmp_path / "first", range(2, 10), subject="subject-1")
    study = replace(study_of(tmp_path / "first.dcm"), subject_key="subject-2")
    with pytest.raises(QualityRefusal) as caught:
        read_earlier_visit(folder, study)
    assert caught.value.code == "E_DIFFERENT_PATIENTS"
    assert "subject-2" not in str(caught.value)


def test_a_folder_without_result_or_labels_is_refused(tmp_path: Path) -> None:
    folder = visit(tmp_path / "first", range(2, 10))
    study = study_of(tmp_path / "first.dcm")
    with pytest.raises(InputError) as caught:
        read_earlier_visit(tmp_path, study)
    assert caught.value.code == "E_NOT_A_RESULT"
    (folder / "labels.nii.gz").unlink()
    with pytest.raises(InputError) as caught:
        read_earlier_visit(folder, study)
    assert caught.value.code == "E_NO_LABELS"


def test_an_unknown_subject_is_carried_with_a_note(tmp_path: Path) -> None:
    folder = visit(tmp_path / "first", range(2, 10), subject=None)
    assert read_earlier_visit(folder, study_of(tmp_path / "first.dcm")).subject_known is False


def test_only_one_source_of_labels_is_taken() -> None:
    with pytest.raises(OptionError, match="labels and labels_from exclude one another"):
        AnalyzeOptions(labels="mine.nii.gz", labels_from="baseline")


def test_the_command_refuses_before_anything_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = visit(tmp_path / "first", range(2, 10))
    (folder / "result.json").unlink()
    study = tmp_path / "study"
    assert main(["phantom", "stir-only", "--out", str(study), "--format", "nifti"]) == 0
    capsys.readouterr()
    status = main(["analyze", str(study), "--out", str(tmp_path / "out"), "--labels-from", str(folder), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert (status != 0, answer["code"]) == (True, "E_NOT_A_RESULT")
    assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.parametrize(
    ("first", "second", "structure", "quantity", "said"),
    [
        ("person", "person", "gracilis", "volume", ""),
        ("person", "person, carried", "gracilis", "volume", "carried"),
        ("person", "person, carried", "gracilis", "water_t2", ""),
        ("person", "weight-free-tissues/1", "gracilis", "volume", "drawn differently"),
        ("weight-free-tissues/1+net/1", "weight-free-tissues/1+net/1, carried", "muscle", "volume", "carried"),
        ("weight-free-tissues/1+net/1", "weight-free-tissues/1", "muscle", "volume", ""),
        ("weight-free-tissues/1+net/1", "weight-free-tissues/1", "anterior_thigh", "volume", "drawn differently"),
        ("person", "person, carried", "skin", "volume", "by a person at one visit"),
        ("person", "person, carried", "bone_cortex", "fat_fraction", "by a person at one visit"),
        ("weight-free-tissues/1", "weight-free-tissues/1, carried", "skin", "volume", ""),
        ("person", "person, carried", "fascia", "fascia_extent", ""),
    ],
)
def test_what_was_drawn_otherwise_says_nothing_of_change(
    first: str, second: str, structure: str, quantity: str, said: str
) -> None:
    legend = {str(n): {"structure": name} for n, name in enumerate(("gracilis", "skin", "bone_cortex"), start=1)}
    visits = [
        Timepoint(name, Path(name), {"labels": {"source": source, "legend": legend}})
        for name, source in (("a", first), ("b", second))
    ]
    row = Measurement(Region(structure, Side.LEFT), quantity, "total", 1.0, Unit.MILLILITER, "drawn/1")
    reason = drawing_change(visits[0], visits[1], row)
    assert (said in reason) if said else not reason
