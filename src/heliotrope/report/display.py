"""How a slice is laid out for a reader: plane, orientation, extent, choice of slices.

Radiological convention: on axial and coronal slices the patient's right is on the left of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid

ANISOTROPY_LIMIT = 1.3
"""An axis this much coarser than the next is taken as the slice axis. [1]"""

_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "I": "S", "S": "I"}
_LAYOUT = {  # slice axis letters: (column direction, row direction, name)
    "S": ("L", "P", "axial"),
    "P": ("L", "I", "coronal"),
    "L": ("P", "I", "sagittal"),
}
_FAMILY = {"R": "L", "L": "L", "A": "P", "P": "P", "I": "S", "S": "S"}


@dataclass(frozen=True)
class SliceView:
    """How slices of one grid are shown.

    Parameters
    ----------
    slice_axis, row_axis, column_axis : int
        Array axes. Rows run down the picture, columns to its right.
    flip_rows, flip_columns : bool
        Whether the array axis must be reversed.
    row_mm, column_mm : float
        Pixel size down and across. [mm]
    n_slices, n_rows, n_columns : int
    plane : str
        ``"axial"``, ``"coronal"`` or ``"sagittal"``, by the nearest patient plane.
    left_letter, right_letter, top_letter, bottom_letter : str
        Patient direction at each edge of the picture.
    """

    slice_axis: int
    row_axis: int
    column_axis: int
    flip_rows: bool
    flip_columns: bool
    row_mm: float
    column_mm: float
    n_slices: int
    n_rows: int
    n_columns: int
    plane: str
    left_letter: str
    right_letter: str
    top_letter: str
    bottom_letter: str

    def cut(self, array: NDArray[np.generic], index: int) -> NDArray[np.generic]:
        """The 2-D slice (rows, columns) of a 3-D array as shown."""
        return self.lay_out(np.take(array, index, axis=self.slice_axis))

    def place(self, index: tuple[float, float, float]) -> tuple[float, float]:
        """Row and column, as shown, of a voxel index."""
        row, column = index[self.row_axis], index[self.column_axis]
        return (
            self.n_rows - 1 - row if self.flip_rows else row,
            self.n_columns - 1 - column if self.flip_columns else column,
        )

    def lay_out(self, plane: NDArray[np.generic]) -> NDArray[np.generic]:
        """Turn a 2-D array that lacks the slice axis, other axes in order, to (rows, columns) as shown."""
        if self.row_axis > self.column_axis:
            plane = plane.T
        if self.flip_rows:
            plane = plane[::-1, :]
        if self.flip_columns:
            plane = plane[:, ::-1]
        return plane


def view_of(grid: Grid, slice_axis: int | None = None) -> SliceView:
    """Layout for a grid: its own slice plane, or that across `slice_axis`.

    Parameters
    ----------
    grid : Grid
    slice_axis : int, optional
        By default the axis with much the coarsest spacing, else the one nearest to head-foot; an axis of one voxel
        is the slice axis.

    Examples
    --------
    >>> view = view_of(Grid.from_spacing((64, 32, 5), (1.0, 1.0, 10.0)))
    >>> view.plane, view.left_letter
    ('axial', 'R')
    """
    codes = grid.axis_codes
    spacing = np.asarray(grid.spacing_mm)
    if slice_axis is None:
        order = np.argsort(spacing)
        singles = [axis for axis in range(3) if grid.shape[axis] == 1]
        if len(singles) == 1:
            slice_axis = singles[0]
        elif spacing[order[2]] > ANISOTROPY_LIMIT * spacing[order[1]]:
            slice_axis = int(order[2])
        else:
            slice_axis = next(axis for axis in range(3) if _FAMILY[codes[axis]] == "S")
    column_to, row_to, plane = _LAYOUT[_FAMILY[codes[slice_axis]]]
    others = [axis for axis in range(3) if axis != slice_axis]
    column_axis = next(axis for axis in others if _FAMILY[codes[axis]] == _FAMILY[column_to])
    row_axis = next(axis for axis in others if axis != column_axis)
    return SliceView(
        slice_axis=slice_axis,
        row_axis=row_axis,
        column_axis=column_axis,
        flip_rows=codes[row_axis] != row_to,
        flip_columns=codes[column_axis] != column_to,
        row_mm=float(spacing[row_axis]),
        column_mm=float(spacing[column_axis]),
        n_slices=grid.shape[slice_axis],
        n_rows=grid.shape[row_axis],
        n_columns=grid.shape[column_axis],
        plane=plane,
        left_letter=_OPPOSITE[column_to],
        right_letter=column_to,
        top_letter=_OPPOSITE[row_to],
        bottom_letter=row_to,
    )


def choose_slices(weight: NDArray[np.generic], view: SliceView, count: int) -> tuple[int, ...]:
    """Slices that stand for where the content lies.

    Parameters
    ----------
    weight : array (x, y, z)
        Nonnegative; what the picture is about, e.g. a mask.
    view : SliceView
    count : int
        At most so many.

    Returns
    -------
    tuple of int
        Ascending, each once; evenly spread over the content, and always with the slice that holds the most.
    """
    axes = tuple(axis for axis in range(3) if axis != view.slice_axis)
    per_slice = np.asarray(weight, dtype=np.float64).sum(axis=axes)
    per_slice = np.where(np.isfinite(per_slice), np.maximum(per_slice, 0.0), 0.0)
    if per_slice.max(initial=0.0) <= 0:
        return (view.n_slices // 2,)
    filled = np.flatnonzero(per_slice > 0.05 * per_slice.max())
    if filled.size <= count:
        return tuple(int(k) for k in filled)
    cumulative = np.cumsum(per_slice[filled])
    targets = (np.arange(count) + 0.5) / count * cumulative[-1]
    chosen = {int(k) for k in filled[np.searchsorted(cumulative, targets)]}
    most = int(np.argmax(per_slice))
    if most not in chosen:
        nearest = min(chosen, key=lambda k: abs(k - most))
        chosen = (chosen - {nearest}) | {most}
    return tuple(sorted(chosen))


@dataclass(frozen=True)
class Window:
    """A rectangle of a laid-out slice: rows and columns, end exclusive."""

    top: int
    bottom: int
    left: int
    right: int


def content_window(mask: NDArray[np.bool_], view: SliceView, margin_mm: float = 12.0) -> Window:
    """The smallest rectangle that holds the content of every slice, with a margin; the whole slice when empty."""
    flat = view.lay_out(np.asarray(mask.any(axis=view.slice_axis)))
    rows, columns = np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0))
    if rows.size == 0:
        return Window(0, flat.shape[0], 0, flat.shape[1])
    pad_rows, pad_columns = int(np.ceil(margin_mm / view.row_mm)), int(np.ceil(margin_mm / view.column_mm))
    return Window(
        max(0, int(rows[0]) - pad_rows),
        min(flat.shape[0], int(rows[-1]) + 1 + pad_rows),
        max(0, int(columns[0]) - pad_columns),
        min(flat.shape[1], int(columns[-1]) + 1 + pad_columns),
    )


def gray_window(image: NDArray[np.generic]) -> tuple[float, float]:
    """Levels shown as black and white: robust against bright skin markers and vessels."""
    magnitude = np.abs(image) if np.iscomplexobj(image) else np.asarray(image, dtype=np.float64)
    finite = magnitude[np.isfinite(magnitude)]
    if finite.size == 0:
        return (0.0, 1.0)
    if finite.size > 2_000_000:
        finite = finite[:: finite.size // 1_000_000]
    low = float(np.percentile(finite, 1.0))
    bright = float(np.percentile(finite, 99.5))
    inside = finite[finite > low + 0.05 * (bright - low)]
    high = min(bright, float(np.percentile(inside, 99.0))) if inside.size else bright
    return (low, high if high > low else low + 1.0)


def foreground(image: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Roughly where the body is: above a tenth of the bright level of the whole volume."""
    magnitude = np.nan_to_num(np.abs(image) if np.iscomplexobj(image) else np.asarray(image, dtype=np.float64))
    low, high = gray_window(magnitude)
    return np.asarray(magnitude > low + 0.1 * (high - low))


def scale_bar_cm(width_mm: float) -> float:
    """A round length near a fifth of the picture's width. [cm]"""
    lengths = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
    return min(lengths, key=lambda length: abs(length * 10.0 - 0.2 * width_mm))
