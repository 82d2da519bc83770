"""Signal of the layers around muscle on STIR: deep fascia by sampling across it, subcutis by its strands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import Place
from heliotrope.domain.geometry import Grid
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.units import Unit
from heliotrope.measure.distribution import sheetness
from heliotrope.measure.edema_mask import drop_small, find_failed_fat
from heliotrope.measure.morphometry import cuts_across, slice_axis
from heliotrope.measure.spatial_bootstrap import bootstrap_percent, bootstrap_quantile, group_blocks, group_points

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

METHOD = "layer-signal/1"

FASCIA_EXCESS = 0.5
"""Signal at the fascia above both its sides, in multiples of normal muscle, that counts. [1]"""

DIFFUSION_EXCESS = 0.25
"""Diffusion-weighted signal at the fascia above both its sides, in multiples of muscle, that counts as bright. Project
rule. [1]"""

SUBCUTIS_EXCESS = 0.5
"""Signal of the subcutis above its usual one, in multiples of normal muscle, that counts. [1]"""

LAYER_MARGIN_MM = 2.0
"""Left out of the subcutis under the skin and over the fascia. [mm]"""

PLACE_MM = 20.0
"""Edge of the cells in which bright subcutis is gathered to places. Project rule. [mm]"""

_ANGLES = 360
_STEP_MM = 0.25
_REACH_MM = 6.0


FEWEST_SKIN_VOXELS = 100
"""Of fewer voxels no signal of the skin is given. Project rule."""

RESOLVED_SKIN_MM = 0.9
"""Half the thickness of skin (1.8 mm in the phantoms, 0.8 to 3.1 mm published): larger pixels mix it with air. [mm]"""

SKIN_DILUTED = "Skin is thinner than two pixels: its signal is mixed with air and fat, and only change has a meaning."


@dataclass(frozen=True, eq=False)
class FasciaSignal:
    """Excess along the deep fascia of one side.

    Parameters
    ----------
    excess : array (n_slices, 360)
        Above the brighter of both sides, NaN where the fascia was not seen. [multiples of normal muscle]
    extent : float
        Share of the sampled surface with excess above `FASCIA_EXCESS`, 0 to 1.
    longest_arc_mm : float
        Longest unbroken arc within one slice. [mm]
    center_mm : tuple of 3 floats or None
        LPS center of what counts. [mm]
    points_mm : array (n_slices, 360, 3)
        LPS place of every sample. [mm]
    """

    excess: FloatArray
    extent: float
    longest_arc_mm: float
    center_mm: tuple[float, float, float] | None
    points_mm: FloatArray


@dataclass(frozen=True, eq=False)
class SubcutisSignal:
    """Strands in the subcutis of one side.

    Parameters
    ----------
    extent : float
        Share of the layer brighter than usual, 0 to 1.
    reticular : float
        Share of that which lies on thin sheets, 0 to 1.
    mean : float
        Mean of the layer over normal muscle. [1]
    left_out : float
        Share of the layer without fat suppression, 0 to 1.
    center_mm : tuple of 3 floats or None
        LPS center of what counts. [mm]
    edema, judged : bool arrays (x, y, z)
        What counts, and the part of the layer in which it was looked for.
    """

    extent: float
    reticular: float
    mean: float
    left_out: float
    center_mm: tuple[float, float, float] | None
    edema: BoolArray
    judged: BoolArray


def sample_fascia(
    layers: FloatArray, inside: BoolArray, subcutis: BoolArray, left_out: BoolArray, grid: Grid
) -> FasciaSignal | None:
    """Excess of signal at the border of subcutis and what lies inside it, along rays from the limb's center.

    Parameters
    ----------
    layers : array (x, y, z)
        STIR over normal muscle; NaN outside the limb. [1]
    inside : bool array
        Everything inside the fascia of one limb.
    subcutis : bool array
        Of the same limb.
    left_out : bool array
        Not to be judged, e.g. failed fat suppression.

    Returns
    -------
    FasciaSignal or None
        None where it could not be followed, and in slices along the limb, as coronal ones.
    """
    if not cuts_across(grid):
        return None
    axis = slice_axis(grid)
    axes = [a for a in range(3) if a != axis]
    spacing = np.array([grid.spacing_mm[a] for a in axes])
    offsets = np.arange(-_REACH_MM, _REACH_MM + 1e-6, _STEP_MM)
    angles = np.arange(_ANGLES) * 2.0 * np.pi / _ANGLES
    direction = np.stack([np.cos(angles), np.sin(angles)])
    rows, radii, points = [], [], []
    for k in range(grid.shape[axis]):
        core, fat = np.take(inside, k, axis=axis), np.take(subcutis, k, axis=axis)
        if np.count_nonzero(core) < 50 or np.count_nonzero(fat) < 50:
            continue
        filled = ndimage.binary_fill_holes(core)
        center = np.array(ndimage.center_of_mass(filled)) * spacing
        reach = np.arange(5.0, 160.0, 0.5)
        ray = (center[:, None, None] + direction[:, :, None] * reach) / spacing[:, None, None]
        in_core = ndimage.map_coordinates(np.asarray(filled, dtype=np.float64), ray, order=1) > 0.5
        in_fat = ndimage.map_coordinates(fat.astype(np.float64), ray, order=0) > 0.5
        last = np.where(in_core.any(axis=1), in_core.shape[1] - 1 - np.argmax(in_core[:, ::-1], axis=1), -1)
        radius = np.where(last >= 0, reach[np.maximum(last, 0)], np.nan)
        # the fascia is only where subcutis follows
        follows = np.array([bool(in_fat[n, last[n] + 1 : last[n] + 8].any()) for n in range(_ANGLES)])
        radius[~follows] = np.nan
        ray = (center[:, None, None] + direction[:, :, None] * (np.nan_to_num(radius)[:, None] + offsets)) / spacing[
            :, None, None
        ]
        plane = np.nan_to_num(np.take(layers, k, axis=axis))
        profile = ndimage.map_coordinates(plane, ray, order=1, mode="nearest")
        bad = ndimage.map_coordinates(np.take(left_out, k, axis=axis).astype(np.float64), ray, order=0).max(axis=1) > 0
        at = profile[:, np.abs(offsets) <= 1.5].max(axis=1)
        deep = np.median(profile[:, (offsets >= -6.0) & (offsets <= -3.0)], axis=1)
        shallow = np.median(profile[:, (offsets >= 3.0) & (offsets <= 6.0)], axis=1)
        excess = at - np.maximum(deep, shallow)
        excess[np.isnan(radius) | bad] = np.nan
        rows.append(excess)
        radii.append(np.nan_to_num(radius))
        index = np.zeros((_ANGLES, 3))
        index[:, axes] = (center[:, None] + direction * np.nan_to_num(radius)).T / spacing
        index[:, axis] = k
        points.append(grid.positions_mm(index))
    if not rows:
        return None
    excess, radius_mm = np.array(rows), np.array(radii)
    seen = np.isfinite(excess)
    if np.count_nonzero(seen) < 90:
        return None
    high = seen & (np.nan_to_num(excess) > FASCIA_EXCESS)
    arc = radius_mm * 2.0 * np.pi / _ANGLES
    center_mm = None
    if high.any():
        middle = np.array(points)[high].mean(axis=0)
        center_mm = (float(middle[0]), float(middle[1]), float(middle[2]))
    longest = max(_longest_run(row, step) for row, step in zip(high, arc, strict=True))
    return FasciaSignal(excess, float((arc * high).sum() / (arc * seen).sum()), longest, center_mm, np.array(points))


def share_also_bright(first: FasciaSignal, second: FasciaSignal) -> float | None:
    """Share of the bright fascia of one image that is bright on another as well; None where the two were not both seen.

    Both must have been sampled with the same masks on one grid.
    """
    both = np.isfinite(first.excess) & np.isfinite(second.excess)
    bright = both & (np.nan_to_num(first.excess) > FASCIA_EXCESS)
    if np.count_nonzero(bright) < 30:
        return None
    return float(np.mean(second.excess[bright] > DIFFUSION_EXCESS))


def _longest_run(high: BoolArray, arc: FloatArray) -> float:
    """Longest unbroken run on a circle. [mm]"""
    if high.all():
        return float(arc.sum())
    start = int(np.argmin(high))
    best = current = 0.0
    for value, length in zip(np.roll(high, -start), np.roll(arc, -start), strict=True):
        current = current + float(length) if value else 0.0
        best = max(best, current)
    return best


def sample_subcutis(
    layers: FloatArray, subcutis: BoolArray, raw_signal: FloatArray, grid: Grid
) -> SubcutisSignal | None:
    """Strands brighter than the usual subcutis, away from skin and fascia and from failed fat suppression."""
    axis = slice_axis(grid)
    sampling = [s for a, s in enumerate(grid.spacing_mm) if a != axis]
    depth = np.zeros(grid.shape)
    for k in range(grid.shape[axis]):
        index: list[slice | int] = [slice(None)] * 3
        index[axis] = k
        depth[tuple(index)] = ndimage.distance_transform_edt(subcutis[tuple(index)], sampling=sampling)
    layer = (depth > LAYER_MARGIN_MM) & np.isfinite(layers)
    failed = find_failed_fat(raw_signal, subcutis, grid) & layer
    whole = int(np.count_nonzero(layer))
    layer &= ~failed
    count = int(np.count_nonzero(layer))
    if count < 100:
        return None
    values = np.nan_to_num(layers)
    usual = float(np.percentile(values[layer], 35.0))
    bright = drop_small(layer & (values - usual > SUBCUTIS_EXCESS), grid, 40.0)
    n_bright = int(np.count_nonzero(bright))
    reticular = float((sheetness(np.clip(values, 0.0, 4.0), grid)[bright] > 0.5).mean()) if n_bright else 0.0
    center = None
    if n_bright:
        middle = grid.positions_mm(np.argwhere(bright)).mean(axis=0)
        center = (float(middle[0]), float(middle[1]), float(middle[2]))
    return SubcutisSignal(
        extent=n_bright / count,
        reticular=reticular,
        mean=float(values[layer].mean()),
        left_out=1.0 - count / max(whole, 1),
        center_mm=center,
        edema=bright,
        judged=layer,
    )


def gather_places(mask: BoolArray, grid: Grid) -> tuple[Place, ...]:
    """Where a mask lies, as the centers of its parts in cells of `PLACE_MM`; every voxel is within one radius.

    Returns
    -------
    tuple of Place
        In the order of their cells; none for an empty mask.
    """
    points = grid.positions_mm(np.argwhere(mask))
    if points.size == 0:
        return ()
    _, cell = np.unique(np.floor(points / PLACE_MM).astype(np.int64), axis=0, return_inverse=True)
    half_voxel = 0.5 * float(np.linalg.norm(grid.spacing_mm))
    places = []
    for number in range(int(cell.max()) + 1):
        mine = points[cell.ravel() == number]
        center = mine.mean(axis=0)
        reach = float(np.linalg.norm(mine - center, axis=1).max()) + half_voxel
        position = (float(center[0]), float(center[1]), float(center[2]))
        places.append(Place(position, reach, len(mine) * grid.voxel_volume_mm3))
    return tuple(places)


def fascia_interval(
    fascia: FasciaSignal, seen: BoolArray, generator: np.random.Generator
) -> tuple[float, float] | None:
    """95 % interval of the share of fascia with high signal among the samples `seen` (n_slices, 360). [%]"""
    high = np.nan_to_num(fascia.excess[seen]) > FASCIA_EXCESS
    return bootstrap_percent(high, group_points(fascia.points_mm[seen]), generator)


def subcutis_interval(
    subcutis: SubcutisSignal, judged: BoolArray, grid: Grid, generator: np.random.Generator
) -> tuple[float, float] | None:
    """95 % interval of the share of bright subcutis among the voxels `judged` (x, y, z). [%]"""
    return bootstrap_percent(subcutis.edema[judged], group_blocks(judged, grid), generator)


def why_not_followed(structure: str, grid: Grid) -> str:
    """Why a layer has no number."""
    if structure == "fascia" and not cuts_across(grid):
        return "The fascia is followed in slices across the limb; these lie along it."
    return "The layer could not be followed here."


def layer_measurements(
    side: Side,
    fascia: FasciaSignal | None,
    subcutis: SubcutisSignal | None,
    grid: Grid,
    *,
    generator: np.random.Generator,
    gaps: str = "",
) -> tuple[Measurement, ...]:
    """Turn the layers of one side, sampled on a grid, into measurements; shares carry an interval by spatial blocks.

    Parameters
    ----------
    gaps : str
        Why the fascia of some slices was left out; empty where none was.
    """

    def row(
        structure: str,
        quantity: str,
        statistic: str,
        value: float | None,
        unit: Unit,
        ci95: tuple[float, float] | None = None,
    ) -> Measurement:
        of_fascia = gaps if structure == "fascia" else ""
        why = of_fascia or why_not_followed(structure, grid)
        return Measurement(
            Region(structure, side),
            quantity,
            statistic,
            value,
            unit,
            METHOD,
            None if value is not None else Missing("M_NOT_ASSESSABLE", why),
            ci95,
            evidence=("fascia-rule",),
            notes=(of_fascia,) if of_fascia and value is not None else (),
        )

    along = None if fascia is None else fascia_interval(fascia, np.isfinite(fascia.excess), generator)
    within = None if subcutis is None else subcutis_interval(subcutis, subcutis.judged, grid, generator)
    return (
        row(
            "fascia",
            "fascia_extent",
            "fraction",
            None if fascia is None else 100.0 * fascia.extent,
            Unit.PERCENT,
            along,
        ),
        row("fascia", "fascia_arc", "max", None if fascia is None else fascia.longest_arc_mm, Unit.MILLIMETER),
        row(
            "subcutaneous_fat",
            "subcutis_extent",
            "fraction",
            None if subcutis is None else 100.0 * subcutis.extent,
            Unit.PERCENT,
            within,
        ),
        row(
            "subcutaneous_fat",
            "subcutis_reticular",
            "index",
            None if subcutis is None else subcutis.reticular,
            Unit.ONE,
        ),
    )


def measure_skin(
    side: Side, layers: FloatArray, skin: BoolArray, grid: Grid, *, generator: np.random.Generator
) -> Measurement:
    """Median signal of the skin of a side, with its interval by spatial blocks. [multiples of normal muscle]

    Parameters
    ----------
    layers : float array (x, y, z)
        Signal over normal muscle; NaN where not known.
    skin : bool array (x, y, z)
    """
    seen = skin & np.isfinite(layers)
    count = int(np.count_nonzero(seen))
    missing, value, ci95 = None, None, None
    if count < FEWEST_SKIN_VOXELS:
        missing = Missing("M_NOT_ASSESSABLE", f"Skin is seen in {count} voxels; {FEWEST_SKIN_VOXELS} are needed.")
    else:
        values = layers[seen].astype(np.float64)
        value = float(np.median(values))
        ci95 = bootstrap_quantile(values, 0.5, group_blocks(seen, grid), generator)
    pixel = sorted(grid.spacing_mm)[1]
    notes = () if pixel <= RESOLVED_SKIN_MM else (SKIN_DILUTED,)
    return Measurement(
        Region("skin", side),
        "skin_signal",
        "median",
        value,
        Unit.ONE,
        METHOD,
        missing,
        ci95,
        count,
        ("skin-signal", "skin-thickness-ct"),
        notes,
    )
