"""Train the network on generated images only.

usage: python -m training.muscle_network.train CACHE_FOLDER OUT_FOLDER --steps N [--resume] [--threads N]
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from training.muscle_network import render
from training.muscle_network.codes import CLASSES, LEVELS
from training.muscle_network.network import MuscleNetwork
from training.muscle_network.sources import HELD_OUT, person_of

BATCH, LEARNING_RATE, WARM_UP_STEPS = 8, 2e-3, 150
BODY_SHARE = {"hip-thigh-knee": 0.16, "whole-body": 0.06}
HEALTHY_SHARE, SPLIT_SHARE, GROWTH = 0.4, 0.5, 0.35
"""Shares of images without disease and with septa within muscles, and by how much parts of a leg grow or waste. [1]"""
LEVEL_WEIGHT = 0.15
SEED = 1


def read_cache(folder: Path) -> tuple[list[tuple[str, Tensor, Tensor]], list[tuple[str, Tensor, Tensor]]]:
    """Tissue maps and levels per source, split into training and held-out people."""
    training, held_out = [], []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            row = (path.stem, torch.from_numpy(stored["maps"]), torch.from_numpy(stored["levels"]).long())
        (held_out if person_of(path.name) in HELD_OUT else training).append(row)
    return training, held_out


def sampling_weights(sources: list[tuple[str, Tensor, Tensor]]) -> np.ndarray:
    """Fixed shares for the two body maps, the rest over thigh maps by the root of their size."""
    weights = np.array([np.sqrt(len(maps)) if name not in BODY_SHARE else 0.0 for name, maps, _ in sources])
    weights *= (1 - sum(BODY_SHARE.values())) / weights.sum()
    for index, (name, _, _) in enumerate(sources):
        weights[index] += BODY_SHARE.get(name, 0.0)
    return weights / weights.sum()


def draw(
    sources: list[tuple[str, Tensor, Tensor]], weights: np.ndarray, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw one batch of tissue maps and levels."""
    maps, levels = [], []
    for source in rng.choice(len(sources), BATCH, p=weights):
        _, stored, stored_levels = sources[source]
        index = int(rng.integers(len(stored)))
        maps.append(stored[index])
        levels.append(stored_levels[index])
    return torch.stack(maps), torch.stack(levels)


def dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """One minus the mean batch Dice over all classes but background."""
    hot = F.one_hot(truth, len(CLASSES)).permute(0, 3, 1, 2).float()
    shared, total = (probability * hot).sum((0, 2, 3)), probability.sum((0, 2, 3)) + hot.sum((0, 2, 3))
    return 1 - ((2 * shared + 20) / (total + 20))[1:].mean()


def validation_set(held_out: list[tuple[str, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Fixed images of the held-out people, mildly deformed."""
    state = torch.get_rng_state()
    torch.manual_seed(7)
    rng = np.random.default_rng(3)
    images, truths = [], []
    for _, maps, _ in held_out:
        chosen = rng.choice(len(maps), min(32, len(maps)), replace=False)
        tissue = render.warp(maps[chosen], 0.6)
        images.append(render.render(tissue))
        truths.append(render.target(tissue))
    torch.set_rng_state(state)
    return torch.cat(images), torch.cat(truths)


@torch.no_grad()
def validate(network: MuscleNetwork, images: Tensor, truth: Tensor) -> list[float]:
    """Dice of every class but background on the held-out images."""
    network.eval()
    found = torch.cat([network(images[k : k + 16])[0].argmax(1) for k in range(0, len(images), 16)])
    network.train()
    return [
        float(2 * ((found == c) & (truth == c)).sum() / ((found == c).sum() + (truth == c).sum()).clamp_min(1))
        for c in range(1, len(CLASSES))
    ]


def main() -> None:
    """Train for the given number of steps; keeps the averaged weights and what is needed to go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, required=True, help="the learning rate falls to zero over them")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(given.threads)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    training, held_out = read_cache(given.cache)
    weights = sampling_weights(training)
    images, truths = validation_set(held_out)
    network = MuscleNetwork().to(memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-4)
    step = 0
    if given.resume:
        kept = torch.load(given.out / "state.pt", weights_only=True)
        network.load_state_dict(kept["network"])
        average.load_state_dict(kept["average"])
        optimizer.load_state_dict(kept["optimizer"])
        step = kept["step"]
        torch.manual_seed(SEED + step)
        rng = np.random.default_rng(SEED + step)
    class_weight = torch.ones(len(CLASSES))
    class_weight[0], class_weight[12] = 0.6, 0.8
    started, losses = time.time(), []
    while step < given.steps:
        rate = LEARNING_RATE * min(1.0, (step + 1) / WARM_UP_STEPS) * (1 - step / given.steps) ** 0.9
        for group in optimizer.param_groups:
            group["lr"] = max(rate, 1e-6)
        with torch.no_grad():
            maps, levels = draw(training, weights, rng)
            tissue = render.remove_other_leg(render.warp(maps, growth=GROWTH))
            image, truth = render.render(tissue, HEALTHY_SHARE, split_share=SPLIT_SHARE), render.target(tissue)
        with torch.autocast("cpu", torch.bfloat16):
            logits, level_logits = network(image.to(memory_format=torch.channels_last))
        logits = logits.float()
        loss = F.cross_entropy(logits, truth, weight=class_weight) + dice_loss(logits.softmax(1), truth)
        loss = loss + LEVEL_WEIGHT * F.cross_entropy(level_logits.float(), levels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        step += 1
        _follow(average, network, min(0.998, (1 + step) / (10 + step)))
        losses.append(float(loss.detach()))
        if step % 250 == 0:
            seconds = time.time() - started
            print(f"step {step}, {seconds:.0f} s, loss {np.mean(losses[-200:]):.3f}", flush=True)
        if step % 1000 == 0:
            _keep(given.out, network, average, optimizer, step, validate(average, images, truths))
    _keep(given.out, network, average, optimizer, step, validate(average, images, truths))


@torch.no_grad()
def _follow(average: MuscleNetwork, network: MuscleNetwork, decay: float) -> None:
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _keep(
    folder: Path,
    network: MuscleNetwork,
    average: MuscleNetwork,
    optimizer: torch.optim.Optimizer,
    step: int,
    dice: list[float],
) -> None:
    state = {"network": network.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "step": step}, folder / "state.pt")
    record = {"step": step, "levels": LEVELS, "dice": dict(zip(CLASSES[1:], dice, strict=True))}
    record["mean_of_muscles"] = float(np.mean(dice[:11]))
    (folder / f"validation-{step:06d}.json").write_text(json.dumps(record, indent=1))
    print(f"step {step}: held-out mean {record['mean_of_muscles']:.3f} {np.round(dice, 3).tolist()}", flush=True)


if __name__ == "__main__":
    main()
