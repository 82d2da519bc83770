"""Put trained weights where the package looks for them, with the card that describes them.

usage: python -m training.muscle_network.ship WEIGHTS.onnx VERSION [--to FOLDER]
What ``export`` wrote beside the weights goes into the card; the model card ``README.md`` is written by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from training.muscle_network.codes import CLASSES, CROP, LEVELS, PIXEL_MM

from heliotrope.backends.muscle_network import SHIPPED, load_muscle_network
from heliotrope.backends.onnx_network import SCHEMA

LARGEST_GAP_MM = 30.0
"""Neighboring slices farther away are shown as empty."""


def main() -> None:
    """Copy the weights, write the card, and load both once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("version")
    parser.add_argument("--to", type=Path, default=SHIPPED)
    given = parser.parse_args()
    content = given.weights.read_bytes()
    beside = given.weights.with_suffix(".json")
    exported = json.loads(beside.read_text()) if beside.is_file() else {}
    card = {
        "schema": SCHEMA,
        "name": "thigh-muscles",
        "version": given.version,
        "labels": {str(number): name for number, name in enumerate(CLASSES)},
        "levels": list(LEVELS),
        "pixel_mm": PIXEL_MM,
        "crop_pixels": CROP,
        "largest_gap_mm": LARGEST_GAP_MM,
        "license": "Apache-2.0",
        "sha256": hashlib.sha256(content).hexdigest(),
        **{key: exported[key] for key in ("steps", "held_out") if key in exported},
    }
    if exported and exported.get("sha256") != card["sha256"]:
        parser.error(f"{beside.name} describes other weights than {given.weights.name}")
    given.to.mkdir(parents=True, exist_ok=True)
    (given.to / "model.onnx").write_bytes(content)
    (given.to / "model.json").write_text(json.dumps(card, indent=2) + "\n")
    network = load_muscle_network(given.to)
    print(f"{network.title}: {len(content) / 2**20:.1f} MiB, {len(network.muscles)} muscles, in {given.to.name}")


if __name__ == "__main__":
    main()
