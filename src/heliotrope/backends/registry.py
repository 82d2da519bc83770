"""Every engine that can label an image, in one list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from heliotrope.backends.muscle_network import ThighMuscles, inspect_network
from heliotrope.backends.musclemap import MuscleMap, inspect_musclemap
from heliotrope.backends.nnunet import NnUnet, inspect_nnunet
from heliotrope.backends.segmenter import EngineSettings, EngineStatus, Segmenter
from heliotrope.backends.totalsegmentator import TotalSegmentator, inspect_totalsegmentator
from heliotrope.domain.errors import OptionError

_BUILT_IN = (
    EngineStatus("tissues", "weight-free tissues", True, tasks=("MR", "CT"), license="Apache-2.0"),
    EngineStatus("person", "a person's labels", True, tasks=("NIfTI with legend", "DICOM SEG", "RTSTRUCT"), license=""),
)
_TASKS_TO_CHOOSE = frozenset({"musclemap", "totalsegmentator"})
_ENGINES: dict[str, Callable[[EngineSettings, str | None], Segmenter]] = {
    "network": lambda settings, _task: ThighMuscles(settings),
    "musclemap": lambda settings, task: MuscleMap(settings, task or "wholebody"),
    "totalsegmentator": lambda settings, task: TotalSegmentator(settings, task or "total_mr"),
    "nnunet": lambda settings, _task: NnUnet(settings),
}


def list_engines(settings: EngineSettings) -> tuple[EngineStatus, ...]:
    """Every engine with what it offers here or lacks."""
    network = settings.weights_folders.get("network")
    return (
        *_BUILT_IN,
        inspect_network(None if network is None else Path(network)),
        inspect_musclemap(settings),
        inspect_totalsegmentator(settings),
        inspect_nnunet(settings),
    )


def make_engine(name: str, settings: EngineSettings, task: str | None = None) -> Segmenter:
    """An engine that labels an image, by name.

    Raises
    ------
    OptionError
        Unknown name; the message lists what exists. A task for an engine that has but one.
    """
    if name not in _ENGINES:
        raise OptionError(f"unknown engine {name!r}", hint="one of: " + ", ".join(_ENGINES), code="E_ENGINE_NAME")
    if task is not None and name not in _TASKS_TO_CHOOSE:
        raise OptionError(f"engine {name} has no task to choose", hint="leave the task out", code="E_ENGINE_TASK")
    return _ENGINES[name](settings, task)
