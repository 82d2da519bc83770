"""What can be wrong with a thigh: edema of muscle in its patterns, fat, fascial fluid, subcutaneous strands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import InputError
from heliotrope.phantoms.fields import N_WAVES, draw_field, sample_field
from heliotrope.phantoms.thigh_anatomy import MUSCLES, PackedThighs, Tissue


class EdemaPattern(IntEnum):
    """How edema lies in a muscle."""

    NONE = 0
    PATCHY = 1
    DIFFUSE = 2
    PERIPHERAL = 3
    HONEYCOMB = 4
    FOCAL = 5


@dataclass(frozen=True)
class MuscleEdema:
    """Edema of one muscle.

    Parameters
    ----------
    muscle : str
    side : Side
    pattern : EdemaPattern
    fraction : float
        Wanted fraction of the muscle's volume; the truth stores what was reached. 0 to 1.
    t2_ms : float
        Water T2 inside the edema. [ms]
    range_mm : float
        Patch size: correlation length of the field that is cut off; cell size of a honeycomb. [mm]
    """

    muscle: str
    side: Side
    pattern: EdemaPattern
    fraction: float
    t2_ms: float = 50.0
    range_mm: float = 8.0

    def __post_init__(self) -> None:
        if self.muscle not in MUSCLES:
            raise InputError(f"phantom muscle {self.muscle!r}", hint=f"one of {', '.join(MUSCLES)}")
        if not 0.0 <= self.fraction <= 1.0:
            raise InputError(f"edema fraction {self.fraction}: 0 to 1 needed", hint="give a fraction, not percent")


@dataclass(frozen=True)
class FatReplacement:
    """Fat inside one muscle, as a smooth field around a mean.

    Parameters
    ----------
    muscle : str
    side : Side
    fat_fraction_percent : float
    """

    muscle: str
    side: Side
    fat_fraction_percent: float


@dataclass(frozen=True)
class FascialFluid:
    """Fluid along the fascia lata, on its muscle side.

    Parameters
    ----------
    side : Side
    arc_deg : tuple of 2 floats
        From, to; from anterior toward lateral. [deg]
    thickness_mm : float
    """

    side: Side
    arc_deg: tuple[float, float]
    thickness_mm: float = 1.6


@dataclass(frozen=True)
class SubcutaneousStrands:
    """Reticular edema of the subcutis: walls of a closed-cell foam filled with fluid.

    Parameters
    ----------
    side : Side
    arc_deg : tuple of 2 floats
        From, to; from anterior toward lateral. [deg]
    wall_mm : float
        Half thickness of a strand. [mm]
    cell_mm : float
        Mean distance of strands. [mm]
    """

    side: Side
    arc_deg: tuple[float, float]
    wall_mm: float = 0.6
    cell_mm: float = 9.0


Lesion = MuscleEdema | FatReplacement | FascialFluid | SubcutaneousStrands


@dataclass(frozen=True)
class LesionTruth:
    """One row of the lesion table.

    Parameters
    ----------
    kind : str
        ``"edema"``, ``"fat"``, ``"fascial_fluid"`` or ``"subcutaneous_strands"``.
    region : Region
    pattern : str
    volume_ml : float
        Of the lesion inside the imaged slab. [mL]
    fraction : float
        Of the region's volume. 0 to 1.
    t2_ms : float or None
    fat_fraction_percent : float or None
    """

    kind: str
    region: Region
    pattern: str
    volume_ml: float
    fraction: float
    t2_ms: float | None = None
    fat_fraction_percent: float | None = None


@dataclass(frozen=True, eq=False)
class LesionTables:
    """Lesions as the arrays the voxel kernel reads; axis 0 is the side (0 left, 1 right), axis 1 the muscle.

    Parameters
    ----------
    pattern : int array (2, 11)
    limit : array (2, 11)
        Cut-off of the field (patchy, diffuse), rim width (peripheral), half wall (honeycomb), radius (focal).
    spot_mm : array (2, 11, 3)
        Center of a focal lesion. [mm]
    waves : array (2, 11, N_WAVES, 4)
    cell_mm : array (2, 11)
    t2_ms : array (2, 11)
    fat_percent : array (2, 11)
        Fat fraction that replaces the healthy one; NaN where healthy. [%]
    fascia : array (2, 3)
        Arc from, arc to [rad], thickness [mm].
    subcutis : array (2, 4)
        Arc from, arc to [rad], half wall [mm], cell [mm].
    """

    pattern: NDArray[np.int64]
    limit: NDArray[np.float64]
    spot_mm: NDArray[np.float64]
    waves: NDArray[np.float64]
    cell_mm: NDArray[np.float64]
    t2_ms: NDArray[np.float64]
    fat_percent: NDArray[np.float64]
    fascia: NDArray[np.float64]
    subcutis: NDArray[np.float64]


HONEYCOMB_HALF_WALL_MM = 0.5
"""Honeycomb walls of 0.8 to 1.2 mm. [mm]"""

MAX_RIM_MM = 5.0
"""Widest rim that still counts as a peripheral pattern. [mm]"""

_SAMPLE_MM = 2.0


def _side_index(side: Side) -> int:
    return 0 if side is Side.LEFT else 1


def place_lesions(
    lesions: tuple[Lesion, ...],
    thighs: PackedThighs,
    slab_mm: tuple[float, float],
    generator: np.random.Generator,
) -> LesionTables:
    """Turn wanted fractions into cut-offs, by sampling each muscle within the imaged slab.

    Parameters
    ----------
    lesions : tuple of Lesion
    thighs : PackedThighs
    slab_mm : tuple of 2 floats
        Lowest and highest z that is imaged. [mm]
    generator : numpy.random.Generator
    """
    shape = (2, len(MUSCLES))
    tables = LesionTables(
        pattern=np.zeros(shape, np.int64),
        limit=np.zeros(shape),
        spot_mm=np.zeros((*shape, 3)),
        waves=np.zeros((*shape, N_WAVES, 4)),
        cell_mm=np.full(shape, 6.0),
        t2_ms=np.full(shape, 50.0),
        fat_percent=np.full(shape, np.nan),
        fascia=np.zeros((2, 3)),
        subcutis=np.zeros((2, 4)),
    )
    reach = float(np.abs(thighs.limbs[:, 0]).max() + thighs.limbs[:, 3].max() + 25.0)
    x = np.arange(-reach, reach, _SAMPLE_MM)
    y = np.arange(-reach / 2, reach / 2, _SAMPLE_MM)
    z = np.arange(slab_mm[0], slab_mm[1] + 1e-6, 4.0)
    points = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
    tissue, muscle, side, border = thighs.locate(points)
    for lesion in lesions:
        s = _side_index(lesion.side)
        if isinstance(lesion, FascialFluid):
            tables.fascia[s] = (*np.radians(lesion.arc_deg), lesion.thickness_mm)
            continue
        if isinstance(lesion, SubcutaneousStrands):
            tables.subcutis[s] = (*np.radians(lesion.arc_deg), lesion.wall_mm, lesion.cell_mm)
            continue
        m = MUSCLES.index(lesion.muscle)
        if isinstance(lesion, FatReplacement):
            tables.fat_percent[s, m] = lesion.fat_fraction_percent
            continue
        inside = (tissue == Tissue.MUSCLE) & (muscle == m) & (side == s)
        waves = draw_field(generator, lesion.range_mm)
        if lesion.fraction == 0.0 or not inside.any():
            continue
        tables.pattern[s, m], tables.waves[s, m] = lesion.pattern, waves
        tables.cell_mm[s, m], tables.t2_ms[s, m] = lesion.range_mm, lesion.t2_ms
        if lesion.pattern in (EdemaPattern.PATCHY, EdemaPattern.DIFFUSE):
            values = sample_field(waves, points[inside])
            tables.limit[s, m] = np.quantile(values, 1.0 - lesion.fraction) if lesion.fraction < 1.0 else -1e9
        elif lesion.pattern is EdemaPattern.PERIPHERAL:
            tables.limit[s, m] = min(float(np.quantile(border[inside], lesion.fraction)), MAX_RIM_MM)
        elif lesion.pattern is EdemaPattern.HONEYCOMB:
            tables.limit[s, m] = HONEYCOMB_HALF_WALL_MM
        elif lesion.pattern is EdemaPattern.FOCAL:
            own, depth = points[inside], border[inside]
            near_middle = np.abs(own[:, 2] - np.mean(slab_mm)) < 0.25 * (slab_mm[1] - slab_mm[0]) + 2.0
            tables.spot_mm[s, m] = own[np.argmax(np.where(near_middle, depth, -1.0))]
            volume = lesion.fraction * inside.sum() * _SAMPLE_MM**2 * 4.0
            tables.limit[s, m] = (volume / (4.0 / 3.0 * np.pi * 2.0)) ** (1.0 / 3.0)
    return tables
