"""Digital reference CT of calcinosis: thighs with calcium of known plane, shape, volume and mineral mass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import Region, Side, TissuePlane
from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.phantoms.ct_calcinosis_anatomy import LimbAnatomy, draw_limb
from heliotrope.phantoms.ct_calcinosis_lesions import Lesion, artery_calcium, draw_lesions
from heliotrope.phantoms.ct_calcinosis_render import part_reach, render
from heliotrope.physics.ct_attenuation import table_calibration


class CalcinosisVariant(StrEnum):
    """Which calcium a phantom holds."""

    CALCINOSIS = "ct-calcinosis"
    THIN_SEPTA = "ct-thin-septa"
    VASCULAR = "ct-vascular"


@dataclass(frozen=True)
class CtCalcinosisSettings:
    """How the scan is made.

    Parameters
    ----------
    shape : tuple of 3 ints
        Voxels before slices are averaged.
    voxel_mm : tuple of 3 floats
        Voxel size before slices are averaged. [mm]
    slices_averaged : int
        Thick slices: so many thin ones averaged.
    blur_fwhm_mm : tuple of 2 floats
        Point spread, in plane and along z. [mm]
    noise_hu : float
        Standard deviation of the spatially correlated noise in thin slices. [HU]
    tube_voltage_kv : float
        Decides the attenuation of the mineral. [kV]
    limbs : int
        1, or 2 thighs that touch at the midline and fuse at the groin.
    subcutis_scale : float
        Factor on a mean subcutaneous fat of 13 mm.
    fine_net : bool
        The net's strands are thinner than a voxel (see `draw_lesions`).
    """

    shape: tuple[int, int, int] = (271, 271, 110)
    voxel_mm: tuple[float, float, float] = (0.7, 0.7, 1.0)
    slices_averaged: int = 1
    blur_fwhm_mm: tuple[float, float] = (1.06, 1.18)
    noise_hu: float = 18.0
    tube_voltage_kv: float = 120.0
    limbs: int = 1
    subcutis_scale: float = 1.0
    fine_net: bool = False

    def __post_init__(self) -> None:
        if min(self.shape) < 8 or min(self.voxel_mm) <= 0 or self.slices_averaged < 1:
            raise InputError(
                "CT phantom: at least 8 voxels of positive size per axis", hint="enlarge shape or voxel_mm"
            )
        if self.limbs not in (1, 2):
            raise InputError(f"CT phantom: {self.limbs} limbs; 1 or 2 can be built", hint="give limbs=1 or limbs=2")
        if self.noise_hu < 0:
            raise InputError(f"CT phantom: noise {self.noise_hu} HU is negative", hint="give a standard deviation")


@dataclass(frozen=True)
class LesionTruth:
    """What one lesion is.

    Parameters
    ----------
    number : int
        Its number in the truth label map.
    side : Side
    plane : TissuePlane or None
        None for calcium of a vessel wall.
    shape : str
        Shape class.
    attenuation_hu : float
        [HU]
    volume_mm3 : float
        [mm3]
    mass_mg : float
        Hydroxyapatite. [mg]
    """

    number: int
    side: Side
    plane: TissuePlane | None
    shape: str
    attenuation_hu: float
    volume_mm3: float
    mass_mg: float


@dataclass(frozen=True, eq=False)
class CtCalcinosisPhantom:
    """A generated scan with its truth.

    Parameters
    ----------
    volume : Volume
        CT. [HU]
    lesions : tuple of LesionTruth
    labels : LabelMap
        Lesion number where at least half of a voxel is calcified.
    fraction : float32 array
        Calcified share of each voxel, 0 to 1.
    fascia_distance_mm : float32 array
        Radial distance to the middle of the deep fascia, outside positive. [mm]
    settings : CtCalcinosisSettings
    variant : CalcinosisVariant
    seed : int
    """

    volume: Volume
    lesions: tuple[LesionTruth, ...]
    labels: LabelMap
    fraction: NDArray[np.float32]
    fascia_distance_mm: NDArray[np.float32]
    settings: CtCalcinosisSettings
    variant: CalcinosisVariant
    seed: int
    notes: tuple[str, ...] = field(default=())

    @property
    def calcinosis(self) -> tuple[LesionTruth, ...]:
        """Lesions of soft tissue; calcium of vessel walls is left out."""
        return tuple(lesion for lesion in self.lesions if lesion.plane is not None)

    @property
    def total_volume_ml(self) -> float:
        """True volume of calcinosis. [mL]"""
        return sum(lesion.volume_mm3 for lesion in self.calcinosis) / 1000.0

    @property
    def total_mass_mg(self) -> float:
        """True mineral mass of calcinosis. [mg]"""
        return sum(lesion.mass_mg for lesion in self.calcinosis)


_SIGMA_PER_FWHM = 1 / 2.3548200450309493
_LEVEL_STEP_MM = 0.5


def build_ct_calcinosis(
    seed: int,
    *,
    variant: CalcinosisVariant = CalcinosisVariant.CALCINOSIS,
    settings: CtCalcinosisSettings | None = None,
    growth: float = 1.0,
    noise_seed: int | None = None,
) -> CtCalcinosisPhantom:
    """Build a CT reference object.

    Parameters
    ----------
    seed : int
        Anatomy and lesions.
    variant : CalcinosisVariant
        All planes and shapes; the same in a limb with 0.3 mm septa; or calcium of the artery wall alone.
    settings : CtCalcinosisSettings or None
        How the scan is made; the defaults of the class when None.
    growth : float
        Factor on the mineral concentration of every lesion of soft tissue, for pairs in time.
    noise_seed : int or None
        Noise; `seed` when None. Give another one for a second scan of the same limb.

    Returns
    -------
    CtCalcinosisPhantom
    """
    chosen = CtCalcinosisSettings() if settings is None else settings
    if not 0.2 <= growth <= 5:
        raise InputError(f"CT phantom: growth factor {growth}; 0.2 to 5 is possible", hint="1.2 is 20 % more mineral")
    scene = draw_scene(seed, variant, chosen)
    placed = tuple(replace(item, mineral=growth if item.lesion.plane is not None else 1.0) for item in scene.lesions)
    return scan_scene(
        replace(scene, lesions=placed), chosen, variant=variant, seed=seed, noise_seed=noise_seed, pose=None
    )


@dataclass(frozen=True)
class PlacedLesion:
    """A lesion in its limb.

    Parameters
    ----------
    limb : int
        Position in `Scene.limbs`.
    lesion : Lesion
    mineral : float
        Factor on its mineral concentration.
    """

    limb: int
    lesion: Lesion
    mineral: float = 1.0


@dataclass(frozen=True, eq=False)
class Scene:
    """Limbs with their lesions, before a scan.

    Parameters
    ----------
    limbs : tuple of LimbAnatomy
    lesions : tuple of PlacedLesion
    texture : float32 array (x, y, z)
        Relative unevenness of the mineral.
    levels_mm : float array
        Rows of the tables of `limbs`. [mm]
    """

    limbs: tuple[LimbAnatomy, ...]
    lesions: tuple[PlacedLesion, ...]
    texture: NDArray[np.float32]
    levels_mm: NDArray[np.float64]


def draw_scene(seed: int, variant: CalcinosisVariant, settings: CtCalcinosisSettings) -> Scene:
    """Limbs and lesions of a seed; see `build_ct_calcinosis`."""
    rng = np.random.default_rng(seed)
    length = settings.shape[2] * settings.voxel_mm[2]
    levels = np.arange(-length / 2 - 1, length / 2 + 1, _LEVEL_STEP_MM)
    centers = [(0.0, 0.0)] if settings.limbs == 1 else [(-76.0, 0.0), (76.0, 0.0)]
    half_septum = 0.15 if variant is CalcinosisVariant.THIN_SEPTA else 0.8
    limbs = [
        draw_limb(rng, levels, center_mm=c, subcutis_scale=settings.subcutis_scale, septum_half_width_mm=half_septum)
        for c in centers
    ]
    placed: list[PlacedLesion] = []
    for number, limb in enumerate(limbs):
        found = (
            (artery_calcium(rng),)
            if variant is CalcinosisVariant.VASCULAR
            else draw_lesions(rng, limb, length_mm=length, fine_net=settings.fine_net)
        )
        placed.extend(PlacedLesion(number, lesion) for lesion in found)
    coarse = rng.normal(size=tuple(n // 4 + 3 for n in settings.shape)).astype(np.float32)
    coarse = ndimage.gaussian_filter(coarse, 1.0)
    coarse /= float(coarse.std())
    return Scene(tuple(limbs), tuple(placed), _stretch(coarse, settings.shape), levels)


def scan_scene(
    scene: Scene,
    settings: CtCalcinosisSettings,
    *,
    variant: CalcinosisVariant,
    seed: int,
    noise_seed: int | None,
    pose: NDArray[np.float64] | None,
) -> CtCalcinosisPhantom:
    """Scan limbs and lesions.

    Parameters
    ----------
    seed : int
        Of the scene; part of the result's name.
    noise_seed : int or None
        Noise; from `seed` when None.
    pose : float array (4, 4) or None
        How the limb lies in the scanner: position in the scene to position in the scan. Beyond the ends of the scene
        the limb goes on as its last slice. [mm]
    """
    length = settings.shape[2] * settings.voxel_mm[2]
    slope = table_calibration(settings.tube_voltage_kv).slope_hu_per_mg_ml
    drawn = [(item.limb, item.lesion) for item in scene.lesions]
    rendered = _paint(settings, scene, drawn, length, slope)
    before, mineral, fraction, owner, distance, volumes, masses = rendered
    factor = np.array([1.0, *(item.mineral for item in scene.lesions)])
    image = before + mineral * slope * factor[owner].astype(np.float32)
    if pose is not None:
        image, fraction, distance, owner = _posed(pose, settings, (image, 3), (fraction, 1), (distance, 1), (owner, 0))
    image = _scan(image, settings, np.random.default_rng(seed + 7919 if noise_seed is None else noise_seed))
    truths = tuple(
        LesionTruth(
            n,
            Side.RIGHT if scene.limbs[item.limb].center_mm[0] <= 0 else Side.LEFT,
            item.lesion.plane,
            item.lesion.shape,
            item.lesion.attenuation_hu,
            float(volumes[n]),
            float(masses[n] * factor[n]),
        )
        for n, item in enumerate(scene.lesions, start=1)
        if volumes[n] > 1.0
    )
    return _assemble(settings, variant, seed, image, truths, fraction, owner, distance)


def _posed(
    pose: NDArray[np.float64], settings: CtCalcinosisSettings, *arrays: tuple[NDArray[Any], Literal[0, 1, 3]]
) -> tuple[NDArray[Any], ...]:
    """Arrays of the scene as they lie in the scan, each by splines of its order; both share the middle as origin."""
    voxel = np.array(settings.voxel_mm)
    back = np.linalg.inv(pose)
    middle = (np.array(settings.shape) - 1) / 2
    matrix = back[:3, :3] * voxel[None, :] / voxel[:, None]
    offset = back[:3, 3] / voxel + middle - matrix @ middle
    return tuple(
        ndimage.affine_transform(array, matrix, offset, order=order, mode="nearest", output=array.dtype)
        for array, order in arrays
    )


def with_settings(phantom: CtCalcinosisPhantom, **changes: Any) -> CtCalcinosisPhantom:
    """The same limb and lesions, scanned otherwise, e.g. ``slices_averaged=3`` or ``noise_hu=36``."""
    return build_ct_calcinosis(phantom.seed, variant=phantom.variant, settings=replace(phantom.settings, **changes))


def _stretch(coarse: NDArray[np.float32], shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """A coarse field, linear in between, at four times its resolution."""
    out = coarse
    for axis, n in enumerate(shape):
        at = np.arange(n) / 4.0
        low = at.astype(int)
        weight = (at - low).astype(np.float32)
        weight = weight.reshape([-1 if a == axis else 1 for a in range(3)])
        out = np.take(out, low, axis) * (1 - weight) + np.take(out, low + 1, axis) * weight
    return np.ascontiguousarray(out, dtype=np.float32)


def _paint(
    settings: CtCalcinosisSettings, scene: Scene, drawn: list[tuple[int, Lesion]], length: float, slope: float
) -> tuple[Any, ...]:
    voxel, limbs = settings.voxel_mm, scene.limbs
    rows = [lesion.parameters() for _, lesion in drawn]
    lesion_of = np.concatenate([np.full(len(r), n, np.int32) for n, r in enumerate(rows)])
    limb_of = np.concatenate([np.full(len(r), limb, np.int32) for (limb, _), r in zip(drawn, rows, strict=True)])
    parts = np.concatenate(rows)
    first = limbs[0]
    return tuple(
        render(
            settings.shape,
            voxel,
            (-settings.shape[0] * voxel[0] / 2, -settings.shape[1] * voxel[1] / 2, -length / 2),
            np.array([limb.center_mm for limb in limbs]),
            float(scene.levels_mm[0]),
            _LEVEL_STEP_MM,
            np.stack([limb.skin_radius_mm for limb in limbs]),
            np.stack([limb.fascia_radius_mm for limb in limbs]),
            np.stack([limb.muscle_radius_mm for limb in limbs]),
            np.stack([limb.muscle_centers_mm for limb in limbs]),
            first.septum_half_width_mm,
            np.array(first.femur_mm),
            np.array([[limb.artery_mm, limb.vein_mm] for limb in limbs]),
            parts,
            lesion_of,
            limb_of,
            part_reach(parts),
            np.array([lesion.attenuation_hu for _, lesion in drawn]),
            length / 2 - 0.15 * length,
            scene.texture,
            slope,
        )
    )


def _scan(image: NDArray[np.float32], settings: CtCalcinosisSettings, rng: np.random.Generator) -> NDArray[np.float32]:
    in_plane, along = (f * _SIGMA_PER_FWHM for f in settings.blur_fwhm_mm)
    sizes = settings.voxel_mm
    image = ndimage.gaussian_filter(image, (in_plane / sizes[0], in_plane / sizes[1], along / sizes[2]))
    if settings.noise_hu > 0:
        noise = ndimage.gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), (0.6, 0.6, 0.4))
        image = image + noise * np.float32(settings.noise_hu / noise.std())
    return _average(image, settings.slices_averaged)


def _average(array: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    if n == 1:
        return array
    kept = array.shape[2] // n * n
    means = array[:, :, :kept].reshape(*array.shape[:2], kept // n, n).mean(-1)
    return np.asarray(means, dtype=np.float32)


def _assemble(
    settings: CtCalcinosisSettings,
    variant: CalcinosisVariant,
    seed: int,
    image: NDArray[np.float32],
    truths: tuple[LesionTruth, ...],
    fraction: NDArray[np.float32],
    owner: NDArray[np.uint16],
    distance: NDArray[np.float32],
) -> CtCalcinosisPhantom:
    n = settings.slices_averaged
    fraction = _average(fraction, n)
    owner = owner[:, :, : image.shape[2] * n]
    owner = owner.reshape(*image.shape, n).max(-1)
    sizes = (settings.voxel_mm[0], settings.voxel_mm[1], settings.voxel_mm[2] * n)
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = [-(m - 1) * v / 2 for m, v in zip(image.shape, sizes, strict=True)]
    grid = Grid.from_matrix(image.shape, affine)
    known = {truth.number for truth in truths}
    label = np.where((fraction >= 0.5) & np.isin(owner, list(known)), owner, 0).astype(np.uint16)
    legend = {
        t.number: Region("calcification", t.side, f"lesion {t.number}: {t.plane or 'vascular'} {t.shape}")
        for t in truths
    }
    labels = LabelMap(label, grid, legend, source=f"heliotrope phantom {variant}, seed {seed}")
    image = np.clip(np.rint(image), -1024, 3071).astype(np.float32)
    return CtCalcinosisPhantom(
        Volume(image, grid, Unit.HOUNSFIELD),
        truths,
        labels,
        fraction,
        _average(distance, n),
        settings,
        variant,
        seed,
    )
