"""Rate and memory of the clinical instruments on 100,000 records; ratios to named peers in one run.

Run: python benchmarks/criteria.py [number of records]
"""

from __future__ import annotations

import gc
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

from heliotrope.criteria import eular_acr_2017
from heliotrope.criteria.instrument import evaluate
from heliotrope.criteria.registry import find

RECORDS = 100_000
Record = dict[str, Any]


def eular_records(count: int, seed: int) -> list[Record]:
    """Records with every fourth fact unknown and every third patient biopsied."""
    draw = random.Random(seed)
    records = []
    for _ in range(count):
        record: Record = {name: draw.choice((True, False, False, None)) for name in eular_acr_2017.ITEMS}
        record |= {"age_at_onset": draw.randint(1, 90), "better_explanation": False, "biopsy_performed": False}
        if draw.random() < 1 / 3:
            record["biopsy_performed"] = True
            record |= {name: draw.choice((True, False, None)) for name in eular_acr_2017.BIOPSY_ITEMS}
        records.append(record)
    return records


def response_records(count: int, seed: int) -> list[Record]:
    """Two visits of adults, IMACS core set, tenths of a centimeter."""
    draw = random.Random(seed)

    def pair(high: int) -> Record:
        return {"baseline": draw.randint(0, 10 * high) / 10, "followup": draw.randint(0, 10 * high) / 10}

    return [
        {
            "population": "adult",
            "core_set": "IMACS",
            "physician_global": pair(10),
            "patient_global": pair(10),
            "muscle": {"baseline": draw.randint(60, 150), "followup": draw.randint(60, 150), "instrument": "MMT8_BI"},
            "function": pair(3),
            "enzymes": {"CK": {"baseline": draw.randint(20, 9000), "followup": draw.randint(20, 9000), "uln": 200}},
            "extramuscular": pair(10),
        }
        for _ in range(count)
    ]


def binary_float_score(record: Record) -> float:
    """The peer: weights added as binary floats, no checks, no bounds, no category; wrong at cut-offs."""
    column = 1 if record["biopsy_performed"] else 0
    age = record["age_at_onset"]
    score = eular_acr_2017.AGE_POINTS[column][0 if age < 18 else 1 if age < 40 else 2] / 10
    for table in (eular_acr_2017.ITEMS, eular_acr_2017.BIOPSY_ITEMS):
        for name, weights in table.items():
            if record.get(name):
                score += weights[column] / 10
    return score


def seconds(run: Callable[[Record], object], records: Iterable[Record]) -> float:
    """Wall time of running over all records, results dropped."""
    gc.collect()
    started = time.perf_counter()
    for record in records:
        run(record)
    return time.perf_counter() - started


def peak_mib(run: Callable[[Record], object], records: Iterable[Record]) -> float:
    """Peak of memory taken while running, beyond the records themselves. [MiB]"""
    gc.collect()
    tracemalloc.start()
    for record in records:
        run(record)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def main(count: int) -> None:
    """Print rates, ratios, growth with work, memory."""
    eular, tis = find("eular_acr_2017"), find("tis_2016")
    records, visits = eular_records(count, 1), response_records(count, 2)
    runs: dict[str, tuple[Callable[[Record], object], list[Record]]] = {
        "EULAR/ACR 2017, no trace": (lambda record: evaluate(eular, record, explain=False), records),
        "EULAR/ACR 2017, traced": (lambda record: evaluate(eular, record), records[: count // 20]),
        "TIS 2016, no trace": (lambda record: evaluate(tis, record, explain=False), visits),
        "TIS 2016, traced": (lambda record: evaluate(tis, record), visits[: count // 20]),
        "peer: bare binary-float sum": (binary_float_score, records),
    }
    rates: dict[str, float] = {}
    for name, (run, some) in runs.items():
        rates[name] = len(some) / seconds(run, some)
        print(f"{name:32}{len(some):>8} records {rates[name]:>10.0f} records/s")
    base = rates["EULAR/ACR 2017, no trace"]
    print(f"full answer costs {rates['peer: bare binary-float sum'] / base:.1f} bare sums")
    print(f"trace and what-if cost {base / rates['EULAR/ACR 2017, traced']:.1f} answers")
    run = runs["EULAR/ACR 2017, no trace"][0]
    for part in (count // 10, count // 2, count):
        taken = seconds(run, records[:part])
        print(f"growth: {part:>8} records {taken:7.2f} s, {1e6 * taken / part:6.1f} us each")
    print(f"memory: peak {peak_mib(run, records[: count // 10]):.2f} MiB beyond the records")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS)
