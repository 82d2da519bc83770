"""Tissues of a study whose only images are complex gradient echoes."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput
from heliotrope.app.stages import fat_fraction, labels
from heliotrope.app.validation.segmentation import SCENE, TISSUES, dice
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import Side
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.study import Acquisition, Modality, Role, Series, Study
from heliotrope.phantoms.catalogue import SCENES, ThighScene, build_thigh_study
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence
from heliotrope.phantoms.mr_tissue import as_tissues
from heliotrope.phantoms.study import PhantomStudy
from heliotrope.segment.compartments import COMPARTMENTS
from tests.segment import limbs

FAT_FRACTION, TISSUE_STAGE = fat_fraction.STAGES[0], labels.STAGES[0]
GRID = Grid.from_spacing((64, 32, 2), (5.0, 5.0, 10.0))
TIMES = (1.15, 2.10, 3.05)


@functools.cache
def _phantom() -> PhantomStudy:
    scene = SCENES[SCENE]
    protocol = MrProtocol(n_slices=3, sequences=(Sequence.COMPLEX_DIXON,))
    return build_thigh_study(SCENE, ThighScene(scene.lesions, scene.note, protocol=protocol), 11)


def _series(key: str, role: Role, acquisition: Acquisition, grid: Grid = GRID) -> Series:
    n_frames = max(1, len(acquisition.echo_times_ms))
    return Series(key, key, 1, "", role, "test", acquisition, grid, n_frames, ())


def _study(*series: Series) -> Study:
    return Study("k", None, None, series, ())


def _echoes() -> tuple[Series, Series]:
    facts = Acquisition(Modality.MR, field_strength_t=3.0, echo_times_ms=TIMES)
    return _series("m", Role.GRE_MAGNITUDE, facts), _series("p", Role.GRE_PHASE, facts)


def _chosen(*series: Series) -> list[Role]:
    chosen = TISSUE_STAGE.select(_study(*series))
    assert not isinstance(chosen, Missing)
    return [item.role for item in chosen]


def _muscle(found: LabelMap) -> np.ndarray:
    mask: np.ndarray = np.any([found.mask_where(structure=name) for name in ("muscle", *COMPARTMENTS)], axis=0)
    return mask


def test_complex_echoes_alone_show_the_tissues_of_the_digital_thigh() -> None:
    phantom = _phantom()
    volumes = {f"s{i}": item.volume for i, item in enumerate(phantom.series)}
    study = _study(
        *(_series(f"s{i}", item.role, item.acquisition, item.volume.grid) for i, item in enumerate(phantom.series))
    )
    assert {item.role for item in study.series} == {Role.GRE_MAGNITUDE, Role.GRE_PHASE}
    echoes, drawn_on = FAT_FRACTION.select(study), TISSUE_STAGE.select(study)
    assert not isinstance(echoes, Missing)
    assert not isinstance(drawn_on, Missing)
    maps = FAT_FRACTION.run(StageInput(study, echoes, AnalyzeOptions(), lambda item: volumes[item.key])).maps
    out = TISSUE_STAGE.run(StageInput(study, drawn_on, AnalyzeOptions(), lambda item: volumes[item.key], maps))
    found, truth = out.labels, as_tissues(phantom.truth_labels)
    assert found is not None
    for name in TISSUES:
        mask = _muscle(found) if name == "muscle" else limbs.found(found, name)
        assert dice(mask, truth.mask_where(structure=name)) >= 0.95, name
    for side, other in ((Side.LEFT, Side.RIGHT), (Side.RIGHT, Side.LEFT)):
        assert not (found.mask_where(side=side) & truth.mask_where(side=other)).any()
    assert "fitted to the complex gradient echoes" in out.sentence


def test_a_fitted_fat_share_comes_after_a_multi_echo_series_and_before_a_t1_image() -> None:
    mr = Acquisition(Modality.MR)
    t1, train = _series("t1", Role.T1, mr), _series("t2", Role.MULTI_ECHO_T2, mr)
    assert _chosen(t1, *_echoes()) == [Role.GRE_MAGNITUDE, Role.GRE_PHASE]
    assert _chosen(t1, train, *_echoes()) == [Role.MULTI_ECHO_T2]


def test_magnitude_echoes_without_phase_show_no_tissues() -> None:
    missing = TISSUE_STAGE.select(_study(_echoes()[0]))
    assert isinstance(missing, Missing)
    assert "complex gradient echoes" in missing.reason


def test_echoes_that_gave_no_fat_fraction_are_refused_with_the_reason() -> None:
    study = _study(*_echoes())
    blank = Volume(np.ones((*GRID.shape, 3), np.float32), GRID)
    with pytest.raises(QualityRefusal, match="gave no fat fraction"):
        TISSUE_STAGE.run(StageInput(study, study.series, AnalyzeOptions(), lambda _: blank))


def test_the_next_best_series_is_drawn_on_when_the_echoes_gave_no_fat_fraction() -> None:
    study = _study(*_echoes(), _series("t1", Role.T1, Acquisition(Modality.MR)))
    read: list[str] = []

    def empty(series: Series) -> Volume:
        read.append(series.key)
        return Volume(np.zeros(GRID.shape, np.float32), GRID)

    with pytest.raises(QualityRefusal, match="no tissue signal"):
        TISSUE_STAGE.run(StageInput(study, study.series[:2], AnalyzeOptions(), empty))
    assert read == ["t1"]


@pytest.mark.real_data
def test_real_thighs_of_three_complex_echoes_are_analyzed_in_both_legs(shared_data: Path, tmp_path: Path) -> None:
    study, out = tmp_path / "study", tmp_path / "out"
    study.mkdir()
    echo_s = {"0006": 0.00345, "0007": 0.00345, "0008": 0.0046, "0009": 0.0046, "0010": 0.00575, "0011": 0.00575}
    for file in sorted((shared_data / "thigh-dixon-3pt").glob("*.nii.gz")):
        number = file.name[:4]
        (study / file.name).symlink_to(file.resolve())
        component = "M" if int(number) % 2 == 0 else "P"
        facts = {
            "EchoTime": echo_s[number],
            "MagneticFieldStrength": 3,
            "ImageType": ["ORIGINAL", "PRIMARY", component, "ND"],
        }
        (study / file.name.replace(".nii.gz", ".json")).write_text(json.dumps(facts), encoding="utf-8")
    assert main(["analyze", str(study), "--out", str(out), "--only", "tissues"]) == 0
    percent = np.asarray(nibabel.load(out / "maps" / "fat_fraction.nii.gz").dataobj)
    found = np.asarray(nibabel.load(out / "labels.nii.gz").dataobj)
    legend = json.loads((out / "labels.json").read_text(encoding="utf-8"))
    checks = {item["name"]: item["passed"] for item in json.loads((out / "result.json").read_text())["quality"]}
    # no section of either thigh with water and fat exchanged
    assert checks["water-fat exchange"] is True
    assert checks["label-order"] is True
    for side in ("left", "right"):

        def values(structure: str, side: str = side) -> np.ndarray:
            (number,) = [int(n) for n, r in legend.items() if (r["structure"], r["side"]) == (structure, side)]
            return np.asarray(percent[(found == number) & np.isfinite(percent)])

        assert np.median(values("subcutaneous_fat")) >= 85.0
        assert np.median(values("muscle")) < 15.0
        assert values("muscle").size > 150_000
        assert np.median(values("bone_marrow")) > 75.0


def _alone(role: Role, modality: Modality, volume: Volume) -> str:
    """Sentence of the tissues of a study that has one image."""
    series = _series("s", role, Acquisition(modality), volume.grid)
    given = StageInput(_study(series), (series,), AnalyzeOptions(), lambda _: volume)
    return TISSUE_STAGE.run(given).sentence


def test_bone_is_said_to_be_found_by_density_on_ct_and_by_its_ring_on_mr() -> None:
    thighs = limbs.draw(slices=2)
    on_ct = _alone(Role.CT, Modality.CT, limbs.computed_tomography(thighs))
    assert "bone by its density" in on_ct
    assert "ring" not in on_ct
    on_mr = _alone(Role.T1, Modality.MR, limbs.t1_weighted(thighs))
    assert "bone as a dark ring around marrow" in on_mr
    assert "on the CT series (limbs: right and left)" in on_ct


def test_a_limb_of_unknown_side_is_called_so() -> None:
    image = limbs.t1_weighted(limbs.draw(slices=2))
    matrix = image.grid.matrix
    shape = (image.grid.shape[0] // 2, *image.grid.shape[1:])
    matrix[0, 3] = -matrix[0, 0] * shape[0] / 2  # about the middle of the scanner
    half = Grid.from_matrix(shape, matrix)
    sentence = _alone(Role.T1, Modality.MR, Volume(image.data[: half.shape[0]], half))
    assert "(a limb whose side is not known)" in sentence
