"""Images of any contrast from tissue maps, in batches: random tissue brightness, disease, coil and scanner effects.

All randomness comes from the generator of `torch` that the caller seeds.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from training.muscle_network.codes import BONE_CLASS, CROP, FAT_CLASS, OTHER_LEG, OTHER_MUSCLE_CLASS, SLICES

_BANK_SIZE, _BANK_MARGIN = 160, 40
_bank: dict[int, Tensor] = {}


def uniform(low: float, high: float, *shape: int) -> Tensor:
    """Uniform random numbers of a shape."""
    return torch.rand(*shape) * (high - low) + low


def per_image(low: float, high: float, batch: int) -> Tensor:
    """One uniform random number per image, shaped to multiply (b, c, x, y)."""
    return uniform(low, high, batch, 1, 1, 1)


def sometimes(probability: float, batch: int) -> Tensor:
    """1 with the given probability, per image."""
    return (torch.rand(batch, 1, 1, 1) < probability).float()


def noise(batch: int, channels: int, cells: int) -> Tensor:
    """Smooth random fields with about `cells` bumps across the crop, drawn from a bank (crop, flip, sign)."""
    size = CROP + _BANK_MARGIN
    if cells not in _bank:
        coarse = torch.randn(_BANK_SIZE, 1, *(2 * [max(3, round(cells * size / CROP))]))
        smooth = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)[:, 0]
        _bank[cells] = smooth if cells < CROP else torch.randn(_BANK_SIZE, size, size)
    count = batch * channels
    which = torch.randint(0, _BANK_SIZE, (count,)).tolist()
    start = torch.randint(0, _BANK_MARGIN, (count, 2)).tolist()
    turn = torch.randint(0, 4, (count,)).tolist()
    fields = torch.empty(count, CROP, CROP)
    for i in range(count):
        field = _bank[cells][which[i], start[i][0] : start[i][0] + CROP, start[i][1] : start[i][1] + CROP]
        field = field.t() if turn[i] & 1 else field
        fields[i] = field if turn[i] & 2 else -field
    return fields.view(batch, channels, CROP, CROP)


def through(image: Tensor, cells: int) -> Tensor:
    """Smooth random fields of the shape of images (b, slices, x, y) that neighboring slices share in part."""
    batch, slices = image.shape[:2]
    return (noise(batch, 1, cells) + noise(batch, slices, cells)) * 0.7


def warp(maps: Tensor, strength: float = 1.0, *, growth: float = 0.0) -> Tensor:
    """Random affine and elastic deformation of tissue maps (b, slices, canvas, canvas) to (b, slices, CROP, CROP).

    Neighboring slices are deformed alike, but for a shift of a few millimeters. With `growth` single parts of the leg
    grow or waste by up to that share, so that muscles are not always as large beside one another as in the maps.
    """
    batch, slices, canvas, _ = maps.shape
    angle = uniform(-0.32, 0.32, batch) * strength
    scale_x = 1 + uniform(-0.24, 0.22, batch) * strength
    scale_y = scale_x * (1 + uniform(-0.12, 0.12, batch) * strength)
    shear = uniform(-0.12, 0.12, batch) * strength
    line = (torch.arange(CROP) + 0.5 - CROP / 2) / (canvas / 2)
    grid_x, grid_y = torch.meshgrid(line, line, indexing="ij")
    cos, sin = torch.cos(angle), torch.sin(angle)
    x = (cos / scale_x).view(-1, 1, 1) * grid_x + ((shear - sin) / scale_y).view(-1, 1, 1) * grid_y
    y = (sin / scale_x).view(-1, 1, 1) * grid_x + (cos / scale_y).view(-1, 1, 1) * grid_y
    shift = uniform(-0.10, 0.10, batch, 2) * strength
    bend = strength * sum(noise(batch, 2, cells) * per_image(0, size, batch) for cells, size in _BENDS)
    places = torch.stack([y + shift[:, 1].view(-1, 1, 1) + bend[:, 1], x + shift[:, 0].view(-1, 1, 1) + bend[:, 0]], -1)
    if growth:
        places = _grown(places, growth)
    slid = torch.zeros(batch, slices, 1, 1, 2)
    beside = [k for k in range(slices) if k != slices // 2]
    slid[:, beside] = 0.012 * torch.randn(batch, len(beside), 1, 1, 2)
    places = (places[:, None] + slid).view(batch * slices, CROP, CROP, 2)
    codes = maps.reshape(batch * slices, 1, canvas, canvas).float()
    bent = F.grid_sample(codes, places, mode="nearest", padding_mode="zeros", align_corners=False)
    return bent.view(batch, slices, CROP, CROP).long()


def _grown(places: Tensor, growth: float) -> Tensor:
    """Sampling places (b, x, y, 2) drawn toward or pushed from a few random points of the leg."""
    batch = len(places)
    for _ in range(_GROWING_PARTS):
        middle = uniform(-0.45, 0.45, batch, 1, 1, 2)
        reach = uniform(0.12, 0.35, batch, 1, 1, 1)
        share = uniform(-growth, growth, batch, 1, 1, 1)
        away = places - middle
        places = places - share * away * torch.exp(-0.5 * (away.square().sum(-1, keepdim=True) / reach**2))
    return places


_GROWING_PARTS = 3
_BENDS = ((5, 0.022), (10, 0.010), (22, 0.0035))


def target(tissue: Tensor) -> Tensor:
    """Classes (b, CROP, CROP) the network must give for the middle slice of tissue codes."""
    return classes_of(tissue[:, SLICES // 2])


def classes_of(tissue: Tensor) -> Tensor:
    """Classes of the network for tissue codes of any shape."""
    classes = tissue.clone()
    classes[(tissue >= 14) & (tissue <= 15)] = BONE_CLASS
    classes[(tissue >= 16) & (tissue <= 19)] = OTHER_MUSCLE_CLASS
    classes[(tissue == 12) | (tissue == 13) | (tissue == 20) | (tissue == 21)] = FAT_CLASS
    classes[tissue >= OTHER_LEG] = 0
    return classes


def remove_other_leg(tissue: Tensor) -> Tensor:
    """Turn the other leg into air in some images: one-leg studies."""
    alone = torch.rand(len(tissue), 1, 1, 1) < 0.2
    return torch.where(alone & (tissue >= OTHER_LEG), torch.zeros_like(tissue), tissue)


def render(tissue: Tensor, healthy_share: float = 0.0, *, split_share: float = 0.0) -> Tensor:
    """Images (b, slices, CROP, CROP), normalized, of tissue codes of that shape.

    Of stacks of `SLICES` some lose a neighbor; longer ones stay whole. One given share of images shows muscle without
    streaks, replacement or edema, the other septa within muscles.
    """
    batch = len(tissue)
    brightness = _brightness(batch)
    image = torch.gather(brightness, 1, tissue.view(batch, -1)).view(tissue.shape)
    local = torch.where(tissue >= OTHER_LEG, tissue - OTHER_LEG, tissue)
    muscle = (((local >= 1) & (local <= 11)) | ((local >= 16) & (local <= 19))).float()
    fat = brightness[:, 13].view(batch, 1, 1, 1)
    image = _with_texture(image, muscle)
    changed = 1 - sometimes(healthy_share, batch) if healthy_share else torch.ones(batch, 1, 1, 1)
    image = _with_muscle_disease(image, tissue, local, muscle * changed, fat, changed)
    skin = brightness[:, 21].view(batch, 1, 1, 1)
    parted = _parted(tissue, split_share) if split_share else tissue
    image = _with_septa_and_subcutis(image, parted, local, muscle, fat, skin)
    voids = (through(image, 30) > per_image(2.2, 3.2, batch)).float() * sometimes(0.1, batch) * (local > 0)
    image = image * (1 - voids) + voids * per_image(0, 0.1, batch)
    inverted = sometimes(0.04, batch)
    image = image.clamp_min(0)
    image = image * (1 - inverted) + (1 - image).clamp(0, 1) * inverted * (tissue > 0).float()
    image = _scanned(image)
    return _without_neighbors(image) if image.shape[1] == SLICES else image


def _without_neighbors(image: Tensor) -> Tensor:
    """Blank one or both neighbors of some slices: ends of a stack, and slices far apart."""
    batch = len(image)
    lower, upper = torch.rand(batch), torch.rand(batch)
    lower, upper = torch.where(torch.rand(batch) < 0.15, torch.zeros(2, batch), torch.stack([lower, upper]))
    keep = torch.stack([lower > 0.08, torch.ones(batch, dtype=torch.bool), upper > 0.08], 1)
    return image * keep.view(batch, SLICES, 1, 1)


def _brightness(batch: int) -> Tensor:
    muscle, fat, mode = uniform(0.12, 0.95, batch, 1), uniform(0.03, 1.0, batch, 1), torch.rand(batch, 1)
    apart = torch.where(torch.rand(batch, 1) < 0.5, 0.12, -0.12) + uniform(-0.05, 0.05, batch, 1)
    fat = torch.where((fat - muscle).abs() < 0.08, muscle + apart, fat).clamp(0.01, 1.2)
    spread = torch.where(
        mode < 0.5,
        uniform(0.0, 0.04, batch, 1),
        torch.where(mode < 0.85, uniform(0.03, 0.14, batch, 1), uniform(0.1, 0.35, batch, 1)),
    )
    table = torch.zeros(batch, 64)
    own = muscle * (1 + spread * torch.randn(batch, 11))
    end_stage = ((torch.rand(batch, 11) < 0.12) & (torch.rand(batch, 1) < 0.25)).float() * uniform(0.5, 1, batch, 11)
    own = own * (1 - end_stage) + fat * end_stage
    table[:, 1:12] = own
    table[:, 31:42] = own * (1 + 0.3 * spread * torch.randn(batch, 11))
    table[:, 12:13], table[:, 13:14] = fat, fat * (1 + uniform(-0.25, 0.25, batch, 1))
    dark = torch.rand(batch, 1) < 0.85
    table[:, 14:15] = torch.where(dark, uniform(0, 0.15, batch, 1), uniform(0, 1, batch, 1))
    fatty_marrow = torch.rand(batch, 1) < 0.7
    marrow = fat * (1 + uniform(-0.3, 0.25, batch, 1))
    table[:, 15:16] = torch.where(fatty_marrow, marrow, uniform(0, 1, batch, 1))
    table[:, 16:20] = muscle * (1 + spread * torch.randn(batch, 4))
    table[:, 20:21] = uniform(0, 1.3, batch, 1)
    muscle_like = torch.rand(batch, 1) < 0.5
    table[:, 21:22] = torch.where(muscle_like, muscle * uniform(0.5, 1.3, batch, 1), uniform(0, 1, batch, 1))
    table[:, 42:52] = table[:, 12:22]
    clean = torch.rand(batch, 1) < 0.93
    table[:, 0:1] = torch.where(clean, uniform(0, 0.04, batch, 1), uniform(0, 0.3, batch, 1))
    return table.clamp_min(0)


def _with_texture(image: Tensor, muscle: Tensor) -> Tensor:
    batch = len(image)
    texture = sum(
        through(image, cells) * per_image(0, size, batch) for cells, size in ((48, 0.05), (18, 0.06), (CROP, 0.06))
    )
    return image * (1 + muscle * texture)


def _with_muscle_disease(
    image: Tensor, tissue: Tensor, local: Tensor, muscle: Tensor, fat: Tensor, changed: Tensor
) -> Tensor:
    batch = len(image)
    streaks = torch.zeros_like(image)
    for cells in (14, 26, 40):
        where = (through(image, 8) > per_image(-0.3, 1.5, batch)).float()
        line = 1 - through(image, cells).abs() / per_image(0.02, 0.12, batch)
        streaks = torch.maximum(streaks, line.clamp(0, 1) * where)
    streaks = streaks * per_image(-0.2, 0.9, batch).clamp_min(0) * muscle
    color = torch.where(torch.rand(batch, 1, 1, 1) < 0.7, fat, per_image(0, 1, batch))
    image = image * (1 - streaks) + color * streaks
    field = (through(image, 9) + 0.4 * through(image, 30)) * per_image(0.3, 1.0, batch) + per_image(-1.2, 0.5, batch)
    replaced = field.clamp(0, 1) * per_image(0, 0.9, batch) * sometimes(0.25, batch) * muscle
    image = image * (1 - replaced) + fat * replaced
    patch = ((through(image, 7) - per_image(-0.4, 1.2, batch)) * 1.5).clamp(0, 1) * sometimes(0.35, batch)
    edema = patch * (muscle + 0.5 * (local == 13)).clamp(0, 1)
    reticular = (1 - through(image, 24).abs() / 0.15).clamp(0, 1) * sometimes(0.15, batch) * (local == 12)
    fascia = _edges(tissue, (local > 0) & (local != 21)) * (local == 13) * sometimes(0.2, batch)
    return image * (1 + (edema + reticular + fascia) * changed * per_image(-0.3, 1.4, batch))


def _edges(tissue: Tensor, inside: Tensor) -> Tensor:
    codes = tissue.float()
    padded = F.pad(codes, (0, 1, 0, 1), mode="replicate")
    differs = (padded[:, :, 1:, :-1] != codes) | (padded[:, :, :-1, 1:] != codes)
    return differs.float() * inside


def _parted(tissue: Tensor, share: float) -> Tensor:
    """Codes that change along a few smooth curves too, in some images: septa as between muscles run within them."""
    batch = len(tissue)
    field = noise(batch, 1, 5) + 0.25 * noise(batch, tissue.shape[1], 5)
    beyond = field > per_image(-0.8, 0.8, batch)
    return tissue + beyond.long() * sometimes(share, batch).long() * _OTHER_SIDE


_OTHER_SIDE = 2 * OTHER_LEG
"""Added to the codes on one side of a septum within a muscle."""


def _with_septa_and_subcutis(
    image: Tensor, parted: Tensor, local: Tensor, muscle: Tensor, fat: Tensor, skin: Tensor
) -> Tensor:
    batch = len(image)
    thin = _edges(parted, (local >= 1) & (local != 12) & (local != 21))
    thick = F.max_pool2d(thin, 3, 1, 1) * muscle
    seen = (0.65 + 0.4 * through(image, 12)).clamp(0, 1) * per_image(0.05, 1, batch) ** 0.7
    wide = (through(image, 10) > per_image(0.3, 1.8, batch)).float()
    septa = torch.maximum(thin * seen, thick * wide * seen)
    color = torch.where(torch.rand(batch, 1, 1, 1) < 0.75, fat, per_image(0, 0.6, batch))
    image = image * (1 - septa) + color * septa
    strands = (1 - through(image, 20).abs() / 0.08).clamp(0, 1) * per_image(0, 0.5, batch) * (local == 12)
    return image * (1 - strands) + strands * skin


def _scanned(image: Tensor) -> Tensor:
    """Point spread, coil sensitivity, resolution, noise, cropped field of view, gray scale."""
    batch = len(image)
    width, anisotropy = uniform(0.15, 1.05, batch), torch.exp(uniform(-0.3, 0.3, batch))
    image = _blurred(image, width * anisotropy, width / anisotropy)
    ramp = torch.linspace(-1, 1, CROP)
    tilt = per_image(-1, 1, batch) * ramp.view(1, 1, CROP, 1) + per_image(-1, 1, batch) * ramp.view(1, 1, 1, CROP)
    uneven = noise(batch, 1, 3) * per_image(0, 0.35, batch) + noise(batch, 1, 5) * per_image(0, 0.15, batch)
    image = image * torch.exp(uneven + tilt * per_image(0, 0.6, batch))
    coarse = bool(torch.rand(1) < 0.45)
    if coarse:
        rows = int(CROP / float(uniform(1.05, 2.4, 1)))
        image = F.interpolate(image, size=(rows, int(min(CROP, rows * float(uniform(0.85, 1.15, 1))))), mode="area")
    level = per_image(0, 0.06, batch) if coarse else per_image(0, 0.09, batch) * torch.rand(batch, 1, 1, 1)
    image = torch.sqrt((image + level * torch.randn_like(image)) ** 2 + (level * torch.randn_like(image)) ** 2)
    if coarse:
        image = F.interpolate(image, size=(CROP, CROP), mode="bilinear")
    for index in torch.nonzero(torch.rand(batch) < 0.1).flatten().tolist():
        edge = int(uniform(5, 45, 1))
        if torch.rand(1) < 0.5:
            image[index, :, :edge] = 0
        else:
            image[index, :, -edge:] = 0
    return normalize(image) ** torch.exp(per_image(-0.45, 0.45, batch))


def _blurred(image: Tensor, sigma_x: Tensor, sigma_y: Tensor) -> Tensor:
    batch, reach = len(image), 3
    line = torch.arange(-reach, reach + 1.0)
    kernels = [torch.exp(-(line**2) / (2 * sigma.view(-1, 1) ** 2 + 1e-6)) for sigma in (sigma_x, sigma_y)]
    kernel_x, kernel_y = (kernel / kernel.sum(1, keepdim=True) for kernel in kernels)
    stacked = image.transpose(0, 1)
    stacked = F.conv2d(stacked, kernel_x.view(batch, 1, -1, 1), padding=(reach, 0), groups=batch)
    return F.conv2d(stacked, kernel_y.view(batch, 1, 1, -1), padding=(0, reach), groups=batch).transpose(0, 1)


def normalize(image: Tensor) -> Tensor:
    """Scale the middle slice's 1st to 99th percentile to 0..1, clipped at 1.3; inference does the same."""
    flat = image[:, image.shape[1] // 2].reshape(len(image), -1)
    high = torch.quantile(flat[:, ::5], 0.99, dim=1).view(-1, 1, 1, 1)
    low = torch.quantile(flat[:, ::5], 0.01, dim=1).view(-1, 1, 1, 1)
    return ((image - low) / (high - low + 1e-6)).clamp(0, 1.3)
