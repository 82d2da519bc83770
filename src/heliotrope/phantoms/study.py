"""What a phantom delivers: series as a scanner would, and the truth behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.study import Acquisition, Role
from heliotrope.phantoms.lesions import LesionTruth

SYNTHETIC_NOTE = "Synthetic images of a digital phantom; no person was scanned."
"""Stands in every header and on every page that shows a phantom."""


@dataclass(frozen=True, eq=False)
class PhantomSeries:
    """One simulated series.

    Parameters
    ----------
    volume : Volume
        Signal, (x, y, z) or (x, y, z, n).
    acquisition : Acquisition
        The attributes a header would state; intake decides the role from them.
    role : Role
        What the series is, as truth for intake tests.
    description : str
        Series description; says that the images are synthetic.
    """

    volume: Volume
    acquisition: Acquisition
    role: Role
    description: str


@dataclass(frozen=True, eq=False)
class PhantomStudy:
    """A simulated study and its truth.

    Parameters
    ----------
    name : str
        Name in the catalogue.
    seed : int
        Draws the person, the lesions and the noise.
    series : tuple of PhantomSeries
    truth_labels : LabelMap
        Tissues and muscles by side, by the component that fills most of a voxel.
    truth_maps : mapping of str to ParametricMap
        E.g. ``"water_t2"`` [ms], ``"fat_fraction"`` [%], ``"edema_fraction"`` [%].
    lesions : tuple of LesionTruth
        What was put in, with the volume that was reached.
    note : str
        What the phantom shows; begins with the synthetic marking.
    subject : str
        Equal for phantoms of one simulated person, e.g. the two visits of a longitudinal pair.
    """

    name: str
    seed: int
    series: tuple[PhantomSeries, ...]
    truth_labels: LabelMap
    truth_maps: Mapping[str, ParametricMap]
    lesions: tuple[LesionTruth, ...]
    note: str
    subject: str = field(default="")

    def with_role(self, role: Role) -> tuple[PhantomSeries, ...]:
        """Select the series of one role."""
        return tuple(series for series in self.series if series.role is role)

    def lying(self, move: NDArray[np.float64]) -> PhantomStudy:
        """The same images of a person who lies elsewhere in the scanner.

        Parameters
        ----------
        move : float array (4, 4)
            Rigid, from LPS positions here to those there. [mm]
        """

        def there(grid: Grid) -> Grid:
            return Grid.from_matrix(grid.shape, move @ grid.matrix, grid.frame_of_reference_uid)

        return replace(
            self,
            series=tuple(
                replace(item, volume=Volume(item.volume.data, there(item.volume.grid), item.volume.unit))
                for item in self.series
            ),
            truth_labels=replace(self.truth_labels, grid=there(self.truth_labels.grid)),
            truth_maps={name: replace(item, grid=there(item.grid)) for name, item in self.truth_maps.items()},
        )
