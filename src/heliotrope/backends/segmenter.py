"""What a segmentation engine is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Modality


@dataclass(frozen=True)
class EngineIdentity:
    """What labels came from.

    Parameters
    ----------
    name : str
        Name in the registry.
    version : str
        As installed.
    task : str
    weights : str
        Hash that changes with the weights.
    """

    name: str
    version: str
    task: str
    weights: str

    @property
    def source(self) -> str:
        """Engine, version and task, as `LabelMap.source` states them."""
        return f"{self.name} {self.version} {self.task}"


class Segmenter(Protocol):
    """An engine that turns a volume into labels on the volume's grid."""

    @property
    def name(self) -> str:
        """Name in the registry."""
        ...

    @property
    def modality(self) -> Modality | None:
        """The only modality it was trained on; None when it takes any."""
        ...

    def identify(self) -> EngineIdentity:
        """What would label an image now.

        Raises
        ------
        EngineError
            The engine or its weights are missing, or the task is unknown or unlicensed.
        """
        ...

    def __call__(self, volume: Volume) -> LabelMap:
        """Label a volume.

        Raises
        ------
        EngineError
            The engine is missing, unlicensed or failed.
        """
        ...


@dataclass(frozen=True)
class EngineSettings:
    """What a site says about its engines; no engine looks anywhere else.

    Parameters
    ----------
    programs : mapping of str to str
        Path of an engine's program, by engine name; where absent the search path is used.
    weights_folders : mapping of str to str
        Folder of an engine's weights, by engine name.
    license_keys : mapping of str to str
        License key, by engine name; licensed tasks are offered only with one.
    environment : mapping of str to str
        Variables of the process, read once at the edge: ``PATH``, ``HOME``, ``TOTALSEG_HOME_DIR``.
    """

    programs: Mapping[str, str] = field(default_factory=dict)
    weights_folders: Mapping[str, str] = field(default_factory=dict)
    license_keys: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineStatus:
    """What an engine offers here, or what it lacks.

    Parameters
    ----------
    name : str
    title : str
    ready : bool
    missing : tuple of str
        Sentences; empty when ready.
    tasks : tuple of str
        What may be asked of it now.
    withheld : tuple of str
        Tasks it knows and may not offer, each with the reason.
    license : str
        License of its code and weights.
    """

    name: str
    title: str
    ready: bool
    missing: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    license: str = ""
