"""Which part of the body a stack of slices looks like, told from shape alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import QualityRefusal
from heliotrope.segment.body import FUSED_WIDTH_RATIO, Limbs

TRUNK_WIDTH_MM = 230.0
"""One cross-section wider than this and much wider than deep is a trunk. Project rule. [mm]"""
WIDER_THAN_A_LIMB_MM = 290.0
"""No single limb is wider: 91 cm around. Project rule. [mm]"""
GAS_CM2 = 1.5
"""Gas within a cross-section from which it is bowel. Project rule. [cm2]"""
THIGH_AREA_CM2 = 55.0
"""Cross-section deep to the fascia from which a one-boned limb is taken for a thigh. Project rule. [cm2]"""
FOOT_AREA_CM2, FOOT_BONY_SLICES = 25.0, 0.8
"""A slender cross-section with bone in fewer than this share of slices is a foot or hand. Project rule. [cm2, 1]"""
JOINT_BONE_SHARE = 0.22
"""Share of bone in a cross-section from which it is a joint. Project rule; a femoral shaft takes 3-7 %."""


@dataclass(frozen=True)
class Level:
    """What a stack looks like.

    Parameters
    ----------
    name : str
        ``"thigh"``, ``"leg or forearm"``, ``"knee"``, ``"upper arm or slender limb"``, ``"foot or hand"``, ``"pelvis"``
        or ``"unknown"``.
    reason : str
        Numbers it rests on.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Trunk:
    """A stack that shows no limbs but a trunk.

    Parameters
    ----------
    place : str
        ``"an abdomen"`` where there is gas within, else ``"a pelvis or trunk"``.
    width_mm : float
        Median width of its cross-section. [mm]
    """

    place: str
    width_mm: float

    def refusal(self) -> QualityRefusal:
        """``E_NOT_A_LIMB``, for images on which a trunk cannot be labeled."""
        return QualityRefusal(
            f"not a limb: looks like {self.place}, one cross-section {self.width_mm:.0f} mm wide and no pair of limbs",
            hint="give a series of the thighs, legs or arms; labels of your own are taken with --labels",
            code="E_NOT_A_LIMB",
        )


def recognize_trunk(
    body: NDArray[np.bool_],
    gas: NDArray[np.bool_] | None,
    limbs: Limbs,
    spacing_mm: tuple[float, float, float],
) -> Trunk | None:
    """The trunk a stack shows in most slices, as one broad cross-section and no pair of limbs; None for limbs.

    Parameters
    ----------
    body : bool array (x, y, z)
        In axial axes.
    gas : bool array (x, y, z) or None
        Gas within the body, where the modality shows it (CT).
    limbs : Limbs
    spacing_mm : tuple of 3 floats
    """
    if len(limbs.sides) > 1:
        return None
    broad, gassy, present = 0, 0, 0
    widths = []
    pixel_cm2 = spacing_mm[0] * spacing_mm[1] / 100.0
    for k in np.flatnonzero(limbs.index.any(axis=(0, 1))):
        labels, _ = ndimage.label(body[:, :, k])
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        x, y = np.nonzero(labels == int(np.argmax(sizes)))
        width, depth = (np.ptp(x) + 1) * spacing_mm[0], (np.ptp(y) + 1) * spacing_mm[1]
        present += 1
        widths.append(float(width))
        flat = width > TRUNK_WIDTH_MM and width > 0.9 * FUSED_WIDTH_RATIO * depth
        broad += bool(flat or width > WIDER_THAN_A_LIMB_MM)
        gassy += bool(gas is not None and np.count_nonzero(gas[:, :, k]) * pixel_cm2 > GAS_CM2)
    if not present or broad <= 0.5 * present:
        return None
    return Trunk("an abdomen" if gassy > 0.3 * present else "a pelvis or trunk", float(np.median(widths)))


def boneless_refusal(marrow_share: float) -> QualityRefusal:
    """``E_NOT_A_LIMB`` for limbs of which no slice shows the shaft of a long bone, by how much looks like marrow.

    Parameters
    ----------
    marrow_share : float
        Largest compact piece of fat deep to the fascia over all that lies there.
    """
    looks = "no slice shows a long bone"
    if marrow_share > JOINT_BONE_SHARE:
        looks = f"looks like a knee or another joint, marrow {100 * marrow_share:.0f} % of what lies deep to the fascia"
    return QualityRefusal(
        f"not a limb: {looks}",
        hint="give a series of the thighs, legs or arms; labels of your own are taken with --labels",
        code="E_NOT_A_LIMB",
    )


def require_limbs(
    body: NDArray[np.bool_],
    gas: NDArray[np.bool_] | None,
    limbs: Limbs,
    spacing_mm: tuple[float, float, float],
) -> None:
    """Refuse a trunk; parameters as of `recognize_trunk`.

    Raises
    ------
    QualityRefusal
        ``E_NOT_A_LIMB``.
    """
    trunk = recognize_trunk(body, gas, limbs, spacing_mm)
    if trunk is not None:
        raise trunk.refusal()


def recognize_level(
    bones_per_slice: NDArray[np.int64],
    bone_share: NDArray[np.float64],
    inner_area_cm2: NDArray[np.float64],
) -> Level:
    """Level of one limb.

    Parameters
    ----------
    bones_per_slice : int array (z,)
        Bones found in each slice that shows the limb.
    bone_share : float array (z,)
        Bone over everything deep to the fascia.
    inner_area_cm2 : float array (z,)
        Area deep to the fascia. [cm2]

    Examples
    --------
    >>> recognize_level(np.array([1, 1, 1]), np.array([0.05, 0.05, 0.05]), np.array([120.0, 130.0, 140.0])).name
    'thigh'
    """
    if bones_per_slice.size == 0:
        return Level("unknown", "no slice shows the limb")
    area = float(np.median(inner_area_cm2))
    share = float(np.median(bone_share))
    count = float(np.median(bones_per_slice))
    numbers = f"{count:.0f} bones per slice, bone {100 * share:.0f} % of {area:.0f} cm2 deep to the fascia"
    if share > JOINT_BONE_SHARE:
        return Level("knee", numbers)
    if count >= 3:
        return Level("pelvis", numbers)
    if area < FOOT_AREA_CM2 and float(np.mean(bones_per_slice >= 1)) < FOOT_BONY_SLICES:
        return Level("foot or hand", numbers)
    if count >= 2:
        return Level("leg or forearm", numbers)
    if float(np.mean(bones_per_slice >= 1)) < 0.5:
        return Level("unknown", numbers)
    return Level("thigh" if area >= THIGH_AREA_CM2 else "upper arm or slender limb", numbers)
