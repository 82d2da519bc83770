"""Pictures of calcium and of biopsy targets."""

import dataclasses
import io

import numpy as np
from PIL import Image

from heliotrope.domain.anatomy import Region, Side, TissuePlane
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.result import AnalysisResult
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.report import build, to_html
from heliotrope.report.document import Figure
from heliotrope.report.palette import PLANE_COLORS
from heliotrope.report.pictures import CT_LEVELS_HU, label_figure, levels_for
from heliotrope.report.spotlights import CALCIUM_MAP, calcium_figures, target_figure
from tests.report import sample
from tests.report.page import Page

GRID = Grid.from_spacing((40, 30, 20), (2.0, 2.0, 2.0))


def with_calcium() -> AnalysisResult:
    """A block of soft tissue with calcium below the skin on the patient's left and inside muscle on the right."""
    planes = list(TissuePlane)
    hu = np.full(GRID.shape, -1000.0, np.float32)
    hu[4:36, 4:26] = 50.0
    codes = np.zeros(GRID.shape, np.float32)
    codes[32:35, 12:15, 8:12] = planes.index(TissuePlane.SUBCUTANEOUS) + 1
    codes[6:9, 12:15, 8:12] = planes.index(TissuePlane.INTRAMUSCULAR) + 1
    hu[codes > 0] = 600.0
    plane_map = ParametricMap(CALCIUM_MAP, codes, codes > 0, GRID, Unit.ONE, "ct-calcinosis/1")
    lesions = tuple(
        Finding(
            FindingKind.CALCINOSIS,
            Truth.TRUE,
            f"Calcification {k}.",
            (Region("muscle", Side.LEFT),),
            details={"lesion": float(k), "plane": "subcutaneous", "mass_mg": 12.5, "fluid_level": None},
        )
        for k in (1, 2)
    )
    total = Finding(FindingKind.CALCINOSIS, Truth.TRUE, "Two calcifications were found.")
    return dataclasses.replace(
        sample.result(),
        maps={CALCIUM_MAP: plane_map},
        labels=None,
        backgrounds={"labels": Volume(hu, GRID, Unit.HOUNSFIELD)},
        findings=(total, *lesions),
    )


def pixels(figure: Figure, number: int) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figure.pictures[number].png)).convert("RGB"), dtype=int)


def columns_of(picture: np.ndarray, color: str) -> np.ndarray:
    wanted = [int(color[k : k + 2], 16) for k in (1, 3, 5)]
    found = np.argwhere(np.abs(picture - wanted).sum(axis=2) < 60)
    return np.asarray(found[:, 1] / picture.shape[1])


def test_the_projection_colors_each_plane_on_the_side_where_it_lies() -> None:
    figure = calcium_figures(with_calcium())[0]
    picture = pixels(figure, 0)
    assert "coronal" in figure.pictures[0].alt
    # the patient's left is on the right of the picture
    assert columns_of(picture, PLANE_COLORS["subcutaneous"]).mean() > 0.7
    assert columns_of(picture, PLANE_COLORS["intramuscular"]).mean() < 0.3


def test_the_projection_shows_the_plane_of_the_brightest_calcium_along_the_ray() -> None:
    result = with_calcium()
    plane_map, hu = result.maps[CALCIUM_MAP], np.array(result.backgrounds["labels"].data)
    codes = np.array(plane_map.values)
    front, behind = (slice(20, 23), slice(6, 8), slice(14, 17)), (slice(20, 23), slice(20, 22), slice(14, 17))
    codes[front], codes[behind] = (list(TissuePlane).index(p) + 1 for p in (TissuePlane.FASCIAL, TissuePlane.CUTANEOUS))
    hu[front], hu[behind] = 300.0, 900.0
    figure = calcium_figures(
        dataclasses.replace(
            result,
            maps={CALCIUM_MAP: ParametricMap(CALCIUM_MAP, codes, codes > 0, GRID, Unit.ONE, "ct-calcinosis/1")},
            backgrounds={"labels": Volume(hu, GRID, Unit.HOUNSFIELD)},
        )
    )[0]
    coronal = pixels(figure, 0)
    assert columns_of(coronal, PLANE_COLORS["cutaneous"]).size > 20
    assert columns_of(coronal, PLANE_COLORS["fascial"]).size == 0


def test_air_is_black_and_fat_is_darker_than_muscle_on_every_picture_of_a_ct() -> None:
    result = with_calcium_labels()
    hu = np.full(GRID.shape, -1000.0, np.float32)
    hu[4:36, 4:26] = -100.0
    hu[12:28, 8:22] = 50.0
    tissues = np.where(hu > -500, np.where(hu > 0, 2, 1), 0).astype(np.uint16)
    legend = {1: Region("subcutaneous_fat"), 2: Region("muscle")}
    shown = dataclasses.replace(
        result,
        labels=LabelMap(tissues, GRID, legend, "weight-free-tissues/1"),
        backgrounds={"labels": Volume(hu, GRID, Unit.HOUNSFIELD)},
    )
    figure = label_figure(shown)
    assert figure is not None
    assert levels_for(shown, GRID, hu) == CT_LEVELS_HU
    picture = pixels(figure, 0).mean(axis=2)
    height, width = picture.shape
    air, muscle = picture[height // 2 - 40, 3], picture[height // 2 + 30, width // 2]
    assert air < 10 < muscle


def test_the_legend_names_the_planes_that_occur_and_no_others() -> None:
    assert {entry.text for entry in calcium_figures(with_calcium())[0].legend} == {"Subcutaneous", "Intramuscular"}


def test_single_lesions_stand_in_a_table_and_not_among_the_key_findings() -> None:
    document = build(with_calcium())
    page = Page(to_html(document))
    key = next(e for e in page.all("section") if e.attributes["id"] == "findings")
    assert "Two calcifications were found." in key.text
    assert "Calcification 1." not in key.text
    rows = [[cell.text for cell in row.children] for row in page.all("tr")]
    assert ["No.", "Region", "Lesion", "Plane", "Mass [mg]", "Fluid level"] in rows
    assert ["2", "Left muscle", "2", "subcutaneous", "12.5", "not known"] in rows


def test_a_map_of_codes_gets_no_color_scale() -> None:
    figures = [
        block for section in build(with_calcium()).sections for block in section.blocks if isinstance(block, Figure)
    ]
    assert figures
    assert all(figure.scale is None for figure in figures)


def test_a_target_is_ringed_on_its_own_slice() -> None:
    position = tuple(float(v) for v in sample.thigh_grid().positions_mm((70, 20, 3)))
    details = dict(zip(("x_mm", "y_mm", "z_mm"), position, strict=True))
    target = Finding(FindingKind.BIOPSY_SITE, Truth.TRUE, "Target.", details={**details})
    figure = target_figure(dataclasses.replace(sample.result(), findings=(target,)))
    assert figure is not None
    assert "slice 4 of 5" in figure.pictures[0].alt
    assert "ultrasound" in figure.caption


def with_calcium_labels() -> AnalysisResult:
    labels = np.zeros(GRID.shape, np.uint16)
    labels[32:35, 12:15, 8:12] = 11
    labels[6:9, 12:15, 8:12] = 12
    legend = {
        11: Region("calcification", Side.LEFT, "component 1: subcutaneous sheet"),
        12: Region("calcification", Side.RIGHT, "component 2: intramuscular nodular"),
    }
    details: dict[str, str | float | None] = {"rows": 2.0, "patterns": "deep"}
    for number, plane in ((1, "subcutaneous"), (2, "intramuscular")):
        details |= {f"component_{number}_plane": plane, f"component_{number}_mass_mg": 10.0 * number}
    listed = Finding(FindingKind.CALCINOSIS, Truth.TRUE, "They are listed.", details=details)
    return dataclasses.replace(
        with_calcium(), maps={}, labels=LabelMap(labels, GRID, legend, "ct-calcinosis/1"), findings=(listed,)
    )


def test_calcium_is_also_read_from_labels_that_name_their_plane() -> None:
    figure = calcium_figures(with_calcium_labels())[0]
    assert columns_of(pixels(figure, 0), PLANE_COLORS["subcutaneous"]).mean() > 0.7
    assert {entry.text for entry in figure.legend} == {"Subcutaneous", "Intramuscular"}


def test_components_listed_in_one_finding_become_rows_with_the_numbers_of_the_pictures() -> None:
    result = with_calcium_labels()
    page = Page(to_html(build(result)))
    rows = [[cell.text for cell in row.children][:5] for row in page.all("tr")]
    assert ["No.", "Where", "Plane", "Shape", "Mass [mg]"] in rows
    assert ["2", "not named", "intramuscular", "–", "20.0"] in rows
    slices = calcium_figures(result)[1]
    assert "Numbers are those of the table" in slices.caption


def test_items_of_a_score_become_rows_with_the_probability_of_another_grade() -> None:
    details: dict[str, str | float | None] = {
        "instrument": "gramegna",
        "item left vastus_lateralis": 2.0,
        "may change left vastus_lateralis": 0.031,
    }
    score = Finding(FindingKind.SCORE, Truth.TRUE, "2 over 1 item.", details=details)
    page = Page(to_html(build(dataclasses.replace(with_calcium(), maps={}, backgrounds={}, findings=(score,)))))
    rows = [[cell.text for cell in row.children] for row in page.all("tr")]
    assert ["Item", "Grade", "Probability of another grade"] in rows
    assert ["Left vastus lateralis", "2", "0.031"] in rows
