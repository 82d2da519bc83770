"""The report as a declarative value: sections of blocks, with no layout and no markup."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

STANDING_LINE = "For research use. Not a medical device. No diagnosis, order or treatment advice."
"""Stands on every page of every report."""


class Tone(StrEnum):
    """What a mark or notice says, told by word and symbol as well as by color."""

    PLAIN = "plain"
    GOOD = "good"
    ATTENTION = "attention"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Text:
    """A run of plain text.

    Parameters
    ----------
    text : str
    citations : tuple of int
        Numbers in the reference list, 1-based.
    strong : bool
    note : str
        Small second line, e.g. an interval.
    tone : Tone
    """

    text: str
    citations: tuple[int, ...] = ()
    strong: bool = False
    note: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of runs."""

    runs: tuple[Text, ...]


@dataclass(frozen=True)
class BulletItem:
    """One item of a list: an optional lead and mark in front, the text, smaller lines below."""

    text: Text
    mark: str = ""
    tone: Tone = Tone.PLAIN
    notes: tuple[str, ...] = ()
    lead: str = ""


@dataclass(frozen=True)
class BulletList:
    """An unordered list."""

    items: tuple[BulletItem, ...]


@dataclass(frozen=True)
class Facts:
    """Names and values, e.g. provenance."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Column:
    """Heading of a table column, optionally under a group heading.

    Parameters
    ----------
    title : str
    group : str
        Columns in a row with the same group share one heading above them.
    numeric : bool
        Aligned right.
    """

    title: str
    group: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class Row:
    """One table row; the first cell names it.

    Parameters
    ----------
    cells : tuple of Text
        As many as the table has columns.
    heading : str
        When given, the row is a heading across the table and `cells` is empty.
    indent : int
        Depth of the first cell in a hierarchy.
    """

    cells: tuple[Text, ...] = ()
    heading: str = ""
    indent: int = 0


@dataclass(frozen=True)
class Table:
    """A table with a caption, and notes below it."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A picture.

    Parameters
    ----------
    png : bytes
        PNG, or SVG when `media_type` says so.
    alt : str
        What a reader who cannot see it must know.
    width_px, height_px : int
    """

    png: bytes = field(repr=False)
    alt: str
    width_px: int
    height_px: int
    media_type: str = "image/png"


@dataclass(frozen=True)
class LegendEntry:
    """A color and what it means; the color is repeated in words or by a number in the picture."""

    color: str
    text: str


@dataclass(frozen=True)
class Figure:
    """Pictures under one caption, with a scale or a legend.

    Parameters
    ----------
    pictures : tuple of Picture
    caption : str
    scale : Picture or None
        Color bar with unit.
    legend : tuple of LegendEntry
    columns : int
        How many pictures stand beside one another where the page is wide enough.
    dark : bool
        Black between the pictures, as for images; False for charts.
    """

    pictures: tuple[Picture, ...]
    caption: str
    scale: Picture | None = None
    legend: tuple[LegendEntry, ...] = ()
    columns: int = 2
    dark: bool = True


@dataclass(frozen=True)
class Notice:
    """A sentence that must not be overlooked."""

    text: str
    tone: Tone = Tone.ATTENTION


@dataclass(frozen=True)
class Subheading:
    """A heading inside a section."""

    title: str


@dataclass(frozen=True)
class Foldable:
    """Blocks that are folded on a screen and shown in print."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class References:
    """The numbered reference list, starting at 1."""

    entries: tuple[Reference, ...]


@dataclass(frozen=True)
class Reference:
    """One source; `link` is an https address or empty."""

    citation: str
    link: str = ""


Block = Paragraph | BulletList | Facts | Table | Figure | Notice | Subheading | Foldable | References


@dataclass(frozen=True)
class Section:
    """A titled part of the report.

    Parameters
    ----------
    key : str
        Anchor; letters, digits and hyphens.
    title : str
    blocks : tuple of Block
    new_page : bool
        Starts a page in print.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]
    new_page: bool = False


@dataclass(frozen=True)
class Document:
    """A whole report.

    Parameters
    ----------
    title : str
    subtitle : str
        What was scanned, in one line.
    identity : tuple of (str, str)
        Pseudonyms and dates for the page head.
    sections : tuple of Section
    synthetic : bool
        Every page and picture then says so.
    standing_line : str
        Stands on every page.
    """

    title: str
    subtitle: str
    identity: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    synthetic: bool = False
    standing_line: str = STANDING_LINE
