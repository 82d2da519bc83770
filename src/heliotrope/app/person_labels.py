"""Labels of a person or of a site's engine, put in the place of the automatic ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heliotrope.domain.anatomy import STRUCTURES, Region, StructureKind
from heliotrope.domain.errors import FileFormatError, GeometryError, InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, is_carried
from heliotrope.domain.study import Series, Study
from heliotrope.io import nifti
from heliotrope.io.dicom_objects import read_object_labels
from heliotrope.io.pictures import LOSSY_SUFFIXES, is_picture_name, read_gray
from heliotrope.segment.transfer import resample_labels

GRID_TOLERANCE_MM = 0.1
"""Largest corner displacement between labels and the image they were drawn on; NIfTI keeps about 7 digits. [mm]"""


def read_person_labels(path: Path, study: Study) -> tuple[LabelMap, Series]:
    """Labels of a file, and the series of the study they were drawn on.

    Parameters
    ----------
    path : Path
        NIfTI or, on a single picture, PNG or TIFF with its legend beside it; DICOM segmentation or structure set.
    study : Study

    Raises
    ------
    FileFormatError
        Not readable, or of a kind that holds no labels.
    GeometryError
        On the grid of no series of the study (``E_LABELS_GRID``).
    InputError
        Numbers without a name, or nothing labeled.
    """
    require_label_file(path)
    if is_picture_name(path.name):
        return _read_drawn_picture(path, study)
    if not nifti.is_nifti_name(path.name):
        return _read_object(path, study)
    labels = nifti.read_labels(path)
    if not labels.labels.any():
        raise InputError("the label image is empty", hint="draw at least one region", code="E_LABEL")
    return labels, _drawn_on(labels.grid, study)


def require_label_file(path: Path) -> None:
    """Refuse a path at which no file lies, or beside which lies a legend that cannot be read.

    Raises
    ------
    FileFormatError
        ``E_NOT_FOUND``, ``E_LEGEND``.
    InputError
        ``E_LABEL``: the legend names an unknown structure.
    """
    if not path.exists():
        raise FileFormatError(f"no such file: {path.name}", hint="check the path given to --labels", code="E_NOT_FOUND")
    if nifti.is_nifti_name(path.name) and (legend := path.with_name(nifti.nifti_stem(path.name) + ".json")).is_file():
        nifti.read_legend(legend)


def _read_drawn_picture(path: Path, study: Study) -> tuple[LabelMap, Series]:
    """A picture whose gray levels are label numbers, as large as the one picture it was drawn on."""
    if path.suffix.lower() in LOSSY_SUFFIXES:
        raise FileFormatError(
            "labels in a JPEG file: its compression changes the numbers",
            hint="save the drawing as PNG or TIFF",
            code="E_LABEL",
        )
    drawn = read_gray(path.read_bytes())
    pictures = [s for s in study.series if s.grid is not None and s.grid.shape[2] == 1]
    fit = [s for s in pictures if s.grid is not None and s.grid.shape[:2] == drawn.shape]
    if len(fit) != 1 or fit[0].grid is None:
        shapes = ", ".join(dict.fromkeys("x".join(map(str, s.grid.shape[:2])) for s in pictures if s.grid is not None))
        raise GeometryError(
            f"a drawing of {drawn.shape[0]}x{drawn.shape[1]} pixels fits {len(fit)} pictures of the study "
            f"({shapes or 'none'}); it must fit one",
            hint="draw on the picture itself, and give the study one picture of that size",
            code="E_LABELS_GRID",
        )
    if not drawn.any():
        raise InputError("the label image is empty", hint="draw at least one region", code="E_LABEL")
    if not np.array_equal(drawn, np.round(drawn)) or drawn.max() > np.iinfo(np.uint16).max:
        raise InputError(
            "the drawing holds other than whole numbers", hint="give every region one gray level", code="E_LABEL"
        )
    legend = nifti.read_legend(path.with_suffix(".json"))
    return LabelMap(drawn.astype(np.uint16)[:, :, None], fit[0].grid, legend, "person"), fit[0]


def _read_object(path: Path, study: Study) -> tuple[LabelMap, Series]:
    """A DICOM segmentation or structure set, on the first series that carries what it was drawn on."""
    misfit: GeometryError | None = None
    for series in study.series:
        if series.grid is None:
            continue
        try:
            return read_object_labels(path, series), series
        except GeometryError as error:
            misfit = error
    reason = misfit.message if misfit is not None else "the study has no series with a regular geometry"
    raise GeometryError(
        f"labels fit no series of the study: {reason}",
        hint="give labels drawn on one of the study's images",
        code="E_LABELS_GRID",
    )


def _drawn_on(grid: Grid, study: Study) -> Series:
    candidates = [series for series in study.series if series.grid is not None]
    for series in candidates:
        if series.grid is not None and have_one_grid(grid, series.grid):
            return series
    alike = [s for s in candidates if s.grid is not None and s.grid.shape == grid.shape]
    if alike and alike[0].grid is not None:
        distance = alike[0].grid.corner_distance_mm(grid)
        message = f"labels have the shape of series {alike[0].key} but lie {distance:.3g} mm away from it"
    else:
        shapes = ", ".join(dict.fromkeys("x".join(map(str, s.grid.shape)) for s in candidates if s.grid is not None))
        message = f"labels of shape {'x'.join(map(str, grid.shape))} fit no series of the study ({shapes or 'none'})"
    raise GeometryError(message, hint="draw or resample the labels on one of the study's images", code="E_LABELS_GRID")


def have_one_grid(first: Grid, second: Grid) -> bool:
    """The same voxels at the same places; a label file states no frame of reference."""
    return first.shape == second.shape and first.corner_distance_mm(second) <= GRID_TOLERANCE_MM


def merged(given: LabelMap, automatic: LabelMap | None) -> LabelMap:
    """Labels of a person or an engine, completed by automatic labels of tissues that they do not hold.

    A structure the person drew anywhere is the person's everywhere: what they erased stays erased. Muscle,
    compartments and single muscles count as one such structure, and so do bone and its parts. The same holds for an
    engine.

    Parameters
    ----------
    given : LabelMap
    automatic : LabelMap or None

    Returns
    -------
    LabelMap
        On the given grid, under the given numbers; completed tissues take free numbers.
    """
    if automatic is None:
        return given
    drawn = {family(region) for region in given.legend.values()}
    kept = {number: region for number, region in automatic.legend.items() if family(region) not in drawn}
    if not kept:
        return given
    moved = resample_labels(automatic, Grid(given.grid.shape, given.grid.affine))
    values = np.array(given.labels)
    legend = dict(given.legend)
    confidence = dict(given.confidence)
    free = (number for number in range(1, np.iinfo(np.uint16).max) if number not in given.legend)
    for number, region in kept.items():
        here = (moved.labels == number) & (values == 0)
        if not here.any():
            continue
        fresh = next(free)
        values[here] = fresh
        legend[fresh] = region
        if number in automatic.confidence:
            confidence[fresh] = automatic.confidence[number]
    names = ", ".join(sorted({STRUCTURES[region.structure].title for region in kept.values()}))
    note = f"{_origin(given)} and therefore automatic: {names}."
    return LabelMap(values, given.grid, legend, given.source, confidence, (*given.notes, note))


def _origin(labels: LabelMap) -> str:
    if is_carried(labels.source):
        return "Carried from an earlier visit; not carried"
    return "Drawn by a person; not drawn" if labels.source == "person" else f"Made by {labels.source}; not by it"


def family(region: Region) -> str:
    """What is drawn as one: all muscle, all bone, and every other structure for itself."""
    structure = STRUCTURES[region.structure]
    if region.structure == "muscle" or structure.kind in (StructureKind.MUSCLE, StructureKind.COMPARTMENT):
        return "muscle"
    if region.structure.startswith("bone") or structure.kind is StructureKind.BONE:
        return "bone"
    return region.structure
