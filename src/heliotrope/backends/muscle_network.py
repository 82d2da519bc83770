"""The muscle network that ships with the package, and any other of its form that a site names."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliotrope.backends.onnx_network import NetworkCard, OnnxNetwork, onnx_problem, read_card
from heliotrope.backends.segmenter import EngineIdentity, EngineSettings, EngineStatus
from heliotrope.domain.errors import EngineError
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Modality
from heliotrope.segment.muscles.label import label_muscles
from heliotrope.segment.muscles.network import BONE, FAT, OTHER_MUSCLE, THIGH, MuscleNetwork

NAME = "network"
SHIPPED = Path(__file__).parent / "weights" / "thigh_muscles"
"""Folder of the shipped network: ``model.onnx``, ``model.json`` and the model card ``README.md``."""


def network_folder(settings: EngineSettings) -> Path:
    """The folder a site names, else the shipped one."""
    named = settings.weights_folders.get(NAME)
    return SHIPPED if named is None else Path(named)


@functools.lru_cache(maxsize=2)
def load_muscle_network(folder: Path = SHIPPED) -> MuscleNetwork:
    """Load a muscle network.

    Raises
    ------
    EngineError
        onnxruntime or a file is missing, or the card does not describe a muscle network.
    """
    card = read_muscle_card(folder)
    loaded = OnnxNetwork.load(folder)

    def run(batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        outputs = loaded.run(batch)
        if len(outputs) != 2 or outputs[1].shape[-1] != len(card.details["levels"]):
            raise EngineError(f"network {card.name}: it has no level gate as its card says", hint=_OTHER_VERSION)
        return outputs[0], outputs[1]

    return _described(card, run)


_OTHER_VERSION = "model.onnx and model.json belong to different versions"


def _described(card: NetworkCard, run: Any) -> MuscleNetwork:
    details = card.details
    return MuscleNetwork(
        name=card.name,
        version=card.version,
        sha256=card.sha256,
        classes=tuple(card.labels[number] for number in range(len(card.labels))),
        levels=tuple(str(level) for level in details["levels"]),
        pixel_mm=float(details["pixel_mm"]),
        crop_pixels=int(details["crop_pixels"]),
        largest_gap_mm=float(details["largest_gap_mm"]),
        run=run,
    )


def read_muscle_card(folder: Path) -> NetworkCard:
    """The card of a muscle network.

    Raises
    ------
    EngineError
        A file is absent, or an entry that a muscle network needs.
    """
    card = read_card(folder)
    problem = _problem_of(card.labels, card.details)
    if problem:
        raise EngineError(f"network {card.name} is no muscle network: {problem}", hint="name another folder")
    return card


def _problem_of(labels: Mapping[int, str], details: Mapping[str, Any]) -> str:
    if sorted(labels) != list(range(len(labels))):
        return "its channels are not numbered from 0"
    absent = [name for name in (FAT, BONE, OTHER_MUSCLE) if name not in labels.values()]
    if absent:
        return f"it lacks the class {', '.join(absent)}"
    if THIGH not in details.get("levels", ()):
        return f"its levels do not hold {THIGH}"
    for name in ("pixel_mm", "crop_pixels", "largest_gap_mm"):
        value = details.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            return f"{name} is not a number above 0"
    return ""


def weights_identity(folder: Path = SHIPPED) -> str:
    """Hash of the weights a stage's result rests on; what is missing where there are none."""
    try:
        return read_muscle_card(folder).sha256 if onnx_problem() is None else "no onnxruntime"
    except EngineError:
        return "no weights"


def inspect_network(folder: Path | None) -> EngineStatus:
    """What the shipped network, or that of a folder, offers."""
    chosen = SHIPPED if folder is None else folder
    missing, license_name = [], "Apache-2.0"
    try:
        card = read_muscle_card(chosen)
        license_name = str(card.details.get("license", license_name))
    except EngineError as error:
        missing.append("no weights are shipped with this version" if folder is None else error.message)
    problem = onnx_problem()
    if problem is not None:
        missing.append(problem)
    tasks = () if missing else ("muscles of the thigh",)
    return EngineStatus(NAME, "own network (ONNX)", not missing, tuple(missing), tasks, license=license_name)


class ThighMuscles:
    """The muscle network as an engine: one image of any contrast to muscles."""

    def __init__(self, settings: EngineSettings) -> None:
        self._folder = network_folder(settings)

    @property
    def name(self) -> str:
        """Name in the registry."""
        return NAME

    @property
    def modality(self) -> Modality | None:
        """Any contrast of MR, and CT."""
        return None

    def identify(self) -> EngineIdentity:
        """Name and version on the card; see `Segmenter`."""
        network = load_muscle_network(self._folder)
        return EngineIdentity(NAME, f"{network.name} {network.version}", "muscles of the thigh", network.sha256)

    def __call__(self, volume: Volume) -> LabelMap:
        """Label a volume; see `Segmenter`."""
        return label_muscles([volume.frame(0)], load_muscle_network(self._folder)).labels
