"""How far agreement of answers tells a right muscle from a wrong one, on generated images of held-out people.

usage: python -m training.muscle_network.calibrate CACHE NETWORK_FOLDER OUT.json [--slices N]
The limit of agreement in the product is chosen from this table and from nothing else. Needs torch.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from training.muscle_network import render
from training.muscle_network.codes import LEVELS, MUSCLES, PIXEL_MM, SLICES
from training.muscle_network.train import read_cache

from heliotrope.backends.muscle_network import load_muscle_network
from heliotrope.domain.anatomy import Side
from heliotrope.segment.muscles.network import MuscleNetwork
from heliotrope.segment.muscles.predict import agreement, predict_leg

SEED = 11
SLICE_DISTANCE_MM = 8.0
GROUP = 4
"""Slices of one person that are judged as one muscle."""
SMALLEST_PIXELS = 60
RIGHT = 0.7
"""Dice from which a muscle counts as right."""
LIMITS = tuple(round(float(value), 2) for value in np.arange(0.5, 0.96, 0.05))


def ask(image: NDArray[np.float32], network: MuscleNetwork) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int]:
    """Averaged answer (crop, crop), single answers (views, crop, crop) and level of one generated crop of three slices.

    The crop becomes a slice of a left leg: medial is toward the patient's right, anterior toward the front.
    """
    volume = np.ascontiguousarray(np.moveaxis(image, 0, 2)[::-1, ::-1]).astype(np.float32)
    leg = np.zeros(volume.shape, dtype=bool)
    leg[:, :, SLICES // 2] = True
    found = predict_leg([volume], leg, Side.LEFT, (PIXEL_MM, PIXEL_MM, SLICE_DISTANCE_MM), network)
    assert found is not None
    averaged = np.argmax(found.probability[0], axis=0).astype(np.uint8)
    return averaged, found.answers[:, 0], int(np.argmax(found.level[0]))


def gather(cache: Path, network: MuscleNetwork, slices: int) -> tuple[list[tuple[str, float, float]], list[float]]:
    """Rows of (muscle, agreement, Dice) per group of slices, and whether each level was right."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    rows: list[tuple[str, float, float]] = []
    levels: list[float] = []
    _, held_out = read_cache(cache)
    for _, maps, stored_levels in held_out:
        chosen = rng.choice(len(maps), min(slices, len(maps)), replace=False)
        tissue = render.remove_other_leg(render.warp(maps[chosen], 0.6))
        images, truths = render.render(tissue).numpy(), render.target(tissue).numpy()
        answers = [ask(image, network) for image in images]
        levels += [float(a[2] == int(stored_levels[i])) for a, i in zip(answers, chosen, strict=True)]
        for start in range(0, len(answers) - GROUP + 1, GROUP):
            part = range(start, start + GROUP)
            averaged = np.stack([answers[i][0] for i in part])
            single = np.stack([answers[i][1] for i in part], axis=1)
            truth = truths[start : start + GROUP]
            for number, name in enumerate(MUSCLES, start=1):
                found, real = averaged == number, truth == number
                if found.sum() >= SMALLEST_PIXELS:
                    both = 2.0 * float((found & real).sum()) / float(found.sum() + real.sum())
                    rows.append((name, agreement(single, [number]), both))
    return rows, levels


def table(rows: list[tuple[str, float, float]]) -> list[dict[str, float]]:
    """For each limit: share of muscles kept, of kept ones that are right, and mean Dice of kept and withheld."""
    agreements, dices = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    lines = []
    for limit in LIMITS:
        kept = agreements >= limit
        lines.append(
            {
                "limit": limit,
                "kept": float(kept.mean()),
                "right among kept": float((dices[kept] >= RIGHT).mean()) if kept.any() else float("nan"),
                "Dice of kept": float(dices[kept].mean()) if kept.any() else float("nan"),
                "Dice of withheld": float(dices[~kept].mean()) if (~kept).any() else float("nan"),
            }
        )
    return lines


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("network", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--slices", type=int, default=32)
    given = parser.parse_args()
    network = load_muscle_network(given.network)
    rows, levels = gather(given.cache, network, given.slices)
    correlation = float(np.corrcoef([row[1] for row in rows], [row[2] for row in rows])[0, 1])
    record = {
        "network": network.title,
        "sha256": network.sha256,
        "muscles judged": len(rows),
        "correlation of agreement and Dice": correlation,
        "mean Dice": {name: float(np.mean([r[2] for r in rows if r[0] == name] or [np.nan])) for name in MUSCLES},
        "levels right": float(np.mean(levels)),
        "levels": list(LEVELS),
        "limits": table(rows),
    }
    given.out.write_text(json.dumps(record, indent=1))
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
