"""Options that take several values after one name: ``--magnitude A B C`` as well as ``--magnitude A --magnitude B``."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperCommand


class ManyValuesCommand(TyperCommand):
    """A command whose options in `many` swallow every value up to the next option."""

    many: ClassVar[tuple[str, ...]] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option name before each of its values, then parse as usual."""
        spread: list[str] = []
        current: str | None = None
        n_values = 0
        for token in args:
            if token.startswith("--") or (token.startswith("-") and len(token) > 1 and not _is_number(token)):
                current = token if token in self.many else None
                n_values = 0
                spread.append(token)
                continue
            if current is not None:
                if n_values:
                    spread.append(current)
                n_values += 1
            spread.append(token)
        return list(super().parse_args(ctx, spread))


def numbers_from(texts: list[str]) -> tuple[float, ...]:
    """Numbers of option values separated by commas or spaces.

    Examples
    --------
    >>> numbers_from(["1.15, 2.3", "3.45"])
    (1.15, 2.3, 3.45)
    """
    return tuple(float(word) for text in texts for word in text.replace(",", " ").replace(";", " ").split())


def _is_number(text: str) -> bool:
    try:
        numbers_from([text])
    except ValueError:
        return False
    return True
