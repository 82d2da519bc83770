"""MuscleMap in its own environment."""

from __future__ import annotations

from pathlib import Path

from heliotrope.backends.label_schemes import to_regions
from heliotrope.backends.musclemap_labels import label_names
from heliotrope.backends.segmenter import EngineIdentity, EngineSettings, EngineStatus
from heliotrope.backends.subprocess_engine import (
    Workplace,
    find_program,
    hash_of_listing,
    installed_version,
    read_answer,
    run_program,
)
from heliotrope.domain.errors import EngineError
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Modality

NAME = "musclemap"
REGIONS = ("wholebody", "thigh", "leg", "pelvis", "abdomen")


def inspect_musclemap(settings: EngineSettings) -> EngineStatus:
    """What MuscleMap offers here."""
    missing = []
    if find_program(NAME, ("mm_segment",), settings) is None:
        missing.append(
            "the program mm_segment is not on the search path (install MuscleMap in an environment of its own)"
        )
    weights = settings.weights_folders.get(NAME)
    if weights is None:
        missing.append("no folder of its models was named; without one it would try to download them")
        tasks: tuple[str, ...] = ()
    else:
        tasks = tuple(region for region in REGIONS if list(Path(weights).glob(f"{region}/*.pth")))
        if not tasks:
            missing.append("the named folder holds no model (REGION/*.pth)")
    return EngineStatus(
        NAME, "MuscleMap", not missing, tuple(missing), tasks if not missing else (), license="MIT code and weights"
    )


class MuscleMap:
    """Calls ``mm_segment`` on one image."""

    def __init__(self, settings: EngineSettings, region: str = "wholebody") -> None:
        self._settings = settings
        self._region = region

    @property
    def name(self) -> str:
        """Name in the registry."""
        return NAME

    @property
    def modality(self) -> Modality | None:
        """Any contrast of MR, and CT."""
        return None

    def _program(self) -> str:
        status = inspect_musclemap(self._settings)
        program = find_program(NAME, ("mm_segment",), self._settings)
        if not status.ready or program is None or self._region not in status.tasks:
            lack = "; ".join(status.missing) or f"no model for {self._region}"
            raise EngineError(f"MuscleMap is not ready: {lack}", hint="heliotrope engines says what each engine lacks")
        return program

    def identify(self) -> EngineIdentity:
        """Version and models; see `Segmenter`."""
        version = installed_version(self._program(), "musclemap")
        models = Path(self._settings.weights_folders[NAME]) / self._region
        return EngineIdentity(NAME, version, self._region, hash_of_listing(models))

    def __call__(self, volume: Volume) -> LabelMap:
        """Label a volume; see `Segmenter`."""
        program = self._program()
        source = self.identify().source
        names = label_names(Path(self._settings.weights_folders[NAME]) / self._region, self._region)
        with Workplace(volume) as folder:
            image = folder / "image_0000.nii.gz"
            answer = folder / "answer"
            answer.mkdir()
            run_program(
                [program, "-i", str(image), "-r", self._region, "-o", str(answer)],
                engine="MuscleMap",
                environment=self._settings.environment,
            )
            written = sorted(answer.glob("*dseg.nii.gz")) + sorted(answer.glob("*.nii.gz"))
            path = written[0] if written else answer / "image_0000_dseg.nii.gz"
            values = read_answer(path, volume.grid, engine="MuscleMap")
        return to_regions(values, names, volume.grid, source=source)
