"""Every command that a page shows exists, with the options it shows."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from heliotrope.cli.main import build_application
from tests.docs.test_pages import PAGES, name_of

CALL = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?heliotrope\s+(.*)$")


def code_lines(page: Path) -> list[str]:
    """Lines of fenced and indented code, continuation lines joined."""
    lines: list[str] = []
    fenced = False
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(line)
    return lines


def calls() -> list[tuple[str, str]]:
    """Page and command line after the program's name."""
    found = []
    for page in PAGES:
        for line in code_lines(page):
            match = CALL.match(line)
            if match and not re.match(r"[<\[.]|\d", match.group(1)):
                found.append((name_of(page), match.group(1)))
    return found


@pytest.mark.parametrize(("page", "call"), sorted(set(calls())))
def test_commands_in_pages_exist_with_their_options(page: str, call: str) -> None:
    words = shlex.split(re.split(r"\s[|>#]|&&|;", call, maxsplit=1)[0])
    command = get_command(build_application())
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    options: list[str] = []
    for word in words:
        inner = getattr(command, "commands", {}).get(word)
        if word.startswith("-") and not re.fullmatch(r"-[\d.]+", word):
            options.append(word.split("=")[0])
        elif inner is not None:
            command = inner
            known |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        elif hasattr(command, "commands"):
            pytest.fail(f"{page}: `heliotrope {call}`: there is no command {word!r}")
    unknown = sorted(set(options) - known)
    assert not unknown, f"{page}: `heliotrope {call}`: unknown {unknown}"


def test_pages_show_commands_at_all() -> None:
    assert {call.split()[0] for _, call in calls()} >= {"inspect", "analyze"}


def test_readme_and_first_page_say_how_the_program_comes_on_the_path() -> None:
    """Pages write its name alone, and the install leaves it in an environment of the clone."""
    root = Path(__file__).resolve().parents[2]
    for page in ("README.md", "docs/guide/getting-started.md"):
        assert ". .venv/bin/activate" in (root / page).read_text(encoding="utf-8"), page
