"""The command line as a whole."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

import typer

import heliotrope
from heliotrope.cli.shell import ExitStatus, answer_error
from heliotrope.domain.errors import HeliotropeError, OptionError

COMMANDS: Final = (
    "analyze",
    "case",
    "compare",
    "criteria",
    "demo",
    "engines",
    "evidence",
    "inspect",
    "map",
    "phantom",
    "relabel",
    "unblind",
    "validate",
)
"""Each has a module of its name in `heliotrope.cli` with ``register(application)``."""


def build_application(only: str | None = None) -> typer.Typer:
    """The command line with every command, or with the one that is asked for.

    A command brings its libraries with it; loading one of them answers seconds sooner than loading all.
    """
    application = typer.Typer(
        name="heliotrope",
        help="Quantitative imaging of dermatomyositis and the other inflammatory myopathies. "
        "For research and decision support; not a medical device.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    application.callback(invoke_without_command=True)(_root)
    for name in COMMANDS if only is None else (only,):
        importlib.import_module(f"heliotrope.cli.{name}").register(application)
    return application


def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> int:
    if version:
        sys.stdout.write(f"heliotrope {heliotrope.__version__}\n")
    elif context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")
        return ExitStatus.USAGE
    return ExitStatus.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    only = arguments[0] if arguments and arguments[0] in COMMANDS else None
    try:
        status = build_application(only)(args=arguments, standalone_mode=False)
    except HeliotropeError as error:
        return answer_error(error, as_json=as_json)
    except typer.TyperException as error:
        message = str(getattr(error, "message", error))
        hint = "heliotrope --help lists the commands, heliotrope COMMAND --help its options"
        return answer_error(OptionError(message, hint=hint, code="E_USAGE"), as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted: finished stages are kept; run the same command again to go on\n")
        return 130
    return int(status) if isinstance(status, int) else ExitStatus.OK
