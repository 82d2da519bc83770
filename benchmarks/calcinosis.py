"""Calcinosis in CT: time of a limb against the method's first script, and growth with the number of slices.

usage: python -m benchmarks.calcinosis [--seed 5] [--repeats 1] [--growth] [--two-thighs 50 100 200 400]

The peer is the script the method was proved with; it took 39 to 65 s of clock time for a limb of 271 x 271 x 110 voxels
on its own machine, so that ratio is between two machines and stated as such. Processor time (all threads) is shown
beside the clock, because a busy machine stretches only the clock.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.units import Unit
from heliotrope.measure.calcium import measure_calcium
from heliotrope.phantoms.ct_calcinosis import CtCalcinosisSettings, build_ct_calcinosis
from heliotrope.physics.ct_attenuation import table_calibration
from heliotrope.segment.calcium.body import box_around_body
from heliotrope.segment.calcium.find import find_calcinosis

LIMB = (271, 271, 110)
PEER_S = (39.0, 65.0)
"""Clock time of the first script for one limb, as it was recorded. [s]"""
SLICES = (55, 110, 220)
TWO_THIGHS = (512, 512, 50)
"""A block of two thighs; longer scans repeat it, mirrored end to end."""


def timed(shape: tuple[int, int, int], seed: int, repeats: int) -> tuple[float, float, int, int]:
    """Shortest clock time and its processor time, voxels, and components found."""
    phantom = build_ct_calcinosis(seed, settings=CtCalcinosisSettings(shape=shape))
    runs = []
    components = 0
    for _ in range(repeats):
        clock, processor = time.perf_counter(), time.process_time()
        found = find_calcinosis(phantom.volume, slice_thickness_mm=phantom.volume.grid.spacing_mm[2])
        measure_calcium(found, table_calibration(phantom.settings.tube_voltage_kv))
        runs.append((time.perf_counter() - clock, time.process_time() - processor))
        components = len(found.components)
    return *min(runs), int(np.prod(shape)), components


def peak_mib() -> float:
    """Largest memory of this process so far. [MiB]"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show_two_thighs(seed: int, lengths: list[int]) -> None:
    """Time and memory of scans of two thighs, by number of slices; sizes must grow."""
    block = build_ct_calcinosis(seed, settings=CtCalcinosisSettings(shape=TWO_THIGHS, limbs=2)).volume
    data = np.asarray(block.data, dtype=np.float32)
    spacing = block.grid.spacing_mm
    print("slices  clock [s]  processor [s]  processor per million voxels [s]  peak memory [MiB]  bytes per voxel")
    for n_slices in lengths:
        there_and_back = np.concatenate([data, data[:, :, ::-1]], axis=2)
        repeats = -(-n_slices // there_and_back.shape[2])
        scan = np.ascontiguousarray(np.tile(there_and_back, (1, 1, repeats))[:, :, :n_slices])
        volume = Volume(scan, Grid.from_spacing(scan.shape, spacing), Unit.HOUNSFIELD)
        clock, processor = time.perf_counter(), time.process_time()
        volume = volume.part(box_around_body(scan, spacing))
        found = find_calcinosis(volume, slice_thickness_mm=spacing[2])
        measure_calcium(found, table_calibration(120.0))
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        per_voxel = peak_mib() * 2**20 / scan.size
        print(f"{n_slices:6d} {clock:10.1f} {processor:14.1f} {processor / scan.size * 1e6:33.2f} "
              f"{peak_mib():18.0f} {per_voxel:16.0f}", flush=True)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--two-thighs", type=int, nargs="+", metavar="SLICES", help="only this, for growing lengths")
    given = parser.parse_args()
    if given.two_thighs:
        show_two_thighs(given.seed, given.two_thighs)
        return
    clock, processor, _, components = timed(LIMB, given.seed, given.repeats)
    print(f"limb of {'x'.join(map(str, LIMB))}: {clock:.1f} s by the clock, {processor:.1f} s of processor time, "
          f"{components} calcifications")  # fmt: skip
    print(f"first script, another machine: {PEER_S[0]:g} to {PEER_S[1]:g} s, "
          f"{PEER_S[0] / clock:.1f} to {PEER_S[1] / clock:.1f} times as long by the clock")  # fmt: skip
    if given.growth:
        print("slices  clock [s]  processor [s]  processor per million voxels [s]  peak memory [MiB]")
        for n_slices in SLICES:
            clock, processor, voxels, _ = timed((*LIMB[:2], n_slices), given.seed, 1)
            print(f"{n_slices:6d} {clock:10.1f} {processor:14.1f} {processor / voxels * 1e6:33.2f} {peak_mib():18.0f}")


if __name__ == "__main__":
    main()
