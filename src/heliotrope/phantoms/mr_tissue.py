"""Tissue parameters at 3 T and the parameter maps of a phantom; see evidence keys ``phantom-...``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.units import Unit
from heliotrope.phantoms.fields import draw_field, sample_field
from heliotrope.phantoms.lesions import FascialFluid, FatReplacement, Lesion, LesionTables, LesionTruth, MuscleEdema
from heliotrope.phantoms.lesions import SubcutaneousStrands as Strands
from heliotrope.phantoms.thigh_anatomy import HAMSTRINGS, MUSCLES
from heliotrope.phantoms.thigh_voxels import N_COMPONENTS, Component, ThighVoxels

FIELD_STRENGTH_T = 3.0
"""The phantoms simulate this field. [T]"""

MUSCLE_T2_MS = 33.0
"""Water T2 of healthy muscle at 3 T; varies by 1.5 ms between people, muscles and places. [ms]"""

MUSCLE_T1_MS = 1400.0
"""Water T1 of healthy muscle at 3 T. [ms]"""

EDEMA_T1_PER_T2 = 10.0
"""Edema lengthens T1 by 50 ms per 5 ms of T2. [1]"""

EDEMA_PROTON_DENSITY = 1.06
"""Proton density of edema over that of muscle. [1]"""

FAT_T1_MS, FAT_T2_MS = 365.0, 151.0
"""T1 and apparent T2 of fat in a spin-echo train at 3 T. [ms]"""

HAMSTRING_EXTRA_FAT_PERCENT = 1.81
"""Hamstrings hold more fat than the quadriceps (Farrow 2019). [percentage points]"""


@dataclass(frozen=True)
class ComponentProperties:
    """Relaxation of one component.

    Parameters
    ----------
    proton_density : float
        Relative to healthy muscle. [1]
    fat_fraction : float
        Proton-density fat fraction, 0 to 1.
    t1_ms, t2_ms : float
        Of its water. [ms]
    r2star_per_s : float
        [1/s]
    """

    proton_density: float
    fat_fraction: float
    t1_ms: float
    t2_ms: float
    r2star_per_s: float


_SUBCUTIS = ComponentProperties(1.0, 0.96, 1000.0, 40.0, 40.0)
PROPERTIES: Mapping[Component, ComponentProperties] = {
    Component.AIR: ComponentProperties(0.0, 0.0, 1000.0, 20.0, 100.0),
    Component.SKIN: ComponentProperties(0.7, 0.0, 1000.0, 28.0, 80.0),
    Component.SUBCUTIS: _SUBCUTIS,
    Component.FASCIA: ComponentProperties(0.5, 0.0, 1100.0, 18.0, 120.0),
    Component.DEEP_FAT: ComponentProperties(1.0, 0.94, 1000.0, 40.0, 45.0),
    Component.MUSCLE: ComponentProperties(1.0, 0.0, MUSCLE_T1_MS, MUSCLE_T2_MS, 35.0),
    Component.CORTEX: ComponentProperties(0.05, 0.0, 300.0, 15.0, 500.0),
    Component.MARROW: ComponentProperties(0.9, 0.92, 1100.0, 50.0, 60.0),
    Component.ARTERY: ComponentProperties(0.55, 0.0, 1900.0, 120.0, 30.0),
    Component.VEIN: ComponentProperties(0.95, 0.0, 1800.0, 120.0, 35.0),
    Component.EDEMA: ComponentProperties(EDEMA_PROTON_DENSITY, 0.0, MUSCLE_T1_MS, 50.0, 30.0),
    Component.FASCIAL_FLUID: ComponentProperties(1.1, 0.0, 1900.0, 85.0, 20.0),
    Component.SUBCUTIS_FLUID: ComponentProperties(1.05, 0.0, 1800.0, 80.0, 25.0),
}
"""Per component; the artery is darkened by flow. Muscle and edema take T2 and fat from the maps instead."""


@dataclass(frozen=True, eq=False)
class TissueMaps:
    """Parameters that vary inside a tissue, and the fields of the scanner; all float64 (x, y, z).

    Parameters
    ----------
    muscle_t2_ms, edema_t2_ms : array
    muscle_fat : array
        Fat fraction inside muscle and edema, 0 to 1.
    b1 : array
        Transmit field over nominal. [1]
    b0_hz : array
        Off-resonance. [Hz]
    receive : array
        Coil sensitivity, mean near 1. [1]
    """

    muscle_t2_ms: NDArray[np.float64]
    edema_t2_ms: NDArray[np.float64]
    muscle_fat: NDArray[np.float64]
    b1: NDArray[np.float64]
    b0_hz: NDArray[np.float64]
    receive: NDArray[np.float64]


@dataclass(frozen=True)
class PersonTissue:
    """What varies between people in tissue.

    Parameters
    ----------
    t2_offset_ms : float
        Of all muscle. [ms]
    fat_percent : float
        Fat fraction of healthy quadriceps. [%]
    """

    t2_offset_ms: float = 0.0
    fat_percent: float = 3.5


def draw_tissue_maps(
    voxels: ThighVoxels, lesions: LesionTables, person: PersonTissue, generator: np.random.Generator
) -> TissueMaps:
    """Parameter maps of one person, drawn in world coordinates so that any grid sees the same tissue."""
    grid = voxels.grid
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    points = grid.positions_mm(index).reshape(-1, 3)
    t2_field = sample_field(draw_field(generator, 15.0), points).reshape(grid.shape)
    fat_field = sample_field(draw_field(generator, 6.0), points).reshape(grid.shape)
    t2_of_muscle = person.t2_offset_ms + generator.normal(0.0, 0.6, size=(2, len(MUSCLES)))
    fat_of_muscle = np.maximum(person.fat_percent + generator.normal(0.0, 0.5, size=(2, len(MUSCLES))), 0.8)
    for name in HAMSTRINGS:
        fat_of_muscle[:, MUSCLES.index(name)] += HAMSTRING_EXTRA_FAT_PERCENT
    replaced = np.isfinite(lesions.fat_percent)
    fat_of_muscle = np.where(replaced, lesions.fat_percent, fat_of_muscle)
    spread = np.where(replaced, 0.22, 0.18) * fat_of_muscle
    side, muscle = voxels.side, np.maximum(voxels.muscle, 0)
    t2 = MUSCLE_T2_MS + t2_of_muscle[side, muscle] + 0.7 * t2_field
    fat = np.clip(fat_of_muscle[side, muscle] + spread[side, muscle] * fat_field, 0.3, 96.0) / 100.0
    x, y, z = (points[:, axis].reshape(grid.shape) / 100.0 for axis in range(3))
    phase = generator.uniform(0.0, 2.0 * np.pi, size=3)
    # at 3 T the front of the left thigh gets least transmit field (Klupp 2017: rectus femoris 54-93 % of nominal)
    b1 = 1.02 - 0.12 * np.exp(-(((x - 0.9) / 0.6) ** 2 + ((y + 0.5) / 0.5) ** 2)) * 2.2 + 0.05 * np.sin(x + phase[0])
    b0 = 28.0 * x + 35.0 * y * y - 22.0 * x * y + 12.0 * x**3 + 10.0 * z + 15.0 * np.sin(2.0 * x + phase[1])
    receive = np.exp(0.22 * y - 0.10 * x**2 + 0.10 * x + 0.12 * np.sin(1.3 * y + 0.8 * x + phase[2]) - 0.05 * z)
    return TissueMaps(
        muscle_t2_ms=t2,
        edema_t2_ms=lesions.t2_ms[side, muscle] + 2.0 * t2_field,
        muscle_fat=fat,
        b1=np.clip(b1, 0.5, 1.25),
        b0_hz=np.clip(b0, -150.0, 150.0),
        receive=receive,
    )


_TISSUE_LABELS = (
    (1, "skin", (Component.SKIN,)),
    (3, "subcutaneous_fat", (Component.SUBCUTIS, Component.SUBCUTIS_FLUID)),
    (5, "intermuscular_fat", (Component.DEEP_FAT, Component.FASCIA, Component.FASCIAL_FLUID)),
    (7, "bone_cortex", (Component.CORTEX,)),
    (9, "bone_marrow", (Component.MARROW,)),
    (11, "vessel", (Component.ARTERY, Component.VEIN)),
)
_FIRST_MUSCLE_LABEL = 21
_SIDES = (Side.LEFT, Side.RIGHT)


def truth_labels(voxels: ThighVoxels) -> LabelMap:
    """Tissue or muscle that fills most of each voxel, by side; odd numbers are left, even ones right."""
    groups = [(Component.AIR,), *(row[2] for row in _TISSUE_LABELS), (Component.MUSCLE, Component.EDEMA)]
    share = np.stack([voxels.fractions[..., list(group)].sum(axis=-1) for group in groups], axis=-1)
    winner = share.argmax(axis=-1)
    labels = np.zeros(voxels.grid.shape, np.uint16)
    legend = {}
    for s, side in enumerate(_SIDES):
        here = voxels.side == s
        for n, (number, structure, _) in enumerate(_TISSUE_LABELS, start=1):
            labels[here & (winner == n)] = number + s
            legend[number + s] = Region(structure, side)
        for m, name in enumerate(MUSCLES):
            number = _FIRST_MUSCLE_LABEL + 2 * m + s
            labels[here & (winner == len(groups) - 1) & (voxels.muscle == m)] = number
            legend[number] = Region(name, side)
    return LabelMap(labels, voxels.grid, legend, "phantom truth")


def as_tissues(labels: LabelMap) -> LabelMap:
    """Truth labels with all muscles of a side pooled into ``muscle`` and bone into ``bone``."""
    legend: dict[int, Region] = {}
    table = np.zeros(int(labels.labels.max(initial=0)) + 1, np.uint16)
    for number, region in labels.legend.items():
        structure = region.structure
        if structure in MUSCLES:
            structure = "muscle"
        elif structure.startswith("bone"):
            structure = "bone"
        target = next((n for n, r in legend.items() if r == Region(structure, region.side)), len(legend) + 1)
        legend[target] = Region(structure, region.side)
        if number < table.size:
            table[number] = target
    return LabelMap(table[labels.labels], labels.grid, legend, labels.source)


def truth_maps(voxels: ThighVoxels, maps: TissueMaps) -> dict[str, ParametricMap]:
    """Parameter maps at voxel scale, under the keys measured maps use."""
    fractions = voxels.fractions.astype(np.float64)
    muscle, edema = fractions[..., Component.MUSCLE], fractions[..., Component.EDEMA]
    water, fat = water_and_fat(voxels, maps)
    density = (water + fat).sum(axis=-1)
    body = fractions[..., Component.AIR] < 0.5
    lean = (muscle + edema) > 0.5
    weighted = muscle + EDEMA_PROTON_DENSITY * edema
    safe = np.where(weighted > 0, weighted, 1.0)
    t2 = (muscle * maps.muscle_t2_ms + EDEMA_PROTON_DENSITY * edema * maps.edema_t2_ms) / safe
    r2star = np.array([PROPERTIES[Component(c)].r2star_per_s for c in range(N_COMPONENTS)])
    signal = np.where(density > 0, density, 1.0)

    def parametric(key: str, values: NDArray[np.float64], valid: NDArray[np.bool_], unit: Unit) -> ParametricMap:
        return ParametricMap(key, values.astype(np.float32), valid, voxels.grid, unit, "phantom-truth/1")

    return {
        "water_t2": parametric("water_t2", t2, lean, Unit.MILLISECOND),
        "water_t1": parametric(
            "water_t1",
            MUSCLE_T1_MS + EDEMA_T1_PER_T2 * edema / np.where(lean, muscle + edema, 1.0) * _excess(maps),
            lean,
            Unit.MILLISECOND,
        ),
        "fat_fraction": parametric("fat_fraction", 100.0 * fat.sum(axis=-1) / signal, body, Unit.PERCENT),
        "proton_density": parametric("proton_density", density, body, Unit.ARBITRARY),
        "edema_fraction": parametric(
            "edema_fraction", 100.0 * edema / np.where(lean, muscle + edema, 1.0), lean, Unit.PERCENT
        ),
        "r2star": parametric(
            "r2star", ((water + fat) * r2star).sum(axis=-1) / signal, body & (density > 0), Unit.PER_SECOND
        ),
        "field_map": parametric("field_map", maps.b0_hz, body, Unit.HERTZ),
        "b1": parametric("b1", maps.b1, body, Unit.ONE),
    }


def _excess(maps: TissueMaps) -> NDArray[np.float64]:
    return np.maximum(maps.edema_t2_ms - MUSCLE_T2_MS, 0.0)


def edema_t1_ms(maps: TissueMaps) -> NDArray[np.float64]:
    """T1 inside edema, (x, y, z). [ms]"""
    return np.asarray(MUSCLE_T1_MS + EDEMA_T1_PER_T2 * _excess(maps))


def water_and_fat(voxels: ThighVoxels, maps: TissueMaps) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Water and fat proton density of every component in every voxel, (x, y, z, N_COMPONENTS)."""
    fractions = voxels.fractions.astype(np.float64)
    density = np.array([PROPERTIES[Component(c)].proton_density for c in range(N_COMPONENTS)])
    fat_share = np.broadcast_to(
        np.array([PROPERTIES[Component(c)].fat_fraction for c in range(N_COMPONENTS)]), fractions.shape
    ).copy()
    fat_share[..., Component.MUSCLE] = maps.muscle_fat
    fat_share[..., Component.EDEMA] = maps.muscle_fat
    protons = fractions * density
    return protons * (1.0 - fat_share), protons * fat_share


def lesion_table(voxels: ThighVoxels, lesions: tuple[Lesion, ...]) -> tuple[LesionTruth, ...]:
    """Volume and fraction that each lesion reached inside the imaged slab."""
    fractions, cell = voxels.fractions, voxels.grid.voxel_volume_mm3 / 1000.0
    rows = []
    for lesion in lesions:
        here = voxels.side == _SIDES.index(lesion.side)
        if isinstance(lesion, MuscleEdema | FatReplacement):
            here = here & (voxels.muscle == MUSCLES.index(lesion.muscle))
            ill = float(fractions[..., Component.EDEMA][here].sum(dtype=np.float64)) * cell
            whole = ill + float(fractions[..., Component.MUSCLE][here].sum(dtype=np.float64)) * cell
            region = Region(lesion.muscle, lesion.side)
            if isinstance(lesion, FatReplacement):
                rows.append(
                    LesionTruth("fat", region, "field", whole, 1.0, fat_fraction_percent=lesion.fat_fraction_percent)
                )
            else:
                share = ill / whole if whole > 0 else 0.0
                rows.append(LesionTruth("edema", region, lesion.pattern.name.lower(), ill, share, t2_ms=lesion.t2_ms))
            continue
        if isinstance(lesion, FascialFluid):
            kind, structure, component = "fascial_fluid", "fascia_lata", Component.FASCIAL_FLUID
            whole_of: tuple[Component, ...] = (Component.FASCIA, Component.FASCIAL_FLUID)
        else:
            assert isinstance(lesion, Strands)
            kind, structure, component = "subcutaneous_strands", "subcutaneous_fat", Component.SUBCUTIS_FLUID
            whole_of = (Component.SUBCUTIS, Component.SUBCUTIS_FLUID)
        ill = float(fractions[..., component][here].sum(dtype=np.float64)) * cell
        whole = float(fractions[..., list(whole_of)][here].sum(dtype=np.float64)) * cell
        t2 = PROPERTIES[component].t2_ms
        pattern = "sheet" if kind == "fascial_fluid" else "reticular"
        rows.append(LesionTruth(kind, Region(structure, lesion.side), pattern, ill, ill / max(whole, 1e-9), t2_ms=t2))
    return tuple(rows)


def slab_of(grid: Grid, slice_thickness_mm: float) -> tuple[float, float]:
    """Lowest and highest z that the slices of an axial grid cover. [mm]"""
    low = float(grid.matrix[2, 3])
    return low - slice_thickness_mm / 2.0, low + (grid.shape[2] - 1) * grid.spacing_mm[2] + slice_thickness_mm / 2.0
