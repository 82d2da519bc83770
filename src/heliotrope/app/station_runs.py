"""A stage that reads voxel by voxel, run on each station alone; its maps are joined and never averaged."""

from __future__ import annotations

from dataclasses import replace

from heliotrope.app.stage import Stage, StageInput, StageOutput
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Series
from heliotrope.stations.merge import MapJoiner


def run_by_station(stage: Stage, given: StageInput) -> StageOutput:
    """Run a stage on every station of its series and join the maps.

    Each slice is taken from the station whose middle is nearer; one station is in memory at a time, beside the joined
    maps. A station that is refused leaves its slices without a value, and a check says so.

    Raises
    ------
    QualityRefusal
        Series whose stations do not belong together (``E_STATIONS``), or every station was refused: then the reason
        of the first.
    """
    sets = _station_sets(given.series)
    assert given.harmony_of is not None
    joiner = MapJoiner(given.harmony_of(given.series[0]))
    first: StageOutput | None = None
    refusals: list[tuple[int, QualityRefusal]] = []
    found: dict[QualityCheck, list[int]] = {}
    for k, series in enumerate(sets):
        try:
            output = stage.run(replace(given, series=series))
        except QualityRefusal as refused:
            refusals.append((k, refused))
            continue
        first = first or output
        for name, item in output.maps.items():
            joiner.add(k, name, item)
        for check in output.quality:
            found.setdefault(check, []).append(k + 1)
    if first is None:
        raise refusals[0][1]
    quality = [replace(check, detail=f"{_stations(ks, len(sets))}: {check.detail}") for check, ks in found.items()]
    for k, refusal in refusals:
        quality.append(QualityCheck(f"{stage.name} by station", False, f"station {k + 1}: {refusal.message}"))
    return StageOutput(
        sentence=f"{first.sentence} This was done in each of {len(sets)} stations; every slice is taken from the "
        "station whose middle is nearer, and no value is a mean of two stations.",
        evidence=(*first.evidence, "station-nearest"),
        maps=joiner.joined(),
        not_assessed=first.not_assessed,
        quality=tuple(quality),
    )


def _stations(numbers: list[int], count: int) -> str:
    """Which stations a check holds for: alike ones are told together."""
    if len(numbers) == count:
        return "every station"
    return f"station{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _station_sets(series: tuple[Series, ...]) -> list[tuple[Series, ...]]:
    """The series of each station, low to high."""
    counts = {len(item.stations) for item in series}
    if len(counts) != 1 or not all(_alike(series[0], item) for item in series):
        raise QualityRefusal(
            "the series of this result were put together from different stations",
            hint="scan every contrast at every station, or analyze one station at a time",
            code="E_STATIONS",
        )
    return [tuple(item.stations[k] for item in series) for k in range(counts.pop())]


def _alike(first: Series, second: Series) -> bool:
    return all(
        a.grid is not None and b.grid is not None and a.grid.is_same_as(b.grid, 0.5)
        for a, b in zip(first.stations, second.stations, strict=False)
    )
