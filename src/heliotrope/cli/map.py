"""``heliotrope map``: one parametric map from files; each map has its own module beside this one."""

from __future__ import annotations

import typer

from heliotrope.cli import map_diffusion, map_fat_fraction, map_t2

map_application = typer.Typer(help="Compute one parametric map from image files.", no_args_is_help=True)
map_t2.register(map_application)
map_fat_fraction.register(map_application)
map_diffusion.register(map_application)


def register(application: typer.Typer) -> None:
    """Add the command group."""
    application.add_typer(map_application, name="map")
