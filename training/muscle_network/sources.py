"""Tissue maps from the label maps, cached one file per map.

usage: python -m training.muscle_network.sources LABEL_MAPS_FOLDER CACHE_FOLDER
LABEL_MAPS_FOLDER holds ``thigh-label-maps`` and ``body-label-maps``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from itertools import pairwise
from multiprocessing import Pool
from pathlib import Path

import nibabel
import numpy as np
from training.muscle_network.codes import CANVAS, LEVELS, MUSCLES, OTHER_MUSCLE, PIXEL_MM, VESSEL
from training.muscle_network.shapes import (
    Codes,
    Leg,
    Pair,
    canonical,
    center_of,
    depth_mm,
    distance_mm,
    largest_pieces,
    resample_labels,
    tissue_map,
)

HELD_OUT = ("THIGH_049", "THIGH_014", "THIGH_061", "THIGH_119", "HV005")
"""People kept for validation; every map of these people is held out."""

VARIANTS_OF_THIGH, VARIANTS_OF_BODY = 2, 2
THICK_MM, CENTERS_MM, SPACING_OF_BODY_MM = 15.0, 11.0, 4.0
"""Stacks further apart than the first get slices in between; labeled slices lie about the second apart."""
NEIGHBOR_MM = (4.0, 26.0)
"""Distance of the neighboring slices that the network sees beside its own."""
SMALLEST_LEG_PIXELS = 150
QUADRICEPS_OF_A_THIGH_MM2 = 600.0
LEAST_SHARE_OF_LARGEST = 0.2
"""Slices with less labeled muscle than this share of the fullest one are ends of the map."""
_BONES = {"femur", "tibia", "fibula", "ilium", "sacrum"}
_HIP = {"ilium", "sacrum", "obturator internus", "piriformis", "gluteus medius", "gluteus minimus", "iliacus"}
_LEG = {"tibia", "fibula", "soleus", "anterior compartment", "lateral compartment"}


def person_of(name: str) -> str:
    """Person a thigh label map belongs to: the part of its name that says whom, not which contrast."""
    stem = name.split(".")[0]
    return stem.split("-")[-1].rsplit("_", 1)[0] if "THIGH" in stem else stem.split("-")[-1].split("_")[0]


def _rng_of(path: Path) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:8], "big"))


def _read(path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    image = nibabel.as_closest_canonical(nibabel.load(path))
    zooms = tuple(float(value) for value in image.header.get_zooms()[:3])
    return np.asarray(image.dataobj).astype(np.int32), (zooms[0], zooms[1], zooms[2])


def _cropped(*arrays: np.ndarray, margin: int = 40) -> list[np.ndarray]:
    padded = [np.pad(array, margin) for array in arrays]
    where = np.argwhere(np.any([array > 0 for array in padded], axis=0))
    low, high = np.maximum(where.min(0) - margin, 0), where.max(0) + margin + 1
    return [array[low[0] : high[0], low[1] : high[1]] for array in padded]


def _two_legs(labels: Codes) -> tuple[Codes, Codes]:
    """Split one slice between the legs by two-means on x."""
    if not labels.any():
        return labels, labels
    columns = np.argwhere(labels > 0)[:, 0]
    low, high = np.percentile(columns, [10, 90])
    for _ in range(10):
        middle = (low + high) / 2
        if not low < high:
            break
        low, high = columns[columns <= middle].mean(), columns[columns > middle].mean()
    x = np.arange(labels.shape[0])[:, None]
    middle = (low + high) / 2
    return np.where(x <= middle, labels, 0).astype(np.uint8), np.where(x > middle, labels, 0).astype(np.uint8)


def halved_spacing(slices: list[Codes]) -> list[Codes]:
    """Put a slice between every two, each label's signed distances averaged: shapes halfway between both."""
    filled = [slices[0]]
    for below, above in pairwise(slices):
        nearest = np.full(below.shape, np.inf)
        middle = np.zeros_like(below)
        for label in np.union1d(below, above):
            inside = (below == label, above == label)
            reach = [distance_mm(mask) - depth_mm(mask) if mask.any() else np.full(mask.shape, 12.0) for mask in inside]
            away = (np.minimum(reach[0], 60) + np.minimum(reach[1], 60)) / 2
            closer = away < nearest
            middle[closer], nearest[closer] = label, away[closer]
        filled += [middle, above]
    return filled


def stack_of_thighs(path: Path) -> tuple[list[Codes], float]:
    """Labels of every slice of a thigh label map on the network's pixel, toward the head, and their distance. [mm]"""
    volume, zooms = _read(path)
    first, *_, last = np.flatnonzero(volume.any(axis=(0, 1)))
    slices = [resample_labels(volume[..., k].astype(np.uint8), zooms[:2]) for k in range(first, last + 1)]
    slices = _cropped(*slices)
    spacing_mm = zooms[2]
    if spacing_mm > THICK_MM:
        slices, spacing_mm = halved_spacing(slices), spacing_mm / 2
    return slices, spacing_mm


def pairs_of_legs(slices: list[Codes]) -> list[Pair]:
    """Both legs of every slice of a thigh label map; None where too little of one is labeled."""
    pairs: list[Pair] = []
    for index, labels in enumerate(slices):
        height = index / max(len(slices) - 1, 1)
        legs = [Leg(largest_pieces(half), None, height) for half in _two_legs(labels)]
        usable = [leg if (leg.muscles > 0).sum() >= SMALLEST_LEG_PIXELS else None for leg in legs]
        pairs.append((usable[0], usable[1]))
    return pairs


def triplets(pairs: list[Pair], spacing_mm: float, k: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one variant of a leg's slice with its lower and upper neighbors, (3, CANVAS, CANVAS).

    All three share one seed, so that fat and skin go on from slice to slice; a neighbor beyond the stack is air.
    """
    step = max(1, round(rng.uniform(*NEIGHBOR_MM) / spacing_mm))
    seed, center = int(rng.integers(2**32)), None
    drawn = np.zeros((3, CANVAS, CANVAS), np.uint8)
    for channel, z in ((1, k), (0, k - step), (2, k + step)):
        if 0 <= z < len(pairs) and pairs[z][side] is not None:
            whole = tissue_map(pairs[z], side, np.random.default_rng(seed))
            center = center_of(whole) if center is None else center
            drawn[channel] = canonical(whole, side, center)
    return drawn


def thigh_map(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """All tissue-map variants of one thigh label map, and their levels."""
    slices, spacing_mm = stack_of_thighs(path)
    rng = _rng_of(path)
    areas = np.array([(labels > 0).sum() for labels in slices])
    pairs = pairs_of_legs(slices)
    maps = []
    stride = max(1, round(CENTERS_MM / spacing_mm))
    for k in range(int(rng.integers(stride)), len(pairs), stride):
        for side in (0, 1):
            if areas[k] >= LEAST_SHARE_OF_LARGEST * areas.max() and pairs[k][side] is not None:
                maps += [triplets(pairs, spacing_mm, k, side, rng) for _ in range(VARIANTS_OF_THIGH)]
    return np.array(maps, np.uint8), np.full(len(maps), LEVELS.index("thigh"), np.uint8)


def _body_leg(
    slice_labels: np.ndarray, legend: dict[int, tuple[str, str]], side: str, height: float
) -> tuple[Leg | None, int]:
    muscles = np.zeros(slice_labels.shape, np.uint8)
    bone = np.zeros(slice_labels.shape, bool)
    present: set[str] = set()
    for value in np.unique(slice_labels):
        structure, of_side = legend.get(int(value), ("", ""))
        if not structure or of_side not in (side, "no side"):
            continue
        here = slice_labels == value
        present.add(structure)
        name = structure.replace(" ", "_")
        if structure in _BONES:
            bone |= here
        elif name in MUSCLES:
            muscles[here] = 1 + MUSCLES.index(name)
        else:
            muscles[here] = OTHER_MUSCLE[int(value) // 10 % len(OTHER_MUSCLE)]
    if (muscles > 0).sum() < SMALLEST_LEG_PIXELS:
        return None, 0
    thigh_muscles = np.isin(muscles, np.arange(1, 12)).any()
    quadriceps_mm2 = np.isin(muscles, [2, 3, 4, 5]).sum() * PIXEL_MM**2
    if present & _HIP:
        level = "hip"
    elif present & _LEG or (thigh_muscles and quadriceps_mm2 < QUADRICEPS_OF_A_THIGH_MM2):
        level = "knee_or_leg"
    else:
        level = "thigh" if thigh_muscles else "elsewhere"
    return Leg(muscles, bone, height), LEVELS.index(level)


def body_map(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """All tissue-map variants of one body label map, and their levels."""
    with (path.parent / "legend.csv").open(newline="") as stream:
        legend = {int(row["value"]): (row["structure"], row["side"]) for row in csv.DictReader(stream)}
    volume, zooms = _read(path)
    decode = np.unique(volume)
    coded = np.searchsorted(decode, volume).astype(np.uint8)
    rng = _rng_of(path)
    thinning = max(1, round(SPACING_OF_BODY_MM / zooms[2]))
    spacing_mm = thinning * zooms[2]
    chosen = [k for k in range(0, volume.shape[2], thinning) if volume[..., k].any()]
    slices = [decode[labels] for labels in _cropped(*(resample_labels(coded[..., k], zooms[:2]) for k in chosen))]
    pairs: list[Pair] = []
    levels_of: list[tuple[int, int]] = []
    for k, labels in zip(chosen, slices, strict=True):
        left, right = (_body_leg(labels, legend, side, k / volume.shape[2]) for side in ("left", "right"))
        pairs.append((left[0], right[0]))
        levels_of.append((left[1], right[1]))
    maps, levels = [], []
    for k in range(len(pairs)):
        for side in (0, 1):
            if pairs[k][side] is None:
                continue
            for _ in range(VARIANTS_OF_BODY):
                drawn = triplets(pairs, spacing_mm, k, side, rng)
                if levels_of[k][side] == LEVELS.index("elsewhere"):
                    drawn = _with_organs(drawn, rng)
                maps.append(drawn)
                levels.append(levels_of[k][side])
    return np.array(maps, np.uint8), np.array(levels, np.uint8)


def _with_organs(tissue: Codes, rng: np.random.Generator) -> Codes:
    """Fill the cavity of a trunk or neck with blobs of any brightness."""
    filled = tissue.copy()
    cavity = np.isin(tissue, [13, 43])
    x, y = np.indices(tissue.shape[1:])
    points = np.argwhere(cavity[1])
    for _ in range(int(rng.integers(2, 12)) if len(points) else 0):
        center, radii = points[rng.integers(len(points))], rng.uniform(6, 40, 2) / PIXEL_MM
        inside = ((x - center[0]) / radii[0]) ** 2 + ((y - center[1]) / radii[1]) ** 2 < 1
        filled[inside & cavity] = rng.choice([VESSEL, *OTHER_MUSCLE])
    return filled


def _build(job: tuple[Path, Path]) -> str:
    path, target = job
    maps, levels = (body_map if path.parent.name.startswith("body") else thigh_map)(path)
    np.savez_compressed(target, maps=maps, levels=levels)
    return f"{path.name}: {len(maps)} tissue maps, levels {np.bincount(levels, minlength=len(LEVELS)).tolist()}"


def main() -> None:
    """Build every cache file that is absent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("cache", type=Path)
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    paths = sorted(given.label_maps.glob("*-label-maps/*.nii.gz"))
    jobs = [(path, given.cache / (path.name.removesuffix(".nii.gz") + ".npz")) for path in paths]
    with Pool(2) as pool:
        for line in pool.imap_unordered(_build, [job for job in jobs if not job[1].exists()]):
            print(line, flush=True)


if __name__ == "__main__":
    main()
