"""Intake of a generated CT against pydicom's bare pixel read and dcm2niix, in one run, as ratios; memory by size.

usage: python benchmarks/intake.py [--slices 200] [--repeats 5] [--no-memory]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io import read_study, read_volume
from heliotrope.io.dicom_writer import synthetic_uid, write_dicom_series

SIDE = 512
MEBIBYTE = 1 << 20


def make_study(folder: Path, slices: int) -> None:
    """A CT of `slices` slices of 512 x 512."""
    values = np.random.default_rng(0).integers(-1000, 2000, (SIDE, SIDE, slices)).astype(np.float32)
    write_dicom_series(
        Volume(values, Grid.from_spacing((SIDE, SIDE, slices), (0.8, 0.8, 3.0))),
        Acquisition(Modality.CT, tube_voltage_kv=120.0),
        role=Role.CT,
        description="benchmark",
        series_number=1,
        study_uid=synthetic_uid("benchmark"),
        series_uid=synthetic_uid("benchmark", "series"),
        patient_label="benchmark",
        folder=folder,
    )


def with_heliotrope(folder: Path) -> None:
    """Headers, accounting, hashes, geometry, roles and pixels as float32."""
    (series,) = read_study(folder).series
    read_volume(series)


def with_pydicom(folder: Path) -> None:
    """Pixels of every file and nothing else."""
    for path in sorted(folder.iterdir()):
        pydicom.dcmread(path).pixel_array  # noqa: B018 - decoded by asking


def with_dcm2niix(folder: Path) -> None:
    """Uncompressed NIfTI with sidecar."""
    import dcm2niix

    with tempfile.TemporaryDirectory() as out:
        subprocess.run([dcm2niix.bin, "-z", "n", "-o", out, str(folder)], check=True, capture_output=True)


def seconds(action: Callable[[Path], None], folder: Path) -> float:
    start = time.perf_counter()
    action(folder)
    return time.perf_counter() - start


def peak_growth_mib(folder: Path) -> float:
    """Growth of the peak resident size by one intake, in a process of its own. [MiB]"""
    code = "import sys; sys.path.insert(0, sys.argv[2]); import intake; intake.report_growth(sys.argv[1])"
    command = [sys.executable, "-c", code, str(folder), str(Path(__file__).parent)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report_growth(folder: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with_heliotrope(Path(folder))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / MEBIBYTE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true")
    given = parser.parse_args()
    actions = {"heliotrope": with_heliotrope, "pydicom": with_pydicom, "dcm2niix": with_dcm2niix}
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "study"
        make_study(folder, given.slices)
        for action in actions.values():
            action(folder)
        times: dict[str, list[float]] = {name: [] for name in actions}
        for _ in range(given.repeats):  # turn about, so that a busy machine is unfair to all alike
            for name, action in actions.items():
                times[name].append(seconds(action, folder))
        medians = {name: statistics.median(values) for name, values in times.items()}
        print(f"{given.slices} slices {SIDE}x{SIDE}, median of {given.repeats}, files in the page cache")
        for name, value in medians.items():
            print(f"  {name:10s} {value:.3f} s")
        for peer in ("pydicom", "dcm2niix"):
            print(f"  heliotrope / {peer}: {medians['heliotrope'] / medians[peer]:.2f}")
    if not given.no_memory:
        for factor in (1, 4, 16):
            with tempfile.TemporaryDirectory() as root:
                folder = Path(root) / "study"
                slices = max(1, given.slices // 4) * factor
                make_study(folder, slices)
                growth = peak_growth_mib(folder)
                size = slices * SIDE * SIDE * 4 / MEBIBYTE
                words = f"{growth:.0f} MiB for a volume of {size:.0f} MiB, {growth / size:.2f}"
                print(f"  memory {factor:2d}x ({slices} slices): {words}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
