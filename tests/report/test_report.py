"""The page as its readers meet it."""

import dataclasses
import itertools
import re

import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.images import ParametricMap
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import AnalysisResult, MethodStep, NotAssessed
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.evidence.model import Source, Statement, Status
from heliotrope.report import build, to_html
from heliotrope.report.citations import Citations, Ledger
from heliotrope.report.document import STANDING_LINE, Document, Table
from heliotrope.report.palette import TEXT_ON_BACKGROUND, contrast
from heliotrope.report.vocabulary import UNIT_STYLES, number_text
from tests.report import sample
from tests.report.page import Page

SIZE_BUDGET_BYTES = 4_000_000
"""A few megabytes: passes mail gateways and opens on a phone."""

CONTRAST_AA = 4.5
"""WCAG 2 level AA for text of normal size."""


@pytest.fixture(scope="module")
def html() -> str:
    return to_html(build(sample.result()))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def synthetic_document() -> Document:
    return build(sample.result(synthetic=True))


def tables(document: Document, section: str) -> list[Table]:
    blocks = next(s for s in document.sections if s.key == section).blocks
    return [block for block in blocks if isinstance(block, Table)]


def without_images(**changes: object) -> AnalysisResult:
    plain = {"maps": {}, "labels": None, "backgrounds": {}, **changes}
    return dataclasses.replace(sample.result(), **plain)  # type: ignore[arg-type]


def test_equal_results_give_equal_pages() -> None:
    first, second = (to_html(build(without_images())) for _ in range(2))
    assert first == second


def test_the_page_loads_nothing_from_outside(html: str, page: Page) -> None:
    for element in page.elements:
        for attribute in ("src", "srcset", "data", "poster", "action"):
            assert element.attributes.get(attribute, "data:").startswith("data:")
    assert not page.all("link", "iframe", "object", "embed")
    assert "@import" not in html
    assert not re.search(r"url\(", html)


def test_the_page_stays_within_its_size_budget(html: str) -> None:
    assert len(html.encode()) < SIZE_BUDGET_BYTES


def test_language_title_and_landmarks_are_there(page: Page) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    assert page.all("title")[0].text.strip()
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1, landmark


def test_headings_begin_with_one_h1_and_skip_no_level(page: Page) -> None:
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch(r"h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_picture_tells_what_it_shows_in_words(page: Page) -> None:
    pictures = page.all("img")
    assert len(pictures) > 4
    assert all(len(e.attributes["alt"]) > 20 for e in pictures)


def test_every_table_has_a_caption_and_scoped_headings(page: Page) -> None:
    assert page.all("table")
    for table in page.all("table"):
        assert table.children[0].tag == "caption"
        assert table.children[0].text.strip()
    assert all(e.attributes.get("scope") in {"col", "row", "colgroup"} for e in page.all("th"))


def test_every_table_row_fills_every_column(page: Page) -> None:
    for table in page.all("table"):
        body = next(child for child in table.children if child.tag == "tbody")
        widths = {len(row.children) for row in body.children}
        assert len(widths) == 1
        assert all(cell.text.strip() for row in body.children for cell in row.children)


def test_identifiers_of_elements_are_unique_and_local_links_resolve(page: Page) -> None:
    names = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(names) == len(set(names))
    targets = [e.attributes["href"][1:] for e in page.all("a") if e.attributes["href"].startswith("#")]
    assert set(targets) <= set(names)


@pytest.mark.parametrize(("text", "background"), TEXT_ON_BACKGROUND)
def test_text_has_enough_contrast(text: str, background: str) -> None:
    assert contrast(text, background) >= CONTRAST_AA


def test_the_standing_line_is_on_the_screen_and_on_every_printed_page(html: str, page: Page) -> None:
    assert page.visible_text.count(STANDING_LINE) == 2
    margin = html[html.index("@page") : html.index("@media print")]
    assert STANDING_LINE in margin


def test_nothing_is_called_synthetic_when_it_is_not(page: Page) -> None:
    assert "synthetic" not in page.visible_text.lower()


def test_synthetic_data_says_so_in_banner_watermark_print_head_and_every_caption(synthetic_document: Document) -> None:
    html = to_html(synthetic_document)
    page = Page(html)
    assert page.all("title")[0].text.startswith("SYNTHETIC DATA")
    assert page.all("header")[0].text.strip().startswith("SYNTHETIC DATA")
    assert any(e.attributes.get("class") == "watermark" for e in page.elements)
    assert '@top-right { content: "SYNTHETIC DATA"' in html
    assert all("Synthetic data" in e.text for e in page.all("figcaption"))


def test_a_missing_number_is_said_with_its_reason_and_never_shown_as_zero(page: Page) -> None:
    assert "The field of view cuts this region." in page.visible_text
    cells = [e.text for e in page.all("td") if "not assessable" in e.text]
    assert cells
    assert all(re.search(r"\([a-z]\)", cell) for cell in cells)


def test_zero_found_is_zero_and_not_missing() -> None:
    page = Page(to_html(build(without_images())))
    rows = [[cell.text for cell in row.children] for row in page.all("tr")]
    assert ["Calcinosis volume, total", "0.0 mL", "–"] in rows


def test_right_stands_beside_left_with_interval_and_unit(page: Page) -> None:
    rows = [[cell.text for cell in row.children] for row in page.all("tr")]
    assert any(cell.startswith("Water T2, median [ms]") for row in rows for cell in row)
    assert any(row[:3] == ["Muscle", "36.1 35.5 to 36.8", "44.6 44.0 to 45.3"] for row in rows)


def test_what_the_study_does_not_permit_is_listed_with_its_reason(page: Page) -> None:
    assert "No diffusion series." in page.visible_text


def test_a_flag_of_a_map_stands_beside_its_numbers_and_its_picture(page: Page) -> None:
    assert any(sample.FLAG in e.text for e in page.all("figcaption"))
    assert any(sample.FLAG in e.text for e in page.all("li"))


def test_descriptions_dates_and_identifiers_are_shown_only_when_asked_for() -> None:
    result = without_images()
    closed, opened = to_html(build(result)), to_html(build(result, show_identifiers=True))
    for secret in ("SECRET DESCRIPTION", "2026-03-04", "1.2.3.4", "DOE^JANE"):
        assert secret not in closed
    assert "SECRET DESCRIPTION" in opened
    assert "2026-03-04" in opened
    assert "DOE^JANE" not in opened


HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"


def test_hostile_text_in_any_string_is_only_text() -> None:
    result = without_images()
    series = dataclasses.replace(
        result.study.series[0], key=HOSTILE, description=HOSTILE, role_reason=HOSTILE, defects=(HOSTILE,)
    )
    hostile = dataclasses.replace(
        result,
        study=dataclasses.replace(result.study, key=HOSTILE, series=(series,), notes=(HOSTILE,)),
        measurements=tuple(dataclasses.replace(m, method=HOSTILE, notes=(HOSTILE,)) for m in result.measurements),
        findings=(Finding(FindingKind.EDEMA, Truth.TRUE, HOSTILE, limits=(HOSTILE,), details={HOSTILE: HOSTILE}),),
        not_assessed=(NotAssessed(HOSTILE, Missing("M_X", HOSTILE)),),
        methods=(MethodStep(HOSTILE, HOSTILE, (HOSTILE,)),),
        provenance={HOSTILE: HOSTILE},
    )
    page = Page(to_html(build(hostile, show_identifiers=True)))
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert "alert(1)" not in page.all("script")[0].text
    assert page.visible_text.count("{{ 7*7 }}") > 10


def test_an_empty_result_still_gives_a_page_that_says_so() -> None:
    empty = dataclasses.replace(
        without_images(),
        measurements=(),
        findings=(),
        not_assessed=(),
        quality=(),
        methods=(),
        verdicts=(),
        provenance={},
        study=dataclasses.replace(sample.study(), series=(), files=(), notes=()),
    )
    text = Page(to_html(build(empty))).visible_text
    assert "No series of a known kind was found" in text
    assert "No region could be measured" in text


def test_a_map_without_one_valid_voxel_gives_no_picture() -> None:
    grid = sample.thigh_grid()
    values = sample.result().maps["water_t2"].values
    empty = ParametricMap("adc", values, values > 1e9, grid, Unit.DIFFUSIVITY, "adc/1")
    document = build(without_images(maps={"adc": empty}))
    assert "pictures" not in {section.key for section in document.sections}


def test_findings_stand_by_muscle_group_and_side(page: Page) -> None:
    text = page.visible_text
    assert "Anterior compartment of thigh, right" in text
    assert text.index("Anterior compartment of thigh, right") < text.index("Right vastus lateralis: no edema.")


def test_references_are_numbered_in_the_order_the_text_needs_them() -> None:
    sources = {key: Source(key, f"Paper {key}", doi=f"10.1/{key}") for key in "abc"}
    statements = {
        "late": Statement("late", "Rule", ("c", "a"), Status.VERIFIED),
        "own": Statement("own", "Default", (), Status.PROJECT_RULE),
    }
    citations = Citations(Ledger(sources, statements))
    assert citations.cite(("late", "own")) == (1, 2)
    assert citations.cite(("a", "b", "missing")) == (2, 3)
    assert [reference.citation for reference in citations.references] == ["Paper c", "Paper a", "Paper b"]
    assert citations.references[0].link == "https://doi.org/10.1/c"
    assert citations.unknown_keys == ("missing",)


def test_a_key_the_ledger_does_not_hold_is_named_and_not_dropped(page: Page) -> None:
    assert "no-such-key" in page.visible_text


def test_every_unit_can_be_written() -> None:
    assert set(UNIT_STYLES) == set(Unit)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, Unit.MILLILITER, "0.0"),
        (-0.04, Unit.MILLISECOND, "−0.04"),
        (0.000012, Unit.MILLILITER, "1.2e−05"),
        (1.62e-3, Unit.DIFFUSIVITY, "1.62"),
        (12.0, Unit.COUNT, "12"),
        (2.5, Unit.SCORE, "2.5"),
        (123456.0, Unit.CUBIC_MILLIMETER, "123\u202f456"),
    ],
)
def test_numbers_are_written_with_the_decimals_of_their_unit(value: float, unit: Unit, text: str) -> None:
    assert number_text(value, unit) == text


def test_a_long_list_of_single_levels_is_cut_with_a_pointer_to_the_table_file() -> None:
    rows = tuple(
        sample.number(Region("muscle", Side.LEFT, f"slice {k}"), "water_t2", 36.0, Unit.MILLISECOND) for k in range(400)
    )
    text = to_html(build(without_images(measurements=rows)))
    assert "100 further rows of single levels stand in measurements.csv" in text


def test_a_quantity_bears_the_title_and_meaning_that_its_stage_gives(page: Page) -> None:
    assert any(e.text.startswith("Size of the region, total [mL]") for e in page.all("th"))
    assert "Larger is not better." in page.visible_text


def test_a_limit_that_findings_of_one_kind_share_is_said_once() -> None:
    shared = "System default, not a published cut-off."
    both = tuple(Finding(FindingKind.FASCIA, Truth.TRUE, f"Fascia {k}.", limits=(shared,)) for k in (1, 2))
    text = Page(to_html(build(without_images(findings=both)))).visible_text
    assert text.count(shared) == 1
    assert text.index(shared) > text.index("Fascia 2.")
