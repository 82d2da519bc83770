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


def cpu_seconds() -> float:
    """Processor time of this program and the ones it started. [s]"""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def seconds(action: Callable[[Path], None], folder: Path) -> tuple[float, float]:
    """Wall and processor time. [s]"""
    start, spent = time.perf_counter(), cpu_seconds()
    action(folder)
    return time.perf_counter() - start, cpu_seconds() - spent


def peak_growth_mib(folder: Path) -> float:
    """Growth of the peak resident size by one intake, in a process of its own. [MiB]"""
    code = "import sys; sys.path.insert(0, sys.argv[2]); import intake; intake.report_growth(sys.argv[1])"
    command = [sys.executable, "-c", code, str(folder), str(Path(__file__).parent)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_kib() -> int:
    """High-water mark of this program's own memory; getrusage would count what its parent held. [KiB]"""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def report_growth(folder: str) -> None:
    before = peak_kib()
    with_heliotrope(Path(folder))
    print((peak_kib() - before) * 1024 / MEBIBYTE)


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
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
        for _ in range(given.repeats):  # turn about, so that a busy machine is unfair to all alike
            for name, action in actions.items():
                times[name].append(seconds(action, folder))
        print(f"{given.slices} slices {SIDE}x{SIDE}, {given.repeats} turns, files in the page cache")
        for title, pick, which in (("median", statistics.median, 0), ("best", min, 0), ("processor, best", min, 1)):
            chosen = {name: float(pick([value[which] for value in values])) for name, values in times.items()}
            shown = ", ".join(f"{name} {value:.3f} s" for name, value in chosen.items())
            ratios = ", ".join(f"/{peer} {chosen['heliotrope'] / chosen[peer]:.2f}" for peer in ("pydicom", "dcm2niix"))
            print(f"  {title:16s} {shown}; heliotrope {ratios}")
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
