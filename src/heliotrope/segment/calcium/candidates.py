"""Dense voxels of the soft tissue at a threshold that follows the noise, and what of them is no calcification."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.physics.ct_attenuation import CALCIUM_THRESHOLD_HU, METAL_HU
from heliotrope.physics.noise import robust_sd
from heliotrope.segment.calcium.body import Body
from heliotrope.segment.calcium.bone import Skeleton
from heliotrope.segment.calcium.geometry import (
    Box,
    Mask,
    Spacing,
    dilate,
    distance_to,
    grow_box,
    label,
    opened_in_plane,
    sizes,
    smooth,
)
from heliotrope.segment.calcium.tissue import NOISE_FACTOR, Tissue, raise_in_skin
from heliotrope.segment.calcium.vessels import looks_like_artery_wall, looks_like_contrast_lumen

HYSTERESIS_HU = 70.0
"""A component must rise so far above the threshold somewhere. [HU]"""

LEAST_VOLUME_MM3 = 2.0
"""Smallest component. [mm3]"""

NOISY_HU = 30.0
"""Above this noise, calcium is also sought after stronger smoothing. [HU]"""

VERY_NOISY_HU = 42.0
"""Above this noise, the smoothed image alone decides on the extent of calcium. [HU]"""

_NOISY_SIGMA_MM = 1.3
_NOISY_LEAST_MM3 = 40.0
_NOISY_HYSTERESIS_HU = 25.0
_DEEP_MM = 30.0
_TRUNK_BONE_MM2 = 300.0
_PELVIC_BONE_MM2 = 1200.0
_SIGHT_MM = 160.0
_WAYS = 24
_BONE_END_HALF_WIDTH_MM = 3.5
_TUBE_LENGTH_MM = 30.0
_BESIDE_BODY_HU = -300.0
_BUMP_MM = 8.0
_BESIDE_ARTERY_MM = 3.0
_ALONG_ARTERY_MM = 20.0
_LARGEST_WALL_PIECE_MM3 = 60.0


class Exclusion(StrEnum):
    """Why a dense component is not counted as calcinosis."""

    JUXTACORTICAL = "juxtacortical"
    OSSICLE = "ossicle or bone end"
    PHLEBOLITH = "phlebolith"
    CUT_BONE = "cut by the image edge, may be bone"
    BODY_CAVITY = "contents of a body cavity"
    ARTERY_WALL = "calcified vessel wall"
    CONTRAST_VESSEL = "vessel filled with contrast"
    METAL = "metal and its streaks"
    ON_SKIN = "object on the skin"
    TUBE = "tube or drain"


@dataclass(frozen=True, eq=False)
class Candidates:
    """Components of calcium and of everything that was kept out.

    Parameters
    ----------
    numbers : int32 array
        Components kept, from 1.
    count : int
    excluded : uint8 array
        1 + position in `Exclusion` of why a dense voxel was kept out; 0 elsewhere.
    excluded_mm3 : mapping of Exclusion to float
        Thresholded volume kept out, by reason. [mm3]
    """

    numbers: NDArray[np.int32]
    count: int
    excluded: NDArray[np.uint8]
    excluded_mm3: dict[Exclusion, float]


def find_candidates(
    hu: NDArray[np.float32],
    body: Body,
    skeleton: Skeleton,
    cavity: Mask,
    tissue: Tissue,
    spacing: Spacing,
) -> Candidates:
    """Calcium by hysteresis, and the reasons for what was kept out.

    Parameters
    ----------
    hu : float32 array (x, y, z)
        CT. [HU]
    """
    voxel = float(np.prod(spacing))
    metal = (hu > METAL_HU) & body.mask
    streaks = dilate(metal, 12.0, spacing) if metal.any() else metal
    soft = body.mask & ~skeleton.mask
    least = max(LEAST_VOLUME_MM3, 2.5 * voxel)
    dense = _hysteresis(hu - tissue.threshold, soft, HYSTERESIS_HU, least, voxel)
    del soft
    if tissue.noise_hu > NOISY_HU:
        faint = _faint(hu, body, cavity, skeleton, tissue, spacing)
        parts, n_parts = label(faint | dense)
        found = np.zeros(n_parts + 1, dtype=bool)
        found[np.unique(parts[dense])] = True
        dense |= faint if tissue.noise_hu > VERY_NOISY_HU else faint & ~found[parts]
    numbers, count = label(dense)
    del dense
    excluded = np.zeros(hu.shape, dtype=np.uint8)
    volumes = dict.fromkeys(Exclusion, 0.0)
    reasons = list(Exclusion)
    surroundings = _Surroundings(
        hu, body, skeleton, cavity, streaks, _BoneDistances(numbers, skeleton, spacing), spacing
    )
    kept = 0
    for n, part in enumerate(ndimage.find_objects(numbers, max_label=count), start=1):
        box = (part[0], part[1], part[2])
        member = numbers[box] == n
        reason = surroundings.reason(n, member, box)
        remainder = member
        if reason is None or reason is Exclusion.BODY_CAVITY:
            # beside the bones that bound a cavity it is their margin
            in_rim = member & (skeleton.rim | skeleton.joints)[box]
            remainder = member & ~in_rim
            if in_rim.any():
                excluded[box][in_rim] = 1 + reasons.index(Exclusion.JUXTACORTICAL)
                volumes[Exclusion.JUXTACORTICAL] += float(in_rim.sum()) * voxel
        if reason is not None:
            excluded[box][remainder] = 1 + reasons.index(reason)
            volumes[reason] += float(remainder.sum()) * voxel
        # numbers only fall, so that none still to be judged is taken for one that was
        numbers[box][member] = 0
        if reason is None and remainder.any():
            kept += 1
            numbers[box][remainder] = kept
    found_so_far = Candidates(numbers, kept, excluded, volumes)
    kept = _drop_beside_small_bones(found_so_far, kept, body, spacing)
    kept = _drop_along_arteries(found_so_far, kept, body, spacing)
    return Candidates(numbers, kept, excluded, {r: v for r, v in volumes.items() if v > 0})


def _drop_beside_small_bones(found: Candidates, count: int, body: Body, spacing: Spacing) -> int:
    """Small deep components within 12 mm of an excluded ossicle belong to it; renumbers, returns the count."""
    small_bones = found.excluded == 1 + list(Exclusion).index(Exclusion.OSSICLE)
    if not (small_bones.any() and count):
        return count
    near = dilate(small_bones, 12.0, spacing)
    return _drop(found, count, near, Exclusion.OSSICLE, body, spacing, depth_mm=20.0, largest_mm3=500.0)


def _drop_along_arteries(found: Candidates, count: int, body: Body, spacing: Spacing) -> int:
    """Small deep pieces in the course of a calcified artery are its wall, too short a stretch to show an arc."""
    walls = found.excluded == 1 + list(Exclusion).index(Exclusion.ARTERY_WALL)
    if not (walls.any() and count):
        return count
    for axis, reach in enumerate((_BESIDE_ARTERY_MM, _BESIDE_ARTERY_MM, _ALONG_ARTERY_MM)):
        walls = ndimage.maximum_filter1d(walls, 2 * round(reach / spacing[axis]) + 1, axis=axis, mode="constant")
    return _drop(
        found, count, walls, Exclusion.ARTERY_WALL, body, spacing, depth_mm=8.0, largest_mm3=_LARGEST_WALL_PIECE_MM3
    )


def _drop(
    found: Candidates,
    count: int,
    near: Mask,
    reason: Exclusion,
    body: Body,
    spacing: Spacing,
    *,
    depth_mm: float,
    largest_mm3: float,
) -> int:
    voxel = float(np.prod(spacing))
    kept = 0
    for n, part in enumerate(ndimage.find_objects(found.numbers, max_label=count), start=1):
        member = found.numbers[part] == n
        deep = float(np.median(body.skin_depth_mm[part][member])) > depth_mm
        volume = float(member.sum()) * voxel
        if deep and near[part][member].any() and volume < largest_mm3:
            found.numbers[part][member] = 0
            found.excluded[part][member] = 1 + list(Exclusion).index(reason)
            found.excluded_mm3[reason] = found.excluded_mm3.get(reason, 0.0) + volume
        else:
            kept += 1
            found.numbers[part][member] = kept
    return kept


def _hysteresis(excess: NDArray[np.float32], soft: Mask, rise_hu: float, least_mm3: float, voxel_mm3: float) -> Mask:
    """Voxels above the threshold in components that somewhere rise well above it."""
    numbers, count = label((excess > 0) & soft)
    if count == 0:
        return np.zeros_like(soft)
    peaks = np.zeros(count + 1)
    peaks[np.unique(numbers[(excess > rise_hu) & (numbers > 0)])] = 1
    keep = (sizes(numbers, count) * voxel_mm3 >= least_mm3) & (peaks > 0)
    keep[0] = False
    return np.asarray(keep[numbers])


def _faint(
    hu: NDArray[np.float32], body: Body, cavity: Mask, skeleton: Skeleton, tissue: Tissue, spacing: Spacing
) -> Mask:
    """Calcium of a noisy scan that stands out only after smoothing."""
    soft = body.mask & ~skeleton.mask
    even = smooth(hu, _NOISY_SIGMA_MM, spacing)
    quiet = soft & ~cavity & ~skeleton.rim & (even > tissue.muscle_hu - 60) & (even < tissue.muscle_hu + 60)
    values = even[quiet]
    noise = robust_sd(values) if values.size else tissue.noise_hu
    limit = np.full(hu.shape, max(CALCIUM_THRESHOLD_HU, tissue.muscle_hu + NOISE_FACTOR * noise), np.float32)
    raise_in_skin(limit, even, body, NOISE_FACTOR * noise, min(spacing[:2]))
    return _hysteresis(even - limit, soft, _NOISY_HYSTERESIS_HU, _NOISY_LEAST_MM3, float(np.prod(spacing)))


class _BoneDistances:
    """Distances of dense voxels, component by component, from bone, its trabecular ends and its irregular parts. [mm]

    Parameters
    ----------
    numbers : int32 array (x, y, z)
        Components, from 1; read only here.
    """

    def __init__(self, numbers: NDArray[np.int32], skeleton: Skeleton, spacing: Spacing) -> None:
        at = np.nonzero(numbers)
        owners = numbers[at]
        order = np.argsort(owners, kind="stable")
        self._starts = np.searchsorted(owners[order], np.arange(1, int(owners.max(initial=0)) + 2))
        # one map of distances at a time: kept are the few voxels that are dense
        self._bone, self._end, self._irregular = (
            distance_to(mask, spacing)[at][order] for mask in (skeleton.mask, skeleton.trabecular, skeleton.irregular)
        )

    def of(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """From bone, from trabecular bone and from irregular bone, for the voxels of a component in C order. [mm]"""
        part = slice(int(self._starts[number - 1]), int(self._starts[number]))
        return self._bone[part], self._end[part], self._irregular[part]


class _Surroundings:
    """What lies around a component, computed once."""

    def __init__(
        self,
        hu: NDArray[np.float32],
        body: Body,
        skeleton: Skeleton,
        cavity: Mask,
        streaks: Mask,
        distances: _BoneDistances,
        spacing: Spacing,
    ) -> None:
        self.hu, self.body, self.skeleton = hu, body, skeleton
        self.cavity, self.streaks, self.distances, self.spacing = cavity, streaks, distances, spacing
        self.voxel = float(np.prod(spacing))

    def reason(self, number: int, member: Mask, box: Box) -> Exclusion | None:
        """Why a component is no calcinosis; None when nothing speaks against it."""
        hu = self.hu[box][member]
        volume = float(member.sum()) * self.voxel
        if self.streaks[box][member].mean() > 0.3:
            return Exclusion.METAL
        if self.cavity[box][member].mean() > 0.4:
            return Exclusion.BODY_CAVITY
        return (
            self._bony(number, member, box, hu, volume)
            or (Exclusion.BODY_CAVITY if self._behind_bone(member, box) else None)
            or (Exclusion.PHLEBOLITH if self._phlebolith(number, member, box) else None)
            or self._cut(member, box, hu)
            or (Exclusion.TUBE if self._tube(member, box) else None)
            or self._vessel(member, box)
            or (Exclusion.ON_SKIN if self._on_skin(member, box, hu) else None)
        )

    def _bony(self, number: int, member: Mask, box: Box, hu: NDArray[np.float32], volume: float) -> Exclusion | None:
        away, from_end, from_irregular_bone = self.distances.of(number)
        held = self.skeleton.rim[box][member] | self.skeleton.joints[box][member]
        reach = self.skeleton.rim_mm + 2.4 + 0.6 * max(self.spacing[2] - 1.0, 0.0)
        touches = bool((away <= self.skeleton.rim_mm + 0.1).any())
        if held.mean() > 0.5 or (touches and float(np.percentile(away, 95)) <= reach):
            return Exclusion.JUXTACORTICAL
        end = float(from_end.min())
        near = float(away.min())
        long, _, thin = self._extents(member)
        compact = long < 3.0 * max(thin, *self.spacing)
        deep = float(np.median(self.body.skin_depth_mm[box][member])) > 8.0
        # centers of coarse voxels lie farther apart than what is in them
        near -= max(max(self.spacing[:2]) - 1.0, 0.0)
        sesamoid = near < 9.0 and volume < 3000.0 and long < 25.0 and compact and deep
        from_irregular = float(from_irregular_bone.min())
        at_end = end < 25.0 or from_irregular < 9.0
        dense = float(np.percentile(hu, 90)) > 220.0
        # what the outline of an irregular bone left out hangs on it
        hangs = from_irregular <= self.skeleton.rim_mm + 0.1 and volume < 3000.0 and dense
        bone_end = near < 5.0 and long < 50.0 and volume < 2000.0 and dense
        found = hangs or (at_end and sesamoid) or ((at_end or end < 60.0) and bone_end)
        return Exclusion.OSSICLE if found else None

    def _phlebolith(self, number: int, member: Mask, box: Box) -> bool:
        """Small, round, deep, alone, at the level of pelvis or trunk."""
        levels = slice(max(box[2].start - 2, 0), box[2].stop + 2)
        trabecular, irregular = (
            float(mask[:, :, levels].sum(axis=(0, 1)).max()) * self.spacing[0] * self.spacing[1]
            for mask in (self.skeleton.trabecular, self.skeleton.irregular)
        )
        of_trunk = trabecular > _TRUNK_BONE_MM2 or irregular > _PELVIC_BONE_MM2
        long, _, thin = self._extents(member)
        deep = float(np.median(self.body.skin_depth_mm[box][member])) > 35.0
        small = long < 7.0 + 0.8 * self.spacing[2] and long < 2.2 * max(thin, self.spacing[2])
        return bool(deep and small and of_trunk and float(self.distances.of(number)[0].min()) > 8.0)

    def _behind_bone(self, member: Mask, box: Box) -> bool:
        """Deep to the skeleton of the trunk: few straight ways to the skin, many onto bone."""
        points = np.argwhere(member)
        k = int(np.median(points[:, 2])) + box[2].start
        x, y = (float(points[:, a].mean()) + box[a].start for a in (0, 1))
        inside = np.zeros(3, dtype=int)
        inside[:] = round(x), round(y), k
        if self.body.skin_depth_mm[tuple(inside)] < _DEEP_MM:
            return False
        area = float(self.skeleton.trabecular[:, :, k].sum()) * self.spacing[0] * self.spacing[1]
        if area < _TRUNK_BONE_MM2:
            return False
        onto_bone = open_ways = 0
        steps = np.arange(2.0, _SIGHT_MM, min(self.spacing[:2]))
        angles = np.arange(_WAYS) * 2 * np.pi / _WAYS
        for angle in angles:
            i = np.rint(x + steps * np.cos(angle) / self.spacing[0]).astype(int)
            j = np.rint(y + steps * np.sin(angle) / self.spacing[1]).astype(int)
            seen = (i >= 0) & (j >= 0) & (i < self.hu.shape[0]) & (j < self.hu.shape[1])
            bone = self.skeleton.mask[i[seen], j[seen], k]
            air = ~self.body.mask[i[seen], j[seen], k]
            first_bone = int(np.argmax(bone)) if bone.any() else 10**9
            first_air = int(np.argmax(air)) if air.any() else 10**9
            onto_bone += first_bone < first_air
            open_ways += first_air < first_bone
        return onto_bone >= 0.2 * _WAYS and open_ways < 0.3 * _WAYS

    def _cut(self, member: Mask, box: Box, hu: NDArray[np.float32]) -> Exclusion | None:
        shape = self.hu.shape
        if box[0].start == 0 or box[1].start == 0 or box[0].stop == shape[0] or box[1].stop == shape[1]:
            return Exclusion.CUT_BONE
        height = (box[2].stop - box[2].start) * self.spacing[2]
        if (box[2].start == 0 or box[2].stop == shape[2]) and height <= 25.0:
            end = member[:, :, 0] if box[2].start == 0 else member[:, :, -1]
            area = float(end.sum()) * self.spacing[0] * self.spacing[1]
            widest = max(float(member[:, :, k].sum()) for k in range(member.shape[2]))
            widest *= self.spacing[0] * self.spacing[1]
            half_width = float(ndimage.distance_transform_edt(np.pad(end, 1), sampling=self.spacing[:2]).max())
            solid = half_width > _BONE_END_HALF_WIDTH_MM
            if solid and area > 100.0 and area > 0.7 * widest and float(np.percentile(hu, 75)) > 220.0:
                return Exclusion.CUT_BONE
        return None

    def _vessel(self, member: Mask, box: Box) -> Exclusion | None:
        if looks_like_contrast_lumen(self.hu[box], member, self.spacing, length_mm=self.hu.shape[2] * self.spacing[2]):
            return Exclusion.CONTRAST_VESSEL
        wide = grow_box(box, self.hu.shape, self.spacing, 3.0)
        inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))
        framed = np.zeros(self.hu[wide].shape, dtype=bool)
        framed[inner] = member
        depth = float(np.median(self.body.skin_depth_mm[box][member]))
        if looks_like_artery_wall(self.hu[wide], framed, self.spacing, depth_mm=depth):
            return Exclusion.ARTERY_WALL
        return None

    def _tube(self, member: Mask, box: Box) -> bool:
        """Long, thin, and reaching from the skin into the depth."""
        depth = self.body.skin_depth_mm[box][member]
        if float(depth.min()) > 1.5 or float(depth.max()) < 8.0:
            return False
        extents = self._extents(member)
        return bool(extents[0] > _TUBE_LENGTH_MM and extents[1] < 9.0 and extents[0] > 4.0 * extents[1])

    def _on_skin(self, member: Mask, box: Box, hu: NDArray[np.float32]) -> bool:
        """Bare to the air and standing out of the body's outline, or going on beside the body as a table does."""
        depth = self.body.skin_depth_mm[box][member]
        pixel = max(self.spacing[:2])
        if float(np.percentile(depth, 25)) > 1.5 * pixel or float(np.median(hu)) < CALCIUM_THRESHOLD_HU:
            return False
        wide = grow_box(box, self.hu.shape, self.spacing, 20.0)
        framed = np.zeros(self.hu[wide].shape, dtype=bool)
        framed[tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))] = member
        beside = (self.hu[wide] > _BESIDE_BODY_HU) & ~self.body.mask[wide]
        edge = ndimage.binary_dilation(framed, iterations=2) & beside
        if float(np.percentile(depth, 90)) < 4.0 and int(edge.sum()) > max(8, 0.02 * int(member.sum())):
            return True
        outline = np.zeros_like(framed)
        for k in np.flatnonzero(framed.any(axis=(0, 1))):
            outline[:, :, k] = opened_in_plane(self.body.mask[wide][:, :, k], _BUMP_MM, self.spacing)
        return float((framed & ~outline).sum()) > 0.5 * float(member.sum())

    def _extents(self, member: Mask) -> NDArray[np.float64]:
        """Principal lengths, longest first. [mm]"""
        points = np.argwhere(member) * np.asarray(self.spacing)
        floor = np.asarray(sorted(self.spacing, reverse=True))
        if len(points) < 4:
            return floor
        centered = points - points.mean(0)
        values = np.linalg.eigvalsh(centered.T @ centered / len(points))[::-1]
        return np.asarray(np.maximum(4.0 * np.sqrt(np.maximum(values, 0.0)), floor))
