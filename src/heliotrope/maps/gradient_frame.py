"""Whether gradient directions stand in the frame of the image: fibers followed under every frame a table may be in.

A table with axes exchanged or turned around leaves mean diffusivity and fractional anisotropy as they are and turns
every direction. Muscle fibers go on straight, and muscle is long along its fibers: in the right frame the neighbor
along a fiber points the same way, and streamlines run far. Either sign alone misleads (fibers end at an aponeurosis, a
uniform field is straight in every frame), so a table is refused only when both speak against it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap

FIBER_FA = (0.12, 0.60)
"""Voxels between are followed: below, direction is noise; above, muscle has none (project rule). [1]"""

N_SEEDS = 1_500
"""Streamlines per frame at most. [1]"""

FEWEST_SEEDS = 300
"""Fewer voxels with a direction decide nothing (project rule). [1]"""

FEWEST_BLOCKS = 12
"""Blocks of the image over which the difference must hold (project rule). [1]"""

BLOCK_MM = 40.0
"""Edge of a block; streamlines of one block count as one observation. [mm]"""

LARGEST_TURN_DEG = 20.0
"""A streamline ends where it must turn more than this in one step of half a voxel. [deg]"""

LARGEST_REACH_MM = 90.0
"""A streamline is followed this far to either side. [mm]"""

SHORTEST_RUN_VOXELS = 2.0
"""Mean run below which directions are noise and decide nothing (project rule). [voxels]"""

REFUSED_RATIO = 1.5
"""Streamlines that run this much farther in another frame speak against the table (project rule). [1]"""

REFUSED_Z = 5.0
"""Standard errors by which they must do so (project rule). [1]"""

STRAIGHTER_Z = 3.0
"""Standard errors by which fibers must be straighter, to refuse the table or to exclude a frame (project rule). [1]"""

SAME_FRAME_DEG = 15.0
"""Frames closer than this are one: no streamline tells them apart. [deg]"""


class FrameVerdict(StrEnum):
    """What the fibers say of the table."""

    CONFIRMED = "confirmed"
    UNDECIDED = "undecided"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True)
class FrameCheck:
    """Outcome.

    Parameters
    ----------
    verdict : FrameVerdict
    run_mm, best_run_mm : float or None
        Mean run of streamlines as the table stands, and in the frame of the straightest fibers; None when not judged.
        [mm]
    best_frame : str
        The frame of the straightest fibers, e.g. ``"(z, y, x)"``; ``"as given"`` for the table's own.
    z : float or None
        Difference of the logarithms of both runs over its standard error. [1]
    straighter_z : float or None
        By how many standard errors fibers are straighter there than as given. [1]
    n_possible, n_frames : int
        Frames not excluded, the table's own among them, and frames tried.
    sentence : str
        For flags and methods text.
    """

    verdict: FrameVerdict
    run_mm: float | None
    best_run_mm: float | None
    best_frame: str
    z: float | None
    straighter_z: float | None
    n_possible: int
    n_frames: int
    sentence: str

    def require(self) -> None:
        """Raise `InputError` (``E_BVEC_FRAME``) where fibers contradict the table."""
        if self.verdict is FrameVerdict.CONTRADICTED:
            assert self.run_mm is not None
            assert self.best_run_mm is not None
            raise InputError(
                f"b-vectors: fibers run {self.run_mm:.0f} mm as the table stands and {self.best_run_mm:.0f} mm with "
                f"its axes read as {self.best_frame}, {self.z:.0f} standard errors apart "
                f"(limit {REFUSED_RATIO:g} times as far and {REFUSED_Z:g} standard errors)",
                hint=f"the table stands in another frame than the image, likely {self.best_frame}: correct it, or "
                "convert the DICOM images again; keep it as it is only if you know that it is right",
                code="E_BVEC_FRAME",
            )


@dataclass(frozen=True, eq=False)
class _Frame:
    name: str
    turn: NDArray[np.float64]


def check_gradient_frame(v1: NDArray[np.float32], anisotropy: ParametricMap) -> FrameCheck:
    """Follow fibers under every frame the gradient table may have been written in.

    Parameters
    ----------
    v1 : float32 array (x, y, z, 3)
        Direction of the largest eigenvalue along patient axes (LPS), fitted with the table as it stands.
    anisotropy : ParametricMap
        ``fractional_anisotropy`` of the same fit. [1]

    Returns
    -------
    FrameCheck

    Notes
    -----
    Frames: axes of the image, exchanged and turned around (24, a common sign does not matter), and where the image is
    oblique the same of the scanner's axes. Straightness is the squared cosine between a voxel's direction and that one
    voxel farther along it, as in the fiber coherence index (Schilling 2019, doi 10.1016/j.mri.2019.01.018). Streamlines
    end at a turn, at the border of fiber-bearing tissue, or unseen at the border of the image; the mean run is the
    maximum-likelihood one of such censored lengths. Standard errors are those of the jackknife over blocks.
    """
    grid = anisotropy.grid
    with np.errstate(invalid="ignore"):
        fiber = anisotropy.valid & (anisotropy.values > FIBER_FA[0]) & (anisotropy.values < FIBER_FA[1])
    frames = _frames(grid)
    seeds = np.argwhere(fiber)
    if seeds.shape[0] < FEWEST_SEEDS:
        return _not_judged(frames, f"only {seeds.shape[0]} voxels show a fiber direction (limit {FEWEST_SEEDS})")
    seeds = seeds[:: max(1, seeds.shape[0] // N_SEEDS)]
    _, block = np.unique((seeds * grid.spacing_mm) // BLOCK_MM, axis=0, return_inverse=True)
    block = np.asarray(block).ravel()
    n_blocks = int(block.max()) + 1
    if n_blocks < FEWEST_BLOCKS:
        return _not_judged(frames, f"the image holds {n_blocks} blocks of muscle (limit {FEWEST_BLOCKS})")
    axes = _image_axes(grid)
    followed = []
    for frame in frames:
        turned = np.nan_to_num(v1.astype(np.float64) @ frame.turn.T @ axes)
        followed.append(_sums(turned, fiber, seeds, block, n_blocks, grid))
    return _verdict(frames, np.stack(followed), float(np.cbrt(np.prod(grid.spacing_mm))))


def _not_judged(frames: tuple[_Frame, ...], why: str) -> FrameCheck:
    sentence = f"frame of the b-vectors not checked against fibers: {why}"
    return FrameCheck(FrameVerdict.UNDECIDED, None, None, "as given", None, None, len(frames), len(frames), sentence)


def _image_axes(grid: Grid) -> NDArray[np.float64]:
    """Voxel axes as columns of a rotation or reflection, the nearest to a sheared affine."""
    left, _, right = np.linalg.svd(grid.matrix[:3, :3] / np.asarray(grid.spacing_mm))
    return np.asarray(left @ right)


def _frames(grid: Grid) -> tuple[_Frame, ...]:
    """Frames a table may be in, as turns of directions along patient axes; the first is the table's own."""
    axes = _image_axes(grid)
    # FSL turns the first axis of right-handed images around: names speak of the table's own columns
    table = np.diag([-1.0 if np.linalg.det(axes) > 0 else 1.0, 1.0, 1.0])
    found: list[_Frame] = []
    for basis in ("image", "scanner"):
        for order in itertools.permutations(range(3)):
            for signs in itertools.product((1.0, -1.0), repeat=2):
                change = np.zeros((3, 3))
                for row, (column, sign) in enumerate(zip(order, (1.0, *signs), strict=True)):
                    change[row, column] = sign
                name = ", ".join(
                    f"{'-' if sign < 0 else ''}{'xyz'[c]}" for c, sign in zip(order, (1.0, *signs), strict=True)
                )
                if basis == "image":
                    turn = axes @ table @ change @ table @ axes.T
                    found.append(_Frame("as given" if not found else f"({name})", turn))
                else:
                    turn = change @ table @ axes.T
                    found.append(_Frame(f"({name}) in the scanner's axes", turn))
    apart: list[_Frame] = []
    for frame in found:
        if all(_angle_deg(frame.turn, other.turn) > SAME_FRAME_DEG for other in apart):
            apart.append(frame)
    return tuple(apart)


def _angle_deg(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Angle between two turns of undirected lines: a common sign does not matter."""
    between = first @ second.T
    proper = between if np.linalg.det(between) > 0 else -between
    cosine = (float(np.trace(proper)) - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _sums(
    directions: NDArray[np.float64],
    fiber: NDArray[np.bool_],
    seeds: NDArray[np.int64],
    block: NDArray[np.int64],
    n_blocks: int,
    grid: Grid,
) -> NDArray[np.float64]:
    """Per block (4, n_blocks): length followed [mm], ends seen, squared cosines one voxel ahead, their number."""
    spacing = np.asarray(grid.spacing_mm, dtype=np.float64)
    step = 0.5 * float(np.cbrt(np.prod(spacing)))
    columns = _follow(
        directions,
        fiber,
        seeds,
        step / spacing,
        step,
        int(LARGEST_REACH_MM / step),
        float(np.cos(np.radians(LARGEST_TURN_DEG))),
    )
    return np.stack([np.bincount(block, column, n_blocks) for column in columns.T])


def _verdict(frames: tuple[_Frame, ...], sums: NDArray[np.float64], voxel_mm: float) -> FrameCheck:
    """Weigh the block sums (n_frames, 4, n_blocks) of every frame."""
    length, ends, agreement, seen = (sums[:, k] for k in range(4))
    if ends.sum(axis=1).min() < 1 or seen.sum(axis=1).min() < 1:
        return _not_judged(frames, "no fiber ends inside the image")
    # no streamline was followed farther
    runs = np.minimum(length.sum(axis=1) / ends.sum(axis=1), 2.0 * LARGEST_REACH_MM)
    if runs.max() < SHORTEST_RUN_VOXELS * voxel_mm:
        return _not_judged(frames, f"fibers run {runs.max():.1f} mm (limit {SHORTEST_RUN_VOXELS * voxel_mm:.1f} mm)")
    straight = agreement.sum(axis=1) / seen.sum(axis=1)
    log_runs = _without_each(length, ends, np.log)
    straights = _without_each(agreement, seen, np.asarray)

    def farther(one: int, other: int) -> float:
        return _standard_errors(float(np.log(runs[one] / runs[other])), log_runs[one] - log_runs[other])

    def straighter(one: int, other: int) -> float:
        return _standard_errors(float(straight[one] - straight[other]), straights[one] - straights[other])

    def beats(one: int, other: int) -> bool:
        far = runs[one] >= REFUSED_RATIO * runs[other] and farther(one, other) >= REFUSED_Z
        return far and straighter(one, other) >= STRAIGHTER_Z

    everyone = range(len(frames))
    best = max((k for k in everyone if beats(k, 0)), key=lambda k: straight[k], default=int(np.argmax(straight)))
    possible = [k for k in everyone if straighter(best, k) < STRAIGHTER_Z]
    if beats(best, 0):
        # of frames that fit alike the one with the fewest axes turned around is the likeliest slip
        best = min((k for k in possible if beats(k, 0)), key=lambda k: frames[k].name.count("-"))
    others = sum(k != 0 for k in possible)
    if beats(best, 0):
        verdict = FrameVerdict.CONTRADICTED
        sentence = (
            f"fibers contradict the frame of the b-vectors: they run {runs[0]:.0f} mm as given and "
            f"{runs[best]:.0f} mm, straighter, with the axes read as {frames[best].name}; directions are wrong, mean "
            "diffusivity and FA are not affected"
        )
    elif possible == [0]:
        verdict = FrameVerdict.CONFIRMED
        sentence = (
            f"fibers confirm the frame of the b-vectors: in no other are they as straight, of {len(frames)} tried"
        )
    else:
        verdict = FrameVerdict.UNDECIDED
        doubt = "" if 0 in possible else f"; they are somewhat straighter with the axes read as {frames[best].name}"
        sentence = (
            f"fibers do not decide the frame of the b-vectors: {others} of {len(frames) - 1} others are possible"
            f"{doubt}; directions may be mirrored or exchanged across the fibers, mean diffusivity and FA are not "
            "affected"
        )
    return FrameCheck(
        verdict,
        float(runs[0]),
        float(runs[best]),
        frames[best].name,
        farther(best, 0),
        straighter(best, 0),
        others + 1,
        len(frames),
        sentence,
    )


def _without_each(
    above: NDArray[np.float64], below: NDArray[np.float64], change: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Changed ratio of sums with each block left out in turn, (n_frames, n_blocks)."""
    rest = above.sum(axis=1, keepdims=True) - above
    return np.asarray(change(np.maximum(rest, 1e-9) / np.maximum(below.sum(axis=1, keepdims=True) - below, 0.5)))


def _standard_errors(difference: float, without_each: NDArray[np.float64]) -> float:
    """A difference over its jackknife standard error; 0 for none."""
    spread = (without_each.size - 1) * float(np.mean((without_each - without_each.mean()) ** 2))
    return difference / float(np.sqrt(spread)) if spread > 0.0 else 0.0


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _neighborhood(
    v: NDArray[np.float64],
    fiber: NDArray[np.bool_],
    place: NDArray[np.float64],
    ahead: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> tuple[float, float]:
    """Interpolated direction along `ahead` into `mean`; returns the covered part and the mean squared cosine."""
    covered = 0.0
    squares = 0.0
    for a in range(3):
        mean[a] = 0.0
    for corner in range(8):
        weight = 1.0
        x = int(np.floor(place[0])) + (corner & 1)
        y = int(np.floor(place[1])) + ((corner >> 1) & 1)
        z = int(np.floor(place[2])) + ((corner >> 2) & 1)
        for a in range(3):
            part = place[a] - np.floor(place[a])
            weight *= part if (corner >> a) & 1 else 1.0 - part
        # beyond the border the nearest voxel stands for what is not seen
        x = min(max(x, 0), fiber.shape[0] - 1)
        y = min(max(y, 0), fiber.shape[1] - 1)
        z = min(max(z, 0), fiber.shape[2] - 1)
        if not fiber[x, y, z] or weight == 0.0:
            continue
        along = v[x, y, z, 0] * ahead[0] + v[x, y, z, 1] * ahead[1] + v[x, y, z, 2] * ahead[2]
        # a direction has no sign: each neighbor counts along the streamline
        toward = weight if along >= 0.0 else -weight
        covered += weight
        squares += weight * along * along
        for a in range(3):
            mean[a] += toward * v[x, y, z, a]
    return covered, squares / covered if covered > 0.0 else 0.0


@njit(cache=True, nogil=True)  # pragma: no cover - compiled
def _outside(place: NDArray[np.float64], shape: tuple[int, int, int]) -> bool:
    outside = False
    for a in range(3):
        outside |= place[a] < -0.5 or place[a] > shape[a] - 0.5
    return outside


@njit(parallel=True, cache=True, nogil=True)  # pragma: no cover - compiled
def _follow(
    v: NDArray[np.float64],
    fiber: NDArray[np.bool_],
    seeds: NDArray[np.int64],
    stride: NDArray[np.float64],
    step_mm: float,
    n_steps: int,
    smallest_cosine: float,
) -> NDArray[np.float64]:
    """Per seed: length [mm], ends (image border and reach are none), squared cosines one voxel ahead, their number."""
    n = seeds.shape[0]
    out = np.zeros((n, 4))
    for i in prange(n):
        place = np.zeros(3)
        ahead = np.zeros(3)
        mean = np.zeros(3)
        for side in range(2):
            sign = 1.0 - 2.0 * side
            for a in range(3):
                ahead[a] = sign * v[seeds[i, 0], seeds[i, 1], seeds[i, 2], a]
                place[a] = seeds[i, a] + 2.0 * ahead[a] * stride[a]
            if not _outside(place, fiber.shape):
                covered, squares = _neighborhood(v, fiber, place, ahead, mean)
                if covered >= 0.5:
                    out[i, 2] += squares
                    out[i, 3] += 1.0
            for a in range(3):
                place[a] = seeds[i, a]
            for _ in range(n_steps):
                for a in range(3):
                    place[a] += ahead[a] * stride[a]
                if _outside(place, fiber.shape):
                    break
                covered, _ = _neighborhood(v, fiber, place, ahead, mean)
                size = np.sqrt(mean[0] * mean[0] + mean[1] * mean[1] + mean[2] * mean[2])
                cosine = (mean[0] * ahead[0] + mean[1] * ahead[1] + mean[2] * ahead[2]) / max(size, 1e-12)
                if covered < 0.5 or cosine < smallest_cosine:
                    out[i, 1] += 1.0
                    break
                for a in range(3):
                    ahead[a] = mean[a] / size
                out[i, 0] += step_mm
    return out
