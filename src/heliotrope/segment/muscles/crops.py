"""One leg of a slice as the network wants to see it, and the network's answer back on the slice.

Crops are parallel to the slice's axes, so that both ways are products with one matrix per axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from heliotrope.domain.anatomy import Side

LOW_PERCENT, HIGH_PERCENT = 1.0, 99.0
"""Percentiles of the crop that become 0 and 1, as in training. [%]"""
CLIP = 1.3
"""Brightest value shown to the network, as in training."""


def axis_weights(
    positions_mm: NDArray[np.float64], count: int, spacing_mm: float, step_mm: float
) -> NDArray[np.float32]:
    """Weights that read a regular line of `count` samples at positions measured from its first sample.

    Linear interpolation; where the wanted samples lie farther apart than the given ones, a triangle as wide as their
    distance, so that nothing is skipped. Positions more than half a sample outside read 0.

    Parameters
    ----------
    positions_mm : float array (n,)
    count : int
    spacing_mm, step_mm : float
        Distance of the given and of the wanted samples. [mm]

    Returns
    -------
    float32 array (n, count)

    Examples
    --------
    >>> axis_weights(np.array([0.5]), 2, 1.0, 1.0).tolist()
    [[0.5, 0.5]]
    """
    width = max(spacing_mm, step_mm)
    away = np.abs(positions_mm[:, None] - np.arange(count)[None, :] * spacing_mm)
    weights = np.maximum(0.0, 1.0 - away / width)
    total = weights.sum(axis=1, keepdims=True)
    inside = (positions_mm >= -0.5 * spacing_mm) & (positions_mm <= (count - 0.5) * spacing_mm)
    return np.where(inside[:, None], weights / np.maximum(total, 1e-9), 0.0).astype(np.float32)


@dataclass(frozen=True)
class View:
    """One way of showing a leg to the network.

    Parameters
    ----------
    scale : float
        Pixel over the network's own pixel.
    medial_mm, anterior_mm : float
        Shift of the crop's center. [mm]
    """

    scale: float = 1.0
    medial_mm: float = 0.0
    anterior_mm: float = 0.0


@dataclass(frozen=True)
class CropFrame:
    """Where crops of one leg lie in one axial slice (x toward left, y toward posterior).

    Parameters
    ----------
    center_mm : tuple of 2 floats
        Center of the leg, measured from the first pixel. [mm]
    side : Side
    spacing_mm : tuple of 2 floats
        Pixel of the slice. [mm]
    pixel_mm : float
        Pixel of the network. [mm]
    pixels : int
    """

    center_mm: tuple[float, float]
    side: Side
    spacing_mm: tuple[float, float]
    pixel_mm: float
    pixels: int

    @property
    def _toward_medial(self) -> float:
        return -1.0 if self.side is Side.LEFT else 1.0

    def _offsets_mm(self, scale: float) -> NDArray[np.float64]:
        return np.asarray((np.arange(self.pixels) + 0.5 - 0.5 * self.pixels) * self.pixel_mm * scale)

    def weights_into(self, shape: tuple[int, int], view: View) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Matrices (crop, x) and (crop, y) that cut a crop from a slice."""
        step = self.pixel_mm * view.scale
        offsets = self._offsets_mm(view.scale)
        x = self.center_mm[0] + self._toward_medial * (offsets + view.medial_mm)
        y = self.center_mm[1] - (offsets + view.anterior_mm)
        return (
            axis_weights(x, shape[0], self.spacing_mm[0], step),
            axis_weights(y, shape[1], self.spacing_mm[1], step),
        )

    def weights_to_plain_view(self, view: View) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Matrices that bring the answer to one view onto the crop without scale and shift; rows of 0 are not seen."""
        step = self.pixel_mm * view.scale
        first = (0.5 - 0.5 * self.pixels) * step
        plain = self._offsets_mm(1.0)
        return (
            axis_weights(plain - view.medial_mm - first, self.pixels, step, self.pixel_mm),
            axis_weights(plain - view.anterior_mm - first, self.pixels, step, self.pixel_mm),
        )

    def weights_back(self, box: tuple[slice, slice]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Matrices (x, crop) and (y, crop) that read a plain crop at the pixels of a box of the slice."""
        first = (0.5 - 0.5 * self.pixels) * self.pixel_mm
        x = np.arange(box[0].start, box[0].stop) * self.spacing_mm[0] - self.center_mm[0]
        y = np.arange(box[1].start, box[1].stop) * self.spacing_mm[1] - self.center_mm[1]
        return (
            axis_weights(self._toward_medial * x - first, self.pixels, self.pixel_mm, self.spacing_mm[0]),
            axis_weights(-y - first, self.pixels, self.pixel_mm, self.spacing_mm[1]),
        )

    def center_of_mm(self, crop: NDArray[np.bool_]) -> tuple[float, float] | None:
        """Middle of a region of a plain crop, toward medial and anterior from the crop's center; None for none. [mm]"""
        if not crop.any():
            return None
        offsets = self._offsets_mm(1.0)
        medial, anterior = (float(offsets[indices].mean()) for indices in np.nonzero(crop))
        return (medial, anterior)

    def place_of_mm(self, pixel: tuple[float, float]) -> tuple[float, float]:
        """A pixel of the slice, toward medial and anterior from the crop's center. [mm]"""
        return (
            self._toward_medial * (pixel[0] * self.spacing_mm[0] - self.center_mm[0]),
            self.center_mm[1] - pixel[1] * self.spacing_mm[1],
        )

    def covered(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Box of the slice that a plain crop covers."""
        half = 0.5 * self.pixels * self.pixel_mm
        edges = []
        for center, spacing, count in zip(self.center_mm, self.spacing_mm, shape, strict=True):
            low = max(0, int(np.ceil((center - half) / spacing)))
            edges.append(slice(low, max(low, min(count, int(np.floor((center + half) / spacing)) + 1))))
        return (edges[0], edges[1])


def between(first: NDArray[np.float32], plane: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """``first @ plane @ second.T`` over the last two axes: a plane read by one matrix per axis.

    The matrices hold two or three weights a row, so they are multiplied as sparse ones: an order of magnitude fewer
    products, and no threads of a linear-algebra library that wait for one another on a busy machine.

    Examples
    --------
    >>> between(np.array([[0.5, 0.5]], np.float32), np.array([[1, 3], [3, 5]], np.float32), np.eye(2, dtype=np.float32))
    array([[2., 4.]], dtype=float32)
    """
    stack = plane.reshape(-1, *plane.shape[-2:])
    count, rows, columns = stack.shape
    # rows first, each with every column of every plane beside it
    along = sparse.csr_array(first) @ np.ascontiguousarray(stack.transpose(1, 0, 2)).reshape(rows, count * columns)
    turned = along.reshape(first.shape[0], count, columns).transpose(2, 1, 0)
    both = sparse.csr_array(second) @ np.ascontiguousarray(turned).reshape(columns, count * first.shape[0])
    result = both.reshape(second.shape[0], count, first.shape[0]).transpose(1, 2, 0)
    return np.ascontiguousarray(result, dtype=np.float32).reshape(*plane.shape[:-2], first.shape[0], second.shape[0])


def normalized(slices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gray scale of training: percentiles of the middle slice become 0 and 1; an empty neighbor stays 0.

    Parameters
    ----------
    slices : float32 array (3, crop, crop)
    """
    own = slices[1]
    low, high = np.percentile(own, [LOW_PERCENT, HIGH_PERCENT])
    scaled = np.clip((slices - low) / (high - low + 1e-6), 0.0, CLIP).astype(np.float32)
    scaled[[not plane.any() for plane in slices]] = 0.0
    return np.asarray(scaled)
