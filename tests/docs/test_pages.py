"""Pages for people: links resolve, scripts exist, examples give what they say."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import heliotrope

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MODULES = sorted(m.name for m in pkgutil.walk_packages(heliotrope.__path__, "heliotrope.") if "__main__" not in m.name)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_resolve(page: Path) -> None:
    text = re.sub(r"^( {4}|```).*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path = target.split("#")[0]
        if not path or re.match(r"[a-z]+:", path) or "reference/" in path:  # reference pages are made by the build
            continue
        assert (page.parent / path).exists(), f"{name_of(page)} links to {path}, which does not exist"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_scripts_that_pages_name_exist(page: Path) -> None:
    for script in re.findall(r"\bsh (scripts/[\w.-]+)", page.read_text(encoding="utf-8")):
        assert (ROOT / script).is_file(), f"{name_of(page)} names {script}, which does not exist"


def test_the_readme_gives_the_run_and_the_test_command_one_line_each() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines.count("    sh scripts/demo") == 1
    assert lines.count("    sh scripts/test") == 1


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_give_what_they_say(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert outcome.failed == 0
