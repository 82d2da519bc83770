"""Measure the network on images it was not trained on, and draw its labels on every slice.

usage: python -m training.muscle_network.evaluate IMAGES OUT [--network FOLDER] [--only NAME ...]
IMAGES holds ``thigh-labelled``, ``thigh-mese-dicom``, ``thigh-dixon-3pt`` and ``leg-stations``. Nothing is chosen here:
the reference of ``thigh-labelled`` is itself a network's output, and no limit may be set by it. Needs no torch.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.backends.muscle_network import SHIPPED, load_muscle_network
from heliotrope.domain.anatomy import STRUCTURES, Side
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.io import nifti, read_study, read_volume
from heliotrope.report.vocabulary import MUSCLE_ABBREVIATIONS
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.muscles.label import label_muscles
from heliotrope.segment.muscles.network import MuscleNetwork
from heliotrope.segment.muscles.result import Muscles
from heliotrope.segment.tissues import segment_tissues

SLICES = slice(3, 23)
"""Slices 3 to 22 toward the head, where the reference of ``thigh-labelled`` is whole."""
REFERENCE = {
    "sartorius": (63, 64),
    "rectus_femoris": (61, 62),
    "vastus_lateralis": (55, 56),
    "vastus_intermedius": (57, 58),
    "vastus_medialis": (59, 60),
    "adductor_magnus": (39, 40),
    "gracilis": (47, 48),
    "biceps_femoris_long_head": (31, 32),
    "semitendinosus": (37, 38),
    "semimembranosus": (35, 36),
    "biceps_femoris_short_head": (33, 34),
}
"""Label pairs of both legs."""
OTHER_ADDUCTORS = (43, 44, 45, 46)
COMPARTMENTS = ("anterior_thigh", "posterior_thigh", "medial_thigh")
BASELINE_MEAN = 0.830
"""Of the first prototype, on the same slices."""
SHORT = {
    **MUSCLE_ABBREVIATIONS,
    "anterior_thigh": "ant",
    "medial_thigh": "med",
    "posterior_thigh": "post",
    "muscle": "m",
}
"""Written on the pictures."""

Mask = NDArray[np.bool_]


def dice(first: Mask, second: Mask) -> float:
    """Overlap of two masks; NaN for two empty ones."""
    total = int(first.sum()) + int(second.sum())
    return 2.0 * int((first & second).sum()) / total if total else float("nan")


def axial(labels: LabelMap) -> NDArray[np.uint16]:
    """Labels in axial axes."""
    return AxialFrame.of(labels.grid).to_axial(labels.labels)


def structure_mask(labels: LabelMap, names: Collection[str]) -> Mask:
    """Where the structure of the label has one of the names, in axial axes."""
    numbers = [n for n, region in labels.legend.items() if region.structure in names]
    return np.isin(axial(labels), numbers)


def compare(found: Muscles, reference: NDArray[np.int32], slices: slice = SLICES) -> dict[str, float]:
    """Dice of every muscle and compartment on the slices of the reference."""
    result = {}

    def overlap(names: Collection[str], numbers: Collection[int]) -> float:
        wanted = np.isin(reference, list(numbers))
        return dice(structure_mask(found.labels, names)[..., slices], wanted[..., slices])

    for name, pair in REFERENCE.items():
        result[name] = overlap({name}, pair)
    result["mean_of_muscles"] = float(np.mean([result[name] for name in REFERENCE]))
    for group in COMPARTMENTS:
        inside = {name for name in REFERENCE if STRUCTURES[name].compartment == group}
        numbers = [number for name in inside for number in REFERENCE[name]]
        result[f"{group} of named muscles"] = overlap(inside, numbers)
        whole = {group, *(name for name, structure in STRUCTURES.items() if structure.compartment == group)}
        result[group] = overlap(whole, numbers + list(OTHER_ADDUCTORS if group == "medial_thigh" else ()))
    return result


def swapped(found: Muscles) -> int:
    """Muscle voxels of one side that lie beyond the middle between both legs."""
    grid = found.labels.grid
    masks = {
        side: np.logical_or.reduce([found.labels.mask_where(structure=name, side=side) for name in REFERENCE])
        for side in Side
    }
    centers = [float(grid.positions_mm(np.argwhere(mask).mean(0))[0]) for mask in masks.values() if mask.any()]
    if len(centers) < 2:
        return 0
    wrong = 0
    for side, sign in ((Side.LEFT, -1.0), (Side.RIGHT, 1.0)):
        places = grid.positions_mm(np.argwhere(masks[side]))[:, 0]
        wrong += int(np.count_nonzero(sign * (places - np.mean(centers)) > 0))
    return wrong


def draw(image: Volume, found: Muscles | None, path: Path, title: str) -> None:
    """Every slice, plain above and labeled below."""
    frame = AxialFrame.of(image.grid)
    gray = np.abs(frame.to_axial(image.data)).astype(np.float32)
    values = np.zeros(gray.shape, np.uint16) if found is None else axial(found.labels)
    legend = {} if found is None else found.labels.legend
    body = gray > 0.08 * np.percentile(gray, 99.5)
    x, y = np.flatnonzero(body.any((1, 2))), np.flatnonzero(body.any((0, 2)))
    window = (slice(x[0], x[-1] + 1), slice(y[0], y[-1] + 1))
    spacing = frame.spacing_mm
    columns = 4
    rows = 2 * -(-gray.shape[2] // columns)
    height = 5.0 * gray[window].shape[1] * spacing[1] / (gray[window].shape[0] * spacing[0])
    figure = Figure(figsize=(5.0 * columns, max(1.5, height) * rows), dpi=70, facecolor="black")
    colors = colormaps["tab20"]
    for k in range(gray.shape[2]):
        plane, labels = gray[..., k][window].T, values[..., k][window].T
        for lower in (0, 1):
            place = (2 * (k // columns) + lower) * columns + k % columns + 1
            axes = figure.add_subplot(rows, columns, place)
            axes.set_axis_off()
            axes.imshow(plane, cmap="gray", vmax=np.percentile(gray[..., k], 99.7), aspect=spacing[1] / spacing[0])
            if lower == 0:
                axes.set_title(f"{title} slice {k + 1}", color="white", fontsize=8)
                continue
            shown = np.zeros((*labels.shape, 4))
            for number, region in legend.items():
                if region.structure not in SHORT or not (labels == number).any():
                    continue
                order = list(SHORT).index(region.structure)
                shown[labels == number] = (*colors(order)[:3], 0.45 if region.structure != "muscle" else 0.2)
                pieces, count = ndimage.label(labels == number)
                for piece in range(1, count + 1):
                    points = np.argwhere(pieces == piece)
                    if len(points) * spacing[0] * spacing[1] > 60:
                        row, column = points.mean(0)
                        text = SHORT[region.structure]
                        axes.text(column, row, text, color="white", fontsize=7, ha="center", va="center")
            axes.imshow(shown, aspect=spacing[1] / spacing[0])
    figure.subplots_adjust(0, 0, 1, 0.99, 0.01, 0.03)
    FigureCanvasAgg(figure).print_png(str(path))


def attempt(
    images: list[Volume],
    network: MuscleNetwork,
    tissues: LabelMap | None,
    *,
    withhold: bool = True,
    within_muscle: bool = True,
) -> tuple[Muscles | None, str, float]:
    """Labels or the words of the refusal, and the seconds it took."""
    start = time.perf_counter()
    try:
        found = label_muscles(images, network, tissues, withhold=withhold, within_muscle=within_muscle)
    except QualityRefusal as refusal:
        return None, refusal.message, time.perf_counter() - start
    return found, "", time.perf_counter() - start


def tissues_or_none(images: dict[Role, Volume], times: tuple[float, ...] | None = None) -> LabelMap | None:
    """Weight-free tissues, where this image permits them."""
    try:
        return segment_tissues(images, echo_times_ms=times)
    except QualityRefusal:
        return None


def described(found: Muscles | None, refusal: str, seconds: float) -> dict[str, object]:
    """What was decided, for the record."""
    if found is None:
        return {"refused": refusal, "seconds": round(seconds, 1)}
    legs = [
        {
            "side": leg.side,
            "levels": list(leg.levels),
            "refused": list(leg.refused),
            "confidence": {name: round(value, 3) for name, value in leg.confidence.items()},
            "withheld": dict(leg.withheld),
            "dice_with_tissues": None if np.isnan(leg.dice_with_tissues) else round(leg.dice_with_tissues, 3),
        }
        for leg in found.legs
    ]
    return {"legs": legs, "voxels_beyond_the_middle": swapped(found), "seconds": round(seconds, 1)}


def labelled(images: Path, out: Path, network: MuscleNetwork) -> dict[str, object]:
    """Dice on ``thigh-labelled``, with and without the weight-free tissues."""
    volume = nifti.read_nifti(images / "thigh-labelled" / "image.nii.gz")
    raw = nifti.read_nifti(images / "thigh-labelled" / "labels.nii.gz")
    reference = AxialFrame.of(raw.grid).to_axial(np.asarray(raw.data)).astype(np.int32)
    record: dict[str, object] = {"baseline mean of muscles": BASELINE_MEAN}
    tissues = tissues_or_none({Role.DIXON_WATER: volume})
    for name, below, withhold in (
        ("network alone, nothing withheld", None, False),
        ("on water tissues", tissues, True),
    ):
        found, refusal, seconds = attempt([volume], network, below, withhold=withhold, within_muscle=False)
        record[name] = described(found, refusal, seconds)
        if found is not None:
            record[f"{name}: Dice"] = {key: round(value, 3) for key, value in compare(found, reference).items()}
            draw(volume, found, out / f"thigh-labelled, {name}.png", name)
    return record


def multi_echo(images: Path, out: Path, network: MuscleNetwork) -> dict[str, object]:
    """Three single echoes of ``thigh-mese-dicom``, and all together on the tissues."""
    (series,) = read_study(images / "thigh-mese-dicom").with_role(Role.MULTI_ECHO_T2)
    volume = read_volume(series)
    tissues = tissues_or_none({Role.MULTI_ECHO_T2: volume}, series.acquisition.echo_times_ms)
    echoes = [1, 4, 8]
    record: dict[str, object] = {}
    for chosen in ([echoes[0]], [echoes[1]], [echoes[2]], echoes):
        name = "echo " + " ".join(str(k + 1) for k in chosen)
        shown = [volume.frame(k) for k in chosen]
        found, refusal, seconds = attempt(shown, network, tissues if len(chosen) > 1 else None)
        record[name] = described(found, refusal, seconds)
        draw(shown[0], found, out / f"thigh-mese-dicom, {name}.png", name)
    return record


def three_points(images: Path, out: Path, network: MuscleNetwork) -> dict[str, object]:
    """First and second magnitude echo of ``thigh-dixon-3pt``: opposed and in phase."""
    record: dict[str, object] = {}
    for name in ("0006-Dixon_TE_345_th", "0008-Dixon_TE_460_th"):
        volume = nifti.read_nifti(images / "thigh-dixon-3pt" / f"{name}.nii.gz")
        found, refusal, seconds = attempt([volume], network, None)
        record[name] = described(found, refusal, seconds)
        draw(volume, found, out / f"thigh-dixon-3pt, {name[:4]}.png", name[:4])
    return record


def stations(images: Path, out: Path, network: MuscleNetwork) -> dict[str, object]:
    """All seven water stations from foot to pelvis."""
    record: dict[str, object] = {}
    for path in sorted((images / "leg-stations").glob("*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        volume = nifti.read_nifti(path)
        found, refusal, seconds = attempt(
            [volume], network, tissues_or_none({Role.DIXON_WATER: volume}), within_muscle=False
        )
        record[name] = described(found, refusal, seconds)
        draw(volume, found, out / f"leg-stations, {name}.png", name)
    return record


PARTS = {"labelled": labelled, "multi-echo": multi_echo, "three-points": three_points, "stations": stations}


def main() -> None:
    """Write ``evaluation.json`` and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--network", type=Path, default=SHIPPED)
    parser.add_argument("--only", nargs="*", choices=sorted(PARTS), default=list(PARTS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    network = load_muscle_network(given.network)
    record = {"network": network.title, "sha256": network.sha256}
    record |= {name: PARTS[name](given.images, given.out, network) for name in given.only}
    (given.out / "evaluation.json").write_text(json.dumps(record, indent=1))
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
