"""Two-pass water T2: time against two peers in one run, memory, and growth with the number of voxels.

usage: python -m benchmarks.water_t2 [--slices 24] [--peer-voxels 40] [--scipy-voxels 3]

Processor time (all threads together) is compared, so that a busy machine does not bend the ratios. The peers are run on
few voxels and stated per voxel: qmrpy 2.0.0 `T2EPG` with B1 estimated (one pool, no slice profile), and scipy
`least_squares` on a numpy extended phase graph with the same slice profile (amplitude, T2, B1 free; fat held).
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from scipy.optimize import least_squares

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.maps.water_t2 import WaterT2Maps, WaterT2Options, fit_two_pass
from heliotrope.phantoms.t2_grid import make_t2_grid
from heliotrope.physics.epg import echo_table, echo_train
from heliotrope.physics.slice_profile import ProfilePreset, slice_profile

SIZE = 256


def scene(n_slices: int) -> tuple[Volume, ParametricMap, np.ndarray, tuple[float, ...], float]:
    """256 x 256 voxels per slice, 39 % of them body; echoes, fat fraction, true T2, echo times and noise."""
    base = make_t2_grid(
        t2_levels_ms=(31.0, 35.0, 40.0, 48.0, 60.0),
        fat_levels_percent=(1.0, 4.0, 8.0, 15.0, 25.0),
        b1_range=(0.7, 1.1),
        signal_to_noise=60.0,
        generator=np.random.default_rng(1),
        repeats=(4, 4),
        n_slices=1,
    )
    edge = [(SIZE - n) // 2 for n in base.body.shape[:2]]
    margin = [(edge[0], SIZE - base.body.shape[0] - edge[0]), (edge[1], SIZE - base.body.shape[1] - edge[1])]
    noise = np.abs(np.random.default_rng(2).normal(0.0, base.noise_sd, (SIZE, SIZE, 1, 17))).astype(np.float32)
    echoes = np.pad(np.asarray(base.echoes.data), [*margin, (0, 0), (0, 0)])
    echoes = np.repeat(np.where(echoes > 0.0, echoes, noise), n_slices, axis=2)
    fat = np.repeat(np.pad(base.fat_percent, [*margin, (0, 0)]), n_slices, axis=2).astype(np.float32)
    truth = np.repeat(
        np.pad(np.where(base.body, base.t2_ms, np.nan), [*margin, (0, 0)], constant_values=np.nan), n_slices, 2
    )
    grid = Grid.from_spacing((SIZE, SIZE, n_slices), (1.0, 1.0, 6.0))
    map_ = ParametricMap("fat_fraction", fat, np.ones(fat.shape, dtype=bool), grid, Unit.PERCENT, "truth")
    return Volume(echoes, grid), map_, truth, base.echo_times_ms, base.noise_sd


def timed(work: Callable[[], WaterT2Maps]) -> tuple[WaterT2Maps, float, float]:
    """Result, processor seconds of all threads, and wall seconds."""
    processor, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - processor, time.perf_counter() - wall


def numpy_train(
    t2_ms: float, t1_ms: float, excitation: np.ndarray, refocusing: np.ndarray, n: int, esp: float
) -> np.ndarray:
    """Mean over slice positions of a plain numpy extended phase graph."""
    e1, e2, half = np.exp(-esp / t1_ms), np.exp(-esp / t2_ms), np.exp(-0.5 * esp / t2_ms)
    plus, minus, z = (np.zeros((n + 2, excitation.size)) for _ in range(3))
    plus[0] = np.sin(excitation) * half
    keep, turn, sine, cosine = (
        np.cos(refocusing / 2) ** 2,
        np.sin(refocusing / 2) ** 2,
        np.sin(refocusing),
        np.cos(refocusing),
    )
    echoes = np.empty(n)
    for k in range(n):
        plus, minus, z = (
            keep * plus + turn * minus + sine * z,
            turn * plus + keep * minus - sine * z,
            (cosine * z - 0.5 * sine * (plus - minus)) * e1,
        )
        echoes[k] = (minus[0] * half).mean()
        first = minus[0] * e2
        plus[1:] = plus[:-1] * e2
        plus[0] = first
        minus[:-1] = minus[1:] * e2
        minus[-1] = 0.0
    return echoes


def scipy_seconds(signals: np.ndarray, q: np.ndarray, esp: float) -> float:
    """Processor seconds per voxel of `least_squares` over amplitude, T2 and B1."""
    n = signals.shape[1]
    started = time.process_time()
    for signal, share in zip(signals, q, strict=True):

        def residual(p: np.ndarray, signal: np.ndarray = signal, share: float = float(share)) -> np.ndarray:
            profile = slice_profile(ProfilePreset.HANN_SINC, p[2:3])
            pulses = (profile.excitation_rad[0], profile.refocusing_rad[0])
            water = numpy_train(p[1], 1400.0, *pulses, n, esp)
            return p[0] * ((1.0 - share) * water + share * numpy_train(151.0, 365.0, *pulses, n, esp)) - signal

        least_squares(
            residual, [4.0 * signal[0], 40.0, 0.9], bounds=([0, 10, 0.45], [np.inf, 180, 1.25]), x_scale="jac"
        )
    return (time.process_time() - started) / len(signals)


def qmrpy_seconds(signals: np.ndarray, esp: float) -> float:
    """Processor seconds per voxel of qmrpy `T2EPG` with B1 estimated."""
    from qmrpy import fit_t2_epg  # noqa: F401 - proves that the peer is the installed package
    from qmrpy.models.t2 import T2EPG

    model = T2EPG(n_te=signals.shape[1], te_ms=esp, t1_ms=1400.0)
    model.fit(signals[0], estimate_b1=True)
    started = time.process_time()
    for signal in signals:
        model.fit(signal, estimate_b1=True)
    return (time.process_time() - started) / len(signals)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=24)
    parser.add_argument("--peer-voxels", type=int, default=40)
    parser.add_argument("--scipy-voxels", type=int, default=3)
    given = parser.parse_args()

    def fit(n_slices: int) -> tuple[Callable[[], WaterT2Maps], np.ndarray, Volume, ParametricMap]:
        echoes, fat, truth, times, noise = scene(n_slices)
        options = WaterT2Options(repetition_time_ms=3000.0)
        work = lambda: fit_two_pass(  # noqa: E731
            echoes, echo_times_ms=times, fat_fraction=fat, field_strength_t=3.0, noise_sd=noise, options=options
        )
        return work, truth, echoes, fat

    small = fit(1)[0]
    _, first, _ = timed(small)
    print(f"first call, with compilation where nothing is cached: {first:.1f} s of processor time")
    work, truth, echoes, fat = fit(given.slices)
    maps, seconds, wall = timed(work)
    fitted = int(np.count_nonzero(np.isfinite(maps.b1.values)))
    error = (maps.t2.values - truth)[np.isfinite(truth) & maps.t2.valid]
    print(f"two-pass, 256x256x{given.slices}x17: {fitted} voxels fitted of {truth.size}")
    print(
        f"  {seconds:.1f} s of processor time, {wall:.1f} s by the clock, "
        f"{1e6 * seconds / fitted:.1f} us per fitted voxel"
    )
    print(f"  error {error.mean():+.2f} +/- {error.std():.2f} ms")
    body = np.argwhere(np.isfinite(truth))
    chosen = body[np.random.default_rng(3).choice(len(body), given.peer_voxels, replace=False)]
    signals = echoes.data[tuple(chosen.T)].astype(np.float64)
    q = fat.values[tuple(chosen.T)] / 100.0
    per_voxel = seconds / fitted
    peer = qmrpy_seconds(signals, 9.5)
    print(
        f"qmrpy 2.0.0 T2EPG: {1e3 * peer:.1f} ms per voxel ({given.peer_voxels} voxels): ratio {peer / per_voxel:,.0f}"
    )
    naive = scipy_seconds(signals[: given.scipy_voxels], q[: given.scipy_voxels], 9.5)
    print(
        f"scipy least_squares + numpy EPG: {1e3 * naive:.0f} ms per voxel ({given.scipy_voxels} voxels; the whole "
        f"image would take {naive * fitted / 3600.0:.0f} h, extrapolated): ratio {naive / per_voxel:,.0f}"
    )
    tracemalloc.start()
    work()
    extra = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = echoes.data.nbytes
    print(
        f"memory: input {size / 2**20:.0f} MiB, peak besides it {extra / 2**20:.0f} MiB: "
        f"{1 + extra / size:.2f} x the input"
    )
    print("growth:")
    base = None
    for n_slices in (2, 8, 32):
        _, seconds, _ = timed(fit(n_slices)[0])
        base = base or seconds / n_slices
        print(f"  {n_slices // 2:2d}x: {seconds:6.2f} s, per slice {seconds / n_slices / base:.2f} of 1x")
    profile = slice_profile(ProfilePreset.HANN_SINC, np.array([0.9]))
    ours = echo_table(
        t2_ms=np.array([40.0]),
        t1_ms=1400.0,
        echo_spacing_ms=9.5,
        n_echoes=17,
        excitation_rad=profile.excitation_rad,
        refocusing_rad=profile.refocusing_rad,
    )[0, 0]
    theirs = numpy_train(40.0, 1400.0, profile.excitation_rad[0], profile.refocusing_rad[0], 17, 9.5)
    print(f"largest difference of the two implementations of the echo train: {np.abs(ours - theirs).max():.1e}")
    from qmrpy.models.t2.decaes_t2 import epg_decay_curve

    arguments = {"etl": 17, "alpha_deg": 150.0, "te_ms": 9.5, "t2_ms": 40.0, "t1_ms": 1400.0, "beta_deg": 180.0}
    ours = echo_train(
        t2_ms=40.0, t1_ms=1400.0, echo_spacing_ms=9.5, n_echoes=17, excitation_deg=75.0, refocusing_deg=150.0
    )
    print(f"largest difference from qmrpy's echo train: {np.abs(ours - epg_decay_curve(**arguments)).max():.1e}")


if __name__ == "__main__":
    main()
