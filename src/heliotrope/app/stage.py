"""What a stage of the analysis is; `app` alone chains them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from heliotrope.app.options import AnalyzeOptions
from heliotrope.domain.findings import Finding
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import NotAssessed, QualityCheck
from heliotrope.domain.study import Series, Study
from heliotrope.domain.units import Unit
from heliotrope.segment.transfer import resample_labels
from heliotrope.stations.merge import Harmony


@dataclass(frozen=True)
class Quantity:
    """A result the product knows; one row of the registry.

    Parameters
    ----------
    key : str
        As in `Measurement.quantity` and `ParametricMap.quantity`.
    title : str
    unit : Unit
    meaning : str
        One sentence: what it is, which direction is worse, what it is not.
    """

    key: str
    title: str
    unit: Unit
    meaning: str


@dataclass(frozen=True)
class StageInput:
    """What a stage may read.

    Parameters
    ----------
    series : tuple of Series
        What `Stage.select` chose.
    maps, labels, backgrounds, measurements, findings
        Outputs of the earlier stages named in `Stage.uses`, and of no others.
    read_volume : callable
        Loads a series' pixels as a `Volume` (x, y, z[, n]).
    carried : tuple of LabelMap
        Labels that registration placed on other grids; `labels_on` takes them.
    harmony_of : callable or None
        How the stations of a joined series fit together.
    """

    study: Study
    series: tuple[Series, ...]
    options: AnalyzeOptions
    read_volume: Callable[[Series], Volume]
    maps: Mapping[str, ParametricMap] = field(default_factory=dict)
    labels: LabelMap | None = None
    backgrounds: Mapping[str, Volume] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()
    harmony_of: Callable[[Series], Harmony] | None = None
    carried: tuple[LabelMap, ...] = ()

    def labels_on(self, grid: Grid) -> LabelMap:
        """The labels on a map's grid: carried there by registration, or placed by the image headers.

        Raises
        ------
        GeometryError
            Another frame of reference, and nothing was carried.
        """
        assert self.labels is not None
        for labels in self.carried:
            if labels.grid.is_same_as(grid):
                return labels
        return resample_labels(self.labels, grid)


@dataclass(frozen=True)
class StageOutput:
    """What a stage adds.

    Parameters
    ----------
    sentence : str
        Methods text, with the parameters that were used.
    carried : tuple of LabelMap
        The labels on other grids than their own, each placed by registration.
    """

    sentence: str
    evidence: tuple[str, ...] = ()
    maps: Mapping[str, ParametricMap] = field(default_factory=dict)
    labels: LabelMap | None = None
    backgrounds: Mapping[str, Volume] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_assessed: tuple[NotAssessed, ...] = ()
    quality: tuple[QualityCheck, ...] = ()
    carried: tuple[LabelMap, ...] = ()


def _nothing(missing: Missing) -> tuple[Measurement, ...]:
    del missing
    return ()


@dataclass(frozen=True)
class Stage:
    """One step from a study toward its result.

    Parameters
    ----------
    name : str
        E.g. ``"water-t2"``.
    version : int
        Raised whenever the same input may give other numbers.
    quantities : tuple of Quantity
        What it can deliver; a refused stage reports each as not assessed.
    select : callable
        The series it needs, or exactly what is missing or unfit (the protocol guard that `inspect` shows).
    run : callable
        Pure: no clock, no environment, no global; may raise `QualityRefusal`.
    uses : tuple of str
        Names of earlier stages whose outputs it reads; part of its key. A name that did not run contributes nothing.
    material : callable or None
        Identity of packaged material the stage rests on, e.g. the hash of a network's weights; part of its key.
    reads : tuple of str
        Fields of the options it reads; part of its key. It is shown no others, so that changing an option leaves every
        stage as it was that does not read it, or use a stage that does.
    by_station : bool
        Reads every voxel for itself: of a series joined from stations it runs on each station alone, and the maps are
        joined afterward without averaging.
    without : callable
        Measurements, each with its reason, that stand in the result when the stage could not run.
    """

    name: str
    version: int
    quantities: tuple[Quantity, ...]
    select: Callable[[Study], tuple[Series, ...] | Missing]
    run: Callable[[StageInput], StageOutput]
    uses: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    without: Callable[[Missing], tuple[Measurement, ...]] = _nothing
    material: Callable[[], str] | None = None
    by_station: bool = False
