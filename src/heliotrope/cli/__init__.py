"""Command line: argv to `app`, `app` to text or JSON."""

import sys

from heliotrope.cli.main import main


def run() -> None:
    """Entry point of the ``heliotrope`` command."""
    sys.exit(main())
