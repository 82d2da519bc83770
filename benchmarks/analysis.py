"""Peak memory and time of a whole analysis, and their growth at 1x, 4x and 16x of the slices.

usage: python -m benchmarks.analysis [--phantom NAME] [--factors 1 4 16]

The thigh phantom's slices are repeated to the wanted number. Each analysis runs in a process of its own; the bare
import of the product is measured the same way and shown as the floor. Times are ratios to the 1x run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Role
from heliotrope.io.nifti import write_sidecar, write_volume
from heliotrope.phantoms.catalogue import build_phantom
from heliotrope.phantoms.study import PhantomSeries


def repeated(series: PhantomSeries, factor: int) -> PhantomSeries:
    """The series with its slices repeated `factor` times along z."""
    data = np.tile(np.asarray(series.volume.data), (1, 1, factor, *(1,) * (series.volume.data.ndim - 3)))
    grid = Grid.from_matrix(data.shape, series.volume.grid.matrix)
    return replace(series, volume=Volume(data, grid, series.volume.unit))


_LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([time.perf_counter() - started, peak, status]))
"""
"""A small process between, since a process starts out with the peak memory of the one that started it."""


def measured(arguments: list[str]) -> tuple[float, float, int]:
    """Seconds, peak memory [MiB] and exit status of a Python process."""
    launched = [sys.executable, "-c", _LAUNCHER, sys.executable, *arguments]
    seconds, peak, status = json.loads(subprocess.run(launched, check=True, capture_output=True).stdout)
    return float(seconds), float(peak), int(status)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phantom", default="active-dm")
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 4, 16])
    given = parser.parse_args()
    study = build_phantom(given.phantom, 1)
    series = study.with_role(Role.MULTI_ECHO_T2)[0]
    _, floor, _ = measured(["-c", "import heliotrope.app.analyze"])
    print(f"bare import: {floor:.0f} MiB")
    first = None
    for factor in given.factors:
        with tempfile.TemporaryDirectory() as folder:
            bigger = repeated(series, factor)
            path = Path(folder) / "study" / "mese.nii.gz"
            path.parent.mkdir()
            write_volume(path, bigger.volume)
            write_sidecar(path, bigger.acquisition, role=bigger.role, synthetic=True, description=bigger.description)
            out = Path(folder) / "out"
            arguments = ["-m", "heliotrope", "analyze", str(path.parent), "--out", str(out)]
            seconds, peak, status = measured(arguments)
            if status not in (0, 3):
                raise SystemExit(f"analysis ended with status {status}")
            stages = json.loads((out / "run.json").read_text())["stages"]
        mebibytes = np.asarray(bigger.volume.data).nbytes / 2**20
        first = first or seconds
        slowest = ", ".join(f"{stage['name']} {stage['seconds']:.1f} s" for stage in stages)
        print(
            f"{factor:3d}x: {bigger.volume.grid.shape[2]} slices, input {mebibytes:.0f} MiB, peak {peak:.0f} MiB "
            f"({(peak - floor) / mebibytes:.1f} x input above the import), time ratio {seconds / first:.2f} ({slowest})"
        )


if __name__ == "__main__":
    main()
