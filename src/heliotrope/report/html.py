"""`Document` to one self-contained HTML page that opens without a network."""

from __future__ import annotations

import base64
from functools import cache
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from heliotrope.report import palette
from heliotrope.report.document import Column, Document, Picture, Table

_COLORS = ("INK", "PAPER", "QUIET", "LINE", "PANEL", "ACCENT", "LINK", "GOOD", "ATTENTION", "UNKNOWN")


def data_address(picture: Picture) -> str:
    """The picture as a ``data:`` address."""
    return f"data:{picture.media_type};base64," + base64.b64encode(picture.png).decode("ascii")


def column_groups(table: Table) -> list[tuple[str, tuple[Column, ...]]]:
    """Group headings with the columns under each; ungrouped columns may stand before, between and after groups."""
    return [(group, tuple(columns)) for group, columns in groupby(table.columns, key=lambda column: column.group)]


def block_kind(block: object) -> str:
    """Name of a block's class, which selects its markup."""
    return type(block).__name__


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("heliotrope.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_address"] = data_address
    environment.filters["column_groups"] = column_groups
    environment.filters["block_kind"] = block_kind
    return environment.get_template("report.html.j2")


def to_html(document: Document) -> str:
    """Render a document.

    Parameters
    ----------
    document : Document
        From `heliotrope.report.build`.

    Returns
    -------
    str
        HTML with style and pictures inside; every string of the document is escaped.
    """
    colors = {name: getattr(palette, name) for name in (*_COLORS, "ATTENTION_PANEL", "SYNTHETIC_PANEL")}
    return _template().render(document=document, colors=colors)
