"""The muscle network as a file: its card, its two outputs, and what is said when something is missing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heliotrope.backends import muscle_network, onnx_network
from heliotrope.backends.muscle_network import SHIPPED, inspect_network, load_muscle_network, read_muscle_card
from heliotrope.backends.onnx_network import SCHEMA
from heliotrope.backends.registry import list_engines, make_engine
from heliotrope.backends.segmenter import EngineSettings, Segmenter
from heliotrope.domain.anatomy import STRUCTURES, Side
from heliotrope.domain.errors import EngineError, QualityRefusal
from heliotrope.domain.images import LabelMap, Volume
from tests.backends.onnx_file import muscle_model
from tests.segment import limbs
from tests.segment.muscles import oracle

PIXELS = 24


def write_network(folder: Path, **changes: Any) -> Path:
    """A stand-in of the real interface with random weights."""
    content = muscle_model(len(oracle.CLASSES), len(oracle.LEVELS), PIXELS)
    (folder / "model.onnx").write_bytes(content)
    card = {
        "schema": SCHEMA,
        "name": "stand-in",
        "version": "1",
        "labels": {str(i): name for i, name in enumerate(oracle.CLASSES)},
        "levels": list(oracle.LEVELS),
        "pixel_mm": 9.0,
        "crop_pixels": PIXELS,
        "largest_gap_mm": 30.0,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / "model.json").write_text(json.dumps({**card, **changes}))
    return folder


def labels_or_none(engine: Segmenter, image: Volume) -> LabelMap | None:
    """Labels, or None where the engine says that this is no thigh."""
    try:
        return engine(image)
    except QualityRefusal as refusal:
        if refusal.code != "E_NOT_A_THIGH":
            raise
        return None


def test_both_outputs_come_back_for_a_batch(tmp_path: Path) -> None:
    network = load_muscle_network(write_network(tmp_path))
    classes, levels = network.run(np.ones((2, 3, PIXELS, PIXELS), np.float32))
    assert classes.shape == (2, len(oracle.CLASSES), PIXELS, PIXELS)
    assert levels.shape == (2, len(oracle.LEVELS))
    assert network.muscles[0] == (1, "sartorius")
    assert len(network.muscles) == 11


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"levels": ["ankle"]}, "levels do not hold thigh"),
        ({"pixel_mm": 0}, "pixel_mm is not a number above 0"),
        ({"crop_pixels": None}, "crop_pixels"),
        ({"labels": {"0": "background", "2": "sartorius"}}, "not numbered from 0"),
        ({"labels": {"0": "background", "1": "sartorius"}}, "lacks the class fat, bone, other_muscle"),
    ],
)
def test_a_card_of_another_network_is_refused_with_what_is_wrong(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        read_muscle_card(write_network(tmp_path, **changes))


def test_a_card_with_other_levels_than_the_file_is_refused(tmp_path: Path) -> None:
    network = load_muscle_network(write_network(tmp_path, levels=["thigh", "hip"]))
    with pytest.raises(EngineError, match="level gate"):
        network.run(np.ones((1, 3, PIXELS, PIXELS), np.float32))


def test_a_changed_file_is_not_run(tmp_path: Path) -> None:
    folder = write_network(tmp_path)
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(EngineError, match="not the file its card describes"):
        load_muscle_network(folder)


def test_random_weights_name_no_muscle_confidently(tmp_path: Path) -> None:
    engine = make_engine("network", EngineSettings(weights_folders={"network": str(write_network(tmp_path))}))
    image = limbs.multi_echo(limbs.draw(slices=2)).frame(1)
    labels = labels_or_none(engine, image)
    assert labels is None or not any(labels.mask_where(structure=name).any() for name in oracle.MUSCLES)


def test_a_named_folder_without_a_network_says_so(tmp_path: Path) -> None:
    status = inspect_network(tmp_path)
    assert not status.ready
    assert "no network" in status.missing[0]


def test_an_absent_onnxruntime_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "onnxruntime is not installed" in inspect_network(write_network(tmp_path)).missing
    with pytest.raises(EngineError, match="onnxruntime is not installed"):
        onnx_network.OnnxNetwork.load(tmp_path)
    assert muscle_network.weights_identity(tmp_path) == "no onnxruntime"


def test_the_identity_of_weights_is_their_hash(tmp_path: Path) -> None:
    assert muscle_network.weights_identity(tmp_path) == "no weights"
    folder = write_network(tmp_path)
    assert muscle_network.weights_identity(folder) == read_muscle_card(folder).sha256


def test_the_engine_list_says_that_weights_are_shipped() -> None:
    (status,) = [engine for engine in list_engines(EngineSettings()) if engine.name == "network"]
    assert status.ready
    assert status.missing == ()


def test_the_shipped_network_is_small_and_names_muscles_of_the_thigh() -> None:
    largest_mib = 25
    assert (SHIPPED / "model.onnx").stat().st_size < largest_mib * 2**20
    network = load_muscle_network()
    assert {STRUCTURES[name].compartment for _, name in network.muscles} == {
        "anterior_thigh",
        "medial_thigh",
        "posterior_thigh",
    }
    assert (SHIPPED / "README.md").is_file()


def test_the_shipped_network_has_the_classes_it_is_trained_with() -> None:
    from training.muscle_network import codes

    network = load_muscle_network()
    assert network.classes == codes.CLASSES
    assert network.levels == codes.LEVELS
    assert (network.pixel_mm, network.crop_pixels) == (codes.PIXEL_MM, codes.CROP)


def test_drawn_thighs_without_anatomy_keep_their_sides() -> None:
    thighs = limbs.draw(slices=2)
    labels = labels_or_none(make_engine("network", EngineSettings()), limbs.multi_echo(thighs).frame(1))
    for side, sign in ((Side.LEFT, -1), (Side.RIGHT, 1)):
        assert labels is None or not (labels.mask_where(side=side) & (thighs.side == sign)).any()
