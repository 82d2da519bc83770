"""One thigh as continuous functions: skin, subcutis, deep fascia, nine muscles with fat septa, femur, vessels.

Radii are tables over angle and level, so that a point's tissue is found by a few lookups. All lengths in mm in the
limb's own frame: x to the patient's left, y to posterior, z to superior, origin on the limb's axis at mid-length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_ANGLES = 720
"""Samples around the limb."""

N_MUSCLES = 9
"""Muscle cells of a limb."""

SKIN_THICKNESS_MM = 1.8
"""Skin of the thigh; 0.8 to 3.1 mm by site has been published (Korean J Dermatol 1995;33:303). [mm]"""

FASCIA_THICKNESS_MM = 0.9
"""Deep fascia of the thigh; 0.56 to 1.11 mm by histology (PMC7930759). [mm]"""

FEMUR_RADII_MM = (8.2, 14.5)
"""Marrow and outer cortex radius of the femur. [mm]"""

VESSEL_RADII_MM = (3.6, 4.0)
"""Lumen radii of the superficial femoral artery and vein. [mm]"""


@dataclass(frozen=True, eq=False)
class LimbAnatomy:
    """Shape of one limb.

    Parameters
    ----------
    center_mm : tuple of 2 floats
        Where the limb's axis lies in the scan, x and y. [mm]
    levels_mm : float array (n_levels,)
        z of the tables' rows, increasing and evenly spaced. [mm]
    skin_radius_mm, fascia_radius_mm, muscle_radius_mm : float32 arrays (n_levels, n_angles)
        Outer radius of skin, of deep fascia, and of the muscle below the subfascial fat. [mm]
    subcutis_mm : float32 array (n_levels, n_angles)
        Thickness of the subcutaneous fat. [mm]
    muscle_centers_mm : float array (n_muscles, 2)
        Sites of the power diagram at z = 0; they lean by 0.05 mm per mm along x. [mm]
    septum_half_width_mm : float
        Half thickness of the fat between muscles. [mm]
    femur_mm, artery_mm, vein_mm : tuples of 2 floats
        Axes of femur and vessels. [mm]
    thickest_subcutis_rad : float
        Angle at which the subcutaneous fat is thickest. [rad]
    """

    center_mm: tuple[float, float]
    levels_mm: NDArray[np.float64]
    skin_radius_mm: NDArray[np.float32]
    fascia_radius_mm: NDArray[np.float32]
    muscle_radius_mm: NDArray[np.float32]
    subcutis_mm: NDArray[np.float32]
    muscle_centers_mm: NDArray[np.float64]
    septum_half_width_mm: float
    femur_mm: tuple[float, float]
    artery_mm: tuple[float, float]
    vein_mm: tuple[float, float]
    thickest_subcutis_rad: float

    def row(self, z_mm: float) -> int:
        """Nearest table row of a level."""
        return int(np.clip(np.searchsorted(self.levels_mm, z_mm), 0, len(self.levels_mm) - 1))

    def column(self, angle_rad: float) -> int:
        """Nearest table column of an angle."""
        return round(angle_rad / (2 * np.pi) * N_ANGLES) % N_ANGLES


def draw_limb(
    rng: np.random.Generator,
    levels_mm: NDArray[np.float64],
    *,
    center_mm: tuple[float, float],
    subcutis_scale: float,
    septum_half_width_mm: float,
) -> LimbAnatomy:
    """A thigh of random shape.

    Parameters
    ----------
    rng : Generator
        Shape phases and muscle positions.
    levels_mm : float array
        Levels at which radii are tabulated. [mm]
    center_mm : tuple of 2 floats
        Axis of the limb in the scan. [mm]
    subcutis_scale : float
        Factor on a mean subcutaneous fat of 13 mm.
    septum_half_width_mm : float
        Half thickness of the fat between muscles; 0.8 is a normal adult, 0.15 a lean child. [mm]
    """
    phase = rng.uniform(0, 2 * np.pi, 6)
    theta = (np.arange(N_ANGLES) * 2 * np.pi / N_ANGLES)[None, :]
    z = levels_mm[:, None]
    skin = 80 + 5 * np.cos(2 * theta + phase[0]) + 3 * np.cos(3 * theta + phase[1]) + 0.12 * z
    skin = skin + np.cos(0.08 * z + theta)
    subcutis = 13 + 5 * np.cos(theta + phase[2]) + 2.5 * np.cos(2 * theta + phase[3])
    subcutis = subcutis_scale * (subcutis + 1.5 * np.sin(0.05 * z + 2 * theta))
    fascia = skin - SKIN_THICKNESS_MM - subcutis
    below = np.clip(0.8 + 1.6 * np.cos(3 * theta + phase[4]) + np.cos(0.07 * z + 2 * theta), 0, 3.5)
    muscle = fascia - FASCIA_THICKNESS_MM - below
    angles = np.linspace(0, 2 * np.pi, N_MUSCLES, endpoint=False) + rng.uniform(-0.2, 0.2, N_MUSCLES)
    centers = 38 * np.stack([np.cos(angles), np.sin(angles)], 1)
    centers[0] *= 0.4
    medial = -1.0 if center_mm[0] > 0 else 1.0
    return LimbAnatomy(
        center_mm=center_mm,
        levels_mm=levels_mm,
        skin_radius_mm=skin.astype(np.float32),
        fascia_radius_mm=fascia.astype(np.float32),
        muscle_radius_mm=muscle.astype(np.float32),
        subcutis_mm=subcutis.astype(np.float32),
        muscle_centers_mm=centers,
        septum_half_width_mm=septum_half_width_mm,
        femur_mm=(-4.0, 6.0),
        artery_mm=(medial * 24.0, -14.0),
        vein_mm=(medial * 31.0, -11.0),
        thickest_subcutis_rad=float(theta[0, int(np.argmax(subcutis.mean(0)))]),
    )
