"""A network of our own format: ``model.onnx`` with ``model.json`` beside it, run by onnxruntime on the CPU."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliotrope.backends.subprocess_engine import read_json
from heliotrope.domain.errors import EngineError

SCHEMA = "heliotrope-network/1"


@dataclass(frozen=True)
class NetworkCard:
    """What ``model.json`` says.

    Parameters
    ----------
    name, version : str
    labels : mapping of int to str
        Output channel to structure; 0 is background.
    sha256 : str
        Of ``model.onnx``.
    details : mapping
        Everything else, e.g. pixel size and patch size, for the code that prepares the input.
    """

    name: str
    version: str
    labels: Mapping[int, str]
    sha256: str
    details: Mapping[str, Any]


class OnnxNetwork:
    """A loaded network.

    Parameters
    ----------
    card : NetworkCard
    session : onnxruntime.InferenceSession
    """

    def __init__(self, card: NetworkCard, session: Any) -> None:
        self.card = card
        self._session = session

    @classmethod
    def load(cls, folder: Path, *, threads: int = 0) -> OnnxNetwork:
        """Load a network folder.

        Parameters
        ----------
        folder : Path
            Holds ``model.onnx`` and ``model.json``.
        threads : int
            0 leaves the number to onnxruntime.

        Raises
        ------
        EngineError
            onnxruntime or a file is missing, the file's hash is not the card's, or the network cannot be read.
        """
        card = read_card(folder)
        content = (folder / "model.onnx").read_bytes()
        if hashlib.sha256(content).hexdigest() != card.sha256:
            raise EngineError(
                f"network {card.name}: model.onnx is not the file its card describes", hint="copy both files again"
            )
        problem = onnx_problem()
        if problem is not None:
            raise EngineError(problem, hint="install it: pip install onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises kinds of its own
            raise EngineError(f"network {card.name} cannot be read", hint="copy model.onnx again") from error
        return cls(card, session)

    def run(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Outputs of the network for a batch, which its first input takes; the first output has the card's channels.

        Raises
        ------
        EngineError
            The batch does not fit the network, or the output has another number of channels than the card names.
        """
        name = self._session.get_inputs()[0].name
        try:
            outputs = self._session.run(None, {name: np.ascontiguousarray(batch, dtype=np.float32)})
        except Exception as error:  # onnxruntime raises kinds of its own
            raise EngineError(
                f"network {self.card.name}: input of shape {batch.shape} does not fit", hint="check the model card"
            ) from error
        found = tuple(np.asarray(output, dtype=np.float32) for output in outputs)
        channels = found[0].shape[1] if found[0].ndim > 1 else 0
        if channels != len(self.card.labels):
            raise EngineError(
                f"network {self.card.name}: {channels} channels, {len(self.card.labels)} on its card",
                hint="model.onnx and model.json belong to different versions",
            )
        return found


def read_card(folder: Path) -> NetworkCard:
    """The card of a network folder.

    Raises
    ------
    EngineError
        A file is absent or the card is of another form.
    """
    plain = read_json(folder / "model.json")
    labels = plain.get("labels")
    if plain.get("schema") != SCHEMA or not isinstance(labels, dict) or not (folder / "model.onnx").is_file():
        raise EngineError(
            f"no network: model.onnx and a model.json of schema {SCHEMA} are needed", hint="name the network's folder"
        )
    known = {"schema", "name", "version", "labels", "sha256"}
    return NetworkCard(
        str(plain.get("name", "network")),
        str(plain.get("version", "?")),
        MappingProxyType({int(number): str(name) for number, name in labels.items()}),
        str(plain.get("sha256", "")),
        MappingProxyType({key: value for key, value in plain.items() if key not in known}),
    )


def onnx_problem() -> str | None:
    """Why no network can run here; None where onnxruntime is installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed"
    return None
