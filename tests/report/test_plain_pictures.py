"""Radiographs and ultrasound stills: no sides, and a scale only where one is stated."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from heliotrope.domain.anatomy import Region
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.result import AnalysisResult
from heliotrope.domain.study import NO_PIXEL_SIZE_DEFECT, Acquisition, Modality, Role, Series
from heliotrope.report import build, to_html
from heliotrope.report.document import Figure
from heliotrope.report.palette import TISSUE_COLORS
from heliotrope.report.pictures import label_figure
from heliotrope.report.plain_pictures import RADIOGRAPH, radiograph_figure
from heliotrope.report.scanned import geometry_words
from tests.report import sample

GRID = Grid.from_spacing((120, 90, 1), (0.2, 0.2, 1.0))


def picture_series(modality: Modality, *, stated: bool) -> Series:
    role = Role.RADIOGRAPH if modality is Modality.RADIOGRAPH else Role.ULTRASOUND
    defects = () if stated else (NO_PIXEL_SIZE_DEFECT,)
    return Series("s01", "1.2", 1, "", role, "", Acquisition(modality), GRID, 1, (), defects)


def result(modality: Modality, *, stated: bool = True) -> AnalysisResult:
    base = sample.result()
    labels = np.zeros(GRID.shape, np.uint16)
    labels[50:60] = 1
    labels[20:26, 30:36] = 11
    legend = {1: Region("bone", None, "with a margin"), 11: Region("calcification", None, "spot 1: stone")}
    if modality is Modality.ULTRASOUND:
        legend = {1: Region("muscle"), 11: Region("subcutaneous_fat")}
    drawn = LabelMap(labels, GRID, legend, "person")
    on_radiograph = modality is Modality.RADIOGRAPH
    return dataclasses.replace(
        base,
        study=dataclasses.replace(base.study, series=(picture_series(modality, stated=stated),)),
        labels=None if on_radiograph else drawn,
        further_labels={RADIOGRAPH: drawn} if on_radiograph else {},
        maps={},
        findings=(),
        backgrounds={"radiograph" if on_radiograph else "labels": Volume(np.full(GRID.shape, 50.0), GRID)},
    )


def white(figure: Figure, number: int) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figure.pictures[number].png)).convert("L"), dtype=int) > 250


def test_a_radiograph_is_shown_as_taken_and_as_assessed() -> None:
    figure = radiograph_figure(result(Modality.RADIOGRAPH))
    assert figure is not None
    assert len(figure.pictures) == 2
    assert {entry.text for entry in figure.legend} == {"Calcification", "Bone with its margin, not assessed"}
    assert "Sides are not told" in figure.caption


@pytest.mark.parametrize("modality", [Modality.RADIOGRAPH, Modality.ULTRASOUND])
def test_a_scale_is_drawn_only_where_a_pixel_size_is_stated(modality: Modality) -> None:
    figures = [result(modality, stated=stated) for stated in (True, False)]
    drawn = [radiograph_figure(one) if modality is Modality.RADIOGRAPH else label_figure(one) for one in figures]
    assert all(figure is not None for figure in drawn)
    lower = [white(figure, 0)[-60:].sum() for figure in drawn if figure is not None]
    assert lower[0] > 50
    assert lower[1] == 0


def test_no_side_of_the_patient_is_claimed_on_an_ultrasound_picture() -> None:
    figure = label_figure(result(Modality.ULTRASOUND))
    assert figure is not None
    assert "patient's right is on the left" not in figure.pictures[0].alt
    assert "not told" in figure.pictures[0].alt
    assert TISSUE_COLORS["muscle"] in {entry.color for entry in figure.legend}


def test_a_picture_is_described_by_its_pixels_and_not_as_a_slice() -> None:
    assert geometry_words(picture_series(Modality.RADIOGRAPH, stated=True)) == (
        "one picture, 120 × 90 pixels of 0.2 × 0.2 mm"
    )
    assert geometry_words(picture_series(Modality.ULTRASOUND, stated=False)) == "one picture, 120 × 90 pixels"


def test_a_report_on_a_radiograph_shows_it() -> None:
    assert "The radiograph, and the same with 1 spot of calcification outlined" in to_html(
        build(result(Modality.RADIOGRAPH))
    )
