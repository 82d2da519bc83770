"""Statistics of a parametric map inside regions, with margins taken off and intervals that know about neighbors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heliotrope.domain.anatomy import STRUCTURES, Region, StructureKind
from heliotrope.domain.geometry import require_same_grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.measure.cores import Cores
from heliotrope.measure.partial_volume import corrected_mean
from heliotrope.measure.regions import RegionIndex, is_lean
from heliotrope.measure.spatial_bootstrap import bootstrap_mean, bootstrap_quantile, group_blocks

METHOD = "region-statistics/2"

FEWEST_VOXELS = 8
"""Below this many valid voxels no statistic is stated."""

LARGE_LOSS = 0.6
"""A region that loses more than this to its margin is said to be thin; its corrected mean is given (spec C12). [1]"""

LOW_COVERAGE = 0.5
"""A map that is valid in less than this share of a region is said to be so. [1]"""

EVERYWHERE = frozenset({"fat_fraction"})
"""Quantities read in every tissue; the others only in muscle."""


def measure_map(
    parametric: ParametricMap,
    labels: LabelMap | Cores,
    *,
    generator: np.random.Generator,
    regions: Sequence[Region] | None = None,
    evidence: tuple[str, ...] = ("spatial-block-bootstrap", "margin-erosion"),
) -> tuple[Measurement, ...]:
    """Median, mean and interquartile range of a map in every region.

    Parameters
    ----------
    parametric : ParametricMap
    labels : LabelMap or Cores
        On the grid of the map; resample the labels, never the map. `Cores` serve several maps of one grid.
    generator : numpy.random.Generator
        Draws the blocks behind the intervals.
    regions : sequence of Region or None
        None takes every region of the labels, the compartments and whole tissues they add up to included; outside
        muscle only quantities that mean something there.
    evidence : tuple of str

    Returns
    -------
    tuple of Measurement
        In the map's unit. An empty region, or one without valid voxels, is missing with its reason, never 0. The
        interval holds for the statistic of the region as drawn: noise and spatial variation, not errors of the labels.
    """
    require_same_grid(parametric.grid, labels.grid, first_name=f"{parametric.quantity} map", second_name="label map")
    cores = labels if isinstance(labels, Cores) else Cores.of(labels)
    if regions is None:
        regions = [r for r in cores.index.members if parametric.quantity in EVERYWHERE or is_lean(r)]
    results: list[Measurement] = []
    for region in regions:
        results.extend(_measure_region(parametric, cores, region, generator, evidence))
    return tuple(results)


def _measure_region(
    parametric: ParametricMap,
    cores: Cores,
    region: Region,
    generator: np.random.Generator,
    evidence: tuple[str, ...],
) -> list[Measurement]:
    core = cores.core(region)
    valid = core.mask & parametric.valid[core.box]
    lost, n_drawn, n_core, n_valid = core.fraction_lost, core.n_drawn, core.n_voxels, int(np.count_nonzero(valid))
    missing = _reason(parametric, region, n_drawn, n_core, n_valid)
    notes = list(parametric.flags)
    if missing is None and lost > LARGE_LOSS:
        notes.append(f"Thin region: {100 * lost:.0f} % of its voxels lie in the margin and were left out.")
    if missing is None and n_valid < LOW_COVERAGE * n_core:
        notes.append(f"The map is valid in {100 * n_valid / n_core:.0f} % of the region only.")

    def result(statistic: str, value: float | None, ci95: tuple[float, float] | None) -> Measurement:
        return Measurement(
            region=region,
            quantity=parametric.quantity,
            statistic=statistic,
            value=value,
            unit=parametric.unit,
            method=f"{parametric.method}+{METHOD}",
            missing=missing,
            ci95=ci95,
            n_voxels=n_valid,
            evidence=evidence,
            notes=tuple(notes),
        )

    rows = [_margin_loss(parametric, region, lost, n_drawn, evidence)]
    if lost > LARGE_LOSS and n_drawn >= FEWEST_VOXELS:
        rows += _corrected(parametric, cores.index, region, generator)
    if missing is not None:
        return [*(result(statistic, None, None) for statistic in ("median", "mean", "iqr")), *rows]
    values = np.asarray(parametric.values[core.box][valid], dtype=np.float64)
    blocks = group_blocks(valid, parametric.grid, corner=core.corner)
    low, middle, high = (float(v) for v in np.quantile(values, (0.25, 0.5, 0.75)))
    return [
        result("median", middle, bootstrap_quantile(values, 0.5, blocks, generator)),
        result("mean", float(values.mean()), bootstrap_mean(values, blocks, generator)),
        result("iqr", high - low, None),
        *rows,
    ]


def _margin_loss(
    parametric: ParametricMap, region: Region, lost: float, n_drawn: int, evidence: tuple[str, ...]
) -> Measurement:
    """Share of the region that lies in its margin and was left out of this map's statistics."""
    missing = None if n_drawn else Missing("M_EMPTY_REGION", f"The labels hold no voxel of the {region.title} here.")
    value = None if missing is not None else 100.0 * lost
    return Measurement(
        region=region,
        quantity="margin_loss",
        statistic=parametric.quantity,
        value=value,
        unit=Unit.PERCENT,
        method=METHOD,
        missing=missing,
        n_voxels=n_drawn,
        evidence=evidence,
    )


def _corrected(
    parametric: ParametricMap,
    index: RegionIndex,
    region: Region,
    generator: np.random.Generator,
) -> list[Measurement]:
    """Mean of a thin region freed of its neighbors; empty where it cannot be told."""
    numbers = {n for r, members in index.members.items() if is_lean(r) for n in members}
    drawn = index.mask(region)
    lean = np.isin(index.labels.labels, list(numbers)) if numbers else drawn
    found = corrected_mean(parametric, drawn, np.asarray(lean), generator)
    if found is None:
        return []
    return [
        Measurement(
            region=region,
            quantity=parametric.quantity,
            statistic="corrected_mean",
            value=found.value,
            unit=parametric.unit,
            method=f"{parametric.method}+partial-volume-regression/1",
            ci95=found.ci95,
            n_voxels=found.n_voxels,
            evidence=("partial-volume-regression",),
            notes=(*parametric.flags, "Margin kept; neighbors regressed out by their shares of each voxel."),
        )
    ]


def level_medians(parametric: ParametricMap, labels: LabelMap | Cores) -> tuple[Measurement, ...]:
    """Median of a map in every slice of whole muscle and of every compartment, margins taken off.

    Parameters
    ----------
    parametric : ParametricMap
    labels : LabelMap or Cores
        On the grid of the map.

    Returns
    -------
    tuple of Measurement
        Of regions with ``level`` ``"slice n"``, n from 1 along the slices of the map; slices with too few voxels are
        left out. The interval is not given: a slice holds few independent blocks.
    """
    require_same_grid(parametric.grid, labels.grid, first_name=f"{parametric.quantity} map", second_name="label map")
    cores = labels if isinstance(labels, Cores) else Cores.of(labels)
    across = int(np.argmax(parametric.grid.spacing_mm))
    rows: list[Measurement] = []
    for region in cores.index.members:
        kind = STRUCTURES[region.structure].kind
        if region.level is not None or not (region.structure == "muscle" or kind is StructureKind.COMPARTMENT):
            continue
        core = cores.core(region)
        values_by_slice = np.moveaxis(parametric.values[core.box], across, 0)
        slices = np.moveaxis(core.mask & parametric.valid[core.box], across, 0)
        for k in np.flatnonzero(np.count_nonzero(slices, axis=(1, 2)) >= FEWEST_VOXELS):
            values = values_by_slice[k][slices[k]].astype(np.float64)
            rows.append(
                Measurement(
                    region=Region(region.structure, region.side, f"slice {core.corner[across] + k + 1}"),
                    quantity=parametric.quantity,
                    statistic="median",
                    value=float(np.median(values)),
                    unit=parametric.unit,
                    method=f"{parametric.method}+{METHOD}",
                    n_voxels=int(values.size),
                    evidence=("margin-erosion",),
                    notes=parametric.flags,
                )
            )
    return tuple(rows)


def _reason(parametric: ParametricMap, region: Region, n_drawn: int, n_core: int, n_valid: int) -> Missing | None:
    if n_drawn == 0:
        return Missing("M_EMPTY_REGION", f"The labels hold no voxel of the {region.title} on the grid of this map.")
    if n_core < FEWEST_VOXELS:
        return Missing(
            "M_TOO_THIN",
            f"Of {n_drawn} voxels of the {region.title} {n_core} lie inside its margin; {FEWEST_VOXELS} are needed.",
        )
    if n_valid < FEWEST_VOXELS:
        return Missing(
            "M_NO_VALID_VOXELS",
            f"The {parametric.quantity.replace('_', ' ')} map is valid in {n_valid} of {n_core} voxels of the "
            f"{region.title}; {FEWEST_VOXELS} are needed.",
        )
    return None
