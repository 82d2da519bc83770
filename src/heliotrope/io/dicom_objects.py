"""DICOM segmentations and RT structure sets as label maps on a series' grid, without resampling."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from skimage.draw import polygon

from heliotrope.domain.anatomy import STRUCTURES, WHERE_NAMES_ARE, Region, Side
from heliotrope.domain.errors import FileFormatError, GeometryError, InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.domain.study import Series

ON_GRID_VOXELS = 0.05
"""A segmentation's pixel centers lie this near to voxel centers, or it is of another grid. [voxels]"""
ON_SLICE_VOXELS = 0.26
"""A contour lies this near to a slice, or it is of another grid. [voxels]"""
HALF = 0.5
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATION_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
LABELMAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"
_LEFT_CODES = frozenset({"7771000", "G-A101"})
_RIGHT_CODES = frozenset({"24028007", "G-A100"})
_LEFT_WORDS = frozenset({"left", "l", "lt", "lft"})
_RIGHT_WORDS = frozenset({"right", "r", "rt", "rgt"})


@dataclass
class _Draft:
    """Labels while they are drawn."""

    labels: NDArray[np.uint16]
    legend: dict[int, Region] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    overlap: int = 0

    def number_of(self, region: Region) -> int:
        """The label number of a region, a new one when it is new."""
        for number, known in self.legend.items():
            if known == region:
                return number
        self.legend[len(self.legend) + 1] = region
        return len(self.legend)

    def draw(self, region: Region, mask: NDArray[np.bool_]) -> None:
        number = self.number_of(region)
        taken = mask & (self.labels != 0) & (self.labels != number)
        self.overlap += int(taken.sum())
        self.labels[mask] = number


def region_of_name(name: str) -> Region | None:
    """The region a person's label name means; None when it means none that is known.

    Examples
    --------
    >>> region_of_name("Vastus lateralis (L)")
    Region(structure='vastus_lateralis', side=<Side.LEFT: 'left'>, level=None)
    >>> region_of_name("GTV_Mass") is None
    True
    """
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word and word not in ("muscle", "m")]
    if name.lower().strip() in ("muscle", "muscles"):
        return Region("muscle")
    sides = {Side.LEFT for word in words if word in _LEFT_WORDS} | {
        Side.RIGHT for word in words if word in _RIGHT_WORDS
    }
    rest = "_".join(word for word in words if word not in _LEFT_WORDS | _RIGHT_WORDS) or "muscle"
    if len(sides) > 1 or not words:
        return None
    by_title = {re.sub(r"[^a-z0-9]+", "_", one.title.lower()): one.name for one in STRUCTURES.values()}
    structure = rest if rest in STRUCTURES else by_title.get(rest)
    if structure is None:
        return None
    return Region(structure, next(iter(sides), None))


def read_object_labels(path: Path | str, series: Series) -> LabelMap:
    """Read a DICOM SEG or RTSTRUCT as labels on the grid of `series`.

    Parameters
    ----------
    path : path
        One DICOM file.
    series : Series
        The images it was drawn on.

    Raises
    ------
    FileFormatError
        Not a segmentation or structure set, or damaged.
    GeometryError
        The series has no grid, or the object was drawn on another one.
    InputError
        ``E_LABEL``: none of its names or codes is a known structure.
    """
    if series.grid is None:
        raise GeometryError(f"series {series.key} forms no regular volume", hint="give labels of another series")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(Path(path))
            kind = str(dataset.SOPClassUID)
            draft = _Draft(np.zeros(series.grid.shape, dtype=np.uint16))
            if kind == RTSTRUCT_CLASS:
                unknown = _draw_contours(dataset, series.grid, draft)
            elif kind in (SEGMENTATION_CLASS, LABELMAP_CLASS):
                unknown = _draw_segments(dataset, series.grid, draft, labelmap=kind == LABELMAP_CLASS)
            else:
                raise FileFormatError(  # noqa: TRY301
                    "a DICOM object that is neither a segmentation nor a structure set", hint="give a SEG or RTSTRUCT"
                )
    except (FileFormatError, GeometryError, InputError):
        raise
    except Exception as error:  # damaged objects break the parser in many ways
        raise FileFormatError("the labels cannot be read: damaged or not DICOM", hint="export them again") from error
    if not draft.legend:
        raise InputError(
            f"none of the {len(unknown)} labels is a known structure",
            hint=f"name them like left_vastus_lateralis; {WHERE_NAMES_ARE}",
            code="E_LABEL",
        )
    if unknown:
        draft.notes.append(f"{len(unknown)} labels of unknown structures were left out")
    if draft.overlap:
        draft.notes.append(f"labels overlap in {draft.overlap} voxels: the later one was kept")
    return LabelMap(draft.labels, series.grid, draft.legend, "person", notes=tuple(draft.notes))


def _draw_segments(dataset: Dataset, grid: Grid, draft: _Draft, *, labelmap: bool) -> list[str]:
    regions: dict[int, Region] = {}
    unknown: list[str] = []
    for segment in dataset.SegmentSequence:
        region = _region_of_segment(segment)
        if region is None:
            unknown.append("segment")
        else:
            regions[int(segment.SegmentNumber)] = region
    pixels = _segment_pixels(dataset)
    shared = dataset.SharedFunctionalGroupsSequence[0] if "SharedFunctionalGroupsSequence" in dataset else Dataset()
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame = pixels[index]
        if labelmap:
            present = {int(number): frame == number for number in np.unique(frame) if number}
        else:
            number = int(_macro(groups, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber)
            present = {number: frame}
        affine = _frame_affine(groups, shared)
        for number, mask in present.items():
            if number in regions and mask.any():
                draft.draw(regions[number], _on_grid(mask, affine, grid))
    return unknown


def _segment_pixels(dataset: Dataset) -> NDArray[np.generic]:
    """Frames (n, rows, columns): bool for binary and fractional segmentations, numbers for label maps."""
    n_frames, rows, columns = int(dataset.get("NumberOfFrames", 1)), int(dataset.Rows), int(dataset.Columns)
    values = dataset.pixel_array.reshape(n_frames, rows, columns)
    kind = str(dataset.get("SegmentationType", "BINARY"))
    if kind == "FRACTIONAL":
        return np.asarray(values > HALF * float(dataset.get("MaximumFractionalValue", 255)))
    return np.asarray(values if kind == "LABELMAP" else values > 0)


def _macro(groups: Dataset, shared: Dataset, name: str) -> Dataset:
    holder = groups if name in groups else shared
    if name not in holder:
        raise FileFormatError(f"the segmentation states no {name}", hint="export it again")
    return holder[name].value[0]  # type: ignore[no-any-return]


def _frame_affine(groups: Dataset, shared: Dataset) -> NDArray[np.float64]:
    """Column and row index of a frame to LPS, 4x3. [mm]"""
    orientation = [float(v) for v in _macro(groups, shared, "PlaneOrientationSequence").ImageOrientationPatient]
    spacing = [float(v) for v in _macro(groups, shared, "PixelMeasuresSequence").PixelSpacing]
    position = [float(v) for v in _macro(groups, shared, "PlanePositionSequence").ImagePositionPatient]
    affine = np.zeros((3, 3))
    affine[:, 0] = np.array(orientation[:3]) * spacing[1]
    affine[:, 1] = np.array(orientation[3:]) * spacing[0]
    affine[:, 2] = position
    return affine


def _on_grid(mask: NDArray[np.bool_], affine: NDArray[np.float64], grid: Grid) -> NDArray[np.bool_]:
    rows, columns = np.nonzero(mask)
    points = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ affine.T
    indices = grid.indices(points)
    nearest = np.rint(indices)
    if float(np.abs(indices - nearest).max()) > ON_GRID_VOXELS:
        raise GeometryError(
            "the segmentation was drawn on another grid than the series",
            hint="give labels drawn on this series' images",
        )
    cells = nearest.astype(int)
    if (cells < 0).any() or (cells >= np.array(grid.shape)).any():
        raise GeometryError(
            "the segmentation reaches beyond the series", hint="give labels drawn on this series' images"
        )
    found = np.zeros(grid.shape, dtype=bool)
    found[tuple(cells.T)] = True
    return found


def _region_of_segment(segment: Dataset) -> Region | None:
    side = _side_of(segment)
    for name in ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence"):
        for code in segment.get(name, []):
            structure = _structure_of_code(str(code.get("CodeValue", "")))
            if structure is not None:
                named = region_of_name(str(segment.get("SegmentLabel", "")))
                return Region(structure, side or (named.side if named is not None else None))
    named = region_of_name(str(segment.get("SegmentLabel", "")))
    if named is not None and named.side is None and side is not None:
        return Region(named.structure, side)
    return named


def _structure_of_code(value: str) -> str | None:
    return next((one.name for one in STRUCTURES.values() if value and one.codes.get("SCT") == value), None)


def _side_of(segment: Dataset) -> Side | None:
    for outer, inner in (
        ("SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"),
        ("AnatomicRegionSequence", "AnatomicRegionModifierSequence"),
    ):
        for code in segment.get(outer, []):
            for modifier in code.get(inner, []):
                value = str(modifier.get("CodeValue", ""))
                if value in _LEFT_CODES:
                    return Side.LEFT
                if value in _RIGHT_CODES:
                    return Side.RIGHT
    return None


def _draw_contours(dataset: Dataset, grid: Grid, draft: _Draft) -> list[str]:
    names: Mapping[int, str] = {
        int(roi.ROINumber): str(roi.get("ROIName", "")) for roi in dataset.StructureSetROISequence
    }
    unknown: list[str] = []
    for roi in dataset.ROIContourSequence:
        region = region_of_name(names.get(int(roi.ReferencedROINumber), ""))
        if region is None:
            unknown.append("contour")
            continue
        draft.draw(region, rasterize_contours(roi, grid))
    return unknown


def rasterize_contours(roi: Dataset, grid: Grid) -> NDArray[np.bool_]:
    """Voxels whose center lies within the closed planar contours of one ROI; an inner contour is a hole.

    Raises
    ------
    GeometryError
        A contour lies between slices or outside the grid.
    """
    mask = np.zeros(grid.shape, dtype=bool)
    for contour in roi.get("ContourSequence", []):
        if str(contour.get("ContourGeometricType", "CLOSED_PLANAR")) not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
            continue
        points = np.array([float(v) for v in contour.ContourData]).reshape(-1, 3)
        indices = grid.indices(points)
        level = float(np.median(indices[:, 2]))
        slice_number = round(level)
        if float(np.abs(indices[:, 2] - slice_number).max()) > ON_SLICE_VOXELS or not 0 <= slice_number < grid.shape[2]:
            raise GeometryError(
                "a contour does not lie on a slice of the series", hint="give contours drawn on this series' images"
            )
        x, y = polygon(indices[:, 0], indices[:, 1], shape=grid.shape[:2])
        mask[x, y, slice_number] ^= True
    return mask
