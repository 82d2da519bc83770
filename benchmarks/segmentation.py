"""Time and memory of tissue and muscle labels per slice, growth with slices.

Tissues are compared with threshold-and-components by SimpleITK, muscles with one answer of the network per leg-slice.

Run: ``python benchmarks/segmentation.py``.
"""

from __future__ import annotations

import resource
import time

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

from heliotrope.backends.muscle_network import inspect_network, load_muscle_network
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.domain.units import Unit
from heliotrope.segment.muscles.label import label_muscles
from heliotrope.segment.muscles.network import MuscleNetwork
from heliotrope.segment.tissues import segment_tissues

SIZE = 512
PIXEL_MM = 0.8


def thigh_ct(slices: int) -> Volume:
    """Two round thighs on CT, 512 x 512."""
    x, y = np.meshgrid((np.arange(SIZE) - SIZE / 2) * PIXEL_MM, (np.arange(SIZE) - SIZE / 2) * PIXEL_MM, indexing="ij")
    plane = np.full((SIZE, SIZE), -1000.0, np.float32)
    for center in (-88.0, 88.0):
        radius = np.hypot(x - center, y)
        plane[radius < 82] = 40.0
        plane[radius < 79.5] = -100.0
        plane[radius < 67] = 55.0
        plane[radius < 14] = 1000.0
        plane[radius < 8] = -50.0
    noise = np.random.default_rng(0).normal(0, 15, (SIZE, SIZE, slices))
    data = (plane[:, :, None] + noise).astype(np.float32)
    grid = Grid.from_matrix(data.shape, np.diag([PIXEL_MM, PIXEL_MM, 5.0, 1.0]))
    return Volume(data, grid, Unit.HOUNSFIELD)


def peer(volume: Volume) -> float:
    """Seconds of Gaussian, threshold, hole filling and component labeling by SimpleITK."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(volume.data).T))
    image.SetSpacing(volume.grid.spacing_mm)
    start = time.perf_counter()
    quiet = sitk.SmoothingRecursiveGaussian(image, 0.7)
    body = sitk.BinaryFillhole(quiet > -350)
    sitk.RelabelComponent(sitk.ConnectedComponent(body))
    sitk.RelabelComponent(sitk.ConnectedComponent(sitk.And(body, quiet < -30)))
    sitk.SignedMaurerDistanceMap(body, squaredDistance=False, useImageSpacing=True)
    return time.perf_counter() - start


def bare_network(network: MuscleNetwork) -> float:
    """Seconds of one answer, in batches of 8."""
    batch = np.random.default_rng(1).random((8, 3, network.crop_pixels, network.crop_pixels), dtype=np.float32)
    network.run(batch)
    start = time.perf_counter()
    network.run(batch)
    return (time.perf_counter() - start) / len(batch)


def time_muscles(volume: Volume, tissues: LabelMap, network: MuscleNetwork) -> str:
    slices = volume.grid.shape[2]
    start = time.perf_counter()
    try:
        label_muscles([volume], network, tissues)
        note = ""
    except QualityRefusal:
        note = " (refused after all answers: these are drawn disks)"
    seconds = time.perf_counter() - start
    ratio = seconds / (2 * slices * bare_network(network))
    return f"muscles {seconds:6.1f} s, {500 * seconds / slices:6.0f} ms/leg-slice, {ratio:4.1f} x one bare answer{note}"


def main() -> None:
    segment_tissues({Role.CT: thigh_ct(1)})  # compile once
    ready = inspect_network(None).ready
    network = load_muscle_network() if ready else None
    base = None
    for slices in (5, 10, 20, 40):
        volume = thigh_ct(slices)
        start = time.perf_counter()
        tissues = segment_tissues({Role.CT: volume})
        seconds = time.perf_counter() - start
        base = base or seconds / slices
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{slices:3d} slices 512x512: {seconds:6.1f} s, {1000 * seconds / slices:6.0f} ms/slice, "
            f"growth {seconds / slices / base:.2f}, {seconds / peer(volume):5.1f} x SimpleITK threshold and "
            f"components, "
            f"peak {memory:.0f} MiB"
        )
        if network is not None:
            print("    " + time_muscles(volume, tissues, network))


if __name__ == "__main__":
    main()
