"""Any nnU-Net v2 model folder, through nnU-Net in its own environment."""

from __future__ import annotations

from pathlib import Path

from heliotrope.backends.label_schemes import to_regions
from heliotrope.backends.segmenter import EngineIdentity, EngineSettings, EngineStatus
from heliotrope.backends.subprocess_engine import (
    Workplace,
    find_program,
    hash_of_listing,
    installed_version,
    read_answer,
    read_json,
    run_program,
)
from heliotrope.domain.errors import EngineError
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Modality

NAME = "nnunet"
_PROGRAM = "nnUNetv2_predict_from_modelfolder"


def _model_problem(folder: Path) -> str | None:
    """What keeps a folder from being a usable nnU-Net v2 model of one channel."""
    dataset = read_json(folder / "dataset.json")
    if not dataset or not isinstance(dataset.get("labels"), dict):
        return "dataset.json with labels is absent"
    if not read_json(folder / "plans.json"):
        return "plans.json is absent"
    channels = dataset.get("channel_names", dataset.get("modality", {}))
    if len(channels) != 1:
        return f"it wants {len(channels)} channels, one image is given"
    if dataset.get("file_ending", ".nii.gz") != ".nii.gz":
        return "it does not read .nii.gz"
    if not _folds(folder):
        return "no fold_N/checkpoint_final.pth"
    return None


def _folds(folder: Path) -> list[str]:
    return sorted(p.parent.name.removeprefix("fold_") for p in folder.glob("fold_*/checkpoint_final.pth"))


def inspect_nnunet(settings: EngineSettings) -> EngineStatus:
    """What nnU-Net offers here."""
    missing = []
    if find_program(NAME, (_PROGRAM,), settings) is None:
        missing.append(
            f"the program {_PROGRAM} is not on the search path (install nnunetv2 in an environment of its own)"
        )
    folder = settings.weights_folders.get(NAME)
    problem = "no model folder was named" if folder is None else _model_problem(Path(folder))
    if problem is not None:
        missing.append(problem)
    tasks = (Path(folder).name,) if folder is not None and not missing else ()
    return EngineStatus(NAME, "nnU-Net v2 model folder", not missing, tuple(missing), tasks, license="of the model")


class NnUnet:
    """Calls nnU-Net on one image."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        """Name in the registry."""
        return NAME

    @property
    def modality(self) -> Modality | None:
        """CT where the model's channel is called so, MR where it is called anything else."""
        dataset = read_json(Path(self._settings.weights_folders.get(NAME, "")) / "dataset.json")
        channels = dataset.get("channel_names", dataset.get("modality", {}))
        return Modality.CT if [str(name).upper() for name in channels.values()] == ["CT"] else Modality.MR

    def _program(self) -> str:
        status = inspect_nnunet(self._settings)
        program = find_program(NAME, (_PROGRAM,), self._settings)
        if not status.ready or program is None:
            raise EngineError(
                f"nnU-Net is not ready: {'; '.join(status.missing)}",
                hint="heliotrope engines says what each engine lacks",
            )
        return program

    def identify(self) -> EngineIdentity:
        """Version and model; see `Segmenter`."""
        version = installed_version(self._program(), "nnunetv2")
        model = Path(self._settings.weights_folders[NAME])
        return EngineIdentity(NAME, version, model.name, hash_of_listing(model))

    def __call__(self, volume: Volume) -> LabelMap:
        """Label a volume; see `Segmenter`."""
        program = self._program()
        source = self.identify().source
        model = Path(self._settings.weights_folders[NAME])
        with Workplace(volume) as folder:
            images, answer = folder / "images", folder / "answer"
            images.mkdir()
            answer.mkdir()
            (folder / "image_0000.nii.gz").rename(images / "image_0000.nii.gz")
            run_program(
                [
                    program,
                    "-i",
                    str(images),
                    "-o",
                    str(answer),
                    "-m",
                    str(model),
                    "-f",
                    *_folds(model),
                    "-device",
                    "cpu",
                ],
                engine="nnU-Net",
                environment=self._settings.environment,
            )
            values = read_answer(answer / "image.nii.gz", volume.grid, engine="nnU-Net")
        labels = read_json(model / "dataset.json")["labels"]
        names = {int(number): str(name) for name, number in labels.items() if isinstance(number, int) and number != 0}
        return to_regions(values, names, volume.grid, source=source)
