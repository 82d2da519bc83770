"""How much edema: fraction, volume, mean excess, load and histogram index of every region, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.measure.edema_mask import FAILED_SUPPRESSION, EdemaMask
from heliotrope.measure.morphometry import slice_axis
from heliotrope.measure.regions import RegionIndex, index_regions, is_lean
from heliotrope.measure.spatial_bootstrap import N_DRAWS, Blocks, bootstrap_mean, draw_weights, group_blocks, interval
from heliotrope.physics.noise import GAUSSIAN_MAD

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LIMIT_SPREAD = 0.10
"""The cut-off is varied by this share of its distance from normal in every draw. [1]"""

LARGEST_SAMPLE = 6000
"""Voxels of a region that take part in the draws behind its intervals; of larger regions every n-th."""

LEAST_RELATIVE_COVERAGE = 0.75
"""Sides are compared only when the less seen one was seen to this share of the other. [1]"""

LARGEST_UNEQUAL_FAILURE = 0.05
"""Sides are compared only when failed fat suppression took about equal shares of both. [1]"""

NOISE_LAG = 2
"""Voxels two apart are compared for noise: neighbors share signal where images were interpolated. Project rule."""

FEWEST_ASSESSED = 30
"""Voxels that must be assessable for a region to be scored."""

LOWEST_COVERAGE = 0.25
"""Share of a region that must be assessable. [1]"""


@dataclass(frozen=True, eq=False)
class EdemaImage:
    """An image in which edema was marked.

    Parameters
    ----------
    values : array (x, y, z)
        STIR relative to normal muscle [1], or water T2 [ms].
    normal : float
        Value of normal muscle on that scale.
    normal_uncertainty : float
        Standard deviation of `normal`, relative. [1]
    mask : EdemaMask
    prefix : str
        ``"edema"`` for the image that leads, ``"t2_edema"`` beside it.
    load_unit : Unit
    method : str
    evidence : tuple of str
    notes : tuple of str
    """

    values: FloatArray
    normal: float
    normal_uncertainty: float
    mask: EdemaMask
    prefix: str
    load_unit: Unit
    method: str
    evidence: tuple[str, ...]
    notes: tuple[str, ...] = ()


def measure_edema(
    image: EdemaImage, index: RegionIndex, regions: Sequence[Region], *, generator: np.random.Generator
) -> tuple[Measurement, ...]:
    """Edema measures of regions.

    Returns
    -------
    tuple of Measurement
        Per region ``<prefix>_fraction`` [%] of the assessable muscle, ``<prefix>_volume`` [mL], ``<prefix>_excess``
        (mean signal of edema minus normal), ``<prefix>_load`` (excess times volume) and ``<prefix>_index`` (fraction
        times relative excess, Bartlett-type). Higher is more inflammation or other cause of
        water; none of them says which cause. Intervals come from a bootstrap over 10 mm blocks with the reference drawn
        within its uncertainty and the cut-off within a tenth of its distance from normal.
    """
    results: list[Measurement] = []
    for region in regions:
        results.extend(_measure(image, region, index.mask(region), generator))
    return tuple(results)


def _measure(
    image: EdemaImage, region: Region, inside: NDArray[np.bool_], generator: np.random.Generator
) -> list[Measurement]:
    mask = image.mask
    cell_ml = mask.grid.voxel_volume_mm3 / 1000.0
    assessed = mask.assessed & inside
    n_region, n_assessed = int(np.count_nonzero(inside)), int(np.count_nonzero(assessed))
    units = {
        "fraction": Unit.PERCENT,
        "volume": Unit.MILLILITER,
        "excess": Unit.MILLISECOND if image.load_unit is Unit.MILLISECOND_MILLILITER else Unit.ONE,
        "load": image.load_unit,
        "index": Unit.ONE,
    }
    missing = _unjudged(region, n_region, n_assessed)
    if missing is not None and n_region > 0:
        causes = {name: n for name, n in mask.counts(inside).items() if n > 0}
        largest = max(causes, key=lambda name: causes[name]) if causes else "too few voxels"
        missing = Missing(missing.code, missing.reason.removesuffix(".") + f" (mainly left out: {largest}).")

    def row(
        name: str, value: float | None, ci95: tuple[float, float] | None = None, why: Missing | None = None
    ) -> Measurement:
        return Measurement(
            region=region,
            quantity=f"{image.prefix}_{name}",
            statistic={"fraction": "fraction", "excess": "mean"}.get(name, "total"),
            value=value,
            unit=units[name],
            method=image.method,
            missing=missing or why,
            ci95=ci95,
            n_voxels=n_assessed,
            evidence=image.evidence,
            notes=image.notes,
        )

    if missing is not None:
        return [row(name, None) for name in units]
    values = image.values[assessed]
    ill = mask.edema[assessed]
    excess = np.where(ill, values - image.normal, 0.0)
    share = mask.share[assessed]
    fraction = 100.0 * float(share.mean())
    volume = float(share.sum()) * cell_ml
    load = float(excess.sum()) * cell_ml
    relative = float(excess.sum() / image.normal / n_assessed)
    draws = _draws(image, values, ill, share, group_blocks(assessed, mask.grid), generator)
    results = [
        row("fraction", fraction, _clip(draws, 0, fraction, (0.0, 100.0))),
        row("volume", volume, _scaled(_clip(draws, 0, fraction, (0.0, 100.0)), n_assessed * cell_ml / 100.0)),
        row("load", load, _clip(draws, 1, load, (0.0, np.inf), n_assessed * cell_ml)),
        row("index", relative, _clip(draws, 1, relative, (0.0, np.inf), 1.0 / image.normal)),
    ]
    if ill.any():
        mean = float(excess[ill].mean())
        results.append(row("excess", mean, _excess_interval(draws, mean)))
    else:
        results.append(row("excess", None, None, Missing("M_NO_EDEMA", f"No edema was found in the {region.title}.")))
    return results


def _unjudged(region: Region, n_region: int, n_assessed: int) -> Missing | None:
    """Why a region cannot be scored; None where it can."""
    if n_region == 0:
        return Missing("M_EMPTY_REGION", f"The labels hold no voxel of the {region.title} on the grid of this image.")
    if n_assessed < FEWEST_ASSESSED or n_assessed < LOWEST_COVERAGE * n_region:
        return Missing("M_NOT_ASSESSABLE", f"{n_assessed} of {n_region} voxels of the {region.title} can be judged.")
    return None


def measure_share(share: ParametricMap, labels: LabelMap, *, generator: np.random.Generator) -> tuple[Measurement, ...]:
    """Fraction and volume of edema from a finished map of it, e.g. within a part of what was imaged.

    Parameters
    ----------
    share : ParametricMap
        ``edema_share``: edema in each voxel, valid where it was assessed. [%]
    labels : LabelMap
        On the grid of the map.

    Returns
    -------
    tuple of Measurement
        ``edema_fraction`` [%] and ``edema_volume`` [mL] of every lean region. Intervals are from a bootstrap over
        blocks alone: reference and cut-off are those of the map.
    """
    index = index_regions(labels)
    cell_ml = share.grid.voxel_volume_mm3 / 1000.0
    rows: list[Measurement] = []
    for region in index.members:
        if not is_lean(region) or region.level is not None:
            continue
        inside = index.mask(region)
        assessed = inside & share.valid
        n = int(np.count_nonzero(assessed))
        missing = _unjudged(region, int(np.count_nonzero(inside)), n)
        values = share.values[assessed].astype(np.float64)
        fraction = None if missing else float(values.mean())
        ci95 = None if missing else bootstrap_mean(values, group_blocks(assessed, share.grid), generator)
        if ci95 is not None:
            ci95 = (max(ci95[0], 0.0), min(ci95[1], 100.0))
        size = n * cell_ml / 100.0
        for quantity, statistic, unit, factor in (
            ("edema_fraction", "fraction", Unit.PERCENT, 1.0),
            ("edema_volume", "total", Unit.MILLILITER, size),
        ):
            rows.append(
                Measurement(
                    region=region,
                    quantity=quantity,
                    statistic=statistic,
                    value=None if fraction is None else fraction * factor,
                    unit=unit,
                    method=share.method,
                    missing=missing,
                    ci95=_scaled(ci95, factor),
                    n_voxels=n,
                    evidence=("stir-edema-limit", "spatial-block-bootstrap"),
                    notes=share.flags,
                )
            )
    return tuple(rows)


@dataclass(frozen=True, eq=False)
class _Draws:
    fraction: FloatArray
    mean_excess: FloatArray
    n_drawn: float


def _draws(
    image: EdemaImage,
    values: FloatArray,
    ill: NDArray[np.bool_],
    share: FloatArray,
    blocks: Blocks,
    generator: np.random.Generator,
    reference: tuple[FloatArray, FloatArray] | None = None,
) -> _Draws:
    """Fraction [%] and mean excess over all assessed voxels under drawn blocks, reference and cut-off."""
    every = max(1, values.size // LARGEST_SAMPLE)
    values, ill, share = values[::every], ill[::every], share[::every]
    blocks = replace(blocks, number=blocks.number[::every])
    weights = draw_weights(blocks, generator, N_DRAWS)
    scale, shift = reference if reference is not None else _draw_reference(image, generator)
    counts = np.bincount(blocks.number, minlength=blocks.n_blocks).astype(np.float64)
    limit = image.mask.limit
    # clusters too small to count were dropped from the mask; the same share is dropped from every draw
    raw = np.asarray(values > limit)
    kept = float(ill.sum()) / max(1.0, float(raw.sum()))
    # a voxel that only a lower cut-off would reach lies at a border
    part = np.where(ill, share, 0.5)
    cuts = image.normal + (limit - image.normal) * (1.0 + shift)
    # voxels that no draw lifts above its cut-off add nothing
    reachable = ~(values < (1.0 - 1e-9) * float((cuts * scale).min()))
    values, part, number = values[reachable], part[reachable], blocks.number[reachable]
    fraction, excess = np.empty(N_DRAWS), np.empty(N_DRAWS)
    for i in range(N_DRAWS):
        moved = values / scale[i]
        above = moved > cuts[i]
        per_block = np.bincount(number[above], weights=part[above], minlength=blocks.n_blocks)
        surplus = np.bincount(number[above], weights=moved[above] - image.normal, minlength=blocks.n_blocks)
        total = max(float(weights[i] @ counts), 1.0)
        fraction[i] = 100.0 * kept * float(weights[i] @ per_block) / total
        excess[i] = kept * float(weights[i] @ surplus) / total
    return _Draws(fraction, excess, blocks.n_drawn)


def _draw_reference(image: EdemaImage, generator: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Reference and cut-off of every draw; shared by regions that are compared with each other."""
    scale = np.maximum(1.0 + image.normal_uncertainty * generator.standard_normal(N_DRAWS), 0.5)
    return scale, generator.uniform(-LIMIT_SPREAD, LIMIT_SPREAD, N_DRAWS)


def measure_asymmetry(
    image: EdemaImage,
    index: RegionIndex,
    structures: Sequence[str],
    *,
    generator: np.random.Generator,
) -> tuple[Measurement, ...]:
    """Asymmetry of the edema load between sides, (left - right) / (left + right), -1 to 1; 0 is symmetric.

    The load is taken per assessable volume, so that a side of which less was seen is not the lesser one. Reference and
    cut-off are drawn once for both sides.
    """
    return tuple(
        _asymmetry(image, index, structure, generator)
        for structure in structures
        if all(Region(structure, side) in index.members for side in Side)
    )


def _asymmetry(image: EdemaImage, index: RegionIndex, structure: str, generator: np.random.Generator) -> Measurement:
    reference = _draw_reference(image, generator)
    values, draws, blocks, loads, counts, covered, failed = {}, {}, {}, {}, {}, {}, {}
    for side in Side:
        inside = index.mask(Region(structure, side))
        assessed = image.mask.assessed & inside
        counts[side] = int(np.count_nonzero(assessed))
        drawn = max(1, int(np.count_nonzero(inside)))
        covered[side] = counts[side] / drawn
        failed[side] = image.mask.counts(inside).get(FAILED_SUPPRESSION, 0) / drawn
        if counts[side] == 0:
            continue
        values[side], ill = image.values[assessed], image.mask.edema[assessed]
        blocks[side] = group_blocks(assessed, image.mask.grid)
        loads[side] = float(np.where(ill, values[side] - image.normal, 0.0).mean())
        share = image.mask.share[assessed]
        draws[side] = _draws(image, values[side], ill, share, blocks[side], generator, reference)
    missing: Missing | None = None
    value: float | None = None
    ci95: tuple[float, float] | None = None
    if min(counts.values()) < FEWEST_ASSESSED:
        missing = Missing("M_NOT_ASSESSABLE", "One side has too few voxels that can be judged.")
    elif min(covered.values()) < LEAST_RELATIVE_COVERAGE * max(covered.values()):
        seen = " and ".join(f"{100 * covered[side]:.0f} % of the {side}" for side in Side)
        missing = Missing("M_NOT_ASSESSABLE", f"Unequal parts of the two sides can be judged: {seen}.")
    elif abs(failed[Side.LEFT] - failed[Side.RIGHT]) > LARGEST_UNEQUAL_FAILURE:
        lost = " and ".join(f"{100 * failed[side]:.0f} % of the {side}" for side in Side)
        missing = Missing("M_NOT_ASSESSABLE", f"Fat suppression failed in {lost}: edema may hide there.")
    elif loads[Side.LEFT] + loads[Side.RIGHT] <= 0.0:
        missing = Missing("M_NO_EDEMA", "No edema on either side, so there is nothing to compare.")
    else:
        value = (loads[Side.LEFT] - loads[Side.RIGHT]) / (loads[Side.LEFT] + loads[Side.RIGHT])
        left, right = draws[Side.LEFT].mean_excess, draws[Side.RIGHT].mean_excess
        total = left + right
        samples = np.where(total > 0, (left - right) / np.where(total > 0, total, 1.0), 0.0)
        found = interval(value, samples, min(draws[side].n_drawn for side in Side))
        ci95 = None if found is None else (max(found[0], -1.0), min(found[1], 1.0))
    return Measurement(
        region=Region(structure),
        quantity=f"{image.prefix}_asymmetry",
        statistic="index",
        value=value,
        unit=Unit.ONE,
        method=image.method,
        missing=missing,
        ci95=ci95,
        n_voxels=sum(counts.values()),
        evidence=(*image.evidence, "asymmetry-index"),
        notes=image.notes,
    )


def _clip(
    draws: _Draws, which: int, estimate: float, bounds: tuple[float, float], factor: float = 1.0
) -> tuple[float, float] | None:
    samples = (draws.fraction if which == 0 else draws.mean_excess) * factor
    found = interval(estimate, samples, draws.n_drawn)
    if found is None:
        return None
    low = min(max(found[0], bounds[0]), estimate)
    return (low, max(min(found[1], bounds[1]), estimate))


def _excess_interval(draws: _Draws, estimate: float) -> tuple[float, float] | None:
    """Interval of the mean inside edema: drawn excess over drawn fraction, where a draw found any."""
    found = draws.fraction > 0
    samples = draws.mean_excess[found] / (draws.fraction[found] / 100.0)
    ci95 = interval(estimate, samples, draws.n_drawn)
    return None if ci95 is None else (max(ci95[0], 0.0), ci95[1])


def _scaled(ci95: tuple[float, float] | None, factor: float) -> tuple[float, float] | None:
    return None if ci95 is None else (ci95[0] * factor, ci95[1] * factor)


def neighbor_spread(values: FloatArray, mask: BoolArray, grid: Grid) -> float | None:
    """Standard deviation of noise from differences of voxels two apart within slices; None without such pairs.

    Neither patches of edema nor a slow drift of the signal widen it, as they widen the spread over a whole region.

    Parameters
    ----------
    values : float array (x, y, z)
    mask : bool array (x, y, z)
        Voxels that take part.
    """
    apart = []
    for axis in range(3):
        if axis == slice_axis(grid):
            continue
        first, second = [slice(None)] * 3, [slice(None)] * 3
        first[axis], second[axis] = slice(None, -NOISE_LAG), slice(NOISE_LAG, None)
        both = mask[tuple(first)] & mask[tuple(second)]
        apart.append(np.abs(values[tuple(second)] - values[tuple(first)])[both])
    differences = np.concatenate(apart)
    differences = differences[np.isfinite(differences)]
    return None if differences.size == 0 else float(np.median(differences) / GAUSSIAN_MAD / np.sqrt(2.0))
