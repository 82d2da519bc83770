"""Values of one image at the voxels of another, for masks and references; never for statistics of a region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import GeometryError
from heliotrope.domain.geometry import Grid


def values_on(values: NDArray[np.floating], source: Grid, target: Grid) -> NDArray[np.float64]:
    """Nearest value of `values` (x, y, z) at every voxel of `target`; NaN outside and where `values` is NaN.

    Raises
    ------
    GeometryError
        The grids state different frames of reference.
    """
    if source.is_same_as(target):
        return np.asarray(values, dtype=np.float64)
    if len({source.frame_of_reference_uid, target.frame_of_reference_uid} - {None}) == 2:
        raise GeometryError(
            "image and map: frames of reference differ", hint="use images of one session, or register them first"
        )
    index = np.stack(np.meshgrid(*[np.arange(n) for n in target.shape], indexing="ij"), axis=-1)
    where = source.indices(target.positions_mm(index))
    found = ndimage.map_coordinates(
        np.asarray(values, dtype=np.float64), np.moveaxis(where, -1, 0), order=0, mode="constant", cval=np.nan
    )
    return np.asarray(found, dtype=np.float64)
