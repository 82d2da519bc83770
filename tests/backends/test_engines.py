"""Outside engines, through stand-in programs that keep their real file layout."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from heliotrope.backends.label_schemes import region_of
from heliotrope.backends.musclemap_labels import WHOLE_BODY, label_names
from heliotrope.backends.onnx_network import SCHEMA, OnnxNetwork, read_card
from heliotrope.backends.registry import list_engines, make_engine
from heliotrope.backends.segmenter import EngineSettings
from heliotrope.backends.totalsegmentator import LICENSED_TASKS, OPEN_TASKS
from heliotrope.backends.totalsegmentator_labels import LEFT_OUT, TASKS
from heliotrope.cli.main import main
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import EngineError, OptionError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from tests.backends.onnx_file import softmax_model
from tests.backends.stand_in_engines import MUSCLEMAP, musclemap, nnunet, totalsegmentator

GRID = Grid.from_matrix((6, 5, 4), np.diag([-2.0, 2.0, 5.0, 1.0]))
VOLUME = Volume(np.arange(120, dtype=np.float32).reshape(6, 5, 4), GRID)


def test_musclemap_answers_in_our_structures_on_the_grid_of_the_image(tmp_path: Path) -> None:
    labels = make_engine("musclemap", musclemap(tmp_path, MUSCLEMAP), "thigh")(VOLUME)
    assert labels.mask(Region("vastus_lateralis", Side.LEFT))[0].all()
    assert labels.mask(Region("femur", Side.RIGHT))[1].all()
    assert not labels.labels[2:].any()


def test_a_number_outside_the_scheme_is_refused(tmp_path: Path) -> None:
    settings = musclemap(tmp_path, MUSCLEMAP.replace("out[0] = 1\n", "out[0] = 4242\n"))
    with pytest.raises(EngineError, match="4242"):
        make_engine("musclemap", settings, "thigh")(VOLUME)


def test_an_engine_that_fails_says_its_last_line_without_paths(tmp_path: Path) -> None:
    settings = musclemap(tmp_path, 'sys.exit("out of memory in /home/someone/secret")')
    with pytest.raises(EngineError, match="out of memory in") as caught:
        make_engine("musclemap", settings, "thigh")(VOLUME)
    assert "someone" not in caught.value.message


def test_an_answer_on_another_grid_is_refused(tmp_path: Path) -> None:
    body = MUSCLEMAP.replace("out = np.zeros(image.shape, np.uint16)", "out = np.zeros((9, 9, 9), np.uint16)")
    with pytest.raises(EngineError) as caught:
        make_engine("musclemap", musclemap(tmp_path, body), "thigh")(VOLUME)
    assert caught.value.code == "E_ENGINE_GRID"


def test_totalsegmentator_runs_with_usage_statistics_off(tmp_path: Path) -> None:
    labels = make_engine("totalsegmentator", totalsegmentator(tmp_path, (850, 851)), "total_mr")(VOLUME)
    assert labels.mask(Region("gluteus_maximus", Side.LEFT))[0].all()
    assert labels.mask(Region("femur", Side.RIGHT))[1].all()
    assert any("liver" in note for note in labels.notes)


def test_a_licensed_task_is_offered_only_with_a_key(tmp_path: Path) -> None:
    without = totalsegmentator(tmp_path, (850, 851, 857))
    with pytest.raises(EngineError, match="license key"):
        make_engine("totalsegmentator", without, "thigh_shoulder_muscles")(VOLUME)
    keyed = EngineSettings(
        without.programs, without.weights_folders, {"totalsegmentator": "aca_123"}, without.environment
    )
    (status,) = [s for s in list_engines(keyed) if s.name == "totalsegmentator"]
    assert "thigh_shoulder_muscles" in status.tasks


def test_absent_weights_are_never_downloaded(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="weights"):
        make_engine("totalsegmentator", totalsegmentator(tmp_path, (850,)), "total_mr")(VOLUME)


def test_any_nnunet_folder_names_its_own_labels(tmp_path: Path) -> None:
    labels = make_engine("nnunet", nnunet(tmp_path))(VOLUME)
    assert labels.mask(Region("sartorius", Side.LEFT))[3].all()


def test_a_model_of_two_channels_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="2 channels"):
        make_engine("nnunet", nnunet(tmp_path, channels=2))(VOLUME)


def test_an_unknown_engine_lists_what_exists() -> None:
    with pytest.raises(OptionError, match="unknown engine") as caught:
        make_engine("magic", EngineSettings())
    assert "musclemap" in caught.value.hint


def test_engines_are_listed_with_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    names = {engine["name"]: engine for engine in listed["engines"]}
    assert names["tissues"]["ready"]
    assert set(names) == {"tissues", "person", "network", "musclemap", "totalsegmentator", "nnunet"}
    assert names["musclemap"]["missing"]


def test_a_regional_model_without_its_list_of_labels_is_refused(tmp_path: Path) -> None:
    settings = musclemap(tmp_path, MUSCLEMAP)
    (tmp_path / "models" / "thigh" / "contrast_agnostic_thigh_model.json").unlink()
    with pytest.raises(EngineError, match="no list of labels") as caught:
        make_engine("musclemap", settings, "thigh")(VOLUME)
    assert caught.value.code == "E_LABEL_SCHEME"


def test_whole_body_numbers_of_musclemap_are_known_without_their_list(tmp_path: Path) -> None:
    assert label_names(tmp_path, "wholebody") == WHOLE_BODY
    assert len(WHOLE_BODY) == 99


def test_every_structure_of_musclemap_has_its_place() -> None:
    assert [name for name in WHOLE_BODY.values() if region_of(name) is None] == []
    assert len({region_of(name) for name in WHOLE_BODY.values()}) == len(WHOLE_BODY)


@pytest.mark.real_data
def test_every_name_of_a_real_legend_has_its_place(shared_data: Path) -> None:
    rows = (shared_data / "body-label-maps" / "legend.csv").read_text().splitlines()[1:]
    for row in rows:
        value, _, structure, side = row.split(",")
        region = region_of(f"{structure} {side}" if side != "no side" else structure)
        assert region is not None
        assert region == region_of(WHOLE_BODY[int(value)])


@pytest.mark.parametrize(
    ("task", "count"),
    [
        ("total", 117),
        ("total_mr", 50),
        ("thigh_shoulder_muscles", 18),
        ("thigh_shoulder_muscles_mr", 18),
        ("tissue_types", 3),
        ("tissue_types_mr", 3),
        ("tissue_4_types", 4),
        ("appendicular_bones", 11),
        ("appendicular_bones_mr", 8),
    ],
)
def test_every_structure_of_totalsegmentator_has_a_place_or_is_left_out(task: str, count: int) -> None:
    names = TASKS[task]
    assert len(set(names)) == len(names) == count
    assert [name for name in names if (region_of(name) is None) != (name in LEFT_OUT)] == []


def test_every_offered_task_of_totalsegmentator_has_its_names() -> None:
    assert set(TASKS) == set(OPEN_TASKS) | set(LICENSED_TASKS)


def test_a_structure_that_totalsegmentator_is_not_known_to_write_is_refused(tmp_path: Path) -> None:
    settings = totalsegmentator(tmp_path, (850, 851), names=("gluteus_maximus_left", "tail"))
    with pytest.raises(EngineError, match="unknown structure tail"):
        make_engine("totalsegmentator", settings, "total_mr")(VOLUME)


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("Vastus Lateralis left", Region("vastus_lateralis", Side.LEFT)),
        ("gluteus_medius_right", Region("gluteus_medius", Side.RIGHT)),
        ("left_sartorius", Region("sartorius", Side.LEFT)),
        ("thigh_posterior_compartment_left", Region("posterior_thigh", Side.LEFT)),
        ("skeletal_muscle", Region("muscle")),
        ("hip_left", Region("hip_bone", Side.LEFT)),
        ("vertebrae_L5", Region("vertebrae")),
        ("rib_left_7", Region("ribs", Side.LEFT)),
        ("iliac_artery_right", Region("vessel", Side.RIGHT)),
        ("liver", None),
    ],
)
def test_names_of_other_schemes_find_our_structures(name: str, region: Region | None) -> None:
    assert region_of(name) == region


def _network(folder: Path, *, channels: int = 3) -> Path:
    content = softmax_model()
    (folder / "model.onnx").write_bytes(content)
    labels = {str(i): name for i, name in enumerate(("background", "gracilis", "sartorius", "other")[:channels])}
    digest = hashlib.sha256(content).hexdigest()
    card = {"schema": SCHEMA, "name": "tiny", "version": "1", "labels": labels, "sha256": digest, "pixel_mm": 1.0}
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def test_a_network_folder_is_loaded_and_run(tmp_path: Path) -> None:
    network = OnnxNetwork.load(_network(tmp_path), threads=1)
    (output,) = network.run(np.log(np.array([[[1.0], [2.0], [1.0]]], dtype=np.float32)))
    assert output[0, :, 0].tolist() == pytest.approx([0.25, 0.5, 0.25])
    assert network.card.details["pixel_mm"] == 1.0


def test_a_changed_network_file_is_refused(tmp_path: Path) -> None:
    folder = _network(tmp_path)
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(EngineError, match="not the file its card describes"):
        OnnxNetwork.load(folder)


def test_a_card_of_other_channels_is_refused(tmp_path: Path) -> None:
    network = OnnxNetwork.load(_network(tmp_path, channels=4), threads=1)
    with pytest.raises(EngineError, match="3 channels, 4 on its card"):
        network.run(np.zeros((1, 3, 2), dtype=np.float32))


def test_a_folder_without_a_card_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no network"):
        read_card(tmp_path)
