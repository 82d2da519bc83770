"""Processor time of correcting the labels of a finished analysis, and its growth with slices and labels.

usage: python -m benchmarks.correction [--slices 5 10 20] [--repeats 3]

A thigh phantom is analyzed from the command line; then its true labels take the place of the automatic ones, once with
every muscle by name and once with the muscles of a side as one. The peer is the whole analysis in the same run. The
step of measurements is the best of the repeats within one process, and the command includes the start of Python.
Processor seconds of all threads are given, since wall time on a busy machine says nothing.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from heliotrope.app.phantom import TRUTH_FOLDER, PhantomFormat, bundle_of, write_bundle
from heliotrope.app.relabel import relabel
from heliotrope.domain.anatomy import STRUCTURES, Region, StructureKind
from heliotrope.domain.images import LabelMap
from heliotrope.io import nifti
from heliotrope.phantoms.catalogue import SCENES, build_thigh_study
from heliotrope.phantoms.mr_protocol import Sequence

PHANTOM = "active-dm"
SEQUENCES = (Sequence.T1, Sequence.STIR, Sequence.MULTI_ECHO_T2, Sequence.SCANNER_DIXON)


def processor_seconds(*arguments: str) -> float:
    """Of a command of the product, its start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "heliotrope", *arguments], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):
        raise SystemExit(f"heliotrope {arguments[0]} ended with status {done.returncode}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def without_names(labels: LabelMap) -> LabelMap:
    """The same labels with the muscles of a side as one."""
    named = {n: r for n, r in labels.legend.items() if STRUCTURES[r.structure].kind is StructureKind.MUSCLE}
    values, legend = np.array(labels.labels), {n: r for n, r in labels.legend.items() if n not in named}
    for side in dict.fromkeys(region.side for region in named.values()):
        whole = Region("muscle", side)
        number = next((n for n, region in legend.items() if region == whole), max(labels.legend) + 1 + len(legend))
        legend[number] = whole
        values[np.isin(values, [n for n, region in named.items() if region.side is side])] = number
    return LabelMap(values, labels.grid, legend, labels.source)


def stage_clock(name: str, found: list[float]) -> Callable[[int, int, str], None]:
    """A listener to progress that notes the processor seconds of one stage."""
    last = time.process_time()

    def listen(_done: int, _total: int, line: str) -> None:
        nonlocal last
        now = time.process_time()
        if line.startswith(f"{name}:"):
            found.append(now - last)
        last = now

    return listen


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    first: float | None = None
    for slices in given.slices:
        scene = SCENES[PHANTOM]
        protocol = replace(scene.protocol, n_slices=slices, sequences=SEQUENCES)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            study, finished = folder / "study", folder / "finished"
            write_bundle(
                bundle_of(build_thigh_study(PHANTOM, replace(scene, protocol=protocol), 3)), study, PhantomFormat.DICOM
            )
            analysis = processor_seconds("analyze", str(study), "--out", str(finished))
            true = nifti.read_labels(study / TRUTH_FOLDER / "labels.nii.gz")
            for labels in (without_names(true), true):
                file = folder / f"corrected-{len(labels.legend)}.nii.gz"
                nifti.write_labels(file, labels)
                measuring: list[float] = []
                for n in range(given.repeats):
                    shutil.copytree(finished, folder / f"try-{n}")
                    relabel(
                        folder / f"try-{n}",
                        file,
                        study_path=None,
                        by=None,
                        progress=stage_clock("measurements", measuring),
                    )
                    shutil.rmtree(folder / f"try-{n}")
                shutil.copytree(finished, folder / "try")
                whole = processor_seconds("relabel", str(folder / "try"), "--labels", str(file))
                shutil.rmtree(folder / "try")
                first = first or min(measuring)
                grid = "x".join(map(str, true.grid.shape))
                print(
                    f"{grid}, {len(labels.legend):2d} labels: analysis {analysis:5.1f} s, correction {whole:4.1f} s "
                    f"({whole / analysis:.2f} x the analysis), its measurements {min(measuring):.2f} s "
                    f"({min(measuring) / analysis:.3f} x the analysis, {min(measuring) / first:.1f} x the first row)"
                )


if __name__ == "__main__":
    main()
