"""The whole ledger: every topic module's sources and statements, checked for contradiction."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, ModuleType

from heliotrope import evidence
from heliotrope.domain.errors import OptionError
from heliotrope.evidence.model import Source, Statement

_MACHINERY = frozenset({"ledger", "model"})


@dataclass(frozen=True)
class Ledger:
    """Sources and statements by key.

    Parameters
    ----------
    sources : mapping of str to Source
    statements : mapping of str to Statement
    topics : mapping of str to str
        Topic module of each statement.
    conflicts : tuple of str
        What contradicts within the ledger; the tests keep it empty, and a reader of one number is not stopped by it.
    """

    sources: Mapping[str, Source]
    statements: Mapping[str, Statement]
    topics: Mapping[str, str]
    conflicts: tuple[str, ...] = ()

    def statement(self, key: str) -> Statement:
        """The statement behind a number.

        Raises
        ------
        OptionError
            No such key.
        """
        try:
            return self.statements[key]
        except KeyError:
            raise OptionError(
                f"the evidence ledger has no statement '{key}'", hint="heliotrope evidence list shows all", code="E_KEY"
            ) from None

    def sources_of(self, *keys: str) -> tuple[Source, ...]:
        """The sources behind statements, each once, in order."""
        names = dict.fromkeys(source for key in keys for source in self.statement(key).sources)
        return tuple(self.sources[name] for name in names if name in self.sources)


def collect(topics: Mapping[str, ModuleType]) -> Ledger:
    """The ledger of the given topic modules, each with ``SOURCES`` and ``STATEMENTS`` or one of them.

    Two topics may list the same work; the first citation is kept. A source key with two identifiers, a statement key
    with two contents, and a statement that names a source nobody lists, are conflicts.
    """
    sources: dict[str, Source] = {}
    statements: dict[str, Statement] = {}
    origin: dict[str, str] = {}
    conflicts: list[str] = []
    for topic, module in topics.items():
        for source in getattr(module, "SOURCES", ()):
            known = sources.setdefault(source.key, source)
            if (known.doi, known.pmid) != (source.doi, source.pmid):
                conflicts.append(f"source '{source.key}' of '{topic}' is already listed with other identifiers")
        for statement in getattr(module, "STATEMENTS", ()):
            first = statements.setdefault(statement.key, statement)
            origin.setdefault(statement.key, topic)
            if first != statement:
                conflicts.append(f"statement '{statement.key}' of '{topic}' is already listed with other content")
    conflicts.extend(
        f"statement '{statement.key}' names the source '{name}', which no topic lists"
        for statement in statements.values()
        for name in statement.sources
        if name not in sources
    )
    frozen = (MappingProxyType(sources), MappingProxyType(statements), MappingProxyType(origin))
    return Ledger(*frozen, tuple(conflicts))


@cache
def ledger() -> Ledger:
    """The ledger of every topic module in this package."""
    names = sorted(module.name for module in pkgutil.iter_modules(evidence.__path__) if module.name not in _MACHINERY)
    return collect({name: importlib.import_module(f"{evidence.__name__}.{name}") for name in names})
