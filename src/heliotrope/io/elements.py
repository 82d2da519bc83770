"""Data elements of a little-endian DICOM data set, located but not converted; sequences are opened when asked for.

Reading a header takes a tenth of the time of a full parse, which is what intake of thousands of files spends.
Anything unusual raises `UnusualStructure`, and the caller lets pydicom decide.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

FIRST_PIXELS: Final = 0x7FE00008
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_UNDEFINED: Final = 0xFFFFFFFF
_LONG: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT: Final = frozenset(
    (
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
        b"ST", b"TM", b"UI", b"UL", b"US",
    )
)  # fmt: skip
_MAX_DEPTH = 24
_TAG = struct.Struct("<HH")
_LENGTH = struct.Struct("<I")
_SHORT_LENGTH = struct.Struct("<H")
EXPLICIT_SYNTAX_EXCEPTIONS: Final = {
    "1.2.840.10008.1.2": False,
    "1.2.840.10008.1.2.2": None,
    "1.2.840.10008.1.2.1.99": None,
}
"""Transfer syntaxes that are not explicit little endian: implicit (False) or not for this parser (None)."""


class UnusualStructure(ValueError):  # noqa: N818 - hands the file to the full parser
    """The bytes are damaged, end early, or are encoded in a way this parser leaves to pydicom."""


class RawElement(NamedTuple):
    """One element, as pydicom's raw elements look.

    Parameters
    ----------
    VR : str or None
        None where the encoding does not say.
    value : bytes
    is_little_endian : bool
    """

    VR: str | None
    value: bytes
    is_little_endian: bool = True


class Elements:
    """The elements of one data set or sequence item."""

    __slots__ = ("_content", "_explicit", "_places", "end")

    def __init__(self, content: bytes, start: int, stop: int, *, explicit: bool, top: bool) -> None:
        self._content = content
        self._explicit = explicit
        self._places: dict[int, tuple[bytes | None, int, int]] = {}
        self.end = _walk(content, start, stop, explicit, self._places, top=top, depth=0)

    def __contains__(self, tag: object) -> bool:
        return tag in self._places

    def get_item(self, tag: int) -> RawElement | None:
        """The element's bytes; None when absent."""
        place = self._places.get(tag)
        if place is None:
            return None
        kind, start, stop = place
        return RawElement(None if kind is None else kind.decode("ascii"), self._content[start:stop])

    def signature(self, tags: tuple[int, ...]) -> tuple[bytes | None, ...]:
        """The bytes of each of `tags`, None where absent."""
        content, places = self._content, self._places
        return tuple([None if (place := places.get(tag)) is None else content[place[1] : place[2]] for tag in tags])

    def tags(self) -> tuple[int, ...]:
        """Every tag present."""
        return tuple(self._places)

    def items(self, tag: int) -> tuple[Elements, ...]:
        """The items of a sequence; empty when there are none or the value is no sequence."""
        place = self._places.get(tag)
        if place is None:
            return ()
        kind, start, stop = place
        content = self._content
        found: list[Elements] = []
        while start + 8 <= stop:
            group, element = _TAG.unpack_from(content, start)
            if (group << 16 | element) != _ITEM:
                break
            (length,) = _LENGTH.unpack_from(content, start + 4)
            explicit = self._explicit if kind == b"SQ" else _looks_explicit(content, start + 8)
            item_stop = stop if length == _UNDEFINED else start + 8 + length
            if item_stop > stop:
                raise UnusualStructure("an item longer than its sequence")
            item = Elements(content, start + 8, item_stop, explicit=explicit, top=False)
            found.append(item)
            start = item.end if length == _UNDEFINED else item_stop
        return tuple(found)


def _looks_explicit(content: bytes, start: int) -> bool:
    kind = content[start + 4 : start + 6]
    return kind in _LONG or kind in _SHORT


def _walk(
    content: bytes,
    position: int,
    stop: int,
    explicit: bool,
    places: dict[int, tuple[bytes | None, int, int]] | None,
    *,
    top: bool,
    depth: int,
) -> int:
    """Locate elements up to `stop`, the pixel element or the end of an item; returns the byte after."""
    if depth > _MAX_DEPTH:
        raise UnusualStructure("nested too deeply")
    unpack_tag, unpack_length, unpack_short = _TAG.unpack_from, _LENGTH.unpack_from, _SHORT_LENGTH.unpack_from
    while position + 8 <= stop:
        group, element = unpack_tag(content, position)
        tag = group << 16 | element
        if tag == _ITEM_END and not top:
            return position + 8
        if top and tag >= FIRST_PIXELS:
            return position
        kind: bytes | None = None
        if explicit:
            kind = content[position + 4 : position + 6]
            if kind in _SHORT:
                (length,) = unpack_short(content, position + 6)
                position += 8
            elif kind in _LONG:
                if position + 12 > stop:
                    raise UnusualStructure("an element ends early")
                (length,) = unpack_length(content, position + 8)
                position += 12
            else:
                raise UnusualStructure("an unknown value representation")
        else:
            (length,) = unpack_length(content, position + 4)
            position += 8
        if length == _UNDEFINED:
            after = _skip_sequence(content, position, stop, explicit and kind == b"SQ", depth + 1)
            finish = after - 8
        else:
            after = finish = position + length
            if after > stop:
                raise UnusualStructure("an element ends early")
        if places is not None:
            places[tag] = (kind, position, finish)
        position = after
    if position != stop:
        raise UnusualStructure("stray bytes after the last element")
    return position


def _skip_sequence(content: bytes, position: int, stop: int, explicit: bool, depth: int) -> int:
    """The byte after the delimiter of a sequence of undefined length."""
    while position + 8 <= stop:
        group, element = _TAG.unpack_from(content, position)
        tag = group << 16 | element
        (length,) = _LENGTH.unpack_from(content, position + 4)
        position += 8
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise UnusualStructure("no item where one is due")
        if length == _UNDEFINED:
            position = _walk(content, position, stop, explicit, None, top=False, depth=depth)
        else:
            position += length
    raise UnusualStructure("a sequence without an end")


class ParsedHeader(NamedTuple):
    """A file's header.

    Parameters
    ----------
    elements : Elements
    transfer_syntax, sop_class : str
        From the file meta information.
    end : int
        Byte at which the pixel element begins, or the file's end.
    """

    elements: Elements
    transfer_syntax: str
    sop_class: str
    end: int


def parse_header(content: bytes) -> ParsedHeader:
    """Locate the elements of a file with preamble.

    Raises
    ------
    UnusualStructure
        Anything that needs the full parser, truncation within the header included.
    """
    if content[128:132] != b"DICM":
        raise UnusualStructure("no preamble")
    meta: dict[int, str] = {}
    position = 132
    while position + 8 <= len(content):
        group, element = _TAG.unpack_from(content, position)
        if group != 2:
            break
        kind = content[position + 4 : position + 6]
        if kind in _SHORT:
            (length,) = _SHORT_LENGTH.unpack_from(content, position + 6)
            position += 8
        elif kind in _LONG and position + 12 <= len(content):
            (length,) = _LENGTH.unpack_from(content, position + 8)
            position += 12
        else:
            raise UnusualStructure("file meta information in another encoding")
        if kind == b"UI":
            meta[element] = content[position : position + length].decode("ascii", "replace").strip(" \0")
        position += length
    syntax = meta.get(0x0010, "")
    explicit = EXPLICIT_SYNTAX_EXCEPTIONS.get(syntax, True)
    if not syntax or explicit is None or position + 8 > len(content) or explicit != _looks_explicit(content, position):
        raise UnusualStructure("a transfer syntax for the full parser")
    elements = Elements(content, position, len(content), explicit=explicit, top=True)
    return ParsedHeader(elements, syntax, meta.get(0x0002, ""), elements.end)
