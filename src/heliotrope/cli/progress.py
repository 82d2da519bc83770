"""Progress on stderr: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from heliotrope.cli.shell import say


@contextmanager
def stage_progress() -> Iterator[Callable[[int, int, str], None]]:
    """Yield a callback that takes the stages done, their total and a line about the last one."""
    if not sys.stderr.isatty():
        yield lambda done, total, line: say(f"[{done}/{total}] {line}")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("analyzing", total=None)

        def show(done: int, total: int, line: str) -> None:
            bar.update(task, completed=done, total=total)
            bar.console.print(line, markup=False, highlight=False)

        yield show
