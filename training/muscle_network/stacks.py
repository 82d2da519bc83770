"""How much neighboring slices help, on whole generated stacks of held-out people.

usage: python -m training.muscle_network.stacks THIGH_LABEL_MAPS NETWORK_FOLDER
The width of what neighbors let expect was chosen here and nowhere else. Needs torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from training.muscle_network import render
from training.muscle_network.codes import MUSCLES, OTHER_LEG, PIXEL_MM
from training.muscle_network.shapes import canonical, center_of, tissue_map
from training.muscle_network.sources import (
    HELD_OUT,
    LEAST_SHARE_OF_LARGEST,
    pairs_of_legs,
    person_of,
    stack_of_thighs,
)

from heliotrope.backends.muscle_network import load_muscle_network
from heliotrope.domain.anatomy import Side
from heliotrope.segment.muscles import predict
from heliotrope.segment.muscles.crops import CropFrame, View, between
from heliotrope.segment.muscles.network import MuscleNetwork

SEED = 5
SPACING_MM = 6.0
"""Slices lie at least this far apart."""
DEFORMATION, HEALTHY_SHARE = 0.6, 0.5


def stack_of_leg(path: Path, side: int) -> tuple[torch.Tensor, float]:
    """Tissue codes (1, slices, CROP, CROP) of one leg, deformed alike in all slices, and their distance. [mm]"""
    slices, spacing_mm = stack_of_thighs(path)
    step = max(1, round(SPACING_MM / spacing_mm))
    slices = slices[::step]
    pairs = pairs_of_legs(slices)
    areas = np.array([(labels > 0).sum() for labels in slices])
    full = areas > LEAST_SHARE_OF_LARGEST * areas.max()
    drawn = []
    for pair in (pair for pair, usable in zip(pairs, full, strict=True) if usable and pair[side] is not None):
        whole = tissue_map(pair, side, np.random.default_rng(SEED + side))
        drawn.append(canonical(whole, side, center_of(whole)))
    return render.warp(torch.from_numpy(np.array(drawn))[None], DEFORMATION), spacing_mm * step


def mean_dice(found: NDArray[np.integer], truth: NDArray[np.integer]) -> float:
    """Mean over the muscles of the overlap in a whole stack."""
    overlaps = []
    for number in range(1, len(MUSCLES) + 1):
        ours, theirs = found == number, truth == number
        overlaps.append(2.0 * float((ours & theirs).sum()) / max(float(ours.sum() + theirs.sum()), 1.0))
    return float(np.mean(overlaps))


def measure(tissue: torch.Tensor, spacing_mm: float, network: MuscleNetwork) -> tuple[float, float]:
    """Mean Dice of one generated stack from each slice by itself, and with its neighbors."""
    image = render.render(tissue, HEALTHY_SHARE)[0].numpy()
    own = ((tissue[0] > 0) & (tissue[0] < OTHER_LEG)).numpy()
    # as a slice of a left leg: medial is toward the patient's right, anterior toward the front
    volume, leg = (np.ascontiguousarray(np.moveaxis(a, 0, 2)[::-1, ::-1]) for a in (image, own))
    classes = np.moveaxis(render.classes_of(tissue[0]).numpy(), 0, 2)[::-1, ::-1]
    alone = predict.answer_slices(
        [volume.astype(np.float32)], leg, Side.LEFT, (PIXEL_MM, PIXEL_MM, spacing_mm), network
    )
    assert alone is not None
    truth = np.stack([_in_crop(classes[:, :, k], frame) for k, frame in zip(alone.planes, alone.frames, strict=True)])
    together = predict.with_neighbors(alone.probability, alone.planes * spacing_mm, alone.frames)
    return mean_dice(alone.probability.argmax(1), truth), mean_dice(together.argmax(1), truth)


def _in_crop(classes: NDArray[np.int64], frame: CropFrame) -> NDArray[np.int64]:
    first, second = frame.weights_into((classes.shape[0], classes.shape[1]), View())
    shares = [between(first, (classes == c).astype(np.float32), second) for c in range(int(classes.max()) + 1)]
    return np.asarray(np.argmax(shares, axis=0))


def main() -> None:
    """Print the overlap of every stack and the mean of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("network", type=Path)
    given = parser.parse_args()
    network = load_muscle_network(given.network)
    torch.manual_seed(SEED)
    rows = []
    for path in sorted(given.label_maps.glob("*.nii.gz")):
        if person_of(path.name) in HELD_OUT:
            for side in (0, 1):
                rows.append(measure(*stack_of_leg(path, side), network))
                print(
                    f"{path.name}, leg {side + 1}: {rows[-1][0]:.3f} alone, {rows[-1][1]:.3f} with neighbors",
                    flush=True,
                )
    alone, together = np.mean(rows, axis=0)
    print(f"{network.title}, {len(rows)} stacks: {alone:.3f} alone, {together:.3f} with neighbors")


if __name__ == "__main__":
    main()
