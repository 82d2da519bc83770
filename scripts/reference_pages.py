"""Documentation hook: one reference page per public module of the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SOURCE = Path(__file__).resolve().parents[1] / "src"


def public_modules(source: Path = SOURCE) -> Iterator[tuple[str, ...]]:
    """Dotted parts of every module that no leading underscore hides."""
    for path in sorted((source / "heliotrope").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if not any(part.startswith("_") for part in parts):
            yield parts


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add ``reference/heliotrope/...`` pages, and an index that lists them."""
    lines = ["# Reference", "", "Generated from the docstrings of every public module.", ""]
    for parts in public_modules():
        name = ".".join(parts)
        is_package = (SOURCE.joinpath(*parts)).is_dir()
        page = "/".join(parts) + ("/index.md" if is_package else ".md")
        files.append(File.generated(config, f"reference/{page}", content=f"::: {name}\n"))
        lines.append(f"{'    ' * (len(parts) - 1)}- [`{name}`]({page})")
    files.append(File.generated(config, "reference/index.md", content="\n".join(lines) + "\n"))
    return files
