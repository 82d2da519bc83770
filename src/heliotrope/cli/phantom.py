"""``heliotrope phantom``: a synthetic study with its truth."""

from __future__ import annotations

from pathlib import Path

import typer

from heliotrope.app.phantom import PHANTOMS, write_phantom
from heliotrope.cli.shell import ExitStatus, answer


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command("phantom")(_phantom)


def _phantom(
    name: str = typer.Argument(help="Name of the phantom; `heliotrope phantom list` shows them all."),
    out: Path = typer.Option(Path("phantom"), "--out", help="Folder to write: new, empty, or an earlier phantom."),
    seed: int = typer.Option(0, "--seed", help="Draws the simulated person, the lesions and the noise."),
    image_format: str = typer.Option("dicom", "--format", help="dicom or nifti."),
    as_json: bool = typer.Option(False, "--json", help="Answer in JSON."),
) -> int:
    """Write a synthetic study of known truth; every header says that no person was scanned."""
    if name == "list":
        rows = [{"name": key, "title": entry.title} for key, entry in PHANTOMS.items()]
        width = 2 + max(len(row["name"]) for row in rows)
        text = "\n".join(f"{row['name']:{width}}{row['title']}" for row in rows)
        answer({"phantoms": rows}, text, as_json=as_json)
        return ExitStatus.OK
    written = write_phantom(name, out, seed, image_format)
    answer(
        {
            "phantom": written.name,
            "seed": written.seed,
            "folder": str(written.folder),
            "files": written.n_files,
            "series": list(written.series),
            "truth": str(written.truth),
            "synthetic": True,
        },
        f"synthetic study {written.name} (seed {written.seed}): {written.n_files} files in {written.folder}\n"
        f"truth: {written.truth}",
        as_json=as_json,
    )
    return ExitStatus.OK
