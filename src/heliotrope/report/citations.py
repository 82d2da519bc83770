"""Keys of the evidence ledger to numbered references."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TypeVar

import heliotrope.evidence
from heliotrope.evidence.model import Source, Statement
from heliotrope.report.document import Reference

Entry = TypeVar("Entry", Source, Statement)


def _entries(kind: type[Entry], module: object, name: str) -> Iterator[Entry]:
    held = getattr(module, name, ())
    values: Iterable[object] = held.values() if isinstance(held, Mapping) else held
    yield from (value for value in values if isinstance(value, kind))


@dataclass(frozen=True)
class Ledger:
    """Every source and statement of the evidence modules, by key."""

    sources: Mapping[str, Source]
    statements: Mapping[str, Statement]


@cache
def ledger() -> Ledger:
    """Read the topic modules of `heliotrope.evidence` once."""
    sources: dict[str, Source] = {}
    statements: dict[str, Statement] = {}
    for found in pkgutil.iter_modules(heliotrope.evidence.__path__):
        module = importlib.import_module(f"heliotrope.evidence.{found.name}")
        sources.update({source.key: source for source in _entries(Source, module, "SOURCES")})
        statements.update({statement.key: statement for statement in _entries(Statement, module, "STATEMENTS")})
    return Ledger(MappingProxyType(sources), MappingProxyType(statements))


def link_of(source: Source) -> str:
    """An https address for a source, or an empty string."""
    if source.doi:
        return f"https://doi.org/{source.doi}"
    if source.pmid:
        return f"https://pubmed.ncbi.nlm.nih.gov/{source.pmid}/"
    return source.other if source.other and source.other.startswith("https://") else ""


@dataclass
class Citations:
    """Numbers sources in the order in which the text first needs them.

    A key may name a statement or a source; a key the ledger does not hold is listed as such, never dropped.
    """

    book: Ledger = field(default_factory=ledger)
    _numbers: dict[str, int] = field(default_factory=dict)
    _statements: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _unknown: dict[str, None] = field(default_factory=dict)

    def _number(self, source_key: str) -> int:
        return self._numbers.setdefault(source_key, len(self._numbers) + 1)

    def cite(self, keys: Iterable[str]) -> tuple[int, ...]:
        """Reference numbers of ledger keys, ascending, each once."""
        numbers: set[int] = set()
        for key in keys:
            if key in self.book.statements:
                mine = tuple(self._number(source) for source in self.book.statements[key].sources)
                self._statements.setdefault(key, mine)
                numbers.update(mine)
            elif key in self.book.sources:
                numbers.add(self._number(key))
            else:
                self._unknown.setdefault(key)
        return tuple(sorted(numbers))

    @property
    def references(self) -> tuple[Reference, ...]:
        """The reference list in order of number."""
        entries: list[Reference] = []
        for key in self._numbers:
            source = self.book.sources.get(key)
            entries.append(Reference(source.citation, link_of(source)) if source else Reference(f"source “{key}”"))
        return tuple(entries)

    @property
    def statements(self) -> tuple[tuple[Statement, tuple[int, ...]], ...]:
        """Statements relied on, with the numbers of their sources, in order of first use."""
        return tuple((self.book.statements[key], numbers) for key, numbers in self._statements.items())

    @property
    def unknown_keys(self) -> tuple[str, ...]:
        """Keys that no evidence module holds."""
        return tuple(self._unknown)
