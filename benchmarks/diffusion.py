"""ADC, IVIM and tensor fits against DIPY in one run, and growth with work.

Run: ``python benchmarks/diffusion.py`` from the repository root. Prints seconds, ratios and the largest differences.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel
from dipy.reconst.ivim import IvimModel

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.maps.adc import fit_adc
from heliotrope.maps.dti import TensorMethod, fit_dti
from heliotrope.maps.ivim import fit_ivim
from heliotrope.phantoms.diffusion import muscle_tensor_block, perfused_block, tensor_scheme
from heliotrope.physics.diffusion import DiffusionScheme

PEER_VOXELS = 8_000
"""The peer is timed on this many voxels and scaled; its cost is linear."""


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def tensor() -> None:
    scheme = tensor_scheme(500.0, 36, 6, np.random.default_rng(0))
    table = gradient_table(scheme.b, bvecs=np.array(scheme.directions))
    block = muscle_tensor_block(np.random.default_rng(1), scheme, snr=40.0, shape=(64, 64, 48))
    small = np.asarray(block.volume.data).reshape(-1, 42)[:PEER_VOXELS].astype(float)
    model = TensorModel(table, fit_method="WLS")
    theirs = seconds(lambda: model.fit(small).md, 1) / PEER_VOXELS
    for slices in (3, 12, 48):
        part = Volume(np.asarray(block.volume.data)[:, :, :slices], Grid.from_spacing((64, 64, slices), (3, 3, 6)))
        ours = seconds(lambda part=part: fit_dti(part, scheme, method=TensorMethod.WLS))
        n = 64 * 64 * slices
        print(
            f"DTI {n:7d} voxels x 42: {ours:.3f} s, {1e6 * ours / n:.2f} us/voxel; DIPY {1e6 * theirs:.1f} us/voxel; "
            f"ratio {theirs * n / ours:.1f}"
        )
    peer = model.fit(small)
    found = fit_dti(block.volume, scheme, method=TensorMethod.WLS)
    md, fa = (
        found.mean_diffusivity.values.ravel()[:PEER_VOXELS],
        found.fractional_anisotropy.values.ravel()[:PEER_VOXELS],
    )
    print(
        f"largest relative difference: MD {np.abs(md / peer.md - 1).max():.1e}, FA {np.abs(fa / peer.fa - 1).max():.1e}"
    )
    ours = seconds(lambda: fit_adc(block.volume, scheme))
    print(
        f"ADC {64 * 64 * 48} voxels x 42: {ours:.3f} s; DIPY tensor as peer, ratio {theirs * 64 * 64 * 48 / ours:.1f}"
    )


def ivim() -> None:
    scheme = DiffusionScheme(
        tuple(float(b) for b in np.repeat([0, 10, 20, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800], 3))
    )
    block = perfused_block(np.random.default_rng(1), scheme, snr=40.0, shape=(64, 64, 48))
    n_peer = 60
    small = np.asarray(block.volume.data).reshape(-1, len(scheme.b_values))[:n_peer].astype(float)
    vectors = np.zeros((len(scheme.b_values), 3))
    vectors[~scheme.unweighted] = (1.0, 0.0, 0.0)
    model = IvimModel(gradient_table(scheme.b, bvecs=vectors, b0_threshold=0), fit_method="trr")
    theirs = seconds(lambda: model.fit(small), 1) / n_peer
    ours = seconds(lambda: fit_ivim(block.volume, scheme, generator=np.random.default_rng(0)))
    n = 64 * 64 * 48
    print(
        f"IVIM segmented {n} voxels: {ours:.3f} s; DIPY IvimModel (two-stage) {1e3 * theirs:.1f} ms/voxel; "
        f"ratio {theirs * n / ours:.0f}"
    )


if __name__ == "__main__":
    tensor()
    ivim()
