"""Where voxels lie in the patient: LPS, millimeters."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heliotrope.domain.errors import GeometryError

AFFINE_TOLERANCE_MM = 1e-3
"""Largest corner displacement at which two grids still count as one. [mm]"""


@dataclass(frozen=True)
class Grid:
    """A regular voxel grid.

    Parameters
    ----------
    shape : tuple of 3 ints
        Voxels along the three array axes (x, y, z).
    affine : 4x4 nested tuple of floats
        Voxel index to LPS position of the voxel center. [mm]
    frame_of_reference_uid : str or None
        DICOM (0020,0052); None when unknown.

    Raises
    ------
    GeometryError
        Shape not positive, affine not finite or singular.

    Examples
    --------
    >>> round(Grid.from_spacing((4, 4, 2), (1.0, 1.0, 5.0)).voxel_volume_mm3, 6)
    5.0
    """

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, ...], ...]
    frame_of_reference_uid: str | None = None

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryError(
                f"grid shape {self.shape}: three positive numbers needed", hint="check the image header"
            )
        matrix = np.asarray(self.affine, dtype=float)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise GeometryError("grid affine: a finite 4x4 matrix is needed", hint="check the image header")
        if abs(float(np.linalg.det(matrix[:3, :3]))) < 1e-9:
            raise GeometryError(
                "grid affine is singular: a voxel has no volume", hint="check pixel spacing and orientation"
            )

    @classmethod
    def from_matrix(cls, shape: tuple[int, ...], affine: ArrayLike, frame_of_reference_uid: str | None = None) -> Grid:
        """Grid from any array-like shape (first three axes) and LPS affine."""
        matrix = np.asarray(affine, dtype=float)
        rows = tuple(tuple(float(v) for v in row) for row in matrix)
        sizes = tuple(int(n) for n in shape[:3])
        if len(sizes) != 3:
            raise GeometryError(f"grid shape {sizes}: three axes needed", hint="give a 3-D image")
        return cls((sizes[0], sizes[1], sizes[2]), rows, frame_of_reference_uid)

    @classmethod
    def from_spacing(cls, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> Grid:
        """Axis-aligned grid (x to the left, y to posterior, z to superior) with its first voxel at the origin."""
        return cls.from_matrix(shape, np.diag([*spacing_mm, 1.0]))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The affine as a fresh 4x4 array. [mm]"""
        return np.array(self.affine, dtype=np.float64)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Center-to-center distance along each array axis. [mm]"""
        lengths = np.linalg.norm(self.matrix[:3, :3], axis=0)
        return (float(lengths[0]), float(lengths[1]), float(lengths[2]))

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel cell (spacing, not slice thickness). [mm3]"""
        return abs(float(np.linalg.det(self.matrix[:3, :3])))

    @property
    def axis_codes(self) -> tuple[str, str, str]:
        """Patient direction (L/R, P/A, S/I) toward which each array axis mainly runs."""
        letters = (("R", "L"), ("A", "P"), ("I", "S"))
        directions = self.matrix[:3, :3] / np.asarray(self.spacing_mm)
        remaining = {0, 1, 2}
        codes: dict[int, str] = {}
        for axis in sorted(range(3), key=lambda a: -float(np.abs(directions[:, a]).max())):
            world = max(remaining, key=lambda w: abs(float(directions[w, axis])))
            remaining.discard(world)
            codes[axis] = letters[world][int(directions[world, axis] > 0)]
        return (codes[0], codes[1], codes[2])

    @property
    def frame_key(self) -> str | None:
        """Pseudonym of the frame of reference: equal frames match, the UID is not shown; None when unknown.

        Examples
        --------
        >>> Grid.from_matrix((2, 2, 2), np.eye(4), "1.2.3").frame_key
        'frame-28f4d837b2d8'
        """
        uid = self.frame_of_reference_uid
        return None if uid is None else "frame-" + hashlib.sha256(f"frame\0{uid}".encode()).hexdigest()[:12]

    def positions_mm(self, indices: ArrayLike) -> NDArray[np.float64]:
        """LPS positions of voxel indices; (..., 3) in, (..., 3) out. [mm]"""
        points = np.asarray(indices, dtype=np.float64)
        return np.asarray(points @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def indices(self, positions_mm: ArrayLike) -> NDArray[np.float64]:
        """Fractional voxel indices of LPS positions; (..., 3) in, (..., 3) out."""
        inverse = np.linalg.inv(self.matrix)
        points = np.asarray(positions_mm, dtype=np.float64)
        return np.asarray(points @ inverse[:3, :3].T + inverse[:3, 3])

    def part(self, index: tuple[slice, ...]) -> Grid:
        """Grid of a part of an image, of every n-th voxel where a slice has a step.

        Examples
        --------
        >>> grid = Grid.from_spacing((8, 8, 8), (1.0, 1.0, 2.0)).part((slice(2, 6), slice(None), slice(1, None, 3)))
        >>> grid.shape, grid.spacing_mm, grid.positions_mm([0, 0, 0]).tolist()
        ((4, 8, 3), (1.0, 1.0, 6.0), [2.0, 0.0, 2.0])
        """
        matrix = self.matrix
        for axis, part in enumerate(index):
            matrix[:3, 3] += matrix[:3, axis] * (part.start or 0)
            matrix[:3, axis] *= part.step or 1
        shape = tuple(len(range(n)[part]) for n, part in zip(self.shape, index, strict=True))
        return Grid.from_matrix(shape, matrix, self.frame_of_reference_uid)

    def corner_distance_mm(self, other: Grid) -> float:
        """Largest distance between matching corners of two grids of one shape. [mm]"""
        ends = np.array(
            [[i, j, k] for i in (0, self.shape[0] - 1) for j in (0, self.shape[1] - 1) for k in (0, self.shape[2] - 1)]
        )
        return float(np.linalg.norm(self.positions_mm(ends) - other.positions_mm(ends), axis=1).max())

    def shares_frame_with(self, other: Grid) -> bool:
        """Whether both may lie in one patient space: no two different frames of reference are stated."""
        return len({self.frame_of_reference_uid, other.frame_of_reference_uid} - {None}) < 2

    def is_same_as(self, other: Grid, tolerance_mm: float = AFFINE_TOLERANCE_MM) -> bool:
        """True when shape, frame of reference (where both state one) and corners agree."""
        frames = {self.frame_of_reference_uid, other.frame_of_reference_uid} - {None}
        return self.shape == other.shape and len(frames) < 2 and self.corner_distance_mm(other) <= tolerance_mm


def require_same_grid(
    first: Grid, second: Grid, *, first_name: str, second_name: str, tolerance_mm: float = AFFINE_TOLERANCE_MM
) -> None:
    """Raise `GeometryError` naming both images and their difference unless the grids agree."""
    if first.shape != second.shape:
        raise GeometryError(
            f"{first_name} and {second_name}: shapes differ, {first.shape} and {second.shape}",
            hint="resample one of them onto the other's grid",
        )
    frames = {first.frame_of_reference_uid, second.frame_of_reference_uid} - {None}
    if len(frames) == 2:
        raise GeometryError(
            f"{first_name} and {second_name}: frames of reference differ",
            hint="use images of one session, or register them first",
        )
    distance = first.corner_distance_mm(second)
    if distance > tolerance_mm:
        raise GeometryError(
            f"{first_name} and {second_name}: affines differ by {distance:.3g} mm (limit {tolerance_mm} mm)",
            hint="resample one of them onto the other's grid",
        )
