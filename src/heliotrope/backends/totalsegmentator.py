"""TotalSegmentator in its own environment: usage statistics off, weights checked first, licensed tasks only with "
"a key.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from heliotrope.backends.label_schemes import to_regions
from heliotrope.backends.segmenter import EngineIdentity, EngineSettings, EngineStatus
from heliotrope.backends.subprocess_engine import (
    Workplace,
    find_program,
    hash_of_listing,
    installed_version,
    read_answer,
    run_program,
)
from heliotrope.backends.totalsegmentator_labels import TASKS
from heliotrope.domain.errors import EngineError
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Modality

NAME = "totalsegmentator"
OPEN_TASKS = {"total": (291, 292, 293, 294, 295), "total_mr": (850, 851)}
"""Weights each open task needs, by data set number."""
LICENSED_TASKS = {
    "thigh_shoulder_muscles": (857,),
    "thigh_shoulder_muscles_mr": (857,),
    "tissue_types": (481,),
    "tissue_types_mr": (925,),
    "tissue_4_types": (485,),
    "appendicular_bones": (304,),
    "appendicular_bones_mr": (855,),
}
"""Tasks whose weights need a license key."""


def _has_weights(folder: str | None, numbers: tuple[int, ...]) -> bool:
    return folder is not None and all(any(Path(folder).glob(f"Dataset{n}_*/*")) for n in numbers)


def inspect_totalsegmentator(settings: EngineSettings) -> EngineStatus:
    """What TotalSegmentator offers here."""
    missing = []
    if find_program(NAME, ("TotalSegmentator",), settings) is None:
        missing.append(
            "the program TotalSegmentator is not on the search path (install it in an environment of its own)"
        )
    folder = settings.weights_folders.get(NAME)
    if folder is None:
        missing.append("no folder of its weights was named; without one it would try to download them")
    tasks = [task for task, numbers in OPEN_TASKS.items() if _has_weights(folder, numbers)]
    withheld = [] if folder is None else [f"{task}: weights absent" for task in OPEN_TASKS if task not in tasks]
    for task, numbers in LICENSED_TASKS.items():
        if settings.license_keys.get(NAME) is None:
            withheld.append(f"{task}: needs a license key")
        elif not _has_weights(folder, numbers):
            withheld.append(f"{task}: weights absent")
        else:
            tasks.append(task)
    if folder is not None and not tasks:
        missing.append("the named folder holds the weights of no task")
    return EngineStatus(
        NAME,
        "TotalSegmentator",
        not missing,
        tuple(missing),
        tuple(tasks) if not missing else (),
        tuple(withheld),
        "Apache-2.0; some weights licensed",
    )


def _require_known(name: str, task: str) -> None:
    """Refuse a structure that the task is not known to write.

    Raises
    ------
    EngineError
        ``E_LABEL_SCHEME``.
    """
    if name not in TASKS[task]:
        raise EngineError(
            f"TotalSegmentator {task}: unknown structure {name}",
            hint="the engine's version differs from the label scheme known here (version 2)",
            code="E_LABEL_SCHEME",
        )


class TotalSegmentator:
    """Calls ``TotalSegmentator`` on one image; one file per structure comes back, named by it."""

    def __init__(self, settings: EngineSettings, task: str = "total_mr") -> None:
        self._settings = settings
        self._task = task

    @property
    def name(self) -> str:
        """Name in the registry."""
        return NAME

    @property
    def modality(self) -> Modality | None:
        """MR for the tasks that end so, CT for every other."""
        return Modality.MR if self._task.endswith("_mr") else Modality.CT

    def _program(self) -> str:
        status = inspect_totalsegmentator(self._settings)
        program = find_program(NAME, ("TotalSegmentator",), self._settings)
        if not status.ready or program is None or self._task not in status.tasks:
            withheld = [text for text in status.withheld if text.startswith(f"{self._task}:")]
            lack = "; ".join((*status.missing, *withheld)) or f"task {self._task} is unknown"
            raise EngineError(
                f"TotalSegmentator cannot run {self._task}: {lack}",
                hint="heliotrope engines says what each engine lacks",
            )
        return program

    def identify(self) -> EngineIdentity:
        """Version and weights; see `Segmenter`."""
        version = installed_version(self._program(), "TotalSegmentator")
        return EngineIdentity(NAME, version, self._task, hash_of_listing(Path(self._settings.weights_folders[NAME])))

    def __call__(self, volume: Volume) -> LabelMap:
        """Label a volume; see `Segmenter`."""
        program = self._program()
        source = self.identify().source
        with Workplace(volume) as folder:
            home, answer = folder / "home", folder / "answer"
            home.mkdir()
            answer.mkdir()
            settings: dict[str, object] = {"send_usage_stats": False, "prediction_counter": 0}
            key = self._settings.license_keys.get(NAME)
            if key is not None:
                settings["license_number"] = key
            (home / "config.json").write_text(json.dumps(settings), encoding="utf-8")
            environment = {
                **self._settings.environment,
                "TOTALSEG_HOME_DIR": str(home),
                "TOTALSEG_WEIGHTS_PATH": self._settings.weights_folders[NAME],
            }
            run_program(
                [program, "-i", str(folder / "image_0000.nii.gz"), "-o", str(answer), "--task", self._task],
                engine="TotalSegmentator",
                environment=environment,
            )
            values = np.zeros(volume.grid.shape, dtype=np.uint16)
            names: dict[int, str] = {}
            for number, file in enumerate(sorted(answer.glob("*.nii.gz")), start=1):
                _require_known(file.name.removesuffix(".nii.gz"), self._task)
                mask = read_answer(file, volume.grid, engine="TotalSegmentator") > 0
                values[mask] = number
                names[number] = file.name.removesuffix(".nii.gz")
            if not names:
                raise EngineError("TotalSegmentator wrote no labels", hint="run it by hand on one image")
        return to_regions(values, names, volume.grid, source=source)
