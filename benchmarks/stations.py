"""Time and peak memory of merging stations, and their growth from two to seven.

usage: python -m benchmarks.stations [--stations 2 4 7] [--pixels 320]

Stations of 31 slices share 5 with the next, as in a scan of both legs. Each merge runs in a process of its own that
reads its stations from disk. The peer is SimpleITK: every station is resampled onto the composite grid and the mean is
taken, without shift, gain or roll-off. Times are ratios to the peer in the same run; memory is above the bare import.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.analysis import measured
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.stations.layout import composite_grid
from heliotrope.stations.merge import Placement, harmonize, merge_signal

N_SLICES, N_SHARED = 31, 5
SPACING_MM = (1.5, 1.5, 6.0)


def station_grid(k: int, pixels: int) -> Grid:
    """Grid of station `k` from the foot."""
    matrix = np.diag([*SPACING_MM, 1.0])
    matrix[2, 3] = k * (N_SLICES - N_SHARED) * SPACING_MM[2]
    return Grid.from_matrix((pixels, pixels, N_SLICES), matrix)


def write_stations(folder: Path, count: int, pixels: int) -> None:
    """Two limbs with texture, cut into stations of unequal gain."""
    generator = np.random.default_rng(5)
    texture = generator.normal(1.0, 0.05, (pixels, pixels)).astype(np.float32)
    x, y = np.meshgrid(np.linspace(-1, 1, pixels), np.linspace(-1, 1, pixels), indexing="ij")
    for k in range(count):
        planes = []
        for z in range(N_SLICES):
            height = k * (N_SLICES - N_SHARED) + z
            radius = 0.22 + 0.05 * np.sin(height / 9.0)
            inside = np.minimum(np.hypot(x - 0.3, y), np.hypot(x + 0.3, y)) < radius
            planes.append(np.where(inside, 100.0 * (0.8 + 0.1 * k) * texture, 1.0))
        np.save(folder / f"{k}.npy", np.stack(planes, axis=-1).astype(np.float32))


def merge(folder: Path, count: int, pixels: int) -> None:
    """Merge with shift, gain and roll-off, one station in memory at a time."""
    grids = [station_grid(k, pixels) for k in range(count)]

    def read(k: int) -> Volume:
        return Volume(np.load(folder / f"{k}.npy"), grids[k])

    harmony = harmonize(Placement.by_header(composite_grid(grids), 2, grids), read)
    merge_signal(harmony, read, blend=False)


def merge_with_peer(folder: Path, count: int, pixels: int) -> None:
    """Resample every station onto the composite and take the mean, by SimpleITK."""
    import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

    whole = composite_grid([station_grid(k, pixels) for k in range(count)])
    target = sitk.Image(*whole.shape, sitk.sitkFloat32)
    target.SetSpacing(SPACING_MM)
    total, weight = target * 0.0, target * 0.0
    for k in range(count):
        image = sitk.GetImageFromArray(np.load(folder / f"{k}.npy").transpose(2, 1, 0))
        image.SetSpacing(SPACING_MM)
        image.SetOrigin(tuple(station_grid(k, pixels).matrix[:3, 3]))
        total += sitk.Resample(image, target, sitk.Transform(), sitk.sitkLinear, 0.0)
        weight += sitk.Resample(image * 0.0 + 1.0, target, sitk.Transform(), sitk.sitkLinear, 0.0)
    sitk.GetArrayFromImage(total / sitk.Maximum(weight, target * 0.0 + 1.0))


def main() -> None:
    """Print the table, or run one merge when asked to by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, nargs="+", default=[2, 4, 7])
    parser.add_argument("--pixels", type=int, default=320)
    parser.add_argument("--one", nargs=3, metavar=("HOW", "FOLDER", "COUNT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        how, folder, count = given.one
        {"heliotrope": merge, "simpleitk": merge_with_peer}[how](Path(folder), int(count), given.pixels)
        return
    floors = {
        how: measured(["-c", f"import benchmarks.stations{also}"])[1]
        for how, also in (("heliotrope", ""), ("simpleitk", ", SimpleITK"))
    }
    print(f"bare import: {floors['heliotrope']:.0f} MiB, with the peer {floors['simpleitk']:.0f} MiB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stations(folder, max(given.stations), given.pixels)
        for count in given.stations:
            found = {}
            for how in ("heliotrope", "simpleitk"):
                one = ["-m", "benchmarks.stations", "--pixels", str(given.pixels), "--one", how, name, str(count)]
                found[how] = measured(one)
                if found[how][2] != 0:
                    raise SystemExit(f"{how}: merge ended with status {found[how][2]}")
            shape = composite_grid([station_grid(k, given.pixels) for k in range(count)]).shape
            composite = float(np.prod(shape)) * 4 / 2**20
            own, peer = found["heliotrope"], found["simpleitk"]
            print(
                f"{count} stations, composite {composite:.0f} MiB: time {own[0] / peer[0]:.2f} x peer, peak "
                f"{(own[1] - floors['heliotrope']) / composite:.2f} x composite (peer "
                f"{(peer[1] - floors['simpleitk']) / composite:.2f})"
            )


if __name__ == "__main__":
    main()
