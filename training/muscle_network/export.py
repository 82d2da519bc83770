"""Write trained weights as ONNX with their description beside them.

usage: python -m training.muscle_network.export RUN_FOLDER OUT.onnx
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch
from training.muscle_network.codes import CLASSES, CROP, LEVELS, PIXEL_MM, SLICES
from training.muscle_network.network import MuscleNetwork

OPSET = 17
LARGEST_DIFFERENCE = 2e-3
"""Of any logit between the exported file and the network it came from."""


def export(run: Path, target: Path) -> dict[str, object]:
    """Write `target` and a JSON of the same name, and return what the JSON says."""
    kept = torch.load(run / "state.pt", weights_only=True)
    network = MuscleNetwork()
    network.load_state_dict(kept["average"])
    network.eval()
    example = torch.rand(2, SLICES, CROP, CROP)
    torch.onnx.export(
        network,
        (example,),
        str(target),
        input_names=["image"],
        output_names=["classes", "level"],
        dynamic_axes={name: {0: "slices"} for name in ("image", "classes", "level")},
        opset_version=OPSET,
        dynamo=False,
    )
    _require_same_answers(network, target)
    last = max(run.glob("validation-*.json"))
    record: dict[str, object] = {
        "name": "thigh_muscles",
        "classes": list(CLASSES),
        "levels": list(LEVELS),
        "pixel_mm": PIXEL_MM,
        "crop": CROP,
        "slices": SLICES,
        "steps": kept["step"],
        "held_out": json.loads(last.read_text())["dice"],
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
    }
    target.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def _require_same_answers(network: MuscleNetwork, target: Path) -> None:
    import onnxruntime

    image = torch.rand(3, SLICES, CROP, CROP)
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    found = session.run(None, {"image": image.numpy()})
    with torch.no_grad():
        wanted = network(image)
    for given, expected in zip(found, wanted, strict=True):
        away = float((torch.from_numpy(given) - expected).abs().max())
        if away > LARGEST_DIFFERENCE:
            raise RuntimeError(f"exported network differs by {away:.2g} (limit {LARGEST_DIFFERENCE})")


def main() -> None:
    """Export one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    print(json.dumps(export(given.run, given.target), indent=1))


if __name__ == "__main__":
    main()
