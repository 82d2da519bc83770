"""Time and memory of tissue and muscle labels per slice, growth with slices.

Tissues are compared with threshold-and-components by SimpleITK, muscles with one answer of the network per leg-slice.
Wall and processor seconds are printed side by side with the machine's load: on a busy machine only the second tells.
The aim is a 512 x 512 x 40 study, tissues and muscles, under 60 s on two cores.

Run: ``python benchmarks/segmentation.py``.
"""

from __future__ import annotations

import os
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


def time_muscles(volume: Volume, tissues: LabelMap, network: MuscleNetwork) -> tuple[str, float]:
    """What was measured, and processor seconds."""
    slices = volume.grid.shape[2]
    start, used = time.perf_counter(), time.process_time()
    try:
        label_muscles([volume], network, tissues)
        note = ""
    except QualityRefusal:
        note = " (refused after all answers: these are drawn disks)"
    seconds, used = time.perf_counter() - start, time.process_time() - used
    ratio = seconds / (2 * slices * bare_network(network))
    text = f"muscles {seconds:6.1f} s, processor {used:6.1f} s, {500 * used / slices:6.0f} ms/leg-slice, "
    return text + f"{ratio:4.1f} x one bare answer{note}", used


def main() -> None:
    segment_tissues({Role.CT: thigh_ct(1)})  # compile once
    ready = inspect_network(None).ready
    network = load_muscle_network() if ready else None
    base = None
    for slices in (5, 10, 20, 40):
        volume = thigh_ct(slices)
        start, used = time.perf_counter(), time.process_time()
        tissues = segment_tissues({Role.CT: volume})
        seconds, used = time.perf_counter() - start, time.process_time() - used
        base = base or used / slices
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{slices:3d} slices 512x512 (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores): {seconds:6.1f} s, "
            f"processor {used:6.1f} s, {1000 * used / slices:6.0f} ms/slice, "
            f"growth {used / slices / base:.2f}, {seconds / peer(volume):5.1f} x SimpleITK threshold and "
            f"components, "
            f"peak {memory:.0f} MiB"
        )
        if network is not None:
            text, of_muscles = time_muscles(volume, tissues, network)
            print(f"    {text}; tissues and muscles together: processor {used + of_muscles:.1f} s")


if __name__ == "__main__":
    main()
