"""Time and peak memory of comparing two visits of a thigh, and their growth with the number of slices.

usage: python -m benchmarks.comparison [--slices 5 10 20] [--follow-ups 1 2]

Two visits of one phantom person are written as DICOM, analyzed with their true labels, and compared as a user would.
The peer is the analysis of one visit in the same run: times are ratios to it. The bare import is the floor of memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.analysis import measured
from heliotrope.app.validation.change import SMALL, analyze_visit, build_visit


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--follow-ups", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    _, floor, _ = measured(["-c", "import heliotrope.app.compare"])
    print(f"bare import: {floor:.0f} MiB")
    first: float | None = None
    for n_slices in given.slices:
        protocol = replace(SMALL, n_slices=n_slices)
        with tempfile.TemporaryDirectory() as folder:
            visits = [build_visit(f"longitudinal-{name}", 3, protocol) for name in ("baseline", "follow-up")]
            started = time.perf_counter()
            baseline = analyze_visit(visits[0], Path(folder))
            one = time.perf_counter() - started
            follow_up = analyze_visit(visits[1], Path(folder))
            for count in given.follow_ups:
                folders = [str(baseline), *[str(follow_up)] * count]
                out = str(Path(folder) / f"out-{count}")
                seconds, peak, status = measured(["-m", "heliotrope", "compare", *folders, "--out", out])
                if status != 0:
                    raise SystemExit(f"the comparison ended with status {status}")
                first = first or seconds
                print(
                    f"{n_slices:3d} slices, {count} follow-up(s): {seconds / one:.2f} x the analysis of one visit, "
                    f"{seconds / first:.2f} x the first row, peak {peak:.0f} MiB ({peak - floor:.0f} above the import)"
                )


if __name__ == "__main__":
    main()
