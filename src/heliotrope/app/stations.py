"""A study whose stations are joined: what the stages then see, and how the pixels of a joined series are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Modality, Role, Series, Study
from heliotrope.stations.layout import Arrangement, StationGroup, find_layout, is_scanned_by_side, lie_apart
from heliotrope.stations.merge import Harmony, Placement, by_header, harmonize, merge_signal
from heliotrope.stations.place import StationOrder, place_in_order

ANATOMY_FIRST = (Role.DIXON_WATER, Role.DIXON_IN_PHASE, Role.GRE_MAGNITUDE, Role.T1, Role.T2, Role.MULTI_ECHO_T2)
"""Contrasts on which shifts are found for every contrast of the same stations, best first."""

_NUMBERS_STAND = frozenset(
    {
        Role.FAT_FRACTION,
        Role.T2_MAP,
        Role.ADC_MAP,
        Role.B1_MAP,
        Role.GRE_PHASE,
        Role.GRE_REAL,
        Role.GRE_IMAGINARY,
    }
)
"""Images whose numbers have a meaning of their own and are never scaled."""

_SHOWN_ONLY = frozenset({Role.T1, Role.T2})
"""Weighted images that nothing is measured on: neighbors are mixed across their overlap."""

_GAIN_OF = {Role.DIXON_FAT: Role.DIXON_WATER, Role.DIXON_OPPOSED_PHASE: Role.DIXON_IN_PHASE}
"""Images of one acquisition share one gain, found on the partner that shows muscle."""

FEWEST_LOST = 3
"""From so many images at one place without a sidecar, `inspect` asks whether they are stations."""

ReadVolume = Callable[[Series], Volume]


def with_stations(study: Study) -> Study:
    """The study with every group of stations as one series, by what the headers state; reads no pixel.

    The joined series take the place of their stations, which stand inside them and in their reason; notes say what
    stays apart and why, and which limbs were scanned separately.
    """
    layout = find_layout(study.series)
    if not layout.groups:
        notes = (*layout.notes, *_lost_positions(study.series))
        return replace(study, notes=(*study.notes, *notes)) if notes else study
    inside = {member.key for group in layout.groups for member in group.series}
    joined = [_joined(group) for group in layout.groups]
    rest = [series for series in study.series if series.key not in inside]
    apart = (_said(series) for series in joined if is_scanned_by_side(series))
    notes = (*study.notes, *apart, *layout.notes)
    return replace(study, series=(*joined, *rest), notes=notes)


def on_one_stretch(study: Study, anchor: Series | None = None) -> Study:
    """The study without MR series of other levels or of the other side whose role has one on the stretch that is read.

    Every result then speaks of one stretch of the body; a note names what was left out.

    Parameters
    ----------
    study : Study
        After its stations were joined.
    anchor : Series, optional
        Lies on the stretch that is read, as the series that labels were drawn on; by default the series that most
        roles accompany, of these the largest.
    """
    scanned = [item for item in study.series if _is_placed_mr(item)]
    if anchor is None:
        anchor = max(scanned, key=lambda item: (len(_roles_with(item, scanned)), _volume_mm3(item)), default=None)
    if anchor is None or not _is_placed_mr(anchor):
        return study
    here = _roles_with(anchor, scanned)
    left_out = [item for item in scanned if item.role in here and _lies_apart(item, anchor)]
    if not left_out:
        return study
    keys = ", ".join(item.key for item in left_out)
    note = (
        f"series {keys} show other levels or the other side and were not read beside {anchor.key}: analyze them from a "
        "folder of their own"
    )
    rest = tuple(item for item in study.series if item not in left_out)
    return replace(study, series=rest, notes=(*study.notes, note))


def _is_placed_mr(series: Series) -> bool:
    return series.grid is not None and series.role is not Role.OTHER and series.acquisition.modality is Modality.MR


def _roles_with(anchor: Series, scanned: Sequence[Series]) -> set[Role]:
    """Roles of the series on the stretch of one of them."""
    return {item.role for item in scanned if not _lies_apart(item, anchor)}


def _lies_apart(first: Series, second: Series) -> bool:
    return first.grid is not None and second.grid is not None and lie_apart(first.grid, second.grid)


def _volume_mm3(series: Series) -> float:
    return 0.0 if series.grid is None else float(np.prod(series.grid.shape)) * series.grid.voxel_volume_mm3


def _joined(group: StationGroup) -> Series:
    first = group.series[0]
    keys = [series.key for series in group.series]
    words = "stations" if group.arrangement is Arrangement.STATIONS else "sides"
    return replace(
        first,
        key=f"{keys[0]}..{keys[-1]}",
        uid="joined:" + "+".join(series.uid for series in group.series),
        role_reason=f"joined from {len(keys)} {words}: {', '.join(keys)}",
        grid=group.grid,
        frames=(),
        defects=tuple(dict.fromkeys(defect for series in group.series for defect in series.defects)),
        synthetic=all(series.synthetic for series in group.series),
        stations=group.series,
    )


def _said(series: Series) -> str:
    keys = ", ".join(item.key for item in series.stations)
    return f"series {keys} are a right and a left limb scanned separately: sides are compared with this limit"


def _lost_positions(series: Sequence[Series]) -> tuple[str, ...]:
    """Images without a sidecar that all state one place: perhaps stations whose position was lost."""
    said = []
    for family in _at_one_place(series):
        bare = all(any(defect.startswith("no sidecar") for defect in item.defects) for item in family)
        if len(family) >= FEWEST_LOST and bare:
            keys = ", ".join(item.key for item in family)
            said.append(
                f"series {keys} all state one place; if they are stations whose position was lost, give their role and "
                "--station-order foot_first (or head_first), in order of their names"
            )
    return tuple(said)


def _at_one_place(series: Sequence[Series]) -> list[list[Series]]:
    families: dict[tuple[object, ...], list[Series]] = {}
    for item in series:
        if item.grid is not None:
            key = (item.role, item.n_frames, item.acquisition.echo_times_ms, item.grid)
            families.setdefault(key, []).append(item)
    return [family for family in families.values() if len(family) > 1]


def placed_in_order(study: Study, order: StationOrder, read_volume: ReadVolume) -> Study:
    """The study with stations that state one place put one above the other, by what their ends show.

    Raises
    ------
    QualityRefusal
        No such series, of a known role (``E_STATION_ORDER``), or none of their overlaps fits.
    """
    families = [family for family in _at_one_place(study.series) if family[0].role is not Role.OTHER]
    if not families:
        raise QualityRefusal(
            "station order given, but no two images of a known role state one place",
            hint="leave station_order out where the files state positions; give --role for files without a sidecar",
            code="E_STATION_ORDER",
        )
    moved: dict[str, Grid] = {}
    notes = []
    for family in families:
        grids = [item.grid for item in family if item.grid is not None]
        placed, overlap_mm, worst = place_in_order(grids, lambda k, own=family: read_volume(own[k]), order)  # type: ignore[misc]
        moved |= {item.key: grid for item, grid in zip(family, placed, strict=True)}
        notes.append(
            f"positions of series {', '.join(item.key for item in family)} were not in the files: they follow one "
            f"another in the stated order with an overlap of {overlap_mm:.0f} mm found in the images (least likeness "
            f"{worst:.2f})"
        )
    series = tuple(replace(item, grid=moved.get(item.key, item.grid)) for item in study.series)
    return replace(study, series=series, notes=(*study.notes, *notes))


class StationReader:
    """Reads series as they are and joined series by merging their stations, which are read one at a time.

    Parameters
    ----------
    study : Study
        With its joined series.
    read_volume : callable
        Loads a series as it was scanned.
    """

    def __init__(self, study: Study, read_volume: ReadVolume) -> None:
        self._joined = [series for series in study.series if series.stations]
        self._read = read_volume
        self._harmonies: dict[str, Harmony] = {}
        self._shifts: dict[tuple[object, ...], NDArray[np.float64]] = {}

    def __call__(self, series: Series) -> Volume:
        """Volume of a series."""
        if not series.stations:
            return self._read(series)
        harmony = self.harmony_of(series)
        blend = series.role in _SHOWN_ONLY and series.n_frames == 1 and not is_scanned_by_side(series)
        return merge_signal(harmony, self._station_reader(series), blend=blend)

    def _station_reader(self, series: Series) -> Callable[[int], Volume]:
        return lambda k: self._read(series.stations[k])

    def harmony_of(self, series: Series) -> Harmony:
        """How the stations of a joined series fit together; found once."""
        if series.key not in self._harmonies:
            self._harmonies[series.key] = self._find(series)
        return self._harmonies[series.key]

    def _find(self, series: Series) -> Harmony:
        placement = placement_of(series)
        if is_scanned_by_side(series):
            return by_header(placement)
        partner = self._same_stations(series, (_GAIN_OF[series.role],)) if series.role in _GAIN_OF else None
        if partner is not None:
            return self.harmony_of(partner)
        if series.role in _NUMBERS_STAND:
            leader = self._same_stations(series, ANATOMY_FIRST)
            found = self.harmony_of(leader) if leader is not None else by_header(placement)
            return found.without_gains()
        layout = _layout_key(series)
        if layout not in self._shifts:
            leader = self._same_stations(series, ANATOMY_FIRST)
            if leader is not None and leader.key != series.key:
                self.harmony_of(leader)
        harmony = harmonize(placement, self._station_reader(series), shifts=self._shifts.get(layout))
        self._shifts.setdefault(layout, harmony.placement.offsets - placement.offsets)
        return harmony

    def _same_stations(self, series: Series, roles: Sequence[Role]) -> Series | None:
        """The joined series of the first of some roles that was scanned at the same stations."""
        for role in roles:
            for other in self._joined:
                if other.role is role and _layout_key(other) == _layout_key(series):
                    return other
        return None


def placement_of(series: Series) -> Placement:
    """Where the stations of a joined series lie, by their headers."""
    assert series.grid is not None
    grids = [station.grid for station in series.stations if station.grid is not None]
    steps = np.abs(
        series.grid.indices(grids[1].positions_mm(np.zeros(3)))
        - series.grid.indices(grids[0].positions_mm(np.zeros(3)))
    )
    return Placement.by_header(series.grid, int(np.argmax(steps * np.asarray(series.grid.spacing_mm))), grids)


def _layout_key(series: Series) -> tuple[object, ...]:
    return tuple((station.grid.shape, station.grid.affine) for station in series.stations if station.grid is not None)
