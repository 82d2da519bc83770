"""The timeline report of a patient."""

from __future__ import annotations

import datetime as dt
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from heliotrope.app.case import load_case
from heliotrope.cli.main import main
from heliotrope.criteria.case_course import follow
from heliotrope.criteria.case_reading import read_case
from heliotrope.criteria.case_record import PartialDate
from heliotrope.domain.anatomy import Region
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.units import Unit
from heliotrope.report import to_html
from heliotrope.report.case_beside import VisitImaging
from heliotrope.report.case_charts import course_panels, draw_case, month_ticks
from heliotrope.report.case_report import build_case
from heliotrope.report.document import Table
from tests.conftest import REPOSITORY

ADULT = REPOSITORY / "tests" / "cases" / "records" / "adult-dm.yaml"
CHILD = REPOSITORY / "tests" / "cases" / "records" / "juvenile.yaml"
T2 = Measurement(Region("muscle"), "water_t2", "median", 48.25, Unit.MILLISECOND, "test/1")


class Words(HTMLParser):
    """Text, tags and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "href"} and value:
                self.addresses.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page(html: str) -> Words:
    words = Words()
    words.feed(html)
    return words


@pytest.fixture(scope="module")
def adult_html() -> str:
    return to_html(build_case(follow(load_case(ADULT)), (VisitImaging("V1", "results/2023-02", (T2,)),)))


def test_report_opens_without_a_network(adult_html: str) -> None:
    for address in page(adult_html).addresses:
        assert address.startswith(("data:image/svg+xml;base64,", "#", "https://doi.org/", "https://pubmed"))


def test_every_link_inside_leads_somewhere(adult_html: str) -> None:
    words = page(adult_html)
    assert {address[1:] for address in words.addresses if address.startswith("#")} <= set(words.ids)


def test_same_record_gives_the_same_page(adult_html: str) -> None:
    again = to_html(build_case(follow(load_case(ADULT)), (VisitImaging("V1", "results/2023-02", (T2,)),)))
    assert again == adult_html


def test_report_says_what_it_is_and_orders_nothing(adult_html: str) -> None:
    text = " ".join(page(adult_html).text)
    assert "For research use. Not a medical device." in text
    assert "For a clinician to consider, never an order." in text
    assert not re.search(r"\b(must be screened|diagnosed with|should receive)\b", text)


def test_unverified_rules_are_named_where_they_decide(adult_html: str) -> None:
    text = " ".join(page(adult_html).text)
    assert "over a range whose multiplier is unverified" in re.sub(r"\s+", " ", text)
    assert "unverified: Range of an enzyme as multiple of ULN" in text


def test_provisional_instrument_is_absent_until_switched_on() -> None:
    case = load_case(ADULT)
    assert "PROVISIONAL" not in to_html(build_case(follow(case)))
    assert "PROVISIONAL, switched on" in to_html(build_case(follow(case, provisional=True)))


def test_imaging_stands_beside_and_changes_no_instrument() -> None:
    course = follow(load_case(ADULT))
    with_images = build_case(course, (VisitImaging("V1", "x", (T2,)),))
    section = next(section for section in with_images.sections if section.key == "imaging")
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert table.rows[0].cells[1].text == "48.2 ms"
    others = [s for s in with_images.sections if s.key in {"classification", "response", "screening", "missing"}]
    plain = [s for s in build_case(course).sections if s.key in {"classification", "response", "screening", "missing"}]
    assert others == plain


def test_an_analysis_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["case", "show", str(ADULT), "--json"]) == 0
    imaging = json.loads(capsys.readouterr().out)["imaging"]
    assert imaging[0]["problem"]
    assert imaging[0]["all_muscle"] == {}


def test_chart_draws_each_scale_by_itself() -> None:
    course = follow(load_case(CHILD))
    titles = [panel.title for panel in course_panels(course, {})]
    assert "Strength, CMAS, higher is better" in titles
    assert "Strength, MMT8 UNI, higher is better" in titles
    picture = draw_case(course, {"first": (T2,)})
    assert picture is not None
    assert picture.media_type == "image/svg+xml"
    assert picture.png.startswith(b"<svg")
    assert "water T2" in picture.alt or "Water T2" in picture.alt


@pytest.mark.parametrize("last", ["2021-02-03", "2021-03-01", "2021-12", "2024-01", "2033", "2199"])
def test_any_span_of_time_gets_a_few_ticks(last: str) -> None:
    visits = [{"date": "2021-02-03", "physician_global": 3}, {"date": last, "physician_global": 2}]
    assert draw_case(follow(read_case({"heliotrope_case": 1, "key": "p", "visits": visits})), {}) is not None
    end = PartialDate.parse(last)
    assert end is not None
    assert 1 <= len(month_ticks(dt.date(2021, 1, 14), end.latest + dt.timedelta(days=20))) <= 9


def test_bounds_are_drawn_as_bounds() -> None:
    panels = {panel.title: panel for panel in course_panels(follow(load_case(ADULT)), {})}
    activity = panels["Skin (CDASI v2), lower is better"].lines[0].samples[-1]
    assert (activity.low, activity.high) == (3, 4)


def test_empty_record_still_gives_a_report() -> None:
    html = to_html(build_case(follow(read_case({"heliotrope_case": 1, "key": "p"}))))
    assert "The record holds no visit." in html


def test_hostile_text_of_a_record_is_escaped() -> None:
    value = {
        "heliotrope_case": 1,
        "key": "<script>alert(1)</script>",
        "treatments": [{"drug": "<img src=x onerror=alert(1)>", "start": "2021"}],
        "visits": [{"date": "2021-02-03", "physician_global": 3}],
    }
    html = to_html(build_case(follow(read_case(value))))
    assert "<script>alert" not in html
    assert "<img src=x" not in html


def test_columns_outside_groups_keep_their_own_titles(adult_html: str) -> None:
    heads = re.findall(r"<thead>.*?</thead>", adult_html, flags=re.DOTALL)
    first = next(head for head in heads if "Physician" in head)
    assert re.findall(r'rowspan="2"[^>]*>([^<]+)<', first) == ["Visit", "Strength", "HAQ/CHAQ", "Highest enzyme"]


def test_command_checks_reports_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["case", "check", str(ADULT), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["visits"] == 3
    target = tmp_path / "case.html"
    assert main(["case", "report", str(ADULT), "--out", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(target)
    assert main(["case", "report", str(ADULT), "--out", str(target)]) == 1
    assert "exists" in capsys.readouterr().err
    assert main(["case", "report", str(ADULT), "--out", str(target), "--overwrite"]) == 0
    broken = tmp_path / "broken.yaml"
    broken.write_text("{heliotrope_case: 1, key: p, visits: [{physician_global: 62}], no: true}")
    capsys.readouterr()
    for command in (["case", "check"], ["case", "show"], ["case", "report"]):
        assert main([*command, str(broken), "--json"]) == 2
        found = json.loads(capsys.readouterr().out)["errors"]
        assert {(row["code"], row["field"]) for row in found} == {
            ("E_FIELD", "no"),
            ("E_RANGE", "visits.1.physician_global"),
        }


def test_text_for_people_names_tier_and_improvement(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["case", "show", str(ADULT)]) == 0
    shown = capsys.readouterr().out
    assert "V1 to V3: 90 of 100, major" in shown
    assert "Cancer screening tier (consider; lists largely unverified): high" in shown
