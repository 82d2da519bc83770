"""A quantity the product knows is described, has a unit the report can write, and stands in the documentation."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import fields
from pathlib import Path

import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.registry import STAGES, quantities
from heliotrope.app.stage import Quantity
from heliotrope.domain.anatomy import STRUCTURES, WHERE_NAMES_ARE
from heliotrope.findings.change import REPEATABILITY
from heliotrope.report.vocabulary import UNIT_STYLES

ROOT = Path(__file__).parents[2]
QUANTITIES = sorted(quantities().values(), key=lambda item: item.key)
COMPARED_ONLY = {"legacy_t2", "edema_load"}
"""Compared when an earlier result holds them, though no stage of this version need deliver them."""


def _page(script: str) -> str:
    path = ROOT / "scripts" / f"{script}.py"
    spec = importlib.util.spec_from_file_location(f"{script}_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text: str = module.page()
    return text


def test_stage_names_are_unique_and_use_only_stages_that_run_before() -> None:
    names = [stage.name for stage in STAGES]
    assert len(names) == len(set(names))
    for number, stage in enumerate(STAGES):
        later = set(names[number:]) & set(stage.uses)
        assert not later, f"{stage.name} uses {later}, which run after it"


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda item: item.key)
def test_a_quantity_is_described(quantity: Quantity) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", quantity.key)
    assert quantity.title
    assert quantity.meaning.endswith("."), quantity.key
    assert quantity.unit in UNIT_STYLES


def test_one_key_never_has_two_units() -> None:
    units: dict[str, set[str]] = {}
    for stage in STAGES:
        for quantity in stage.quantities:
            units.setdefault(quantity.key, set()).add(quantity.unit)
    assert {key: found for key, found in units.items() if len(found) > 1} == {}


def test_every_limit_of_change_speaks_of_a_known_quantity() -> None:
    assert set(REPEATABILITY) - set(quantities()) <= COMPARED_ONLY


def test_the_page_of_quantities_is_up_to_date() -> None:
    written = (ROOT / "docs" / "guide" / "quantities.md").read_text(encoding="utf-8")
    assert written == _page("quantities"), "run: python scripts/quantities.py"


def test_the_page_of_structures_is_up_to_date_and_where_errors_say_it_is() -> None:
    named = re.search(r"docs/\S+\.md", WHERE_NAMES_ARE)
    assert named is not None
    written = (ROOT / named.group()).read_text(encoding="utf-8")
    assert written == _page("structures"), "run: python scripts/structures.py"
    assert all(f"| `{name}` |" in written for name in STRUCTURES)


def test_every_option_is_read_by_a_stage_that_declares_it_or_belongs_to_the_run_as_a_whole() -> None:
    """A stage is shown what it declares only, so an option nobody declares would do nothing."""
    of_the_run = {
        "role",
        "study",
        "only",
        "show_identifiers",
        "station_order",
        "pixel_size_mm",
        "engine",
        "engine_task",
    }
    known = {item.name for item in fields(AnalyzeOptions)}
    declared = {name for stage in STAGES for name in stage.reads}
    assert declared | of_the_run == known
    assert not declared & of_the_run
