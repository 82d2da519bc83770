"""Header values straight from the bytes of a DICOM data set, without validation noise and without guessing.

pydicom parses the structure; values are decoded here because scanners write strings that the standard forbids, and
because decoding only what is asked keeps the first pass over thousands of files short.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from heliotrope.io.elements import Elements, RawElement

_BINARY = {
    "FD": ("d", 8),
    "FL": ("f", 4),
    "OF": ("f", 4),
    "OD": ("d", 8),
    "US": ("H", 2),
    "SS": ("h", 2),
    "UL": ("I", 4),
    "SL": ("i", 4),
    "UV": ("Q", 8),
    "SV": ("q", 8),
}
_MAX_VALUE_BYTES = 1 << 22
"""No header value this program reads is longer; a longer one is damage or hostile. [bytes]"""


Made = TypeVar("Made")


class Header:
    """Read access to one data set (a file's, or one sequence item's).

    Parameters
    ----------
    dataset : Elements or pydicom.Dataset
        As parsed, values not yet converted.

    Examples
    --------
    >>> ds = Dataset()
    >>> ds.EchoTime = "10.9"
    >>> Header(ds).number(0x00180081)
    10.9
    """

    __slots__ = ("dataset",)

    def __init__(self, dataset: Dataset | Elements) -> None:
        self.dataset = dataset

    def __contains__(self, tag: int) -> bool:
        return tag in self.dataset

    def _element(self, tag: int) -> RawElement | RawDataElement | object | None:
        dataset = self.dataset
        if isinstance(dataset, Elements):
            return dataset.get_item(tag)
        try:
            return dataset.get_item(BaseTag(tag))
        except (KeyError, ValueError, TypeError):
            return None

    def values(self, tag: int, vr: str | None = None) -> tuple[str | float | bytes, ...]:
        """All values of an element; strings stripped, binary numbers unpacked; empty when absent or unreadable.

        Parameters
        ----------
        tag : int
            ``0xGGGGEEEE``.
        vr : str or None
            Representation to assume where the file does not say (private elements of unknown type).
        """
        element = self._element(tag)
        if element is None:
            return ()
        raw = getattr(element, "value", None)
        if raw is None:
            return ()
        if not isinstance(raw, bytes):
            return _plain(raw)
        if len(raw) > _MAX_VALUE_BYTES:
            return ()
        stated = getattr(element, "VR", None)
        kind = stated if stated not in (None, "UN") else (vr or _dictionary_vr(tag))
        if kind in _BINARY:
            code, size = _BINARY[kind]
            count = len(raw) // size
            order = "<" if getattr(element, "is_little_endian", True) else ">"
            return struct.unpack(f"{order}{count}{code}", raw[: count * size])
        if kind in ("OB", "OW", "UN"):
            return (raw,)
        text = _decode(raw).strip(" \0")
        if not text:
            return ()
        return tuple([part.strip(" \0") for part in text.split("\\")]) if "\\" in text else (text,)

    def text(self, tag: int) -> str | None:
        """The first value as text; None when absent or empty."""
        values = self.values(tag)
        if not values:
            return None
        first = values[0]
        text = _decode(first) if isinstance(first, bytes) else str(first)
        return text.strip(" \0") or None

    def texts(self, tag: int) -> tuple[str, ...]:
        """All values as text."""
        return tuple(str(value) for value in self.values(tag) if not isinstance(value, bytes))

    def numbers(self, tag: int, vr: str | None = None) -> tuple[float, ...]:
        """All values as finite numbers; empty when any is not one."""
        found: list[float] = []
        for value in self.values(tag, vr):
            try:
                number = float(value)
            except (TypeError, ValueError):
                return ()
            if not math.isfinite(number):
                return ()
            found.append(number)
        return tuple(found)

    def number(self, tag: int, vr: str | None = None) -> float | None:
        """The first value as a finite number; None when absent or not a number."""
        values = self.values(tag, vr)
        if not values:
            return None
        try:
            number = float(values[0])
        except (TypeError, ValueError):
            return None
        return number if math.isfinite(number) else None

    def integer(self, tag: int) -> int | None:
        """The first value as a whole number."""
        number = self.number(tag)
        return None if number is None else int(number)

    def raw(self, tag: int) -> bytes | None:
        """The bytes of a private or binary element."""
        element = self._element(tag)
        value = getattr(element, "value", None)
        return bytes(value) if isinstance(value, bytes | bytearray) else None

    def items(self, tag: int) -> tuple[Header, ...]:
        """The items of a sequence; empty when absent or damaged."""
        if tag not in self.dataset:
            return ()
        dataset = self.dataset
        try:
            if isinstance(dataset, Elements):
                return tuple(Header(item) for item in dataset.items(tag))
            value = dataset[tag].value
        except Exception:  # noqa: BLE001 - pydicom raises many kinds on a damaged sequence; it then has no items
            return ()
        return tuple(Header(item) for item in value) if isinstance(value, Sequence) else ()

    def first(self, tag: int) -> Header | None:
        """The first item of a sequence."""
        items = self.items(tag)
        return items[0] if items else None

    def tags(self) -> Iterator[int]:
        """Every tag present, as numbers."""
        if isinstance(self.dataset, Elements):
            return iter(self.dataset.tags())
        return (int(tag) for tag in self.dataset.keys())  # noqa: SIM118 - a Dataset iterates over elements, not tags


class RecordingHeader(Header):
    """A header that notes which elements were asked for."""

    __slots__ = ("asked",)

    def __init__(self, dataset: Dataset | Elements) -> None:
        super().__init__(dataset)
        self.asked: set[int] = set()

    def __contains__(self, tag: int) -> bool:
        self.asked.add(tag)
        return super().__contains__(tag)

    def _element(self, tag: int) -> RawElement | RawDataElement | object | None:
        self.asked.add(tag)
        return super()._element(tag)

    def items(self, tag: int) -> tuple[Header, ...]:
        """The items of a sequence."""
        self.asked.add(tag)
        return super().items(tag)


class HeaderCache(Generic[Made]):
    """Results of a function of a header, made once for headers that agree in every element it asks for.

    Thousands of images of one series differ in a few elements only.
    """

    def __init__(self) -> None:
        self._tags: tuple[int, ...] = ()
        self._made: dict[tuple[bytes | None, ...], Made] = {}

    def get(self, header: Header, make: Callable[[Header], Made]) -> Made:
        """``make(header)``, or the equal result made before."""
        elements = header.dataset
        if not isinstance(elements, Elements):
            return make(header)
        known = self._made.get(elements.signature(self._tags))
        if known is not None:
            return known
        recorder = RecordingHeader(elements)
        made = make(recorder)
        if not recorder.asked <= set(self._tags):
            # what a result depends on has grown: earlier keys no longer tell all
            self._tags = tuple(sorted(recorder.asked | set(self._tags)))
            self._made.clear()
        self._made[elements.signature(self._tags)] = made
        return made


def _plain(value: object) -> tuple[str | float | bytes, ...]:
    if isinstance(value, Sequence):
        return ()
    if isinstance(value, MultiValue | list | tuple):
        return tuple(one for part in value for one in _plain(part))
    if isinstance(value, int | float | bytes):
        return (value,)
    text = str(value).strip(" \0")
    return (text,) if text else ()


def _dictionary_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
