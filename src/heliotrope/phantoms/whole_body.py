"""The whole body in stations: STIR and Dixon images with known gains, shifts, coil roll-off and edema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.domain.units import Unit
from heliotrope.phantoms.mr_protocol import (
    DIXON_ECHO_TIMES_MS,
    DIXON_FLIP_DEG,
    DIXON_TR_MS,
    MANUFACTURER,
    STIR_TE_MS,
    STIR_TI_MS,
    STIR_TR_MS,
)
from heliotrope.phantoms.mr_tissue import (
    EDEMA_PROTON_DENSITY,
    EDEMA_T1_PER_T2,
    FAT_T1_MS,
    FAT_T2_MS,
    FIELD_STRENGTH_T,
    MUSCLE_T1_MS,
    MUSCLE_T2_MS,
)
from heliotrope.phantoms.study import PhantomSeries
from heliotrope.phantoms.whole_body_anatomy import draw_body
from heliotrope.physics.chemical_shift import spoiled_weight
from heliotrope.physics.inversion_recovery import inversion_recovery

EDEMA_T2_MS = 52.0
"""Water T2 of the phantom's edema. [ms]"""

MUSCLE_FAT = 0.04
"""Fat fraction of its muscle. [1]"""

PATCH_MM = 12.0
"""Size of its patches of edema. [mm]"""

SLOPED = "quadriceps_femoris"
"""Muscle whose edema rises from the knee to the hip."""


@dataclass(frozen=True)
class WholeBodyProtocol:
    """How the stations are scanned.

    Parameters
    ----------
    pixel_mm, slice_mm : float
    matrix : tuple of 2 ints
    n_slices, n_shared : int
        Of one station, and those it shares with the next.
    stir_gains, dixon_gains : tuple of floats
        Receiver gain of each station, foot to head; each row has a geometric mean of 1.
    shifts_px : tuple of (int, int)
        How far the body lies off in each station, across and front to back. The middle station is not moved.
    roll_off : float
        Log change of sensitivity across the body at a station's ends. [1]
    end_fall : float
        Share of the signal lost at a station's ends. [1]
    snr : float
        Of healthy muscle.
    """

    pixel_mm: float = 3.0
    slice_mm: float = 8.0
    matrix: tuple[int, int] = (176, 84)
    n_slices: int = 44
    n_shared: int = 6
    stir_gains: tuple[float, ...] = (1.3, 0.8, 1.15, 0.7, 1.0 / (1.3 * 0.8 * 1.15 * 0.7))
    dixon_gains: tuple[float, ...] = (0.9, 1.2, 0.85, 1.1, 1.0 / (0.9 * 1.2 * 0.85 * 1.1))
    shifts_px: tuple[tuple[int, int], ...] = ((1, 0), (0, 0), (0, 0), (0, -1), (0, -1))
    roll_off: float = 0.15
    end_fall: float = 0.15
    snr: float = 40.0

    @property
    def n_stations(self) -> int:
        """Number of stations."""
        return len(self.stir_gains)

    def grid(self) -> Grid:
        """Grid of the whole body."""
        count = self.n_slices + (self.n_stations - 1) * (self.n_slices - self.n_shared)
        return self._grid(0, count)

    def station_grid(self, k: int) -> Grid:
        """Grid of one station, as its header states it."""
        return self._grid(k * (self.n_slices - self.n_shared), self.n_slices)

    def _grid(self, first: int, count: int) -> Grid:
        matrix = np.diag([self.pixel_mm, self.pixel_mm, self.slice_mm, 1.0])
        matrix[0, 3] = -self.pixel_mm * (self.matrix[0] - 1) / 2.0
        matrix[1, 3] = -self.pixel_mm * (self.matrix[1] - 1) / 2.0
        matrix[2, 3] = first * self.slice_mm + self.slice_mm / 2.0
        return Grid.from_matrix((*self.matrix, count), matrix)


@dataclass(frozen=True)
class WholeBodyScene:
    """What the simulated person has.

    Parameters
    ----------
    edema : mapping of structure to (left, right)
        Share of the muscle with edema, 0 to 1.
    slope : tuple of 2 floats
        Share at the lower and the upper end of `SLOPED`, on both sides.
    """

    edema: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: MappingProxyType(
            {
                "gluteus_maximus": (0.30, 0.30),
                "biceps_femoris": (0.12, 0.12),
                "deltoid": (0.25, 0.25),
                "trapezius": (0.20, 0.20),
                "triceps_brachii": (0.35, 0.15),
                "forearm_extensors": (0.20, 0.0),
                "soleus": (0.0, 0.15),
                "splenius_capitis": (0.12, 0.12),
            }
        )
    )
    slope: tuple[float, float] = (0.10, 0.50)


@dataclass(frozen=True, eq=False)
class WholeBodyPhantom:
    """The study and its truth.

    Parameters
    ----------
    protocol : WholeBodyProtocol
    series : tuple of PhantomSeries
        STIR, water and fat of every station, foot to head.
    labels : LabelMap
        On the grid of the whole body.
    edema : ParametricMap
        0 or 100 in muscle. [%]
    stir_ratio : float
        STIR over Dixon water of healthy muscle without its fat; 1, since both contrasts are scaled to it.
    edema_ratio : float
        Signal of its edema over that of healthy muscle on STIR, relative to water. [1]
    """

    protocol: WholeBodyProtocol
    series: tuple[PhantomSeries, ...]
    labels: LabelMap
    edema: ParametricMap
    stir_ratio: float
    edema_ratio: float

    def with_role(self, role: Role) -> tuple[PhantomSeries, ...]:
        """Stations of one contrast, foot to head."""
        return tuple(series for series in self.series if series.role is role)

    def fraction_percent(self, *regions: Region) -> float:
        """True edema fraction of regions together. [%]"""
        inside = self.labels.mask(*regions)
        return float(self.edema.values[inside].mean(dtype=np.float64))


def muscle_regions(labels: LabelMap) -> tuple[Region, ...]:
    """Muscles and compartments of the phantom."""
    kinds = {StructureKind.MUSCLE, StructureKind.COMPARTMENT}
    return tuple(region for region in labels.legend.values() if STRUCTURES[region.structure].kind in kinds)


def build_whole_body(
    seed: int, protocol: WholeBodyProtocol | None = None, scene: WholeBodyScene | None = None
) -> WholeBodyPhantom:
    """Draw the body, place edema, and scan it station by station."""
    protocol, scene = protocol or WholeBodyProtocol(), scene or WholeBodyScene()
    place, noise = (np.random.default_rng([seed, stream]) for stream in range(2))
    labels = draw_body(protocol.grid())
    edema = _place_edema(labels, scene, place)
    stir, water, fat = _signals(labels, edema)
    series: list[PhantomSeries] = []
    for k in range(protocol.n_stations):
        receive = _sensitivity(protocol)
        for what, image, gains in (
            (Role.STIR, stir, protocol.stir_gains),
            (Role.DIXON_WATER, water, protocol.dixon_gains),
            (Role.DIXON_FAT, fat, protocol.dixon_gains),
        ):
            signal = 500.0 * gains[k] * receive * _station_of(image, protocol, k)
            series.append(_series(what, _rician(signal, 500.0 * gains[k] / protocol.snr, noise), protocol, k))
    inside = np.isin(labels.labels, [n for n, region in labels.legend.items() if region in muscle_regions(labels)])
    truth = ParametricMap(
        "edema_fraction",
        np.where(edema, 100.0, 0.0).astype(np.float32),
        inside,
        labels.grid,
        Unit.PERCENT,
        "phantom/1",
    )
    ratio = _stir_weight(MUSCLE_T1_MS, MUSCLE_T2_MS) / _dixon_weight(MUSCLE_T1_MS)
    t1 = MUSCLE_T1_MS + EDEMA_T1_PER_T2 * (EDEMA_T2_MS - MUSCLE_T2_MS)
    of_edema = _stir_weight(t1, EDEMA_T2_MS) / _dixon_weight(t1) / ratio
    return WholeBodyPhantom(protocol, tuple(series), labels, truth, 1.0, of_edema)


def _place_edema(labels: LabelMap, scene: WholeBodyScene, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Patches that fill exactly the wanted share of each muscle; of the sloped one, of each slice."""
    sigma = [PATCH_MM / size for size in labels.grid.spacing_mm]
    rough = np.asarray(ndimage.gaussian_filter(generator.normal(size=labels.grid.shape), sigma))
    edema = np.zeros(labels.grid.shape, dtype=bool)
    for name, shares in scene.edema.items():
        for side, share in zip((Side.LEFT, Side.RIGHT), shares, strict=True):
            inside = labels.mask(Region(name, side))
            if share > 0.0 and inside.any():
                edema |= inside & (rough > np.quantile(rough[inside], 1.0 - share))
    for side in Side:
        inside = labels.mask(Region(SLOPED, side))
        slices = np.flatnonzero(inside.any(axis=(0, 1)))
        for k, share in zip(slices, np.linspace(*scene.slope, len(slices)), strict=True):
            here = inside[:, :, k]
            edema[:, :, k] |= here & (rough[:, :, k] > np.quantile(rough[:, :, k][here], 1.0 - share))
    return edema


def _stir_weight(t1_ms: float, t2_ms: float) -> float:
    recovered = inversion_recovery(t1_ms, inversion_time_ms=STIR_TI_MS, repetition_time_ms=STIR_TR_MS)
    return abs(float(recovered)) * float(np.exp(-STIR_TE_MS / t2_ms))


def _dixon_weight(t1_ms: float) -> float:
    return float(spoiled_weight(t1_ms, DIXON_TR_MS, DIXON_FLIP_DEG))


def _signals(
    labels: LabelMap, edema: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """STIR, water and fat of the body without noise; healthy lean muscle is 1."""
    water, fat = (np.zeros(len(labels.legend) + 1) for _ in range(2))
    for number, region in labels.legend.items():
        kind = STRUCTURES[region.structure].kind
        if kind in (StructureKind.MUSCLE, StructureKind.COMPARTMENT):
            water[number], fat[number] = 1.0 - MUSCLE_FAT, MUSCLE_FAT
        elif kind is StructureKind.BONE or region.structure == "bone":
            water[number], fat[number] = 0.08, 0.80
        elif region.structure == "body_cavity":
            water[number], fat[number] = 0.7, 0.1
        else:
            water[number], fat[number] = 0.05, 0.95
    w, f = water[labels.labels], fat[labels.labels]
    w = np.where(edema, w * EDEMA_PROTON_DENSITY, w)
    t1_ill = MUSCLE_T1_MS + EDEMA_T1_PER_T2 * (EDEMA_T2_MS - MUSCLE_T2_MS)
    stir_healthy, dixon_healthy = _stir_weight(MUSCLE_T1_MS, MUSCLE_T2_MS), _dixon_weight(MUSCLE_T1_MS)
    # water and fat have the same sign at this inversion time
    stir_water = w * np.where(edema, _stir_weight(t1_ill, EDEMA_T2_MS), stir_healthy)
    stir = stir_water + f * _stir_weight(FAT_T1_MS, FAT_T2_MS)
    dixon_water = w * np.where(edema, _dixon_weight(t1_ill), dixon_healthy)
    return stir / stir_healthy, dixon_water / dixon_healthy, f * _dixon_weight(FAT_T1_MS) / dixon_healthy


def _sensitivity(protocol: WholeBodyProtocol) -> NDArray[np.float64]:
    """Coil of one station: tilted across the body and falling toward its ends."""
    across = np.linspace(-1.0, 1.0, protocol.matrix[0])[:, None, None]
    height = np.linspace(-1.0, 1.0, protocol.n_slices)[None, None, :]
    return np.asarray(np.exp(protocol.roll_off * across * height) * (1.0 - protocol.end_fall * height**4))


def _station_of(image: NDArray[np.float64], protocol: WholeBodyProtocol, k: int) -> NDArray[np.float64]:
    first = k * (protocol.n_slices - protocol.n_shared)
    part = image[:, :, first : first + protocol.n_slices]
    return np.roll(part, protocol.shifts_px[k], axis=(0, 1))


def _rician(signal: NDArray[np.float64], sd: float, generator: np.random.Generator) -> NDArray[np.float32]:
    real = signal + generator.normal(0.0, sd, signal.shape)
    return np.hypot(real, generator.normal(0.0, sd, signal.shape)).astype(np.float32)


def _series(role: Role, data: NDArray[np.float32], protocol: WholeBodyProtocol, k: int) -> PhantomSeries:
    common = {
        "modality": Modality.MR,
        "field_strength_t": FIELD_STRENGTH_T,
        "slice_thickness_mm": protocol.slice_mm,
        "slice_spacing_mm": protocol.slice_mm,
        "manufacturer": MANUFACTURER,
        "acquired_on": "2026-01-15",
    }
    if role is Role.STIR:
        acquisition = Acquisition(
            **common,  # type: ignore[arg-type]
            repetition_time_ms=STIR_TR_MS,
            echo_times_ms=(STIR_TE_MS,),
            inversion_time_ms=STIR_TI_MS,
            flip_angle_deg=150.0,
            echo_train_length=13,
            scanning_sequence=("SE", "IR"),
            sequence_variant=("SK",),
            image_type=("ORIGINAL", "PRIMARY", "M"),
            acquisition_type="2D",
            sequence_name="tir2d1_13",
        )
    else:
        word = "WATER" if role is Role.DIXON_WATER else "FAT"
        acquisition = Acquisition(
            **common,  # type: ignore[arg-type]
            repetition_time_ms=DIXON_TR_MS,
            echo_times_ms=(DIXON_ECHO_TIMES_MS[0],),
            flip_angle_deg=DIXON_FLIP_DEG,
            scanning_sequence=("GR",),
            sequence_variant=("SP",),
            image_type=("DERIVED", "PRIMARY", "DIXON", word),
            acquisition_type="3D",
            sequence_name="fl3d6",
        )
    title = {Role.STIR: "STIR", Role.DIXON_WATER: "Dixon water", Role.DIXON_FAT: "Dixon fat"}[role]
    description = f"SYNTHETIC {title} station {k + 1}"
    return PhantomSeries(Volume(data, protocol.station_grid(k)), acquisition, role, description)
