"""Digital reference radiograph: a forearm in projection with calcium of known area, away from its bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume

PIXEL_MM = 0.2
"""[mm]"""

SHAPE = (480, 640)
"""Pixels across and along the forearm."""

SOFT_PER_MM, BONE_PER_MM = 0.0227, 0.080
"""Attenuation of water and of cortical bone near 50 keV, after the NIST tables of mass attenuation. [1/mm]"""

HYDROXYAPATITE_MM2_PER_MG = 0.1
"""Mass attenuation of hydroxyapatite near 50 keV, about 1 cm2/g. [mm2/mg]"""

HALF_WIDTH_MM, HALF_DEPTH_MM = 36.0, 24.0
"""Half axes of the forearm's cross-section. [mm]"""

BONE_RADIUS_MM = 6.0
BONE_CENTERS_MM = (-7.5, 7.5)
"""Axes of radius and ulna, which lie side by side in the middle. [mm]"""

FREE_MM = (25.2, 26.6)
"""Lesions lie so far from the axis: off the margins around bone and at the skin that are not assessed. [mm]"""

_PHOTONS = 4.0e4
_BLUR_PIXELS = 0.8


@dataclass(frozen=True)
class RadiographLesion:
    """One calcification.

    Parameters
    ----------
    shape : str
        ``"stone"``, ``"plate"`` or ``"net"``.
    area_mm2 : float
        In projection. [mm2]
    """

    shape: str
    area_mm2: float


@dataclass(frozen=True, eq=False)
class RadiographPhantom:
    """A generated radiograph with its truth.

    Parameters
    ----------
    volume : Volume
        One slice; dense parts are bright.
    calcified : bool array (x, y)
        Where calcium lies in projection.
    lesions : tuple of RadiographLesion
    seed : int
    """

    volume: Volume
    calcified: NDArray[np.bool_]
    lesions: tuple[RadiographLesion, ...]
    seed: int

    @property
    def area_cm2(self) -> float:
        """True projected area. [cm2]"""
        return float(self.calcified.sum()) * PIXEL_MM**2 / 100.0


def build_radiograph(seed: int, *, scale: float = 1.0, calcium: bool = True, net: bool = True) -> RadiographPhantom:
    """Build a forearm radiograph.

    Parameters
    ----------
    seed : int
        Places, sizes and noise.
    scale : float
        Factor on the diameter of every stone and plate, for pairs in time.
    calcium : bool
        False for a forearm without any.
    net : bool
        False leaves the net out, which lies at the limit of what is found.

    Returns
    -------
    RadiographPhantom
        Five stones, a plate and a net.
    """
    if not 0.5 <= scale <= 1.5:
        raise InputError(f"radiograph phantom: scale {scale}; 0.5 to 1.5 is possible", hint="1.2 is 44 % more area")
    rng = np.random.default_rng(seed)
    x: NDArray[np.float64] = ((np.arange(SHAPE[0]) - (SHAPE[0] - 1) / 2)[:, None] * PIXEL_MM).astype(np.float64)
    y: NDArray[np.float64] = (np.arange(SHAPE[1])[None, :] * PIXEL_MM).astype(np.float64)
    depth: NDArray[np.float64] = SOFT_PER_MM * _chord(x / HALF_WIDTH_MM) * HALF_DEPTH_MM + np.zeros_like(y)
    for axis in BONE_CENTERS_MM:
        across = (x - axis) / BONE_RADIUS_MM
        cortex = _chord(across) - 0.55 * _chord(across / 0.55)
        depth = depth + (BONE_PER_MM - SOFT_PER_MM) * BONE_RADIUS_MM * cortex
    mineral = np.zeros(SHAPE)  # hydroxyapatite in the beam [mg/mm2]
    calcified = np.zeros(SHAPE, dtype=bool)
    lesions: list[RadiographLesion] = []
    for number in range(7):
        center = (float(rng.choice((-1, 1)) * rng.uniform(*FREE_MM)), 12.0 + 17.0 * number + float(rng.uniform(-2, 2)))
        density = float(rng.uniform(0.3, 0.5))  # [mg/mm3]
        radius = float(rng.uniform(2.0, 3.2)) * scale
        if number < 5:
            shape, thickness = "stone", 2 * radius * _dome(x - center[0], y - center[1], radius, radius)
        elif number == 5:
            shape, thickness = "plate", 6.0 * _dome(x - center[0], y - center[1], 2.6 * scale, 4.5 * scale)
        else:
            shape, thickness = "net", 5.0 * _net(x - center[0], y - center[1])
        if not calcium or (shape == "net" and not net):
            continue
        here = thickness > 0
        mineral += density * thickness
        calcified |= here
        lesions.append(RadiographLesion(shape, float(here.sum()) * PIXEL_MM**2))
    depth = ndimage.gaussian_filter(depth + HYDROXYAPATITE_MM2_PER_MG * mineral, _BLUR_PIXELS)
    counts = rng.poisson(_PHOTONS * np.exp(-depth))
    signal = -np.log(np.maximum(counts, 1) / _PHOTONS)
    gray = np.clip(np.rint(200 + 900 * signal), 0, 4095).astype(np.float32)
    grid = Grid.from_spacing((*SHAPE, 1), (PIXEL_MM, PIXEL_MM, 1.0))
    return RadiographPhantom(Volume(gray[:, :, None], grid), calcified, tuple(lesions), seed)


def _chord(across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Path through a unit circle at a distance from its middle."""
    return np.asarray(2 * np.sqrt(np.clip(1 - across**2, 0.0, None)))


def _dome(x: NDArray[np.float64], y: NDArray[np.float64], a: float, b: float) -> NDArray[np.float64]:
    """Height of half an ellipsoid over its base, 0 to 1."""
    return np.asarray(np.sqrt(np.clip(1 - (x / a) ** 2 - (y / b) ** 2, 0.0, None)))


def _net(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Strands 1.2 mm wide, 4 mm apart, on a patch of 9 x 17 mm."""
    patch = (np.abs(x) < 4.6) & (np.abs(y) < 8.6)
    strands = (np.abs((x + 2.0) % 4.0 - 2.0) < 0.6) | (np.abs((y + 2.0) % 4.0 - 2.0) < 0.6)
    return np.asarray((patch & strands).astype(np.float64))
