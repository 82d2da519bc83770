"""Clinical records as YAML or JSON: numbers as exact decimals, no surprises of YAML 1.1, bounded size.

Only ``true`` and ``false`` are truths and only ``null``, ``~`` and nothing are unknown. ``no``, ``on`` and ``y`` stay
text, as keys and as values; a date stays text; ``010`` is ten; ``1:30`` is text. A key written twice, a
recursive alias and a record past the limits are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import yaml

from heliotrope.domain.errors import FileFormatError

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 40
_LONGEST_INTEGER: Final = 400


class DuplicateKeyError(FileFormatError):
    """A key stands twice in one mapping; which one was meant is not guessed."""

    default_code = "E_CONFLICT"

    def __init__(self, key: str) -> None:
        super().__init__("a field is given twice in one mapping", hint="keep one of them")
        self.key = key


class _Loader(yaml.SafeLoader):
    """YAML 1.2 core schema with decimals."""


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _LONGEST_INTEGER else _decimal(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


_BOOLEAN: Final = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_NULL: Final = re.compile(r"^(?:null|Null|NULL|~|)$")
_INTEGER: Final = re.compile(r"^[-+]?[0-9]+$")
_FLOAT: Final = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_SPECIAL: Final = re.compile(r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$")

_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", _BOOLEAN, "tTfF"),
    ("null", _NULL, ["n", "N", "~", ""]),
    ("int", _INTEGER, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("special", _SPECIAL, "-+."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list(_first))


def _scalar(loader: Any, node: yaml.Node) -> str:
    assert isinstance(node, yaml.ScalarNode)
    return str(loader.construct_scalar(node))


def _truth(loader: Any, node: yaml.Node) -> bool:
    text = _scalar(loader, node)
    if not _BOOLEAN.match(text):
        raise FileFormatError("a value tagged as truth is neither true nor false", hint="write true, false or null")
    return text.lower() == "true"


def _number(loader: Any, node: yaml.Node) -> int | Decimal:
    text = _scalar(loader, node)
    return _integer(text) if _INTEGER.match(text) else _decimal(text)


def _construct_mapping(loader: Any, node: yaml.Node) -> dict[Hashable, Any]:
    assert isinstance(node, yaml.MappingNode)
    result: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise FileFormatError("a mapping has a key that is no plain text", hint="use field names as keys")
        if key in result:
            raise DuplicateKeyError(str(key))
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_Loader.add_constructor("tag:yaml.org,2002:bool", _truth)
_Loader.add_constructor("tag:yaml.org,2002:null", lambda _loader, _node: None)
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_constructor("tag:yaml.org,2002:special", lambda _loader, _node: Decimal("NaN"))
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _scalar)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def _measure(node: yaml.Node, depth: int, seen: dict[int, int], open_nodes: set[int]) -> int:
    """Nodes below and with this one, every alias counted in full; refuses what is too deep, too large or recursive."""
    if id(node) in seen:
        return seen[id(node)]
    if depth > MAX_DEPTH or id(node) in open_nodes:
        raise FileFormatError(
            f"the record nests deeper than {MAX_DEPTH} levels or refers to itself", hint="write it without aliases"
        )
    open_nodes.add(id(node))
    size = 1
    if isinstance(node, yaml.SequenceNode):
        size += sum(_measure(child, depth + 1, seen, open_nodes) for child in node.value)
    elif isinstance(node, yaml.MappingNode):
        size += sum(_measure(child, depth + 1, seen, open_nodes) for pair in node.value for child in pair)
    open_nodes.discard(id(node))
    if size > MAX_NODES:
        raise FileFormatError(f"the record has more than {MAX_NODES} parts", hint="a record holds one patient")
    seen[id(node)] = size
    return size


def parse_yaml(text: str) -> object:
    """The value of one YAML document.

    Examples
    --------
    >>> parse_yaml("{no: on, limit: 0.2, seen: 2024-03}")
    {'no': 'on', 'limit': Decimal('0.2'), 'seen': '2024-03'}

    Raises
    ------
    FileFormatError
        Not YAML, more than one document, tags for code, too large or too deep.
    """
    _refuse_deep(text)
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _measure(node, 0, {}, set())
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except FileFormatError:
        raise
    except yaml.MarkedYAMLError as error:
        where = f" at line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise FileFormatError(f"not readable as YAML{where}", hint="check indentation, quotes and colons") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise FileFormatError("not readable as YAML", hint="write plain text in UTF-8") from None


def _refuse_deep(text: str) -> None:
    """Bracket nesting far past the limit is refused before a parser recurses into it."""
    depth = 0
    for character in text:
        if character in "[{":
            depth += 1
            if depth > 10 * MAX_DEPTH:
                raise FileFormatError(f"the record nests deeper than {MAX_DEPTH} levels", hint="write it flat")
        elif character in "]}":
            depth = max(0, depth - 1)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise DuplicateKeyError(key)
        result[key] = value
    return result


def parse_json(text: str) -> object:
    """The value of one JSON document.

    Examples
    --------
    >>> parse_json('{"limit": 0.2}')
    {'limit': Decimal('0.2')}

    Raises
    ------
    FileFormatError
        Not JSON, a key given twice, too deep.
    """
    _refuse_deep(text)
    try:
        return json.loads(
            text,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=lambda _name: Decimal("NaN"),
            object_pairs_hook=_pairs,
        )
    except json.JSONDecodeError as error:
        raise FileFormatError(f"not readable as JSON at line {error.lineno}", hint="check quotes and commas") from None
    except RecursionError:
        raise FileFormatError(f"the record nests deeper than {MAX_DEPTH} levels", hint="write it flat") from None


def parse_record(text: str) -> object:
    """The value of a document that is YAML or JSON, whichever it is written in.

    Raises
    ------
    FileFormatError
        Neither of them.
    """
    if text.lstrip()[:1] in {"{", "["}:
        try:
            return parse_json(text)
        except DuplicateKeyError:
            raise
        except FileFormatError:
            return parse_yaml(text)
    return parse_yaml(text)


def read_record(path: Path) -> object:
    """The record in a file: JSON when its name ends so, else YAML or JSON as it is written.

    Raises
    ------
    FileFormatError
        Absent, unreadable, too large, not UTF-8, or damaged.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "check the path and the permissions"
        raise FileFormatError(f"the record file cannot be read: {error.strerror}", hint=hint) from None
    if len(data) > MAX_BYTES:
        raise FileFormatError(f"the record file is larger than {MAX_BYTES} bytes", hint="a record holds one patient")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileFormatError("the record file is not UTF-8 text", hint="save it as UTF-8") from None
    return parse_json(text) if path.suffix.lower() == ".json" else parse_record(text)
