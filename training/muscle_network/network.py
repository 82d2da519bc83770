"""The network: a 2-D U-Net with a level gate on its deepest features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from training.muscle_network.codes import CLASSES, LEVELS, SLICES

CHANNELS = (16, 40, 80, 160, 288)
"""Features per resolution, from the pixel up; few where the image is large: there memory sets the pace."""


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(n_out)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.first_norm(self.first(x)), 0.01)
        return F.leaky_relu(self.second_norm(self.second(x)), 0.01)


class MuscleNetwork(nn.Module):
    """Image (b, SLICES, CROP, CROP) to class logits (b, classes, CROP, CROP) and level logits (b, levels)."""

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        depth = len(channels)
        self.down = nn.ModuleList(_Block(SLICES if i == 0 else channels[i - 1], channels[i]) for i in range(depth))
        ups = range(depth - 1, 0, -1)
        self.up = nn.ModuleList(nn.ConvTranspose2d(channels[i], channels[i - 1], 2, 2) for i in ups)
        self.join = nn.ModuleList(_Block(channels[i - 1] * 2, channels[i - 1]) for i in ups)
        self.classes = nn.Conv2d(channels[0], len(CLASSES), 1)
        self.level = nn.Linear(channels[-1], len(LEVELS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept: list[Tensor] = []
        for depth, block in enumerate(self.down):
            x = block(x if depth == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        level = self.level(kept.pop().mean((2, 3)))
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), kept.pop()], 1))
        return self.classes(x), level
