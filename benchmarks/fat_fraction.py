"""Complex fat fraction against a QPBO solver in one run, and growth with work.

Peer: the published two-candidate QPBO scheme (Berglund & Kullberg 2012, doi 10.1002/mrm.23154) in numpy with the
`thinqpbo` package of the package index; `fwqpbo` and `hmrGC` are not on it. Needs ``pip install thinqpbo``
(GPL, for this benchmark only).

Run: ``python benchmarks/fat_fraction.py`` from the repository root. Processor time of all threads is compared, so that
a busy machine does not bend the ratio. Memory is the peak of a fresh process above its start and above the maps it
returns, with the limit of a slab lowered so that the stacks of this benchmark are cut into slabs.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from pathlib import Path

import numpy as np

from heliotrope.maps.fat_fraction.complex_fit import fit_complex_fat_fraction
from heliotrope.maps.fat_fraction.t1_guard import t1_guard
from heliotrope.phantoms.dixon import DixonThighs, acquire, dixon_thighs
from heliotrope.physics.fat_spectrum import fat_phasor

THREE = (3.45, 4.60, 5.75)
SIX = (1.15, 2.10, 3.05, 4.00, 4.95, 5.90)
N_FIELD = 100
R2STAR_PER_S = 40.0
SLAB_VOXELS = 30_000
"""Limit of a slab while memory is measured; 600,000 in use."""


def peer(data: np.ndarray, mask: np.ndarray, times_ms: tuple[float, ...]) -> np.ndarray:
    """Fat fraction [%] by two field candidates per voxel and one QPBO cut; field on a grid of 100, R2* fixed."""
    import thinqpbo

    times = np.array(times_ms) * 1e-3
    phasor = fat_phasor(times_ms, 3.0)
    period = 1.0 / float(np.diff(times).mean())
    grid = np.arange(N_FIELD) / N_FIELD * period
    signal = data[mask].astype(np.complex128)
    design = np.stack([np.ones(times.size), phasor], axis=1) * np.exp(-R2STAR_PER_S * times)[:, None]
    projection = np.eye(times.size) - design @ np.linalg.pinv(design)
    residual = np.empty((signal.shape[0], N_FIELD))
    for k, field in enumerate(grid):
        left = (signal * np.exp(-2j * np.pi * field * times)) @ projection.T
        residual[:, k] = (np.abs(left) ** 2).sum(axis=1)
    before, after = np.roll(residual, 1, axis=1), np.roll(residual, -1, axis=1)
    minima = np.where((residual < before) & (residual <= after), residual, np.inf)
    order = np.argsort(minima, axis=1)[:, :2]
    rows = np.arange(signal.shape[0])
    curvature = np.stack([(before + after - 2 * residual)[rows, order[:, k]] for k in range(2)], axis=1)
    cost = np.stack([residual[rows, order[:, k]] for k in range(2)], axis=1)
    number = np.full(mask.shape, -1)
    number[mask] = rows
    graph = thinqpbo.QPBODouble(signal.shape[0], 3 * signal.shape[0])
    graph.add_node(signal.shape[0])
    for i in rows:
        graph.add_unary_term(int(i), float(cost[i, 0]), float(cost[i, 1]))
    for axis in range(3):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        first, second = number[low].ravel(), number[high].ravel()
        both = (first >= 0) & (second >= 0)
        for i, j in zip(first[both].tolist(), second[both].tolist(), strict=True):
            weight = 10.0 * min(curvature[i].min(), curvature[j].min())
            gap = order[i][:, None] - order[j][None, :]
            gap = np.minimum(np.abs(gap), N_FIELD - np.abs(gap)) ** 2 * weight / N_FIELD
            graph.add_pairwise_term(i, j, *(float(v) for v in gap.ravel()))
    graph.solve()
    graph.compute_weak_persistencies()
    labels = np.array([max(graph.get_label(int(i)), 0) for i in rows])
    field = grid[order[rows, labels]]
    demodulated = signal * np.exp(-2j * np.pi * field[:, None] * times)
    water, fat = np.abs(demodulated @ np.linalg.pinv(design).T).T
    out = np.full(mask.shape, np.nan)
    out[mask] = 100 * fat / (water + fat)
    return out


def report(name: str, percent: np.ndarray, truth: DixonThighs, took: float) -> None:
    error = percent - truth.percent
    inside = (truth.muscle | truth.subcutis) & np.isfinite(error)
    swapped = float(np.mean(np.abs(error[inside]) > 40))
    lean = error[truth.muscle & np.isfinite(error)]
    print(
        f"  {name}: {took:.2f} s, {1e6 * took / truth.tissue.sum():.1f} us/voxel, median error {np.median(lean):+.2f}, "
        f"exchanged {100 * swapped:.3f} %"
    )


def resident_mib(name: str) -> float:
    """``VmRSS`` or ``VmHWM`` of this process. [MiB]"""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return float(line.split()[1]) / 1024.0
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024.0


def working_memory(slices: int, slab_voxels: int, answer: multiprocessing.Queue) -> None:
    """Peak of a fit above what it started from and returned. [MiB]"""
    from heliotrope.maps.fat_fraction import complex_fit

    guard = t1_guard(repetition_time_ms=None, flip_angle_deg=None, field_strength_t=3.0)
    generator = np.random.default_rng(0)
    tiny = dixon_thighs(generator, shape=(88, 48, 2))
    volume = acquire(tiny, echo_times_ms=SIX, field_strength_t=3.0, snr=40.0, generator=generator)
    fit_complex_fat_fraction(volume, echo_times_ms=SIX, field_strength_t=3.0, guard=guard)
    truth = dixon_thighs(generator, shape=(176, 96, slices), spacing_mm=(2.0, 2.0, 5.0))
    volume = acquire(truth, echo_times_ms=SIX, field_strength_t=3.0, snr=40.0, generator=generator)
    voxels = int(truth.tissue.sum())
    del truth
    complex_fit.SLAB_VOXELS = slab_voxels
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = resident_mib("VmRSS")
    found = fit_complex_fat_fraction(volume, echo_times_ms=SIX, field_strength_t=3.0, guard=guard)
    returned = sum(item.values.nbytes + item.valid.nbytes for item in found.maps.values()) / 2**20
    answer.put((voxels, volume.data.nbytes / 2**20, returned, resident_mib("VmHWM") - before))


def memory() -> None:
    # freed arrays go back to the system at once, so that the peak is that of the fit
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    context = multiprocessing.get_context("spawn")
    for slab_voxels in (SLAB_VOXELS, 10**9):
        print(f"memory, slabs of {slab_voxels:,} voxels")
        for slices in (4, 16, 64):
            answer = context.Queue()
            process = context.Process(target=working_memory, args=(slices, slab_voxels, answer))
            process.start()
            voxels, given, returned, peak = answer.get()
            process.join()
            print(
                f"  {voxels} voxels: input {given:.0f} MiB, maps {returned:.0f} MiB, peak above both "
                f"{peak - returned:.0f} MiB"
            )


def main() -> None:
    guard = t1_guard(repetition_time_ms=None, flip_angle_deg=None, field_strength_t=3.0)
    for echoes in (THREE, SIX):
        generator = np.random.default_rng(0)
        tiny = dixon_thighs(generator, shape=(88, 48, 2))
        volume = acquire(tiny, echo_times_ms=echoes, field_strength_t=3.0, snr=40.0, generator=generator)
        fit_complex_fat_fraction(volume, echo_times_ms=echoes, field_strength_t=3.0, guard=guard)
        for slices in (4, 16, 64):
            generator = np.random.default_rng(1)
            truth = dixon_thighs(generator, shape=(88, 48, slices), spacing_mm=(4.0, 4.0, 5.0))
            volume = acquire(truth, echo_times_ms=echoes, field_strength_t=3.0, snr=40.0, generator=generator)
            start = time.process_time()
            found = fit_complex_fat_fraction(volume, echo_times_ms=echoes, field_strength_t=3.0, guard=guard)
            ours = time.process_time() - start
            print(f"{len(echoes)} echoes, {int(truth.tissue.sum())} voxels")
            report("heliotrope", np.asarray(found.fat_fraction.values), truth, ours)
            if slices == 64:
                start = time.process_time()
                theirs = peer(np.asarray(volume.data), truth.tissue, echoes)
                took = time.process_time() - start
                report("two-candidate QPBO (thinqpbo)", theirs, truth, took)
                print(f"  ratio {took / ours:.1f}")


if __name__ == "__main__":
    main()
    memory()
