"""``python -m heliotrope`` is the command line."""

from heliotrope.cli import run

run()
