"""Single muscles on top of the weight-free tissues: named where the network is sure, else their compartment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.units import Unit
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.body import find_limbs
from heliotrope.segment.compartments import COMPARTMENTS, LEAST_CONFIDENCE
from heliotrope.segment.contrast import body_of
from heliotrope.segment.level import THIGH_AREA_CM2, require_limbs
from heliotrope.segment.muscles.crops import View, between
from heliotrope.segment.muscles.levels import (
    KNEE,
    RECESS,
    TWO_BONES,
    describe_refused,
    name_level,
    order_levels,
    show_femur,
    show_two_bones,
    widen_toward_knee,
)
from heliotrope.segment.muscles.naming import lies_like_an_adductor, name_voxels
from heliotrope.segment.muscles.network import BONE, OTHER_MUSCLE, THIGH, MuscleNetwork
from heliotrope.segment.muscles.plausibility import implausible
from heliotrope.segment.muscles.predict import LegPrediction, agreement, predict_leg
from heliotrope.segment.muscles.result import LegMuscles, Muscles, notes

LEAST_AGREEMENT = 0.85
"""A muscle whose answers agree less is withheld; ledger `muscle-agreement`."""
FEWEST_NAMED = 0.65
"""With fewer of a leg's muscles left the whole leg is withheld: this is not anatomy the network knows. Project rule."""
LEAST_MUSCLE_ML = 0.5
"""A muscle of less than this is not in the image. Project rule. [mL]"""
LEAST_SLICES = 2
"""One slice alone, without neighbors, was named confidently and wrong on a digital thigh. Project rule."""
LARGEST_PIXEL_MM = 3.3
"""Coarser axial pixels were not trained. [mm]"""
MOST_IMAGES = 3
"""Images of one grid that are asked together."""
CT_WINDOW_HU = (-200.0, 250.0)
"""Shown to the network; air, fat, muscle and bone stay apart. Project rule. [HU]"""
FIRST_NUMBER = {Side.LEFT: 101, Side.RIGHT: 121}
"""Number of a side's first muscle; the others follow in the order of the network's classes."""
_WHOLE_NUMBER = {Side.LEFT: 3, Side.RIGHT: 13}
_COMPARTMENT_NUMBER = {Side.LEFT: 6, Side.RIGHT: 16}
_MEDIAL = "medial_thigh"
_BESIDE_RECESS = "vastus_intermedius"
_PLAIN = View()
_BONES_BY_RING = frozenset({"bone_cortex", "bone_marrow"})
_OUTSIDE_FASCIA = frozenset({"skin", "subcutaneous_fat", "fiducial"})


def label_muscles(
    images: Sequence[Volume],
    network: MuscleNetwork,
    tissues: LabelMap | None = None,
    *,
    within_muscle: bool = True,
    withhold: bool = True,
) -> Muscles:
    """Name the muscles of the thighs.

    Parameters
    ----------
    images : sequence of Volume of shape (x, y, z)
        Of one grid, of any contrast, the best first; at most `MOST_IMAGES` are used.
    network : MuscleNetwork
    tissues : LabelMap or None
        Weight-free tissues on the same grid: they give the limbs and their sides, and say which voxels are muscle.
        Without them the limbs are found on the first image and only muscle is labeled.
    within_muscle : bool
        Whether only voxels that the tissues call muscle are named. False where they cannot tell: on a water image
        alone fat, cortex and shaded muscle look alike, and the network says what is muscle.
    withhold : bool
        False names every muscle, however uncertain: to measure the network, never for a result.

    Returns
    -------
    Muscles
        Tissues as they were, muscle renamed: single muscles in thigh slices, what was withheld as its compartment,
        the rest as ``muscle``. Slices that are no thigh hold ``muscle`` only.

    Raises
    ------
    QualityRefusal
        No limb with a known side, axial pixels too coarse, a single slice, or no slice that looks like a thigh.
    """
    grid = images[0].grid
    frame = AxialFrame.of(grid)
    spacing = frame.spacing_mm
    if max(spacing[:2]) > LARGEST_PIXEL_MM:
        raise QualityRefusal(
            f"single muscles: axial pixels of {max(spacing[:2]):.1f} mm are too coarse (limit {LARGEST_PIXEL_MM} mm)",
            hint="give an axial series",
            code="E_COARSE",
        )
    if frame.axial_grid.shape[2] < LEAST_SLICES:
        raise QualityRefusal(
            f"single muscles: one slice alone ({LEAST_SLICES} are needed): its answers may agree and be wrong",
            hint="give the stack the slice belongs to, or labels of your own with --labels",
            code="E_FEW_SLICES",
        )
    shown = [frame.to_axial(_gray(image)) for image in images[:MOST_IMAGES]]
    legs = _legs_of_tissues(tissues, frame) if tissues is not None else _legs_of_image(shown[0], frame)
    values = np.zeros(grid.shape, np.uint16) if tissues is None else np.array(tissues.labels)
    axial = np.array(frame.to_axial(values))
    legend = {} if tissues is None else dict(tissues.legend)
    confidence = {} if tissues is None else dict(tissues.confidence)
    found: list[LegMuscles] = []
    for side, leg in legs.items():
        two_bones = _two_bones(axial, legend, side, spacing)
        slices = np.flatnonzero(leg.any(axis=(0, 1)))
        if two_bones[slices].all():
            levels = (TWO_BONES,) * slices.size
            refused = describe_refused(levels, [_number_of(int(k), frame) for k in slices])
            found.append(LegMuscles(side, levels, refused, {}, {}, float("nan")))
            continue
        prediction = predict_leg(shown, leg, side, spacing, network)
        if prediction is None:
            continue
        done = _Leg(
            side,
            leg,
            prediction,
            network,
            frame,
            axial,
            legend,
            two_bones,
            tissues is not None,
            within_muscle,
            withhold,
        ).label()
        found.append(done[0])
        legend, confidence = done[1], confidence | done[2]
    if not any(THIGH in leg.levels for leg in found):
        raise QualityRefusal(
            "single muscles: no slice looks like a thigh" + _what_it_looks_like(found),
            hint="single muscles are named in thighs only; labels of your own are taken with --labels",
            code="E_NOT_A_THIGH",
        )
    present = set(np.unique(axial).tolist())
    legend = {n: r for n, r in legend.items() if n in present or not _is_muscle(r)}
    source = network.title if tissues is None else f"{tissues.source}+{network.title}"
    kept = {n: c for n, c in confidence.items() if n in legend}
    earlier = () if tissues is None else tuple(n for n in tissues.notes if not n.startswith("Compartments of"))
    labels = LabelMap(
        frame.from_axial(axial), grid, legend, source, kept, (*earlier, *(note for leg in found for note in notes(leg)))
    )
    return Muscles(labels, tuple(found))


def _gray(image: Volume) -> NDArray[np.float32]:
    """Magnitude, or CT through a window, with nothing below 0."""
    data = image.frame(0).data
    if image.unit is Unit.HOUNSFIELD:
        low, high = CT_WINDOW_HU
        return np.asarray(np.clip(np.nan_to_num(data, nan=low), low, high) - low, dtype=np.float32)
    return np.asarray(np.nan_to_num(np.abs(data), posinf=0.0), dtype=np.float32)


def _is_muscle(region: Region) -> bool:
    kind = STRUCTURES[region.structure].kind
    return region.structure == "muscle" or kind in (StructureKind.MUSCLE, StructureKind.COMPARTMENT)


def _legs_of_tissues(tissues: LabelMap, frame: AxialFrame) -> dict[Side, NDArray[np.bool_]]:
    values = frame.to_axial(tissues.labels)
    legs = {}
    for side in Side:
        numbers = [n for n, region in tissues.legend.items() if region.side is side]
        leg = np.isin(values, numbers)
        if leg.any():
            legs[side] = leg
    if not legs:
        raise QualityRefusal(
            "single muscles: no limb with a known side",
            hint="a series of both thighs, or of one thigh well off the scanner's midline, tells the side",
            code="E_NO_SIDE",
        )
    return legs


def _legs_of_image(image: NDArray[np.float32], frame: AxialFrame) -> dict[Side, NDArray[np.bool_]]:
    body = body_of(image, (frame.spacing_mm[0], frame.spacing_mm[1]), share=0.1)
    limbs = find_limbs(body, image, frame.axial_grid)
    require_limbs(body, None, limbs, frame.spacing_mm)
    legs = {side: limbs.index == n for n, side in enumerate(limbs.sides, start=1) if side is not None}
    if not legs:
        raise QualityRefusal(
            f"single muscles: {limbs.side_reason}",
            hint="a series of both thighs, or of one thigh well off the scanner's midline, tells the side",
            code="E_NO_SIDE",
        )
    return legs


def _two_bones(
    axial: NDArray[np.uint16], legend: Mapping[int, Region], side: Side, spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Axial slices (z,) in which the tissues of a side show two bones as cortex about marrow.

    What is only dark, as on a water image alone, may be fat.
    """
    numbers = [n for n, region in legend.items() if region.side is side and region.structure in _BONES_BY_RING]
    bone = np.moveaxis(np.isin(axial, numbers), 2, 0)
    return show_two_bones(bone, spacing_mm[0] * spacing_mm[1], np.arange(len(bone)) * spacing_mm[2])


def _number_of(k: int, frame: AxialFrame) -> int:
    """Number of an axial slice as people count the stored ones, from 1."""
    return frame.axial_grid.shape[2] - k if frame.flipped[2] else k + 1


def _what_it_looks_like(legs: Sequence[LegMuscles]) -> str:
    seen = sorted({phrase.split(": ")[1] for leg in legs for phrase in leg.refused})
    return f" but like {' and '.join(seen)}" if seen else ""


@dataclass
class _Leg:
    """One leg on its way from prediction to labels; `axial` is written in place."""

    side: Side
    leg: NDArray[np.bool_]
    prediction: LegPrediction
    network: MuscleNetwork
    frame: AxialFrame
    axial: NDArray[np.uint16]
    legend: dict[int, Region]
    two_bones: NDArray[np.bool_]
    with_tissues: bool
    within_muscle: bool
    withhold: bool

    def label(self) -> tuple[LegMuscles, dict[int, Region], dict[int, float]]:
        levels = self._levels()
        planes = self.prediction.planes
        slices = np.flatnonzero(self.leg.any(axis=(0, 1)))
        nearest = np.argmin(np.abs(slices[:, None] - planes[None, :]), axis=1)
        thigh = [int(k) for k, i in zip(slices, nearest, strict=True) if levels[i] == THIGH]
        refused = describe_refused(levels, [_number_of(int(k), self.frame) for k in planes])
        muscle = self._muscle_numbers()
        tissue_muscle = np.isin(self.axial, muscle) if self.with_tissues else None
        by_septa = self.axial[:, :, thigh]
        if tissue_muscle is not None:
            # every muscle voxel is plain muscle until it is named
            self.axial[tissue_muscle] = self._whole()
        if not thigh:
            return LegMuscles(self.side, levels, refused, {}, {}, float("nan")), self.legend, {}
        allowed = tissue_muscle if self.within_muscle else None
        named = name_voxels(self.prediction, thigh, self.leg, allowed, self.network, self.frame.spacing_mm)
        confidence, withheld, doubt = self._judge(named, levels)
        agree = self._dice_with_tissues(levels, tissue_muscle)
        if doubt and self.withhold:
            if tissue_muscle is not None:
                here = tissue_muscle[:, :, thigh]
                self.axial[:, :, thigh] = np.where(here, by_septa, self.axial[:, :, thigh])
            else:
                self.axial[named > 0] = self._whole()
            return LegMuscles(self.side, levels, refused, confidence, withheld, agree, doubt), self.legend, {}
        recess = self._near_knee(levels, thigh, nearest, slices) if self.withhold else []
        numbers = self._write(named, withheld if self.withhold else {}, confidence, recess)
        near_knee = tuple(sorted(_number_of(k, self.frame) for k in recess))
        return (
            LegMuscles(self.side, levels, refused, confidence, withheld, agree, doubt, near_knee),
            self.legend,
            {number: round(confidence[name], 3) for number, name in numbers.items() if name in confidence},
        )

    def _levels(self) -> tuple[str, ...]:
        """Level of every answered slice; a thigh has one femur, whatever the gate says."""
        gate = order_levels(self.prediction.level, self.network.levels)
        bone = np.argmax(self.prediction.probability, axis=1) == self.network.channel(BONE)
        places = self.prediction.planes * self.frame.spacing_mm[2]
        femur = show_femur(bone, self.network.pixel_mm, places)
        two = self.two_bones[self.prediction.planes]
        thigh = np.array([name == THIGH for name in gate]) & femur & ~two
        wide = np.zeros(len(gate), dtype=bool)
        wide[thigh] = widen_toward_knee(bone[thigh], self.network.pixel_mm, KNEE)
        seen = zip(gate, femur, two, wide, strict=True)
        return tuple(name_level(name, one_femur=one, two_bones=double, knee=knee) for name, one, double, knee in seen)

    def _muscle_numbers(self) -> list[int]:
        return [n for n, region in self.legend.items() if region.side is self.side and _is_muscle(region)]

    def _whole(self) -> int:
        return self._number(Region("muscle", self.side), _WHOLE_NUMBER[self.side])

    def _number(self, region: Region, preferred: int) -> int:
        """Number of a region in the legend; a new one where it has none."""
        for number, known in self.legend.items():
            if known == region:
                return number
        number = preferred
        while number in self.legend:
            number += 1
        self.legend[number] = region
        return number

    def _judge(self, named: NDArray[np.uint8], levels: tuple[str, ...]) -> tuple[dict[str, float], dict[str, str], str]:
        """Confidence of each muscle and compartment, the muscles to withhold, and why all of them are."""
        thigh = [i for i, level in enumerate(levels) if level == THIGH]
        answers = self.prediction.answers[:, thigh]
        voxel_ml = self.frame.grid.voxel_volume_mm3 / 1000.0
        counts = np.bincount(named.ravel(), minlength=len(self.network.classes))
        present = [(c, name) for c, name in self.network.muscles if counts[c] * voxel_ml >= LEAST_MUSCLE_ML]
        confidence = {name: agreement(answers, [c]) for c, name in present}
        withheld = {
            name: f"the answers agree by {value:.2f}, limit {LEAST_AGREEMENT}"
            for name, value in confidence.items()
            if not value >= LEAST_AGREEMENT
        }
        for name, reason in self._implausible(thigh).items():
            if name in confidence:
                withheld.setdefault(name, reason)
        doubt = self._doubt_in_all(thigh, len(withheld), len(present))
        if doubt:
            # what the network does not know has no compartments of a thigh either
            return confidence, {name: doubt for _, name in present}, doubt
        for group in COMPARTMENTS:
            channels = [c for c, name in self.network.muscles if STRUCTURES[name].compartment == group]
            value = agreement(answers, channels)
            if np.isfinite(value):
                confidence[group] = value
        return confidence, withheld, ""

    def _doubt_in_all(self, thigh: list[int], uncertain: int, present: int) -> str:
        """Why no muscle of this leg may be named; empty when there is no such reason."""
        if uncertain > (1.0 - FEWEST_NAMED) * present:
            return (
                f"{uncertain} of {present} muscles of this leg were not certain, and none is named where more than "
                f"{100 * (1.0 - FEWEST_NAMED):.0f} % are not"
            )
        planes = self.prediction.planes[thigh]
        here = self.leg[:, :, planes]
        if self.with_tissues:
            inside = [n for n, r in self.legend.items() if r.side is self.side and r.structure not in _OUTSIDE_FASCIA]
            here = np.isin(self.axial[:, :, planes], inside)
        counts = np.count_nonzero(here, axis=(0, 1))
        area_cm2 = float(np.median(counts)) * self.frame.spacing_mm[0] * self.frame.spacing_mm[1] / 100.0
        if area_cm2 < THIGH_AREA_CM2:
            of = "deep to its fascia" if self.with_tissues else "in cross-section"
            return f"the limb has {area_cm2:.0f} cm2 {of}, a thigh at least {THIGH_AREA_CM2:.0f} deep to its fascia"
        return ""

    def _implausible(self, thigh: list[int]) -> dict[str, str]:
        classes = np.argmax(self.prediction.probability[thigh], axis=1)
        names = tuple(name for _, name in self.network.muscles)
        areas = np.zeros((len(thigh), len(names)))
        centers = np.zeros((len(thigh), len(names), 2))
        for m, (channel, _) in enumerate(self.network.muscles):
            for i in range(len(thigh)):
                medial, anterior = np.nonzero(classes[i] == channel)
                areas[i, m] = medial.size * self.network.pixel_mm**2
                if medial.size:
                    centers[i, m] = (medial.mean() * self.network.pixel_mm, anterior.mean() * self.network.pixel_mm)
        return implausible(areas, centers, names)

    def _dice_with_tissues(self, levels: tuple[str, ...], tissue_muscle: NDArray[np.bool_] | None) -> float:
        """All muscle by the network against muscle and intermuscular fat of the tissues, on the answered slices."""
        if tissue_muscle is None:
            return float("nan")
        fat = [n for n, r in self.legend.items() if r == Region("intermuscular_fat", self.side)]
        channels = [c for c, _ in self.network.muscles] + [self.network.channel(OTHER_MUSCLE)]
        both = total = 0
        for i, level in enumerate(levels):
            if level != THIGH:
                continue
            k = int(self.prediction.planes[i])
            first, second = self.prediction.frames[i].weights_into(self.leg.shape[:2], _PLAIN)
            lean = np.isin(np.argmax(self.prediction.probability[i], axis=0), channels)
            tissue = between(first, tissue_muscle[:, :, k].astype(np.float32), second) > 0.5
            ignored = between(first, np.isin(self.axial[:, :, k], fat).astype(np.float32), second) > 0.3
            lean &= ~ignored
            tissue &= ~ignored
            both += 2 * int(np.count_nonzero(lean & tissue))
            total += int(np.count_nonzero(lean)) + int(np.count_nonzero(tissue))
        return both / total if total else float("nan")

    def _write(
        self,
        named: NDArray[np.uint8],
        withheld: Mapping[str, str],
        confidence: Mapping[str, float],
        recess: Sequence[int],
    ) -> dict[int, str]:
        """Put muscles, compartments and plain muscle into the labels; numbers of what was written."""
        numbers: dict[int, str] = {}
        other = self.network.channel(OTHER_MUSCLE)
        if not self.with_tissues or not self.within_muscle:
            self.axial[named > 0] = self._whole()
        self._write_unnamed_adductors(named, other, numbers, confidence)
        for position, (channel, name) in enumerate(self.network.muscles):
            here = named == channel
            if not here.any():
                continue
            if name in confidence and name not in withheld:
                number = self._number(Region(name, self.side), FIRST_NUMBER[self.side] + position)
                numbers[number] = name
            else:
                number = self._compartment(STRUCTURES[name].compartment, confidence, numbers)
            self.axial[here] = number
            if name == _BESIDE_RECESS and len(recess):
                only = np.zeros_like(here)
                only[:, :, recess] = here[:, :, recess]
                self.axial[only] = self._compartment(STRUCTURES[name].compartment, confidence, numbers)
        return numbers

    def _near_knee(
        self, levels: tuple[str, ...], thigh: Sequence[int], nearest: NDArray[np.int64], slices: NDArray[np.int64]
    ) -> list[int]:
        """Axial slices of the thigh in which the femur widens toward the knee."""
        answered = [i for i, level in enumerate(levels) if level == THIGH]
        bone = np.argmax(self.prediction.probability[answered], axis=1) == self.network.channel(BONE)
        wide = {
            i for i, seen in zip(answered, widen_toward_knee(bone, self.network.pixel_mm, RECESS), strict=True) if seen
        }
        return [int(k) for k, i in zip(slices, nearest, strict=True) if int(k) in thigh and int(i) in wide]

    def _compartment(self, name: str | None, confidence: Mapping[str, float], numbers: dict[int, str]) -> int:
        """Number of a compartment the network is sure of, else of plain muscle."""
        if name is None or not confidence.get(name, 0.0) >= LEAST_CONFIDENCE:
            return self._whole()
        number = self._number(Region(name, self.side), _COMPARTMENT_NUMBER[self.side] + COMPARTMENTS.index(name))
        numbers[number] = name
        return number

    def _write_unnamed_adductors(
        self, named: NDArray[np.uint8], other: int, numbers: dict[int, str], confidence: Mapping[str, float]
    ) -> None:
        """Unnamed muscle where adductors longus and brevis lie counts with the medial compartment."""
        planes = self.prediction.planes
        for k in np.flatnonzero((named == other).any(axis=(0, 1))):
            i = int(np.argmin(np.abs(planes - k)))
            classes = np.argmax(self.prediction.probability[i], axis=0)
            frame = self.prediction.frames[i]
            femur, magnus = (
                frame.center_of_mm(classes == self.network.channel(name)) for name in (BONE, "adductor_magnus")
            )
            if femur is None or magnus is None:
                continue
            pieces, count = ndimage.label(named[:, :, k] == other)
            for piece, middle in enumerate(ndimage.center_of_mass(pieces > 0, pieces, range(1, count + 1)), start=1):
                if lies_like_an_adductor(frame.place_of_mm((middle[0], middle[1])), femur, magnus):
                    here = pieces == piece
                    self.axial[:, :, k][here] = self._compartment(_MEDIAL, confidence, numbers)
